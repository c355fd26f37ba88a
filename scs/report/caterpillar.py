"""The caterpillar: named clusters and their neighbours, each with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from scs.report.charts import LIKE_REST, Drawing, Kinds, shortened
from scs.report.theme import INK

if TYPE_CHECKING:
    from scs.estimators.fitted import FittedModel

MOST, MOST_NAMED = 40, 30  # clusters drawn, and of them named
REACH = 1.96  # standard errors drawn on either side of a cluster that is not named
_ROW = 17  # pixels of a cluster


def everyone(model: FittedModel) -> pd.DataFrame:
    """Return every cluster, the furthest out first, in units of what chance and background do.

    Returns
    -------
    DataFrame, indexed by label
        ``rows``; ``deviation``, the effect that it would have if it were free, and ``s.e.``, that
        of the deviation; ``p`` and ``q``; ``effect``, the whole one of the model, and ``proved``.
        Without inference ``deviation`` is the mean residual, and there are no p and q. NaN where
        the covariates leave nothing to tell the effect by.
    """
    table, found = model.deviations, model.selection.inference
    shown = table[["rows"]].copy()
    if found is None:
        shown["deviation"], shown["s.e."] = table["deviation"], table["std_error"]
    else:
        d = found.deviations
        told = np.isfinite(d.error)
        shown["deviation"] = np.where(told, d.value, np.nan)
        shown["s.e."] = np.where(told, d.error, np.nan)
        shown["p"], shown["q"] = found.pvalues, found.qvalues
    shown["effect"] = model.solution.cluster_effects
    shown["proved"] = table["proved"]
    return shown.iloc[_order(model)]


def neighbours(model: FittedModel) -> pd.DataFrame:
    """Return the named clusters and those nearest to being named, sorted by what is drawn.

    Returns
    -------
    DataFrame
        ``label``, ``named`` (bool), ``value``, ``low`` and ``high``: of a named cluster its effect
        and the interval of the table; of another one its deviation and 1.96 standard errors.
    """
    table = everyone(model)
    half = REACH * table["s.e."]
    named = model.solution.gamma[_order(model)] != 0
    frame = pd.DataFrame(
        {
            "label": [str(label) for label in table.index],
            "named": named,
            "value": np.where(named, table["effect"], table["deviation"]),
            "low": (table["deviation"] - half).to_numpy(),
            "high": (table["deviation"] + half).to_numpy(),
        }
    )
    if model.selection.inference is not None:
        ends = model.intervals.to_numpy()
        where = np.searchsorted(model.solution.support, _order(model)[named])
        frame.loc[named, ["low", "high"]] = ends[where]
    frame = frame[np.isfinite(frame["value"])]
    chosen = frame[frame["named"]].head(MOST_NAMED)
    rest = frame[~frame["named"]].head(MOST - len(chosen))
    return pd.concat([chosen, rest]).sort_values("value", kind="stable", ignore_index=True)


def caterpillar(model: FittedModel) -> Drawing:
    """Draw the named clusters and their neighbours with their intervals."""
    what = "named" if model.fdr is not None else "selected"
    title = f"effect on {shortened(model.rows.outcome)}"
    return caterpillar_chart(neighbours(model), what, title, at=0.0)


def caterpillar_chart(table: pd.DataFrame, what: str, title: str, at: float) -> Drawing:
    """Draw clusters below each other, each with its interval.

    Parameters
    ----------
    table : DataFrame
        As `neighbours` returns it, from the lowest to the highest value.
    what : str
        What the named are called.
    title : str
        Of the axis of values.
    at : float
        Where clusters lie that are like the rest: the dashed line.
    """
    table = table.assign(
        place=np.arange(len(table)), kind=np.where(table["named"], what, LIKE_REST)
    )
    kinds = Kinds.among(table["kind"], what)

    def draw(width: int) -> alt.TopLevelMixin:
        most = 24 if width > 400 else 12
        shown = table.assign(text=[shortened(label, most) for label in table["label"]])
        # The names take room beside the plot, which the plot gives.
        width -= 7 * int(shown["text"].str.len().max()) + 10
        place = alt.Y("place:O", sort="descending", axis=None)
        base = alt.Chart(shown).encode(y=place, color=kinds.colour())
        x = alt.X("low:Q", title=title, axis=alt.Axis(tickCount=6))
        ranges = base.mark_rule().encode(x=x, x2="high:Q")
        points = base.mark_point(size=36, opacity=1).encode(x="value:Q", shape=kinds.shape())
        names = (
            alt.Chart(shown)
            .mark_text(align="right", dx=-8, color=INK)
            .encode(y=place, x=alt.value(0), text="text:N")
        )
        centre = alt.Chart(pd.DataFrame({"at": [at]})).mark_rule(strokeDash=[4, 3])
        layers = centre.encode(x="at:Q") + ranges + points + names
        return layers.properties(width=width, height=_ROW * len(shown))

    return draw


def caterpillar_text(model: FittedModel) -> str:
    """Say in words what the caterpillar shows."""
    table = neighbours(model)
    n_named, n_all = int(table["named"].sum()), len(model.solution.support)
    what = "named" if model.fdr is not None else "selected"
    rest = len(table) - n_named
    of = f"the {n_named:,} {what}" if n_named else f"nobody is {what}"
    if n_named < n_all:
        of = f"the {n_named:,} furthest out of {n_all:,} {what}"
    nearest = f"the {rest:,} others that lie furthest out" if rest else "no others"
    text = f"Clusters with their intervals: {of}, and {nearest}."
    if n_named and model.selection.inference is not None:
        text += (
            f" The intervals of {what} clusters are those of the table, and allow for the naming."
        )
    if rest:
        text += (
            f" The others have their deviation and {REACH} standard errors on either side. Such an "
            "interval may leave out zero, because clusters differ among themselves and many are "
            "compared."
        )
    return text


def _order(model: FittedModel) -> np.ndarray:
    """Return clusters by how far out they lie, the furthest first."""
    found = model.selection.inference
    if found is None:
        far = model.deviations["deviation"].abs().to_numpy()
    else:
        far = np.abs(found.deviations.value) / found.deviations.spread
    return np.argsort(-far, kind="stable")
