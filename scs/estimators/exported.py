"""A fit for other programs: one JSON document, and CSV that a spreadsheet takes for data alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scs.estimators import summary

if TYPE_CHECKING:
    from scs.estimators.fitted import FittedModel

JSON_FORMAT = 1  # raised whenever a name changes its meaning or goes
_RUN = ("=", "+", "-", "@", "\t", "\r")  # how text begins that a spreadsheet would run


def document(model: FittedModel, *, source: str = "", notes: Sequence[str] = ()) -> dict[str, Any]:
    """Return a fit as plain values: ``model``, ``coefficients``, ``clusters`` and what was said.

    Parameters
    ----------
    model : FittedModel
    source : str
        Where the rows came from.
    notes : sequence of str
        What was pointed out on the way.
    """
    robust = model.tidy(robust="CR2")["std_error"]
    return {
        "format": JSON_FORMAT,
        "finding": summary.finding(model),
        "table": source,
        "formula": model.formula,
        "groups": model.groups,
        "model": records(model.glance())[0],
        "coefficients": records(model.tidy().assign(std_error_cr2=robust)),
        "clusters": records(model.tidy("clusters")),
        "set_apart": _set_apart(model),
        "data": [list(pair) for pair in summary.data_notes(model)],
        "certificate": [list(pair) for pair in summary.certificate_notes(model)],
        "remarks": summary.remarks(model),
        "notes": list(notes),
    }


def _set_apart(model: FittedModel) -> list[dict[str, Any]]:
    if model.apart is None or model.rows.slopes is not None:
        return []
    return records(model.set_apart.rename_axis("cluster").reset_index())


def as_json(value: Any) -> str:
    """Return plain values as one JSON document, without NaN, in ASCII."""
    return json.dumps(value, allow_nan=False, indent=1)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as dicts of plain values; what is missing is None."""
    names = [str(name) for name in table.columns]
    columns = [[_plain(value) for value in table.iloc[:, j]] for j in range(len(names))]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(value: Any) -> Any:
    """Return a cell as JSON has it: a label that is neither a number nor text as its text."""
    if isinstance(value, np.generic) and value.dtype.kind not in "mM":
        value = value.item()
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)  # others read numbers as floats
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, datetime | date):
        return None if value is pd.NaT else value.isoformat()
    return str(value)


def safe_csv(table: pd.DataFrame) -> str:
    """Return a table as CSV in which a spreadsheet finds nothing to run.

    Text that begins with = + - @, a tab or a carriage return gets an apostrophe before it, which
    spreadsheets take for the mark of text. Numbers are as they are, in full.
    """
    names = [_cell(str(name)) for name in table.columns]
    columns = [[_cell(_plain(value)) for value in table.iloc[:, j]] for j in range(len(names))]
    return "\n".join(map(",".join, [names, *zip(*columns, strict=True)])) + "\n"


def _cell(value: Any) -> str:
    """Write a cell; empty text in quotes, what is missing without."""
    if value is None or not isinstance(value, str):
        return "" if value is None else str(value)
    text = f"'{value}" if value.startswith(_RUN) else value
    if not text or any(mark in text for mark in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text
