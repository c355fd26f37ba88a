"""The next model from the last one: as if it had been asked for in full."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from test_tidy import FREE, rows

import scs


@pytest.fixture(scope="module")
def table():
    return rows().assign(z=lambda t: np.random.default_rng(9).normal(size=len(t)), **{"a.b ~": 1.0})


@pytest.fixture(scope="module")
def model(table):
    return scs.fit("y ~ x", table, "g", 2, background="none", ridge=FREE, level=0.9)


def test_refit_asks_for_the_same_again(table, model, tmp_path):
    half = table.iloc[::2]
    expected = scs.fit("y ~ x", half, "g", 2, background="none", ridge=FREE, level=0.9)
    model.save(tmp_path / "m.scs")
    for found in (scs.refit(model, half), scs.refit(scs.load(tmp_path / "m.scs"), half)):
        assert found.summary() == expected.summary()
    assert scs.refit(model, half, budget=0).selected.tolist() == []


@pytest.mark.parametrize(
    ("change", "full"),
    [
        ("~ . + z", "y ~ x + z"),
        (". ~ . + z + kind", "y ~ x + z + kind"),
        ("log(. + 1e4) ~ . - x", "log(y + 1e4) ~ 1"),
        ("z ~ .:kind", "z ~ x:kind"),
        ("~ .*kind", "y ~ x*kind"),
        ("~ z - .", "y ~ z"),
        ("~ I(z > .5) + .", "y ~ I(z > .5) + x"),
    ],
)
def test_update_puts_the_old_sides_in(change, full, table, model):
    found = scs.update(model, change, table)
    expected = scs.fit(full, table, "g", **model.options)
    pd.testing.assert_frame_equal(found.tidy(), expected.tidy(), check_exact=True)
    np.testing.assert_array_equal(found.effects, expected.effects)


def test_a_dot_in_a_name_stays_what_it_is(table, model):
    found = scs.update(model, "~ . + `a.b ~`:z", table)
    assert found.formula == "y ~ x + `a.b ~`:z"
    with pytest.raises(ValueError, match="has no tilde"):
        scs.update(model, "x + z", table)


def test_aic_differs_as_that_of_least_squares(table, model):
    wider = scs.update(model, "~ . + kind", table)
    found = scs.compare(model, wider)
    own = table.assign(own=table["g"].where(table["g"].isin(model.selected), "a"))
    narrow = smf.ols("y ~ x + own", own).fit()
    wide = smf.ols("y ~ x + kind + own", own).fit()
    assert found["same_names"].all()
    difference = found.loc["y ~ x", "aic"] - found.loc["y ~ x + kind", "aic"]
    assert difference == pytest.approx(narrow.aic - wide.aic, abs=1e-6)
    assert found["delta_aic"].iloc[0] == 0 and found["delta_aic"].iloc[1] == abs(difference)


def test_models_of_other_rows_are_not_compared(table, model):
    with pytest.raises(ValueError, match="other rows or another outcome"):
        scs.compare(model, scs.refit(model, table.iloc[1:]))
    with pytest.raises(ValueError, match="two models or more"):
        scs.compare(model)


def test_counts_are_refused_by_name(model, table):
    units = {"deaths": [3, 9, 4, 30], "e": [4.0, 8.0, 5.0, 9.0], "h": list("abcd")}
    counts = scs.fit("deaths ~ 1", units, "h", family="poisson", expected="e")
    for call in (
        lambda: scs.refit(counts, units),
        lambda: scs.update(counts, "~ .", units),
        lambda: scs.compare(model, counts),
    ):
        with pytest.raises(TypeError, match="FittedCounts: refit, update and compare take what"):
            call()
