"""A bound on least trimmed squares from small groups of rows: each group's trimmings, one by one.

Let nu >= 0 be a price on each row left out, a_g vectors that sum to 0, and the rows be divided into
groups g. For every set S of h rows and its best coefficients b::

    T(S) + nu h = sum over g of [ squares of the rows of g kept, at b  +  nu |S in g|  +  a_g'b ]

so the sum over groups of the least of the bracket over trimmings of g and coefficients, less nu h,
is a bound. With a = 0 a group that loses more than a few rows costs at least their price, so only
its small trimmings have to be looked at. What they leave of the best trimming known, the slack,
also says which of them can be part of a trimming as good as that: each group's bracket may exceed
its least by no more than the slack. Then a and nu are improved by subgradient steps over those that
survive, and the better the bound, the fewer do. The book's appendix has the proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from scipy.optimize import linear_sum_assignment

from scs.solvers.stop import Stop

_EPS = np.finfo(float).eps
_SIZE, _EACH = 20, 3  # rows of a group: that many, or so many for each coefficient
_TRIMMINGS, _LEAST = 400_000, 22_000  # of all groups, about, and the most of one group at least
_STEPS = 200  # of the subgradient method, at most
_DAMPED = 0.7  # of Polyak's step
_OF_PRICE = 0.05  # weight of the price beside the multipliers
_GAINED = 1e-5  # relative; steps that bring less in a row of _PATIENCE end the search
_PATIENCE = 20
_CHUNK = 8192


@dataclass
class _Group:
    """Rows of one group, and those of its trimmings that may be part of a good one.

    Attributes
    ----------
    X, y : ndarray (m, P), ndarray (m,)
    kept : ndarray, shape (C, m)
        1 where a trimming keeps a row.
    tail : float
        Of the number of rows: larger trimmings than all in ``kept`` lose at least so many.
    """

    X: np.ndarray
    y: np.ndarray
    kept: np.ndarray
    tail: int


@dataclass(frozen=True, eq=False)
class GroupBound:
    """What the groups prove.

    Attributes
    ----------
    bound : float
        No sum of squares without as many rows falls below it; at most ``limit``.
    goes, stays : ndarray of bool, shape (N,)
        Every trimming as good as ``limit`` leaves the row out, or keeps it.
    """

    bound: float
    goes: np.ndarray
    stays: np.ndarray


def bound_by_groups(
    X: np.ndarray, y: np.ndarray, rows: np.ndarray, limit: float, reach: np.ndarray,
    growth: np.ndarray, stop: Stop,
) -> GroupBound:  # fmt: skip
    """Bound the sums of squares without as many rows as ``rows``.

    Parameters
    ----------
    X, y : ndarray (N, P), ndarray (N,)
        In coordinates about the best coefficients known, in which rows are of order 1.
    rows : ndarray of int
        The best rows known to leave out.
    limit : float
        Their sum of squares, rounding added.
    reach : ndarray, shape (P,)
        At most these are the coefficients' sizes at trimmings as good as ``limit``.
    growth : ndarray, shape (P, P)
        A residual carries the rounding of |x| growth |coefficients|; >= 1 on its diagonal.
    stop : Stop
        When to be content; groups not looked at count with 0.
    """
    out = np.isin(np.arange(len(y)), rows)
    count = len(rows)
    ordered = np.sort(y**2)[::-1]
    price = float(ordered[count - 1] + ordered[count]) / 2
    parts = _deal(X, y, out)
    most = max(_TRIMMINGS // len(parts), _LEAST)
    groups = [_Group(X[part], y[part], *_trimmings(len(part), count, most)) for part in parts]
    nothing = np.zeros(len(y), dtype=bool)
    still = np.zeros((len(groups), X.shape[1]))
    least, dearer = np.zeros(len(groups)), np.inf
    values = []
    for g, group in enumerate(groups):
        if stop:
            return GroupBound(_total(least, price, count, still, reach), nothing, nothing)
        value = np.maximum(_values(group, still[g], price, reach, growth)[0], 0.0)
        tail = price * group.tail * (1 - 4 * _EPS)
        least[g] = min(value.min(), tail)
        dearer = min(dearer, tail - least[g])
        values.append(value)
    bound = _total(least, price, count, still, reach)
    # Where no group loses many rows its small trimmings are all; where one does, that costs more.
    _prune(groups, least, values, limit - bound)
    improved = _improve(groups, bound, limit, price, count, reach, growth, stop)
    many = (bound + dearer) * (1 - 8 * _EPS)
    if many <= limit or improved == np.inf:
        return GroupBound(min(limit, many, improved), nothing, nothing)
    goes, stays = nothing.copy(), nothing.copy()
    for part, group in zip(parts, groups):
        goes[part], stays[part] = (group.kept == 0).all(axis=0), (group.kept == 1).all(axis=0)
    return GroupBound(min(limit, improved), goes, stays)


def _improve(
    groups: list[_Group], bound: float, limit: float, price: float, count: int, reach: np.ndarray,
    growth: np.ndarray, stop: Stop,
) -> float:  # fmt: skip
    """Improve multipliers and price by subgradient steps; every step is a bound, and all prune."""
    a = np.zeros((len(groups), len(reach)))
    best = since = bound
    for step in range(_STEPS):
        if any(not len(group.kept) for group in groups):
            return np.inf  # a group of which no small trimming is part of a good one
        if stop or (step % _PATIENCE == _PATIENCE - 1 and best - since <= _GAINED * limit):
            break
        if step % _PATIENCE == _PATIENCE - 1:
            since = best
        least, at, gone = np.empty(len(groups)), np.empty_like(a), 0
        values = []
        for g, group in enumerate(groups):
            value, z = _values(group, a[g], price, reach, growth)
            i = int(np.argmin(value))
            least[g], at[g] = value[i], z[i]
            gone += group.kept.shape[1] - int(group.kept[i].sum())
            values.append(value)
        bound = _total(least, price, count, a, reach)
        best = max(best, bound)
        slack = max(limit - bound, 0.0)
        _prune(groups, least, values, slack)
        apart = at - at.mean(axis=0)
        wrong = gone - count
        steepness = float((apart**2).sum()) + _OF_PRICE * wrong**2
        if not np.isfinite(bound) or steepness <= 1e-20:
            break
        length = _DAMPED * slack / steepness
        a = a + length * apart
        price = max(price + _OF_PRICE * length * wrong, 0.0)
    return best


def _prune(groups: list[_Group], least: np.ndarray, values: list[np.ndarray], slack: float) -> None:
    """Keep the trimmings whose bracket exceeds the least by no more than the slack, or rounding."""
    slack = max(slack, 0.0)
    for group, low, value in zip(groups, least, values):
        group.kept = group.kept[value <= low + slack + 8 * _EPS * (abs(low) + slack)]


def _total(least: np.ndarray, price: float, count: int, a: np.ndarray, reach: np.ndarray) -> float:
    """Return the bound from the groups' least brackets; what a do not sum up to 0 is given away."""
    rounded = 4 * _EPS * len(a)
    left = np.abs(a.sum(axis=0)) + rounded * np.abs(a).sum(axis=0)
    size = float(np.abs(least).sum()) + price * count
    return float(least.sum()) - price * count - float(left @ reach) - rounded * size


def _values(
    group: _Group, a: np.ndarray, price: float, reach: np.ndarray, growth: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each trimming what its bracket does not fall below (C,), and where (C, P).

    The bracket is a convex quadratic: at any coefficients its tangent plane, over all that are
    within reach, bounds it. Rounding is taken off.
    """
    X, y = group.X, group.y
    m, P = X.shape
    outer = (X[:, :, None] * X[:, None, :]).reshape(m, -1)
    unit = 16 * (P + m + 8) * _EPS
    value, where = np.empty(len(group.kept)), np.empty((len(group.kept), P))
    for first in range(0, len(value), _CHUNK):
        kept = group.kept[first : first + _CHUNK]
        matrix = (kept @ outer).reshape(-1, P, P)
        # As little as makes the matrix regular: the gradient below pays for it.
        matrix[:, np.arange(P), np.arange(P)] += 1e-10 * (1.0 + outer.sum(axis=0).max())
        z = np.linalg.solve(matrix, (kept @ (X * y[:, None]) - a / 2)[..., None])[..., 0]
        residual = kept * (y - z @ X.T)
        ends = reach + np.abs(z)
        size = np.abs(y) + ends @ growth.T @ np.abs(X).T
        lost = price * (m - kept.sum(axis=1))
        low = (residual**2).sum(axis=1) + z @ a + lost
        low -= (np.abs(a - 2 * residual @ X) * ends).sum(axis=1)
        low -= unit * ((size**2).sum(axis=1) + ends @ np.abs(a) + lost)
        value[first : first + _CHUNK] = np.where(np.isnan(low), -np.inf, low)
        where[first : first + _CHUNK] = z
    return value, where


def _trimmings(m: int, count: int, most: int) -> tuple[np.ndarray, int]:
    """Return what trimmings of few rows keep, shape (C, m), and the size of the smallest left."""
    sets, k = [np.ones((1, m))], 0
    total = 1
    while k < min(m, count) and total + comb(m, k + 1) <= most:
        k += 1
        total += comb(m, k)
        chosen = np.array(list(combinations(range(m), k)), dtype=np.intp)
        kept = np.ones((len(chosen), m))
        np.put_along_axis(kept, chosen, 0.0, axis=1)
        sets.append(kept)
    # A group that can lose no more than all, or than are to go, has no larger trimmings.
    return np.concatenate(sets), k + 1 if k < min(m, count) else m + count + 1


def _deal(X: np.ndarray, y: np.ndarray, out: np.ndarray) -> list[np.ndarray]:
    """Divide rows into groups that are alike, in squares and in the coefficients that fit best.

    The best coefficients of all rows are those of a group where the products of its rows kept and
    their residuals cancel. So rows are dealt from the largest residual on, one to each group in a
    round, in the way that makes these sums smallest.
    """
    n_groups = max(len(y) // max(_SIZE, _EACH * X.shape[1]), 1)
    pull = np.where(out, 0.0, y)[:, None] * X
    order = np.lexsort((-np.abs(y), ~out))
    sums, owner = np.zeros((n_groups, X.shape[1])), np.empty(len(y), dtype=np.intp)
    # Rows left out come first; the round that they leave unfinished is finished by rows kept.
    for first in range(0, len(y), n_groups):
        rows = order[first : first + n_groups]
        each, group = linear_sum_assignment(pull[rows] @ sums.T)
        owner[rows[each]] = group
        sums[group] += pull[rows[each]]
    return [np.flatnonzero(owner == g) for g in range(n_groups)]
