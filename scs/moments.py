"""The sufficient statistics of a clustered regression: one pass over the rows, mergeable with +.

Eq. 5 sees the rows only through cluster sizes, cluster means and pooled within-cluster
cross-products. Means and centred products are kept instead of raw sums, because a sum of squares
about zero loses the digits that matter as soon as the data lie far from zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scs.design import Design, as_clusters, as_matrix, as_outcome, refuse_other_kind

INTERCEPT = "intercept"
_BLOCK = 65_536  # rows centred at a time, so that the working copy stays small


@dataclass(frozen=True, eq=False)  # == of arrays is no truth value
class Moments:
    """Cluster sizes, cluster means and pooled within-cluster cross-products of ``[X, y]``.

    With ``x_k`` and ``y_k`` the cluster means, the residual sum of squares of Eq. 5 is

        within_yy - 2 beta'within_xy + beta'within_xx beta
            + sum_k n_k (y_k - x_k'beta - gamma_k)^2.

    Attributes
    ----------
    labels : ndarray, shape (K,)
        Cluster labels, sorted.
    n : ndarray of float, shape (K,)
        Rows in each cluster, n_k >= 1.
    mean_x : ndarray, shape (K, P)
        Cluster means of the covariates.
    mean_y : ndarray, shape (K,)
        Cluster means of the outcome.
    within_xx, within_xy, within_yy : ndarray (P, P), ndarray (P,), float
        Cross-products about the cluster means, summed over clusters.
    names : tuple of str, length P
        Column names.
    intercept : bool
        Whether the first column is an unpenalised column of ones.
    """

    labels: np.ndarray
    n: np.ndarray
    mean_x: np.ndarray
    mean_y: np.ndarray
    within_xx: np.ndarray
    within_xy: np.ndarray
    within_yy: float
    names: tuple[str, ...]
    intercept: bool

    @classmethod
    def from_arrays(cls, X: Any, y: Any, clusters: Any, *, intercept: bool = False) -> Moments:
        """Compute the moments of one table, in O(N P^2) time and O(K P) extra memory.

        Parameters
        ----------
        X : array-like or data frame, shape (N, P)
            Design matrix; finite numbers.
        y : array-like, shape (N,)
            Outcome.
        clusters : array-like, shape (N,)
            Cluster labels.
        intercept : bool
            Add a first, unpenalised column of ones.

        Raises
        ------
        ValueError, TypeError
            See `scs.design.Design.from_table`.
        """
        matrix, names = as_matrix(X, min_columns=0 if intercept else 1)
        outcome = as_outcome(y, len(matrix))
        codes, labels = as_clusters(clusters, len(matrix))
        return cls.from_design(Design(matrix, outcome, codes, labels, names), intercept=intercept)

    @classmethod
    def from_design(cls, design: Design, *, intercept: bool = False) -> Moments:
        """Compute the moments of rows that are validated already."""
        n_clusters, (n_rows, n_columns) = len(design.labels), design.X.shape
        intercept = bool(intercept)
        first = int(intercept)
        n = np.bincount(design.codes, minlength=n_clusters).astype(float)
        # Sums are taken about a row of the cluster's own: one about any common point would carry
        # the digits of the farthest row into every cluster.
        origin = np.zeros(n_clusters, dtype=np.intp)
        origin[design.codes[::-1]] = np.arange(n_rows - 1, -1, -1)
        sums = np.zeros((n_clusters, n_columns + 1))
        for rows in _blocks(n_rows, n_clusters):
            _add_by_cluster(sums, design.codes[rows], _about(design, rows, origin))
        means = sums / n[:, None]
        products = np.zeros((n_columns + 1, n_columns + 1))
        for rows in _blocks(n_rows, n_clusters):
            centred = _about(design, rows, origin)
            centred -= means[design.codes[rows]]
            products += centred.T @ centred
        mean_x = np.ones((n_clusters, first + n_columns))
        mean_x[:, first:] = means[:, :-1] + design.X[origin]
        within_xx = np.zeros((first + n_columns, first + n_columns))
        within_xx[first:, first:] = products[:-1, :-1]
        within_xy = np.concatenate([np.zeros(first), products[:-1, -1]])
        return cls(
            labels=design.labels,
            n=n,
            mean_x=mean_x,
            mean_y=means[:, -1] + design.y[origin],
            within_xx=within_xx,
            within_xy=within_xy,
            within_yy=float(products[-1, -1]),
            names=((INTERCEPT,) if intercept else ()) + design.names,
            intercept=intercept,
        )

    @classmethod
    def from_chunks(cls, chunks: Iterable[tuple], *, intercept: bool = False) -> Moments:
        """Compute the moments of ``(X, y, clusters)`` chunks, one at a time in memory.

        Parameters
        ----------
        chunks : iterable of (X, y, clusters)
            Each as in `from_arrays`; a cluster may be spread over several chunks.
        intercept : bool
            Add a first, unpenalised column of ones.

        Raises
        ------
        ValueError
            No chunk, or chunks with different columns.
        """
        total = None
        for X, y, clusters in chunks:
            part = cls.from_arrays(X, y, clusters, intercept=intercept)
            total = part if total is None else total + part
        if total is None:
            raise ValueError("chunks is empty: pass at least one (X, y, clusters).")
        return total

    def __add__(self, other: Moments) -> Moments:
        """Merge the moments of two sets of rows: exact, whatever clusters they share."""
        if not isinstance(other, Moments):
            return NotImplemented
        if self.intercept != other.intercept:
            raise ValueError(
                f"other has intercept={other.intercept}, these moments {self.intercept}: compute "
                "both with the same."
            )
        refuse_other_kind(self.labels, other.labels)
        if self.names != other.names:
            difference = next(
                (f"{a!r} against {b!r}" for a, b in zip(self.names, other.names) if a != b),
                f"{len(self.names)} against {len(other.names)} columns",
            )
            raise ValueError(
                f"other has different columns ({difference}): merge moments of the same columns "
                "in the same order."
            )
        if self.labels.dtype.kind == other.labels.dtype.kind != "O":
            stacked = np.concatenate([self.labels, other.labels])
        else:
            stacked = [*self.labels.tolist(), *other.labels.tolist()]
        codes, labels = as_clusters(stacked, len(stacked))
        if self.labels.dtype == other.labels.dtype:
            labels = labels.astype(self.labels.dtype)
        mine, theirs = codes[: len(self.n)], codes[len(self.n) :]
        n_mine, n_theirs = np.zeros(len(labels)), np.zeros(len(labels))
        n_mine[mine], n_theirs[theirs] = self.n, other.n
        means_mine = np.zeros((len(labels), len(self.names) + 1))
        means_theirs = np.zeros_like(means_mine)
        means_mine[mine] = np.column_stack([self.mean_x, self.mean_y])
        means_theirs[theirs] = np.column_stack([other.mean_x, other.mean_y])
        n = n_mine + n_theirs
        # A cluster on both sides adds its two means' distance, weighted n n'/(n + n').
        share = n_theirs / n
        distance = means_theirs - means_mine
        distance[(n_mine == 0) | (n_theirs == 0)] = 0.0
        means = np.where(
            (n_mine == 0)[:, None], means_theirs, means_mine + share[:, None] * distance
        )
        between = distance.T @ (distance * (n_mine * share)[:, None])
        return Moments(
            labels=labels,
            n=n,
            mean_x=means[:, :-1],
            mean_y=means[:, -1],
            within_xx=self.within_xx + other.within_xx + between[:-1, :-1],
            within_xy=self.within_xy + other.within_xy + between[:-1, -1],
            within_yy=self.within_yy + other.within_yy + float(between[-1, -1]),
            names=self.names,
            intercept=self.intercept,
        )

    def __radd__(self, other: int) -> Moments:
        """Let `sum` begin with its 0."""
        return self if other == 0 else NotImplemented

    @property
    def n_rows(self) -> int:
        """N, the number of rows."""
        return int(self.n.sum())

    @property
    def n_clusters(self) -> int:
        """K, the number of clusters."""
        return len(self.n)

    @property
    def n_columns(self) -> int:
        """P, the number of columns of the design matrix, the intercept included."""
        return self.mean_x.shape[1]

    @property
    def xtx(self) -> np.ndarray:
        """X'X, shape (P, P)."""
        return self.within_xx + self.mean_x.T @ (self.mean_x * self.n[:, None])

    @property
    def xty(self) -> np.ndarray:
        """X'y, shape (P,)."""
        return self.within_xy + self.mean_x.T @ (self.n * self.mean_y)

    @property
    def yty(self) -> float:
        """Sum of squares y'y."""
        return self.within_yy + float(self.n @ self.mean_y**2)


def _about(design: Design, rows: slice, origin: np.ndarray) -> np.ndarray:
    """Return ``[X, y]`` of some rows, each about the row of its cluster that ``origin`` names."""
    about = origin[design.codes[rows]]
    return np.column_stack([design.X[rows] - design.X[about], design.y[rows] - design.y[about]])


def _blocks(n_rows: int, n_clusters: int) -> Iterable[slice]:
    # A block touches up to K sums: with fewer rows than that, these would be most of the work.
    size = max(_BLOCK, n_clusters)
    return (slice(start, start + size) for start in range(0, n_rows, size))


def _add_by_cluster(sums: np.ndarray, codes: np.ndarray, values: np.ndarray) -> None:
    """Add every row of ``values`` to the row of ``sums`` that its code names."""
    low, high = codes.min(), codes.max() + 1  # rows sorted by cluster touch few of many clusters
    for j in range(values.shape[1]):
        sums[low:high, j] += np.bincount(codes - low, weights=values[:, j], minlength=high - low)
