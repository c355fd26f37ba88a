"""Unequal error variances: scipy's test, F laws, Welch's formula, the rate of wrong names."""

import numpy as np
import pytest
from scipy import special, stats

from scs import Moments
from scs.inference.background import Between, deviations
from scs.inference.naming import name_clusters
from scs.inference.residual_null import scaled_residuals
from scs.inference.unequal import UnequalNull, equal_variances, fit_prior


def rows(rng, n_clusters, sd, n_rows=(5, 60)):
    n = rng.integers(*n_rows, n_clusters)
    k = np.repeat(np.arange(n_clusters), n)
    X = rng.normal(size=(len(k), 2)) + 0.5 * rng.normal(size=(n_clusters, 2))[k]
    return X, X @ [1.0, -0.5] + sd[k] * rng.normal(size=len(k)), k


def moments_of(X, y, k):
    return Moments.from_arrays(X, y, k, intercept=True)


def unequal(rng, n_clusters):
    return np.exp(rng.uniform(np.log(0.5), np.log(2), n_clusters))


def test_the_test_is_that_of_scipy_on_clusters_with_ten_rows():
    rng = np.random.default_rng(1)
    X, y, k = rows(rng, 20, np.ones(20), (4, 20))
    moments = moments_of(X, y, k)
    e = scaled_residuals(X, y, k, moments)
    groups = [e[k == each] for each in range(20) if np.sum(k == each) >= 10]
    expected = stats.levene(*groups, center="median")
    found = equal_variances(X, y, k, moments)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-10)
    assert found.pvalue == pytest.approx(expected.pvalue, rel=1e-10)
    assert found.df == (len(groups) - 1, sum(map(len, groups)) - len(groups))
    few = k < 1
    small = moments_of(X[few], y[few], k[few])
    assert np.isnan(equal_variances(X[few], y[few], k[few], small).pvalue)


@pytest.mark.parametrize("heavy", [False, True])
def test_the_test_keeps_its_level_and_has_power(heavy):
    rng = np.random.default_rng(2)
    rejected = []
    for _ in range(200):
        X, y, k = rows(rng, 60, np.ones(60), (8, 60))
        if heavy:
            y = y + 2 * rng.standard_t(3, len(y))
        rejected.append(equal_variances(X, y, k, moments_of(X, y, k)).pvalue < 0.05)
    assert np.mean(rejected) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    X, y, k = rows(rng, 60, unequal(rng, 60))
    assert equal_variances(X, y, k, moments_of(X, y, k)).pvalue < 1e-6


@pytest.mark.parametrize("prior", [4.0, 20.0])
def test_the_prior_is_found_where_variances_follow_it(prior):
    rng = np.random.default_rng(3)
    df = rng.integers(2, 60, 20_000).astype(float)
    first = 3.0 / (rng.chisquare(prior, len(df)) / prior)
    found = fit_prior(first * rng.chisquare(df) / df, df)
    assert found == pytest.approx((3.0, prior), rel=0.05)


def test_a_prior_of_equal_variances_is_the_pooled_one():
    rng = np.random.default_rng(4)
    df = rng.integers(2, 60, 20_000).astype(float)
    first, prior = fit_prior(2.0 * rng.chisquare(df) / df, df)
    assert first == pytest.approx(2.0, rel=0.02) and prior > 300


def test_a_likelihood_is_at_its_maximum():
    rng = np.random.default_rng(5)
    df = rng.integers(3, 30, 200).astype(float)
    variance = rng.chisquare(df) / df * np.exp(rng.normal(size=200))
    at = fit_prior(variance, df)

    def loglik(first, prior):  # the law of s_k^2 given s_0^2 and d_0, written out
        a, b, ratio = df / 2, prior / 2, df * variance / (prior * first)
        terms = a * np.log(ratio) - (a + b) * np.log1p(ratio) - special.betaln(a, b)
        return float(terms.sum())

    best = loglik(*at)
    for factor in (0.9, 0.99, 1.01, 1.1):
        assert loglik(at[0] * factor, at[1]) < best
        assert loglik(at[0], at[1] * factor) < best


def test_without_a_prior_it_is_the_formula_of_welch_and_satterthwaite():
    rng = np.random.default_rng(6)
    n = rng.integers(10, 30, 400)
    k = np.repeat(np.arange(400), n)
    y = unequal(rng, 400)[k] * rng.normal(size=len(k))
    moments = Moments.from_arrays(np.zeros((len(k), 0)), y, k, intercept=True)
    null = UnequalNull.from_rows(np.zeros((len(k), 0)), y, k, moments)
    free = np.ones(400, dtype=bool)
    free[-1] = False  # the intercept is that of the last cluster
    found = deviations(Between.from_moments(moments), 0.0, free)
    ours = UnequalNull(null.n, null.variance, null.var_e, (1.0, 1e-9)).studentise(found)
    np.testing.assert_allclose(ours.error, ours.spread)  # no background
    for i in (0, 7, 20):
        # Of the last cluster's part the pooled variance is taken: the error of the fit.
        own = y[k == i].var(ddof=1) / n[i]
        rest = null.var_e / n[399]
        assert ours.value[i] == pytest.approx(y[k == i].mean() - y[k == 399].mean())
        assert ours.spread[i] ** 2 == pytest.approx(own + rest, rel=1e-6)
        df = (own + rest) ** 2 / (own**2 / (n[i] - 1) + rest**2 / found.df)
        assert ours.df[i] == pytest.approx(df, rel=1e-6)


def test_where_variances_are_equal_the_pvalues_are_those_of_the_pooled_one():
    rng = np.random.default_rng(7)
    X, y, k = rows(rng, 100, np.ones(100))
    moments = moments_of(X, y, k)
    found = deviations(Between.from_moments(moments), 0.1, np.arange(100) < 5)
    null = UnequalNull.from_rows(X, y, k, moments)
    whole = UnequalNull(null.n, null.variance, null.var_e, (null.var_e, 1e9))
    np.testing.assert_allclose(whole(found, 0.1), found.pvalues, rtol=1e-2, atol=1e-9)
    np.testing.assert_allclose(whole.studentise(found).spread, found.spread, rtol=1e-6)
    np.testing.assert_allclose(whole.studentise(found).error, found.error, rtol=1e-6)


@pytest.mark.parametrize("tau", [0.0, 0.15])
def test_unequal_variances_name_no_more_than_asked_for(tau):
    rng = np.random.default_rng(8)
    ours, pooled, power = [], [], []
    for _ in range(30):
        X, y, k = rows(rng, 200, unequal(rng, 200), (5, 100))
        v = np.where(np.arange(200) < 12, rng.choice([-1.0, 1.0], 200), 0.0)
        y = y + (v + tau * rng.normal(size=200))[k]
        moments = moments_of(X, y, k)
        names = name_clusters(moments, null=UnequalNull.from_rows(X, y, k, moments))
        power.append(np.mean(np.isin(np.arange(12), names.support)))
        for support, rates in (
            (names.support, ours),
            (name_clusters(moments).support, pooled),
        ):
            rates.append(np.mean(support >= 12) if len(support) else 0.0)
    assert np.mean(ours) <= 0.11 + 2 * stats.sem(ours)
    assert np.mean(ours) < np.mean(pooled) - 2 * stats.sem(np.subtract(pooled, ours))
    assert np.mean(power) > 0.5


def test_a_cluster_of_one_row_and_an_untold_one_have_pvalues():
    rng = np.random.default_rng(9)
    X, y, k = rows(rng, 30, np.ones(30), (1, 4))
    X = np.column_stack([X, k == 3])
    moments = moments_of(X, y, k)
    null = UnequalNull.from_rows(X, y, k, moments)
    found = deviations(Between.from_moments(moments), 0.0, np.zeros(30, dtype=bool))
    p = null(found, 0.0)
    assert p[3] == 1.0 and ((p > 0) & (p <= 1)).all() and (moments.n == 1).any()
