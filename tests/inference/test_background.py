"""The background: deviations against generalised least squares, its variance against the truth."""

import numpy as np
import pytest
from scipy import stats

from scs import Moments
from scs.inference.background import (
    Between,
    Deviations,
    coefficients,
    deviations,
    first_variance,
    truncated_variance,
)
from scs.problem.background import effective_rows


def draw(rng, n_clusters=12, *, tau=0.3, n_rows=(2, 9), flat=True):
    """Rows with a covariate that varies, one that is constant within clusters, and effects."""
    n = rng.integers(*n_rows, n_clusters)
    k = np.repeat(np.arange(n_clusters), n)
    X = np.column_stack([rng.normal(size=len(k)) + 1e3, rng.normal(size=n_clusters)[k]])
    X = X if flat else X[:, :1]
    u = tau * rng.normal(size=n_clusters)
    return X, X @ np.ones(X.shape[1]) + u[k] + rng.normal(size=len(k)), k


def gls(X, y, k, theta, free):
    """Return coefficients and covariance (without sigma^2) with V = I + theta A A', by rows."""
    A = (k[:, None] == np.arange(k.max() + 1)).astype(float)
    V = np.eye(len(y)) + theta * A @ A.T
    full = np.column_stack([np.ones(len(y)), X - X.mean(0), A[:, free]])
    L = np.linalg.cholesky(V)
    Q, R = np.linalg.qr(np.linalg.solve(L, full))
    inverse = np.linalg.inv(R)
    return inverse @ (Q.T @ np.linalg.solve(L, y)), inverse @ inverse.T


@pytest.mark.parametrize("theta", [0.0, 0.09, 4.0])
def test_a_deviation_is_the_effect_of_the_cluster_freed(theta):
    rng = np.random.default_rng(3)
    X, y, k = draw(rng)
    between = Between.from_moments(Moments.from_arrays(X, y, k, intercept=True))
    free = np.zeros(12, dtype=bool)
    free[[2, 7]] = True
    found = deviations(between, theta, free)
    n = np.bincount(k)
    for cluster in range(12):
        also = np.flatnonzero(free | (np.arange(12) == cluster))
        beta, covariance = gls(X, y, k, theta, also)
        at = 3 + int(np.searchsorted(also, cluster))
        assert found.value[cluster] == pytest.approx(beta[at], rel=1e-9)
        # GLS counts the background of the freed cluster too: u_k + v_k + error.
        variance = between.var_e * covariance[at, at]
        assert found.spread[cluster] ** 2 == pytest.approx(variance, rel=1e-9)
        noise = variance - theta * between.var_e
        assert found.error[cluster] ** 2 == pytest.approx(max(noise, between.var_e / n[cluster]))


def test_the_variance_of_the_errors_is_that_of_a_fit_with_all_clusters_free():
    X, y, k = draw(np.random.default_rng(5))
    between = Between.from_moments(Moments.from_arrays(X, y, k, intercept=True))
    A = (k[:, None] == np.arange(12)).astype(float)
    full = np.column_stack([X[:, 0] - X[:, 0].mean(), A])
    rest = y - full @ np.linalg.lstsq(full, y, rcond=None)[0]
    assert between.df == len(y) - 13
    assert between.var_e == pytest.approx(rest @ rest / between.df, rel=1e-9)


def test_units_and_origins_change_no_deviation():
    X, y, k = draw(np.random.default_rng(6))
    free = np.arange(12) == 4
    first, second = (
        deviations(Between.from_moments(Moments.from_arrays(each, y, k, intercept=True)), 0.1, free)
        for each in (X, X * [1e-4, 1e5] + [7.0, -3e6])
    )
    np.testing.assert_allclose(first.value, second.value, rtol=1e-6)
    np.testing.assert_allclose(first.spread, second.spread, rtol=1e-8)


def test_a_cluster_that_a_covariate_fits_alone_is_never_named():
    X, y, k = draw(np.random.default_rng(8), flat=False)
    X = np.column_stack([X, k == 5])
    y = y + 50.0 * (k == 5)
    between = Between.from_moments(Moments.from_arrays(X, y, k, intercept=True))
    found = deviations(between, 0.1, np.zeros(12, dtype=bool))
    assert found.pvalues[5] == 1.0 and np.isfinite(found.pvalues).all()


def test_no_error_within_clusters_is_refused():
    k = np.repeat(np.arange(5), 3)
    x = np.arange(15.0)[:, None]
    with pytest.raises(ValueError, match=r"no error within clusters.*background"):
        Between.from_moments(Moments.from_arrays(x, x[:, 0] + k, k, intercept=True))
    with pytest.raises(ValueError, match=r"Add rows to the clusters.*background"):
        Between.from_moments(Moments.from_arrays(x, x[:, 0] ** 2, np.arange(15), intercept=True))


def test_the_truncated_likelihood_is_at_its_maximum():
    rng = np.random.default_rng(9)
    s = rng.uniform(0.1, 0.5, 400)
    d = rng.normal(size=400) * np.sqrt(s**2 + 0.2**2)
    d[:30] += 3.0
    found = Deviations(d, s, s, 1000.0)
    first = first_variance(found, 0)
    best = truncated_variance(found, first)
    edge = 2.5 * np.sqrt(s**2 + first)
    inside = np.abs(d) <= edge

    def loglik(variance):
        t = np.sqrt(s**2 + variance)[inside]
        law = stats.truncnorm(-edge[inside] / t, edge[inside] / t, scale=t)
        return law.logpdf(d[inside]).sum()

    assert all(loglik(best) >= loglik(best * factor) for factor in (0.9, 0.99, 1.01, 1.1))
    assert all(loglik(best) >= loglik(v) - 1e-9 for v in np.linspace(0.0, 0.5, 101))


@pytest.mark.parametrize("tau", [0.0, 0.15, 0.3])
@pytest.mark.parametrize("share", [0.05, 0.15])
def test_outlying_clusters_do_not_widen_the_background(tau, share):
    rng = np.random.default_rng(10)
    taus = []
    for _ in range(30):
        s = np.exp(rng.uniform(np.log(0.07), np.log(0.45), 300))
        u = tau * rng.normal(size=300)
        u[: int(300 * share)] += rng.choice([-1, 1], int(300 * share)) * rng.uniform(1.5, 3)
        d = u + s * rng.normal(size=300)
        found = Deviations(d, s, s, 5000.0)
        first = first_variance(found, int(300 * share))
        taus.append(np.sqrt(truncated_variance(found, first)))
    # Within 10 % of the truth (15 % outlying add a few hundredths), or below a fifth of an error.
    assert np.mean(taus) == pytest.approx(tau, rel=0.12) if tau else np.mean(taus) < 0.04


def test_rows_of_a_mean_over_a_background():
    n = np.array([1.0, 10.0, 1e6])
    np.testing.assert_array_equal(effective_rows(n, 0.0), n)
    np.testing.assert_allclose(effective_rows(n, 0.5), [1 / 1.5, 10 / 6, 1e6 / 500001])


def test_coefficients_without_a_background_are_least_squares():
    X, y, k = draw(np.random.default_rng(12))
    between = Between.from_moments(Moments.from_arrays(X, y, k, intercept=True))
    beta, _ = coefficients(between, 0.0, np.zeros(12, dtype=bool))
    full = np.column_stack([np.ones(len(y)), X - X.mean(0)])
    ours = between.y - between.x @ beta
    residual = y - full @ np.linalg.lstsq(full, y, rcond=None)[0]
    np.testing.assert_allclose(ours, np.bincount(k, residual) / np.bincount(k), atol=1e-9)
