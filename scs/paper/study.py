"""Summaries of a run for the chapters: means with their errors, and paired ratios."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scs.inference.monte_carlo import ratio_of_means
from scs.paper.simulate import DIMENSIONS, Scenario, icc_scenarios, scenarios

SETTING = ["regime", "dimension", "level"]


def chosen(dimension: str = "all") -> list[Scenario]:
    """Return the paper's scenarios of one dimension, or of "all".

    Raises
    ------
    ValueError
        No such dimension.
    """
    if dimension not in ("all", *DIMENSIONS):
        raise ValueError(f"dimension must be 'all' or one of {', '.join(DIMENSIONS)}.")
    return [each for each in scenarios() if dimension in ("all", each.dimension)]


def with_heterogeneity(table: pd.DataFrame) -> pd.DataFrame:
    """Add what the paper's figures have on their horizontal axis, by scenario.

    ``heterogeneity`` is the share of non-zero effects (sparse) or their variance (Gaussian).
    """
    known = {
        (each.regime, each.dimension, each.level): each.heterogeneity
        for each in scenarios() + icc_scenarios()
    }
    keys = table[SETTING].itertuples(index=False, name=None)
    return table.assign(heterogeneity=[known[key] for key in keys])


def means(rows: pd.DataFrame, value: str, by: list[str]) -> pd.DataFrame:
    """Return the mean over replications and its Monte Carlo standard error, by group.

    Parameters
    ----------
    rows : DataFrame
        Of `scs.run_experiment`.
    value : str
        Its column.
    by : list of str
        Columns. Groups of several scenarios: each replication is first averaged over them, so that
        the error is that of the average.

    Returns
    -------
    DataFrame
        ``by``, ``mean``, ``error``.
    """
    each = rows.groupby([*by, "replication"], sort=False)[value].mean()
    found = each.groupby(by, sort=False).agg(["mean", "sem"])
    return found.rename(columns={"sem": "error"}).reset_index()


def paired_ratios(
    rows: pd.DataFrame, over: tuple[str, str], under: tuple[str, str], *, arm: str
) -> pd.DataFrame:
    """Return mean(over) / mean(under) in each scenario, with its standard error.

    Both fits of a replication see the same draw, so the error is that of paired values
    (`scs.inference.monte_carlo.ratio_of_means`).

    Parameters
    ----------
    rows : DataFrame
        Of `scs.run_experiment`.
    over, under : (str, str)
        Method and column of scores.
    arm : {"published", "equal"}

    Returns
    -------
    DataFrame
        ``regime``, ``dimension``, ``level``, ``heterogeneity``, ``ratio``, ``error``.
    """
    part = rows[rows.arm == arm]
    a, b = (
        part[part.method == method].set_index([*SETTING, "replication"])[column]
        for method, column in (over, under)
    )
    pairs = pd.DataFrame({"a": a, "b": b}).dropna()
    found = [
        (*key, *ratio_of_means(pair.a, pair.b))
        for key, pair in pairs.groupby(level=SETTING, sort=False)
    ]
    return with_heterogeneity(pd.DataFrame(found, columns=[*SETTING, "ratio", "error"]))


def typical_ratio(ratios: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return the geometric mean of scenarios' ratios by group, each scenario counting the same.

    Its standard error is exact to first order, for scenarios drawn independently.

    Parameters
    ----------
    ratios : DataFrame
        Of `paired_ratios`.
    by : list of str

    Returns
    -------
    DataFrame
        ``by``, ``ratio``, ``error``, ``low`` and ``high`` (the extreme scenarios), ``above`` (how
        many scenarios have a ratio above 1) and ``scenarios``.
    """
    found = []
    for key, part in ratios.groupby(by, sort=False):
        typical = float(np.exp(np.log(part.ratio).mean()))
        error = typical * float(np.sqrt(np.sum((part.error / part.ratio) ** 2))) / len(part)
        above = int((part.ratio > 1).sum())
        found.append((*key, typical, error, part.ratio.min(), part.ratio.max(), above, len(part)))
    names = ["ratio", "error", "low", "high", "above", "scenarios"]
    return pd.DataFrame(found, columns=[*by, *names])
