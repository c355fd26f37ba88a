"""A price on each cluster instead of a budget: against enumeration, and against budgets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from general_problems import slope_rows
from problems import random_rows
from rational import PRICED, attack
from test_exact import ambiguous, enumerate_supports, random_moments, random_node, split_always

from scs import Moments, solve, solve_path
from scs.problem.background import with_background
from scs.problem.constraints import SlopeNeedsIntercept
from scs.problem.objective import Problem, indicator, profile
from scs.solvers import path as path_module
from scs.solvers.alternating import alternate, starts, swap
from scs.solvers.exact.canonical import Canonical
from scs.solvers.exact.nodes import IN, OPEN, OUT
from scs.solvers.exact.relaxation import fix, relax


@pytest.fixture(params=["clusters", "boxes"])
def either(request, monkeypatch):
    if request.param == "boxes":
        split_always(monkeypatch)


def all_supports(problem):
    """Supports of every size as masks, shape (2^K, K), and c of each."""
    none = np.zeros(problem.n_clusters)
    masks, values = [none[None]], [np.array([profile(problem, none).value])]
    for size in range(1, problem.n_clusters + 1):
        supports, found = enumerate_supports(problem, size)
        masks.append(np.array([indicator(problem.n_clusters, support) for support in supports]))
        values.append(found)
    return np.concatenate(masks) > 0, np.concatenate(values)


def drawn(seed, most=8):
    """A random problem with its options, all supports, and a price among their differences."""
    moments, rng = random_moments(seed, most=most)
    options = {
        "ridge": float(rng.choice([10.0, 1.0, 1e-2, 1e-4])),
        "ridge_fixed": 0.0 if rng.random() < 0.3 else None,
        "background": float(rng.choice([0.0, 0.0, 0.05, 1.0])),
    }
    counted = with_background(moments, options["background"])
    ridges = {name: options[name] for name in ("ridge", "ridge_fixed")}
    problem = Problem.from_moments(counted, **ridges)
    masks, values = all_supports(problem)
    price = float((values.max() - values.min()) * 10.0 ** rng.uniform(-4, 0.3))
    return moments, problem, masks, values, price, options, rng


@pytest.mark.parametrize("block", range(4))
def test_agrees_with_enumeration_of_all_supports(block, either):
    """400 problems of up to 8 clusters, a few of 12, with intercepts, backgrounds, any ridge."""
    for seed in range(100 * block, 100 * (block + 1)):
        most = 12 if seed % 50 == 0 else 8
        moments, _, masks, values, price, options, _ = drawn(seed, most)
        values = values + price * masks.sum(axis=1)
        best = values.min()
        found = solve(moments, penalty=price, method="exact", gap=1e-9, **options)
        assert found.penalty == price
        assert found.status == "optimal", seed
        assert found.objective == pytest.approx(best, rel=1e-8), seed
        assert found.bound <= best * (1 + 1e-15), seed
        for mask in masks[values <= best * (1 + 1e-13)]:
            assert (found.membership[mask] != "out").all(), seed
            assert (found.membership[~mask] != "in").all(), seed


@pytest.mark.parametrize("block", range(2))
def test_no_claim_is_wrong(block):
    """In rational arithmetic: 120 problems, prices of any size, ties between in and out."""
    counts = dict.fromkeys(PRICED, 0)
    for seed in range(60 * block, 60 * (block + 1)):
        counted, wrong = attack(seed, PRICED, priced=True)
        assert not wrong
        for engine in PRICED:
            counts[engine] += counted[engine, "solved"]
    assert counts["exact"] > 50  # a few are refused
    assert counts["path"] > 300


def test_no_bound_of_any_node_is_above_a_support(either):
    """Random boxes and decisions; what a node decides loses no support as good as the incumbent."""
    compared = decided = 0
    for seed in range(150):
        _, problem, masks, values, price, _, rng = drawn(seed)
        values = values + price * masks.sum(axis=1)
        problem = problem.priced(price)
        some = values.argmin() if seed % 2 else rng.integers(len(masks))
        at = profile(problem, masks[some].astype(float))
        canonical = Canonical.about(problem, at)
        ends = np.array([profile(problem, mask.astype(float)).beta for mask in masks])
        ends = np.linalg.solve(canonical.basis, (ends - canonical.origin).T).T
        lo, hi = canonical.root_box(at.value)
        good = values <= at.value
        assert ((ends[good] > lo) & (ends[good] < hi)).all(), seed
        node = random_node(canonical, None, at.value, rng)
        for _ in range(3):
            before = node.fixed[0].copy()
            cut = relax(canonical, node, None, at.value, spare=10.0 ** rng.integers(-1, 4))
            inside = ((ends >= node.lo[0]) & (ends <= node.hi[0])).all(axis=1)
            inside &= ~(masks & (before == OUT)).any(axis=1)
            inside &= ~(~masks & (before == IN)).any(axis=1)
            assert (cut.bound[0] <= values[inside]).all(), seed
            compared += inside.sum()
            fix(node, cut, at.value)
            lost = (masks & (node.fixed[0] == OUT)) | (~masks & (node.fixed[0] == IN))
            assert (values[inside & lost.any(axis=1)] > at.value).all(), seed
            decided += ((before == OPEN) & (node.fixed[0] != OPEN)).sum()
            node.z = cut.z
    assert compared > 6_000
    assert decided > 150


def lower_hull(values):
    """Return the sizes R that minimise values[R] + nu R for some nu, by trying every line."""
    R = np.arange(len(values))
    corners = [0]
    while corners[-1] < R[-1]:
        here = corners[-1]
        slopes = (values[here + 1 :] - values[here]) / (R[here + 1 :] - here)
        corners.append(here + 1 + int(np.flatnonzero(slopes == slopes.min())[-1]))
    return corners


@pytest.mark.parametrize("seed", range(3))
def test_penalties_give_the_corners_of_the_path_of_budgets(seed):
    moments = ambiguous(seed, 30, intercept=bool(seed % 2))
    budgets = solve_path(moments, gap=1e-9)
    values = np.array([each.objective for each in budgets])
    corners = lower_hull(values)
    assert len(corners) > 5
    # A price between the two slopes at a corner has that corner for its only best number.
    slopes = [(values[a] - values[b]) / (b - a) for a, b in itertools.pairwise(corners)]
    prices = [2 * slopes[0], *np.sqrt(np.array(slopes[1:]) * np.array(slopes[:-1]))]
    apart = np.array([2, *(np.array(slopes[:-1]) / np.array(slopes[1:]))]) > 1 + 1e-6
    found = solve_path(moments, penalties=prices, gap=1e-9)
    for corner, price, solution, clear in zip(corners, prices, found, apart):
        assert solution.objective == pytest.approx(values[corner] + price * corner, rel=1e-8)
        if clear:
            assert len(solution.support) == corner
            assert solution.support.tolist() == budgets[corner].support.tolist()


@pytest.mark.parametrize(("n_clusters", "flat"), [(200, 0), (200, 1), (3000, 0), (25_000, 0)])
def test_agrees_with_the_budget_of_the_size_found(n_clusters, flat):
    moments = ambiguous(1, n_clusters, intercept=True, flat=flat, n_rows=5)
    priced = solve(moments, penalty=4.0, gap=1e-5)
    size = len(priced.support)
    budgeted = solve(moments, size, gap=1e-5)
    assert 0.01 * n_clusters < size < 0.5 * n_clusters
    assert priced.status == budgeted.status == "optimal"
    assert priced.bound <= budgeted.objective + 4.0 * size
    assert priced.objective - 4.0 * size == pytest.approx(budgeted.objective, rel=1e-5)
    assert (priced.membership != "open").mean() > 0.95


@pytest.mark.parametrize("seed", range(20))
def test_single_changes_and_exchanges_are_worth_what_is_computed(seed):
    """Where `swap` ends, no cluster that leaves, comes in or is exchanged betters the support."""
    _, problem, masks, values, price, _, _ = drawn(seed)
    problem = problem.priced(price)
    values = values + price * masks.sum(axis=1)
    at = swap(problem, alternate(problem, list(starts(problem, None, 0))[seed % 5], None))
    assert at.value == pytest.approx(values[(masks == (at.s > 0)).all(axis=1)][0], rel=1e-9)
    changed = (masks != (at.s > 0)).sum(axis=1)
    exchange = (changed == 2) & (masks.sum(axis=1) == at.s.sum())
    assert at.value <= values[(changed == 1) | exchange].min() * (1 + 1e-9)


def test_the_objective_is_the_one_recomputed_from_the_effects():
    rows = random_rows(4, n_clusters=8)
    moments = Moments.from_arrays(rows.X, rows.y, rows.clusters, intercept=rows.intercept)
    found = solve(moments, penalty=0.25, ridge=0.5)
    assert 0 < len(found.support) < 8
    first = int(rows.intercept)
    fitted = found.beta[:first].sum() + rows.X @ found.beta[first:]
    fitted += found.gamma[np.searchsorted(moments.labels, rows.clusters)]
    loss = ((rows.y - fitted) ** 2).sum()
    loss += 0.5 * (found.gamma @ found.gamma + found.beta[first:] @ found.beta[first:])
    assert found.objective == pytest.approx(loss + 0.25 * len(found.support), rel=1e-9)
    assert "with 0.25 for each cluster" in str(found)


def test_prices_at_the_ends():
    moments = ambiguous(0, 30, intercept=True)
    every, free = solve(moments, 30), solve(moments, penalty=0.0)
    assert free.objective == every.objective
    assert free.penalty == 0.0
    assert every.penalty is None
    none = solve(moments, penalty=1e9)
    assert none.support.size == 0
    assert (none.membership == "out").all()
    assert none.objective == pytest.approx(solve(moments, 0).objective, rel=1e-12)


def test_a_search_that_was_cut_off_is_bounded_by_its_neighbours(monkeypatch):
    """Between two prices the bound is on the line that joins theirs, and at most the minimum."""
    moments = ambiguous(2, 30, intercept=True)
    prices = [4.0, 5.0, 7.0]
    honest = [solve(moments, penalty=price, gap=1e-9) for price in prices]

    def cut_off(moments, *, penalty, start=None, **options):
        found = solve(moments, penalty=penalty, gap=1e-9)
        return path_module.replace(found, bound=0.0, gap=1.0) if penalty == 5.0 else found

    monkeypatch.setattr(path_module, "solve", cut_off)
    low, middle, high = solve_path(moments, penalties=prices)
    line = (2 * low.bound + high.bound) / 3
    assert middle.bound == pytest.approx(line, rel=1e-12)
    assert middle.bound <= honest[1].objective
    assert 0 < middle.gap < 0.2


def test_time_limit_and_start():
    moments = ambiguous(5, 2_000, intercept=True, flat=1, n_rows=4)
    cut_off = solve(moments, penalty=3.0, gap=0.0, time_limit=0.05)
    assert cut_off.status == "time_limit"
    assert 0 < cut_off.bound < cut_off.objective
    better = solve(moments, penalty=3.0, gap=1e-3)
    assert cut_off.bound <= better.objective
    again = solve(moments, penalty=3.0, start=better.support, time_limit=0.05)
    assert again.objective <= better.objective * (1 + 1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 2, "penalty": 1.0}, "exclude each other"),
        ({}, "budget is missing"),
        ({"penalty": -1.0}, "penalty must be finite and not negative"),
        ({"penalty": np.inf}, "penalty must be finite"),
        ({"penalty": np.nan}, "penalty must be finite"),
        ({"penalty": 1e200}, "penalty must lie between"),
        ({"penalty": 1.0, "method": "outer"}, "method='exact' or 'alternating'"),
        ({"penalty": 1.0, "constraints": [SlopeNeedsIntercept()]}, "takes no constraints"),
        ({"penalty": 1.0, "start": [99]}, "start names cluster 99"),
    ],
)
def test_what_cannot_be_asked(options, message):
    with pytest.raises(ValueError, match=message):
        solve(ambiguous(0, 12, intercept=True), **options)


def test_paths_take_either():
    moments = ambiguous(0, 12, intercept=True)
    with pytest.raises(ValueError, match="budgets and penalties exclude"):
        solve_path(moments, [1, 2], penalties=[1.0])
    with pytest.raises(ValueError, match=r"penalties\[1\] must be finite"):
        solve_path(moments, penalties=[1.0, -2.0])
    with pytest.raises(TypeError, match="penalties must be a sequence"):
        solve_path(moments, penalties=3.0)


def test_random_slopes_take_budgets():
    rows = slope_rows(0, n_clusters=4)
    with pytest.raises(ValueError, match="takes no random slopes"):
        solve(rows.moments(), penalty=1.0)
    with pytest.raises(TypeError, match="penalty must be a number"):
        solve(Moments.from_arrays(rows.X, rows.y, rows.clusters), penalty="a lot")
