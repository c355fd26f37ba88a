"""Intervals of clusters of few rows: those of least squares, and as wide as the standard error."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from scipy import stats

import scs
from scs import Moments, solve
from scs.estimators.summary import selected_clusters
from scs.inference.intervals import FEWEST_ROWS, model_intervals, within_variance

SIZES = np.array([1, 2, 3, 5, 9, 10, *[20] * 12])


def _table(seed: int, size: float = 4.0) -> tuple[pd.DataFrame, np.ndarray]:
    """Six clusters of few rows that differ, and twelve of twenty that do not."""
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(len(SIZES)), SIZES)
    effect = np.zeros(len(SIZES))
    effect[:6] = size * np.array([1, -1, 1, -1, 1, -1])
    x = rng.normal(size=len(code))
    y = 1 + x + effect[code] + rng.normal(size=len(code))
    return pd.DataFrame({"y": y, "x": x, "g": code}), effect


def _intervals(table: pd.DataFrame, ridge: float = 1.0) -> pd.DataFrame:
    moments = Moments.from_arrays(table[["x"]], table["y"], table["g"], intercept=True)
    found = solve(moments, 6, ridge=ridge, ridge_fixed=0.0)
    return model_intervals(moments, found.beta, found.gamma, ridge=ridge)


def test_variance_within_is_that_of_least_squares_with_every_clusters_indicator():
    table, _ = _table(0)
    dummies = pd.get_dummies(table["g"]).astype(float)
    full = sm.OLS(table["y"], np.column_stack([table["x"], dummies])).fit()
    moments = Moments.from_arrays(table[["x"]], table["y"], table["g"], intercept=True)
    variance, free = within_variance(moments)
    assert free == full.df_resid
    assert_allclose(variance, full.scale)


def test_without_shrinkage_the_error_is_that_of_least_squares():
    """A tiny ridge: the coefficient of the cluster's indicator, with the variance from within."""
    table, _ = _table(1)
    found = _intervals(table, ridge=1e-9)
    named = np.column_stack([table["g"] == label for label in found.index]).astype(float)
    fit = sm.OLS(table["y"], np.column_stack([np.ones(len(table)), table["x"], named])).fit()
    moments = Moments.from_arrays(table[["x"]], table["y"], table["g"], intercept=True)
    variance, free = within_variance(moments)
    error = fit.bse[2:] * np.sqrt(variance / fit.scale)
    assert_allclose(found["estimate"], fit.params[2:], rtol=1e-6)
    assert_allclose(found["std_error"], error, rtol=1e-6)
    reach = stats.t.ppf(0.975, free) * error
    assert_allclose(found["low"], fit.params[2:] - reach, rtol=1e-6)
    assert_allclose(found["high"], fit.params[2:] + reach, rtol=1e-6)


@pytest.mark.parametrize("ridge", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("size", [0.5, 4.0, 40.0])
def test_an_interval_holds_its_own_estimate_and_is_no_shorter_than_the_error_asks(ridge, size):
    table, _ = _table(2, size)
    moments = Moments.from_arrays(table[["x"]], table["y"], table["g"], intercept=True)
    found = solve(moments, 6, ridge=ridge, ridge_fixed=0.0)
    intervals = model_intervals(moments, found.beta, found.gamma, ridge=ridge)
    gamma = found.gamma[found.support]
    assert (intervals["low"] <= gamma).all() and (gamma <= intervals["high"]).all()
    width = intervals["high"] - intervals["low"]
    assert (width >= 2 * 1.96 * intervals["std_error"]).all()
    assert (
        intervals["std_error"] >= np.sqrt(within_variance(moments)[0] / moments.n[found.support])
    ).all()


def test_they_hold_the_truth_as_often_as_they_say():
    """Effects far from zero, so that the selection is the right one and has no part in it."""
    held = []
    for seed in range(300):
        table, effect = _table(seed, 8.0)
        found = _intervals(table)
        assert set(found.index) == set(range(6))
        held.append(
            [low <= effect[k] <= high for k, low, high in found[["low", "high"]].itertuples()]
        )
    rates = np.mean(held, axis=0)
    # Four standard errors of a share of .95 in 300.
    assert (np.abs(rates - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 300)).all(), rates


def test_units_and_origins_of_covariates_change_no_interval():
    table, _ = _table(3)
    plain = _intervals(table)
    for moved in (table["x"] * 1e-6, table["x"] * 1e5, table["x"] + 300):
        found = _intervals(table.assign(x=moved))
        assert_allclose(found[["low", "high"]], plain[["low", "high"]], rtol=1e-5)


@pytest.fixture(scope="module")
def model():
    return scs.fit("y ~ x", _table(4)[0], "g", 6, background="none", bootstrap=30)


def test_bootstraps_own_table_has_the_models_below_ten_rows(model):
    found = model.boot_rows.effects()
    rows = model.moments.n[model.effects.index.get_indexer(found.index)]
    small = rows < FEWEST_ROWS
    assert small.any() and not small.all()
    assert list(found["interval"]) == ["model" if each else "resampled" for each in small]
    resampled = model.boot_rows.effects(fewest_rows=0)
    assert_allclose(found.loc[~small, ["low", "high"]], resampled.loc[~small, ["low", "high"]])
    again = model.boot_rows.solution
    own = model_intervals(model.moments, again.beta, again.gamma, ridge=1.0, ridge_fixed=0.0)
    expected = own.loc[found.index[small], ["low", "high"]]
    assert_allclose(found.loc[small, ["low", "high"]], expected, rtol=1e-6)


def test_where_no_errors_can_be_told_none_is_printed():
    rng = np.random.default_rng(0)
    single = pd.DataFrame({"y": rng.normal(size=12), "x": rng.normal(size=12), "g": range(12)})
    model = scs.fit("y ~ x", single, "g", 2, bootstrap=5)
    assert model.intervals.isna().all(axis=None) and "low" not in selected_clusters(model)
    assert "No background:" in " ".join(model.summary().split())


def test_a_school_of_one_row_has_an_interval_as_wide_as_its_error():
    """Its interval is as wide as its standard error asks, not a fiftieth of it."""
    table, _ = _table(5, 6.0)
    model = scs.fit("y ~ x", table, "g", 6, ridge_fixed=0.0, bootstrap=30)
    one = selected_clusters(model).loc[0]
    assert one["rows"] == 1
    assert one["high"] - one["low"] > 2 * 1.96 * np.sqrt(within_variance(model.moments)[0])
