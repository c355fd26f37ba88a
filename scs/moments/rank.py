"""Which columns the others determine, decided from moments: see `scs.data.rank`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scs.data.rank import DIGITS, Rank, independent, refuse_sizes
from scs.moments.moments import Moments

FROM_SUMS = 1e-6  # as `scs.data.rank.FROM_ROWS`, but sums of squares hold half of the digits
_LEAST = 2e-12  # smallest eigenvalue of the products of columns of length one


def rank_of_moments(moments: Moments) -> Rank:
    """Decide from sums of squares about the means (about zero without an intercept).

    They hold half of the digits of the rows: what lies nearer to a combination of others than
    `FROM_SUMS` counts as one.
    """
    m, first = moments, int(moments.intercept)
    means, names = m.mean_x[:, first:], m.names[first:]
    far = np.abs(means).max(axis=0, initial=0.0)
    if first:
        means = means - means[0]  # so that the mean of a constant column is that constant
        means = means - m.n @ means / m.n.sum()
    with np.errstate(over="ignore", invalid="ignore"):
        products = m.within_xx[first:, first:] + means.T @ (means * m.n[:, None])
    size = np.sqrt(np.diag(products))
    if not np.isfinite(products).all():  # the solver says so, by name
        return Rank(names, np.arange(len(names)), {}, bool(first))
    rounding = DIGITS * np.sqrt(m.n.sum()) * far
    reach = np.abs(means).max(axis=0, initial=0.0)  # where squares are 0 for being too small
    refuse_sizes(np.where(size > 0, size, np.where(reach > DIGITS * far, reach, 0.0)), names)
    flat = size <= 8 * rounding if first else size == 0
    size = np.where(flat, 1.0, size)
    unit = np.where(flat | flat[:, None], 0.0, products / size / size[:, None])
    value, vector = np.linalg.eigh(unit)
    factor = np.sqrt(np.maximum(value, 0.0))[:, None] * vector.T
    noise = np.where(flat, np.inf, rounding / size)
    tolerance = FROM_SUMS
    while True:
        kept, dropped = independent(factor, noise, tolerance)
        if not len(kept) or np.linalg.eigvalsh(unit[np.ix_(kept, kept)])[0] > _LEAST:
            return Rank(names, kept, dropped, bool(first))
        tolerance *= 10.0


def keep_columns(moments: Moments, rank: Rank) -> Moments:
    """Return the moments of the columns that are kept."""
    first = int(moments.intercept)
    kept = np.concatenate([np.arange(first), first + rank.kept])
    return replace(
        moments,
        mean_x=moments.mean_x[:, kept],
        within_xx=moments.within_xx[np.ix_(kept, kept)],
        within_xy=moments.within_xy[kept],
        within_zx=moments.within_zx[:, :, kept],
        names=tuple(moments.names[j] for j in kept),
    )
