"""Many budgets, one problem: the path of solutions, and the choice on a validation set."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np

from scs.design import find_labels
from scs.moments import Moments
from scs.rank import keep_columns, rank_of_moments
from scs.solvers.solution import Solution, relative_gap, unless_stopped


class BudgetWarning(UserWarning):
    """A budget allows more clusters than there are."""


# The paper's grid of shares of non-zero effects; it prints 2/3 and 1/3 as 66 % and 33 %.
PAPER_SHARES = (0.1, 0.2, 0.25, 1 / 3, 0.4, 0.5, 0.6, 2 / 3, 0.75, 0.8, 0.9, 1.0)


def paper_budgets(n_clusters: int) -> list[int]:
    """Return the paper's grid for K clusters: ceil(K a) for its twelve shares a, each once."""
    # Rounding first: K * 1/3 must not end a hair above a whole number.
    return sorted({ceil(round(n_clusters * share, 9)) for share in PAPER_SHARES})


def check_budget(budget: int) -> int:
    """Return the budget as an int, or say what is wrong with it."""
    try:
        number = operator.index(None if isinstance(budget, bool) else budget)
    except TypeError:
        raise TypeError(
            f"budget must be a whole number of clusters, got {budget!r}: pass for example 5."
        ) from None
    if number < 0:
        raise ValueError(f"budget must not be negative, got {budget!r}: pass 0 or more.")
    return number


def within(budget: int, n_clusters: int) -> int:
    """Return a budget that is no more than there are clusters, and say so where it was."""
    if budget > n_clusters:
        warnings.warn(
            f"budget {budget:,} is more than the {n_clusters:,} clusters there are: all of them "
            "may differ.",
            BudgetWarning,
            stacklevel=3,
        )
    return min(budget, n_clusters)


def check_budgets(budgets: Iterable[int]) -> list[int]:
    """Return budgets as a list of ints, or say what is wrong with them."""
    if isinstance(budgets, str) or not isinstance(budgets, Iterable):
        raise TypeError(f"budgets must be a sequence of whole numbers, got {budgets!r}.")
    return [check_budget(budget) for budget in budgets]


@dataclass(frozen=True)
class Tuning:
    """A path of budgets, scored on a validation set.

    Attributes
    ----------
    budgets : tuple of int
        Ascending.
    mse : ndarray, shape (number of budgets,)
        Mean squared error on the validation rows, labels known.
    solutions : tuple of Solution
        One per budget, fitted on the training rows (of the last fold where there are several).
    best : int
        Budget of least error, the smallest where several tie.
    """

    budgets: tuple[int, ...]
    mse: np.ndarray
    solutions: tuple[Solution, ...]
    best: int


def solve_path(
    moments: Moments, budgets: Iterable[int] | None = None, **options: Any
) -> tuple[Solution, ...]:
    """Solve Eq. 5 for several budgets.

    Parameters
    ----------
    moments : Moments
    budgets : iterable of int, optional
        All of 0..K if None.
    **options
        Those of `scs.solve`.

    Returns
    -------
    tuple of Solution
        In the order of ``budgets``, each with its own certificate. Solved in ascending order, each
        from the support before it, so that more budget is never worse (by the exact solver). What
        is allowed at a budget is allowed at all larger ones, so a bound at one holds for all
        smaller ones: a solve that was cut off takes the best of those above it.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C: a path that is not finished has no meaning of its own.
    """
    from scs.solvers import solve

    if budgets is None:
        budgets = range(moments.n_clusters + 1)
    budgets = check_budgets(budgets)
    found: dict[int, Solution] = {}
    support = None
    for budget in sorted(set(budgets)):
        found[budget] = unless_stopped(solve(moments, budget, start=support, **options))
        support = found[budget].support
    bound, gap = 0.0, options.get("gap", 1e-4)  # as in `solve`
    for budget in sorted(found, reverse=True):
        found[budget] = _raise_bound(found[budget], bound, gap)
        bound = found[budget].bound
    return tuple(found[budget] for budget in budgets)


def _raise_bound(solution: Solution, bound: float, gap: float) -> Solution:
    """Return the solution with a better bound, and all that follows from it, if it is one."""
    bound = min(bound, solution.objective)
    if bound <= solution.bound:
        return solution
    left = (solution.objective - bound) / (solution.objective - solution.bound)
    reached = relative_gap(solution.objective, bound)
    surely = relative_gap(solution.objective + solution.rounding, bound)
    return replace(
        solution,
        bound=bound,
        gap=reached,
        selection_gap=left * solution.selection_gap if left else 0.0,
        status="optimal" if surely <= gap else solution.status,
    )


def _fold_path(training: Moments, budgets: Sequence[int], **options: Any) -> tuple[Solution, ...]:
    """Solve on the training rows of a fold, which may have no more rows than coefficients."""
    if options.get("ridge_fixed") != 0:
        return solve_path(training, budgets, **options)
    rank = rank_of_moments(training).first(training.n_rows - 1)
    if not rank.n_coefficients:
        return solve_path(training, budgets, **options)
    found = solve_path(keep_columns(training, rank), budgets, **options)
    return tuple(replace(solution, beta=rank.expand(solution.beta)) for solution in found)


def prediction_error(solution: Solution, rows: Moments) -> float:
    """Return the mean squared error of a solution on rows of known clusters.

    Clusters that the solution does not know count with effect 0. Needs no row: the error is a
    function of the rows' moments.
    """
    if solution.gamma.ndim > 1:
        raise TypeError(
            "solution has random slopes, whose error is not a function of these moments: predict "
            "the rows with SignificantClusterRegressor(..., random=...) instead."
        )
    where = find_labels(solution.labels, rows.labels)
    gamma = np.where(where >= 0, solution.gamma[where], 0.0)
    beta = np.nan_to_num(solution.beta)  # columns left out in fitting add nothing
    residual = rows.mean_y - rows.mean_x @ beta - gamma
    within = beta @ (rows.within_xx @ beta - 2 * rows.within_xy)
    total = rows.within_yy + float(within) + float(rows.n @ residual**2)
    if not np.isfinite(total):
        raise ValueError(
            "rows give a prediction error that is not finite: rescale X and y (divide each column "
            "by its largest value)."
        )
    return max(total, 0.0) / rows.n_rows


def tune_budget(
    folds: Sequence[tuple[Moments, Moments]], budgets: Sequence[int], **options: Any
) -> Tuning:
    """Choose the budget of least validation error (the paper's Section 2.2.1).

    Parameters
    ----------
    folds : sequence of (training moments, validation moments)
        One pair for the paper's single validation set.
    budgets : sequence of int
    **options
        Those of `scs.solve`.

    Returns
    -------
    Tuning
        Errors are averaged over folds by their number of validation rows.
    """
    if not folds:
        raise ValueError("folds is empty: pass at least one (training, validation) pair.")
    budgets = tuple(sorted(set(budgets)))
    squares, n_rows, solutions = np.zeros(len(budgets)), 0, ()
    for training, validation in folds:
        allowed = [min(budget, training.n_clusters) for budget in budgets]
        solutions = _fold_path(training, allowed, **options)
        errors = np.array([prediction_error(solution, validation) for solution in solutions])
        squares += validation.n_rows * errors
        n_rows += validation.n_rows
    mse = squares / n_rows
    # Errors equal up to rounding are ties: an effect that is 0 anyway must not pick the budget.
    best = budgets[int(np.flatnonzero(mse <= mse.min() * (1 + 1e-12))[0])]
    return Tuning(budgets, mse, solutions, best)
