"""From a table to validated arrays: the numeric design matrix, the outcome and the cluster codes.

Everything a user hands over passes through here once. What is wrong is said here, with the row or
column and the remedy, so that no later module has to look at its input again.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from scipy import sparse

from scs._guard import refuse_foreign_package

# Everything imports this module, so a foreign `scs` laid over ours is found from any entry.
refuse_foreign_package()


class DesignWarning(UserWarning):
    """The design matrix has columns that tell the same thing twice."""


@dataclass(frozen=True)
class Design:
    """Validated rows of a clustered regression.

    Attributes
    ----------
    X : ndarray, shape (N, P)
        Design matrix, float64, finite.
    y : ndarray, shape (N,)
        Outcome, float64, finite.
    codes : ndarray of int, shape (N,)
        Cluster of every row, 0 to K - 1, an index into ``labels``.
    labels : ndarray, shape (K,)
        The cluster labels, sorted, each present in ``codes``.
    names : tuple of str
        One name per column of ``X``.
    """

    X: np.ndarray
    y: np.ndarray
    codes: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def from_table(cls, X: Any, y: Any, clusters: Any) -> Design:
        """Validate a design matrix, an outcome and cluster labels of the same rows.

        Parameters
        ----------
        X : array-like or data frame (pandas, polars, pyarrow), shape (N, P)
            Numbers or booleans; finite.
        y : array-like or series, shape (N,)
            Numbers; finite.
        clusters : array-like or series, shape (N,)
            Hashable labels of one sortable type; none missing.

        Raises
        ------
        ValueError
            Missing or infinite values, wrong lengths, no rows: the message names row and column.
        TypeError
            Text or other things that are not numbers; labels of mixed type.
        """
        matrix, names = as_matrix(X)
        outcome = as_outcome(y, len(matrix))
        codes, labels = as_clusters(clusters, len(matrix))
        return cls(matrix, outcome, codes, labels, names)


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
        matrix = np.asarray(X)
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
        outcome = np.asarray(y)
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


def as_clusters(clusters: Any, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cluster codes 0..K-1 and the sorted labels they index.

    Parameters
    ----------
    clusters : array-like or series, shape (N,)
        Hashable labels (numbers, text, dates, tuples ...), all sortable with each other.
    n_rows : int
        N.

    Returns
    -------
    codes : ndarray of int, shape (N,)
    labels : ndarray, shape (K,)

    Raises
    ------
    ValueError
        A label is missing, or the length is not ``n_rows``.
    TypeError
        Labels cannot be sorted with each other (mixed types) or cannot be hashed.
    """
    if clusters is None:
        raise ValueError("clusters is missing: pass one cluster label per row.")
    values = label_values(clusters)
    _refuse_length(values, n_rows, "clusters")
    try:
        # Equal labels of different type (1 and True) would merge in silence.
        codes, found = pd.factorize(values)
    except TypeError as error:
        raise TypeError(
            f"clusters holds labels that cannot be hashed ({error}): use numbers, text or tuples."
        ) from None
    missing = np.flatnonzero(codes < 0)
    if missing.size:
        raise ValueError(
            f"clusters has a missing label in row {missing[0]} ({missing.size} in all): "
            "drop these rows, or give them a label of their own."
        )
    found = np.asarray(found)
    kinds = {type(label).__name__ for label in found} if found.dtype.kind == "O" else set()
    if len(kinds) > 1 and not kinds <= {"int", "float"}:
        raise TypeError(
            f"clusters holds labels of mixed type ({', '.join(sorted(kinds))}), which have no "
            "common order: convert them to one type first, for example with map(str, clusters)."
        )
    try:
        if found.dtype.kind in "iufbmM":
            order = np.argsort(found)
        else:
            order = np.array(sorted(range(len(found)), key=found.__getitem__), dtype=np.intp)
    except TypeError as error:
        raise TypeError(
            f"clusters holds labels that cannot be sorted ({error}): convert them to text or "
            "numbers first."
        ) from None
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[codes], found[order]


def label_values(clusters: Any) -> np.ndarray:
    """Return labels as a one-dimensional array that keeps each label's own type.

    Raises
    ------
    ValueError
        ``clusters`` has more than one dimension.
    """
    series = nw.from_native(clusters, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        return np.asarray(series.to_numpy())
    if isinstance(clusters, np.ndarray):
        if clusters.ndim != 1:
            raise ValueError(
                f"clusters has shape {clusters.shape}, expected one dimension: pass one label "
                "per row (join several columns into tuples or text)."
            )
        return clusters
    # A list goes through an object array: NumPy would turn [1, "a"] into text without a word.
    clusters = list(clusters)
    values = np.empty(len(clusters), dtype=object)
    values[:] = clusters
    return pd.Series(values, dtype=object).infer_objects().to_numpy()


def _numbers(series: nw.Series, name: str, column: Any) -> np.ndarray:
    """Return one data frame column as float64; missing values become NaN."""
    if series.dtype.is_numeric() or series.dtype == nw.Boolean:
        return series.cast(nw.Float64).to_numpy().astype(float)
    return _floats(series.to_numpy(), name, column)


def _floats(values: np.ndarray, name: str, column: Any) -> np.ndarray:
    """Convert to float64, or say which row holds what is not a number."""
    where = name if column is None else f"{name} column {column!r}"
    if np.iscomplexobj(values):
        raise ValueError(f"{where}: Complex data not supported. Pass real numbers.")
    if values.dtype.kind in "fiub":
        return values.astype(float)
    for row, value in enumerate(values.tolist() if values.dtype.kind == "O" else values):
        if isinstance(value, (str, bytes)):
            raise ValueError(
                f"{where} holds text ({str(value)!r} in row {row}): code it as numbers first, "
                "for example with pandas.get_dummies(..., dtype=float)."
            )
    try:
        # pandas' missing values have no float, NaN has.
        return np.array([np.nan if value is pd.NA else value for value in values], dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{where} holds values that are not numbers ({error}): every entry, the argument must "
            "be a string or a real number at best, must convert to float."
        ) from None


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
    place = f"row {row}" if names is None else f"row {row}, column {names[j]!r}"
    raise ValueError(
        f"{name} has {kind} in {place} ({(~finite).sum()} such entries in all): drop these rows "
        "or fill the values in before fitting."
    )


def find_labels(labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the index of each value among ``labels``, -1 where it is not one of them."""
    where = {label: k for k, label in enumerate(np.asarray(labels).tolist())}
    codes, unique = pd.factorize(np.asarray(values))
    found = [where.get(value, -1) for value in np.asarray(unique).tolist()]
    return np.array([*found, -1], dtype=np.intp)[codes]  # a missing value has code -1, the last
