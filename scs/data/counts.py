"""A user's table of counts to checked rows: observed, expected or trials, and cluster codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from scs.data.containers import column_name, refuse_broken_text
from scs.data.frames import (
    as_frame,
    as_pandas,
    check_column,
    outcome_numbers,
    refuse_rounded,
    without_missing,
)
from scs.data.labels import as_clusters, coded_labels, note_alike
from scs.data.terms import columns_of, parse, split_offset
from scs.data.written import read_written

MISSING = ("refuse", "drop")


@dataclass(frozen=True, eq=False)
class CountRows:
    """Rows of counts, and what was done to get there.

    Attributes
    ----------
    observed, size : ndarray, shape (N,)
        ``size`` is the expected number or the trials; 1 in every row where no column was named.
    numbers : ndarray of int, shape (N,)
        Of the rows as handed over, for messages.
    codes : ndarray of int, shape (N,)
        Index into ``labels``.
    labels : ndarray, shape (K,)
        Sorted.
    names : (str, str)
        The two columns; the second is empty where none was named.
    n_read, n_dropped : int
        Rows handed over, and left out for missing values.
    missing : dict
        Column to its number of missing values.
    notes : tuple of str
        What was read as numbers, in words.
    """

    observed: np.ndarray
    size: np.ndarray
    numbers: np.ndarray
    codes: np.ndarray
    labels: np.ndarray
    names: tuple[str, str]
    n_read: int
    n_dropped: int
    missing: Mapping[str, int]
    notes: tuple[str, ...]


def count_rows(
    data: Any, groups: str, observed: str, size: str | None, *, missing: str = "refuse"
) -> CountRows:
    """Read the columns of counts from a data frame.

    Parameters
    ----------
    data : data frame (pandas, polars, pyarrow) or dict of columns
    groups, observed : str
        Columns of cluster labels and of observed counts.
    size : str, optional
        Column of expected numbers or of trials; None: every row counts as one.
    missing : {"refuse", "drop"}
        What to do with rows that miss a value.

    Raises
    ------
    ValueError, TypeError
        A column that is not there or is no number, or a missing value; says which.
    """
    if missing not in MISSING:
        raise ValueError(f"missing must be one of {MISSING}, got {missing!r}.")
    frame = as_frame(data)
    names = list(frame.columns)
    groups = column_name(groups, "groups")
    columns = [observed] if size is None else [observed, size]
    for argument, name in zip(("observed", "expected or trials"), columns):
        check_column(column_name(name, argument), names, argument)
    check_column(groups, names, "groups")
    if len({*columns, groups}) < len(columns) + 1:
        raise ValueError(
            f"the columns {', '.join(map(repr, [*columns, groups]))} must differ: counts, what "
            "they are compared with, and the cluster."
        )
    if len(frame) == 0:
        raise ValueError("data has no rows: pass at least one.")
    table = as_pandas(frame, columns)
    if frame.schema[groups] in (nw.String, nw.Object):
        refuse_broken_text(frame[groups].to_list(), f"column {groups!r}")
    found, distinct = coded_labels(frame[groups])
    table[groups] = np.where(found < 0, np.nan, found)
    table = table.reset_index(drop=True)
    table, counts = without_missing(table, missing)
    read, _, notes = read_written(table, columns)
    table = table.assign(**read)
    part = "outcome" if size is None else "column"  # a row that is one trial is 0 or 1
    for name in columns:
        refuse_rounded(table[name], name)
        table[name] = outcome_numbers(table[name], name, part)
    codes, labels = as_clusters(distinct[table[groups].to_numpy(dtype=np.intp)], len(table))
    note_alike(labels)
    counted = table[observed].to_numpy(dtype=float)
    return CountRows(
        observed=counted,
        size=np.ones(len(table)) if size is None else table[size].to_numpy(dtype=float),
        numbers=table.index.to_numpy(),
        codes=codes,
        labels=labels,
        names=(observed, size or ""),
        n_read=len(frame),
        n_dropped=len(frame) - len(table),
        missing=counts,
        notes=tuple(notes),
    )


def counted_column(formula: str, data: Any) -> str:
    """Return the column that a formula such as ``deaths ~ 1`` counts.

    Raises
    ------
    ValueError
        The left side is no column, or the right side more than a constant.
    """
    names = list(as_frame(data).columns)
    left, right = parse(formula, names)
    right, offset = split_offset(right)
    outcome = str(next(iter(left))).strip("`")
    if outcome not in names:
        raise ValueError(
            f"formula: {outcome!r} is no column: with counts write a column of counts, '~' and 1."
        )
    if list(offset):
        named = columns_of(offset, names, "formula")[0]
        raise ValueError(
            f"formula: with counts what is expected has a name of its own: write '{outcome} ~ 1', "
            f"family='poisson' and expected={named!r} (--observed {outcome} --expected {named}). "
            "It is the expected number itself, where other programs want the offset's logarithm."
        )
    if columns_of(right, names, "formula") or "1" not in {str(term) for term in right}:
        raise ValueError(
            f"formula: with counts write '{outcome} ~ 1': covariates belong into the model that "
            "makes the expected numbers (expected=), or into a Gaussian fit."
        )
    return outcome
