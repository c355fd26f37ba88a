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
from scs.data.written import what_text_holds
from scs.estimators.summary import remarks

N = 60


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
    "too many": lambda j, v: f"ward {chr(97 + j % 26)}{chr(97 + j % 3)}",
    "half as many as rows": lambda j, v: f"ward {chr(97 + j % 31)}",
}
KEPT = {
    "ages": lambda j, v: ("<18", "18-64", "65+")[j % 3],
    "below and above": lambda j, v: ("<65", ">=65")[j % 2],
    "classes": lambda j, v: ("5a", "5b", "6a")[j % 3],
    "ordinals": lambda j, v: ("1st", "2nd", "3rd")[j % 3],
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
        shown = scs.estimators.summary.number(scs.fit("y ~ value", base, "g", 1).coef["value"])
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
    model = scs.fit(f"y ~ {ours}", table, "g", 0, ridge_fixed=0.0)
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
        ("offset(value)", "I(y - x) ~"),
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
