"""LMM (Gaussian): the linear mixed model with normal cluster effects, by REML or ML."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from scs.baselines._basis import Basis, basis, refuse_unseparable
from scs.baselines._climb import Point, highest
from scs.baselines.fit import CONVERGED, ZERO_VARIANCE, Fit
from scs.moments.moments import Moments


def lmm_gaussian(
    X: Any,
    y: Any,
    clusters: Any,
    reml: bool = True,
    *,
    frequency_weights: Any = None,
    precision_weights: Any = None,
) -> Fit:
    """Fit Eq. 1 with a normal random intercept, gamma_k ~ N(0, var_u), errors N(0, var_e).

    No column is added to X: pass a column of ones for an intercept.

    Parameters
    ----------
    X : array-like or data frame, shape (N, P)
        Design matrix, finite, of full column rank; N > P.
    y : array-like, shape (N,)
        Outcome.
    clusters : array-like, shape (N,)
        Cluster labels; at least two.
    reml : bool
        Restricted maximum likelihood (default), or maximum likelihood.
    frequency_weights, precision_weights : array-like, shape (N,), optional
        How many equal rows each row stands for; w_i, where the errors' variance is ``var_e`` / w_i
        (see `Moments.from_arrays`).

    Returns
    -------
    Fit
        ``effects`` are the best linear unbiased predictors, ``se_beta`` is conditional on the
        variance ratio. An estimate of zero for ``var_u`` is a result, and said in ``message``.

    Raises
    ------
    ValueError
        Dependent columns (named); N <= P; one cluster; one row per cluster, or no degrees of
        freedom within clusters; no residual within clusters; with REML, covariates that absorb
        every cluster effect; invalid input (see `scs.data.design.Design.from_table`).
    TypeError
        Values that are not numbers, labels of mixed type.

    Notes
    -----
    With theta = var_u / var_e the likelihood is maximised in closed form over beta and var_e; the
    profile left in theta is scanned from 0 to infinity, so that no start can strand it.
    ``loglik`` has every constant: the REML criterion holds log det X'V^-1X and
    (N - P) log(2 pi), as in R's lme4.

    References
    ----------
    Eq. 1 of the paper. Bates, Maechler, Bolker and Walker (2015), Fitting linear mixed-effects
    models using lme4, Journal of Statistical Software 67(1).
    """
    moments = Moments.from_arrays(
        X,
        y,
        clusters,
        frequency_weights=frequency_weights,
        precision_weights=precision_weights,
    )
    return fit_gaussian(moments, reml=reml)


def fit_gaussian(moments: Moments, *, reml: bool = True) -> Fit:
    """Fit `lmm_gaussian` from moments alone; the cost does not depend on the number of rows.

    Parameters
    ----------
    moments : Moments
    reml : bool
        Restricted maximum likelihood, or maximum likelihood.

    Raises
    ------
    ValueError
        As `lmm_gaussian`.
    """
    new = basis(moments)
    refuse_unseparable(moments, new)
    n_constant = moments.n_columns - new.rank_within
    if reml and n_constant >= moments.n_clusters:
        raise ValueError(
            f"X has {n_constant} columns that are constant within clusters, as many as there are "
            "clusters: they absorb every cluster effect, and REML has no var_u to estimate. Drop "
            "some of them, or use reml=False."
        )
    n_eval = 0

    def profile(theta: float, near: Point | None, rough: bool) -> Point:
        nonlocal n_eval
        n_eval += 1
        return _profile(new, theta, reml)

    best = highest(profile, new.n, ratio_bound(new))
    b, var_e, inverse = best.state
    theta, scale2 = best.theta, new.scale**2
    mean_residual = new.scale * (new.mean_e - new.U @ b)
    effects = new.n * theta / (1.0 + new.n * theta) * mean_residual
    gradient = 0.0 if theta == 0.0 else _scaled_gradient(best)
    free_rows = new.n_rows - (moments.n_columns if reml else 0)
    loglik = best.value - free_rows * np.log(new.scale) - (0.5 * new.log_det if reml else 0.0)
    loglik += 0.5 * moments.log_weights
    return Fit(
        method="LMM (Gaussian)",
        names=moments.names,
        labels=moments.labels,
        beta=new.beta_ols + new.scale * (new.T @ b),
        cov_beta=var_e * scale2 * (new.T @ inverse @ new.T.T),
        effects=effects,
        posterior_mean=effects,
        posterior_mode=effects,
        linear_predictor=effects,
        var_u=float(theta * var_e * scale2),
        var_e=float(var_e * scale2),
        loglik=float(loglik),
        n_rows=new.n_rows,
        n_parameters=moments.n_columns + 2,
        converged=bool(gradient < CONVERGED),
        gradient=gradient,
        n_iter=n_eval,
        message=ZERO_VARIANCE if theta == 0.0 else "",
        alpha=0.0,
    )


def ratio_bound(new: Basis) -> float:
    """Return a theta beyond which the ML profile falls: N max_k r_k^2 / (within residual).

    ``r_k`` are the mean residuals of the within-cluster estimator.
    """
    varying = new.root > 1e-6
    b = np.zeros_like(new.root)
    b[varying] = new.target[varying] / new.root[varying]
    r = new.mean_e - new.U @ b
    return float(new.n_rows * (r**2).max() / new.leftover)


def _profile(new: Basis, theta: float, reml: bool) -> Point:
    """Log-likelihood at theta, maximised over beta and var_e, with two derivatives.

    V = var_e (I + theta 11') in each cluster, so a cluster's mean counts w = n / (1 + n theta)
    times, and dw / dtheta = -w^2.
    """
    n_rows, n_columns = new.n_rows, len(new.root)
    shrink = 1.0 + new.n * theta
    w = new.n / shrink
    wU = w[:, None] * new.U
    gram = new.U.T @ wU
    gram[np.diag_indices(n_columns)] += new.root**2
    factor = cho_factor(gram, lower=True, check_finite=False)
    inverse = cho_solve(factor, np.eye(n_columns), check_finite=False)
    b = cho_solve(factor, new.root * new.target + wU.T @ new.mean_e, check_finite=False)
    r = new.mean_e - new.U @ b
    rss = new.leftover + ((new.root * b - new.target) ** 2).sum() + w @ r**2
    free = n_rows - n_columns if reml else n_rows
    deviance = free * (np.log(2 * np.pi * rss / free) + 1.0) + np.log(shrink).sum()

    w2r = w**2 * r
    pull = new.U.T @ w2r  # db / dtheta = -inverse @ pull
    d_rss = -(w2r @ r)
    d2_rss = 2.0 * (w**3 @ r**2) - 2.0 * (pull @ inverse @ pull)
    slope = free * d_rss / rss + w.sum()
    curvature = free * (d2_rss / rss - (d_rss / rss) ** 2) - (w**2).sum()
    if reml:
        deviance += 2.0 * np.log(np.diag(factor[0])).sum()
        leverage = np.einsum("ij,ij->i", new.U @ inverse, new.U)
        spread = inverse @ (wU.T @ wU)
        slope -= w**2 @ leverage
        curvature += 2.0 * (w**3 @ leverage) - np.einsum("ij,ji->", spread, spread)
    state = (b, rss / free, inverse)
    return Point(theta, -0.5 * deviance, -0.5 * slope, -0.5 * curvature, state)


def _scaled_gradient(point: Point) -> float:
    """Slope of the profile in units of the standard error of theta."""
    if point.curvature >= 0:
        return float("inf")
    return float(abs(point.slope) / np.sqrt(-point.curvature))
