"""Names of counts: tails by scipy.stats, the exact conditional test, error rates, intervals."""

import numpy as np
import pytest
from scipy import stats

from scs.inference.background import first_variance, truncated_variance
from scs.inference.count_effects import CountInference
from scs.inference.count_intervals import count_intervals, named_region
from scs.inference.count_laws import law_of, mid_tails
from scs.inference.counts import CountRule, certified_counts, count_background
from scs.inference.naming import step_up
from scs.moments.units import Units
from scs.solvers.counts import solve_counts


def drawn(seed, tau=0.1, delta=0.5, n_units=300, share=0.05, low=10.0, family="poisson"):
    """Units, the number that differ (the first ones), and the true levels."""
    rng = np.random.default_rng(seed)
    size = np.exp(rng.uniform(np.log(low), np.log(500), n_units))
    effect, n_off = np.zeros(n_units), round(share * n_units)
    effect[:n_off] = delta * rng.choice([-1, 1], n_off)
    if family == "poisson":
        level = np.exp(effect) * (rng.gamma(tau**-2, tau**2, n_units) if tau else 1.0)
        observed = rng.poisson(size * level)
    else:
        size, level = np.ceil(size), 1 / (1 + np.exp(1 - effect))
        if tau:
            mass = tau**-2 - 1
            level = rng.beta(level * mass, (1 - level) * mass)
        observed = rng.binomial(size.astype(int), level)
    return Units.from_arrays(observed, size, np.arange(n_units), family), n_off, level


def named(units, q=0.1, background=None):
    return certified_counts(
        units, q, background, lambda number, at: solve_counts(units, number, background=at)
    )


def test_tails_are_those_of_scipy_stats():
    rng = np.random.default_rng(1)
    size, level = np.exp(rng.uniform(-1, 8, 200)), np.exp(rng.normal(0, 0.3, 200))
    variance = np.where(rng.random(200) < 0.3, 0.0, 10 ** rng.uniform(-6, 0, 200))
    x = rng.poisson(size * level * np.exp(rng.normal(0, 0.3, 200))).astype(float)
    shape = 1 / np.where(variance > 0, variance, 1.0)
    plain = stats.poisson(size * level)
    wide = stats.nbinom(shape, shape / (shape + size * level))
    below = np.where(
        variance > 0, wide.cdf(x - 1) + wide.pmf(x) / 2, plain.cdf(x - 1) + plain.pmf(x) / 2
    )
    above = np.where(variance > 0, wide.sf(x) + wide.pmf(x) / 2, plain.sf(x) + plain.pmf(x) / 2)
    found = mid_tails(law_of("poisson"), x, size, level, variance)
    assert np.allclose(found[0], below, rtol=1e-6, atol=1e-300)
    assert np.allclose(found[1], above, rtol=1e-6, atol=1e-300)


def test_binomial_tails_are_those_of_scipy_stats():
    rng = np.random.default_rng(2)
    n, p = np.floor(np.exp(rng.uniform(0, 6, 80))), rng.uniform(0.02, 0.95, 80)
    rho = np.where(rng.random(80) < 0.3, 0.0, 10 ** rng.uniform(-7, -0.5, 80))
    x = np.floor(rng.random(80) * (n + 1))
    x[:4], x[4:8] = 0, n[4:8]
    mass = 1 / np.where(rho > 0, rho, 0.5) - 1
    plain, wide = stats.binom(n, p), stats.betabinom(n, p * mass, (1 - p) * mass)
    below = np.where(
        rho > 0, wide.cdf(x - 1) + wide.pmf(x) / 2, plain.cdf(x - 1) + plain.pmf(x) / 2
    )
    found = mid_tails(law_of("binomial"), x, n, p, rho)
    assert np.allclose(found[0], below, rtol=1e-6, atol=1e-12)
    assert np.allclose(found[0] + found[1], 1.0, atol=1e-10)


def test_without_a_background_p_is_nearly_that_of_the_exact_conditional_test():
    """Given all events of k and the others, those of k are binomial whatever the common level."""
    rng = np.random.default_rng(3)
    for n_units in (3, 12):
        size = rng.uniform(2, 40, n_units)
        units = Units.from_arrays(rng.poisson(size * 1.3) + 1, size, np.arange(n_units))
        rule = CountRule(units, 0.0, estimated=False)
        below, above = rule.tails(units.observed, np.zeros(n_units, dtype=bool))
        law = stats.binom(units.observed.sum(), size / size.sum())
        exact = law.cdf(units.observed - 1) + law.pmf(units.observed) / 2
        assert np.allclose(below, exact, rtol=0.04, atol=0.004)
        assert np.allclose(above, 1 - exact, rtol=0.04, atol=0.004)


def test_a_unit_is_left_out_of_its_own_common_level():
    units, *_ = drawn(4, n_units=20)
    rule = CountRule(units, 0.01, estimated=False)
    free = np.zeros(20, dtype=bool)
    free[3] = True
    level, _ = rule.others(free)
    each = CountRule(
        Units(units.observed[:-1], units.size[:-1], units.labels[:-1], "poisson", 19), 0.01, False
    )
    alone = each.level(free[:-1])
    weight = 1 / (1 + 0.01 * units.size * alone)
    half = 0.5 * weight[-1] / (weight * units.size)[:-1][~free[:-1]].sum()
    assert level[-1] == pytest.approx(alone + half, rel=2e-3)  # weights are those of all units
    # A named one tells the common level nothing.
    moved = units.observed.copy()
    moved[3] *= 5
    other = Units(moved, units.size, units.labels, "poisson", 20)
    assert CountRule(other, 0.01, False).level(free) == pytest.approx(rule.level(free), rel=1e-9)


@pytest.mark.parametrize(("family", "tau"), [("poisson", 0.15), ("binomial", 0.1)])
def test_the_background_is_estimated(family, tau):
    data = [drawn(seed, tau=tau, delta=1.2, family=family)[:2] for seed in range(12)]
    assert np.mean([named(u)[0].background ** 0.5 for u, _ in data[:4]]) == pytest.approx(
        tau, rel=0.25
    )
    given = [count_background(units, n_off) ** 0.5 for units, n_off in data]
    assert np.mean(given) == pytest.approx(tau, rel=0.1)
    units = data[0][0]
    assert count_background(units, units.n_units - 2) == 0.0


def test_deviations_of_small_counts_do_not_look_like_a_background():
    rng = np.random.default_rng(5)
    size = rng.uniform(0.5, 5, 3000)
    units = Units.from_arrays(rng.poisson(size), size, np.arange(3000))
    rule, free = CountRule(units, 0.0, estimated=False), np.zeros(3000, dtype=bool)
    found = rule.seen(free)
    assert truncated_variance(found, first_variance(found, 0)) < 0.01


def test_names_obey_the_rule_and_are_the_proved_list():
    for seed, family in ((1, "poisson"), (2, "poisson"), (3, "binomial")):
        units, *_ = drawn(seed, delta=0.8, family=family, tau=0.05)
        rule, solution, consistent = named(units)
        free = np.isin(np.arange(300), solution.support)
        pvalues = rule.pvalues(free)
        assert consistent and solution.status == "optimal" and len(solution.support) > 2
        assert pvalues[free].max() <= 0.1 * free.sum() / 300
        best = solve_counts(units, int(free.sum()), background=rule.background)
        assert best.support.tolist() == solution.support.tolist()
        adjusted = CountInference(rule, solution.support, 0.1).qvalues
        assert (adjusted <= 0.1).sum() == step_up(pvalues, 0.1)


@pytest.mark.slow
def test_error_rate_and_power():
    """A part of benchmarks/counts.py, which has 200 data sets a row."""
    for tau, delta, least in ((0.0, 0.4, 0.5), (0.1, 0.5, 0.45), (0.2, 0.8, 0.45)):
        wrong, power = [], []
        for seed in range(40):
            units, n_off, _ = drawn(1000 + seed, tau=tau, delta=delta)
            support = named(units)[1].support
            wrong.append(np.sum(support >= n_off) / max(len(support), 1))
            power.append(np.sum(support < n_off) / n_off)
        assert np.mean(wrong) <= 0.10 + 2 * np.std(wrong) / np.sqrt(40)
        assert np.mean(power) >= least


def test_order_of_units_does_not_matter():
    units, *_ = drawn(7)
    order = np.random.default_rng(0).permutation(300)
    moved = Units(units.observed[order], units.size[order], units.labels[order], "poisson", 300)
    a, b = named(units), named(moved)
    assert set(a[1].selected) == set(b[1].selected)
    assert a[0].background == pytest.approx(b[0].background, rel=1e-6)


def test_few_units_and_none_that_tell():
    two = Units.from_arrays([0, 50], [10.0, 10.0], ["a", "b"])
    rule, solution, _ = named(two)
    assert np.isfinite(rule.pvalues(np.zeros(2, dtype=bool))).all()
    assert len(solution.support) <= 1
    alone = Units.from_arrays([5], [1.0], ["a"])
    rule, solution, _ = named(alone)
    assert rule.pvalues(np.zeros(1, dtype=bool)).tolist() == [1.0]  # nothing to compare it with
    nothing = Units.from_arrays([0, 0, 0], [1.0, 2.0, 3.0], list("abc"))
    assert len(named(nothing)[1].support) == 0


@pytest.mark.parametrize("family", ["poisson", "binomial"])
def test_intervals_by_counts_drawn_and_kept_where_they_are_named(family):
    """At each end of a 95 % interval, 2.5 % of the named counts lie beyond the observed one."""
    law, rng = law_of(family), np.random.default_rng(8)
    observed, size = (
        np.array([34.0, 6.0]),
        np.array([60.0, 60.0]) if family == "binomial" else (np.array([20.0, 20.0])),
    )
    region = np.array([7.0, 7.0]), np.array([33.0, 33.0])
    ends = count_intervals(law, observed, size, region, 0.95, np.inf if family == "poisson" else 1)
    for share, level in zip((0.025, 0.975), ends):
        for k in range(2):
            if level[k] == 0:
                continue
            if family == "poisson":
                x = rng.poisson(size[k] * level[k], 4_000_000)
            else:
                x = rng.binomial(int(size[k]), level[k], 4_000_000)
            kept = x[(x <= region[0][k]) | (x >= region[1][k])]
            above = np.mean(kept > observed[k]) + np.mean(kept == observed[k]) / 2
            error = np.sqrt(share * (1 - share) / len(kept))
            assert above == pytest.approx(share, abs=4 * error + 1e-4)


def test_without_a_region_intervals_are_mid_p_ones():
    law = law_of("poisson")
    low, high = count_intervals(law, np.array([0.0, 9.0]), np.array([2.0, 3.0]), None, 0.9, np.inf)
    assert low[0] == 0.0
    for level, share in ((low[1], 0.05), (high[1], 0.95)):
        mean = 3.0 * level
        assert stats.poisson.sf(9, mean) + stats.poisson.pmf(9, mean) / 2 == pytest.approx(share)
    mean = 2.0 * high[0]
    assert 1 - stats.poisson.pmf(0, mean) / 2 == pytest.approx(0.95)


def test_the_region_is_where_counts_are_named():
    units, *_ = drawn(9, delta=0.8, tau=0.05)
    rule, solution, _ = named(units)
    found = CountInference(rule, solution.support, 0.1)
    low, high = found.region
    for j, k in enumerate(solution.support):
        for count in (low[j], low[j] + 1, high[j] - 1, high[j]):
            if count < 0:
                continue
            other = units.observed.copy()
            other[k] = count
            p = 2 * np.minimum(*rule.tails(other, found.free))[k]
            df = found.deviations.df[k]
            p = 2 * stats.t.sf(stats.norm.isf(min(p, 1) / 2), df)
            assert (p <= found.limit) == (count <= low[j] or count >= high[j])
    none = named_region(lambda counts: np.ones(1), np.array([5.0]), np.array([20.0]), 0.05)
    assert (none[0][0], none[1][0]) == (-1.0, 21.0)


@pytest.mark.slow
def test_intervals_cover_the_levels_of_the_named():
    covered, wider = [], []
    for seed in range(40):
        units, _, level = drawn(2000 + seed, tau=0.1, delta=0.6)
        rule, solution, _ = named(units)
        found, truth = CountInference(rule, solution.support, 0.1), level[solution.support]
        for kind, into in (("conditional", covered), ("fcr", wider)):
            low, high = found.intervals(kind)
            into.append((low <= truth) & (truth <= high))
    assert np.mean(np.concatenate(covered)) == pytest.approx(0.95, abs=0.025)
    assert np.mean(np.concatenate(wider)) >= 0.94
    for wrong in ({"kind": "exact"}, {"level": 1.0}):
        with pytest.raises(ValueError, match=r"kind|level"):
            found.intervals(**wrong)
