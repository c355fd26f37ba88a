"""One type for labels of one kind, whatever they came in, in which none is rounded."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from numbers import Integral, Number
from typing import Any

import numpy as np
import pandas as pd

from scs.data.numbering import row_name

EXACT = 2**53  # from here on float64 does not hold every whole number


def label_kinds(values: np.ndarray) -> set[str]:
    """Return the kinds of labels among values, such as "number" or "str", without missing ones."""
    if values.dtype.kind != "O":
        names = {"b": "bool", "U": "str", "T": "str", "S": "bytes"}
        names |= {"M": "datetime", "m": "timedelta"}
        return {names.get(values.dtype.kind, "number")}
    return {_kind(type_) for type_ in set(map(type, values[~pd.isna(values)]))}


def of_one_type(labels: np.ndarray, row: Callable[[int], int]) -> np.ndarray:
    """Give distinct labels of one kind one type; ``row`` says where the j-th one stands first."""
    kind = labels.dtype.kind
    if kind in "iu":
        return _integers_again(labels)
    if kind == "f":
        return _floats(labels, row)
    kinds = label_kinds(labels) if kind == "O" else set()
    if kinds == {"number"}:
        return _numbers(labels.tolist(), row)
    if kinds == {"bool"}:
        return labels.astype(bool)
    if kinds == {"str"}:
        return objects([v if type(v) is str else str.__str__(v) for v in labels.tolist()])
    if kinds in ({"datetime"}, {"date"}, {"timedelta"}):
        return _times(labels.tolist(), row)
    return labels


def integers(values: list[int]) -> np.ndarray:
    """Return whole numbers of any size in the narrowest of int64, uint64 and objects."""
    low, high = min(values, default=0), max(values, default=0)
    if low >= -(2**63) and high < 2**63:
        return np.array(values, dtype=np.int64)
    if low >= 0 and high < 2**64:
        return np.array(values, dtype=np.uint64)
    return objects(values)


def nanoseconds(values: np.ndarray, row: Callable[[int], int]) -> np.ndarray:
    """Return times in nanoseconds and dates in days, or say which of them has no nanoseconds."""
    found = values.astype(f"{values.dtype.kind}8[ns]")
    moved = np.flatnonzero(found.astype(values.dtype) != values)
    if moved.size:
        raise ValueError(
            f"clusters holds {values[moved[0]]} in {row_name(row(moved[0]))}, which 64 bits of "
            "nanoseconds do not hold: pass such labels as text."
        )
    return values if np.datetime_data(values.dtype)[0] == "D" else found


def objects(values: Iterable) -> np.ndarray:
    """Return a one-dimensional array of objects, whatever these are."""
    values = list(values)
    return np.fromiter(values, dtype=object, count=len(values))


def _kind(type_: type) -> str:
    """Return what kind of label a type is."""
    kinds: dict[str, Any] = {
        "timedelta": (timedelta, np.timedelta64),  # NumPy calls its own a whole number
        "bool": (bool, np.bool_),
        "number": Number,
        "str": str,
        "bytes": bytes,
        "datetime": (datetime, np.datetime64),
        "date": date,
    }
    return next((name for name, of in kinds.items() if issubclass(type_, of)), type_.__name__)


def _integers_again(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "i" or not len(values) or values.max() < 2**63:
        return values.astype(np.int64)
    return values.astype(np.uint64)


def _floats(values: np.ndarray, row: Callable[[int], int]) -> np.ndarray:
    """Return floats as whole numbers if all are; refuse those too large to tell neighbours."""
    exact = min(EXACT, 2 ** (np.finfo(values.dtype).nmant + 1))
    rounded = np.flatnonzero(np.isfinite(values) & (np.abs(values) >= exact))
    if rounded.size:
        raise ValueError(_was_rounded(values[rounded[0]], values.dtype, row(rounded[0])))
    if np.isfinite(values).all() and (values % 1 == 0).all():
        return values.astype(np.int64)
    return values.astype(np.float64)


def _was_rounded(value: Any, type_: Any, row: int) -> str:
    return (
        f"clusters holds {value:.0f} in {row_name(row)} as {type_}, which does not tell whole "
        "numbers of that size apart: pass labels as whole numbers (in pandas 'Int64' where some "
        "are missing) or as text."
    )


def _numbers(values: list, row: Callable[[int], int]) -> np.ndarray:
    """Return numbers of any types: whole ones as such where all are, none ever rounded."""
    plain: list[Any] = []
    for j, value in enumerate(values):
        if isinstance(value, Integral):
            plain.append(int(value))
        elif isinstance(value, (float, np.floating)):
            type_ = value.dtype if isinstance(value, np.floating) else np.dtype(float)
            number = _floats(np.array([value], dtype=type_), _only(row, j))
            plain.append(number.item())
        elif isinstance(value, complex):
            plain.append(value)
        else:  # Decimal, Fraction
            whole = math.isfinite(value) and value == int(value)
            plain.append(int(value) if whole else value)
    if all(type(value) is int for value in plain):
        return integers(plain)
    small = all(type(v) is float or (type(v) is int and abs(v) < EXACT) for v in plain)
    return np.array(plain, dtype=float) if small else objects(plain)


def _only(row: Callable[[int], int], j: int) -> Callable[[int], int]:
    """Return the row of value j as that of an array which holds it alone."""
    return lambda _: row(j)


def _times(values: list, row: Callable[[int], int]) -> np.ndarray:
    """Return dates, times or durations as NumPy's, those with a zone as objects that keep it."""
    zones = {getattr(value, "tzinfo", None) is not None for value in values}
    if len(zones) > 1:
        raise TypeError(
            "clusters holds times with and without a zone, which have no common order: give all "
            "of them a zone, or none."
        )
    found = [nanoseconds(_time(value), _only(row, j)) for j, value in enumerate(values)]
    times = np.concatenate(found)
    return _in_zone(times, values) if zones == {True} else times


def _in_zone(times: np.ndarray, values: list) -> np.ndarray:
    """Return times in UTC as pandas' own, in the zone of the values if it is one for all."""
    zones = {str(value.tzinfo): value.tzinfo for value in values}
    zone = next(iter(zones.values())) if len(zones) == 1 else UTC
    return objects(pd.DatetimeIndex(times, tz=UTC).tz_convert(zone))


def has_zone(values: np.ndarray) -> bool:
    """Say if labels are times with a zone; all or none of them are."""
    first = next(iter(values), None) if values.dtype.kind == "O" else None
    return getattr(first, "tzinfo", None) is not None


def _time(value: Any) -> np.ndarray:
    """Return one date, time or duration as NumPy's, in the unit it has."""
    if isinstance(value, (pd.Timestamp, pd.Timedelta)):
        if isinstance(value, pd.Timestamp) and value.tzinfo is not None:
            value = value.tz_convert("UTC").tz_localize(None)
        return np.array([value.to_numpy()])
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return np.array([value], dtype=f"{'m' if isinstance(value, timedelta) else 'M'}8")
