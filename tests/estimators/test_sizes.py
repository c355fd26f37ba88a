"""Numbers of sizes that floating point cannot square, and columns far from zero."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import scs


def _table(seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(8), 4)
    x = rng.normal(size=len(g))
    y = x + 3.0 * (g == 2) + rng.normal(size=len(g))
    return pd.DataFrame({"y": y, "x": x, "g": g})


@pytest.mark.parametrize("size", [1e-300, 1e-162, 1e160, 1e264, 1e300])
@pytest.mark.parametrize("budget", [0, 2, "fdr", "predict"])
def test_an_outcome_that_cannot_be_squared_is_refused_by_name(size, budget):
    table = _table()
    table["y"] *= size
    with pytest.raises(ValueError, match=r"the outcome is of a size .* rescale it"):
        scs.fit("y ~ x", table, groups="g", budget=budget)
    with pytest.raises(ValueError, match="the outcome is of a size"):
        scs.SignificantClusterRegressor(budget=2).fit(table[["x"]], table["y"], clusters=table["g"])


@pytest.mark.parametrize("size", [1e-70, 1e70])
def test_an_outcome_that_can_be_squared_has_the_same_names(size):
    table = _table()
    before = scs.fit("y ~ x", table, groups="g", budget=2)
    after = scs.fit("y ~ x", table.assign(y=table.y * size), groups="g", budget=2)
    np.testing.assert_array_equal(before.solution.support, after.solution.support)
    np.testing.assert_allclose(after.solution.gamma, before.solution.gamma * size, rtol=1e-6)


@pytest.mark.parametrize("size", [1e-162, 1e280])
@pytest.mark.parametrize("ridge_fixed", [0.0, 10.0])
def test_a_covariate_that_cannot_be_squared_is_refused_by_name(size, ridge_fixed):
    table = _table()
    table["wide"] = table["x"][::-1].to_numpy() * size
    with pytest.raises(ValueError, match="'wide': rescale it"):
        scs.fit("y ~ x + wide", table, groups="g", budget=0, ridge_fixed=ridge_fixed)


def test_slopes_of_a_column_far_from_zero_do_not_hang_on_the_order_of_rows():
    """A mean is told to what the numbers hold, 1e-10 here beside a spread of 1e-6."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"x": 1e6 + 1e-6 * rng.normal(size=60), "g": rng.integers(0, 12, size=60)}
    ).assign(y=lambda t: 1e3 * rng.normal(size=60) + 2e9 * (t.x - 1e6) * (t.g < 3))
    objectives = []
    for seed in range(8):
        order = np.random.default_rng(seed).permutation(len(table))
        fit = scs.fit("y ~ x", table.iloc[order], groups="g", random="1 + x", budget=2)
        objectives.append(fit.solution.objective)
    np.testing.assert_allclose(objectives, objectives[0], rtol=1e-9)


def test_an_exact_fit_has_robust_errors_of_zero_without_a_warning():
    table = pd.DataFrame(
        {
            "y": [-444.99, 866.34, -6.93, -1067.15, 3421.72, -1837.33],
            "g": [1042, 1021, 1042, 1021, 1042, 1014],
            "a": ["low", "big", "low", "big", "low", "mid"],
            "x": [2000.2785, 2000.0558, 1998.2514, 1999.6641, 1999.4709, 2000.591],
            "b": ["high", "high", "high", "big", "high", "high"],
        }
    )
    model = scs.fit("y ~ a + x + b", table, groups="g", budget=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        errors = model.robust_errors("CR2")
    assert np.nanmax(errors / np.abs(model.coef)) < 1e-6 and (errors >= 0).all()
