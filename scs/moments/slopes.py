"""Random slopes: the sums of Z about each cluster's means, and how those of two tables merge.

Eq. 5 with Q > 0 sees the rows of cluster k only through its means and the centred cross-products of
its random-effect columns with themselves, with the covariates and with the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scs.data.design import Design, as_matrix, find_labels

if TYPE_CHECKING:
    from scs.moments.moments import Moments, SlopeMoments


@dataclass(frozen=True, eq=False)  # == of arrays is no truth value
class SlopeSums:
    """Means and centred cross-products of Q slope columns: see `SlopeMoments`."""

    mean_z: np.ndarray
    within_zz: np.ndarray
    within_zx: np.ndarray
    within_zy: np.ndarray


def as_slopes(Z: Any, n_rows: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return validated slope columns and their names.

    Raises
    ------
    ValueError, TypeError
        Other than ``n_rows`` rows of finite numbers, or a column of ones.
    """
    slopes, names = as_matrix(Z, "Z")
    if not hasattr(Z, "columns"):
        names = tuple(f"z{j + 1}" for j in range(slopes.shape[1]))
    if len(slopes) != n_rows:
        raise ValueError(f"Z has {len(slopes)} rows but X has {n_rows}: pass one row per row of X.")
    for j in np.flatnonzero(np.ptp(slopes, axis=0) == 0):
        # One chunk may hold a single row: only a column of ones is surely a mistake.
        if len(slopes) > 1 and slopes[0, j] == 1:
            raise ValueError(
                f"Z column {names[j]!r} is constant: the random intercept is always "
                "there, so leave the column out (and the intercept's budget says how many)."
            )
    return slopes, names


def slope_sums(design: Design, Z: np.ndarray, base: Moments) -> SlopeSums:
    """Sum up the slope columns ``Z``, shape (N, Q), of validated rows with the moments ``base``."""
    codes, n_clusters = design.codes, base.n_clusters

    def by_cluster(values: np.ndarray) -> np.ndarray:
        return np.bincount(codes, weights=values, minlength=n_clusters)

    first = int(base.intercept)
    # About one row of each cluster, then about the means: sums about 0 would lose digits.
    origin = np.zeros(n_clusters, dtype=np.intp)
    origin[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    z = Z - Z[origin[codes]]
    shift = np.column_stack([by_cluster(column) for column in z.T]) / base.n[:, None]
    z -= shift[codes]
    x = design.X - base.mean_x[codes, first:]
    y = design.y - base.mean_y[codes]
    n_slopes = Z.shape[1]
    zz = np.empty((n_clusters, n_slopes, n_slopes))
    zx = np.zeros((n_clusters, n_slopes, base.n_columns))
    zy = np.empty((n_clusters, n_slopes))
    for r in range(n_slopes):
        for q in range(r + 1):
            zz[:, r, q] = zz[:, q, r] = by_cluster(z[:, r] * z[:, q])
        for j in range(x.shape[1]):
            zx[:, r, first + j] = by_cluster(z[:, r] * x[:, j])
        zy[:, r] = by_cluster(z[:, r] * y)
    return SlopeSums(shift + Z[origin], zz, zx, zy)


def merged_slopes(base: Moments, a: SlopeMoments, b: SlopeMoments) -> SlopeSums:
    """Merge the sums of two sets of rows; ``base`` are the moments of both."""
    shape = (base.n_clusters, len(a.slope_names))
    parts = []
    for part in (a, b):
        where = find_labels(base.labels, part.labels)
        n, z, x, y = np.zeros(shape[0]), np.zeros(shape), None, np.zeros(shape[0])
        x = np.zeros((shape[0], base.n_columns))
        zz, zy = np.zeros((*shape, shape[1])), np.zeros(shape)
        zx = np.zeros((*shape, base.n_columns))
        n[where], z[where], y[where] = part.base.n, part.mean_z, part.base.mean_y
        x[where] = part.base.mean_x
        zz[where], zx[where], zy[where] = part.within_zz, part.within_zx, part.within_zy
        parts.append((n, z, x, y, zz, zx, zy))
    one, two = parts
    share = two[0] / (one[0] + two[0])
    both = ((one[0] > 0) & (two[0] > 0)).astype(float)
    weight = both * one[0] * share
    dz, dx, dy = two[1] - one[1], two[2] - one[2], two[3] - one[3]
    mean_z = np.where((one[0] == 0)[:, None], two[1], one[1] + (both * share)[:, None] * dz)
    weighted = weight[:, None] * dz
    return SlopeSums(
        mean_z=mean_z,
        within_zz=one[4] + two[4] + weighted[:, :, None] * dz[:, None, :],
        within_zx=one[5] + two[5] + weighted[:, :, None] * dx[:, None, :],
        within_zy=one[6] + two[6] + weighted * dy[:, None],
    )
