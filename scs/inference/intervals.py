"""Intervals of cluster effects from the model's own errors, for clusters of too few rows to redraw.

Drawing a cluster's rows again says nothing where there is one row, and too little below ten: the
resamples of n rows vary by (n - 1) / n of the errors' variance, and around an estimate of that.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from scs.moments.moments import Moments
from scs.moments.slopes import refuse_slopes

FEWEST_ROWS = 10  # of a cluster whose rows are redrawn; below, its interval is the model's


def model_intervals(
    moments: Moments,
    beta: np.ndarray,
    gamma: np.ndarray,
    *,
    ridge: float,
    ridge_fixed: float = 0.0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return t intervals of the effects of selected clusters, given that they are selected.

    An effect before its shrinkage is the mean residual d_k of its rows. Its standard error is
    s (1/n_k + l_k)^(1/2): s^2 is the variance of the errors within clusters, whatever lies between
    them, and l_k the leverage of the cluster's mean on the coefficients. The interval is
    d_k -/+ t s.e.; the shrunken effect is n_k / (n_k + ridge) d_k, and where it lies outside, the
    interval is extended to it, so that an estimate is never outside of its own interval.

    Parameters
    ----------
    moments : Moments
    beta : ndarray, shape (P,)
    gamma : ndarray, shape (K,)
        Effects; those that are not 0 get an interval.
    ridge, ridge_fixed : float
        Those of the fit.
    level : float
        In (0, 1).

    Returns
    -------
    DataFrame, indexed by the labels selected
        ``estimate`` (before shrinkage), ``std_error``, ``low``, ``high``; NaN where no cluster has
        rows enough to tell the errors' variance.

    Notes
    -----
    As all intervals after a selection, they take the selection as given.
    """
    m = moments
    support = np.flatnonzero(gamma)
    variance, free = within_variance(m)
    n, penalty = m.n.astype(float), np.full(m.n_columns, float(ridge_fixed))
    mean_x = m.mean_x.copy()
    if m.intercept:  # about the means, and in columns of one size, nothing cancels
        penalty[0] = 0.0
        mean_x[:, 1:] -= n @ mean_x[:, 1:] / n.sum()
    size = np.sqrt(np.diag(m.within_xx) + n @ mean_x**2)
    size[size == 0] = 1.0
    mean_x /= size
    # What a cluster's mean adds to the coefficients' normal equations: less where it has an effect.
    weights = np.where(gamma != 0, ridge * n / (n + ridge), n)
    normal = m.within_xx / np.outer(size, size) + mean_x.T @ (mean_x * weights[:, None])
    inverse = np.linalg.pinv(normal + np.diag(penalty / size**2), hermitian=True)
    leverage = np.einsum("kp,pq,kq->k", mean_x[support], inverse, mean_x[support])
    estimate = m.mean_y[support] - m.mean_x[support] @ beta
    error = np.sqrt(variance * (1 / n[support] + np.maximum(leverage, 0.0)))
    reach = stats.t.ppf((1 + level) / 2, free) * error if free > 0 else np.full(len(error), np.nan)
    return pd.DataFrame(
        {
            "estimate": estimate,
            "std_error": error,
            "low": np.minimum(estimate - reach, gamma[support]),
            "high": np.maximum(estimate + reach, gamma[support]),
        },
        index=pd.Index(m.labels[support], name="cluster", tupleize_cols=False),
    )


def within_variance(moments: Moments) -> tuple[float, int]:
    """Return the errors' variance from the rows' deviations from their clusters' means, and its df.

    NaN and 0 where no cluster has rows enough.
    """
    refuse_slopes(moments, "the errors' variance")
    m = moments
    sizes = np.sqrt(np.diag(m.within_xx))
    scale = np.where(sizes > 0, sizes, 1.0)  # the rank must not depend on units
    slopes, _, rank, _ = np.linalg.lstsq(
        m.within_xx / np.outer(scale, scale), m.within_xy / scale, rcond=1e-10
    )
    free = m.n_rows - m.n_clusters - int(rank)
    if free <= 0:
        return float("nan"), 0
    left = m.within_yy - slopes @ (m.within_xy / scale)
    return max(float(left), 0.0) / free, free
