"""Names of units of counts at a false discovery rate, over a background that is estimated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from scs.inference.background import (
    Deviations,
    allow_for_estimate,
    first_variance,
    truncated_variance,
)
from scs.inference.count_laws import CountLaw, law_of, mid_tails
from scs.inference.naming import step_up
from scs.moments.units import Units
from scs.solvers.counts import CountSolution, fitted, losses

_ROUNDS = 12  # of background and selection in turn
_STEPS = 100  # of one selection
_SETTLED = 1e-7  # change of the background
_LEAST_REST = 3  # units not selected, below which nothing tells the background
_MOST = 0.9  # of a binomial background, a correlation


@dataclass(frozen=True, eq=False)
class CountRule:
    """Deviations and p-values of all units at a selection, at one background.

    Attributes
    ----------
    units : Units
    background : float
        tau^2 (Poisson) or rho (binomial).
    estimated : bool
        The background is estimated, which p-values allow for.
    """

    units: Units
    background: float
    estimated: bool

    @property
    def law(self) -> CountLaw:
        """Of the family."""
        return law_of(self.units.family)

    def at(self, background: float) -> CountRule:
        """Return the rule at another background."""
        most = np.inf if self.units.family == "poisson" else _MOST
        return replace(self, background=float(min(background, most)))

    def level(self, free: np.ndarray) -> float:
        """Return the common level of the units that are not free."""
        each = losses(self.units, self.background)
        return each.level(fitted(each, ~free, None).t)

    def others(self, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the common level as the other units tell it, and that level's variance.

        A unit that is not free is left out of its own common level, with weights as they are.
        Half an event of the unit itself stands in for it, without which the exact test of two
        Poisson counts would be missed by half of its mass at the count.
        """
        u, law = self.units, self.law
        level = self.level(free)
        weight = law.weight(u.size, level, self.background)
        rest = np.where(free, 0.0, weight)
        sized = float(rest @ u.size)
        half = weight / 2.0
        events = np.maximum(level * sized - rest * u.observed, 0.0) + half
        trials = np.maximum(sized - rest * u.size, 0.0)
        if u.family == "binomial":
            trials = trials + 2.0 * half
        # One unit, or all of them free: nothing else tells a common level.
        alone = (trials <= 0) | free.all()
        found = np.where(alone, level, events / np.where(alone, 1.0, trials))
        variance = law.rest_variance(events, np.where(alone, 1.0, trials))
        return found, np.where(alone, np.inf, variance)

    def seen(self, free: np.ndarray) -> Deviations:
        """Return the deviations at a selection."""
        level, variance = self.others(free)
        told = np.isfinite(variance)
        with np.errstate(divide="ignore", invalid="ignore"):
            value, noise = self.law.deviation(self.units, level)
        noise = np.where(told, noise + np.where(told, variance, 0.0), np.inf)
        found = Deviations(
            value=np.where(told, value, 0.0),
            error=np.sqrt(noise),
            spread=np.sqrt(noise + self.background),
            df=np.inf,
        )
        return allow_for_estimate(found, self.background) if self.estimated else found

    def tails(self, observed: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mid tails of counts at the common level over the background."""
        level, variance = self.others(free)
        told = np.isfinite(variance)
        if self.units.family == "poisson":
            variance = np.where(told, self.background + variance, 1.0)
        else:
            variance = np.where(told, 1.0 - (1.0 - self.background) * (1.0 - variance), 0.5)
        below, above = mid_tails(self.law, observed, self.units.size, level, variance)
        return np.where(told, below, 0.5), np.where(told, above, 0.5)

    def pvalues(self, free: np.ndarray) -> np.ndarray:
        """Return two-sided mid-p values of all units at a selection, shape (K,)."""
        p = np.minimum(2.0 * np.minimum(*self.tails(self.units.observed, free)), 1.0)
        if not self.estimated:
            return p
        # As far out as a normal variable of the same p-value, by the t law of the estimate.
        return 2.0 * stats.t.sf(stats.norm.isf(p / 2.0), self.seen(free).df)

    def variance(self, free: np.ndarray) -> float:
        """Estimate the background at a selection, by the truncated likelihood of the others."""
        found = self.seen(free)
        return truncated_variance(found, first_variance(found, int(free.sum())))

    def self_consistent(self, free: np.ndarray, q: float) -> np.ndarray:
        """Step up on the p-values and refit, until the selection stands still."""
        met = set()
        for _ in range(_STEPS):
            pvalues = self.pvalues(free)
            free = pvalues <= q * step_up(pvalues, q) / len(pvalues)
            if (key := free.tobytes()) in met:
                break
            met.add(key)
        return free

    def largest(self, free: np.ndarray, budget: int) -> np.ndarray:
        """Alternate between the common level and so many units of largest gain."""
        each = losses(self.units, self.background)
        for _ in range(_STEPS):
            gain = each.excess(fitted(each, ~free, None).t)
            new = np.zeros(len(gain), dtype=bool)
            new[np.lexsort((np.arange(len(gain)), -gain))[:budget]] = True
            if (new == free).all():
                break
            free = new
        return free


def settled(
    rule: CountRule, choose: Callable[[CountRule, np.ndarray], np.ndarray]
) -> tuple[CountRule, np.ndarray]:
    """Estimate the background and choose the selection in turn, until both stand still.

    Parameters
    ----------
    rule : CountRule
        Whose background is estimated unless it is given.
    choose : callable
        The selection by a rule, from the last one.
    """
    free = np.zeros(rule.units.n_units, dtype=bool)
    if not rule.estimated:
        return rule, choose(rule, free)
    rule = rule.at(first_variance(rule.seen(free), 0))
    met: list[tuple[bytes, float]] = []
    for _ in range(_ROUNDS):
        free = choose(rule, free)
        key = free.tobytes()
        circle = [theta for seen, theta in met if seen == key and theta != rule.background]
        met.append((key, rule.background))
        rule, last = rule.at(rule.variance(free)), rule.background
        if abs(rule.background - last) <= _SETTLED * (1.0 + last):
            break
        if len(circle) > 1:  # a name at the edge: the wider background, which names fewer
            rule = rule.at(max(theta for _, theta in met[len(met) // 2 :]))
            break
    return rule, choose(rule, free)


def certified_counts(
    units: Units,
    q: float,
    background: float | None,
    solve_at: Callable[[int, float], CountSolution],
) -> tuple[CountRule, CountSolution, bool]:
    """Name units at a false discovery rate such that the list is a proved selection.

    The step-up rule on mid-p values, in turn with the background, gives the number of names R. The
    solver's selection of R units is taken, and R goes down until all its p-values lie at or below
    q R / K.

    Parameters
    ----------
    units : Units
    q : float
        False discovery rate, in (0, 1).
    background : float, optional
        None: estimated.
    solve_at : callable
        The solution at a budget and a background.

    Returns
    -------
    CountRule, CountSolution, bool
        The last says that the names obey the rule.

    References
    ----------
    Blanchard and Roquain (2008), Two simple sufficient conditions for FDR control.
    """
    start = CountRule(units, background or 0.0, estimated=background is None)
    rule, free = settled(start, lambda rule, free: rule.self_consistent(free, q))
    budget = int(free.sum())
    while True:
        solution = solve_at(budget, rule.background)
        free = np.zeros(units.n_units, dtype=bool)
        free[solution.support] = True
        pvalues = rule.pvalues(free)
        limit = q * len(solution.support) / units.n_units
        consistent = bool((pvalues[solution.support] <= limit).all())
        if consistent or solution.status == "interrupted":
            return rule, solution, consistent
        budget = min(step_up(pvalues, q), budget - 1)


def count_background(units: Units, budget: int) -> float:
    """Estimate the background where so many units have levels of their own.

    0 where fewer than three units are left, which tell nothing of a background.
    """
    if units.n_units - budget < _LEAST_REST:
        return 0.0
    start = CountRule(units, 0.0, estimated=True)
    rule, _ = settled(start, lambda rule, free: rule.largest(free, budget))
    return rule.background
