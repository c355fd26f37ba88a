"""Names with a false discovery rate, over a background in which all clusters differ a little."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from scipy import stats

from scs.inference.background import (
    Between,
    Deviations,
    allow_for_estimate,
    coefficients,
    deviations,
    first_variance,
    truncated_variance,
)
from scs.moments.moments import Moments
from scs.problem.background import effective_rows

_ROUNDS = 12  # of background and selection in turn; four do nearly always
_STEPS = 100  # of one selection
_SETTLED = 1e-7  # change of theta; its likelihood is flat within less

#: Two-sided p-values of v_k = 0 from all deviations and theta, shape (K,).
Null = Callable[[Deviations, float], np.ndarray]


@runtime_checkable
class OwnVariances(Protocol):
    """A null in which each cluster's errors have a variance of their own."""

    @property
    def moderated(self) -> tuple[np.ndarray, np.ndarray]:
        """Variances and their degrees of freedom, each of shape (K,)."""

    def studentise(self, found: Deviations) -> Deviations:
        """Return deviations whose errors have these variances."""


@dataclass(frozen=True, eq=False)
class Names:
    """A self-consistent selection.

    Attributes
    ----------
    support : ndarray of int
        Sorted indices of the named clusters.
    background : float
        theta, the background's variance over the errors'.
    q : float
        The false discovery rate asked for.
    deviations : Deviations
        Of all clusters at this selection.
    pvalues : ndarray, shape (K,)
        Theirs, under the null that was used.
    consistent : bool
        max over the support of p_k <= q R / K holds for the support itself, R its size.
    """

    support: np.ndarray
    background: float
    q: float
    deviations: Deviations
    pvalues: np.ndarray
    consistent: bool


def name_clusters(
    moments: Moments,
    q: float = 0.10,
    background: float | None = None,
    *,
    null: Null | None = None,
) -> Names:
    """Name clusters at a false discovery rate, by the self-consistent rule.

    S is the selection of R clusters whose own p-values, from a fit in which they are free, all lie
    at or below q R / K; R is the largest found by stepping up on the p-values and fitting again.

    Parameters
    ----------
    moments : Moments
        Without dependent columns.
    q : float
        False discovery rate, in (0, 1).
    background : float, optional
        theta >= 0; None: estimated, in turn with the selection.
    null : callable, optional
        (deviations, theta) -> p-values, such as a `ResidualNull` or an `UnequalNull`. If it has
        a method ``studentise``, the background is estimated from the deviations that this returns.
        None: errors are normal with one variance, and p-values are those of the t law.

    Returns
    -------
    Names
        By fits that alternate. With the default null `scs.solve` at this budget and background
        proves them best. Another null names the clusters of smallest p-values, which need not
        be those of largest gain: that proof is not about them.

    Notes
    -----
    The rate holds for independent p-values; here they share coefficients and background, so it
    holds asymptotically. Where no cluster differs, the rule errs a little more often than q,
    because the background is estimated.

    References
    ----------
    Blanchard and Roquain (2008), Two simple sufficient conditions for FDR control.
    """
    if not 0 < q < 1:
        raise ValueError(f"fdr must lie between 0 and 1, got {q!r}: try 0.1.")
    return names_between(Between.from_moments(moments), q, background, null)


def names_between(
    between: Between, q: float, background: float | None, null: Null | None = None
) -> Names:
    """Name clusters as `name_clusters`, from what it takes of the moments."""
    free = np.zeros(between.n_clusters, dtype=bool)
    if background is not None:
        rule = Rule(between, background, q, null, estimated=False)
        return rule.names(rule.self_consistent(free))
    rule = Rule(between, 0.0, q, null, estimated=True)
    rule = rule.at(first_variance(rule.seen(free), 0) / between.var_e)
    met: list[tuple[bytes, float]] = []
    for _ in range(_ROUNDS):
        free = rule.self_consistent(free)
        found = rule.seen(free)
        variance = truncated_variance(found, first_variance(found, int(free.sum())))
        met.append((free.tobytes(), rule.theta))
        rule, last = rule.at(variance / between.var_e), rule.theta
        if abs(rule.theta - last) <= _SETTLED * (1.0 + rule.theta):
            break
        circle = _circle(met)
        if circle:  # a name at the edge: the wider background, which names fewer
            rule = rule.at(max(circle))
            break
    return rule.names(rule.self_consistent(free))


@dataclass(frozen=True, eq=False)
class Rule:
    """The self-consistent rule at one background.

    Attributes
    ----------
    between : Between
    theta : float
        The background.
    q : float
        False discovery rate.
    null : callable, optional
        As in `name_clusters`.
    estimated : bool
        The background is estimated, which p-values allow for.
    """

    between: Between
    theta: float
    q: float
    null: Null | None
    estimated: bool

    def at(self, theta: float) -> Rule:
        """Return the rule at another background."""
        return replace(self, theta=float(theta))

    def seen(self, free: np.ndarray) -> Deviations:
        """Return the deviations at a selection as the null sees them."""
        return self._as_seen(deviations(self.between, self.theta, free))

    def _as_seen(self, found: Deviations) -> Deviations:
        if isinstance(self.null, OwnVariances):
            found = self.null.studentise(found)
        if self.estimated:
            found = allow_for_estimate(found, self.theta * self.between.var_e)
        return found

    def judged(self, free: np.ndarray) -> tuple[Deviations, np.ndarray]:
        """Return the deviations at a selection as `seen`, and the p-values of all clusters."""
        plain = deviations(self.between, self.theta, free)
        found = self._as_seen(plain)
        if self.null is None or isinstance(self.null, OwnVariances):
            return found, found.pvalues
        pvalues = self.null(plain, self.theta)
        if self.estimated:
            # As far out as a normal variable of the same p-value, by the t law of the estimates.
            pvalues = 2 * stats.t.sf(stats.norm.isf(pvalues / 2), found.df)
        return found, pvalues

    def names(self, free: np.ndarray) -> Names:
        """Return a selection with all that is said of it."""
        (found, pvalues), support = self.judged(free), np.flatnonzero(free)
        limit = self.q * len(support) / self.between.n_clusters
        consistent = bool((pvalues[support] <= limit).all())
        return Names(support, self.theta, self.q, found, pvalues, consistent)

    def self_consistent(self, free: np.ndarray) -> np.ndarray:
        """Step up on the p-values and refit at that number, until the selection stands still."""
        met = set()
        for _ in range(_STEPS):
            _, pvalues = self.judged(free)
            budget = step_up(pvalues, self.q)
            new = pvalues <= self.q * budget / len(pvalues)
            if self.null is None:  # else gains do not order the clusters as their p-values do
                new = best_of_size(self.between, self.theta, budget, new)
            key = new.tobytes()
            if key in met:
                return new
            met.add(key)
            free = new
        return free


def _circle(seen: list[tuple[bytes, float]]) -> list[float]:
    """Return the backgrounds since the last selection was met before, if others lie between."""
    last = seen[-1][0]
    for back in range(len(seen) - 2, -1, -1):
        if seen[back][0] == last:
            return [] if back == len(seen) - 2 else [theta for _, theta in seen[back:]]
    return []


def step_up(pvalues: np.ndarray, q: float) -> int:
    """Return the largest R with R p-values at or below q R / K (Benjamini and Hochberg)."""
    size = len(pvalues)
    passed = np.flatnonzero(np.sort(pvalues) <= q * np.arange(1, size + 1) / size)
    return int(passed[-1]) + 1 if passed.size else 0


def penalised_number(pvalues: np.ndarray, q: float) -> int:
    """Return the R of least penalised loss at the p-values of one list: a second opinion on it.

    Maximises sum over j <= R of z_(j)^2 - z(q j / (2 K))^2, with z_(j) the j-th largest of the
    z(p_k / 2), z the upper normal quantile: the criterion of `choose_by_penalty` for the list's own
    coefficients and background, without a solve. It is at most `step_up`, and less where the last
    names pass the rule only by being many.

    Parameters
    ----------
    pvalues : ndarray, shape (K,)
    q : float
        False discovery rate, in (0, 1).
    """
    size = len(pvalues)
    z = stats.norm.isf(np.sort(np.maximum(pvalues, np.finfo(float).tiny)) / 2)
    price = stats.norm.isf(q * np.arange(1, size + 1) / (2 * size))
    return int(np.argmax(np.concatenate([[0.0], np.cumsum(z**2 - price**2)])))


def best_of_size(between: Between, theta: float, budget: int, free: np.ndarray) -> np.ndarray:
    """Alternate between coefficients and the ``budget`` clusters of largest gain m_k r_k^2."""
    m = effective_rows(between.n, theta)
    for _ in range(_STEPS):
        beta, _ = coefficients(between, theta, free)
        gain = m * (between.y - between.x @ beta) ** 2
        new = np.zeros(len(m), dtype=bool)
        new[np.lexsort((np.arange(len(m)), -gain))[:budget]] = True
        if (new == free).all():
            break
        free = new
    return free


@dataclass(frozen=True)
class PenaltyChoice:
    """The number of names of least penalised loss, and what is proved of that number.

    Attributes
    ----------
    budget : int
        Of least criterion among the budgets solved.
    proved : tuple of int
        Smallest and largest number of names that could still be best.
    """

    budget: int
    proved: tuple[int, int]


def choose_by_penalty(
    solve_at: Callable[[int], tuple[float, float]],
    n_clusters: int,
    var_e: float,
    q: float,
    largest: int,
) -> PenaltyChoice:
    """Choose the number of names by the penalty of false discovery control.

    Minimises c(S_R) / sigma^2 + sum over j <= R of z(q j / (2 K))^2, z the upper normal quantile,
    over R = 0..largest. A coarse path is solved; as c falls with R, an interval of budgets between
    two solved ones is proved worse by the bound at its upper end, or halved.

    Parameters
    ----------
    solve_at : callable
        Objective and proved bound of Eq. 6 at a budget, ridge near 0.
    n_clusters : int
    var_e : float
        sigma^2.
    q : float
    largest : int
        Most names considered.

    References
    ----------
    Abramovich, Benjamini, Donoho and Johnstone (2006), Adapting to unknown sparsity by
    controlling the false discovery rate.
    """
    steps = np.arange(1, largest + 1)
    penalty = np.concatenate([[0.0], np.cumsum(stats.norm.isf(q * steps / (2 * n_clusters)) ** 2)])
    solved: dict[int, tuple[float, float]] = {}

    def criteria(budget: int) -> tuple[float, float]:
        if budget not in solved:
            value, bound = solve_at(budget)
            solved[budget] = value / var_e + penalty[budget], bound / var_e
        return solved[budget]

    criteria(0)
    criteria(largest)
    waiting = [(0, largest)]
    while waiting:
        low, high = waiting.pop()
        best = min(value for value, _ in solved.values())
        if high - low < 2 or criteria(high)[1] + penalty[low + 1] > best:
            continue
        middle = (low + high) // 2
        criteria(middle)
        waiting += [(low, middle), (middle, high)]
    best = min(solved, key=lambda budget: (solved[budget][0], budget))
    left = [
        budget
        for budget, (_, bound) in solved.items()
        if bound + penalty[budget] <= solved[best][0]
    ]
    return PenaltyChoice(best, (min(left), max(left)))
