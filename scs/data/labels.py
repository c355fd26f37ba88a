"""Cluster labels from any container: no two become one, none becomes two, none comes from nowhere.

Everything that reads labels goes through `coded_labels`, which takes missing ones out first (a
null, NaN, NaT, None or mask beside whole numbers would turn these into floats), and gives equal
labels one type whatever they came in: whole numbers are int64 (uint64 where they are larger), text
is `str`, dates are days, times are nanoseconds; those with a zone keep it, as pandas' time stamps.
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa

from scs.data.alike import alike_note, missing_note
from scs.data.containers import refuse_broken_text
from scs.data.label_types import has_zone, integers, label_kinds, nanoseconds, objects, of_one_type
from scs.data.numbering import row_name

_PLAIN_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,19}")


class LabelWarning(UserWarning):
    """Labels are nearly the same, were read as missing (NA), or did not reach a score."""


def as_clusters(clusters: Any, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cluster codes 0..K-1 and the sorted labels they index.

    Parameters
    ----------
    clusters : array-like or series, shape (N,)
        Hashable labels (numbers, text, dates, tuples ...), all sortable with each other. NumPy's
        own text type takes NULs off the end of a label before anybody can see them.
    n_rows : int
        N.

    Returns
    -------
    codes : ndarray of int, shape (N,)
    labels : ndarray, shape (K,)

    Raises
    ------
    ValueError
        A label is missing, or the length is not ``n_rows``; a whole number that was rounded.
    TypeError
        Labels cannot be sorted with each other (mixed types) or cannot be hashed.
    """
    codes, found = as_codes(clusters, n_rows)
    order = label_order(found)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[codes], found[order]


def as_codes(clusters: Any, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cluster codes and labels as `as_clusters` does, but the labels in any order."""
    if clusters is None:
        raise ValueError("clusters is missing: pass one cluster label per row.")
    codes, labels = coded_labels(clusters)
    if len(codes) != n_rows:
        raise ValueError(
            f"clusters has {len(codes)} entries but X has {n_rows} rows (inconsistent numbers of "
            "samples): pass one entry per row of X."
        )
    missing = np.flatnonzero(codes < 0)
    if missing.size:
        raise ValueError(
            f"clusters has a missing label in {row_name(missing[0])} ({missing.size} in all): "
            "drop these rows, or give them a label of their own."
        )
    return codes, labels


def coded_labels(clusters: Any, numbers: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return a code for every row, -1 where the label is missing, and the distinct labels.

    Missing are None, NaN, NaT, pandas' NA, a null and a masked entry, and a tuple that holds one.
    ``numbers`` are those of the rows in messages.

    Raises
    ------
    ValueError
        More than one dimension; a number of 2**53 or more in floating point, where neighbours are
        one; a time that nanoseconds cannot hold.
    TypeError
        One label instead of one per row; labels of mixed type, or that cannot be hashed.
    """
    values, missing = _present(clusters)
    rows = np.flatnonzero(~missing)
    called = rows if numbers is None else numbers[rows]
    if values.dtype.kind in "mM":
        values = nanoseconds(values, lambda j: called[j])
    found, distinct = _factorized(values)
    labels = of_one_type(distinct, lambda j: called[np.argmax(found == j)])
    again, labels = _factorized(labels)  # 1 and 1.0 are equal only now
    codes = np.full(len(missing), -1, dtype=np.intp)
    codes[rows] = again[found]
    return codes, labels


def label_values(clusters: Any) -> np.ndarray:
    """Return one label per row, in the type that `coded_labels` gives; missing ones as such.

    That is NaN or NaT where the type has one, else None in an array of objects.
    """
    codes, labels = coded_labels(clusters)
    missing = codes < 0
    if not missing.any():
        return labels[codes]
    if labels.dtype.kind not in "fmM":
        labels = objects(labels.tolist())
    nothing = {"f": np.nan, "m": "NaT", "M": "NaT"}.get(labels.dtype.kind)
    values = np.full(len(codes), nothing, dtype=labels.dtype)
    values[~missing] = labels[codes[~missing]]
    return values


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


def find_labels(labels: np.ndarray, values: Any) -> np.ndarray:
    """Return the index of each value among ``labels``, -1 where it is not one of them.

    Raises
    ------
    TypeError
        The values are of another kind than the labels, so that none could ever be found.
    """
    codes, found = coded_labels(values)
    known = label_values(np.asarray(labels))
    refuse_other_kind(known, found)
    where = {label: k for k, label in enumerate(_keys(known))}
    at = [where.get(value, -1) for value in _keys(found)]
    return np.array([*at, -1], dtype=np.intp)[codes]  # a missing value has code -1, the last


def refuse_other_kind(labels: np.ndarray, values: np.ndarray) -> None:
    """Raise if two sets of labels are of different kinds, such as numbers and text."""
    known, given = label_kinds(labels), label_kinds(values)
    if len(labels) and len(values) and known and given and known != given:
        raise TypeError(
            f"clusters holds labels of type {', '.join(sorted(given))}, but those known are of "
            f"type {', '.join(sorted(known))}: convert them, or they would all count as new."
        )
    if known == given == {"datetime"} and has_zone(labels) != has_zone(values):
        raise TypeError(
            "clusters holds times with a zone, but those known have none, or the other way: give "
            "all of them a zone, or none."
        )


def joined_labels(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return arrays of labels one after the other; NumPy would round int64 beside uint64."""
    kinds = {array.dtype.kind for array in arrays}
    if len({array.dtype for array in arrays}) == 1 or kinds == {"M"}:
        return np.concatenate(arrays)
    return label_values([label for array in arrays for label in array.tolist()])


def as_written(texts: np.ndarray) -> np.ndarray:
    """Return labels that were read as text as whole numbers, if all are plainly written ones.

    ``007``, ``1E5`` and ``+1`` are not: they stay text, and all others with them. This is the one
    rule for labels of CSV files, so that two readers cannot disagree.
    """
    labels = texts.tolist()
    if not labels or not all(type(label) is str for label in labels):
        return texts
    if not all(_PLAIN_INTEGER.fullmatch(label) for label in labels):
        return texts
    numbers = integers([int(label) for label in labels])
    return texts if numbers.dtype.kind == "O" else numbers  # more than 64 bits: text, as in Arrow


def note_alike(labels: np.ndarray) -> None:
    """Warn of labels that differ only in what cannot be seen well, naming each way there is.

    That is blanks, case, control and invisible characters, Unicode form, and zeros before or behind
    a whole number; and labels that missing values may have become, such as "nan".
    """
    if label_kinds(labels) != {"str"} or labels.dtype.kind != "O":
        return
    _warn_alike(labels.tolist(), "cluster labels", "a cluster")


def note_alike_levels(name: str, levels: Iterable[Any]) -> None:
    """Warn of the levels of a category as `note_alike` does of labels."""
    _warn_alike([v for v in levels if isinstance(v, str)], f"column {name!r}: levels", "a category")


def _warn_alike(texts: list[str], what: str, each: str) -> None:
    for note in (alike_note(texts, what, each), missing_note(texts, what, each)):
        if note:  # one place, so that what is said of the same labels is said once
            warnings.warn(note, LabelWarning, stacklevel=1)


def _present(clusters: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the values that are there, and which rows (a mask of shape (N,)) have none."""
    wrapped = _wrapped(clusters)
    frame = nw.from_native(wrapped, eager_only=True, allow_series=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        if len(frame.columns) != 1:
            raise ValueError(
                f"clusters has {len(frame.columns)} columns, expected one: pass one label per row "
                "(join several columns into tuples or text)."
            )
        frame = next(frame.iter_columns())
    if isinstance(frame, nw.Series):
        values, hidden = _of_series(frame)
    elif isinstance(clusters, np.ma.MaskedArray):
        hidden = _one_dimension(np.ma.getmaskarray(clusters))
        values = np.ma.getdata(clusters)[~hidden]
    elif hasattr(clusters, "__array__"):
        values = _one_dimension(np.asarray(clusters))
        hidden = np.zeros(len(values), dtype=bool)
    elif isinstance(clusters, (str, bytes)) or not hasattr(clusters, "__iter__"):
        raise TypeError(f"clusters is the single value {clusters!r}: pass one label per row.")
    else:
        # Through an array of objects: NumPy would turn [1, "a"] into text without a word.
        values = objects(list(clusters))
        hidden = np.zeros(len(values), dtype=bool)
    values, absent = _without_missing(values)
    missing = hidden.copy()
    missing[~hidden] = absent
    return values, missing


def _wrapped(clusters: Any) -> Any:
    """Return what narwhals takes for a series where there is one."""
    if isinstance(clusters, pa.Array):
        return pa.chunked_array([clusters])
    if isinstance(clusters, pd.MultiIndex):
        return clusters
    if isinstance(clusters, (pd.Index, pd.api.extensions.ExtensionArray)):
        return pd.Series(clusters)
    return clusters


def _of_series(series: nw.Series) -> tuple[np.ndarray, np.ndarray]:
    native = series.to_native()
    if isinstance(native, pa.ChunkedArray):
        return _of_arrow(native)
    if series.implementation.is_polars():  # its own way to NumPy takes NULs off the end of text
        if series.dtype in (nw.Int128, nw.UInt128, nw.Object):
            return objects(series.to_list()), np.zeros(len(series), dtype=bool)
        return _of_arrow(pa.chunked_array([native.to_arrow()]))
    hidden = np.asarray(series.is_null().to_numpy(), dtype=bool)
    there = series if not hidden.any() else series.filter(~series.is_null())
    if isinstance(series.dtype, nw.Datetime) and series.dtype.time_zone is not None:
        return objects(there.to_list()), hidden  # NumPy's times have no zone
    return np.asarray(there.to_numpy()), hidden


def _of_arrow(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of a column that are not null, and which rows are."""
    if pa.types.is_dictionary(column.type):
        chunks = [chunk.dictionary_decode() for chunk in column.chunks]
        column = pa.chunked_array(chunks, type=column.type.value_type)
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    hidden = column.is_null().to_numpy()
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        return column.drop_null().to_pandas().to_numpy(dtype=object), hidden
    return column.drop_null().to_numpy(zero_copy_only=False), hidden


def _without_missing(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if values.dtype.kind in "UTSV":
        values = values.astype(object)
    if values.dtype.kind in "mM":
        absent = np.isnat(values)
    elif values.dtype.kind in "fc":
        absent = np.isnan(values)
    elif values.dtype.kind == "O":
        absent = np.asarray(pd.isna(values), dtype=bool)
        types = set(map(type, values))
        if any(issubclass(type_, str) for type_ in types):
            refuse_broken_text(values, "clusters")
        if type(np.ma.masked) in types:
            absent |= np.fromiter((v is np.ma.masked for v in values), bool, len(values))
        if any(issubclass(type_, tuple) for type_ in types):
            absent |= np.fromiter(map(_has_hole, values), bool, len(values))
    else:
        absent = np.zeros(len(values), dtype=bool)
    return values[~absent], absent


def _has_hole(value: Any) -> bool:
    """Say if a tuple holds a missing value: two NaN are never equal, so each were a cluster."""
    return isinstance(value, tuple) and any(
        part is None or (pd.api.types.is_scalar(part) and pd.isna(part)) for part in value
    )


def _factorized(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return codes and distinct values in order of appearance; none is missing."""
    if values.dtype.kind != "O":
        if values.dtype.kind in "fc" and values.dtype.itemsize not in (4, 8):
            distinct, codes = np.unique(values, return_inverse=True)
            return codes, distinct
        codes, distinct = pd.factorize(values)
        return codes, np.asarray(distinct).astype(values.dtype)  # pandas has no unit of days
    # Over all values, before equal labels of different type (1 and True) can merge.
    kinds = label_kinds(values)
    if len(kinds) > 1:
        raise TypeError(
            f"clusters holds labels of mixed type ({', '.join(sorted(kinds))}), which have no "
            "common order: convert them to one type first, for example with map(str, clusters)."
        )
    # No pandas here: it takes text up to its first NUL only.
    table: defaultdict = defaultdict(count().__next__)
    try:
        codes = np.fromiter(map(table.__getitem__, values), dtype=np.intp, count=len(values))
    except TypeError as error:
        raise TypeError(
            f"clusters holds labels that cannot be hashed ({error}): use numbers, text or tuples."
        ) from None
    return codes, objects(list(table))


def _keys(labels: np.ndarray) -> list:
    """Return labels as Python objects that are equal where the labels are."""
    return (labels.astype("M8[ns]") if labels.dtype.kind == "M" else labels).tolist()


def _one_dimension(values: np.ndarray) -> np.ndarray:
    if values.ndim == 0:
        raise TypeError(f"clusters is the single value {values!r}: pass one label per row.")
    if values.ndim != 1:
        raise ValueError(
            f"clusters has shape {values.shape}, expected one dimension: pass one label "
            "per row (join several columns into tuples or text)."
        )
    return values
