"""Errors whose variance differs between clusters: a test of it, and p-values that allow for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from scs.inference.background import Between, Deviations
from scs.inference.residual_null import scaled_residuals
from scs.moments.moments import Moments

#: Clusters of fewer rows take no part in the test.
TEST_ROWS = 10
_LARGEST_PRIOR = 1e6  # degrees of freedom: as good as one variance for all


@dataclass(frozen=True)
class EqualVariances:
    """Test of one error variance in all clusters.

    Attributes
    ----------
    statistic : float
        F of Brown and Forsythe; NaN where fewer than two clusters have ten rows.
    df : tuple of int
        Its degrees of freedom.
    pvalue : float
    """

    statistic: float
    df: tuple[int, int]
    pvalue: float


def equal_variances(
    X: np.ndarray,
    y: np.ndarray,
    codes: np.ndarray,
    moments: Moments,
    frequency: np.ndarray | None = None,
    precision: np.ndarray | None = None,
) -> EqualVariances:
    """Test that errors have one variance, by Brown and Forsythe's test, which needs no normal law.

    The analysis of variance of z_ki = |e_ki - median_k(e)|, e the residuals within clusters::

        F = [sum_k n_k (z_k - z)^2 / (K - 1)] / [sum_ki (z_ki - z_k)^2 / (N - K)]

    over the clusters with at least ten rows: in smaller ones z depends on the number of rows.

    Parameters
    ----------
    X, y, codes, moments, frequency, precision
        All rows, as in `residual_histogram`.

    References
    ----------
    Brown and Forsythe (1974), Robust tests for the equality of variances.
    """
    used = moments.counts[codes] >= TEST_ROWS
    e = scaled_residuals(X, y, codes, moments, precision)[used]
    k = np.unique(codes[used], return_inverse=True)[1]
    times = np.ones(len(e), dtype=np.int64)
    if frequency is not None:
        times = frequency[used].astype(np.int64)
    n = np.bincount(k, times).astype(np.int64)
    df = len(n) - 1, int(n.sum()) - len(n)
    if len(n) < 2:
        return EqualVariances(float("nan"), (0, 0), float("nan"))
    order = np.lexsort((e, k))
    ordered, last = e[order], np.cumsum(times[order])  # of equal rows

    def placed(place: np.ndarray) -> np.ndarray:
        return ordered[np.searchsorted(last, place, side="right")]

    start = np.cumsum(n) - n
    z = np.abs(e - (0.5 * (placed(start + (n - 1) // 2) + placed(start + n // 2)))[k])
    means = np.bincount(k, times * z) / n
    between = n @ (means - np.sum(times * z) / n.sum()) ** 2 / df[0]
    statistic = float(between / (np.sum(times * (z - means[k]) ** 2) / df[1]))
    return EqualVariances(statistic, df, float(stats.f.sf(statistic, *df)))


@dataclass(frozen=True, eq=False)
class UnequalNull:
    """A null for `name_clusters` in which each cluster has an error variance of its own.

    A cluster's variance is moderated: with s_k^2 its own and s_0^2 on d_0 degrees of freedom what
    the other clusters say of it ::

        sigma_k^2 = [d_0 s_0^2 + (n_k - 1) s_k^2] / (d_0 + n_k - 1)

    replaces the pooled one in the variance of d_k. Its degrees of freedom are Satterthwaite's, at
    least d_0 + n_k - 1. Where all variances are equal d_0 is large, and it is the pooled one.

    It allows for heavy tails as well: a large error widens the variance of its own cluster.
    It does not for skewed errors of unequal variance, whose mean goes with their spread.

    Attributes
    ----------
    n : ndarray, shape (K,)
        Rows in each cluster; with precision weights the sum of these.
    variance : ndarray, shape (K,)
        s_k^2, on n_k - 1 degrees of freedom; 0 where n_k = 1.
    var_e : float
        The pooled variance that is in the deviations.
    prior : tuple of float
        s_0^2 and d_0.
    rows : ndarray, shape (K,), optional
        Rows in each cluster where ``n`` holds sums of weights: degrees of freedom count them.

    References
    ----------
    Smyth (2004), Linear models and empirical Bayes methods for assessing differential expression.
    """

    n: np.ndarray
    variance: np.ndarray
    var_e: float
    prior: tuple[float, float]
    rows: np.ndarray | None = None

    @classmethod
    def from_rows(
        cls,
        X: np.ndarray,
        y: np.ndarray,
        codes: np.ndarray,
        moments: Moments,
        frequency: np.ndarray | None = None,
        precision: np.ndarray | None = None,
    ) -> UnequalNull:
        """Make it from all rows, as in `residual_histogram`."""
        n, var_e = moments.counts, Between.from_moments(moments).var_e
        square = scaled_residuals(X, y, codes, moments, precision) ** 2
        if frequency is not None:
            square *= frequency
        if precision is not None:  # (n_k - 1) s_k^2 is the weighted sum of squares
            square *= (1.0 - precision / moments.n[codes]) * (n / np.maximum(n - 1.0, 1.0))[codes]
        variance = np.bincount(codes, square, len(n)) / n
        # Coefficients cost degrees of freedom too: on average it is the pooled variance.
        variance *= var_e * np.sum(n - 1) / ((n - 1) @ variance)
        several = n > 1
        prior = fit_prior(variance[several], n[several] - 1.0)
        return cls(moments.n, variance, var_e, prior, moments.rows)

    @property
    def moderated(self) -> tuple[np.ndarray, np.ndarray]:
        """sigma_k^2 and its degrees of freedom, each of shape (K,)."""
        first, prior = self.prior
        own = (self.n if self.rows is None else self.rows) - 1.0
        df = prior + own
        return (prior * first + own * self.variance) / df, df

    def studentise(self, found: Deviations) -> Deviations:
        """Return the deviations with errors from the clusters' own variances."""
        variance, df = self.moderated
        own, change = variance / self.n, (variance - self.var_e) / self.n
        told = np.isfinite(found.spread)
        spread = np.where(told, found.spread, 1.0)
        rest = np.maximum(spread**2 - self.var_e / self.n, 0.0)  # background, error of the fit
        total = own + rest
        return Deviations(
            value=found.value,
            error=np.sqrt(np.maximum(found.error**2 + change, own)),
            spread=np.where(told, np.sqrt(total), np.inf),
            df=total**2 / (own**2 / df + rest**2 / found.df),
        )

    def __call__(self, found: Deviations, theta: float) -> np.ndarray:
        """Return two-sided p-values, shape (K,). theta is in ``found.spread`` already."""
        return self.studentise(found).pvalues


def fit_prior(variance: np.ndarray, df: np.ndarray) -> tuple[float, float]:
    """Fit s_0^2 and d_0 by likelihood: s_k^2 / s_0^2 has the F distribution with n_k - 1 and d_0.

    Parameters
    ----------
    variance, df : ndarray, shape (K,)
        s_k^2 and n_k - 1.
    """
    variance = np.maximum(variance, 1e-12 * variance.mean())

    def loss(at: np.ndarray) -> float:
        first, prior = np.exp(at[0]), np.exp(at[1])
        return -float(np.sum(stats.f.logpdf(variance / first, df, prior) - at[0]))

    start = [np.log(df @ variance / df.sum()), np.log(10.0)]
    found = optimize.minimize(
        loss, start, method="L-BFGS-B", bounds=[(None, None), (np.log(0.5), np.log(_LARGEST_PRIOR))]
    )
    return float(np.exp(found.x[0])), float(np.exp(found.x[1]))
