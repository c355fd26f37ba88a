"""Budgets: what is allowed, and the two grids of them to choose from.

`paper_budgets` is for whatever is compared with the paper, by default also for
`SignificantClusterRegressorCV`; `budget_grid` is for tables of users' own.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterable
from math import ceil, log10


class BudgetWarning(UserWarning):
    """A budget allows more clusters than there are."""


# The paper's grid of shares of non-zero effects; it prints 2/3 and 1/3 as 66 % and 33 %.
PAPER_SHARES = (0.1, 0.2, 0.25, 1 / 3, 0.4, 0.5, 0.6, 2 / 3, 0.75, 0.8, 0.9, 1.0)


def paper_budgets(n_clusters: int) -> list[int]:
    """Return the paper's grid for K clusters: ceil(K a) for its twelve shares a, each once."""
    # Rounding first: K * 1/3 must not end a hair above a whole number.
    return sorted({ceil(round(n_clusters * share, 9)) for share in PAPER_SHARES})


def budget_grid(n_clusters: int) -> list[int]:
    """Return the budgets that ``budget="predict"`` tries: 0, then about ten for each factor of ten.

    The paper's grid begins at a tenth of the clusters: too coarse where few of many differ.
    """
    decades = range(int(10 * log10(max(n_clusters, 1))) + 1)
    steps = {round(10 ** (step / 10)) for step in decades}
    return sorted({0, n_clusters} | {step for step in steps if step <= n_clusters})


def check_budget(budget: int, name: str = "budget", of: str = "clusters") -> int:
    """Return the budget as an int, or say what is wrong with the argument ``name``."""
    try:
        if isinstance(budget, bool):
            raise TypeError
        number = operator.index(budget)
    except TypeError:
        raise TypeError(
            f"{name} must be a whole number of {of}, got {budget!r}: pass for example 5."
        ) from None
    if number < 0:
        raise ValueError(f"{name} must not be negative, got {budget!r}: pass 0 or more.")
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


def check_budgets(budgets: Iterable[int], name: str = "budgets") -> list[int]:
    """Return budgets as a list of ints, or say what is wrong with the argument ``name``."""
    if isinstance(budgets, str) or not isinstance(budgets, Iterable):
        raise TypeError(
            f"{name} must be a sequence of whole numbers, got {budgets!r}: pass for example "
            "[0, 2, 5]."
        )
    return [check_budget(budget, f"{name}[{i}]") for i, budget in enumerate(budgets)]
