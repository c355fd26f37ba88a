"""From a formula and a data frame to validated rows, and to new rows by the same coding."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
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
    outcome_numbers,
    quoted,
    refuse_identifier,
    refuse_rounded,
    without_missing,
)
from scs.data.labels import coded_labels, note_alike, note_alike_levels
from scs.data.roles import (
    NO_ROLES,
    Parts,
    Roles,
    parts_of,
    repeated_table,
    weight_columns,
    with_weight,
)
from scs.data.slopes import SlopeScale
from scs.data.terms import as_they_are, factors, first_line, measured
from scs.data.undefined import without_undefined
from scs.data.wilkinson import build_matrix
from scs.data.written import Convention, looks_like_dates, outcome_note, read_written

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
    weights : dict
        Kind of weight to its column.
    n_weightless : int
        Rows left out because their weight is 0.
    offset : ModelSpec or None
        formulaic's record of the offsets; for new rows.
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
    weights: Mapping[str, str] = field(default_factory=dict)
    n_weightless: int = 0
    offset: ModelSpec | None = None

    def without_rows(self) -> ModelRows:
        """Return all that new rows need, without those that were fitted."""
        design, slopes = self.design.at(np.arange(0)), self.slopes
        return replace(self, design=design, slopes=slopes and replace(slopes, Z=slopes.Z[:0]))


def outcome_of(left: Any, table: pd.DataFrame) -> np.ndarray:
    """Evaluate the left side, which makes one column of numbers."""
    outcomes = evaluated(left, table)
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


def model_rows(
    formula: str,
    data: Any,
    groups: str,
    *,
    missing: str = "refuse",
    random: str | None = None,
    roles: Roles = NO_ROLES,
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
    roles : Roles
        Columns of weights, whose rows of weight 0 are left out, and of an offset, which is taken
        off the outcome as the formula's terms ``offset(...)`` are.

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
    unnamed = index_columns(getattr(data, "schema", None), names)
    asked = parts_of(formula, names, groups, random, roles, unnamed)
    if len(frame) == 0:
        raise ValueError("data has no rows: pass at least one.")
    table = as_pandas(frame, asked.columns)
    if frame.schema[groups] in (nw.String, nw.Object):
        refuse_broken_text(frame[groups].to_list(), f"column {groups!r}")
    found, distinct = coded_labels(frame[groups])  # not through pandas, which would round some
    table[groups] = np.where(found < 0, np.nan, found)
    table, counts, written, notes = _cleaned(table, asked, missing)
    n_left = len(table)
    table, weights = with_weight(table, weight_columns(table, roles))
    if counts or len(table) < n_left:  # levels may have gone with the rows
        table = table.assign(**{name: codable(table[name], name) for name in asked.columns})
    codes, labels = as_clusters(distinct[table[groups].to_numpy(dtype=np.intp)], len(table))
    note_alike(labels)
    y, again = outcome_of(asked.left, table), repeated_table(table, weights)
    matrix = evaluated(asked.right, table, again=again)
    intercept = INTERCEPT in matrix.columns
    spec = matrix.model_spec
    slopes = _random_slopes(asked, random, table, again, written, weights)
    offset, spec_of_offset = _offset_of(asked, table, again)
    codings = codings_of(spec)
    coded = [*codings, *(() if slopes is None else codings_of(slopes.spec))]
    for factor, levels in {coding.factor: coding.levels for coding in coded}.items():
        note_alike_levels(factor, levels)
    covariates = tuple(name for name in matrix.columns if name != INTERCEPT)
    outcome = str(next(iter(asked.left)))
    return ModelRows(
        design=Design(
            as_columns(matrix, intercept),
            y if offset is None else y - offset,
            codes,
            labels,
            covariates,
            weights.get("frequency_weights"),
            weights.get("precision_weights"),
            offset,
        ),
        intercept=intercept,
        spec=spec,
        used=asked.used,
        outcome=outcome,
        codings=codings,
        n_read=len(frame),
        missing=counts,
        n_dropped=len(frame) - n_left,
        slopes=slopes,
        left=quoted(outcome) if outcome in as_they_are(asked.left) else outcome,
        written=written,
        notes=tuple(notes),
        outcome_note=outcome_note(y, outcome),
        weights=roles.weights,
        n_weightless=n_left - len(table),
        offset=spec_of_offset,
    )


def _cleaned(
    table: pd.DataFrame, asked: Parts, missing: str
) -> tuple[pd.DataFrame, dict[str, int], dict[str, Convention], list[str]]:
    """Return a table whose columns are what a formula can code, and what was done to get there."""
    table, counts = without_missing(table, missing)
    read, written, notes = read_written(table, asked.numbers)
    table = table.assign(**read)
    for name in asked.numbers:
        refuse_rounded(table[name], name)
    for name in asked.outcome:
        table[name] = outcome_numbers(table[name], name)
    for role, name in asked.roles.named.items():
        table[name] = outcome_numbers(table[name], name, role)
    for name in dict.fromkeys([*as_they_are(asked.right), *as_they_are(asked.effects)]):
        refuse_identifier(table[name], name)
    for name in dict.fromkeys([*asked.used, *asked.slopes, *asked.offsets]):
        table[name] = codable(table[name], name)
    table, undefined = without_undefined(table, asked.sides, missing)
    notes += _date_notes(table, dict.fromkeys([*measured(asked.right), *measured(asked.effects)]))
    return table, counts | undefined, written, notes


def _offset_of(
    asked: Parts, table: pd.DataFrame, again: pd.DataFrame | None
) -> tuple[np.ndarray | None, ModelSpec | None]:
    """Return the sum of the offsets of a table, and what makes it of new rows."""
    if not asked.offsets:
        return None, None
    matrix = evaluated(asked.offset, table, again=again)
    return matrix.to_numpy(dtype=float).sum(axis=1), matrix.model_spec


def _random_slopes(
    asked: Parts,
    random: str | None,
    table: pd.DataFrame,
    again: pd.DataFrame | None,
    written: Mapping[str, Convention],
    weights: Mapping[str, np.ndarray],
) -> RandomSlopes | None:
    """Evaluate the columns of random slopes, or None without any."""
    if not asked.slopes:
        if [str(term) for term in asked.effects] != ["1"]:
            raise ValueError(f"random={random!r} names no column: write '1 + x', or '1'.")
        return None
    matrix = evaluated(asked.effects, table, again=again)
    intercept = INTERCEPT in matrix.columns
    Z = as_columns(matrix, intercept)
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
    frequency = weights.get("frequency_weights")
    scale = SlopeScale.of(Z, names, intercept=intercept, frequency=frequency)
    return RandomSlopes(Z, names, intercept, matrix.model_spec, asked.slopes, scale, written)


def evaluated(
    side: Formula | ModelSpec,
    table: pd.DataFrame,
    argument: str = "data",
    *,
    again: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Evaluate one side of a formula; what functions learn of rows, they learn ``again``."""
    if again is not None:
        matrix = evaluated(side, table, argument)
        learned = matrix.model_spec.transform_state
        return evaluated(evaluated(side, again, argument).model_spec, table) if learned else matrix
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
                f"{each.factor} has {', '.join(each.levels[:12])}" for each in codings_of(side)
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


def as_columns(table: pd.DataFrame, intercept: bool) -> np.ndarray:
    """Return the covariates of a side that was evaluated, without the intercept's column."""
    covariates = table.drop(columns=INTERCEPT) if intercept else table
    if covariates.shape[1] == 0:
        if not intercept:
            raise ValueError("formula has neither covariates nor an intercept: write y ~ 1.")
        return np.empty((len(table), 0))
    return as_matrix(covariates, "the design matrix")[0]


def codings_of(spec: ModelSpec) -> tuple[Coding, ...]:
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
