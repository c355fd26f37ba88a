"""Intervals for the effects of named clusters that hold after the naming."""

from __future__ import annotations

import numpy as np
from scipy import stats

_BISECTIONS = 80
_NORMAL = 1e4  # degrees of freedom from which t is as good as normal


def conditional_interval(
    value: np.ndarray,
    error: np.ndarray,
    threshold: np.ndarray,
    level: float = 0.95,
    df: float | np.ndarray = np.inf,
) -> tuple[np.ndarray, np.ndarray]:
    """Return intervals for the mean g of N(g, 1) given |Z| >= c: equal tails, and the estimate.

    Solves F_g(z) = (1 +- level) / 2 for g, with for z >= c ::

        F_g(z) = [Phi(-c - g) + Phi(z - g) - Phi(c - g)] / [Phi(-c - g) + 1 - Phi(c - g)]

    Parameters
    ----------
    value, error : ndarray, shape (R,)
        Deviations and their standard errors.
    threshold : ndarray, shape (R,)
        c, in standard errors: what the deviation had to pass.
    level : float
        In (0, 1).
    df : float
        Of the standard errors: Phi is the law of Student's t, shifted by g. Normal by default.

    Returns
    -------
    low, high : ndarray, shape (R,)
        In the unit of ``value``. A deviation that only just passed can have an interval with 0 in
        it: the naming says that background alone would rarely reach so far, the interval where the
        effect lies once that is granted.

    References
    ----------
    Lee, Sun, Sun and Taylor (2016), Exact post-selection inference, with application to the lasso.
    """
    sign = np.where(value < 0, -1.0, 1.0)
    z = np.abs(value) / error
    c = np.minimum(threshold, z)  # rounding: what was named has passed
    tail = (1.0 - level) / 2.0
    low = _mean_with(z, c, 1.0 - tail, df)
    high = _mean_with(z, c, tail, df)
    # One that only just passed is surely overstated, so much that its interval can end below it.
    ends = np.stack([sign * low * error, sign * high * error, value])
    return ends.min(axis=0), ends.max(axis=0)


def _mean_with(z: np.ndarray, c: np.ndarray, share: float, df: float | np.ndarray) -> np.ndarray:
    """Return the g at which the truncated law has ``share`` of its mass below z, by bisection."""
    far = 10.0 + 4.0 * stats.t.isf(1e-9, df)
    low, high = -c - far, z + far
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        above = truncated_cdf(z, c, middle, df) > share  # falls with g
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2.0


def truncated_cdf(z: np.ndarray, c: np.ndarray, g: np.ndarray, df: float = np.inf) -> np.ndarray:
    """Return P(Z <= z) for Z ~ N(g, 1), or g + t, given |Z| >= c, where z >= c."""
    law = stats.norm() if np.min(df, initial=np.inf) > _NORMAL else stats.t(df)
    # Logarithms: far from g both tails underflow.
    below, above = law.logcdf(-c - g), law.logsf(c - g)
    total = np.logaddexp(below, above)
    return 1.0 - np.exp(np.minimum(law.logsf(z - g) - total, 0.0))


def fcr_interval(
    value: np.ndarray, error: np.ndarray, n_clusters: int, q: float, df: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return intervals that miss in a share of at most q of the names, d_k +- t(q R / (2 K)) s_k.

    References
    ----------
    Benjamini and Yekutieli (2005), False discovery rate-adjusted multiple confidence intervals.
    """
    half = stats.t.isf(q * len(value) / (2.0 * n_clusters), df) * error
    return value - half, value + half
