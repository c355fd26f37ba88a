"""From a table to validated arrays: the numeric design matrix, the outcome and the cluster codes.

Everything a user hands over passes through here once. What is wrong is said here, with the row or
column and the remedy, so that no later module has to look at its input again.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from scipy import sparse

from scs.data._guard import refuse_foreign_package
from scs.data.containers import refuse_other_rows
from scs.data.labels import (
    as_clusters,
    as_codes,
    find_labels,
    joined_labels,
    label_order,
    label_values,
    note_alike,
    refuse_other_kind,
)
from scs.data.numbering import row_name
from scs.data.weights import refuse_weights, repeats

__all__ = [
    "Design",
    "DesignWarning",
    "as_clusters",
    "as_codes",
    "as_matrix",
    "as_outcome",
    "find_labels",
    "label_order",
    "label_values",
    "refuse_other_kind",
    "stacked",
]

# Everything imports this module, so a foreign `scs` laid over ours is found from any entry.
refuse_foreign_package()


class DesignWarning(UserWarning):
    """The design matrix has columns that say the same thing twice."""


@dataclass(frozen=True)
class Design:
    """Validated rows of a clustered regression.

    Attributes
    ----------
    X : ndarray, shape (N, P)
        Design matrix, float64, finite.
    y : ndarray, shape (N,)
        Outcome, float64, finite, less the offset where there is one.
    codes : ndarray of int, shape (N,)
        Cluster of every row, 0 to K - 1, an index into ``labels``.
    labels : ndarray, shape (K,)
        The cluster labels, sorted, each present in ``codes``.
    names : tuple of str
        One name per column of ``X``.
    frequency : ndarray of float, shape (N,), optional
        f_i, whole numbers above 0: how many equal rows each row stands for; None: 1.
    precision : ndarray of float, shape (N,), optional
        w_i > 0: the errors' variance is sigma^2 / w_i; None: 1.
    offset : ndarray of float, shape (N,), optional
        What was taken off the outcome; None: nothing.
    """

    X: np.ndarray
    y: np.ndarray
    codes: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    frequency: np.ndarray | None = None
    precision: np.ndarray | None = None
    offset: np.ndarray | None = None

    @classmethod
    def from_table(
        cls,
        X: Any,
        y: Any,
        clusters: Any,
        *,
        min_columns: int = 1,
        frequency_weights: Any = None,
        precision_weights: Any = None,
    ) -> Design:
        """Validate a design matrix, an outcome and cluster labels of the same rows.

        Parameters
        ----------
        X : array-like or data frame (pandas, polars, pyarrow), shape (N, P)
            Numbers or booleans; finite.
        y : array-like or series, shape (N,)
            Numbers; finite.
        clusters : array-like or series, shape (N,)
            Hashable labels of one sortable type; none missing.
        min_columns : int
            Fewest columns of X allowed.
        frequency_weights, precision_weights : array-like, shape (N,), optional
            See `Design.weighted`.

        Raises
        ------
        ValueError
            Missing or infinite values, wrong lengths, no rows, pandas objects whose row labels
            differ: the message names row and column.
        TypeError
            Text or other things that are not numbers; labels of mixed type.
        """
        refuse_other_rows(
            X=X,
            y=y,
            clusters=clusters,
            frequency_weights=frequency_weights,
            precision_weights=precision_weights,
        )
        matrix, names = as_matrix(X, min_columns=min_columns)
        outcome = as_outcome(y, len(matrix))
        codes, labels = as_clusters(clusters, len(matrix))
        note_alike(labels)
        design = cls(matrix, outcome, codes, labels, names)
        return design.weighted(frequency_weights, precision_weights)[0]

    def weighted(
        self, frequency_weights: Any = None, precision_weights: Any = None, *, empty: bool = False
    ) -> tuple[Design, np.ndarray | None]:
        """Return the rows with weights, those of weight 0 left out, and which rows are left.

        Parameters
        ----------
        frequency_weights : array-like, shape (N,), optional
            How many equal rows each row stands for: whole numbers, 0 or more.
        precision_weights : array-like, shape (N,), optional
            w_i >= 0, the errors' variance is sigma^2 / w_i. One row stays one row.
        empty : bool
            No row need be left, as in one batch of many.

        Returns
        -------
        Design, ndarray of int or None
            None where all rows are left.

        Raises
        ------
        ValueError, TypeError
            Negative or missing weights, only zeros, frequencies that are no whole numbers, another
            length: the message names argument and row.
        """
        if frequency_weights is None and precision_weights is None:
            return self, None
        given = {"frequency_weights": frequency_weights, "precision_weights": precision_weights}
        read = [as_weights(values, len(self.y), name) for name, values in given.items()]
        found = replace(self, frequency=read[0], precision=read[1])
        weights = found.weights
        assert weights is not None  # one of them was given
        kept = np.flatnonzero(weights)
        if len(kept) == len(weights):
            return found, None
        if not len(kept) and not empty:
            names = " times ".join(name for name, values in given.items() if values is not None)
            raise ValueError(f"{names} is zero in every row: pass at least one weight above 0.")
        return found.of_rows(kept), kept

    @property
    def weights(self) -> np.ndarray | None:
        """What each row counts in a sum, f_i w_i, shape (N,); None: 1."""
        if self.frequency is None or self.precision is None:
            return self.precision if self.frequency is None else self.frequency
        return self.frequency * self.precision

    @property
    def n_rows(self) -> int:
        """N, the number of rows; one of frequency f counts as f."""
        return len(self.y) if self.frequency is None else int(self.frequency.sum())

    @property
    def sizes(self) -> np.ndarray:
        """Rows in each cluster, counted as in ``n_rows``, ndarray of int, shape (K,)."""
        found = np.bincount(self.codes, weights=self.frequency, minlength=len(self.labels))
        return found.astype(np.intp)

    def at(self, rows: np.ndarray) -> Design:
        """Return some rows, in any order, with all the labels."""
        frequency, precision, offset = (
            None if values is None else values[rows]
            for values in (self.frequency, self.precision, self.offset)
        )
        return replace(
            self,
            X=self.X[rows],
            y=self.y[rows],
            codes=self.codes[rows],
            frequency=frequency,
            precision=precision,
            offset=offset,
        )

    def of_rows(self, rows: np.ndarray) -> Design:
        """Return some rows; labels that are left without a row go."""
        kept, codes = np.unique(self.codes[rows], return_inverse=True)
        return replace(self.at(rows), codes=codes, labels=self.labels[kept])

    def repeated(self) -> Design:
        """Return the table in which each row stands as often as its frequency says.

        Raises
        ------
        ValueError
            That table would be too long.
        """
        if self.frequency is None:
            return self
        return replace(self.at(repeats(self.frequency)), frequency=None)


def stacked(a: Design, b: Design) -> Design:
    """Put two designs of the same columns on top of each other."""
    labels = joined_labels([a.labels, b.labels])
    at = np.concatenate([a.codes, b.codes + len(a.labels)])
    codes, labels = as_clusters(labels[at], len(at))
    note_alike(labels)
    X, y = np.vstack([a.X, b.X]), np.concatenate([a.y, b.y])
    sizes = len(a.y), len(b.y)
    frequency = _joined((a.frequency, b.frequency), sizes, 1.0)
    precision = _joined((a.precision, b.precision), sizes, 1.0)
    offset = _joined((a.offset, b.offset), sizes, 0.0)
    return Design(X, y, codes, labels, a.names, frequency, precision, offset)


def _joined(
    parts: tuple[np.ndarray | None, ...], sizes: tuple[int, ...], usual: float
) -> np.ndarray | None:
    """Join what rows have beside; those without have the ``usual`` number."""
    if all(part is None for part in parts):
        return None
    each = zip(parts, sizes, strict=True)
    return np.concatenate([np.full(n, usual) if part is None else part for part, n in each])


def as_weights(values: Any, n_rows: int, name: str, numbers: Any = None) -> np.ndarray | None:
    """Return weights of ``n_rows`` rows as float64, None for None.

    Parameters
    ----------
    values : array-like, shape (N,), or None
    n_rows : int
    name : {"frequency_weights", "precision_weights"}
    numbers : sequence, optional
        Of the rows, for messages; None: 0, 1, ...

    Raises
    ------
    ValueError, TypeError
        See `Design.weighted`.
    """
    if values is None:
        return None
    weights = as_numbers(values, n_rows, name)
    refuse_weights(weights, name, numbers)
    return weights


def as_numbers(values: Any, n_rows: int, name: str) -> np.ndarray:
    """Return one finite number for each row, float64, shape (N,): weights or an offset.

    Raises
    ------
    ValueError, TypeError
        Missing, infinite or non-numeric values; a length other than ``n_rows``.
    """
    series = nw.from_native(values, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        found = _numbers(series, name, None)
    else:
        found = _unmasked(values)
        if found.ndim != 1:
            raise ValueError(
                f"{name} has the shape {found.shape}: pass one number for each of the {n_rows} "
                "rows."
            )
        found = _floats(found, name, None)
    _refuse_length(found, n_rows, name)
    _refuse_non_finite(found[:, None], name, None)
    return found


def as_matrix(X: Any, name: str = "X", *, min_columns: int = 1) -> tuple[np.ndarray, tuple]:
    """Return a finite float64 design matrix and its column names.

    Parameters
    ----------
    X : array-like or data frame, shape (N, P)
    name : str
        What to call the argument in messages.
    min_columns : int
        Fewest columns allowed.

    Returns
    -------
    X : ndarray, shape (N, P), float64
    names : tuple of str
        The data frame's column names, or ``x1 ... xP``.

    Raises
    ------
    ValueError, TypeError
        See `Design.from_table`.
    """
    if sparse.issparse(X):
        raise TypeError(f"{name} is a sparse matrix: pass a dense one, {name}.toarray().")
    try:
        frame = nw.from_native(X, eager_only=True, pass_through=True)
    except nw.exceptions.DuplicateError as error:
        raise ValueError(
            f"{name} has two columns of one name ({str(error).split('got:')[-1].strip()}): "
            "rename one of them."
        ) from None
    if isinstance(frame, nw.DataFrame):
        names = tuple(str(column) for column in frame.columns)
        # By position: a column named 0 would be taken for the first row.
        columns = [_numbers(column, name, column.name) for column in frame.iter_columns()]
        matrix = np.column_stack(columns) if columns else np.empty((len(frame), 0))
    else:
        matrix = _unmasked(X)
        if matrix.ndim != 2:
            raise ValueError(
                f"{name} has {matrix.ndim} dimension(s), expected 2 (rows x columns). "
                f"Reshape your data: {name}.reshape(-1, 1) makes one column."
            )
        names = tuple(f"x{j + 1}" for j in range(matrix.shape[1]))
        if matrix.dtype.kind not in "fiub":
            columns = [_floats(matrix[:, j], name, names[j]) for j in range(matrix.shape[1])]
            matrix = np.column_stack(columns) if columns else np.empty(matrix.shape)
    if matrix.shape[0] < 1:
        raise ValueError(
            f"{name} has 0 sample(s) (shape={matrix.shape}) while a minimum of 1 is required: "
            "pass at least one row."
        )
    if matrix.shape[1] < min_columns:
        raise ValueError(
            f"{name} has 0 feature(s) (shape={matrix.shape}) while a minimum of {min_columns} "
            "is required: pass at least one covariate (a column of ones for none)."
        )
    matrix = np.ascontiguousarray(matrix, dtype=float)
    _refuse_non_finite(matrix, name, names)
    return matrix, names


def as_outcome(y: Any, n_rows: int) -> np.ndarray:
    """Return the outcome as a finite float64 vector of ``n_rows`` entries.

    Raises
    ------
    ValueError, TypeError
        Missing, infinite or non-numeric values; a length other than ``n_rows``.
    """
    if y is None:
        raise ValueError("y is missing (requires y to be passed, but the target y is None).")
    series = nw.from_native(y, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        outcome = _numbers(series, "y", None)
    else:
        outcome = _unmasked(y)
        if outcome.ndim == 2 and outcome.shape[1] == 1:
            from sklearn.exceptions import DataConversionWarning

            warnings.warn(
                "A column-vector y was passed when a 1d array was expected: pass y.ravel().",
                DataConversionWarning,
                stacklevel=3,
            )
            outcome = outcome[:, 0]
        if outcome.ndim != 1:
            raise ValueError(
                f"y should be a 1d array, got an array of shape {outcome.shape} instead: "
                "pass one outcome per row."
            )
        outcome = _floats(outcome, "y", None)
    _refuse_length(outcome, n_rows, "y")
    _refuse_non_finite(outcome[:, None], "y", None)
    return outcome


def _unmasked(values: Any) -> np.ndarray:
    """Return an array in which masked entries are missing values, as they were meant to be."""
    if isinstance(values, np.ma.MaskedArray):
        return np.ma.filled(values.astype(float), np.nan)
    return np.asarray(values)


def _numbers(series: nw.Series, name: str, column: Any) -> np.ndarray:
    """Return one data frame column as float64; missing values become NaN."""
    if series.dtype.is_numeric() or series.dtype == nw.Boolean:
        return series.cast(nw.Float64).to_numpy().astype(float)
    return _floats(series.to_numpy(), name, column)


def _floats(values: np.ndarray, name: str, column: Any) -> np.ndarray:
    """Convert to float64, or say which row holds what is not a number."""
    where = name if column is None else f"{name} column {column!r}"
    if values.dtype.kind in "mM":
        raise TypeError(
            f"{where} holds dates or times: convert them to numbers of a unit you choose first, "
            "for example days since the first one."
        )
    if values.ndim == 1 and values.dtype.kind in "fiub":
        return values.astype(float)
    entries = values.tolist() if values.dtype.kind == "O" else values
    if values.ndim != 1 or any(_is_list(value) for value in entries):
        raise TypeError(f"{where} holds lists: pass one number per row and column.")
    if np.iscomplexobj(values):
        raise ValueError(f"{where}: Complex data not supported. Pass real numbers.")
    for row, value in enumerate(entries):
        if isinstance(value, (str, bytes)):
            raise ValueError(
                f"{where} holds text ({str(value)[:40]!r} in {row_name(row)}): code it as "
                "numbers first, for example with pandas.get_dummies(..., dtype=float)."
            )
    try:
        # pandas' missing values have no float, NaN has.
        return np.array([np.nan if value is pd.NA else value for value in values], dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{where} holds values that are not numbers ({error}): every entry, the argument must "
            "be a string or a real number at best, must convert to float."
        ) from None


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | set) or getattr(value, "ndim", 0) > 0


def _refuse_length(values: np.ndarray, n_rows: int, name: str) -> None:
    if len(values) != n_rows:
        raise ValueError(
            f"{name} has {len(values)} entries but X has {n_rows} rows (inconsistent numbers of "
            "samples): pass one entry per row of X."
        )


def _refuse_non_finite(matrix: np.ndarray, name: str, names: tuple | None) -> None:
    finite = np.isfinite(matrix)
    if finite.all():
        return
    row, j = np.argwhere(~finite)[0]
    kind = "a missing value (NaN)" if np.isnan(matrix[row, j]) else "an infinite value (inf)"
    place = row_name(row) if names is None else f"{row_name(row)}, column {names[j]!r}"
    raise ValueError(
        f"{name} has {kind} in {place} ({(~finite).sum()} such entries in all): drop these rows "
        "or fill the values in before fitting."
    )
