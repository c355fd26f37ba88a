"""Rows drawn again within clusters, or whole clusters: their moments, without copying a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scs.data.design import Design
from scs.data.weights import repeats
from scs.moments.moments import Moments


@dataclass(frozen=True, eq=False)
class CentredRows:
    """Rows sorted by cluster, ``[X, y]`` and slope columns Z about the cluster means.

    Attributes
    ----------
    centred : ndarray, shape (N, P + 1)
    means : ndarray, shape (K, P + 1)
    centred_z : ndarray, shape (N, Q)
    mean_z : ndarray, shape (K, Q)
    own : ndarray, shape (K, Q, P + 1 + Q)
        Products of Z with ``[X, y, Z]``, cluster by cluster.
    n : ndarray of int, shape (K,)
        Rows in each cluster.
    weights : ndarray, shape (N,), or None
        Precision weights, which are drawn with their rows.
    labels : ndarray, shape (K,)
    names, slope_names : tuple of str
    intercept : bool
        Whether the first column is one of ones.
    """

    centred: np.ndarray
    means: np.ndarray
    centred_z: np.ndarray
    mean_z: np.ndarray
    own: np.ndarray
    n: np.ndarray
    weights: np.ndarray | None
    labels: np.ndarray
    names: tuple[str, ...]
    slope_names: tuple[str, ...]
    intercept: bool

    @classmethod
    def of(
        cls,
        design: Design,
        intercept: bool,
        Z: np.ndarray | None = None,
        slope_names: tuple[str, ...] = (),
    ) -> CentredRows:
        """Sort and centre validated rows, repeated by their frequency; ``Z`` has shape (N, Q)."""
        if design.frequency is not None:
            Z = Z if Z is None else Z[repeats(design.frequency)]
            design = design.repeated()
        moments = Moments.from_design(design, Z, slope_names, intercept=intercept)
        Z = np.empty((len(design.y), 0)) if Z is None else Z
        order = np.argsort(design.codes, kind="stable")
        ones = [np.ones(len(order))] if intercept else []
        table = np.column_stack([*ones, design.X[order], design.y[order]])
        means = np.column_stack([moments.mean_x, moments.mean_y])
        return cls(
            centred=table - means[design.codes[order]],
            means=means,
            centred_z=Z[order] - moments.mean_z[design.codes[order]],
            mean_z=moments.mean_z,
            own=moments.own_products,
            n=moments.counts.astype(np.intp),
            weights=None if design.precision is None else design.precision[order],
            labels=design.labels,
            names=moments.names,
            slope_names=moments.slope_names,
            intercept=bool(intercept),
        )

    @property
    def first(self) -> np.ndarray:
        """Index of the first row of each cluster, shape (K,)."""
        return np.cumsum(self.n) - self.n

    def weighted(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what rows count that are drawn so often, shape (N,), and its sums, shape (K,)."""
        if self.weights is None:
            return times, self.n
        weights = times * self.weights
        return weights, np.add.reduceat(weights, self.first)


def drawn_rows(rows: CentredRows, rng: np.random.Generator) -> np.ndarray:
    """Draw n_k rows of each cluster with replacement; return their indices, shape (N,)."""
    first, size = np.repeat(rows.first, rows.n), np.repeat(rows.n, rows.n)
    # Below one a uniform number may still round the product up to n_k.
    place = np.minimum((rng.random(len(first)) * size).astype(np.intp), size - 1)
    return first + place


def resampled_rows(rows: CentredRows, rng: np.random.Generator) -> tuple[Moments, np.ndarray]:
    """Return the moments of n_k rows drawn in each cluster, and the clusters (all, in order)."""
    times = np.bincount(drawn_rows(rows, rng), minlength=len(rows.centred)).astype(float)
    weights, n = rows.weighted(times)
    weighted = weights[:, None] * rows.centred
    shift = np.add.reduceat(weighted, rows.first, axis=0) / n[:, None]
    within = rows.centred.T @ weighted - shift.T @ (n[:, None] * shift)
    drawn = np.arange(len(n))
    mean_z, own = _drawn_slopes(rows, weights, n, shift)
    return _moments(rows, drawn, n, times, rows.means + shift, within, mean_z, own), drawn


def _drawn_slopes(
    rows: CentredRows, weights: np.ndarray, n: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return means and products of the slope columns of rows that count ``weights`` times.

    ``n`` are the weights' sums, ``shift`` is what the means of ``[X, y]`` moved by.
    """
    own = np.empty_like(rows.own)
    if not rows.slope_names:
        return rows.mean_z, own
    weighted = weights[:, None] * rows.centred_z
    shift_z = np.add.reduceat(weighted, rows.first, axis=0) / n[:, None]
    table, shifts = np.hstack([rows.centred, rows.centred_z]), np.hstack([shift, shift_z])
    for r in range(own.shape[1]):
        sums = np.add.reduceat(weighted[:, r, None] * table, rows.first, axis=0)
        own[:, r] = sums - (n * shift_z[:, r])[:, None] * shifts
    return rows.mean_z + shift_z, own


def resampled_clusters(rows: CentredRows, rng: np.random.Generator) -> tuple[Moments, np.ndarray]:
    """Return the moments of K clusters drawn with replacement, and which they are (sorted)."""
    n_clusters = len(rows.n)
    drawn = np.sort(rng.integers(n_clusters, size=n_clusters))
    times = np.repeat(np.bincount(drawn, minlength=n_clusters), rows.n).astype(float)
    weights, _ = rows.weighted(times)
    within = rows.centred.T @ (weights[:, None] * rows.centred)
    _, n = rows.weighted(np.ones(len(times)))
    means, mean_z, own = rows.means[drawn], rows.mean_z[drawn], rows.own[drawn]
    return _moments(rows, drawn, n[drawn], times, means, within, mean_z, own), drawn


def _moments(
    rows: CentredRows,
    drawn: np.ndarray,
    n: np.ndarray,
    times: np.ndarray,
    means: np.ndarray,
    within: np.ndarray,
    mean_z: np.ndarray,
    own: np.ndarray,
) -> Moments:
    """Moments in which every draw is a cluster of its own, labelled 0, 1, ..."""
    n_columns, weights = len(rows.names), rows.weights
    return Moments(
        labels=np.arange(len(drawn)),
        n=n.astype(float),
        mean_x=means[:, :-1],
        mean_y=means[:, -1],
        within_xx=within[:-1, :-1],
        within_xy=within[:-1, -1],
        within_yy=max(float(within[-1, -1]), 0.0),
        names=rows.names,
        intercept=rows.intercept,
        mean_z=mean_z,
        within_zx=own[:, :, :n_columns],
        within_zy=own[:, :, n_columns],
        within_zz=own[:, :, n_columns + 1 :],
        slope_names=rows.slope_names,
        rows=None if weights is None else rows.n[drawn].astype(float),
        log_weights=0.0 if weights is None else float(times @ np.log(weights)),
    )
