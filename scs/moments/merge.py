"""Merging the cluster sums of some rows with those of other rows: the engine of `Moments`.

Parts are joined by the rule of Chan, Golub and LeVeque (1983): two means of one cluster add
n n'/(n + n') times the product of their distance. No sum about zero is ever formed, so data far
from zero keep their digits, however many parts they come in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from scs.data.labels import joined_labels, refuse_other_kind
from scs.moments.part import Part, blocks
from scs.moments.places import Places


def merge_parts(parts: Iterable[Part]) -> Part | None:
    """Join parts in the order they come; None if there is none.

    A part costs time in proportion to the clusters it has, not to all those known by then (but for
    one copy of the known labels while new ones come). Memory is that of all clusters, O(K C). The
    labels come in order of appearance.

    Raises
    ------
    TypeError
        Labels of one part are numbers, those of another text, or the like.
    """
    parts = iter(parts)
    first = next(parts, None)
    if first is None:
        return None
    second = next(parts, None)
    if second is None:
        return first
    total = _Total(first)
    for part in _again(second, parts):
        total.add(part)
    return total.part()


class _Total:
    """What is known so far; a label's row in the arrays is its place."""

    def __init__(self, first: Part) -> None:
        self.places = Places(first.labels)
        self.labels: list[np.ndarray] = []
        self.n = np.zeros(0)
        self.means, self.mean_z, self.own = (
            np.zeros((0, *each.shape[1:])) for each in (first.means, first.mean_z, first.own)
        )
        self.products = np.zeros_like(first.products)
        self.rows: np.ndarray | None = None
        self.log_weights = 0.0
        self.add(first)

    def add(self, part: Part) -> None:
        if self.labels:
            refuse_other_kind(self.labels[0][:1], part.labels[:1])  # each part is of one kind
        known = len(self.places)
        at = self.places.of(part.labels)
        self._grow()
        self.labels.append(part.labels[at >= known])
        self.products += part.products
        self.log_weights += part.log_weights
        self._count(part, at)
        for some in blocks(len(at), 1):
            self._join(part, some, at[some])

    def _count(self, part: Part, at: np.ndarray) -> None:
        """Add the rows of a part to those known, before its weights join theirs."""
        if self.rows is None and part.rows is None:
            return
        if self.rows is None:
            self.rows = self.n.copy()
        new = len(self.n) - len(self.rows)
        self.rows = np.concatenate([self.rows, np.zeros(new)]) if new else self.rows
        self.rows[at] += part.n if part.rows is None else part.rows

    def _join(self, part: Part, some: slice, at: np.ndarray) -> None:
        n = part.n[some]
        before = np.take(self.n, at)
        after = before + n
        # A cluster that is new has no rows before: it takes the part's mean, and adds no product.
        share = n / after
        weight = (before * share)[:, None]
        old = np.take(self.means, at, axis=0)
        distance = part.means[some] - old
        self.products += distance.T @ (distance * weight)
        if part.mean_z.shape[1]:
            self._join_own(part, some, at, share, weight, distance)
        self.n[at] = after
        distance *= share[:, None]
        self.means[at] = old + distance

    def _join_own(self, part: Part, some: slice, at, share, weight, distance) -> None:
        """Join what is kept by cluster, given the ``distance`` of the means of ``[X, y]``."""
        old = self.mean_z[at]
        step = part.mean_z[some] - old
        both = np.hstack([distance, step])
        own = self.own[at] + part.own[some]
        self.own[at] = own + (weight * step)[:, :, None] * both[:, None, :]
        self.mean_z[at] = old + share[:, None] * step

    def part(self) -> Part:
        size = len(self.places)
        by_cluster = (self.n[:size], self.means[:size])
        own = (self.mean_z[:size], self.own[:size])
        rows = None if self.rows is None else self.rows[:size]
        labels = joined_labels(self.labels)
        return Part(labels, *by_cluster, self.products, *own, rows, self.log_weights)

    def _grow(self) -> None:
        if len(self.places) > len(self.n):
            # To the double at least, so that all growing together costs O(K).
            more = max(len(self.places), 2 * len(self.n)) - len(self.n)
            self.n, self.means, self.mean_z, self.own = (
                np.concatenate([each, np.zeros((more, *each.shape[1:]))])
                for each in (self.n, self.means, self.mean_z, self.own)
            )


def _again(first: Part, others: Iterator[Part]) -> Iterator[Part]:
    yield first
    yield from others
