"""The bootstrap draws what it says, and its intervals cover as often as it says."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal
from problems import random_rows

from scs import Moments, solve
from scs.data.design import Design
from scs.inference.bootstrap import bootstrap, coverage, coverage_rate, halves, split_intervals
from scs.inference.folds import in_order
from scs.moments.resampling import CentredRows, drawn_rows, resampled_clusters, resampled_rows

FIELDS = ("n", "mean_x", "mean_y", "within_xx", "within_xy", "within_yy")


def _sorted_rows(seed, shift=0.0):
    rows = random_rows(seed, n_clusters=6)
    rng = np.random.default_rng(seed)
    mixed = rng.permutation(len(rows.y))
    design = Design.from_table(rows.X[mixed] + shift, rows.y[mixed], rows.clusters[mixed])
    order = np.argsort(design.codes, kind="stable")
    return CentredRows.of(design, rows.intercept), design, order


def _stream(seed, replication):
    return np.random.default_rng(np.random.SeedSequence([seed, replication]))


def _sparse(rng, n_clusters=12, n_rows=8, size=2.0):
    clusters = np.repeat(np.arange(n_clusters), n_rows)
    X = rng.normal(size=(len(clusters), 2))
    gamma = np.zeros(n_clusters)
    gamma[:3] = size * np.array([1.0, -1.0, 1.0])
    y = 1.0 + X @ [1.0, -1.0] + gamma[clusters] + rng.normal(size=len(clusters))
    return X, y, clusters, pd.Series(gamma)


# The moments of a resample are those of its rows, copied.


@pytest.mark.parametrize("seed", range(12))
def test_moments_of_drawn_rows_are_those_of_the_copied_rows(seed):
    rows, design, order = _sorted_rows(seed, shift=1000.0 * (seed % 2))
    drawn = order[drawn_rows(rows, _stream(3, seed))]
    copied = Moments.from_arrays(
        design.X[drawn], design.y[drawn], design.codes[drawn], intercept=rows.intercept
    )
    weighted, clusters = resampled_rows(rows, _stream(3, seed))
    assert_array_equal(clusters, np.arange(len(rows.n)))
    for name in FIELDS:
        assert_allclose(getattr(weighted, name), getattr(copied, name), rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("seed", range(12))
def test_a_cluster_drawn_twice_enters_as_two(seed):
    rows, design, _ = _sorted_rows(seed)
    weighted, drawn = resampled_clusters(rows, _stream(5, seed))
    pieces = [np.flatnonzero(design.codes == k) for k in drawn]
    labels = np.repeat(np.arange(len(drawn)), [len(piece) for piece in pieces])
    index = np.concatenate(pieces)
    copied = Moments.from_arrays(design.X[index], design.y[index], labels, intercept=rows.intercept)
    for name in FIELDS:
        assert_allclose(getattr(weighted, name), getattr(copied, name), rtol=1e-9, atol=1e-9)


def test_rows_stay_in_their_cluster_and_are_drawn_evenly():
    rows, _, _ = _sorted_rows(1)
    cluster = np.repeat(np.arange(len(rows.n)), rows.n)
    counts = np.zeros(len(cluster))
    for replication in range(2000):
        drawn = drawn_rows(rows, _stream(0, replication))
        assert_array_equal(np.sort(cluster[drawn]), cluster)
        counts += np.bincount(drawn, minlength=len(cluster))
    # Each count has mean 2000 and a variance below 2000: five standard deviations.
    assert np.abs(counts - 2000).max() < 5 * np.sqrt(2000)


# Known answers: with no effects and no ridge the coefficient of a column of ones is a mean.


def test_spread_of_a_mean_over_clusters_is_the_textbooks():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(20), 5)
    y = rng.normal(size=20)[clusters] + rng.normal(size=100)
    found = bootstrap(np.ones((100, 1)), y, clusters, 0, reps=1000, ridge_fixed=0.0)
    means = y.reshape(20, 5).mean(axis=1)
    # A variance from 1000 normal draws has a relative error of 4.5 %.
    assert_allclose(found.beta[:, 0].var(), means.var() / 20, rtol=0.2)


def test_spread_of_a_mean_over_rows_is_the_textbooks():
    rng = np.random.default_rng(1)
    clusters = np.repeat(np.arange(20), 5)
    y = 9.0 * rng.normal(size=20)[clusters] + rng.normal(size=100)
    found = bootstrap(
        np.ones((100, 1)), y, clusters, 0, resample="rows", reps=1000, ridge_fixed=0.0
    )
    within = y.reshape(20, 5).var(axis=1)
    assert_allclose(found.beta[:, 0].var(), within.sum() * 5 / 100**2, rtol=0.2)


@pytest.mark.parametrize("resample", ["rows", "clusters"])
def test_each_replication_is_a_solution_of_its_resample(resample):
    X, y, clusters, _ = _sparse(np.random.default_rng(2))
    found = bootstrap(X, y, clusters, 3, resample=resample, reps=4, seed=9, intercept=True)
    rows = CentredRows.of(in_order(Design.from_table(X, y, clusters)), True)
    draw = resampled_rows if resample == "rows" else resampled_clusters
    for replication in range(4):
        moments, drawn = draw(rows, _stream(9, replication))
        solution = solve(moments, 3, method="alternating")
        assert_array_equal(found.beta[replication], solution.beta)
        missing = np.setdiff1d(np.arange(12), drawn)
        assert_array_equal(np.flatnonzero(np.isnan(found.gamma[replication])), missing)
        chosen = np.unique(drawn[solution.support])
        assert_array_equal(np.flatnonzero(found.selected[replication]), chosen)
    drawn = (~np.isnan(found.gamma)).sum(axis=0)
    ever = drawn > 0
    expected = found.selected.sum(axis=0)[ever] / drawn[ever]
    assert_allclose(found.selection_frequency[ever], expected)
    assert np.isnan(found.selection_frequency[~ever]).all()


def test_a_budget_of_all_names_all():
    X, y, clusters, _ = _sparse(np.random.default_rng(3))
    found = bootstrap(X, y, clusters, 12, resample="rows", reps=5)
    assert found.selected.all()
    assert_array_equal(found.selection_frequency, 1.0)


def test_workers_and_number_of_replications_change_no_number():
    X, y, clusters, _ = _sparse(np.random.default_rng(4))
    few = bootstrap(X, y, clusters, 3, resample="rows", reps=12, seed=1)
    two = bootstrap(X, y, clusters, 3, resample="rows", reps=25, seed=1, n_jobs=2)
    other = bootstrap(X, y, clusters, 3, resample="rows", reps=12, seed=2)
    assert_array_equal(few.gamma, two.gamma[:12])
    assert_array_equal(few.beta, two.beta[:12])
    assert not np.array_equal(few.beta, other.beta)


def test_labels_and_column_names_are_the_users():
    X, y, clusters, _ = _sparse(np.random.default_rng(5))
    names = np.array([f"school {k:02d}" for k in range(12)])
    table = pd.DataFrame(X, columns=["age", "sex"])
    found = bootstrap(table, y, names[clusters], 3, resample="rows", reps=30, intercept=True)
    assert list(found.effects().index) == ["school 00", "school 01", "school 02"]
    assert list(found.coefficients().index) == ["intercept", "age", "sex"]


def test_intervals_are_quantiles_and_those_of_effects_are_given_selection():
    X, y, clusters, _ = _sparse(np.random.default_rng(6), size=0.8)
    found = bootstrap(X, y, clusters, 3, resample="rows", reps=60, level=0.8)
    table = found.effects(fewest_rows=0)
    for label, row in table.iterrows():
        values = found.gamma[:, label]
        values = values[values != 0]
        assert row["frequency"] == len(values) / 60
        assert_allclose([row["low"], row["high"]], np.quantile(values, [0.1, 0.9]))
    assert (table["frequency"] < 1).any()  # else "given selection" was not tried
    wide, narrow = found.coefficients(0.99), found.coefficients(0.5)
    assert (wide["low"] < narrow["low"]).all() and (wide["high"] > narrow["high"]).all()
    assert_allclose(narrow["std_error"], found.beta.std(axis=0, ddof=1))


# Splitting.


def test_halves_take_each_cluster_by_halves():
    codes = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [2, 5, 8]))
    first, second = halves(codes, seed=1)
    assert_array_equal(np.sort(np.concatenate([first, second])), np.arange(15))
    assert_array_equal(np.bincount(codes[first]), [1, 3, 4])
    assert_array_equal(np.bincount(codes[second]), [1, 2, 4])


def test_split_intervals_are_those_of_least_squares_on_the_second_half():
    X, y, clusters, _ = _sparse(np.random.default_rng(7))
    table = split_intervals(X, y, clusters, 3, seed=4, level=0.9, intercept=True)
    ordered = in_order(Design.from_table(X, y, clusters))  # rows are split where content puts them
    X, y, clusters = ordered.X, ordered.y, ordered.codes
    first, second = halves(clusters, 4)
    moments = Moments.from_arrays(X[first], y[first], clusters[first], intercept=True)
    chosen = solve(moments, 3).selected
    assert_array_equal(table.index, chosen)
    design = np.column_stack([np.ones(len(second)), X[second], clusters[second][:, None] == chosen])
    fit = sm.OLS(y[second], design).fit()
    assert_allclose(table["estimate"], fit.params[3:])
    assert_allclose(table[["low", "high"]], fit.conf_int(0.1)[3:])


# Coverage.


def test_coverage_is_counted_and_its_error_is_over_data_sets():
    table = pd.DataFrame(
        {"dataset": [0, 0, 1, 1, 2, 2], "covered": [True, True, True, False, False, False]}
    )
    rate, error = coverage_rate(table)
    assert rate == 0.5
    # Shares of 1, 1/2 and 0 over data sets of equal size.
    assert_allclose(error, np.std([1, 0.5, 0], ddof=1) / np.sqrt(3))
    assert np.isnan(coverage_rate(table[table.dataset == 0])[1])


@pytest.mark.parametrize(("reach", "rate"), [(np.inf, 1.0), (0.0, 0.0), (np.nan, 0.0)])
def test_endless_intervals_cover_always_and_empty_ones_never(reach, rate):
    def intervals(X, y, clusters, seed):
        return pd.DataFrame({"low": [-reach] * 3, "high": [reach] * 3}, index=[2, 0, 1])

    table = coverage(_sparse, intervals, datasets=3)
    assert coverage_rate(table)[0] == rate
    assert list(table["truth"][:3]) == [2.0, 2.0, -2.0]  # by the intervals' own index


def _split(X, y, clusters, seed):
    return split_intervals(X, y, clusters, 3, seed=seed, intercept=True)


def _rows(X, y, clusters, seed):
    options = {"resample": "rows", "reps": 40, "ridge": 1e-6, "intercept": True}
    return bootstrap(X, y, clusters, 3, seed=seed, **options).effects(fewest_rows=0)


def test_split_intervals_keep_their_level_where_the_rest_has_no_effect():
    rate, error = coverage_rate(coverage(_sparse, _split, datasets=200, seed=1))
    assert abs(rate - 0.95) < 4 * error
    assert error < 0.02


def test_bootstrap_intervals_after_a_selection_cover_less_than_their_level():
    def weak(rng):
        return _sparse(rng, size=0.6)

    rate, error = coverage_rate(coverage(weak, _rows, datasets=25, seed=2))
    assert rate < 0.95 - 4 * error


@pytest.mark.parametrize(("resample", "varies"), [("rows", True), ("clusters", False)])
def test_drawing_whole_clusters_does_not_move_their_own_means(resample, varies):
    _, y, clusters, _ = _sparse(np.random.default_rng(11))
    # Zero in the mean of each cluster: effects are the clusters' means of y, whatever beta is.
    X = np.tile([-1.0, 1.0], len(y) // 2)[:, None]
    found = bootstrap(X, y, clusters, 12, resample=resample, reps=20)
    spread = np.nanmax(found.gamma, axis=0) - np.nanmin(found.gamma, axis=0)
    assert (spread > 0.1).all() if varies else (spread < 1e-12).all()


# Refusals.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resample": "pupils"}, "^resample must be one of"),
        ({"reps": 0}, "^reps must be a whole number"),
        ({"level": 1.0}, "^level must be a number"),
        ({"seed": -1}, "^seed must be"),
        ({"method": "magic"}, "^method must be"),
    ],
)
def test_bootstrap_refuses(change, message):
    X, y, clusters, _ = _sparse(np.random.default_rng(8))
    with pytest.raises(ValueError, match=message):
        bootstrap(X, y, clusters, 3, **{"reps": 2, **change})


def test_a_column_that_a_resample_loses_has_no_coefficient_there():
    X, y, clusters, _ = _sparse(np.random.default_rng(9))
    X = np.column_stack([X, clusters == 0])  # zero where cluster 0 is not drawn
    found = bootstrap(X, y, clusters, 1, reps=50, ridge_fixed=0.0)
    lost = np.isnan(found.gamma[:, 0])
    assert 0 < lost.sum() < 50
    np.testing.assert_array_equal(np.isnan(found.beta[:, -1]), lost)
    assert np.isfinite(found.beta[:, :-1]).all()
    assert np.isfinite(found.coefficients().to_numpy()).all()


def test_a_resample_that_cannot_be_fitted_is_named():
    """Clusters of one row, four of them: a resample may hold one row many times, no other."""
    X, y, clusters = np.arange(4.0)[:, None] ** [0, 1, 2], np.array([1.0, 3, 2, 5]), np.arange(4)
    with pytest.raises(ValueError, match=r"ridge_fixed"):
        bootstrap(np.column_stack([X, X[:, 1] ** 3]), y, clusters, 1, reps=5, ridge_fixed=0.0)


def test_a_split_needs_two_rows_in_each_cluster():
    X, y, clusters, _ = _sparse(np.random.default_rng(10))
    with pytest.raises(ValueError, match="label 0"):
        split_intervals(X[7:], y[7:], clusters[7:], 3)
