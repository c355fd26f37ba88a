"""From the bytes of a file to a table of raw cells, whatever copy of the data it is."""

from __future__ import annotations

from io import BytesIO

import pandas as pd
from python_calamine import CalamineError


def read_table(content: bytes, label: str) -> pd.DataFrame:
    """Read a csv (comma or semicolon, quoted or not) or an Excel workbook.

    Parameters
    ----------
    content : bytes
        The whole file.
    label : str
        Name of the file: its ending decides how it is read; messages begin with it.

    Returns
    -------
    DataFrame
        Cells as they stand: strings from a csv, strings and numbers from a workbook.  Turning
        them into values is for ``check``, which knows what each column should hold.

    Raises
    ------
    ValueError
        If the bytes are no such table.
    """
    try:
        if label.lower().endswith((".xls", ".xlsx")):
            return _read_workbook(content)
        header = content.split(b"\n", 1)[0]
        return pd.read_csv(
            BytesIO(content),
            sep=";" if b";" in header else ",",
            dtype=str,
            keep_default_na=False,
            index_col=False,  # else one column too many would silently become row names
            encoding="utf-8-sig",
        )
    except (ValueError, CalamineError) as error:  # pandas' parser errors are ValueErrors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{label} cannot be read as a table ({reason})") from error


def _read_workbook(content: bytes) -> pd.DataFrame:
    try:
        return pd.read_excel(BytesIO(content), engine="calamine", dtype=object)
    except BaseException as error:
        # calamine panics on some damaged workbooks, and a panic is no Exception in Python.
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError("the workbook is damaged") from error
