"""Funnel and caterpillar of counts: observed over expected, or rates, with limits and intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd
from scipy import stats

from scs.estimators.summary import number
from scs.inference.count_intervals import count_intervals
from scs.report.caterpillar import _ROW, MOST, MOST_NAMED
from scs.report.charts import NAMED, REST, Drawing, shortened
from scs.report.funnel import _HEIGHT, _STEPS, LIMIT, Funnel, _drawn, _labels
from scs.report.theme import INK, PALETTE

if TYPE_CHECKING:
    from scs.estimators.fitted_counts import FittedCounts

_LINES = ("95% of the background", "a name had to pass", "furthest not selected")
_REST = "like the rest"


def everyone(model: FittedCounts) -> pd.DataFrame:
    """Return every cluster, the smallest p-value first: counts, ratio, p, q and what is proved."""
    table = model.ratios
    table["p"], table["q"] = model.inference.pvalues, model.inference.qvalues
    table["proved"] = model.solution.membership
    return table.iloc[np.argsort(model.inference.pvalues, kind="stable")]


def _what(model: FittedCounts) -> str:
    return "named" if model.fdr is not None else "selected"


def _title(model: FittedCounts) -> str:
    if model.family == "poisson":
        return f"{shortened(model.observed)}, observed over expected"
    return f"rate of {shortened(model.observed)}"


def funnel_lines(model: FittedCounts, sizes: np.ndarray) -> pd.DataFrame:
    """Return limits of ratios by expected number or trials: ``rows``, ``limit``, ``line``, side.

    On the scale of stable variance, where counts are nearly normal: names follow exact p-values.
    The limit that a name had to pass is that of a first name where nobody is named.
    """
    found, law, level = model.inference, model.inference.rule.law, model.common
    mean = sizes * level if model.family == "poisson" else sizes + 0.5
    spread = np.sqrt(1.0 / mean + model.theta)
    order = np.argsort(found.deviations.spread)
    df = np.broadcast_to(found.deviations.df, model.units.n_units)[order]
    at = np.interp(spread, found.deviations.spread[order], df)
    limits = {
        _LINES[0]: np.full(len(sizes), stats.norm.isf((1 - LIMIT) / 2)),
        _LINES[1 if found.q is not None else 2]: stats.t.isf(found.limit / 2, at),
    }
    parts = [
        pd.DataFrame(
            {
                "rows": sizes,
                "limit": law.reached(sizes, level, side * reach * spread),
                "line": line,
                "side": side,
            }
        )
        for line, reach in limits.items()
        for side in (-1, 1)
    ]
    return pd.concat(parts, ignore_index=True)


def funnel_points(model: FittedCounts) -> pd.DataFrame:
    """Return clusters: ``label``, ``rows`` (expected or trials), ``ratio``, ``z``, ``kind``."""
    d = model.inference.deviations
    return pd.DataFrame(
        {
            "label": [str(label) for label in model.units.labels],
            "rows": model.units.size,
            "ratio": model.units.observed / model.units.size,
            "z": d.value / d.spread,
            "kind": np.where(model.inference.free, "named", _REST),
        }
    )


def count_funnel(model: FittedCounts) -> Drawing:
    """Draw every cluster's ratio or rate against its expected number or trials, with limits."""
    points = _drawn(funnel_points(model))
    frame = Funnel(points, points, model.inference)  # type: ignore[arg-type]
    low, high = frame.ends
    lines = funnel_lines(model, np.geomspace(low, high, _STEPS))
    inside = lines[lines["rows"] >= points["rows"].min()]
    top = 1.05 * max(points["ratio"].max(), inside["limit"].max())
    points = points.replace({"kind": {"named": _what(model)}})
    kinds = [kind for kind in (_what(model), _REST) if (points["kind"] == kind).any()]
    colours = [NAMED if kind == _what(model) else REST for kind in kinds]
    shapes = ["diamond" if kind == _what(model) else "circle" for kind in kinds]
    against = "expected" if model.family == "poisson" else "trials"

    def draw(width: int) -> alt.LayerChart:
        legend = alt.Legend(columns=2 if width > 400 else 1, labelLimit=280)
        x = alt.X(
            "rows:Q",
            title=against + (" (log scale)" if frame.log else ""),
            scale=alt.Scale(type="log" if frame.log else "linear", domain=[low, high], nice=False),
            axis=alt.Axis(tickCount=5, format=",~r"),
        )
        height = alt.Scale(domain=[0, top], nice=False)
        curves = (
            alt.Chart(lines)
            .mark_line(strokeWidth=1.5, color=PALETTE[0], clip=True)
            .encode(
                x=x,
                y=alt.Y("limit:Q", title=_title(model), scale=height),
                detail="side:N",
                strokeDash=alt.StrokeDash(
                    "line:N",
                    title=None,
                    legend=legend,
                    scale=alt.Scale(domain=list(lines["line"].unique()), range=[[1, 0], [5, 4]]),
                ),
            )
        )
        centre = (
            alt.Chart(pd.DataFrame({"at": [model.common]}))
            .mark_rule(color=INK, strokeDash=[2, 3])
            .encode(y=alt.Y("at:Q", scale=height))
        )
        marks = (
            alt.Chart(points)
            .mark_point(size=45)
            .encode(
                x=x,
                y=alt.Y("ratio:Q", scale=height),
                color=alt.Color(
                    "kind:N",
                    title=None,
                    legend=legend,
                    scale=alt.Scale(domain=kinds, range=colours),
                ),
                shape=alt.Shape(
                    "kind:N", title=None, legend=legend, scale=alt.Scale(domain=kinds, range=shapes)
                ),
            )
        )
        layers = curves + centre + marks
        # `_labels` keeps names apart on an axis about 0; this one begins there.
        named = points[points["kind"] == _what(model)]
        placed = _labels(frame, named.assign(deviation=named["ratio"] - top / 2), width, top / 2)
        for align, part in placed.groupby("align"):
            left = align == "left"
            layers += (
                alt.Chart(part.assign(ratio=part["deviation"] + top / 2))
                .mark_text(
                    align="left" if left else "right", dx=7 if left else -7, color=INK, fontSize=11
                )
                .encode(x=x, y=alt.Y("ratio:Q", scale=height), text="text:N")
            )
        return layers.properties(width=width, height=_HEIGHT)

    return draw


def count_funnel_text(model: FittedCounts) -> str:
    """Say in words what the funnel shows."""
    points, what = funnel_points(model), _what(model)
    named = points["kind"] == "named"
    beyond = int((points["z"].abs() > stats.norm.isf((1 - LIMIT) / 2))[~named].sum())
    drawn = len(_drawn(points))
    which = "" if drawn == len(points) else f" ({drawn:,} of them drawn)"
    against, poisson = ("expected number", True) if model.family == "poisson" else ("trials", False)
    whose = "Observed over expected" if poisson else "The rate"
    if model.fdr is None:
        outer = "The outer lines are as far out as the furthest cluster that is not selected."
    else:
        outer = (
            f"The outer lines are about what {'a' if named.any() else 'a first'} name had to pass "
            f"(p = {number(model.inference.limit, 2)})."
        )
    return (
        f"{whose} of {len(points):,} clusters{which} by {against}. The dashed line at "
        f"{number(model.common, 3)} is common to those not {what}. Within the inner lines lie "
        f"{LIMIT:.0%} of clusters that differ as clusters do; "
        f"{beyond:,} other{' lies' if beyond == 1 else 's lie'} beyond them "
        f"without being {what}. {outer} {int(named.sum()):,} "
        f"{'is' if named.sum() == 1 else 'are'} {what}."
    )


def neighbours(model: FittedCounts) -> pd.DataFrame:
    """Return the named clusters and those nearest to being named, sorted by ratio.

    Returns
    -------
    DataFrame
        ``label``, ``named`` (bool), ``value``, ``low`` and ``high``: of a named cluster the
        interval of the table, of another one the exact 95 % interval of its own count alone.
    """
    found, u = model.inference, model.units
    order = np.argsort(found.pvalues, kind="stable")
    named, rest = order[found.free[order]][:MOST_NAMED], order[~found.free[order]]
    rest = rest[: MOST - len(named)]
    most = np.inf if model.family == "poisson" else 1.0
    low, high = count_intervals(found.rule.law, u.observed[rest], u.size[rest], None, LIMIT, most)
    ends = model.intervals.to_numpy()[np.searchsorted(model.solution.support, named)]
    chosen = np.concatenate([named, rest])
    frame = pd.DataFrame(
        {
            "label": [str(u.labels[k]) for k in chosen],
            "named": found.free[chosen],
            "value": (u.observed / u.size)[chosen],
            "low": np.concatenate([ends[:, 0], low]),
            "high": np.concatenate([ends[:, 1], high]),
        }
    )
    return frame.sort_values("value", kind="stable", ignore_index=True)


def count_caterpillar(model: FittedCounts) -> Drawing:
    """Draw the named clusters and their neighbours with their intervals."""
    table = neighbours(model)
    kinds = [
        kind for kind, are in ((_what(model), True), (_REST, False)) if are in set(table.named)
    ]
    colours = [REST if kind == _REST else NAMED for kind in kinds]
    shapes = ["circle" if kind == _REST else "diamond" for kind in kinds]
    table["kind"] = np.where(table["named"], _what(model), _REST)
    table["place"] = np.arange(len(table))

    def draw(width: int) -> alt.LayerChart:
        most = 24 if width > 400 else 12
        shown = table.assign(text=[shortened(label, most) for label in table["label"]])
        width -= 7 * int(shown["text"].str.len().max()) + 10  # the names take room beside
        place = alt.Y("place:O", sort="descending", axis=None)
        base = alt.Chart(shown).encode(
            y=place,
            color=alt.Color("kind:N", title=None, scale=alt.Scale(domain=kinds, range=colours)),
        )
        x = alt.X("low:Q", title=_title(model), axis=alt.Axis(tickCount=6))
        ranges = base.mark_rule().encode(x=x, x2="high:Q")
        points = base.mark_point(size=36, opacity=1).encode(
            x="value:Q",
            shape=alt.Shape("kind:N", title=None, scale=alt.Scale(domain=kinds, range=shapes)),
        )
        names = (
            alt.Chart(shown)
            .mark_text(align="right", dx=-8, color=INK)
            .encode(y=place, x=alt.value(0), text="text:N")
        )
        centre = alt.Chart(pd.DataFrame({"at": [model.common]})).mark_rule(strokeDash=[4, 3])
        layers = centre.encode(x="at:Q") + ranges + points + names
        return layers.properties(width=width, height=_ROW * len(shown))

    return draw


def count_caterpillar_text(model: FittedCounts) -> str:
    """Say in words what the caterpillar shows."""
    table, what = neighbours(model), _what(model)
    n_named, n_all = int(table["named"].sum()), len(model.solution.support)
    of = f"{n_named:,} {what}" if n_named else f"nobody {what}"
    if n_named < n_all:
        of = f"the {n_named:,} of smallest p-value out of {n_all:,} {what}"
    rest = len(table) - n_named
    nearest = f"the {rest:,} others that come nearest to it" if rest else "no others"
    text = f"Clusters with their intervals: {of}, and {nearest}."
    if n_named:
        text += f" Intervals of the {what} are those of the table, which allow for the selecting."
    if rest:
        text += (
            f" Those of the others are exact {LIMIT:.0%} intervals of their counts alone: such an "
            "interval may leave out the common line, for clusters differ among themselves and "
            "many were looked at."
        )
    return text
