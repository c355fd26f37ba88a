"""Whoever has time left finds what a plain search by exchanges finds."""

import time

import numpy as np
import pytest

from scs import Moments, solve
from scs.moments.moments import SlopeMoments
from scs.problem.objective import Problem, indicator, profile
from scs.solvers.alternating import alternating, swap
from scs.solvers.polish import Polish
from scs.solvers.stop import Stop


def flat_rows(seed):
    """Gaussian effects, and covariates that are constant within clusters: no proof to be had."""
    rng = np.random.default_rng(seed)
    n_clusters, n_columns = int(rng.integers(30, 60)), int(rng.integers(3, 9))
    clusters = np.repeat(np.arange(n_clusters), rng.integers(1, 6))
    X = rng.normal(size=(n_clusters, n_columns))[clusters]
    y = X @ rng.normal(size=n_columns) + rng.normal(size=n_clusters)[clusters]
    y += 0.5 * rng.normal(size=len(y))
    budget = int(rng.integers(3, n_clusters // 2))
    return Moments.from_arrays(X, y, clusters, intercept=True), budget


def exchanged(problem, budget, rng, n_starts):
    """Exchanges from random supports, each to its end; every price is a fit."""
    best = np.inf
    for _ in range(n_starts):
        support = rng.choice(problem.n_clusters, budget, replace=False)
        best = min(
            best, swap(problem, profile(problem, indicator(problem.n_clusters, support))).value
        )
    return best


@pytest.mark.parametrize("method", ["auto", "outer"])
@pytest.mark.parametrize("seed", range(4))
def test_exchanges_from_random_supports_find_nothing_better(seed, method):
    moments, budget = flat_rows(seed)
    solution = solve(moments, budget, ridge=0.1, method=method, time_limit=3.0)
    problem = Problem.from_moments(moments, ridge=0.1)
    other = exchanged(problem, budget, np.random.default_rng(seed + 99), 10)
    assert solution.objective <= other * (1 + 1e-9)
    assert solution.bound <= other


@pytest.mark.parametrize("seed", range(6))
def test_a_turn_returns_supports_within_the_budget_and_never_worse(seed):
    moments, budget = flat_rows(seed)
    problem = Problem.from_moments(moments, ridge=0.1)
    start = profile(problem, indicator(problem.n_clusters, np.arange(budget)))
    polish = Polish(problem, budget, seed=seed, stop=Stop(), started=time.perf_counter(), hard=True)
    best = start
    for _ in range(6):
        found = polish.turn(best)
        assert found.value <= best.value
        best = found
    assert best.s.sum() == budget
    assert best.value == pytest.approx(profile(problem, best.s).value)
    assert best.value <= alternating(problem, budget, seed=seed).value * (1 + 1e-2)


def test_time_is_asked_for_before_a_turn():
    moments, budget = flat_rows(0)
    problem = Problem.from_moments(moments)
    at = profile(problem, indicator(problem.n_clusters, np.arange(budget)))
    long_ago = time.perf_counter() - 1e6
    late = Polish(problem, budget, seed=0, stop=Stop(-1.0), started=long_ago)
    assert not late.due
    assert late(at) is at
    early = Polish(problem, budget, seed=0, stop=Stop(), started=time.perf_counter() + 1e6)
    assert early(at) is at


def test_the_heuristic_at_the_start_obeys_the_time_limit():
    """Cut off after its first fit, each method still returns a support and a bound that hold."""
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(60), 4)
    X = rng.normal(size=(240, 3))
    y = X[:, 0] * rng.normal(size=60)[clusters] + rng.normal(size=240)
    one = Moments.from_arrays(X, y, clusters, intercept=True)
    two = SlopeMoments.from_arrays(X, y, clusters, X[:, :1], intercept=True)
    for moments, method in ((one, "auto"), (one, "outer"), (one, "alternating"), (two, "auto")):
        solution = solve(moments, 12, method=method, time_limit=1e-9)
        assert solution.status == "time_limit"
        assert 0 <= solution.bound <= solution.objective
        longer = solve(moments, 12, method="alternating")
        assert solution.bound <= longer.objective <= solution.objective * (1 + 1e-9)
