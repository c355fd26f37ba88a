"""Tables of the book: plain HTML in the notebook, which the book's pages make sortable.

What is shown is what is sorted by and what the download holds: no digit is stored that a reader
does not see, so another CPU's last digits change nothing that nbval compares. The sorting is done
by `book/_static/tables.js`; without it, and in print, the whole table is there.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

MISSING = "\u2013"  # a dash: an empty cell would look like a mistake
_LONG = 30  # rows: a longer table scrolls in a box of its own
_PRINTED = 60  # rows of the plain-text form
_DIGITS = 4  # significant digits of a float without a format
_WORDS = 40  # characters: a longer text wraps

Format = str | Callable[[Any], str]


@dataclass(frozen=True)
class Column:
    """One column as it is shown."""

    heading: str
    texts: tuple[str, ...]
    numeric: bool
    of_headings: bool = False  # its cells name their rows
    filtered: bool = False
    link: str | None = None


@dataclass(frozen=True)
class Table:
    """A captioned table; a notebook shows it as HTML, a terminal as text."""

    columns: tuple[Column, ...]
    caption: str
    name: str | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.columns[0].texts)

    def _repr_html_(self) -> str:
        classes = "scs-table long" if self.n_rows > _LONG else "scs-table"
        target = f' data-name="{_escaped(self.name)}"' if self.name else ""
        rows = zip(*([_cell(column, text) for text in column.texts] for column in self.columns))
        return "\n".join(
            [
                f'<div class="{classes}"{target} data-file="{_slug(self.name or self.caption)}">',
                '<table class="dataframe">',
                f"<caption>{_escaped(self.caption)}</caption>",
                f"<thead><tr>{''.join(map(_heading, self.columns))}</tr></thead>",
                "<tbody>",
                *(f"<tr>{''.join(row)}</tr>" for row in rows),
                "</tbody>",
                "</table>",
                "</div>",
            ]
        )

    def __repr__(self) -> str:
        shown = pd.DataFrame({column.heading: column.texts for column in self.columns})
        rest = f"\n... {self.n_rows} rows in all" if self.n_rows > _PRINTED else ""
        return f"{self.caption}\n\n{shown.head(_PRINTED).to_string(index=False)}{rest}"


def table(
    frame: pd.DataFrame | pd.Series,
    *,
    caption: str,
    name: str | None = None,
    formats: Mapping[str, Format] | None = None,
    filter_by: Sequence[str] = (),
    links: Mapping[str, str] | None = None,
) -> Table:
    """Show a data frame as a table that readers can sort, filter and download.

    Parameters
    ----------
    frame : DataFrame or Series
        One level of columns. The index is shown if it has a name or is more than row numbers.
    caption : str
        A sentence that says the finding; plain text.
    name : str, optional
        Target such as ``tab-errors``: numbers the table and makes it known to ``{numref}``.
    formats : mapping, optional
        Column (or index name) to a format as in f-strings (``".2f"``, ``".1%"``) or a function of
        one value. Floats without one get four significant digits, and all before the point.
    filter_by : sequence of str
        Columns with a choice of one of their values above the table.
    links : mapping, optional
        Column to an address with ``{}`` where the cell's text goes: ``"{}.html"``.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        There is nothing to show, the caption is empty, a name is no column, or columns have several
        levels or the same name.
    """
    shown = _flat(frame)
    formats, links = dict(formats or {}), dict(links or {})
    if not caption.strip():
        raise ValueError("caption: it is empty. Say in a sentence what the table shows.")
    if name is not None and not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise ValueError(f"name: {name!r} is no target. Use small letters, digits and hyphens.")
    for argument, given in (("formats", formats), ("filter_by", filter_by), ("links", links)):
        if unknown := [column for column in given if column not in shown.columns]:
            known = ", ".join(map(str, shown.columns))
            raise ValueError(f"{argument}: {unknown[0]!r} is no column. There are: {known}.")
    n_headings = len(shown.columns) - (1 if isinstance(frame, pd.Series) else frame.shape[1])
    columns = tuple(
        Column(
            heading=str(label),
            texts=tuple(_text(value, formats.get(label)) for value in shown[label]),
            numeric=is_numeric_dtype(shown[label]) and not is_bool_dtype(shown[label]),
            of_headings=place < n_headings,
            filtered=label in filter_by,
            link=links.get(label),
        )
        for place, label in enumerate(shown.columns)
    )
    return Table(columns, " ".join(caption.split()), name)


def _flat(frame: pd.DataFrame | pd.Series) -> pd.DataFrame:
    if isinstance(frame, pd.Series):
        frame = frame.to_frame(frame.name if frame.name is not None else "value")
    if frame.shape[1] == 0 or len(frame) == 0:
        raise ValueError(
            f"frame: {frame.shape[0]} rows, {frame.shape[1]} columns: nothing to show."
        )
    if frame.columns.nlevels > 1:
        raise ValueError(
            "frame: its columns have several levels. Join their names, or use a tidy table."
        )
    named = any(level is not None for level in frame.index.names)
    if named or not isinstance(frame.index, pd.RangeIndex):
        frame = frame.rename_axis([level or "" for level in frame.index.names]).reset_index()
    if not frame.columns.is_unique:
        raise ValueError("frame: two columns (or the index) have the same name. Rename one.")
    return frame


def _text(value: Any, form: Format | None) -> str:
    if callable(form):
        return form(value)
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return MISSING
    if form is not None:
        return format(value, form)
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    return short(value) if isinstance(value, float) else str(value)


def short(value: float) -> str:
    """Write a number with four significant digits, and all of its digits before the point."""
    size = abs(value)
    if 1000 <= size < 1e9:
        return f"{value:.0f}"
    text = f"{value + 0.0:.{_DIGITS}g}"
    return f"{Decimal(text):f}" if "e" in text and 1e-5 <= size < 1 else text


def number_shown(text: str) -> str | None:
    """Return the number that a formatted text shows (12 % as 0.12), or None."""
    plain = text.replace(",", "").replace("\u2212", "-").strip()
    percent = plain.endswith("%")
    try:
        number = Decimal(plain.rstrip("% "))
    except InvalidOperation:
        return None
    return str(number.scaleb(-2)) if percent else plain


def _heading(column: Column) -> str:
    classes = ' class="num"' if column.numeric else ""
    filtered = ' data-filter="yes"' if column.filtered else ""
    return f'<th scope="col"{classes}{filtered}>{_escaped(column.heading)}</th>'


def _cell(column: Column, text: str) -> str:
    attributes = ' scope="row"' if column.of_headings else ""
    if column.numeric or len(text) > _WORDS:
        attributes += ' class="num"' if column.numeric else ' class="words"'
    value = "" if text == MISSING else number_shown(text) if column.numeric else text
    if value is not None and value != text:
        attributes += f' data-value="{value}"'
    shown = _escaped(text)
    if column.link and text != MISSING:
        shown = f'<a href="{_escaped(column.link.format(text))}">{shown}</a>'
    element = "th" if column.of_headings else "td"
    return f"<{element}{attributes}>{shown}</{element}>"


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].rstrip("-")
