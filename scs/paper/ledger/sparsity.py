"""Table B7: what a printed sparsity can be, and by which way of recording it comes out.

The table prints "sparsity". Two quantities could be meant: the share of effects that are zero, and
one less the share a of the grid that validation chose (its budget is ceil(a K) clusters). They
differ, because ceil(a K) / K is not a. Where several shares of the grid give the same budget, the
second also depends on which of them is recorded.
"""

from __future__ import annotations

from math import ceil

import numpy as np
import pandas as pd

from scs.paper.ledger.cells import PAPER_REPS, SETTING, same_law
from scs.paper.ledger.verdicts import LIMIT, READING, UNEXPLAINED, Finding, z_text
from scs.paper.simulate import DIMENSIONS, scenarios
from scs.solvers import PAPER_SHARES


def attainable_sparsity(dimension: str) -> float:
    """Return the largest share of zero effects that the paper's grid of budgets allows, percent.

    Its smallest budget, ceil(0.1 K), is at least one cluster; the effects at the optimum of Eq. 5
    within it are zero only for data of probability 0.
    """
    n_clusters = DIMENSIONS[dimension][0]
    return 100 * (1 - ceil(0.1 * n_clusters) / n_clusters)


def recorded_share(budget: int, n_clusters: int, own: float) -> float:
    """Return the share of the grid behind a budget: the row's own where it fits, else the least.

    Parameters
    ----------
    budget : int
        Of ``paper_budgets(n_clusters)``.
    n_clusters : int
        K.
    own : float
        The share of non-zero effects of the scenario.

    Raises
    ------
    ValueError
        No share of the grid gives this budget.
    """
    same = [share for share in PAPER_SHARES if ceil(round(n_clusters * share, 9)) == budget]
    if not same:
        raise ValueError(f"budget {budget} is none of the paper's for {n_clusters} clusters.")
    return own if own in same else min(same)


def recorded(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Set Table B7 beside one less the recorded share of the grid.

    Parameters
    ----------
    table : DataFrame
        Of `cells`.
    rows : DataFrame
        Of `scs.run_experiment`.

    Returns
    -------
    DataFrame
        Index ``row``: ``dimension``, ``published``, ``ours``, ``mc_se``, ``z``.
    """
    fits = rows[(rows.arm == "published") & (rows.method == "MIO") & (rows.regime == "sparse")]
    own = {(each.dimension, each.level): each.heterogeneity for each in scenarios()}
    found = []
    for cell in table[table.table == "B7"].itertuples():
        budgets = fits[(fits.dimension == cell.dimension) & (fits.level == cell.level)].budget
        n_clusters, share = DIMENSIONS[cell.dimension][0], own[cell.dimension, cell.level]
        values = [100 * (1 - recorded_share(int(b), n_clusters, share)) for b in budgets]
        spread, ours = np.std(values, ddof=1), float(np.mean(values))
        error = np.sqrt(spread**2 / len(values) + spread**2 / PAPER_REPS + cell.unit**2 / 12)
        z = (cell.published - ours) / error
        error = spread / np.sqrt(len(values))
        found.append((cell.row, cell.dimension, cell.published, ours, error, z))
    names = ["row", "dimension", "published", "ours", "mc_se", "z"]
    return pd.DataFrame(found, columns=names).set_index("row")


def excluded(table: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    """Say of each value of Table B7 why it cannot be a share of effects that are zero, or nothing.

    Returns
    -------
    Series of str
        Index ``row``.
    """
    missed = rows.groupby(list(SETTING))["true_positive_rate"].min() < 1
    part = table[table.table == "B7"].merge(same_law(), on=["dimension", "level"], how="left")
    return pd.Series(
        [
            _why_not(cell, missed[cell.regime, cell.dimension, cell.level])
            for cell in part.itertuples()
        ],
        index=part["row"],
        dtype=object,
    )


def judge_sparsity(cell, why_not: str, others: pd.DataFrame) -> Finding:
    """Return the finding of a value of Table B7 that no share of zeros reproduces.

    Parameters
    ----------
    cell : named tuple
        Of `cells`.
    why_not : str
        Of `excluded`.
    others : DataFrame
        Of `recorded`.
    """
    other = others.loc[cell.row]
    column = others[others.dimension == cell.dimension].z.abs() <= LIMIT
    as_zeros = f"As a share of zeros z = {z_text(cell.z)}"
    if why_not:
        as_zeros += f", and it cannot be: {why_not}"
    as_grid = (
        f"As one less the grid's share that validation chose ours is {other.ours:.1f}, "
        f"z = {z_text(other.z)}, and {int(column.sum())} of the column's {len(column)} values fit"
    )
    if abs(other.z) > LIMIT:
        return Finding(UNEXPLAINED, f"{as_zeros}. {as_grid}: this one fits neither way.")
    ties = cell.dimension != "high"  # with 14 clusters the twelve shares are twelve budgets
    fitted = "what is recorded as sparsity" + (", and which of equal budgets" if ties else "")
    return Finding(READING, f"{as_zeros}. {as_grid}.", fitted=fitted, parameters=1 + ties)


def _why_not(cell, missed: bool) -> str:
    n_clusters = DIMENSIONS[cell.dimension][0]
    most = attainable_sparsity(cell.dimension)
    least = cell.published - 0.5  # before rounding
    if least > most:
        return f"with {n_clusters} clusters the smallest budget leaves at most {most:.3g} % zero"
    zero = 100 * (1 - cell.n_nonzero / n_clusters)
    if least > zero and not missed:
        return (
            f"only {zero:.1f} % of the effects are zero, so a larger average needs fits that miss "
            "an effect of 10; none of ours does"
        )
    return ""
