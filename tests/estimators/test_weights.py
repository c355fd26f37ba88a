"""Weights and offsets in `fit` and the command: repeated rows, subtracted offsets, refusals."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import scs
from scs.__main__ import main

N, K = 110, 8


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    k = np.concatenate([np.arange(K), rng.integers(0, K, N - K)])
    x = rng.normal(size=N)
    effect = 3.0 * (k == 2) - 3.0 * (k == 5) + 0.2 * rng.normal(size=K)[k]
    return pd.DataFrame(
        {
            "y": 1.0 + x + effect + rng.normal(size=N),
            "x": x,
            "kind": rng.choice(list("pqr"), N),
            "k": [f"c{each:02d}" for each in k],
            "f": rng.integers(0, 4, N),
            "w": rng.gamma(2.0, size=N),
            "e": rng.normal(size=N),
        }
    )


@pytest.fixture(scope="module")
def repeated(table):
    return table.loc[table.index.repeat(table["f"])].reset_index(drop=True)


def plain(model):
    """The summary without what it says of the weights themselves."""
    return [line for line in model.summary().splitlines() if not line.startswith("  weights")]


CASES = [
    ("y ~ x + kind", {"background": 0.05}),
    ("y ~ bs(x, df=4)", {"background": 0.05}),
    ("y ~ scale(x)", {"budget": "predict", "background": "none"}),
    ("y ~ x", {"budget": 2, "background": "none", "bootstrap": 6}),
    ("y ~ x", {"null": "residuals", "background": 0.1}),
    ("y ~ x", {"budget": [1, 1], "random": "1 + x"}),
    ("y ~ x", {"min_rows": 12, "background": 0.1}),
    ("y ~ x", {"ridge_fixed": 1.0, "ridge": 2.0, "background": "none"}),
]


@pytest.mark.parametrize(("formula", "options"), CASES)
def test_frequencies_give_what_repeated_rows_give(table, repeated, formula, options):
    a = scs.fit(formula, table, "k", frequency_weights="f", **options)
    b = scs.fit(formula, repeated, "k", **options)
    assert plain(a) == b.summary().splitlines()
    close = {"rtol": 1e-9, "atol": 1e-10}
    np.testing.assert_allclose(a.coef, b.coef, **close)
    np.testing.assert_allclose(a.effects, b.effects, **close)
    new = table[table["f"] > 0].drop(columns="k")
    np.testing.assert_allclose(a.predict(new), b.predict(new), **close)
    if "random" in options:
        return
    for one, other in (
        (a.tidy("clusters"), b.tidy("clusters")),
        (a.tidy(robust="CR1"), b.tidy(robust="CR1")),
        (a.tidy(robust="CR2"), b.tidy(robust="CR2")),
        (a.glance(), b.glance()),
        (a.deviations, b.deviations),
        (a.set_apart, b.set_apart),
    ):
        pd.testing.assert_frame_equal(one, other, rtol=1e-8, atol=1e-9)
    rows, times = a.augment(), a.rows.design.frequency
    again = rows.loc[rows.index.repeat(times.astype(int))].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, b.augment(), rtol=1e-8, atol=1e-9)


def test_an_estimated_background_prints_what_repeated_rows_print(table, repeated):
    """Its estimate is climbed to, and stops within 1e-7."""
    a = scs.fit("y ~ x + kind", table, "k", frequency_weights="f")
    b = scs.fit("y ~ x + kind", repeated, "k")
    assert plain(a) == b.summary().splitlines()
    np.testing.assert_allclose(a.theta, b.theta, rtol=1e-5, atol=1e-7)


def test_a_row_of_weight_0_has_no_say_in_levels_or_counts(table):
    odd = table.assign(kind=np.where(table["f"] == 0, "only here", table["kind"]))
    model = scs.fit("y ~ x + kind", odd, "k", frequency_weights="f", budget=1)
    assert [coding.levels for coding in model.rows.codings] == [("p", "q", "r")]
    lost = int((table["f"] == 0).sum())
    assert f"{lost:,} rows of weight 0 are left out" in model.summary()
    assert model.moments.n_rows == table["f"].sum()


def test_the_unit_of_precisions_matters_to_no_name_and_no_effect(table):
    one = scs.fit("y ~ x", table, "k", precision_weights="w")
    other = scs.fit("y ~ x", table.assign(w=1000 * table["w"]), "k", precision_weights="w")
    assert one.selected.tolist() == other.selected.tolist() == ["c02", "c05"]
    np.testing.assert_allclose(other.coef, one.coef, rtol=1e-4)
    np.testing.assert_allclose(other.effects, one.effects, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(other.pvalues, one.pvalues, rtol=1e-3)
    likelihoods = (model.glance()["log_likelihood"][0] for model in (one, other))
    np.testing.assert_allclose(*likelihoods, rtol=1e-4)  # theta is climbed to


def test_means_of_rows_weighted_by_their_number_give_the_rows_own_coefficients():
    """What precision weights are for: a mean of n rows has the variance sigma^2 / n."""
    rng = np.random.default_rng(5)
    place = np.repeat(np.arange(60), rng.integers(1, 9, 60))
    x = rng.normal(size=60)[place]
    y = 2.0 + x + 4.0 * (place % 6 == 0) + rng.normal(size=len(place))
    rows = pd.DataFrame({"y": y, "x": x, "k": place % 6, "place": place})
    means = rows.groupby("place").mean().assign(n=rows.groupby("place").size())
    a = scs.fit("y ~ x", rows, "k", budget=1, background="none", ridge=1.0)
    b = scs.fit("y ~ x", means, "k", budget=1, background="none", ridge=1.0, precision_weights="n")
    np.testing.assert_allclose(a.coef, b.coef, rtol=1e-10)
    np.testing.assert_allclose(a.effects, b.effects, rtol=1e-10)
    assert b.moments.n_rows == 60  # and degrees of freedom are those of 60 rows


@pytest.mark.parametrize("given", ["formula", "name", "array", "series"])
def test_an_offset_is_subtracted_and_predicted_again(table, given):
    formula, options, data = "y ~ x + offset(e)", {}, table
    if given != "formula":
        formula = "y ~ x"
        offset = {"name": "e", "array": table["e"].to_numpy(), "series": table["e"]}[given]
        options = {"offset": offset}
    model = scs.fit(formula, data, "k", **options)
    by_hand = scs.fit("y ~ x", table.assign(y=table["y"] - table["e"]), "k")
    np.testing.assert_allclose(model.coef, by_hand.coef, rtol=1e-12)
    np.testing.assert_allclose(model.pvalues, by_hand.pvalues, rtol=1e-12)
    new = table.rename(columns={"e": "(offset)"}) if given in ("array", "series") else table
    expected = by_hand.predict(table) + table["e"]
    np.testing.assert_allclose(model.predict(new), expected, rtol=1e-12)
    np.testing.assert_allclose(model.augment()["y"], table["y"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(model.augment()["fitted"], expected, rtol=1e-10)
    np.testing.assert_allclose(
        model.augment(new)["residual"], by_hand.augment()["residual"], rtol=1e-8, atol=1e-12
    )
    with pytest.raises(ValueError, match="which the fit had as an offset and predictions add"):
        model.predict(table[["x", "k"]])


def test_the_dot_takes_in_no_weight_and_no_offset(table):
    data = table.drop(columns=["kind"])
    model = scs.fit("y ~ . + offset(e)", data, "k", frequency_weights="f", precision_weights="w")
    assert model.coef.index.tolist() == ["Intercept", "x"]
    again = scs.fit("y ~ . + e + offset(e)", data.drop(columns=["f", "w"]), "k", budget=1)
    assert again.coef.index.tolist() == ["Intercept", "x", "e"]


def test_offsets_add_up_and_may_be_calculated(table):
    model = scs.fit("y ~ x + offset(2 * e) + offset(w)", table, "k", budget=2, offset="f")
    known = 2 * table["e"] + table["w"] + table["f"]
    by_hand = scs.fit("y ~ x", table.assign(y=table["y"] - known), "k", budget=2)
    np.testing.assert_allclose(model.coef, by_hand.coef, rtol=1e-10)
    np.testing.assert_allclose(model.predict(table), by_hand.predict(table) + known, rtol=1e-10)


def test_validation_rows_have_weights_and_offset_too(table):
    first, second = table[:70], table[70:]
    columns = {"frequency_weights": "f", "offset": "e"}
    model = scs.fit("y ~ x", first, "k", validation=second, background="none", **columns)
    both = [each.loc[each.index.repeat(each["f"])] for each in (first, second)]
    both = [each.assign(y=each["y"] - each["e"]) for each in both]
    by_hand = scs.fit("y ~ x", both[0], "k", validation=both[1], background="none")
    assert model.budget == by_hand.budget
    np.testing.assert_allclose(model.tuning.mse, by_hand.tuning.mse, rtol=1e-10)
    np.testing.assert_allclose(model.coef, by_hand.coef, rtol=1e-10)


@pytest.mark.parametrize("as_frame", [lambda t: t, pl.from_pandas, lambda t: t.to_dict("list")])
def test_weights_as_arrays_are_those_of_a_column(table, as_frame):
    by_name = scs.fit("y ~ x", table, "k", precision_weights="w", offset="e", budget=2)
    data = as_frame(table.drop(columns=["w", "e"]))
    arrays = {"precision_weights": table["w"].to_numpy(), "offset": table["e"].to_numpy()}
    model = scs.fit("y ~ x", data, "k", budget=2, **arrays)
    np.testing.assert_array_equal(model.coef, by_name.coef)


def test_arrays_follow_a_data_frames_rows_and_refuse_others(table):
    moved = table.set_index(np.arange(N)[::-1])
    a = scs.fit("y ~ x", moved, "k", precision_weights=moved["w"], budget=2)
    b = scs.fit("y ~ x", moved, "k", precision_weights="w", budget=2)
    np.testing.assert_array_equal(a.coef, b.coef)
    with pytest.raises(ValueError, match="precision_weights has other row labels than data"):
        scs.fit("y ~ x", moved, "k", precision_weights=table["w"])


def test_intervals_of_outcomes_ask_for_the_rows_precision(table):
    model = scs.fit("y ~ x", table, "k", precision_weights="w")
    found = model.predict(table, interval=0.9)
    half = (found["high"] - found["low"]) / 2
    precise, vague = table["w"].idxmax(), table["w"].idxmin()
    assert half[precise] < half[vague] / 2
    with pytest.raises(ValueError, match="no column 'w' of the precision_weights"):
        model.predict(table.drop(columns="w"), interval=0.9)
    model.predict(table.drop(columns="w"))  # needs none


def test_a_saved_model_keeps_weights_and_offset(table, tmp_path):
    model = scs.fit("y ~ x + offset(e)", table, "k", frequency_weights="f", precision_weights="w")
    model.save(tmp_path / "m.scs")
    loaded = scs.load(tmp_path / "m.scs")
    assert loaded.summary() == model.summary()
    np.testing.assert_array_equal(loaded.predict(table), model.predict(table))
    pd.testing.assert_frame_equal(loaded.glance(), model.glance())
    with pytest.raises(ValueError, match="which the fit had as an offset"):
        loaded.predict(table[["x", "k"]])
    again = scs.refit(loaded, table)
    np.testing.assert_array_equal(again.coef, model.coef)
    assert scs.update(loaded, "~ . + kind", table).rows.weights == model.rows.weights


REFUSED = [
    ({"frequency_weights": "nowhere"}, "frequency_weights: no column named 'nowhere'"),
    ({"precision_weights": "k"}, "precision_weights='k' is the cluster column"),
    ({"offset": "y"}, "offset='y' is the outcome column"),
    ({"frequency_weights": "w"}, r"frequency_weights is .* in row 0, which is no whole number"),
    ({"precision_weights": "e"}, r"precision_weights is negative in row \d+ \(-"),
    ({"precision_weights": "kind"}, "precision_weights 'kind' holds text"),
    ({"frequency_weights": [1, 2]}, "frequency_weights has 2 entries"),
    ({"precision_weights": np.zeros(N)}, "precision_weights is zero in every row"),
    ({"null": "residuals", "precision_weights": "w"}, "pass null='unequal'"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_what_weights_cannot_mean_is_refused(table, given, message):
    with pytest.raises((ValueError, TypeError), match=message):
        scs.fit("y ~ x", table, "k", **given)


def test_a_missing_weight_is_a_missing_value(table):
    holes = table.assign(w=table["w"].where(table.index != 7))
    with pytest.raises(ValueError, match="1 in 'w'"):
        scs.fit("y ~ x", holes, "k", precision_weights="w")
    model = scs.fit("y ~ x", holes, "k", precision_weights="w", missing="drop", budget=1)
    assert model.moments.n_rows == N - 1


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ x * offset(e)", "multiplies an offset"),
        ("y ~ x + log(offset(e))", r"offset\(\) is a term of its own"),
        ("offset(y) ~ x", "an offset in the outcome"),
        ("y ~ x + offset(y)", "has its outcome 'y' among the covariates"),
        ("y ~ x + offset(nowhere)", "no column named 'nowhere'"),
    ],
)
def test_an_offset_stands_alone_right_of_the_tilde(table, formula, message):
    with pytest.raises(ValueError, match=message):
        scs.fit(formula, table, "k")


@pytest.mark.parametrize("formula", ["deaths ~ offset(e)", "deaths ~ 1 + offset(log(e))"])
def test_counts_are_told_that_an_offset_is_their_expected_number(formula):
    units = {"deaths": [3, 8, 2], "e": [4.0, 5.0, 2.5], "h": ["a", "b", "c"]}
    with pytest.raises(ValueError, match=r"write 'deaths ~ 1', family='poisson' and expected='e'"):
        scs.fit(formula, units, "h", family="poisson")
    with pytest.raises(ValueError, match="name the expected number, expected="):
        scs.fit("deaths ~ 1", units, "h", family="poisson", offset="e")


def run(*arguments):
    return main([str(each) for each in arguments])


def test_the_command_takes_weights_and_offset(table, repeated, tmp_path, capsys):
    table.to_csv(tmp_path / "t.csv", index=False)
    repeated.to_csv(tmp_path / "r.csv", index=False)
    common = ("--cluster", "k", "--covariates", "x", "--background", "0.05", "--offset", "e")
    fit = ("fit", tmp_path / "t.csv", "--outcome", "y", "--frequency-weights", "f")
    run(*fit, *common, "--save", tmp_path / "m.scs")
    weighted = capsys.readouterr().out
    run("fit", tmp_path / "r.csv", "--outcome", "y", *common)
    by_hand = capsys.readouterr().out
    lines = [line for line in weighted.splitlines()[1:] if not line.startswith("  weights")]
    assert lines == by_hand.splitlines()[1:]
    run("predict", tmp_path / "m.scs", tmp_path / "t.csv")
    rows = capsys.readouterr().out.splitlines()
    model = scs.load(tmp_path / "m.scs")
    found = [float(line.split(",")[-1]) for line in rows[1:]]
    np.testing.assert_allclose(found, model.predict(table), rtol=1e-6)


def test_all_other_columns_are_covariates_but_weights_and_offset(table, tmp_path, capsys):
    table.to_csv(tmp_path / "t.csv", index=False)
    beside = ("--precision-weights", "w", "--offset", "e", "--exclude", "f")
    run("fit", tmp_path / "t.csv", "--outcome", "y", "--cluster", "k", *beside)
    assert "formula     y ~ x + kind" in capsys.readouterr().out


@pytest.mark.parametrize(("kind", "name"), [("precision", "w"), ("frequency", "f")])
def test_weights_of_a_kind_are_those_with_the_name_of_the_kind(table, kind, name, capsys, tmp_path):
    by_name = {f"{kind}_weights": name}
    short = {"weights": name, "weight_kind": kind}
    a, b = (scs.fit("y ~ x", table, "k", budget=2, **given) for given in (by_name, short))
    assert a.summary() == b.summary() and a.options == b.options
    rows = table[["x"]], table["y"], table["k"]
    moments = [
        scs.Moments.from_arrays(*rows, **{key: table[name] for key in by_name}),
        scs.Moments.from_arrays(*rows, weights=table[name], weight_kind=kind),
    ]
    np.testing.assert_array_equal(*(each.n for each in moments))
    table.to_csv(tmp_path / "t.csv", index=False)
    printed = []
    for given in ([f"--{kind}-weights", name], ["--weights", name, "--weight-kind", kind]):
        formula = ["--formula", "y ~ x", "--cluster", "k", "--budget", "2"]
        assert main(["fit", str(tmp_path / "t.csv"), *formula, *given]) in (0, None)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] and "y ~ x" in printed[0]


def test_weights_by_both_names_and_of_another_kind_are_refused(table):
    with pytest.raises(ValueError, match="are precision_weights: pass one of them"):
        scs.fit("y ~ x", table, "k", weights="w", precision_weights="w")
    with pytest.raises(ValueError, match="weight_kind must be one of"):
        scs.fit("y ~ x", table, "k", weights="w", weight_kind="aweights")
    with pytest.raises(ValueError, match="it is of Gaussian fits"):
        scs.fit("f ~ 1", table, "k", family="poisson", expected="w", weights="w")


def test_refit_takes_the_weights_that_changes_leave(table):
    f = scs.fit("y ~ x", table, "k", budget=1, weights="f", weight_kind="frequency")
    p = scs.fit("y ~ x", table, "k", budget=1, weights="w")
    plain = scs.fit("y ~ x", table, "k", budget=1)
    assert scs.refit(f, table).summary() == f.summary()
    assert scs.refit(f, table, weights=None).summary() == plain.summary()
    assert scs.refit(p, table, weights=None).summary() == plain.summary()
    assert scs.refit(f, table, weights="w").summary() == p.summary()
    as_precision = scs.fit("y ~ x", table, "k", budget=1, weights="f")
    assert scs.refit(f, table, weight_kind="precision").summary() == as_precision.summary()
    with pytest.raises(ValueError, match="weight_kind without weights"):
        scs.refit(plain, table, weight_kind="frequency")


def test_precisions_of_a_size_that_loses_the_background_are_refused(table):
    with pytest.raises(ValueError, match="divide them by their mean"):
        scs.fit("y ~ x", table.assign(w=1e8 * table["w"]), "k", weights="w")
