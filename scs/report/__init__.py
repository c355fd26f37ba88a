"""A fitted model as one page: a single HTML file that asks no network for anything."""

# ruff: noqa: E402

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

import pandas as pd

from scs.data.extras import need

need("a report", "report", "altair", "vl_convert")  # before the modules below import them

from scs import __distribution__
from scs.data._whole import write_whole
from scs.estimators.summary import (
    certificate_notes,
    data_notes,
    fixed_effects,
    icc_text,
    pairs_html,
    remarks,
    selected_clusters,
    share,
    table_html,
    variance_components,
)
from scs.report import charts
from scs.report.page import page, paragraph, region, section
from scs.report.tree import tree_html

if TYPE_CHECKING:
    from scs.estimators.fitted import FittedModel

MOST_ROWS = 1000  # of the table of all clusters
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
    title = f"Clusters that differ, by {model.groups}"
    parts = [
        paragraph(_finding(model)),
        section("Selected clusters", _selected(model)),
        section("What is proved", _proof(model, path)),
        section("Coefficients", _coefficients(model)),
        section("A Gaussian mixed model beside", _mixed_model(model)),
        section("New rows", _new_rows(model)),
        section("What was done with the data", _data(model, source)),
        section("To bear in mind", "".join(paragraph(text) for text in remarks(model))),
        section("Made with", paragraph(_versions())),
    ]
    return page(title, parts)


def _finding(model: FittedModel) -> str:
    s = model.solution
    names = [f"{label} ({effect:+.3g})" for label, effect in _by_size(model).head(8).items()]
    more = f" and {len(s.support) - 8} more" if len(s.support) > 8 else ""
    listed = f": {', '.join(names)}{more}" if names else ""
    return (
        f"{len(s.support)} of {model.moments.n_clusters:,} are selected{listed}. "
        f"What another choice of at most {model.budget} could still take off the objective is "
        f"proved to be {share(s.gap)} of it ({share(s.selection_gap)} of what selecting explains)."
    )


def _by_size(model: FittedModel) -> pd.Series:
    chosen = model.effects.iloc[model.solution.support]
    return chosen.reindex(chosen.abs().sort_values(ascending=False, kind="stable").index)


def _selected(model: FittedModel) -> str:
    table = selected_clusters(model)
    if table.empty:
        return paragraph("None: with this budget every cluster is like the rest.")
    legend = (
        "Largest first. Proved: in every best selection, or open. BLUP and rank: the effect by the "
        "Gaussian mixed model, and the rank of its size among all clusters."
    )
    everyone = model.deviations.sort_values("deviation", ascending=False)
    kept = everyone.head(MOST_ROWS)
    said = f"All {len(everyone):,} clusters" + (
        f" (the first {MOST_ROWS:,})" if len(kept) < len(everyone) else ""
    )
    return (
        paragraph(legend)
        + region(table_html(table, f"Effects on {model.rows.outcome}"))
        + charts.figure(charts.caterpillar(model), charts.caterpillar_text(model))
        + "<details><summary>"
        + said
        + "</summary>"
        + region(table_html(kept, "Mean residual before the effect"))
        + "</details>"
    )


def _proof(model: FittedModel, path: tuple) -> str:
    rows = {
        "selected": [len(each.support) for each in path],
        "objective": [each.objective for each in path],
        "proved bound": [each.bound for each in path],
        "gap": [share(each.gap) for each in path],
    }
    budgets = [each for each, _ in charts.path_budgets(model, path)]
    table = pd.DataFrame(rows, index=pd.Index(budgets, name="budget"))
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
        "<details><summary>The budgets as a table</summary>"
        + region(table_html(table, "Objective and proved bound by budget"))
        + "</details>"
    )
    return "".join(parts)


def _coefficients(model: FittedModel) -> str:
    beside = "" if model.lmm is None else " The Gaussian mixed model's and their errors are beside."
    text = f"Of the regression on all rows, with the selected clusters' effects in it.{beside}"
    return paragraph(text) + region(table_html(fixed_effects(model), "Coefficients"))


def _mixed_model(model: FittedModel) -> str:
    if model.lmm is None:
        return paragraph(f"It cannot be fitted here: {model.lmm_note}")
    n = len(model.solution.support)
    table = selected_clusters(model)
    both = int((table["rank"] <= n).sum())
    agree = (
        f"Of the {n} selected clusters {both} are among the {n} of the largest BLUPs. A mixed "
        "model gives every cluster an effect, shrunk towards zero, and draws no line between few "
        "and many."
    )
    return (
        region(table_html(variance_components(model), "Variances by REML"))
        + paragraph(icc_text(model) + ".")
        + (paragraph(agree) if n else "")
    )


def _new_rows(model: FittedModel) -> str:
    if model.tree is None:
        return paragraph("No covariate tells new rows apart: they get the clusters' mean effect.")
    sampled = len(model.rows.design.y)
    grown = f", grown on {sampled:,} rows drawn from all" if sampled < model.moments.n_rows else ""
    intro = (
        "Rows of no known cluster get an effect from a classification tree: the mean effect of the "
        f"clusters whose rows look like them. The tree has depth {model.tree.get_depth()}{grown}; "
        "here are its first questions, with the mean effect of the rows that each answer holds."
    )
    return paragraph(intro) + tree_html(model)


def _data(model: FittedModel, source: str) -> str:
    notes = ([("table", source)] if source else []) + data_notes(model)
    return region(pairs_html(notes, "Rows, coding and settings"))


def _versions() -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return (
        f"{__distribution__} {version(__distribution__)}, Python {python_version()}, {libraries}. "
        "Method: Sankaranarayanan, Hossain, Chen, arXiv 2302.03157."
    )
