"""The printed cells of Tables B1 to B14 beside a run of ours.

A published number and ours are both averages of replications. Their difference in units of its
standard error is

    z = (published - ours) / sqrt(s^2 / R + s^2 / 100 + u^2 / 12),

with s the standard deviation of one replication (ours), R our replications, 100 the paper's, and u
the last printed digit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from scs.paper.ledger.checks import MANY, MORE, Checks
from scs.paper.published import RECOVERY, published
from scs.paper.simulate import ICC_PERCENT, Scenario, icc_scenarios, scenarios

PAPER_REPS = 100
LAPLACE = "LMM (Laplace)"
HIGH_SPARSE = ("B3", "B6")
ICC_COLUMNS = {"LMM (Gaussian)": "lmm_icc", "MIO": "mio_icc"}  # of `Checks.icc`
SETTING = ["regime", "dimension", "level"]


def cells(
    rows: pd.DataFrame, tables: Sequence[str] | None = None, checks: Checks | None = None
) -> pd.DataFrame:
    """Set the simulated cells of the paper beside a run: Tables B1 to B14.

    Parameters
    ----------
    rows : DataFrame
        Of `scs.run_experiment`, both the 66 scenarios and the nine of Table B14.
    tables : sequence of str, optional
        These tables alone, of the dimensions that are in ``rows``.
    checks : Checks, optional
        New replications of some cells, which are pooled with those of ``rows``. Only beside the
        stored simulation: it must not hold the same replications.

    Returns
    -------
    DataFrame
        One row per printed cell: ``table``, ``row``, ``regime``, ``dimension``, ``level``,
        ``method``, ``quantity``, ``score`` (a column of ``rows``), ``published``, ``unit`` (of the
        last printed digit), ``ours``, ``mc_se``, ``spread`` (standard deviation of one
        replication), ``reps``, ``z``; ``low``, ``high`` (the range of our single replications),
        ``below`` (how many of them are at or below the published value), and ``first_z``, that of
        ``rows`` alone: new replications go to what is doubtful, so that only this one may be
        counted against chance.
    """
    printed = pd.concat([_recovery(), _sparsity(), _icc()], ignore_index=True)
    if tables is not None:
        there = printed.dimension.isin(rows.dimension.unique())
        printed = printed[printed.table.isin(tables) & there]
    mine = rows[rows.arm == "published"].melt(
        id_vars=[*SETTING, "method"],
        value_vars=["beta_error", "gamma_error", "sparsity", "icc"],
        var_name="score",
    )
    mine.loc[mine.score.isin(["sparsity", "icc"]), "value"] *= 100  # printed in percent
    keys = [*SETTING, "method", "score"]
    summary = mine.groupby(keys)["value"].agg(
        ours="mean", spread="std", reps="count", low="min", high="max"
    )
    table = printed.merge(summary, on=keys, how="left")
    lost = table[table.ours.isna()]
    if len(lost):
        first = lost.iloc[0]
        raise ValueError(
            f"rows: nothing for Table {first.table}, {first['row']}, {first.method}: pass a run of "
            "all scenarios and of icc_scenarios(), or name the tables."
        )
    single = mine.merge(printed[[*keys, "published"]], on=keys)
    single["below"] = _numbers(single, "value") <= _numbers(single, "published")
    table = table.merge(single.groupby(keys, as_index=False)["below"].sum(), on=keys)
    table["first_z"] = _z(table)
    if checks is not None:
        table = _pooled(table, checks)
    table["mc_se"] = table.spread / np.sqrt(table.reps)
    table["z"] = _z(table)
    return table


def _z(table: pd.DataFrame) -> np.ndarray:
    variance = _numbers(table, "spread") ** 2
    variance = variance / _numbers(table, "reps") + variance / PAPER_REPS
    variance = variance + _numbers(table, "unit") ** 2 / 12
    return (_numbers(table, "published") - _numbers(table, "ours")) / np.sqrt(variance)


def _pooled(table: pd.DataFrame, checks: Checks) -> pd.DataFrame:
    """Add the new replications of some cells to those of a run.

    The squared deviations of a union are those within its parts and that between their means.
    """
    keys = [*SETTING, "method", "score"]
    new = pd.concat([checks.more, _new_icc(table, checks.icc)], ignore_index=True)
    new = table[keys].merge(new, on=keys, how="left")
    has = new["reps"].notna().to_numpy()
    table, old, new = table.copy(), table[has], new[has]
    n, m = _numbers(old, "reps"), _numbers(new, "reps")
    shift = _numbers(new, "mean") - _numbers(old, "ours")
    within = (n - 1) * _numbers(old, "spread") ** 2
    within += (m - 1) * _numbers(new, "std") ** 2
    between = n * m / (n + m) * shift**2
    table.loc[has, "ours"] = _numbers(old, "ours") + shift * m / (n + m)
    table.loc[has, "spread"] = np.sqrt((within + between) / (n + m - 1))
    table.loc[has, "low"] = np.minimum(_numbers(old, "low"), _numbers(new, "low"))
    table.loc[has, "high"] = np.maximum(_numbers(old, "high"), _numbers(new, "high"))
    for count in ("reps", "below"):
        both = _numbers(old, count) + _numbers(new, count)
        table.loc[has, count] = both.astype(int)
    return table


def _numbers(frame: pd.DataFrame, column: str) -> np.ndarray:
    return frame[column].to_numpy(dtype=float)


def _new_icc(table: pd.DataFrame, icc: pd.DataFrame) -> pd.DataFrame:
    """Return the replications of Table B14 after the run's own, in the form of ``Checks.more``."""
    rows = []
    for cell in table[(table.table == "B14") & table.method.isin(ICC_COLUMNS)].itertuples():
        mine = icc[(icc.true == int(cell.row.rstrip("%"))) & (icc.replication >= cell.reps)]
        values = 100 * _numbers(mine, ICC_COLUMNS[cell.method])
        rows.append(
            {
                **{key: getattr(cell, key) for key in (*SETTING, "method", "score")},
                "first": cell.reps,
                "reps": len(values),
                "mean": values.mean(),
                "std": values.std(ddof=1),
                "low": values.min(),
                "high": values.max(),
                "below": int((values <= cell.published).sum()),
            }
        )
    return pd.DataFrame(rows)


def doubtful(table: pd.DataFrame) -> list[tuple[Scenario, str, str, float, int]]:
    """Return the cells that need new replications, in the form that `run_more` takes.

    Parameters
    ----------
    table : DataFrame
        Of `cells`, from the stored simulation alone.

    Returns
    -------
    list of (Scenario, str, str, float, int)
        Outside LMM (Laplace): `MORE` for each error with 2 < |z| < 4, and `MANY` for each in Tables
        B3 and B6 that lies outside all our single replications. Table B14 has its own.
    """
    known = {each.name: each for each in scenarios()}
    found = []
    for cell in table[(table.method != LAPLACE) & table.table.isin(RECOVERY)].itertuples():
        reps = 0
        if cell.table in HIGH_SPARSE:
            reps = 0 if cell.low <= cell.published <= cell.high else MANY[cell.method]
        elif 2 < abs(cell.z) < 4:
            reps = MORE
        if reps:
            case = known[f"{cell.regime}-{cell.dimension}-{cell.level}"]
            found.append((case, cell.method, cell.score, cell.published, reps))
    return found


def same_law() -> pd.DataFrame:
    """Return, for each sparse row, how many effects are non-zero: rows that share it share a law.

    With four clusters the twelve printed sparsities are four different laws.
    """
    sparse = [each for each in scenarios() if each.regime == "sparse"]
    return pd.DataFrame(
        [(each.dimension, each.level, each.n_nonzero) for each in sparse],
        columns=["dimension", "level", "n_nonzero"],
    )


def misses(table: pd.DataFrame, by: str = "table") -> pd.DataFrame:
    """Count the cells of each group beyond |z| = 2 and 3, and what chance alone would give.

    Parameters
    ----------
    table : DataFrame
        With ``z``, of `cells`.
    by : str
        Column of the groups.

    Returns
    -------
    DataFrame
        One row per group: ``cells``, ``|z| > 2``, ``chance, 2``, ``|z| > 3``, ``chance, 3``.
    """
    groups = table.groupby(by, sort=False)["z"]
    found = pd.DataFrame({"cells": groups.size()})
    for limit in (2, 3):
        found[f"|z| > {limit}"] = groups.agg(lambda z, limit=limit: int((z.abs() > limit).sum()))
        found[f"chance, {limit}"] = [expected_by_chance(n)[limit] for n in found.cells]
    return found


def expected_by_chance(n_cells: int) -> dict[float, float]:
    """Return how many of so many true nulls exceed |z| = 2 and 3 by chance alone."""
    return {limit: float(2 * stats.norm.sf(limit) * n_cells) for limit in (2.0, 3.0)}


def _recovery() -> pd.DataFrame:
    parts = pd.concat([published(name) for name in RECOVERY], ignore_index=True)
    return pd.DataFrame(
        {
            "table": parts.table,
            "row": parts.level,
            "regime": parts.regime,
            "dimension": parts.dimension,
            "level": parts.level,
            "method": parts.method,
            "quantity": "squared error of " + parts.parameter,
            "score": parts.parameter + "_error",
            "published": parts.value,
            "unit": 1e-5,
        }
    )


def _sparsity() -> pd.DataFrame:
    part = published("B7")
    level = part.true_sparsity_percent.astype(str) + "%"
    return pd.DataFrame(
        {
            "table": part.table,
            "row": level + ", " + part.dimension,
            "regime": "sparse",
            "dimension": part.dimension,
            "level": level,
            "method": "MIO",
            "quantity": "sparsity, %",
            "score": "sparsity",
            "published": part.mio_sparsity_percent,
            "unit": 1.0,
        }
    )


def _icc() -> pd.DataFrame:
    part = published("B14")
    levels = dict(zip(ICC_PERCENT, (each.level for each in icc_scenarios())))
    return pd.DataFrame(
        {
            "table": part.table,
            "row": part.true_icc_percent.astype(str) + "%",
            "regime": "gaussian",
            "dimension": part.dimension,
            "level": part.true_icc_percent.map(levels),
            "method": part.method,
            "quantity": "ICC, %",
            "score": "icc",
            "published": part.icc_percent,
            "unit": 1.0,
        }
    )
