"""Every claim of every engine against rational arithmetic on the stored moments."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
from problems import random_rows, value_of_support
from rational import Exact, attack, draw, wrong_claims

from scs import DesignWarning, Moments, fit, solve
from scs.problem.background import with_background
from scs.problem.objective import Problem, indicator, lower_bound, membership, profile, rounding


@pytest.mark.parametrize("engine", ["exact", "alternating", "outer", "path"])
@pytest.mark.parametrize("block", range(3))
def test_no_claim_is_wrong(engine, block):
    """300 problems: offsets, scales 1e-8 to 1e8, ties, ridges, backgrounds, budgets 0 to K."""
    solved = 0
    for seed in range(100 * block, 100 * (block + 1)):
        counts, wrong = attack(seed, [engine])
        assert not wrong
        solved += counts[engine, "solved"]
    assert solved > 80  # a few are refused


def test_rational_values_are_those_of_least_squares_on_the_rows():
    for seed in range(20):
        rows = random_rows(seed, n_clusters=5)
        moments = Moments.from_arrays(rows.X, rows.y, rows.clusters, intercept=rows.intercept)
        exact = Exact(moments, 0.5, 0.25)
        for support in [(), (1,), (0, 3), (0, 1, 2, 3, 4)]:
            slow = value_of_support(rows, support, 0.5, 0.25)
            assert float(exact.value(support)) == pytest.approx(slow, rel=1e-9)


def test_rational_values_over_a_background_are_those_of_a_dense_system():
    for seed in range(20):
        rows = random_rows(seed, n_clusters=5)
        theta = float(10.0 ** np.random.default_rng(seed).uniform(-2, 2))
        moments = Moments.from_arrays(rows.X, rows.y, rows.clusters, intercept=rows.intercept)
        exact = Exact(moments, 0.5, 0.25, theta)
        columns = [rows.X] if not rows.intercept else [np.ones((len(rows.y), 1)), rows.X]
        belongs = (rows.clusters[:, None] == moments.labels).astype(float)
        for support in [(), (1,), (0, 3), (0, 1, 2, 3, 4)]:
            A = np.hstack([*columns, belongs, belongs[:, list(support)]])
            penalty = np.concatenate([
                np.zeros(int(rows.intercept)), np.full(rows.X.shape[1], 0.25),
                np.full(5, 1 / theta), np.full(len(support), 0.5),
            ])  # fmt: skip
            all_effects = np.linalg.solve(A.T @ A + np.diag(penalty), A.T @ rows.y)
            slow = ((rows.y - A @ all_effects) ** 2).sum() + penalty @ all_effects**2
            assert float(exact.value(support)) == pytest.approx(slow, rel=1e-9)


def test_the_attack_notices_wrong_claims():
    """It is able to fail: a bound a little higher, a wrong word, a wrong objective."""
    drawn = draw(12)
    budget, exact = 1, Exact(drawn.moments, 1.0, 1.0)
    found = solve(drawn.moments, budget, gap=1e-9)
    assert not wrong_claims(exact, found, budget, 1e-9)
    best = min(exact.within_budget(budget).values())
    flipped = {"in": "out", "out": "in", "open": "in"}
    for change in (
        {"bound": float(best) * (1 + 1e-12), "objective": float(best) * (1 + 1e-12)},
        {"membership": np.array([flipped[claim] for claim in found.membership])},
        {"objective": found.objective + 3 * found.rounding},
    ):
        spoiled = type(found)(**{**found.__dict__, **change})
        assert wrong_claims(exact, spoiled, budget, 1e-9), change


def far_columns(offset, seed=0):
    """Two columns of spread 1, like map coordinates in metres, in eight clusters."""
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(6), 8)
    X = rng.normal(size=(48, 2)) + offset
    y = X @ [1.0, -1.0] + 3.0 * (clusters == 2) + rng.normal(size=48)
    return Moments.from_arrays(X, y, clusters)


@pytest.mark.parametrize("offset", [1e6, 1e7, 2e7])
@pytest.mark.parametrize("budget", [0, 1, 3, 6])
def test_columns_far_from_zero_without_an_intercept(offset, budget):
    for seed in range(3):
        moments = far_columns(offset, seed)
        exact = Exact(moments, 1.0, 1.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = solve(moments, budget, method="exact")
        assert not wrong_claims(exact, found, budget, 1e-4)
        best = min(exact.within_budget(budget).values())
        assert found.status == "optimal"
        assert found.objective == pytest.approx(float(best), rel=1e-5)
        assert found.bound >= float(best) * (1 - 1e-4)


def test_coefficients_come_back_in_the_units_of_the_data():
    moments = far_columns(1e6)
    exact = Exact(moments, 1.0, 1e-3)
    found = solve(moments, 2, ridge_fixed=1e-3)
    assert float(exact.at(found.beta, found.gamma)) == pytest.approx(found.objective, rel=1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_bounds_hold_at_any_point(seed):
    """A tangent anywhere, and what it says of each cluster, whatever the value it is given."""
    drawn = draw(seed)
    try:
        problem = Problem.from_moments(
            with_background(drawn.moments, drawn.background),
            ridge=drawn.ridge,
            ridge_fixed=drawn.ridge_fixed,
        )
    except ValueError:
        return
    exact = Exact(drawn.moments, drawn.ridge, drawn.ridge_fixed, drawn.background)
    K, rng = problem.n_clusters, np.random.default_rng(seed)
    values = exact.within_budget(drawn.budget)
    best = min(values.values())
    optimal = [support for support, value in values.items() if value == best]
    for support, value in values.items():
        at = profile(problem, indicator(K, np.array(support, dtype=int)))
        assert abs(Fraction(at.value) - value) <= Fraction(rounding(problem, at))
    for s in (rng.random(K), np.full(K, drawn.budget / K), rng.integers(0, 2, K).astype(float)):
        at = profile(problem, s)
        assert lower_bound(problem, at, drawn.budget) <= max(best, 0)
        good = profile(problem, indicator(K, np.array(optimal[-1], dtype=int)))
        above = good.value + rounding(problem, good)
        assert lower_bound(problem, at, drawn.budget, above) <= max(best, 0)
        for k, claim in enumerate(membership(problem, at, drawn.budget, good.value)):
            assert claim != "in" or all(k in support for support in optimal)
            assert claim != "out" or not any(k in support for support in optimal)


@pytest.mark.parametrize("name", ["ridge", "ridge_fixed"])
@pytest.mark.parametrize("value", [1e308, 1e-200, np.inf, np.nan])
@pytest.mark.parametrize("method", ["exact", "outer", "alternating"])
def test_a_ridge_beyond_floating_point_is_named(name, value, method):
    moments = far_columns(0.0)
    with pytest.raises(ValueError, match=rf"^{name} must"):
        solve(moments, 2, method=method, **{"ridge": 1.0, name: value})


@pytest.mark.parametrize("budget", [2, "auto"])
def test_the_door_for_tables_names_such_a_ridge_too(budget):
    import pandas as pd

    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=60), "g": np.repeat(np.arange(6), 10)})
    table["y"] = table["x"] + rng.normal(size=60)
    with pytest.raises(ValueError, match="ridge must lie between"):
        fit("y ~ x", table, groups="g", budget=budget, ridge=1e308)


def test_an_answer_that_is_not_finite_is_refused_wherever_it_is_made():
    found = solve(far_columns(0.0), 2)
    for name in ("objective", "bound", "gap", "gamma"):
        with pytest.raises(ValueError, match=f"answer's {name} is not finite"):
            type(found)(**{**found.__dict__, name: np.nan})


def test_columns_of_which_nothing_is_left_are_refused():
    """A spread of 1 beside 1e15 is a digit or two: no answer, where none can be proved."""
    with pytest.raises(ValueError, match=r"centre or drop|Drop these"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)
        solve(far_columns(1e15), 2, ridge_fixed=0.0)
