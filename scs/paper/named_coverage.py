"""How often intervals of named clusters hold the truth, by the size of the cluster: a simulation.

Clusters of 5 to 200 rows. All differ a little, by a normal effect; one in twenty differs by one
standard deviation of the error besides, up or down. What an interval should hold is the cluster's
whole effect, both together.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from scs.inference.bootstrap import bootstrap, split_intervals
from scs.inference.effects import EffectInference
from scs.inference.fission import fission_intervals
from scs.inference.naming import name_clusters
from scs.moments.moments import Moments
from scs.paper.examples.coverage import SMALL_RIDGE

SMALLEST, LARGEST = 5, 200  # rows of a cluster
EDGES = (5, 15, 50, 201)  # of the three classes of size
SHARE, BACKGROUND = 0.05, 0.2  # of clusters that differ by far; standard deviation of the rest
ORDINARY, CONDITIONAL, FCR, FISSION = "ordinary", "conditional", "FCR", "fission"
ROWS, SPLIT = "rows drawn anew", "data split in half"


@dataclass(frozen=True, eq=False)
class UnequalClusters:
    """A data set with clusters of unequal size: ``truth`` (K,) is their whole effect."""

    X: np.ndarray
    y: np.ndarray
    clusters: np.ndarray
    truth: np.ndarray


def draw_unequal(
    rng: np.random.Generator, *, n_clusters: int = 300, size: float = 1.0
) -> UnequalClusters:
    """Draw clusters of log-uniform sizes, a background, and effects of +-``size`` for a few."""
    n = np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST + 1), n_clusters)).astype(int)
    clusters = np.repeat(np.arange(n_clusters), n)
    truth = BACKGROUND * rng.normal(size=n_clusters)
    far = rng.choice(n_clusters, round(SHARE * n_clusters), replace=False)
    truth[far] += size * rng.choice([-1.0, 1.0], len(far))
    X = rng.normal(size=(len(clusters), 2))
    y = 1.0 + X @ np.array([1.0, -1.0]) + truth[clusters] + rng.normal(size=len(clusters))
    return UnequalClusters(X, y, clusters, truth)


def named_intervals(
    data: UnequalClusters, *, q: float = 0.10, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Return four kinds of intervals for the clusters named at a false discovery rate.

    Parameters
    ----------
    data : UnequalClusters
    q, level : float
        In (0, 1).
    seed : int
        Of the noise by which fission splits the data.

    Returns
    -------
    DataFrame
        ``cluster``, ``intervals``, ``low``, ``high``: ordinary ones are d_k +- t s_k, as if the
        cluster had been chosen beforehand; those of fission are of the clusters that it names.
    """
    moments = Moments.from_arrays(data.X, data.y, data.clusters, intercept=True)
    named = name_clusters(moments, q)
    found = EffectInference.of(moments, named.background, named.support, q)
    d = found.deviations
    value, error = d.value[named.support], d.error[named.support]
    half = stats.t.isf((1 - level) / 2, found.df_error) * error
    ends = {
        ORDINARY: (value - half, value + half),
        CONDITIONAL: found.intervals("conditional", level),
        FCR: found.intervals("fcr", level),
    }
    split = fission_intervals(moments, q=q, level=level, seed=seed)
    lists = [(kind, named.support, *each) for kind, each in ends.items()]
    lists.append((FISSION, split.support, split.low, split.high))
    parts = [
        pd.DataFrame({"cluster": support, "intervals": kind, "low": low, "high": high})
        for kind, support, low, high in lists
    ]
    return pd.concat(parts, ignore_index=True)


def resampled_intervals(
    data: UnequalClusters, n_named: int, *, reps: int, seed: int
) -> pd.DataFrame:
    """Return those of resampled and of halved rows, for as many clusters, as `named_intervals`."""
    X, y, clusters = data.X, data.y, data.clusters
    options: dict[str, Any] = {"seed": seed, "intercept": True, "ridge": SMALL_RIDGE}
    again = bootstrap(X, y, clusters, n_named, resample="rows", reps=reps, **options).effects()
    halved = split_intervals(X, y, clusters, n_named, **options)
    parts = [
        found[["low", "high"]].rename_axis("cluster").reset_index().assign(intervals=kind)
        for kind, found in ((ROWS, again), (SPLIT, halved))
    ]
    return pd.concat(parts, ignore_index=True)


def coverage_by_size(
    *, datasets: int, compared: int, reps: int, seed: int, n_clusters: int = 300
) -> pd.DataFrame:
    """Count which intervals hold the truth.

    Parameters
    ----------
    datasets : int
    compared : int
        Of them, those in which rows are resampled and halved too: that takes time.
    reps : int
        Resamples.
    seed : int
    n_clusters : int

    Returns
    -------
    DataFrame
        A row an interval: ``dataset``, ``cluster``, ``rows``, ``intervals``, ``covered`` (bool),
        ``width``.
    """
    parts = []
    for dataset in range(datasets):
        data = draw_unequal(np.random.default_rng([seed, dataset]), n_clusters=n_clusters)
        found = named_intervals(data, seed=dataset)
        n_named = int((found["intervals"] == ORDINARY).sum())
        if dataset < compared and n_named:
            more = resampled_intervals(data, n_named, reps=reps, seed=seed)
            found = pd.concat([found, more], ignore_index=True)
        sizes = np.bincount(data.clusters)
        at = found["cluster"].to_numpy(dtype=int)
        truth = data.truth[at]
        covered = (found["low"] <= truth) & (truth <= found["high"])
        found = found.assign(
            dataset=dataset, rows=sizes[at], covered=covered, width=found["high"] - found["low"]
        )
        parts.append(found.drop(columns=["low", "high"]))
    return pd.concat(parts, ignore_index=True)


def size_classes(rows: pd.Series) -> pd.Series:
    """Return the class of size, as text: "5 to 14" and so on."""
    names = [f"{low} to {high - 1}" for low, high in itertools.pairwise(EDGES)]
    return pd.cut(rows, EDGES, right=False, labels=names)
