"""The summary of a fit, written: as text for a terminal, as HTML, in Markdown, for LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import pandas as pd

from scs.estimators.summary import (
    certificate_notes,
    data_notes,
    finding,
    fixed_effects,
    icc_text,
    remarks,
    selections,
    set_apart,
    variance_components,
)
from scs.estimators.tables import (
    WIDTH,
    latex,
    markdown,
    pairs_html,
    pairs_latex,
    pairs_markdown,
    pairs_text,
    table_html,
    table_latex,
    table_markdown,
    table_text,
    wrapped,
)

if TYPE_CHECKING:
    from scs.estimators.fitted import FittedModel


def as_text(model: FittedModel, *, top: int = 25) -> str:
    """Return the whole summary as text, at most about 80 columns wide."""
    line, rule = "-" * WIDTH, "=" * WIDTH
    parts = ["Significant cluster selection", rule, wrapped(finding(model)), line]
    parts += [pairs_text(data_notes(model)), line]
    parts += ["Certificate", pairs_text(certificate_notes(model)), line]
    effects = selections(model, top)
    for title, shown, left in effects:
        table = table_text(shown) if len(shown) else "  not shown" if left else "  none"
        parts += [title, table, line]
    if (beside := set_apart(model, top)) is not None:
        parts += [f"Set apart (fewer than {model.min_rows:,} rows)", table_text(beside), line]
    parts += ["Coefficients", table_text(fixed_effects(model)), line]
    if model.lmm is not None:
        parts += ["Gaussian LMM (REML), for comparison", table_text(variance_components(model))]
        parts += [icc_text(model), line]
    left_out = sum(n for *_, n in effects)
    parts += [wrapped(text) for text in remarks(model, left_out=left_out)]
    return "\n".join(parts)


def as_html(model: FittedModel, *, top: int = 25) -> str:
    """Return the summary as an HTML fragment, for notebooks."""
    return "\n".join(_in_style(model, top, _HTML))


def as_markdown(model: FittedModel, *, top: int = 25) -> str:
    """Return the summary in GitHub's Markdown."""
    return "\n\n".join(_in_style(model, top, _MARKDOWN)) + "\n"


def as_latex(model: FittedModel, *, top: int = 25) -> str:
    """Return the summary for LaTeX, which needs no package."""
    return "\n\n".join(_in_style(model, top, _LATEX)) + "\n"


@dataclass(frozen=True)
class Style:
    """How a paragraph, pairs of heading and text, and a table are written."""

    paragraph: Callable[[str], str]
    pairs: Callable[[list[tuple[str, str]], str], str]
    table: Callable[[pd.DataFrame, str], str]


_HTML = Style(lambda text: f"<p>{escape(text)}</p>", pairs_html, table_html)
_MARKDOWN = Style(markdown, pairs_markdown, table_markdown)
_LATEX = Style(latex, pairs_latex, table_latex)
STYLES: Mapping[str, Callable[..., str]] = {
    "text": as_text,
    "markdown": as_markdown,
    "latex": as_latex,
    "html": as_html,
}


def _in_style(model: FittedModel, top: int, style: Style) -> list[str]:
    """Return the parts of the summary, each written in a style."""
    effects = selections(model, top)
    notes = data_notes(model) + certificate_notes(model)
    parts = [
        style.paragraph(finding(model)),
        style.pairs(notes, "Fit and certificate"),
        *(style.table(shown, title) for title, shown, _ in effects),
    ]
    if (beside := set_apart(model, top)) is not None:
        parts.append(style.table(beside, f"Set apart (fewer than {model.min_rows:,} rows)"))
    parts.append(style.table(fixed_effects(model), "Coefficients"))
    if model.lmm is not None:
        parts.append(style.table(variance_components(model), "Gaussian LMM (REML)"))
        parts.append(style.paragraph(f"{icc_text(model)}."))
    left_out = sum(n for *_, n in effects)
    return parts + [style.paragraph(text) for text in remarks(model, left_out=left_out)]
