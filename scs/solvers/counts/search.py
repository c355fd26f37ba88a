"""The best selection of units of counts, by bisection of their common level, with a proof.

With budget lambda and the excess h_k(t) of each unit at the common level t, what is minimised is

    f(t) = sum of the K - lambda smallest h_k(t),

the half deviance of the units left at the common level. On an interval each convex h_k lies above
its tangent at the middle. The sum of the smallest tangents is concave, so that its least value on
the interval is at one of the two ends: one sort of K numbers bounds all selections there.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from math import log2

import numpy as np
from scipy import optimize

from scs.moments.units import Units
from scs.solvers.budgets import check_budget, within
from scs.solvers.counts.losses import Losses, losses
from scs.solvers.counts.solution import CountSolution
from scs.solvers.stop import Stop

_STEPS = 50  # of alternating; it stands still after a few
_EPS = np.finfo(float).eps


def solve_counts(
    units: Units,
    budget: int,
    *,
    background: float = 0.0,
    gap: float = 1e-6,
    time_limit: float = 60.0,
) -> CountSolution:
    """Select the units whose own levels raise the likelihood most, and prove it.

    Minimises over a common level t and selections S of at most ``budget`` units the sum over k
    not in S of h_k(t), h_k the unit's log likelihood at its own level less that at t. Exact at any
    size: the search is over one number.

    Parameters
    ----------
    units : Units
    budget : int
        0 to K; more is taken as K, with a warning.
    background : float
        tau^2 >= 0 of Poisson counts, whose likelihood is negative binomial then; rho in [0, 1) of
        binomial counts, beta-binomial then.
    gap : float
        Stop where objective and bound are so near, in nats (log likelihood).
    time_limit : float
        Seconds.

    Returns
    -------
    CountSolution

    Raises
    ------
    ValueError, TypeError
        A budget, a background or a gap out of range.

    Notes
    -----
    Effects carry no ridge: this is Eq. 5 with the squared error replaced by the likelihood and mu
    taken to 0. A unit of which nothing was observed has the level 0.

    References
    ----------
    Paper, Eq. 5, for the problem; the bound is our own.

    Examples
    --------
    >>> from scs.moments.units import Units
    >>> from scs.solvers.counts import solve_counts
    >>> units = Units.from_arrays([11, 9, 31, 10], [10, 10, 10, 10], list("abcd"))
    >>> found = solve_counts(units, budget=1)
    >>> found.selected.tolist(), found.status, round(found.level, 3)
    (['c'], 'optimal', 1.0)
    """
    budget = within(check_budget(budget), units.n_units)
    if not gap >= 0:
        raise ValueError(f"gap must be 0 or more (nats), got {gap!r}: try 1e-6.")
    if not time_limit > 0:
        raise ValueError(f"time_limit must be positive (seconds), got {time_limit!r}: try 60.")
    started = time.perf_counter()
    with Stop(time_limit) as stop:
        search = _Search(losses(units, background), budget, float(gap), stop)
        search.run()
    best, n_units = search.best, units.n_units
    at_edge = any(best.t == edge for edge, _ in search.losses.edges)
    hides = 0.0 if at_edge else search.losses.rounding(best.t, 0.0)
    idle = search.losses.excess(best.t) <= hides  # an effect that gains nothing is none
    support = np.setdiff1d(best.support, np.flatnonzero(idle), assume_unique=True)
    hidden = search.hidden(best.t)
    bound = max(min(search.bound, best.value), 0.0)
    proved = best.value + hidden - bound <= gap
    status = "optimal" if proved and not stop.interrupted else search.status
    whole = fitted(search.losses, np.ones(n_units, dtype=bool), None).value
    return CountSolution(
        level=search.losses.level(best.t),
        support=support,
        labels=units.labels,
        objective=best.value,
        bound=bound,
        explained=max(whole - best.value, 0.0),
        membership=search.membership(),
        status=status,
        background=float(background),
        budget=budget,
        rounding=hidden,
        nodes=search.nodes,
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True, eq=False)
class Fitted:
    """A selection at the common level that is best for the units not in it."""

    t: float
    value: float
    support: np.ndarray


def fitted(each: Losses, rest: np.ndarray, near: float | None) -> Fitted:
    """Fit the common level of the units ``rest``, at an edge where that fits them perfectly.

    Parameters
    ----------
    each : Losses
    rest : ndarray of bool, shape (K,)
        Units at the common level; where none is, the level is that of all units.
    near : float, optional
        A level near the one looked for.
    """
    support = np.flatnonzero(~rest)
    at = rest if rest.any() else np.ones_like(rest)
    for edge, mask in each.edges:
        if mask[at].all():
            return Fitted(edge, 0.0, support)

    def pull(t: float) -> float:
        return float(each.slope(t)[at].sum())

    low, high = _bracket(pull, *each.ends, near)
    t = low if low == high else float(optimize.brentq(pull, low, high, xtol=1e-15, rtol=1e-15))
    return Fitted(t, float(each.excess(t)[rest].sum()), support)


def _bracket(
    pull: Callable[[float], float], low: float, high: float, near: float | None
) -> tuple[float, float]:
    """Return an interval at whose ends ``pull`` has different signs, small if ``near`` is good."""
    if near is not None and low < near < high:
        width = 1e-3 * (high - low)
        below = pull(near) < 0
        while True:
            other = near + width if below else near - width
            if not low < other < high:
                break
            if (pull(other) < 0) != below:
                return (near, other) if below else (other, near)
            near, width = other, 8.0 * width
        low, high = (near, high) if below else (low, near)
    if pull(low) >= 0:
        return low, low
    if pull(high) <= 0:
        return high, high
    return low, high


class _Search:
    """Best-first bisection of the common level."""

    def __init__(self, each: Losses, budget: int, gap: float, stop: Stop) -> None:
        self.losses, self.budget, self.gap, self.stop = each, budget, gap, stop
        self.n_rest = each.n_units - budget
        self.waiting: list[tuple[float, int, float, float]] = []
        self.done: list[tuple[float, float, float]] = []  # not worth halving: bound, ends
        self.order = count()
        self.nodes = 0
        self.status = "heuristic"
        self.best = fitted(each, np.ones(each.n_units, dtype=bool), None)
        self.limit = self.best.value + self.hidden(self.best.t)  # none better lies above it
        self.edge = any(int(mask.sum()) >= self.n_rest for _, mask in each.edges)

    def run(self) -> None:
        """Search until the gap is closed, rounding hides the rest, or time is up."""
        each = self.losses
        if self.budget == each.n_units:
            self.best = Fitted(self.best.t, 0.0, np.arange(each.n_units))
            return
        for edge, mask in each.edges:
            if int(mask.sum()) >= self.n_rest:
                self.best = Fitted(edge, 0.0, np.flatnonzero(~mask))
                return
        low, high = each.ends
        inner = np.clip(each.own, low, high)
        for t in (self.best.t, *np.quantile(inner, (0.25, 0.5, 0.75))):
            self._improve(float(t))
        self._add(low, high, 0.0)
        while self.waiting and self.waiting[0][0] < self.best.value - self.gap / 2:
            if self.stop:
                self.status = self.stop.status
                break
            bound, _, low, high = heapq.heappop(self.waiting)
            middle = (low + high) / 2.0
            if not low < middle < high:
                self.done.append((bound, low, high))
                continue
            self._add(low, middle, bound)
            self._add(middle, high, bound)

    @property
    def bound(self) -> float:
        """Proved of every selection."""
        if self.budget == self.losses.n_units or self.edge:
            return 0.0
        left = [node[0] for node in (*self.waiting, *self.done)]
        return min(left, default=self.best.value)

    def hidden(self, t: float) -> float:
        """Return what rounding can hide of the objective at t."""
        if not np.isfinite(t) or self.best.value == 0.0:
            return 0.0
        each = self.losses
        return float(each.rounding(t, 0.0).sum()) + self._of_sums(each.excess(t))

    def _of_sums(self, terms: np.ndarray) -> float:
        return (32.0 + log2(len(terms) + 1.0)) * _EPS * float(np.abs(terms).sum())

    def _add(self, low: float, high: float, above: float) -> None:
        """Bound an interval, and keep it unless nothing in it can be best."""
        each = self.losses
        middle = (low + high) / 2.0
        reach = max(high - middle, middle - low)
        here, slope = each.excess(middle), each.slope(middle)
        self.nodes += 1
        value = float(_smallest(here, self.n_rest).sum())
        if value < self.best.value:
            self._improve(middle)
        margin = float(each.rounding(middle, reach).sum())
        least = np.inf
        for end in (low, high):
            terms = _smallest(here + slope * (end - middle), self.n_rest)
            least = min(least, float(terms.sum()) - self._of_sums(terms))
        bound = max(least - margin, above)
        if bound > self.limit:
            return
        # Where most of what is left is rounding, halving brings nothing.
        if self.best.value - bound <= 2.0 * margin and margin > self.gap / 4:
            self.done.append((bound, low, high))
        else:
            heapq.heappush(self.waiting, (bound, next(self.order), low, high))

    def _improve(self, t: float) -> None:
        """Alternate from t between the selection and the common level."""
        for _ in range(_STEPS):
            rest = np.zeros(self.losses.n_units, dtype=bool)
            rest[np.argsort(self.losses.excess(t), kind="stable")[: self.n_rest]] = True
            found = fitted(self.losses, rest, t)
            if not found.value < self.best.value:
                return
            self.best, t = found, found.t
            self.limit = found.value + self.hidden(t)

    def membership(self) -> np.ndarray:
        """Say of each unit what all best selections have in common."""
        each = self.losses
        proved = np.full(each.n_units, "open", dtype="<U4")
        if self.budget == 0:
            proved[:] = "out"
        if self.budget in (0, each.n_units) or self.edge:
            return proved
        inside, outside = (np.ones(each.n_units, dtype=bool) for _ in range(2))
        left = [(low, high) for bound, *_, low, high in self.waiting if bound <= self.limit]
        left += [(low, high) for bound, low, high in self.done if bound <= self.limit]
        for low, high in _joined(left):
            ends = [each.excess(t) for t in (low, high)]
            slack = np.maximum(*(each.rounding(t, 0.0) for t in (low, high)))
            within_ends = (each.own >= low) & (each.own <= high)
            least = np.where(within_ends, 0.0, np.minimum(*ends)) - slack
            most = np.maximum(*ends) + slack
            size = self.budget
            inside &= least > np.partition(most, -size - 1)[-size - 1]
            outside &= most < np.partition(least, -size)[-size]
        proved[inside], proved[outside] = "in", "out"
        return proved


def _smallest(values: np.ndarray, size: int) -> np.ndarray:
    """Return so many smallest values."""
    return values if size >= len(values) else np.partition(values, size - 1)[:size]


def _joined(intervals: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return intervals with those that touch made one."""
    found: list[tuple[float, float]] = []
    for low, high in sorted(intervals):
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(high, found[-1][1])
        else:
            found.append((low, high))
    return found
