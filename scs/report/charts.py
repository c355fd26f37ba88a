"""Charts as SVG without a script, for a wide and for a narrow screen; those of the budgets."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd
import vl_convert

from scs.estimators.summary import held_out_text
from scs.report.render import VEGALITE, round_numbers
from scs.report.theme import GRID, INK, METHOD_COLOURS, PALETTE
from scs.solvers import budget_grid

if TYPE_CHECKING:
    from scs.estimators.fitted import FittedModel
    from scs.solvers import Solution

WIDE, NARROW = 660, 300  # pixels of the plot itself
NAMED, REST = METHOD_COLOURS["MIO"], PALETTE[-1]
LIKE_REST = "like the rest"
_BLUE = PALETTE[0]

Drawing = Callable[[int], alt.TopLevelMixin]
_ids = itertools.count()


@dataclass(frozen=True)
class Kinds:
    """Named clusters and the rest, as a legend shows them: those kinds that are there.

    Attributes
    ----------
    names, colours, shapes : tuple of str
    """

    names: tuple[str, ...]
    colours: tuple[str, ...]
    shapes: tuple[str, ...]

    @classmethod
    def among(cls, kinds: pd.Series, named: str) -> Kinds:
        """Return the kinds that a column holds: ``named`` and "like the rest"."""
        signs = {named: (NAMED, "diamond"), LIKE_REST: (REST, "circle")}
        names = [name for name in signs if (kinds == name).any()]
        return cls(
            tuple(names),
            tuple(signs[name][0] for name in names),
            tuple(signs[name][1] for name in names),
        )

    def colour(self, **options: Any) -> alt.Color:
        """Return the encoding of a column ``kind`` by colour."""
        scale = alt.Scale(domain=list(self.names), range=list(self.colours))
        return alt.Color("kind:N", title=None, scale=scale, **options)

    def shape(self, **options: Any) -> alt.Shape:
        """Return the encoding of a column ``kind`` by shape."""
        scale = alt.Scale(domain=list(self.names), range=list(self.shapes))
        return alt.Shape("kind:N", title=None, scale=scale, **options)


def figure(draw: Drawing, text: str) -> str:
    """Return a chart as a figure, drawn for two widths, with its text as caption and label."""
    wide = _svg(draw(WIDE), text, "wide")
    narrow = _svg(draw(NARROW), text, "narrow")
    return f"<figure>{wide}{narrow}<figcaption>{escape(text)}</figcaption></figure>\n"


def _svg(chart: alt.TopLevelMixin, text: str, kind: str) -> str:
    with alt.theme.enable("scs"):
        spec = chart.to_dict()
    spec["background"] = "transparent"
    svg = vl_convert.vegalite_to_svg(round_numbers(spec), vl_version=VEGALITE)
    svg = re.sub(r' (?:aria-[a-z]+|role)="[^"]*"', "", svg)  # one picture, not a thousand marks
    mark = f"c{next(_ids)}-"
    svg = re.sub(r'(\bid="|url\(#)', rf"\g<1>{mark}", svg)
    # Ink and grid follow the page into the dark.
    svg = svg.replace(f'"{INK}"', '"currentColor"')
    svg = svg.replace(f'stroke="{GRID}"', 'stroke="currentColor" stroke-opacity="0.15"')
    head = f'<svg role="img" aria-label="{escape(text)}"'
    svg = svg.replace("<svg", head, 1)
    return f'<div class="{kind}">{svg}</div>'


def path_budgets(model: FittedModel, path: Sequence[Solution]) -> list[tuple[int, Solution]]:
    """Return the solutions of a path with their budgets."""
    return list(zip(budget_grid(model.moments.n_clusters), path, strict=True))


def _shares(model: FittedModel, path: Sequence[Solution]) -> pd.DataFrame:
    worst, best = path[0].objective, path[-1].objective
    fall = worst - best or 1.0
    return pd.DataFrame(
        [
            {
                "budget": budget,
                "best found": (worst - each.objective) / fall,
                "proved limit": min((worst - each.bound) / fall, 1.0),
            }
            for budget, each in path_budgets(model, path)
        ]
    )


def path(model: FittedModel, solutions: Sequence[Solution]) -> Drawing:
    """Draw what each budget explains, found and proved possible at most."""
    table = _shares(model, solutions).melt("budget", var_name="line", value_name="share")
    names = ["best found", "proved limit"]

    def draw(width: int) -> alt.LayerChart:
        base = alt.Chart(table).encode(
            x=_budget_axis(model),
            y=alt.Y("share:Q", title="share of what all effects explain", axis=_percent()),
            color=alt.Color(
                "line:N", title=None, scale=alt.Scale(domain=names, range=[NAMED, _BLUE])
            ),
        )
        lines = base.mark_line().encode(
            strokeDash=alt.StrokeDash(
                "line:N", title=None, scale=alt.Scale(domain=names, range=[[1, 0], [5, 4]])
            )
        )
        return (lines + _chosen(model)).properties(width=width, height=240)

    return draw


def path_text(model: FittedModel, solutions: Sequence[Solution]) -> str:
    """Say in words what the path shows."""
    table = _shares(model, solutions)
    widest = float((table["proved limit"] - table["best found"]).max())
    s = model.solution
    worst, best = solutions[0].objective, solutions[-1].objective
    share = (worst - s.objective) / ((worst - best) or 1.0)
    return (
        f"What each budget explains, as a share of what effects for all clusters explain. The "
        f"budget of {model.budget} (dashed) explains {share:.0%}. At every budget the list "
        f"found is within {widest:.1%} of the proved limit."
    )


def validation(model: FittedModel) -> Drawing:
    """Draw the held-out error of each budget."""
    assert model.tuning is not None  # else there is nothing to draw
    table = pd.DataFrame({"budget": model.tuning.budgets, "mse": model.tuning.mse})

    def draw(width: int) -> alt.LayerChart:
        base = alt.Chart(table).encode(
            x=_budget_axis(model),
            y=alt.Y("mse:Q", title="squared error, held out", scale=alt.Scale(zero=False)),
        )
        lines = base.mark_line(color=_BLUE) + base.mark_point(color=_BLUE)
        return (lines + _chosen(model)).properties(width=width, height=220)

    return draw


def validation_text(model: FittedModel) -> str:
    """Say in words what the held-out errors show."""
    return (
        f"Mean squared error on held-out rows by budget ({model.chosen_by}): "
        f"{held_out_text(model)}."
    )


def _chosen(model: FittedModel) -> alt.Chart:
    at = pd.DataFrame({"budget": [model.budget]})
    return alt.Chart(at).mark_rule(strokeDash=[2, 3]).encode(x="budget:Q")


def _budget_axis(model: FittedModel) -> alt.X:
    # Few and many on one axis: steps near 0, then factors.
    n_clusters = model.moments.n_clusters
    marks = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000, 100_000, 1_000_000]
    return alt.X(
        "budget:Q",
        title="budget: clusters allowed an effect",
        scale=alt.Scale(type="symlog", constant=2, domain=[0, n_clusters], nice=False),
        axis=alt.Axis(values=[mark for mark in marks if mark <= n_clusters], format=",d"),
    )


def _percent() -> alt.Axis:
    return alt.Axis(format="%")


def shortened(text: str, most: int = 30) -> str:
    """Cut a text to what an axis has room for."""
    return text if len(text) <= most else text[: most - 1] + "…"
