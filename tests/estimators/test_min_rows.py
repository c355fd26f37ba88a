"""Clusters set apart for their size: the fit is that of a table without them."""

import json

import numpy as np
import pandas as pd
import pytest

import scs
from scs.cli import main


def rows() -> pd.DataFrame:
    """Ten clusters of twelve rows, of which c4 differs, and three small ones, of which s1 does."""
    rng = np.random.default_rng(8)
    sizes = [12] * 10 + [2, 3, 1]
    names = np.repeat([f"c{k}" for k in range(10)] + ["s0", "s1", "s2"], sizes)
    n = len(names)
    x = rng.normal(50, 2, n)
    y = x + 5.0 * (names == "c4") + 9.0 * (names == "s1") + rng.normal(0, 0.7, n)
    return pd.DataFrame({"y": y, "x": x, "g": names}).sample(frac=1, random_state=1)


@pytest.fixture(scope="module")
def table():
    return rows()


@pytest.fixture(scope="module")
def model(table):
    return scs.fit("y ~ x", table, "g", min_rows=5, background=0.1)


def test_the_fit_is_that_of_the_other_clusters(table, model):
    assert "s1" in scs.fit("y ~ x", table, "g", background=0.1).selected  # it would be named
    without = scs.fit("y ~ x", table[~table["g"].str.startswith("s")], "g", background=0.1)
    assert model.selected.tolist() == without.selected.tolist() == ["c4"]
    pd.testing.assert_frame_equal(model.tidy(), without.tidy(), check_exact=True)
    pd.testing.assert_frame_equal(model.tidy("clusters"), without.tidy("clusters"))
    pd.testing.assert_frame_equal(model.augment(), without.augment(), check_exact=False, rtol=1e-12)


def test_those_set_apart_are_shown_with_their_deviation(table, model):
    found = model.set_apart
    assert found["rows"].to_dict() == {"s0": 2, "s1": 3, "s2": 1}
    small = table[table["g"].str.startswith("s")]
    rest = model.augment(small)["residual_fixed"]
    np.testing.assert_allclose(found["deviation"], rest.groupby(small["g"]).mean(), atol=1e-9)
    # The same in dense algebra: generalised least squares, the named cluster with its own column.
    kept = table[~table["g"].str.startswith("s")]
    X = np.column_stack([np.ones(len(kept)), kept["x"] - 50, kept["g"] == "c4"]).astype(float)
    Z = (kept["g"].to_numpy()[:, None] == model.solution.labels).astype(float)
    inverse = np.linalg.inv(np.eye(len(Z)) + 0.1 * Z @ Z.T)
    bread = np.linalg.inv(X.T @ inverse @ X)
    means = small.groupby("g")["x"].mean() - 50
    at = np.column_stack([np.ones(3), means, np.zeros(3)])
    spread = np.einsum("ij,ij->i", at @ bread, at) + 0.1 + 1 / found["rows"]
    np.testing.assert_allclose(found["std_error"], np.sqrt(model.var_e * spread), rtol=1e-5)


def test_summary_says_so_and_new_rows_of_theirs_are_of_no_known_cluster(table, model, tmp_path):
    text = model.summary()
    assert "3 clusters of fewer than 5 rows (6 rows): not fitted, not named" in " ".join(
        text.split()
    )
    assert "Set apart (fewer than 5 rows)" in text and "Set apart" in model._repr_html_()
    new = table[table["g"] == "s1"]
    np.testing.assert_array_equal(model.predict(new), model.predict(new.drop(columns="g")))
    model.save(tmp_path / "m.scs")
    loaded = scs.load(tmp_path / "m.scs")
    assert loaded.summary() == text
    pd.testing.assert_frame_equal(loaded.set_apart, model.set_apart, check_exact=True)


def test_none_apart_changes_nothing(table):
    plain, all_in = scs.fit("y ~ x", table, "g"), scs.fit("y ~ x", table, "g", min_rows=1)
    assert plain.summary() == all_in.summary()
    assert plain.set_apart.empty


def test_sizes_that_make_no_sense_are_refused(table):
    with pytest.raises(ValueError, match="min_rows must be a whole number, 1 or more, got 0"):
        scs.fit("y ~ x", table, "g", min_rows=0)
    with pytest.raises(ValueError, match="the largest has 12 rows: lower it"):
        scs.fit("y ~ x", table, "g", min_rows=13)
    with pytest.raises(ValueError, match="min_rows with validation"):
        scs.fit("y ~ x", table, "g", min_rows=3, validation=table)


def test_slopes_and_the_command(table, tmp_path, capsys):
    kept = table[~table["g"].str.startswith("s")]
    options = {"random": "1 + x", "budget": (1, 1)}
    found = scs.fit("y ~ x", table, "g", min_rows=5, **options)
    pd.testing.assert_frame_equal(found.effects, scs.fit("y ~ x", kept, "g", **options).effects)
    assert "set apart" in found.summary()
    table.to_csv(tmp_path / "t.csv", index=False)
    arguments = ["--outcome", "y", "--cluster", "g", "--min-rows", "5", "--json"]
    assert main(["fit", str(tmp_path / "t.csv"), *arguments]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [each["cluster"] for each in shown["set_apart"]] == ["s0", "s1", "s2"]
