"""A published number beside ours: one row of the ledger, and where such rows are stored."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from scs.paper.published import data_folder

# Read off Figure 5 of the revised manuscript (Figure 4 of the arXiv version): correlations over
# students of two lists of effects; and the smallest non-zero MIO effect in its histogram.
FIGURE_4 = {
    ("raw average", "LMM (Laplace)"): 0.93,
    ("raw average", "LMM (Gaussian)"): 0.93,
    ("raw average", "MIO"): 0.69,
    ("LMM (Laplace)", "LMM (Gaussian)"): 0.97,
    ("LMM (Laplace)", "MIO"): 0.71,
    ("LMM (Gaussian)", "MIO"): 0.74,
}
SMALLEST_EFFECT = 3.1
# Figure C2: correlations of two vectors of coefficients.
FIGURE_C2 = {
    ("LMM (Laplace)", "LMM (Gaussian)"): 0.99,
    ("LMM (Laplace)", "MIO"): 0.94,
    ("LMM (Laplace)", "OLS"): 0.99,
    ("LMM (Gaussian)", "MIO"): 0.96,
    ("LMM (Gaussian)", "OLS"): 1.00,
    ("MIO", "OLS"): 0.96,
}
# Figure C1: test mean squared error by protein, of OLS and of MIO.
FIGURE_C1 = {
    "Ubiquitin_N": (4.1e-3, 3.5e-3),
    "SOD1_N": (6.1e-3, 5.4e-3),
    "S6_N": (1.6e-3, 1.3e-3),
    "pS6_N": (6.7e-11, 2.4e-5),
    "pERK_N": (1.6e-3, 4.3e-3),
    "P38_N": (6.3e-4, 6.1e-4),
    "ITSN1_N": (1.0e-3, 8.0e-4),
    "ERBB4_N": (4.2e-5, 3.8e-5),
    "DYRK1A_N": (8.9e-4, 9.0e-4),
    "BRAF_N": (5.8e-4, 5.3e-4),
    "ARC_N": (5.3e-11, 2.1e-5),
}


def results_folder() -> Path:
    """Return data/results, where aggregates are stored; it need not exist."""
    return data_folder() / "results"


def read_results(name: str) -> pd.DataFrame:
    """Read a stored table of aggregates: "examples", "mice_splits" or "coverage".

    Raises
    ------
    FileNotFoundError
        It is not there; the message gives the command that makes it.
    """
    path = results_folder() / f"{name}.csv"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `scs results` to make it.")
    return pd.read_csv(path, dtype={"row": str, "evidence": str})
