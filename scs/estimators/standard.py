"""The rows of a user's own fit in columns without units, and its answer in the user's units again.

With no ridge on the coefficients Eq. 5 sees the span of the columns only. So the doors for users'
data hand the solver an orthonormal basis of it, about the means: no digit is lost to a far origin,
to large units or to columns that are nearly alike. Random slopes have a ridge: see `SlopeScale`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from scs.data.design import Design, DesignWarning
from scs.data.rank import (
    Rank,
    column_means,
    rank_of_rows,
    refuse_outcome,
    refuse_sizes,
    unit_columns,
)
from scs.solvers import Solution


@dataclass(frozen=True, eq=False)
class Standard:
    """How the columns of a design become those that are solved in.

    Attributes
    ----------
    rank : Rank
        What is kept.
    origin : ndarray, shape (R,)
        Means of the columns kept; 0 without an intercept.
    transform : ndarray, shape (R, R), or None
        From columns kept, about their origin, to those solved in; None: as they are, with a ridge
        on the coefficients, which sees units.
    """

    rank: Rank
    origin: np.ndarray
    transform: np.ndarray | None

    @classmethod
    def of(cls, design: Design, *, intercept: bool, ridge_fixed: float | None) -> Standard:
        """Decide from the rows which columns are kept; say once which are not.

        Raises
        ------
        ValueError
            The squares of the outcome or of a column leave the range of floating point; without a
            ridge: no column is left, or as many coefficients as rows.
        """
        X, names = design.X, design.names
        refuse_outcome(design.y, intercept=intercept)
        if ridge_fixed != 0 or not names:  # what is no number the solver refuses
            refuse_sizes(unit_columns(X, column_means(X) if intercept else None)[1], names)
            rank = Rank(names, np.arange(len(names)), {}, intercept)
            return cls(rank, np.zeros(len(names)), None)
        rank = rank_of_rows(X, names, intercept=intercept)
        rank.check(design.n_rows)
        if rank.dropped:
            warnings.warn(rank.note(), DesignWarning, stacklevel=3)
        kept = X[:, rank.kept]
        origin = kept.mean(axis=0) if intercept else np.zeros(kept.shape[1])
        columns, size, _ = unit_columns(kept, origin if intercept else None)
        factor = np.linalg.qr(columns, mode="r")
        inverse = solve_triangular(factor, np.eye(len(factor)))
        return cls(rank, origin, np.sqrt(len(X)) * inverse / size[:, None])

    def kept(self, design: Design) -> Design:
        """Return the design without the columns left out, in the user's units."""
        names = tuple(design.names[j] for j in self.rank.kept)
        return replace(design, X=design.X[:, self.rank.kept], names=names)

    def design(self, design: Design) -> Design:
        """Return the design in the columns to solve in."""
        if self.transform is None:
            return design
        return replace(self.kept(design), X=self._columns(design.X))

    def rows(self, X: np.ndarray) -> np.ndarray:
        """Return rows of the user's columns in those solved in, that of the intercept first."""
        columns = self._columns(X)
        return np.column_stack([np.ones(len(X)), columns]) if self.rank.intercept else columns

    def _columns(self, X: np.ndarray) -> np.ndarray:
        if self.transform is None:
            return X
        return (X[:, self.rank.kept] - self.origin) @ self.transform

    def solution(self, solution: Solution) -> Solution:
        """Return a solution with the coefficients of the user's columns."""
        if self.transform is None:
            return solution
        first = int(self.rank.intercept)
        slopes = self.transform @ solution.beta[first:]
        level = solution.beta[:first] - self.origin @ slopes
        beta = np.concatenate([level[:first], slopes])
        return replace(solution, beta=self.rank.expand(beta))

    def covariance(self, covariance: np.ndarray, untold: np.ndarray) -> np.ndarray:
        """Return the covariance of the coefficients of the user's columns.

        NaN for columns left out, and for coefficients that nothing tells.

        Parameters
        ----------
        covariance : ndarray, shape (P, P)
            Of the coefficients solved for.
        untold : ndarray, shape (P, number of directions)
            Directions of theirs that nothing tells.
        """
        if self.transform is None:
            return _blank(covariance, untold, np.ones(len(covariance)))
        first = int(self.rank.intercept)
        back = np.zeros((first + len(self.origin), first + self.transform.shape[1]))
        back[first:, first:] = self.transform
        back[:first, :first] = 1.0
        back[:first, first:] = -self.origin @ self.transform
        kept = self.rank.expand(np.arange(len(back), dtype=float))
        there = ~np.isnan(kept)
        found = np.full((len(kept), len(kept)), np.nan)
        reach = np.linalg.norm(back, axis=1)
        found[np.ix_(there, there)] = _blank(back @ covariance @ back.T, back @ untold, reach)
        return found


def slope_positions(random: Any, names: tuple[str, ...]) -> list[int]:
    """Return the positions of the columns with random slopes.

    Parameters
    ----------
    random : sequence of column names or positions, or None
    names : tuple of str
        Of all columns.
    """
    if random is None:
        return []
    if isinstance(random, str) or not isinstance(random, Iterable):
        raise TypeError(f"random must be a list of columns, got {random!r}: pass [{random!r}].")
    found = []
    for column in random:
        if column in names:
            found.append(names.index(column))
        elif isinstance(column, Integral) and 0 <= int(column) < len(names):
            found.append(int(column))
        else:
            raise ValueError(
                f"random names column {column!r}, which X does not have: choose among "
                f"{', '.join(names[:12])}."
            )
    return found


def _blank(covariance: np.ndarray, untold: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Return a covariance with NaN for the coefficients that have a part in what is not told.

    ``reach`` is how far each coefficient moves per unit of what is solved for: its own unit.
    """
    found = covariance.copy()
    there = np.abs(untold).max(axis=1, initial=0.0) > 1e-8 * reach
    found[there] = found[:, there] = np.nan
    return found
