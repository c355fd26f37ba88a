"""The paper's tables as they are printed, each number over ours, with a sign for its verdict."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from scs.book.charts.tables import _escaped, _slug
from scs.paper.ledger import EXPLAINED, INCOMPARABLE, READING, REPRODUCED, UNEXPLAINED

#: One sign for each verdict, so that nothing hangs on a colour.
SIGNS = {
    REPRODUCED: "\u2713",
    EXPLAINED: "\u25a0",
    READING: "\u25c7",
    INCOMPARABLE: "\u223c",
    UNEXPLAINED: "\u2717",
}


@dataclass(frozen=True)
class Cell:
    """One printed number, ours below it, and what is said of both."""

    published: str
    ours: str
    verdict: str

    @property
    def text(self) -> str:
        """The cell in one line."""
        return f"{SIGNS[self.verdict]} {self.published} / {self.ours}"

    def html(self) -> str:
        """Return the table cell; the verdict is also said in words, for those who hear the page."""
        kind = _slug(self.verdict)
        return (
            f'<td class="num {kind}" data-value="{_escaped(self.published)}">'
            f'<span class="sign" aria-hidden="true">{SIGNS[self.verdict]}</span>'
            f'<span class="said">{_escaped(self.verdict)}: </span>{_escaped(self.published)}'
            f'<br><span class="said">ours </span>{_escaped(self.ours)}</td>'
        )


@dataclass(frozen=True)
class PrintedTable:
    """A table of the paper; a notebook shows it as HTML, a terminal as text."""

    name: str
    caption: str
    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]

    def _repr_html_(self) -> str:
        heads = "".join(f'<th scope="col" class="num">{_escaped(c)}</th>' for c in self.columns)
        body = [
            f'<tr><th scope="row">{_escaped(row)}</th>'
            + "".join("<td></td>" if cell is None else cell.html() for cell in cells)
            + "</tr>"
            for row, cells in self.rows
        ]
        return "\n".join(
            [
                f'<div class="scs-table printed" data-name="{self.name}" data-file="{self.name}">',
                '<table class="dataframe">',
                f"<caption>{_escaped(self.caption)}</caption>",
                f'<thead><tr><th scope="col">{_escaped(self.heading)}</th>{heads}</tr></thead>',
                "<tbody>",
                *body,
                "</tbody>",
                "</table>",
                "</div>",
            ]
        )

    def __repr__(self) -> str:
        shown = pd.DataFrame(
            [["" if cell is None else cell.text for cell in cells] for _, cells in self.rows],
            columns=list(self.columns),
            index=pd.Index([row for row, _ in self.rows], name=self.heading),
        )
        return f"{self.caption}\n\n{shown.to_string()}"


def printed_table(
    cells: pd.DataFrame, *, name: str, caption: str, heading: str, across: str = "method"
) -> PrintedTable:
    """Lay out one table of the paper as the paper does: its rows, its columns, its digits.

    Parameters
    ----------
    cells : DataFrame
        Of one table: ``row``, ``published``, ``ours``, ``verdict`` and the column ``across``.
    name, caption : str
        As for `scs.book.charts.table`.
    heading : str
        What the rows are.
    across : str
        The column whose values head the table's columns.

    Raises
    ------
    ValueError
        Two cells would stand in one place.
    """
    twice = cells.duplicated(["row", across])
    if twice.any():
        first = cells[twice].iloc[0]
        raise ValueError(f"cells: {first['row']}, {first[across]} is there twice. Pass one table.")
    columns = tuple(dict.fromkeys(cells[across]))
    whole = bool((cells.published % 1 == 0).all())
    form = ".0f" if whole else f".{_decimals(cells.published)}f"
    ours = ".1f" if whole else form
    at = {
        (cell["row"], cell[across]): Cell(
            format(cell["published"], form), format(cell["ours"], ours), cell["verdict"]
        )
        for cell in cells.to_dict("records")
    }
    rows = tuple(
        (row, tuple(at.get((row, column)) for column in columns))
        for row in dict.fromkeys(cells["row"])
    )
    return PrintedTable(name, " ".join(caption.split()), heading, columns, rows)


def _decimals(values: pd.Series) -> int:
    """Return how many decimals the table prints: the most of any of its numbers."""
    return max(len(f"{value:.6f}".rstrip("0").split(".")[1]) for value in values)
