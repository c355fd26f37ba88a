"""From a formula and a data frame to validated rows, and to new rows by the same coding."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from formulaic import Formula, ModelSpec
from formulaic.errors import DataMismatchWarning

from scs.data.containers import column_name, refuse_broken_text
from scs.data.design import Design, as_clusters, as_matrix, as_outcome
from scs.data.files import index_columns
from scs.data.frames import (
    as_frame,
    as_pandas,
    check_column,
    codable,
    listed,
    missing_counts,
    outcome_numbers,
    quoted,
    refuse_identifier,
    refuse_rounded,
    without_missing,
)
from scs.data.labels import coded_labels, note_alike, note_alike_levels
from scs.data.slopes import SlopeScale
from scs.data.terms import (
    as_they_are,
    columns_of,
    factors,
    first_line,
    measured,
    parse,
    parse_random,
)
from scs.data.undefined import find_undefined, without_undefined
from scs.data.wilkinson import build_matrix
from scs.data.written import Convention, looks_like_dates, outcome_note, read_by, read_written

INTERCEPT = "Intercept"  # as formulaic, statsmodels and patsy name it
MISSING = ("refuse", "drop")


@dataclass(frozen=True)
class Coding:
    """How a categorical column became indicators.

    Attributes
    ----------
    factor : str
        The column, or the term of the formula, such as ``C(ward)``.
    levels : tuple of str
        In order.
    reference : str
        The level without an indicator; empty where every level has one.
    """

    factor: str
    levels: tuple[str, ...]
    reference: str


@dataclass(frozen=True, eq=False)
class RandomSlopes:
    """The columns whose slopes may differ between clusters.

    Attributes
    ----------
    Z : ndarray, shape (N, Q)
    names : tuple of str, length Q
    intercept : bool
        Whether clusters have a random intercept too.
    spec : ModelSpec
        formulaic's record, for new rows.
    used : tuple of str
        Columns of the data behind ``Z``.
    scale : SlopeScale
        Their centre and unit over the rows.
    written : dict
        As of `ModelRows`.
    """

    Z: np.ndarray
    names: tuple[str, ...]
    intercept: bool
    spec: ModelSpec
    used: tuple[str, ...]
    scale: SlopeScale
    written: Mapping[str, Convention] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ModelRows:
    """Rows as the solver needs them, and what was done to get there.

    Attributes
    ----------
    design : Design
        Without the intercept's column; may have no column at all.
    intercept : bool
        Whether the formula has one.
    spec : ModelSpec
        formulaic's record of the right-hand side: levels, knots, means ...; for new rows.
    used : tuple of str
        Columns of the data behind the right-hand side.
    outcome : str
        The left-hand side.
    codings : tuple of Coding
    n_read : int
        Rows handed over.
    missing : dict
        Column to its number of missing values, calculation of the formula to the number of rows in
        which it is NaN, of those that have any.
    n_dropped : int
        Rows left out because of them.
    slopes : RandomSlopes or None
        None with a random intercept alone.
    left : str
        The outcome as a formula has to write it, in backticks where its name needs them.
    written : dict
        Column to the way in which its text writes numbers, of those read as numbers.
    notes : tuple of str
        What was read as numbers, or taken for numbers and looks like dates, in words.
    outcome_note : str
        Of an outcome of two values or of counts: that it is fitted as any number is.
    """

    design: Design
    intercept: bool
    spec: ModelSpec
    used: tuple[str, ...]
    outcome: str
    codings: tuple[Coding, ...]
    n_read: int
    missing: Mapping[str, int]
    n_dropped: int
    slopes: RandomSlopes | None = None
    left: str = ""
    written: Mapping[str, Convention] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    outcome_note: str = ""

    def without_rows(self) -> ModelRows:
        """Return all that new rows need, without those that were fitted."""
        d, slopes = self.design, self.slopes
        design = Design(d.X[:0], d.y[:0], d.codes[:0], d.labels, d.names)
        return replace(self, design=design, slopes=slopes and replace(slopes, Z=slopes.Z[:0]))


def _outcome(left: Any, table: pd.DataFrame) -> np.ndarray:
    """Evaluate the left side, which makes one column of numbers."""
    outcomes = _evaluate(left, table)
    if outcomes.shape[1] != 1:
        raise ValueError(
            f"formula: the outcome {str(next(iter(left)))!r} makes {outcomes.shape[1]} columns: "
            "write one that is a number."
        )
    return as_outcome(outcomes.iloc[:, 0].to_numpy(dtype=float), len(table))


def _date_notes(table: pd.DataFrame, names: Iterable[str]) -> list[str]:
    return [
        f"{name}: as a number, though all its values are dates written as YYYYMMDD, of which a "
        "difference is no number of days; turn it into days since the first one"
        for name in names
        if looks_like_dates(table[name])
    ]


def _check_roles(
    groups: str,
    outcome_columns: Sequence[str],
    used: Sequence[str],
    slope_columns: Sequence[str],
    random: str | None,
) -> None:
    """Refuse a column that is asked to be two things."""
    for name in (groups, *outcome_columns, INTERCEPT):
        if name in slope_columns:
            raise ValueError(
                f"random={random!r} has a slope of {name!r}, which is the outcome, the cluster or "
                "the constant: name covariates."
            )
    if groups in used or groups in outcome_columns:
        raise ValueError(
            f"formula uses the cluster column {groups!r}: take it out. Its effects are what the "
            "selection estimates."
        )
    if len(outcome_columns) == 1 and outcome_columns[0] in used:  # I(y - x) ~ x is a regression
        raise ValueError(
            f"formula has its outcome {outcome_columns[0]!r} among the covariates: take it out."
        )
    if INTERCEPT in used:
        raise ValueError(
            f"formula uses a column named {INTERCEPT!r}, which is what the constant is called "
            "here: rename it."
        )


def model_rows(
    formula: str,
    data: Any,
    groups: str,
    *,
    missing: str = "refuse",
    random: str | None = None,
) -> ModelRows:
    """Build the design matrix, the outcome and the cluster codes that a formula asks for.

    Parameters
    ----------
    formula : str
        In Wilkinson's notation, as in R, statsmodels and patsy; ``.`` is every other column.
    data : data frame (pandas, polars, pyarrow) or dict of columns
    groups : str
        The column of cluster labels.
    missing : {"refuse", "drop"}
        What to do with rows that miss a value in a column that is used.
    random : str, optional
        The effects of a cluster, such as ``"1 + x"``; None or ``"1"``: a random intercept.

    Raises
    ------
    ValueError, TypeError
        A column that is not there (with the nearest name), missing values, an outcome that is no
        number, a formula that cannot be read. The first line says which, and the remedy.
    """
    if missing not in MISSING:
        raise ValueError(f"missing must be one of {MISSING}, got {missing!r}.")
    frame = as_frame(data)
    names = list(frame.columns)
    groups = column_name(groups, "groups")
    check_column(groups, names, "groups")
    unnamed = {groups, *index_columns(getattr(data, "schema", None), names)}
    left, right = parse(formula, [name for name in names if name not in unnamed])
    outcome_columns = columns_of(left, names, "formula")
    used = columns_of(right, names, "formula")
    effects = parse_random(random)
    slope_columns = columns_of(effects, names, "random")
    _check_roles(groups, outcome_columns, used, slope_columns, random)
    outcome = str(next(iter(left)))
    if len(frame) == 0:
        raise ValueError("data has no rows: pass at least one.")
    columns = list(dict.fromkeys([*outcome_columns, *used, *slope_columns]))
    table = as_pandas(frame, columns)
    if frame.schema[groups] in (nw.String, nw.Object):
        refuse_broken_text(frame[groups].to_list(), f"column {groups!r}")
    found, distinct = coded_labels(frame[groups])  # not through pandas, which would round some
    table[groups] = np.where(found < 0, np.nan, found)
    table, counts = without_missing(table, missing)
    read, written, notes = read_written(
        table, [*outcome_columns, *measured(right), *measured(effects)]
    )
    table = table.assign(**read)
    for name in (*outcome_columns, *measured(right), *measured(effects)):
        refuse_rounded(table[name], name)
    for name in outcome_columns:
        table[name] = outcome_numbers(table[name], name)
    for name in dict.fromkeys([*as_they_are(right), *as_they_are(effects)]):
        refuse_identifier(table[name], name)
    for name in dict.fromkeys([*used, *slope_columns]):
        table[name] = codable(table[name], name)
    table, undefined = without_undefined(table, (left, right, effects), missing)
    if undefined:  # levels may have gone with the rows
        table = table.assign(**{name: codable(table[name], name) for name in columns})
    notes += _date_notes(table, dict.fromkeys([*measured(right), *measured(effects)]))
    codes, labels = as_clusters(distinct[table[groups].to_numpy(dtype=np.intp)], len(table))
    note_alike(labels)
    y = _outcome(left, table)
    matrix = _evaluate(right, table)
    intercept = INTERCEPT in matrix.columns
    spec = matrix.model_spec
    X = _matrix(matrix, intercept)
    slopes = _random_slopes(effects, random, table, tuple(slope_columns), written)
    codings = _codings(spec)
    coded = [*codings, *(() if slopes is None else _codings(slopes.spec))]
    for factor, levels in {coding.factor: coding.levels for coding in coded}.items():
        note_alike_levels(factor, levels)
    covariates = tuple(name for name in matrix.columns if name != INTERCEPT)
    return ModelRows(
        design=Design(X, y, codes, labels, covariates),
        intercept=intercept,
        spec=spec,
        used=tuple(used),
        outcome=str(next(iter(left))),
        codings=codings,
        n_read=len(frame),
        missing=counts | undefined,
        n_dropped=len(frame) - len(table),
        slopes=slopes,
        left=quoted(outcome) if outcome in as_they_are(left) else outcome,
        written=written,
        notes=tuple(notes),
        outcome_note=outcome_note(y, outcome),
    )


def new_rows(rows: ModelRows, data: Any, name: str = "data") -> np.ndarray:
    """Build the design matrix of new rows by what was learned from the fitted ones.

    Raises
    ------
    ValueError
        A column is not there, holds missing values, or a category that fitting never saw.
    """
    return _new_matrix(rows.spec, rows.used, data, name, rows.intercept, rows.written)


def new_outcome(rows: ModelRows, data: Any, name: str = "data") -> np.ndarray | None:
    """Return the outcome of new rows, None where the table does not have its columns.

    Raises
    ------
    ValueError, TypeError
        It misses a value, or is no number.
    """
    frame = as_frame(data, name)
    left, _ = parse(f"{rows.left} ~ 1", [])
    try:
        used = columns_of(left, list(frame.columns), name)
    except ValueError:  # a column is not there
        return None
    table = as_pandas(frame, used)
    counts = missing_counts(table)
    if counts:
        raise ValueError(
            f"{name} has missing values ({listed(counts)}): fill them in, or leave these rows out."
        )
    table = read_by(table, rows.written)
    return _outcome(left, table)


def new_slopes(slopes: RandomSlopes, data: Any, name: str = "data") -> np.ndarray:
    """Build the columns of random slopes for new rows, shape (N, Q).

    Raises
    ------
    ValueError
        As `new_rows`.
    """
    return _new_matrix(slopes.spec, slopes.used, data, name, slopes.intercept, slopes.written)


def _new_matrix(
    spec: ModelSpec,
    used: tuple[str, ...],
    data: Any,
    name: str,
    intercept: bool,
    written: Mapping[str, Convention],
) -> np.ndarray:
    frame = as_frame(data, name)
    if len(frame) == 0:
        raise ValueError(f"{name} has no rows: pass at least one.")
    for column in used:
        check_column(column, frame.columns, name)
    if not used:
        return np.empty((len(frame), 0))
    table = as_pandas(frame, list(used))
    counts = missing_counts(table)
    if counts:
        raise ValueError(
            f"{name} has missing values ({listed(counts)}): fill them in, or leave these rows out."
        )
    table = read_by(table, written)
    for column in used:
        table[column] = codable(table[column], column)
    _refuse_other_kind(table, spec, name)
    for each in find_undefined(table, spec):
        raise ValueError(
            f"{name}: {each.clause(table)}: correct the value, or leave these rows out."
        )
    return _matrix(_evaluate(spec, table, name), intercept)


def _refuse_other_kind(table: pd.DataFrame, spec: ModelSpec, name: str) -> None:
    """Refuse numbers where categories were fitted, and the other way; formulaic multiplies them."""
    coded = {factor.expr for factor in spec.factor_contrasts}
    for column in as_they_are(spec):
        is_category = isinstance(table[column].dtype, pd.CategoricalDtype)
        if is_category != (column in coded):
            now = "text or categories" if is_category else "numbers"
            then, to = ("numbers", "numbers") if is_category else ("categories", "text")
            raise TypeError(
                f"{name}: column {column!r} holds {now}, and held {then} in fitting: turn it into "
                f"{to}."
            )


def _random_slopes(
    effects: Formula,
    random: str | None,
    table: pd.DataFrame,
    used: tuple[str, ...],
    written: Mapping[str, Convention],
) -> RandomSlopes | None:
    """Evaluate the columns of random slopes, or None without any."""
    if not used:
        if [str(term) for term in effects] != ["1"]:
            raise ValueError(f"random={random!r} names no column: write '1 + x', or '1'.")
        return None
    matrix = _evaluate(effects, table)
    intercept = INTERCEPT in matrix.columns
    Z = _matrix(matrix, intercept)
    names = tuple(name for name in matrix.columns if name != INTERCEPT)
    for j in np.flatnonzero(np.ptp(Z, axis=0) == 0):
        raise ValueError(
            f"random={random!r}: {names[j]!r} is constant, so that its slope is a random "
            "intercept: leave it out."
        )
    with np.errstate(over="ignore"):
        sizes = np.sum(Z**2, axis=0)
    for j in np.flatnonzero(~np.isfinite(sizes)):
        raise ValueError(
            f"random={random!r}: Z is of a size whose squares leave the range of floating point in "
            f"{names[j]!r}: rescale it, for example by its largest value."
        )
    scale = SlopeScale.of(Z, names, intercept=intercept)
    return RandomSlopes(Z, names, intercept, matrix.model_spec, used, scale, written)


def _evaluate(
    side: Formula | ModelSpec, table: pd.DataFrame, argument: str = "data"
) -> pd.DataFrame:
    """Evaluate one side of a formula."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataMismatchWarning)
        try:
            return build_matrix(side, table)
        except DataMismatchWarning as error:
            found = _levels_named(str(error))
            if not isinstance(side, ModelSpec):
                raise ValueError(
                    f"formula: levels=[...] leaves out {found}, which {argument} holds: name every "
                    "level, or leave out these rows."
                ) from None
            levels = "; ".join(
                f"{coding.factor} has {', '.join(coding.levels[:12])}" for coding in _codings(side)
            )
            raise ValueError(
                f"{argument} has categories that were not there in fitting ({found}): recode or "
                f"leave out these rows. Known: {levels}."
            ) from None
        except Exception as error:  # text in a calculation, knots out of range ...
            where = "" if argument == "data" else f" on {argument}"
            raise ValueError(
                f"formula cannot be evaluated{where}: {first_line(error).rstrip('.')}: correct "
                "it, or compute the column in the table."
            ) from None


def _levels_named(message: str) -> str:
    """Return the levels that a message of formulaic's lists, a dozen at most."""
    found = re.search(r"\{(.*)\}", message, flags=re.DOTALL)
    if not found:
        return "some values"
    levels = re.sub(r"np\.\w+\(([^()]*)\)", r"\1", found[1]).split(", ")
    return ", ".join(sorted(levels)[:12]) + (", ..." if len(levels) > 12 else "")


def _matrix(table: pd.DataFrame, intercept: bool) -> np.ndarray:
    covariates = table.drop(columns=INTERCEPT) if intercept else table
    if covariates.shape[1] == 0:
        if not intercept:
            raise ValueError("formula has neither covariates nor an intercept: write y ~ 1.")
        return np.empty((len(table), 0))
    return as_matrix(covariates, "the design matrix")[0]


def _codings(spec: ModelSpec) -> tuple[Coding, ...]:
    """Say how each categorical factor was coded, read off the columns that it made."""
    columns = set(spec.column_names)
    codings = []
    contrasts = spec.factor_contrasts
    for factor in dict.fromkeys(factors(spec)):
        if factor not in contrasts:
            continue
        state = contrasts[factor]
        levels = tuple(str(level) for level in state.levels)
        coded = [f"{factor.expr}[T.{level}]" in columns for level in levels]
        reference = levels[coded.index(False)] if any(coded) and not all(coded) else ""
        codings.append(Coding(factor.expr, levels, reference))
    return tuple(codings)
