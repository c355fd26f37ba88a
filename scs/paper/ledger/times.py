"""Table 1: run times, which do not compare, and what of them does."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scs.paper.ledger.verdicts import COLUMNS, INCOMPARABLE, Finding
from scs.paper.published import published
from scs.paper.simulate import DIMENSIONS


def times_beside(rows: pd.DataFrame) -> pd.DataFrame:
    """Set Table 1 beside our times, in milliseconds, in units of OLS, and as growth.

    Parameters
    ----------
    rows : DataFrame
        Of `scs.run_experiment`; the sparse scenarios of arm "published" are the paper's.

    Returns
    -------
    DataFrame
        One row per printed time: ``dimension``, ``method``, ``published``, ``ours``, ``mc_se``;
        ``published_ratio``, ``ours_ratio`` (over OLS of the same dimension);
        ``published_growth``, ``ours_growth`` (over Low of the same method); ``published_rank``,
        ``ours_rank`` (1 for the fastest of the dimension).
    """
    mine = rows[(rows.arm == "published") & (rows.regime == "sparse")]
    times = mine.groupby(["dimension", "method"])["seconds"].agg(["mean", "sem"]) * 1000
    times.columns = ["ours", "mc_se"]
    printed = published("1").rename(columns={"runtime_ms": "published"}).drop(columns="table")
    table = printed.merge(times.reset_index(), on=["dimension", "method"], validate="1:1")
    for side in ("published", "ours"):
        wide = table.pivot(index="method", columns="dimension", values=side)
        place = [(each.method, each.dimension) for each in table.itertuples()]
        smallest = next(iter(DIMENSIONS))
        table[f"{side}_ratio"] = [wide.loc[m, d] / wide.loc["OLS", d] for m, d in place]
        table[f"{side}_growth"] = [wide.loc[m, d] / wide.loc[m, smallest] for m, d in place]
        table[f"{side}_rank"] = table.groupby("dimension")[side].rank().astype(int)
    return table


def judge_times(rows: pd.DataFrame) -> pd.DataFrame:
    """Return Table 1 in the ledger's columns: not comparable, with what compares."""
    judged = []
    for cell in times_beside(rows).itertuples():
        finding = Finding(
            INCOMPARABLE,
            f"Times OLS of the same run: {cell.ours_ratio:.3g}, published "
            f"{cell.published_ratio:.3g}. Times Low: {cell.ours_growth:.2g}, published "
            f"{cell.published_growth:.2g}. Place among the four: {cell.ours_rank}, published "
            f"{cell.published_rank}.",
        )
        judged.append(
            {
                "table": "1",
                "row": cell.dimension,
                "method": cell.method,
                "quantity": "run time, ms",
                "published": cell.published,
                "ours": cell.ours,
                "mc_se": cell.mc_se,
                "z": np.nan,
                **finding.columns(),
            }
        )
    return pd.DataFrame(judged, columns=list(COLUMNS))
