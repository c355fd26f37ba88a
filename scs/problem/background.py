"""A background in which all clusters differ a little, minimised out of Eq. 5.

To Eq. 5 comes a small normal effect of every cluster, u_k ~ N(0, theta sigma^2)::

    min  ||y - X beta - A(u + gamma)||^2 + ||u||^2 / theta + ridge ||gamma||^2
    subject to  ||gamma||_0 <= budget.

For a cluster of n rows whose mean residual is r, n (r - gamma - u)^2 + u^2 / theta is least at
u = theta m (r - gamma), where it is m (r - gamma)^2 with m = n / (1 + theta n). So the background
makes n_k rows count as m_k in Eq. 5 and Eq. 6, and changes nothing else. theta = 0 is the paper's
method; a budget of 0 is the Gaussian mixed model at that ratio of variances.
"""

from __future__ import annotations

from dataclasses import replace
from numbers import Real

import numpy as np

from scs.moments.moments import Moments

# Beyond it no digit of the means is left in Eq. 5, and products leave the range of floating point.
_LARGEST = 1e50


def check_background(background: float) -> float:
    """Return theta, or say what is wrong with it."""
    if not isinstance(background, Real) or isinstance(background, bool):
        raise TypeError(
            f"background must be a number theta >= 0, got {background!r}: pass 0 for the paper's "
            "method, or var_u / var_e of the clusters that are not selected."
        )
    if not 0 <= background <= _LARGEST:
        raise ValueError(
            f"background must be a number theta between 0 and {_LARGEST:g}, got {background!r}: "
            "pass 0 for the paper's method."
        )
    return float(background)


def effective_rows(n: np.ndarray, background: float) -> np.ndarray:
    """Return m_k = n_k / (1 + theta n_k), the rows that a cluster's mean is worth.

    Parameters
    ----------
    n : ndarray, shape (K,)
        Rows in each cluster.
    background : float
        theta >= 0, the background's variance over the errors'.
    """
    return n / (1.0 + background * n)


def with_background(moments: Moments, background: float) -> Moments:
    """Return moments in which every cluster counts with its effective rows.

    They are rounded by a few units in the last place, which raises or lowers the objective by the
    same share of itself: less than what every claim gives away to rounding, `Problem.rounding`.
    """
    if background == 0:
        return moments
    return replace(moments, n=effective_rows(moments.n, background))


def background_effects(
    moments: Moments, background: float, beta: np.ndarray, gamma: np.ndarray
) -> np.ndarray:
    """Return u_k = theta m_k (y_k - x_k'beta - gamma_k), shape (K,): BLUPs of the background.

    Parameters
    ----------
    moments : Moments
        Of the rows.
    background : float
        theta >= 0.
    beta, gamma : ndarray (P,), ndarray (K,)
        NaN coefficients are of columns left out.
    """
    if background == 0:
        return np.zeros(len(gamma))
    residual = moments.mean_y - moments.mean_x @ np.nan_to_num(beta) - gamma
    return background * effective_rows(moments.n, background) * residual
