"""A fitted model in words and tables: for the terminal, for a notebook, for the report."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scs.data.rows import INTERCEPT
from scs.inference.intervals import FEWEST_ROWS, model_intervals, within_variance

if TYPE_CHECKING:
    from scs.estimators.fitted import FittedModel

WIDTH = 78

# What the columns of the tables mean, for headings and legends.
PROVED = {
    "in": "in every best selection",
    "out": "in no best selection",
    "open": "not decided by the bounds",
}


def number(value: float, digits: int = 4) -> str:
    """Write a number with a few significant digits; nothing for a missing one."""
    if value is None or np.isnan(value):
        return ""
    if value == 0:
        return "0"
    size = abs(value)
    if 1e-4 <= size < 1e9:
        decimals = max(digits - 1 - int(np.floor(np.log10(size))), 0)
        return f"{value:,.{decimals}f}"
    return f"{value:.{digits - 1}e}"


def share(value: float) -> str:
    """Write a gap as what it is at most: one digit, rounded up, and no rounding error's digits."""
    if not np.isfinite(value):
        return "not known"
    if value < 1e-9:
        return "below 1e-9"
    power = np.floor(np.log10(value))
    digit = int(np.ceil(round(value / 10.0**power, 6)))
    return f"at most {digit}e{int(power):d}" if digit < 10 else f"at most 1e{int(power) + 1:d}"


def fixed_effects(model: FittedModel) -> pd.DataFrame:
    """Return coefficients: ``estimate``, with a bootstrap ``low`` and ``high``, LMM's beside."""

    def expand(values):  # no number for columns left out
        return model.standard.rank.expand(np.asarray(values))

    table = pd.DataFrame({"estimate": model.coef})
    if model.boot_clusters is not None:
        intervals = model.boot_clusters.coefficients()
        table["low"], table["high"] = expand(intervals["low"]), expand(intervals["high"])
    if model.lmm is not None:
        table["LMM"], table["LMM s.e."] = expand(model.lmm.beta), expand(model.lmm.se_beta)
    return table.rename_axis("term")


def selected_clusters(model: FittedModel, effect: str | None = None) -> pd.DataFrame:
    """Return the selected clusters, largest effect first.

    Parameters
    ----------
    model : FittedModel
    effect : str, optional
        Which one of a model with random slopes; its first if None.

    Returns
    -------
    DataFrame, indexed by label
        ``rows``, ``effect``; with a bootstrap ``low``, ``high`` and ``chosen`` (share of the
        resamples that select the cluster too), and where one has fewer than ten rows ``interval``
        ("resampled", or "model", which it then is); ``proved`` ("in", "open"); with an LMM
        ``BLUP`` and ``rank``, that of its size among all clusters.
    """
    solution, names = model.solution, model.effect_names
    r = 0 if effect is None else names.index(effect)
    gamma = solution.gamma.reshape(-1, len(names))[:, r]
    support = np.flatnonzero(gamma)
    table = pd.DataFrame(
        {"rows": model.moments.n[support].astype(int), "effect": gamma[support]},
        index=model.effects.index[support],
    )
    if model.boot_rows is not None:
        intervals = model.boot_rows.effects()
        # The resamples' own search may name others where the proof had more time.
        for name, column in (("low", "low"), ("high", "high"), ("chosen", "frequency")):
            table[name] = intervals[column].reindex(table.index).to_numpy()
        small = (table["rows"] < FEWEST_ROWS).to_numpy()
        if small.any():
            # The model's need no resample, so they are there where the search names others, too.
            own = _model_intervals(model).loc[small, ["low", "high"]]
            table.loc[small, ["low", "high"]] = own.to_numpy()
            table["interval"] = np.where(small, "model", "resampled")
    table["proved"] = solution.membership.reshape(-1, len(names))[support, r]
    if model.lmm is not None:
        table["BLUP"] = model.lmm.effects[support]
        rank = pd.Series(-np.abs(model.lmm.effects)).rank(method="min").astype(int)
        table["rank"] = rank.to_numpy()[support]
    return table.sort_values("effect", ascending=False, kind="stable")


def _model_intervals(model: FittedModel) -> pd.DataFrame:
    return model_intervals(
        model.moments,
        model.solution.beta,
        model.solution.gamma,
        ridge=model.ridge,
        ridge_fixed=model.ridge_fixed,
        level=model.boot_rows.level,
    )


def _selections(model: FittedModel, top: int) -> list[tuple[str, pd.DataFrame, int]]:
    """Return title, the largest ``top`` and the number of the rest for each effect allowed."""
    found = []
    if top < 0:
        raise ValueError(f"top must be 0 or more, got {top} (--top).")
    for name in model.effect_names:
        if model.rows.slopes is not None and model.budget[name] == 0:
            continue
        table = selected_clusters(model, name)
        of = "" if model.rows.slopes is None else f", {_effect_title(name)}"
        title = f"Selected clusters{of} ({len(table)} of {model.moments.n_clusters:,})"
        shown = _largest(table, top)
        found.append((title, shown, len(table) - len(shown)))
    return found


def _effect_title(name: str) -> str:
    return "intercept" if name == INTERCEPT else f"slope of {name}"


def variance_components(model: FittedModel) -> pd.DataFrame:
    """Return the Gaussian LMM's variances: of the cluster effects and of the errors."""
    if model.lmm is None:
        return pd.DataFrame(columns=["variance", "std. dev."])
    variances = np.array([model.lmm.var_u, model.lmm.var_e])
    return pd.DataFrame(
        {"variance": variances, "std. dev.": np.sqrt(variances)},
        index=pd.Index([f"{model.groups} (intercept)", "residual"], name="component"),
    )


def data_notes(model: FittedModel) -> list[tuple[str, str]]:
    """Say what was fitted to what: pairs of a heading and a text."""
    rows, m = model.rows, model.moments
    n = f"{m.n_rows:,}"
    if rows.n_dropped:
        counts = ", ".join(f"{count:,} in {name}" for name, count in rows.missing.items())
        n += f" ({rows.n_read:,} read, {rows.n_dropped:,} dropped for missing values: {counts})"
    smallest, largest = int(m.n.min()), int(m.n.max())
    sizes = f"{smallest:,}" if smallest == largest else f"{smallest:,} to {largest:,}"
    notes = [
        ("formula", model.formula),
        ("rows", n),
        (
            "clusters",
            f"{m.n_clusters:,} by {model.groups}, {sizes} row{'' if largest == 1 else 's'} each",
        ),
    ]
    notes += [("read", text) for text in rows.notes]
    for coding in rows.codings:
        reference = f"reference {coding.reference}" if coding.reference else "no reference"
        levels = ", ".join(coding.levels[:12]) + (", ..." if len(coding.levels) > 12 else "")
        notes.append(("coded", f"{coding.factor}: {levels} ({reference})"))
    budget = str(model.budget)
    if rows.slopes is not None:
        budget = ", ".join(f"{n} for the {_effect_title(k)}" for k, n in model.budget.items())
    notes.append(("budget", f"{budget} ({model.chosen_by})"))
    if model.tuning is not None:
        notes.append(("held-out error", held_out_text(model)))
    on = "effects (slopes per standard deviation)" if rows.slopes is not None else "effects"
    mu = f"{model.ridge:g} on {on}, {model.ridge_fixed:g} on coefficients, 0 on the intercept"
    notes.append(("ridge", mu))
    return notes


def held_out_text(model: FittedModel) -> str:
    """Say how much the budget matters to held-out rows, and which others do as well."""
    tuning = model.tuning
    errors = dict(zip(tuning.budgets, tuning.mse, strict=True))
    least = errors[tuning.best]
    text = f"{number(least)} at {tuning.best:,}"
    if tuning.best:
        text += f", {number(errors[0])} with no cluster selected"
    low, high = tuning.flat
    if low == high:
        return f"{text}; no other budget tried is within one standard error of it"
    most = max(error for budget, error in errors.items() if low <= budget <= high)
    above = f", at most {number(100 * (most / least - 1), 2)}% above it" if least > 0 else ""
    return f"{text}; budgets {low:,} to {high:,} are within one standard error of it{above}"


def certificate_notes(model: FittedModel) -> list[tuple[str, str]]:
    """Say what is proved: pairs of a heading and a text."""
    s = model.solution

    def count(mask: np.ndarray) -> str:
        found = {name: int(np.sum(mask & (s.membership == name))) for name in PROVED}
        return ", ".join(f"{n:,} {PROVED[name]}" for name, n in found.items() if n)

    notes = [
        ("objective", f"{number(s.objective, 7)} (proved: none is below {number(s.bound, 7)})"),
        (
            "gap",
            f"{share(s.gap)} of the objective, {share(s.selection_gap)} of what selecting explains",
        ),
        ("status", f"{s.status}; {s.method}"),
    ]
    selected, others, what = s.gamma != 0, s.gamma == 0, ""
    if model.rows.slopes is not None:
        others &= np.array([model.budget[name] > 0 for name in model.effect_names])
        what = " effects"
    if selected.any():
        notes.append((f"{int(selected.sum()):,}{what} selected", count(selected)))
    if others.any():
        notes.append((f"{int(others.sum()):,} others", count(others)))
    return notes


def remarks(model: FittedModel, *, left_out: int = 0) -> list[str]:
    """Return what a reader should know beside the numbers."""
    found = []
    if left_out:
        found.append(f"{left_out} more are selected; the largest effects are shown.")
    if model.rows.outcome_note:
        found.append(model.rows.outcome_note)
    if model.standard.rank.dropped:
        note = model.standard.rank.note()
        found.append(note[0].upper() + note[1:])
    slopes = () if model.rows.slopes is None else model.rows.slopes.names
    if slopes and model.budget[INTERCEPT]:
        found.append(_meeting_point(model))
    alone = [name for name in slopes if name not in model.rows.design.names]
    if alone:
        found.append(
            f"{', '.join(alone)}: not in the formula, so that clusters outside the selection have "
            "a slope of 0."
        )
    if model.boot_rows is not None:
        found.append(_about_intervals(model))
    if model.tuning is not None and model.budget == model.moments.n_clusters:
        found.append(
            "Held-out rows are predicted best with an effect for every cluster: no few of them "
            "stand out. Give a budget to see those that differ most."
        )
    found.append(
        "Proved is what fits these rows best, not that clusters differ: chance can mislead the "
        "best fit too."
    )
    if model.lmm is None:
        found.append(f"No Gaussian LMM beside: {model.lmm_note}")
    elif model.lmm_note:
        found.append(f"Gaussian LMM: {model.lmm_note}")
    return found


def _meeting_point(model: FittedModel) -> str:
    """Say where clusters' intercepts are compared."""
    slopes = model.rows.slopes
    means = [f"{name} = {number(at)}" for name, at in zip(slopes.names, slopes.scale.centre)]
    more = f" and {len(means) - 5} more" if len(means) > 5 else ""
    return (
        f"Effects of the intercept are levels at the means ({', '.join(means[:5])}{more}); those "
        "of a slope are per unit of its column."
    )


def _about_intervals(model: FittedModel) -> str:
    boot, n = model.boot_rows, model.moments.n[model.solution.gamma != 0]
    small = ""
    if (n < FEWEST_ROWS).any():
        small = (
            f" For clusters below {FEWEST_ROWS} rows, too few to draw anew, they are the model's "
            "(t intervals from the errors within clusters, around the effect before its shrinkage, "
            "and extended to the effect printed)."
        )
        if within_variance(model.moments)[1] <= 0:
            small = (
                f" Clusters below {FEWEST_ROWS} rows have none: no cluster has rows enough to tell "
                "the errors' variance."
            )
    return (
        f"Intervals: {boot.level:.0%} percentiles of {boot.reps} bootstrap resamples, of rows "
        "within clusters for effects (given that the cluster is chosen, so that the estimate "
        f"itself can lie outside), of whole clusters for coefficients.{small} After a selection "
        "they cover less than they say."
    )


def icc_text(model: FittedModel) -> str:
    """Return the intraclass correlation in words."""
    icc = model.lmm.icc
    return f"ICC {icc:.3f}: {icc:.1%} of the variance left by the covariates lies between clusters"


def as_text(model: FittedModel, *, top: int = 25) -> str:
    """Return the whole summary as text, at most about 80 columns wide."""
    line, rule = "-" * WIDTH, "=" * WIDTH
    parts = ["Significant cluster selection", rule, _pairs(data_notes(model)), line]
    parts += ["Certificate", _pairs(certificate_notes(model)), line]
    selections = _selections(model, top)
    for title, shown, left in selections:
        table = _aligned(shown) if len(shown) else "  not shown" if left else "  none"
        parts += [title, table, line]
    parts += ["Coefficients", _aligned(fixed_effects(model)), line]
    if model.lmm is not None:
        parts += ["Gaussian LMM (REML), for comparison", _aligned(variance_components(model))]
        parts += [icc_text(model), line]
    left_out = sum(n for *_, n in selections)
    parts += [_wrapped(text) for text in remarks(model, left_out=left_out)]
    return "\n".join(parts)


def as_html(model: FittedModel, *, top: int = 25) -> str:
    """Return the summary as an HTML fragment, for notebooks."""
    selections = _selections(model, top)
    parts = [
        pairs_html(data_notes(model) + certificate_notes(model), "Fit and certificate"),
        *(table_html(shown, title) for title, shown, _ in selections),
        table_html(fixed_effects(model), "Coefficients"),
    ]
    if model.lmm is not None:
        parts.append(table_html(variance_components(model), "Gaussian LMM (REML)"))
        parts.append(f"<p>{escape(icc_text(model))}.</p>")
    left_out = sum(n for *_, n in selections)
    parts += [f"<p>{escape(text)}</p>" for text in remarks(model, left_out=left_out)]
    return "\n".join(parts)


def table_html(table: pd.DataFrame, caption: str) -> str:
    """Return a table with caption and header cells, every text escaped."""
    head = "".join(f'<th scope="col">{escape(str(c))}</th>' for c in _headed(table))
    body = "\n".join(
        f'<tr><th scope="row">{escape(str(label))}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for label, cells in zip(table.index, _cells(table), strict=True)
    )
    return (
        f"<table><caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody></table>"
    )


def pairs_html(pairs: list[tuple[str, str]], caption: str) -> str:
    """Return pairs of heading and text as a table."""
    body = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="text">{escape(text)}</td></tr>'
        for name, text in pairs
    )
    return f"<table><caption>{escape(caption)}</caption>\n<tbody>\n{body}\n</tbody></table>"


def _largest(table: pd.DataFrame, top: int) -> pd.DataFrame:
    kept = table["effect"].abs().sort_values(ascending=False, kind="stable").index[:top]
    return table[table.index.isin(kept)]


def _headed(table: pd.DataFrame) -> list[str]:
    return [str(table.index.name or ""), *map(str, table.columns)]


def _cells(table: pd.DataFrame) -> list[list[str]]:
    """Return a table's entries as text."""
    columns = []
    for name in table.columns:
        values = table[name]
        if name == "chosen":
            columns.append(["" if np.isnan(v) else f"{v:.0%}" for v in values])
        elif values.dtype.kind == "f":
            columns.append([number(v) for v in values])
        elif values.dtype.kind in "iu":
            columns.append([f"{v:,}" for v in values])
        else:
            columns.append([str(v) for v in values])
    return [list(row) for row in zip(*columns, strict=True)]


def _aligned(table: pd.DataFrame) -> str:
    rows = [_headed(table)] + [
        [str(label), *cells] for label, cells in zip(table.index, _cells(table), strict=True)
    ]
    rows = [[_short(row[0]), *row[1:]] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in rows
    )


def _printable(text: str) -> str:
    """Replace line breaks and orders to the terminal, which a name may hold, by spaces."""
    return "".join(c if c.isprintable() else " " for c in text)


def _short(text: str, most: int = 30) -> str:
    text = _printable(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def _pairs(pairs: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in pairs) + 2
    return "\n".join(
        _wrapped(text, first=f"  {name.ljust(width)}", rest=" " * (width + 2))
        for name, text in pairs
    )


def _wrapped(text: str, first: str = "", rest: str = "") -> str:
    import textwrap

    return textwrap.fill(
        _printable(text),
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
    )
