"""Rows that do not belong: least trimmed squares with a certificate.

Where every row is a cluster of its own, an effect that may be anything takes the row out of the
loss, and a budget on effects is a number of rows to leave out (the paper's Section 5.4). That is
least trimmed squares (Rousseeuw 1984), up to the ridge: a row left out keeps the small weight
ridge / (1 + ridge).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Any

import numpy as np

from scs.design import as_matrix, as_outcome
from scs.moments import Moments
from scs.solvers import Solution, check_budget, solve

_STARTS, _KEPT, _FIRST_STEPS = 500, 10, 2  # of fast least trimmed squares


@dataclass(frozen=True, eq=False)
class Outliers:
    """Rows left out, the fit of the rest, and what is proved.

    Attributes
    ----------
    rows : ndarray of int
        Positions of the rows left out, sorted, the first row being 0.
    beta : ndarray, shape (P,)
        Least squares on the rows kept, the intercept first where there is one.
    residuals : ndarray, shape (N,)
        y - X beta of all rows.
    trimmed_sum : float
        Sum of squares of the rows kept: the objective of least trimmed squares.
    solution : Solution
        With objective, bound, gap and membership of every row. Its objective also counts each row
        left out, with weight ridge / (1 + ridge).
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
    """Leave out the rows without which the rest fits best, with a proved bound.

    Minimises over beta and at most ``count`` rows S::

        sum_{i not in S} (y_i - x_i'beta)^2
            + ridge / (1 + ridge) sum_{i in S} (y_i - x_i'beta)^2

    This is Eq. 5 with a cluster for every row, and least trimmed squares as the ridge goes to 0.

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
        > 0; the smaller, the nearer to trimming, and the harder the proof.
    gap, time_limit, seed
        As in `scs.solve`.

    Returns
    -------
    Outliers

    Raises
    ------
    ValueError, TypeError
        Not exactly one of share and count; a count that leaves too few rows; bad rows.

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
    matrix, _ = as_matrix(X, min_columns=0 if intercept else 1)
    outcome = as_outcome(y, len(matrix))
    n_rows = len(matrix)
    full = np.hstack([np.ones((n_rows, 1)), matrix]) if intercept else matrix
    count = _check_count(share, count, n_rows, full.shape[1])
    moments = Moments.from_arrays(matrix, outcome, np.arange(n_rows), intercept=intercept)
    start = fast_trimming(full, outcome, count, seed=seed)
    solution = solve(
        moments,
        count,
        ridge=ridge,
        ridge_fixed=0.0,
        gap=gap,
        time_limit=time_limit,
        seed=seed,
        start=start,
    )
    kept = np.ones(n_rows, dtype=bool)
    kept[solution.support] = False
    beta = np.linalg.lstsq(full[kept], outcome[kept], rcond=None)[0]
    residuals = outcome - full @ beta
    total = float(residuals[kept] @ residuals[kept])
    return Outliers(solution.support, beta, residuals, total, solution)


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
    count = check_budget(count)
    if n_rows - count <= n_columns:
        raise ValueError(
            f"count={count} leaves {n_rows - count} of {n_rows} rows for {n_columns} coefficients: "
            "pass less, so that more rows than coefficients are left."
        )
    return count
