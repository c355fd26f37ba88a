"""The columns of random slopes: read, and refused where they or any slopes have no place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scs.data.design import as_matrix

if TYPE_CHECKING:
    from scs.moments.moments import Moments


def as_slopes(Z: Any, n_rows: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return validated slope columns, shape (N, Q), and their names.

    Raises
    ------
    ValueError, TypeError
        Other than ``n_rows`` rows of finite numbers.
    """
    slopes, names = as_matrix(Z, "Z")
    if not hasattr(Z, "columns"):
        names = tuple(f"z{j + 1}" for j in range(slopes.shape[1]))
    if len(slopes) != n_rows:
        raise ValueError(f"Z has {len(slopes)} rows but X has {n_rows}: pass one row per row of X.")
    return slopes, names


def refuse_ones(moments: Moments) -> None:
    """Refuse a slope column of ones: the random intercept is there already.

    A single row is no column yet, for other rows may be merged to it.
    """
    if moments.n_rows == 1:
        return
    spread = np.einsum("kqq->q", moments.within_zz)
    for j in np.flatnonzero((moments.mean_z == 1).all(axis=0) & (spread == 0)):
        raise ValueError(
            f"Z column {moments.slope_names[j]!r} is constant: the random intercept is always "
            "there, so leave the column out (and the intercept's budget says how many)."
        )


def refuse_slopes(moments: Moments, what: str) -> None:
    """Refuse moments with random slopes where ``what`` would leave the slopes out of account."""
    if moments.slope_names:
        raise ValueError(
            f"{what} is of a random intercept alone, but moments have random slopes of "
            f"{', '.join(moments.slope_names)}: pass moments.base, the same without them."
        )
