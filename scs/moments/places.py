"""Where a label's sums lie, as labels come part by part."""

from __future__ import annotations

from collections import defaultdict
from itertools import count

import numpy as np


class Places:
    """The place of every label, in order of appearance.

    Numbers and dates are found by bisection in a sorted array, about twice as fast as in a
    dictionary, which serves all other labels, and numbers of more than one type.
    """

    def __init__(self, labels: np.ndarray) -> None:
        self.kind = labels.dtype.kind if labels.dtype.kind in "iufmM" else ""
        self.sorted, self.place = labels[:0], np.zeros(0, dtype=np.intp)
        self.table: defaultdict = defaultdict(count().__next__)  # a new label gets the next place

    def __len__(self) -> int:
        return len(self.place) if self.kind else len(self.table)

    def of(self, labels: np.ndarray) -> np.ndarray:
        """Return the places of distinct labels; new ones get the next places."""
        if self.kind and self.kind != labels.dtype.kind:
            for label in self.sorted[np.argsort(self.place)].tolist():
                self.table[label]
            self.kind = ""
        if not self.kind:
            found = map(self.table.__getitem__, labels.tolist())
            return np.fromiter(found, dtype=np.intp, count=len(labels))
        order = np.argsort(labels)
        wanted = labels[order]
        where = np.searchsorted(self.sorted, wanted)
        inside = np.minimum(where, max(len(self.sorted) - 1, 0))
        new = np.ones(len(wanted), dtype=bool)
        if len(self.sorted):
            new = self.sorted[inside] != wanted
        places = np.empty(len(labels), dtype=np.intp)
        places[order[~new]] = self.place[inside[~new]]
        first = np.sort(order[new])  # new ones, as they come
        places[first] = len(self.place) + np.arange(len(first))
        if len(first):
            self.sorted = np.insert(
                self.sorted.astype(np.result_type(self.sorted, wanted)), where[new], wanted[new]
            )
            self.place = np.insert(self.place, where[new], places[order[new]])
        return places
