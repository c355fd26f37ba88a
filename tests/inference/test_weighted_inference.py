"""Weights in inference: frequencies against repeated rows, precisions against dense algebra."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.linalg import sqrtm

from scs import Moments
from scs.data.design import Design
from scs.estimators.robust import RobustCovariance
from scs.estimators.selection import ErrorCheck
from scs.estimators.smoother import Smoother
from scs.inference import ResidualNull, UnequalNull, equal_variances, residual_histogram
from scs.inference.background import Between, deviations
from scs.inference.bootstrap import bootstrap
from scs.inference.effects import EffectInference
from scs.inference.fission import fission_intervals
from scs.inference.folds import choose_budget, in_order
from scs.inference.intervals import within_variance
from scs.inference.mundlak import within_between
from scs.inference.naming import name_clusters

K = 9


def rows_of(seed, n_rows=150):
    rng = np.random.default_rng(seed)
    k = np.arange(n_rows) % K
    X = rng.normal(size=(n_rows, 2)) + rng.normal(size=(K, 2))[k]
    y = 3.0 + X @ [1.0, -0.5] + 4.0 * (k == 4) + 0.3 * rng.normal(size=K)[k]
    return rng, X, y + rng.normal(size=n_rows), k


def pair_of(seed):
    """The same rows with frequencies and written out, in the order of their content."""
    rng, X, y, k = rows_of(seed)
    times = rng.integers(0, 4, len(y))
    again = np.repeat(np.arange(len(y)), times)
    return (
        in_order(Design.from_table(X, y, k, frequency_weights=times)),
        in_order(Design.from_table(X[again], y[again], k[again])),
    )


def of_rows(design):
    moments = Moments.from_design(design, intercept=True)
    return design.X, design.y, design.codes, moments, design.frequency, design.precision


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_rows_with_frequencies_is_that_of_repeated_rows(seed):
    weighted, repeated = pair_of(seed)
    for name in ("X", "y", "codes", "labels"):
        found = getattr(weighted.repeated(), name)
        np.testing.assert_array_equal(found, getattr(repeated, name))
    assert weighted.n_rows == repeated.n_rows
    np.testing.assert_array_equal(weighted.sizes, repeated.sizes)


@pytest.mark.parametrize("seed", range(6))
def test_what_residuals_say_with_frequencies_is_what_repeated_rows_say(seed):
    weighted, repeated = map(of_rows, pair_of(seed))
    one, other = (residual_histogram(*rows) for rows in (weighted, repeated))
    assert abs(one.excess_kurtosis - other.excess_kurtosis) < 1e-10
    assert one.counts.sum() == other.counts.sum() == repeated[3].n_rows
    a, b = equal_variances(*weighted), equal_variances(*repeated)
    assert a.df == b.df
    np.testing.assert_allclose([a.statistic, a.pvalue], [b.statistic, b.pvalue], rtol=1e-10)
    a, b = UnequalNull.from_rows(*weighted), UnequalNull.from_rows(*repeated)
    np.testing.assert_allclose(a.variance, b.variance, rtol=1e-10)
    np.testing.assert_array_equal(a.n, b.n)


@pytest.mark.parametrize("null", [None, ResidualNull, UnequalNull])
def test_names_with_frequencies_are_those_of_repeated_rows(null):
    found = []
    for rows in map(of_rows, pair_of(1)):
        law = None if null is None else null.from_rows(*rows)
        named = name_clusters(rows[3], 0.1, null=law)
        effects = EffectInference.of(rows[3], named.background, named.support, 0.1, law)
        low, high = effects.intervals()
        found.append((named.background, effects.pvalues, effects.covariance, low, high))
        assert named.support.tolist() == [4]
    # The prior of unequal variances is climbed to, and stops where its likelihood is flat.
    rtol = 5e-3 if null is UnequalNull else 1e-8
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-12)


def test_other_views_with_frequencies_are_those_of_repeated_rows():
    a, b = (rows[3] for rows in map(of_rows, pair_of(2)))
    np.testing.assert_allclose(within_variance(a), within_variance(b), rtol=1e-10)
    for name in ("within", "between", "difference_error", "pvalue", "df_error"):
        one, other = (getattr(within_between(m, 0.1, [4]), name) for m in (a, b))
        np.testing.assert_allclose(one, other, rtol=1e-9)
    one, other = (fission_intervals(m, q=0.1, theta=0.1) for m in (a, b))
    np.testing.assert_array_equal(one.support, other.support)
    np.testing.assert_allclose(one.low, other.low, rtol=1e-9)


def test_folds_deal_a_frequency_as_so_many_rows():
    weighted, repeated = pair_of(3)
    a, b = (choose_budget(design, [0, 1, 3], 3, ridge_fixed=0.0) for design in (weighted, repeated))
    np.testing.assert_array_equal(a.mse, b.mse)
    assert (a.best, a.repeats) == (b.best, b.repeats)


@pytest.mark.parametrize("resample", ["rows", "clusters"])
def test_a_bootstrap_draws_a_frequency_as_so_many_rows(resample):
    rng, X, y, k = rows_of(4)
    times = rng.integers(0, 4, len(y))
    again = np.repeat(np.arange(len(y)), times)
    given = {"resample": resample, "reps": 8, "intercept": True, "ridge_fixed": 0.0}
    a = bootstrap(X, y, k, 1, frequency_weights=times, **given)
    b = bootstrap(X[again], y[again], k[again], 1, **given)
    np.testing.assert_allclose(a.beta, b.beta, rtol=1e-10)
    np.testing.assert_allclose(a.gamma, b.gamma, rtol=1e-10)


def test_a_bootstrap_of_precisions_of_one_is_the_plain_one():
    _, X, y, k = rows_of(5)
    given = {"resample": "rows", "reps": 5, "intercept": True}
    plain = bootstrap(X, y, k, 1, **given)
    weighted = bootstrap(X, y, k, 1, precision_weights=np.ones(len(y)), **given)
    np.testing.assert_allclose(weighted.gamma, plain.gamma, rtol=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_robust_errors_with_frequencies_are_those_of_repeated_rows(seed):
    found = []
    for design in pair_of(seed):
        moments = Moments.from_design(design, intercept=True)
        smoother = Smoother.of(moments, np.array([4]), theta=0.2, ridge=1e-4, ridge_fixed=0.0)
        beta = np.array([3.0, 1.0, -0.5])
        robust = RobustCovariance.of(design, beta, smoother, 1)
        found.append((robust.cr1, robust.cr2, smoother.df))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-14)


def precise(seed, n_rows=72):
    rng, X, y, k = rows_of(seed, n_rows)
    w = rng.gamma(1.0, size=n_rows) + 0.05
    return Design.from_table(X, y, k, precision_weights=w), w


@pytest.mark.parametrize("seed", range(3))
def test_the_errors_variance_is_that_of_weighted_least_squares_within_clusters(seed):
    design, w = precise(seed)
    dummies = np.eye(K)[design.codes]
    wls = sm.WLS(design.y, np.hstack([design.X, dummies]), weights=w).fit()
    between = Between.from_moments(Moments.from_design(design, intercept=True))
    np.testing.assert_allclose(between.var_e, wls.scale, rtol=1e-10)
    assert between.df == wls.df_resid


@pytest.mark.parametrize("theta", [0.0, 0.3])
def test_a_deviation_is_the_generalised_least_squares_effect_of_the_cluster_freed(theta):
    design, w = precise(1)
    between = Between.from_moments(Moments.from_design(design, intercept=True))
    A = np.eye(K)[design.codes]
    V = np.linalg.inv(theta * A @ A.T + np.diag(1 / w))
    free = np.arange(K) == 4
    found = deviations(between, theta, free)
    for k in (0, 4, 7):
        freed = np.unique([4, k])
        table = np.column_stack([np.ones(len(w)), design.X, A[:, freed]])
        inverse = np.linalg.inv(table.T @ V @ table)
        at = 3 + int(np.flatnonzero(freed == k)[0])
        effect = (inverse @ table.T @ V @ design.y)[at]
        np.testing.assert_allclose(found.value[k], effect, rtol=1e-8)
        np.testing.assert_allclose(
            found.spread[k], np.sqrt(between.var_e * inverse[at, at]), rtol=1e-8
        )


@pytest.mark.parametrize("theta", [0.0, 0.3])
def test_robust_errors_with_precisions_are_the_sandwich_written_out(theta):
    design, w = precise(2)
    moments, n = Moments.from_design(design, intercept=True), len(design.y)
    smoother = Smoother.of(moments, np.array([4]), theta=theta, ridge=1e-3, ridge_fixed=0.0)
    beta = np.array([3.0, 1.0, -0.5])
    found = RobustCovariance.of(design, beta, smoother, 1)
    A = np.eye(K)[design.codes]
    V = theta * A @ A.T + np.diag(1 / w) + 1e3 * np.outer(A[:, 4], A[:, 4])
    X = np.column_stack([np.ones(n), design.X])
    M, meat = np.zeros((3, 3)), {"CR1": np.zeros((3, 3)), "CR2": np.zeros((3, 3))}
    pieces = []
    for k in range(K):
        at = design.codes == k
        root = np.real(sqrtm(np.linalg.inv(V[np.ix_(at, at)])))
        pieces.append((root @ X[at], root @ (design.y[at] - X[at] @ beta)))
        M += pieces[-1][0].T @ pieces[-1][0]
    inverse = np.linalg.inv(M)
    for Z, e in pieces:
        adjusted = np.real(np.linalg.inv(sqrtm(np.eye(len(Z)) - Z @ inverse @ Z.T))) @ e
        meat["CR1"] += np.outer(Z.T @ e, Z.T @ e)
        meat["CR2"] += np.outer(Z.T @ adjusted, Z.T @ adjusted)
    factor = K / (K - 1) * (n - 1) / (n - 3 - 1)
    np.testing.assert_allclose(
        found.cr1, factor * inverse @ meat["CR1"] @ inverse, rtol=1e-8, atol=1e-12
    )
    np.testing.assert_allclose(found.cr2, inverse @ meat["CR2"] @ inverse, rtol=1e-8, atol=1e-12)


def test_leverage_with_precisions_is_the_derivative_of_the_fitted_value():
    design, w = precise(3)
    theta, ridge, support = 0.2, 0.5, np.array([4])
    moments, n = Moments.from_design(design, intercept=True), len(design.y)
    smoother = Smoother.of(moments, support, theta=theta, ridge=ridge, ridge_fixed=0.0)
    X = np.column_stack([np.ones(n), design.X])
    A = np.eye(K)[design.codes]
    table = np.hstack([X, A, A[:, support]])
    penalty = np.diag([0.0] * 3 + [1 / theta] * K + [ridge])
    hat = table @ np.linalg.solve(table.T @ (w[:, None] * table) + penalty, table.T * w)
    found = smoother.leverage(X, design.codes, design.precision)
    np.testing.assert_allclose(found, np.diag(hat), rtol=1e-8)
    np.testing.assert_allclose(smoother.df, np.trace(hat), rtol=1e-8)


def test_own_variances_with_precisions_are_weighted_squares_on_rows_less_one():
    design, w = precise(4, n_rows=144)
    rows = of_rows(design)
    moments, codes = rows[3], design.codes
    null = UnequalNull.from_rows(*rows)
    slopes = np.linalg.solve(moments.within_xx[1:, 1:], moments.within_xy[1:])
    r = design.y - moments.mean_y[codes] - (design.X - moments.mean_x[codes, 1:]) @ slopes
    expected = np.array([np.sum((w * r**2)[codes == k]) / 15 for k in range(K)])
    ratio = null.variance / expected  # the scale is the pooled variance's
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-10)
    np.testing.assert_allclose(null.moderated[1], null.prior[1] + 15)
    np.testing.assert_allclose(np.mean(null.variance), null.var_e, rtol=1e-10)


def test_residuals_of_precise_rows_look_as_normal_as_they_are():
    """Weights of very different size make no heavy tail, where leaving them out does."""
    rng = np.random.default_rng(6)
    k, w = np.arange(6000) % 60, np.exp(rng.normal(0, 1.5, 6000))
    y = rng.normal(size=6000) / np.sqrt(w)
    plain, weighted = (
        ErrorCheck.of(Moments.from_design(design, intercept=True), design)
        for design in (
            Design.from_table(np.zeros((6000, 1)), y, k),
            Design.from_table(np.zeros((6000, 1)), y, k, precision_weights=w),
        )
    )
    assert plain.kurtosis > 5.0 and plain.law == "residuals" and weighted.law == "normal"
    assert abs(weighted.kurtosis) < 0.4 and weighted.equal.pvalue > 0.001


def test_the_residual_null_refuses_precisions():
    design, _ = precise(5)
    with pytest.raises(ValueError, match=r"null='residuals' .* pass null='unequal'"):
        ResidualNull.from_rows(*of_rows(design))
