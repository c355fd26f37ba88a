"""Names at a false discovery rate as a proved selection, and the background of a given budget."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import optimize

from scs.inference.background import (
    Between,
    coefficients,
    deviations,
    first_variance,
    truncated_variance,
)
from scs.inference.naming import Names, Null, Rule, best_of_size, name_clusters, step_up
from scs.moments.moments import Moments
from scs.problem.background import effective_rows
from scs.solvers import Solution

_ROUNDS = 12
_GRID = 30  # ratios at which the restricted likelihood is looked at first
_LEAST_REST = 3  # clusters not selected, below which nothing tells the background


def certified_names(
    moments: Moments,
    q: float,
    background: float | None,
    solve_at: Callable[[int, float], Solution],
    null: Null | None = None,
) -> tuple[Names, Solution]:
    """Name clusters at a false discovery rate such that the list is a proved selection.

    The rule's number of names goes to the solver. Where the proved selection is another list, and
    its own p-values do not all lie at or below q R / K, the number goes down until they do.

    Parameters
    ----------
    moments : Moments
        Without dependent columns.
    q : float
        False discovery rate, in (0, 1).
    background : float, optional
        theta >= 0; None: estimated.
    solve_at : callable
        The solution at a budget and a background.
    null : callable, optional
        As in `name_clusters`. The list is the proved selection whatever the null.

    Returns
    -------
    Names, Solution
        Of one support.
    """
    named = name_clusters(moments, q, background, null=null)
    rule = Rule(
        Between.from_moments(moments), named.background, q, null, estimated=background is None
    )
    budget = len(named.support)
    while True:
        solution = solve_at(budget, rule.theta)
        free = np.zeros(moments.n_clusters, dtype=bool)
        free[solution.support] = True
        found = rule.names(free)
        if found.consistent or solution.status == "interrupted":
            return found, solution
        budget = min(step_up(found.pvalues, q), budget - 1)


def background_at(moments: Moments, budget: int) -> float:
    """Estimate theta where ``budget`` clusters have effects of their own.

    In turn the selection of so many clusters and the truncated likelihood of the others'
    deviations. 0 where fewer than three clusters are left, which tell nothing of a background.

    Parameters
    ----------
    moments : Moments
        Without dependent columns.
    budget : int
        Clusters selected.

    Raises
    ------
    ValueError
        The rows within clusters do not tell the errors' variance.
    """
    return background_between(Between.from_moments(moments), budget)


def background_between(between: Between, budget: int) -> float:
    """Estimate theta as `background_at`, from what it takes of the moments."""
    if between.n_clusters - budget < _LEAST_REST:
        return 0.0
    free = np.zeros(between.n_clusters, dtype=bool)
    theta = first_variance(deviations(between, 0.0, free), budget) / between.var_e
    seen: list[float] = []
    for _ in range(_ROUNDS):
        free = best_of_size(between, theta, budget, free)
        found = deviations(between, theta, free)
        variance = truncated_variance(found, first_variance(found, budget))
        seen.append(theta)
        theta = variance / between.var_e
        if any(abs(theta - old) <= 1e-9 * (1.0 + theta) for old in seen):
            break
    return float(theta)


def rest_variance(moments: Moments, support: np.ndarray) -> float:
    """Return the background's variance by REML over the clusters that are not selected.

    With the selected clusters free, M as in `coefficients` and Q the loss at its minimum, it is
    theta sigma^2 with sigma^2 = Q / f, f = N - R - rank, at the least of::

        f log Q + log det M + sum over k not selected of log(1 + theta n_k)

    Nobody selected: the mixed model's variance. Every cluster that is not selected counts fully,
    also those beyond the window of `truncated_variance`.

    Parameters
    ----------
    moments : Moments
        Without dependent columns.
    support : ndarray of int
        The selected clusters.

    Returns
    -------
    float
        tau^2 >= 0; NaN where fewer than three clusters are not selected.

    Raises
    ------
    NoErrorVariance
        The rows within clusters do not tell the errors' variance.
    """
    between = Between.from_moments(moments)
    free = np.zeros(between.n_clusters, dtype=bool)
    free[support] = True
    if between.n_clusters - free.sum() < _LEAST_REST:
        return float("nan")
    rest = between.n[~free]

    def parts(theta: float) -> tuple[float, float]:
        beta, inverse = coefficients(between, theta, free)
        weights = np.where(free, 0.0, effective_rows(between.n, theta))
        within = between.within_yy - beta @ (2 * between.within_xy - between.within_xx @ beta)
        loss = float(within + weights @ (between.y - between.x @ beta) ** 2)
        told = np.linalg.svd(inverse, compute_uv=False)  # zero on what nothing tells
        told = told[told > 1e-12 * told.max(initial=0.0)]
        degrees = float(between.n.sum() - free.sum() - len(told))
        criterion = degrees * np.log(loss) - np.log(told).sum() + np.log1p(theta * rest).sum()
        return float(criterion), loss / degrees

    largest = float(np.max(between.y[~free] ** 2)) * 4 / between.var_e + 1.0
    grid = np.concatenate([[0.0], np.geomspace(1e-8, largest, _GRID)])
    values = [parts(theta)[0] for theta in grid]
    best = int(np.argmin(values))
    ends = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    finer = optimize.minimize_scalar(
        lambda theta: parts(theta)[0],
        bounds=ends,
        method="bounded",
        options={"xatol": 1e-10 * ends[1]},
    )
    theta = float(finer.x) if finer.fun < values[best] else float(grid[best])
    return theta * parts(theta)[1]
