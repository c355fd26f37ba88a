"""The residual null: convolution by hand, normal and Monte Carlo laws, merging, naming."""

import numpy as np
import pytest
from scipy import stats

from scs import Moments
from scs.inference.background import Between, allow_for_estimate, deviations
from scs.inference.naming import name_clusters
from scs.inference.residual_null import (
    FLOOR,
    ResidualHistogram,
    ResidualNull,
    residual_histogram,
    residual_pvalues,
    scaled_residuals,
)


def histogram_of(values, step):
    at = np.rint(np.asarray(values) / step).astype(int)
    return ResidualHistogram(step, int(at.min()), np.bincount(at - at.min()))


def rows(rng, n_clusters, errors, n_rows=(5, 40)):
    n = rng.integers(*n_rows, n_clusters)
    k = np.repeat(np.arange(n_clusters), n)
    X = rng.normal(size=(len(k), 2)) + 0.5 * rng.normal(size=(n_clusters, 2))[k]
    return X, X @ [1.0, -0.5] + errors(len(k)), k


def centred_exponential(rng):
    return lambda size: rng.exponential(size=size) - 1.0


@pytest.mark.parametrize("n", [1, 2, 3, 7])
@pytest.mark.parametrize("variance", [0.02, 0.5])
def test_small_clusters_by_convolution(n, variance):
    rng = np.random.default_rng(n)
    histogram = histogram_of(rng.standard_t(3, 300), 1 / 64)
    one = histogram.counts / histogram.counts.sum()
    law, grid = np.array([1.0]), np.array([0.0])
    for _ in range(n):
        law = np.convolve(law, one)
    grid = (n * histogram.first + np.arange(len(law))) * histogram.step / n
    d = np.concatenate([np.linspace(-6, 6, 41), [grid[0], grid[-1]]])
    lower = [law @ stats.norm.cdf((each - grid) / np.sqrt(variance)) for each in d]
    upper = [law @ stats.norm.sf((each - grid) / np.sqrt(variance)) for each in d]
    exact = 2 * np.minimum(lower, upper)
    size, g = np.full(len(d), n), np.full(len(d), variance)
    ours = residual_pvalues(histogram, size, d, g)
    np.testing.assert_allclose(ours, np.clip(exact, FLOOR, 1), atol=1e-6)
    np.testing.assert_allclose(ours, np.clip(exact, FLOOR, 1), rtol=2e-3, atol=1e-11)
    # A class of equal clusters gives what each alone would.
    alone = [
        residual_pvalues(histogram, *(each[i : i + 1] for each in (size, d, g)))[0]
        for i in range(0, len(d), 5)
    ]
    np.testing.assert_allclose(alone, ours[::5], rtol=1e-9)


def test_binomial_errors_have_the_binomial_law():
    # Errors +-1/2 with equal chance; the mean of 20 is a binomial count, smoothed a little.
    histogram = ResidualHistogram(1 / 64, -32, np.array([50] + [0] * 63 + [50]))
    n, d = 20, np.array([0.125, 0.225, 0.325, 0.425])  # half way between two counts
    exact = 2 * stats.binom.sf(np.floor(20 * (d + 0.5)), 20, 0.5)
    ours = residual_pvalues(histogram, np.full(4, n), d, np.zeros(4))
    np.testing.assert_allclose(ours, exact, rtol=1e-6)


@pytest.mark.parametrize("n", [2, 30, 1000])
def test_normal_residuals_give_the_normal_law(n):
    grid = np.arange(-500, 501)
    counts = np.rint(1e15 * stats.norm.pdf(grid / 64)).astype(np.int64)
    histogram = ResidualHistogram(1 / 64, -500, counts)
    d = np.linspace(-6, 6, 61) * np.sqrt(1 / n + 0.01)
    ours = residual_pvalues(histogram, np.full(61, n), d, np.full(61, 0.01))
    exact = 2 * stats.norm.sf(np.abs(d) / np.sqrt(1 / n + 0.01))
    np.testing.assert_allclose(ours, exact, rtol=5e-3, atol=1e-11)


def test_a_mean_of_thirty_by_monte_carlo():
    rng = np.random.default_rng(3)
    residuals = rng.exponential(size=2000) - 1.0
    residuals -= residuals.mean()
    histogram = histogram_of(residuals, residuals.std() / 64)
    draws = rng.choice(residuals, (200_000, 30)).mean(axis=1) + 0.1 * rng.normal(size=200_000)
    d = np.array([-0.5, -0.4, -0.3, 0.3, 0.45, 0.6])
    tails = np.minimum((draws[:, None] <= d).mean(0), (draws[:, None] >= d).mean(0))
    ours = residual_pvalues(histogram, np.full(6, 30), d, np.full(6, 0.01)) / 2
    assert (np.abs(ours - tails) < 4 * np.sqrt(tails / 200_000) + 1e-5).all()


def test_classes_of_variances_and_rows_change_little():
    rng = np.random.default_rng(4)
    histogram = histogram_of(rng.standard_t(3, 3000), 1 / 40)
    n = rng.integers(2, 400, 200)
    variance = rng.uniform(0, 0.05, 200)
    d = rng.uniform(-4.5, 4.5, 200) * np.sqrt(histogram.moment(2) / n + variance)
    together = residual_pvalues(histogram, n, d, variance)
    alone = np.array(
        [
            residual_pvalues(histogram, n[i : i + 1], d[i : i + 1], variance[i : i + 1])[0]
            for i in range(200)
        ]
    )
    np.testing.assert_allclose(together, alone, rtol=0.1)


def test_an_impossible_deviation_has_the_floor_and_an_unknown_one_is_1():
    histogram = histogram_of([-1.0, 1.0, -0.5, 0.5], 1 / 64)
    d = np.array([1e6, -1e6, 0.0, 1e6])
    ours = residual_pvalues(histogram, np.full(4, 5), d, np.array([0.1, 0.1, 0.1, np.inf]))
    np.testing.assert_allclose(ours, [FLOOR, FLOOR, 1.0, 1.0], rtol=1e-6)


def test_residuals_are_those_of_least_squares_with_all_clusters_free():
    rng = np.random.default_rng(5)
    X, y, k = rows(rng, 15, centred_exponential(rng), (1, 6))
    X = np.column_stack([X, rng.normal(size=15)[k]])  # constant within clusters
    A = (k[:, None] == np.arange(15)).astype(float)
    full = np.column_stack([X[:, :2], A])
    rest = y - full @ np.linalg.lstsq(full, y, rcond=None)[0]
    n = np.bincount(k)[k]
    moments = Moments.from_arrays(X, y, k, intercept=True)
    expected = np.where(n > 1, rest * np.sqrt(n / np.maximum(n - 1, 1)), 0)
    np.testing.assert_allclose(scaled_residuals(X, y, k, moments), expected, atol=1e-9)


def test_the_histogram_of_all_rows_is_the_sum_of_those_of_pieces():
    rng = np.random.default_rng(6)
    X, y, k = rows(rng, 30, centred_exponential(rng), (1, 9))
    moments = Moments.from_arrays(X, y, k, intercept=True)
    whole = residual_histogram(X, y, k, moments)
    order = rng.permutation(len(y))
    pieces = [residual_histogram(X[i], y[i], k[i], moments) for i in np.array_split(order, 4)]
    total = pieces[0] + pieces[1] + pieces[2] + pieces[3]
    assert total.step == whole.step and total.counts.sum() == np.sum(moments.n[k] > 1)
    for power in (1, 2, 3, 4):
        assert total.moment(power) == pytest.approx(whole.moment(power), rel=1e-12)
    residual = scaled_residuals(X, y, k, moments)[moments.n[k] > 1]
    assert whole.excess_kurtosis == pytest.approx(stats.kurtosis(residual), abs=0.02)
    with pytest.raises(ValueError, match=r"histograms have the steps"):
        whole + ResidualHistogram(2 * whole.step, 0, np.ones(1, dtype=int))


def test_kurtosis_tells_heavy_tails_from_normal_ones():
    rng = np.random.default_rng(7)
    for errors, low, high in [
        (lambda size: rng.normal(size=size), -0.3, 0.3),
        (centred_exponential(rng), 3.0, 8.0),  # 6 for the errors
        (lambda size: rng.standard_t(3, size), 3.0, np.inf),
    ]:
        X, y, k = rows(rng, 200, errors)
        found = residual_histogram(X, y, k, Moments.from_arrays(X, y, k, intercept=True))
        assert low < found.excess_kurtosis < high


def test_pvalues_of_skewed_errors_are_uniform_where_the_normal_ones_are_not():
    rng = np.random.default_rng(8)
    ours, normal = [], []
    for _ in range(20):
        X, y, k = rows(rng, 400, centred_exponential(rng), (8, 12))
        moments = Moments.from_arrays(X, y, k, intercept=True)
        found = deviations(Between.from_moments(moments), 0.0, np.zeros(400, dtype=bool))
        ours.append(ResidualNull.from_rows(X, y, k, moments)(found, 0.0))
        normal.append(found.pvalues)
    level, size = 0.002, 8000
    error = np.sqrt(level / size)
    assert np.mean(np.array(ours) <= level) <= level + 3 * error
    assert np.mean(np.array(normal) <= level) > level + 6 * error


def test_names_by_a_null_are_those_of_the_step_up_rule_on_its_pvalues():
    rng = np.random.default_rng(9)
    X, y, k = rows(rng, 80, lambda size: rng.standard_t(3, size))
    y[k < 8] += 1.5
    moments = Moments.from_arrays(X, y, k, intercept=True)
    null = ResidualNull.from_rows(X, y, k, moments)
    for background in (None, 0.05):
        names = name_clusters(moments, 0.2, background, null=null)
        free = np.isin(np.arange(80), names.support)
        found = deviations(Between.from_moments(moments), names.background, free)
        expected = null(found, names.background)
        if background is None:
            df = allow_for_estimate(
                found, names.background * Between.from_moments(moments).var_e
            ).df
            expected = 2 * stats.t.sf(stats.norm.isf(expected / 2), df)
        np.testing.assert_array_equal(names.pvalues, expected)
        adjusted = stats.false_discovery_control(expected)
        np.testing.assert_array_equal(names.support, np.flatnonzero(adjusted <= 0.2))
        assert names.consistent and 0 < len(names.support) < 30


def _normal(found, theta):
    return 2 * stats.norm.sf(np.abs(found.value) / found.spread)


def test_the_normal_law_as_a_null_names_as_the_default_does():
    rng = np.random.default_rng(10)
    X, y, k = rows(rng, 80, lambda size: rng.normal(size=size))
    y[k < 8] += 1.5
    moments = Moments.from_arrays(X, y, k, intercept=True)
    first, second = name_clusters(moments), name_clusters(moments, null=_normal)
    np.testing.assert_array_equal(first.support, second.support)
    np.testing.assert_allclose(first.pvalues, second.pvalues, rtol=1e-6)


def test_heavy_tails_name_hardly_more_than_asked_for():
    rng = np.random.default_rng(11)
    wrong, normal = [], []
    for _ in range(40):
        X, y, k = rows(rng, 150, lambda size: rng.standard_t(3, size) / np.sqrt(3), (5, 30))
        y[k < 8] += rng.choice([-1, 1], 8)[k[k < 8]]
        moments = Moments.from_arrays(X, y, k, intercept=True)
        null = ResidualNull.from_rows(X, y, k, moments)
        for law, rates in ((null, wrong), (None, normal)):
            support = name_clusters(moments, background=0.0, null=law).support
            rates.append(np.mean(support >= 8) if len(support) else 0.0)
    assert np.mean(wrong) <= 0.13 + 2 * stats.sem(wrong)
    assert np.mean(wrong) < np.mean(normal) - 2 * stats.sem(np.subtract(normal, wrong))


def test_where_nothing_tells_a_deviation_every_p_value_is_one():
    histogram = histogram_of(np.random.default_rng(0).normal(size=200), 0.1)
    n = np.array([3.0, 5.0])
    found = residual_pvalues(histogram, n, np.zeros(2), np.full(2, np.inf))
    np.testing.assert_array_equal(found, [1.0, 1.0])
