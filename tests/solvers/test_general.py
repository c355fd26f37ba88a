"""Random slopes with a budget each, against full enumeration and against attacks on the bounds."""

import importlib
import warnings

import numpy as np
import pandas as pd
import pytest
from general_problems import SlopeRows, selections, slope_rows, value
from sklearn.base import clone

from scs import Moments, SignificantClusterRegressor, simulate_slopes, solve
from scs.moments.moments import SlopeMoments
from scs.problem.constraints import ForceIn, ForceOut
from scs.problem.objective import Problem
from scs.solvers.general.arrow import evaluate, make_arrow, plain, referee
from scs.solvers.general.heuristic import first_selection
from scs.solvers.general.relaxation import base_extraction, box_extraction, make_frame, relax
from scs.solvers.general.rules import IN, OUT, make_rules


def general_parts(rows, budgets, ridge=1.0, constraints=()):
    moments = rows.moments()
    base = getattr(moments, "base", moments)
    arrow = make_arrow(moments, Problem.from_moments(base, ridge=ridge, own_units=True))
    return arrow, make_rules(moments, arrow, np.array(budgets), constraints)


@pytest.mark.parametrize("seed", range(100))
def test_slopes_equal_enumeration(seed):
    """100 random problems with K <= 7 and Q = 1: all pairs of supports, a budget each."""
    rows = slope_rows(seed)
    rng = np.random.default_rng(1000 + seed)
    budgets = rng.integers(0, rows.n_clusters + 1, size=2)
    ridge = [1.0, 0.1][seed % 2]
    best = min(value(rows, s, ridge) for s in selections(rows, budgets))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="gap=1e-08 is finer")
        solution = solve(rows.moments(), budgets, ridge=ridge, gap=1e-8)
    assert solution.status == "optimal"
    assert solution.objective == pytest.approx(best, rel=1e-8)
    assert solution.bound <= best * (1 + 1e-12)
    s = solution.gamma != 0
    assert (s.sum(axis=0) <= budgets).all()
    assert value(rows, s, ridge) == pytest.approx(solution.objective, rel=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_two_slopes_equal_enumeration(seed):
    rows = slope_rows(seed, n_clusters=4, n_slopes=2, intercept=True)
    best = min(value(rows, s, 1.0) for s in selections(rows, (2, 1, 1)))
    solution = solve(rows.moments(), (2, 1, 1), gap=1e-8)
    assert solution.gamma.shape == (4, 3)
    assert len(solution.support) == 3
    assert solution.objective == pytest.approx(best, rel=1e-8)


@pytest.mark.parametrize("seed", range(12))
def test_the_search_finds_the_optimum_from_the_worst_selection(seed, monkeypatch):
    """The heuristic usually begins at the optimum, which would hide a search that prunes it."""
    rows = slope_rows(seed, n_clusters=5)
    values = [(value(rows, s, 1.0), s) for s in selections(rows, (2, 2))]
    worst = max(values, key=lambda pair: pair[0])[1]

    def begin(arrow, rules, out, **_):
        return evaluate(arrow, np.ones(arrow.n_columns), worst, out), False

    monkeypatch.setattr(importlib.import_module("scs.solvers.general"), "first_selection", begin)
    solution = solve(rows.moments(), 2, gap=1e-7)
    assert solution.status == "optimal"
    assert solution.objective == pytest.approx(min(v for v, _ in values), rel=1e-7)


@pytest.mark.parametrize("seed", range(10))
def test_membership_holds_for_every_optimal_selection(seed):
    rows = slope_rows(seed, n_clusters=6)
    values = [(value(rows, s, 1.0), s) for s in selections(rows, (2, 2))]
    solution = solve(rows.moments(), 2, gap=1e-6)
    best = min(v for v, _ in values)
    for v, s in values:
        if v <= best * (1 + 1e-10):
            assert (s[solution.membership == "in"] == 1).all()
            assert (s[solution.membership == "out"] == 0).all()
    assert (solution.membership != "open").any()


@pytest.mark.parametrize("seed", range(20))
def test_every_cut_lies_below_every_selection(seed):
    """Boxes, decided effects, weights from anywhere: no selection of the node is cut off."""
    rows = slope_rows(seed, n_clusters=4)
    rng = np.random.default_rng(seed)
    arrow, rules = general_parts(rows, (4, 4))
    best, _ = first_selection(arrow, rules, base_extraction(arrow, rules))
    frame = make_frame(arrow, rules, 3 * best.value)
    t = np.ones(rows.n_columns)
    exact = {
        s.tobytes(): (s, evaluate(arrow, t, s, plain(arrow))) for s in selections(rows, (2, 2))
    }
    for s, at in list(exact.values())[:5]:
        assert at.value == pytest.approx(value(rows, s, 1.0), rel=1e-9)
        assert referee(arrow, at.beta, at.gamma) == pytest.approx(at.value, rel=1e-9)
    n_tight = 0
    for trial in range(12):
        ends = np.sort(rng.uniform(frame.lo, frame.hi, size=(2, len(frame.lo))), axis=0)
        fixed_z = rng.choice([OUT, 0, 0, 0, IN], size=arrow.shape).astype(np.int8)
        fixed_x = np.zeros(rows.n_columns, dtype=np.int8)
        cap = rng.choice([0.0, 0.3, 0.7, 0.97])
        out = box_extraction(arrow, rules, frame, *ends, fixed_x, fixed_z, best, cap)
        if trial % 3 == 0:
            out = base_extraction(arrow, rules)
        s0 = rng.choice([0.0, 1.0, rng.uniform(), 1e-9], size=arrow.shape)
        s0 = np.where(fixed_z == IN, 1.0, np.where(fixed_z == OUT, 0.0, s0))
        cut = evaluate(arrow, t, s0, out)
        for s, at in exact.values():
            if ((s == 0) & (fixed_z == IN)).any() or ((s == 1) & (fixed_z == OUT)).any():
                continue
            z = out.directions @ at.beta
            if ((z < out.lo) | (z > out.hi)).any():
                continue
            below = cut.base + cut.slope_x.sum() + (cut.slope_z * s).sum()
            assert below <= at.value * (1 + 1e-11)
            n_tight += 1
    assert n_tight


@pytest.mark.parametrize("seed", range(10))
def test_the_first_box_holds_every_good_selection(seed):
    rows = slope_rows(seed, n_clusters=4, intercept=True)
    arrow, rules = general_parts(rows, (2, 2))
    best, _ = first_selection(arrow, rules, base_extraction(arrow, rules))
    limit = 1.5 * best.value
    frame = make_frame(arrow, rules, limit)
    assert len(frame.lo)
    for s in selections(rows, (2, 2)):
        at = evaluate(arrow, np.ones(rows.n_columns), s, plain(arrow))
        if at.value <= limit:
            z = frame.directions @ at.beta
            assert (frame.lo <= z).all()
            assert (z <= frame.hi).all()


@pytest.mark.parametrize("seed", range(6))
def test_slopes_of_the_cut_against_finite_differences(seed):
    rows = slope_rows(seed, n_clusters=4)
    arrow, rules = general_parts(rows, (2, 2))
    out = base_extraction(arrow, rules)
    rng = np.random.default_rng(seed)
    s, t = rng.uniform(0.2, 0.8, size=arrow.shape), np.ones(rows.n_columns)
    at = evaluate(arrow, t, s, out)
    for k, r in np.ndindex(*arrow.shape):
        step = np.zeros(arrow.shape)
        step[k, r] = 1e-5
        ends = [evaluate(arrow, t, s + sign * step, out).value for sign in (1, -1)]
        assert at.slope_z[k, r] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-6)


def test_the_relaxation_bounds_and_extraction_tightens():
    tighter = 0
    for seed in range(12):
        rows = slope_rows(seed, n_clusters=5, intercept=False)
        arrow, rules = general_parts(rows, (2, 2))
        best = min(value(rows, s, 1.0) for s in selections(rows, (2, 2)))
        bounds = [
            relax(arrow, rules, out, rules.fixed_x, rules.fixed_z)[1]
            for out in (plain(arrow), base_extraction(arrow, rules))
        ]
        assert max(bounds) <= best * (1 + 1e-11)
        tighter += bounds[1] > bounds[0]
    assert tighter >= 9


def test_a_slope_budget_of_zero_is_the_random_intercept_model():
    rows = slope_rows(3, n_clusters=7)
    slopes = solve(rows.moments(), (3, 0), gap=1e-8)
    plain_moments = Moments.from_arrays(rows.X, rows.y, rows.clusters, intercept=rows.intercept)
    intercepts = solve(plain_moments, 3, gap=1e-8)
    assert slopes.objective == pytest.approx(intercepts.objective, rel=1e-8)
    np.testing.assert_allclose(slopes.gamma[:, 0], intercepts.gamma, atol=1e-8)
    assert not slopes.gamma[:, 1].any()


def test_slope_moments_merge_and_permute():
    rng = np.random.default_rng(0)
    n = 200
    X = pd.DataFrame(rng.normal(size=(n, 2)) + 50.0, columns=["a", "b"])
    Z, y = X[["b"]], rng.normal(size=n)
    clusters = rng.choice(list("uvwxyz"), size=n)
    whole = Moments.from_arrays(X, y, clusters, Z=Z, intercept=True)
    assert isinstance(whole, SlopeMoments)
    assert whole.effect_names == ("intercept", "b")
    order = rng.permutation(n)
    pieces = [
        (X.iloc[part], y[part], clusters[part], Z.iloc[part]) for part in np.split(order, [7, 60])
    ]
    merged = Moments.from_chunks(pieces, intercept=True)
    for name in ("mean_z", "within_zz", "within_zx", "within_zy"):
        np.testing.assert_allclose(
            getattr(merged, name), getattr(whole, name), rtol=1e-9, atol=1e-9, err_msg=name
        )
    # Against products formed row by row.
    k = clusters == "v"
    centred = Z[k].to_numpy() - Z[k].to_numpy().mean(axis=0)
    np.testing.assert_allclose(whole.within_zz[1], centred.T @ centred, rtol=1e-10)
    np.testing.assert_allclose(whole.within_zy[1], centred.T @ y[k], rtol=1e-8, atol=1e-10)


def test_what_is_wrong_is_said():
    rows = slope_rows(1, n_clusters=4)
    moments = rows.moments()
    with pytest.raises(ValueError, match=r"budget has 3 entries, but clusters have 2 effects"):
        solve(moments, (1, 2, 3))
    with pytest.raises(ValueError, match=r"method='exact' takes no random slopes"):
        solve(moments, 2, method="exact")
    with pytest.raises(ValueError, match=r"Z column 'z1' is constant"):
        Moments.from_arrays(rows.X, rows.y, rows.clusters, Z=np.ones((len(rows.y), 1)))
    with pytest.raises(ValueError, match=r"Z has 3 rows but X has"):
        Moments.from_arrays(rows.X, rows.y, rows.clusters, Z=np.arange(3.0)[:, None])
    with pytest.raises(ValueError, match=r"start must hold one support for each of 2 effects"):
        solve(moments, 2, start=[[0], [1], [2]])
    with pytest.raises(ValueError, match=r"cuts='plain' is for method='outer' with a random"):
        solve(moments, 2, cuts="plain", method="outer")


def test_time_limit_returns_the_best_with_its_bound():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(40), 6)
    X = rng.normal(size=(240, 3))
    y = X @ rng.normal(size=3) + rng.normal(size=40)[clusters] * X[:, 0] + rng.normal(size=240)
    moments = Moments.from_arrays(X, y, clusters, Z=X[:, :1], intercept=True)
    solution = solve(moments, 8, gap=1e-8, time_limit=0.5)
    assert solution.status == "time_limit"
    assert 0 < solution.bound < solution.objective
    again = solve(moments, 8, method="alternating", start=solution.support)
    assert again.status == "heuristic"
    assert solution.bound <= again.objective <= solution.objective * (1 + 1e-12)


def test_a_start_and_a_log(capsys):
    rows = slope_rows(5, n_clusters=6)
    first = solve(rows.moments(), 2, gap=1e-6, verbose=True)
    assert "objective" in capsys.readouterr().out.splitlines()[0]
    again = solve(rows.moments(), 2, gap=1e-6, start=first.support)
    assert again.objective <= first.objective * (1 + 1e-12)
    assert "intercept:" in str(first)


def test_the_estimator_fits_and_predicts_slopes():
    rng = np.random.default_rng(1)
    sample, _, gamma = simulate_slopes(12, 3, 20, (2, 3), rng, effect=3.0)
    X = pd.DataFrame(sample.X, columns=list("abc"))
    labels = np.array([f"c{k:02d}" for k in range(12)])[sample.clusters]
    model = SignificantClusterRegressor((2, 3), random=["a"], ridge=0.1).fit(X, sample.y, labels)
    effects = model.cluster_effects_
    assert list(effects.columns) == ["intercept", "a"]
    np.testing.assert_array_equal(effects.to_numpy() != 0, gamma != 0)
    np.testing.assert_array_equal([len(part) for part in model.selected_], [2, 3])
    rows = slice(None, None, 17)
    own = effects.loc[labels[rows]].to_numpy()
    by_hand = model.intercept_ + X[rows] @ model.coef_ + own[:, 0]
    by_hand += own[:, 1] * (X["a"] - X["a"].mean())[rows]
    np.testing.assert_allclose(model.slope_centre_, X[["a"]].mean())
    np.testing.assert_allclose(model.predict(X[rows], labels[rows]), by_hand)
    assert np.isfinite(model.predict(X)).all()
    assert np.isfinite(
        clone(model).set_params(assignment="hard").fit(X, sample.y, labels).predict(X)
    ).all()
    with pytest.raises(ValueError, match="random names column 'z'"):
        SignificantClusterRegressor(1, random=["z"]).fit(X, sample.y, labels)
    with pytest.raises(TypeError, match="random must be a list of columns"):
        SignificantClusterRegressor(1, random="a").fit(X, sample.y, labels)


def test_simulated_slopes_have_the_law_they_say():
    sample, beta, gamma = simulate_slopes(
        40, 3, 500, (10, 8), np.random.default_rng(0), noise_var=0.25
    )
    assert ((gamma != 0).sum(axis=0) == [10, 8]).all()
    assert set(np.unique(beta)) <= {-1.0, 0.0, 1.0}
    spread = np.array([sample.X[sample.clusters == k].var() for k in range(40)])
    np.testing.assert_allclose(spread, 1 + (gamma**2).sum(axis=1), rtol=0.15)
    k = sample.clusters
    noise = sample.y - sample.X @ beta - gamma[k, 0] - gamma[k, 1] * sample.X[:, 0]
    assert noise.var() == pytest.approx(0.25, rel=0.05)
    with pytest.raises(ValueError, match="n_nonzero has 3 entries"):
        simulate_slopes(4, 1, 2, (1, 1, 1), np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"n_nonzero must lie in 0\.\.4"):
        simulate_slopes(4, 1, 2, (5,), np.random.default_rng(0))


def test_a_node_decided_by_reduced_costs_is_exact():
    """A node whose last selections were decided in its last round once kept its earlier bound."""
    rng = np.random.default_rng([0, 5, 0])
    sample, _, _ = simulate_slopes(30, 3, 15, (5, 4), rng)
    moments = Moments.from_arrays(sample.X, sample.y, sample.clusters, Z=sample.X[:, :1])
    assert solve(moments, (5, 4), ridge=0.1, gap=1e-3).status == "optimal"


@pytest.mark.parametrize("budget", [0, 1, (0, 3), 10**9])
@pytest.mark.parametrize("intercept", [True, False])
def test_edges(budget, intercept):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(9, 2)), rng.normal(size=9)
    one = Moments.from_arrays(X, y, [1] * 9, intercept=intercept, Z=X[:, :1])
    single = Moments.from_arrays(X, y, np.arange(9), intercept=intercept, Z=X[:, 1:])
    for moments in (one, single):
        solution = solve(moments, budget)
        assert solution.status == "optimal"
        assert 0 <= solution.bound <= solution.objective
        assert solution.gamma.shape == (moments.n_clusters, 2)
    nothing = Moments.from_arrays(X, np.zeros(9), np.arange(9), intercept=intercept, Z=X[:, 1:])
    solution = solve(nothing, budget)
    assert (solution.objective, solution.gap) == (0.0, 0.0)
    assert [len(part) for part in solution.support] == [0, 0]


@pytest.mark.slow
def test_forcing_against_a_membership_is_worse():
    """The other engine (logical rules through SCIP's LP) holds each proof to account."""
    sample, _, _ = simulate_slopes(12, 2, 8, (3, 3), np.random.default_rng(4), effect=1.5)
    moments = Moments.from_arrays(
        sample.X, sample.y, sample.clusters, Z=sample.X[:, :1], intercept=True
    )
    solution = solve(moments, 3, gap=1e-6)
    proved_out = np.argwhere(solution.membership == "out")
    proved_in = np.argwhere(solution.membership == "in")
    assert len(proved_out) > 3
    assert len(proved_in) > 3
    rules = [ForceIn(clusters=[k], effect=int(r)) for k, r in proved_out[:3]]
    rules += [ForceOut(clusters=[k], effect=int(r)) for k, r in proved_in[:3]]
    for rule in rules:
        forced = solve(moments, 3, constraints=[rule], gap=1e-4)
        assert forced.objective > solution.objective
        assert forced.status == "optimal"


def test_no_selection_from_anywhere_beats_the_bound():
    rng = np.random.default_rng(7)
    sample, _, gamma = simulate_slopes(60, 4, 10, (6, 6), rng, effect=1.0, noise_var=2.0)
    moments = Moments.from_arrays(
        sample.X, sample.y, sample.clusters, Z=sample.X[:, :1], intercept=True
    )
    solution = solve(moments, 6, gap=1e-2, time_limit=10)
    rows = SlopeRows(sample.X, sample.X[:, :1], sample.y, sample.clusters, True)
    assert solution.bound > 0.9 * solution.objective
    assert solution.bound <= value(rows, gamma != 0, 1.0)
    for trial in range(60):
        s = solution.gamma != 0
        for r in (0, 1):  # exchange a few of the answer's, or draw anew
            keep = rng.permutation(np.flatnonzero(s[:, r]))[: trial % 7]
            s[:, r] = False
            s[keep, r] = True
            others = np.flatnonzero(~s[:, r])
            s[rng.choice(others, size=6 - len(keep), replace=False), r] = True
        assert solution.bound <= value(rows, s, 1.0)


def test_rules_on_columns_that_effects_and_a_tiny_ridge_leave_dependent_are_refused():
    """With both clusters selected, one row in each direction is left for two columns."""
    X = [[60.16, 55.15], [59.02, 55.13], [58.76, 53.82]]
    moments = Moments.from_arrays(X, [531.0, 528.5, 530.3], [0, 1, 1], intercept=True)
    with pytest.raises(ValueError, match="take a larger ridge and ridge_fixed"):
        solve(moments, 2, ridge=2e-19, constraints=[ForceIn(clusters=[0])])
