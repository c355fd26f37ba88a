"""Is this the published table?  Compared by what the cells hold, not by the bytes of the file.

The same table goes round as a csv with or without quotation marks, with lines in any order, and
as a workbook with more digits than the csv shows.  So each column gets a digest of its values,
taken after the rows are sorted by all columns from left to right.  Sorting so has a use: a wrong
value cannot disturb the columns left of it, so the first column that differs is the first one
that was changed.

A column of text or of whole numbers must agree exactly: its digest is a hash.  A hash cannot
forgive a difference in the tenth decimal: however coarsely one rounds first, some value lies on an
edge.  So a column of measurements is described by its count, its mean and its mean under uneven
weights, which must agree within TOLERANCE.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import pandas as pd

# The csv copies of the proteins are rounded to 9 decimals, so that no mean can be off by more than
# 5e-10; among 1,080 rows this bound notices one value changed by 1.1e-6 or more.
TOLERANCE = 1e-9
_DIGITS = 12
_GOLDEN = 0.6180339887498949  # neighbouring rows get weights far apart, so a swap shows
_BLANK = ("", "?", "NA", "NaN", "nan")

KINDS = ("integer", "number", "text")


def describe(raw: pd.DataFrame) -> dict:
    """Describe a table: its number of rows, and per column the kind and the digest.

    Parameters
    ----------
    raw : DataFrame
        Cells as ``read_table`` gives them.

    Returns
    -------
    dict
        ``{"rows": int, "columns": {name: (kind, ...digest)}}``.  The kind is the first of
        "integer", "number" and "text" that fits every cell.
    """
    kinds = {name: _kind(raw[name]) for name in raw.columns}
    table = _in_order(pd.DataFrame({name: _values(raw[name], kinds[name]) for name in kinds}))
    columns = {name: (kind, *_digest(table[name], kind)) for name, kind in kinds.items()}
    return {"rows": len(table), "columns": columns}


def checked(raw: pd.DataFrame, expected: dict, label: str, remedy: str) -> pd.DataFrame:
    """Return the table with typed columns and sorted rows, if it is the expected one.

    Parameters
    ----------
    raw : DataFrame
        Cells as ``read_table`` gives them, columns and rows in any order.
    expected : dict
        What ``describe`` said of the published table.
    label : str
        Name of the file, for messages.
    remedy : str
        What to do about a wrong file, for messages.

    Returns
    -------
    DataFrame
        Columns as in ``expected``: str, int64, or float64 with NaN for missing values; rows
        sorted by all columns from left to right.

    Raises
    ------
    ValueError
        The first line names the file, the first differing column, how it differs (missing, not
        expected, number of rows, a cell of the wrong kind, values), and the remedy.
    """

    def refuse(fault: str) -> ValueError:
        return ValueError(f"{label}: {fault}; {remedy}")

    columns = expected["columns"]
    for name in columns:
        if name not in raw.columns:
            seen = ", ".join(repr(str(column)[:40]) for column in list(raw.columns)[:3])
            raise refuse(f"column {name!r} is missing (the file begins with {seen})")
    for name in raw.columns:
        if name not in columns:
            raise refuse(f"column {name!r} does not belong to this table")
    if len(raw) != expected["rows"]:
        raise refuse(f"{len(raw)} rows where the table has {expected['rows']}")

    typed = {}
    for name, (kind, *_) in columns.items():
        try:
            typed[name] = _values(raw[name], kind)
        except ValueError as error:
            raise refuse(f"column {name!r}, {error}") from error
    table = _in_order(pd.DataFrame(typed))
    for name, (kind, *digest) in columns.items():
        if not _agree(_digest(table[name], kind), digest, kind):
            raise refuse(f"column {name!r} holds other values than the published table")
    return table


def _kind(cells: pd.Series) -> str:
    for kind in KINDS:
        try:
            _values(cells, kind)
        except ValueError:
            continue
        return kind
    raise AssertionError("text fits every cell")  # pragma: no cover


def _values(cells: pd.Series, kind: str) -> list:
    """Cells of one column as Python values of one kind; ValueError names the first misfit."""
    read = {"integer": _integer, "number": _number, "text": _text}[kind]
    values = []
    for row, cell in enumerate(cells, start=1):
        try:
            values.append(read(cell))
        except ValueError:
            wanted = {"integer": "a whole number", "number": "a number"}[kind]
            raise ValueError(f"row {row}: {cell!r} is not {wanted}") from None
    return values


def _text(cell: object) -> str:
    return "" if _is_blank(cell) else str(cell)


def _number(cell: object) -> float:
    return math.nan if _is_blank(cell) else _float(cell)


def _integer(cell: object) -> int:
    value = _float(cell)  # a workbook stores every number as a float
    if not value.is_integer():
        raise ValueError
    return int(value)


def _float(cell: Any) -> float:
    if "_" in str(cell):  # Python would read the mouse "309_1" as the number 3091
        raise ValueError
    return float(cell)


def _is_blank(cell: object) -> bool:
    return cell is None or cell != cell or str(cell).strip() in _BLANK


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values(list(table.columns), kind="stable", ignore_index=True)


def _digest(values: pd.Series, kind: str) -> tuple:
    """Hash of exact values; or count, mean and unevenly weighted mean of measurements."""
    if kind != "number":
        text = "\n".join(str(value) for value in values)
        return (hashlib.sha256(text.encode()).hexdigest()[:16],)
    present = [0.0 if math.isnan(value) else value for value in values]
    weighted = [row * _GOLDEN % 1 * value for row, value in enumerate(present, start=1)]
    means = (round(math.fsum(terms) / len(terms), _DIGITS) for terms in (present, weighted))
    return (int(values.notna().sum()), *means)


def _agree(found: tuple, wanted: tuple, kind: str) -> bool:
    if kind != "number":
        return tuple(found) == tuple(wanted)
    return found[0] == wanted[0] and all(
        abs(one - other) <= TOLERANCE for one, other in zip(found[1:], wanted[1:], strict=True)
    )
