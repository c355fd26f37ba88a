"""What a formula makes NaN is refused by term, row and value, or dropped and counted; never 0."""

import numpy as np
import pandas as pd
import pytest

import scs
from scs.data.rows import model_rows
from scs.estimators.summary import data_notes

N = 40


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 3, N)
    x[[4, 9, 33]] = [-1.5, -2, -0.25]
    z = rng.uniform(1, 2, N)
    z[[4, 7]] = 0
    return pd.DataFrame(
        {
            "y": rng.uniform(1, 5, N),
            "x": x,
            "z": z,
            "s": np.resize(["a", "b"], N),
            "g": np.repeat(list("abcd"), N // 4),
        }
    )


# Formula, the rows in which it is NaN, the term, the part, the first value there.
UNDEFINED = {
    "y ~ log(x)": ([4, 9, 33], "log(x)", "x is -1.5"),
    "y ~ np.sqrt(x) + s": ([4, 9, 33], "np.sqrt(x)", "x is -1.5"),
    "y ~ I(x**0.5)": ([4, 9, 33], "I(x ** 0.5)", "x is -1.5"),
    "y ~ I(z / z)": ([4, 7], "I(z / z)", "z is 0.0"),
    "y ~ I(log(x) > 0)": ([4, 9, 33], "I(log(x) > 0)", "x is -1.5"),
    "y ~ C(I(log(x) > 0))": ([4, 9, 33], "C(I(log(x) > 0))", "x is -1.5"),
    "y ~ where(s == 'b', log(x), z)": ([9, 33], "where(s == 'b', log(x), z)", "x is -2.0"),
    "y ~ bs(log(x), df=4)": ([4, 9, 33], "bs(log(x), df=4)", "x is -1.5"),
    "y ~ scale(sqrt(x)) + log(x)": ([4, 9, 33], "scale(sqrt(x))", "x is -1.5"),
    "y ~ log(x):s": ([4, 9, 33], "log(x)", "x is -1.5"),
    "log(x) ~ z": ([4, 9, 33], "log(x)", "x is -1.5"),
    "y ~ log(x * z)": ([9, 33], "log(x * z)", "x is -2.0 and z is "),
}
INFINITE_ELSEWHERE = {"y ~ log(x * z)"}  # log(0), where one of the columns is 0


@pytest.mark.parametrize("formula", UNDEFINED)
def test_it_is_refused_by_term_row_and_value(table, formula):
    rows, term, value = UNDEFINED[formula]
    with pytest.raises(ValueError) as caught:
        scs.fit(formula, table, "g", 1)
    text = str(caught.value)
    assert term in text and value in text and f"row {rows[0]}, the first of {len(rows)}" in text
    assert "missing value (NaN)" in text and "missing='drop'" in text and "\n" not in text


@pytest.mark.parametrize("formula", sorted(UNDEFINED.keys() - INFINITE_ELSEWHERE))
@pytest.mark.parametrize("hole", [False, True])
def test_dropping_is_the_same_as_a_table_without_these_rows(table, formula, hole):
    rows, term, _ = UNDEFINED[formula]
    given = table.copy()
    if hole:
        given.loc[[0, 1], "y"] = np.nan
        given.loc[[0, 1], "x"] = np.nan
    left = given.dropna().drop(index=rows)
    found = model_rows(formula, given, "g", missing="drop")
    expected = model_rows(formula, left, "g")
    assert np.array_equal(found.design.X, expected.design.X)
    assert np.array_equal(found.design.y, expected.design.y)
    assert found.design.labels[found.design.codes].tolist() == left["g"].tolist()
    assert found.missing[term] == len(rows) and found.n_dropped == N - len(left)
    model = scs.fit(formula, given, "g", 1, missing="drop")
    said = dict(data_notes(model))["rows"]
    assert f"{len(rows)} in {term}" in said and f"{N - len(left)} dropped" in said


def test_levels_go_with_the_rows(table):
    table = table.assign(s=np.where(table["x"] < 0, "c", table["s"]))
    rows = model_rows("y ~ log(x) + s", table, "g", missing="drop")
    assert set(rows.design.names) == {"s[T.b]", "log(x)"}


def test_effects_of_clusters_drop_too(table):
    rows = model_rows("y ~ z", table, "g", missing="drop", random="1 + log(x)")
    assert rows.missing == {"log(x)": 3} and len(rows.slopes.Z) == N - 3


def test_what_is_not_chosen_has_no_say(table):
    rows = model_rows("y ~ where(x > 0, log(x), 0) + clip(log(z), 0, 1)", table, "g")
    expected = [np.log(x) if x > 0 else 0 for x in table["x"]]
    np.testing.assert_allclose(rows.design.X[:, 0], expected)


@pytest.mark.parametrize("missing", ["refuse", "drop"])
@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ log(z)", "log(z) makes an infinite value (inf) in row 4, the first of 2, where z is"),
        ("y ~ I(1 / z)", "1 / z in I(1 / z) makes an infinite value"),
        ("y ~ w", "column 'w' has an infinite value (inf) in row 5"),
    ],
)
def test_what_is_infinite_is_no_missing_value(table, missing, formula, words):
    given = table.assign(w=np.where(np.arange(N) == 5, np.inf, table["z"]))
    given.loc[0, "y"] = np.nan if missing == "drop" else 1.0  # rows keep their numbers
    with pytest.raises(ValueError) as caught:
        scs.fit(formula, given, "g", 1, missing=missing)
    assert words in str(caught.value)


def test_what_is_infinite_in_rows_that_are_dropped_is_gone(table):
    rows = model_rows(
        "y ~ sqrt(x) + log(w)", table.assign(w=table["x"].clip(0)), "g", missing="drop"
    )
    assert rows.n_dropped == 3


def test_no_row_left_is_said(table):
    with pytest.raises(ValueError, match=r"no row in which the formula has a value \(log\(x - 9"):
        scs.fit("y ~ log(x - 9)", table, "g", 1, missing="drop")


def test_new_rows_are_refused_by_term_row_and_value(table):
    good = table[(table["x"] > 0)]
    for formula in ("y ~ log(x)", "y ~ I(log(x) > 0.3)", "y ~ log(center(x) + 1.4)"):
        model = scs.fit(formula, good, "g", 1)
        np.testing.assert_allclose(model.predict(good.head(1)), model.predict(good)[:1])
        with pytest.raises(ValueError, match=r"data: log\(.* makes a missing value .* x is -1.5"):
            model.predict(table)


def test_rows_keep_their_numbers_where_some_are_dropped(table):
    written = [f"{value:.3f}" for value in table["z"]]
    written[20] = "1.O"
    given = table.assign(w=written)
    given.loc[[0, 1, 2], "x"] = np.nan
    with pytest.raises(ValueError, match=r"'1\.O' in row 20"):
        scs.fit("y ~ x + w", given, "g", 1, missing="drop")
    with pytest.raises(ValueError, match=r"'1\.O' in row 20"):
        scs.fit("w ~ x", given, "g", 1, missing="drop")
