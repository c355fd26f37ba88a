"""The same data, the same answer: order of rows and columns, labels and units change nothing."""

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import PredefinedSplit

import scs
from scs import Moments, SignificantClusterRegressor, SignificantClusterRegressorCV, solve
from scs.data.design import Design
from scs.inference.bootstrap import bootstrap
from scs.inference.folds import MOST, STABLE, choose_budget, fold_numbers, in_order
from scs.solvers import budget_grid, tune_budget

FEW = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
MANY = settings(FEW, max_examples=50)


def draw(seed, *, coarse=False):
    """A small table: clusters of unequal sizes, text, two that differ; ties where ``coarse``."""
    rng = np.random.default_rng(seed)
    n_clusters = int(rng.integers(4, 10))
    sizes = rng.integers(1, 12, n_clusters)
    sizes[0] = 6
    codes = np.repeat(np.arange(n_clusters), sizes)
    x, z = rng.normal(size=(2, len(codes)))
    effects = np.zeros(n_clusters)
    effects[:2] = rng.normal(0, 2, 2)
    y = 1 + x - 0.5 * z + effects[codes] + rng.normal(size=len(codes))
    if coarse:
        x, z, y = np.rint(x), np.rint(z), np.rint(y)
    ward = np.array(["b", "a", "c"])[np.arange(len(codes)) % 3]
    return pd.DataFrame({"y": y, "x": x, "z": z, "ward": ward, "g": [f"g{k}" for k in codes]})


RULES = ["auto", "predict", 2]


def _tells_errors(table):
    """Rows within clusters leave some degrees of freedom beside the covariates."""
    return len(table) - table["g"].nunique() - 4 >= 3


def answers(model):
    """All that a fit says, but for times."""
    return {
        "budget": model.budget,
        "selected": list(model.selected),
        "effects": model.effects.to_numpy(),
        "coef": model.coef.to_numpy(),
        "mse": None if model.tuning is None else model.tuning.mse,
        "flat": None if model.tuning is None else model.tuning.flat,
        "theta": model.theta,
        "pvalues": model.pvalues.to_numpy(),
        "background": model.background_effects.to_numpy(),
        "objective": model.solution.objective,
        "bound": model.solution.bound,
        "low": scs.estimators.summary.selected_clusters(model)
        .get("low", pd.Series(dtype=float))
        .to_numpy(),
    }


def same(one, two, **close):
    assert one.keys() == two.keys()
    for name, value in one.items():
        if value is None:
            assert two[name] is None
            continue
        if close and isinstance(value, np.ndarray | float):
            np.testing.assert_allclose(two[name], value, err_msg=name, **close)
        else:
            np.testing.assert_array_equal(two[name], value, err_msg=name)


@FEW
@given(
    seed=st.integers(0, 10_000), coarse=st.booleans(), rule=st.sampled_from(RULES), data=st.data()
)
def test_the_order_of_rows_changes_no_digit(seed, coarse, rule, data):
    table = draw(seed, coarse=coarse)
    order = data.draw(st.permutations(range(len(table))))
    shuffled = table.iloc[list(order)]
    assume(_tells_errors(table))
    first = scs.fit("y ~ x + z + ward", table, "g", rule, bootstrap=3)
    second = scs.fit("y ~ x + z + ward", shuffled, "g", rule, bootstrap=3)
    same(answers(first), answers(second))
    unknown = table.assign(g="elsewhere")
    np.testing.assert_array_equal(first.predict(unknown), second.predict(unknown))
    np.testing.assert_array_equal(first.predict(table), second.predict(table))


@FEW
@given(
    seed=st.integers(0, 10_000), coarse=st.booleans(), rule=st.sampled_from(RULES), data=st.data()
)
def test_the_order_of_columns_changes_no_name(seed, coarse, rule, data):
    table = draw(seed, coarse=coarse)
    terms = data.draw(st.permutations(["x", "z", "ward"]))
    assume(_tells_errors(table))
    first = scs.fit("y ~ x + z + ward", table, "g", rule)
    second = scs.fit(f"y ~ {' + '.join(terms)}", table[list(table.columns[::-1])], "g", rule)
    one, two = answers(first), answers(second)
    np.testing.assert_allclose(second.coef[first.coef.index], first.coef, rtol=1e-6, atol=1e-9)
    del one["coef"], two["coef"]
    same(one, two, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_other_labels_give_the_same_clusters(seed):
    table = draw(seed)
    known = sorted(table["g"].unique())
    new = np.random.default_rng(seed).permutation(len(known)).tolist()
    others = dict(zip(known, new, strict=True))
    first = scs.fit("y ~ x + z + ward", table, "g", "predict")
    second = scs.fit("y ~ x + z + ward", table.assign(g=table["g"].map(others)), "g", "predict")
    assert first.budget == second.budget
    assert {others[name] for name in first.selected} == set(second.selected)
    np.testing.assert_allclose(second.tuning.mse, first.tuning.mse, rtol=1e-6)


@FEW
@given(
    seed=st.integers(0, 10_000),
    coarse=st.booleans(),
    unit=st.sampled_from([1e-6, 0.01, 1 / 3, 1000.0, 1e6]),
    origin=st.sampled_from([0.0, -273.15, 2000.0]),
)
def test_units_and_origins_leave_rows_in_their_folds(seed, coarse, unit, origin):
    table = draw(seed, coarse=coarse)
    codes, labels = pd.factorize(table["g"], sort=True)

    def folds(x, y):
        X = np.column_stack([x, table["z"]])
        design = in_order(Design(X, y, codes, np.arange(len(labels)), ("x", "z")))
        return design, fold_numbers(design, 5, seed=1, repeat=2)

    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    plain, expected = folds(x, y)
    moved, found = folds(x * unit + origin, y)
    np.testing.assert_array_equal(moved.y, plain.y)
    np.testing.assert_array_equal(moved.codes, plain.codes)
    np.testing.assert_array_equal(found, expected)
    moved, found = folds(x, (y + origin) * unit)
    np.testing.assert_array_equal(moved.codes, plain.codes)
    np.testing.assert_array_equal(moved.X, plain.X)
    np.testing.assert_array_equal(found, expected)


@MANY
@given(seed=st.integers(0, 10_000), data=st.data())
def test_rows_that_tie_everywhere_else_are_ordered_by_their_covariates(seed, data):
    """Few values, so that most rows tie: identical rows alone may change places."""
    rng = np.random.default_rng(seed)
    n_rows, n_columns = int(rng.integers(1, 40)), int(rng.integers(0, 4))
    X = rng.integers(0, 2, (n_rows, n_columns)).astype(float)
    y, codes = rng.integers(0, 2, n_rows).astype(float), np.sort(rng.integers(0, 3, n_rows))
    labels, codes = np.unique(codes, return_inverse=True)
    names = tuple(f"x{j}" for j in range(n_columns))
    design = Design(X, y, codes, labels, names)
    order = np.array(data.draw(st.permutations(range(n_rows))))
    first = in_order(design)
    second = in_order(Design(X[order], y[order], codes[order], labels, names))
    for a, b in ((first.X, second.X), (first.y, second.y), (first.codes, second.codes)):
        np.testing.assert_array_equal(a, b)
    rows = [tuple(row) for row in np.column_stack([X, y, codes])]
    assert sorted(rows) == sorted(map(tuple, np.column_stack([first.X, first.y, first.codes])))


@MANY
@given(seed=st.integers(0, 10_000), n_folds=st.integers(2, 7))
def test_every_cluster_is_spread_over_the_folds(seed, n_folds):
    table = draw(seed)
    codes, labels = pd.factorize(table["g"], sort=True)
    design = in_order(Design(table[["x"]].to_numpy(), table["y"].to_numpy(), codes, labels, ("x",)))
    numbers = fold_numbers(design, n_folds)
    for part in [numbers, *(numbers[design.codes == k] for k in range(len(labels)))]:
        counts = np.bincount(part, minlength=n_folds)
        assert counts.max() - counts.min() <= 1


def test_folds_do_not_follow_the_outcome():
    """Held-out means of a cluster scatter as those of rows drawn at random, not less.

    Were rows dealt in the order of their outcomes, each fold would have nearly the same mean.
    """
    rng = np.random.default_rng(5)
    K, n = 400, 20
    y, codes = rng.normal(size=K * n), np.repeat(np.arange(K), n)
    design = in_order(Design(np.empty((K * n, 0)), y, codes, np.arange(K), ()))
    held_out = fold_numbers(design, 5) == 0
    sums = np.bincount(design.codes, np.where(held_out, design.y, 0.0))
    counts = np.bincount(design.codes, held_out)
    centred = sums / counts - np.bincount(design.codes, design.y) / n
    # Without replacement: variance (1 - 4/20) / 4 of a mean of four of twenty.
    ratio = np.mean(centred**2) / ((1 - 4 / 20) / 4)
    assert abs(ratio - 1) < 4 * np.sqrt(2 / K)
    # And those of two clusters have nothing to do with each other.
    assert abs(np.mean(centred)) < 4 * np.sqrt((1 - 4 / 20) / 4 / K)


def test_clusters_that_tie_are_named_alike_in_any_order_of_rows():
    """Clusters 1 and 4 hold the same rows: the sums' last digits must not choose between them."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(6, 10))
    base[4] = base[1] = base[1] + 3.1
    table = pd.DataFrame({"y": base.ravel(), "g": np.repeat(np.arange(6), 10)})
    named = set()
    for seed in range(12):
        shuffled = table.sample(frac=1, random_state=seed)
        named.add(tuple(scs.fit("y ~ 1", shuffled, "g", 1).selected))
        model = SignificantClusterRegressor(1)
        with pytest.warns(scs.data.design.DesignWarning):
            model.fit(np.ones((60, 1)), shuffled["y"], shuffled["g"])
        named.add(tuple(model.selected_))
    assert len(named) == 1


@FEW
@given(seed=st.integers(0, 10_000), data=st.data())
def test_the_estimator_that_chooses_a_budget_does_not_look_at_the_order(seed, data):
    table = draw(seed)
    order = list(data.draw(st.permutations(range(len(table)))))
    shuffled = table.iloc[order]
    fitted = [
        SignificantClusterRegressorCV().fit(each[["x", "z"]], each["y"], each["g"])
        for each in (table, shuffled)
    ]
    assert fitted[0].budget_ == fitted[1].budget_ and fitted[0].flat_ == fitted[1].flat_
    np.testing.assert_array_equal(fitted[0].validation_mse_, fitted[1].validation_mse_)
    np.testing.assert_array_equal(fitted[0].cluster_effects_, fitted[1].cluster_effects_)
    X = table[["x", "z"]]
    np.testing.assert_array_equal(fitted[0].predict(X), fitted[1].predict(X))


def test_a_splitter_of_the_users_own_means_rows_where_they_stand():
    table = draw(3)
    table = table[table.groupby("g")["g"].transform("size") >= 4]  # none is held out as a whole
    fold = np.where(np.arange(len(table)) % 3 == 0, 0, -1)
    model = SignificantClusterRegressorCV([0, 1, 3], cv=PredefinedSplit(fold))
    X, y, g = table[["x", "z"]], table["y"], table["g"]
    model.fit(X, y, g)
    for budget, error in zip(model.budgets_, model.validation_mse_, strict=True):
        direct = SignificantClusterRegressor(int(budget)).fit(X[fold < 0], y[fold < 0], g[fold < 0])
        residual = direct.predict(X[fold == 0], g[fold == 0]) - y[fold == 0]
        assert error == pytest.approx(np.mean(residual**2), rel=1e-8)


@FEW
@given(seed=st.integers(0, 10_000), data=st.data())
@pytest.mark.parametrize("resample", ["rows", "clusters"])
def test_intervals_do_not_look_at_the_order(resample, seed, data):
    table = draw(seed)
    order = list(data.draw(st.permutations(range(len(table)))))
    found = [
        bootstrap(
            each[["x", "z"]], each["y"], each["g"], 2, resample=resample, reps=4, intercept=True
        )
        for each in (table, table.iloc[order])
    ]
    np.testing.assert_array_equal(found[0].gamma, found[1].gamma)
    np.testing.assert_array_equal(found[0].beta, found[1].beta)


def test_a_large_table_grows_its_tree_on_the_same_rows_in_any_order(monkeypatch):
    monkeypatch.setattr("scs.estimators.formula._TREE_ROWS", 30)
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"y": rng.normal(size=90), "x": rng.normal(size=90), "g": range(90)})
    table["g"] %= 6
    models = [scs.fit("y ~ x", table.iloc[order], "g", 2)
              for order in (range(90), rng.permutation(90))]  # fmt: skip
    assert len(models[0].rows.design.y) == 30
    np.testing.assert_array_equal(models[0].rows.design.X, models[1].rows.design.X)
    unknown = table.drop(columns="g")
    np.testing.assert_array_equal(models[0].predict(unknown), models[1].predict(unknown))


def test_random_slopes_do_not_look_at_the_order():
    rng = np.random.default_rng(4)
    table = draw(11, coarse=True)
    first, second = (
        scs.fit("y ~ x", each, "g", 1, random="1 + z")
        for each in (table, table.iloc[rng.permutation(len(table))])
    )
    np.testing.assert_array_equal(first.effects, second.effects)
    np.testing.assert_array_equal(first.coef, second.coef)
    np.testing.assert_array_equal(first.predict(table), second.predict(table))


def test_validation_rows_do_not_look_at_the_order():
    rng = np.random.default_rng(4)
    table = draw(12)
    training, held_out = table[::2], table[1::2]
    held_out = held_out[held_out["g"].isin(training["g"])]
    first = scs.fit("y ~ x", training, "g", validation=held_out)
    second = scs.fit(
        "y ~ x",
        training.iloc[rng.permutation(len(training))],
        "g",
        validation=held_out.iloc[rng.permutation(len(held_out))],
    )
    same(answers(first), answers(second))


def test_the_rows_read_stay_where_they_stood():
    table = draw(7)
    design = scs.fit("y ~ x", table, "g").rows.design
    np.testing.assert_array_equal(design.y, table["y"])
    np.testing.assert_array_equal(design.X[:, 0], table["x"])


def test_the_command_does_not_look_at_the_order(tmp_path):
    table = draw(21)
    printed = []
    for number in range(2):
        table.sample(frac=1, random_state=number).to_csv(tmp_path / "t.csv", index=False)
        command = [sys.executable, "-c", "import sys; from scs.cli import main; sys.exit(main())"]
        command += ["fit", "t.csv", "--outcome", "y", "--cluster", "g", "--bootstrap", "5"]
        command += ["--budget", "predict"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert "held-out error" in printed[0]
    assert printed[0] == printed[1]


# --- how the choice is made ----------------------------------------------------------------------


def test_rows_are_dealt_until_the_choice_is_stable():
    table = draw(1)
    tuning = scs.fit("y ~ x", table, "g", "predict").tuning
    assert STABLE <= tuning.repeats <= MOST


def test_the_error_is_the_mean_over_every_dealing():
    """Predictions of each fold's own model, row by row, are the oracle."""
    table = draw(8)
    codes, labels = pd.factorize(table["g"], sort=True)
    X, y = table[["x", "z"]].to_numpy(), table["y"].to_numpy()
    design = in_order(Design(X, y, codes, labels, ("x", "z")))
    grid = budget_grid(len(labels))
    tuning = choose_budget(design, grid, ridge=1.0)
    squares = np.zeros(len(grid))
    for repeat in range(tuning.repeats):
        numbers = fold_numbers(design, 5, repeat=repeat)
        for fold in range(5):
            a, b = numbers != fold, numbers == fold
            training = (design.X[a], design.y[a], design.codes[a])
            moments = Moments.from_arrays(*training, intercept=True)
            for i, budget in enumerate(grid):
                found = solve(moments, budget, method="alternating")
                gamma = dict(zip(found.labels.tolist(), found.gamma, strict=True))
                effects = np.array([gamma.get(code, 0.0) for code in design.codes[b].tolist()])
                linear = design.X[b] @ found.beta[1:] + found.beta[0]
                squares[i] += np.sum((design.y[b] - linear - effects) ** 2)
    np.testing.assert_allclose(tuning.mse, squares / tuning.repeats / len(y), rtol=1e-6)
    assert tuning.best == grid[int(np.argmin(tuning.mse))]


def test_the_standard_error_is_that_of_paired_differences():
    """Many validation sets of one design: differences of two budgets' errors scatter as said."""
    rng = np.random.default_rng(0)
    K, n = 12, 15
    codes = np.repeat(np.arange(K), n)
    effects = np.zeros(K)
    effects[:2] = 1.0, -1.0

    def sample():
        X = rng.normal(size=(K * n, 2))
        y = 3 + X @ [1.0, 2.0] + effects[codes] + rng.normal(size=K * n)
        return Moments.from_arrays(X, y, codes, intercept=True)

    training = sample()
    found = [tune_budget([(training, sample())], [0, 1, 2, 6]) for _ in range(300)]
    errors = np.array([tuning.mse for tuning in found])
    for tuning in found[:5]:
        assert tuning.std_error[tuning.budgets.index(tuning.best)] == 0.0
    best = 2
    chosen = [tuning for tuning in found if tuning.best == best]
    assert len(chosen) > 100
    for i, budget in enumerate((0, 1, 2, 6)):
        if budget != best:
            scatter = np.std(errors[:, i] - errors[:, 2], ddof=1)
            said = np.mean([tuning.std_error[i] for tuning in chosen])
            assert said == pytest.approx(scatter, rel=0.2)


def test_the_flat_part_is_what_the_standard_errors_say():
    model = scs.fit("y ~ x", draw(2), "g", "predict")
    tuning = model.tuning
    low, high = tuning.flat
    assert low <= tuning.best <= high
    within = tuning.mse <= tuning.mse.min() + tuning.std_error
    budgets = np.array(tuning.budgets)
    assert within[(budgets >= low) & (budgets <= high)].all()
    for neighbour in (budgets[budgets < low][-1:], budgets[budgets > high][:1]):
        assert not within[np.isin(budgets, neighbour)].any()


def test_the_summary_says_how_flat_the_errors_are():
    flat = sharp = None
    for seed in range(40):
        model = scs.fit("y ~ x", draw(seed), "g", "predict")
        low, high = model.tuning.flat
        text = " ".join(model.summary().split())
        if low == high:
            sharp = seed
            assert "no other budget tried is within one standard error" in text
        else:
            flat = seed
            assert f"budgets {low} to {high} are within one standard error" in text
        if flat is not None and sharp is not None:
            return
    pytest.fail("no such table drawn")


def test_the_clock_has_no_say_in_the_choice():
    table = draw(5)
    patient = scs.fit("y ~ x + z", table, "g", "predict", time_limit=60)
    hurried = scs.fit("y ~ x + z", table, "g", "predict", time_limit=1e-3)
    np.testing.assert_array_equal(patient.tuning.mse, hurried.tuning.mse)
    assert patient.budget == hurried.budget


def test_a_solution_is_the_same_when_rows_are_added_in_another_order():
    """Sums of many pieces differ in their last digits alone, and so does what follows."""
    table = draw(9)
    order = np.random.default_rng(1).permutation(len(table))
    pairs = [(table, solve), (table.iloc[order], solve)]
    found = [
        solver(Moments.from_arrays(t[["x", "z"]], t["y"], t["g"], intercept=True), 2)
        for t, solver in pairs
    ]
    np.testing.assert_array_equal(found[0].support, found[1].support)
    np.testing.assert_allclose(found[0].beta, found[1].beta, rtol=1e-9, atol=1e-12)


LETTERS = ["c", "a", "b"]  # an order that is neither sorted nor, after a shuffle, of appearance


def _as_categories(kind, table):
    """Return the table with its wards as a kind of category, and the reference they must have."""
    polars, arrow = pl.from_pandas(table), pa.Table.from_pandas(table)
    place = pa.array([LETTERS.index(each) for each in table["ward"]], type=pa.int8())
    at = arrow.schema.get_field_index("ward")
    coded = pa.array(table["ward"]).dictionary_encode()
    ordered = pa.DictionaryArray.from_arrays(place, pa.array(LETTERS), ordered=True)
    own = pd.CategoricalDtype(LETTERS)
    return {
        "text": lambda: (table, "a"),
        "pandas": lambda: (table.astype({"ward": "category"}), "a"),
        "pandas, own order": lambda: (table.astype({"ward": own}), "c"),
        "polars": lambda: (polars.with_columns(pl.col("ward").cast(pl.Categorical)), "a"),
        "Enum": lambda: (polars.with_columns(pl.col("ward").cast(pl.Enum(LETTERS))), "c"),
        "arrow": lambda: (arrow.set_column(at, "ward", coded), "a"),
        "arrow, ordered": lambda: (arrow.set_column(at, "ward", ordered), "c"),
        "pandas of arrow": lambda: (
            arrow.set_column(at, "ward", coded).to_pandas(types_mapper=pd.ArrowDtype),
            "a",
        ),
    }[kind]()


@pytest.mark.parametrize(
    "kind",
    ["text", "pandas", "pandas, own order", "polars", "Enum", "arrow", "arrow, ordered",
     "pandas of arrow"],
)  # fmt: skip
@pytest.mark.parametrize("formula", ["y ~ x + ward", "y ~ x + C(ward)"])
def test_the_order_of_rows_chooses_no_reference(kind, formula):
    table = draw(3)
    for first in "abc":  # each letter comes first once
        shuffled = table.iloc[np.argsort(table["ward"] != first, kind="stable")]
        rows, reference = _as_categories(kind, shuffled.reset_index(drop=True))
        model = scs.fit(formula, rows, "g", budget=2)
        assert [coding.reference for coding in model.rows.codings] == [reference]
        others = [letter for letter in "abc" if letter != reference]
        X = table[["x"]].assign(**{letter: table["ward"] == letter for letter in others})
        answer = solve(
            Moments.from_arrays(X, table["y"], table["g"], intercept=True), 2, ridge_fixed=0.0
        )
        found = model.coef.rename(lambda name: name.split("[T.")[-1].rstrip("]"))
        np.testing.assert_allclose(found[["x", *others]], answer.beta[1:], rtol=1e-8)
        again, _ = _as_categories(kind, table)  # other codes for the same letters
        order = shuffled.index.to_numpy()
        np.testing.assert_allclose(model.predict(again)[order], model.predict(rows), rtol=1e-12)
