"""From a table to validated arrays: the numeric design matrix, the outcome and the cluster codes.

Everything a user hands over passes through here once. What is wrong is said here, with the row or
column and the remedy, so that no later module has to look at its input again.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import datetime
from numbers import Number
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from scipy import sparse

from scs._guard import refuse_foreign_package
from scs.containers import refuse_broken_text, wide_numbers

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
    codes, found = as_codes(clusters, n_rows)
    order = label_order(found)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[codes], found[order]


def as_codes(clusters: Any, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cluster codes and labels as `as_clusters` does, but the labels as they appear."""
    if clusters is None:
        raise ValueError("clusters is missing: pass one cluster label per row.")
    values = label_values(clusters)
    _refuse_length(values, n_rows, "clusters")
    # Over all values, before equal labels of different type (1 and True) can merge.
    kinds = label_kinds(values)
    if len(kinds) > 1:
        raise TypeError(
            f"clusters holds labels of mixed type ({', '.join(sorted(kinds))}), which have no "
            "common order: convert them to one type first, for example with map(str, clusters)."
        )
    try:
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
    return codes, np.asarray(found)


def label_order(labels: np.ndarray) -> np.ndarray:
    """Return the order that sorts distinct labels.

    Raises
    ------
    TypeError
        They cannot be sorted with each other.
    """
    try:
        if labels.dtype.kind in "iufbmM":
            return np.argsort(labels)
        return np.array(sorted(range(len(labels)), key=labels.__getitem__), dtype=np.intp)
    except TypeError as error:
        raise TypeError(
            f"clusters holds labels that cannot be sorted ({error}): convert them to text or "
            "numbers first."
        ) from None


def label_values(clusters: Any) -> np.ndarray:
    """Return labels as a one-dimensional array that keeps each label's own type.

    Dates and times come in one unit (nanoseconds), so that equal moments are equal labels.

    Raises
    ------
    ValueError
        ``clusters`` has more than one dimension.
    TypeError
        ``clusters`` is one label, not one per row.
    """
    frame = nw.from_native(clusters, eager_only=True, allow_series=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        if len(frame.columns) != 1:
            raise ValueError(
                f"clusters has {len(frame.columns)} columns, expected one: pass one label per row "
                "(join several columns into tuples or text)."
            )
        frame = next(frame.iter_columns())
    if isinstance(frame, nw.Series):
        wide = frame.dtype in (nw.Int128, nw.UInt128)
        values = wide_numbers(frame) if wide else np.asarray(frame.to_numpy())
    elif isinstance(clusters, np.ma.MaskedArray):
        values = clusters.astype(object).filled(None)
    elif isinstance(clusters, np.ndarray):
        values = clusters
    elif isinstance(clusters, (str, bytes)) or not hasattr(clusters, "__iter__"):
        raise TypeError(f"clusters is the single value {clusters!r}: pass one label per row.")
    else:
        # A list goes through an object array: NumPy would turn [1, "a"] into text without a word.
        rows = clusters.to_pylist() if hasattr(clusters, "to_pylist") else list(clusters)
        values = np.empty(len(rows), dtype=object)
        values[:] = rows
    if values.ndim != 1:
        raise ValueError(
            f"clusters has shape {values.shape}, expected one dimension: pass one label "
            "per row (join several columns into tuples or text)."
        )
    if values.dtype.kind in "OU":
        refuse_broken_text(values.tolist(), "clusters")
    if values.dtype.kind == "O" and len(label_kinds(values)) == 1:
        values = pd.Series(values, dtype=object).infer_objects().to_numpy()
    if values.dtype.kind in "mM":
        values = values.astype(f"{values.dtype.kind}8[ns]")
    return values


def label_kinds(values: np.ndarray) -> set[str]:
    """Return the kinds of labels among values, such as "number" or "str", without missing ones."""
    if values.dtype.kind != "O":
        names = {"b": "bool", "U": "str", "T": "str", "S": "bytes"}
        names |= {"M": "datetime", "m": "timedelta"}
        return {names.get(values.dtype.kind, "number")}
    kinds = set()
    for kind in {type(value) for value in values}:
        if kind in (type(None), type(pd.NA), type(pd.NaT)):
            continue
        if issubclass(kind, (bool, np.bool_)):
            kinds.add("bool")
        elif issubclass(kind, Number):
            kinds.add("number")
        elif issubclass(kind, str):
            kinds.add("str")
        else:
            kinds.add("datetime" if issubclass(kind, (datetime, np.datetime64)) else kind.__name__)
    if kinds - {"number"} and "number" in kinds:
        # A missing value among text or dates is often a NaN, which is a float.
        others = [value for value in values if isinstance(value, Number)]
        if all(value != value for value in others):
            kinds.discard("number")
    return kinds


def _unmasked(values: Any) -> np.ndarray:
    """Return an array in which masked entries are missing values, as they were meant to be."""
    if isinstance(values, np.ma.MaskedArray):
        return values.astype(float).filled(np.nan)
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
    if values.ndim != 1:
        raise TypeError(f"{where} holds lists: pass one number per row and column.")
    if np.iscomplexobj(values):
        raise ValueError(f"{where}: Complex data not supported. Pass real numbers.")
    if values.dtype.kind in "fiub":
        return values.astype(float)
    for row, value in enumerate(values.tolist() if values.dtype.kind == "O" else values):
        if isinstance(value, (str, bytes)):
            raise ValueError(
                f"{where} holds text ({str(value)[:40]!r} in row {row}): code it as numbers first, "
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
    """Return the index of each value among ``labels``, -1 where it is not one of them.

    Raises
    ------
    TypeError
        The values are of another kind than the labels, so that none could ever be found.
    """
    values = label_values(values)
    refuse_other_kind(labels, values)
    where = {label: k for k, label in enumerate(np.asarray(labels).tolist())}
    codes, unique = pd.factorize(values)
    found = [where.get(value, -1) for value in np.asarray(unique).tolist()]
    return np.array([*found, -1], dtype=np.intp)[codes]  # a missing value has code -1, the last


def refuse_other_kind(labels: np.ndarray, values: np.ndarray) -> None:
    """Raise if two sets of labels are of different kinds, such as numbers and text."""
    known, given = label_kinds(labels), label_kinds(values)
    if known and given and known != given and not pd.isna(values).all():
        raise TypeError(
            f"clusters holds labels of type {', '.join(sorted(given))}, but those known are of "
            f"type {', '.join(sorted(known))}: convert them, or they would all count as new."
        )
