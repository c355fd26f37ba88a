"""Exact intervals for the levels of named units of counts, given that they were named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scs.inference.count_laws import CountLaw

_HALVINGS = 80
_LEAST = 1e-9  # of a level that is looked for, in units of one event or trial


def named_region(
    pvalue: Callable[[np.ndarray], np.ndarray], mean: np.ndarray, most: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest count below and the smallest above the mean whose p-value names it.

    Parameters
    ----------
    pvalue : callable
        p-values of counts, one for each unit; they fall on both sides of the mean.
    mean : ndarray, shape (R,)
        Counts at the common level.
    most : ndarray, shape (R,)
        Largest counts looked at.
    limit : float
        Counts of p-values up to it are named.

    Returns
    -------
    low, high : ndarray, shape (R,)
        -1 and ``most`` + 1 where no count on that side is named.
    """
    inner = np.floor(mean)
    low, above = np.full(len(mean), -1.0), inner + 1.0
    high, below = most + 1.0, inner
    while True:
        middle = np.floor((low + above) / 2.0)
        going = above - low > 1
        if not going.any():
            break
        named = pvalue(np.maximum(middle, 0.0)) <= limit
        low, above = (
            np.where(going & named, middle, low),
            np.where(going & ~named, middle, above),
        )
    while True:
        middle = np.ceil((high + below) / 2.0)
        going = high - below > 1
        if not going.any():
            break
        named = pvalue(middle) <= limit
        high, below = (
            np.where(going & named, middle, high),
            np.where(going & ~named, middle, below),
        )
    return low, high


def count_intervals(
    law: CountLaw,
    observed: np.ndarray,
    size: np.ndarray,
    region: tuple[np.ndarray, np.ndarray] | None,
    level: float,
    most: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return mid-p intervals for levels r of counts X with mean ``size`` r, given X in a region.

    Solves for r, with alpha = 1 - ``level``::

        [P_r(X > x, X in region) + P_r(X = x) / 2] / P_r(X in region) = alpha / 2, 1 - alpha / 2

    Parameters
    ----------
    law : CountLaw
        Poisson or binomial about the unit's own level.
    observed, size : ndarray, shape (R,)
    region : (ndarray, ndarray) or None
        Counts up to the first or from the second on; None: all counts.
    level : float
        In (0, 1).
    most : float
        Largest level that can be.

    Returns
    -------
    low, high : ndarray, shape (R,)
        0 where the count is so small that no level is too low for it.

    Notes
    -----
    Conditional limits as of Lee et al. (2016) for normal variables, here of the counts' own law.
    """
    tail = (1.0 - level) / 2.0
    furthest = (
        observed if region is None else np.maximum(observed, np.minimum(region[1], _big(size)))
    )
    top = np.minimum(4.0 * (furthest + 50.0) / size, most)

    def solved(share: float) -> np.ndarray:
        low, high = np.log(np.full(len(size), _LEAST) / size), np.log(top)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2.0
            above = _share_above(law, observed, size, np.exp(middle), region) > share
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        found = np.exp((low + high) / 2.0)
        return np.where(found * size < 10.0 * _LEAST, 0.0, found)

    return solved(tail), np.minimum(solved(1.0 - tail), most)


def _big(size: np.ndarray) -> np.ndarray:
    """Return counts beyond which a region does not matter: nothing near is in it."""
    return 100.0 * (size + 100.0)


def _share_above(
    law: CountLaw,
    x: np.ndarray,
    size: np.ndarray,
    r: np.ndarray,
    region: tuple[np.ndarray, np.ndarray] | None,
) -> np.ndarray:
    """Return the share of the region's mass above x, with half of that at x."""
    none = np.zeros(len(x))
    above = (law.upper(x, size, r, none) + law.upper(x + 1, size, r, none)) / 2.0
    if region is None:
        return above
    low, high = region
    left, right = law.lower(low, size, r, none), law.upper(high, size, r, none)
    mass = left + right
    # A count below: what of the lower part lies above it, and all of the upper part.
    below = (law.lower(x, size, r, none) + law.lower(x - 1, size, r, none)) / 2.0
    inside = np.where(x >= high, above, np.maximum(left - below, 0.0) + right)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = inside / mass
    # Far from both parts they underflow: all is in the nearer one, at its nearer end.
    middle = (np.maximum(low, 0.0) + high) / 2.0
    nothing = np.where(size * r < middle, np.where(x >= high, 0.0, 1.0), 1.0)
    return np.where(mass > 0, share, nothing)
