"""Charts of a simulation study: many scenarios at once, in panels, with their errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from scs.report.theme import METHOD_COLOURS, PALETTE

_LEGEND = alt.Legend(labelLimit=300, symbolOpacity=1)
# Marks of the verdicts are faint: those of the legend show their colours.
_VERDICTS = alt.Legend(labelLimit=300, symbolOpacity=1, symbolStrokeWidth=3, columns=1)
#: The two arms keep these colours, no method's own.
ARM_COLOURS = {"as published": PALETTE[5], "equal data": PALETTE[4]}
VARIANT_COLOURS = {
    "MIO": METHOD_COLOURS["MIO"],
    "MIO (small ridge)": PALETTE[4],
    "MIO (refit)": PALETTE[5],
    "LMM (Laplace)": METHOD_COLOURS["LMM (Laplace)"],
}
_LAPLACE = "LMM (Laplace)"  # most of what differs: a sign of its own
VERDICT_COLOURS = {
    "reproduced": PALETTE[4],
    "differs, explained": PALETTE[5],
    "a reading that fits": PALETTE[3],
    "differs, unexplained": PALETTE[1],
    _LAPLACE: METHOD_COLOURS["LMM (Laplace)"],
}


def lines_chart(
    table: pd.DataFrame,
    *,
    x: str,
    x_title: str,
    y: str,
    y_title: str,
    colours: Mapping[str, str],
    description: str,
    reference: float | None = None,
    log: bool = False,
) -> alt.FacetChart:
    """Draw means with two standard errors against a condition, a line per kind, in panels.

    Parameters
    ----------
    table : DataFrame
        Columns ``panel`` (its title), ``kind`` (text: the legend), ``x``, ``y`` and ``error``.
    x, x_title, y, y_title : str
    colours : mapping
        Of each kind, in the order of the legend.
    description : str
    reference : float, optional
        A dashed line at this height.
    log : bool
        Vertical axis in logarithms, the same for all panels.
    """
    table = _with_range(table, y, log=log)
    # Ratios are compared across panels, levels within them.
    scale = alt.Scale(type="log", nice=False, padding=8) if log else alt.Scale(zero=False)
    axis = alt.Axis(tickCount=5, format=",~r")
    colour, shape = _signs(colours, table, "kind", legend=_LEGEND)
    base = alt.Chart(table).encode(
        x=alt.X(f"{x}:Q", title=x_title, axis=axis, scale=alt.Scale(nice=False, padding=8)),
        color=colour,
    )
    height = alt.Y(f"{y}:Q", title=y_title, scale=scale, axis=axis)
    tooltip = [
        "kind:N",
        alt.Tooltip(f"{x}:Q", format=".3g", title=x_title),
        alt.Tooltip(f"{y}:Q", format=".3g", title=y_title),
        alt.Tooltip("error:Q", format=".1g", title="standard error"),
    ]
    layers = [
        base.mark_rule(strokeWidth=2).encode(
            y=alt.Y("range_low:Q", title=y_title, scale=scale, axis=axis), y2="range_high:Q"
        ),
        base.mark_line(strokeWidth=1).encode(y=height),
        base.mark_point(size=40).encode(y=height, shape=shape, tooltip=tooltip),
    ]
    if reference is not None:
        rule = alt.Chart(table).mark_rule(strokeDash=[4, 3])
        layers.insert(0, rule.encode(y=alt.Y(datum=reference)))
    panels = list(dict.fromkeys(table["panel"]))
    return (
        alt.layer(*layers)
        .properties(height=190)
        .facet(facet=alt.Facet("panel:N", sort=panels, title=None), columns=2)
        .resolve_scale(x="independent", y="shared" if log else "independent")
        .resolve_axis(y="independent")
        .properties(description=description)
    )


def intervals_chart(
    table: pd.DataFrame,
    *,
    y: str,
    x: str,
    x_title: str,
    colours: Mapping[str, str],
    description: str,
    reference: float | None = None,
    log: bool = True,
) -> alt.LayerChart | alt.FacetChart:
    """Draw a point and its interval for each row of names, kinds beside each other.

    Parameters
    ----------
    table : DataFrame
        Columns ``y`` (text), ``kind`` (text: the legend), ``x``, ``range_low`` and ``range_high``,
        and, for panels, ``panel``.
    y, x, x_title : str
    colours : mapping
        Of each kind, in the order of the legend.
    description : str
    reference : float, optional
        A dashed line at this value.
    log : bool
        Horizontal axis in logarithms.
    """
    scale = alt.Scale(type="log", nice=False, padding=8) if log else alt.Scale(zero=False)
    axis = alt.Axis(tickCount=5, format=",~r")
    order = list(dict.fromkeys(table[y]))
    colour, shape = _signs(colours, table, "kind", legend=_LEGEND)
    base = alt.Chart(table).encode(y=alt.Y(f"{y}:N", sort=order, title=None), color=colour)
    names = [name for name in (y, "panel") if name in table]
    side_by_side = int(table.groupby(names).size().max())
    if side_by_side > 1:
        base = base.encode(yOffset=alt.YOffset("kind:N", sort=list(colours)))
    layers = [
        base.mark_rule(strokeWidth=2).encode(
            x=alt.X("range_low:Q", title=x_title, scale=scale, axis=axis), x2="range_high:Q"
        ),
        base.mark_point(size=60).encode(
            x=alt.X(f"{x}:Q", title=x_title, scale=scale, axis=axis),
            shape=shape,
            tooltip=[
                f"{y}:N",
                "kind:N",
                alt.Tooltip(f"{x}:Q", format=".3g", title=x_title),
                alt.Tooltip("range_low:Q", format=".3g", title="from"),
                alt.Tooltip("range_high:Q", format=".3g", title="to"),
            ],
        ),
    ]
    if reference is not None:
        rule = alt.Chart(table).mark_rule(strokeDash=[4, 3])
        layers.insert(0, rule.encode(x=alt.X(datum=reference)))
    chart = alt.layer(*layers).properties(height=(14 + 12 * side_by_side) * len(order))
    if "panel" in table:
        panels = list(dict.fromkeys(table["panel"]))
        chart = chart.facet(facet=alt.Facet("panel:N", sort=panels, title=None), columns=2)
        chart = chart.resolve_axis(x="independent")
    return chart.properties(description=description)


def verdicts_chart(ledger: pd.DataFrame, *, description: str) -> alt.LayerChart:
    """Draw z of every cell by table, a sign for each verdict, on an axis that is linear up to 3.

    Unexplained cells of LMM (Laplace) have a sign of their own.

    Parameters
    ----------
    ledger : DataFrame
        Of `scs.paper.ledger.read_ledger`; cells without z are left out.
    description : str
    """
    cells = ledger[ledger.z.notna()]
    apart = (cells.method == "LMM (Laplace)") & (cells.verdict == "differs, unexplained")
    cells = cells.assign(sign=cells.verdict.mask(apart, _LAPLACE))
    order = list(dict.fromkeys(cells.table))
    scale = alt.Scale(type="symlog", constant=3)
    ticks = [-100, -30, -10, -3, 0, 3, 10, 30, 100]
    colour, shape = _signs(VERDICT_COLOURS, cells, "sign", legend=_VERDICTS)
    points = (
        alt.Chart(cells)
        .mark_point(size=30, opacity=0.6)
        .encode(
            y=alt.Y("table:N", sort=order, title="table"),
            x=alt.X("z:Q", title="z", scale=scale, axis=alt.Axis(values=ticks)),
            color=colour,
            shape=shape,
            tooltip=["table:N", "row:N", "method:N", "quantity:N", "z:Q", "verdict:N"],
        )
    )
    limits = alt.Chart(pd.DataFrame({"z": [-3.0, 3.0]})).mark_rule(strokeDash=[4, 3])
    return (limits.encode(x=alt.X("z:Q", scale=scale)) + points).properties(
        height=24 * len(order), description=description
    )


def _with_range(table: pd.DataFrame, y: str, *, log: bool) -> pd.DataFrame:
    """Add two standard errors on both sides; an axis of logarithms has no room for 0."""
    low = table[y] - 2 * table["error"]
    if log:
        low = low.clip(lower=table[y] / 20)
    return table.assign(range_low=low, range_high=table[y] + 2 * table["error"])


def _signs(
    colours: Mapping[str, str], table: pd.DataFrame, column: str, legend: Any = alt.Undefined
) -> tuple[alt.Color, alt.Shape]:
    """Return the colour and the shape of each name that occurs, in the order of the legend."""
    occurring = set(table[column])
    names = [name for name in colours if name in occurring]
    scale = alt.Scale(domain=names, range=[colours[name] for name in names])
    return (
        alt.Color(f"{column}:N", title=None, scale=scale, legend=legend),
        alt.Shape(f"{column}:N", title=None, scale=alt.Scale(domain=names), legend=legend),
    )
