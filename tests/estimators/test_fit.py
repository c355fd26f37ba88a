"""`scs.fit` and the command `scs fit`: right answers on every kind of table, or a clear error."""

import gzip
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import patsy
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

import scs
from scs.book.charts.funnel import funnel_chart
from scs.cli import main
from scs.estimators.tables import share
from scs.paper.hospitals import funnel_scores, review_lists, simulate_hospitals
from scs.solvers import budget_grid

README = Path(__file__).resolve().parents[2] / "README.md"


def hospitals(seed: int = 0, n_clusters: int = 12) -> pd.DataFrame:
    """Patients in hospitals, of which H03 and H07 differ by far."""
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(n_clusters), rng.integers(8, 20, n_clusters))
    n = len(code)
    age = rng.normal(60, 10, n)
    severity = rng.gamma(2.0, 1.0, n)
    sex = rng.choice(["F", "M"], n)
    ward = rng.choice(["elective", "emergency", "transfer"], n)
    effect = np.zeros(n_clusters)
    effect[[3, 7]] = 4.0, -5.0
    days = 2 + 0.05 * age + severity + 0.5 * (sex == "M") + effect[code] + rng.normal(0, 0.7, n)
    return pd.DataFrame(
        {
            "days": days,
            "age": age,
            "severity": severity,
            "sex": sex,
            "ward": ward,
            "hospital": [f"H{k:02d}" for k in code],
        }
    )


@pytest.fixture
def table() -> pd.DataFrame:
    return hospitals()


# ------------------------------------------------------------------------- formulas and numbers


@pytest.mark.parametrize(
    "right",
    [
        "age + severity + sex",
        "sex * severity + C(ward)",
        "np.log(severity) + age:severity",
        "bs(age, df=4) + ward",
        "age - 1",
        "1",
    ],
)
def test_budget_0_without_ridge_is_ordinary_least_squares(table, right):
    ours = scs.fit(f"days ~ {right}", table, "hospital", 0, background="none")
    theirs = smf.ols(f"days ~ {right}", table).fit()
    if "bs(" not in right:  # patsy numbers the splines from 0, formulaic from 1
        order = list(ours.coef.index)
        np.testing.assert_allclose(ours.coef, theirs.params[order], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(ours.predict(table), theirs.predict(table), rtol=1e-8)
    assert ours.var_e == pytest.approx(theirs.scale)


def test_design_is_patsys(table):
    model = scs.fit("days ~ age * sex + ward", table, "hospital", 0)
    theirs = patsy.dmatrix("age * sex + ward", table, return_type="dataframe")
    assert set(model.coef.index) == set(theirs.columns)
    ours = pd.DataFrame(model.rows.design.X, columns=model.rows.design.names)
    np.testing.assert_array_equal(ours, theirs[list(ours.columns)])


def test_same_selection_as_the_solver_on_arrays(table):
    model = scs.fit("days ~ age + severity", table, "hospital", 2, ridge=0.5, background="none")
    moments = scs.Moments.from_arrays(
        table[["age", "severity"]], table["days"], table["hospital"], intercept=True
    )
    direct = scs.solve(moments, 2, ridge=0.5, ridge_fixed=0, gap=1e-6)
    assert list(model.selected) == list(direct.selected) == ["H03", "H07"]
    np.testing.assert_allclose(model.effects, direct.gamma, rtol=1e-9)
    np.testing.assert_allclose(model.coef, direct.beta, rtol=1e-9)
    assert model.solution.status == "optimal"


def test_mixed_model_beside_is_statsmodels(table):
    model = scs.fit("days ~ age + sex", table, "hospital", 2)
    theirs = smf.mixedlm("days ~ age + sex", table, groups=table["hospital"]).fit()
    assert model.lmm.var_e == pytest.approx(theirs.scale, rel=1e-3)
    assert model.lmm.var_u == pytest.approx(theirs.cov_re.iloc[0, 0], rel=1e-2)
    names = list(model.coef.index)
    np.testing.assert_allclose(model.lmm.beta, theirs.fe_params[names], rtol=1e-3)


def test_auto_names_the_two_that_differ(table):
    model = scs.fit("days ~ age + severity + sex", table, "hospital")
    assert list(model.selected) == ["H03", "H07"] and model.fdr == 0.1
    assert (model.pvalues[["H03", "H07"]] <= 0.1 * 2 / 12).all() and model.solution.gap <= 1e-6
    assert "2 of 12 clusters (hospital) are named" in " ".join(model.summary().split())


def test_predict_finds_the_two_that_differ_and_keeps_the_errors(table):
    model = scs.fit("days ~ age + severity + sex", table, "hospital", "predict")
    assert set(model.selected) >= {"H03", "H07"}
    chosen = model.tuning.mse[model.tuning.budgets.index(model.budget)]
    assert chosen == model.tuning.mse.min()
    assert "5 folds" in model.chosen_by


def test_validation_rows_choose_the_budget_and_join_the_fit(table):
    training, held_out = table[::2], table[1::2]
    model = scs.fit("days ~ age + sex", training, "hospital", validation=held_out)
    assert model.moments.n_rows == len(table)
    direct = scs.fit("days ~ age + sex", table, "hospital", model.budget)
    np.testing.assert_allclose(model.coef, direct.coef, rtol=1e-6)
    folds = [
        scs.fit("days ~ age + sex", training, "hospital", b).predict(held_out) for b in (0, 2, 12)
    ]
    errors = [np.mean((p - held_out["days"]) ** 2) for p in folds]
    kept = dict(zip(model.tuning.budgets, model.tuning.mse, strict=True))
    np.testing.assert_allclose([kept[b] for b in (0, 2, 12)], errors, rtol=1e-3)


@pytest.mark.parametrize("n_clusters", [1, 2, 9, 10, 300, 12_345])
def test_budgets_tried_run_from_none_to_all_in_steps_of_a_quarter(n_clusters):
    grid = budget_grid(n_clusters)
    assert grid[0] == 0
    assert grid[-1] == n_clusters
    assert len(set(grid)) == len(grid)
    assert all(b <= 1.35 * a for a, b in itertools.pairwise(grid) if a >= 4)


@pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas, dict])
def test_any_data_frame_gives_the_same(table, convert):
    expected = scs.fit("days ~ age + ward", table, "hospital", 2)
    found = scs.fit("days ~ age + ward", convert(table), "hospital", 2)
    np.testing.assert_allclose(found.coef, expected.coef, rtol=1e-10)
    np.testing.assert_allclose(found.predict(convert(table)), expected.predict(table))


def test_dot_is_every_other_column(table):
    short = scs.fit("days ~ .", table, "hospital", 1)
    assert set(short.coef.index) == {
        "Intercept", "age", "severity", "sex[T.M]", "ward[T.emergency]", "ward[T.transfer]"
    }  # fmt: skip


def test_first_level_is_the_reference_and_the_summary_says_so(table):
    model = scs.fit("days ~ ward + sex", table, "hospital", 1)
    assert [(c.factor, c.reference) for c in model.rows.codings] == [
        ("ward", "elective"),
        ("sex", "F"),
    ]
    assert "reference elective" in model.summary()
    ordered = table.assign(sex=pd.Categorical(table["sex"], ["M", "F"]))
    again = scs.fit("days ~ ward + sex", ordered, "hospital", 1)
    assert again.rows.codings[1].reference == "M"


# ---------------------------------------------------------------------------------- prediction


def test_prediction_keeps_what_the_transformations_learned(table):
    model = scs.fit("days ~ center(age) + bs(severity, df=4) + sex", table, "hospital", 2)
    some = table.iloc[[5, 40]]
    np.testing.assert_allclose(model.predict(some), model.predict(table)[[5, 40]])


def test_known_clusters_get_their_effect_and_others_the_trees(table):
    model = scs.fit("days ~ age + severity", table, "hospital", 2)
    row = table.head(1).assign(hospital="H03")
    line = model.predict(row) - model.effects["H03"] - model.background_effects["H03"]
    shares = model.tree.predict_proba(row[["age", "severity"]].to_numpy())[0]
    expected = line + shares @ model.effects.to_numpy()
    for other in (
        row.assign(hospital="new"),
        row.assign(hospital=None),
        row.drop(columns="hospital"),
    ):
        np.testing.assert_allclose(model.predict(other), expected)


def test_prediction_without_covariates(table):
    model = scs.fit("days ~ 1", table, "hospital", 2, bootstrap=3)
    sizes = table["hospital"].value_counts().sort_index()
    average = (model.effects * sizes).sum() / sizes.sum()
    new = pd.DataFrame({"hospital": ["H03", "elsewhere"]})
    expected = model.coef["Intercept"] + np.array([model.effects["H03"], average])
    np.testing.assert_allclose(model.predict(new), expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sex": "X"}, ["categories", "'X'", "sex has F, M"]),
        ({"age": np.nan}, ["new_data", "missing", "'age'"]),
    ],
)
def test_rows_that_cannot_be_predicted_are_refused(table, change, words):
    model = scs.fit("days ~ age + sex", table, "hospital", 1)
    with pytest.raises(ValueError) as caught:
        model.predict(table.head(2).assign(**change))
    first = str(caught.value).splitlines()[0]
    assert all(word in first for word in words), first


def test_a_column_that_prediction_misses_is_named(table):
    model = scs.fit("days ~ age + sex", table, "hospital", 1)
    with pytest.raises(ValueError, match=r"new_data: no column named 'age'.*did you mean 'Age'"):
        model.predict(table.rename(columns={"age": "Age"}))


# --------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("days ~ agee", ["no column named 'agee'", "did you mean 'age'"]),
        ("days ~ np.log(Severity)", ["no column named 'Severity'", "did you mean 'severity'"]),
        ("days ~ bs(agee, df=3)", ["no column named 'agee'"]),
        ("age + sex", ["no outcome"]),
        ("days ~ age +", ["cannot be read"]),
        ("days + age ~ sex", ["2 outcomes"]),
        ("days ~ age + (1 | hospital)", ["groups="]),
        ("days ~ age + hospital", ["cluster column 'hospital'"]),
        ("sex ~ age", ["outcome 'sex'", "text", "0 and 1"]),
        ("ward ~ age", ["outcome 'ward'", "text"]),
        ("days ~ 0", ["neither covariates nor an intercept"]),
        ("days ~ np.log(age - 60)", ["missing value"]),
        ("days ~ age + days", ["outcome 'days'", "among the covariates"]),
        ("C(age) ~ sex", ["outcome 'C(age)'", "columns"]),
        ("days ~ np.array([1, 2])", ["cannot be evaluated", "compute the column"]),
        ("days ~ np.where(age > 60, 'old', 'young')", ["cannot be evaluated"]),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_a_wrong_formula_is_refused_in_one_line(table, formula, words):
    with pytest.raises(ValueError) as caught:
        scs.fit(formula, table, "hospital", 1)
    first = str(caught.value).splitlines()[0]
    assert all(word in first for word in words), first


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"groups": "Hospitals"}, ["groups", "did you mean 'hospital'"]),
        ({"budget": "three"}, ["budget", "'three'"]),
        ({"budget": -1}, ["budget", "negative"]),
        ({"missing": "ignore"}, ["missing", "refuse"]),
        ({"bootstrap": -3}, ["bootstrap"]),
        ({"random": "1 + agee"}, ["random", "did you mean 'age'"]),
        ({"seed": -1}, ["seed"]),
        ({"ridge": 0.0}, ["ridge"]),
        ({"time_limit": -5, "budget": "auto"}, ["time_limit", "-5"]),
        ({"budget": [1, 2]}, ["budget", "random='1 + x'"]),
        ({"budget": "auto", "validation": 3}, ["validation", "data frame"]),
        ({"budget": "auto", "validation": {"days": [1.0]}}, ["validation", "'hospital'"]),
        ({"time_limit": "5"}, ["time_limit", "'5'"]),
    ],
)
def test_a_wrong_argument_is_named(table, arguments, words):
    given = {"groups": "hospital", "budget": 1} | arguments
    with pytest.raises((ValueError, TypeError)) as caught:
        scs.fit("days ~ age", table, **given)
    first = str(caught.value).splitlines()[0]
    assert all(word in first for word in words), first


def test_missing_values_are_refused_with_counts_or_dropped(table):
    table.loc[[0, 1, 2], "age"] = np.nan
    table.loc[[2, 3], "hospital"] = None
    with pytest.raises(ValueError, match=r"3 in 'age', 2 in 'hospital'; 4 of \d+ rows"):
        scs.fit("days ~ age", table, "hospital", 1)
    model = scs.fit("days ~ age", table, "hospital", 1, missing="drop")
    direct = scs.fit("days ~ age", table.iloc[4:], "hospital", 1)
    np.testing.assert_allclose(model.coef, direct.coef)
    assert model.rows.n_dropped == 4
    assert "4 dropped" in model.summary()


def test_missing_values_in_a_column_that_is_not_used_do_not_matter(table):
    whole = scs.fit("days ~ age", table, "hospital", 1)
    table["ward"] = None
    np.testing.assert_allclose(scs.fit("days ~ age", table, "hospital", 1).coef, whole.coef)


def test_an_identifier_is_refused_unless_it_is_meant(table):
    table["patient"] = [f"p{i}" for i in range(len(table))]
    with pytest.raises(ValueError, match=r"'patient' holds \d+ different texts.*leave it out"):
        scs.fit("days ~ age + patient", table, "hospital", 1)
    meant = "days ~ age + C(patient)"
    with pytest.raises(ValueError, match=rf"{len(table)} independent.*ridge_fixed above 0"):
        scs.fit(meant, table, "hospital", 1)
    assert len(scs.fit(meant, table, "hospital", 1, ridge_fixed=1).coef) == len(table) + 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"days": [1, 2], "age": [1], "hospital": [1, 2]}, ["data is no table", "one length"]),
        (pl.LazyFrame({"days": [1.0]}), ["LazyFrame", "collect()"]),
        (pd.DataFrame([[1.0, 2, 3, 4]], columns=["days", "age", "age", "hospital"]), ["'age'"]),
    ],
)
def test_what_is_no_table_is_refused(data, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        scs.fit("days ~ age", data, "hospital", 1)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (lambda t: t["days"] + 1j, ["'days' holds complex numbers"]),
        (lambda t: pd.to_timedelta(t["days"], unit="D"), ["'days' holds dates or times"]),
    ],
)
def test_outcomes_that_are_no_real_numbers_are_refused(table, values, words):
    with pytest.raises(TypeError, match=words[0]):
        scs.fit("days ~ age", table.assign(days=values(table)), "hospital", 1)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda age: f"{age:.0f}%", "numbers with a unit"),
        (lambda age: f"€ {age:.2f}", "numbers with a unit"),
        (lambda age: f"{age:.3f}", "numbers as text"),
    ],
)
def test_numbers_in_text_are_no_categories(table, write, words):
    text = table.assign(age=table["age"].map(write))
    with pytest.raises(ValueError, match=f"'age' holds {words}.*C\\(age\\)"):
        scs.fit("days ~ age", text, "hospital", 1)
    codes = table.assign(age=np.where(table["age"] > 60, "01", "02"))  # these may be codes
    assert "age[T.02]" in scs.fit("days ~ age", codes, "hospital", 1).coef.index


def test_prediction_names_its_argument(table):
    model = scs.fit("days ~ age", table, "hospital", 1)
    for data, words in (
        (table.head(0), "new_data has no rows"),
        (table.assign(age="a"), "new_data: column 'age'"),
        (np.ones(3), "new_data must be a data frame"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            model.predict(data)


def test_a_column_that_resamples_lose_has_an_interval_from_the_others(table):
    """A covariate of one cluster alone is constant where that cluster is not drawn."""
    alone = table.assign(h03=(table["hospital"] == "H03").astype(float))
    model = scs.fit("days ~ age + h03", alone, "hospital", 1, bootstrap=40)
    lost = np.isnan(model.boot_clusters.beta[:, 2])
    assert 0 < lost.sum() < 40
    shown = scs.estimators.summary.fixed_effects(model)
    expected = np.quantile(model.boot_clusters.beta[~lost, 2], [0.025, 0.975])
    np.testing.assert_allclose(shown.loc["h03", ["low", "high"]].astype(float), expected)


def test_dates_are_refused(table):
    table["admitted"] = pd.Timestamp("2024-01-01")
    with pytest.raises(TypeError, match="'admitted' holds dates"):
        scs.fit("days ~ admitted", table, "hospital", 1)


# ------------------------------------------------------------------------------------ summary


def test_summary_holds_the_certificate_the_names_and_the_mixed_model(table):
    model = scs.fit("days ~ age + sex", table, "hospital", 2, bootstrap=20)
    text = model.summary()
    for word in ("days ~ age + sex", "proved", "gap", "H03", "H07", "ICC", "BLUP", "low", "high"):
        assert word in text, word
    assert max(map(len, text.splitlines())) <= 100
    assert str(model) == text


def test_what_is_printed_of_names_is_the_models(table):
    model = scs.fit("days ~ age + sex", table, "hospital", 2, bootstrap=20, seed=4)
    direct = scs.inference.bootstrap.bootstrap(
        table.assign(male=(table["sex"] == "M").astype(float))[["age", "male"]],
        table["days"], table["hospital"], 2, background=model.theta, ridge=model.ridge,
        resample="rows", reps=20, seed=4, intercept=True, ridge_fixed=0,
    )  # fmt: skip
    found = scs.estimators.summary.selected_clusters(model)
    chosen = direct.effects().loc[found.index, "frequency"]
    np.testing.assert_allclose(found["chosen"], chosen)
    whole = (model.effects + model.background_effects)[found.index]
    np.testing.assert_allclose(found["effect"], whole)
    low, high = model.intervals.loc[found.index].to_numpy().T
    assert (low <= whole).all() and (whole <= high).all()
    np.testing.assert_array_equal(found[["low", "high"]].to_numpy().T, [low, high])
    np.testing.assert_array_equal(found["p"], model.pvalues[found.index])


def test_coefficients_have_the_errors_of_generalised_least_squares(table):
    """Dense: (X'V^-1 X)^-1 with the named clusters' indicators among the columns."""
    model = scs.fit("days ~ age + sex", table, "hospital")
    named = pd.get_dummies(table["hospital"])[list(model.selected)].to_numpy(float)
    X = np.column_stack([np.ones(len(table)), model.rows.design.X, named])
    same = (table["hospital"].to_numpy()[:, None] == table["hospital"].to_numpy()).astype(float)
    V = model.selection.inference.var_e * (np.eye(len(table)) + model.theta * same)
    covariance = np.linalg.inv(X.T @ np.linalg.solve(V, X))
    expected = pd.Series(np.sqrt(np.diag(covariance))[:3], ["Intercept", *model.rows.design.names])
    np.testing.assert_allclose(model.std_errors, expected[model.std_errors.index], rtol=1e-6)


def test_nobody_can_be_named_is_said_first():
    rng = np.random.default_rng(4)
    code = np.repeat(np.arange(30), 20)
    y = 0.3 * rng.normal(size=30)[code] + rng.normal(size=600)
    model = scs.fit("y ~ 1", pd.DataFrame({"y": y, "g": code}), "g")
    assert not len(model.selected) and model.theta > 0
    assert model.summary().splitlines()[2].startswith("Nobody can be named: none of 30 clusters")
    assert model.intervals.empty and model.qvalues.min() > 0.1
    np.testing.assert_allclose(model.effects, 0)
    expected = model.coef["Intercept"] + model.background_effects.to_numpy()[code]
    np.testing.assert_allclose(model.predict(pd.DataFrame({"g": code})), expected)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"fdr": 0}, "fdr must lie between 0 and 1"),
        ({"fdr": "10%"}, "fdr must be a number"),
        ({"background": "some"}, "background must be 'auto', 'none' or a number"),
        ({"background": -1}, "background must be a number theta between"),
        ({"budget": "all"}, "budget must be a whole number, 'fdr', 'predict' or 'auto'"),
    ],
)
def test_error_rates_and_backgrounds_are_checked(table, arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        scs.fit("days ~ age", table, "hospital", **arguments)


def test_rows_that_tell_no_errors_say_what_to_do():
    single = pd.DataFrame({"y": [1.0, 2.0, 9.0, 3.0], "g": list("abcd")})
    with pytest.raises(
        ValueError, match=r"budget='fdr' \(the default\) needs the errors' variance"
    ):
        scs.fit("y ~ 1", single, "g")
    model = scs.fit("y ~ 1", single, "g", 1)
    assert list(model.selected) == ["c"] and model.theta == 0
    assert "No background" in model.summary() and model.intervals.isna().all(axis=None)


def test_without_a_mixed_model_the_summary_says_why():
    rng = np.random.default_rng(1)
    single = pd.DataFrame({"y": rng.normal(size=9), "x": rng.normal(size=9), "g": range(9)})
    model = scs.fit("y ~ x", single, "g", 1)
    assert model.lmm is None
    assert "No Gaussian LMM beside" in model.summary()


def test_html_escapes_what_the_user_named(table):
    bad = table.rename(columns={"age": "<script>alert(1)</script>"})
    bad["hospital"] = bad["hospital"] + "<b>"
    model = scs.fit("days ~ `<script>alert(1)</script>`", bad, "hospital", 2)
    html = model._repr_html_()
    assert "<script>" not in html
    assert "<b>" not in html
    assert "H03&lt;b&gt;" in html


# ------------------------------------------------------------------------------- the command


@pytest.fixture
def run(tmp_path, capsys):
    """Write a table, run `scs fit` on it, and return exit code, output and errors."""

    def run(content, *arguments, name="table.csv", encoding="utf-8"):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, encoding=encoding)
        else:
            content.to_parquet(path)
        code = main(["fit", str(path), "--bootstrap", "0", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


COLUMNS = ("--outcome", "days", "--cluster", "hospital")
TWO = (*COLUMNS, "--budget", "2")


def _numbers(out: str) -> str:
    """Return the certificate, without the line that names the file."""
    return out[out.index("Certificate") :]


@pytest.fixture
def expected(run, table):
    code, out, _ = run(table, *TWO, name="table.parquet")
    assert code == 0
    assert "H03" in out
    assert "H07" in out
    return _numbers(out)


@pytest.mark.parametrize(
    ("form", "encoding", "said"),
    [
        ({}, "utf-8", "UTF-8, comma"),
        ({}, "utf-8-sig", "UTF-8, comma"),
        ({"sep": ";"}, "utf-8", "semicolon"),
        ({"sep": ";", "decimal": ","}, "utf-8", "semicolon"),
        ({"sep": "\t"}, "utf-8", "tab"),
        ({"sep": "\t", "decimal": ","}, "utf-16", "utf-16, tab"),
        ({"sep": ",", "decimal": ","}, "utf-8", "comma"),  # pandas quotes such numbers
        ({"sep": ";", "decimal": ",", "lineterminator": "\r\n"}, "latin-1", "Latin-1"),
    ],
)
def test_every_kind_of_csv_gives_what_parquet_gives(run, table, expected, form, encoding, said):
    table["hospital"] = table["hospital"] + "_Köln"
    text = table.to_csv(index=False, **form)
    code, out, err = run(text.encode(encoding), *TWO)
    assert (code, err) == (0, "")
    assert said in out
    found = _numbers(out).replace("_Köln", "")
    assert found.split() == expected.split()


def test_what_is_found_can_be_overruled(run, table, expected):
    text = table.to_csv(index=False, sep=";", decimal=",")
    options = ("--delimiter", ";", "--decimal", ",", "--encoding", "utf-8")
    code, out, _ = run(text, *TWO, *options)
    assert code == 0
    assert _numbers(out) == expected
    code, _, err = run(text, *TWO, "--decimal", ".")
    assert code == 2
    assert "outcome 'days' holds text" in err


def test_a_compressed_csv_is_read(run, table, expected):
    content = gzip.compress(table.to_csv(index=False).encode())
    code, out, _ = run(content, *TWO, name="table.csv.gz")
    assert code == 0
    assert _numbers(out) == expected


def test_column_names_with_spaces_and_signs(run, table):
    names = {"days": "length of stay (days)", "age": "age, years", "severity": "C", "sex": "näme"}
    text = table.rename(columns=names).to_csv(index=False)
    code, out, _ = run(
        text, "--outcome", "length of stay (days)", "--cluster", "hospital", "--budget", "2"
    )
    assert code == 0
    for word in ("age, years", "näme[T.M]", "H03", "H07"):
        assert word in out


def test_labels_that_look_like_numbers(run, table):
    zeros = table.assign(hospital=table["hospital"].str[1:])
    assert "\n  03 " in run(zeros.to_csv(index=False), *TWO)[1]  # as written, not 3
    codes = table.assign(hospital=table["hospital"].str[1:].astype(int) + 7)
    out = run(codes.to_csv(index=False), *TWO)[1]
    assert "\n  10 " in out
    assert "\n  14 " in out


def test_missing_cluster_labels_are_refused_or_dropped(run, table, expected):
    gaps = pd.concat([table, table.head(3).assign(hospital=None)])
    code, _, err = run(gaps.to_csv(index=False), *TWO)
    assert code == 2
    assert "3 in 'hospital'" in err.splitlines()[0]
    assert "--missing drop" in err
    code, out, _ = run(gaps.to_csv(index=False), *TWO, "--missing", "drop")
    assert code == 0
    assert "3 dropped" in out
    assert _numbers(out) == expected


def test_numbers_that_are_categories(run, table):
    table["ward"] = table["ward"].map({"elective": 2, "emergency": 3, "transfer": 1})
    named = table.rename(columns={"ward": "class"}).to_csv(index=False)
    assert "class[T.10]" in run(named.replace(",3,H", ",10,H"), *TWO, "--categorical", "class")[1]
    text = table.to_csv(index=False)
    out = run(text, *TWO, "--categorical", "ward")[1]
    assert "ward: 1, 2, 3 (reference 1)" in " ".join(out.split())
    assert "ward[T." not in run(text, *TWO)[1]


def test_covariates_and_formula_say_what_is_used(run, table):
    text = table.to_csv(index=False)
    some = run(text, *TWO, "--covariates", "age", "sex")[1]
    formula = run(text, "--formula", "days ~ age + sex", "--cluster", "hospital", "--budget", "2")[
        1
    ]
    assert _numbers(some) == _numbers(formula)
    assert "days ~ 1" in run(text, *TWO, "--covariates")[1]
    assert "days ~ age + severity + sex\n" in run(text, *TWO, "--exclude", "ward")[1]


def test_the_first_rows_need_not_show_a_columns_type(run, table):
    """pyarrow settles types on the first block: what follows may be wider, and may be wrong."""
    long = pd.concat([table.assign(age=40)] * 400, ignore_index=True)
    wide = pd.concat([long, table], ignore_index=True)
    assert len(wide.to_csv(index=False)) > 2 << 20
    code, out, _ = run(wide.to_csv(index=False), *TWO)
    assert code == 0
    assert f"{len(wide):,}" in out
    late = wide.astype({"age": object})
    late.loc[len(late) - 1, "age"] = "unknown"
    code, _, err = run(late.to_csv(index=False), *TWO)
    assert code == 2
    assert f"'age' holds numbers but for 'unknown' in row {len(late)}" in err


HEAD = "days,age,hospital\n"
GOOD = HEAD + "1,2,a\n2,3,b\n"


@pytest.mark.parametrize(
    ("content", "arguments", "words"),
    [
        (GOOD, ("--outcome", "Days", "--cluster", "hospital"), ["did you mean 'days'"]),
        (GOOD, ("--outcome", "days", "--cluster", "hopsital"), ["--cluster", "'hospital'"]),
        (GOOD, ("--cluster", "hospital"), ["--outcome is missing"]),
        (GOOD, (*COLUMNS, "--covariates", "agee"), ["--covariates", "'age'"]),
        (GOOD, (*COLUMNS, "--covariates", "days"), ["name it once"]),
        (GOOD, (*COLUMNS, "--budget", "few"), ["--budget", "'few'"]),
        (GOOD, (*COLUMNS, "--report", "nowhere/out.html"), ["--report", "no folder"]),
        (GOOD, (*COLUMNS, "--delimiter", ";;"), ["delimiter"]),
        (GOOD, (*COLUMNS, "--encoding", "klingon"), ["encoding", "klingon"]),
        (GOOD, ("--outcome", "days", "--cluster", "days"), ["same column"]),
        (HEAD + "long,2,a\nshort,3,b\n", COLUMNS, ["outcome 'days'", "text", "'long'"]),
        (HEAD + "1,2,a\n2,3,b,7\n", COLUMNS, ["3 columns", "has 4"]),
        (HEAD, COLUMNS, ["no rows"]),
        ("", COLUMNS, ["empty"]),
        ("days\n1\n", COLUMNS, ["single column", "--delimiter"]),
        ("days,days,hospital\n1,2,a\n", COLUMNS, ["two columns named 'days'"]),
        ("days;hospital\n1,234;a\n2,345;b\n", COLUMNS, ["'days'", "two ways", "--decimal"]),
        (b"PK\x03\x04....", COLUMNS, ["Excel", "save it as CSV"]),
        (b"PAR1....", COLUMNS, ["Parquet"]),
    ],
)  # fmt: skip
def test_a_clear_error_and_exit_code_2(run, content, arguments, words):
    code, _, err = run(content, *arguments)
    first = err.splitlines()[0]
    assert code == 2
    assert first.startswith("scs: ")
    assert "Traceback" not in err
    assert all(word in first for word in words), first


def test_a_file_that_is_not_there(capsys, tmp_path):
    assert main(["fit", str(tmp_path / "no.csv"), *COLUMNS]) == 2
    assert "no file" in capsys.readouterr().err


def test_two_million_rows_of_parquet(run):
    """Right answer from many rows; a small file, for values repeat."""
    rng = np.random.default_rng(0)
    n, n_clusters = 2_000_000, 200
    code = rng.integers(0, n_clusters, n).astype(np.int32)
    x = rng.integers(0, 50, n).astype(np.float32)
    effect = np.zeros(n_clusters)
    effect[[17, 120]] = 2.0, -2.0
    y = 1 + 0.1 * x + effect[code] + rng.integers(-3, 4, n)
    big = pd.DataFrame({"y": y, "x": x, "g": code})
    code, out, _ = run(big, "--outcome", "y", "--cluster", "g", "--budget", "2", name="big.parquet")
    assert code == 0
    assert "2,000,000" in out
    assert "\n  17 " in out
    assert "\n  120 " in out
    assert "2 in every best selection" in out


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.21e-7, "at most 4e-7"),
        (1e-6, "at most 1e-6"),
        (9.5e-4, "at most 1e-3"),
        (2e-13, "below 1e-9"),
        (0.0, "below 1e-9"),
        (np.inf, "not known"),
    ],
)
def test_a_gap_is_said_as_what_it_is_at_most(value, text):
    assert share(value) == text


# ------------------------------------------------------------------- what the chapter rests on


def test_simulated_hospitals_follow_their_law():
    patients, truth = simulate_hospitals(np.random.default_rng(0), n_hospitals=60, n_differ=5)
    assert (truth != 0).sum() == 5
    assert truth[truth != 0].abs().between(1.2, 3.0).all()
    assert patients["hospital"].value_counts().between(15, 400).all()
    fitted = smf.ols("days ~ age + severity + sex + admission + hospital", patients).fit()
    true = {
        "age": 0.04,
        "severity": 1.2,
        "sex[T.M]": 0.4,
        "admission[T.emergency]": 1.0,
        "admission[T.transfer]": 1.8,
    }
    for name, value in true.items():
        assert abs(fitted.params[name] - value) < 4 * fitted.bse[name], name
    assert fitted.scale == pytest.approx(4.5**2, rel=0.1)


def test_funnel_scores_are_those_of_the_residuals(table):
    fitted = smf.ols("days ~ age + severity", table).fit()
    by = fitted.resid.groupby(table["hospital"])
    expected = by.mean() / np.sqrt(fitted.scale / by.size())
    moments = scs.fit("days ~ age + severity", table, "hospital", 0).moments
    found = funnel_scores(moments)
    np.testing.assert_allclose(found["z"], expected, rtol=1e-8)
    np.testing.assert_allclose(found["deviation"], by.mean(), rtol=1e-8, atol=1e-12)


def test_funnel_chart_draws_limits_that_narrow_with_the_rows(table):
    scores = funnel_scores(scs.fit("days ~ age", table, "hospital", 0).moments)
    chart = funnel_chart(scores.assign(kind="x"), limits=(2.0,), unit="days", description="d")
    lines = chart.layer[0].data
    upper = lines[lines["limit"] > 0].sort_values("rows")
    errors = scores["deviation"] / scores["z"] * np.sqrt(scores["rows"])
    np.testing.assert_allclose(errors, errors.iloc[0])
    np.testing.assert_allclose(upper["limit"] * np.sqrt(upper["rows"]), 2 * errors.iloc[0])


def test_whole_labels_stay_whole_beside_missing_ones(run, table):
    gaps = table.assign(hospital=table["hospital"].str[1:].astype(float))
    gaps.loc[0, "hospital"] = np.nan
    out = run(gaps, *TWO, "--missing", "drop", name="gaps.parquet")[1]
    assert "\n  3 " in out
    text = gaps.assign(hospital=gaps["hospital"].astype("Int64")).to_csv(index=False)
    assert "\n  3 " in run(text, *TWO, "--missing", "drop")[1]


def test_a_column_of_dates_in_a_file_is_refused(run, table):
    dates = table.assign(admitted="2024-02-29").to_csv(index=False)
    code, _, err = run(dates, *TWO)
    assert code == 2
    assert "'admitted' holds dates" in err.splitlines()[0]
    assert run(dates, *TWO, "--exclude", "admitted")[0] == 0


def test_row_numbers_are_pointed_out(run, table):
    code, _, err = run(table.reset_index(names="patient no").to_csv(), *TWO)
    assert code == 0
    assert "the column without a name is left out" in err
    assert "--exclude 'patient no'" in err


def test_categories_and_booleans_of_parquet(run, table, expected):
    typed = table.assign(
        hospital=table["hospital"].astype("category"),
        sex=table["sex"].astype("category"),
        ward=table["ward"].astype("category"),
    )
    assert _numbers(run(typed, *TWO, name="typed.parquet")[1]) == expected
    typed["sex"] = table["sex"] == "M"
    out = run(typed, *TWO, name="typed.parquet")[1]
    assert _numbers(out).replace(" ", "") == expected.replace("sex[T.M]", "sex").replace(" ", "")


def test_a_stopped_run_says_so(run, table, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("scs.estimators.selection.solve", stop)
    code, _, err = run(table, *TWO, name="table.parquet")
    assert code == 2
    assert "stopped: nothing was written" in err


def test_a_budget_of_all_is_remarked_on():
    rng = np.random.default_rng(0)
    code = np.repeat(np.arange(6), 30)
    all_differ = pd.DataFrame({"y": 5.0 * code + rng.normal(size=180), "g": code})
    model = scs.fit("y ~ 1", all_differ, "g", "predict", background="none")
    assert model.budget == 6
    assert "No small number of clusters stands out" in " ".join(model.summary().split())


def test_review_lists_follow_their_rules():
    patients, _ = simulate_hospitals(np.random.default_rng(2), n_hospitals=50, n_differ=6)
    model = scs.fit("days ~ .", patients, "hospital", 4)
    lists = review_lists(model.moments, model.lmm, model.solution.support, 6)
    z = funnel_scores(model.moments)["z"].to_numpy()
    p = 2 * norm.sf(np.abs(z))
    rejected = multipletests(p, alpha=0.05, method="fdr_bh")[0]
    assert set(lists["z, FDR 5 %"]) == set(np.flatnonzero(rejected))
    assert set(lists["funnel, 95 %"]) >= set(lists["funnel, 99.8 %"])
    assert len(lists["as many BLUPs"]) == len(model.selected)
    mixed = smf.mixedlm(
        "days ~ age + severity + sex + admission", patients, groups=patients["hospital"]
    ).fit()
    beyond = {
        label
        for label, effect in mixed.random_effects.items()
        if abs(effect.iloc[0]) > 1.96 * np.sqrt(_conditional_variance(mixed, label))
    }
    assert set(model.solution.labels[lists["BLUP interval"]]) == beyond


def _conditional_variance(mixed, label) -> float:
    """Variance of one random intercept given the data: u - u^2 1'V^-1 1 with V = u 11' + e I."""
    u, e = mixed.cov_re.iloc[0, 0], mixed.scale
    n = len(mixed.model.row_indices[label])
    V = u * np.ones((n, n)) + e * np.eye(n)
    return u - u**2 * np.linalg.solve(V, np.ones(n)).sum()


@pytest.mark.parametrize("name", ["class", "C", "log", "a+b", "a|b", "x[1]", "{x}", "T", "é"])
def test_a_column_may_have_any_name(run, table, expected, name):
    out = run(table.rename(columns={"age": name}), *TWO, name="named.parquet")[1]
    found = [line.split() for line in _numbers(out).splitlines()]
    wanted = [line.split() for line in expected.splitlines()]
    assert [line[-3:] for line in found if name in line[:1]] == [
        line[-3:] for line in wanted if "age" in line[:1]
    ]
    assert "H03" in out


@pytest.mark.parametrize("name", ["1", "0", "2019", "1.5", "a`b", "Intercept"])
def test_a_name_that_a_formula_cannot_hold_is_refused(run, table, name):
    """formulaic takes `1` for the constant and would leave the column out without a word."""
    code, _, err = run(table.rename(columns={"age": name}), *TWO, name="named.parquet")
    assert code == 2
    assert repr(name) in err
    assert "rename it" in err


def test_a_column_that_a_dot_would_lose_is_refused(table):
    with pytest.raises(ValueError, match="'2019' has a number for a name"):
        scs.fit("days ~ .", table.rename(columns={"age": "2019"}), "hospital", 1)
    scs.fit(
        "days ~ severity + np.log(severity)", table.rename(columns={"age": "2019"}), "hospital", 1
    )


def test_other_marks_of_missing_values(run, table):
    text = table.astype({"age": object}).assign(age=["."] * 2 + list(table["age"][2:]))
    assert "'.' is read as missing (2 rows)" in run(text.to_csv(index=False), *TWO)[2]
    assert "2 in 'age'" in run(text.to_csv(index=False), *TWO, "--na", ".", "-")[2]


@pytest.mark.parametrize("name", ["a\nb", "a\n\nb", "\x1b[31mred", "a\u2028b"])
def test_labels_and_names_with_breaks_and_orders(run, table, name):
    """They are read as one cell, and nothing but text reaches the terminal."""
    odd = table.rename(columns={"age": f"age {name}"}).assign(
        hospital=table["hospital"] + name + table["hospital"]
    )
    code, out, err = run(odd.to_csv(index=False), *TWO)
    assert (code, err) == (0, "")
    shown = "".join(c if c.isprintable() else " " for c in name)
    assert f"\n  H03{shown}H03 " in out
    assert "\x1b" not in out


# Without the time of its making, which would differ between the names that workers give the test.
CUT_OFF = gzip.compress(b"days,hospital\n1,a\n" * 999, mtime=0)[:60]


@pytest.mark.parametrize(
    ("content", "arguments", "words"),
    [
        (CUT_OFF, (), "cannot be read"),
        (b"days,hospital\n1,a\n2,b\n", ("--encoding", "utf-16"), "not in the encoding 'utf-16'"),
        (b"days,hospital\n1,\xe9\n2,b\n", ("--encoding", "utf-8"), "not in the encoding 'utf-8'"),
        (b"days,hospital\n1,\xe9\n2,\x81\n", (), "not in the encoding 'cp1252'"),
        (b"made, by hand\ndays,age,hospital\n1,2,a\n2,3,b\n", (), "what is above it"),
        (b"days,hospital\n1,a\n2,b\n", ("--formula", "days ~ 1"), "--outcome: --formula"),
        (b"days,hospital\n1,a\n1,b\n", ("--budget", "1", "--top", "-1"), "top must be 0"),
    ],
)
def test_files_and_options_that_do_not_fit(run, content, arguments, words):
    name = "table.csv.gz" if content[:2] == b"\x1f\x8b" else "table.csv"
    code, _, err = run(content, *COLUMNS, *arguments, name=name)
    assert code == 2
    assert words in err.splitlines()[0], err


def test_top_0_says_that_clusters_are_not_shown(run, table):
    out = run(table.to_csv(index=False), *TWO, "--top", "0")[1]
    assert "Selected clusters (2 of 12)\n  not shown" in out


def test_auto_without_a_row_to_hold_out_asks_for_a_budget(run):
    single = "days,age,hospital\n" + "".join(f"{i % 5},{i % 7},{i}\n" for i in range(30))
    code, _, err = run(single, *COLUMNS)
    assert code == 2
    assert "--budget N" in err


def test_a_warning_is_shown_once(run, table):
    err = run(table.assign(ward=1).to_csv(index=False), *COLUMNS)[2]
    assert err.count("column 'ward' is constant") == 1


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
def test_a_coefficient_that_nothing_tells_has_no_standard_error(unit):
    """Every cluster free: nothing tells the intercept, nor columns constant within clusters.

    Whatever unit another of these columns has.
    """
    rng = np.random.default_rng(0)
    code = np.repeat(np.arange(6), 5)
    table = pd.DataFrame({"x": rng.normal(size=30), "w": np.arange(6.0)[code] ** 2, "g": code})
    table["y"] = table["x"] + rng.normal(size=30)
    table["v"] = unit * rng.normal(size=6)[code]
    model = scs.fit("y ~ x + w + v", table, "g", 6)
    assert model.std_errors.isna().tolist() == [True, False, True, True]
    dummies = pd.get_dummies(table["g"]).to_numpy(float)
    full = sm.OLS(table["y"], np.column_stack([table["x"], dummies])).fit()
    assert model.std_errors["x"] == pytest.approx(full.bse.iloc[0], rel=1e-6)
    some = scs.fit("y ~ x + w + v", table, "g", 2)
    assert not some.std_errors.isna().any()


@pytest.mark.parametrize("theta", [1e-6, 1.0, 1e6, 1e9])
def test_standard_errors_at_any_background(table, theta):
    """Dense: (X'V^-1 X)^-1 over cluster means, where a large theta leaves only these."""
    model = scs.fit("days ~ age", table, "hospital", 0, background=theta)
    moments = model.moments
    m = moments.n / (1 + theta * moments.n)
    M = moments.within_xx + moments.mean_x.T @ (moments.mean_x * m[:, None])
    scale = 1 / np.sqrt(np.diag(M))
    inverse = np.linalg.inv(M * np.outer(scale, scale)) * np.outer(scale, scale)
    expected = np.sqrt(model.selection.inference.var_e * np.diag(inverse))
    np.testing.assert_allclose(model.std_errors, expected, rtol=1e-4)


def test_random_slopes_without_a_budget_say_how_to_name_one(table):
    with pytest.raises(ValueError, match=r"name a number for each effect.*--budget 3,3"):
        scs.fit("days ~ age", table, "hospital", random="1 + age")


def test_the_readme_says_what_its_example_prints():
    text = " ".join(README.read_text(encoding="utf-8").split())
    firms = sm.datasets.grunfeld.load_pandas().data
    model = scs.fit("invest ~ value + capital", firms, groups="firm")
    above, below = model.intervals.loc["US Steel"], -model.intervals.loc["General Electric"]
    assert f"US Steel lies {model.effects['US Steel']:.0f} above" in text
    assert f"give ({above.low:.0f} to {above.high:.0f})" in text
    assert f"General Electric lies {-model.effects['General Electric']:.0f} below" in text
    assert f"below ({below.high:.0f} to {below.low:.0f})" in text
    assert f"standard deviation of {np.sqrt(model.theta * model.var_e):.1f}" in text
