"""Charts of the data examples and of coverage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import altair as alt
import numpy as np
import pandas as pd

from scs.report.theme import METHOD_COLOURS, PALETTE

_TICKS = 5  # at most, on a log axis: what a phone has room for
# Two methods beside each other, in squares: the page keeps the width that they are given.
_SIDE = 230
_FIRST, _SECOND = "by the method named first", "by the method named second"
_TAILS = {"top tenth": PALETTE[2], "bottom tenth": PALETTE[3], "between": PALETTE[-1]}


def effect_histograms(
    effects: pd.DataFrame, *, width: float, unit: str, description: str
) -> alt.Chart:
    """Draw a histogram of each method's effects, one above the other.

    Parameters
    ----------
    effects : DataFrame
        One column per method.
    width : float
        Of a bin; bins begin at its multiples. Effects of exactly 0 are counted in the title.
    unit : str
    description : str
    """
    rows, titles = [], []
    for method in effects:
        values = effects[method].to_numpy()
        zeros = int(np.sum(values == 0))
        titles.append(f"{method}, {zeros} more at exactly 0" if zeros else method)
        low = np.floor(values[values != 0] / width) * width
        for start, count in zip(*np.unique(low, return_counts=True)):
            about = {"title": titles[-1], "method": method}
            rows.append({**about, "from": start, "to": start + width, "clusters": count})
    return (
        alt.Chart(pd.DataFrame(rows))
        .mark_bar(stroke="white", strokeWidth=0.5)
        .encode(
            x=alt.X("from:Q", title=unit),
            x2="to:Q",
            y=alt.Y("clusters:Q"),
            y2=alt.datum(0),
            color=alt.Color("method:N", scale=_methods(effects), legend=None),
            row=alt.Row("title:N", title=None, sort=titles, header=alt.Header(orient="top")),
            tooltip=["method:N", "from:Q", "to:Q", "clusters:Q"],
        )
        .properties(height=110, description=description)
    )


def concordance_chart(
    effects: pd.DataFrame, pairs: Sequence[tuple[str, str]], ranking: pd.Series, *, description: str
) -> alt.Chart:
    """Draw pairs of methods against each other, the ends of a ranking in colour.

    Parameters
    ----------
    effects : DataFrame
        Indexed by cluster, one column per method.
    pairs : sequence of (str, str)
        Columns on the horizontal and the vertical axis of each panel.
    ranking : Series
        By cluster; its highest and lowest tenth are coloured (those tied with the last included).
    description : str
    """
    high, low = ranking.quantile(0.9), ranking.quantile(0.1)
    tail = np.select([ranking >= high, ranking <= low], list(_TAILS)[:2], list(_TAILS)[2])
    tables = [
        pd.DataFrame(
            {
                "pair": f"{second} against {first}",
                "x": effects[first].round(2),
                "y": effects[second].round(2),
                "by raw average": tail,
            }
        )
        for first, second in pairs
    ]
    table = pd.concat(tables, ignore_index=True)
    names = table["pair"]
    # Grey first, so that the ends lie on top.
    table = table.sort_values("by raw average", key=lambda column: column != "between")
    colour = alt.Scale(domain=list(_TAILS), range=list(_TAILS.values()))
    return (
        alt.Chart(table)
        .mark_point(size=30)
        .encode(
            x=alt.X("x:Q", title=_SECOND),
            y=alt.Y("y:Q", title=_FIRST),
            color=alt.Color("by raw average:N", scale=colour),
            shape=alt.Shape("by raw average:N", scale=alt.Scale(domain=list(_TAILS))),
            row=alt.Row(
                "pair:N",
                title=None,
                sort=list(dict.fromkeys(names)),
                header=alt.Header(orient="top"),
            ),
            tooltip=["x:Q", "y:Q", "by raw average:N"],
        )
        .properties(width=_SIDE, height=_SIDE, description=description)
    )


def coefficients_chart(
    coefficients: pd.DataFrame, pairs: Sequence[tuple[str, str]], *, description: str
) -> alt.FacetChart:
    """Draw the coefficients of pairs of methods against each other, with the line of equality.

    Parameters
    ----------
    coefficients : DataFrame
        Indexed by covariate, one column per method.
    pairs : sequence of (str, str)
        Columns on the horizontal and the vertical axis of each panel.
    description : str
    """
    table = pd.concat(
        [
            pd.DataFrame(
                {
                    "pair": f"{second} against {first}",
                    "covariate": coefficients.index.astype(str),
                    "x": coefficients[first].round(2).to_numpy(),
                    "y": coefficients[second].round(2).to_numpy(),
                }
            )
            for first, second in pairs
        ],
        ignore_index=True,
    )
    x, y = alt.X("x:Q", title=_SECOND), alt.Y("y:Q", title=_FIRST)
    points = alt.Chart().mark_point(size=40, color=PALETTE[0])
    points = points.encode(x=x, y=y, tooltip=["covariate:N", "x:Q", "y:Q"])
    equal = alt.Chart().mark_line(strokeDash=[4, 3], color=PALETTE[-1]).encode(x=x, y="x:Q")
    return (
        alt.layer(equal, points, data=table)
        .properties(width=_SIDE, height=_SIDE)
        .facet(
            row=alt.Row(
                "pair:N",
                title=None,
                sort=list(dict.fromkeys(table["pair"])),
                header=alt.Header(orient="top"),
            )
        )
        .properties(description=description)
    )


def protein_chart(
    table: pd.DataFrame, *, unit: str, description: str, panels: str | None = None
) -> alt.LayerChart | alt.FacetChart:
    """Draw a mean over splits with a range, by outcome and method.

    Parameters
    ----------
    table : DataFrame
        Columns ``protein``, ``method``, ``mean``, ``low``, ``high`` (all positive). Without panels
        also ``published`` (drawn as diamonds; NaN for none).
    unit : str
        Of the horizontal axis, on a log scale.
    description : str
    panels : str, optional
        Column whose values get a panel each, one above the other, with a line at 1.
    """
    names = [name for name in METHOD_COLOURS if name in set(table["method"])]
    order = list(dict.fromkeys(table["protein"]))
    # Bound: a label beyond the end of the axis would widen the drawing.
    form = "~e" if table["high"].max() < 0.1 else "~g"
    axis = alt.Axis(
        format=form,
        labelBound=True,
        values=_log_values(table["low"].min(), table["high"].max()),
    )
    base = alt.Chart().encode(
        y=alt.Y("protein:N", sort=order, title=None),
        yOffset=alt.YOffset("method:N", sort=names),
        color=alt.Color("method:N", title=None, scale=_methods(names)),
        tooltip=["protein:N", "method:N", alt.Tooltip("mean:Q", format=".2g")],
    )
    ranges = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", scale=alt.Scale(type="log", nice=False), title=unit, axis=axis),
        x2="high:Q",
    )
    shape = alt.Shape("method:N", title=None, scale=alt.Scale(domain=names))
    points = base.mark_point(size=45).encode(x="mean:Q", shape=shape)
    if panels is None:
        diamonds = (
            base.mark_point(shape="diamond", filled=False, size=80, strokeWidth=2)
            .encode(x="published:Q")
            .transform_filter("isValid(datum.published)")
        )
        return alt.layer(ranges, points, diamonds, data=table).properties(
            height=36 * len(order), description=description
        )
    one = alt.Chart().mark_rule(strokeDash=[4, 3]).encode(x=alt.datum(1))
    return (
        alt.layer(one, ranges, points)
        .properties(height=22 * len(order))
        .facet(
            row=alt.Row(
                f"{panels}:N",
                title=None,
                sort=list(dict.fromkeys(table[panels])),
                header=alt.Header(orient="top"),
            ),
            data=table,
        )
        .properties(description=description)
    )


def coverage_chart(
    table: pd.DataFrame, *, level: float, x_title: str, description: str
) -> alt.LayerChart:
    """Draw how often intervals cover, with two Monte Carlo errors, against their level.

    Parameters
    ----------
    table : DataFrame
        Columns ``size`` (number, horizontal axis), ``intervals`` (text), ``rate``, ``error``.
    level : float
        What the intervals promise.
    x_title : str
    description : str
    """
    table = table.assign(
        low=(table["rate"] - 2 * table["error"]).clip(lower=0),
        high=(table["rate"] + 2 * table["error"]).clip(upper=1),
    )
    names = list(dict.fromkeys(table["intervals"]))
    domain = alt.Scale(domain=names, range=list(PALETTE[: len(names)]))
    legend = alt.Legend(columns=2, labelLimit=300)
    sizes = alt.Axis(values=sorted({float(size) for size in table["size"]}), format=".6~g")
    base = alt.Chart(table).encode(
        x=alt.X("size:Q", title=x_title, axis=sizes),
        color=alt.Color("intervals:N", title=None, scale=domain, legend=legend),
        tooltip=[
            "intervals:N",
            "size:Q",
            alt.Tooltip("rate:Q", format=".0%"),
            alt.Tooltip("error:Q", format=".1%", title="standard error"),
        ],
    )
    promised = (
        alt.Chart(pd.DataFrame({"level": [level]})).mark_rule(strokeDash=[4, 3]).encode(y="level:Q")
    )
    share = alt.Y("rate:Q", title="intervals that hold the truth", axis=alt.Axis(format="%"))
    ranges = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("low:Q", title="intervals that hold the truth"), y2="high:Q"
    )
    points = base.mark_point(size=70).encode(
        y=share,
        shape=alt.Shape("intervals:N", title=None, scale=alt.Scale(domain=names), legend=legend),
    )
    layers = promised + ranges + base.mark_line().encode(y=share) + points
    return layers.properties(height=280, description=description)


def _log_values(low: float, high: float) -> list[float]:
    """Return few round numbers between two positive ones: powers of ten, and more if these are few.

    Below two decades 2 and 5 lie between, else 3.
    """
    first, last = int(np.ceil(np.log10(low))), int(np.floor(np.log10(high)))
    step = max(1, -(-(last - first + 1) // _TICKS))
    powers = [float(f"1e{power}") for power in range(first, last + 1, step)]
    if len(powers) > 2:
        return powers
    digits = (2, 5) if high < 100 * low else (3,)
    more = [float(f"{digit}e{power}") for power in range(first - 1, last + 1) for digit in digits]
    return sorted(powers + [value for value in more if low <= value <= high])


def _methods(names: Iterable[str]) -> alt.Scale:
    """Return the book's colours, of the methods present only."""
    present = [name for name in METHOD_COLOURS if name in set(names)]
    return alt.Scale(domain=present, range=[METHOD_COLOURS[name] for name in present])
