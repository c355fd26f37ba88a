"""Solvers of Eq. 5: one entry, one `Solution` type."""

from __future__ import annotations

import time
from numbers import Integral, Real

import numpy as np

from scs.moments import Moments
from scs.objective import Problem, lower_bound, membership, profile
from scs.solvers.alternating import first_support
from scs.solvers.exact import exact, n_split
from scs.solvers.outer import outer
from scs.solvers.path import (
    PAPER_SHARES,
    Tuning,
    check_budget,
    check_budgets,
    paper_budgets,
    prediction_error,
    solve_path,
    tune_budget,
)
from scs.solvers.solution import Solution, Step, make_solution

__all__ = [
    "METHODS",
    "PAPER_SHARES",
    "Solution",
    "Step",
    "Tuning",
    "check_budgets",
    "paper_budgets",
    "prediction_error",
    "solve",
    "solve_path",
    "tune_budget",
]

METHODS = ("auto", "exact", "outer", "alternating")
_MOST_SPLITS = 4  # directions that boxes cover within minutes: the intercept and three more


def solve(
    moments: Moments,
    budget: int,
    *,
    ridge: float = 1.0,
    ridge_fixed: float | None = None,
    method: str = "auto",
    gap: float = 1e-4,
    time_limit: float = 60.0,
    seed: int = 0,
    verbose: bool = False,
    start: np.ndarray | None = None,
) -> Solution:
    """Select at most ``budget`` clusters with non-zero effects, with a proved bound.

    Minimises ||y - X beta - A gamma||^2 + ridge ||gamma||^2 + ridge_fixed ||beta||^2 subject to
    ||gamma||_0 <= budget (Eq. 5 of the paper, in its scaling: no 1/2, no 1/n).

    Parameters
    ----------
    moments : Moments
        Of the rows; with ``intercept=True`` its first column carries no ridge.
    budget : int
        Largest number of non-zero effects, >= 0. At least K means all clusters.
    ridge : float
        mu > 0 on the effects.
    ridge_fixed : float, optional
        Ridge >= 0 on the coefficients. None: the same as ``ridge``.
    method : {"auto", "exact", "outer", "alternating"}
        "exact": branch and bound made for this problem. "outer": the paper's outer approximation
        in SCIP. "alternating": a heuristic, with the bound of the relaxation at its root. "auto":
        the best that proves its answer; ``Solution.method`` says which, and why.
    gap : float
        Stop at (objective - bound) / objective <= gap.
    time_limit : float
        Seconds, > 0. The heuristic that begins every search is not cut short.
    seed : int
        Of random starts.
    verbose : bool
        Print incumbent, bound, gap and nodes as they move ("exact").
    start : ndarray of int, optional
        A support of at most ``budget`` clusters to begin with ("exact"); the answer is never worse.

    Returns
    -------
    Solution
        Also at the time limit and after Ctrl-C: the best support found and what is proved.

    Raises
    ------
    ValueError, TypeError
        An argument out of range, or dependent columns without a ridge.

    References
    ----------
    Paper, Eq. 5 and 6.
    """
    if not isinstance(moments, Moments):
        raise TypeError(
            f"moments must be Moments, got {type(moments).__name__}: "
            "call Moments.from_arrays(X, y, clusters) first."
        )
    budget = check_budget(budget)
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}.")
    if not (_is_number(gap) and 0 <= gap < 1):
        raise ValueError(f"gap must be a number in [0, 1), got {gap!r}: try 1e-4.")
    if start is not None:
        start = _check_start(start, problem_size=moments.n_clusters, budget=budget)
    if not (_is_number(time_limit) and time_limit > 0):
        raise ValueError(f"time_limit must be positive (seconds), got {time_limit!r}: try 60.")
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed must be a whole number, 0 or more, got {seed!r}.")
    problem = Problem.from_moments(moments, ridge=ridge, ridge_fixed=ridge_fixed)
    budget = min(budget, problem.n_clusters)
    if method == "alternating":
        return _alternating(moments, problem, budget, gap=gap, seed=seed)
    limits = {"gap": gap, "time_limit": time_limit, "seed": seed}
    if method == "outer":
        return outer(moments, problem, budget, **limits)
    name = "exact" if method == "exact" else _reason(problem)
    return exact(moments, problem, budget, method=name, verbose=verbose, start=start, **limits)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _check_start(start: np.ndarray, *, problem_size: int, budget: int) -> np.ndarray:
    support = np.unique(np.asarray(start, dtype=np.intp))
    if support.size and not 0 <= support[0] <= support[-1] < problem_size:
        raise ValueError(
            f"start names cluster {support[0] if support[0] < 0 else support[-1]}, but indices run "
            f"from 0 to {problem_size - 1}: pass indices into moments.labels."
        )
    if len(support) > budget:
        raise ValueError(
            f"start has {len(support)} clusters, more than the budget {budget}: pass fewer."
        )
    return support


def _reason(problem: Problem) -> str:
    """Say why the exact solver is the one to take, and what to expect of it."""
    splits = n_split(problem)
    if splits <= _MOST_SPLITS:
        return f"exact (auto: {splits} direction(s) to split)"
    return f"exact (auto: {splits} directions to split, a hard case: expect a gap)"


def _alternating(
    moments: Moments, problem: Problem, budget: int, *, gap: float, seed: int
) -> Solution:
    """Run the heuristic alone; the bound is the cut at the evenly spread relaxation point."""
    started = time.perf_counter()
    best, interrupted = first_support(problem, budget, seed=seed)
    root = profile(problem, np.full(problem.n_clusters, budget / problem.n_clusters))
    bound = lower_bound(problem, root, budget)
    return make_solution(
        moments,
        problem,
        best,
        np.flatnonzero(best.s),
        bound=bound,
        membership=membership(problem, root, budget, best.value),
        status="interrupted" if interrupted else "heuristic",
        method="alternating",
        seconds=time.perf_counter() - started,
        nodes=0,
        history=(Step(time.perf_counter() - started, best.value, bound, 0, 0),),
        gap=gap,
    )
