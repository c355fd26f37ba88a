"""The general model: any number of effects a cluster, a budget each, and rules on the answer."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence

import numpy as np

from scs.moments.moments import Moments
from scs.problem.constraints import Constraint
from scs.problem.objective import Problem
from scs.solvers.general.arrow import Arrow, Point, make_arrow, referee
from scs.solvers.general.heuristic import first_selection, improve, swap, usable, value_of
from scs.solvers.general.master import branch_and_bound
from scs.solvers.general.polish import Polish
from scs.solvers.general.relaxation import base_extraction, make_frame, relax
from scs.solvers.general.rules import Rules, make_rules
from scs.solvers.general.tree import Search
from scs.solvers.log import Log
from scs.solvers.solution import Solution, certificate, relative_gap, squeezed
from scs.solvers.stop import Stop
from scs.solvers.tangents import consistent

__all__ = ["general"]

_FINEST_GAP = 1e-9


def general(
    moments: Moments,
    budgets: Sequence[int],
    *,
    ridge: float = 1.0,
    ridge_fixed: float | None = None,
    constraints: Sequence[Constraint] = (),
    gap: float = 1e-4,
    time_limit: float = 60.0,
    seed: int = 0,
    method: str = "outer",
    verbose: bool = False,
    start: np.ndarray | None = None,
) -> Solution:
    """Solve Eq. 5 with a budget for each effect and side constraints.

    Parameters
    ----------
    moments : Moments
    budgets : sequence of int, length Q + 1
        Clusters that may have each effect, the random intercept first.
    ridge, ridge_fixed, gap, time_limit, seed, verbose
        As in `scs.solve`.
    constraints : sequence of `scs.problem.constraints.Constraint`
    method : {"outer", "alternating"}
        "alternating": the heuristic, with the bound of the relaxation at its root.
    start : ndarray of bool, shape (K, Q + 1), optional
        A selection to begin with, beside the heuristic's.

    Returns
    -------
    Solution
        With ``gamma`` (K, Q + 1) and ``support`` one array per effect; where Q = 0, as of a
        random intercept alone.

    Raises
    ------
    ValueError, TypeError
        As `scs.solve`; constraints that conflict (the message names them).

    References
    ----------
    Paper, Eq. 2 to 6 and Section 5.3; book, appendix.
    """
    started = time.perf_counter()
    stop = Stop(time_limit)
    problem = Problem.from_moments(moments, ridge=ridge, ridge_fixed=ridge_fixed, own_units=True)
    arrow = make_arrow(moments, problem)
    most = np.minimum(np.asarray(budgets, dtype=int), arrow.shape[0])
    rules = make_rules(moments, arrow, most, constraints)
    tight = base_extraction(arrow, rules)
    with stop:
        root, bound = relax(arrow, rules, tight, rules.fixed_x, rules.fixed_z)
        best, interrupted = first_selection(arrow, rules, tight, seed=seed, more=[root], stop=stop)
        if start is not None:
            best = _with_start(arrow, rules, tight, best, start)
        bound = max(bound - arrow.margin, 0.0)
        frame = make_frame(arrow, rules, best.value)
        record = Log(started, verbose)
        search = Search(arrow, rules, frame, tight, best, bound, record, stop=stop)
        search.polish = Polish(arrow, rules, tight, seed=seed, stop=stop, started=started)
        search.log(bound, 0)
        status, nodes = "interrupted" if interrupted else "heuristic", 0
        goal = max(gap, _FINEST_GAP, 4 * arrow.margin / best.value if best.value > 0 else 0.0)
        is_open = relative_gap(best.value, bound) > goal
        if status == "heuristic" and method != "alternating" and is_open:
            if goal > gap:
                warnings.warn(
                    f"gap={gap:g} is finer than rounding and SCIP's tolerances allow here: "
                    f"stopping at {min(goal, 1.0):.1e}.",
                    stacklevel=3,
                )
            status, nodes = branch_and_bound(search, goal, time_limit, seed)
        elif status == "heuristic" and stop:
            status = "time_limit"
    if stop.interrupted:
        status = "interrupted"
    own_bound, membership = search.proved()
    if search.nodes:
        search.log(own_bound, nodes)
    return _solution(
        moments,
        arrow,
        rules,
        search,
        problem,
        membership=membership,
        status=status,
        method=method,
        started=started,
        nodes=nodes,
        gap=gap,
    )


def _with_start(arrow: Arrow, rules: Rules, tight, best: Point, start: np.ndarray) -> Point:
    """Take the user's selection if it is better than the heuristic's."""
    t = best.t
    found = value_of(arrow, rules, t, np.asarray(start, dtype=float), tight)
    if not usable(rules, found):
        return best
    found = swap(arrow, rules, improve(arrow, rules, found, tight) or found, tight)
    return min(best, found, key=lambda at: at.value)


def _solution(
    moments, arrow, rules, search, problem, *, membership, status, method, started, nodes, gap
) -> Solution:
    """Assemble the Solution; the objective is recomputed from coefficients and effects."""
    best = search.best
    membership = consistent(membership, best.s > 0)
    beta, gamma = best.beta, best.gamma.copy()
    # Without other rules an effect that gains nothing is none: its name would report rounding.
    diagonal = np.diagonal(arrow.zz, axis1=1, axis2=2)
    idle = diagonal * gamma**2 <= arrow.margin
    if not rules.given:
        gamma[idle] = 0.0
        membership[(membership == "in") & idle] = "open"
    value = max(referee(arrow, beta, gamma), 0.0)
    empty = np.zeros(arrow.shape)
    explained = value_of(arrow, rules, np.ones(arrow.n_columns), empty, search.tight).value - value
    # The arrow's margin is of every bound, and is taken off each already.
    proved = certificate(value, search.bound, explained, arrow.margin, status, gap, in_doubt=0.0)
    chosen = best.s if rules.given else gamma
    support = tuple(np.flatnonzero(column) for column in chosen.T)
    return Solution(
        beta=problem.coefficients(beta),
        **squeezed(gamma, support, membership),
        labels=moments.labels,
        method=method,
        seconds=time.perf_counter() - started,
        nodes=nodes,
        history=tuple(search.record.steps),
        effect_names=moments.effect_names,
        **proved,
    )
