"""The solvers against full enumeration, and their promises when time is short."""

import importlib
import signal
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from interrupts import ctrl_c, python_takes_ctrl_c
from problems import all_values, random_rows, value_of_support

from scs import Moments, solve, solve_path
from scs.inference.bootstrap import bootstrap, split_intervals
from scs.paper.examples import near_printed_threshold
from scs.problem.constraints import SumToZero
from scs.problem.objective import Problem, indicator, profile
from scs.solvers.alternating import alternate, alternating, best_exchange, starts, swap
from scs.solvers.solution import STATUSES, relative_gap


def moments_of(rows):
    return Moments.from_arrays(rows.X, rows.y, rows.clusters, intercept=rows.intercept)


def hard_rows(n_clusters, seed=0, n_per_cluster=20):
    """Clusters that overlap: many supports are nearly as good as the best."""
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(n_clusters), n_per_cluster)
    X = rng.normal(size=(len(clusters), 10))
    effects = np.where(rng.uniform(size=n_clusters) < 0.2, rng.normal(size=n_clusters), 0.0)
    y = X @ rng.normal(size=10) + effects[clusters] + rng.normal(size=len(clusters))
    return X, y, clusters


@pytest.mark.parametrize("ridge", [1.0, 1e-4])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("seed", range(60))
def test_outer_equals_enumeration(seed, intercept, ridge):
    """240 random unbalanced problems; the budget runs through 0..K with the seed."""
    rows = random_rows(seed, intercept=intercept)
    budget = seed % (rows.n_clusters + 1)
    best = min(all_values(rows, budget, ridge).values())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="gap=1e-08 is finer")
        solution = solve(moments_of(rows), budget, ridge=ridge, method="outer", gap=1e-8)
    assert solution.status == "optimal"
    assert solution.objective == pytest.approx(best, rel=1e-8)
    assert solution.bound <= best * (1 + 1e-12)
    assert value_of_support(rows, solution.support, ridge) == pytest.approx(
        solution.objective, rel=1e-8
    )


@pytest.mark.parametrize("first", ["best", "worst"])
@pytest.mark.parametrize("seed", range(30))
def test_outer_finds_the_optimum_from_the_worst_support(seed, first, monkeypatch):
    """The heuristic usually starts at the optimum, which would hide a search that prunes it."""
    rows = random_rows(seed, n_clusters=9)
    values = all_values(rows, 4, 1.0)
    start = {"best": min, "worst": max}[first](values, key=values.get)

    def begin(problem, budget, *, seed=0, stop=None):
        return profile(problem, indicator(9, np.array(start))), False

    monkeypatch.setattr(importlib.import_module("scs.solvers.outer"), "first_support", begin)
    solution = solve(moments_of(rows), 4, method="outer", gap=1e-8)
    assert solution.status == "optimal"
    assert solution.objective == pytest.approx(min(values.values()), rel=1e-8)


@pytest.mark.parametrize("seed", range(10))
def test_more_budget_is_never_worse(seed):
    rows = random_rows(seed, n_clusters=8)
    path = solve_path(moments_of(rows), gap=1e-7)
    assert len(path) == 9
    objectives = [solution.objective for solution in path]
    assert (np.diff(objectives) <= 1e-7 * objectives[0]).all()
    assert all(len(solution.support) <= b for b, solution in enumerate(path))


@pytest.mark.parametrize("method", ["auto", "outer", "alternating"])
@pytest.mark.parametrize("intercept", [True, False])
def test_edges(method, intercept):
    rng = np.random.default_rng(0)
    # One cluster; clusters of one row; budgets of none, all and more than all.
    one = Moments.from_arrays(rng.normal(size=(5, 1)), rng.normal(size=5), [1] * 5)
    X, y = rng.normal(size=(9, 2)), rng.normal(size=9)
    single = Moments.from_arrays(X, y, np.arange(9), intercept=intercept)
    for moments in (one, single):
        for budget in (0, 1, moments.n_clusters, 10**9):
            solution = solve(moments, budget, method=method)
            assert solution.status in STATUSES
            assert 0 <= solution.bound <= solution.objective
            assert len(solution.support) <= min(budget, moments.n_clusters)
            if budget in (0, moments.n_clusters, 10**9):
                assert solution.status == "optimal"
                assert solution.gap <= 1e-10
    constant = Moments.from_arrays(X, np.zeros(9), np.arange(9), intercept=intercept)
    solution = solve(constant, 3, method=method)
    assert (solution.objective, solution.gap, len(solution.support)) == (0.0, 0.0, 0)
    assert solution.selection_gap == 0.0


@pytest.mark.parametrize("ridge", [1.0, 1e-2])
def test_time_limit_returns_the_best_with_its_bound(ridge):
    X, y, clusters = hard_rows(60)
    moments = Moments.from_arrays(X, y, clusters, intercept=True)
    solution = solve(moments, 12, ridge=ridge, method="outer", gap=1e-8, time_limit=1.0)
    assert solution.status == "time_limit"
    assert 0 < solution.bound < solution.objective
    assert solution.gap == relative_gap(solution.objective, solution.bound)
    assert solution.gap > 1e-8
    assert len(solution.support) == 12
    # Whatever a search in all of its time finds obeys the bound.
    best = alternating(Problem.from_moments(moments, ridge=ridge), 12, seed=5)
    assert solution.bound <= best.value


def _with_ctrl_c(monkeypatch, module, name, at=1, send=ctrl_c):
    """Have Ctrl-C come at the n-th call of a function (or method) that a module holds."""
    owner = importlib.import_module(f"scs.solvers.{module}")
    *classes, name = name.split(".")
    for each in classes:
        owner = getattr(owner, each)
    honest, calls = getattr(owner, name), iter(range(1, 10**9))

    def interrupted(*arguments, **options):
        if next(calls) == at:
            send()
        return honest(*arguments, **options)

    monkeypatch.setattr(owner, name, interrupted)


def _noticed_late():
    """What Python does inside SCIP with a Ctrl-C that came just before SCIP took over."""
    handler = signal.getsignal(signal.SIGINT)
    handler(signal.SIGINT, None)


# From the first moment to the last: before, while and after SCIP searches.
MOMENTS = [
    ("alternating", "alternate", 1, ctrl_c),
    ("outer", "uniform_diagonal", 1, ctrl_c),
    ("outer", "bare_model", 1, ctrl_c),
    ("outer", "run", 1, ctrl_c),
    ("outer", "_OuterApproximation._note_bound", 1, ctrl_c),
    ("outer", "_OuterApproximation._note_bound", 30, ctrl_c),
    ("outer", "_OuterApproximation._tangent", 1, _noticed_late),
    ("outer", "_OuterApproximation._tangent", 30, _noticed_late),
]


@pytest.mark.parametrize(("module", "name", "at", "send"), MOMENTS)
def test_ctrl_c_returns_the_best_with_its_bound(monkeypatch, module, name, at, send):
    moments = Moments.from_arrays(*hard_rows(60), intercept=True)
    _with_ctrl_c(monkeypatch, module, name, at, send)
    with python_takes_ctrl_c():
        solution = solve(moments, 12, method="outer", gap=1e-8, time_limit=600.0)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert solution.status == "interrupted"
    assert 0 < solution.bound < solution.objective
    assert len(solution.support) == 12
    n_cuts = solution.history[-1].cuts
    assert n_cuts <= at + 5, "it went on for longer than a step"


@pytest.mark.parametrize(
    ("module", "name", "at", "send"),
    [
        ("general", "relax", 1, ctrl_c),
        ("general.heuristic", "improve", 3, ctrl_c),
        ("general.master", "bare_model", 1, ctrl_c),
        ("general.master", "run", 1, ctrl_c),
        ("general.master", "_Handler._bounded_node", 3, ctrl_c),
        ("general.master", "_Handler._node", 3, _noticed_late),
    ],
)
def test_ctrl_c_with_a_rule_returns_the_best_with_its_bound(monkeypatch, module, name, at, send):
    moments = Moments.from_arrays(*hard_rows(40), intercept=True)
    _with_ctrl_c(monkeypatch, module, name, at, send)
    with python_takes_ctrl_c():
        solution = solve(moments, 8, constraints=[SumToZero()], gap=1e-8, time_limit=600.0)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert solution.status == "interrupted"
    assert 0 < solution.bound < solution.objective
    assert solution.nodes <= 10, "it went on for longer than a step"


def test_ctrl_c_at_the_end_of_the_heuristic_is_told_of(monkeypatch):
    """At the last moment the answer is whole, and whoever solves one of many has to know."""
    moments = Moments.from_arrays(*hard_rows(20), intercept=True)
    _with_ctrl_c(monkeypatch, "stop", "Stop._restore")
    with python_takes_ctrl_c():
        solution = solve(moments, 4, method="alternating", gap=0.999)
    assert solution.status == "interrupted"


def test_scip_leaves_ctrl_c_alone_where_it_is_ignored(monkeypatch):
    moments = Moments.from_arrays(*hard_rows(14), intercept=True)
    _with_ctrl_c(monkeypatch, "outer", "_OuterApproximation._note_bound", 2)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        solution = solve(moments, 3, method="outer", gap=1e-4, time_limit=600.0)
    finally:
        signal.signal(signal.SIGINT, before)
    assert solution.status == "optimal"


@pytest.mark.parametrize("at", [1, 2, 5])
@pytest.mark.parametrize(
    "loop",
    [
        lambda X, y, g: solve_path(Moments.from_arrays(X, y, g), range(6), method="alternating"),
        lambda X, y, g: bootstrap(X, y, g, 4, reps=6, n_jobs=1),
        lambda X, y, g: bootstrap(X, y, g, 4, reps=6, n_jobs=1, resample="rows", method="exact"),
        lambda X, y, g: [split_intervals(X, y, g, 4, seed=seed) for seed in range(6)],
        lambda X, y, g: near_printed_threshold(
            SimpleNamespace(moments=Moments.from_arrays(X, y, np.arange(len(y)) // 4))
        ),
    ],
    ids=["path", "clusters", "rows", "halves", "students"],
)
def test_one_ctrl_c_ends_a_loop(monkeypatch, loop, at):
    """Each solve takes Ctrl-C down: a loop that went on would need one for every turn."""
    rows = hard_rows(20)
    _with_ctrl_c(monkeypatch, "alternating", "alternating", at)
    with python_takes_ctrl_c(), pytest.raises(KeyboardInterrupt):
        loop(*rows)


def test_a_finer_gap_than_can_be_proved_is_said():
    X, y, clusters = hard_rows(12)
    moments = Moments.from_arrays(X, y, clusters)
    with pytest.warns(UserWarning, match=r"gap=1e-12 is finer than rounding"):
        solution = solve(moments, 3, method="outer", gap=1e-12)
    assert solution.status == "heuristic"  # "optimal" would claim the gap asked for
    assert solution.gap <= 5e-9  # SCIP's tolerance of 2e-10 at each variable is given away


@pytest.mark.parametrize(
    ("size", "options"),
    [
        (size, options)
        for options in ({"method": "exact"}, {"method": "outer"}, {"constraints": [SumToZero()]})
        for size in (1e-20, 1.0, 1e20)
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_an_exact_fit_is_said_to_be_one(seed, size, options):
    """What is left is rounding, below 0 or above, whatever the unit: its gap says nothing."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(40)[:, None] % 4 == np.arange(4)  # they add up to a column of ones
    X = np.column_stack([kinds, 2000 + rng.normal(size=40)])
    y = size * (1.0 + X @ rng.normal(size=5))
    clusters = np.repeat(np.arange(8), 5)
    moments = Moments.from_arrays(X, y, clusters)
    with pytest.warns(UserWarning, match=r"exact up to rounding.*add an intercept or subtract"):
        solution = solve(moments, 2, ridge_fixed=0, gap=1e-6, **options)
    assert 0 <= solution.objective <= 1e-12 * moments.yty
    assert solution.bound == 0
    assert "in" not in solution.membership
    # Noise of one part in some thousands is none of it.
    noisy = Moments.from_arrays(X, y + size * rng.normal(size=40), clusters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert solve(noisy, 2, ridge_fixed=0, **options).bound > 0


@pytest.mark.parametrize("method", ["auto", "exact", "outer", "alternating"])
def test_ctrl_c_before_the_search_still_returns_a_support(method, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("scs.solvers.alternating"), "alternating", stop)
    solution = solve(Moments.from_arrays(*hard_rows(20)), 4, method=method)
    assert solution.status == "interrupted"
    assert len(solution.support) == 4
    assert 0 <= solution.bound <= solution.objective


def test_a_bad_start_is_refused():
    moments = Moments.from_arrays(*hard_rows(8))
    with pytest.raises(ValueError, match=r"start names cluster 8, but indices run from 0 to 7"):
        solve(moments, 3, start=np.array([0, 8]))
    with pytest.raises(ValueError, match=r"start has 3 clusters, more than the budget 2"):
        solve(moments, 2, start=np.array([0, 1, 2]))


def test_the_log_never_goes_back():
    X, y, clusters = hard_rows(25)
    solution = solve(Moments.from_arrays(X, y, clusters), 5, method="outer", gap=1e-8)
    objectives = [step.objective for step in solution.history]
    bounds = [step.bound for step in solution.history]
    assert len(solution.history) > 2
    assert (np.diff(objectives) <= 0).all()
    assert (np.diff(bounds) >= 0).all()
    assert solution.history[-1].bound == solution.bound


def test_same_seed_same_answer():
    X, y, clusters = hard_rows(20)
    moments = Moments.from_arrays(X, y, clusters)
    a, b = (solve(moments, 4, seed=3, gap=1e-8) for _ in range(2))
    assert a.objective == b.objective
    np.testing.assert_array_equal(a.gamma, b.gamma)


@pytest.mark.parametrize("seed", range(20))
def test_alternating_never_rises_and_swaps_are_priced_exactly(seed):
    rows = random_rows(seed, n_clusters=9)
    problem = Problem.from_moments(moments_of(rows), ridge=0.5)
    at = alternate(problem, list(starts(problem, 3, seed))[seed % 5], 3)
    chosen, others = np.flatnonzero(at.s), np.flatnonzero(at.s == 0)
    direct = {
        (j, k): profile(problem, indicator(9, np.append(chosen[chosen != j], k))).value
        for j in chosen
        for k in others
    }
    pair = best_exchange(problem, at)
    if pair is None:
        assert min(direct.values()) >= at.value * (1 - 1e-9)
    else:
        assert direct[tuple(pair)] == pytest.approx(min(direct.values()), rel=1e-9)
    assert swap(problem, at).value <= at.value * (1 + 1e-12)


def test_alternating_finds_most_optima():
    """Heuristic, so not all: but a broken swap or start shows at once."""
    found = 0
    for seed in range(60):
        rows = random_rows(seed, n_clusters=9)
        best = min(all_values(rows, 4, 1.0).values())
        at = alternating(Problem.from_moments(moments_of(rows)), 4)
        assert at.value >= best * (1 - 1e-9)
        found += at.value <= best * (1 + 1e-9)
    assert found >= 57


def test_the_heuristic_alone_says_so():
    X, y, clusters = hard_rows(40)
    solution = solve(Moments.from_arrays(X, y, clusters), 8, method="alternating")
    assert solution.status == "heuristic"
    assert solution.method == "alternating"
    assert solution.bound <= solution.objective


def test_outer_prints_and_takes_a_start(capsys, monkeypatch):
    X, y, clusters = hard_rows(20)
    moments = Moments.from_arrays(X, y, clusters)
    best = solve(moments, 4, gap=1e-6)
    poor = profile(Problem.from_moments(moments), indicator(20, np.arange(4)))
    module = importlib.import_module("scs.solvers.outer")
    monkeypatch.setattr(module, "first_support", lambda *_, **__: (poor, True))
    # Interrupted before it searched: what it knows is the heuristic's support, or the start.
    without = solve(moments, 4, method="outer", verbose=True)
    log = capsys.readouterr().out.splitlines()
    assert log[0].split()[:2] == ["seconds", "nodes"]
    assert len(log) == 1 + len(without.history)
    assert without.objective == pytest.approx(poor.value)
    begun = solve(moments, 4, method="outer", start=best.support)
    assert begun.objective == pytest.approx(best.objective)


def test_plain_cuts_are_for_outer_and_prove_less():
    moments = Moments.from_arrays(*hard_rows(30))
    plain = solve(moments, 6, method="outer", cuts="plain", gap=1e-3, time_limit=20)
    strong = solve(moments, 6, method="outer", cuts="strong", gap=1e-3)
    assert plain.objective == pytest.approx(strong.objective, rel=1e-3)
    assert plain.history[0].bound < strong.history[0].bound
    with pytest.raises(ValueError, match=r"cuts must be one of"):
        solve(moments, 6, method="outer", cuts="weak")
    with pytest.raises(ValueError, match=r"cuts='plain' is for method='outer'"):
        solve(moments, 6, cuts="plain")
