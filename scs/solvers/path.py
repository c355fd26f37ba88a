"""Many budgets or penalties, one problem: the path of solutions; the choice on a validation set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from scs.data.design import find_labels
from scs.moments.moments import Moments
from scs.moments.rank import keep_columns, rank_of_moments
from scs.problem.columns import check_ridge
from scs.solvers.budgets import check_budget, check_budgets, paper_budgets
from scs.solvers.solution import Solution, relative_gap, unless_stopped
from scs.solvers.solve import solve

_OF_LINE = 32 * np.finfo(float).eps  # relative rounding of a line between two bounds


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
    std_error : ndarray, shape (number of budgets,)
        Standard error of each ``mse`` minus the least one, on the same validation rows.
    repeats : int
        How often the rows were dealt into folds; 1 for a single validation set.
    """

    budgets: tuple[int, ...]
    mse: np.ndarray
    solutions: tuple[Solution, ...]
    best: int
    std_error: np.ndarray
    repeats: int = 1

    @property
    def flat(self) -> tuple[int, int]:
        """The budgets around the best whose error is within one standard error of it, from, to."""
        within = self.mse <= self.mse.min() + self.std_error
        at = self.budgets.index(self.best)
        outside = np.flatnonzero(~within)
        before, after = outside[outside < at], outside[outside > at]
        low = before[-1] + 1 if before.size else 0
        high = after[0] - 1 if after.size else len(self.budgets) - 1
        return self.budgets[low], self.budgets[high]


def solve_path(
    moments: Moments,
    budgets: Iterable[int | Sequence[int]] | None = None,
    *,
    penalties: Iterable[float] | None = None,
    **options: Any,
) -> tuple[Solution, ...]:
    """Solve Eq. 5 for several budgets, or for several penalties.

    Parameters
    ----------
    moments : Moments
    budgets : iterable of int, or of one int per effect with random slopes, optional
        A single number is the budget of each effect. All of 0..K if None.
    penalties : iterable of float, optional
        Prices nu of each selected cluster, instead of budgets.
    **options
        Those of `scs.solve`.

    Returns
    -------
    tuple of Solution
        In the order of ``budgets`` or ``penalties``, each with its own certificate. Budgets are
        solved in ascending order, each from the best support of a smaller budget, so that more
        budget is never worse (by the exact solver). What is allowed at a budget is allowed at all
        larger ones, so a bound at one holds for all smaller ones: a solve that was cut off takes
        the best of those above it. A budget of several effects is larger than another if it is so
        in none of them smaller. Penalties are solved in descending order, each from the support
        that is best at it so far. The least of Eq. 5 plus nu times the number of clusters is
        concave in nu, so that bounds at two penalties hold, interpolated, between them.

    Raises
    ------
    ValueError, TypeError
        As `scs.solve`.
    KeyboardInterrupt
        Ctrl-C: a path that is not finished has no meaning of its own.
    """
    if penalties is not None:
        if budgets is not None:
            raise ValueError("budgets and penalties exclude each other: pass one of the two.")
        return _penalty_path(moments, _check_penalties(penalties), options)
    if budgets is None:
        budgets = range(moments.n_clusters + 1)
    asked = _one_per_effect(budgets, moments.n_effects)
    found: dict[tuple[int, ...], Solution] = {}
    ascending = sorted(set(asked), key=lambda budget: (sum(budget), budget))
    for budget in ascending:
        below = [other for other in found if _within(other, budget)]
        nearest = [one for one in below if not any(_within(one, o) for o in below if o != one)]
        start = min((found[one] for one in nearest), key=lambda s: s.objective, default=None)
        given = budget if len(budget) > 1 else budget[0]
        support = None if start is None else start.support
        found[budget] = unless_stopped(solve(moments, given, start=support, **options))
    gap = options.get("gap", 1e-4)  # as in `solve`
    for budget in reversed(ascending):
        above = [other for other in found if other != budget and _within(budget, other)]
        nearest = [one for one in above if not any(_within(o, one) for o in above if o != one)]
        bound = max((found[one].bound for one in nearest), default=0.0)
        found[budget] = _raise_bound(found[budget], bound, gap)
    return tuple(found[budget] for budget in asked)


def _check_penalties(penalties: Iterable[float]) -> list[float]:
    if isinstance(penalties, str) or not isinstance(penalties, Iterable):
        raise TypeError(
            f"penalties must be a sequence of numbers, got {penalties!r}: pass for example "
            "[1.0, 2.0, 5.0]."
        )
    return [check_ridge(each, f"penalties[{i}]", zero=True) for i, each in enumerate(penalties)]


def _penalty_path(
    moments: Moments, penalties: list[float], options: dict[str, Any]
) -> tuple[Solution, ...]:
    """Solve for each penalty, and share what is proved."""
    found: dict[float, Solution] = {}
    for penalty in sorted(set(penalties), reverse=True):
        start = min(found.values(), key=partial(_at_penalty, penalty), default=None)
        support = None if start is None else start.support
        solution = solve(moments, penalty=penalty, start=support, **options)
        found[penalty] = unless_stopped(solution)
    gap = options.get("gap", 1e-4)  # as in `solve`
    at = np.array([0.0, *found])
    proved = np.array([0.0, *(solution.bound for solution in found.values())])
    for penalty in found:
        bound = _between_bounds(at, proved, penalty)
        found[penalty] = _raise_bound(found[penalty], bound, gap)
    return tuple(found[penalty] for penalty in penalties)


def _at_penalty(penalty: float, solution: Solution) -> float:
    """Return the objective of a solution's support and effects at another penalty."""
    assert solution.penalty is not None  # found for one
    return solution.objective + (penalty - solution.penalty) * len(solution.support)


def _between_bounds(at: np.ndarray, proved: np.ndarray, penalty: float) -> float:
    """Return what bounds at penalties prove at another one.

    The minimum is concave in the penalty and does not fall: it is no less than at a smaller one,
    and between two no less than the line that joins them, less the rounding of that line.
    """
    below, above = at < penalty, at > penalty
    found = proved[below].max(initial=0.0)
    if below.any() and above.any():
        low, high = at[below, None], at[above]
        share = (penalty - low) / (high - low)
        line = (1.0 - share) * proved[below, None] + share * proved[above]
        found = max(found, float(line.max()) * (1.0 - _OF_LINE))
    return float(found)


def _one_per_effect(
    budgets: Iterable[int | Sequence[int]], n_effects: int
) -> list[tuple[int, ...]]:
    """Return each budget as one number per effect."""
    if n_effects == 1 or isinstance(budgets, str) or not isinstance(budgets, Iterable):
        return [(budget,) for budget in check_budgets(budgets)]  # type: ignore[arg-type]
    found = []
    for i, budget in enumerate(budgets):
        if isinstance(budget, Iterable):
            each = tuple(check_budgets(budget, f"budgets[{i}]"))
        else:
            each = (check_budget(budget, f"budgets[{i}]"),) * n_effects
        if len(each) != n_effects:
            raise ValueError(
                f"budgets[{i}] has {len(each)} entries, but clusters have {n_effects} effects: "
                "pass one for each, or one number for all."
            )
        found.append(each)
    return found


def _within(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Say whether what ``one`` allows is allowed by ``other``."""
    return all(a <= b for a, b in zip(one, other))


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
    """Return the mean squared error of a solution on rows of known clusters, weighted as they are.

    Clusters that the solution does not know count with effect 0. Needs no row: the error is a
    function of the rows' moments, those of the slope columns included.

    Raises
    ------
    ValueError
        The solution has slopes of other columns than ``rows`` have, or an error is not finite.
    """
    rows = _of_same_effects(solution, rows)
    gamma = _effects_on(solution, rows)
    slopes = gamma[:, 1:]
    beta = np.nan_to_num(solution.beta)  # columns left out in fitting add nothing
    residual = rows.mean_y - rows.mean_x @ beta - gamma[:, 0] - (slopes * rows.mean_z).sum(axis=1)
    within = beta @ (rows.within_xx @ beta - 2 * rows.within_xy)
    pull = np.einsum("kqr,kr->kq", rows.within_zz, slopes) + 2 * (rows.within_zx @ beta)
    own = float((slopes * (pull - 2 * rows.within_zy)).sum())
    total = rows.within_yy + float(within) + own + float(rows.n @ residual**2)
    if not np.isfinite(total):
        raise ValueError(
            "rows give a prediction error that is not finite: rescale X and y (divide each column "
            "by its largest value)."
        )
    return max(total, 0.0) / float(rows.n.sum())


def _of_same_effects(solution: Solution, rows: Moments) -> Moments:
    """Return the moments of the effects that the solution has."""
    if solution.gamma.ndim == 1:
        return rows.base  # clusters differ in no slope
    if solution.effect_names != rows.effect_names:
        raise ValueError(
            f"rows have the effects {rows.effect_names}, but the solution has "
            f"{solution.effect_names}: compute rows with the same Z."
        )
    return rows


def _effects_on(solution: Solution, rows: Moments) -> np.ndarray:
    """Return the effects of the clusters of ``rows``, shape (K, R); 0 of unknown clusters."""
    where = find_labels(solution.labels, rows.labels)
    known = solution.cluster_effects.reshape(len(solution.labels), -1)
    return np.where((where >= 0)[:, None], known[where], 0.0)


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
    scores = Scores(tuple(sorted(set(budgets))))
    for training, validation in folds:
        scores.add(training, validation, **options)
    return scores.tuning()


def solve_tuned(
    training: Moments,
    validation: Moments,
    budgets: Sequence[int] | None = None,
    *,
    both: Moments | None = None,
    **options: Any,
) -> tuple[Tuning, Solution]:
    """Choose the budget on validation rows, then fit both parts with it: the paper's pipeline.

    Parameters
    ----------
    training, validation : Moments
    budgets : sequence of int, optional
        None: `paper_budgets` of the clusters of the training rows.
    both : Moments, optional
        Of all rows, where they are at hand; None: the sum of the two.
    **options
        Those of `scs.solve`, for the choice and for the fit.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C came during the last search.

    References
    ----------
    Paper, Section 2.2.1.
    """
    budgets = paper_budgets(training.n_clusters) if budgets is None else budgets
    tuning = tune_budget([(training, validation)], budgets, **options)
    both = training + validation if both is None else both
    return tuning, unless_stopped(solve(both, tuning.best, **options))


class Scores:
    """Validation errors of a path of budgets, summed over folds as they come.

    Parameters
    ----------
    budgets : tuple of int
        Ascending.
    """

    def __init__(self, budgets: tuple[int, ...]) -> None:
        self.budgets = budgets
        self.squares = np.zeros(len(budgets))
        # Sums over rows of products of two budgets' predictions: what they differ by follows.
        self.products = np.zeros((len(budgets), len(budgets)))
        self.n_rows, self.weight = 0, 0.0
        self.solutions: tuple[Solution, ...] = ()

    def add(self, training: Moments, validation: Moments, **options: Any) -> None:
        """Fit every budget to the training rows, and score it on the validation rows."""
        allowed = [min(budget, training.n_clusters) for budget in self.budgets]
        self.solutions = _fold_path(training, allowed, **options)
        errors = np.array([prediction_error(each, validation) for each in self.solutions])
        weight = float(validation.n.sum())
        self.squares += weight * errors
        self.weight += weight
        self.products += _products(self.solutions, validation)
        self.n_rows += validation.n_rows

    def tuning(self, n_rows: int | None = None, repeats: int = 1) -> Tuning:
        """Return the choice by what was added so far.

        Parameters
        ----------
        n_rows : int, optional
            Different rows among those held out; all of them if None.
        repeats : int
        """
        mse = self.squares / self.weight
        # Errors equal up to rounding are ties: an effect that is 0 anyway must not pick the budget.
        best = int(np.flatnonzero(mse <= mse.min() * (1 + 1e-12))[0])
        # Two predictions of a row, d apart, have squared errors of which the difference varies with
        # the row's own error e: 2 d e, and d^2 that does not. Its variance is 4 d^2 var(e); var(e)
        # is 1 / w of what the weighted error estimates.
        own = np.diagonal(self.products)
        apart = np.maximum(own + own[best] - 2 * self.products[best], 0.0) / self.weight
        std_error = 2 * np.sqrt(mse[best] * apart / (n_rows or self.n_rows))
        return Tuning(self.budgets, mse, self.solutions, self.budgets[best], std_error, repeats)


def _products(solutions: Sequence[Solution], rows: Moments) -> np.ndarray:
    """Sum over rows the products of two solutions' predictions, each less the first's."""
    first = solutions[0]
    rows = _of_same_effects(first, rows)
    # Columns left out in fitting add nothing.
    beta = np.nan_to_num([each.beta - first.beta for each in solutions])
    of_first = _effects_on(first, rows)
    gamma = np.array([_effects_on(each, rows) - of_first for each in solutions])
    slopes = gamma[:, :, 1:]
    means = beta @ rows.mean_x.T + gamma[:, :, 0] + (slopes * rows.mean_z).sum(axis=2)
    by_slopes = np.einsum("skq,kqp->sp", slopes, rows.within_zx) @ beta.T
    by_slopes = by_slopes + by_slopes.T
    by_slopes += np.einsum("skq,kqr,tkr->st", slopes, rows.within_zz, slopes, optimize=True)
    return (means * rows.n) @ means.T + beta @ rows.within_xx @ beta.T + by_slopes
