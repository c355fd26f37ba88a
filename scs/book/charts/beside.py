"""Ours beside the paper's: the figure and the table of every chapter that recomputes a table."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from scs.book.charts.tables import MISSING, Table, table
from scs.paper.ledger import z_text
from scs.report.theme import METHOD_COLOURS, PALETTE, method_scale

# A diamond with a hole, the inner one drawn the other way round: it is hollow in the legend too,
# whose symbols are all filled or all not.
_HOLLOW = "M0,-1L1,0L0,1L-1,0ZM0,-.6L-.6,0L0,.6L.6,0Z"
_SOURCES = alt.Scale(domain=["ours", "published"], range=["circle", _HOLLOW])
_SHARES = [tenth / 10 for tenth in range(11)]
_FEW_POWERS = 1.3  # an axis over fewer powers of ten needs more ticks in each


def recovery_chart(
    cells: pd.DataFrame,
    *,
    x: str,
    x_title: str,
    y_title: str,
    panel: str,
    description: str,
    log: bool = True,
    share: bool = False,
    truth: str | None = None,
) -> alt.FacetChart | alt.LayerChart:
    """Draw our means with two Monte Carlo standard errors, and the published values as diamonds.

    Parameters
    ----------
    cells : DataFrame
        Of `scs.paper.ledger.cells`: ``method``, ``ours``, ``mc_se``, ``published``, and the columns
        named below. Without rows, which is a run of other dimensions, the chart says so.
    x, panel : str
        Columns: a number, and the text that each panel below the other stands for.
    x_title, y_title, description : str
    log : bool
        Whether the values' axis is logarithmic.
    share : bool
        Whether ``x`` is a share, to be shown in percent.
    truth : str, optional
        Column with the true value, drawn as a dashed line.
    """
    if cells.empty:
        return _not_run(description)
    columns = ["method", x, panel, "ours", "published", "mc_se", truth]
    drawn = cells[[column for column in columns if column]].copy()
    drawn["mine"], drawn["theirs"] = _SOURCES.domain  # what the legend says of the two marks
    drawn["low"], drawn["high"] = drawn.ours - 2 * drawn.mc_se, drawn.ours + 2 * drawn.mc_se
    if log:  # no bar may reach 0
        drawn["low"] = drawn.low.clip(lower=drawn.ours / 20)
    colour = alt.Color("method:N", title=None, scale=_colours(drawn))
    scale = alt.Scale(type="log", nice=False, padding=6)
    if not log:  # with room beyond a line along the edge
        scale = alt.Scale(zero=False, padding=10)
    axis = alt.Axis(values=_log_ticks(drawn, panel), format="~g") if log else alt.Axis()
    base = alt.Chart().encode(
        x=alt.X(
            f"{x}:Q",
            title=x_title,
            axis=alt.Axis(format="%", values=_SHARES) if share else alt.Axis(),
            scale=alt.Scale(zero=False, nice=False, padding=10),
        ),
        color=colour,
        tooltip=[
            "method:N",
            alt.Tooltip(f"{x}:Q", title=x_title, format=".0%" if share else ".3g"),
            alt.Tooltip("ours:Q", format=".3g"),
            alt.Tooltip("mc_se:Q", format=".1g", title="standard error"),
            alt.Tooltip("published:Q", format=".3g"),
        ],
    )
    bars = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("low:Q", title=y_title, scale=scale, axis=axis), y2="high:Q"
    )
    line = base.mark_line(strokeWidth=1.2).encode(y="ours:Q")
    ours = base.mark_point(size=35).encode(y="ours:Q", shape=_source("mine"))
    theirs = base.mark_point(size=110).encode(y="published:Q", shape=_source("theirs"))
    layers = [bars, line, ours, theirs]
    if truth:
        dashed = alt.Chart().mark_line(strokeDash=[5, 4], strokeWidth=1.2, color=PALETTE[-1])
        layers.insert(0, dashed.encode(x=f"{x}:Q", y=f"{truth}:Q"))
    panels = list(dict.fromkeys(drawn[panel]))
    return (
        alt.layer(*layers, data=drawn)
        .properties(height=230)
        .facet(
            facet=alt.Facet(
                f"{panel}:N", title=None, sort=panels, header=alt.Header(labelFontSize=13)
            ),
            columns=1,
        )
        .resolve_scale(y="independent")
        .properties(description=description)
    )


def recovery_figure(
    cells: pd.DataFrame, dimension: str, *, x: str, x_title: str, share: bool = False
) -> alt.FacetChart | alt.LayerChart:
    """Draw half of Figure 2, B1 or B2: errors of beta above, of gamma below, for one dimension.

    Parameters
    ----------
    cells : DataFrame
        Of `scs.paper.ledger.cells`, Tables B1 to B6 or B8 to B13, and the column ``x``.
    dimension : {"low", "medium", "high"}
    x, x_title, share
        As for `recovery_chart`.
    """
    part = cells[cells.dimension == dimension]
    ratio = (part.published / part.ours).groupby([part.quantity, part.method], sort=False).median()
    found = "; ".join(f"{quantity}, {method} {v:.1f}" for (quantity, method), v in ratio.items())
    return recovery_chart(
        part,
        x=x,
        x_title=x_title,
        y_title="mean squared error (log scale)",
        panel="quantity",
        share=share,
        description=f"Errors of beta (above) and gamma (below), {dimension} dimension, against the "
        f"{x_title}. Medians of published over ours: {found}.",
    )


def beside_table(cells: pd.DataFrame, *, name: str, caption: str, row: str = "row") -> Table:
    """Show every cell with its error, z and verdict, to be filtered by readers.

    Parameters
    ----------
    cells : DataFrame
        Of `scs.paper.ledger.judged`.
    name, caption : str
        As for `scs.book.charts.table`.
    row : str
        What the rows of the paper's table are: the column's heading.
    """
    several = cells["table"].nunique() > 1
    place = f"table, {row}" if several else row
    shown = pd.DataFrame(
        {
            place: cells["table"] + ", " + cells["row"] if several else cells["row"],
            "method": cells["method"],
            "z": cells["z"],
            "verdict": cells["verdict"],
            "published": cells["published"],
            "ours": cells["ours"],
            "SE": cells["mc_se"],
            "error of": cells["quantity"].str.removeprefix("squared error of "),
            "table": cells["table"],
        }
    ).reset_index(drop=True)
    choices = ("table", "error of")  # at the end, for the filters above the table alone
    shown = shown.drop(columns=[column for column in choices if shown[column].nunique() == 1])
    return table(
        shown,
        name=name,
        caption=caption,
        filter_by=[c for c in ("table", "method", "error of", "verdict") if c in shown],
        formats={"SE": _two_digits, "z": z_shown},
    )


def z_shown(value: float) -> str:
    """Write z as `scs.paper.ledger.z_text` does; a dash where there is none."""
    return MISSING if pd.isna(value) else z_text(value)


def _two_digits(value: float) -> str:
    """Write an error with two significant digits and no power of ten."""
    text = f"{float(f'{value:.2g}'):.7f}"
    return text.rstrip("0").rstrip(".")


def _log_ticks(drawn: pd.DataFrame, panel: str) -> list[float]:
    """Return 1, 2 and 5 of each power of ten, and 3 where a panel spans hardly more than one."""
    values = drawn[["low", "high", "published"]]
    lowest = values.min(axis=1).groupby(drawn[panel]).min()
    highest = values.max(axis=1).groupby(drawn[panel]).max()
    few = (np.log10(highest / lowest) < _FEW_POWERS).any()
    steps = (1, 2, 3, 5) if few else (1, 2, 5)
    return [step * 10.0**power for power in range(-5, 3) for step in steps]


def _source(field: str) -> alt.Shape:
    # Grey, or the legend's two shapes would be black on a dark page.
    legend = alt.Legend(symbolFillColor=PALETTE[-1], symbolStrokeColor=PALETTE[-1])
    return alt.Shape(f"{field}:N", scale=_SOURCES, title=None, legend=legend)


def _colours(drawn: pd.DataFrame) -> alt.Scale:
    present = [name for name in METHOD_COLOURS if name in set(drawn["method"])]
    if len(present) == len(METHOD_COLOURS):
        return method_scale()
    return alt.Scale(domain=present, range=[METHOD_COLOURS[name] for name in present])


def _not_run(description: str) -> alt.LayerChart:
    text = "not in this run: choose its dimension, or all"
    words = alt.Chart(pd.DataFrame({"text": [text]})).mark_text().encode(text="text:N")
    return alt.layer(words).properties(height=40, description=f"{text}. {description}")
