"""Optimisers that stop early, tried as a cause of the printed column LMM (Laplace).

The likelihood is ours, so what is tried here is the way of climbing it, not the R package. Table B1
alone: its twelve rows are four laws, of which the middle row each is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from scs.baselines import Fit, fit_gaussian, fit_ols, loglik_laplace
from scs.data._whole import whole_file
from scs.moments.moments import Moments
from scs.paper import metrics
from scs.paper.provenance import digest
from scs.paper.published import data_folder
from scs.paper.simulate import replication_rng, scenario, simulate

LEVELS = ("80%", "60%", "33%", "10%")  # the middle one of each law
REPS = 20
#: Name: method of `scipy.optimize.minimize`, its options, and the start.
CANDIDATES: dict[str, tuple[str, dict, str]] = {
    "Nelder-Mead from OLS, 500 evaluations": ("Nelder-Mead", {"maxfev": 500}, "OLS"),
    "Nelder-Mead from OLS, 2000 evaluations": ("Nelder-Mead", {"maxfev": 2000}, "OLS"),
    "Nelder-Mead from REML, 500 evaluations": ("Nelder-Mead", {"maxfev": 500}, "REML"),
    "BFGS from OLS, 3 steps": ("BFGS", {"maxiter": 3}, "OLS"),
    "BFGS from OLS, 10 steps": ("BFGS", {"maxiter": 10}, "OLS"),
    "BFGS from OLS, to the end": ("BFGS", {}, "OLS"),
}
_FILE = "laplace_candidates.csv"


def stopped_fit(moments: Moments, candidate: str) -> np.ndarray:
    """Return the coefficients where an optimiser of the Laplace likelihood stops.

    Parameters
    ----------
    moments : Moments
    candidate : str
        Of ``CANDIDATES``. The parameters are beta and the logarithms of both variances.

    Returns
    -------
    ndarray, shape (P,)
    """
    method, options, start = CANDIDATES[candidate]
    first: Fit = fit_ols(moments) if start == "OLS" else fit_gaussian(moments)
    var_u = first.var_u if start == "REML" and first.var_u > 0 else first.var_e

    def away(at: np.ndarray) -> float:
        with np.errstate(over="ignore"):
            return -loglik_laplace(moments, at[:-2], *np.exp(np.clip(at[-2:], -20.0, 20.0)))

    at = np.concatenate([first.beta, np.log([var_u, first.var_e])])
    return minimize(away, at, method=method, options=options).x[:-2]


def run_candidates(reps: int = REPS) -> pd.DataFrame:
    """Run every candidate on the first replications of four rows of Table B1.

    Returns
    -------
    DataFrame
        One row per ``candidate`` and ``level``: mean squared error of beta, ``ours``, and its
        standard error, ``mc_se``.
    """
    found = []
    for level in LEVELS:
        case = scenario(f"sparse-low-{level}")
        draws = [simulate(case, replication_rng(case, replication)) for replication in range(reps)]
        for candidate in CANDIDATES:
            errors = []
            for drawn in draws:
                train = Moments.from_arrays(drawn.train.X, drawn.train.y, drawn.train.clusters)
                errors.append(metrics.squared_error(drawn.beta, stopped_fit(train, candidate)))
            error = np.std(errors, ddof=1) / np.sqrt(reps)
            found.append((candidate, level, np.mean(errors), error))
    return pd.DataFrame(found, columns=["candidate", "level", "ours", "mc_se"])


def code_version() -> str:
    """Return the digest of all code that the stored table depends on."""
    return digest(f"from {__name__} import run_candidates\nrun_candidates")


def store_candidates(folder: Path) -> Iterator[str]:
    """Write laplace_candidates.csv.

    Yields
    ------
    str
        What was done.
    """
    table = run_candidates()
    with whole_file(folder / _FILE) as unfinished:
        stored = table.assign(code=code_version())
        stored.to_csv(unfinished, index=False, float_format="%.4g", lineterminator="\n")
    yield f"{_FILE}: {len(table)} rows"


def read_candidates(folder: Path | None = None) -> pd.DataFrame:
    """Return the stored table of `run_candidates`.

    Raises
    ------
    FileNotFoundError
        It is not there: ``scs results checks`` makes it.
    """
    path = (folder or data_folder() / "results") / _FILE
    if not path.is_file():
        raise FileNotFoundError(f"{_FILE} is not in data/results: run `scs results checks`.")
    return pd.read_csv(path, dtype={"level": str})
