"""`scs.fit(..., random="1 + x")`: what `solve` gives on arrays, by name, and clear refusals."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import scs
from scs.cli import main
from scs.report import report_html

FORMULA = "y ~ x + w"
BUDGET = {"Intercept": 2, "x": 2}


def rows(seed: int = 0, n_clusters: int = 8) -> pd.DataFrame:
    """Rows in clusters: c1 and c2 have a level of their own, c2 and c5 a slope."""
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(n_clusters), rng.integers(8, 14, n_clusters))
    n = len(code)
    x, w = rng.normal(1, 1, n), rng.normal(0, 1, n)
    level, slope = np.zeros(n_clusters), np.zeros(n_clusters)
    level[[1, 2]], slope[[2, 5]] = (4.0, -3.0), (2.5, -3.5)
    y = 1 + 0.5 * x - w + level[code] + slope[code] * x + rng.normal(0, 0.3, n)
    group = np.where(rng.random(n) < 0.5, "a", "b")
    return pd.DataFrame({"y": y, "x": x, "w": w, "kind": group, "g": [f"c{k}" for k in code]})


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return rows()


@pytest.fixture(scope="module")
def model(table) -> scs.FittedModel:
    return scs.fit(FORMULA, table, "g", BUDGET, random="1 + x", ridge=0.1)


def test_same_as_the_solver_on_arrays(table, model):
    sd = table["x"].std(ddof=0)
    moments = scs.Moments.from_arrays(
        table[["x", "w"]], table["y"], table["g"], intercept=True,
        Z=(table[["x"]] - table["x"].mean()) / sd,
    )  # fmt: skip
    direct = scs.solve(moments, (2, 2), ridge=0.1, ridge_fixed=0, gap=1e-6)
    assert model.solution.status == direct.status == "optimal"
    assert list(model.effects.columns) == ["Intercept", "x"]
    np.testing.assert_allclose(model.effects, direct.gamma / [1, sd], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(model.coef, direct.beta, rtol=1e-6)
    assert {name: list(labels) for name, labels in model.selected.items()} == {
        "Intercept": ["c1", "c5"],  # at the mean of x, which is 1: there c2's line is near 0
        "x": ["c2", "c5"],
    }


@pytest.mark.parametrize("budget", [2, (2, 2), [2, 2], {"x": 2, "Intercept": 2}])
def test_a_budget_is_one_number_or_one_per_effect(table, model, budget):
    again = scs.fit(FORMULA, table, "g", budget, random=" x ", ridge=0.1)
    assert again.budget == BUDGET
    np.testing.assert_allclose(again.effects, model.effects, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("random", ["0 + x", "x - 1"])
def test_a_slope_alone_is_a_budget_of_0_for_the_intercept(table, random):
    alone = scs.fit(FORMULA, table, "g", 2, random=random)
    both = scs.fit(FORMULA, table, "g", {"x": 2}, random="1 + x")
    assert alone.budget == both.budget == {"Intercept": 0, "x": 2}
    assert not alone.effects["Intercept"].any()
    np.testing.assert_allclose(alone.effects, both.effects, rtol=1e-6, atol=1e-9)
    assert "slope of x (2 of 8)" in alone.summary()
    assert "intercept (" not in alone.summary()


def test_budget_0_for_slopes_is_the_fit_without(table):
    slopes = scs.fit(FORMULA, table, "g", (2, 0), random="1 + x")
    plain = scs.fit(FORMULA, table, "g", 2, background="none")
    assert list(slopes.selected["Intercept"]) == list(plain.selected)
    np.testing.assert_allclose(slopes.effects["Intercept"], plain.effects, rtol=1e-6)
    np.testing.assert_allclose(slopes.coef, plain.coef, rtol=1e-6)
    np.testing.assert_allclose(slopes.predict(table), plain.predict(table), rtol=1e-6)
    assert slopes.var_e == pytest.approx(plain.var_e)


def test_prediction_and_variance_by_hand(table, model):
    own = model.effects.loc[table["g"]].to_numpy()
    beta = model.coef
    by_hand = beta["Intercept"] + beta["x"] * table["x"] + beta["w"] * table["w"]
    about = table["x"] - table["x"].mean()
    expected = by_hand + own[:, 0] + own[:, 1] * about
    np.testing.assert_allclose(model.predict(table), expected)
    np.testing.assert_allclose(model.predict(pl.from_pandas(table)), expected)
    assert model.var_e == pytest.approx(np.sum((table["y"] - expected) ** 2) / (len(table) - 7))

    shares = model.tree.predict_proba(table[["x", "w"]].to_numpy())
    mixed = shares @ model.effects.to_numpy()
    unknown = by_hand + mixed[:, 0] + mixed[:, 1] * about
    np.testing.assert_allclose(model.predict(table.drop(columns="g")), unknown)
    np.testing.assert_allclose(model.predict(table.assign(g="new")), unknown)


def test_a_slope_that_no_covariate_shares(table):
    model = scs.fit("y ~ 1", table, "g", 3, random="0 + x")
    sizes = table["g"].value_counts().sort_index()
    mean = (model.effects["x"] * sizes).sum() / sizes.sum()
    new = pd.DataFrame({"g": ["c5", "other"], "x": [2.0, 2.0]})
    about = 2.0 - table["x"].mean()
    expected = model.coef["Intercept"] + about * np.array([model.effects.loc["c5", "x"], mean])
    np.testing.assert_allclose(model.predict(new), expected)
    assert "x: not in the formula" in model.summary()


def test_transformed_and_coded_columns(table):
    """A slope of an indicator is a column of 0 and 1; a transformation is evaluated."""
    model = scs.fit("y ~ kind", table, "g", 1, random="1 + kind + np.exp(w)")
    Z = np.column_stack([table["kind"] == "b", np.exp(table["w"])]).astype(float)
    X, Z = Z[:, :1], (Z - Z.mean(axis=0)) / Z.std(axis=0)
    moments = scs.Moments.from_arrays(X, table["y"], table["g"], intercept=True, Z=Z)
    direct = scs.solve(moments, 1, ridge_fixed=0, gap=1e-6)
    assert list(model.effects.columns) == ["Intercept", "kind[T.b]", "np.exp(w)"]
    unit = model.effects.to_numpy() * [1, *model.rows.slopes.scale.unit]
    np.testing.assert_allclose(unit, direct.gamma, rtol=1e-5, atol=1e-8)
    assert model.predict(table.head(1)).shape == (1,)


def test_missing_slope_values_count_as_missing(table):
    gaps = table.assign(z=np.where(np.arange(len(table)) < 3, np.nan, table["x"]))
    with pytest.raises(ValueError, match="3 in 'z'"):
        scs.fit("y ~ w", gaps, "g", 1, random="1 + z")
    model = scs.fit("y ~ w", gaps, "g", 1, random="1 + z", missing="drop")
    assert model.moments.n_rows == len(table) - 3
    with pytest.raises(ValueError, match="new_data has missing values"):
        model.predict(gaps.head(1))


def test_summary_names_effects_and_what_is_left_out(model):
    text = model.summary()
    for words in (
        "2 for the intercept, 2 for the slope of x",
        "Selected clusters, intercept (2 of 8)",
        "Selected clusters, slope of x (2 of 8)",
        "4 effects selected  4 in every best selection",
        "random intercept alone",
    ):
        assert words in text, words
    assert "2 more are selected" in " ".join(model.summary(top=1).split())
    assert "slope of x" in model._repr_html_()


@pytest.mark.parametrize("random", [None, "1", " 1 "])
def test_an_intercept_alone_is_the_model_without(table, random):
    model = scs.fit(FORMULA, table, "g", 2, random=random)
    assert isinstance(model.effects, pd.Series)
    assert isinstance(model.moments, scs.Moments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"random": "0"}, ["random='0'", "no effect"]),
        ({"random": "1 + x | g"}, ["random", "groups="]),
        ({"random": "y ~ x"}, ["random", "groups="]),
        ({"random": "1 + "}, ["random", "cannot be read"]),
        ({"random": "0 + np.log(2)"}, ["random", "names no column"]),
        ({"random": "1 + y"}, ["random", "'y'", "outcome"]),
        ({"random": "1 + g"}, ["random", "'g'", "cluster"]),
        ({"random": "1 + one"}, ["random", "'one' is constant"]),
        ({"random": "1 + vast"}, ["Z is of a size", "rescale"]),
        ({"random": 1}, ["random", "text"]),
        ({"budget": "auto"}, ["budget='auto'", "random slopes", "{'Intercept': 3, 'x': 3}"]),
        ({"budget": (1, 2, 3)}, ["budget has 3 entries", "Intercept, x"]),
        ({"budget": {"z": 2}}, ["budget", "'z'"]),
        ({"budget": {"x": -1}}, ["budget", "negative"]),
        ({"budget": 2.5}, ["budget", "2.5"]),
        ({"bootstrap": 10}, ["bootstrap=10", "random intercept"]),
        ({"validation": rows()}, ["validation", "random slopes"]),
        ({"method": "exact"}, ["method='exact'", "random slopes"]),
        ({"random": None, "budget": (2, 2)}, ["budget", "whole number"]),
    ],
)
def test_what_is_wrong_is_said_in_one_line(table, arguments, words):
    given = {"groups": "g", "budget": 2, "random": "1 + x"} | arguments
    with pytest.raises((ValueError, TypeError)) as caught:
        scs.fit(FORMULA, table.assign(one=1.0, vast=1e200 * table["x"]), **given)
    first = str(caught.value).splitlines()[0]
    assert all(word in first for word in words), first


@pytest.mark.filterwarnings("error")
def test_a_column_far_from_zero_warns_of_nothing(table):
    far = table.assign(x=1e6 * table["x"] + 1e7)
    model = scs.fit("y ~ x", far, "g", 2, random="1 + x", time_limit=0.5)
    assert model.solution.bound <= model.solution.objective


def test_what_is_for_an_intercept_alone_refuses_slopes(model):
    for call in (model.path, lambda: model.deviations, lambda: report_html(model)):
        with pytest.raises(ValueError, match="random"):
            call()


def test_the_command(table, tmp_path, capsys):
    path = tmp_path / "table.csv"
    table.to_csv(path, index=False)
    columns = ["--formula", "y ~ w", "--cluster", "g", "--random", "1 + x"]
    assert main(["fit", str(path), *columns, "--budget", "2,1"]) == 0
    assert "2 for the intercept, 1 for the slope of x" in capsys.readouterr().out
    for more, words in (
        (["--budget", "2", "--report", "r.html"], "--report"),
        ([], "budget='auto' is not for random slopes"),
        (["--budget", "a,b"], "--budget"),
    ):
        assert main(["fit", str(path), *columns, *more]) == 2
        assert words in capsys.readouterr().err
