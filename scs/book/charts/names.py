"""Charts of names with an error rate: the background, its limits, the named beside their likes."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import numpy as np
import pandas as pd

from scs.book.charts.studies import intervals_chart
from scs.report.theme import PALETTE


def background_chart(
    effects: pd.Series,
    kinds: pd.Series,
    *,
    width: float,
    unit: str,
    colours: Mapping[str, str],
    description: str,
) -> alt.Chart:
    """Draw a histogram of effects, those of the first kind at the bottom of each bar.

    Parameters
    ----------
    effects : Series
        Of every cluster.
    kinds : Series of str
        The legend, by cluster.
    width : float
        Of a bin; bins begin at its multiples.
    unit : str
    colours : mapping
        Of each kind, in the order of the legend.
    description : str
    """
    # Rounded first: 0.3 / 0.1 must not fall into the bin below.
    place = np.floor((effects / width).round(9)).astype(int)
    counts = pd.crosstab(place, kinds).reindex(columns=list(colours), fill_value=0)
    tops = counts.cumsum(axis=1)
    bars = pd.DataFrame(
        [
            {
                "kind": kind,
                "low": round(at * width, 6),
                "high": round((at + 1) * width, 6),
                "clusters": int(counts.loc[at, kind]),
                "bottom": int(tops.loc[at, kind] - counts.loc[at, kind]),
                "top": int(tops.loc[at, kind]),
            }
            for kind in colours
            for at in counts.index[counts[kind] > 0]
        ]
    )
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return (
        alt.Chart(bars)
        .mark_rect(stroke="white", strokeWidth=0.5)
        .encode(
            x=alt.X("low:Q", title=unit, scale=alt.Scale(nice=False, padding=8)),
            x2="high:Q",
            y=alt.Y("bottom:Q", title="clusters"),
            y2="top:Q",
            color=alt.Color("kind:N", title=None, scale=scale),
            tooltip=["kind:N", "low:Q", "high:Q", "clusters:Q"],
        )
        .properties(height=200, description=description)
    )


def limits_chart(
    points: pd.DataFrame,
    limits: Mapping[str, tuple[float, float]],
    *,
    colours: Mapping[str, str],
    x_title: str,
    unit: str,
    description: str,
) -> alt.LayerChart:
    """Draw deviations against rows, with limits that do not close in on zero.

    Parameters
    ----------
    points : DataFrame
        Indexed by cluster: ``rows``, ``deviation`` and ``kind`` (text: the legend).
    limits : mapping
        By name, a and b: the limits are at a +-sqrt(b + 1 / rows). b = 0 is a funnel.
    colours : mapping
        Of each kind, in the order of the legend.
    x_title, unit : str
    description : str
    """
    table = (
        points.rename_axis("cluster")
        .reset_index()
        .assign(deviation=points.deviation.round(3).to_numpy())
    )
    x = alt.X("rows:Q", title=x_title, scale=alt.Scale(type="log", nice=False, padding=8))
    kinds = [kind for kind in colours if kind in set(table["kind"])]
    marks = (
        alt.Chart(table)
        .mark_point(size=40)
        .encode(
            x=x,
            y=alt.Y("deviation:Q", title=unit),
            color=alt.Color(
                "kind:N",
                title=None,
                scale=alt.Scale(domain=kinds, range=[colours[kind] for kind in kinds]),
                legend=alt.Legend(labelLimit=300, columns=1),
            ),
            shape=alt.Shape("kind:N", title=None, scale=alt.Scale(domain=kinds)),
            tooltip=["cluster:N", "kind:N", "rows:Q", "deviation:Q"],
        )
    )
    grid = np.geomspace(table["rows"].min(), table["rows"].max(), 40)
    curves = pd.DataFrame(
        [
            {
                "rows": round(float(at), 2),
                "limit": round(float(side * a * np.sqrt(b + 1 / at)), 3),
                "limits": name,
                "side": side,
            }
            for name, (a, b) in limits.items()
            for side in (-1, 1)
            for at in grid
        ]
    )
    dash = alt.StrokeDash(
        "limits:N",
        title=None,
        scale=alt.Scale(domain=list(limits), range=[[1, 0], [4, 3], [1, 3]][: len(limits)]),
        legend=alt.Legend(labelLimit=300, orient="bottom"),
    )
    lines = (
        alt.Chart(curves)
        .mark_line(strokeWidth=1.5, color=PALETTE[-1])
        .encode(x=x, y="limit:Q", strokeDash=dash, detail="side:N")
    )
    return (lines + marks).properties(height=340, description=description)


def neighbours_chart(
    table: pd.DataFrame, *, unit: str, colours: Mapping[str, str], description: str
) -> alt.LayerChart:
    """Draw the named clusters and their neighbours with intervals, and the truth as a tick.

    Parameters
    ----------
    table : DataFrame
        In the order of drawing: ``cluster`` (text), ``kind`` (text: the legend), ``value``,
        ``range_low``, ``range_high`` and ``truth``.
    unit : str
    colours : mapping
        Of each kind, in the order of the legend.
    description : str
    """
    table = table.round({"value": 2, "range_low": 2, "range_high": 2, "truth": 2})
    chart = intervals_chart(
        table,
        y="cluster",
        x="value",
        x_title=unit,
        colours=colours,
        reference=0.0,
        log=False,
        description=description,
    )
    order = list(dict.fromkeys(table["cluster"]))
    truth = (
        alt.Chart(table)
        .mark_tick(thickness=2, size=14, color=PALETTE[0])
        .encode(
            x="truth:Q",
            y=alt.Y("cluster:N", sort=order),
            tooltip=["cluster:N", "truth:Q"],
        )
    )
    return (chart + truth).properties(height=16 * len(order), description=description)
