"""What every baseline returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CONVERGED = 1e-5  # largest gradient, in standard errors
ZERO_VARIANCE = "var_u is estimated as zero: the clusters differ no more than their rows do."


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted linear (mixed) model, Eq. 1 with a random intercept.

    Attributes
    ----------
    method : str
        "OLS", "LMM (Gaussian)" or "LMM (Laplace)".
    names : tuple of str, length P
        Column names of X.
    labels : ndarray, shape (K,)
        Cluster labels, sorted; empty for OLS without clusters.
    beta, se_beta : ndarray, shape (P,)
        Coefficients and their standard errors.
    cov_beta : ndarray, shape (P, P)
        Covariance matrix of ``beta``.
    effects : ndarray, shape (K,)
        Predicted cluster effects: one of the three below (zeros for OLS).
    posterior_mean, posterior_mode, linear_predictor : ndarray, shape (K,)
        Mean and mode of each effect given the data and the estimates, and the best linear
        predictor n v_u / (n v_u + v_e) times the cluster's mean residual. The three are equal
        for Gaussian effects.
    var_u, var_e : float
        Variance of the cluster effects and of the errors.
    se_var_u, se_var_e : float
        Their standard errors; NaN where there is none (OLS, REML, or a variance that is zero).
    loglik : float
        Log-likelihood at the estimates; the restricted one for REML.
    n_rows, n_parameters : int
        N, and the number of estimated parameters: coefficients, variances and, if free, alpha.
    converged : bool
        Whether ``gradient`` is below 1e-5.
    gradient : float
        Length of the gradient at the estimates in units of standard errors,
        sqrt(g' H^-1 g), over the parameters that are not on their bound.
    n_iter : int
        Evaluations of the log-likelihood and its derivatives.
    message : str
        What a reader should know: an estimate on its bound, a flat likelihood; often empty.
    alpha, se_alpha : float
        Shape of the Laplace law: 0 normal, 1 Laplace; NaN for OLS. ``se_alpha`` is NaN unless
        alpha was estimated and lies inside (0, 1).
    """

    method: str
    names: tuple[str, ...]
    labels: np.ndarray
    beta: np.ndarray
    cov_beta: np.ndarray
    effects: np.ndarray
    posterior_mean: np.ndarray
    posterior_mode: np.ndarray
    linear_predictor: np.ndarray
    var_u: float
    var_e: float
    loglik: float
    n_rows: int
    n_parameters: int
    converged: bool = True
    gradient: float = 0.0
    n_iter: int = 1
    message: str = ""
    se_var_u: float = np.nan
    se_var_e: float = np.nan
    alpha: float = np.nan
    se_alpha: float = np.nan

    @property
    def se_beta(self) -> np.ndarray:
        """Standard errors of ``beta``, shape (P,)."""
        return np.sqrt(np.diag(self.cov_beta))

    @property
    def icc(self) -> float:
        """Intraclass correlation, var_u / (var_u + var_e); 0 where both are zero."""
        total = self.var_u + self.var_e
        return self.var_u / total if total > 0 else 0.0

    @property
    def aic(self) -> float:
        """Akaike's criterion, 2 n_parameters - 2 loglik (REML: only for one and the same X)."""
        return 2.0 * self.n_parameters - 2.0 * self.loglik
