"""What a point of Eq. 6 proves of all supports: a bound, who is in and who is out, with rounding.

Every claim holds for the moments as they are stored, as real numbers. What floating point makes of
them is another problem of the same kind, whose numbers differ by little; by how much its objective
can differ is stated, and given away.
"""

from __future__ import annotations

from math import inf, log2, sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dtrtrs

if TYPE_CHECKING:
    from scs.problem.objective import Problem, Profile

_EPS = np.finfo(float).eps


def units(n_columns: int, n_clusters: int) -> tuple[float, float]:
    """Return the rounding of sums over columns, and of those over clusters as well."""
    return 4 * (n_columns + 4) * _EPS, 12 * (n_columns + log2(n_clusters + 1.0) + 8.0) * _EPS


def rounding(problem: Problem, at: Profile) -> float:
    """Return by how much the computed c(s) can differ from c(s), the inexact minimiser included."""
    if at.hidden is None:
        # A quadratic lies g'M^-1 g / 4 above its minimum where its gradient is g.
        short, _ = dtrtrs(at.factor, _gradient(problem, at), lower=True)
        hidden = problem.rounding(np.abs(at.beta), max(at.value, 0.0)) + float(short @ short) / 4
        object.__setattr__(at, "hidden", hidden)  # known once for all
        return hidden
    return at.hidden


def margin_below(problem: Problem, value: float) -> float:
    """Return what rounding can hide of any support whose objective is at most ``value``."""
    return _reach_below(problem, value)[1]


def _reach_below(problem: Problem, value: float) -> tuple[np.ndarray, float]:
    """Return the largest |z| at which a support can be as good as ``value``, and the margin there.

    The ellipsoid is one of computed numbers, and ``value`` is rounded by up to the margin itself,
    so it must hold what lies two margins above: found by trying. By convexity nothing beyond can
    be as good. An infinite margin proves nothing.
    """
    reach, slack = problem.reach, 0.0
    assert reach is not None  # noted when the problem was made
    for _ in range(6):
        size = reach.furthest + reach.spread * sqrt(max(value + slack - reach.lowest, 0.0))
        margin = problem.rounding(size, max(value + slack, 0.0))
        if 2 * margin <= slack:
            return size, margin
        slack = 4 * margin
    return size, inf


def _gradient(problem: Problem, at: Profile) -> np.ndarray:
    """Return the gradient of Eq. 5 in the coefficients at the weights of a profile."""
    pull = problem.within_xx @ at.beta - problem.within_xy + problem.penalty * at.beta
    return 2.0 * (pull - (at.weights * at.residual) @ problem.x)


def negligible(problem: Problem, at: Profile) -> np.ndarray:
    """Say of which clusters an effect would gain no more than rounding, shape (K,)."""
    gain = (problem.n * at.residual) ** 2 / (problem.n + problem.ridge)
    return gain <= rounding(problem, at)


def lower_bound(
    problem: Problem, at: Profile, budget: int | None, value: float | None = None
) -> float:
    """Return a bound on Eq. 5 over all supports of the budget, from one point's value and slopes.

    c is convex, so c(s') >= c(s) + slopes'(s' - s); the right side is least where s' selects the
    most negative slopes. Valid at any s; rounding is taken off, and 0 is always a bound.

    Parameters
    ----------
    problem : Problem
    at : Profile
    budget : int or None
        None: clusters have a price instead.
    value : float, optional
        Objective of some support of the budget. The better it is, the less rounding can hide.
    """
    assert problem.reach is not None  # noted when the problem was made
    value = problem.reach.empty if value is None else min(value, problem.reach.empty)
    if budget is None:
        found = _priced_tangent(problem, at, value)[0]
    else:
        base, size, _ = _tangent(problem, at, value)
        best = float(np.sort(at.slopes)[:budget].sum())
        found = base + best - _of_slopes(problem) * (size - best)
    return max(min(found, value), 0.0)


def membership(problem: Problem, at: Profile, budget: int | None, incumbent: float) -> np.ndarray:
    """Say of every cluster what the cut at one point proves about all optimal supports.

    Parameters
    ----------
    problem : Problem
    at : Profile
    budget : int or None
        None: clusters have a price instead.
    incumbent : float
        Objective of the best support known.

    Returns
    -------
    ndarray of str, shape (K,)
        "in": every support within the budget that leaves the cluster out is worse than the
        incumbent; "out": every one that selects it is; "open": neither is proved.
    """
    n_clusters = len(at.slopes)
    proved = np.full(n_clusters, "open", dtype="<U4")
    if budget is None:
        # Whoever turns a choice of the tangent's about pays for its slope.
        least, error, margin = _priced_tangent(problem, at, incumbent)
        dear = least + np.abs(at.slopes) - error > incumbent + margin
        proved[dear] = np.where(at.slopes[dear] < 0, "in", "out")
        return proved
    if budget >= n_clusters:
        if (at.s == 1).all():
            proved[_matters(problem, at)] = "in"
        return proved
    if budget == 0:
        proved[:] = "out"
        return proved
    order = np.argsort(at.slopes, kind="stable")
    chosen = np.zeros(n_clusters, dtype=bool)
    chosen[order[:budget]] = True
    last_in, first_out = at.slopes[order[budget - 1]], at.slopes[order[budget]]
    base, size, margin = _tangent(problem, at, incumbent)
    above = incumbent + margin  # its own objective is rounded too
    best, unit = float(at.slopes[chosen].sum()), _of_slopes(problem)
    # Slopes cancel in what follows, and are far larger than the objective where the ridge is small.
    base += best - unit * (size - best - last_in - first_out)
    # Forcing a cluster in drops the weakest chosen one; leaving one out lets the next one in.
    proved[~chosen & (base - last_in + (1 + unit) * at.slopes > above)] = "out"
    proved[chosen & (base - (1 - unit) * at.slopes + first_out > above)] = "in"
    return proved


def _tangent(problem: Problem, at: Profile, value: float) -> tuple[float, float, float]:
    """Return the tangent at s = 0 less rounding, the size of what cancels in it, and the margin.

    It holds for all supports as good as ``value``: that says how far their coefficients can be, and
    so what an inexact minimiser and rounding can hide.
    """
    size, margin = _reach_below(problem, value)
    here = np.abs(at.beta)
    tilt = float(np.abs(_gradient(problem, at)) @ (size + here))
    margin = max(margin, problem.rounding(here, max(at.value, 0.0)))
    lifted = float(at.slopes @ at.s)
    return at.value - lifted - tilt - margin, -lifted, margin


def _priced_tangent(problem: Problem, at: Profile, value: float) -> tuple[float, np.ndarray, float]:
    """Return the least of the tangent over all supports less rounding, that of slopes, the margin.

    A price takes the place of the budget, so the least is where all negative slopes are selected.
    """
    base, _, margin = _tangent(problem, at, value)
    # A slope is a gain less a price: rounded by a share of both.
    error = _of_slopes(problem) * (np.abs(at.slopes) + 2.0 * problem.price)
    # One slope that is negative but for its rounding may be so without it.
    selected = at.slopes < error
    least = base + float(at.slopes[at.slopes < 0].sum()) - float(error[selected].sum())
    return least - float(error @ at.s), error, margin


def _of_slopes(problem: Problem) -> float:
    """Return the relative rounding of a slope, and of a sum of them."""
    return 4.0 * (log2(problem.n_clusters + 1.0) + 8.0) * _EPS


def _matters(problem: Problem, at: Profile) -> np.ndarray:
    """Say at all clusters selected which ones leave the objective larger if they are not.

    Raising a weight by d raises the minimum by d r^2 / (1 + d x'M^-1 x).
    """
    solved, _ = dtrtrs(at.factor, problem.x.T, lower=True)
    d = problem.n**2 / (problem.n + problem.ridge)
    rise = d * at.residual**2 / (1 + d * (solved**2).sum(axis=0))
    return rise > 2 * rounding(problem, at)
