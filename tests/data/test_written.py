"""Numbers, dates and names that a table holds as text are no categories; separators are read."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.formula.api as smf

import scs
from scs.cli import main
from scs.data.design import DesignWarning
from scs.data.rows import model_rows
from scs.data.written import what_text_holds
from scs.estimators.summary import data_notes, remarks

N = 60
ARABIC = {ord("0") + digit: 0x660 + digit for digit in range(10)}
WIDE = {ord("0") + digit: 0xFF10 + digit for digit in range(10)}


def _base() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    value = np.round(np.geomspace(1.5, 95_000, N), 2)
    return pd.DataFrame(
        {
            "y": 3 + value / 1e4 + rng.normal(size=N),
            "value": rng.permutation(value),
            "g": np.repeat([f"h{k}" for k in range(6)], N // 6),
        }
    )


def _written(form) -> pd.DataFrame:
    base = _base()
    return base.assign(value=[form(j, v) for j, v in enumerate(base["value"])])


REFUSED = {
    "kilograms": lambda j, v: f"{v:.1f} kg",
    "no blank": lambda j, v: f"{v:.1f}mg/l",
    "accountant": lambda j, v: f"({v:.2f})",
    "some negative": lambda j, v: f"({v:.2f})" if j % 3 == 0 else f"{v:.2f}",
    "unicode minus": lambda j, v: f"\u2212{v:.1f}",
    "some unicode minus": lambda j, v: ("\u2212" if j % 2 else "") + f"{v:.1f}",
    "percent": lambda j, v: f"{v:.0f} %",
    "euro": lambda j, v: f"\u20ac{v:,.2f}",
    "code before": lambda j, v: f"USD {v:.0f}",
    "code behind": lambda j, v: f"{v:.0f} CHF",
    "iso date": lambda j, v: f"2021-{1 + j % 12:02d}-{1 + j % 28:02d}",
    "german date": lambda j, v: f"{1 + j % 28:02d}.03.2021",
    "american date": lambda j, v: f"{1 + j % 12}/{1 + j % 28}/21",
    "long date": lambda j, v: f"March {1 + j % 28}, 2021",
    "date and time": lambda j, v: f"{1 + j % 28} Mar 2021 10:{j:02d}",
    "time": lambda j, v: f"{j % 24}:{j:02d}",
    "few dates": lambda j, v: f"{2019 + j % 3}-01-01",
    "patients": lambda j, v: f"Patient {chr(65 + j % 26)}. {chr(97 + j // 26)}",
    "fractions": lambda j, v: f"{1 + j}/{2 + j % 7}",
    "below a limit": lambda j, v: "<5" if j % 3 == 0 else f"{v:.1f}",
    "mostly below": lambda j, v: f"<{j}" if j % 4 else f"{v:.1f} g",
    "powers": lambda j, v: f"{j}.5e3",
    "whole": lambda j, v: f"{j}",
    "with a blank": lambda j, v: f"{j} ",
    "one typed wrong": lambda j, v: "12.O" if j == 7 else f"{v:.1f}",
    "comma": lambda j, v: f"{j},{j % 7}",
    "two ways": lambda j, v: f"{1 + j % 9},{100 + j}",
    "underscores": lambda j, v: f"{1000 * (1 + j % 3):_}",
    "some underscores": lambda j, v: "1_000" if j == 7 else f"{j % 4}",
    "some powers": lambda j, v: "1e3" if j == 7 else f"{j % 4}",
    "few powers": lambda j, v: ("1e3", "2e3", "5e3")[j % 3],
    "in quotes": lambda j, v: f'"{j % 4}"',
    "behind an apostrophe": lambda j, v: f"'{j % 4}",
    "some with a plus": lambda j, v: "+3" if j == 7 else f"{j % 4}",
    "arabic": lambda j, v: f"{j % 5}".translate(ARABIC),
    "some arabic": lambda j, v: f"{j % 5}".translate(ARABIC) if j % 3 == 0 else f"{j % 5}",
    "arabic point": lambda j, v: f"{v:.1f}".translate(ARABIC).replace(".", "\u066b"),
    "full width": lambda j, v: f"{j % 4}".translate(WIDE),
    "some full width": lambda j, v: f"{j}".translate(WIDE) if j % 9 == 0 else f"{j % 4}",
    "devanagari": lambda j, v: "\u0967\u0968" if j == 7 else f"{j % 4}",
    "infinite": lambda j, v: "-inf" if j == 7 else f"{j % 4}",
    "too many": lambda j, v: f"ward {chr(97 + j % 26)}{chr(97 + j % 3)}",
    "half as many as rows": lambda j, v: f"ward {chr(97 + j % 31)}",
}
KEPT = {
    "ages": lambda j, v: ("<18", "18-64", "65+")[j % 3],
    "below and above": lambda j, v: ("<65", ">=65")[j % 2],
    "classes": lambda j, v: ("5a", "5b", "6a")[j % 3],
    "ordinals": lambda j, v: ("1st", "2nd", "3rd")[j % 3],
    "periods": lambda j, v: ("2020_1", "2020_2", "2021_1")[j % 3],
    "negative codes": lambda j, v: f"{j % 5 - 2}",
    "roman": lambda j, v: ("\u2160", "\u2161", "\u2162")[j % 3],
    "codes": lambda j, v: ("01", "02", "10")[j % 3],
    "few whole numbers": lambda j, v: f"{j % 4}",
    "quarters": lambda j, v: f"Q{1 + j % 4}",
    "months": lambda j, v: ("Jan", "Feb", "Mar")[j % 3],
    "versions": lambda j, v: ("v1.0", "v2.0")[j % 2],
    "grades": lambda j, v: ("A+", "B-", "C")[j % 3],
    "two dozen wards": lambda j, v: f"ward {chr(97 + j % 24)}",
}
READ = {
    "english": lambda j, v: f"{v:,.2f}",
    "whole and not": lambda j, v: f"{v:,.0f}" if v > 1e6 else f"{v:,.2f}",
    "german": lambda j, v: f"{v:,.2f}".replace(",", "_").replace(".", ",").replace("_", "."),
    "swiss": lambda j, v: f"{v:,.2f}".replace(",", "'"),
    "french": lambda j, v: f"{v:,.2f}".replace(",", "\u202f").replace(".", ","),
    "blanks around": lambda j, v: f" {v:,.2f} ",
}


def _refusal(table, tmp_path, capsys, *arguments) -> str:
    table.to_csv(tmp_path / "t.csv", index=False)
    given = f"fit {tmp_path / 't.csv'} --outcome y --cluster g --budget 1 --bootstrap 0".split()
    code = main([*given, *arguments])
    captured = capsys.readouterr()
    assert code in (0, 2)
    return captured.err if code else ""


@pytest.mark.parametrize("form", REFUSED.values(), ids=REFUSED)
def test_text_that_is_no_category_is_refused_with_the_remedy(form, tmp_path, capsys):
    table = _written(form)
    for data in (table, pl.from_pandas(table), pa.Table.from_pandas(table), dict(table)):
        with pytest.raises((ValueError, TypeError), match="'value'") as caught:
            scs.fit("y ~ value", data, "g", 1)
        assert "\n" not in str(caught.value)
    err = _refusal(table, tmp_path, capsys)
    if not err:  # a decimal comma, or dates and numbers that the reader of CSV files knows
        table = table.assign(value=table["value"].str.replace(",", "."))
        assert pd.to_numeric(table["value"], errors="coerce").notna().all()
    else:
        assert "'value'" in err and "Traceback" not in err


@pytest.mark.parametrize("form", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_kept_where_it_is_said_to_be_categories(form, tmp_path, capsys):
    table = _written(form)
    levels = table["value"].nunique()
    # As many levels as rows, in some forms: a ridge tells them apart.
    assert len(scs.fit("y ~ C(value)", table, "g", 1, ridge_fixed=1.0).coef) == levels
    if "two ways" not in str(form):
        kept = ("--categorical", "value", "--ridge-fixed", "1")
        err = _refusal(table, tmp_path, capsys, *kept)
        assert err == "" or "two ways" in err


@pytest.mark.parametrize("form", KEPT.values(), ids=KEPT)
def test_categories_stay_categories(form):
    table = _written(form)
    model = scs.fit("y ~ value", table, "g", 1)
    assert len(model.coef) == table["value"].nunique()


@pytest.mark.parametrize("form", READ.values(), ids=READ)
def test_thousands_are_read_where_they_can_be_read_in_one_way(form, tmp_path, capsys):
    base, table = _base(), _written(form)
    expected = scs.fit("y ~ value + log(value)", base, "g", 1)
    for data in (table, pl.from_pandas(table), pa.Table.from_pandas(table)):
        with pytest.warns(DesignWarning, match="'value' holds text such as .* read as numbers"):
            model = scs.fit("y ~ value + log(value)", data, "g", 1)
        np.testing.assert_allclose(model.coef, expected.coef, rtol=1e-6)
        assert "thousands" in " ".join(model.summary().split())
    # One new row alone could be read in two ways: what was learned in fitting decides.
    np.testing.assert_allclose(
        model.predict(table.head(3)), expected.predict(base.head(3)), rtol=1e-6
    )
    np.testing.assert_allclose(model.predict(base), expected.predict(base), rtol=1e-6)
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        given = f"fit {tmp_path / name} --outcome y --cluster g --budget 1 --bootstrap 0".split()
        assert main(given) == 0
        captured = capsys.readouterr()
        assert "read as numbers" in captured.err
        shown = scs.estimators.tables.number(scs.fit("y ~ value", base, "g", 1).coef["value"])
        assert shown in captured.out


def test_an_outcome_with_thousands_is_read_and_a_slope_too():
    base = _base().assign(z=np.random.default_rng(1).normal(size=N))
    table = base.assign(z=base["z"], value=[f"{v:,.2f}" for v in base["value"]])
    expected = scs.fit("value ~ z", base, "g", 1)
    with pytest.warns(DesignWarning, match="read as numbers"):
        found = scs.fit("value ~ z", table, "g", 1)
    np.testing.assert_allclose(found.coef, expected.coef)
    expected = scs.fit("y ~ z", base, "g", {"value": 1}, random="1 + value")
    with pytest.warns(DesignWarning, match="read as numbers"):
        found = scs.fit("y ~ z", table, "g", {"value": 1}, random="1 + value")
    np.testing.assert_allclose(found.predict(table), expected.predict(base))


def test_a_new_row_that_is_no_number_is_named():
    table = _written(READ["english"])
    with pytest.warns(DesignWarning):
        model = scs.fit("y ~ value", table, "g", 1)
    with pytest.raises(ValueError, match=r"'value' holds '1\.234,5' in row 1"):
        model.predict({"value": ["1,234.5", "1.234,5"], "g": ["h0", "h0"]})


def test_batches_say_what_a_category_of_many_levels_is(tmp_path):
    table = _written(REFUSED["kilograms"])
    table.to_parquet(tmp_path / "t.parquet")
    options = {"outcome": "y", "cluster": "g", "intercept": True}
    with pytest.warns(DesignWarning, match=r"'value' has 60 levels.*kg"):
        scs.Moments.from_files(tmp_path / "t.parquet", categories=["value"], **options)
    with pytest.raises(TypeError, match=r"'value' holds text.*units and thousands"):
        table.to_csv(tmp_path / "t.csv", index=False)
        scs.Moments.from_files(tmp_path / "t.csv", **options)


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        (["1.5", "2.5", "x"], "numbers but for"),
        (["1.5", "2.5"], "numbers as text"),
        (["$ 3", "$ -4.50", "-$5"], "unit or a sign"),
        (["1\u00bd", "2 1/2", "3"], "unit or a sign"),
        (["3 \u00b0C", "4 \u00b5g/m\u00b3"], "unit or a sign"),
        (["12:30", "1:15 pm"], "dates"),
        (["2021-03-04T10:11:12Z", "2021-03-04 10:11"], "dates"),
        (["Jan 2020", "Feb. 2020"], "dates"),
        (["2020Q1", "2020-Q2"], "dates"),
        ([], ""),
        ([""], ""),
        (["a", "b"], ""),
    ],
)
def test_what_text_holds(levels, words):
    found, _ = what_text_holds(levels)
    assert words in found and bool(found) == bool(words)


# ----------------------------------------------------------------------- outcomes that are no size


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (lambda rng: rng.integers(0, 2, N), "two values, 0 and 1"),
        (lambda rng: rng.integers(0, 2, N).astype(bool), "two values, 0 and 1"),
        (lambda rng: rng.integers(0, 2, N) + 1.0, "two values, 1 and 2"),
        (lambda rng: rng.poisson(3, N), "If they are counts"),
        (lambda rng: rng.poisson(80, N) * (rng.random(N) > 0.3), "If they are counts"),
        (lambda rng: rng.normal(size=N), ""),
        (lambda rng: rng.integers(-3, 4, N), ""),
        (lambda rng: rng.integers(20_000, 90_000, N), ""),
    ],
)
def test_of_an_outcome_that_is_not_gaussian_it_is_said(outcome, words, tmp_path, capsys):
    table = _base().assign(y=outcome(np.random.default_rng(2)))
    model = scs.fit("y ~ value", table, "g", 1)
    said = [text for text in remarks(model) if "Gaussian errors" in text]
    assert len(said) == bool(words)
    assert words in " ".join(said)
    table.to_parquet(tmp_path / "t.parquet")
    given = f"fit {tmp_path / 't.parquet'} --outcome y --cluster g --budget 1 --bootstrap 0".split()
    assert main(given) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert words in out and ("Gaussian errors" in out) == bool(words)


def test_a_function_of_an_outcome_is_looked_at_not_its_column():
    table = _base().assign(y=np.random.default_rng(3).poisson(3, N))
    assert not scs.fit("log(y + 1) ~ value", table, "g", 1).rows.outcome_note


# ------------------------------------------------------------------------ functions of a formula


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("I(value**2)", "I(value**2)"),
        ("sqrt(value)", "np.sqrt(value)"),
        ("log10(value) + exp(-value / 1e5)", "np.log10(value) + np.exp(-value / 1e5)"),
        ("abs(value - 50)", "np.abs(value - 50)"),
        ('Q("a b")', 'Q("a b")'),
        ("poly(value, 3)", "I(value / 1e4) + I((value / 1e4)**2) + I((value / 1e4)**3)"),
        ("center(value) + scale(w)", "value + w"),
        ("bs(w, df=5)", "bs(w, df=5)"),
        ("cr(w, df=4, constraints='center')", "cr(w, df=4, constraints='center')"),
        ("ns(w, df=4)", "cr(w, df=4, constraints='center')"),
        ("cut(w, [-9, 0, 1, 9])", "C(np.digitize(w, [0, 1], right=True))"),
        ("I((w > 0) * (w < 1))", "I(((w > 0) & (w < 1)).astype(float))"),
        ("C(s, Treatment('q'))", "C(s, Treatment('q'))"),
        ("I(s == 'q') + where(w > 0, w, 0)", "I((s == 'q') * 1.0) + np.where(w > 0, w, 0)"),
        ("exp10(w)", "I(10.0**w)"),
        ("(w + s)**2", "(w + s)**2"),
        ("minimum(w, 1) + np.clip(w, 0, 1)", "np.minimum(w, 1) + np.clip(w, 0, 1)"),
    ],
)
def test_functions_are_those_of_other_packages(ours, theirs):
    """Predictions of least squares, which any basis of the same columns gives."""
    rng = np.random.default_rng(4)
    table = _base().assign(w=rng.normal(size=N), s=rng.choice(list("pqr"), N))
    table["a b"] = rng.normal(size=N)
    model = scs.fit(f"y ~ {ours}", table, "g", 0, background="none")
    other = smf.ols(f"y ~ {theirs}", table).fit()
    np.testing.assert_allclose(model.predict(table), other.fittedvalues, rtol=1e-6)
    np.testing.assert_allclose(model.predict(table.iloc[[3, 9]]), other.fittedvalues[[3, 9]])


@pytest.mark.parametrize(
    ("right", "words"),
    [
        ("I(value^2)", "write value**2"),
        ("I((value - 1)^(1 + 1))", "write (value - 1)**(1 + 1)"),
        ("{value^2}", "write value**2"),
        ("value**2", "write I(value**2)"),
        ("value^2", "write I(value**2)"),
        ("I(value & 3)", "(a > 1) * (b > 2)"),
        ("I((value > 1) | (value < 0))", "(a > 1) + (b > 2) > 0"),
        ("I(value << 2)", "x * 2**3"),
        ("I(value >> 2)", "x / 2**3"),
        ("I(~value)", "1 - (a > 1)"),
        ("I(not value)", "1 - (a > 1)"),
        ("lag(value)", "within clusters"),
        ("np.mean(value)", "center(x)"),
        ("factor(value)", "C(x)"),
        ("squareroot(value)", "no function of formulas"),
        ("sqr(value)", "did you mean sqrt()"),
        ("cut(value, 3)", "cut(x, [0, 10, 20])"),
        ("cut(value, [0, 10])", "outside"),
        ("log(g2)", "text or categories"),
        ("I(g2 > 1)", "text is compared with numbers"),
    ],
)
def test_what_does_not_work_says_what_works(right, words):
    table = _base()
    table["g2"] = table["g"]
    with pytest.raises((ValueError, TypeError)) as caught:
        scs.fit(f"y ~ {right}", table, "g", 1)
    assert words in str(caught.value).splitlines()[0]


def test_whole_numbers_do_not_overflow_in_calculations():
    table = _base().assign(big=np.arange(N, dtype=np.int64) * 10**8 + 4 * 10**9)
    model = scs.fit("y ~ I(big**2) + I(big * big * big)", table, "g", 0)
    np.testing.assert_allclose(model.rows.design.X[:, 0], table["big"].astype(float) ** 2)
    np.testing.assert_allclose(model.rows.design.X[:, 1], table["big"].astype(float) ** 3)


def test_a_dot_leaves_out_the_columns_of_a_transformed_outcome():
    model = scs.fit("scale(y) ~ .", _base(), "g", 1)
    assert list(model.coef.index) == ["Intercept", "value"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1_000", 1000),
        ("1e3", 1000),
        ("\u0663", 3),
        ("\uff13", 3),
        ("+5", 5),
        (" 7 ", 7),
        ("5.", 5),
    ],
)
def test_an_outcome_as_text_is_the_number_it_writes(text, value):
    table = _base().assign(y=[text if j == 3 else f"{j}" for j in range(N)])
    assert model_rows("y ~ value", table, "g").design.y[3] == value


@pytest.mark.parametrize(
    "text", ["2020_1", "1__0", "nan", "inf", "-Infinity", "0x1F", "1,5", "True"]
)
def test_an_outcome_that_may_be_no_number_is_refused_by_row(text):
    table = _base().assign(y=[text if j == 3 else f"{j}" for j in range(N)])
    with pytest.raises(ValueError, match=rf"outcome 'y' holds text \({text!r} in row 3\)"):
        scs.fit("y ~ value", table, "g", 1)


DATES = {
    "days": pd.date_range("2019-12-20", periods=N),
    "leap day and years apart": pd.to_datetime(
        ["1900-01-01", "2020-02-29", "2100-12-31"] * (N // 3)
    ),
}
NO_DATES = {
    "a thirtieth of february": [20200201, 20200229, 20200230],
    "a thirteenth month": [20201101, 20201201, 20201301],
    "two different": [20200101, 20200102],
    "before 1900": [18991231, 19000101, 19000102],
    "behind 2100": [21001230, 21001231, 21010101],
    "one is missing its day": [202001, 20200102, 20200103, 20200104],
    "halves": [20200101.5, 20200102, 20200103, 20200104],
    "counts": [20199999, 20200102, 20200103, 20200104],
}


@pytest.mark.parametrize("type_", ["int64", "int32", "float64", "Int64", "int64[pyarrow]"])
@pytest.mark.parametrize("dates", DATES.values(), ids=DATES)
def test_numbers_that_look_like_dates_are_noted(dates, type_):
    numbers = dates.strftime("%Y%m%d").astype("int64").to_series(index=range(N)).astype(type_)
    table = _base().assign(day=numbers)
    for formula in ("y ~ day", "y ~ value + I(day / 365)", "y ~ ."):
        model = scs.fit(formula, table, "g", 1)
        (note,) = model.rows.notes
        assert note.startswith("day: ") and "YYYYMMDD" in note
        assert note in "\n".join(text for _, text in data_notes(model))
    assert scs.fit("y ~ value", table, "g", 1).rows.notes == ()
    if numbers.nunique() == 3:
        assert scs.fit("y ~ C(day)", table, "g", 1).rows.notes == ()


@pytest.mark.parametrize("values", NO_DATES.values(), ids=NO_DATES)
def test_numbers_that_are_no_dates_are_not_noted(values):
    table = _base().assign(day=np.resize(values, N))
    assert scs.fit("y ~ day", table, "g", 1).rows.notes == ()


NUMBERS, CODES = [1.5, 2.5, 4.0], ["1", "2", "3"]


@pytest.mark.parametrize(
    ("fitted", "new", "words"),
    [
        (CODES, [1, 2, 3], "holds numbers, and held categories in fitting: turn it into text"),
        (CODES, [1.0, 2.0, 3.0], "turn it into text"),
        (pd.Categorical(CODES), [0, 1, 2], "turn it into text"),
        (NUMBERS, ["1.5", "2.5", "4"], "held numbers in fitting: turn it into numbers"),
        (NUMBERS, pd.Categorical(NUMBERS), "turn it into numbers"),
        ([True, False, True], ["True", "False", "True"], "turn it into numbers"),
    ],
)
def test_new_rows_of_another_kind_are_refused(fitted, new, words):
    """Numbers in the place of categories would multiply each of their indicators."""
    table = _base().assign(v=np.resize(fitted, N))
    for formula, random in (("y ~ v", None), ("y ~ value", "1 + v")):
        if random and not isinstance(fitted[0], float):
            continue
        model = scs.fit(formula, table, "g", 1, random=random)
        assert np.isfinite(model.predict(table)).all()
        with pytest.raises(TypeError, match=f"new_data: column 'v' .*{words}|column 'v'.*{words}"):
            model.predict(table.head(3).assign(v=new))


def test_whole_numbers_that_floating_point_rounds_are_refused():
    for values in (2**53 + np.arange(N), np.uint64(2**63) + np.arange(N, dtype=np.uint64)):
        table = _base().assign(v=values)
        for formula in ("y ~ v", "y ~ value + I(v / 2)", "v ~ value"):
            with pytest.raises(
                ValueError, match=f"'v' holds the whole number {values[1]} in row 1"
            ):
                scs.fit(formula, table, "g", 1)
    exact = _base().assign(v=(2**53 + 2 * np.arange(N)))
    assert model_rows("y ~ v", exact, "g").design.X[1, 0] == 2**53 + 2
    few = _base().assign(v=2**53 + np.arange(N) % 3)
    assert len(scs.fit("y ~ C(v)", few, "g", 1).coef) == 3


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (pd.Series(np.resize(np.array([True, 0, 2], dtype=object), N)), "booleans and numbers"),
        (pd.Series(np.resize(np.array([1, "1"], dtype=object), N)), "text and numbers"),
        (pd.Categorical([1, "1"] * (N // 2)), "text and numbers"),
        (1j * np.arange(N), "complex"),
    ],
)
def test_columns_of_two_kinds_are_refused(values, what):
    with pytest.raises(TypeError, match=f"column 'v' .*{what}"):
        scs.fit("y ~ v", _base().assign(v=values), "g", 1)


def test_text_of_any_class_is_text():
    values = np.array([np.str_("a"), "b"] * (N // 2), dtype=object)
    assert len(scs.fit("y ~ v", _base().assign(v=pd.Series(values)), "g", 1).coef) == 2
