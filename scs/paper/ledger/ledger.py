"""The whole ledger: every printed number with its verdict, written and read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from scs.data._whole import whole_file
from scs.paper.ledger.checks import Checks
from scs.paper.ledger.judge import judged
from scs.paper.ledger.times import judge_times
from scs.paper.ledger.verdicts import COLUMNS, z_text
from scs.paper.published import TABLES, data_folder


def ledger(
    rows: pd.DataFrame,
    examples: pd.DataFrame | None = None,
    checks: Checks | None = None,
) -> pd.DataFrame:
    """Give every printed cell its verdict.

    Parameters
    ----------
    rows : DataFrame
        Of `scs.run_experiment`.
    examples : DataFrame, optional
        Cells of the data examples, in this form already.
    checks : Checks, optional
        New replications of some cells; only beside the stored simulation.

    Returns
    -------
    DataFrame
        Columns ``COLUMNS``, in the paper's order.
    """
    parts = [judged(rows, checks=checks)[list(COLUMNS)], judge_times(rows)]
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


def write_ledger(table: pd.DataFrame, folder: Path | None = None) -> Path:
    """Write the ledger to ``data/results/ledger.csv`` and return the path."""
    path = (folder or data_folder() / "results") / "ledger.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    short = table.assign(
        ours=table.ours.map("{:.5g}".format),
        mc_se=table.mc_se.map("{:.2g}".format),
        z=table.z.map(z_text),
    )
    short["parameters"] = short.parameters.astype("Int64")  # whole, or none
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
    return read_cells(path)


def read_cells(path: Path) -> pd.DataFrame:
    """Read a stored table in the ledger's columns."""
    table = pd.read_csv(path, dtype={"table": str, "row": str})
    return table.fillna({"fitted": "", "test": ""})
