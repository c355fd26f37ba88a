"""Funnel and caterpillar of counts: observed over expected, or rates, with limits and intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd
from scipy import stats

from scs.estimators.summary import number
from scs.inference.count_intervals import count_intervals
from scs.report.caterpillar import MOST, MOST_NAMED, caterpillar_chart
from scs.report.charts import LIKE_REST, Drawing, Kinds, shortened
from scs.report.funnel import (
    HEIGHT,
    LIMIT,
    NAMED_KIND,
    STEPS,
    Funnel,
    count_of,
    curve_layer,
    drawn,
    label_layers,
    labels,
    narrow_legend,
    point_layer,
    size_axis,
)
from scs.report.theme import INK

if TYPE_CHECKING:
    from scs.estimators.fitted_counts import FittedCounts

_LINES = ("95% of the background", "a name had to pass", "furthest not selected")


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
            "kind": np.where(model.inference.free, NAMED_KIND, LIKE_REST),
        }
    )


def count_funnel(model: FittedCounts) -> Drawing:
    """Draw every cluster's ratio or rate against its expected number or trials, with limits."""
    points, what = drawn(funnel_points(model)), _what(model)
    frame = Funnel(points, points, model.inference)  # type: ignore[arg-type]
    lines = funnel_lines(model, np.geomspace(*frame.ends, STEPS))
    inside = lines[lines["rows"] >= points["rows"].min()]
    top = 1.05 * max(points["ratio"].max(), inside["limit"].max())
    points = points.replace({"kind": {NAMED_KIND: what}})
    kinds = Kinds.among(points["kind"], what)

    def draw(width: int) -> alt.TopLevelMixin:
        legend = narrow_legend(width)
        x = size_axis(frame, "expected" if model.family == "poisson" else "trials")
        height = alt.Scale(domain=[0, top], nice=False)
        y = alt.Y("ratio:Q", scale=height)
        centre = (
            alt.Chart(pd.DataFrame({"at": [model.common]}))
            .mark_rule(color=INK, strokeDash=[2, 3])
            .encode(y=alt.Y("at:Q", scale=height))
        )
        # `labels` keeps names apart on an axis about 0; this one begins there.
        named = points[points["kind"] == what]
        placed = labels(frame, named.assign(deviation=named["ratio"] - top / 2), width, top / 2)
        placed = placed.assign(ratio=placed["deviation"] + top / 2)
        layers = [
            curve_layer(lines, x, alt.Y("limit:Q", title=_title(model), scale=height), legend),
            centre,
            point_layer(points, x, y, kinds, legend),
            *label_layers(placed, x, y),
        ]
        return alt.layer(*layers).properties(width=width, height=HEIGHT)

    return draw


def count_funnel_text(model: FittedCounts) -> str:
    """Say in words what the funnel shows."""
    points, what = funnel_points(model), _what(model)
    named = points["kind"] == NAMED_KIND
    beyond = int((points["z"].abs() > stats.norm.isf((1 - LIMIT) / 2))[~named].sum())
    n_drawn = len(drawn(points))
    which = "" if n_drawn == len(points) else f" ({n_drawn:,} of them drawn)"
    against, poisson = ("expected number", True) if model.family == "poisson" else ("trials", False)
    whose = "Observed over expected" if poisson else "The rate"
    if model.fdr is None:
        outer = "The outer lines pass through the furthest cluster that is not selected."
    else:
        outer = (
            f"{'A named cluster had' if named.any() else 'A first name would have'} to pass about "
            f"the outer lines (p = {number(model.inference.limit, 2)})."
        )
    return (
        f"{whose} of {len(points):,} clusters{which} by {against}. The dashed line at "
        f"{number(model.common, 3)} is the common level of clusters not {what}. The inner "
        f"lines hold {LIMIT:.0%} of clusters that differ as clusters usually do. {outer} "
        f"{count_of(int(named.sum()))} {what}. {count_of(beyond)} outside the inner lines without "
        f"being {what}."
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
    return caterpillar_chart(neighbours(model), _what(model), _title(model), at=model.common)


def count_caterpillar_text(model: FittedCounts) -> str:
    """Say in words what the caterpillar shows."""
    table, what = neighbours(model), _what(model)
    n_named, n_all = int(table["named"].sum()), len(model.solution.support)
    of = f"the {n_named:,} {what}" if n_named else f"nobody is {what}"
    if n_named < n_all:
        of = f"the {n_named:,} of smallest p-value out of {n_all:,} {what}"
    rest = len(table) - n_named
    nearest = f"the {rest:,} others that come nearest" if rest else "no others"
    text = f"Clusters with their intervals: {of}, and {nearest}."
    if n_named:
        text += (
            f" The intervals of {what} clusters are those of the table, and allow for the naming."
        )
    if rest:
        text += (
            f" The others have exact {LIMIT:.0%} intervals of their counts alone. Such an interval "
            "may leave out the common line, because clusters differ among themselves and many are "
            "compared."
        )
    return text
