"""One writer of tables and pairs: as text, Markdown, LaTeX and HTML, from the same cells."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from html import escape

import numpy as np
import pandas as pd

WIDTH = 78


def number(value: float, digits: int = 4) -> str:
    """Write a number with a few significant digits; nothing for a missing one."""
    if value is None or np.isnan(value):
        return ""
    if value == 0:
        return "0"
    size = abs(value)
    if 1e-4 <= size < 1e9:
        decimals = max(digits - 1 - int(np.floor(np.log10(size))), 0)
        return f"{value:,.{decimals}f}"
    return f"{value:.{digits - 1}e}"


def share(value: float) -> str:
    """Write a gap as what it is at most: one digit, rounded up, and no rounding error's digits."""
    if not np.isfinite(value):
        return "not known"
    if value < 1e-9:
        return "below 1e-9"
    power = np.floor(np.log10(value))
    digit = int(np.ceil(round(value / 10.0**power, 6)))
    return f"at most {digit}e{int(power):d}" if digit < 10 else f"at most 1e{int(power) + 1:d}"


def table_html(table: pd.DataFrame, caption: str) -> str:
    """Return a table with caption and header cells, every text escaped."""
    head = "".join(f'<th scope="col">{escape(str(c))}</th>' for c in _headed(table))
    body = "\n".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for label, *cells in _rows(table)
    )
    return (
        f"<table><caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody></table>"
    )


def pairs_html(pairs: list[tuple[str, str]], caption: str) -> str:
    """Return pairs of heading and text as a table."""
    body = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="text">{escape(text)}</td></tr>'
        for name, text in pairs
    )
    return f"<table><caption>{escape(caption)}</caption>\n<tbody>\n{body}\n</tbody></table>"


def _headed(table: pd.DataFrame) -> list[str]:
    return [str(table.index.name or ""), *map(str, table.columns)]


def _cells(table: pd.DataFrame) -> list[list[str]]:
    """Return a table's entries as text."""
    columns = []
    for name in table.columns:
        values = table[name]
        if name == "chosen":
            columns.append(["" if np.isnan(v) else f"{v:.0%}" for v in values])
        elif values.dtype.kind == "f":
            digits = 2 if name in ("p", "q") else 4
            columns.append([number(v, digits) for v in values])
        elif values.dtype.kind in "iu":
            columns.append([f"{v:,}" for v in values])
        else:
            columns.append([str(v) for v in values])
    return [list(row) for row in zip(*columns, strict=True)]


def table_text(table: pd.DataFrame) -> str:
    """Return a table in columns, labels cut to thirty characters."""
    rows = [[_short(row[0]), *row[1:]] for row in [_headed(table), *_rows(table)]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in rows
    )


def _printable(text: str) -> str:
    """Replace line breaks and orders to the terminal, which a name may hold, by spaces."""
    return "".join(c if c.isprintable() else " " for c in text)


def _short(text: str, most: int = 30) -> str:
    text = _printable(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def pairs_text(pairs: list[tuple[str, str]]) -> str:
    """Return pairs of heading and text, the texts below each other."""
    width = max(len(name) for name, _ in pairs) + 2
    return "\n".join(
        wrapped(text, first=f"  {name.ljust(width)}", rest=" " * (width + 2))
        for name, text in pairs
    )


def wrapped(text: str, first: str = "", rest: str = "") -> str:
    """Return text in lines of `WIDTH`."""
    return textwrap.fill(
        _printable(text),
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
    )


def table_markdown(table: pd.DataFrame, caption: str) -> str:
    """Return a table of GitHub's Markdown below its caption, every text escaped."""
    columns = len(table.columns)
    head, *body = _each(markdown, [_headed(table), *_rows(table)])
    rows = [head, ["---", *["---:"] * columns], *body]
    return f"**{markdown(caption)}**\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)


def pairs_markdown(pairs: list[tuple[str, str]], caption: str) -> str:
    """Return pairs of heading and text as a list below a caption."""
    items = "\n".join(f"- **{markdown(name)}**: {markdown(text)}" for name, text in pairs)
    return f"**{markdown(caption)}**\n\n{items}"


def markdown(text: str) -> str:
    """Escape what Markdown would take for a mark."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$])", r"\\\1", _printable(text))


def table_latex(table: pd.DataFrame, caption: str) -> str:
    """Return a table for LaTeX, which needs no package."""
    lines = [" & ".join(row) + r" \\" for row in _each(latex, [_headed(table), *_rows(table)])]
    body = "\n".join([r"\hline", lines[0], r"\hline", *lines[1:], r"\hline"])
    return _latex_table(f"l{'r' * len(table.columns)}", body, caption)


def pairs_latex(pairs: list[tuple[str, str]], caption: str) -> str:
    """Return pairs of heading and text as a table for LaTeX."""
    lines = [" & ".join(row) + r" \\" for row in _each(latex, [list(pair) for pair in pairs])]
    body = "\n".join([r"\hline", *lines, r"\hline"])
    return _latex_table(r"lp{0.7\textwidth}", body, caption)


def latex(text: str) -> str:
    """Escape what LaTeX would take for an order."""
    named = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(named.get(c, rf"\{c}" if c in "&%$#_{}" else c) for c in _printable(text))


def _latex_table(columns: str, body: str, caption: str) -> str:
    return (
        f"\\begin{{table}}[htbp]\n\\centering\n\\caption{{{latex(caption)}}}\n"
        f"\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}\n\\end{{table}}"
    )


def _rows(table: pd.DataFrame) -> list[list[str]]:
    """Return a table's rows as text, each with its label first."""
    return [[str(label), *cells] for label, cells in zip(table.index, _cells(table), strict=True)]


def _each(escaped: Callable[[str], str], rows: list[list[str]]) -> list[list[str]]:
    return [[escaped(cell) for cell in row] for row in rows]
