"""What outer approximation claims, at any ridge and scale, against full enumeration."""

import warnings
from itertools import combinations

import numpy as np
import pytest

from scs import Moments, solve
from scs.solvers.general import general
from scs.solvers.tangents import clipped, consistent


def small_clusters(seed, n_clusters=6, n_per_cluster=3, size=1.0):
    """Six clusters of three rows, one covariate, the third cluster raised."""
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(n_clusters), n_per_cluster)
    X = rng.normal(size=(len(clusters), 1))
    y = X[:, 0] + 3.0 * (clusters == 2) + rng.normal(size=len(clusters))
    return X, y * size, clusters


def values_of_supports(X, y, clusters, budget, ridge):
    """Eq. 5 of every support within the budget, its ridge as rows, columns in units of their own.

    The covariate's ridge is the effects'; the intercept has none.
    """
    K = clusters.max() + 1
    ones = np.ones((len(y), 1))
    values = {}
    for size in range(budget + 1):
        for support in combinations(range(K), size):
            effects = np.equal.outer(clusters, support).astype(float)
            matrix = np.hstack([ones, X, effects])
            penalty = np.full(matrix.shape[1], np.sqrt(ridge))
            penalty[0] = 0.0
            stacked = np.vstack([matrix, np.diag(penalty)])
            target = np.concatenate([y, np.zeros(len(penalty))])
            found = np.linalg.lstsq(stacked, target, rcond=None)[0]
            values[support] = float(np.sum((target - stacked @ found) ** 2))
    return values


def check(solution, values, rel=1e-9):
    """Hold objective, bound and every membership against the values of all supports."""
    best = min(values.values())
    assert solution.objective >= best * (1 - rel)
    assert solution.bound <= best * (1 + rel)
    if solution.status == "optimal":
        assert solution.objective <= best * (1 + 2e-4)
    smallest = min(len(s) for s, value in values.items() if value <= best * (1 + 1e-10))
    selected = np.isin(np.arange(len(solution.membership)), solution.support)
    assert not (selected & (solution.membership == "out")).any()
    for support, value in values.items():
        if value <= best * (1 + 1e-10):
            inside = np.isin(np.arange(len(solution.membership)), support)
            assert not (inside & (solution.membership == "out")).any()
            # Of supports that tie, some hold clusters that gain nothing.
            if len(support) == smallest:
                assert not (~inside & (solution.membership == "in")).any()


@pytest.mark.parametrize("method", ["outer", "general"])
@pytest.mark.parametrize("ridge", [1e-8, 1e-4, 1.0, 1e3])
@pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
def test_claims_hold_at_any_ridge_and_scale(method, ridge, size):
    for seed in range(6):
        X, y, clusters = small_clusters(seed, size=size)
        values = values_of_supports(X, y, clusters, 1, ridge)
        check(solved(method, X, y, clusters, 1, ridge), values)


@pytest.mark.parametrize("seed", range(60))
def test_a_small_ridge_proves_nobody_out_who_is_selected(seed):
    X, y, clusters = small_clusters(seed)
    values = values_of_supports(X, y, clusters, 1, 1e-4)
    for method in ("outer", "general"):
        solution = solved(method, X, y, clusters, 1, 1e-4)
        check(solution, values)
        assert solution.status == "optimal"


def solved(method, X, y, clusters, budget, ridge, **options):
    """By outer approximation, or by the general model's search of the same problem."""
    moments = Moments.from_arrays(X, y, clusters, intercept=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of gaps that rounding does not allow
        if method == "outer":
            return solve(moments, budget, ridge=ridge, method="outer", **options)
        return general(moments, [budget], ridge=ridge, **options)


def test_slopes_are_cut_off_at_the_floor():
    np.testing.assert_array_equal(clipped(5.0, np.array([-1e9, -1.0, 0.0]), 2.0), [-3.0, -1.0, 0.0])
    np.testing.assert_array_equal(clipped(1.0, np.array([-1e9, -1.0]), 2.0), [0.0, 0.0])
    np.testing.assert_array_equal(clipped(5.0, np.array([-7.0]), 2.0, steepest=10.0), [-7.0])


def test_what_contradicts_the_answer_is_open():
    proved = np.array(["in", "in", "out", "out", "open"])
    selected = np.array([True, False, True, False, True])
    np.testing.assert_array_equal(
        consistent(proved, selected), ["in", "open", "open", "out", "open"]
    )
