"""What every solver returns: the coefficients, the certificate and how it came about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scs.moments.moments import Moments
from scs.problem.objective import (
    Problem,
    Profile,
    effects,
    end,
    negligible,
    objective,
    rounding,
)

STATUSES = ("optimal", "time_limit", "interrupted", "heuristic")


@dataclass(frozen=True)
class Step:
    """One line of a solver's log, taken whenever incumbent or bound moved.

    Attributes
    ----------
    seconds : float
        Since the start of the solve.
    objective, bound : float
        Best support so far; what is proved so far.
    nodes, cuts : int
        Nodes solved and cuts added so far.
    """

    seconds: float
    objective: float
    bound: float
    nodes: int
    cuts: int


@dataclass(frozen=True, eq=False)  # == of arrays is no truth value
class Solution:
    """Coefficients and cluster effects with a proved bound on the objective of Eq. 5.

    Attributes
    ----------
    beta : ndarray, shape (P,)
        Coefficients; the intercept first where there is one. NaN for a column that was left out,
        see ``ridge_fixed`` of `scs.solve`.
    gamma : ndarray, shape (K,), or (K, Q + 1) with random slopes
        Cluster effects, zero outside the support; with slopes one column per effect, the random
        intercept first.
    support : ndarray of int, or tuple of Q + 1 of them with random slopes
        Sorted indices of the selected clusters, an index into ``labels``; with slopes one array
        per effect.
    labels : ndarray, shape (K,)
        Cluster labels.
    objective : float
        Eq. 5 recomputed from ``beta`` and ``gamma``; plus ``penalty`` times the number of selected
        clusters where there is one.
    bound : float
        Proved: no support within the budget (of any size where there is a penalty) has a smaller
        objective. 0 if nothing better is known.
    gap : float
        (objective - bound) / objective.
    selection_gap : float
        (objective - bound) / (objective at budget 0 - objective): the share of what the selection
        explains, its penalty paid, that is not proved. Infinite where selecting explains nothing
        but is not proved.
    membership : ndarray of str, shape of ``gamma``
        Proved of every optimal support: the cluster is "in" it, "out" of it, or "open".
    status : str
        "optimal" (the gap asked for is reached), "time_limit", "interrupted", or "heuristic": a
        heuristic alone, or a gap finer than rounding lets anyone prove (with a warning).
    method : str
        Solver that made it, and why it was chosen.
    seconds : float
        Wall-clock time.
    nodes : int
        Branch-and-bound nodes.
    history : tuple of Step
        The log.
    rounding : float
        By how much ``objective`` can differ from what Eq. 5 is for the stored moments, as real
        numbers; ``status`` takes it into account.
    effect_names : tuple of str
        Names of the effects, the columns of ``gamma`` with random slopes.
    theta : float
        The background's variance over the errors', 0 without one.
    background : ndarray, shape (K,), or None
        Effects u_k of the background, BLUPs, of every cluster beside ``gamma``; None without.
    penalty : float or None
        The price of each selected cluster, part of ``objective``; None where a budget was given.
    """

    beta: np.ndarray
    gamma: np.ndarray
    support: np.ndarray
    labels: np.ndarray
    objective: float
    bound: float
    gap: float
    selection_gap: float
    membership: np.ndarray
    status: str
    method: str
    seconds: float
    nodes: int
    history: tuple[Step, ...] = field(repr=False)
    effect_names: tuple[str, ...] = ("intercept",)
    rounding: float = 0.0
    theta: float = 0.0
    background: np.ndarray | None = field(default=None, repr=False)
    penalty: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is not finite: it proves nothing, however it came about."""
        for name in ("beta", "gamma", "objective", "bound", "gap", "rounding", "background"):
            value = np.asarray(0.0 if getattr(self, name) is None else getattr(self, name))
            left_out = (name == "beta") & np.isnan(value)  # a column without a coefficient
            if not (np.isfinite(value) | left_out).all():
                raise ValueError(
                    f"the answer's {name} is not finite: rescale X and y (divide each column by "
                    "its largest value), and take ridge and ridge_fixed nearer to 1."
                )

    @property
    def cluster_effects(self) -> np.ndarray:
        """``gamma`` and the background's effects together: what a row of the cluster differs by."""
        return self.gamma if self.background is None else self.gamma + self.background

    @property
    def selected(self) -> np.ndarray | tuple[np.ndarray, ...]:
        """Labels of the selected clusters; with random slopes one array per effect."""
        if isinstance(self.support, tuple):
            return tuple(self.labels[support] for support in self.support)
        return self.labels[self.support]

    def __str__(self) -> str:
        if isinstance(self.support, tuple):
            lines = [
                f"{name}: {self._named(support)}"
                for name, support in zip(self.effect_names, self.support)
            ]
        else:
            lines = [self._named(self.support)]
        priced = "" if self.penalty is None else f" with {self.penalty:.6g} for each cluster"
        return "\n".join(lines) + (
            f"\nobjective {self.objective:.6g}{priced}, proved bound {self.bound:.6g}, "
            f"gap {self.gap:.2g} "
            f"({self.status}; {self.method})"
        )

    def _named(self, support: np.ndarray) -> str:
        named = ", ".join(str(label) for label in self.labels[support][:8])
        if len(support) > 8:
            named += ", ..."
        return f"{len(support)} of {len(self.labels)} clusters selected: {named or 'none'}"


def relative_gap(value: float, bound: float) -> float:
    """Return (value - bound) / value, and 0 where both are 0."""
    return 0.0 if value <= bound else (value - bound) / value


def selection_gap(value: float, bound: float, explained: float, margin: float) -> float:
    """Return the share of what the selection explains that is not proved."""
    if value - bound <= 2 * margin:
        return 0.0  # closed up to rounding; at budget 0 there is nothing to divide by
    return (value - bound) / explained if explained > 0 else np.inf


def final_status(status: str, reached: float, gap: float) -> str:
    """Return why a solver stopped; "optimal" where the gap reached is within ``gap``.

    Ctrl-C is always told of, so that loops can end.
    """
    if reached <= gap and status != "interrupted":
        return "optimal"
    # Searched to the end, but rounding hides the gap asked for.
    return "heuristic" if status == "optimal" else status


def unless_stopped(solution: Solution) -> Solution:
    """Return a solution, unless Ctrl-C cut it off.

    For whoever solves one of many: a solver takes Ctrl-C down and returns what it has, and a loop
    that went on from there would have swallowed it.

    Raises
    ------
    KeyboardInterrupt
        The solution's status is "interrupted".
    """
    if solution.status == "interrupted":
        raise KeyboardInterrupt
    return solution


def certificate(
    value: float,
    bound: float,
    explained: float,
    hidden: float,
    status: str,
    gap: float,
    *,
    in_doubt: float | None = None,
) -> dict[str, Any]:
    """Return the fields of a Solution that say what is proved of it.

    Parameters
    ----------
    value, bound : float
        Objective, and what is proved, which may lie above it by rounding.
    explained : float
        What the selection takes off the objective.
    hidden : float
        By rounding, of the objective.
    status : str
        Why the solver stopped, see `final_status`.
    gap : float
        Asked for.
    in_doubt : float, optional
        What of ``hidden`` keeps a gap from counting as reached; all of it if None.
    """
    bound = max(min(bound, value), 0.0)
    surely = value + (hidden if in_doubt is None else in_doubt)
    return {
        "objective": value,
        "bound": bound,
        "gap": relative_gap(value, bound),
        "selection_gap": selection_gap(value, bound, explained, hidden),
        "status": final_status(status, relative_gap(surely, bound), gap),
        "rounding": hidden,
    }


def squeezed(
    gamma: np.ndarray, support: tuple[np.ndarray, ...], membership: np.ndarray
) -> dict[str, Any]:
    """Return the fields of a Solution of R effects; those of a random intercept alone lose R."""
    if len(support) == 1:
        return {"gamma": gamma[:, 0], "support": support[0], "membership": membership[:, 0]}
    return {"gamma": gamma, "support": support, "membership": membership}


def make_solution(
    moments: Moments,
    problem: Problem,
    at: Profile,
    support: np.ndarray,
    *,
    bound: float,
    membership: np.ndarray,
    status: str,
    method: str,
    seconds: float,
    nodes: int,
    history: tuple[Step, ...],
    gap: float,
) -> Solution:
    """Assemble a Solution: effects from the support, objective and gaps recomputed from them.

    Parameters
    ----------
    at : Profile
        The problem's profile at ``support``.
    status : str
        Why the solver stopped, see `final_status`.
    """
    # An effect that gains nothing is none: naming its cluster would report rounding.
    idle = support[negligible(problem, at)[support]]
    support = np.setdiff1d(support, idle, assume_unique=True)
    gamma = effects(problem, at.residual, support)
    value = max(objective(problem, at.beta, gamma), 0.0)
    hidden = rounding(problem, at) * (1 + len(idle))
    return Solution(
        beta=problem.coefficients(at.beta),
        gamma=gamma,
        support=np.flatnonzero(gamma),
        labels=moments.labels,
        membership=membership,
        method=method,
        seconds=seconds,
        nodes=nodes,
        history=history,
        **certificate(value, bound, end(problem, False).value - value, hidden, status, gap),
    )
