"""What is asked of the columns and ridges of Eq. 5 before it is solved, and how it is refused."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dpstrf

from scs.data.design import DesignWarning
from scs.problem.coordinates import Triangle, triangulate

if TYPE_CHECKING:
    from scs.problem.objective import Problem

# Ridges and squares between these leave room for all products that the solvers form.
_RIDGES = (1e-100, 1e100)
_SQUARES = (1e-150, 1e150)
_RESCALE = (
    "X or y is of a size whose squares leave the range of floating point: rescale it "
    "(divide each column by its largest value)."
)
HOPELESS = (
    "X has columns so far from zero, or so near to each other, that rounding leaves nothing of "
    "their differences: centre or drop columns, or take a larger ridge and ridge_fixed."
)


def check_ridge(value: float, name: str, *, zero: bool) -> float:
    """Return a ridge as a float, or say what is wrong with it."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}: pass for example 1.0.") from None
    if not (np.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be finite and not negative, got {value!r}: try 1.0.")
    if number == 0 and not zero:
        raise ValueError(
            f"{name} must be positive, got 0: Eq. 6 needs it. A small value (1e-4) leaves the "
            "effects almost unshrunken."
        )
    if number and not _RIDGES[0] <= number <= _RIDGES[1]:
        raise ValueError(
            f"{name} must lie between {_RIDGES[0]:g} and {_RIDGES[1]:g}, got {value!r}: products "
            "with it leave the range of floating point. Try 1.0."
        )
    return number


def check_columns(problem: Problem) -> Triangle:
    """Refuse dependent columns that carry no ridge; warn of identical and constant ones."""
    with np.errstate(over="ignore", invalid="ignore"):
        matrix = problem.within_xx + problem.x.T @ (problem.x * problem.n[:, None])
        squares = np.append(np.diag(matrix), problem.total)
    least, most = _SQUARES
    in_range = (squares == 0) | ((squares >= least) & (squares <= most))
    if not (in_range.all() and np.isfinite(matrix).all()) or problem.total == 0 < abs(
        problem.y
    ).max(initial=0.0):
        raise ValueError(_RESCALE)
    sizes = np.sqrt(np.diag(matrix))
    if (problem.penalty[sizes == 0] == 0).any():
        raise ValueError(dependent_message(problem, matrix))
    found = triangulate(
        problem.n, problem.x, problem.within_xx, matrix, problem.penalty, problem.origin_x
    )
    if found.rank < len(sizes) and not problem.penalty.any():
        raise ValueError(dependent_message(problem, matrix, found))
    sizes[sizes == 0] = 1.0
    cosine = matrix / np.outer(sizes, sizes)
    near = np.abs(cosine) > 1 - 1e-12
    twins = np.argwhere(np.triu(near, k=1)) if np.count_nonzero(near) > len(near) else ()
    for i, j in twins:
        apart = problem.within_xx[i, i] + problem.within_xx[j, j] - 2 * problem.within_xx[i, j]
        apart += problem.n @ (problem.x[:, i] - problem.x[:, j]) ** 2
        if apart <= 1e-18 * matrix[i, i]:
            warnings.warn(
                f"columns {problem.names[i]!r} and {problem.names[j]!r} are identical: the ridge "
                "splits their coefficient evenly. Drop one of them to read it.",
                DesignWarning,
                stacklevel=4,
            )
    if problem.origin_x.any() or problem.origin_y:
        flat = np.diag(matrix)[1:] <= 1e-20 * problem.n.sum() * problem.origin_x[1:] ** 2
        for j in np.flatnonzero(flat) + 1:
            warnings.warn(
                f"column {problem.names[j]!r} is constant, as the intercept is: its coefficient "
                "is 0. Drop it, or fit without an intercept.",
                DesignWarning,
                stacklevel=4,
            )
    return found


def dependent_message(problem: Problem, matrix: np.ndarray, found: Triangle | None = None) -> str:
    """Name the columns that a pivoted factorisation of the Gram matrix leaves over."""
    sizes = np.sqrt(np.maximum(np.diag(matrix), 0))
    sizes[sizes == 0] = 1.0
    _, pivots, rank, _ = dpstrf(matrix / np.outer(sizes, sizes), tol=1e-12)
    left_over = sorted(pivots[rank:] - 1)
    if not left_over and found is not None:
        left_over = sorted(found.order[found.rank :])
    left_over = left_over or [int(np.argmin(np.diag(matrix)))]
    columns = ", ".join(repr(problem.names[j]) for j in left_over)
    return (
        f"X has linearly dependent columns and no ridge that could choose between them: {columns} "
        "can be written with the others. Drop these columns, or set ridge_fixed > 0."
    )
