"""A sheet of a workbook as the CSV that "save as CSV" would make of it, read as any other then."""

from __future__ import annotations

import csv
from datetime import date, datetime, time, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

_ZIP, _OLD = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
ENDINGS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")


def is_workbook(path: str | Path) -> bool:
    """Say whether a file is a workbook, by its ending and its first bytes."""
    path = Path(path)
    if path.suffix.lower() not in ENDINGS or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) in (_ZIP, _OLD)


def sheet_as_csv(path: str | Path, sheet: str = "") -> str:
    """Return a sheet as CSV.

    Whole numbers are written without a point, others in full; dates as ISO 8601; empty cells as
    nothing. Cells of text stay what they are, so that ``007`` is not ``7``.

    Parameters
    ----------
    path : str or Path
    sheet : str
        Its name; empty: the only one.

    Raises
    ------
    ValueError
        No workbook that can be read, no such sheet, several and none named, or an empty one.
    """
    path = Path(path)
    rows = _rows(path, sheet)
    if not any(cell != "" for row in rows for cell in row):
        raise ValueError(f"table: {path.name} has nothing in that sheet: name another by --sheet.")
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([map(_written, row) for row in rows])
    return text.getvalue()


def _rows(path: Path, sheet: str) -> list[list[Any]]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_path(str(path))
        return book.get_sheet_by_name(_chosen(book.sheet_names, sheet, path.name)).to_python()
    except BaseException as error:
        # On some damaged workbooks calamine panics, and a panic is no Exception in Python.
        if not isinstance(error, CalamineError) and type(error).__name__ != "PanicException":
            raise
        raise ValueError(
            f"table: {path.name} cannot be read as a workbook ({error}): save the sheet as CSV."
        ) from None


def _chosen(names: list[str], sheet: str, file: str) -> str:
    if sheet in names:
        return sheet
    listed = ", ".join(map(repr, names[:12]))
    if sheet:
        raise ValueError(f"--sheet: {file} has no sheet {sheet!r}: there are {listed}.")
    if len(names) != 1:
        raise ValueError(f"table: {file} has {len(names)} sheets: name one by --sheet: {listed}.")
    return names[0]


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value.total_seconds()) if isinstance(value, timedelta) else str(value)
