"""Ordinary least squares: the baseline that ignores clusters."""

from __future__ import annotations

from typing import Any

import numpy as np

from scs.baselines._basis import basis
from scs.baselines.fit import Fit
from scs.data.design import as_matrix
from scs.moments.moments import Moments


def ols(
    X: Any,
    y: Any,
    clusters: Any = None,
    *,
    frequency_weights: Any = None,
    precision_weights: Any = None,
) -> Fit:
    """Fit Eq. 1 without cluster effects, Y = X beta + error, by least squares.

    No column is added to X: pass a column of ones for an intercept.

    Parameters
    ----------
    X : array-like or data frame, shape (N, P)
        Design matrix, finite, of full column rank; N > P.
    y : array-like, shape (N,)
        Outcome.
    clusters : array-like, shape (N,), optional
        Cluster labels; only listed in the result, with effects of zero.
    frequency_weights, precision_weights : array-like, shape (N,), optional
        How many equal rows each row stands for; w_i, where the errors' variance is ``var_e`` / w_i
        (see `Moments.from_arrays`).

    Returns
    -------
    Fit
        ``var_e`` is RSS / (N - P); ``loglik`` is the maximum of the likelihood (variance RSS / N),
        infinite for an exact fit; ``var_u`` and ``effects`` are zero.

    Raises
    ------
    ValueError
        Dependent columns (named), N <= P, or invalid input (see
        `scs.data.design.Design.from_table`).
    TypeError
        Values that are not numbers, labels of mixed type.

    Notes
    -----
    The residual sum of squares is a difference of sums of squares: what is below 1e-14 of the
    outcome's is rounding, and ``var_e`` of an exact fit is of that size rather than zero.
    """
    labelled = clusters is not None
    moments = Moments.from_arrays(
        X,
        y,
        clusters if labelled else np.zeros(len(as_matrix(X)[0]), dtype=int),
        frequency_weights=frequency_weights,
        precision_weights=precision_weights,
    )
    return fit_ols(moments, labelled=labelled)


def fit_ols(moments: Moments, *, labelled: bool = True) -> Fit:
    """Fit `ols` from moments alone.

    Parameters
    ----------
    moments : Moments
    labelled : bool
        Whether the clusters of ``moments`` are the user's, and so are listed in the result.

    Raises
    ------
    ValueError
        Dependent columns (named), or no more rows than columns.
    """
    new = basis(moments)
    n_rows, n_columns = new.n_rows, moments.n_columns
    rss = new.rss * new.scale**2
    var_e = rss / (n_rows - n_columns)
    with np.errstate(divide="ignore"):
        loglik = -0.5 * n_rows * (np.log(2 * np.pi * rss / n_rows) + 1.0)
        loglik += 0.5 * moments.log_weights
    labels = moments.labels if labelled else moments.labels[:0]
    zeros = np.zeros(len(labels))
    return Fit(
        method="OLS",
        names=moments.names,
        labels=labels,
        beta=new.beta_ols,
        cov_beta=var_e * (new.T @ new.T.T),
        effects=zeros,
        posterior_mean=zeros,
        posterior_mode=zeros,
        linear_predictor=zeros,
        var_u=0.0,
        var_e=float(var_e),
        loglik=float(loglik),
        n_rows=n_rows,
        n_parameters=n_columns + 1,
    )
