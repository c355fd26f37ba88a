"""The mouse proteins: 77 measured proteins, up to 15 rows per mouse."""

from __future__ import annotations

import pandas as pd

from scs.paper.datasets.files import read
from scs.paper.datasets.sources import SOURCES, announce

_ATTRIBUTES = {
    "Genotype": "genotype",
    "Treatment": "treatment",
    "Behavior": "behavior",
    "class": "class",
}
# The csv copies show this many decimals, the workbook may hold more.  Rounding makes every copy
# give the same numbers, and changes none by more than 5e-10.
_DECIMALS = 9


def load_mice(complete: bool = True, *, download: bool = True, quiet: bool = False) -> pd.DataFrame:
    """Load the protein measurements, one row per measurement of a mouse.

    Parameters
    ----------
    complete : bool
        True: only the 552 rows without a missing value.  False: all 1,080 rows.
    download : bool
        False: never download, as with SCS_NO_DOWNLOAD=1.
    quiet : bool
        True: do not print source, licence and citation.

    Returns
    -------
    DataFrame, 552 or 1,080 rows
        ``mouse`` (the file's MouseID before the underscore: the cluster), ``genotype``,
        ``treatment``, ``behavior``, ``class``, then the 77 proteins under their own names, in the
        file's order, rounded to 9 decimals.  Sorted by mouse (text), then by the number of the
        measurement.

    Raises
    ------
    FileNotFoundError
        If the file is not here and cannot be downloaded; the message gives the remedy.
    ValueError
        If the file is not the published table; the message names column and remedy.

    Notes
    -----
    All 72 mice have 15 rows.  The complete rows come from 37 of them (17 controls, 20 trisomic),
    36 with all 15 rows and one with 12.  ARC_N and pS6_N are the same column twice, so either
    predicts the other without error; no other two proteins are equal.

    References
    ----------
    Higuera, Gardiner & Cios (2015); data: UCI Machine Learning Repository, doi 10.24432/C50S3Z,
    CC BY 4.0.  arXiv 2302.03157, supplement C.1.
    """
    source = SOURCES["mice"]
    table = _arranged(read(source, download=download)["Data_Cortex_Nuclear"])
    if not quiet:
        announce(source)
    return table.dropna(ignore_index=True) if complete else table


def _arranged(raw: pd.DataFrame) -> pd.DataFrame:
    identity = raw["MouseID"].str.rsplit("_", n=1, expand=True)
    order = pd.DataFrame({"mouse": identity[0], "number": identity[1].astype(int)})
    proteins = raw.drop(columns=["MouseID", *_ATTRIBUTES]).round(_DECIMALS)
    table = pd.concat(
        [order["mouse"], raw[list(_ATTRIBUTES)].rename(columns=_ATTRIBUTES), proteins], axis=1
    )
    return table.loc[order.sort_values(["mouse", "number"]).index].reset_index(drop=True)
