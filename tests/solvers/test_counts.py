"""Counts: every selection tried, sums in fifty digits, and what proofs may say."""

import itertools
import time
import warnings
from decimal import Decimal, localcontext
from functools import partial

import numpy as np
import pytest
from scipy import optimize, stats

from scs.moments.units import Units
from scs.solvers.counts import losses, solve_counts
from scs.solvers.counts.losses import log_rising


def drawn(rng, n_units, family, spread=0.3):
    if family == "poisson":
        size = np.exp(rng.uniform(0, 5, n_units))
        observed = rng.poisson(size * np.exp(rng.normal(0, spread, n_units)))
    else:
        size = np.floor(np.exp(rng.uniform(0.7, 5, n_units)))
        observed = rng.binomial(size.astype(int), rng.beta(0.6 / spread, 1.4 / spread, n_units))
    return Units.from_arrays(observed, size, np.arange(n_units), family)


def log_pmf(units, level, background):
    """Log likelihoods by scipy.stats; ``level`` broadcasts against the units."""
    o, s = units.observed, units.size
    if units.family == "poisson":
        if background == 0:
            return stats.poisson.logpmf(o, s * level)
        return stats.nbinom.logpmf(o, 1 / background, 1 / (1 + background * s * level))
    if background == 0:
        return stats.binom.logpmf(o, s, level)
    mass = 1 / background - 1
    return stats.betabinom.logpmf(o, s, level * mass, (1 - level) * mass)


def all_supports(units, budget):
    """Objectives of all selections without a background: levels are known in closed form."""
    supports = list(itertools.combinations(range(units.n_units), budget))
    rest = np.ones((len(supports), units.n_units), dtype=bool)
    for row, support in enumerate(supports):
        rest[row, list(support)] = False
    level = (rest @ units.observed) / (rest @ units.size)
    own = log_pmf(units, units.observed / units.size, 0)
    short = own - log_pmf(units, level[:, None], 0)
    return supports, np.where(rest, short, 0.0).sum(axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["poisson", "binomial"])
def test_every_selection_of_250_problems(family):
    rng = np.random.default_rng(7)
    for _ in range(250):
        n_units = int(rng.integers(2, 15))
        budget = int(rng.integers(0, n_units))
        units = drawn(rng, n_units, family, float(rng.choice([0.1, 0.4, 1.0])))
        supports, values = all_supports(units, budget)
        best = values.min()
        found = solve_counts(units, budget, gap=1e-9)
        assert abs(found.objective - best) <= 1e-8
        assert found.bound <= best + 1e-11
        assert found.status == "optimal"
        assert found.objective - found.bound <= 1e-9
        # What is proved holds for every best selection (a worse one by rounding counts, too).
        for support, value in zip(supports, values):
            if value <= best + 1e-12:
                inside = np.isin(np.arange(n_units), support)
                idle = losses(units).excess(_t(units, found.level)) < 1e-9
                assert not np.any((found.membership == "in") & ~inside)
                assert not np.any((found.membership == "out") & inside & ~idle)


def _t(units, level):
    with np.errstate(divide="ignore"):
        return float(np.log(level)) if units.family == "poisson" else level


@pytest.mark.parametrize(
    ("family", "background"), [("poisson", 0.04), ("poisson", 0.5), ("binomial", 0.03)]
)
def test_every_selection_over_a_background(family, background):
    rng = np.random.default_rng(11)
    ends = (-6.0, 6.0) if family == "poisson" else (1e-7, 1 - 1e-7)

    def least(function):
        return optimize.minimize_scalar(
            function, bounds=ends, method="bounded", options={"xatol": 1e-10}
        ).fun

    def at(x):
        return np.exp(x) if family == "poisson" else x

    for _ in range(8):
        n_units = int(rng.integers(3, 8))
        budget = int(rng.integers(1, n_units - 1))
        units = drawn(rng, n_units, family)
        if np.any(units.observed == 0) or np.any(units.observed == units.size):
            continue  # whose own level lies beyond the ends
        short = partial(log_pmf, units, background=background)
        own = np.array([-least(lambda x, k=k, f=short: -f(at(x))[k]) for k in range(n_units)])
        best = min(
            least(lambda x, r=list(rest), f=short, own=own: (own - f(at(x)))[r].sum())
            for rest in itertools.combinations(range(n_units), n_units - budget)
        )
        found = solve_counts(units, budget, background=background, gap=1e-9)
        assert abs(found.objective - best) <= 1e-8
        assert found.bound <= best + 1e-9
        assert found.status == "optimal"


@pytest.mark.parametrize(
    ("family", "background"),
    [("poisson", 0.0), ("poisson", 0.1), ("poisson", 1e-8), ("binomial", 0.0), ("binomial", 0.02)],
)
def test_excess_is_the_likelihood_lost_and_slope_its_derivative(family, background):
    units = drawn(np.random.default_rng(3), 40, family)
    each = losses(units, background)
    low, high = each.ends
    for t in np.linspace(low + 0.2 * (high - low), high - 0.2 * (high - low), 7):
        own = np.array([each.level(x) for x in each.own])
        lost = log_pmf(units, own, background) - log_pmf(units, each.level(t), background)
        inner = (units.observed > 0) & (units.observed != units.size)
        assert np.allclose(each.excess(t)[inner], lost[inner], rtol=1e-6, atol=1e-6)
        step = 1e-5 * (high - low)
        rise = (each.excess(t + step) - each.excess(t - step)) / (2 * step)
        assert np.allclose(each.slope(t), rise, rtol=1e-4, atol=1e-3)
        # Convex: above every tangent.
        for other in (t - 0.1 * (high - low), t + 0.1 * (high - low)):
            tangent = each.excess(t) + each.slope(t) * (other - t)
            assert np.all(each.excess(other) >= tangent - each.rounding(t, abs(other - t)) - 1e-9)


@pytest.mark.parametrize("background", [0.0, 0.01, 1e-9])
def test_rounding_of_poisson_losses_holds_in_fifty_digits(background):
    rng = np.random.default_rng(5)
    size = np.exp(rng.uniform(-3, 15, 60))
    units = Units.from_arrays(rng.poisson(size * rng.gamma(20, 0.05, 60)), size, np.arange(60))
    each = losses(units, background)
    with localcontext() as context:
        context.prec = 50
        d = Decimal(background)
        for t in (-0.7, 0.01, 1.3):
            excess, margin = each.excess(t), each.rounding(t, 0.0)
            for k in range(60):
                o, e, at = (Decimal(float(x)) for x in (units.observed[k], units.size[k], t))
                y = e * at.exp()
                line = o * (at - (o / e).ln()) if o else Decimal(0)
                if background:
                    exact = (o + 1 / d) * ((1 + d * y) / (1 + d * o)).ln() - line
                else:
                    exact = y - o - line
                assert abs(Decimal(float(excess[k])) - exact) <= Decimal(float(margin[k]))


def test_log_rising_in_fifty_digits():
    with localcontext() as context:
        context.prec = 50
        for a in (1e-6, 0.3, 5.0, 15.9, 16.1, 1e3, 1e9):
            for j in (0, 1, 7, 300):
                value, size = log_rising(a, np.array(float(j)))
                exact = sum(((Decimal(a) + i).ln() for i in range(j)), Decimal(0))
                assert abs(Decimal(float(value)) - exact) <= Decimal(8 * 2.3e-16 * float(size) + 0)


def test_edges():
    nothing = Units.from_arrays([0, 0, 0, 4], [1, 2, 3, 1], list("abcd"))
    found = solve_counts(nothing, 1)
    assert (found.selected.tolist(), found.level, found.objective) == (["d"], 0.0, 0.0)
    assert solve_counts(nothing, 0).level == pytest.approx(4 / 7)
    every = Units.from_arrays([3, 2, 5, 0], [3, 2, 5, 4], list("abcd"), "binomial")
    found = solve_counts(every, 1)
    assert (found.selected.tolist(), found.level, found.objective) == (["d"], 1.0, 0.0)
    assert solve_counts(every, 1, background=0.1).selected.tolist() == ["d"]
    zero = Units.from_arrays([0, 0], [1, 2], list("ab"))
    assert solve_counts(zero, 1).selected.size == 0
    assert solve_counts(zero, 0).level == 0.0
    one = Units.from_arrays([5], [2], ["a"])
    assert solve_counts(one, 0).level == pytest.approx(2.5)
    alike = Units.from_arrays([2, 4, 6], [1, 2, 3], list("abc"))
    found = solve_counts(alike, 1)
    assert found.selected.size == 0 and found.objective <= 1e-12 and found.status == "optimal"
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        found = solve_counts(Units.from_arrays([2, 9, 6], [1, 2, 3], list("abc")), 7)
    assert "more than the 3 clusters" in str(noted[0].message)
    assert found.objective == 0.0


def test_units_of_expected_numbers_do_not_matter():
    units = drawn(np.random.default_rng(2), 60, "poisson")
    other = Units(units.observed, units.size * 1e-5, units.labels, "poisson", 60)
    a, b = (solve_counts(each, 6, background=0.01) for each in (units, other))
    assert a.support.tolist() == b.support.tolist()
    assert a.objective == pytest.approx(b.objective, abs=1e-6)
    assert a.level == pytest.approx(b.level * 1e-5, rel=1e-6)


def test_a_search_that_is_stopped_says_so_and_its_bound_holds():
    units = drawn(np.random.default_rng(4), 400, "poisson")
    whole = solve_counts(units, 20)
    stopped = solve_counts(units, 20, time_limit=1e-9)
    assert stopped.status == "time_limit"
    assert stopped.bound <= whole.objective
    # A gap finer than rounding is never said to be reached.
    fine = solve_counts(units, 20, gap=0.0)
    assert fine.status == "heuristic" and fine.rounding > 0
    for wrong in ({"gap": -1.0}, {"time_limit": 0.0}, {"background": -0.1}):
        with pytest.raises(ValueError, match=r"gap|time_limit|background"):
            solve_counts(units, 3, **wrong)


def test_300_units_to_a_millionth():
    for seed in range(3):
        rng = np.random.default_rng(seed)
        for family, background in (("poisson", 0.0), ("poisson", 0.01), ("binomial", 0.01)):
            found = solve_counts(drawn(rng, 300, family), 15, background=background)
            assert found.status == "optimal"
            assert found.objective + found.rounding - found.bound <= 1e-6


@pytest.mark.slow
def test_300_000_units_within_a_minute():
    rng = np.random.default_rng(0)
    size = np.exp(rng.uniform(np.log(10), np.log(500), 300_000))
    observed = rng.poisson(size * rng.gamma(100, 0.01, 300_000))
    units = Units.from_arrays(observed, size, np.arange(300_000))
    started = time.process_time()
    found = solve_counts(units, 15_000)
    assert time.process_time() - started < 60
    assert found.status == "optimal"
    assert found.objective + found.rounding - found.bound <= 1e-6


def test_units_add_up():
    rng = np.random.default_rng(6)
    o, e, labels = rng.poisson(3, 50), rng.uniform(1, 4, 50), rng.integers(0, 9, 50)
    whole = Units.from_arrays(o, e, labels)
    parts = Units.from_arrays(o[:20], e[:20], labels[:20]) + Units.from_arrays(
        o[20:], e[20:], labels[20:]
    )
    assert whole.labels.tolist() == parts.labels.tolist()
    assert np.array_equal(whole.observed, parts.observed)
    assert np.allclose(whole.size, parts.size, rtol=1e-14)
    assert parts.n_rows == 50
    for k, label in enumerate(whole.labels):
        assert whole.observed[k] == o[labels == label].sum()
    with pytest.raises(ValueError, match="do not add up"):
        whole + Units.from_arrays([1], [2], [3], "binomial")
