"""The proof behind `scs.detect_outliers`: what a search with a ridge says of one without.

With a ridge mu on effects a row left out keeps the weight m = mu / (1 + mu). For every set S of
rows left out the sum with weights, least over beta, is at least B (the search's bound), so

    trimmed sum of S  >=  B - m R(S),      R(S) the squares of S at the coefficients that trim best.

`scs.inference.elemental` bounds R(S) over all trimmings that are as good as the best known, and mu
is chosen so small that m R is a small part of the gap asked for. It also says where the
coefficients of these trimmings lie, which replaces the ellipsoid that a small ridge makes far too
wide; and which rows they all leave out: far rows, as a rule, which then never meet the arithmetic
of the search. Before it `scs.inference.groups` bounds the problem, so that little is left open
where the search has to stop early.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import comb

import numpy as np
from scipy.linalg import eigh, qr

from scs.inference.elemental import Region, good_region
from scs.inference.groups import GroupBound, bound_by_groups
from scs.moments.moments import Moments
from scs.problem.objective import Problem
from scs.solvers.exact import Known, exact
from scs.solvers.solution import Step
from scs.solvers.stop import Stop

_EPS = np.finfo(float).eps
_FAMILIES, _MOST = 200, 20_000  # of subsets, and subsets in all: each family proves something
_SHARE = 0.3  # of the gap asked for that the ridge may take
_LEAST_RIDGE = 1e-18
_FINEST_GAP = 1e-10
_DEPENDENT = 1e-10  # relative size of a pivot that is rounding
_FEW = 20_000  # trimmings that can be tried one by one
_ROOT_SHARE = 0.5  # of the time that the bound by groups may take
_TIME_SHARE = 0.3  # of the time left that subsets may take, and no family is begun after


@dataclass(frozen=True, eq=False)
class Proof:
    """A trimming and what is proved of all others.

    Attributes
    ----------
    rows : ndarray of int
        Left out.
    value, bound : float
        The trimmed sum; what no trimming of as many rows falls below.
    nothing : float
        The sum of squares where no row is left out.
    membership : ndarray of str, shape (N,)
        Of every best trimming: the row is left out by it ("in"), kept ("out"), or "open".
    status, method : str
    nodes : int
    history : tuple of Step
    """

    rows: np.ndarray
    value: float
    bound: float
    nothing: float
    membership: np.ndarray
    status: str
    method: str
    nodes: int = 0
    history: tuple[Step, ...] = field(default=())


def dependent(X: np.ndarray) -> int | None:
    """Return a column of X that can be written with the others, or None."""
    sizes = np.linalg.norm(X, axis=0)
    if (sizes == 0).any():
        return int(np.argmin(sizes))
    triangle, pivots = qr(X / sizes, mode="r", pivoting=True)
    last = np.abs(np.diag(triangle))[-1]
    return int(pivots[-1]) if last <= _DEPENDENT else None


def prove(
    X: np.ndarray,
    y: np.ndarray,
    count: int,
    start: np.ndarray,
    *,
    ridge: float,
    gap: float,
    time_limit: float,
    seed: int,
) -> Proof:
    """Find the best rows to leave out, beginning with ``start``, and prove it as far as time goes.

    Parameters
    ----------
    X, y : ndarray (N, P), ndarray (N,)
        In units in which most rows are of order 1.
    count : int
        Rows to leave out, with N - count > P.
    start : ndarray of int
    ridge : float
        The largest to search with.
    gap, time_limit, seed
        As in `scs.solve`.

    Returns
    -------
    Proof
    """
    began = time.perf_counter()
    n_rows = len(y)
    nothing = _Trimming.of(X, y, np.zeros(0, dtype=np.intp)).value
    membership = np.full(n_rows, "open", dtype="<U4")
    best = _Trimming.of(X, y, start)
    if best.value <= best.margin:  # the rows kept lie on a plane: nothing is better
        return Proof(best.rows, 0.0, 0.0, nothing, membership, "optimal", _METHOD)
    if count == 0:
        membership[:] = "out"
        bound = best.value - best.margin
        return Proof(best.rows, best.value, bound, nothing, membership, "optimal", _METHOD)
    with Stop(_TIME_SHARE * time_limit) as stop:
        gone, region, frame = _narrow(X, y, count, best, stop, seed)
    membership[gone] = "in"
    left = np.setdiff1d(np.arange(n_rows), gone)
    if len(gone) == count:
        membership[left] = "out"
        bound = best.value - best.margin
        return Proof(best.rows, best.value, bound, nothing, membership, "optimal", _METHOD)
    with Stop(_ROOT_SHARE * time_limit) as stop:
        root = _root(frame, left, best, region, stop)
    membership[left[root.stays]] = "out"
    gone = np.union1d(gone, left[root.goes & np.isin(left, best.rows)])
    membership[gone] = "in"
    left = np.setdiff1d(np.arange(n_rows), gone)
    if len(gone) == count:
        membership[left] = "out"
        bound = best.value - best.margin
        return Proof(best.rows, best.value, bound, nothing, membership, "optimal", _METHOD)
    proof = _search(
        frame, left, count - len(gone), best, region,
        ridge=ridge, gap=gap, seed=seed, stop=stop,
        time_limit=max(time_limit - (time.perf_counter() - began), 1e-3),
    )  # fmt: skip
    stopped = proof.status in ("time_limit", "interrupted")
    if not stopped and comb(len(left), count - len(gone)) <= _FEW:
        gap_left = 1.0 - min(max(proof.bound, root.bound), best.value) / best.value
        if gap_left > gap:  # rounding, or rows too far apart: few trimmings are tried one by one
            return _all(X, y, count, gone, left, nothing)
    rows = np.sort(np.concatenate([gone, left[proof.rows]]))
    found = _Trimming.of(X, y, rows)
    if found.value > best.value:  # better with the ridge alone, or for the search's rounding
        found = best
    membership[left] = np.where(proof.membership == "open", membership[left], proof.membership)
    # A best trimming was found, so what it does is what all do, or nothing is proved.
    is_out = np.isin(np.arange(n_rows), found.rows)
    membership[is_out & (membership == "out")] = "open"
    membership[~is_out & (membership == "in")] = "open"
    proved = max(proof.bound, root.bound)
    bound = max(min(proved, found.value) - max(best.margin, found.margin), 0.0)
    history = tuple(
        replace(step, bound=max(step.bound, min(root.bound, step.objective)))
        for step in proof.history
    )
    return Proof(
        found.rows, found.value, bound, nothing, membership, proof.status, proof.method,
        proof.nodes, history,
    )  # fmt: skip


_METHOD = "exact (least trimmed squares)"
_ONE_BY_ONE = "exact (least trimmed squares, every trimming tried)"
_TOO_MANY = "exact (least trimmed squares; too many subsets to prove anything)"
_TOO_FAR = "exact (least trimmed squares; rows too far apart to prove anything)"


@dataclass(frozen=True, eq=False)
class _Trimming:
    """Rows left out, the fit of the others, and what rounding may hide of its sum of squares."""

    rows: np.ndarray
    beta: np.ndarray
    value: float
    margin: float

    @classmethod
    def of(cls, X: np.ndarray, y: np.ndarray, rows: np.ndarray) -> _Trimming:
        kept = np.ones(len(y), dtype=bool)
        kept[rows] = False
        sizes = np.linalg.norm(X[kept], axis=0)
        sizes[sizes == 0] = 1.0
        beta = np.linalg.lstsq(X[kept] / sizes, y[kept], rcond=None)[0] / sizes
        value = float(np.sum((y[kept] - X[kept] @ beta) ** 2))
        terms = np.abs(y[kept]) + np.abs(X[kept]) @ np.abs(beta)
        error = 16.0 * (X.shape[1] + 2) * _EPS * float(np.linalg.norm(terms))
        margin = 2.0 * np.sqrt(value) * error + error**2
        return cls(np.sort(rows), beta, value, margin)


def _all(
    X: np.ndarray, y: np.ndarray, count: int, gone: np.ndarray, left: np.ndarray, nothing: float
) -> Proof:
    """Fit without each set of rows that can be the best; each fit is as exact as least squares."""
    fits = [
        _Trimming.of(X, y, np.concatenate([gone, rows]).astype(np.intp))
        for rows in combinations(left, count - len(gone))
    ]
    best = min(fits, key=lambda fit: fit.value)
    good = [fit.rows for fit in fits if fit.value - fit.margin <= best.value + best.margin]
    times = np.bincount(np.concatenate(good), minlength=len(y))
    membership = np.full(len(y), "open", dtype="<U4")
    membership[times == len(good)], membership[times == 0] = "in", "out"
    bound = max(min(fit.value - fit.margin for fit in fits), 0.0)
    return Proof(
        best.rows, best.value, bound, nothing, membership, "optimal", _ONE_BY_ONE, len(fits)
    )


@dataclass(frozen=True, eq=False)
class _Frame:
    """Rows in coordinates in which those kept are orthonormal, about the best fit."""

    X: np.ndarray
    y: np.ndarray
    growth: np.ndarray  # (P, P): of the rounding that the coordinates bring, see `bound_by_groups`

    @classmethod
    def about(cls, X: np.ndarray, y: np.ndarray, best: _Trimming) -> _Frame:
        kept = np.ones(len(y), dtype=bool)
        kept[best.rows] = False
        residual = y - X @ best.beta
        if dependent(X[kept]) is not None:
            one = np.eye(X.shape[1])
            return cls(X / np.maximum(np.abs(X).max(axis=0), 1e-300), residual, one)
        sizes = np.linalg.norm(X[kept], axis=0)
        triangle = qr(X[kept] / sizes, mode="economic")[1]
        scaled = np.linalg.solve(triangle.T, (X / sizes).T).T
        growth = np.abs(triangle) @ np.abs(np.linalg.inv(triangle))
        return cls(scaled * np.sqrt(kept.sum()), residual, growth)


def _narrow(
    X: np.ndarray, y: np.ndarray, count: int, best: _Trimming, stop: Stop, seed: int
) -> tuple[np.ndarray, list[Region], _Frame]:
    """Return rows that every good trimming leaves out, where its coefficients lie, and the frame.

    The fewer rows are left to go, the more each family proves: it is begun again until none goes.
    """
    rng = np.random.default_rng(seed)
    frame = _Frame.about(X, y, best)
    gone = np.zeros(0, dtype=np.intp)
    regions: list[Region] = []
    limit = best.value + best.margin
    while len(gone) < count:
        left = np.setdiff1d(np.arange(len(y)), gone)
        regions, n_subsets, goes = [], 0, np.zeros(len(left), dtype=bool)
        for _ in range(_FAMILIES):
            region = good_region(frame.X[left], frame.y[left], count - len(gone), limit, rng)
            if region is None:
                break
            regions.append(region)
            goes |= region.must_go
            n_subsets += region.n_subsets
            if stop or n_subsets > _MOST:
                break
        goes &= np.isin(left, best.rows)  # nothing else can be proved of a trimming that is good
        if not goes.any() or stop:
            break
        gone = np.union1d(gone, left[goes])
    return gone, regions, frame


def _root(
    frame: _Frame, left: np.ndarray, best: _Trimming, regions: list[Region], stop: Stop
) -> GroupBound:
    """Return what small groups of rows prove before the search: most of it, where that is hard."""
    nothing = np.zeros(len(left), dtype=bool)
    if not regions:
        return GroupBound(0.0, nothing, nothing)
    each = np.eye(frame.X.shape[1])
    ends = [region.ends(each, np.zeros(len(each))) for region in regions]
    low, high = np.max([end[0] for end in ends], axis=0), np.min([end[1] for end in ends], axis=0)
    rows = np.flatnonzero(np.isin(left, best.rows))
    limit = best.value + best.margin
    reach = np.maximum(np.abs(low), np.abs(high))
    return bound_by_groups(frame.X[left], frame.y[left], rows, limit, reach, frame.growth, stop)


def _search(
    frame: _Frame, left: np.ndarray, count: int, best: _Trimming, regions: list[Region], *,
    ridge: float, gap: float, seed: int, stop: Stop, time_limit: float,
) -> Proof:  # fmt: skip
    """Search among the rows left, with a ridge that is small enough; say what holds without."""
    X, y = frame.X[left], frame.y[left]
    start = np.flatnonzero(np.isin(left, best.rows))
    rest = min((region.left_out for region in regions), default=np.inf)
    wanted = _SHARE * max(gap, _FINEST_GAP) * best.value / max(rest, 1e-300)
    mu = ridge if not regions else float(np.clip(wanted, _LEAST_RIDGE, ridge))
    lost = mu / (1.0 + mu) * rest * (1.0 + 1e-9) if regions else np.inf
    try:
        moments = Moments.from_arrays(X, y, np.arange(len(y)))
        problem = Problem.from_moments(moments, ridge=mu, ridge_fixed=0.0)
        known = Known(*_own_box(problem, X, start, regions), 2.0 * lost) if regions else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a gap that nobody asked for
            found = exact(
                moments,
                problem,
                count,
                gap=(1.0 - 2.0 * _SHARE) * gap,
                time_limit=time_limit,
                seed=seed,
                start=start,
                known=known,
            )
    except (ValueError, np.linalg.LinAlgError):
        # A row so far out that beside it the others are rounding, and may not be left out.
        return _unproved(left, start, "heuristic", _TOO_FAR)
    status = "interrupted" if stop.interrupted else found.status
    if not regions:
        status = "heuristic" if status == "optimal" else status
        return _unproved(left, found.support, status, _TOO_MANY)
    history = tuple(
        Step(step.seconds, step.objective, max(step.bound - lost, 0.0), step.nodes, step.cuts)
        for step in found.history
    )
    bound = max(found.bound - lost, 0.0)
    return Proof(
        found.support, np.nan, bound, 0.0, found.membership, status, _METHOD, found.nodes, history
    )


def _own_box(
    problem: Problem, X: np.ndarray, start: np.ndarray, regions: list[Region]
) -> tuple[Callable, np.ndarray]:
    """Return the ends of what the regions leave, and the axes to box along.

    The problem may have coordinates of its own: ``back`` takes its coefficients to ours. Boxes lie
    along the axes of the ellipsoid of the rows kept, which is long where they say little.
    """
    back = np.linalg.lstsq(X, problem.x, rcond=None)[0]
    kept = np.delete(problem.x, start, axis=0)
    basis = eigh(kept.T @ kept, problem.x.T @ problem.x)[1]

    def ends(directions: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ours = np.linalg.solve(back.T, directions.T).T
        low, high = zip(*(region.ends(ours, back @ origin) for region in regions))
        return np.max(low, axis=0), np.min(high, axis=0)

    return ends, basis


def _unproved(left: np.ndarray, rows: np.ndarray, status: str, method: str) -> Proof:
    """Return rows found of which nothing is proved."""
    membership = np.full(len(left), "open", dtype="<U4")
    return Proof(rows, np.nan, 0.0, 0.0, membership, status, method)
