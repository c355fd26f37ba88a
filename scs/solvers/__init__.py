"""Solvers of Eq. 5: one entry, one `Solution` type."""

from scs.solvers.budgets import (
    PAPER_SHARES,
    BudgetWarning,
    budget_grid,
    check_budget,
    check_budgets,
    paper_budgets,
    within,
)
from scs.solvers.path import Tuning, prediction_error, solve_path, solve_tuned, tune_budget
from scs.solvers.solution import Solution, Step
from scs.solvers.solve import METHODS, solve

__all__ = [
    "budget_grid",
    "METHODS",
    "BudgetWarning",
    "PAPER_SHARES",
    "Solution",
    "Step",
    "Tuning",
    "check_budget",
    "check_budgets",
    "paper_budgets",
    "prediction_error",
    "solve",
    "solve_path",
    "solve_tuned",
    "tune_budget",
    "within",
]
