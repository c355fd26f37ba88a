"""Which columns the others determine: one decision, whatever their units, origins and row order.

Columns are compared as they lie about their means (where there is an intercept) and at length one.
In the order given, a column whose part outside the span of those kept before it is no longer than
a tolerance is left out, so that the first of a dependent set stays, as in R's lm. What the
rounding of the numbers themselves can leave over counts as nothing: a column far from zero has
fewer digits about its mean than one near it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_triangular

DIGITS = 8 * np.finfo(float).eps  # what rounding of the numbers themselves may change
FROM_ROWS = 1e-7  # what must be left of a column of length one; that of lm
_SQUARES = (1e-150, 1e150)  # of columns; solvers form products of several
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Rank:
    """Which columns are kept, in order, and what determines the others.

    Attributes
    ----------
    names : tuple of str, length P
        All columns, without the intercept.
    kept : ndarray of int
        Sorted positions.
    dropped : dict of int to tuple of int
        Position of a column left out, and of those kept that determine it: none where it is
        constant beside an intercept, or zero.
    intercept : bool
        Whether there is one beside these columns.
    """

    names: tuple[str, ...]
    kept: np.ndarray
    dropped: dict[int, tuple[int, ...]]
    intercept: bool

    @property
    def n_coefficients(self) -> int:
        """Coefficients that the columns determine, that of an intercept included."""
        return len(self.kept) + self.intercept

    def note(self) -> str:
        """Name the columns left out and what determines them, in one line."""
        stories = [self._story(j, on) for j, on in list(self.dropped.items())[: 2 * _SHOWN]]
        if len(self.dropped) > 2 * _SHOWN:
            stories.append(f"and {len(self.dropped) - 2 * _SHOWN} more")
        return (
            "columns that say nothing new are left out, without a coefficient (NaN): "
            f"{'; '.join(stories)}. No fitted value changes by that; a ridge_fixed above 0 would "
            "keep them all."
        )

    def _story(self, j: int, on: tuple[int, ...]) -> str:
        if not on:
            return f"column {self.names[j]!r} is {'constant' if self.intercept else 'zero'}"
        shown = ", ".join(repr(self.names[i]) for i in on[:_SHOWN])
        more = f" and {len(on) - _SHOWN} more" if len(on) > _SHOWN else ""
        return f"column {self.names[j]!r} depends on {shown}{more}"

    def check(self, n_rows: int) -> None:
        """Refuse no coefficient, and as many as rows, which fit whatever the outcome is.

        Raises
        ------
        ValueError
            No column is left, or no degree of freedom.
        """
        if not self.n_coefficients:
            raise ValueError(
                "X holds zeros alone and there is no intercept: pass a column that varies, or add "
                "an intercept."
            )
        if len(self.kept) and self.n_coefficients >= n_rows:
            constant = ", the intercept included," if self.intercept else ""
            raise ValueError(
                f"X has {self.n_coefficients} independent columns{constant} but n_samples={n_rows} "
                "rows, so that they fit any outcome: leave out columns, or set ridge_fixed above 0 "
                "(--ridge-fixed 1)."
            )

    def first(self, n_coefficients: int) -> Rank:
        """Return the rank with no more coefficients than that, the later columns left out."""
        most = max(n_coefficients - self.intercept, 0)
        return replace(
            self,
            kept=self.kept[:most],
            dropped=self.dropped | {int(j): () for j in self.kept[most:]},
        )

    def expand(self, beta: np.ndarray) -> np.ndarray:
        """Return coefficients of all columns, NaN for those left out.

        Parameters
        ----------
        beta : ndarray, shape (..., n_coefficients)
            The intercept first where there is one.
        """
        first = int(self.intercept)
        full = np.full((*beta.shape[:-1], first + len(self.names)), np.nan)
        full[..., :first] = beta[..., :first]
        full[..., first + self.kept] = beta[..., first:]
        return full


def rank_of_rows(X: np.ndarray, names: tuple[str, ...], *, intercept: bool) -> Rank:
    """Decide from the rows.

    Parameters
    ----------
    X : ndarray, shape (N, P)
        Without a column for the intercept.
    names : tuple of str, length P
    intercept : bool

    Raises
    ------
    ValueError
        The squares of a column leave the range of floating point.
    """
    columns, size, noise = unit_columns(X, X.mean(axis=0) if intercept else None)
    refuse_sizes(size, names)
    factor = np.asarray(np.linalg.qr(columns, mode="r")) if X.shape[1] else columns
    kept, dropped = independent(factor, np.where(size > 0, noise, np.inf), FROM_ROWS)
    return Rank(names, kept, dropped, intercept)


def unit_columns(
    X: np.ndarray, origin: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return columns about an origin at length one, their lengths, and what rounding hides there.

    A column that is constant up to rounding becomes 0, of length 0.
    """
    columns = X - origin if origin is not None else X.astype(float)
    far, reach = (np.abs(table).max(axis=0, initial=0.0) for table in (X, columns))
    flat = reach <= DIGITS * far
    reach = np.where(flat, 1.0, reach)
    columns = np.where(flat, 0.0, columns / reach)  # first by the largest: squares stay in range
    length = np.sqrt(np.sum(columns**2, axis=0))
    columns /= np.where(flat, 1.0, length)
    size = np.where(flat, 0.0, length * reach)
    noise = DIGITS * np.sqrt(len(X)) * (far / reach) / np.where(flat, 1.0, length)
    return columns, size, noise


def column_means(X: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
    """Return the means of columns, which far from zero keep what differences the numbers hold.

    ``times``, shape (N,), says how often each row counts.
    """
    first = X[:1].sum(axis=0)
    return first + (
        (X - first).mean(axis=0) if times is None else times @ (X - first) / times.sum()
    )


def refuse_sizes(size: np.ndarray, names: tuple[str, ...]) -> None:
    """Refuse columns whose squares leave the range of floating point."""
    low, high = np.sqrt(_SQUARES)
    for j in np.flatnonzero((size != 0) & ~((size >= low) & (size <= high))):
        raise ValueError(
            "X is of a size whose squares leave the range of floating point in "
            f"{names[j]!r}: rescale it (divide each column by its largest value)."
        )


def refuse_outcome(y: np.ndarray, *, intercept: bool) -> None:
    """Refuse an outcome whose squares, about its mean or 0, leave the range of floating point."""
    column = y[:, None]
    size = unit_columns(column, column_means(column) if intercept else None)[1]
    low, high = np.sqrt(_SQUARES)
    if size[0] != 0 and not low <= size[0] <= high:
        raise ValueError(
            "the outcome is of a size whose squares leave the range of floating point "
            f"(its largest value is {np.abs(y).max():.3g}): rescale it (divide it by that)."
        )


def independent(
    columns: np.ndarray, noise: np.ndarray, tolerance: float
) -> tuple[np.ndarray, dict[int, tuple[int, ...]]]:
    """Go through columns of length one in order; keep what adds a direction.

    Parameters
    ----------
    columns : ndarray, shape (M, P)
        Any square root of their products.
    noise : ndarray, shape (P,)
        Length of what rounding may add to each; infinite for a column of nothing else.
    tolerance : float
    """
    kept: list[int] = []
    dropped: dict[int, tuple[int, ...]] = {}
    basis, corner = np.zeros_like(columns), np.zeros((columns.shape[1],) * 2)
    for j, column in enumerate(columns.T):
        if not np.isfinite(noise[j]):
            dropped[j] = ()
            continue
        r = len(kept)
        known = basis[:, :r]
        along = known.T @ column
        rest = column - known @ along
        again = known.T @ rest  # twice is enough
        along, rest = along + again, rest - known @ again
        weights = solve_triangular(corner[:r, :r], along) if r else along
        hidden = noise[j] + np.abs(weights) @ noise[kept]
        left = float(np.sqrt(rest @ rest))
        if left > tolerance + hidden and r < len(columns):
            basis[:, r], corner[:r, r], corner[r, r] = rest / left, along, left
            kept.append(j)
        else:
            share = 1e-6 * np.abs(weights).max(initial=0.0)
            dropped[j] = tuple(i for i, w in zip(kept, weights, strict=True) if abs(w) > share)
    return np.array(kept, dtype=np.intp), dropped
