"""Clusters of too few rows to be named: set apart before the fit, and shown beside it."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np

from scs.data.rows import ModelRows, RandomSlopes
from scs.data.slopes import SlopeScale
from scs.moments.moments import Moments


def checked_min_rows(min_rows: Any) -> int:
    """Return the least size of a cluster, or say what is wrong with it."""
    if not isinstance(min_rows, Integral) or isinstance(min_rows, bool) or min_rows < 1:
        raise ValueError(
            f"min_rows must be a whole number, 1 or more, got {min_rows!r}: 1 sets none apart."
        )
    return int(min_rows)


def without_small(rows: ModelRows, min_rows: int) -> tuple[ModelRows, Moments | None]:
    """Part the rows of clusters that have enough of them from those of the others.

    Parameters
    ----------
    rows : ModelRows
    min_rows : int
        Clusters of fewer rows are set apart.

    Returns
    -------
    ModelRows
        Of the other clusters.
    Moments or None
        Of those set apart, in the user's columns; None where there are none.

    Raises
    ------
    ValueError
        No cluster has enough rows, or a column with slopes is constant in those that have.
    """
    design = rows.design
    sizes = design.sizes
    small = sizes[design.codes] < min_rows
    if not small.any():
        return rows, None
    if small.all():
        raise ValueError(
            f"min_rows={min_rows} sets every cluster apart, for the largest has {sizes.max()} "
            "rows: lower it."
        )
    kept = np.flatnonzero(~small)
    slopes = rows.slopes and _slopes_of(rows.slopes, kept, design.at(kept).frequency, min_rows)
    apart = Moments.from_design(design.of_rows(np.flatnonzero(small)), intercept=rows.intercept)
    return replace(rows, design=design.of_rows(kept), slopes=slopes), apart


def _slopes_of(
    slopes: RandomSlopes, kept: np.ndarray, frequency: np.ndarray | None, min_rows: int
) -> RandomSlopes:
    """Return the columns of slopes for some rows, about their own mean in their own unit."""
    Z = slopes.Z[kept]
    for j in np.flatnonzero(np.ptp(Z, axis=0) == 0):
        raise ValueError(
            f"min_rows={min_rows} leaves {slopes.names[j]!r} constant, which has random slopes: "
            "lower it."
        )
    scale = SlopeScale.of(Z, slopes.names, intercept=slopes.intercept, frequency=frequency)
    return replace(slopes, Z=Z, scale=scale)
