"""The report of a fit of counts: funnel and caterpillar on the scale of ratios or rates."""

# ruff: noqa: E402

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scs.data.extras import need

need("a report", "report", "altair", "vl_convert")  # before the modules below import them

from scs.data._whole import write_whole
from scs.estimators.count_summary import (
    certificate_notes,
    data_notes,
    finding,
    furthest,
    named_clusters,
    ratio_name,
    remarks,
)
from scs.estimators.tables import number, pairs_html
from scs.report import MOST_SHOWN, all_clusters, charts, first_and_all, versions
from scs.report.count_charts import (
    count_caterpillar,
    count_caterpillar_text,
    count_funnel,
    count_funnel_text,
    everyone,
)
from scs.report.page import page, paragraph, region, section

if TYPE_CHECKING:
    from scs.estimators.fitted_counts import FittedCounts

_MOST_NAMES = 8  # in the first sentence


def write_count_report(model: FittedCounts, path: str | Path, *, source: str = "") -> None:
    """Write the page of a fit of counts.

    Parameters
    ----------
    model : FittedCounts
    path : str or Path
        HTML file; an unfinished write leaves an old one as it was, and nothing beside it.
    source : str
        Where the data came from, in words.
    """
    write_whole(path, count_report_html(model, source=source))


def count_report_html(model: FittedCounts, *, source: str = "") -> str:
    """Return the page of a fit of counts: one file, charts as inline SVG, no script.

    Parameters
    ----------
    model : FittedCounts
    source : str
        Where the data came from, in words.
    """
    what = "named" if model.fdr is not None else "selected"
    heading = "Clusters that differ" if model.fdr is not None else "Clusters selected"
    if not len(model.solution.support):
        heading = f"No cluster {'can be named' if model.fdr is not None else 'is selected'}"
    notes = ([("table", source)] if source else []) + data_notes(model)
    parts = [
        paragraph(_finding(model)),
        section(f"{what.capitalize()} clusters", _named(model)),
        section("What is proved", region(pairs_html(certificate_notes(model), "Certificate"))),
        section("What was done with the data", region(pairs_html(notes, "Counts and settings"))),
        section("To bear in mind", "".join(map(paragraph, remarks(model)))),
        section("Made with", paragraph(versions())),
    ]
    return page(f"{heading}, by {model.groups}", parts)


def _finding(model: FittedCounts) -> str:
    """Say who is named, with ratio and interval, and that no other list fits better."""
    table = named_clusters(model)
    if table.empty:
        return finding(model)
    shown = furthest(model, table, _MOST_NAMES)
    names = "; ".join(
        f"{label} {number(row[ratio_name(model)], 3)} "
        f"({number(row['low'], 3)} to {number(row['high'], 3)})"
        for label, row in shown.iterrows()
    )
    more = f" and {len(table) - len(shown):,} more" if len(shown) < len(table) else ""
    proved = dict(certificate_notes(model))["list"]
    what = "Standardised ratios" if model.family == "poisson" else "Rates"
    return f"{finding(model)} {what}: {names}{more}. {proved[0].upper()}{proved[1:]}."


def _named(model: FittedCounts) -> str:
    table = named_clusters(model)
    if table.empty:
        parts = [paragraph("Nobody is named. The clusters that come nearest are below.")]
    else:
        caption = "Observed over expected" if model.family == "poisson" else "Observed over trials"
        first = furthest(model, table, MOST_SHOWN)
        parts = first_and_all(first, table, caption, "the {} of smallest p-value")
    parts.append(charts.figure(count_funnel(model), count_funnel_text(model)))
    if model.units.n_units > 1:
        parts.append(charts.figure(count_caterpillar(model), count_caterpillar_text(model)))
    caption = "Shrunken: by the model, drawn to the common level unless the cluster is named"
    return "".join(parts) + all_clusters(everyone(model), "the smallest p-value first", caption)
