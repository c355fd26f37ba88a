"""`fit` without labels: the door, its words, and what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import scs


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 240
    x, z, c = rng.normal(size=n), rng.choice(3, n, p=[0.2, 0.5, 0.3]), rng.choice(list("ab"), n)
    y = 50 + 2 * x + 8 * z + 1.0 * (c == "b") + rng.normal(size=n)
    label = np.where(rng.random(n) < 0.3, np.array(["low", "mid", "top"])[z], None)
    return pd.DataFrame({"y": y, "x": 1000 * x + 5, "c": c, "g": label, "truth": z})


@pytest.fixture(scope="module")
def model(table) -> scs.FittedGroups:
    return scs.fit("y ~ x + c", table, None)


def test_groups_levels_and_coefficients_are_found(table, model):
    assert model.n_groups == 3 and model.clear and model.chosen_by == "BIC"
    assert (model.assigned().to_numpy() - 1 == table.truth).all()
    for name, truth in (("x", 0.002), ("c[T.b]", 1.0)):
        assert abs(model.coef[name] - truth) < 4 * model.std_errors[name]
    assert model.bic["BIC"].idxmin() == 3
    # As if the groups were known: the regression with an indicator for each.
    known = np.column_stack([np.eye(3)[table.truth], table.x, table.c == "b"]).astype(float)
    coef, squares = np.linalg.lstsq(known, table.y, rcond=None)[:2]
    np.testing.assert_allclose(model.coef, coef[3:], rtol=1e-3)
    assert model.sigma == pytest.approx(np.sqrt(squares[0] / len(table)), rel=1e-3)
    mean = np.array([table.x.mean(), (table.c == "b").mean()])
    np.testing.assert_allclose(model.levels["level"], coef[:3] + mean @ coef[3:], rtol=1e-3)
    inverse = np.linalg.inv(known.T @ known) * squares[0] / len(table)
    np.testing.assert_allclose(model.std_errors, np.sqrt(np.diag(inverse))[3:], rtol=0.02)


def test_order_of_rows_units_and_container_change_nothing(table, model):
    order = np.random.default_rng(1).permutation(len(table))
    other = scs.fit("y ~ x + c", table.iloc[order], None)
    np.testing.assert_allclose(other.levels, model.levels, rtol=1e-6)
    np.testing.assert_allclose(other.posterior(), model.posterior().iloc[order], atol=1e-6)
    small = scs.fit("y ~ x + c", table.assign(x=table.x / 1000), None)
    np.testing.assert_allclose(small.coef["x"], model.coef["x"] * 1000, rtol=1e-6)
    np.testing.assert_allclose(small.std_errors["x"], model.std_errors["x"] * 1000, rtol=1e-6)
    for each in (pl.from_pandas(table), pa.Table.from_pandas(table), table.to_dict("list")):
        found = scs.fit("y ~ x + c", each, None)
        np.testing.assert_allclose(found.levels, model.levels, rtol=1e-9)


def test_labels_that_some_rows_have_are_kept_and_name_the_groups(table):
    found = scs.fit("y ~ x + c", table, "g", n_groups="auto")
    there = table.g.notna().to_numpy()
    assert set(found.labels) == {"low", "mid", "top"}
    assert (found.assigned()[there].to_numpy() == table.g[there]).all()
    assert (found.assigned().to_numpy() == np.array(["low", "mid", "top"])[table.truth]).all()
    assert found.levels["level"].idxmax() == "top"
    assert f"{there.sum()} rows have one in g" in found.summary()


def test_new_rows(table, model):
    new = table.iloc[:5]
    np.testing.assert_allclose(model.posterior(new), model.posterior().iloc[:5], atol=1e-9)
    shares = model.shares(new.drop(columns="y"))
    np.testing.assert_allclose(shares, np.tile(model.levels["share"], (5, 1)), rtol=1e-9)
    mean = table[["x"]].assign(b=table.c == "b").mean().to_numpy(float)
    at = np.column_stack([new.x, new.c == "b"]).astype(float) - mean
    expected = at @ model.coef.to_numpy() + model.levels["share"] @ model.levels["level"]
    np.testing.assert_allclose(model.predict(new.drop(columns="y")), expected, rtol=1e-9)
    with pytest.raises(ValueError, match="new_data has no column of the outcome, y"):
        model.posterior(new.drop(columns="y"))


def test_levels_too_close_name_no_row():
    rng = np.random.default_rng(3)
    y = rng.normal(size=400) + 1.5 * (rng.random(400) < 0.5)
    found = scs.fit("y ~ 1", {"y": y}, None, n_groups=2)
    with pytest.raises(ValueError, match=r"noise alone|standard deviations of the errors apart"):
        found.assigned()
    assert "no row is named" in found.summary() or "none is named" in found.summary()
    assert found.posterior().shape == (400, 2)


def test_where_there_are_no_groups_none_is_found():
    rng = np.random.default_rng(4)
    table = {"y": rng.normal(size=200), "x": rng.normal(size=200)}
    found = scs.fit("y ~ x", table, None)
    assert found.n_groups == 1 and "no groups are found" in found.summary()
    design = np.column_stack([np.ones(200), table["x"]])
    coef = np.linalg.lstsq(design, table["y"], rcond=None)[0]
    assert found.coef["x"] == pytest.approx(coef[1], rel=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_groups": 0}, "n_groups must be 'auto' or a whole number from 1, got 0"),
        ({"n_groups": 2.5}, "n_groups must be 'auto' or a whole number from 1, got 2.5"),
        ({"n_groups": 200}, "need more rows than that, got 40"),
        ({"budget": 3}, "budget: it is of clusters with labels: leave it out with n_groups="),
        ({"fdr": 0.05}, "fdr: it is of clusters with labels"),
        ({"formula": "y ~ x - 1"}, "leave '- 1' or '0 \\+' out of formula"),
        ({"groups": "g", "n_groups": 2}, "n_groups=2 with 3 labels"),
        ({"groups": "none", "n_groups": "auto"}, "no row has a label in 'none'"),
        ({"groups": "h", "n_groups": "auto"}, "groups"),
    ],
)
def test_what_cannot_be_is_refused(table, options, message):
    asked = {"formula": "y ~ x", "groups": None, **options}
    with pytest.raises(ValueError, match=message):
        scs.fit(data=table.assign(none=None).iloc[:40], **asked)


def test_a_missing_label_without_a_number_of_groups_is_still_refused(table):
    with pytest.raises(ValueError, match="g"):
        scs.fit("y ~ x", table, "g", missing="refuse")


@pytest.mark.parametrize(("n", "columns"), [(100, 20), (50, 8)])
def test_noise_beside_many_covariates_is_no_groups(n, columns):
    """BIC alone found groups in each of these, and called them clear."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(n, columns)), columns=[f"x{i}" for i in range(columns)])
    data["y"] = rng.normal(size=n)
    found = scs.fit("y ~ .", data, None)
    assert (
        found.n_groups == 1 and found.noise and "noise alone" in " ".join(found.summary().split())
    )
    asked = scs.fit("y ~ .", data, None, n_groups=2)
    assert not asked.clear
    with pytest.raises(ValueError, match=r"noise alone|standard deviations of the errors apart"):
        asked.assigned()


def test_an_offset_counts_for_new_rows_too():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=80), np.arange(80) % 2
    data = pd.DataFrame({"e": 50 * x, "y": 50 * x + 10 * z + rng.normal(size=80)})
    found = scs.fit("y ~ offset(e)", data, None)
    moved = scs.fit("y ~ 1", data.assign(y=data.y - data.e), None)
    np.testing.assert_allclose(found.levels, moved.levels, rtol=1e-9)
    np.testing.assert_allclose(found.predict(data) - data.e, moved.predict(data), rtol=1e-9)
    assert (found.assigned(data) == found.assigned()).all()
    with pytest.raises(ValueError, match="no column 'e'"):
        found.predict(data[["y"]])


@pytest.mark.parametrize("y", [np.repeat([0.0, 10.0], 20), np.repeat([0.0, 1.0, 2.0], 20)])
def test_values_that_levels_fit_exactly_are_refused(y):
    with pytest.raises(ValueError, match=r"levels? and the covariates fit all .* rows exactly"):
        scs.fit("y ~ 1", {"y": y}, None)


def test_a_far_outcome_has_a_posterior(model, table):
    far = model.posterior(table.iloc[:2].assign(y=[1e200, -1e200]))
    np.testing.assert_array_equal(far, [[0, 0, 1], [1, 0, 0]])


def test_few_values_are_said():
    y = np.round(np.random.default_rng(0).normal(size=200) * 0.7)
    try:
        said = scs.fit("y ~ 1", {"y": y}, None).summary()
    except ValueError as error:
        said = str(error)
    assert "values only" in said or "fit all 200 rows exactly" in said
