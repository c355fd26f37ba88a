"""A fitted model as one page: a single HTML file that asks no network for anything."""

# ruff: noqa: E402

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scs.data.extras import need

need("a report", "report", "altair", "vl_convert")  # before the modules below import them

from scs import __distribution__
from scs.data._whole import write_whole
from scs.estimators.summary import (
    certificate_notes,
    data_notes,
    finding,
    fixed_effects,
    icc_text,
    largest,
    remarks,
    selected_clusters,
    variance_components,
)
from scs.estimators.tables import pairs_html, share, table_html
from scs.report import charts
from scs.report.caterpillar import caterpillar, caterpillar_text, everyone
from scs.report.funnel import funnel_chart, funnel_of, funnel_text
from scs.report.page import closed, page, paragraph, region, section
from scs.report.tree import tree_html

if TYPE_CHECKING:
    from scs.estimators.fitted import FittedModel

MOST_ROWS = 1000  # of the table of all clusters
MOST_SHOWN = 25  # names in the open table; all are in the closed one below it
_MOST_NAMES = 8  # in the first sentence
_LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "formulaic", "pyarrow", "altair")


def write_report(model: FittedModel, path: str | Path, *, source: str = "") -> None:
    """Write the page of a fitted model.

    Parameters
    ----------
    model : FittedModel
    path : str or Path
        HTML file; an unfinished write leaves an old one as it was, and nothing beside it.
    source : str
        Where the data came from, in words.
    """
    write_whole(path, report_html(model, source=source))


def report_html(model: FittedModel, *, source: str = "") -> str:
    """Return the page of a fitted model: one file, charts as inline SVG, no script.

    Parameters
    ----------
    model : FittedModel
    source : str
        Where the data came from, in words.

    Raises
    ------
    ValueError
        The model has random slopes.
    """
    if model.rows.slopes is not None:
        raise ValueError(
            "the report is of a random intercept alone: print model.summary() for random slopes."
        )
    path = model.path()
    heading = f"{_answer(model)}, by {model.groups}"
    parts = [
        paragraph(_finding(model)),
        section(
            "Named clusters" if model.fdr is not None else "Selected clusters", _selected(model)
        ),
        section("What is proved", _proof(model, path)),
        section("Coefficients", _coefficients(model)),
        section("Beside a Gaussian mixed model", _mixed_model(model)),
        section("New rows", _new_rows(model)),
        section("What was done with the data", _data(model, source)),
        section("To bear in mind", "".join(paragraph(text) for text in remarks(model))),
        section("Made with", paragraph(versions())),
    ]
    return page(heading, parts)


def _answer(model: FittedModel) -> str:
    """Say in a heading whether anybody is named."""
    if not len(model.solution.support):
        return "No cluster can be named" if model.fdr is not None else "No cluster is selected"
    return "Clusters that differ" if model.fdr is not None else "Clusters selected"


def _finding(model: FittedModel) -> str:
    """Say who is named, with the interval, and that no other list fits better."""
    table = selected_clusters(model)
    if table.empty:
        return finding(model)
    shown = largest(table, _MOST_NAMES)
    names = [_name(label, each) for label, each in shown.iterrows()]
    more = f" and {len(table) - len(shown):,} more" if len(shown) < len(table) else ""
    proved = dict(certificate_notes(model))["list"]
    return (
        f"{finding(model)} Largest effects on {model.rows.outcome}: "
        f"{'; '.join(names)}{more}. {proved[0].upper()}{proved[1:]}."
    )


def _name(label: object, row: pd.Series) -> str:
    text = f"{label} {row['effect']:+.3g}"
    if np.isfinite(row.get("low", np.nan)):
        text += f" ({row['low']:.3g} to {row['high']:.3g})"
    return text


def _legend(table: pd.DataFrame, level: float) -> str:
    """Explain the columns that the table has."""
    texts = {
        "effect": "Effect: how far the cluster lies from what its covariates give.",
        "low": f"Low, high: the {level:.0%} interval of the effect, given that the cluster was "
        "selected.",
        "p": "p: how often a cluster that differs as others usually do would lie so far out.",
        "q": "q: p adjusted for all clusters looked at, given this list.",
        "chosen": "Chosen: the share of resamples that select the cluster too.",
        "proved": "Proved: whether every best list holds the cluster. This does not prove that the "
        "cluster differs.",
        "BLUP": "BLUP and rank: the effect by the Gaussian mixed model, shrunken towards zero, and "
        "the rank of its size among all clusters.",
    }
    return " ".join(text for column, text in texts.items() if column in table)


def _selected(model: FittedModel) -> str:
    table = selected_clusters(model)
    if (table["proved"] == "in").all():  # the list's certificate says it, and "in" is misread
        table = table.drop(columns="proved")
    caption = f"Effects on {model.rows.outcome}"
    if table.empty and model.fdr is not None:
        parts = [paragraph("Nobody is named. The clusters that come nearest are below.")]
    elif table.empty:
        parts = [paragraph("None: with this budget every cluster is like the rest.")]
    else:
        parts = [paragraph(f"Largest first. {_legend(table, model.level)}")]
        first = largest(table, MOST_SHOWN)
        parts += first_and_all(first, table, caption, "those of the {} largest effects")
    funnel = funnel_of(model)
    if funnel is None:
        parts.append(paragraph(f"No funnel and no limits. {model.selection.note}"))
    else:
        parts.append(charts.figure(funnel_chart(model, funnel), funnel_text(model, funnel)))
    if model.moments.n_clusters > 1:
        parts.append(charts.figure(caterpillar(model), caterpillar_text(model)))
    return "".join(parts) + _everyone(model)


def _everyone(model: FittedModel) -> str:
    caption = "Deviation: the effect that the cluster would have if this cluster alone were free"
    if model.selection.inference is None:
        caption = "Deviation: the mean residual before the effect"
    return all_clusters(everyone(model), "the furthest out first", caption)


def first_and_all(first: pd.DataFrame, table: pd.DataFrame, caption: str, which: str) -> list[str]:
    """Return the open table of the first names and, where there are more, the closed one of all.

    Parameters
    ----------
    first, table : DataFrame
    caption : str
    which : str
        Says which ones are open, with {} for how many.
    """
    parts = [region(table_html(first, caption))]
    if len(first) < len(table):
        said = f"All {len(table):,}; {which.format(len(first))} are above"
        parts.append(closed(said, region(table_html(table, caption))))
    return parts


def all_clusters(table: pd.DataFrame, order: str, caption: str) -> str:
    """Return the closed table of all clusters, cut where a page would become too long."""
    kept = table.head(MOST_ROWS)
    said = f"All {len(table):,} clusters, {order}" + (
        f" (the first {MOST_ROWS:,})" if len(kept) < len(table) else ""
    )
    return closed(said, region(table_html(kept, caption)))


def _proof(model: FittedModel, path: tuple) -> str:
    rows = {
        "selected": [len(each.support) for each in path],
        "objective": [each.objective for each in path],
        "proved bound": [each.bound for each in path],
        "gap": [share(each.gap) for each in path],
    }
    budgets = [each for each, _ in charts.path_budgets(model, path)]
    table = pd.DataFrame(rows, index=pd.Index(budgets, name="budget"))
    if model.selection.inference is not None:
        left = [(each.objective - each.bound) / (2 * model.var_e) for each in path]
        table["log-likelihood left"] = left
    if model.tuning is not None:
        errors = dict(zip(model.tuning.budgets, model.tuning.mse, strict=True))
        table["held-out error"] = [errors.get(budget, float("nan")) for budget in budgets]
    parts = [
        region(pairs_html(certificate_notes(model), "Certificate")),
        charts.figure(charts.path(model, path), charts.path_text(model, path)),
    ]
    if model.tuning is not None:
        parts.append(charts.figure(charts.validation(model), charts.validation_text(model)))
    parts.append(
        closed(
            "The budgets as a table",
            region(table_html(table, "Objective and proved bound by budget")),
        )
    )
    return "".join(parts)


def _coefficients(model: FittedModel) -> str:
    beside = "" if model.lmm is None else " LMM: the same by a Gaussian mixed model."
    text = f"The regression uses all rows, with the effects of the selected clusters in it.{beside}"
    return paragraph(text) + region(table_html(fixed_effects(model), "Coefficients"))


def _mixed_model(model: FittedModel) -> str:
    if model.lmm is None:
        return paragraph(f"The mixed model cannot be fitted here: {model.lmm_note}")
    n = len(model.solution.support)
    table = selected_clusters(model)
    both = int((table["rank"] <= n).sum())
    agree = (
        f"Of the {n} selected clusters {both} are among the {n} largest effects of the mixed "
        "model (BLUPs). A mixed model gives every cluster an effect, shrunk towards zero. It does "
        "not say how many clusters differ."
    )
    return (
        region(table_html(variance_components(model), "Variances by REML"))
        + paragraph(icc_text(model) + ".")
        + (paragraph(agree) if n else "")
    )


def _new_rows(model: FittedModel) -> str:
    if model.tree is None:
        return paragraph("No covariate tells new rows apart. They get the clusters' mean effect.")
    sampled = int(model.tree.tree_.n_node_samples[0])
    grown = f", grown on {sampled:,} rows drawn from all" if sampled < model.moments.n_rows else ""
    intro = (
        "A row of an unknown cluster gets an effect from a classification tree: the mean effect of "
        "the clusters whose rows look like this row. "
        f"The tree has depth {model.tree.get_depth()}{grown}. These are its first questions, with "
        "the mean effect of the rows that each answer holds."
    )
    return paragraph(intro) + tree_html(model)


def _data(model: FittedModel, source: str) -> str:
    notes = ([("table", source)] if source else []) + data_notes(model)
    return region(pairs_html(notes, "Rows, coding and settings"))


def versions() -> str:
    """Say what a page was made with."""
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return (
        f"{__distribution__} {version(__distribution__)}, Python {python_version()}, {libraries}. "
        "Method: Sankaranarayanan, Hossain, Chen, arXiv 2302.03157."
    )
