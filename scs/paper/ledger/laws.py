"""What a cell of the sparse tables can be: rows that share a law, another row's law, the ridge.

The number of non-zero effects, ceil(K a), fixes the law of a row, so that several printed rows can
share one.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from scs.paper.ledger.cells import PAPER_REPS, same_law
from scs.paper.ledger.verdicts import LIMIT, z_text
from scs.paper.simulate import NOISE_VAR, ROWS_PER_CLUSTER, SPARSE_EFFECT

_IMPOSSIBLE = 1e-4  # probability below which a value cannot be one replication
_RIDGE = 1.0  # mu of Eq. 5, in all of the paper's simulations


def ridge_cost(n_nonzero: int, ridge: float = _RIDGE) -> float:
    """Return the squared error that the ridge alone costs the effects of a sparse scenario.

    An effect of 10 whose cluster has n rows is shrunk by mu / (n + mu) of itself; training and
    validation rows make n = 100.
    """
    n_rows = 2 * ROWS_PER_CLUSTER
    return n_nonzero * (SPARSE_EFFECT * ridge / (n_rows + ridge)) ** 2


def ridge_tail(value: float, n_nonzero: int, ridge: float = _RIDGE) -> float:
    """Return the probability that the non-zero effects have a squared error of at most ``value``.

    With the coefficients known, an effect's error is normal: its mean is the shrinkage, its
    variance (n / (n + mu))^2 sigma^2 / n. The sum of the squares, in units of that variance, is
    noncentral chi-square. Errors of the coefficients and effects that are named wrongly only add.

    Parameters
    ----------
    value : float
        Squared error, >= 0.
    n_nonzero : int
        Effects of +-10.
    ridge : float
        mu > 0.
    """
    n_rows = 2 * ROWS_PER_CLUSTER
    variance = (n_rows / (n_rows + ridge)) ** 2 * NOISE_VAR / n_rows
    away = ridge_cost(n_nonzero, ridge) / variance
    return float(stats.ncx2.cdf(value / variance, n_nonzero, away))


def below_the_ridge(cell) -> str:
    """Say that a value of MIO is below what the ridge costs its effects, or nothing."""
    if cell.method != "MIO" or cell.score != "gamma_error" or cell.below:
        return ""
    n_nonzero = _number(cell)
    chance = ridge_tail(cell.published + cell.unit / 2, n_nonzero)
    if chance >= _IMPOSSIBLE:
        return ""
    return (
        f"the ridge of Eq. 5 alone costs the {n_nonzero} effects {ridge_cost(n_nonzero):.3f}; "
        f"as low by luck in {chance:.0e} of replications, and in none of our {cell.reps}"
    )


def contradicted(cell, table: pd.DataFrame) -> str:
    """Say which printed row of the same law contradicts a cell of the sparse tables, or nothing.

    Both claim to average 100 replications of one law. The witness itself has to agree with ours;
    the spread is that of all rows of the law.

    Parameters
    ----------
    cell : named tuple
        Of ``table``.
    table : DataFrame
        Of `cells`.
    """
    column = _column(cell, table)
    same = column[column.n_nonzero == _number(cell)]
    variance = (same.spread**2).mean() / PAPER_REPS + cell.unit**2 / 12
    witnesses = same[(same["row"] != cell.row) & (same.z.abs() <= LIMIT)]
    distance = (cell.published - witnesses.published).abs() / np.sqrt(2 * variance)
    if not len(distance) or distance.min() <= LIMIT:
        return ""
    witness = witnesses.loc[distance.idxmin()]
    return (
        f"rows {cell.row} and {witness['row']} share one law, {_number(cell)} non-zero effects, "
        f"but print {cell.published} and {witness.published}, {distance.min():.1f} standard errors "
        f"apart; {witness['row']} agrees with ours (z = {z_text(witness.z)})"
    )


def other_law(cell, table: pd.DataFrame) -> tuple[int, float] | None:
    """Return how many effects, one more or one fewer, would give a printed value, and its z.

    None where neither does, or where a printed value could not tell that law from the cell's own.
    """
    column = _column(cell, table)
    near = column[(column.n_nonzero - _number(cell)).abs() == 1]
    error = np.sqrt(near.spread**2 * (1 / near.reps + 1 / PAPER_REPS) + cell.unit**2 / 12)
    near = near.assign(z=(cell.published - near.ours) / error)
    near = near[(near.ours - cell.ours).abs() / error > LIMIT]
    if not len(near) or near.z.abs().min() > LIMIT:
        return None
    best = near.loc[near.z.abs().idxmin()]
    return int(best.n_nonzero), float(best.z)


def _column(cell, table: pd.DataFrame) -> pd.DataFrame:
    column = table[(table.table == cell.table) & (table.method == cell.method)]
    return column.merge(same_law(), on=["dimension", "level"])


def _number(cell) -> int:
    law = same_law()
    return int(law[(law.dimension == cell.dimension) & (law.level == cell.level)].n_nonzero.item())
