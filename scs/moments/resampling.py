"""Rows drawn anew within clusters, or whole clusters: their moments, without copying a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scs.data.design import Design
from scs.moments.moments import Moments


@dataclass(frozen=True, eq=False)
class CentredRows:
    """Rows sorted by cluster, ``[X, y]`` about the cluster means.

    Attributes
    ----------
    centred : ndarray, shape (N, P + 1)
    means : ndarray, shape (K, P + 1)
    n : ndarray of int, shape (K,)
    labels : ndarray, shape (K,)
    names : tuple of str
    intercept : bool
        Whether the first column is one of ones.
    """

    centred: np.ndarray
    means: np.ndarray
    n: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    intercept: bool

    @classmethod
    def of(cls, design: Design, intercept: bool) -> CentredRows:
        """Sort and centre validated rows."""
        moments = Moments.from_design(design, intercept=intercept)
        order = np.argsort(design.codes, kind="stable")
        ones = [np.ones(len(order))] if intercept else []
        table = np.column_stack([*ones, design.X[order], design.y[order]])
        means = np.column_stack([moments.mean_x, moments.mean_y])
        return cls(
            centred=table - means[design.codes[order]],
            means=means,
            n=moments.n.astype(np.intp),
            labels=design.labels,
            names=moments.names,
            intercept=bool(intercept),
        )

    @property
    def first(self) -> np.ndarray:
        """Index of the first row of each cluster, shape (K,)."""
        return np.cumsum(self.n) - self.n


def drawn_rows(rows: CentredRows, rng: np.random.Generator) -> np.ndarray:
    """Draw n_k rows of each cluster with replacement; return their indices, shape (N,)."""
    first, size = np.repeat(rows.first, rows.n), np.repeat(rows.n, rows.n)
    # Below one a uniform number may still round the product up to n_k.
    place = np.minimum((rng.random(len(first)) * size).astype(np.intp), size - 1)
    return first + place


def resampled_rows(rows: CentredRows, rng: np.random.Generator) -> tuple[Moments, np.ndarray]:
    """Return the moments of n_k rows drawn in each cluster, and the clusters (all, in order)."""
    weights = np.bincount(drawn_rows(rows, rng), minlength=len(rows.centred)).astype(float)
    weighted = weights[:, None] * rows.centred
    shift = np.add.reduceat(weighted, rows.first, axis=0) / rows.n[:, None]
    within = rows.centred.T @ weighted - shift.T @ (rows.n[:, None] * shift)
    drawn = np.arange(len(rows.n))
    return _moments(rows, drawn, rows.means + shift, within), drawn


def resampled_clusters(rows: CentredRows, rng: np.random.Generator) -> tuple[Moments, np.ndarray]:
    """Return the moments of K clusters drawn with replacement, and which they are (sorted)."""
    n_clusters = len(rows.n)
    drawn = np.sort(rng.integers(n_clusters, size=n_clusters))
    times = np.bincount(drawn, minlength=n_clusters)
    weights = np.repeat(times, rows.n).astype(float)
    within = rows.centred.T @ (weights[:, None] * rows.centred)
    return _moments(rows, drawn, rows.means[drawn], within), drawn


def _moments(
    rows: CentredRows, drawn: np.ndarray, means: np.ndarray, within: np.ndarray
) -> Moments:
    """Moments in which every draw is a cluster of its own, labelled 0, 1, ..."""
    return Moments(
        labels=np.arange(len(drawn)),
        n=rows.n[drawn].astype(float),
        mean_x=means[:, :-1],
        mean_y=means[:, -1],
        within_xx=within[:-1, :-1],
        within_xy=within[:-1, -1],
        within_yy=max(float(within[-1, -1]), 0.0),
        names=rows.names,
        intercept=rows.intercept,
    )
