"""New replications behind some verdicts, stored in ``data/results`` beside the simulation.

Three questions need replications that the simulation does not hold. Is a cell between 2 and 4
standard errors off by our own chance? It gets `MORE` new replications. Is a cell of the High sparse
tables outside the law of single replications, or only outside our hundred? It gets `MANY`. How do
other ways of taking an intraclass correlation (Table B14) compare? They need the fits themselves.

Each replication is that of `scs.run_experiment`, arm "published": same streams, same fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scs.baselines import fit_gaussian, fit_ols
from scs.data._whole import whole_file
from scs.moments.moments import Moments
from scs.paper import metrics
from scs.paper.provenance import digest
from scs.paper.published import data_folder
from scs.paper.simulate import (
    ICC_PERCENT,
    Sample,
    Scenario,
    icc_scenarios,
    replication_rng,
    simulate,
)
from scs.solvers import Solution, prediction_error, solve_tuned

BOOK_REPS, BOOK_SEED = 100, 0  # of the stored simulation; the paper has 100 replications, too
MORE = 100  # new replications of a doubtful cell
MANY = {"OLS": 2500, "LMM (Gaussian)": 2500, "MIO": 300}  # of a cell outside all our single ones
ICC_REPS = 200
DROPPED = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55)  # effects below these are dropped, one by one
_MORE_FILE, _ICC_FILE = "more_replications.csv", "icc_readings.csv"
_SCORES = {"beta_error": "beta", "gamma_error": "gamma"}


@dataclass(frozen=True, eq=False)
class Checks:
    """The stored replications.

    Attributes
    ----------
    more : DataFrame
        One row per ``regime``, ``dimension``, ``level``, ``method`` and ``score``: ``first``
        (number of the first replication), ``reps``, ``mean``, ``std``, ``low``, ``high``, and
        ``below`` (how many lie at or below the published value).
    icc : DataFrame
        One row per replication of Table B14's scenarios: ``true`` (percent), ``replication``; of
        LMM (Gaussian) ``lmm_icc``, ``lmm_effects`` (variance of the predicted effects),
        ``lmm_noise``; of MIO ``mio_icc``, ``mio_effects``, ``mio_noise`` and, for each c in
        ``DROPPED``, ``mio_from_c`` (variance of the effects with those below c set to zero).
    """

    more: pd.DataFrame
    icc: pd.DataFrame


def code_version() -> str:
    """Return the digest of all code that the stored replications depend on."""
    return digest(f"from {__name__} import one_score, icc_replication\none_score, icc_replication")


def one_score(case: Scenario, method: str, score: str, replication: int) -> float:
    """Return a squared error of one replication, as the simulation has it in arm "published".

    Parameters
    ----------
    case : Scenario
    method : {"OLS", "LMM (Gaussian)", "MIO"}
    score : {"beta_error", "gamma_error"}
    replication : int
        >= 0.
    """
    drawn = simulate(case, replication_rng(case, replication))
    train = _moments(drawn.train)
    if method == "MIO":
        fit = _selection(train, _moments(drawn.validation))
        found = {"beta": fit.beta, "gamma": fit.gamma}
    else:
        line = fit_ols(train) if method == "OLS" else fit_gaussian(train)
        found = {"beta": line.beta, "gamma": line.effects}
    name = _SCORES[score]
    return metrics.squared_error(getattr(drawn, name), found[name])


def icc_replication(true: int, case: Scenario, replication: int) -> dict:
    """Return a row of ``Checks.icc``.

    Parameters
    ----------
    true : int
        The true ICC, percent.
    case : Scenario
        Of `icc_scenarios`.
    replication : int
    """
    drawn = simulate(case, replication_rng(case, replication))
    train, validation = _moments(drawn.train), _moments(drawn.validation)
    lmm, mio = fit_gaussian(train), _selection(train, validation)
    noise = prediction_error(mio, train + validation)
    kept = {
        f"mio_from_{least:g}": np.where(np.abs(mio.gamma) < least, 0.0, mio.gamma).var()
        for least in DROPPED
    }
    return {
        "true": true,
        "replication": replication,
        "lmm_icc": lmm.icc,
        "lmm_effects": lmm.effects.var(),
        "lmm_noise": lmm.var_e,
        "mio_icc": metrics.icc_of_effects(mio.gamma, noise),
        "mio_effects": mio.gamma.var(),
        "mio_noise": noise,
        **kept,
    }


def run_more(
    wanted: Iterable[tuple[Scenario, str, str, float, int]], first: int = BOOK_REPS
) -> pd.DataFrame:
    """Run new replications of some cells.

    Parameters
    ----------
    wanted : iterable of (Scenario, str, str, float, int)
        Scenario, method, score, published value, and how many.
    first : int
        Number of the first one: those before it are in the simulation.

    Returns
    -------
    DataFrame
        ``Checks.more``.
    """
    rows = []
    for case, method, score, printed, reps in wanted:
        values = np.array([one_score(case, method, score, first + i) for i in range(reps)])
        rows.append(
            {
                "regime": case.regime,
                "dimension": case.dimension,
                "level": case.level,
                "method": method,
                "score": score,
                "first": first,
                "reps": reps,
                "mean": values.mean(),
                "std": values.std(ddof=1),
                "low": values.min(),
                "high": values.max(),
                "below": int((values <= printed).sum()),
            }
        )
    return pd.DataFrame(rows)


def run_icc(reps: int = ICC_REPS) -> pd.DataFrame:
    """Run the replications of ``Checks.icc``."""
    return pd.DataFrame(
        [
            icc_replication(true, case, replication)
            for true, case in zip(ICC_PERCENT, icc_scenarios())
            for replication in range(reps)
        ]
    )


def store_checks(
    wanted: Iterable[tuple[Scenario, str, str, float, int]], folder: Path
) -> Iterator[str]:
    """Write more_replications.csv and icc_readings.csv.

    Yields
    ------
    str
        What was done.
    """
    for file, table in ((_MORE_FILE, run_more(wanted)), (_ICC_FILE, run_icc())):
        with whole_file(folder / file) as unfinished:
            stored = table.assign(code=code_version())
            stored.to_csv(unfinished, index=False, float_format="%.7g", lineterminator="\n")
        yield f"{file}: {len(table)} rows"


def read_checks(folder: Path | None = None) -> Checks:
    """Return the stored replications.

    Raises
    ------
    FileNotFoundError
        They are not there: ``scs results checks`` makes them.
    """
    folder = folder or data_folder() / "results"
    for file in (_MORE_FILE, _ICC_FILE):
        if not (folder / file).is_file():
            raise FileNotFoundError(f"{file} is not in data/results: run `scs results checks`.")
    more = pd.read_csv(folder / _MORE_FILE, dtype={"level": str})
    return Checks(more, pd.read_csv(folder / _ICC_FILE))


def checks_beside(reps: int, seed: int) -> Checks | None:
    """Return the stored replications beside a run of the book's size; None beside any other.

    Parameters
    ----------
    reps, seed : int
        Of the run. One of other streams, or of another length, stands alone.
    """
    return read_checks() if (reps, seed) == (BOOK_REPS, BOOK_SEED) else None


def _moments(sample: Sample) -> Moments:
    return Moments.from_arrays(sample.X, sample.y, sample.clusters)


def _selection(train: Moments, validation: Moments) -> Solution:
    return solve_tuned(train, validation)[1]
