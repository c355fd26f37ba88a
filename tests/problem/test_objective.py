"""The formulas of `scs.problem.objective` against Eq. 6, raw rows and finite differences."""

from itertools import combinations

import numpy as np
import pytest
from problems import Rows, all_values, design_matrix, paper_c, random_rows, value_of_support

from scs import Moments, solve
from scs.problem.objective import (
    Problem,
    effects,
    indicator,
    lower_bound,
    membership,
    objective,
    profile,
)

RIDGES = (1.0, 1e-2, 1e-4)


def problem_of(rows, ridge=1.0, ridge_fixed=None):
    moments = Moments.from_arrays(rows.X, rows.y, rows.clusters, intercept=rows.intercept)
    return Problem.from_moments(moments, ridge=ridge, ridge_fixed=ridge_fixed)


@pytest.mark.parametrize("seed", range(20))
def test_c_is_the_papers_at_binary_and_fractional_points(seed):
    rows = random_rows(seed, n_clusters=6, intercept=False)
    rng = np.random.default_rng(seed)
    problem = problem_of(rows)
    for s in (rng.integers(0, 2, 6).astype(float), rng.uniform(size=6)):
        assert profile(problem, s).value == pytest.approx(paper_c(rows, s, 1.0), rel=1e-9)


@pytest.mark.parametrize("ridge", RIDGES)
@pytest.mark.parametrize("seed", range(15))
def test_c_of_a_support_is_the_ridge_regression_on_it(seed, ridge):
    rows = random_rows(seed)
    rng = np.random.default_rng(seed)
    budget = int(rng.integers(0, rows.n_clusters + 1))
    support = np.sort(rng.choice(rows.n_clusters, budget, replace=False))
    for ridge_fixed in (ridge, 0.3):
        problem = problem_of(rows, ridge, ridge_fixed)
        at = profile(problem, indicator(rows.n_clusters, support))
        expected = value_of_support(rows, support, ridge, ridge_fixed)
        assert at.value == pytest.approx(expected, rel=1e-8, abs=1e-9)
        # The referee sees coefficients and effects only, and agrees.
        gamma = effects(problem, at.residual, support)
        assert objective(problem, at.beta, gamma) == pytest.approx(expected, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_slopes_are_the_derivatives(seed):
    rows = random_rows(seed, n_clusters=5)
    problem = problem_of(rows, ridge=0.7)
    s = np.random.default_rng(seed).uniform(0.1, 0.9, size=5)
    at = profile(problem, s)
    step = 1e-5
    for k in range(5):
        up, down = s.copy(), s.copy()
        up[k] += step
        down[k] -= step
        numeric = (profile(problem, up).value - profile(problem, down).value) / (2 * step)
        assert at.slopes[k] == pytest.approx(numeric, rel=1e-5, abs=1e-6 * abs(at.slopes).max())


@pytest.mark.parametrize("ridge", RIDGES)
@pytest.mark.parametrize("seed", range(12))
def test_no_tangent_cuts_off_a_feasible_support(seed, ridge):
    """Anchors: fractional points, supports, points just off supports, the paper's rounded ones."""
    rows = random_rows(seed, n_clusters=7)
    problem = problem_of(rows, ridge)
    rng = np.random.default_rng(seed)
    anchors = [rng.dirichlet(np.ones(7)) * 3 % 1.0 for _ in range(6)]
    anchors += [indicator(7, rng.choice(7, 3, replace=False)) for _ in range(4)]
    anchors += [np.clip(a + rng.normal(scale=1e-6, size=7), 0, 1) for a in anchors]
    supports = [s for b in range(8) for s in combinations(range(7), b)]
    values = np.array([value_of_support(rows, s, ridge) for s in supports])
    points = np.array([indicator(7, np.array(s, dtype=int)) for s in supports])
    for anchor in anchors:
        at = profile(problem, anchor)
        cuts = at.value - problem.margin + (points - anchor) @ at.slopes
        assert (cuts <= values * (1 + 1e-10)).all()


def test_a_cut_anchored_elsewhere_than_it_was_computed_is_wrong():
    """The released code's formula does cut supports off: the test above is able to fail."""
    violated = 0
    for seed in range(12):
        rows = random_rows(seed, n_clusters=7)
        problem = problem_of(rows)
        anchor = np.random.default_rng(seed).uniform(size=7)
        at = profile(problem, np.round(anchor))
        for support in combinations(range(7), 3):
            point = indicator(7, np.array(support))
            cut = at.value + (point - anchor) @ at.slopes
            violated += cut > value_of_support(rows, support, 1.0) * (1 + 1e-9)
    assert violated > 0


@pytest.mark.parametrize("seed", range(30))
def test_bound_and_membership_hold_for_every_support(seed):
    rows = random_rows(seed, n_clusters=8)
    rng = np.random.default_rng(seed)
    ridge = RIDGES[seed % 3]
    problem = problem_of(rows, ridge)
    budget = int(rng.integers(0, 9))
    values = all_values(rows, budget, ridge)
    best = min(values.values())
    optimal = [set(s) for s, value in values.items() if value <= best * (1 + 1e-9)]
    for s in (np.full(8, budget / 8), indicator(8, np.array(min(values, key=values.get), int))):
        at = profile(problem, s)
        assert lower_bound(problem, at, budget) <= best * (1 + 1e-10)
        proved = membership(problem, at, budget, best * (1 + 1e-12))
        for k in range(8):
            if proved[k] == "in":
                assert all(k in support for support in optimal)
            if proved[k] == "out":
                assert not any(k in support for support in optimal)


def test_membership_proves_something_where_one_cluster_stands_out():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(6), 30)
    X = rng.normal(size=(180, 2))
    y = X @ [1.0, -1.0] + 8.0 * (clusters == 4) + 0.1 * rng.normal(size=180)
    problem = Problem.from_moments(Moments.from_arrays(X, y, clusters))
    at = profile(problem, indicator(6, np.array([4])))
    proved = membership(problem, at, 1, at.value)
    assert proved[4] == "in"
    assert set(proved[[0, 1, 2, 3, 5]]) == {"out"}


def test_value_falls_with_every_cluster_added():
    rows = random_rows(5, n_clusters=9)
    problem = problem_of(rows)
    values = [profile(problem, indicator(9, np.arange(b))).value for b in range(10)]
    assert (np.diff(values) <= 1e-12 * values[0]).all()


def exact_c(rows, support, ridge, ridge_fixed):
    """c(S) in rational arithmetic: the least-squares problem solved without any rounding."""
    from fractions import Fraction

    full = design_matrix(rows)
    first = full.shape[1] - rows.n_clusters
    columns = [*range(first), *(first + k for k in support)]
    M = [[Fraction(float(value)) for value in row] for row in full[:, columns]]
    y = [Fraction(float(value)) for value in rows.y]
    penalty = [Fraction(ridge_fixed)] * first + [Fraction(ridge)] * len(support)
    penalty[: int(rows.intercept)] = [Fraction(0)] * int(rows.intercept)
    size = len(columns)
    A = [[sum(r[i] * r[j] for r in M) for j in range(size)] for i in range(size)]
    b = [sum(r[i] * v for r, v in zip(M, y)) for i in range(size)]
    for i in range(size):
        A[i][i] += penalty[i]
        A[i].append(b[i])
    for i in range(size):  # Gauss-Jordan: the matrix is positive definite
        A[i] = [value / A[i][i] for value in A[i]]
        for j in range(size):
            if j != i:
                A[j] = [p - A[j][i] * q for p, q in zip(A[j], A[i])]
    return float(sum(v * v for v in y) - sum(A[i][size] * b[i] for i in range(size)))


@pytest.mark.parametrize("kind", ["years", "near twins", "far from zero", "first row far"])
@pytest.mark.parametrize("method", ["exact", "outer"])
@pytest.mark.filterwarnings("ignore:gap=", "ignore::scs.DesignWarning")
def test_no_bound_lies_above_the_optimum_of_the_rows_themselves(kind, method):
    """Against rational arithmetic, where cross-products lose digits that the rows have."""
    rng = np.random.default_rng(1)
    clusters = np.repeat(np.arange(4), 7)
    X = rng.normal(size=(28, 2))
    intercept, ridge_fixed = True, 0.0
    if kind == "years":
        year = rng.integers(1990, 2021, 28).astype(float)
        X = np.column_stack([year, year**2])
    elif kind == "near twins":
        X[:, 1] = X[:, 0] + 1e-4 * X[:, 1]
    elif kind == "far from zero":
        X, intercept, ridge_fixed = X + 1e6, False, 0.5
    y = (X[:, 0] - X[:, 1]) / np.abs(X).max() + 3 * (clusters == 2) + 0.1 * rng.normal(size=28)
    if kind == "first row far":
        X[0, 1], y[0] = 1e7, 1e7
    rows = Rows(X, y, clusters, intercept)
    moments = Moments.from_arrays(X, y, clusters, intercept=intercept)
    solution = solve(moments, 1, ridge=0.25, ridge_fixed=ridge_fixed, method=method)
    values = [exact_c(rows, (k,), 0.25, ridge_fixed) for k in range(4)]
    assert 0 <= solution.bound <= min(values)
    problem = Problem.from_moments(moments, ridge=0.25, ridge_fixed=ridge_fixed)
    hidden = 1e-6 * abs(min(values)) + problem.margin  # 0.9 where products are 1e14
    assert solution.objective >= min(values) - hidden


def test_an_outlying_first_row_spoils_no_other_cluster():
    rows = random_rows(3, n_clusters=5, intercept=False)
    X, y = rows.X.copy(), rows.y.copy()
    X[0, 0], y[0] = 1e13, 1e15
    moments = Moments.from_arrays(X, y, rows.clusters)
    for k in range(1, 5):
        mine = rows.clusters == k
        np.testing.assert_allclose(moments.mean_x[k], X[mine].mean(axis=0), rtol=1e-12)
        assert moments.mean_y[k] == pytest.approx(y[mine].mean(), rel=1e-12)


def test_sizes_beyond_floating_point_are_named():
    rows = random_rows(3, n_clusters=5)
    for scale in (1e160, 1e-170):
        moments = Moments.from_arrays(rows.X, rows.y * scale, rows.clusters)
        with pytest.raises(ValueError, match="rescale"):
            Problem.from_moments(moments)


def test_effects_that_are_rounding_are_not_named():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2))
    moments = Moments.from_arrays(X, X @ [1.0, 2.0], np.repeat(np.arange(3), 10))
    solution = solve(moments, 3, ridge_fixed=0)
    assert not solution.support.size
    assert "in" not in solution.membership
