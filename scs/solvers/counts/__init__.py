"""Counts of units: the best selection of units with levels of their own, exact at any size."""

from scs.solvers.counts.losses import Losses, losses
from scs.solvers.counts.search import fitted, solve_counts
from scs.solvers.counts.solution import CountSolution

__all__ = ["CountSolution", "Losses", "fitted", "losses", "solve_counts"]
