"""How many replications stand behind a printed column, by how much its rows scatter.

A printed value that averages n replications deviates from the law's mean by about s / sqrt(n), with
s the standard deviation of one replication. Over the rows of a column

    D = mean over rows of ((published - ours) / s)^2

is near 1 for single replications and near 0.02 for a hundred, for ours is a mean of a hundred, too.
What D can be is read from our own replications, so that no law is assumed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from scs.paper.ledger.cells import HIGH_SPARSE, LAPLACE, PAPER_REPS, SETTING
from scs.paper.published import RECOVERY

_DRAWS = 4000
_CELLS = 60  # of Tables B3 and B6 outside LMM (Laplace): so many tails are looked at
_SINGLE, _HUNDRED, _FAMILY = 0.01, 0.001, 0.05  # levels of the tests


def column_scatter(table: pd.DataFrame, rows: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Test for each printed column whether it scatters like single replications, row by row.

    Each line leaves its own row out, so that no row explains itself.

    Parameters
    ----------
    table : DataFrame
        Of `cells`.
    rows : DataFrame
        Of `scs.run_experiment`: its single replications are the law under test.
    seed : int
        Of the draws.

    Returns
    -------
    DataFrame
        Index ``table``, ``method``, ``row``: ``deviation`` (D over the other rows), ``p_single``
        (two-sided, if each printed value is one replication) and ``p_hundred`` (upper tail, if each
        averages a hundred).
    """
    rng = np.random.default_rng(seed)
    mine = dict(tuple(rows[rows.arm == "published"].groupby([*SETTING, "method"])))
    use = table[table.score.isin(["beta_error", "gamma_error"]) & (table.method != LAPLACE)]
    found = []
    for (name, method), part in use.groupby(["table", "method"], sort=False):
        single, hundred = [], []
        for cell in part.itertuples():
            values = mine[cell.regime, cell.dimension, cell.level, method][cell.score].to_numpy()
            away = (values - cell.ours) / cell.spread
            own = rng.normal(scale=cell.reps**-0.5, size=_DRAWS)  # ours is an average, too
            single.append((rng.choice(away, size=_DRAWS) - own) ** 2)
            means = rng.choice(away, size=(_DRAWS, PAPER_REPS)).mean(axis=1)
            hundred.append((means - own) ** 2)
        printed = ((part.published - part.ours) / part.spread).to_numpy() ** 2
        for place, row in enumerate(part["row"]):
            others = np.arange(len(part)) != place
            seen = printed[others].mean()
            ones = np.mean(np.array(single)[others], axis=0)
            many = np.mean(np.array(hundred)[others], axis=0)
            tails = (_share(ones >= seen), _share(ones <= seen))
            found.append((name, method, row, seen, min(1.0, 2 * min(tails)), _share(many >= seen)))
    names = ["table", "method", "row", "deviation", "p_single", "p_hundred"]
    return pd.DataFrame(found, columns=names).set_index(names[:3])


def like_single(scatter: pd.DataFrame) -> pd.Series:
    """Return where single replications are possible and averages of a hundred are not."""
    return (scatter.p_single >= _SINGLE) & (scatter.p_hundred < _HUNDRED)


def tail(cell) -> float:
    """Return the two-sided p of a printed value among our single replications of its cell."""
    return min(1.0, 2 * min(cell.below + 1, cell.reps - cell.below + 1) / (cell.reps + 1))


def in_the_law(cell) -> bool:
    """Say whether a printed value can be one replication, at 5 % over all cells of the tables.

    A value outside all of ours needs so many of them that it could have been refused.
    """
    level = _FAMILY / _CELLS
    inside = cell.low <= cell.published <= cell.high
    return tail(cell) > level and (inside or 2 / (cell.reps + 1) < level)


def shared_draws(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return how deviations of two columns go together over rows: in print, and in our singles.

    Methods that see the same draw are wrong together. Only deviations that come from draws can do
    so; slips in print cannot.

    Returns
    -------
    DataFrame
        One row per pair of columns of Tables B3 and B6: ``first``, ``second``, ``printed`` and
        ``single`` (correlations).
    """
    use = table[table.table.isin(HIGH_SPARSE) & (table.method != LAPLACE)]
    mine = rows[(rows.arm == "published") & (rows.regime == "sparse") & (rows.dimension == "high")]
    printed, single = {}, {}
    for (name, method), part in use.groupby(["table", "method"], sort=False):
        column = f"{name}, {method}"
        printed[column] = ((part.published - part.ours) / part.spread).to_numpy()
        wide = mine[mine.method == method].pivot(
            index="replication", columns="level", values=part.score.iloc[0]
        )
        single[column] = ((wide - wide.mean()) / wide.std()).to_numpy().ravel()
    theirs, ours = pd.DataFrame(printed).corr(), pd.DataFrame(single).corr()
    columns = list(printed)
    return pd.DataFrame(
        [
            (a, b, theirs.loc[a, b], ours.loc[a, b])
            for place, a in enumerate(columns)
            for b in columns[place + 1 :]
        ],
        columns=["first", "second", "printed", "single"],
    )


def _share(hits: np.ndarray) -> float:
    return float((hits.sum() + 1) / (len(hits) + 1))


def effective_replications(table: pd.DataFrame, *, without: str | None = None) -> pd.DataFrame:
    """Estimate how many replications the rows of each published table scatter like.

    If a printed value averages n replications, the logarithm of published over ours scatters about
    its mean over the rows of a table with variance near (s / ours)^2 (1 / n + 1 / R). Solved for n,
    per table over OLS, LMM (Gaussian) and MIO.

    Parameters
    ----------
    table : DataFrame
        Of `cells`.
    without : str, optional
        A row to leave out of every table, so that it cannot explain itself.

    Returns
    -------
    DataFrame
        Index table; ``estimate`` (infinite where the rows scatter no more than ours do alone),
        ``low`` and ``high``, its 95 % interval, with the rows' number less one as degrees of
        freedom (the methods of a row share their draws).

    Notes
    -----
    Bias that is the same in all rows of a column drops out; any other counts as scatter.
    """
    use = table.table.isin(RECOVERY) & (table.method != LAPLACE) & (table["row"] != without)
    use = table[use].copy()
    use["log"] = np.log(use.published / use.ours)
    use["log"] -= use.groupby(["table", "method"])["log"].transform("mean")
    use["unit_variance"] = (use.spread / use.ours) ** 2
    found = {}
    for name, part in use.groupby("table", sort=False):
        n_rows = part["row"].nunique()
        freedom = n_rows - 1
        observed = (part.log**2).sum() / part.unit_variance.sum() * n_rows / freedom
        own = (part.unit_variance / part.reps).sum() / part.unit_variance.sum()
        limits = observed * freedom / stats.chi2.ppf([0.025, 0.975], freedom)
        estimate, low, high = (
            1 / (value - own) if value > own else np.inf for value in (observed, *limits)
        )
        found[name] = {"estimate": estimate, "low": low, "high": high}
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("table")
