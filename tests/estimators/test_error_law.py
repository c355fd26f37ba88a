"""The law of errors that the residuals choose: which, what is said of it, and the rate it holds."""

import numpy as np
import pandas as pd
import pytest

import scs
from scs.data.design import Design
from scs.estimators.selection import ErrorLaw
from scs.inference.naming import name_clusters
from scs.moments.moments import Moments

LAWS = {
    "normal": lambda rng, k: rng.normal(size=len(k)),
    "residuals": lambda rng, k: rng.standard_t(3, len(k)) / np.sqrt(3.0),
    "unequal": lambda rng, k: rng.uniform(0.4, 1.6, k[-1] + 1)[k] * rng.normal(size=len(k)),
}


def drawn(rng, law, n_clusters=40, rows=(12, 40)):
    k = np.repeat(np.arange(n_clusters), rng.integers(*rows, n_clusters))
    x = rng.normal(size=(len(k), 1))
    return x, 1.0 + x[:, 0] + LAWS[law](rng, k), k


def table(law, seed=1):
    x, y, k = drawn(np.random.default_rng(seed), law)
    return pd.DataFrame({"y": y + 4.0 * (k == 3), "x": x[:, 0], "g": k})


@pytest.mark.parametrize("law", LAWS)
def test_the_residuals_choose_the_law_that_they_are_of(law):
    data = table(law)
    model, asked = scs.fit("y ~ x", data, "g"), scs.fit("y ~ x", data, "g", null=law)
    assert model.selection.null == law == asked.selection.null
    assert model.selection.null_chosen and not asked.selection.null_chosen
    pd.testing.assert_series_equal(model.pvalues, asked.pvalues)
    assert 3 in model.selected
    text = " ".join(model.summary().split())
    assert ("chosen by null='auto'" in text) == (law != "normal")
    assert ("and residuals show no heavy tails (excess kurtosis" in text) == (law == "normal")


@pytest.mark.parametrize("law", ["residuals", "unequal"])
def test_a_law_that_the_residuals_speak_against_is_said(law):
    text = " ".join(scs.fit("y ~ x", table(law), "g", null="normal").summary().split())
    assert "names are wrong more often than the rate says. null='auto'" in text


@pytest.mark.parametrize("law", LAWS)
def test_the_choice_does_not_depend_on_order_units_or_labels(law):
    data = table(law)
    other = data.sample(frac=1, random_state=2).assign(
        y=lambda t: 1e-3 * t["y"] + 7, x=lambda t: 50 * t["x"] - 3, g=lambda t: 1000 - t["g"]
    )
    first, second = scs.fit("y ~ x", data, "g"), scs.fit("y ~ x", other, "g")
    assert first.selection.null == second.selection.null
    assert set(1000 - second.selected) == set(first.selected)


def test_intervals_of_normal_errors_warn_where_the_residuals_chose_another_law():
    data = table("unequal")
    model = scs.fit("y ~ x", data, "g")
    for interval in (lambda: model.predict(data, interval=0.9), lambda: model.interval("fission")):
        with pytest.warns(UserWarning, match="errors vary more in some clusters than in others"):
            interval()


@pytest.mark.parametrize("law", ["residuals", "unequal"])
def test_nobody_is_named_where_nobody_differs_though_errors_are_not_normal(law):
    """Under the normal law somebody is, in far more tables than the 15 % that are allowed."""
    rng = np.random.default_rng(3)
    chosen, normal = [], []
    for _ in range(40):
        x, y, k = drawn(rng, law, n_clusters=150, rows=(5, 60))
        design = Design.from_table(x, y, k)
        moments = Moments.from_design(design, intercept=True)
        found = ErrorLaw.of(moments, design, "auto")
        assert found.name == law
        chosen.append(len(name_clusters(moments, null=found.null).support) > 0)
        normal.append(len(name_clusters(moments).support) > 0)
    assert np.mean(chosen) <= 0.15 + 2 * np.sqrt(0.15 * 0.85 / 40)
    assert np.mean(normal) > np.mean(chosen) + 0.1


def test_another_law_is_refused():
    with pytest.raises(ValueError, match=r"null must be one of .*'auto' is the default"):
        scs.fit("y ~ x", table("normal"), "g", null="cauchy")


def test_where_nobody_is_named_the_spread_said_beside_is_the_mixed_models():
    rng = np.random.default_rng(6)
    k = np.repeat(np.arange(30), 8)
    data = pd.DataFrame({"x": rng.normal(size=240), "g": k})
    data["y"] = data["x"] + 0.8 * rng.normal(size=30)[k] + rng.normal(size=240)
    model = scs.fit("y ~ x", data, "g")
    assert not len(model.selected)
    assert model.selection.rest_variance == pytest.approx(model.lmm.var_u, rel=1e-5)
    said = f"{np.sqrt(model.lmm.var_u):.3g} by REML over those not named"
    assert said in " ".join(model.summary().split())
    assert np.isnan(scs.fit("y ~ x", data, "g", background=0.5).selection.rest_variance)
