"""Units, origins and orders change nothing: no name, no effect, no prediction.

A coefficient changes by exactly its unit. The right values are least squares over all supports,
written down again here.
"""

import re
import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import scs
from scs import (
    DesignWarning,
    Moments,
    SignificantClusterRegressor,
    SignificantClusterRegressorCV,
    solve,
)
from scs.cli import main
from scs.data.rank import rank_of_rows
from scs.inference.bootstrap import bootstrap
from scs.moments.rank import rank_of_moments
from scs.solvers import solve_path

quiet = settings(
    derandomize=True,
    max_examples=15,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
# Year, time stamp in seconds, share, and what a change of unit may make of a number.
SCALES = st.tuples(
    st.sampled_from([0.0, 2000.0, 1.6e9]), st.sampled_from([1e-2, 1.0, 3.0, 100.0, 1e6])
).filter(lambda pair: pair[0] <= 1e4 * pair[1])
FORMULAS = (
    "y ~ x + w + kind",
    "y ~ poly(x, 2) + kind",
    "y ~ x + I(x**2) + w",
    "y ~ bs(x, df=4) + w",
    "y ~ x * kind",
)


def rows(seed: int = 0, n_clusters: int = 8, each: int = 9) -> pd.DataFrame:
    """Rows in clusters of which c1 and c5 have a level of their own."""
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(n_clusters), each)
    n = len(code)
    x = 0.7 * rng.normal(size=n_clusters)[code] + rng.normal(size=n)
    w = rng.normal(size=n)
    kind = rng.choice(list("abc"), n)
    level = np.zeros(n_clusters)
    level[[1, 5]] = 2.5, -2.0
    y = 1 + 0.8 * x - 0.5 * w + (kind == "b") + level[code] + 0.5 * rng.normal(size=n)
    return pd.DataFrame({"y": y, "x": x, "w": w, "kind": kind, "g": [f"c{k}" for k in code]})


def best_by_enumeration(X: np.ndarray, table: pd.DataFrame, budget: int, ridge: float = 1.0):
    """Least squares on [X, indicators of S], ridge on the latter as rows added; the best S."""
    labels = sorted(set(table["g"]))
    best = (np.inf, None, None, None)
    for support in combinations(labels, budget):
        named = (table["g"].to_numpy()[:, None] == np.array(support)).astype(float)
        below = np.hstack([np.zeros((budget, X.shape[1])), np.sqrt(ridge) * np.eye(budget)])
        A = np.vstack([np.hstack([X, named]), below])
        b = np.concatenate([table["y"], np.zeros(budget)])
        beta = np.linalg.lstsq(A, b, rcond=None)[0]
        value = float(np.sum((b - A @ beta) ** 2))
        if value < best[0]:
            best = (value, support, beta[: X.shape[1]], beta[X.shape[1] :])
    return best


def near(found, expected, tolerance: float = 1e-8) -> None:
    """Equal, relative to the largest number."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


# --------------------------------------------------------------- the examples that went wrong


def schools(seed: int, unit: float = 1.0) -> pd.DataFrame:
    """Thirty schools of twenty pupils, a covariate in shares; schools 2 and 15 are raised."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(30), 20)
    share = rng.uniform(0.02, 0.12, 30)[g] + 0.02 * rng.normal(size=600)
    y = 20 + 60 * share + rng.normal(size=600) + 1.5 * np.isin(g, [2, 15])
    return pd.DataFrame({"y": y, "share": unit * share, "g": g})


def test_a_share_names_the_schools_that_a_percentage_names():
    for seed in range(10):
        shares, percent = schools(seed), schools(seed, 100.0)
        models = [
            scs.fit("y ~ share", table, "g", 2, background="none") for table in (shares, percent)
        ]
        for model in models:
            assert list(model.selected) == [2, 15]
        X = np.column_stack([np.ones(600), shares["share"]])
        named = (shares["g"].to_numpy()[:, None] == [2, 15]).astype(float)
        A = np.vstack([np.hstack([X, named]), np.eye(4)[2:]])
        expected = np.linalg.lstsq(A, np.append(shares["y"], [0, 0]), rcond=None)[0]
        near(models[0].coef, expected[:2])
        near(models[1].coef, expected[:2] / [1, 100])
        estimator = SignificantClusterRegressor(2).fit(shares[["share"]], shares["y"], shares["g"])
        assert list(estimator.selected_) == [2, 15]


def test_a_balanced_design_gives_the_differences_of_means():
    """Workers by machines, three rows each: least squares is the difference of means."""
    rng = np.random.default_rng(3)
    worker, machine, _ = (axis.ravel() for axis in np.meshgrid(range(6), range(3), range(3)))
    y = 52 + np.array([0.0, 8, 14])[machine] + rng.normal(0, 4, 6)[worker] + rng.normal(size=54)
    table = pd.DataFrame({"y": y, "machine": np.array(list("ABC"))[machine], "worker": worker})
    means = table.groupby("machine")["y"].mean()
    model = scs.fit("y ~ machine", table, "worker", 3)
    near(model.coef[1:], (means - means["A"])[1:])


def test_orthogonal_polynomials_are_not_shrunken():
    table = rows(4)
    value, support, beta, gamma = best_by_enumeration(
        np.column_stack([np.ones(72), table["x"], table["x"] ** 2]), table, 2
    )
    model = scs.fit("y ~ poly(x, 2)", table, "g", 2, background="none")
    assert tuple(model.selected) == support
    near(model.effects[list(support)], gamma)
    assert model.solution.objective == pytest.approx(value)
    raw = scs.fit("y ~ x + I(x**2)", table, "g", 2, background="none")
    near(raw.coef, beta)
    near(model.predict(table), raw.predict(table))


# ------------------------------------------------------------------------- any unit and origin


@quiet
@given(st.sampled_from(FORMULAS), SCALES, st.integers(0, 5))
def test_a_formula_has_no_units(formula, scale, seed):
    origin, unit = scale
    table = rows(seed)
    moved = table.assign(x=origin + unit * table["x"], w=1e3 * table["w"])
    a, b = (scs.fit(formula, t, "g", 2, gap=1e-8) for t in (table, moved))
    assert list(a.selected) == list(b.selected)
    near(b.effects, a.effects)
    near(b.predict(moved), a.predict(table))
    new = [t.drop(columns="g").head(20) for t in (table, moved)]
    near(b.predict(new[1]), a.predict(new[0]))
    assert b.var_e == pytest.approx(a.var_e, rel=1e-8)
    if formula == FORMULAS[0]:
        assert b.coef["x"] * unit == pytest.approx(a.coef["x"], rel=1e-8)
        assert b.coef["w"] * 1e3 == pytest.approx(a.coef["w"], rel=1e-8)
        level = b.coef["Intercept"] + origin * b.coef["x"]
        assert level == pytest.approx(a.coef["Intercept"], rel=1e-6)
    for one, other in zip(a.path([0, 1, 3]), b.path([0, 1, 3]), strict=True):
        assert list(one.selected) == list(other.selected)
        assert other.objective == pytest.approx(
            one.objective, rel=1e-6
        )  # as fine as the background is estimated


@quiet
@given(SCALES, st.integers(0, 5))
def test_estimators_and_moments_have_no_units(scale, seed):
    origin, unit = scale
    table = rows(seed)[["x", "w", "y", "g"]]
    X = table[["x", "w"]]
    moved = X.assign(x=origin + unit * X["x"])
    support = best_by_enumeration(np.column_stack([np.ones(len(X)), X]), table, 2)
    for make in (
        lambda: SignificantClusterRegressor(2, gap=1e-8),
        lambda: SignificantClusterRegressorCV([0, 2, 4], cv=3, gap=1e-8),
    ):
        a, b = (make().fit(x, table["y"], table["g"]) for x in (X, moved))
        assert list(a.selected_) == list(b.selected_)
        near(b.cluster_effects_, a.cluster_effects_)
        near(b.predict(moved, table["g"]), a.predict(X, table["g"]))
        near(b.predict(moved), a.predict(X))
        near(b.coef_ * [unit, 1], a.coef_)
    for x, factor in ((X, 1.0), (moved, unit)):
        moments = Moments.from_arrays(x, table["y"], table["g"], intercept=True)
        found = solve(moments, 2, ridge_fixed=0, gap=1e-8)
        assert tuple(found.selected) == support[1]
        near(found.beta[1:] * [factor, 1], support[2][1:])
        near(found.gamma[found.support], support[3])


@quiet
@given(SCALES, st.sampled_from(["1 + x", "0 + x", "1 + x + w"]), st.integers(0, 2))
def test_random_slopes_have_no_units(scale, random, seed):
    origin, unit = scale
    table = rows(seed)
    slope = np.select([table["g"] == "c2", table["g"] == "c6"], [2.0, -2.0], 0.0)
    table["y"] += slope * table["x"]
    moved = table.assign(x=origin + unit * table["x"])
    models = [scs.fit("y ~ x + w", t, "g", 2, random=random, gap=1e-8) for t in (table, moved)]
    a, b = models
    assert {k: list(v) for k, v in a.selected.items()} == {
        k: list(v) for k, v in b.selected.items()
    }
    near(b.effects * np.array([1, unit, 1][: b.effects.shape[1]]), a.effects, 1e-7)
    near(b.predict(moved), a.predict(table))
    assert b.var_e == pytest.approx(a.var_e, rel=1e-8)


def test_a_slopes_ridge_is_that_of_the_standardised_column():
    """Every cluster has both effects: ridge regression on indicators, written down again."""
    table = rows(2)
    table["y"] += 2.0 * (table["g"] == "c2") * table["x"]
    moved = table.assign(x=2000 + 3 * table["x"])
    model = scs.fit("y ~ x", moved, "g", 8, random="1 + x", ridge=0.7)
    mean, sd = moved["x"].mean(), moved["x"].std(ddof=0)
    z = ((moved["x"] - mean) / sd).to_numpy()
    own = (moved["g"].to_numpy()[:, None] == sorted(set(moved["g"]))).astype(float)
    A = np.hstack([np.column_stack([np.ones(len(z)), z]), own, own * z[:, None]])
    ridge = np.hstack([np.zeros((16, 2)), np.sqrt(0.7) * np.eye(16)])
    target = np.append(moved["y"], np.zeros(16))
    theta = np.linalg.lstsq(np.vstack([A, ridge]), target, rcond=None)[0]
    near(model.effects["Intercept"], theta[2:10], 1e-7)
    near(model.effects["x"], theta[10:] / sd, 1e-7)
    near(model.coef, [theta[0] - mean * theta[1] / sd, theta[1] / sd], 1e-6)
    estimator = SignificantClusterRegressor(8, random=["x"], ridge=0.7)
    estimator.fit(moved[["x"]], moved["y"], moved["g"])
    near(estimator.cluster_effects_, model.effects, 1e-7)
    near(estimator.predict(moved[["x"]], moved["g"]), A @ theta, 1e-7)
    assert f"x = {mean:,.0f}" in " ".join(model.summary().split())


def test_indicators_of_all_levels_stay_levels():
    """Without a random intercept "0 + C(kind)" gives a cluster a level of its own in each kind."""
    table = rows(3)
    table["y"] += 3.0 * (table["g"] == "c4")
    model = scs.fit("y ~ kind", table, "g", 1, random="0 + C(kind)")
    assert not model.rows.slopes.scale.centre.any()
    table["y"] += 1e3
    again = scs.fit("y ~ kind", table, "g", 1, random="0 + C(kind)")
    near(again.effects, model.effects, 1e-7)


# ------------------------------------------------------------------------------ order and names


@quiet
@given(st.integers(0, 5), st.integers(0, 1000))
def test_orders_and_labels_change_nothing(seed, shuffle):
    rng = np.random.default_rng(shuffle)
    table = rows(seed)
    a = scs.fit("y ~ x + w + kind", table, "g", 2, gap=1e-8)
    other = table.iloc[rng.permutation(len(table))]
    names = dict(zip(sorted(set(table["g"])), rng.permutation([f"n{i}" for i in range(8)])))
    other = other.assign(g=other["g"].map(names))
    b = scs.fit("y ~ kind + w + x", other, "g", 2, gap=1e-8)
    assert {names[label] for label in a.selected} == set(b.selected)
    near(b.effects[[names[label] for label in a.effects.index]], a.effects)
    near(b.coef[a.coef.index], a.coef)
    near(b.predict(other), a.predict(table)[other.index])


# ------------------------------------------------------------------------------------- the rank


def fits(table: pd.DataFrame, columns: list[str], *, aliased: bool = False):
    """The same columns through every door: coefficients, effects, and what was said."""
    X, formula = table[columns], "y ~ " + " + ".join(columns)
    moments = Moments.from_arrays(X, table["y"], table["g"], intercept=True)
    for run in (
        lambda: scs.fit(formula, table, "g", 2, gap=1e-8, background="none"),
        lambda: SignificantClusterRegressor(2, gap=1e-8).fit(X, table["y"], table["g"]),
        *([] if aliased else [lambda: solve(moments, 2, ridge_fixed=0, gap=1e-8)]),
    ):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = run()
        beta = next(getattr(found, k) for k in ("coef", "coef_", "beta") if hasattr(found, k))
        names = next(k for k in ("effects", "cluster_effects_", "gamma") if hasattr(found, k))
        yield found, np.asarray(beta)[-len(columns) :], np.asarray(getattr(found, names)), said


@quiet
@given(
    st.integers(0, 3),
    st.sampled_from([(0.0, 1.0), (32.0, 1.8), (-273.15, 1.0), (0.0, -1e6), (1.6e9, 1e3)]),
)
def test_aliased_columns_are_left_out_and_named(seed, scale):
    table = rows(seed)
    table["twin"] = scale[0] + scale[1] * table["x"]
    table["both"] = table["x"] - 3 * table["w"]
    table["site"] = 0.1
    X = np.column_stack([np.ones(len(table)), table["x"], table["w"]])
    _, support, beta, gamma = best_by_enumeration(X, table, 2)
    columns = ["x", "twin", "w", "both", "site"]
    moments = Moments.from_arrays(table[columns], table["y"], table["g"], intercept=True)
    with pytest.raises(ValueError, match=r"linearly dependent.*'twin', 'both', 'site'.*Drop"):
        solve(moments, 2, ridge_fixed=0)  # a certificate is about all columns, or it is none
    for found, coefficients, effects, said in fits(table, columns, aliased=True):
        assert len(said) == 1 and issubclass(said[0].category, DesignWarning)
        note = str(said[0].message)
        for story in (
            "'twin' depends on 'x'",
            "'both' depends on 'x', 'w'",
            "'site' is constant",
        ):
            assert story in note, note
        np.testing.assert_array_equal(np.isnan(coefficients), [False, True, False, True, True])
        near(coefficients[[0, 2]], beta[1:], 1e-7)
        near(effects[effects != 0], gamma, 1e-7)
        if hasattr(found, "predict"):
            new = (table,) if hasattr(found, "coef") else (table[columns], table["g"])
            shift = np.where(table["g"] == support[0], gamma[0], 0.0)
            shift += np.where(table["g"] == support[1], gamma[1], 0.0)
            near(found.predict(*new), X @ beta + shift, 1e-7)


def test_what_is_left_out_is_in_the_summary_and_beside_the_mixed_model():
    table = rows(1)
    table["twin"] = 32 + 1.8 * table["x"]
    with pytest.warns(DesignWarning, match="'twin' depends on 'x'"):
        model = scs.fit("y ~ x + twin + w", table, "g", "auto", bootstrap=10)
    text = " ".join(model.summary().split())
    assert "column 'twin' depends on 'x'" in text
    shown = scs.estimators.summary.fixed_effects(model)
    assert shown.loc["twin"].isna().all()
    assert np.isfinite(shown.drop(index="twin").to_numpy()).all()
    plain = scs.fit("y ~ x + w", table, "g", int(model.budget))
    near(model.lmm.beta, plain.lmm.beta)
    near(model.deviations["deviation"], plain.deviations["deviation"], 1e-6)
    assert model.var_e == pytest.approx(plain.var_e)


def test_with_a_ridge_nothing_is_left_out():
    table = rows(1)
    table["twin"] = table["x"]
    with pytest.warns(DesignWarning, match="identical"):
        model = scs.fit("y ~ x + twin", table, "g", 2, ridge_fixed=1.0)
    assert model.coef["twin"] == pytest.approx(model.coef["x"])
    paper = solve(
        Moments.from_arrays(table[["x", "w"]], table["y"], table["g"], intercept=True), 2, gap=1e-6
    )
    same = scs.fit("y ~ x + w", table, "g", 2, ridge_fixed=None, background="none")
    near(same.coef, paper.beta)


@quiet
@given(st.integers(0, 2**31 - 1))
def test_rank_is_that_of_exact_integers(seed):
    """Whole numbers of known rank, in units and about origins drawn at random."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(12, 40)), int(rng.integers(2, 7))
    X = rng.integers(-9, 10, (n, p)).astype(float)
    for j in range(1, p):
        if rng.random() < 0.4:
            X[:, j] = X[:, :j] @ rng.integers(-2, 3, j) + rng.integers(-5, 6)
    full = np.column_stack([np.ones(n), X])
    ranks = [np.linalg.matrix_rank(full[:, : j + 1]) for j in range(p + 1)]
    expected = [j for j in range(p) if ranks[j + 1] > ranks[j]]
    names = tuple(f"x{j}" for j in range(p))
    units = 10.0 ** rng.integers(-6, 7, p)
    moved = (X + rng.integers(-1000, 1001, p)) * units
    code = rng.permutation(np.arange(n) % 5)
    for order in (np.arange(n), rng.permutation(n)):
        from_rows = rank_of_rows(moved[order], names, intercept=True)
        moments = Moments.from_arrays(moved[order], np.ones(n), code[order], intercept=True)
        for rank in (from_rows, rank_of_moments(moments)):
            assert rank.kept.tolist() == expected
            assert sorted(rank.dropped) == [j for j in range(p) if j not in expected]
            for j, on in rank.dropped.items():
                part = full[:, [0, *(i + 1 for i in on)]]
                fit = part @ np.linalg.lstsq(part, X[:, j], rcond=None)[0]
                near(fit, X[:, j], 1e-9) if np.ptp(X[:, j]) else None


def test_rounding_of_numbers_far_from_zero_is_no_column():
    """A time stamp and the seconds since it: what is left is the rounding of the stamp."""
    rng = np.random.default_rng(0)
    seconds = rng.uniform(0, 0.01, 200)
    stamp = 1.6e9 + seconds
    for columns, dropped in ((("stamp", "seconds"), 1), (("seconds", "stamp"), 1)):
        X = np.column_stack([{"stamp": stamp, "seconds": seconds}[name] for name in columns])
        assert list(rank_of_rows(X, columns, intercept=True).dropped) == [dropped]


def test_no_more_rows_than_coefficients_ask_for_a_ridge():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(6, 7)), columns=[*"abcdef", "y"]).assign(g=[1, 2] * 3)
    X = table[list("abcdef")]
    moments = Moments.from_arrays(X, table["y"], table["g"], intercept=True)
    with pytest.raises(ValueError, match="linearly dependent"):
        solve(moments, 1, ridge_fixed=0)
    for run in (
        lambda **o: scs.fit("y ~ a + b + c + d + e + f", table, "g", 1, **o),
        lambda **o: SignificantClusterRegressor(1, **o).fit(X, table["y"], table["g"]),
    ):
        with pytest.raises(ValueError, match=r"6 independent columns.*6 rows.*ridge_fixed above 0"):
            run()
        run(ridge_fixed=1.0)


def test_zeros_without_an_intercept_are_refused():
    table = rows(0).assign(zero=0.0)
    moments = Moments.from_arrays(table[["zero"]], table["y"], table["g"])
    for run in (
        lambda: scs.fit("y ~ zero - 1", table, "g", 1),
        lambda: SignificantClusterRegressor(1, fit_intercept=False).fit(
            table[["zero"]], table["y"], table["g"]
        ),
    ):
        with pytest.raises(ValueError, match="zeros alone"):
            run()
    with pytest.raises(ValueError, match="linearly dependent"):
        solve(moments, 1, ridge_fixed=0)


def test_sizes_whose_squares_are_no_numbers_are_refused():
    """Squares of such a covariate are 0 or infinite: it would count as constant."""
    table = rows(0)
    for unit in (1e-180, 1e170):
        moved = table.assign(x=unit * table["x"])
        with np.errstate(over="ignore"):
            moments = Moments.from_arrays(moved[["x"]], moved["y"], moved["g"], intercept=True)
            for run in (
                lambda moved=moved: scs.fit("y ~ x", moved, "g"),
                lambda moments=moments: solve(moments, 2, ridge_fixed=0),
            ):
                with pytest.raises(ValueError, match=r"leave the range of floating|linearly dep"):
                    run()


def test_a_fold_that_loses_a_column_does_not_fail():
    """An indicator of two rows of one cluster: some fold trains without it."""
    table = rows(6)
    table["rare"] = 0.0
    table.loc[[3, 4], "rare"] = 1.0
    for unit in (1.0, 1e5):
        model = scs.fit("y ~ x + rare", table.assign(rare=unit * table["rare"]), "g", "predict")
        assert np.isfinite(model.tuning.mse).all()
    X = table[["x", "rare"]]
    tuned = SignificantClusterRegressorCV(cv=9).fit(X, table["y"], table["g"])
    assert np.isfinite(tuned.validation_mse_).all()


def test_bootstrap_and_path_have_no_units():
    table = rows(2)
    X = table[["x", "w"]]
    moved = X.assign(x=1.6e9 + 1e6 * X["x"])
    found = [
        bootstrap(x, table["y"], table["g"], 2, reps=20, intercept=True, ridge_fixed=0)
        for x in (X, moved)
    ]
    np.testing.assert_array_equal(found[0].selected, found[1].selected)
    near(found[1].beta[:, 1:] * [1e6, 1], found[0].beta[:, 1:], 1e-7)
    models = [
        scs.fit("y ~ x + w", table.assign(x=x["x"]), "g", 2, bootstrap=20) for x in (X, moved)
    ]
    shown = [
        scs.estimators.summary.selected_clusters(model)[["low", "high", "chosen"]]
        for model in models
    ]
    near(shown[1], shown[0], 1e-7)
    paths = [
        solve_path(Moments.from_arrays(x, table["y"], table["g"], intercept=True), ridge_fixed=0)
        for x in (X, moved)
    ]
    for a, b in zip(*paths, strict=True):
        assert list(a.selected) == list(b.selected)
        near(b.gamma, a.gamma, 1e-7) if a.gamma.any() else None


# ------------------------------------------------------------------------------ files, command


def test_the_command_and_files_have_no_units(tmp_path, capsys):
    effects = []
    for name, unit in (("shares", 1.0), ("percent", 100.0)):
        table = schools(0, unit)
        path = tmp_path / f"{name}.csv"
        table.to_csv(path, index=False)
        options = ["--outcome", "y", "--cluster", "g", "--budget", "2", "--bootstrap", "0"]
        main(["fit", str(path), *options])
        out = capsys.readouterr().out
        assert "0 on coefficients" in out
        effects.append(re.findall(r"^  (\d+) +20 +(\S+) ", out, flags=re.M))
        moments = Moments.from_files(path, outcome="y", cluster="g", intercept=True)
        found = solve(moments, 2, ridge_fixed=0)
        assert list(found.selected) == [2, 15]
        direct = scs.fit("y ~ share", table, "g", 2, background="none")
        near(found.beta, direct.coef, 1e-7)
    assert effects[0] == effects[1]
    assert sorted(int(label) for label, _ in effects[0]) == [2, 15]


def test_the_command_says_once_what_is_left_out(tmp_path, capsys):
    table = rows(0).assign(twin=lambda t: 5 - 2 * t["x"], site=3)
    path = tmp_path / "table.csv"
    table.to_csv(path, index=False)
    main(["fit", str(path), "--outcome", "y", "--cluster", "g", "--bootstrap", "5"])
    err = capsys.readouterr().err
    assert err.count("left out") == 1
    assert "'twin' depends on 'x'" in err and "'site' is constant" in err


def test_the_tree_for_new_rows_reads_in_the_users_units():
    table = rows(5)
    models = [
        SignificantClusterRegressor(2).fit(
            table[["x", "w"]].assign(x=o + u * table["x"]), table["y"], table["g"]
        )
        for o, u in ((0.0, 1.0), (2000.0, 100.0))
    ]
    texts = [model.describe_tree() for model in models]
    pattern = r"x\s+(<=|> )\s+(\S+)"
    a, b = ([float(at) for _, at in re.findall(pattern, text)] for text in texts)
    assert len(a) >= 2
    np.testing.assert_allclose(b, 2000 + 100 * np.array(a), atol=1.0)  # two decimals are shown
