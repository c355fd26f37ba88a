"""New rows by what was learned of the fitted ones: covariates, slopes, outcome, offset, weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from formulaic import ModelSpec

from scs.data.frames import as_frame, as_pandas, check_column, codable, listed, missing_counts
from scs.data.roles import PRECISION, WEIGHTS, Roles, weight_columns
from scs.data.rows import ModelRows, RandomSlopes, as_columns, evaluated, outcome_of
from scs.data.terms import as_they_are, calculations, columns_of, parse
from scs.data.undefined import find_undefined
from scs.data.written import Convention, read_by


def columns_needed(rows: ModelRows, *, interval: bool = False) -> list[str]:
    """Return the columns that predictions need, without the clusters'; more with an interval."""
    found = [*rows.used, *(rows.slopes.used if rows.slopes is not None else ()), *_offsets(rows)]
    if interval and PRECISION in rows.weights:
        found.append(rows.weights[PRECISION])
    return list(dict.fromkeys(found))


def _offsets(rows: ModelRows) -> list[str]:
    if rows.offset is None:
        return []
    return [column for each in calculations(rows.offset) for column in each.columns]


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
    _refuse_missing(table, name)
    table = read_by(table, rows.written)
    return outcome_of(left, table)


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
    _refuse_missing(table, name)
    table = read_by(table, written)
    for column in used:
        table[column] = codable(table[column], column)
    _refuse_other_kind(table, spec, name)
    for each in find_undefined(table, spec):
        raise ValueError(
            f"{name}: {each.clause(table)}: correct the value, or leave these rows out."
        )
    return as_columns(evaluated(spec, table, name), intercept)


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


def new_offset(rows: ModelRows, data: Any, name: str = "data") -> np.ndarray | None:
    """Return the offset of new rows, shape (N,); None where the fit had none.

    Raises
    ------
    ValueError
        Its column is not there, or misses a value.
    """
    if rows.offset is None:
        return None
    used, there = tuple(_offsets(rows)), as_frame(data, name).columns
    for column in used:
        if column not in there:
            raise ValueError(
                f"{name} has no column {column!r}, which the fit had as an offset and predictions "
                "add: add the column (of zeros for none)."
            )
    return _new_matrix(rows.offset, used, data, name, False, rows.written).sum(axis=1)


def new_weights(
    rows: ModelRows, data: Any, name: str = "data", kinds: tuple[str, ...] = WEIGHTS
) -> dict[str, np.ndarray]:
    """Return the weights of new rows by kind, of those kinds that the fit had.

    Raises
    ------
    ValueError, TypeError
        A column is not there, misses a value, or holds what is no weight.
    """
    given = {role: column for role, column in rows.weights.items() if role in kinds}
    if not given:
        return {}
    frame = as_frame(data, name)
    for role, column in given.items():
        if column not in frame.columns:
            raise ValueError(f"{name} has no column {column!r} of the {role}: add it.")
    table = as_pandas(frame, list(given.values()))
    _refuse_missing(table, name)
    return weight_columns(read_by(table, rows.written), Roles(**given))


def _refuse_missing(table: pd.DataFrame, name: str) -> None:
    counts = missing_counts(table)
    if counts:
        raise ValueError(
            f"{name} has missing values ({listed(counts)}): fill them in, or leave these rows out."
        )
