"""The paper's outer approximation of Eq. 6 in SCIP: lazy cuts inside one branch and bound.

The master problem is min theta over binary s with sum(s) <= budget. A constraint handler keeps
theta above c(s): it refuses any solution below, and adds the tangent of c there,

    theta >= c(s0) + slopes(s0)'(s - s0),

with value, slopes and anchor taken at the same s0, integral or fractional. c is convex, so no such
cut removes a feasible support.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field

import numpy as np
import pyscipopt
from pyscipopt import SCIP_RESULT

from scs.moments.moments import Moments
from scs.problem.objective import (
    Problem,
    Profile,
    indicator,
    lower_bound,
    membership,
    profile,
    rounding,
    uniform_diagonal,
)
from scs.solvers.alternating import first_support
from scs.solvers.log import Log
from scs.solvers.polish import Polish
from scs.solvers.scip import bare_model, heed, include_handler, run
from scs.solvers.solution import Solution, make_solution, relative_gap
from scs.solvers.stop import Stop
from scs.solvers.tangents import Tangent, consistent, membership_of, tangent

_FEASIBILITY = 2e-10  # SCIP's tolerance, on an objective scaled to 1 at the first incumbent
_FINEST_GAP = 1e-9  # what is left to prove with that tolerance
_SEPARATION = 1e-7  # a fractional point closer to c than this is not worth a cut
_ROOT_ROUNDS, _NODE_ROUNDS = 100, 5
_STEEPEST = 1e4  # of a plain cut's slopes, in units of the scale: beyond it numbers are in trouble


@dataclass
class _Search:
    """What the callbacks of one solve share: the incumbent, the cuts and the log."""

    problem: Problem
    budget: int
    scale: float
    best: Profile
    bound: float
    record: Log
    delta: np.ndarray | float = 0.0
    steepest: float = 0.0
    stop: Stop = field(default_factory=Stop)  # asked for Ctrl-C alone: SCIP has the clock
    polish: Polish | None = None
    cuts: list[Tangent] = field(default_factory=list)

    @property
    def tolerance(self) -> float:
        """What SCIP's bound may be off by: its tolerance at every variable, and in theta's row."""
        return _given_away(self.problem.n_clusters) * self.scale

    def log(self, bound: float, nodes: int) -> None:
        """Note the state if incumbent or bound moved."""
        self.bound = max(self.bound, bound)
        self.record(self.best.value, self.bound, nodes, cuts=len(self.cuts))


class _OuterApproximation(pyscipopt.Conshdlr):
    """theta >= c(s), enforced by tangents."""

    def __init__(self, search: _Search, theta, selection: list) -> None:
        self.search, self.theta, self.selection = search, theta, selection

    def conscheck(self, constraints, solution, *_, **__):
        s = self._point(solution)
        return {"result": self._verdict(self._value_above(np.round(s), solution))}

    def consenfolp(self, constraints, n_useful, infeasible):
        s = np.round(self._point(None))
        above = self._value_above(s, None)
        if self._verdict(above) == SCIP_RESULT.FEASIBLE:
            return {"result": SCIP_RESULT.FEASIBLE}
        return {"result": self._cut(self._tangent(s))}

    def consenfops(self, constraints, n_useful, infeasible, objinfeasible):
        s = np.round(self._point(None))
        return {"result": self._verdict(self._value_above(s, None))}

    def conssepalp(self, constraints, n_useful):
        heed(self.model, self.search.stop)
        s = np.clip(self._point(None), 0.0, 1.0)
        at = self._tangent(s)
        theta = self.model.getSolVal(None, self.theta) * self.search.scale
        self._note_bound()
        self._polish()
        if at.value - theta <= _SEPARATION * self.search.scale:
            return {"result": SCIP_RESULT.DIDNOTFIND}
        return {"result": self._cut(at)}

    def conslock(self, constraint, locktype, n_lock_positive, n_lock_negative):
        # Lowering theta or a selection can break theta >= c(s); raising a selection cannot.
        for variable in [self.theta, *self.selection]:
            self.model.addVarLocksType(variable, locktype, n_lock_positive, n_lock_negative)

    def _tangent(self, s: np.ndarray) -> Profile:
        return profile(self.search.problem, s, self.search.delta)

    def _point(self, solution) -> np.ndarray:
        return np.array([self.model.getSolVal(solution, variable) for variable in self.selection])

    def _verdict(self, above: float):
        close = above <= 2 * _FEASIBILITY
        return SCIP_RESULT.FEASIBLE if close else SCIP_RESULT.INFEASIBLE

    def _value_above(self, s: np.ndarray, solution) -> float:
        """Return how far the cut at s lies above theta there, in units of the scale.

        No further can theta be raised: a cut gives rounding away. Keeps s if it is the best.
        """
        search = self.search
        at = profile(search.problem, s)
        if at.value < search.best.value and s.sum() <= search.budget:
            search.best = at
        cut = tangent(search.problem, self._tangent(s), search.bound, steepest=search.steepest)
        value = cut.base + float(cut.slopes @ s)
        return value / search.scale - self.model.getSolVal(solution, self.theta)

    def _polish(self) -> None:
        """Try to better the incumbent, and give SCIP what is found, so that it prunes by it."""
        search = self.search
        before = search.best.value
        if search.polish is not None:
            search.best = search.polish(search.best)
        if search.best.value < before:
            solution = self.model.createSol()
            _fill(self.model, solution, self.theta, self.selection, search)
            self.model.trySol(solution, printreason=False, checklprows=False)

    def _note_bound(self) -> None:
        search = self.search
        # SCIP proves its bound up to its own tolerances; rounding is given away by each cut.
        dual = self.model.getDualbound() * search.scale - search.tolerance
        search.log(min(dual, search.best.value), self.model.getNNodes())

    def _cut(self, at: Profile):
        """Add the tangent at a point as a globally valid row."""
        search = self.search
        cut = tangent(search.problem, at, search.bound, steepest=search.steepest)
        row = self.model.createEmptyRowUnspec(
            f"tangent_{len(search.cuts)}",
            lhs=cut.base / search.scale,
            rhs=None,
            local=False,
            removable=True,
        )
        self.model.cacheRowExtensions(row)
        self.model.addVarToRow(row, self.theta, 1.0)
        for variable, slope in zip(self.selection, cut.slopes / search.scale):
            if slope:
                self.model.addVarToRow(row, variable, -float(slope))
        self.model.flushRowExtensions(row)
        search.cuts.append(cut)
        infeasible = self.model.addCut(row, forcecut=True)
        self._note_bound()
        return SCIP_RESULT.CUTOFF if infeasible else SCIP_RESULT.SEPARATED


def outer(
    moments: Moments,
    problem: Problem,
    budget: int,
    *,
    gap: float = 1e-4,
    time_limit: float = 60.0,
    seed: int = 0,
    method: str = "outer",
    cuts: str = "strong",
    verbose: bool = False,
    start: np.ndarray | None = None,
) -> Solution:
    """Solve Eq. 5 by outer approximation, from the support of the alternating heuristic.

    Parameters
    ----------
    moments : Moments
    problem : Problem
        Made from ``moments``.
    budget : int
        0 to K.
    gap : float
        Relative gap at which to stop. Where SCIP's tolerances (2e-10 a cluster) or rounding do not
        allow it, a warning says what they do, and the status is "heuristic" if that is all that is
        reached.
    time_limit : float
        Seconds; at the limit, as at Ctrl-C, the best support and bound so far are returned.
    seed : int
        Of the heuristic's random starts and of SCIP's.
    method : str
        What to report as the method.
    cuts : {"strong", "plain"}
        "plain": tangents of Eq. 6, the paper's. "strong": of the same function with a diagonal
        extracted, never weaker at supports and much steeper lifted in between; the two are the same
        with an intercept.
    verbose : bool
        Print incumbent, bound, gap, nodes and cuts as they move.
    start : ndarray of int, optional
        A support to begin with, beside the heuristic's.

    Returns
    -------
    Solution

    References
    ----------
    Paper, Eq. 6 and Section 2.1; Duran and Grossmann (1986).
    """
    if cuts not in ("strong", "plain"):
        raise ValueError(f"cuts must be 'strong' or 'plain', got {cuts!r}.")
    started = time.perf_counter()
    with Stop(time_limit) as stop:
        best, interrupted = first_support(problem, budget, seed=seed, stop=stop)
        if start is not None and len(start) <= budget:
            given = profile(problem, indicator(problem.n_clusters, start))
            best = min(best, given, key=lambda at: at.value)
        delta = uniform_diagonal(problem) if cuts == "strong" else 0.0
        root = profile(problem, np.full(problem.n_clusters, budget / problem.n_clusters), delta)
        bound = lower_bound(problem, root, budget)
        if budget in (0, problem.n_clusters):
            # Nothing to choose: c falls as s grows. Other arithmetic may still round c lower.
            bound, root = max(best.value - problem.margin, 0.0), best
        finest = _attainable(gap, problem, best.value)
        scale = max(best.value, 1e-300)
        steepest = _STEEPEST * scale if cuts == "plain" else 0.0
        record = Log(started, verbose)
        search = _Search(problem, budget, scale, best, bound, record, delta, steepest, stop)
        search.polish = Polish(problem, budget, seed=seed, stop=stop, started=started)
        search.log(bound, 0)
        status, nodes = "interrupted" if interrupted else "heuristic", 0
        if not interrupted and relative_gap(best.value, bound) > finest:
            status, nodes = _branch_and_bound(search, finest, time_limit, seed)
            open_ = status == "heuristic" and relative_gap(search.best.value, search.bound) > finest
            if open_ and search.best.value < 0.9 * search.scale:
                # SCIP's tolerances were those of a far worse support: once more, in better units.
                search.scale = max(search.best.value, 1e-300)
                status, more = _branch_and_bound(search, finest, time_limit, seed)
                nodes += more
    if stop.interrupted:
        status = "interrupted"
    above = search.best.value + rounding(problem, search.best)  # it is rounded itself
    proved = np.array(
        [
            membership(problem, root, budget, search.best.value),
            membership_of(tangent(problem, root, search.bound), budget, above),
            *(membership_of(cut, budget, above) for cut in search.cuts),
        ]
    )
    return make_solution(
        moments,
        problem,
        search.best,
        np.flatnonzero(search.best.s),
        bound=search.bound,
        membership=consistent(_combine(proved), search.best.s > 0),
        status=status,
        method=method,
        seconds=time.perf_counter() - started,
        nodes=nodes,
        history=tuple(search.record.steps),
        gap=gap,
    )


def _given_away(n_clusters: int) -> float:
    """Return what SCIP's bound may be off by, on an objective scaled to 1.

    Slopes are at most 1 then, and selections too: no reduced cost weighs more than its tolerance.
    """
    return _FEASIBILITY * (n_clusters + 2)


def _attainable(gap: float, problem: Problem, value: float) -> float:
    """Return the gap asked for, or the finest that can be proved in floating point."""
    finest = gap
    if value > 0:
        own = 4 / 3 * _given_away(problem.n_clusters)  # SCIP stops at a quarter of the gap
        finest = max(_FINEST_GAP, own, 4 * problem.margin / value)
    if gap >= finest:
        return gap
    warnings.warn(
        f"gap={gap:g} is finer than rounding and SCIP's tolerances allow here: "
        f"stopping at {min(finest, 1.0):.1e}.",
        stacklevel=4,
    )
    return finest


def _branch_and_bound(search: _Search, gap: float, time_limit: float, seed: int) -> tuple[str, int]:
    """Run SCIP on the master problem; the search keeps incumbent, bound and cuts."""
    n_clusters = search.problem.n_clusters
    model = bare_model(
        "significant cluster selection",
        gap=gap / 4,  # ours is relative to the incumbent, and gives away a margin
        deadline=search.record.started + time_limit,
        tolerance=_FEASIBILITY,
        seed=seed,
        more={
            "separating/maxroundsroot": _ROOT_ROUNDS,
            "separating/maxrounds": _NODE_ROUNDS,
        },
    )
    theta = model.addVar("theta", lb=max(search.bound, 0.0) / search.scale, ub=None, obj=1.0)
    selection = [model.addVar(f"s_{k}", vtype="B") for k in range(n_clusters)]
    model.addCons(pyscipopt.quicksum(selection) <= search.budget)
    handler = _OuterApproximation(search, theta, selection)
    include_handler(model, handler, "outer", "theta >= c(s)")
    first = model.createSol()
    _fill(model, first, theta, selection, search)
    model.addSol(first)
    return run(model, handler._note_bound, search.record.steps, search.stop)


def _fill(model, solution, theta, selection: list, search: _Search) -> None:
    """Set a solution of SCIP to the best support."""
    model.setSolVal(solution, theta, search.best.value / search.scale)
    for variable, value in zip(selection, search.best.s):
        model.setSolVal(solution, variable, value)


def _combine(proved: np.ndarray) -> np.ndarray:
    """Merge what several cuts prove: one proof is enough."""
    result = np.full(proved.shape[1], "open", dtype="<U4")
    for verdict in ("in", "out"):
        result[(proved == verdict).any(axis=0)] = verdict
    return result
