"""Selection over a background of small differences, against dense systems with explicit u."""

from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest

from scs import Moments, fit, lmm_gaussian, solve, solve_path
from scs.problem.background import background_effects, effective_rows
from scs.problem.constraints import Together
from scs.solvers import prediction_error

RIDGE = 0.3


def draw(seed, n_clusters=12, most=9):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_clusters), rng.integers(1, most, n_clusters))
    X = rng.normal(size=(len(codes), 2)) + rng.normal(size=(n_clusters, 2))[codes]
    effects = 0.5 * rng.normal(size=n_clusters) + 2.0 * (rng.random(n_clusters) < 0.25)
    y = X @ [1.0, -2.0] + effects[codes] + rng.normal(size=len(codes))
    return X, y, codes, float(10.0 ** rng.uniform(-2, 0.5))


def dense(X, y, codes, theta, support):
    """Return Eq. 5 with explicit u at a support, from one ridge system over the rows."""
    indicators = np.eye(codes.max() + 1)[codes]
    design = np.hstack([np.ones((len(y), 1)), X, indicators, indicators[:, list(support)]])
    n_fixed, n_clusters = 1 + X.shape[1], indicators.shape[1]
    penalty = np.zeros(design.shape[1])
    penalty[n_fixed : n_fixed + n_clusters] = 1.0 / theta
    penalty[n_fixed + n_clusters :] = RIDGE
    normal = design.T @ design + np.diag(penalty)
    found = np.linalg.solve(normal, design.T @ y)
    residual = y - design @ found
    value = residual @ residual + penalty @ found**2
    return value, found[:n_fixed], found[n_fixed : n_fixed + n_clusters]


@pytest.mark.parametrize("seed", range(40))
def test_every_support_through_a_dense_system(seed):
    """Five problems a seed, 220 supports each: the least one, its value, and its u."""
    for part in range(5):
        X, y, codes, theta = draw(1000 * seed + part)
        moments = Moments.from_arrays(X, y, codes, intercept=True)
        values = {s: dense(X, y, codes, theta, s)[0] for s in combinations(range(12), 3)}
        best = min(values, key=values.get)
        found = solve(moments, 3, ridge=RIDGE, ridge_fixed=0, gap=1e-12, background=theta)
        assert tuple(found.support) == best
        assert found.objective == pytest.approx(values[best], rel=1e-10)
        assert found.bound <= values[best] * (1 + 1e-12)
        _, beta, u = dense(X, y, codes, theta, best)
        np.testing.assert_allclose(found.beta, beta, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(found.background, u, rtol=1e-8, atol=1e-9)
        assert found.theta == theta


@pytest.mark.parametrize("method", ["outer", "alternating"])
def test_other_solvers_minimise_the_same(method):
    for seed in range(6):
        X, y, codes, theta = draw(seed)
        moments = Moments.from_arrays(X, y, codes, intercept=True)
        options = {"ridge": RIDGE, "ridge_fixed": 0, "background": theta, "gap": 1e-6}
        found = solve(moments, 3, method=method, **options)
        value, _, u = dense(X, y, codes, theta, found.support)
        assert found.objective == pytest.approx(value, rel=1e-9)
        np.testing.assert_allclose(found.background, u, rtol=1e-7, atol=1e-8)
        best = solve(moments, 3, **options).objective
        assert found.bound <= best * (1 + 1e-12) and found.objective >= best * (1 - 1e-6)


def test_rules_hold_over_a_background():
    X, y, codes, theta = draw(3)
    moments = Moments.from_arrays(X, y, codes, intercept=True)
    pairs = [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11)]
    rules = [Together(clusters=pair) for pair in pairs]
    options = {"ridge": RIDGE, "ridge_fixed": 0, "background": theta, "gap": 1e-6}
    found = solve(moments, 4, constraints=rules, **options)
    values = [dense(X, y, codes, theta, a + b)[0] for a, b in combinations(pairs, 2)]
    assert found.objective == pytest.approx(min(values), rel=1e-6)


def test_budget_0_is_the_gaussian_mixed_model():
    for seed in range(10):
        X, y, codes, _ = draw(seed, n_clusters=25, most=12)
        moments = Moments.from_arrays(X, y, codes, intercept=True)
        with_ones = np.column_stack([np.ones(len(y)), X])
        model = lmm_gaussian(with_ones, y, codes)
        if model.var_u == 0:
            continue
        theta = model.var_u / model.var_e
        found = solve(moments, 0, ridge_fixed=0, background=theta)
        np.testing.assert_allclose(found.beta, model.beta, rtol=1e-8)
        np.testing.assert_allclose(found.background, model.effects, rtol=1e-7, atol=1e-9)
        assert not found.gamma.any() and found.status == "optimal"


def test_theta_0_is_the_paper_s_method_to_the_digit():
    X, y, codes, _ = draw(5)
    moments = Moments.from_arrays(X, y, codes, intercept=True)
    plain, zero = solve(moments, 3), solve(moments, 3, background=0)
    assert plain.objective == zero.objective and plain.bound == zero.bound
    assert (plain.gamma == zero.gamma).all() and zero.background is None
    assert (zero.cluster_effects == zero.gamma).all()
    assert (effective_rows(moments.n, 0.0) == moments.n).all()
    assert not background_effects(moments, 0.0, zero.beta, zero.gamma).any()


def test_paths_and_held_out_errors_count_the_background():
    X, y, codes, theta = draw(8)
    moments = Moments.from_arrays(X, y, codes, intercept=True)
    path = solve_path(moments, [0, 2, 4], ridge=RIDGE, ridge_fixed=0, background=theta)
    assert all(a.objective >= b.objective for a, b in pairwise(path))
    for found in path:
        assert found.theta == theta
        fitted = found.beta[0] + X @ found.beta[1:] + (found.gamma + found.background)[codes]
        assert prediction_error(found, moments) == pytest.approx(np.mean((y - fitted) ** 2))


@pytest.mark.parametrize("background", [-1.0, np.nan, np.inf, "auto", True, None, 1e60, 1e308])
def test_a_bad_background_is_refused(background):
    """At 1e308 theta n overflows: m was 0, u was 0 and not the residual, and bounds were NaN."""
    X, y, codes, _ = draw(0)
    for intercept in (False, True):
        moments = Moments.from_arrays(X, y, codes, intercept=intercept)
        with pytest.raises((ValueError, TypeError), match=r"^background must be a"):
            solve(moments, 1, background=background)


def test_the_door_for_tables_names_a_background_too_large():
    """Not the ridge, which nobody passed: the default's is 1e-4 / (1 + theta)."""
    X, y, codes, _ = draw(0)
    table = pd.DataFrame({"x": X[:, 0], "y": y, "g": codes})
    for budget in (2, "fdr"):
        with pytest.raises(ValueError, match=r"^background must be a"):
            fit("y ~ x", table, groups="g", budget=budget, background=1e100)


@pytest.mark.parametrize("method", ["exact", "outer", "alternating"])
def test_under_the_largest_background_nothing_but_the_rows_within_counts(method):
    X, y, codes, _ = draw(1)
    for intercept in (False, True):
        moments = Moments.from_arrays(X, y, codes, intercept=intercept)
        found = solve(moments, 3, ridge_fixed=0, method=method, background=1e50)
        within = np.linalg.lstsq(moments.within_xx, moments.within_xy, rcond=None)[0]
        value = moments.within_yy - moments.within_xy @ within
        assert found.bound <= value * (1 + 1e-12)
        assert found.objective == pytest.approx(value, rel=1e-12)
        residual = moments.mean_y - moments.mean_x @ found.beta
        np.testing.assert_allclose(found.background + found.gamma, residual, rtol=1e-9)


def test_random_slopes_take_none():
    X, y, codes, _ = draw(0, n_clusters=4)
    moments = Moments.from_arrays(X, y, codes, Z=X[:, :1], intercept=True)
    with pytest.raises(ValueError, match="random intercept alone"):
        solve(moments, 1, background=0.5)
