"""A fit of counts in words and tables: for the terminal, for a notebook, for the report."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scs.estimators.summary import PROVED
from scs.estimators.tables import (
    WIDTH,
    number,
    pairs_html,
    pairs_text,
    table_html,
    table_text,
    wrapped,
)

if TYPE_CHECKING:
    from scs.estimators.fitted_counts import FittedCounts


def finding(model: FittedCounts) -> str:
    """Say first what a reader came for: which clusters are named, and at what error rate."""
    size, n_units = len(model.solution.support), model.units.n_units
    of = f"{size:,} of {n_units:,} clusters ({model.groups})"
    if model.fdr is None:
        if not model.budget:
            return f"Nobody is selected, as the budget is 0, of {n_units:,} clusters."
        return f"{of} are selected: those that differ most, whether or not by more than chance."
    rate = f"a false discovery rate of {model.fdr:.0%}"
    if size:
        return (
            f"{of} {'is' if size == 1 else 'are'} named, at {rate}: "
            f"{'it' if size == 1 else 'each'} differs by more than clusters do among themselves, "
            f"and on average at most {model.fdr:.0%} of such names are wrong."
        )
    return (
        f"Nobody can be named: none of {n_units:,} clusters ({model.groups}) differs by more than "
        f"clusters do among themselves, at {rate}. The smallest adjusted p-value (q) is "
        f"{model.qvalues.min():.2g}."
    )


def ratio_name(model: FittedCounts) -> str:
    """Return the column of the ratio: "ratio" or "rate"."""
    return "ratio" if model.family == "poisson" else "rate"


def named_clusters(model: FittedCounts) -> pd.DataFrame:
    """Return the named clusters, largest ratio first.

    Returns
    -------
    DataFrame, indexed by label
        ``observed``, ``expected`` or ``trials``, their ``ratio`` or ``rate``, ``low`` and ``high``
        of its interval that holds after the naming, ``p``, ``q``, and ``proved`` ("in", "open").
    """
    support = model.solution.support
    table = model.ratios.drop(columns="shrunken").iloc[support].join(model.intervals)
    table["p"] = model.inference.pvalues[support]
    table["q"] = model.inference.qvalues[support]
    table["proved"] = model.solution.membership[support]
    return table.sort_values(ratio_name(model), ascending=False, kind="stable")


def furthest(model: FittedCounts, table: pd.DataFrame, top: int) -> pd.DataFrame:
    """Return so many rows of smallest p-value, in the table's order."""
    if top < 0:
        raise ValueError(f"top must be 0 or more, got {top} (--top).")
    kept = np.argsort(table["p"].to_numpy(), kind="stable")[:top]
    return table.iloc[np.sort(kept)]


def data_notes(model: FittedCounts) -> list[tuple[str, str]]:
    """Say what was fitted to what: pairs of a heading and a text."""
    rows, u = model.rows, model.units
    n = f"{u.n_rows:,}"
    if rows.n_dropped:
        counts = ", ".join(f"{count:,} in {name}" for name, count in rows.missing.items())
        n += f" ({rows.n_read:,} read, {rows.n_dropped:,} dropped for missing values: {counts})"
    poisson = model.family == "poisson"
    against = f"expected {model.size}" if poisson else f"trials {model.size or '1 a row'}"
    total = number(u.size.sum(), 6) if poisson else f"{int(u.size.sum()):,}"
    what = "standardised ratio" if poisson else "rate"
    notes = [
        ("family", f"{model.family}: observed {model.observed}, {against}"),
        ("rows", n),
        ("clusters", f"{u.n_units:,} by {model.groups}"),
        (
            "all together",
            f"{int(u.observed.sum()):,} observed of {total} {'expected' if poisson else 'trials'}: "
            f"{what} {number(u.overall)}",
        ),
        ("not named", f"{what} {number(model.common)} in common"),
        ("budget", f"{model.budget:,} ({model.chosen_by})"),
        ("background", background_text(model)),
    ]
    return notes + [("read", text) for text in rows.notes]


def background_text(model: FittedCounts) -> str:
    """Say how far clusters differ that are not named."""
    if model.theta == 0:
        if model.inference.rule.estimated:
            return "none: clusters that are not named differ by no more than chance"
        return "none: clusters that are not named are taken as alike"
    if model.family == "poisson":
        spread = np.sqrt(model.theta) * model.common
        return f"standard deviation {number(spread, 3)} of the ratios between clusters"
    spread = np.sqrt(model.theta * model.common * (1.0 - model.common))
    return (
        f"standard deviation {number(spread, 3)} of the rates between clusters; correlation of "
        f"trials within one {number(model.theta, 3)}"
    )


def certificate_notes(model: FittedCounts) -> list[tuple[str, str]]:
    """Say what is proved: pairs of a heading and a text."""
    s = model.solution
    notes = [
        (
            "objective",
            f"{number(s.objective, 7)} below a level for each cluster, in log likelihood "
            f"(proved: none is below {number(s.bound, 7)}); the list explains "
            f"{number(s.explained, 4)}",
        ),
        ("status", f"{s.status}; bisection of the common level, {s.nodes:,} intervals"),
    ]
    if len(s.support):
        notes.insert(0, ("list", list_text(model)))
    free = model.inference.free
    for mask, what in ((free, "named"), (~free, "others")):
        found = {name: int(np.sum(mask & (s.membership == name))) for name in PROVED}
        text = ", ".join(f"{n:,} {PROVED[name]}" for name, n in found.items() if n)
        if text:
            notes.append((f"{int(mask.sum()):,} {what}", text))
    return notes


def list_text(model: FittedCounts) -> str:
    """Say what is proved of the list."""
    s = model.solution
    of = f"list of at most {model.budget:,} cluster{'' if model.budget == 1 else 's'}"
    if s.status == "optimal":
        return f"no other {of} fits better"
    left = s.gap + s.rounding
    return f"another {of} may fit better, by at most {number(left, 2)} in log likelihood"


def remarks(model: FittedCounts, *, left_out: int = 0) -> list[str]:
    """Return what a reader should know beside the numbers."""
    poisson, estimated = model.family == "poisson", model.inference.rule.estimated
    found = []
    if left_out:
        found.append(f"{left_out} more {'is' if left_out == 1 else 'are'} named: see `top`.")
    if len(model.solution.support):
        what = "Ratio: observed over expected." if poisson else "Rate: observed over trials."
        found.append(
            f"{what} Intervals: {model.level:.0%}, by the distribution of the counts, given that "
            "the cluster was named. A cluster that has passed a threshold looks too far out. The "
            "interval allows for that, and can hold the common level. p is two-sided (mid-p), by "
            "the distribution of the counts over the background"
            + (". It allows for the estimate of the background" if estimated else "")
            + ". q is p adjusted for all clusters looked at."
        )
    if poisson:
        found.append(
            "Expected numbers are taken as known. A risk that they leave out shows in the ratios, "
            "and in the background."
        )
    if model.fdr is not None and model.theta == 0 and not model.inference.rule.estimated:
        found.append(
            "The error rate holds if all clusters that are not named are alike, as "
            "background='none' says. Real clusters mostly differ a little."
        )
    elif model.fdr is not None:
        drawn = "ratios have a gamma" if poisson else "rates have a beta"
        found.append(
            f"The error rate assumes that the {drawn} distribution among clusters that are not to "
            "be named. Few clusters hardly show whether they have."
        )
    if not model.consistent:
        found.append(
            "The search was stopped, and some of these names do not keep to the error rate."
        )
    found.append(
        "The proof says that no other list fits these counts better. It does not say that clusters "
        "differ: chance can mislead the best fit too."
    )
    return found


def as_text(model: FittedCounts, *, top: int = 25) -> str:
    """Return the whole summary as text, at most about 80 columns wide."""
    line, rule = "-" * WIDTH, "=" * WIDTH
    table = named_clusters(model)
    shown = furthest(model, table, top)
    title = f"Named clusters ({len(table)} of {model.units.n_units:,})"
    left = len(table) - len(shown)
    text = table_text(shown) if len(shown) else "  not shown" if left else "  none"
    parts = ["Significant cluster selection", rule, wrapped(finding(model)), line]
    parts += [
        pairs_text(data_notes(model)),
        line,
        "Certificate",
        pairs_text(certificate_notes(model)),
    ]
    parts += [line, title, text, line]
    parts += [wrapped(each) for each in remarks(model, left_out=left)]
    return "\n".join(parts)


def as_html(model: FittedCounts, *, top: int = 25) -> str:
    """Return the summary as an HTML fragment, for notebooks."""
    table = named_clusters(model)
    shown = furthest(model, table, top)
    parts = [
        f"<p>{escape(finding(model))}</p>",
        pairs_html(data_notes(model) + certificate_notes(model), "Fit and certificate"),
        table_html(shown, f"Named clusters ({len(table)} of {model.units.n_units:,})"),
    ]
    left = len(table) - len(shown)
    return "\n".join(parts + [f"<p>{escape(t)}</p>" for t in remarks(model, left_out=left)])
