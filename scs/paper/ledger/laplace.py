"""What is known of the printed column LMM (Laplace), which no fit of ours reproduces.

Facts about the printed numbers, each computed. None of them is a cause.
"""

from __future__ import annotations

from math import factorial

import numpy as np
import pandas as pd

from scs.paper.ledger.cells import LAPLACE, SETTING, same_law
from scs.paper.simulate import ROWS_PER_CLUSTER, SPARSE_EFFECT, Scenario, scenarios

_BETA, _GAMMA = "beta_error", "gamma_error"


def order_within_laws(table: pd.DataFrame, name: str = "B1") -> pd.DataFrame:
    """Say of each column of a sparse table if it falls strictly within every group of equal law.

    If a column depended on the law alone, each order of a group's rows would be as likely as any
    other, so that all groups fall with probability prod_g 1 / n_g!.

    Parameters
    ----------
    table : DataFrame
        Of `cells`.
    name : str
        A table of the sparse scenarios.

    Returns
    -------
    DataFrame
        Index ``method``; ``groups``, ``falling`` (how many fall strictly) and ``p`` (that all do).
    """
    part = table[table.table == name].merge(same_law(), on=["dimension", "level"])
    found = {}
    for method, column in part.groupby("method", sort=False):
        groups = [g.published.to_numpy() for _, g in column.groupby("n_nonzero", sort=False)]
        groups = [group for group in groups if len(group) > 1]
        found[method] = {
            "groups": len(groups),
            "falling": sum(bool((np.diff(group) < 0).all()) for group in groups),
            "p": float(np.prod([1 / factorial(len(group)) for group in groups])),
        }
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("method")


def carried_over(case: Scenario) -> float:
    """Return the squared error of the effects that one unit of squared error of beta brings.

    A cluster's effect is its mean residual, but for shrinkage, so that an error d of beta moves it
    by its covariates' mean times d. That mean has variance (1 + gamma_k^2) / n in every direction.
    """
    if case.regime == "sparse":
        squares = case.n_nonzero * SPARSE_EFFECT**2
    else:
        squares = case.n_clusters * case.heterogeneity
    return (case.n_clusters + squares) / ROWS_PER_CLUSTER


def excess_of_effects(table: pd.DataFrame) -> pd.DataFrame:
    """Compare the printed excess error of the effects with what the excess of beta carries over.

    Excess is published less ours.

    Parameters
    ----------
    table : DataFrame
        Of `cells`.

    Returns
    -------
    DataFrame
        One row per ``regime`` and ``dimension``: ``ratio``, of the sums over rows.
    """
    wide = _wide(table, LAPLACE)
    wide["carried"] = wide.excess_beta * [
        carried_over(case) for case in _cases(wide.index.to_frame(index=False))
    ]
    sums = wide.groupby(level=["regime", "dimension"], sort=False).sum()
    return (sums.excess_gamma / sums.carried).rename("ratio").reset_index()


def scaling(table: pd.DataFrame) -> pd.DataFrame:
    """Return how the column's error of beta scales, and which mixture with OLS it would be.

    Parameters
    ----------
    table : DataFrame
        Of `cells`.

    Returns
    -------
    DataFrame
        One row per ``regime`` and ``dimension``: ``printed`` and ``ours`` (slopes of log error on
        log heterogeneity, which is the number of non-zero effects or their variance), and ``least``
        and ``most`` of f over rows, where the printed value is f OLS + (1 - f) LMM (Gaussian).
    """
    laplace, gauss, ols = (_wide(table, name) for name in (LAPLACE, "LMM (Gaussian)", "OLS"))
    cases = _cases(laplace.index.to_frame(index=False))
    size = [case.n_nonzero if case.regime == "sparse" else case.heterogeneity for case in cases]
    laplace["size"] = np.log(size)
    share = (laplace.beta_published - gauss.beta_ours) / (ols.beta_ours - gauss.beta_ours)
    found = []
    for key, part in laplace.groupby(level=["regime", "dimension"], sort=False):
        slopes = [
            float(np.polyfit(part["size"], np.log(part[f"beta_{side}"]), 1)[0])
            for side in ("published", "ours")
        ]
        here = share[part.index]
        found.append((*key, *slopes, here.min(), here.max()))
    columns = ["regime", "dimension", "printed", "ours", "least", "most"]
    return pd.DataFrame(found, columns=columns)


def _wide(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Return published, ours and excess of beta and gamma of a method, by scenario."""
    part = table[(table.method == method) & table.score.isin([_BETA, _GAMMA])]
    wide = {}
    for score, name in ((_BETA, "beta"), (_GAMMA, "gamma")):
        column = part[part.score == score].set_index(list(SETTING))
        for side in ("published", "ours"):
            wide[f"{name}_{side}"] = column[side]
        wide[f"excess_{name}"] = column.published - column.ours
    return pd.DataFrame(wide).reindex(part[part.score == _BETA].set_index(list(SETTING)).index)


def _cases(keys: pd.DataFrame) -> list[Scenario]:
    known = {(each.regime, each.dimension, each.level): each for each in scenarios()}
    return [known[key] for key in keys[list(SETTING)].itertuples(index=False, name=None)]
