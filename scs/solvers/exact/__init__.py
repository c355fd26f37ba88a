"""Significant cluster selection to proved optimality, from four clusters to a million.

The road, proved step by step in the book's appendix: sufficient statistics; coordinates in which
between- and within-cluster products are diagonal; a diagonal taken out of the loss and put under
the perspective of the selection; tangents as bounds; reduced costs; boxes on the few directions
(an intercept first of all) that clusters explain and rows within clusters do not.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import replace

import numpy as np

from scs.moments.moments import Moments
from scs.problem.objective import (
    Problem,
    Profile,
    indicator,
    lower_bound,
    membership,
    negligible,
    profile,
    rounding,
    uniform_diagonal,
)
from scs.solvers.alternating import alternate, first_support
from scs.solvers.exact.canonical import n_split
from scs.solvers.exact.nodes import IN, OUT
from scs.solvers.exact.search import Known, State, search
from scs.solvers.log import Log
from scs.solvers.polish import Polish
from scs.solvers.solution import Solution, make_solution, relative_gap
from scs.solvers.stop import Stop

__all__ = ["Known", "exact", "n_split"]

_MANY_SPLITS = 4  # more directions to split are a hard case
_SMALL = 1000  # clusters up to which one tangent is tried before a search is set up


def exact(
    moments: Moments,
    problem: Problem,
    budget: int | None,
    *,
    gap: float = 1e-4,
    time_limit: float = 60.0,
    seed: int = 0,
    method: str = "exact",
    verbose: bool = False,
    start: np.ndarray | None = None,
    known: Known | None = None,
) -> Solution:
    """Solve Eq. 5 by branch and bound on the relaxation with extracted diagonal.

    Parameters
    ----------
    moments : Moments
    problem : Problem
        Made from ``moments``.
    budget : int or None
        0 to K. None: the problem has a price on each selected cluster instead.
    gap : float
        Relative gap at which to stop; 1e-9 can be asked for.
    time_limit : float
        Seconds; at the limit, as at Ctrl-C, the step under way is finished and the best support
        and bound so far are returned.
    seed : int
        Of the heuristic's random starts.
    method : str
        What to report as the method.
    verbose : bool
        Print incumbent, bound, gap and nodes as they move.
    start : ndarray of int, optional
        A support to begin with, beside the heuristic's.
    known : Known, optional
        What narrows the search: then bound and membership are about the supports that matter.

    Returns
    -------
    Solution
        ``bound`` holds for the moments as they are stored, rounding of the solver included. After
        Ctrl-C ``status`` is "interrupted" even where the gap was reached, so that loops can end.

    References
    ----------
    Paper, Eq. 5 and 6; Frangioni and Gentile (2007), SDP diagonalizations and perspective cuts;
    book, appendix.
    """
    with Stop(time_limit) as stop:
        found = _exact(moments, problem, budget, gap, stop, seed, method, verbose, start, known)
    return replace(found, status="interrupted") if stop.interrupted else found


def _exact(
    moments: Moments, problem: Problem, budget: int | None, gap: float, stop: Stop, seed: int,
    method: str, verbose: bool, start: np.ndarray | None, known: Known | None,
) -> Solution:  # fmt: skip
    started = time.perf_counter()
    n_clusters = problem.n_clusters
    record = Log(started, verbose)
    # Whoever knows where to look has looked for a good support as well.
    hard = known is None and n_split(problem) > _MANY_SPLITS
    polish = Polish(problem, budget, seed=seed, stop=stop, started=started, hard=hard)
    # Without a direction to split, the first relaxation rounds to the best support as a rule.
    quick = n_split(problem) == 0
    best, interrupted = first_support(problem, budget, seed=seed, quick=quick, stop=stop)
    stop.interrupted |= interrupted
    if start is not None and _begins(start, budget, n_clusters):
        # From the start's coefficients: a support as large as the budget, and never a worse one.
        near = profile(problem, indicator(n_clusters, start))
        near = alternate(problem, near.residual, budget, stop=stop)
        best = min(best, near, key=lambda at: at.value)
    if budget in (0, n_clusters):
        state, status = State(best, max(best.value - rounding(problem, best), 0.0)), "optimal"
        # Where all clusters are allowed, one without a residual is as good left out.
        proved = membership(problem, best, budget, best.value)
        state.note(record)
    else:
        at_once = quick and n_clusters <= _SMALL and _at_once(problem, budget, best)
        if at_once:
            (state, proved), status = at_once, "optimal"
            state.note(record)
        else:
            state, status = search(
                problem,
                budget,
                best,
                gap=gap,
                stop=stop,
                log=record,
                known=known,
                polish=polish,
            )
            proved = _membership(state, n_clusters)
        # One whose effect is 0 is none the worse for being left out, whatever the budget says.
        proved[(proved == "in") & negligible(problem, state.best)] = "open"
    reached = relative_gap(state.best.value, state.bound)
    if status == "optimal" and reached > gap:
        warnings.warn(
            f"gap={gap:g} is finer than rounding allows here: {reached:.1e} is proved.",
            stacklevel=4,
        )
    return make_solution(
        moments,
        problem,
        state.best,
        np.flatnonzero(state.best.s),
        bound=state.bound,
        membership=proved,
        status=status,
        method=method,
        seconds=time.perf_counter() - started,
        nodes=state.nodes,
        history=tuple(record.steps),
        gap=gap,
    )


def _begins(start: np.ndarray, budget: int | None, n_clusters: int) -> bool:
    """Say whether a start is one to begin with: some clusters, within a budget that is one."""
    return len(start) > 0 and (budget is None or len(start) <= budget < n_clusters)


def _at_once(
    problem: Problem, budget: int | None, best: Profile
) -> tuple[State, np.ndarray] | None:
    """Prove the first support by its own tangent, if that decides every cluster.

    Where effects are large beside the noise it does, and a search would cost several times more.
    """
    at = profile(problem, best.s, uniform_diagonal(problem))
    proved = membership(problem, at, budget, best.value)
    if (proved == "open").any():
        return None
    above = best.value + rounding(problem, best)
    bound = min(lower_bound(problem, at, budget, above), best.value)
    return State(best, bound, nodes=1), proved


def _membership(state: State, n_clusters: int) -> np.ndarray:
    """Say what every node left agrees on: no optimal support lies elsewhere."""
    left = [node.fixed for node in state.left]
    proved = np.full(n_clusters, "open", dtype="<U4")
    if left:
        all_in, all_out = np.ones((2, n_clusters), dtype=bool)
        for fixed in left:
            all_in &= fixed == IN
            all_out &= fixed == OUT
        proved[all_in], proved[all_out] = "in", "out"
    return proved
