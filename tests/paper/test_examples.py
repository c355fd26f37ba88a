"""The data examples: verdicts follow from stored results, and stored results from the data."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.linear_model import LinearRegression

import scs.paper.examples.mice
from scs import (
    Moments,
    SignificantClusterRegressor,
    lmm_gaussian,
    load_mice,
    load_student,
    ols,
    published,
    solve,
)
from scs.paper import datasets
from scs.paper.examples import (
    COLUMNS,
    PROTEINS,
    VERDICTS,
    coverage_study,
    equally_good,
    fit_students,
    mouse_cells,
    mouse_splits,
    near_printed_threshold,
    read_results,
    results_folder,
    split_rows,
    student_cells,
)
from scs.paper.examples.cells import FIGURE_4, FIGURE_C1, FIGURE_C2
from scs.paper.examples.coverage import draw_clusters, intervals_of
from scs.paper.examples.mice import SETTINGS, covariates_of, least_squares
from scs.paper.examples.student import population_mse
from scs.paper.ledger import read_cells

KEYS = ["setting", "protein", "split", "method", "rows", "prediction"]


def needs(name):
    return pytest.mark.skipif(
        not datasets.available(name),
        reason=f"the real data set {name!r} is not here: load_{name}() downloads it into data/raw, "
        "or set SCS_DATA_DIR to its folder (see data/README.md)",
    )


@pytest.fixture(scope="module")
def cells():
    return read_cells(results_folder() / "examples.csv")


# --- the stored verdicts, with or without the data ----------------------------------------------


def test_every_published_number_of_the_examples_has_a_verdict(cells):
    assert list(cells.columns) == list(COLUMNS)
    assert cells["table"].value_counts().to_dict() == {
        "C1": 4,
        "Fig. 4": len(FIGURE_4),
        "Fig. C2": len(FIGURE_C2),
        "Fig. C1": 2 * len(FIGURE_C1),
    }
    assert not cells.duplicated(["table", "row", "method", "quantity"]).any()
    assert set(cells["verdict"]) <= set(VERDICTS)
    assert np.isfinite(cells[["published", "ours"]]).all(axis=None)
    assert cells["evidence"].str.len().min() > 10


def test_the_published_column_is_what_was_published(cells):
    table = cells[cells["table"] == "C1"]
    assert_array_equal(table["method"], published("C1")["method"])
    assert_array_equal(table["published"], published("C1")["mse"])
    figure = cells[cells["table"] == "Fig. C1"].pivot(
        index="row", columns="method", values="published"
    )
    for protein, (of_ols, of_mio) in FIGURE_C1.items():
        assert figure.loc[protein, "OLS"] == of_ols and figure.loc[protein, "MIO"] == of_mio


def test_no_number_is_called_reproduced_that_differs(cells):
    good = cells[cells["verdict"] == "reproduced"]
    random = good["z"].notna()
    assert (good.loc[random, "z"].abs() <= 2).all()
    fixed = good[~random]
    digit = np.where(fixed["table"] == "C1", 5e-6, 0.005)
    assert (np.abs(fixed["ours"] - fixed["published"]) <= digit + 1e-9).all()


def test_the_verdicts_on_figure_c1_follow_from_the_stored_splits(cells):
    splits = read_results("mice_splits")
    assert splits["split"].nunique() == 30
    stored = cells[cells["table"] == "Fig. C1"].reset_index(drop=True)
    assert_frame_equal(mouse_cells(splits), stored, rtol=1e-3, atol=1e-20, check_dtype=False)


def test_a_twin_that_is_not_fitted_exactly_is_not_explained():
    splits = read_results("mice_splits")
    of_twin = (splits["protein"] == "ARC_N") & (splits["method"] == "OLS")
    splits.loc[of_twin, "mse"] = 1e-6
    found = mouse_cells(splits).set_index(["row", "method"])["verdict"]
    assert found["ARC_N", "OLS"] == "differs, unexplained"
    assert found["pS6_N", "OLS"] == "differs, explained"


# --- with the data ------------------------------------------------------------------------------


@needs("student")
def test_stored_verdicts_on_the_students_are_recomputed(cells):
    fits = fit_students(load_student(quiet=True))
    stored = cells[cells["table"] != "Fig. C1"].reset_index(drop=True)
    assert_frame_equal(student_cells(fits), stored, rtol=1e-5, check_dtype=False)


@needs("student")
def test_students_meet_the_published_ols_error_and_so_does_every_balanced_gls():
    table = load_student(quiet=True)
    fits = fit_students(table)
    assert round(fits.mse["OLS"], 6) == 10.454418
    assert_allclose(fits.gaussian.beta, fits.ols.beta, atol=1e-9)
    direct = table["score"] - datasets.student_design(table) @ fits.mio.beta
    assert_allclose(fits.mse["MIO"], np.mean(direct**2))


@needs("student")
def test_other_selections_are_what_they_are_called():
    fits = fit_students(load_student(quiet=True))
    others = equally_good(fits)
    assert others["objective"].between(1, 1.005).all()
    assert others["shared"].max() == 77 and len(others) > 1
    for solution in near_printed_threshold(fits):
        assert 2.9 <= np.abs(solution.gamma[solution.support]).min() <= 3.3


@needs("mice")
def test_ctrl_c_ends_the_splits_of_the_mice(monkeypatch):
    def cut_off(*arguments, **options):
        return replace(solve(*arguments, **options), status="interrupted")

    monkeypatch.setattr(scs.solvers.path, "solve", cut_off)
    with pytest.raises(KeyboardInterrupt):
        mouse_splits(load_mice(quiet=True), proteins=("ARC_N",), splits=range(1))


@needs("mice")
def test_stored_mouse_errors_are_recomputed():
    proteins, splits = ("ARC_N", "S6_N"), range(3, 4)
    fresh = mouse_splits(load_mice(quiet=True), proteins=proteins, splits=splits)
    both = fresh.merge(read_results("mice_splits"), on=KEYS, suffixes=("", "_stored"))
    assert len(both) == len(fresh) > 0
    assert_allclose(both["mse"], both["mse_stored"], rtol=1e-3, atol=1e-20)
    assert_array_equal(both["budget"], both["budget_stored"])


@needs("mice")
def test_mixed_models_fail_on_the_twins_alone():
    mice = load_mice(quiet=True)
    for protein, fault in (("SOD1_N", "linearly dependent"), ("ARC_N", "exact function")):
        for twin in (True, False):
            X = sm.add_constant(covariates_of(mice, protein, twin=twin))
            if twin:
                with pytest.raises(ValueError, match=fault):
                    lmm_gaussian(X, mice[protein], mice["mouse"])
            else:
                assert lmm_gaussian(X, mice[protein], mice["mouse"]).converged


# --- the pieces, on made-up data ----------------------------------------------------------------


def made_up_mice(seed=0, n_mice=8, n_rows=10):
    """A table of the form of `load_mice`, with six proteins, two of them twins."""
    rng = np.random.default_rng(seed)
    mouse = np.repeat([f"m{k}" for k in range(n_mice)], n_rows)
    own = np.repeat(rng.normal(size=(n_mice, 5)), n_rows, axis=0)
    values = 1.0 + 0.3 * own + 0.2 * rng.normal(size=(len(mouse), 5))
    names = ["SOD1_N", "ARC_N", "BRAF_N", "a_N", "b_N"]
    table = pd.DataFrame(values, columns=names).assign(pS6_N=values[:, 1])
    attributes = {name: "x" for name in ("genotype", "treatment", "behavior", "class")}
    return pd.concat([pd.DataFrame({"mouse": mouse, **attributes}), table], axis=1)


@pytest.mark.parametrize("by", ["rows", "mice"])
def test_splits_are_partitions_of_the_right_sizes(by):
    mice = made_up_mice()["mouse"].to_numpy()
    train, validation, test = split_rows(mice, 2, by=by)
    assert_array_equal(np.sort(np.concatenate([train, validation, test])), np.arange(80))
    assert_array_equal(
        [len(train), len(validation), len(test)], [48, 16, 16] if by == "rows" else [45, 15, 20]
    )
    again = split_rows(mice, 2, by=by)
    assert all(np.array_equal(a, b) for a, b in zip((train, validation, test), again))
    assert not np.array_equal(test, split_rows(mice, 3, by=by)[2])
    if by == "mice":
        assert not set(mice[test]) & set(mice[np.concatenate([train, validation])])


def test_split_refuses_another_unit():
    with pytest.raises(ValueError, match=r"^by must be"):
        split_rows(["a", "b"], 0, by="cages")


def test_errors_are_those_of_the_packages_estimators():
    table = made_up_mice()
    found = mouse_splits(table, proteins=("SOD1_N",), settings=("rows",), splits=range(1))
    found = found.set_index(["method", "prediction"])
    train, validation, test = split_rows(table["mouse"], 0)
    both = np.concatenate([train, validation])
    X = covariates_of(table, "SOD1_N", twin=False)
    assert list(X) == ["ARC_N", "BRAF_N", "a_N", "b_N"]
    X = ((X - X.iloc[both].mean()) / X.iloc[both].std(ddof=0)).to_numpy()
    y, mouse = table["SOD1_N"].to_numpy(), table["mouse"].to_numpy()

    plain = LinearRegression().fit(X[both], y[both])
    assert_allclose(
        found.loc[("OLS", "linear"), "mse"], np.mean((y[test] - plain.predict(X[test])) ** 2)
    )

    budget = int(found.loc[("MIO", "known"), "budget"])
    model = SignificantClusterRegressor(budget, ridge_fixed=None, method="alternating")
    model.fit(X[both], y[both], mouse[both])
    known, guessed = model.predict(X[test], mouse[test]), model.predict(X[test])
    assert_allclose(found.loc[("MIO", "known"), "mse"], np.mean((y[test] - known) ** 2))
    assert_allclose(found.loc[("MIO", "tree"), "mse"], np.mean((y[test] - guessed) ** 2))

    exog = sm.add_constant(X[both])
    fit = sm.MixedLM(y[both], exog, groups=mouse[both]).fit()
    effect = pd.Series({name: value.iloc[0] for name, value in fit.random_effects.items()})
    predicted = sm.add_constant(X[test]) @ fit.fe_params + effect.loc[mouse[test]].to_numpy()
    ours = found.loc[("LMM (Gaussian)", "known"), "mse"]
    assert_allclose(ours, np.mean((y[test] - predicted) ** 2), rtol=1e-3)


def test_the_published_setting_keeps_the_twin_and_the_scale():
    table = made_up_mice()
    found = mouse_splits(table, proteins=("ARC_N",), settings=("published",), splits=range(1))
    errors = found.set_index(["method", "rows", "prediction"])["mse"]
    assert errors["OLS", "training", "linear"] < 1e-20
    assert errors["MIO", "both", "known"] > 1e-6  # the ridge does not allow all the weight on one
    assert set(found["setting"]) < set(SETTINGS)


def test_least_squares_predicts_alike_with_a_column_twice():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
    once, twice = least_squares(X, y), least_squares(X[:, [0, 1, 2, 2]], y)
    assert_allclose(X @ once[1:] + once[0], X[:, [0, 1, 2, 2]] @ twice[1:] + twice[0])


def test_population_mse_is_the_mean_over_rows():
    rng = np.random.default_rng(1)
    X, y, clusters = rng.normal(size=(40, 3)), rng.normal(size=40), rng.integers(5, size=40)
    beta = rng.normal(size=4)
    moments = Moments.from_arrays(X, y, clusters, intercept=True)
    assert_allclose(population_mse(moments, beta), np.mean((y - beta[0] - X @ beta[1:]) ** 2))


@pytest.mark.parametrize("balanced", [True, False])
def test_in_the_students_kind_of_design_a_mixed_model_has_the_ols_coefficients(balanced):
    # Six rows a cluster, one indicator within clusters, everything else constant in them.
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(30), 6)
    X = np.column_stack(
        [np.ones(180), np.tile([0, 0, 0, 1, 1, 1], 30), rng.normal(size=30)[clusters]]
    )
    y = X @ [1.0, 2.0, 3.0] + rng.normal(size=30)[clusters] + rng.normal(size=180)
    if not balanced:
        X, y, clusters = X[:-4], y[:-4], clusters[:-4]
    difference = np.abs(lmm_gaussian(X, y, clusters).beta - ols(X, y).beta).max()
    assert difference < 1e-10 if balanced else difference > 1e-6


# --- the coverage study -------------------------------------------------------------------------


def test_draws_have_the_truth_they_say():
    X, y, clusters, truth = draw_clusters(np.random.default_rng(3), 2.0)
    assert (truth != 0).sum() == 4 + 3 and truth.iloc[:4].abs().eq(2.0).all()
    linear = truth["intercept"] + X @ truth[["x1", "x2"]].to_numpy()
    residual = y - linear - truth.iloc[:20].to_numpy()[clusters]
    # 300 standard normal errors: five standard deviations of their mean and of their variance.
    assert abs(residual.mean()) < 5 / np.sqrt(300)
    assert abs(residual.var() - 1) < 5 * np.sqrt(2 / 300)


def test_stored_coverage_is_recomputed_for_the_first_data_sets():
    stored = read_results("coverage")
    assert stored["dataset"].nunique() == 100
    for procedure, datasets_ in (("data split in half", 5), ("clusters drawn anew", 1)):
        fresh = coverage_study(sizes=(1.0,), procedures=(procedure,), datasets=datasets_)
        keys = ["size", "procedure", "dataset", "target"]
        both = fresh.merge(stored, on=keys, suffixes=("", "_stored"))
        assert len(both) == len(fresh) > 0
        for column in ("count", "covered", "null"):
            assert_array_equal(both[column], both[f"{column}_stored"])
        assert_allclose(both["width"], both["width_stored"], rtol=1e-3)


def test_an_unknown_procedure_is_refused():
    with pytest.raises(ValueError, match=r"^procedure must be one of"):
        intervals_of("magic", 10)


def test_all_eleven_proteins_are_in_the_figure():
    assert len(PROTEINS) == 11 and {"ARC_N", "pS6_N"} <= set(PROTEINS)
