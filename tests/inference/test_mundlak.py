"""Within and between: statsmodels with cluster means added, dense GLS, degenerate cases."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from scs import Moments
from scs.inference.background import Between
from scs.inference.mundlak import within_between

NAMED = np.array([3, 11])


def rows(rng, n_clusters=40, *, tau=0.4, shift=0.0, sizes=(2, 9)):
    """Columns: two that vary in and between clusters, one constant within; effects go with x."""
    n = rng.integers(*sizes, n_clusters)
    k = np.repeat(np.arange(n_clusters), n)
    u = tau * rng.normal(size=n_clusters)
    means = rng.normal(size=(n_clusters, 2))
    means[:, 0] += shift * u / max(tau, 1e-9)
    X = np.column_stack([rng.normal(size=(len(k), 2)) + means[k], rng.normal(size=n_clusters)[k]])
    X = X * [1.0, 1e4, 0.1] + [0.0, 1e5, 3.0]
    y = 2 + X @ [1.0, -2e-4, 5.0] + u[k] + rng.normal(size=len(k))
    return X, y, k


def augmented(X, k, named):
    """Return the design with the means of the first two columns, and dummies of the named."""
    means = np.stack([np.bincount(k, X[:, j]) / np.bincount(k) for j in (0, 1)], axis=1)
    dummies = (k[:, None] == named).astype(float)
    return np.column_stack([np.ones(len(k)), X, means[k], dummies])


@pytest.mark.parametrize("theta", [0.0, 0.16, 5.0])
@pytest.mark.parametrize("named", [NAMED, NAMED[:0]])
def test_against_the_regression_with_means_added(theta, named):
    X, y, k = rows(np.random.default_rng(1))
    moments = Moments.from_arrays(X, y, k, intercept=True)
    found = within_between(moments, theta, named)
    design = augmented(X, k, named)
    if theta == 0:
        fit = sm.OLS(y, design).fit()
    else:
        fit = sm.GLS(y, design, sigma=np.eye(len(k)) + theta * (k[:, None] == k)).fit()
    covariance = fit.normalized_cov_params * Between.from_moments(moments).var_e
    total = np.zeros((2, design.shape[1]))  # between = coefficient of x and of its mean
    total[[0, 1], [1, 2]] = total[[0, 1], [4, 5]] = 1.0
    np.testing.assert_allclose(found.within[:2], fit.params[1:3], rtol=1e-8)
    np.testing.assert_allclose(found.difference[:2], fit.params[4:6], rtol=1e-7)
    np.testing.assert_allclose(found.between[:2], total @ fit.params, rtol=1e-8)
    np.testing.assert_allclose(found.between[2], fit.params[3], rtol=1e-8)
    errors = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(found.within_error[:2], errors[1:3], rtol=1e-8)
    np.testing.assert_allclose(found.difference_error[:2], errors[4:6], rtol=1e-8)
    both = np.sqrt(np.diag(total @ covariance @ total.T))
    np.testing.assert_allclose(found.between_error, [*both, errors[3]], rtol=1e-8)
    delta = fit.params[4:6]
    statistic = delta @ np.linalg.solve(covariance[4:6, 4:6], delta)
    assert found.statistic == pytest.approx(statistic, rel=1e-7)
    assert found.df == 2
    n_means = 40 - len(named) - 4
    assert found.df_error == (len(y) - 42 if theta == 0 else min(n_means, len(y) - 42))
    assert found.pvalue == pytest.approx(stats.f.sf(statistic / 2, 2, found.df_error), rel=1e-6)
    assert found.left_out == {"x3": "within"}
    assert np.isnan(found.within[2]) and np.isnan(found.pvalues[2])


@pytest.mark.parametrize("theta", [0.0, 0.16])
def test_against_dense_generalised_least_squares(theta):
    X, y, k = rows(np.random.default_rng(2))
    moments = Moments.from_arrays(X, y, k, intercept=True)
    sigma2 = Between.from_moments(moments).var_e
    V = sigma2 * (np.eye(len(k)) + theta * (k[:, None] == k))
    design = augmented(X, k, NAMED)
    size = np.linalg.norm(design, axis=0)
    L = np.linalg.cholesky(V)
    Q, R = np.linalg.qr(np.linalg.solve(L, design / size))
    beta = np.linalg.solve(R, Q.T @ np.linalg.solve(L, y)) / size
    half = np.linalg.inv(R) / size[:, None]
    covariance = (half @ half.T)[4:6, 4:6]
    found = within_between(moments, theta, NAMED)
    np.testing.assert_allclose(found.difference[:2], beta[4:6], rtol=1e-7)
    np.testing.assert_allclose(found.difference_error[:2] ** 2, np.diag(covariance), rtol=1e-8)
    statistic = beta[4:6] @ np.linalg.solve(covariance, beta[4:6])
    assert found.statistic == pytest.approx(statistic, rel=1e-7)


def test_a_column_seen_only_within_is_left_out_and_named():
    rng = np.random.default_rng(3)
    X, y, k = rows(rng, sizes=(4, 5))
    X = np.column_stack([X, np.tile([0.1, 0.2, 0.7, 0.9], 40)])  # the same in every cluster
    y = y + X[:, 3]
    found = within_between(Moments.from_arrays(X, y, k, intercept=True), 0.1, NAMED)
    alone = within_between(Moments.from_arrays(X[:, :3], y, k, intercept=True), 0.1, NAMED)
    assert found.left_out == {"x3": "within", "x4": "between"} and found.df == 2
    assert np.isfinite(found.within[3]) and np.isnan(found.between[3])
    np.testing.assert_allclose(found.between[:3], alone.between, rtol=1e-9)


def test_columns_that_others_determine_change_no_test():
    X, y, k = rows(np.random.default_rng(4))
    found = within_between(Moments.from_arrays(X, y, k, intercept=True), 0.1, NAMED)
    twice = np.column_stack([X, X[:, 0] / 1e3 + 5])
    more = within_between(Moments.from_arrays(twice, y, k, intercept=True), 0.1, NAMED)
    assert more.df == 2 and more.statistic == pytest.approx(found.statistic, rel=1e-8)
    assert set(more.left_out) == {"x1", "x3", "x4"}
    assert more.difference[1] == pytest.approx(found.difference[1], rel=1e-7)


def test_two_columns_that_differ_by_a_constant_of_the_cluster():
    # Within clusters they are one: only the sum of their coefficients can be compared.
    rng = np.random.default_rng(5)
    reject = []
    for _ in range(200):
        X, y, k = rows(rng, tau=0.0)
        X = np.column_stack([X[:, 0], X[:, 0] + rng.normal(size=40)[k]])
        y = X @ [1.0, 3.0] + rng.normal(size=len(k))
        found = within_between(Moments.from_arrays(X, y, k, intercept=True))
        assert found.df == 1 and set(found.left_out.values()) == {"within"}
        reject.append(found.pvalue < 0.05)
    assert np.mean(reject) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_nothing_to_compare_has_no_pvalue():
    rng = np.random.default_rng(6)
    _, y, k = rows(rng)
    x = rng.normal(size=40)[k][:, None]
    found = within_between(Moments.from_arrays(x, y, k, intercept=True), 0.1)
    assert (found.df, found.statistic) == (0, 0.0) and np.isnan(found.pvalue)
    everyone = within_between(
        Moments.from_arrays(rng.normal(size=(len(k), 1)), y, k, intercept=True),
        0.1,
        np.arange(40),
    )
    assert everyone.left_out == {"x1": "between"} and np.isnan(everyone.pvalue)


def test_without_an_intercept_means_are_not_centred():
    X, y, k = rows(np.random.default_rng(7))
    moments = Moments.from_arrays(X[:, :1], y - y.mean(), k)
    means, n = moments.mean_x[:, 0], moments.n
    m = n / (1 + 0.2 * n)
    found = within_between(moments, 0.2)
    assert found.between[0] == pytest.approx((m * means) @ moments.mean_y / (m @ means**2))


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_level_and_power(shift):
    rng = np.random.default_rng(8)
    rejected = []
    for _ in range(300):
        X, y, k = rows(rng, 60, tau=0.5, shift=shift)
        moments = Moments.from_arrays(X, y, k, intercept=True)
        rejected.append(within_between(moments, 0.25).pvalue < 0.05)
    error = np.sqrt(0.05 * 0.95 / 300)
    assert np.mean(rejected) > 0.5 if shift else abs(np.mean(rejected) - 0.05) < 3 * error


def test_large_effects_that_are_not_named_do_not_pass_for_effects_that_go_with_covariates():
    """Two of 20 clusters lie far out, and x is independent: 5 % of 100 tables may reject."""
    plain, robust = 0, 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        k = np.repeat(np.arange(20), 15)
        x = rng.normal(size=(300, 1)) + 0.5 * rng.normal(size=(20, 1))[k]
        y = x[:, 0] + 4.0 * (k == 3) - 4.0 * (k == 7) + rng.normal(size=300)
        moments = Moments.from_arrays(x, y, k, intercept=True)
        plain += within_between(moments).pvalue < 0.05
        robust += within_between(moments, robust=True).pvalue < 0.05
    assert robust <= 12 < plain
