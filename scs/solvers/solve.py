"""The one entry to all solvers: check the arguments, choose a solver, run it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from scs.data._quiet import quiet
from scs.moments.moments import Moments
from scs.problem.background import background_effects, check_background, with_background
from scs.problem.columns import check_ridge
from scs.problem.constraints import Constraint
from scs.problem.objective import Problem, lower_bound, membership, profile, rounding
from scs.solvers.alternating import first_support
from scs.solvers.budgets import check_budget, check_budgets, within
from scs.solvers.exact import exact, n_split
from scs.solvers.general import general
from scs.solvers.log import Log
from scs.solvers.outer import outer
from scs.solvers.solution import Solution, make_solution
from scs.solvers.stop import Stop

METHODS = ("auto", "exact", "outer", "alternating")
CUTS = ("strong", "plain")
_MOST_SPLITS = 4  # directions that boxes cover within minutes: the intercept and three more


@quiet
def solve(
    moments: Moments,
    budget: int | Sequence[int] | None = None,
    *,
    ridge: float = 1.0,
    ridge_fixed: float | None = None,
    method: str = "auto",
    gap: float = 1e-4,
    time_limit: float = 60.0,
    seed: int = 0,
    verbose: bool = False,
    start: np.ndarray | Sequence[np.ndarray] | None = None,
    constraints: Sequence[Constraint] = (),
    cuts: str | None = None,
    background: float = 0.0,
    penalty: float | None = None,
) -> Solution:
    """Select at most ``budget`` clusters with non-zero effects, with a proved bound.

    Minimises ||y - X beta - A gamma||^2 + ridge ||gamma||^2 + ridge_fixed ||beta||^2 subject to
    ||gamma||_0 <= budget (Eq. 5 of the paper, in its scaling: no 1/2, no 1/n), and to ||gamma_r||_0
    <= budget_r for each of Q + 1 effects with random slopes. Or, with a penalty instead of a
    budget, minimises the same plus penalty ||gamma||_0.

    Parameters
    ----------
    moments : Moments
        With random slopes if made with ``Z`` (or ``slopes``).
        Of the rows; with ``intercept=True`` its first column carries no ridge.
    budget : int, or one int per effect with random slopes (the random intercept first)
        Largest number of non-zero effects, >= 0. More than K is taken as K, with a `BudgetWarning`.
        One number for several effects holds for each of them. Pass either this or ``penalty``.
    ridge : float
        mu > 0 on the effects.
    ridge_fixed : float, optional
        Ridge >= 0 on the coefficients. None: the same as ``ridge``, which is the paper's Eq. 5;
        then the units of covariates matter. 0: they do not, and columns that others determine are
        refused by name; `scs.fit` and the estimators leave them out.
    method : {"auto", "exact", "outer", "alternating"}
        "exact": branch and bound made for this problem. "outer": the paper's outer approximation
        in SCIP. "alternating": a heuristic, with the bound of the relaxation at its root. "auto":
        the best that proves its answer; ``Solution.method`` says which, and why. Random slopes and
        constraints go to "outer", with boxes on the directions of beta that clusters explain:
        "exact" sorts clusters by one gain each, which neither allows.
    gap : float
        Stop at (objective - bound) / objective <= gap.
    time_limit : float
        Seconds, > 0; the heuristic that begins every search is cut short too.
    seed : int
        Of random starts.
    verbose : bool
        Print incumbent, bound, gap and nodes as they move ("exact" and "outer").
    start : ndarray of int, or one per effect, optional
        A support of at most ``budget`` clusters to begin with ("exact" and "outer"); the answer is
        never worse. With constraints it counts if it obeys them.
    constraints : sequence of `scs.problem.constraints.Constraint`, optional
        Rules that the answer must obey.
    cuts : {"strong", "plain"}, optional
        Of "outer" with a random intercept alone: "plain" are the paper's tangents of Eq. 6,
        "strong" (the default) those of a tighter function that is the same at supports.
    background : float
        theta from 0 to 1e50, a ratio of variances: every cluster has a normal effect u_k ~ N(0,
        theta sigma^2) beside, and the selection is of those that differ by more. u is minimised
        out with the penalty ||u||^2 / theta, so that n_k rows count as n_k / (1 + theta n_k). 0 is
        the paper's method; with a budget of 0 the answer is the mixed model's. For a random
        intercept alone. `scs.fit` estimates it.
    penalty : float, optional
        nu, the price of each selected cluster in units of the objective (squares of the outcome's):
        0, or from 1e-100 to 1e100. Then ``objective`` and ``bound`` hold it, and what is proved is
        about all supports of any size. The support is the best one of its own size as well. For a
        random intercept alone, without constraints; by "exact" or "alternating". With 0 every
        cluster may be selected.

    Returns
    -------
    Solution
        Also at the time limit and after Ctrl-C: the best support found and what is proved.

    Raises
    ------
    ValueError, TypeError
        An argument out of range, not exactly one of budget and penalty, dependent columns without a
        ridge, or constraints that conflict.

    References
    ----------
    Paper, Eq. 5 and 6; book, appendix, for the penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from scs import Moments, solve
    >>> x = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    >>> clusters = np.array(["a", "a", "b", "b", "c", "c"])
    >>> moments = Moments.from_arrays(x[:, None], x + 4.0 * (clusters == "b"), clusters)
    >>> solve(moments, 1).selected.tolist()
    ['b']
    >>> solve(moments, penalty=5.0).selected.tolist()
    ['b']
    >>> solve(moments, penalty=50.0).selected.tolist()
    []
    """
    if not isinstance(moments, Moments):
        raise TypeError(
            f"moments must be Moments, got {type(moments).__name__}: "
            "call Moments.from_arrays(X, y, clusters) first."
        )
    constraints = _check_constraints(constraints)
    _check_method(method, cuts, moments, constraints)
    budgets: list[Any]
    if penalty is None:
        budgets = [within(each, moments.n_clusters) for each in _check_budgets(budget, moments)]
    else:
        penalty = _check_penalty(penalty, budget, method, moments, constraints)
        budgets = [None if penalty else moments.n_clusters]
    background = _check_background(background, moments)
    starts = None if start is None else _check_starts(start, moments, budgets)
    limits = _check_limits(gap, time_limit, seed)
    counted = moments if background == 0 else with_background(moments, background)
    if constraints or moments.n_effects > 1:
        found = general(
            counted,
            budgets,
            ridge=ridge,
            ridge_fixed=ridge_fixed,
            constraints=constraints,
            method="alternating" if method == "alternating" else _general_reason(method, moments),
            verbose=verbose,
            start=None if starts is None else _as_weights(starts, moments.n_clusters),
            **limits,
        )
    else:
        problem = Problem.from_moments(counted, ridge=ridge, ridge_fixed=ridge_fixed)
        problem = problem.priced(penalty) if penalty else problem
        search = {"verbose": verbose, "start": None if starts is None else starts[0], **limits}
        if method == "alternating":
            found = _alternating(counted, problem, budgets[0], **limits)
        elif method == "outer":
            found = outer(counted, problem, budgets[0], cuts=cuts or "strong", **search)
        else:
            name = "exact" if method == "exact" else _reason(problem)
            found = exact(counted, problem, budgets[0], method=name, **search)
    if method != "alternating":
        _note_exact_fit(found)
    if penalty is not None:
        found = replace(found, penalty=penalty)
    if background == 0:
        return found
    beside = background_effects(moments, background, found.beta, found.gamma)
    return replace(found, theta=background, background=beside)


def _note_exact_fit(solution: Solution) -> None:
    """Say where all that is left of the outcome is rounding."""
    if solution.rounding > 0 and solution.objective <= solution.rounding:
        warnings.warn(
            f"the fit is exact up to rounding: the objective, {solution.objective:.1e}, is no more "
            f"than rounding may hide, {solution.rounding:.1e}, so its gap says nothing. Where the "
            "outcome lies far from 0, add an intercept or subtract its mean.",
            stacklevel=3,
        )


def _check_constraints(constraints: Sequence[Constraint]) -> tuple[Constraint, ...]:
    if isinstance(constraints, Constraint) or not isinstance(constraints, Iterable):
        raise TypeError(f"constraints must be a list, got {constraints!r}: pass [{constraints!r}].")
    return tuple(constraints)


def _check_method(method: str, cuts: str | None, moments: Moments, constraints: tuple) -> None:
    slopes = moments.n_effects > 1
    is_general = slopes or bool(constraints)
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}.")
    if cuts is not None:
        _check_cuts(cuts, method, is_general)
    if is_general and method == "exact":
        what = "random slopes" if slopes else "constraints"
        raise ValueError(
            f"method='exact' takes no {what}: it sorts clusters by one gain each. Use 'outer' or "
            "'auto'."
        )


def _check_penalty(
    penalty: float, budget: object, method: str, moments: Moments, constraints: tuple
) -> float:
    """Return the price of a cluster, or say why it cannot be taken."""
    if budget is not None:
        raise ValueError(
            f"budget={budget!r} and penalty={penalty!r} exclude each other: pass the largest "
            "number of clusters, or what each of them costs."
        )
    if moments.n_effects > 1 or constraints:
        what = "random slopes" if moments.n_effects > 1 else "constraints"
        raise ValueError(
            f"penalty={penalty!r} takes no {what}: it is for a random intercept alone. Pass a "
            "budget instead."
        )
    if method == "outer":
        raise ValueError(
            f"penalty={penalty!r} is for method='exact' or 'alternating', got 'outer': leave "
            "method out."
        )
    return check_ridge(penalty, "penalty", zero=True)


def _check_background(background: float, moments: Moments) -> float:
    background = check_background(background)
    if background and moments.n_effects > 1:
        raise ValueError(
            f"background={background!r} is for a random intercept alone: pass 0 with random slopes."
        )
    return background


def _check_limits(gap: float, time_limit: float, seed: int) -> dict[str, Any]:
    if not (_is_number(gap) and 0 <= gap < 1):
        raise ValueError(f"gap must be a number in [0, 1), got {gap!r}: try 1e-4.")
    if not (_is_number(time_limit) and time_limit > 0):
        raise ValueError(f"time_limit must be positive (seconds), got {time_limit!r}: try 60.")
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed must be a whole number, 0 or more, got {seed!r}.")
    return {"gap": gap, "time_limit": time_limit, "seed": seed}


def _check_starts(
    start: np.ndarray | Sequence[np.ndarray], moments: Moments, budgets: list[Any]
) -> list[np.ndarray]:
    """Return one support for each effect."""
    parts = start if moments.n_effects > 1 else [start]
    if len(parts) != len(budgets):
        raise ValueError(f"start must hold one support for each of {len(budgets)} effects.")
    size = moments.n_clusters
    return [_check_start(p, problem_size=size, budget=b) for p, b in zip(parts, budgets)]


def _as_weights(supports: list[np.ndarray], n_clusters: int) -> np.ndarray:
    """Return supports as selection weights, shape (K, R)."""
    weights = np.zeros((n_clusters, len(supports)))
    for r, support in enumerate(supports):
        weights[support, r] = 1.0
    return weights


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _check_budgets(budget: int | Sequence[int] | None, moments: Moments) -> list[int]:
    """Return one budget for each effect."""
    if budget is None:
        raise ValueError("budget is missing: pass the largest number of clusters, or a penalty.")
    if moments.n_effects == 1:
        return [check_budget(budget)]
    if not isinstance(budget, Iterable) or isinstance(budget, str):
        return [check_budget(budget)] * moments.n_effects
    budgets = check_budgets(budget, "budget")
    if len(budgets) != moments.n_effects:
        raise ValueError(
            f"budget has {len(budgets)} entries, but clusters have {moments.n_effects} effects "
            f"({', '.join(moments.effect_names)}): pass one for each, or one number for all."
        )
    return budgets


def _check_cuts(cuts: str, method: str, is_general: bool) -> None:
    if cuts not in CUTS:
        raise ValueError(f"cuts must be one of {CUTS}, got {cuts!r}.")
    if method != "outer" or is_general:
        raise ValueError(
            f"cuts={cuts!r} is for method='outer' with a random intercept and no constraints: "
            "leave it out, or pass method='outer'."
        )


def _general_reason(method: str, moments: Moments) -> str:
    """Say why the general solver is the one to take."""
    if method == "outer":
        return "outer"
    slopes = moments.n_effects > 1
    return f"outer (auto: {'random slopes' if slopes else 'constraints'})"


def _check_start(start: np.ndarray, *, problem_size: int, budget: int | None) -> np.ndarray:
    support = np.unique(np.asarray(start, dtype=np.intp))
    if support.size and not 0 <= support[0] <= support[-1] < problem_size:
        raise ValueError(
            f"start names cluster {support[0] if support[0] < 0 else support[-1]}, but indices run "
            f"from 0 to {problem_size - 1}: pass indices into moments.labels."
        )
    if budget is not None and len(support) > budget:
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
    moments: Moments,
    problem: Problem,
    budget: int | None,
    *,
    gap: float,
    time_limit: float,
    seed: int,
) -> Solution:
    """Run the heuristic alone; the bound is the cut at the evenly spread relaxation point."""
    started = time.perf_counter()
    with Stop(time_limit) as stop:
        best, interrupted = first_support(problem, budget, seed=seed, stop=stop)
        late = bool(stop)
    stop.interrupted |= interrupted
    size = best.s.sum() if budget is None else budget
    root = profile(problem, np.full(problem.n_clusters, size / problem.n_clusters))
    bound = lower_bound(problem, root, budget, best.value + rounding(problem, best))
    record = Log(started)
    record(best.value, bound, 0)
    return make_solution(
        moments,
        problem,
        best,
        np.flatnonzero(best.s),
        bound=bound,
        membership=membership(problem, root, budget, best.value),
        status=stop.status if late or stop.interrupted else "heuristic",
        method="alternating",
        seconds=time.perf_counter() - started,
        nodes=0,
        history=tuple(record.steps),
        gap=gap,
    )
