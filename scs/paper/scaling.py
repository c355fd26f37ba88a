"""Solve times against the number of clusters, and where other ways stop: the table of a chapter.

    python -m scs.paper.scaling                    up to 10^4 clusters, printed
    scs results scaling                      up to a million, stored for the book

One generator of hard instances throughout: standard normal covariates, a fifth of the clusters with
a standard normal effect, noise variance 1, budget 0.2 K, ridge 1. Many effects lie near the margin
between selected and not.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from scs import __distribution__
from scs.moments.moments import Moments
from scs.paper.provenance import digest
from scs.problem.objective import Problem
from scs.solvers import Solution, solve
from scs.solvers.outer import outer
from scs.solvers.solution import unless_stopped

SIZES = (10, 20, 30, 50, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
_CHUNK = 1_000_000  # rows in memory at a time
_MANY = 10_000  # clusters from which on one run is enough
_REPEATS = 3


def ambiguous(
    n_clusters: int,
    *,
    intercept: bool,
    flat: int = 0,
    n_rows: int = 20,
    n_columns: int = 10,
    seed: int = 0,
) -> Moments:
    """Draw an instance, never more than a million of its rows at a time.

    Parameters
    ----------
    n_clusters : int
        K.
    intercept : bool
        Whether the outcome has one (1.5) and the model too.
    flat : int
        How many of the covariates are constant within clusters.
    n_rows : int
        Rows in each cluster.
    n_columns : int
        Covariates.
    seed : int

    Returns
    -------
    Moments
    """
    rng = np.random.default_rng(seed)
    beta = rng.normal(size=n_columns)
    effects = np.zeros(n_clusters)
    some = rng.choice(n_clusters, size=n_clusters // 5, replace=False)
    effects[some] = rng.normal(size=len(some))

    def chunks() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        step = max(_CHUNK // n_rows, 1)
        for first in range(0, n_clusters, step):
            names = np.arange(first, min(first + step, n_clusters))
            clusters = np.repeat(names, n_rows)
            X = rng.normal(size=(len(clusters), n_columns))
            X[:, :flat] = np.repeat(rng.normal(size=(len(names), flat)), n_rows, axis=0)
            y = 1.5 * intercept + X @ beta + effects[clusters] + rng.normal(size=len(clusters))
            yield X, y, clusters

    return Moments.from_chunks(chunks(), intercept=intercept)


def solve_by(moments: Moments, method: str, *, gap: float, time_limit: float) -> Solution:
    """Solve at a budget of K/5 by "exact", "outer" or "plain", the paper's own cuts in SCIP."""
    budget = moments.n_clusters // 5
    if method == "plain":
        problem = Problem.from_moments(moments)
        return outer(moments, problem, budget, gap=gap, time_limit=time_limit, cuts="plain")
    return solve(moments, budget, method=method, gap=gap, time_limit=time_limit)


def measure(
    n_clusters: int, *, intercept: bool, flat: int, method: str, gap: float, time_limit: float
) -> dict[str, object]:
    """Draw an instance, solve it, and return one row of the table: the run of median time."""
    n_rows = 20 if n_clusters < 1_000_000 else 10
    moments = ambiguous(n_clusters, intercept=intercept, flat=flat, n_rows=n_rows)
    runs = []
    for _ in range(1 if n_clusters > _MANY else _REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        found = unless_stopped(solve_by(moments, method, gap=gap, time_limit=time_limit))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        runs.append((cpu, wall, found))
        if found.status != "optimal":
            break
    cpu, wall, found = sorted(runs, key=lambda run: run[0])[len(runs) // 2]
    names, counts = np.unique(found.membership, return_counts=True)
    proved = dict(zip(names.tolist(), counts.tolist()))
    return {
        "method": method,
        "n_clusters": n_clusters,
        "n_rows": moments.n_rows,
        "intercept": intercept,
        "flat": flat,
        "status": found.status,
        "seconds": round(wall, 5),
        "cpu_seconds": round(cpu, 5),  # what a shared machine distorts less
        "objective": found.objective,
        "gap": found.gap,
        "selection_gap": found.selection_gap,
        **{f"n_{name}": proved.get(name, 0) for name in ("in", "out", "open")},
        "nodes": found.nodes,
        "peak_mb": _peak(),
    }


def scaling(largest: int, *, gap: float = 1e-4, time_limit: float = 60.0) -> pd.DataFrame:
    """Measure every case up to ``largest`` clusters; one that was cut off goes no further.

    Returns
    -------
    DataFrame
        One row per case and size, with the machine, the versions and a digest of the code.
    """
    cases = [("exact", False, 0), ("exact", True, 0), ("exact", True, 1)]
    cases += [(method, ic, 0) for method in ("plain", "outer") for ic in (False, True)]
    rows, stopped = [], set()
    for n_clusters in [size for size in SIZES if size <= largest]:
        for case in cases:
            if case in stopped:
                continue
            method, intercept, flat = case
            row = measure(
                n_clusters, intercept=intercept, flat=flat, method=method, gap=gap,
                time_limit=time_limit,
            )  # fmt: skip
            rows.append(row)
            print({name: row[name] for name in list(row)[:10]}, flush=True)
            if row["status"] != "optimal":
                stopped.add(case)
    return pd.DataFrame(rows).assign(gap_asked=gap, time_limit=time_limit, **_where())


def _where() -> dict[str, str]:
    """Say on what machine, with which versions, what code was run."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "python": platform.python_version(),
        "versions": ", ".join(
            f"{name} {version(name)}" for name in (__distribution__, "numpy", "scipy", "pyscipopt")
        ),
        "code": digest(f"from {scaling.__module__} import scaling\nscaling"),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _peak() -> float:
    """Largest memory of this process so far, in MB; not a number where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    unit = 1 if platform.system() == "Darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)


def main() -> None:
    """Measure, print, and store where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=10_000)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for each run")
    options = parser.parse_args()
    scaling(options.largest, time_limit=options.limit)


if __name__ == "__main__":
    main()
