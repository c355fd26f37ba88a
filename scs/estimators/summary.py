"""A fitted model in words and tables, which `scs.estimators.written` and the report write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scs.data.rows import INTERCEPT
from scs.estimators.prediction import SHRINKS
from scs.estimators.selection import NEARLY_FREE
from scs.estimators.tables import number, share
from scs.inference.naming import penalised_number

if TYPE_CHECKING:
    from scs.estimators.fitted import FittedModel
    from scs.solvers import Solution


_EXPECTED = ", a hard case: expect a gap"  # how `scs.solve` warns of many directions to split

# What the columns of the tables mean, for headings and legends.
_ERRORS = {
    "normal": "normal errors of one variance",
    "residuals": "errors of one distribution, that of the residuals",
    "unequal": "normal errors of each cluster's own variance",
}
PROVED = {
    "in": "in every best selection",
    "out": "in no best selection",
    "open": "not decided by the bounds",
}


def finding(model: FittedModel) -> str:
    """Say first what a reader came for: which clusters are named, and at what error rate."""
    size, n_clusters = int(np.count_nonzero(model.solution.gamma)), model.moments.n_clusters
    of = f"{size:,} of {n_clusters:,} clusters ({model.groups})"
    if n_clusters == 1:
        return f"There is a single cluster ({model.groups}): it has no others to differ from."
    if model.fdr is None:
        if model.rows.slopes is not None:
            return f"{size:,} effects are selected, of {n_clusters:,} clusters ({model.groups})."
        if not model.budget:
            return f"Nobody is selected, as the budget is 0, of {n_clusters:,} clusters."
        if not size:
            return f"Nobody is selected of {n_clusters:,} clusters: no effect improves the fit."
        how = "predict held-out rows best" if model.tuning is not None else "differ most"
        return f"{of} are selected: those that {how}, whether or not by more than chance."
    rate = f"a false discovery rate of {model.fdr:.0%}"
    if size:
        return (
            f"{of} {'is' if size == 1 else 'are'} named, at {rate}: "
            f"{'it' if size == 1 else 'each'} differs by more than the other clusters do among "
            f"themselves, and on average at most {model.fdr:.0%} of such names are wrong."
        )
    least = model.qvalues.min()
    nearest = "" if np.isnan(least) else f" The smallest adjusted p-value (q) is {least:.2g}."
    if least <= model.fdr:
        nearest += (
            " With this cluster named the background would change, and the cluster would not pass."
        )
    return (
        f"Nobody can be named: none of {n_clusters:,} clusters ({model.groups}) stands out from "
        f"how clusters differ among themselves, at {rate}.{nearest}"
    )


def fixed_effects(model: FittedModel) -> pd.DataFrame:
    """Return coefficients by term.

    ``estimate``, ``s.e.`` given the selection and a cluster-robust ``CR2 s.e.``, with a bootstrap
    ``low`` and ``high``, LMM's beside.
    """

    def expand(values):  # no number for columns left out
        return model.standard.rank.expand(np.asarray(values))

    table = pd.DataFrame({"estimate": model.coef})
    if not model.std_errors.isna().all():
        table["s.e."] = model.std_errors
        table["CR2 s.e."] = model.robust_errors("CR2")
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
        ``rows``, ``effect`` (the whole one, with the background's part); ``low`` and ``high``, the
        interval that holds after the naming; ``p``, and ``q``, which is p
        adjusted for all clusters looked at; with a bootstrap ``chosen``, the share of the resamples
        that select the cluster too; ``proved`` ("in", "open"); with an LMM ``BLUP`` and ``rank``,
        that of its size among all clusters.
    """
    solution, names = model.solution, model.effect_names
    r = 0 if effect is None else names.index(effect)
    gamma = solution.gamma.reshape(-1, len(names))[:, r]
    whole = solution.cluster_effects.reshape(-1, len(names))[:, r]
    support = np.flatnonzero(gamma)
    table = pd.DataFrame(
        {"rows": model.moments.counts[support].astype(int), "effect": whole[support]},
        index=model.effects.index[support],
    )
    if model.selection.inference is not None:
        table = table.join(model.intervals)
        table["p"] = model.pvalues.to_numpy()[support]
        table["q"] = model.qvalues.to_numpy()[support]
    if model.boot_rows is not None:
        # The resamples' own search may name others where the proof had more time.
        chosen = model.boot_rows.effects()["frequency"]
        table["chosen"] = chosen.reindex(table.index).to_numpy()
    table["proved"] = solution.membership.reshape(-1, len(names))[support, r]
    if model.lmm is not None:
        table["BLUP"] = model.lmm.effects[support]
        rank = pd.Series(-np.abs(model.lmm.effects)).rank(method="min").astype(int)
        table["rank"] = rank.to_numpy()[support]
    return table.sort_values("effect", ascending=False, kind="stable")


def selections(model: FittedModel, top: int) -> list[tuple[str, pd.DataFrame, int]]:
    """Return title, the largest ``top`` and the number of the rest for each effect allowed."""
    found = []
    if top < 0:
        raise ValueError(f"top must be 0 or more, got {top} (--top): try 25.")
    for name in model.effect_names:
        if model.rows.slopes is not None and model.budget[name] == 0:
            continue
        table = selected_clusters(model, name)
        of = "" if model.rows.slopes is None else f", {_effect_title(name)}"
        title = f"Selected clusters{of} ({len(table)} of {model.moments.n_clusters:,})"
        shown = largest(table, top)
        found.append((title, shown, len(table) - len(shown)))
    return found


def set_apart(model: FittedModel, top: int) -> pd.DataFrame | None:
    """Return the clusters set apart that deviate most in their standard errors, or None."""
    if model.apart is None or model.rows.slopes is not None:
        return None
    table = model.set_apart
    far = (table["deviation"] / table["std_error"]).abs()
    kept = far.sort_values(ascending=False, kind="stable").index[:top]
    return table[table.index.isin(kept)].rename(columns={"std_error": "s.d."})


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
    smallest, largest = int(m.counts.min()), int(m.counts.max())
    sizes = f"{smallest:,}" if smallest == largest else f"{smallest:,} to {largest:,}"
    notes = [
        ("formula", model.formula),
        ("rows", n),
        (
            "clusters",
            f"{m.n_clusters:,} by {model.groups}, {sizes} row{'' if largest == 1 else 's'} each",
        ),
    ]
    notes += _weights_text(model)
    if model.apart is not None:
        few = f"{len(model.apart.n):,} clusters of fewer than {model.min_rows:,} rows"
        notes.append(("set apart", f"{few} ({model.apart.n_rows:,} rows): not fitted, not named"))
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
    if model.rows.slopes is None:
        notes.append(("background", _background_text(model)))
    on = "effects (slopes per standard deviation)" if rows.slopes is not None else "effects"
    least = NEARLY_FREE * m.mean_weight
    mu = f"{model.ridge:.3g}" if model.ridge >= least else "next to none"
    text = f"{mu} on {on}, {model.ridge_fixed:g} on coefficients, 0 on the intercept"
    notes.append(("ridge", text))
    return notes


def _weights_text(model: FittedModel) -> list[tuple[str, str]]:
    """Say what weights and offset the rows have."""
    rows = model.rows
    found: list[tuple[str, str]] = []
    for role, column in rows.weights.items():
        kind = role.removesuffix("_weights")
        what = "equal rows" if kind == "frequency" else "1 / variance of the error"
        found.append(("weights", f"{kind}, column {column}: {what}"))
    if rows.n_weightless:
        found.append(("weights", f"{rows.n_weightless:,} rows of weight 0 are left out"))
    if rows.offset is not None:
        found.append(("offset", f"{' + '.join(rows.offset.column_names)}, off the outcome"))
    return found


def _background_text(model: FittedModel) -> str:
    """Say how far clusters differ that are not named."""
    found = model.selection.inference
    if model.theta == 0:
        told = model.selection.estimated and not model.selection.note
        found_none = "clusters that are not named differ by no more than chance"
        none = f"none: {found_none if told else 'clusters that are not named are taken as alike'}"
        return none + _rest_text(model)
    told = ", told from those within 2.5 of it," if model.selection.estimated else ""
    spread = number(np.sqrt(model.theta * model.var_e), 3)
    text = f"standard deviation {spread} between clusters{told}"
    if found is not None:
        text = f"{text.removesuffix(',')}; {number(np.sqrt(found.var_e), 3)} of the errors; "
        text += f"ICC {found.icc:.3f}"
    return text + _rest_text(model)


def _rest_text(model: FittedModel) -> str:
    """Say how far all differ that are not named, beside the spread that names and shrinks."""
    variance = model.selection.rest_variance
    if np.isnan(variance):
        return ""
    spread = number(np.sqrt(variance), 3)
    return f"; {spread} by REML over those not named, which clusters far out would widen"


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
        ("status", f"{s.status}; {_method_text(s)}"),
    ]
    if model.rows.slopes is None and len(s.support):
        notes.insert(0, ("list", _list_text(model)))
    selected, others, what = s.gamma != 0, s.gamma == 0, ""
    if model.rows.slopes is not None:
        others &= np.array([model.budget[name] > 0 for name in model.effect_names])
        what = " effects"
    if selected.any():
        notes.append((f"{int(selected.sum()):,}{what} selected", count(selected)))
    if others.any():
        n = int(others.sum())
        noun = "other" if selected.any() else "cluster"
        notes.append((f"{n:,} {noun}{'' if n == 1 else 's'}", count(others)))
    return notes


def _method_text(solution: Solution) -> str:
    """Say by which method; what it expected of a hard case is no news once there is a proof."""
    if solution.status != "optimal":
        return solution.method
    return solution.method.replace(_EXPECTED, "")


def _list_text(model: FittedModel) -> str:
    """Say what is proved of the list, in units that matter beside what the last name is worth."""
    s, found = model.solution, model.selection.inference
    of = f"list of at most {model.budget:,} cluster{'' if model.budget == 1 else 's'}"
    if s.status == "optimal":
        return f"no other {of} fits better"
    text = f"another {of} may fit better"
    if found is None:
        return text
    left = (s.objective - s.bound) / (2 * found.var_e)
    text += f", by at most {number(left, 2)} in log-likelihood"
    if len(s.support):
        d = found.deviations
        worth = 0.5 * (d.value[s.support] / d.spread[s.support]) ** 2
        text += f"; the weakest name is worth {number(worth.min(), 2)}"
    return text


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
    if model.selection.note:
        found.append(model.selection.note)
    if model.selection.inference is not None and model.solution.gamma.any():
        found.append(_about_intervals(model))
    if model.selection.inference is not None and model.ridge >= SHRINKS and model.budget:
        found.append(
            f"The ridge of {model.ridge:g} shrinks effects. Intervals are of the shrunken effects."
        )
    if model.boot_rows is not None:
        found.append(
            f"Chosen: the share of {model.boot_rows.reps} resamples, of rows within clusters, that "
            "select the cluster too. Intervals of coefficients are from whole clusters drawn."
        )
    found += _about_errors(model)
    if model.tuning is not None and model.budget == model.moments.n_clusters:
        found.append(
            "Held-out rows are predicted best with an effect for every cluster. No small number of "
            "clusters stands out. Give a budget to see the clusters that differ most."
        )
    if model.fdr is not None:
        found.append(_about_names(model))
    found += _about_law(model)
    found += _about_covariates(model)
    found.append(
        "The proof says that no other list fits these rows better. It does not say that clusters "
        "differ: chance can mislead the best fit too."
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
    found = model.selection.inference
    passed = "passed its threshold" if found.q is not None else "is among those that differ most"
    return (
        "Effect: how far a cluster lies from what the coefficients say, its background included. "
        f"Low and high: a {model.level:.0%} interval of the effect, given that the cluster "
        f"{passed}. The interval of a cluster that has only just passed may hold 0: so large a "
        "deviation is rare without an effect, and overstates a small effect. p: how often "
        "background and chance alone reach so far. q: p adjusted for all clusters looked at "
        "(Benjamini and Hochberg), given this list and this background."
    )


def _about_covariates(model: FittedModel) -> list[str]:
    """Say whether effects of clusters go with the covariates, where it can be told."""
    beside = None if model.rows.slopes is not None else model.within_between
    if beside is None or not beside.pvalue < 0.01:
        return []
    worst = int(np.nanargmin(beside.pvalues))
    return [
        f"Coefficients differ within and between clusters (p = {number(beside.pvalue, 2)}; "
        f"{beside.names[worst]}: {number(beside.within[worst])} within, "
        f"{number(beside.between[worst])} between). So effects of clusters follow the covariates. "
        "To separate the two, put cluster means among the covariates (in Python, "
        "model.within_between has all columns)."
    ]


def _about_errors(model: FittedModel) -> list[str]:
    if model.std_errors.isna().all():
        return []
    return [
        "CR2 s.e. of coefficients allow for anything that rows of a cluster have in common. s.e. "
        "allow for the background alone."
    ]


def _about_law(model: FittedModel) -> list[str]:
    """Say which law of errors the p-values are of where it is not the normal one, or should not."""
    selection, check = model.selection, model.selection.errors
    if check is None or check.law == "normal":
        return []
    seen = check.seen[0].upper() + check.seen[1:]
    if selection.null_chosen:
        return [
            f"{seen}: p-values are of {_ERRORS[selection.null]} (null={selection.null!r}, chosen "
            "by null='auto'; null='normal' takes errors for normal and of one variance all the "
            "same)."
        ]
    if selection.null != "normal":
        return []
    return [
        f"{seen}: names are wrong more often than the rate says. null='auto' (--null auto) allows "
        "for that."
    ]


def _about_names(model: FittedModel) -> str:
    check, why = model.selection.errors, ""
    if check is not None and check.law == "normal" and model.selection.null_chosen:
        why = f", and {check.seen}"
    text = (
        f"The error rate assumes {_ERRORS[model.selection.null]}{why}. It also assumes that the "
        "differences of all other clusters are normal. Few clusters hardly show whether they are."
    )
    if not model.selection.consistent:
        text += " The search was stopped, and some of these names do not keep to the rate."
    found = model.selection.inference
    by_penalty = penalised_number(found.pvalues, found.q)
    if by_penalty < len(found.support):
        text += (
            f" A penalty on each further name would stop at {by_penalty:,}. The others pass only "
            "because there are many, and are the least sure."
        )
    return text


def icc_text(model: FittedModel) -> str:
    """Return the intraclass correlation in words."""
    icc = model.lmm.icc
    return f"ICC {icc:.3f}: {icc:.1%} of the variance left by the covariates lies between clusters"


def largest(table: pd.DataFrame, top: int) -> pd.DataFrame:
    """Return the rows of so many largest effects, in the table's order."""
    kept = table["effect"].abs().sort_values(ascending=False, kind="stable").index[:top]
    return table[table.index.isin(kept)]
