"""Paths of budgets for several effects, and their errors on other rows, against plain ways."""

from itertools import product

import numpy as np
import pytest
from general_problems import selections, slope_rows, value

from scs import Moments, solve_path
from scs.problem.constraints import SlopeNeedsIntercept
from scs.solvers import path as path_module
from scs.solvers import prediction_error, solve, tune_budget


def moments_of(rows, keep=slice(None)):
    arrays = (rows.X[keep], rows.y[keep], rows.clusters[keep], rows.Z[keep])
    return Moments.from_arrays(*arrays, intercept=rows.intercept)


@pytest.mark.parametrize("seed", range(6))
def test_every_pair_of_budgets_equals_enumeration(seed):
    rows = slope_rows(seed, n_clusters=3)
    asked = list(product(range(4), repeat=2))
    asked = [asked[i] for i in np.random.default_rng(seed).permutation(len(asked))]
    found = dict(zip(asked, solve_path(rows.moments(), asked, gap=1e-7)))
    for budgets, solution in found.items():
        best = min(value(rows, s, 1.0) for s in selections(rows, budgets))
        assert solution.status == "optimal"
        assert solution.objective == pytest.approx(best, rel=1e-7)
        assert solution.bound <= best * (1 + 1e-11)
        assert (np.count_nonzero(solution.gamma, axis=0) <= budgets).all()
    for one, other in product(asked, repeat=2):
        if all(a <= b for a, b in zip(one, other)):
            assert found[other].objective <= found[one].objective * (1 + 1e-11)
            assert found[one].bound >= found[other].bound * (1 - 1e-11)


def test_one_number_is_the_budget_of_each_effect():
    rows = slope_rows(2, n_clusters=4)
    moments = rows.moments()
    every = solve_path(moments, gap=1e-7)
    assert len(every) == 5
    for budget, solution in enumerate(every):
        assert solution.objective == pytest.approx(
            solve(moments, (budget, budget), gap=1e-7).objective, rel=1e-7
        )
    one, two = solve_path(moments, [1, (1, 1)])
    assert one is two


def test_a_search_that_was_cut_off_takes_the_best_bound_above_it(monkeypatch):
    """Bounds of (1, 2) and (2, 1) hold for (1, 1); none of two that are not ordered does."""
    rows = slope_rows(5, n_clusters=4)
    moments = rows.moments()
    starts = {}

    def cut_off(moments, budget, *, start=None, **options):
        starts[budget] = start
        found = solve(moments, budget, gap=1e-7)
        if budget in ((1, 1), (3, 0)):
            return path_module.replace(found, bound=0.0, gap=1.0, status="time_limit")
        return found

    monkeypatch.setattr(path_module, "solve", cut_off)
    low, left, right, aside = solve_path(moments, [(1, 1), (1, 2), (2, 1), (3, 0)], gap=1e-7)
    assert low.bound == min(max(left.bound, right.bound), low.objective)
    assert low.selection_gap >= 0
    assert aside.bound == 0.0
    assert starts[(1, 1)] is None
    assert starts[(3, 0)] is None  # nothing solved is within it
    np.testing.assert_array_equal(starts[(1, 2)][1], low.support[1])


def test_a_path_under_rules():
    rows = slope_rows(7, n_clusters=3)
    rule = [SlopeNeedsIntercept()]
    for budgets, solution in zip(
        [(1, 1), (2, 1)], solve_path(rows.moments(), [(1, 1), (2, 1)], constraints=rule, gap=1e-7)
    ):
        allowed = [
            s
            for few in product(*(range(b + 1) for b in budgets))
            for s in selections(rows, few)
            if (s[:, 1] <= s[:, 0]).all()
        ]
        best = min(value(rows, s, 1.0) for s in allowed)
        assert solution.objective == pytest.approx(best, rel=1e-7)


def test_wrong_budgets_are_said():
    moments = slope_rows(0, n_clusters=3).moments()
    with pytest.raises(ValueError, match=r"budgets\[1\] has 3 entries, but clusters have 2"):
        solve_path(moments, [1, (1, 2, 3)])
    with pytest.raises(ValueError, match=r"budgets\[0\] must not be negative"):
        solve_path(moments, [-1])
    with pytest.raises(TypeError, match=r"budgets must be a sequence"):
        solve_path(moments, 3)


def predictions(solution, rows):
    """Row by row; clusters that the solution lacks have no effect."""
    effects = np.zeros((rows.n_clusters, rows.n_effects))
    effects[solution.labels] = solution.gamma
    X = np.column_stack([np.ones(len(rows.y)), rows.X]) if rows.intercept else rows.X
    Z = np.column_stack([np.ones(len(rows.y)), rows.Z])
    return X @ solution.beta + (effects[rows.clusters] * Z).sum(axis=1)


@pytest.mark.parametrize("seed", range(8))
def test_prediction_errors_of_slopes_need_no_rows(seed):
    rows = slope_rows(seed, n_clusters=6, n_slopes=1 + seed % 2)
    training = moments_of(rows, rows.clusters < 5)  # the others hold a cluster it lacks
    solution = solve(training, 3, gap=1e-3)
    direct = np.mean((rows.y - predictions(solution, rows)) ** 2)
    assert prediction_error(solution, rows.moments()) == pytest.approx(direct, rel=1e-9)


def test_prediction_errors_between_models():
    rows = slope_rows(3, n_clusters=5)
    slopes = rows.moments()
    plain = solve(slopes.base, 2)
    assert prediction_error(plain, slopes) == prediction_error(plain, slopes.base)
    with pytest.raises(ValueError, match=r"rows have the effects \('intercept',\), but the"):
        prediction_error(solve(slopes, 2), slopes.base)


@pytest.mark.parametrize("seed", range(4))
def test_a_budget_of_slopes_is_chosen_by_the_error_on_rows(seed):
    rows = slope_rows(seed, n_clusters=4)
    half = np.random.default_rng(seed).permutation(len(rows.y)) % 2 == 0
    training, held_out = moments_of(rows, half), moments_of(rows, ~half)
    budgets = range(training.n_clusters + 1)
    tuning = tune_budget([(training, held_out)], budgets, gap=1e-6)
    errors = np.array([(rows.y - predictions(each, rows))[~half] ** 2 for each in tuning.solutions])
    np.testing.assert_allclose(tuning.mse, errors.mean(axis=1), rtol=1e-9)
    best = int(np.argmin(errors.mean(axis=1)))
    assert tuning.best == budgets[best]
    # The standard error that `Tuning` documents, from the predictions of the rows themselves.
    made = np.array([predictions(each, rows)[~half] for each in tuning.solutions])
    apart = ((made - made[best]) ** 2).mean(axis=1)
    expected = 2 * np.sqrt(errors[best].mean() * apart / errors.shape[1])
    np.testing.assert_allclose(tuning.std_error, expected, rtol=1e-6, atol=1e-7)
