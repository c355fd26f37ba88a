"""What the solver of counts returns: the common level, the selection and the certificate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class CountSolution:
    """Units with a level of their own, all others at one common level, with a proved bound.

    Attributes
    ----------
    level : float
        Of the units not selected: observed over expected (Poisson), or the rate (binomial).
    support : ndarray of int
        Sorted indices of the selected units.
    labels : ndarray, shape (K,)
    objective : float
        How far the log likelihood lies below that of a level for every unit, in nats: half of the
        deviance of the units not selected.
    bound : float
        Proved: no selection within the budget has a smaller objective.
    explained : float
        By how much the selection lowers the objective, in nats.
    membership : ndarray of str, shape (K,)
        Proved of every best selection: the unit is "in" it, "out" of it, or "open".
    status : str
        "optimal" (objective - bound and what rounding hides are within the gap asked for),
        "time_limit", "interrupted", or "heuristic": rounding hides a gap so fine.
    background : float
        tau^2 (Poisson) or rho (binomial) at which it was solved.
    budget : int
    rounding : float
        What rounding can hide of the objective, in nats.
    nodes : int
        Intervals of the common level that were bounded.
    seconds : float
        Wall-clock time.
    """

    level: float
    support: np.ndarray
    labels: np.ndarray
    objective: float
    bound: float
    explained: float
    membership: np.ndarray
    status: str
    background: float
    budget: int
    rounding: float
    nodes: int
    seconds: float

    @property
    def gap(self) -> float:
        """Objective less bound, in nats."""
        return max(self.objective - self.bound, 0.0)

    @property
    def selected(self) -> np.ndarray:
        """Labels of the selected units."""
        return self.labels[self.support]
