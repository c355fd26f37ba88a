"""The funnel: every cluster's deviation against its rows, with the limits of the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd
from scipy import stats

from scs.report.charts import LIKE_REST, Drawing, Kinds, shortened
from scs.report.theme import INK, PALETTE

if TYPE_CHECKING:
    from scs.estimators.fitted import FittedModel
    from scs.inference.effects import EffectInference

LIMIT = 0.95  # of the background
MOST_POINTS = 400  # clusters drawn that are not named
MOST_LABELS = 12
_SPAN = 8  # largest over smallest cluster, from which the axis of sizes is one of factors
HEIGHT = 320
STEPS = 60  # points of a curve
NAMED_KIND = "named"
_BACKGROUND, _THRESHOLD = "95% of the background", "a name had to pass"
_FURTHEST = "furthest not selected"  # where a number of clusters was asked for


@dataclass(frozen=True, eq=False)
class Funnel:
    """What a funnel shows.

    Attributes
    ----------
    points : DataFrame
        ``label``, ``rows``, ``deviation``, ``z`` (in standard deviations) and ``kind``, of every
        cluster whose effect the rows tell apart from the coefficients.
    curves : DataFrame
        ``rows``, ``limit`` and ``line``: one of the background, one that a name had to pass.
    found : EffectInference
        Of all clusters.
    """

    points: pd.DataFrame
    curves: pd.DataFrame
    found: EffectInference

    @property
    def log(self) -> bool:
        """Sizes span so much that an axis of factors shows them better."""
        rows = self.points["rows"]
        return bool(rows.max() >= _SPAN * rows.min())

    @property
    def ends(self) -> tuple[float, float]:
        """Of the axis of sizes: with room for the name beside the largest cluster."""
        low, high = float(self.points["rows"].min()), float(self.points["rows"].max())
        if self.log:
            return low / 1.2, high * 1.5
        room = max(0.15 * (high - low), 0.1 * high)
        return max(low - room, min(0.5, low / 2)), high + 2 * room


def threshold(found: EffectInference, spread: np.ndarray) -> np.ndarray:
    """Return what |d_k| over its standard deviation had to pass; of a first name if none is.

    Parameters
    ----------
    found : EffectInference
    spread : ndarray
        Standard deviations of d_k. Degrees of freedom at them are those of the clusters, and lie on
        straight lines between them.
    """
    d, n_clusters = found.deviations, len(found.deviations.value)
    if found.q is None:
        return np.full(np.shape(spread), found.furthest_unnamed)
    known = np.isfinite(d.spread)
    order = np.argsort(d.spread[known])
    df = np.broadcast_to(d.df, n_clusters)[known][order]
    at = np.interp(spread, d.spread[known][order], df)
    return stats.t.isf(found.q * max(len(found.support), 1) / (2 * n_clusters), at)


def _sizes(model: FittedModel) -> str:
    """Name what a cluster's deviation becomes more certain with."""
    weighted = model.moments.rows is not None
    return "sum of the cluster's weights" if weighted else "rows of the cluster"


def limits(found: EffectInference, rows: np.ndarray) -> pd.DataFrame:
    """Return the upper limits at clusters of so many rows, the coefficients taken as known.

    ``background``: 1.96 sqrt(tau^2 + sigma^2 / n); ``name``: the threshold times the same.
    """
    spread = np.sqrt(found.var_u + found.var_e / rows)
    reach = float(stats.norm.isf((1 - LIMIT) / 2))
    return pd.DataFrame(
        {"rows": rows, "background": reach * spread, "name": threshold(found, spread) * spread}
    )


def funnel_of(model: FittedModel) -> Funnel | None:
    """Return what the funnel shows; None where nothing tells the errors' variance or no effect."""
    found = model.selection.inference
    if found is None:
        return None
    d = found.deviations
    named = np.isin(np.arange(len(d.value)), found.support)
    points = pd.DataFrame(
        {
            "label": [str(label) for label in model.effects.index],
            "rows": model.moments.n,
            "deviation": d.value,
            "z": d.value / d.spread,
            "kind": np.where(named, NAMED_KIND, LIKE_REST),
        }
    )[np.isfinite(d.error)]
    if points.empty:
        return None
    outer = _FURTHEST if found.q is None else _THRESHOLD
    low, high = Funnel(points, points, found).ends
    upper = limits(found, np.geomspace(low, high, STEPS))
    parts = [
        pd.DataFrame({"rows": upper["rows"], "limit": sign * upper[column], "line": line})
        for column, line in (("background", _BACKGROUND), ("name", outer))
        for sign in (1, -1)
        if upper[column].any()
    ]
    return Funnel(points.reset_index(drop=True), pd.concat(parts, ignore_index=True), found)


def funnel_text(model: FittedModel, funnel: Funnel) -> str:
    """Say in words what the funnel shows."""
    points, found = funnel.points, funnel.found
    named = points["kind"] == NAMED_KIND
    outside = points["z"].abs() > stats.norm.isf((1 - LIMIT) / 2)
    n_drawn = len(drawn(points))
    which = "" if n_drawn == len(points) else f" ({n_drawn:,} of them drawn)"
    spread = found.deviations.spread
    lines = threshold(found, spread[np.isfinite(spread)])
    low, high = f"{lines.min():.1f}", f"{lines.max():.1f}"
    far = low if low == high else f"{low} to {high}"
    if found.q is None:
        passed = "The outer lines pass through the furthest cluster that is not selected."
    else:
        who = "A named cluster had" if named.any() else "A first name would have"
        passed = f"{who} to pass the outer lines, {far} standard deviations out."
    if not lines.any():
        passed = "There are no outer lines, because every cluster is selected."
    what = "named" if found.q is not None else "selected"
    return (
        f"How far each of {len(points):,} clusters{which} lies from what the covariates give, by "
        f"its number of rows. The inner lines hold {LIMIT:.0%} of clusters that differ as clusters "
        f"usually do. {passed} {count_of(int(named.sum()))} {what}. "
        f"{count_of(int((outside & ~named).sum()))} outside the inner lines without being {what}."
    )


def count_of(n: int) -> str:
    """Begin a sentence about so many clusters."""
    return "1 cluster is" if n == 1 else f"{n:,} clusters are"


def funnel_chart(model: FittedModel, funnel: Funnel) -> Drawing:
    """Draw the funnel, with the names of the furthest where there is room."""
    points = drawn(funnel.points)
    what = "named" if funnel.found.q is not None else "selected"
    points = points.replace({"kind": {NAMED_KIND: what}})
    curves = funnel.curves.assign(side=np.sign(funnel.curves["limit"]))
    reach = 1.05 * max(points["deviation"].abs().max(), _height_of_lines(funnel))
    kinds = Kinds.among(points["kind"], what)

    def draw(width: int) -> alt.TopLevelMixin:
        legend = narrow_legend(width)
        size = size_axis(funnel, _sizes(model), tickMinStep=1)
        height = alt.Scale(domain=[-reach, reach], nice=False)
        title = f"deviation in {shortened(model.rows.outcome)}"
        named = labels(funnel, points[points["kind"] == what], width, reach)
        layers = [
            curve_layer(curves, size, alt.Y("limit:Q", title=title, scale=height), legend),
            point_layer(points, size, alt.Y("deviation:Q", scale=height), kinds, legend),
            *label_layers(named, size, alt.Y("deviation:Q", scale=height)),
        ]
        return alt.layer(*layers).properties(width=width, height=HEIGHT)

    return draw


def narrow_legend(width: int) -> alt.Legend:
    """Return a legend of two columns, of one where a phone has no room for two."""
    return alt.Legend(columns=2 if width > 400 else 1, labelLimit=280)


def size_axis(funnel: Funnel, title: str, **axis: Any) -> alt.X:
    """Return the axis of sizes: of factors where sizes span much."""
    return alt.X(
        "rows:Q",
        title=title + (" (log scale)" if funnel.log else ""),
        scale=alt.Scale(
            type="log" if funnel.log else "linear", domain=list(funnel.ends), nice=False
        ),
        axis=alt.Axis(tickCount=5, format=",~r", **axis),
    )


def curve_layer(curves: pd.DataFrame, x: alt.X, y: alt.Y, legend: alt.Legend) -> alt.Chart:
    """Draw limits: ``rows``, ``limit``, ``line`` (its name) and ``side``."""
    lines = list(dict.fromkeys(curves["line"]))
    scale = alt.Scale(domain=lines, range=[[1, 0], [5, 4]][: len(lines)])
    return (
        alt.Chart(curves)
        .mark_line(strokeWidth=1.5, color=PALETTE[0], clip=True)
        .encode(
            x=x,
            y=y,
            detail="side:N",
            strokeDash=alt.StrokeDash("line:N", title=None, legend=legend, scale=scale),
        )
    )


def point_layer(
    points: pd.DataFrame, x: alt.X, y: alt.Y, kinds: Kinds, legend: alt.Legend
) -> alt.Chart:
    """Draw a point for each cluster, by its kind."""
    return (
        alt.Chart(points)
        .mark_point(size=45)
        .encode(x=x, y=y, color=kinds.colour(legend=legend), shape=kinds.shape(legend=legend))
    )


def label_layers(named: pd.DataFrame, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Write names beside their points, on the side that `labels` found room on."""
    return [
        alt.Chart(part)
        .mark_text(
            align="left" if align == "left" else "right",
            dx=7 if align == "left" else -7,
            color=INK,
            fontSize=11,
        )
        .encode(x=x, y=y, text="text:N")
        for align, part in named.groupby("align")
    ]


def _height_of_lines(funnel: Funnel) -> float:
    """Return how high the lines are where clusters are: they may leave the picture beyond."""
    first = funnel.points["rows"].min()
    inside = funnel.curves[funnel.curves["rows"] >= first]
    return float(inside["limit"].abs().max())


def drawn(points: pd.DataFrame) -> pd.DataFrame:
    """Keep every named cluster; of many others the furthest, and some of the rest."""
    named = points["kind"] == NAMED_KIND
    others = points[~named]
    if len(others) <= MOST_POINTS:
        return points
    order = others["z"].abs().sort_values(ascending=False, kind="stable").index
    furthest, rest = order[: MOST_POINTS // 4], order[MOST_POINTS // 4 :]
    some = rest[np.linspace(0, len(rest) - 1, MOST_POINTS - len(furthest)).round().astype(int)]
    return points[named | points.index.isin(furthest) | points.index.isin(some)]


def labels(funnel: Funnel, named: pd.DataFrame, width: int, reach: float) -> pd.DataFrame:
    """Return the names that fit beside their points, the furthest first."""
    scale = np.log if funnel.log else np.asarray
    low, high = scale(np.array(funnel.ends))
    taken: list[tuple[float, float, float]] = []
    kept: list[dict[str, object]] = []
    for _, each in named.reindex(named["z"].abs().sort_values(ascending=False).index).iterrows():
        if len(kept) == MOST_LABELS:
            break
        text = shortened(each["label"], 18)
        x = float((scale(each["rows"]) - low) / (high - low)) * width
        y = float(1 - each["deviation"] / reach) / 2 * HEIGHT
        room = 7.0 * len(text) + 10
        align = "left" if x + room <= width else "right"
        start = x if align == "left" else x - room
        if start < 0 or any(
            abs(y - other) < 13 and start < end and begin < start + room
            for begin, end, other in taken
        ):
            continue
        taken.append((start, start + room, y))
        kept.append(
            {"rows": each["rows"], "deviation": each["deviation"], "text": text, "align": align}
        )
    return pd.DataFrame(kept, columns=["rows", "deviation", "text", "align"])
