"""The ledger: every number the paper prints beside ours, its error, a verdict and the evidence.

A published number and ours are both averages of replications. Their difference in units of its
standard error is

    z = (published - ours) / sqrt(s^2 / R + s^2 / 100 + u^2 / 12),

with s the standard deviation of one replication (ours), R our replications, 100 the paper's, and u
the last printed digit. "reproduced" means |z| <= 3. What differs is "explained" only by a cause
that is tested here: a printed value that the design cannot give, or a table whose rows scatter like
a handful of replications. All else is "differs, unexplained".

The cells of the data examples come with a z of their own, or none, and with their verdict:
`scs.paper.examples` says how.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from scs.data._whole import whole_file
from scs.paper.published import RECOVERY, TABLES, data_folder, published
from scs.paper.simulate import DIMENSIONS, ICC_PERCENT, icc_scenarios, scenarios

REPRODUCED = "reproduced"
EXPLAINED = "differs, explained"
UNEXPLAINED = "differs, unexplained"
VERDICTS = (REPRODUCED, EXPLAINED, UNEXPLAINED)
COLUMNS = (
    "table",
    "row",
    "method",
    "quantity",
    "published",
    "ours",
    "mc_se",
    "z",
    "verdict",
    "evidence",
)
PAPER_REPS = 100
LIMIT = 3.0  # of |z|
_FEW = 10  # effective replications below which the scatter of a table explains its misses
_SETTING = ["regime", "dimension", "level"]
_LAPLACE = (
    "ours is a converged maximum-likelihood fit, checked against R's likelihood; "
    "no setting of the R package tried gives the printed column"
)


def cells(rows: pd.DataFrame, tables: Sequence[str] | None = None) -> pd.DataFrame:
    """Set the simulated cells of the paper beside a run: Tables B1 to B14.

    Parameters
    ----------
    rows : DataFrame
        Of `scs.run_experiment`, both the 66 scenarios and the nine of Table B14.
    tables : sequence of str, optional
        These tables alone, of the dimensions that are in ``rows``.

    Returns
    -------
    DataFrame
        One row per printed cell: ``table``, ``row``, ``regime``, ``dimension``, ``level``,
        ``method``, ``quantity``, ``published``, ``unit`` (of the last printed digit), ``ours``,
        ``mc_se``, ``spread`` (standard deviation of one replication), ``reps``, ``z``, and
        ``low``, ``high`` (the range of our single replications).
    """
    printed = pd.concat([_recovery(), _sparsity(), _icc()], ignore_index=True)
    if tables is not None:
        there = printed.dimension.isin(rows.dimension.unique())
        printed = printed[printed.table.isin(tables) & there]
    mine = rows[rows.arm == "published"].melt(
        id_vars=[*_SETTING, "method"],
        value_vars=["beta_error", "gamma_error", "sparsity", "icc"],
        var_name="score",
    )
    mine.loc[mine.score.isin(["sparsity", "icc"]), "value"] *= 100  # printed in percent
    summary = mine.groupby([*_SETTING, "method", "score"])["value"].agg(
        ours="mean", spread="std", reps="count", low="min", high="max"
    )
    table = printed.merge(summary, on=[*_SETTING, "method", "score"], how="left")
    lost = table[table.ours.isna()]
    if len(lost):
        first = lost.iloc[0]
        raise ValueError(
            f"rows: nothing for Table {first.table}, {first['row']}, {first.method}: pass a run of "
            "all scenarios and of icc_scenarios(), or name the tables."
        )
    table["mc_se"] = table.spread / np.sqrt(table.reps)
    error = np.sqrt(table.mc_se**2 + table.spread**2 / PAPER_REPS + table.unit**2 / 12)
    table["z"] = (table.published - table.ours) / error
    return table.drop(columns="score")


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
    use = table.table.isin(RECOVERY) & (table.method != "LMM (Laplace)") & (table["row"] != without)
    use = table[use].copy()
    use["log"] = np.log(use.published / use.ours)
    use["log"] -= use.groupby(["table", "method"])["log"].transform("mean")
    use["unit_variance"] = (use.spread / use.ours) ** 2
    found = {}
    for name, part in use.groupby("table", sort=False):
        n_rows = part["row"].nunique()
        freedom = n_rows - 1
        observed = (part.log**2).sum() / part.unit_variance.sum() * n_rows / freedom
        own = 1 / float(part.reps.iloc[0])
        limits = observed * freedom / stats.chi2.ppf([0.025, 0.975], freedom)
        estimate, low, high = (
            1 / (value - own) if value > own else np.inf for value in (observed, *limits)
        )
        found[name] = {"estimate": estimate, "low": low, "high": high}
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("table")


def attainable_sparsity(dimension: str) -> float:
    """Return the largest share of zero effects that the paper's grid of budgets allows, percent.

    Its smallest budget, ceil(0.1 K), is at least one cluster; the effects at the optimum of Eq. 5
    within it are zero only for data of probability 0.
    """
    n_clusters = DIMENSIONS[dimension][0]
    return 100 * (1 - ceil(0.1 * n_clusters) / n_clusters)


def same_law() -> pd.DataFrame:
    """Return, for each sparse row, how many effects are non-zero: rows that share it share a law.

    With four clusters the twelve printed sparsities are four different laws.
    """
    sparse = [each for each in scenarios() if each.regime == "sparse"]
    return pd.DataFrame(
        [(each.dimension, each.level, each.n_nonzero) for each in sparse],
        columns=["dimension", "level", "n_nonzero"],
    )


def judged(rows: pd.DataFrame, tables: Sequence[str] | None = None) -> pd.DataFrame:
    """Return `cells` with ``verdict`` and ``evidence``."""
    table = cells(rows, tables)
    scatter = {row: effective_replications(table, without=row) for row in table["row"].unique()}
    missed = rows.groupby(_SETTING)["true_positive_rate"].min() < 1
    sparsity = _excluded(table[table.table == "B7"], missed)
    verdicts = [_judge(cell, scatter[cell.row], sparsity) for cell in table.itertuples()]
    table[["verdict", "evidence"]] = verdicts
    return table


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


def ledger(rows: pd.DataFrame, examples: pd.DataFrame | None = None) -> pd.DataFrame:
    """Give every printed cell its verdict.

    Parameters
    ----------
    rows : DataFrame
        Of `scs.run_experiment`.
    examples : DataFrame, optional
        Cells of the data examples, in this form already.

    Returns
    -------
    DataFrame
        Columns ``COLUMNS``, in the paper's order.
    """
    parts = [judged(rows)[list(COLUMNS)], _run_times(rows)]
    if examples is not None:
        parts.append(examples[list(COLUMNS)])
    whole = pd.concat(parts, ignore_index=True)
    names = dict.fromkeys((*TABLES, *whole.table))
    place = {name: number for number, name in enumerate(names)}
    in_order = whole.sort_values("table", key=lambda name: name.map(place), kind="stable")
    return in_order.reset_index(drop=True)


def moved(old: pd.DataFrame, new: pd.DataFrame) -> list[str]:
    """Say in lines how a ledger differs from an older one: verdicts, and values of ours."""
    keys = ["table", "row", "method", "quantity"]
    both = old.merge(new, on=keys, how="outer", suffixes=("_old", "_new"), indicator=True)
    lines = [
        f"{count} cells are {what}"
        for what, side in (("gone", "left_only"), ("new", "right_only"))
        if (count := int((both._merge == side).sum()))
    ]
    both = both[both._merge == "both"]
    changed = both[both.verdict_old != both.verdict_new]
    lines += [
        f"Table {cell.table}, {cell.row}, {cell.method}, {cell.quantity}: "
        f"{cell.verdict_old} -> {cell.verdict_new}"
        for cell in changed.itertuples()
    ]
    timed = both.quantity == "run time, ms"
    values = both[~timed & ~np.isclose(both.ours_old, both.ours_new, rtol=1e-3, equal_nan=True)]
    if len(values):
        lines.append(f"{len(values)} values of ours moved by more than a part in a thousand")
    return lines or ["no verdict and no value moved"]


def expected_by_chance(n_cells: int) -> dict[float, float]:
    """Return how many of so many true nulls exceed |z| = 2 and 3 by chance alone."""
    return {limit: float(2 * stats.norm.sf(limit) * n_cells) for limit in (2.0, 3.0)}


def write_ledger(table: pd.DataFrame, folder: Path | None = None) -> Path:
    """Write the ledger to ``data/results/ledger.csv`` and return the path."""
    path = (folder or data_folder() / "results") / "ledger.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    short = table.assign(
        ours=table.ours.map("{:.5g}".format),
        mc_se=table.mc_se.map("{:.2g}".format),
        z=table.z.map(z_text),
    )
    with whole_file(path) as unfinished:
        short.replace("nan", "").to_csv(unfinished, index=False, lineterminator="\n")
    return path


def read_ledger(folder: Path | None = None) -> pd.DataFrame:
    """Return the stored ledger.

    Raises
    ------
    FileNotFoundError
        There is none: ``make reproduce`` makes it.
    """
    path = (folder or data_folder() / "results") / "ledger.csv"
    if not path.is_file():
        raise FileNotFoundError("ledger.csv is not in data/results: `make reproduce` makes it.")
    return pd.read_csv(path, dtype={"table": str, "row": str})


def z_text(z: float, limit: float = LIMIT) -> str:
    """Write z with one decimal, or with as many as show on which side of the limit it lies."""
    digits = 1
    while digits < 6 and abs(z) != limit and float(f"{abs(z):.{digits}f}") == limit:
        digits += 1
    text = f"{z:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _judge(cell, scatter: pd.DataFrame, sparsity: pd.DataFrame) -> tuple[str, str]:
    """Return verdict and evidence; ``scatter`` is that of the other rows of each table."""
    z = z_text(cell.z)
    if abs(cell.z) <= LIMIT:
        return REPRODUCED, f"|z| = {z.removeprefix('-')}"
    if cell.table == "B7":
        return _judge_sparsity(cell, sparsity)
    ratio = f"published is {cell.published / cell.ours:.2g} times ours, z = {z}"
    if cell.method == "LMM (Laplace)":
        return UNEXPLAINED, f"{ratio}; {_LAPLACE}"
    if cell.table not in scatter.index:
        return UNEXPLAINED, ratio
    found = scatter.loc[cell.table]
    if found.high >= _FEW:
        return UNEXPLAINED, f"{ratio}; the other rows scatter like {_about(found)} replications"
    like = f"the other rows of this table scatter like {_about(found)} replications"
    if cell.low <= cell.published <= cell.high:
        return EXPLAINED, f"{ratio}; {like}, and the value lies among our single ones"
    return UNEXPLAINED, f"{ratio}; {like}, but the value lies outside all our single ones"


def _about(found: pd.Series) -> str:
    return f"{found.estimate:.1f} (95 %: {found.low:.1f} to {found.high:.1f})"


def _judge_sparsity(cell, sparsity: pd.DataFrame) -> tuple[str, str]:
    excluded = sparsity.excluded[cell.dimension, cell.level]
    found = excluded or _contradicted(cell, sparsity.loc[cell.dimension])
    if found:
        return EXPLAINED, found
    return UNEXPLAINED, (
        f"{cell.published - cell.ours:+.0f} points, z = {z_text(cell.z)}; not excluded by the "
        "design"
    )


def _excluded(part: pd.DataFrame, missed: pd.Series) -> pd.DataFrame:
    """Say of each printed sparsity why the design cannot give it, or nothing.

    Index ``dimension``, ``level``; columns ``excluded``, ``n_nonzero``, ``published``, ``spread``.
    """
    part = part.merge(same_law(), on=["dimension", "level"], how="left")
    part["excluded"] = [
        _why_not(cell, missed[cell.regime, cell.dimension, cell.level])
        for cell in part.itertuples()
    ]
    columns = ["excluded", "n_nonzero", "published", "spread"]
    return part.set_index(["dimension", "level"])[columns]


def _why_not(cell, missed: bool) -> str:
    n_clusters = DIMENSIONS[cell.dimension][0]
    most = attainable_sparsity(cell.dimension)
    least = cell.published - 0.5  # before rounding
    if least > most:
        return (
            f"cannot be attained: with {n_clusters} clusters the smallest budget leaves at most "
            f"{most:.3g} % zero"
        )
    zero = 100 * (1 - cell.n_nonzero / n_clusters)
    if least > zero and not missed:
        return (
            f"only {zero:.1f} % of the effects are zero, so a larger average needs fits that miss "
            "an effect of 10; none of ours does"
        )
    return ""


def _contradicted(cell, rows: pd.DataFrame) -> str:
    """Say which printed rows contradict a cell of B7: those of the same law, but other values.

    Values that the design excludes are no witnesses: what is wrong with them need not be wrong
    with this one. The spread of one replication is that of the law, from all its rows.
    """
    law = rows.n_nonzero[cell.level]
    same = rows[rows.n_nonzero == law]
    spread = np.sqrt((same.spread**2).mean())
    possible = same[same.excluded == ""].published
    error = np.sqrt(2 * (spread**2 / PAPER_REPS + 1 / 12))
    distance = possible.max() - possible.min()
    if distance <= LIMIT * error:
        return ""
    return (
        f"rows {', '.join(possible.index)} share one law, {law} of "
        f"{DIMENSIONS[cell.dimension][0]} effects, but print values {distance:.0f} points apart "
        f"({distance / error:.0f} standard errors): averages of one law are hardly so far apart"
    )


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


def _run_times(rows: pd.DataFrame) -> pd.DataFrame:
    """Judge Table 1: other machines and solvers, so only ratios between methods can be compared."""
    mine = rows[(rows.arm == "published") & (rows.regime == "sparse")]  # as the paper's
    times = mine.groupby(["dimension", "method"])["seconds"].agg(["mean", "sem"]) * 1000
    printed = published("1")
    judged = []
    for cell in printed.itertuples():
        ours, error = times.loc[(cell.dimension, cell.method)]
        of_ols = printed[(printed.dimension == cell.dimension) & (printed.method == "OLS")]
        theirs = cell.runtime_ms / of_ols.runtime_ms.item()
        own = ours / times.loc[(cell.dimension, "OLS"), "mean"]
        evidence = (
            f"another machine, language and solver; in units of OLS in the same run {own:.3g}, "
            f"published {theirs:.3g}"
        )
        row = ("1", cell.dimension, cell.method, "run time, ms", cell.runtime_ms, ours, error)
        judged.append((*row, np.nan, EXPLAINED, evidence))
    return pd.DataFrame(judged, columns=list(COLUMNS))
