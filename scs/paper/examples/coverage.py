"""How often intervals after a selection hold the truth: a simulation with known effects.

Twenty clusters of fifteen rows, two covariates, an intercept; four clusters have an effect of one
size, half of them up and half down, the others none. The budget is four, the true number, so that
what is seen is the selection's doing and not a wrong budget's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from scs.inference.bootstrap import bootstrap, coverage, split_intervals

N_CLUSTERS, N_ROWS, BUDGET = 20, 15, 4
BETA = {"intercept": 1.0, "x1": 1.0, "x2": -1.0}
SIZES = (0.5, 1.0, 2.0, 4.0)
PROCEDURES = (
    "rows drawn anew",
    "rows drawn anew, small ridge",
    "clusters drawn anew",
    "data split in half",
)
SMALL_RIDGE = 1e-3  # a ridge that shrinks no effect noticeably


def draw_clusters(rng: np.random.Generator, size: float) -> tuple:
    """Draw one data set and its truth, for `scs.inference.bootstrap.coverage`.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : float
        Of the effects, in units of the error's standard deviation.
    """
    clusters = np.repeat(np.arange(N_CLUSTERS), N_ROWS)
    gamma = np.zeros(N_CLUSTERS)
    gamma[:BUDGET] = size * np.array([1.0, -1.0, 1.0, -1.0])
    X = rng.normal(size=(len(clusters), 2))
    coefficients = np.array([BETA["x1"], BETA["x2"]])
    y = BETA["intercept"] + X @ coefficients + gamma[clusters] + rng.normal(size=len(clusters))
    return X, y, clusters, pd.concat([pd.Series(gamma), pd.Series(BETA)])


def intervals_of(procedure: str, reps: int) -> Callable[..., pd.DataFrame]:
    """Return the function that makes intervals by one of ``PROCEDURES``."""
    if procedure not in PROCEDURES:
        raise ValueError(f"procedure must be one of {PROCEDURES}, got {procedure!r}.")
    if procedure == "data split in half":
        return _split
    resample = "clusters" if procedure.startswith("clusters") else "rows"
    ridge = SMALL_RIDGE if procedure.endswith("small ridge") else 1.0
    return partial(_bootstrap, resample=resample, ridge=ridge, reps=reps)


def _split(X, y, clusters, seed):
    return split_intervals(X, y, clusters, BUDGET, seed=seed, intercept=True)


def _bootstrap(X, y, clusters, seed, *, resample, ridge, reps):
    found = bootstrap(
        X, y, clusters, BUDGET, resample=resample, ridge=ridge, reps=reps, seed=seed, intercept=True
    )
    return pd.concat([found.effects(), found.coefficients()])


def coverage_study(
    *,
    sizes: Sequence[float] = SIZES,
    procedures: Sequence[str] = PROCEDURES,
    datasets: int = 100,
    reps: int = 100,
    seed: int = 0,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Count covered intervals for effects of several sizes.

    Parameters
    ----------
    sizes : sequence of float
    procedures : sequence of str
        Of ``PROCEDURES``.
    datasets, reps, seed, n_jobs
        Data sets of each size, bootstrap replications of each; see
        `scs.inference.bootstrap.coverage`. The first data sets are the same however many there are.

    Returns
    -------
    DataFrame
        One row per size, procedure, data set and ``target`` ("effects" of the selected clusters, or
        "coefficients"): ``count`` and ``covered`` intervals, ``null`` (how many of the selected
        clusters have no effect) and mean ``width``.
    """
    pieces = []
    for size in sizes:
        for procedure in procedures:
            table = coverage(
                partial(draw_clusters, size=size),
                intervals_of(procedure, reps),
                datasets=datasets,
                seed=seed,
                n_jobs=n_jobs,
            )
            named = table["name"].isin(list(BETA))
            table = table.assign(
                size=size,
                procedure=procedure,
                target=np.where(named, "coefficients", "effects"),
                null=(table["truth"] == 0) & ~named,
                width=table["high"] - table["low"],
            )
            pieces.append(table)
    keys = ["size", "procedure", "dataset", "target"]
    return (
        pd.concat(pieces)
        .groupby(keys, sort=False)
        .agg(
            count=("covered", "size"),
            covered=("covered", "sum"),
            null=("null", "sum"),
            width=("width", "mean"),
        )
        .reset_index()
    )
