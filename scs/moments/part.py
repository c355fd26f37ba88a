"""Cluster sums of some rows, computed in two passes about the cluster means.

No sum about zero is ever formed, so data far from zero keep their digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

_BLOCK = 32_768  # rows centred at a time, so that the working copy stays small


@dataclass(frozen=True, eq=False)  # == of arrays is no truth value
class Part:
    """What some rows contribute to the moments of ``[X, y]`` and of Q slope columns Z.

    The products of ``[X, y]`` are pooled, for all clusters share their coefficients. Those of Z
    are kept by cluster, for each cluster has slopes of its own. Q = 0 leaves them empty.

    Attributes
    ----------
    labels : ndarray, shape (K,)
        Distinct cluster labels, in any order, of one kind.
    n : ndarray of float, shape (K,)
        Rows of each cluster, at least 1; with weights their sum, above 0.
    means : ndarray, shape (K, C)
        Cluster means of the columns ``[X, y]``.
    products : ndarray, shape (C, C)
        Cross-products about the cluster means, summed over clusters.
    mean_z : ndarray, shape (K, Q)
        Cluster means of the slope columns.
    own : ndarray, shape (K, Q, C + Q)
        Cross-products of Z with ``[X, y, Z]`` about the cluster means, cluster by cluster.
    rows : ndarray of float, shape (K,), optional
        Rows of each cluster where ``n`` has sums of precision weights; None: ``n``.
    log_weights : float
        Sum of the logarithms of the rows' precision weights.
    """

    labels: np.ndarray
    n: np.ndarray
    means: np.ndarray
    products: np.ndarray
    mean_z: np.ndarray
    own: np.ndarray
    rows: np.ndarray | None = None
    log_weights: float = 0.0


def part_of_rows(
    X: np.ndarray,
    y: np.ndarray,
    codes: np.ndarray,
    labels: np.ndarray,
    Z: np.ndarray | None = None,
    frequency: np.ndarray | None = None,
    precision: np.ndarray | None = None,
) -> Part:
    """Sum up validated rows; a row of frequency f and precision w counts f w in every sum.

    Time O(N C (C + Q)); extra memory O(K C), and O(K Q (C + Q)) with slopes.

    Parameters
    ----------
    X : ndarray, shape (N, P)
    y : ndarray, shape (N,)
    codes : ndarray of int, shape (N,)
        Index into ``labels``; each label occurs.
    labels : ndarray, shape (K,)
    Z : ndarray, shape (N, Q), optional
        Columns of random slopes.
    frequency, precision : ndarray, shape (N,), optional
        Above 0; None: 1.
    """
    n_rows, n_clusters = len(y), len(labels)
    weights, log_weights, counts = frequency, 0.0, None
    if precision is not None:
        weights = precision if frequency is None else frequency * precision
        logs = np.log(precision)
        log_weights = float(np.sum(logs if frequency is None else frequency * logs))
        counts = np.bincount(codes, frequency, minlength=n_clusters).astype(float)
    n = np.bincount(codes, weights, minlength=n_clusters).astype(float)
    # Sums are taken about a row of the cluster's own: one about any common point would carry
    # the digits of the farthest row into every cluster.
    first = np.empty(n_clusters, dtype=np.intp)
    first[codes[::-1]] = np.arange(n_rows - 1, -1, -1)
    means = np.column_stack([X[first], y[first]])
    sums = np.zeros_like(means)
    for rows in blocks(n_rows, n_clusters):
        about = _about(means, X[rows], y[rows], codes[rows])
        _add_by_cluster(sums, codes[rows], about, _of(weights, rows))
    means += sums / n[:, None]
    products = np.zeros((means.shape[1], means.shape[1]))
    for rows in blocks(n_rows, n_clusters):
        # A mean's own rounding error enters squared, for it is the same in each of its rows.
        centred = _about(means, X[rows], y[rows], codes[rows])
        if weights is not None:
            centred *= np.sqrt(weights[rows])[:, None]
        products += centred.T @ centred
    Z = np.empty((n_rows, 0)) if Z is None else Z
    own = _own_sums(X, y, Z, codes, n, means, first, weights)
    return Part(labels, n, means, products, *own, counts, log_weights)


def _of(weights: np.ndarray | None, rows: slice) -> np.ndarray | None:
    return None if weights is None else weights[rows]


def _own_sums(
    X: np.ndarray,
    y: np.ndarray,
    Z: np.ndarray,
    codes: np.ndarray,
    n: np.ndarray,
    means: np.ndarray,
    first: np.ndarray,
    weights: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return each cluster's means of Z, and Z's products with ``[X, y, Z]`` about its means."""
    n_slopes = Z.shape[1]
    shift = np.zeros((len(n), n_slopes))
    own = np.zeros((len(n), n_slopes, means.shape[1] + n_slopes))
    if not n_slopes:
        return shift, own
    origin = Z[first]
    for rows in blocks(len(y), len(n)):
        _add_by_cluster(shift, codes[rows], Z[rows] - origin[codes[rows]], _of(weights, rows))
    shift /= n[:, None]
    for rows in blocks(len(y), len(n)):
        at = codes[rows]
        z = Z[rows] - origin[at]
        z -= shift[at]
        table = np.column_stack([_about(means, X[rows], y[rows], at), z])
        for r in range(n_slopes):
            _add_by_cluster(own[:, r], at, z[:, r, None] * table, _of(weights, rows))
    return shift + origin, own


def _about(centres: np.ndarray, X: np.ndarray, y: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return ``[X, y]`` of some rows, each about its cluster's centre."""
    about = np.take(centres, codes, axis=0)
    np.subtract(X, about[:, :-1], out=about[:, :-1])
    np.subtract(y, about[:, -1], out=about[:, -1])
    return about


def blocks(n_rows: int, n_clusters: int) -> Iterator[slice]:
    """Return slices of some rows at a time."""
    # A block touches up to K sums: with fewer rows than that, these would be most of the work.
    size = max(_BLOCK, n_clusters)
    return (slice(start, start + size) for start in range(0, n_rows, size))


def _add_by_cluster(
    sums: np.ndarray, codes: np.ndarray, values: np.ndarray, weights: np.ndarray | None = None
) -> None:
    """Add every row of ``values``, times its weight, to the row of ``sums`` its code names."""
    low, high = codes.min(), codes.max() + 1  # rows sorted by cluster touch few of many clusters
    # A K x N indicator with one entry a column: SciPy adds whole rows, in their order.
    entries = np.ones(len(codes)) if weights is None else weights
    each = np.arange(len(codes) + 1)
    indicator = sparse.csc_array((entries, codes - low, each), shape=(high - low, len(codes)))
    sums[low:high] += indicator @ values
