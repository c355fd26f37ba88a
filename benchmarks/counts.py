"""Counts with an expected number: time of the search, error rate and power of the names.

    python benchmarks/counts.py speed
    python benchmarks/counts.py names 200

``names`` draws so many data sets of 300 units for each row, with expected numbers from 10 to 500
(log-uniform) and 5 % of the units off by a factor of exp(delta) up or down, over a gamma background
of standard deviation tau. Beside: limits as funnel plots draw them, from Poisson quantiles, and
with the additive variance of DerSimonian and Laird on winsorised square-root scores.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
from scipy import stats

from scs.inference.count_effects import CountInference
from scs.inference.counts import CountRule, certified_counts
from scs.moments.units import Units
from scs.solvers.counts import solve_counts

ROWS = ((0.0, 0.4, 0.05), (0.1, 0.5, 0.05), (0.2, 0.8, 0.05), (0.2, 0.0, 0.0), (0.0, 0.0, 0.0))
OTHERS = {  # beyond the table: small expected numbers, a background of another law, few units
    "E 1 to 20": {"tau": 0.2, "delta": 1.2, "low": 1, "high": 20},
    "log-normal": {"tau": 0.2, "delta": 0.8, "law": "lognormal"},
    "K = 40, 10 %": {"tau": 0.1, "delta": 0.8, "share": 0.1, "n_units": 40},
    "binomial": {"tau": 0.05, "delta": 1.0, "family": "binomial"},
}


def draw(
    seed: int,
    tau: float = 0.0,
    delta: float = 0.5,
    share: float = 0.05,
    n_units: int = 300,
    low: float = 10,
    high: float = 500,
    law: str = "gamma",
    family: str = "poisson",
) -> tuple[Units, int, np.ndarray]:
    """Return units, of which the first few differ, their number, and the true levels."""
    rng = np.random.default_rng(seed)
    size = np.exp(rng.uniform(np.log(low), np.log(high), n_units))
    effect = np.zeros(n_units)
    n_off = round(share * n_units)
    effect[:n_off] = delta * rng.choice([-1, 1], n_off)
    labels = np.arange(n_units)
    if family == "binomial":  # tau^2 is the correlation of trials
        trials = np.ceil(size)
        level = 1 / (1 + np.exp(-(effect - 1.0)))
        if tau:
            mass = 1 / tau**2 - 1
            level = rng.beta(level * mass, (1 - level) * mass)
        observed = rng.binomial(trials.astype(int), level)
        return Units.from_arrays(observed, trials, labels, family), n_off, level
    level = np.exp(effect)
    if tau and law == "gamma":
        level = level * rng.gamma(1 / tau**2, tau**2, n_units)
    elif tau:
        sd = np.sqrt(np.log1p(tau**2))
        level = level * np.exp(rng.normal(-(sd**2) / 2, sd, n_units))
    return Units.from_arrays(rng.poisson(size * level), size, labels), n_off, level


def poisson_limits(units: Units, level: float) -> np.ndarray:
    """Name what lies outside Poisson limits about the overall ratio."""
    mean = units.size * units.overall
    tail = (1 - level) / 2
    below = stats.poisson.cdf(units.observed, mean) <= tail
    return below | (stats.poisson.sf(units.observed - 1, mean) <= tail)


def additive_limits(units: Units, level: float) -> np.ndarray:
    """Name what lies outside limits widened by an additive variance (Spiegelhalter 2005)."""
    centre, n = np.sqrt(units.overall), units.n_units
    y, s = np.sqrt(units.observed / units.size), 0.5 / np.sqrt(units.size)
    z = (y - centre) / s
    z = np.clip(z, *np.quantile(z, (0.1, 0.9)))
    phi = np.mean(z**2)
    w = 1 / s**2
    variance = max((n * phi - (n - 1)) / (w.sum() - (w**2).sum() / w.sum()), 0.0)
    return np.abs(y - centre) > stats.norm.isf((1 - level) / 2) * np.sqrt(s**2 + variance)


def ours(background: float | None) -> Callable[[Units], tuple[np.ndarray, CountRule]]:
    """Name at a false discovery rate of 10 %."""

    def name(units: Units) -> tuple[np.ndarray, CountRule]:
        rule, solution, _ = certified_counts(
            units, 0.1, background, lambda number, at: solve_counts(units, number, background=at)
        )
        assert solution.status == "optimal"
        named = np.zeros(units.n_units, dtype=bool)
        named[solution.support] = True
        return named, rule

    return name


def rates(named: list[np.ndarray], n_off: int) -> str:
    """Return mean share of wrong names, its error, and power."""
    wrong = np.array([each[n_off:].sum() / max(each.sum(), 1) for each in named])
    power = np.mean([each[:n_off].mean() for each in named]) if n_off else np.nan
    return f"{wrong.mean():.3f} ({wrong.std() / np.sqrt(len(wrong)):.3f}) / {power:.2f}"


def names(reps: int) -> None:
    """Print error rates and power of each row, and coverage of the intervals."""
    cases = {
        f"tau {tau:g}, delta {delta:g}, {share:.0%}": {"tau": tau, "delta": delta, "share": share}
        for tau, delta, share in ROWS
    }
    for title, case in (cases | OTHERS).items():
        data = [draw(seed, **case) for seed in range(reps)]
        n_off = data[0][1]
        found = [ours(None)(units) for units, *_ in data]
        covered: list[np.ndarray] = []
        for (_, _, level), (named, rule) in zip(data, found):
            low, high = CountInference(rule, np.flatnonzero(named), 0.1).intervals()
            covered.append((low <= level[named]) & (level[named] <= high))
        sd = np.mean([np.sqrt(rule.background) for _, rule in found])
        print(f"{title}: l0 + background {rates([n for n, _ in found], n_off)}; tau {sd:.3f}")
        print(f"    intervals cover {np.concatenate(covered).mean():.3f}")
        print(f"    point null {rates([ours(0.0)(units)[0] for units, *_ in data], n_off)}")
        if case.get("family") == "binomial":
            continue
        for what, rule_of in (("Poisson", poisson_limits), ("additive", additive_limits)):
            for limit in (0.95, 0.998):
                got = rates([rule_of(units, limit) for units, *_ in data], n_off)
                print(f"    {what} {limit:.1%} {got}", flush=True)


def speed() -> None:
    """Print the time of one search, 5 % of the units selected."""
    for family in ("poisson", "binomial"):
        for n_units in (300, 3_000, 30_000, 300_000):
            for background in (0.0, 0.01):
                tau = 0.1 if family == "poisson" else 0.05
                units, n_off, _ = draw(0, tau=tau, n_units=n_units, family=family)
                started = time.process_time()
                s = solve_counts(units, n_off, background=background, time_limit=300)
                seconds = time.process_time() - started
                print(
                    f"{family:8} {n_units:7,} background {background:4} gap {s.gap:.1e} nats, "
                    f"rounding {s.rounding:.1e}, {s.nodes} intervals, {seconds:.2f} s, {s.status}",
                    flush=True,
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["speed"]:
        speed()
    else:
        names(int(sys.argv[2]) if len(sys.argv) > 2 else 200)
