"""A user's data frame: columns found by name, missing values, and types that a formula can code."""

from __future__ import annotations

import difflib
import keyword
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date, time
from numbers import Integral
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
from formulaic.transforms import TRANSFORMS

from scs.data.containers import (
    dict_frame,
    named_by_text,
    refuse_other_rows,
    to_pandas,
    without_wide_integers,
)
from scs.data.label_types import EXACT, objects
from scs.data.numbering import row_name
from scs.data.wilkinson import breaks_quotes
from scs.data.written import is_grouped, is_text, refuse_text


def as_frame(data: Any, name: str = "data") -> nw.DataFrame:
    """Return a user's table, of whatever library, as a narwhals data frame.

    Raises
    ------
    ValueError, TypeError
        No table, one that is not in memory, or two columns of one name.
    """
    if isinstance(data, Mapping):
        # pandas would join some columns by label and others by position.
        refuse_other_rows(**{f"{name}[{key!r}]": column for key, column in data.items()})
        data = dict_frame({key: _whole(column) for key, column in data.items()}, name)
    if isinstance(data, pa.Table):  # what pandas wrote beside it speaks of columns not chosen
        data = data.replace_schema_metadata(None)
    if isinstance(data, pd.DataFrame):
        data = named_by_text(data, name)
    if not any(hasattr(type(data), name) for name in ("columns", "schema")):
        raise TypeError(
            f"{name} must be a data frame or a dict of columns, got {type(data).__name__}: for "
            "arrays use SignificantClusterRegressor."
        )
    try:
        return without_wide_integers(nw.from_native(data, eager_only=True))
    except nw.exceptions.DuplicateError as error:
        twice = str(error).split("got:")[-1].strip(" -\n")
        raise ValueError(f"{name} has two columns of one name ({twice}): rename one.") from None
    except TypeError:
        raise TypeError(
            f"{name} is of type {type(data).__name__}, whose rows are not in memory: pass its "
            "collect() or compute()."
        ) from None


def as_pandas(frame: nw.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return columns as pandas has them of its own; Arrow's types become what Arrow makes them.

    Categories without an order are sorted, as text is: polars and Arrow list them as they appear,
    and the order of rows would choose the reference. pandas sorts them itself unless told
    otherwise, so that another order there is meant.
    """
    table = to_pandas(frame, columns)
    own = frame.implementation.is_pandas_like()
    for name in columns:
        from_arrow = isinstance(table[name].dtype, pd.ArrowDtype)
        if from_arrow:
            table[name] = pa.chunked_array(pa.array(table[name])).to_pandas()
        if (from_arrow or not own) and isinstance(table[name].dtype, pd.CategoricalDtype):
            table[name] = _sorted_categories(table[name])
    return table


def check_column(column: str, names: Iterable[str], argument: str) -> None:
    """Raise if a column is not there; the message says which is nearest.

    Raises
    ------
    ValueError
    """
    names = list(names)
    if column in names:
        return
    near = nearest(column, names)
    hint = f"did you mean {near!r}?" if near else f"there are {_some(names) or 'none at all'}."
    raise ValueError(f"{argument}: no column named {column!r}; {hint}")


def nearest(column: str, names: Iterable[str]) -> str | None:
    """Return the name most like a mistyped one, or None."""
    plain = {_squeezed(name): name for name in map(str, names)}
    close = difflib.get_close_matches(_squeezed(str(column)), plain, n=1, cutoff=0.6)
    return plain[close[0]] if close else None


def quoted(column: str) -> str:
    """Write a column's name so that a formula takes it for a name whatever it holds.

    Raises
    ------
    ValueError
        The name holds a backtick, or is a number.
    """
    if "`" in column:
        raise ValueError(f"column {column!r} has a backtick in its name: rename it.")
    if breaks_quotes(column):
        raise ValueError(f"column {column!r} has a name that ends in a backslash: rename it.")
    if not column.strip():
        raise ValueError(f"column {column!r} has no name: rename it.")
    if re.fullmatch(r"[\d.]+([eE][+-]?\d+)?", column):  # a formula would take it for a constant
        raise ValueError(f"column {column!r} has a number for a name: rename it, or --exclude it.")
    plain = column.isidentifier() and not keyword.iskeyword(column) and column not in TRANSFORMS
    return column if plain else f"`{column}`"


def missing_counts(table: pd.DataFrame) -> dict[str, int]:
    """Return the number of missing values of each column that has any."""
    counts = {str(name): int(table[name].isna().sum()) for name in table}
    return {name: count for name, count in counts.items() if count}


def listed(counts: Mapping[str, int]) -> str:
    """Write counts by column for a message."""
    return ", ".join(f"{count:,} in {name!r}" for name, count in counts.items())


def without_missing(table: pd.DataFrame, missing: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Refuse or drop the rows that miss a value."""
    counts = missing_counts(table)
    if not counts:
        return table, counts
    whole = table.notna().all(axis=1)
    if missing == "refuse":
        raise ValueError(
            f"data has missing values ({listed(counts)}; {int((~whole).sum()):,} of "
            f"{len(table):,} rows, the first in {row_name(int(whole.argmin()))}): fill them in, "
            "or drop these rows with missing='drop' (--missing drop)."
        )
    if not whole.any():
        raise ValueError(
            f"data has no row without a missing value ({listed(counts)}): leave out the columns "
            "that miss most."
        )
    return table[whole], counts  # whose index says which rows they are


def outcome_numbers(column: pd.Series, name: str, part: str = "outcome") -> pd.Series:
    """Return a column of numbers, or say what it holds; ``part`` is what messages call it.

    Two texts of an outcome are to be coded as 0 and 1; those of another part are no numbers.
    """
    what = f"{part} {name!r}"
    if pd.api.types.is_datetime64_any_dtype(column) or column.dtype.kind == "m":
        raise TypeError(f"{what} holds dates or times: turn them into numbers, such as days.")
    if pd.api.types.is_complex_dtype(column):
        raise TypeError(f"{what} holds complex numbers: pass real ones.")
    if is_plain_text := is_text(column):
        column = column.astype(object)
    with suppress(TypeError, ValueError):
        numbers = column.astype(float)
        if not is_plain_text or all(map(_is_number, column)):
            return numbers
    for row, value in column.items():
        if not _is_number(value):
            if not isinstance(value, str):
                raise TypeError(
                    f"{what} holds {type(value).__name__} in {row_name(row)}, not numbers: convert "
                    "it, or name another column."
                )
            remedy = (
                f"code its two values as 0 and 1 ({value!r} as one of them)"
                if part == "outcome" and column.nunique() == 2
                else "correct the entries that are no numbers, or name another column"
            )
            raise ValueError(
                f"{what} holds text ({value!r} in {row_name(row)}), not numbers: {remedy}."
            )
    raise TypeError(f"{what} holds {column.dtype}, not numbers: convert it.")


def _is_number(value: Any) -> bool:
    """Say whether a value is a number, and as text nothing else, as nan and 20_21 may be."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return False
    if not isinstance(value, str):
        return True
    return bool(np.isfinite(number)) and ("_" not in value or is_grouped(value.strip()))


def codable(column: pd.Series, name: str) -> pd.Series:
    """Return a column in one of the types that formulaic codes as its reader expects."""
    if pd.api.types.is_bool_dtype(column):
        return column.astype(float)
    if pd.api.types.is_complex_dtype(column):
        raise TypeError(f"column {name!r} holds complex numbers: pass real ones.")
    if pd.api.types.is_numeric_dtype(column):
        return column if isinstance(column.dtype, np.dtype) else column.astype(float)
    if isinstance(column.dtype, pd.CategoricalDtype):
        if len({isinstance(level, str) for level in column.cat.categories}) > 1:
            raise TypeError(_mixes(name, "text and numbers"))
        return column.cat.remove_unused_categories()
    if isinstance(column.dtype, pd.DatetimeTZDtype) or column.dtype.kind in "mM":
        raise TypeError(_dates(name))
    if isinstance(column.dtype, pd.StringDtype):
        return column.astype("category")
    values = column.astype(object)
    kinds = {type(value) for value in values}
    if not any(issubclass(kind, str) for kind in kinds):
        if len({issubclass(kind, (bool, np.bool_)) for kind in kinds}) > 1:
            raise TypeError(_mixes(name, "booleans and numbers"))
        try:
            return values.astype(float)  # Decimal, or numbers in an object column
        except (TypeError, ValueError):
            if any(issubclass(kind, (date, time)) for kind in kinds):
                raise TypeError(_dates(name)) from None
            raise TypeError(
                f"column {name!r} holds {min(k.__name__ for k in kinds)}: pass numbers or text."
            ) from None
    if not all(issubclass(kind, str) for kind in kinds):
        raise TypeError(_mixes(name, "text and numbers"))
    return values.astype("category")


def refuse_identifier(column: pd.Series, name: str) -> None:
    """Refuse text that names the rows, or that is numbers or dates."""
    refuse_text(column, name, f"write C({quoted(name)}) (--categorical) if each is a category")


def _sorted_categories(column: pd.Series) -> pd.Series:
    if column.cat.ordered:
        return column
    return column.cat.set_categories(sorted(column.cat.categories))


def refuse_rounded(column: pd.Series, name: str) -> None:
    """Refuse whole numbers between which floating point does not tell, as long identifiers are.

    Raises
    ------
    ValueError
    """
    if not pd.api.types.is_integer_dtype(column):
        return
    values = column.to_numpy()
    for row in np.flatnonzero(np.abs(values.astype(float)) >= EXACT):
        if int(float(values[row])) != int(values[row]):
            where = column.index[int(row)]
            raise ValueError(
                f"column {name!r} holds the whole number {values[row]} in {row_name(where)}, "
                "which floating point would round: leave it out if it names the rows (--exclude), "
                "or turn it into floats."
            )


def _whole(column: Any) -> Any:
    """Return a column of which pandas will not round whole numbers, nor forget a time's zone."""
    kind = getattr(column, "type", None)
    in_arrow = isinstance(kind, pa.TimestampType) and kind.tz is not None
    if in_arrow or getattr(getattr(column, "dtype", None), "time_zone", None):  # or in polars
        return column.to_pandas()
    if isinstance(column, np.ma.MaskedArray):
        column = [None if entry is np.ma.masked else entry for entry in column]
    if not isinstance(column, (list, tuple)) or not any(
        isinstance(entry, Integral) and abs(int(entry)) >= EXACT for entry in column
    ):
        return column
    return objects(column)


def _squeezed(name: str) -> str:
    return re.sub(r"[\s_.-]+", "", name).lower()


def _some(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:12]) + (", ..." if len(names) > 12 else "")


def _mixes(name: str, what: str) -> str:
    return f"column {name!r} mixes {what}: make it all one or the other."


def _dates(name: str) -> str:
    return (
        f"column {name!r} holds dates or times: turn them into numbers of a unit you choose, such "
        "as days since the first one, or leave the column out (--exclude)."
    )
