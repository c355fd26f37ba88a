"""Cluster sums of some rows, and merging them with those of other rows: the engine of `Moments`.

A `Part` holds what a set of rows contributes. It is computed about cluster means, in two passes
over the rows, and parts are joined by the rule of Chan, Golub and LeVeque (1983): two means of one
cluster add n n'/(n + n') times the product of their distance. No sum about zero is ever formed, so
data far from zero keep their digits, however many parts they come in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
from scipy import sparse

from scs.data.labels import joined_labels, refuse_other_kind

_BLOCK = 32_768  # rows centred at a time, so that the working copy stays small


@dataclass(frozen=True, eq=False)  # == of arrays is no truth value
class Part:
    """Cluster sizes, cluster means and pooled centred products of ``[X, y]`` over some rows.

    Attributes
    ----------
    labels : ndarray, shape (K,)
        Distinct cluster labels, in any order, of one kind.
    n : ndarray of float, shape (K,)
        Rows of each cluster, at least 1.
    means : ndarray, shape (K, C)
        Cluster means of the columns ``[X, y]``.
    products : ndarray, shape (C, C)
        Cross-products about the cluster means, summed over clusters.
    """

    labels: np.ndarray
    n: np.ndarray
    means: np.ndarray
    products: np.ndarray


def part_of_rows(X: np.ndarray, y: np.ndarray, codes: np.ndarray, labels: np.ndarray) -> Part:
    """Sum up validated rows, in O(N C^2) time and O(K C) extra memory.

    Parameters
    ----------
    X : ndarray, shape (N, P)
    y : ndarray, shape (N,)
    codes : ndarray of int, shape (N,)
        Index into ``labels``; each label occurs.
    labels : ndarray, shape (K,)
    """
    n_rows, n_clusters = len(y), len(labels)
    n = np.bincount(codes, minlength=n_clusters).astype(float)
    # Sums are taken about a row of the cluster's own: one about any common point would carry
    # the digits of the farthest row into every cluster.
    first = np.empty(n_clusters, dtype=np.intp)
    first[codes[::-1]] = np.arange(n_rows - 1, -1, -1)
    means = np.column_stack([X[first], y[first]])
    sums = np.zeros_like(means)
    for rows in _blocks(n_rows, n_clusters):
        _add_by_cluster(sums, codes[rows], _about(means, X[rows], y[rows], codes[rows]))
    means += sums / n[:, None]
    products = np.zeros((means.shape[1], means.shape[1]))
    for rows in _blocks(n_rows, n_clusters):
        # A mean's own rounding error enters squared, for it is the same in each of its rows.
        centred = _about(means, X[rows], y[rows], codes[rows])
        products += centred.T @ centred
    return Part(labels, n, means, products)


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
        self.places = _Places(first.labels)
        self.labels: list[np.ndarray] = []
        self.n = np.zeros(0)
        self.means = np.zeros((0, first.means.shape[1]))
        self.products = np.zeros_like(first.products)
        self.add(first)

    def add(self, part: Part) -> None:
        if self.labels:
            refuse_other_kind(self.labels[0][:1], part.labels[:1])  # each part is of one kind
        known = len(self.places)
        at = self.places.of(part.labels)
        self._grow()
        self.labels.append(part.labels[at >= known])
        self.products += part.products
        for some in _blocks(len(at), 1):
            self._join(at[some], part.n[some], part.means[some])

    def _join(self, at: np.ndarray, n: np.ndarray, means: np.ndarray) -> None:
        before = np.take(self.n, at)
        after = before + n
        # A cluster that is new has no rows before: it takes the part's mean, and adds no product.
        share = n / after
        old = np.take(self.means, at, axis=0)
        distance = means - old
        self.products += distance.T @ (distance * (before * share)[:, None])
        self.n[at] = after
        distance *= share[:, None]
        self.means[at] = old + distance

    def part(self) -> Part:
        size = len(self.places)
        return Part(joined_labels(self.labels), self.n[:size], self.means[:size], self.products)

    def _grow(self) -> None:
        if len(self.places) > len(self.n):
            # To the double at least, so that all growing together costs O(K).
            more = max(len(self.places), 2 * len(self.n)) - len(self.n)
            self.n = np.concatenate([self.n, np.zeros(more)])
            self.means = np.concatenate([self.means, np.zeros((more, self.means.shape[1]))])


class _Places:
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


def _again(first: Part, others: Iterator[Part]) -> Iterator[Part]:
    yield first
    yield from others


def _about(centres: np.ndarray, X: np.ndarray, y: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return ``[X, y]`` of some rows, each about its cluster's centre."""
    about = np.take(centres, codes, axis=0)
    np.subtract(X, about[:, :-1], out=about[:, :-1])
    np.subtract(y, about[:, -1], out=about[:, -1])
    return about


def _blocks(n_rows: int, n_clusters: int) -> Iterator[slice]:
    # A block touches up to K sums: with fewer rows than that, these would be most of the work.
    size = max(_BLOCK, n_clusters)
    return (slice(start, start + size) for start in range(0, n_rows, size))


def _add_by_cluster(sums: np.ndarray, codes: np.ndarray, values: np.ndarray) -> None:
    """Add every row of ``values`` to the row of ``sums`` that its code names."""
    low, high = codes.min(), codes.max() + 1  # rows sorted by cluster touch few of many clusters
    # A K x N indicator with one entry a column: SciPy adds whole rows, in their order.
    ones, each = np.ones(len(codes)), np.arange(len(codes) + 1)
    indicator = sparse.csc_array((ones, codes - low, each), shape=(high - low, len(codes)))
    sums[low:high] += indicator @ values
