"""Table B14: other ways of taking an intraclass correlation, as readings of the printed columns.

Our columns are means over replications of each fit's ICC. A ratio of means takes the averages
first: with v the variance of the K predicted effects and e the variance of the residuals,

    ICC = mean(v) / (mean(v) + mean(e)).

Predicted effects are shrunk, so v lies below the variance component that REML estimates.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from scs.paper.ledger.cells import PAPER_REPS
from scs.paper.ledger.verdicts import LIMIT, READING, UNEXPLAINED, Finding, z_text

DROPPED_BELOW = 0.45  # fitted: the size below which an effect of MIO counts as zero
_COLUMNS = {
    "LMM (Gaussian)": ("lmm_effects", "lmm_noise"),
    "MIO": (f"mio_from_{DROPPED_BELOW:g}", "mio_noise"),
}
_FITTED = {
    "LMM (Gaussian)": ("that of the predicted effects; a ratio of means", 2),
    "MIO": (f"a ratio of means; effects below {DROPPED_BELOW:g} dropped", 2),
}


def ratio_of_means_icc(v: np.ndarray, e: np.ndarray) -> tuple[float, float]:
    """Return mean(v) / (mean(v) + mean(e)) in percent, and the deviation of one replication.

    The deviation is that of the delta method: ((1 - R) v_i - R e_i) / mean(v + e).

    Parameters
    ----------
    v, e : array-like, shape (R,)
        Variances by replication, >= 0.
    """
    v, e = np.asarray(v), np.asarray(e)
    ratio = v.mean() / (v.mean() + e.mean())
    each = ((1 - ratio) * v - ratio * e) / (v.mean() + e.mean())
    return float(100 * ratio), float(100 * each.std(ddof=1))


def icc_readings(table: pd.DataFrame, icc: pd.DataFrame) -> pd.DataFrame:
    """Set Table B14 beside ratios of means of other variances.

    Parameters
    ----------
    table : DataFrame
        Of `cells`.
    icc : DataFrame
        Of `Checks`.

    Returns
    -------
    DataFrame
        Index ``method``, ``row`` of LMM (Gaussian) and MIO: ``published``, ``ours``, ``z``.
    """
    found = []
    part = table[(table.table == "B14") & table.method.isin(_COLUMNS)]
    for cell in part.itertuples():
        mine = icc[icc.true == int(cell.row.rstrip("%"))]
        v, e = (mine[column] for column in _COLUMNS[cell.method])
        ours, spread = ratio_of_means_icc(v, e)
        error = np.sqrt(spread**2 / len(mine) + spread**2 / PAPER_REPS + cell.unit**2 / 12)
        found.append((cell.method, cell.row, cell.published, ours, (cell.published - ours) / error))
    names = ["method", "row", "published", "ours", "z"]
    return pd.DataFrame(found, columns=names).set_index(names[:2])


def judge_icc(cell, readings: pd.DataFrame) -> Finding:
    """Return the finding of a value of Table B14 that the mean ICC does not reproduce."""
    as_mean = f"The mean of our ICCs differs, z = {z_text(cell.z)}"
    if cell.method not in readings.index:
        return Finding(UNEXPLAINED, f"{as_mean}.")
    column = readings.loc[cell.method]
    words, parameters = _FITTED[cell.method]
    within = int((column.z.abs() <= LIMIT).sum())
    here = column.loc[cell.row]
    evidence = (
        f"{as_mean}. Another ICC ({words}) gives {here.ours:.1f}, z = {z_text(here.z)}, and fits "
        f"{within} of the column's {len(column)} values."
    )
    if abs(here.z) > LIMIT:
        return Finding(UNEXPLAINED, evidence)
    return Finding(READING, evidence, fitted=words, parameters=parameters)
