"""Counts through `scs.fit` and the command: rows summed, names, and what is refused."""

import inspect

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import optimize, stats

import scs
from scs.cli import main
from scs.estimators.counts import fit_counts
from scs.estimators.summary import remarks


def table(n_units=60, seed=1):
    rng = np.random.default_rng(seed)
    expected = rng.uniform(20, 120, n_units).round(2)
    ratio = rng.gamma(100, 0.01, n_units)
    ratio[[4, 9]] = 2.4, 0.35
    return pd.DataFrame(
        {
            "deaths": rng.poisson(expected * ratio),
            "expected": expected,
            "hospital": [f"H{k:02d}" for k in range(n_units)],
        }
    )


def fitted(data=None, **options):
    given = {"family": "poisson", "expected": "expected"} | options
    return scs.fit("deaths ~ 1", table() if data is None else data, "hospital", **given)


def test_the_units_that_differ_are_named_with_their_ratios():
    model, data = fitted(), table().set_index("hospital")
    assert model.selected.tolist() == ["H04", "H09"]
    assert model.solution.status == "optimal" and model.consistent and model.fdr == 0.10
    assert np.allclose(model.ratios["ratio"], data["deaths"] / data["expected"])
    rest = ~data.index.isin(model.selected)
    # The common ratio is the maximum likelihood one of the negative binomial law of the others.
    o, e = data["deaths"].to_numpy()[rest], data["expected"].to_numpy()[rest]

    def loss(t):
        if model.theta == 0:
            return -stats.poisson.logpmf(o, e * np.exp(t)).sum()
        return -stats.nbinom.logpmf(o, 1 / model.theta, 1 / (1 + model.theta * e * np.exp(t))).sum()

    best = optimize.minimize_scalar(loss, bounds=(-1, 1), method="bounded").x
    assert np.log(model.common) == pytest.approx(best, abs=1e-5)
    effect = np.log(data["deaths"] / data["expected"] / model.common)
    assert model.effects["H04"] == pytest.approx(effect["H04"])
    assert model.effects["H00"] == 0.0 and model.background_effects["H04"] == 0.0
    ends = model.intervals
    assert ends.index.tolist() == ["H04", "H09"]
    assert (ends["low"] < model.ratios["ratio"].loc[ends.index]).all()
    assert (model.interval("fcr").to_numpy() != ends.to_numpy()).any()
    assert (model.qvalues[model.selected] <= 0.1).all()
    assert (model.qvalues >= model.pvalues).all()


def test_shrunken_ratios_are_means_of_the_gamma_law_given_the_count():
    model = fitted(background=0.04)
    assert model.theta == 0.04
    k = 0
    o, e = model.units.observed[k], model.units.size[k] * model.common
    grid = np.linspace(1e-6, 4, 200_001)
    weight = stats.gamma.pdf(grid, 25, scale=0.04) * stats.poisson.pmf(o, e * grid)
    mean = (grid * weight).sum() / weight.sum() * model.common
    assert model.ratios["shrunken"].iloc[k] == pytest.approx(mean, rel=1e-6)
    expected = np.log(mean / model.common)
    assert model.background_effects.iloc[k] == pytest.approx(expected, rel=1e-5)


def test_rows_of_a_unit_are_summed():
    data, rng = table(), np.random.default_rng(0)
    split = rng.binomial(data["deaths"], 0.4)
    share = rng.uniform(0.1, 0.9, len(data))
    halves = pd.concat(
        [
            data.assign(deaths=split, expected=data["expected"] * share),
            data.assign(deaths=data["deaths"] - split, expected=data["expected"] * (1 - share)),
            data.assign(deaths=0, expected=0.0).head(3),  # a row that says nothing adds nothing
        ]
    ).sample(frac=1, random_state=1)
    whole, parts = fitted(), fitted(halves)
    assert parts.units.n_rows == 123
    assert whole.selected.tolist() == parts.selected.tolist()
    assert np.allclose(whole.pvalues, parts.pvalues, rtol=1e-6)
    assert whole.solution.objective == pytest.approx(parts.solution.objective, rel=1e-6)


def test_other_data_frames_and_dicts():
    data = table()
    for other in (pl.from_pandas(data), data.to_dict("list")):
        assert fitted(other).selected.tolist() == ["H04", "H09"]


def test_a_budget_is_kept_to_and_says_nothing_of_chance():
    model = fitted(budget=5)
    assert len(model.selected) == 5 and model.fdr is None and model.chosen_by == "given"
    assert "whether or not by more than chance" in " ".join(model.summary().split())
    assert {"H04", "H09"} <= set(model.selected)
    nobody = fitted(budget=0)
    assert nobody.selected.size == 0 and len(nobody.intervals) == 0
    assert "the budget is 0" in nobody.summary()


def test_a_unit_without_events_has_the_ratio_zero():
    data = table()
    data.loc[9, "deaths"] = 0
    model = fitted(data)
    assert "H09" in model.selected
    assert model.ratios.loc["H09", "ratio"] == 0.0 and model.effects["H09"] == -np.inf
    assert model.intervals.loc["H09", "low"] == 0.0
    assert 0 < model.intervals.loc["H09", "high"] < model.common


def test_binary_rows_and_trials_say_the_same():
    rng = np.random.default_rng(5)
    n = rng.integers(40, 120, 40)
    rate = np.full(40, 0.3)
    rate[3] = 0.75
    codes = np.repeat(np.arange(40), n)
    died = rng.random(len(codes)) < rate[codes]
    rows = pd.DataFrame({"died": died, "ward": codes})
    sums = rows.groupby("ward", as_index=False).agg(died=("died", "sum"), n=("died", "size"))
    by_rows = scs.fit("died ~ 1", rows, "ward", family="binomial")
    by_sums = scs.fit("died ~ 1", sums, "ward", family="binomial", trials="n")
    assert by_rows.selected.tolist() == by_sums.selected.tolist() == [3]
    assert np.allclose(by_rows.pvalues, by_sums.pvalues)
    assert by_sums.ratios["rate"].to_numpy() == pytest.approx(sums["died"] / sums["n"])
    odds = np.log(by_sums.ratios.loc[3, "rate"] / (1 - by_sums.ratios.loc[3, "rate"]))
    common = np.log(by_sums.common / (1 - by_sums.common))
    assert by_sums.effects[3] == pytest.approx(odds - common)
    assert "rate 0." in by_rows.summary() and "trials 1 a row" in by_rows.summary()


def test_nobody_is_named_where_nobody_differs():
    rng = np.random.default_rng(8)
    data = table().assign(deaths=rng.poisson(table()["expected"]))
    model = fitted(data, fdr=0.01)
    assert model.selected.size == 0
    assert "Nobody can be named" in model.summary()
    assert "Named clusters (0 of 60)" in model.summary()


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"deaths": -1}, {}, r"'deaths' is -1 in row 7 \(1 such row\): counts are 0 or more"),
        ({"deaths": 2.5}, {}, r"'deaths' is 2.5 in row 7.*whole numbers.*give the counts behind"),
        ({"deaths": np.nan}, {}, r"missing values \(1 in 'deaths'; 1 of 60 rows.*missing='drop'"),
        ({"expected": np.nan}, {}, r"missing values \(1 in 'expected'"),
        ({"expected": 0.0}, {}, r"'expected' is 0 in row 7.*nothing was expected"),
        ({"expected": -2.0}, {}, r"'expected' is -2 in row 7.*positive"),
        ({"expected": np.inf}, {}, r"'expected' is inf in row 7.*fill it in"),
        ({"deaths": 1e17}, {}, r"'deaths'"),
        ({"expected": 0.0, "deaths": 0}, {}, r"cluster H07 has nothing expected.*leave it out"),
        ({"hospital": None}, {}, r"missing values \(1 in 'hospital'"),
        ({}, {"expected": None}, r"expected is missing: name the column"),
        ({}, {"expected": "expcted"}, r"no column named 'expcted'; did you mean 'expected'"),
        ({}, {"expected": "deaths"}, r"must differ"),
        ({}, {"trials": "expected"}, r"trials: they are of family='binomial'"),
        ({}, {"family": "gamma"}, r"family must be"),
        ({}, {"family": "gaussian"}, r"of counts: say family="),
        ({}, {"ridge": 1.0}, r"ridge: it is of Gaussian fits"),
        ({}, {"random": "1 + expected"}, r"random: it is of Gaussian fits"),
        ({}, {"validation": pd.DataFrame({"a": [1]})}, r"validation: it is of Gaussian fits"),
        ({}, {"bootstrap": 10}, r"bootstrap: it is of Gaussian fits"),
        ({}, {"budget": "predict"}, r"budget must be a whole number, 'fdr' or 'auto' with counts"),
        ({}, {"budget": -1}, r"budget must not be negative"),
        ({}, {"fdr": 2.0}, r"fdr must lie between"),
        ({}, {"level": 1.0}, r"level must lie between"),
        ({}, {"missing": "keep"}, r"missing must be one of"),
        ({}, {"background": "much"}, r"background must be"),
        (
            {},
            {"family": "binomial", "expected": None, "trials": "expected"},
            r"trials are whole numbers",
        ),
        ({}, {"family": "binomial", "expected": None}, r"without trials every row is one, 0 or 1"),
        ({}, {"family": "binomial"}, r"expected: it is of family='poisson'"),
    ],
)
def test_what_is_wrong_is_said_with_its_row_and_the_remedy(change, options, message):
    data = table().astype({"deaths": float})
    for column, value in change.items():
        data.loc[7, column] = value
    with pytest.raises((ValueError, TypeError), match=message):
        fitted(data, **options)


def test_more_observed_than_trials_and_a_background_of_one():
    data = pd.DataFrame({"died": [3, 6], "n": [5, 5], "ward": ["a", "b"]})
    with pytest.raises(ValueError, match=r"'died' is 6 in row 1.*more than 'n' there"):
        scs.fit("died ~ 1", data, "ward", family="binomial", trials="n")
    with pytest.raises(ValueError, match="below 1 for binomial"):
        scs.fit(
            "died ~ 1",
            data.assign(died=[3, 4]),
            "ward",
            family="binomial",
            trials="n",
            background=1.0,
        )


@pytest.mark.parametrize("column", ["died", "n"])
def test_text_among_counts_is_no_zero_or_one(column):
    data = pd.DataFrame({"died": [3, 3, 2, 2], "n": [9, 9, 8, 8], "ward": list("abab")})
    data = data.astype({column: object})
    data[column] = ["two", "three"] * 2
    with pytest.raises(
        ValueError, match=rf"column '{column}' holds text .*correct the entr"
    ) as said:
        scs.fit("died ~ 1", data, "ward", family="binomial", trials="n")
    assert "0 and 1" not in str(said.value)
    outcome = data.assign(died=["yes", "no"] * 2)  # one trial a row: there it is the remedy
    with pytest.raises(ValueError, match=r"outcome 'died' holds text .*code its two values as 0"):
        scs.fit("died ~ 1", outcome, "ward", family="binomial")


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("deaths ~ expected", "covariates belong into the model"),
        ("deaths ~ 0", "write 'deaths ~ 1'"),
        ("log(deaths) ~ 1", "is no column"),
    ],
)
def test_a_formula_of_counts_is_a_column_and_a_constant(formula, message):
    with pytest.raises(ValueError, match=message):
        scs.fit(formula, table(), "hospital", family="poisson", expected="expected")


def test_missing_rows_are_dropped_when_asked_and_counted():
    data = table().astype({"deaths": float})
    data.loc[7, "deaths"] = np.nan
    model = fitted(data, missing="drop")
    assert model.units.n_units == 59 and model.rows.n_dropped == 1
    assert "60 read, 1 dropped for missing values: 1 in deaths" in model.summary()


def test_a_gaussian_fit_of_counts_offers_the_right_family():
    data = table()
    counts = data.assign(deaths=data["deaths"] // 8)
    said = " ".join(remarks(scs.fit("deaths ~ expected", counts, "hospital", 2, background=0)))
    assert "family='poisson', expected=COLUMN (--expected COLUMN)" in said
    binary = pd.concat([data.assign(deaths=data["deaths"] % 2)] * 2)
    said = " ".join(remarks(scs.fit("deaths ~ expected", binary, "hospital", 2, background=0)))
    assert "family='binomial' (--family binomial)" in said


def test_an_open_list_is_not_called_best():
    model = fit_counts(
        table(), "hospital", "deaths", family="poisson", expected="expected", gap=0.0, budget=3
    )
    assert model.solution.status == "heuristic"
    assert "another list of at most 3 clusters may fit better, by at most" in model.summary()


# ------------------------------------------------------------------------------- the command


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "units.csv"
    table().to_csv(path, index=False)
    return path


def told(capsys):
    out = capsys.readouterr()
    return " ".join(out.out.split()), out.err


def test_the_command_names_and_prints_standardised_ratios(csv, tmp_path, capsys):
    page = tmp_path / "r.html"
    given = f"fit {csv} --observed deaths --expected expected --cluster hospital --report {page}"
    assert main(given.split()) == 0
    out, _ = told(capsys)
    assert "2 of 60 clusters (hospital) are named, at a false discovery rate of 10%" in out
    assert "standardised ratio" in out and "no other list of at most 2 clusters fits better" in out
    assert "H04" in page.read_text()
    assert main(f"{given} --budget 3 --background none --top 1".split()) == 0
    out, _ = told(capsys)
    assert "3 of 60 clusters" in out and "2 more are named" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--observed deaths", "name beside it the column of expected numbers"),
        ("--expected expected", "--observed is missing"),
        ("--observed deaths --expected nothing", "--expected: no column named 'nothing'"),
        ("--observed deaths --expected expected --trials expected", "give one"),
        ("--observed deaths --expected expected --outcome deaths", "--outcome: it is of Gaussian"),
        ("--observed deaths --expected expected --ridge 1", "--ridge: it is of Gaussian"),
        ("--observed deaths --expected expected --ridge-fixed 1", "--ridge-fixed: it is of"),
        ("--observed deaths --family gaussian", "leave out --family gaussian"),
        ("--observed deaths --expected expected --budget 2,3", "--budget must be a whole number"),
        ("--observed deaths --expected expected --budget predict", "budget must be a whole"),
        ("--observed deaths --expected expected --background all", "--background must be auto"),
        ("--observed deaths --family binomial", "name the column of trials"),
        ("--outcome deaths --family poisson", "--outcome: it is of Gaussian fits"),
    ],
)
def test_the_command_refuses_with_the_remedy(csv, capsys, options, message):
    assert main(f"fit {csv} --cluster hospital {options}".split()) == 2
    assert message in told(capsys)[1]


@pytest.mark.parametrize(
    ("family", "size"), [("poisson", {"expected": "expected"}), ("binomial", {"trials": "n"})]
)
def test_where_everybody_is_free_nothing_tells_a_common_level(family, size):
    """No p-value below 1: there is nothing left that a unit could differ from."""
    data = table(12).assign(n=1000)
    model = scs.fit("deaths ~ 1", data, "hospital", 12, family=family, **size)
    assert (model.pvalues == 1.0).all() and (model.qvalues == 1.0).all()
    assert "Named clusters (12 of 12)" in model.summary()


def test_a_column_that_is_not_there_is_named_by_its_argument():
    with pytest.raises(ValueError, match=r"expected or trials: no column named 'nope'"):
        fitted(expected="nope")
    with pytest.raises(TypeError, match=r"expected or trials"):
        fitted(expected=table()["expected"])


def test_each_option_of_fit_is_of_counts_or_refused_with_them():
    """A new option that nobody sorts would be passed over in silence with counts."""
    given = {"null": "residuals", "ridge": 2.0, "ridge_fixed": 1.0, "bootstrap": 20, "random": "1"}
    given |= {"validation": table(), "method": "exact", "min_rows": 3, "offset": "expected"}
    given |= {"frequency_weights": "expected", "precision_weights": "expected"}
    for name, value in given.items():
        with pytest.raises(ValueError, match=rf"^{name}: it is of Gaussian fits"):
            fitted(table(), **{name: value})
    with pytest.raises(ValueError, match=r"^precision_weights: it is of Gaussian fits"):
        fitted(table(), weights="expected")  # by its full name
    with pytest.raises(ValueError, match="weight_kind without weights"):
        fitted(table(), weight_kind="frequency")
    given |= {"weights": "expected", "weight_kind": "frequency"}
    options = dict(inspect.signature(scs.fit).parameters)
    taken = set(inspect.signature(fit_counts).parameters)
    places = {"formula", "data", "groups", "n_groups", "family", "seed"}  # no seed is needed
    assert set(options) - places == set(given) | (taken & set(options)) - places
