"""The funnel plot: deviation against the number of rows, with the limits that chance sets."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from scs.report.theme import METHOD_COLOURS, PALETTE


def funnel_chart(
    scores: pd.DataFrame,
    *,
    limits: tuple[float, ...],
    unit: str,
    description: str,
    background: float = 0.0,
) -> alt.LayerChart:
    """Draw every cluster's deviation against its rows, and the limits around zero.

    Parameters
    ----------
    scores : DataFrame
        As `scs.paper.hospitals.funnel_scores` returns it, with a column ``kind`` (text; the legend:
        "selected" and whatever else).
    limits : tuple of float
        In standard errors; over a background in standard deviations of both together.
    unit : str
        Of the deviations.
    description : str
    background : float
        Variance of the effects by which all clusters differ a little.
    """
    table = scores.rename_axis("cluster").reset_index()
    names = sorted(table["kind"].unique(), key=lambda kind: kind != "selected")
    colours = [METHOD_COLOURS["MIO"], PALETTE[-1], PALETTE[0]][: len(names)]
    x = alt.X("rows:Q", title="patients (log scale)", scale=alt.Scale(type="log", nice=False))
    points = (
        alt.Chart(table)
        .mark_point(size=45)
        .encode(
            x=x,
            y=alt.Y("deviation:Q", title=unit),
            color=alt.Color("kind:N", title=None, scale=alt.Scale(domain=names, range=colours)),
            shape=alt.Shape("kind:N", title=None, scale=alt.Scale(domain=names)),
            tooltip=[
                "cluster:N",
                "kind:N",
                "rows:Q",
                alt.Tooltip("deviation:Q", format=".2f"),
                alt.Tooltip("z:Q", format=".1f"),
            ],
        )
    )
    first = scores.iloc[scores["z"].abs().to_numpy().argmax()]
    error = (first["deviation"] / first["z"]) ** 2 - background  # of a cluster of so many rows
    variance = error * first["rows"]
    grid = np.geomspace(table["rows"].min(), table["rows"].max(), 40)
    lines = pd.DataFrame(
        [
            {
                "rows": rows,
                "limit": side * limit * np.sqrt(background + variance / rows),
                "line": f"{side}{limit}",
            }
            for limit in limits
            for side in (-1, 1)
            for rows in grid
        ]
    )
    curves = (
        alt.Chart(lines)
        .mark_line(strokeWidth=1, strokeDash=[4, 3], color=PALETTE[-1])
        .encode(x=x, y="limit:Q", detail="line:N")
    )
    return (curves + points).properties(height=320, description=description)
