"""What the fuzz test holds answers, errors and warnings to. No formula of the package's is used."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from fuzz_doors import Answer, written

# What stands for a missing value in a CSV file, besides nothing.
WORDS = {
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "N/A", "NA", "NULL", "NaN", "n/a", "nan", "null",
}  # fmt: skip
# An error names one of these, or a column in quotes.
NAMED = re.compile(
    r"\b(data|formula|groups|budget|ridge|ridge_fixed|gap|time_limit|seed|random|missing|top|X|y|"
    r"bootstrap|clusters|table|column|outcome|encoding|delimiter|decimal|resample|method|a file)\b"
    r"|--\w+"
)
# ... and says what to do.
REMEDY = re.compile(
    r"\b(pass|name|write|drop|rename|convert|correct|leave|fill|take|code|turn|reshape|try|choose|make|"
    r"add|save|check|say|give|did you mean|there are|rescale|use|point|recode|must be|lower|raise|"
    r"compute|subtract|read|go|cannot be read|invalid|expected|points|join|export|exclude|set)\b",
    re.IGNORECASE,
)
FOREIGN = re.compile(r"Traceback|truth value|NoneType|encountered in|pyarrow\.lib")


def fault_of_warnings(answer: Answer) -> str:
    """Every warning is ours, and every line of the command's begins with its name."""
    for warning in answer.warned:
        kind = warning.category
        ours = kind.__module__.split(".")[0] == "scs" or (
            kind is UserWarning and "site-packages" not in warning.filename
        )
        if not ours and kind.__name__ != "DataConversionWarning":
            return f"warning of {kind.__name__}: {str(warning.message)[:60]}|"
    for line in answer.notes:
        if "encountered" in line or line.startswith(("left behind", "no report")):
            return f"the command said {line[:70]!r}|"
    return ""


def fault_of_error(case, answer: Answer) -> str:
    """An error is one clear line; what is plain is not refused."""
    error = answer.error
    if answer.outcome == "no such table":
        return ""
    if case.plain and case.options.get("formula") is None:
        return _plain_refusal(case, answer)
    if isinstance(error, SystemExit):
        if error.code != 2:
            return f"{answer.outcome}|"
        lines = [line for line in answer.notes if not line.startswith("scs: note: ")]
        if lines and lines[0].startswith("usage:"):
            return "" if "error: " in lines[-1] else f"usage without an error {lines[-1]!r}|"
        if len(lines) != 1 or not lines[0].startswith("scs: "):
            return f"not one line: {lines[:2]}|"
        return _fault_of_message(lines[0])
    if type(error) not in (ValueError, TypeError):
        return f"{type(error).__name__} instead of ValueError or TypeError: {_short(error)}|"
    return _fault_of_message(str(error))


def _plain_refusal(case, answer: Answer) -> str:
    if len(set(case.outcome.values)) == 1:
        return ""  # nothing to explain, and no error to tell chance by
    text = answer.notes[-1] if answer.notes else str(answer.error)
    fair = ("single row", "rows", "columns", "depend", "constant", "categories", "text", "feature",
            "ridge", "random slopes", "--random")  # fmt: skip
    return "" if any(word in text for word in fair) else f"a plain table refused: {text[:80]}|"


def _fault_of_message(text: str) -> str:
    text = text.removeprefix("scs: ")
    if not text.strip() or "\n" in text:
        return f"not one line: {text[:80]!r}|"
    if FOREIGN.search(text):
        return f"words of a library: {text[:90]!r}|"
    if not NAMED.search(text):
        return f"names nothing: {text[:90]!r}|"
    if not REMEDY.search(text):
        return f"no remedy: {text[:90]!r}|"
    return ""


def _short(error: Any) -> str:
    return " ".join(str(error).split())[:60]


# ---------------------------------------------------------------------------------- answers


def fault_of_answer(case, answer: Answer) -> str:
    """Recompute what can be: rows, clusters, objective, bound, predictions."""
    model = answer.model
    solution = model.solution if hasattr(model, "solution") else model.solution_
    for what in ("objective", "bound", "gap"):
        if not np.isfinite(getattr(solution, what)):
            return f"{what} is not finite|{getattr(solution, what)}"
    # A column that others determine is left out with a note: its coefficient is NaN.
    left_out = np.isnan(solution.beta)
    noted = any("DesignWarning" in w.category.__name__ for w in answer.warned) or answer.notes
    if (
        not np.isfinite(solution.gamma).all()
        or not np.isfinite(solution.beta[~left_out]).all()
        or (left_out.any() and not noted)
    ):
        return "coefficients or effects are not finite|"
    if solution.bound > solution.objective * (1 + 1e-9) + 1e-300:
        return f"bound above the objective|{solution.bound} > {solution.objective}"
    if fault := _fault_of_selection(case, solution):
        return fault
    rows = _expected_rows(case, answer)
    if isinstance(rows, str):
        return rows
    made = getattr(getattr(answer.model, "rows", None), "missing", {})
    if any("(" in term for term in made):  # rows in which the formula itself has no value
        rows = None
    if rows is not None:
        labels = _expected_labels(case, rows)
        if labels is not None and len(solution.labels) != labels:
            return f"{len(solution.labels)} clusters instead of {labels} ({case.groups.kind})|"
    if answer.design is not None:
        if fault := _fault_of_outcome(case, answer, rows):
            return fault
        if solution.gamma.ndim == 1:
            return _fault_of_objective(answer, solution)
    return _fault_of_prediction(answer)


def _fault_of_selection(case, solution) -> str:
    budget = case.options.get("budget")
    if isinstance(budget, int) and not isinstance(budget, bool):
        if np.count_nonzero(solution.gamma, axis=0).max() > max(budget, 0):
            return "more selected than the budget|"
        if budget < 0:
            return "a negative budget is accepted|"
    labels = list(map(repr, np.asarray(solution.labels).tolist()))
    if len(set(labels)) != len(labels):
        return "a label is there twice|"
    return ""


def _is_missing(case, column, value: Any) -> bool:
    if value is None or (isinstance(value, float) and value != value):
        return True
    return case.door == "csv" and written(value) in WORDS


def _expected_rows(case, answer: Answer) -> list[int] | str | None:
    """Return the rows that are whole in the columns used, None where that is not for sure."""
    used = {case.outcome.name, case.groups.name}
    if answer.design is None:
        used |= {column.name for column in case.covariates}
    else:
        used |= set(answer.model.rows.used)
        used |= set(answer.model.rows.slopes.used if answer.model.rows.slopes else ())
    columns = [column for column in case.columns if column.name in used]
    flags = case.dialect.get("flags", [""])[0] if case.door == "csv" else ""
    broken = case.dialect.get("broken") if case.door == "csv" else None
    if (
        broken
        or flags in ("--na", "--encoding", "--decimal", "--delimiter")
        or len({column.name for column in case.columns}) < len(case.columns)
    ):
        return None
    if case.door == "csv" and any(column.kind in ("marks", "text") for column in columns):
        return None
    whole = [
        row
        for row in range(len(case.outcome.values))
        if not any(_is_missing(case, column, column.values[row]) for column in columns)
    ]
    if len(whole) < len(case.outcome.values) and case.options["missing"] == "refuse":
        return f"missing values accepted ({case.groups.kind})|"
    return whole


def _expected_labels(case, rows: list[int]) -> int | None:
    values = [case.groups.values[row] for row in rows]
    if case.options.get("groups", case.groups.name) != case.groups.name:
        return None
    if case.door == "csv":
        return len({written(value, case.dialect["decimal"]) for value in values})
    return len(set(map(repr, values)))


def _fault_of_outcome(case, answer: Answer, rows: list[int] | None) -> str:
    model = answer.model
    if (
        rows is None
        or not case.outcome.numeric
        or model.rows.outcome.strip("`") != case.outcome.name
    ):
        return ""
    expected = np.array([float(case.outcome.values[row]) for row in rows])
    if not np.array_equal(expected, answer.design.y):
        return "the outcome was read as other numbers|"
    for column in case.covariates:
        names = list(answer.design.names)
        if column.numeric and column.name in names and names.count(column.name) == 1:
            expected = np.array([float(column.values[row]) for row in rows])
            if not np.array_equal(expected, answer.design.X[:, names.index(column.name)]):
                return f"a covariate was read as other numbers ({column.kind})|{column.name}"
    return ""


def _fault_of_objective(answer: Answer, solution) -> str:
    """The objective is that of the coefficients, the prediction is theirs, on the rows as read."""
    model, design = answer.model, answer.design
    named = dict(zip(design.names, design.X.T))
    coef = {name: value for name, value in model.coef.items() if not np.isnan(value)}
    wide = np.longdouble
    fitted, rounding = np.zeros(len(design.y), dtype=wide), np.zeros(len(design.y))
    for name, value in coef.items():
        column = np.ones(len(design.y)) if name == "Intercept" else named[name]
        fitted += column.astype(wide) * wide(value)
        rounding += np.abs(column * value) * np.finfo(float).eps
    fitted += solution.cluster_effects[design.codes].astype(wide)
    beta = np.array([v for name, v in coef.items() if name != "Intercept"], dtype=wide)
    gamma = solution.gamma.astype(wide)
    y = design.y.astype(wide)
    value = ((y - fitted) ** 2).sum() + wide(model.ridge) * (gamma**2).sum()
    value += wide(model.ridge_fixed) * (beta**2).sum()
    if solution.theta:
        value += (solution.background.astype(wide) ** 2).sum() / wide(solution.theta)
    # About 0 without an intercept: what is left of a sum of squares cannot be told below its own.
    size = float(((y - (y.mean() if "Intercept" in coef else 0.0)) ** 2).sum())
    # Coefficients are rounded: beside an outcome near 2**53 that of the intercept by 1.
    rounded = float(2 * np.abs(y - fitted) @ rounding + rounding @ rounding)
    if not abs(value - solution.objective) <= 1e-6 * value + 1e-9 * size + 4 * rounded + 1e-300:
        return f"the objective is not that of the coefficients|{float(value)} {solution.objective}"
    if model.rows.n_dropped:
        return ""
    predicted = answer.predict()
    scale = 1e-9 * float(np.abs(y).max()) + 8 * float(rounding.max())
    if not np.allclose(predicted, fitted.astype(float), rtol=1e-7, atol=float(scale)):
        return "predictions of the fitted rows are not the fitted values|"
    return ""


def _fault_of_prediction(answer: Answer) -> str:
    model = answer.model
    if getattr(getattr(model, "rows", None), "n_dropped", 0):
        return ""
    if not np.isfinite(answer.predict()).all():
        return "a prediction is not finite|"
    return ""


def fault_of_order(one: Answer, other: Answer, order: np.ndarray) -> str:
    """The same rows in another order give the same answer, up to what the gap leaves open."""
    if other.outcome == "no such table":  # a type read off the first rows
        return ""
    if other.model is None:
        # A CSV column may be read by its first rows, but nothing may be refused for its order.
        return f"refused in another order of rows|{other.detail}"
    a, b = (
        each.model.solution if hasattr(each.model, "solution") else each.model.solution_
        for each in (one, other)
    )
    if len(a.labels) != len(b.labels):
        return "other clusters in another order of rows|"
    both = max(a.objective, b.objective)
    allowed = max(a.gap, b.gap) + 1e-6
    if abs(a.objective - b.objective) > allowed * both:
        return f"another objective in another order of rows|{a.objective} {b.objective}"
    if a.bound > b.objective * (1 + 1e-6) or b.bound > a.objective * (1 + 1e-6):
        return "a bound above what another order of rows reaches|"
    if a.gamma.ndim > 1:
        return ""
    names = pd.Index(map(repr, np.asarray(a.labels).tolist()))
    where = names.get_indexer(map(repr, np.asarray(b.labels).tolist()))
    if (where < 0).any():
        return "other labels in another order of rows|"
    first, second = np.asarray(a.membership)[where], np.asarray(b.membership)
    if np.any((first == "in") & (second == "out")) or np.any((first == "out") & (second == "in")):
        return "a cluster is in and, in another order of rows, out|"
    return ""
