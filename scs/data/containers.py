"""What a container of a user's rows may hold that nothing here could work with, said by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from numbers import Integral
from typing import Any

import narwhals as nw
import pandas as pd

from scs.data.numbering import row_name

_WIDE = (nw.Int128, nw.UInt128)


def column_name(value: Any, argument: str) -> str:
    """Return the name of a column: whole numbers, as pandas has them, are names too.

    Raises
    ------
    TypeError
        It is not a name but the column itself, or nothing.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Integral) and not isinstance(value, bool):
        return str(value)
    if value is None:
        raise TypeError(f"{argument} is None: name the column of cluster labels.")
    raise TypeError(
        f"{argument} must be the name of a column of data, got {type(value).__name__}: add it to "
        f"data, as data['cluster'], and pass {argument}='cluster'."
    )


def dict_frame(data: Mapping, name: str) -> pd.DataFrame:
    """Return a dict of columns as a data frame, or say which of them does not fit.

    Raises
    ------
    ValueError
    """
    try:
        return pd.DataFrame(data)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} is no table: {_what_is_wrong(data) or error}.") from None


def _what_is_wrong(data: Mapping) -> str:
    lengths = {}
    for key, value in data.items():
        refuse_broken_text([key], "a column's name")
        if isinstance(value, (str, bytes)) or not isinstance(value, Sized):
            return f"column {key!r} is the single value {value!r}: pass a list, one value per row"
        if getattr(value, "ndim", 1) > 1:
            return f"column {key!r} has shape {value.shape}: pass one value per row"  # type: ignore[attr-defined]
        if isinstance(value, Iterable):
            refuse_broken_text(value, f"column {key!r}")
        lengths[len(value)] = key
    if len(lengths) > 1:
        said = ", ".join(f"{n} in {key!r}" for n, key in sorted(lengths.items()))
        return f"its columns differ in length ({said}): pass columns of one length"
    return ""


def refuse_other_rows(**parts: Any) -> None:
    """Refuse pandas objects whose row labels differ: joined by position, rows would be mixed up.

    Parameters
    ----------
    **parts
        What holds the same rows, by the name of its argument. Only pandas has row labels; arrays,
        lists and other libraries' columns are joined by position.

    Raises
    ------
    ValueError
        Names the argument and the first row.
    """
    labelled = {
        name: part for name, part in parts.items() if isinstance(part, pd.DataFrame | pd.Series)
    }
    if not labelled:
        return
    first, *others = labelled
    index = _row_labels(labelled[first])
    for name in others:
        found = _row_labels(labelled[name])
        if len(found) != len(index) or found.equals(index):  # of lengths others speak
            continue
        row = _first_difference(index, found)
        joinable = index.is_unique and found.is_unique and index.isin(found).all()
        by_label = f"{name}.loc[{first}.index] to join by label, or " if joinable else ""
        raise ValueError(
            f"{name} has other row labels than {first} ({row_name(row)} is {found[row]!r} in "
            f"{name}, {index[row]!r} in {first}): pass {by_label}{name}.to_numpy() to join by "
            "position."
        )


def refuse_other_columns(names: tuple[str, ...], others: tuple[str, ...], *, named: bool) -> None:
    """Refuse validation rows of other columns; of arrays, which have no names, of another number.

    Raises
    ------
    ValueError
    """
    if len(others) != len(names):
        raise ValueError(
            f"validation X has {len(others)} columns but X has {len(names)}: pass the same columns."
        )
    if named and others != names:
        mine, theirs = next((a, b) for a, b in zip(names, others) if a != b)
        raise ValueError(
            f"validation X has column {theirs!r} where X has {mine!r}: pass the same columns in "
            "the same order."
        )


def named_by_text(data: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a data frame whose columns are named by text; pandas takes anything for a name.

    Raises
    ------
    ValueError
        The names have several levels.
    """
    if data.columns.nlevels > 1:
        raise ValueError(
            f"{name} has column names of {data.columns.nlevels} levels, such as "
            f"{data.columns[0]!r}: make one of them, data.columns = ['_'.join(c) for c in "
            "data.columns]."
        )
    if all(isinstance(column, str) for column in data.columns):
        return data
    return data.set_axis([str(column) for column in data.columns], axis=1)


def without_wide_integers(frame: nw.DataFrame) -> nw.DataFrame:
    """Return whole numbers of 128 bits, which no other library reads, in 64 where they fit."""
    for column in frame.columns:
        if frame.schema[column] in _WIDE:
            values = frame[column]
            low, high = values.min() or 0, values.max() or 0
            if low >= -(2**63) and high < 2**63:
                frame = frame.with_columns(values.cast(nw.Int64).alias(column))
    return frame


def to_pandas(frame: nw.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return some columns as a pandas data frame with rows numbered from 0.

    Raises
    ------
    TypeError, ValueError
        A column of a type that has no counterpart there, or of text that is no Unicode.
    """
    try:
        table = frame.select(columns).to_pandas().reset_index(drop=True)
    except Exception:
        for column in columns:
            try:
                frame.select([column]).to_pandas()
            except Exception as error:  # whatever its library raises
                raise TypeError(
                    f"column {column!r} of type {frame.schema[column]} cannot be read "
                    f"({_first_line(error)}): convert it to numbers or text."
                ) from None
        raise
    for column in columns:
        if table[column].dtype == object:
            refuse_broken_text(table[column], f"column {column!r}")
    return table


def refuse_broken_text(values: Iterable, where: str) -> None:
    """Refuse text with half a pair of surrogates, as reading bytes in a wrong encoding leaves it.

    Raises
    ------
    ValueError
        Names the first row.
    """
    for row, value in enumerate(values):
        if isinstance(value, str) and not value.isascii() and _is_broken(value):
            raise ValueError(
                f"{where} holds text that is no Unicode ({value!r} in {row_name(row)}): read the "
                "file in its own encoding, or correct the text."
            )


def _row_labels(part: pd.DataFrame | pd.Series) -> pd.Index:
    """Return the index as objects: pandas holds 1 in int64 and 1 in Int64 for two labels."""
    return part.index.to_flat_index().astype(object)


def _first_difference(a: pd.Index, b: pd.Index) -> int:
    """Return the first place where two indices of one length differ, by bisection."""
    low, high = 0, len(a)
    while high - low > 1:
        middle = (low + high) // 2
        if a[low:middle].equals(b[low:middle]):
            low = middle
        else:
            high = middle
    return low


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
