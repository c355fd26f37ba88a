"""The charts that several chapters draw. Each takes a tidy table or a solution, and a description.

A description says in words what a reader who cannot see the chart should take from it.
"""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from scs.report.theme import METHOD_COLOURS, PALETTE, method_scale
from scs.solvers import Solution, Tuning

_NAMED, _REST = METHOD_COLOURS["MIO"], PALETTE[-1]
_APART = 10  # pixels between two numbers of an axis: touching, they read as one


def path_chart(path: Sequence[Solution], *, description: str) -> alt.LayerChart:
    """Draw how much each budget explains of what all cluster effects together explain.

    Parameters
    ----------
    path : sequence of Solution
        By ascending budget, from 0 to all clusters.
    description : str
    """
    worst, best = path[0].objective, path[-1].objective
    table = pd.DataFrame(
        {
            "budget": range(len(path)),
            "share": [(worst - each.objective) / (worst - best) for each in path],
            "selected": [", ".join(map(str, each.selected)) or "none" for each in path],
            "gap": [f"{each.gap:.0e}" if each.gap > 1e-6 else "below 1e-6" for each in path],
        }
    )
    base = alt.Chart(table).encode(
        x=alt.X(
            "budget:Q", title="budget: clusters allowed an effect", axis=_numbers(tickMinStep=1)
        ),
        y=alt.Y("share:Q", title="share of the fall with all effects", axis=alt.Axis(format="%")),
        tooltip=[
            alt.Tooltip("budget:Q"),
            alt.Tooltip("share:Q", format=".1%"),
            alt.Tooltip("selected:N"),
            alt.Tooltip("gap:N", title="certified gap"),
        ],
    )
    return (base.mark_line() + base.mark_point(size=70)).properties(
        height=260, description=description
    )


def caterpillar_chart(
    effects: pd.DataFrame, *, unit: str, description: str, height: int | None = None
) -> alt.LayerChart:
    """Draw every cluster's effect by each method, clusters sorted by the first method's.

    Parameters
    ----------
    effects : DataFrame
        Indexed by cluster label; one column per method, named as in ``METHOD_COLOURS``.
    unit : str
        Of the effects, for the axis.
    description : str
    height : int, optional
        In pixels; grows with the number of clusters if None.
    """
    order = [str(label) for label in effects.sort_values(effects.columns[0]).index]
    table = effects.rename(index=str).rename_axis("cluster").reset_index()
    table = table.melt("cluster", var_name="method", value_name="effect")
    zero = alt.Chart(pd.DataFrame({"effect": [0.0]})).mark_rule(strokeDash=[4, 3])
    points = (
        alt.Chart(table)
        .mark_point(size=80)
        .encode(
            y=alt.Y("cluster:N", sort=order, title=None),
            x=alt.X("effect:Q", title=unit, axis=_numbers()),
            color=alt.Color("method:N", scale=_methods(effects.columns), title=None),
            shape=alt.Shape("method:N", scale=_domain(effects.columns), title=None),
            tooltip=["cluster:N", "method:N", alt.Tooltip("effect:Q", format=".3g")],
        )
    )
    return (zero.encode(x="effect:Q") + points).properties(
        height=height or 24 * len(order), description=description
    )


def convergence_chart(solution: Solution, *, description: str) -> alt.LayerChart:
    """Draw best selection and proved bound against the number of cuts, closing in on each other.

    Parameters
    ----------
    solution : Solution
        With a history, as `scs.solvers.outer` leaves it.
    description : str
    """
    table = pd.DataFrame(
        {
            "cuts": [step.cuts for step in solution.history],
            "best selection": [step.objective for step in solution.history],
            "proved bound": [step.bound for step in solution.history],
        }
    ).melt("cuts", var_name="line", value_name="objective")
    line = (
        alt.Chart(table)
        .mark_line(interpolate="step-after", point=alt.OverlayMarkDef(size=25))
        .encode(
            x=alt.X("cuts:Q", title="cuts added", axis=_numbers()),
            y=alt.Y("objective:Q", title="objective", scale=alt.Scale(zero=False)),
            color=alt.Color(
                "line:N",
                title=None,
                scale=alt.Scale(
                    domain=["best selection", "proved bound"], range=[_NAMED, PALETTE[0]]
                ),
            ),
            tooltip=["line:N", "cuts:Q", alt.Tooltip("objective:Q", format=",.2f")],
        )
    )
    return alt.layer(line).properties(height=260, description=description)


def named_chart(
    table: pd.DataFrame, *, value: str, unit: str, order_title: str, description: str
) -> alt.LayerChart:
    """Draw one value per cluster, sorted, the named clusters in colour.

    Parameters
    ----------
    table : DataFrame
        Columns ``cluster``, ``value`` (see below), ``low`` and ``high`` (a range around it), and
        ``named`` (text; the legend).
    value : str
        Column to draw and to sort by.
    unit : str
    order_title : str
        Says what the places on the horizontal axis are, and their order.
    description : str
    """
    order = [str(label) for label in table.sort_values(value)["cluster"]]
    table = table.assign(cluster=table["cluster"].astype(str))
    names = sorted(table["named"].unique())
    colour = alt.Color("named:N", title=None, scale=alt.Scale(domain=names, range=[_NAMED, _REST]))
    shape = alt.Shape("named:N", title=None, scale=alt.Scale(domain=names))
    base = alt.Chart(table).encode(
        x=alt.X(
            "cluster:N",
            sort=order,
            title=order_title,
            axis=alt.Axis(labels=False, ticks=False),
        ),
        color=colour,
        tooltip=["cluster:N", alt.Tooltip(f"{value}:Q", format=".2f"), "named:N"],
    )
    ranges = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("low:Q", title=unit, scale=alt.Scale(zero=False)), y2="high:Q"
    )
    points = base.mark_point(size=70).encode(y=alt.Y(f"{value}:Q"), shape=shape)
    return (ranges + points).properties(height=300, description=description)


def _numbers(**options: int) -> alt.Axis:
    """Return an axis of numbers that leaves out every other one where they would touch."""
    # Flush, the first and the last would be pushed towards their neighbours.
    return alt.Axis(labelSeparation=_APART, labelFlush=False, **options)


def _domain(names: Sequence[str]) -> alt.Scale:
    """Return a scale over the methods present, equal to the colours', so that legends merge."""
    return alt.Scale(domain=[name for name in METHOD_COLOURS if name in set(names)])


def _methods(names: Sequence[str]) -> alt.Scale:
    """Return the book's colours, of the methods present only."""
    present = [name for name in METHOD_COLOURS if name in set(names)]
    if len(present) == len(METHOD_COLOURS):
        return method_scale()
    return alt.Scale(domain=present, range=[METHOD_COLOURS[name] for name in present])


def validation_chart(tuning: Tuning, *, description: str) -> alt.LayerChart:
    """Draw the validation error of each budget, the chosen one marked.

    Parameters
    ----------
    tuning : Tuning
    description : str
    """
    table = pd.DataFrame({"budget": tuning.budgets, "mse": tuning.mse})
    table["chosen"] = table["budget"] == tuning.best
    base = alt.Chart(table).encode(
        x=alt.X("budget:Q", title="budget: effects allowed", axis=_numbers()),
        y=alt.Y("mse:Q", title="mean squared error, held out", scale=alt.Scale(zero=False)),
        tooltip=["budget:Q", alt.Tooltip("mse:Q", format=".3f")],
    )
    points = base.mark_point(size=70).encode(
        color=alt.condition("datum.chosen", alt.value(_NAMED), alt.value(PALETTE[0]))
    )
    return (base.mark_line() + points).properties(height=260, description=description)


def effects_chart(effects: pd.DataFrame, *, x: str, y: str, description: str) -> alt.LayerChart:
    """Draw one method's effects against another's, a point per cluster.

    Parameters
    ----------
    effects : DataFrame
        Indexed by cluster label, a column per method.
    x, y : str
        Columns to draw; clusters with a non-zero ``y`` are coloured.
    description : str
    """
    table = effects.rename(index=str).rename_axis("cluster").reset_index()
    # A column name with brackets would be read as an access to a field.
    table = table.rename(columns={x: "first", y: "second"})
    table["named"] = (table["second"] != 0).map({True: "named", False: "not named"})
    points = (
        alt.Chart(table)
        .mark_point(size=35)
        .encode(
            x=alt.X("first:Q", title=f"effect by {x}", axis=_numbers()),
            y=alt.Y("second:Q", title=f"effect by {y}"),
            color=alt.Color(
                "named:N",
                title=None,
                scale=alt.Scale(domain=["named", "not named"], range=[_NAMED, _REST]),
            ),
            tooltip=[
                "cluster:N",
                alt.Tooltip("first:Q", format=".2f", title=x),
                alt.Tooltip("second:Q", format=".2f", title=y),
            ],
        )
    )
    return alt.layer(points).properties(height=320, description=description)


def share_chart(
    table: pd.DataFrame, *, x: str, x_title: str, y: str, y_title: str, description: str
) -> alt.LayerChart:
    """Draw a share for each method against an ordered condition.

    Parameters
    ----------
    table : DataFrame
        Columns ``method``, ``x`` (text, drawn in the order of the rows) and ``y`` (0 to 1).
    x, x_title, y, y_title : str
    description : str
    """
    order = list(dict.fromkeys(table[x]))
    names = table["method"].unique()
    base = alt.Chart(table).encode(
        x=alt.X(
            f"{x}:N",
            sort=order,
            title=x_title,
            axis=alt.Axis(labelAngle=0, labelOverlap="parity", labelSeparation=_APART),
        ),
        y=alt.Y(f"{y}:Q", title=y_title, axis=alt.Axis(format="%")),
        color=alt.Color("method:N", title=None, scale=_methods(names)),
        tooltip=["method:N", f"{x}:N", alt.Tooltip(f"{y}:Q", format=".0%")],
    )
    # The points alone carry shapes: a line with a shape draws points of its own, all round.
    shape = alt.Shape("method:N", title=None, scale=_domain(names))
    points = base.mark_point(size=80).encode(shape=shape)
    return (base.mark_line() + points).properties(height=260, description=description)
