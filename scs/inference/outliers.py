"""Rows that do not belong: least trimmed squares with a certificate.

Where every row is a cluster of its own, an effect that may be anything takes the row out of the
loss, and a budget on effects is a number of rows to leave out (the paper's Section 5.4). As the
ridge on effects goes to 0 that is least trimmed squares (Rousseeuw 1984). The search keeps a ridge
so small that all it proves holds without one (`scs.inference.trimmed`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import floor
from typing import Any

import numpy as np

from scs.data.containers import refuse_other_rows
from scs.data.design import as_matrix, as_outcome
from scs.inference.trimmed import Proof, dependent, prove
from scs.moments.moments import INTERCEPT
from scs.solvers import Solution, check_budget
from scs.solvers.solution import Step, final_status, relative_gap

_STARTS, _KEPT, _FIRST_STEPS = 500, 10, 2  # of fast least trimmed squares


@dataclass(frozen=True, eq=False)
class Outliers:
    """Rows left out, the fit of the rest, and what is proved.

    Attributes
    ----------
    rows : ndarray of int
        Positions of the rows left out, sorted, the first row being 0. Fewer than asked for where
        leaving out more would gain nothing.
    beta : ndarray, shape (P,)
        Least squares on the rows kept, the intercept first where there is one.
    residuals : ndarray, shape (N,)
        y - X beta of all rows.
    trimmed_sum : float
        Sum of squares of the rows kept: the objective of least trimmed squares.
    solution : Solution
        The certificate of least trimmed squares itself: objective (the trimmed sum), bound, gap,
        status, and membership of every row ("in": every best trimming leaves it out). Its effects
        ``gamma`` are the residuals of the rows left out.
    """

    rows: np.ndarray
    beta: np.ndarray
    residuals: np.ndarray
    trimmed_sum: float
    solution: Solution

    @property
    def is_outlier(self) -> np.ndarray:
        """Whether each row is left out, shape (N,)."""
        mask = np.zeros(len(self.residuals), dtype=bool)
        mask[self.rows] = True
        return mask

    def __str__(self) -> str:
        rows = ", ".join(str(row) for row in self.rows)
        found = self.solution
        return (
            f"rows left out: {rows or 'none'} (the first row is 0)\n"
            f"objective {found.objective:.6g}, proved bound {found.bound:.6g}, gap {found.gap:.2g} "
            f"({found.status})"
        )


def detect_outliers(
    X: Any,
    y: Any,
    share: float | None = None,
    count: int | None = None,
    *,
    intercept: bool = True,
    ridge: float = 1e-4,
    gap: float = 1e-4,
    time_limit: float = 60.0,
    seed: int = 0,
) -> Outliers:
    """Find the rows to leave out so that the rest fits best, with a proved bound.

    Minimises over beta and at most ``count`` rows S the sum of squares of the others::

        sum_{i not in S} (y_i - x_i'beta)^2

    This is least trimmed squares: a row left out counts nothing, however far it lies.

    Parameters
    ----------
    X : array-like or data frame, shape (N, P)
    y : array-like, shape (N,)
    share : float
        Share of rows to leave out, in [0, 0.5); rounded down to a number of rows.
    count : int
        The number itself; pass one of the two.
    intercept : bool
        Add an intercept.
    ridge : float
        > 0; the largest weight that the search leaves on rows left out. It takes a smaller one
        where the proof needs it, so the answer does not depend on it.
    gap, time_limit, seed
        As in `scs.solve`.

    Returns
    -------
    Outliers

    Raises
    ------
    ValueError, TypeError
        Not exactly one of share and count; a count that leaves too few rows; bad rows; columns that
        are linearly dependent on the rows kept.

    Notes
    -----
    The certificate is about rows left out, not about what made them: with ``count`` given, that
    many rows are always left out, outliers or not. It gets hard as N and P grow, for no row has
    rows of its own cluster beside it, so that every direction of beta has to be boxed.

    References
    ----------
    Paper, Section 5.4; Rousseeuw (1984), Least median of squares regression; Rousseeuw and Van
    Driessen (2006), Computing LTS regression for large data sets.
    """
    started = time.perf_counter()
    refuse_other_rows(X=X, y=y)
    matrix, names = as_matrix(X, min_columns=0 if intercept else 1)
    outcome = as_outcome(y, len(matrix))
    n_rows = len(matrix)
    names = ((INTERCEPT,) if intercept else ()) + tuple(names)
    count = _check_count(share, count, n_rows, len(names))
    if not (isinstance(ridge, int | float) and 0 < ridge < np.inf):
        raise ValueError(f"ridge must be positive and finite, got {ridge!r}: try 1e-4.")
    units = _Units.of(matrix, outcome, intercept)
    full, target = units.apply(matrix, outcome)
    start = fast_trimming(full, target, count, seed=seed)
    proof = prove(
        full, target, count, start, ridge=ridge, gap=gap, seed=seed,
        time_limit=time_limit - (time.perf_counter() - started),
    )  # fmt: skip
    kept = np.ones(n_rows, dtype=bool)
    kept[proof.rows] = False
    alike = dependent(full[kept])
    if alike is not None:
        raise ValueError(
            f"count={count} leaves rows on which column {names[alike]!r} can be written with the "
            "other columns, so that its coefficient is not determined: pass a smaller count, or "
            "drop the column."
        )
    beta = np.linalg.lstsq(full[kept], target[kept], rcond=None)[0]
    residuals = (target - full @ beta) * units.size_y
    solution = _solution(proof, units, beta, residuals, n_rows, gap, started)
    return Outliers(proof.rows, solution.beta, residuals, solution.objective, solution)


@dataclass(frozen=True)
class _Units:
    """Origin and unit of each column in which half of the rows are of order 1."""

    origin_x: np.ndarray
    size_x: np.ndarray
    origin_y: float
    size_y: float
    intercept: bool

    @classmethod
    def of(cls, X: np.ndarray, y: np.ndarray, intercept: bool) -> _Units:
        columns = np.column_stack([X, y])
        origin = np.median(columns, axis=0) if intercept else np.zeros(columns.shape[1])
        size = np.median(np.abs(columns - origin), axis=0)
        # Half of the rows alike: the least that is not.
        for j in np.flatnonzero(size == 0):
            away = np.abs(columns[:, j] - origin[j])
            size[j] = away[away > 0].min(initial=np.inf)
        size[~np.isfinite(size)] = 1.0
        return cls(origin[:-1], size[:-1], float(origin[-1]), float(size[-1]), intercept)

    def apply(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scaled = (X - self.origin_x) / self.size_x
        if self.intercept:
            scaled = np.hstack([np.ones((len(X), 1)), scaled])
        target = (y - self.origin_y) / self.size_y
        if not (np.isfinite(scaled).all() and np.isfinite(target).all()):
            raise ValueError(
                "X or y spans more than the range of floating point: rescale it (divide each "
                "column by its largest value)."
            )
        return scaled, target

    def back(self, beta: np.ndarray) -> np.ndarray:
        """Return coefficients of the data as they came."""
        slopes = beta[int(self.intercept) :] * self.size_y / self.size_x
        if not self.intercept:
            return slopes
        first = beta[0] * self.size_y + self.origin_y - self.origin_x @ slopes
        return np.concatenate([[first], slopes])


def _solution(
    proof: Proof, units: _Units, beta: np.ndarray, residuals: np.ndarray, n_rows: int,
    gap: float, started: float,
) -> Solution:  # fmt: skip
    """Put what is proved into the units of the data."""
    unit = units.size_y**2
    gamma = np.zeros(n_rows)
    gamma[proof.rows] = residuals[proof.rows]
    value, bound = proof.value * unit, proof.bound * unit
    reached = relative_gap(value, bound)
    explained = (proof.nothing - proof.value) * unit
    left = value - bound
    history = [
        Step(step.seconds, step.objective * unit, step.bound * unit, step.nodes, step.cuts)
        for step in proof.history
    ]
    return Solution(
        beta=units.back(beta),
        gamma=gamma,
        support=proof.rows,
        labels=np.arange(n_rows),
        objective=value,
        bound=bound,
        gap=reached,
        selection_gap=0.0 if left <= 0 else left / explained if explained > 0 else np.inf,
        membership=proof.membership,
        status=final_status(proof.status, reached, gap),
        method=proof.method,
        seconds=time.perf_counter() - started,
        nodes=proof.nodes,
        history=tuple(history),
    )


def fast_trimming(X: np.ndarray, y: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """Return ``count`` rows to leave out by the heuristic of fast least trimmed squares.

    Lines through random subsets of as many rows as coefficients; from each, fit the rows that lie
    nearest and repeat (concentration steps); the best few to the end.

    References
    ----------
    Rousseeuw and Van Driessen (2006).
    """
    n_rows, n_columns = X.shape
    if count == 0:
        return np.zeros(0, dtype=np.intp)
    rng = np.random.default_rng(seed)
    n_kept = n_rows - count

    def step(beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        square = (y - X @ beta) ** 2
        near = np.argpartition(square, n_kept - 1)[:n_kept]
        beta = np.linalg.lstsq(X[near], y[near], rcond=None)[0]
        return float(np.sum((y[near] - X[near] @ beta) ** 2)), beta, near

    found = []
    for _ in range(_STARTS):
        few = rng.choice(n_rows, size=min(n_columns, n_rows), replace=False)
        beta = np.linalg.lstsq(X[few], y[few], rcond=None)[0]
        for _ in range(_FIRST_STEPS):
            value, beta, near = step(beta)
        found.append((value, beta, near))
    found.sort(key=lambda each: each[0])
    best = found[0]
    for value, beta, near in found[:_KEPT]:
        while True:
            after = step(beta)
            if after[0] >= value * (1 - 1e-12):
                break
            value, beta, near = after
        if value < best[0]:
            best = (value, beta, near)
    return np.setdiff1d(np.arange(n_rows), best[2])


def _check_count(share: float | None, count: int | None, n_rows: int, n_columns: int) -> int:
    if (share is None) == (count is None):
        raise ValueError("share and count: pass exactly one of them, for example share=0.1.")
    if share is not None:
        if not (isinstance(share, int | float) and 0 <= share < 0.5):
            raise ValueError(f"share must lie in [0, 0.5), got {share!r}: try 0.1.")
        count = floor(share * n_rows + 1e-9)
    assert count is not None  # one of the two is given
    count = check_budget(count, "count", "rows")
    if n_rows - count <= n_columns:
        raise ValueError(
            f"count={count} leaves {n_rows - count} of {n_rows} rows for {n_columns} coefficients: "
            "pass less, so that more rows than coefficients are left."
        )
    return count
