"""Cuts for SCIP: tangents of c(s) whose numbers stay of the size of the objective.

With a small ridge the slope at an unselected cluster is -n^2 r^2 / ridge: next to such a number the
objective is rounding, and a selection that SCIP takes for 0 is worth something. No support is worth
less than a bound that is proved already, so a slope steeper than from the tangent down to that
bound says nothing more, and is cut off there. That changes the tangent between supports, for the
better, and leaves it valid at all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scs.problem.objective import Problem, Profile, lower_bound

_EPS = np.finfo(float).eps


@dataclass(frozen=True, eq=False)
class Tangent:
    """c(S) >= base + sum of slopes over S, for every support S of the problem.

    Attributes
    ----------
    base : float
        Rounding is taken off.
    slopes : ndarray, shape (K,)
        All <= 0.
    """

    base: float
    slopes: np.ndarray


def tangent(problem: Problem, at: Profile, floor: float, *, steepest: float = 0.0) -> Tangent:
    """Return the tangent at a point, with slopes cut off where they lead below ``floor``.

    Parameters
    ----------
    problem : Problem
    at : Profile
    floor : float
        No support has a smaller objective.
    steepest : float
        Slopes up to this size are kept as they are.
    """
    base = lower_bound(problem, at, 0)  # over the one support without a cluster
    return Tangent(base, clipped(base, at.slopes, floor, steepest=steepest))


def clipped(base: float, slopes: np.ndarray, floor: float, *, steepest: float = 0.0) -> np.ndarray:
    """Cut slopes off where a single one leads from ``base`` below ``floor``."""
    return np.maximum(slopes, -max(base - floor, steepest, 0.0))


def lost_in_sums(n_terms: int, size: float) -> float:
    """Return what rounding can hide of sums of so many terms, whose sizes add up to ``size``."""
    return float(4.0 * (np.log2(n_terms + 1.0) + 8.0) * _EPS * size)


def membership_of(cut: Tangent, budget: int, incumbent: float) -> np.ndarray:
    """Say of every cluster what a tangent proves about all optimal supports.

    As `scs.problem.objective.membership`; what cancels is given away, eps times the sizes of all
    terms.
    """
    n_clusters = len(cut.slopes)
    proved = np.full(n_clusters, "open", dtype="<U4")
    if not 0 < budget < n_clusters:
        return proved
    order = np.argsort(cut.slopes, kind="stable")
    chosen = np.zeros(n_clusters, dtype=bool)
    chosen[order[:budget]] = True
    last_in, first_out = cut.slopes[order[budget - 1]], cut.slopes[order[budget]]
    best = float(cut.slopes[chosen].sum())
    terms = abs(cut.base) + abs(incumbent) - best - 2.0 * cut.slopes[order[0]]
    lowest = cut.base + best - lost_in_sums(n_clusters, terms)
    # Forcing a cluster in drops the weakest chosen one; leaving one out lets the next one in.
    proved[~chosen & (lowest - last_in + cut.slopes > incumbent)] = "out"
    proved[chosen & (lowest - cut.slopes + first_out > incumbent)] = "in"
    return proved


def consistent(membership: np.ndarray, selected: np.ndarray) -> np.ndarray:
    """Return what is proved where it agrees with the answer, and "open" elsewhere.

    A proof says that every support of the other kind is worse than the answer, which is of one
    kind itself: where the two disagree, rounding made the proof.

    Parameters
    ----------
    membership : ndarray of str
    selected : ndarray of bool, of the same shape
        Of the support that the proof was about.
    """
    wrong = (selected & (membership == "out")) | (~selected & (membership == "in"))
    return np.where(wrong, "open", membership)
