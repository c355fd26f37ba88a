"""Names with an error rate: the rule itself, its rate and power, the proved number of names."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from scs import Moments
from scs.inference.background import Between, coefficients, deviations
from scs.inference.naming import (
    best_of_size,
    choose_by_penalty,
    name_clusters,
    penalised_number,
    step_up,
)
from scs.problem.background import effective_rows


def draw(rng, n_clusters, *, tau, share, delta=1.0, upwards=False, correlated=False):
    n = np.exp(rng.uniform(np.log(5), np.log(100), n_clusters)).astype(int)
    k = np.repeat(np.arange(n_clusters), n)
    v = np.zeros(n_clusters)
    chosen = rng.choice(n_clusters, round(share * n_clusters), replace=False)
    v[chosen] = delta * (1 if upwards else rng.choice([-1, 1], len(chosen)))
    means = 0.5 * rng.normal(size=(n_clusters, 2))
    means[:, 0] += v if correlated else 0.0
    X = means[k] + rng.normal(size=(len(k), 2))
    u = tau * rng.normal(size=n_clusters)
    y = 1 + X @ [1.0, -0.5] + (u + v)[k] + rng.normal(size=len(k))
    return Moments.from_arrays(X, y, k, intercept=True), v


def rates(seed, reps=40, **settings):
    """Return the false discovery proportion and the power of each of some data sets."""
    rng = np.random.default_rng(seed)
    wrong, found = [], []
    for _ in range(reps):
        moments, v = draw(rng, 150, **settings)
        support = name_clusters(moments).support
        wrong.append(np.mean(v[support] == 0) if len(support) else 0.0)
        found.append(np.mean(np.isin(np.flatnonzero(v), support)) if v.any() else 0.0)
    return np.array(wrong), np.array(found)


@pytest.mark.parametrize(
    "settings",
    [
        {"tau": 0.0, "share": 0.1},
        {"tau": 0.2, "share": 0.1, "delta": 1.5},
        {"tau": 0.1, "share": 0.1, "upwards": True, "correlated": True},
    ],
    ids=["no background", "background", "effects go with a covariate"],
)
def test_wrong_names_are_as_rare_as_asked_for(settings):
    wrong, found = rates(1, **settings)
    assert wrong.mean() <= 0.10 + 2 * wrong.std() / np.sqrt(len(wrong))
    assert found.mean() > 0.6


@pytest.mark.parametrize("tau", [0.0, 0.3])
def test_nobody_is_named_where_nobody_differs(tau):
    wrong, _ = rates(2, tau=tau, share=0.0)
    assert wrong.mean() <= 0.15 + 2 * np.sqrt(0.15 * 0.85 / len(wrong))


def test_names_are_self_consistent_and_no_larger_number_is():
    rng = np.random.default_rng(4)
    moments, _ = draw(rng, 60, tau=0.1, share=0.1)
    names = name_clusters(moments, q=0.2)
    between = Between.from_moments(moments)
    assert names.consistent
    for budget in range(len(names.support) + 1, 31):
        free = best_of_size(between, names.background, budget, np.zeros(60, dtype=bool))
        pvalues = deviations(between, names.background, free).pvalues
        assert pvalues[free].max() > 0.2 * budget / 60


def test_order_and_labels_of_clusters_do_not_matter():
    rng = np.random.default_rng(5)
    moments, _ = draw(rng, 80, tau=0.1, share=0.1)
    order = rng.permutation(80)
    other = Moments(
        labels=np.arange(80),
        n=moments.n[order],
        mean_x=moments.mean_x[order],
        mean_y=moments.mean_y[order],
        within_xx=moments.within_xx,
        within_xy=moments.within_xy,
        within_yy=moments.within_yy,
        names=moments.names,
        intercept=True,
    )
    first, second = name_clusters(moments), name_clusters(other)
    assert set(order[second.support]) == set(first.support)
    assert second.background == pytest.approx(first.background, rel=1e-6, abs=1e-12)


def test_alternating_finds_the_best_of_its_size():
    rng = np.random.default_rng(6)
    for _ in range(10):
        moments, _ = draw(rng, 9, tau=0.3, share=0.2, delta=2.0)
        between = Between.from_moments(moments)

        def loss(free, theta=0.1, between=between):
            beta, _ = coefficients(between, theta, free)
            weights = np.where(free, 0.0, effective_rows(between.n, theta))
            quadratic = beta @ between.within_xx @ beta - 2 * beta @ between.within_xy
            return quadratic + weights @ (between.y - between.x @ beta) ** 2

        best = min(loss(np.isin(np.arange(9), pair)) for pair in combinations(range(9), 2))
        ours = loss(best_of_size(between, 0.1, 2, np.zeros(9, dtype=bool)))
        assert ours <= best * (1 + 1e-9) if best > 0 else ours <= best + 1e-9 * abs(best)


def test_step_up_against_its_definition():
    rng = np.random.default_rng(7)
    for _ in range(200):
        p = rng.uniform(size=12) ** 3
        count = max([r for r in range(13) if np.sum(p <= 0.2 * r / 12) >= r])
        assert step_up(p, 0.2) == count


@pytest.mark.parametrize("q", [0.05, 0.2])
def test_the_penalty_at_a_lists_own_p_values_by_its_definition(q):
    """Every number tried with SciPy's chi-squared law: z(p / 2)^2 is its upper quantile."""
    rng = np.random.default_rng(9)
    smaller = 0
    for _ in range(200):
        p = rng.uniform(size=15) ** 4
        worth = stats.chi2.isf(np.sort(p), 1)
        price = stats.chi2.isf(q * np.arange(1, 16) / 15, 1)
        gains = [np.sum(worth[:count] - price[:count]) for count in range(16)]
        found = penalised_number(p, q)
        assert gains[found] == pytest.approx(max(gains), abs=1e-9)
        assert found <= step_up(p, q)
        smaller += found < step_up(p, q)
    assert 0 < smaller < 100
    assert penalised_number(np.array([0.0, 0.9, 0.8]), q) == 1


def test_the_number_of_names_is_that_of_all_budgets_solved():
    rng = np.random.default_rng(8)
    for _ in range(50):
        gains = np.sort(rng.exponential(3.0, 40) * (rng.uniform(size=40) < 0.3) * 8)[::-1]
        losses = 1000.0 - np.concatenate([[0.0], np.cumsum(gains)])
        slack = rng.uniform(0, 1.0)
        solved = []

        def solve_at(budget, losses=losses, slack=slack, solved=solved):
            solved.append(budget)
            return losses[budget], losses[budget] - slack

        choice = choose_by_penalty(solve_at, 40, 2.0, 0.1, 40)
        penalty = np.cumsum(stats.norm.isf(0.1 * np.arange(1, 41) / 80) ** 2)
        criterion = losses / 2.0 + np.concatenate([[0.0], penalty])
        best = int(np.argmin(criterion))
        assert choice.proved[0] <= best <= choice.proved[1]
        if slack < 1e-3:
            assert choice.budget == best
        assert criterion[choice.budget] <= criterion[best] + slack / 2.0


def test_a_rate_outside_its_range_is_refused():
    moments, _ = draw(np.random.default_rng(9), 20, tau=0.1, share=0.1)
    with pytest.raises(ValueError, match=r"fdr must lie between 0 and 1"):
        name_clusters(moments, q=1.5)


def test_rounds_that_go_in_a_circle_end_at_the_wider_background_in_every_unit():
    # One name at the edge: without it the background is wide enough to swallow it, and with it
    # narrow enough to leave it out.
    rng = np.random.default_rng(0)
    k = np.repeat(np.arange(20), 5)
    y = rng.normal(size=100)

    def named(unit):
        moments = Moments.from_arrays(np.zeros((100, 0)), y * unit, k, intercept=True)
        first = name_clusters(moments, null=shrunk)
        return first.support, first.background

    def shrunk(found, theta):
        return found.pvalues ** (1.1 if theta < 0.05 else 0.9)

    support, background = named(1.0)
    for unit in (1e-5, 3.0, 1e8):
        other, theta = named(unit)
        np.testing.assert_array_equal(other, support)
        assert theta == pytest.approx(background, rel=1e-5)
    assert len(support) == 0
