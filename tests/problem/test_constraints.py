"""Each side constraint against full enumeration, conflicts by name, and three rules at once."""

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from general_problems import SlopeRows, selections, slope_rows, subsets, value

from scs import Moments, solve
from scs.problem.constraints import (
    AtMostOne,
    Bounds,
    FixedBudget,
    ForceIn,
    ForceOut,
    SlopeNeedsIntercept,
    SumToZero,
    Together,
    collinear_pairs,
)
from scs.problem.splines import spline_basis


def certified(moments, budget, constraints, best, gap=1e-7):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="gap=1e-0")
        solution = solve(moments, budget, constraints=constraints, gap=gap)
    assert solution.status == "optimal"
    assert solution.objective == pytest.approx(best, rel=1e-7)
    assert solution.bound <= best * (1 + 1e-10)
    return solution


def rows_of(seed, **options):
    """Without random slopes, five clusters, unless said otherwise."""
    options = {"n_clusters": 5, "n_slopes": 0, "n_columns": 3, **options}
    return slope_rows(seed, **options)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_best_subset_of_fixed_effects(seed):
    rows = rows_of(seed, n_columns=4)
    first = int(rows.intercept)
    best = min(
        value(rows, s, 1.0, t=np.concatenate([np.ones(first), t]))
        for s in selections(rows, (2,))
        for t in subsets(4)
        if t.sum() == 2
    )
    solution = certified(rows.moments(), 2, [FixedBudget(2)], best)
    assert np.count_nonzero(solution.beta[first:]) <= 2


@pytest.mark.parametrize("seed", range(6))
def test_signs_and_bounds_of_coefficients(seed):
    rows = rows_of(seed)
    first = int(rows.intercept)
    low = {("beta", first): 0.2}
    high = {("beta", first): 0.5, ("beta", first + 2): 0.0}
    best = min(value(rows, s, 1.0, low=low, high=high) for s in selections(rows, (2,)))
    rules = [Bounds(0.2, 0.5, columns=["x1"]), Bounds(high=0.0, columns=["x3"])]
    solution = certified(rows.moments(), 2, rules, best)
    assert 0.2 - 1e-9 <= solution.beta[first] <= 0.5 + 1e-9
    assert solution.beta[first + 2] <= 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_signs_of_effects(seed):
    rows = rows_of(seed)
    low = {("gamma", k, 0): 0.0 for k in range(5)}
    best = min(value(rows, s, 1.0, low=low) for s in selections(rows, (3,)))
    solution = certified(rows.moments(), 3, [Bounds(low=0.0)], best)
    assert (solution.gamma >= -1e-9).all()


def test_a_bound_on_the_intercept_counts_from_zero():
    rows = rows_of(2, intercept=True)
    low = {("beta", 0): 3.0}
    best = min(value(rows, s, 1.0, low=low) for s in selections(rows, (2,)))
    solution = certified(rows.moments(), 2, [Bounds(low=3.0, columns=["intercept"])], best)
    assert solution.beta[0] >= 3.0 - 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_at_most_one_of_a_set(seed):
    rows = rows_of(seed)
    first = int(rows.intercept)
    best = min(
        value(rows, s, 1.0, t=np.concatenate([np.ones(first), t]))
        for s in selections(rows, (2,))
        for t in subsets(3)
        if t[0] + t[1] <= 1 and not (s[0, 0] and s[3, 0])
    )
    rules = [AtMostOne(columns=["x1", "x2"]), AtMostOne(clusters=[0, 3])]
    certified(rows.moments(), 2, rules, best)


@pytest.mark.parametrize("seed", range(6))
def test_a_slope_only_beside_an_intercept(seed):
    rows = slope_rows(seed, n_clusters=4, n_columns=2)
    allowed = [s for b in range(3) for s in selections(rows, (2, b)) if (s[:, 1] <= s[:, 0]).all()]
    best = min(value(rows, s, 1.0) for s in allowed)
    solution = certified(rows.moments(), (2, 2), [SlopeNeedsIntercept()], best)
    assert set(solution.support[1]) <= set(solution.support[0])


@pytest.mark.parametrize("seed", range(6))
def test_clusters_and_columns_selected_together(seed):
    rows = rows_of(seed)
    first = int(rows.intercept)
    best = min(
        value(rows, s, 1.0, t=np.concatenate([np.ones(first), t]))
        for b in range(4)
        for s in selections(rows, (b,))
        for t in subsets(3)
        if s[1, 0] == s[2, 0] == s[4, 0] and t[0] == t[2] and t.sum() <= 2
    )
    rules = [Together(clusters=[1, 2, 4]), Together(columns=["x1", "x3"]), FixedBudget(2)]
    solution = certified(rows.moments(), 3, rules, best)
    assert len({1, 2, 4} & set(solution.support)) in (0, 3)


@pytest.mark.parametrize("seed", range(6))
def test_forced_in_and_out(seed):
    rows = rows_of(seed)
    t = np.ones(rows.n_columns)
    t[int(rows.intercept)] = 0.0
    best = min(value(rows, s, 1.0, t=t) for s in selections(rows, (2,)) if s[0, 0] and not s[1, 0])
    rules = [ForceIn(clusters=[0]), ForceOut(clusters=[1]), ForceOut(columns=["x1"])]
    solution = certified(rows.moments(), 2, rules, best)
    assert solution.membership[0] == "in"
    assert solution.membership[1] == "out"
    assert solution.beta[int(rows.intercept)] == 0.0


@pytest.mark.parametrize("seed", range(6))
def test_effects_that_add_up_to_zero(seed):
    rows = rows_of(seed, n_slopes=seed % 2)
    budget = (3, 2)[: rows.n_effects]
    sums = tuple(range(rows.n_effects))
    best = min(value(rows, s, 1.0, zero_sums=sums) for s in selections(rows, budget))
    rules = [SumToZero()]
    solution = certified(rows.moments(), budget if len(budget) > 1 else 3, rules, best)
    np.testing.assert_allclose(solution.gamma.sum(axis=0), 0.0, atol=1e-8)


def test_a_spline_enters_as_a_whole():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(6), 10)
    curved, idle = rng.uniform(-2, 2, size=60), rng.uniform(-2, 2, size=60)
    y = np.sin(2 * curved) + np.where(clusters == 2, 3.0, 0.0) + 0.1 * rng.normal(size=60)
    one, together_one = spline_basis(curved, 4, name="curved")
    two, together_two = spline_basis(idle, 4, name="idle")
    X = pd.concat([one, two], axis=1)
    rules = [together_one, together_two, FixedBudget(4)]
    rows = SlopeRows(X.to_numpy(), np.zeros((60, 0)), y, clusters, True)
    best = min(
        value(rows, s, 0.01, t=np.array([1.0, *[a] * 4, *[1 - a] * 4]))
        for s in selections(rows, (1,))
        for a in (0.0, 1.0)
    )
    moments = Moments.from_arrays(X, y, clusters, intercept=True)
    solution = solve(moments, 1, ridge=0.01, constraints=rules, gap=1e-7)
    assert solution.objective == pytest.approx(best, rel=1e-7)
    assert solution.beta[1:5].all()
    assert not solution.beta[5:].any()
    assert list(solution.selected) == [2]
    # The basis spans what a cubic spline with these knots does: cubics lie in it.
    fit = np.linalg.lstsq(np.column_stack([np.ones(60), one]), curved**3, rcond=None)[0]
    np.testing.assert_allclose(np.column_stack([np.ones(60), one]) @ fit, curved**3, atol=1e-8)


def test_collinear_pairs_are_found():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(80, 3)) + 10, columns=list("abc"))
    X["d"] = -X["a"] + 0.1 * rng.normal(size=80)
    moments = Moments.from_arrays(X, rng.normal(size=80), np.arange(80) % 8, intercept=True)
    assert collinear_pairs(moments, above=0.9) == [AtMostOne(columns=("a", "d"))]
    assert collinear_pairs(moments, above=0.9999) == []
    solution = solve(moments, 2, constraints=collinear_pairs(moments))
    assert solution.beta[1] == 0.0 or solution.beta[4] == 0.0


@pytest.mark.parametrize(
    ("rules", "said", "unsaid"),
    [
        (
            [ForceIn(clusters=[0, 1, 2]), FixedBudget(1)],
            ["ForceIn(columns=None, clusters=(0, 1, 2)", "budget=(2,)"],
            "FixedBudget",
        ),
        (
            [ForceIn(clusters=[0]), Bounds(low=0.0), ForceOut(clusters=[0])],
            ["ForceIn", "ForceOut"],
            "Bounds",
        ),
        (
            [Bounds(1.0, 2.0, clusters=[0]), SumToZero(), Bounds(low=0.0), FixedBudget(2)],
            ["Bounds(low=1.0, high=2.0", "SumToZero", "Bounds(low=0.0"],
            "FixedBudget",
        ),
        (
            [Together(clusters=[0, 1]), AtMostOne(clusters=[0, 1]), ForceIn(clusters=[1])],
            ["Together", "AtMostOne", "ForceIn"],
            "budget",
        ),
    ],
)
def test_a_conflict_is_named(rules, said, unsaid):
    with pytest.raises(ValueError, match=r"constraints cannot all hold: ") as error:
        solve(rows_of(0).moments(), 2, constraints=rules)
    for words in said:
        assert words in str(error.value)
    assert unsaid not in str(error.value)


@pytest.mark.parametrize(
    ("rules", "kind", "message"),
    [
        (["sign"], TypeError, "constraints holds 'sign': pass values of scs.constraints"),
        ([ForceIn(clusters=[99])], ValueError, "constraints name cluster 99"),
        ([ForceOut(columns=["no"])], ValueError, "constraints name column 'no'"),
        ([SumToZero(effect="slope")], ValueError, "constraints name effect 'slope'"),
        ([SlopeNeedsIntercept()], ValueError, "needs random slopes"),
        ([ForceIn()], ValueError, "ForceIn needs columns or clusters"),
        ([Bounds(2.0, 1.0)], ValueError, "low=2 must not exceed high=1"),
        ([FixedBudget(-1)], ValueError, "FixedBudget.n must be a whole number"),
        ([ForceOut(columns=["intercept"])], ValueError, "which has no ridge"),
    ],
)
def test_a_bad_constraint_is_refused(rules, kind, message):
    with pytest.raises(kind, match=message.replace("(", r"\(")):
        solve(rows_of(0, intercept=True).moments(), 2, constraints=rules)
    with pytest.raises(TypeError, match="columns must be a list of names"):
        FixedBudget(1, columns="x1")
    with pytest.raises(TypeError, match="constraints must be a list"):
        solve(rows_of(0).moments(), 2, constraints=SumToZero())
    with pytest.raises(ValueError, match="method='exact' takes no constraints"):
        solve(rows_of(0).moments(), 2, constraints=[SumToZero()], method="exact")


@pytest.mark.slow
def test_three_rules_at_once_with_a_hundred_clusters():
    """Certified, and never above any selection that obeys the rules."""
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(100), 10)
    X = rng.normal(size=(1000, 6))
    gamma = np.zeros(100)
    gamma[:12] = rng.choice([-2.0, 2.0], size=12)
    y = X @ [1.0, -1.0, 0.5, 0.0, 0.0, 0.0] + gamma[clusters] + rng.normal(size=1000)
    moments = Moments.from_arrays(X, y, clusters, intercept=True)
    rules = [FixedBudget(3), SumToZero(), Together(clusters=[0, 1, 2])]
    solution = solve(moments, 12, constraints=rules, gap=1e-2)
    assert solution.status == "optimal"
    assert 0 < solution.bound <= solution.objective
    assert np.count_nonzero(solution.beta[1:]) <= 3
    assert abs(solution.gamma.sum()) < 1e-8
    assert len(solution.support) <= 12
    assert len({0, 1, 2} & set(solution.support)) in (0, 3)
    rows = SlopeRows(X, np.zeros((1000, 0)), y, clusters, True)
    for columns in combinations(range(6), 3):
        s, t = np.zeros((100, 1)), np.zeros(7)
        s[rng.permutation(np.arange(3, 100))[:12]] = 1.0
        t[[0, *(1 + np.array(columns))]] = 1.0
        assert solution.bound <= value(rows, s, 1.0, t=t, zero_sums=(0,))
    s, t = np.zeros((100, 1)), np.array([1.0, 1, 1, 1, 0, 0, 0])
    s[:12] = 1.0  # the truth
    assert solution.bound <= value(rows, s, 1.0, t=t, zero_sums=(0,))
