"""The verdict on each simulated cell: which causes are asked, and in which order.

Within the limit a number is reproduced. Beyond it, a cause counts as an explanation if a test that
could have failed shows it. What was chosen after the printed number had been seen is a reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from scs.paper.ledger.cells import HIGH_SPARSE, LAPLACE, cells
from scs.paper.ledger.checks import Checks
from scs.paper.ledger.icc import icc_readings, judge_icc
from scs.paper.ledger.laws import below_the_ridge, contradicted, other_law
from scs.paper.ledger.scatter import column_scatter, in_the_law, like_single, tail
from scs.paper.ledger.sparsity import excluded, judge_sparsity, recorded
from scs.paper.ledger.verdicts import (
    EXPLAINED,
    LIMIT,
    READING,
    UNEXPLAINED,
    Finding,
    reproduced,
    z_text,
)
from scs.paper.published import RECOVERY

_TESTS = "tests/paper/test_causes.py::"
SINGLE_TEST = _TESTS + "test_rows_of_b3_and_b6_scatter_like_single_replications"
RIDGE_TEST = _TESTS + "test_the_ridge_alone_costs_more_than_is_printed"
TWIN_TEST = _TESTS + "test_rows_of_one_law_print_values_that_exclude_each_other"
_LAPLACE = "ours is a converged maximum-likelihood fit, checked against R's likelihood"


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What the causes need to know of the whole run."""

    table: pd.DataFrame
    scatter: pd.DataFrame
    recorded: pd.DataFrame
    excluded: pd.Series
    icc: pd.DataFrame


def judged(
    rows: pd.DataFrame, tables: Sequence[str] | None = None, checks: Checks | None = None
) -> pd.DataFrame:
    """Return `cells` with the columns of a `Finding`.

    Parameters
    ----------
    rows, tables, checks
        As for `cells`. Without ``checks`` no reading of Table B14 is tried.
    """
    table = cells(rows, tables, checks)
    icc = pd.DataFrame() if checks is None else icc_readings(table, checks.icc)
    evidence = _Evidence(
        table=table,
        scatter=column_scatter(table[table.table.isin(HIGH_SPARSE)], rows),
        recorded=recorded(table, rows),
        excluded=excluded(table, rows),
        icc=icc,
    )
    found = [_judge(cell, evidence).columns() for cell in table.itertuples()]
    return pd.concat([table, pd.DataFrame(found, index=table.index)], axis=1)


def _judge(cell, evidence: _Evidence) -> Finding:
    if abs(cell.z) <= LIMIT:
        return reproduced(cell.z)
    if cell.table == "B7":
        return judge_sparsity(cell, evidence.excluded[cell.row], evidence.recorded)
    ratio = f"published is {cell.published / cell.ours:.2g} times ours, z = {z_text(cell.z)}"
    if cell.method == LAPLACE:
        return Finding(UNEXPLAINED, f"{ratio}; {_LAPLACE}")
    if cell.table == "B14":
        return judge_icc(cell, evidence.icc)
    if cell.table in HIGH_SPARSE:
        return _judge_single(cell, evidence.scatter.loc[cell.table, cell.method, cell.row], ratio)
    if cell.table in RECOVERY and cell.regime == "sparse":
        return _judge_law(cell, evidence.table, ratio)
    return Finding(UNEXPLAINED, ratio)


def _judge_single(cell, column: pd.Series, ratio: str) -> Finding:
    """Judge a cell of B3 or B6 by the other rows of its column, and by its own law."""
    like = (
        f"{ratio}; the column's other rows deviate by {column.deviation:.2f} squared standard "
        f"deviations of one replication (p = {column.p_single:.2f} for single ones, "
        f"{column.p_hundred:.1g} for averages of 100)"
    )
    if not like_single(column):
        return Finding(UNEXPLAINED, like)
    if in_the_law(cell):
        evidence = f"{like}; p = {tail(cell):.1g} among our {cell.reps} single ones"
        return Finding(EXPLAINED, evidence, test=SINGLE_TEST)
    if cause := below_the_ridge(cell):
        return Finding(EXPLAINED, f"{like}; but {cause}", test=RIDGE_TEST)
    return Finding(UNEXPLAINED, f"{like}; p = {tail(cell):.1g} among our {cell.reps} single ones")


def _judge_law(cell, table: pd.DataFrame, ratio: str) -> Finding:
    if cause := contradicted(cell, table):
        return Finding(EXPLAINED, f"{ratio}; {cause}", test=TWIN_TEST)
    if (other := other_law(cell, table)) is not None:
        number, z = other
        return Finding(
            READING,
            f"{ratio}; it is the law with {number} non-zero effects, z = {z_text(z)}",
            fitted="number of non-zero effects, in this cell alone",
            parameters=1,
        )
    return Finding(UNEXPLAINED, ratio)
