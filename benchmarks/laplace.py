"""LMM (Laplace): median seconds a fit, one thread; targets and the paper's figure beside them.

    python benchmarks/laplace.py

The paper reports 928 ms a fit in its High dimension (R's nlmm, M1 Pro). Three questions: one fit
there for each way to set alpha; whether the cost depends on the number of rows (it must not); and
many clusters.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import statistics
import time
from collections.abc import Callable

import numpy as np

from scs import Moments
from scs.baselines import Fit, fit_laplace
from scs.paper.simulate import replication_rng, scenarios, simulate

REPEATS = 15
PAPER_MS = 928.0
ALPHAS = {"1 (Laplace)": 1.0, "0.5": 0.5, "free": None}


def timed(function: Callable[[], Fit], repeats: int = REPEATS) -> tuple[float, Fit]:
    """Return median milliseconds and the last fit."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        fit = function()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times), fit


def draw(n_clusters: int, n_rows: int, n_columns: int, seed: int = 0) -> tuple:
    """Draw Laplace effects of variance 8, errors of variance 1."""
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(n_clusters), n_rows)
    X = rng.normal(size=(len(clusters), n_columns))
    y = X.sum(axis=1) + 2 * rng.laplace(size=n_clusters)[clusters] + rng.normal(size=len(clusters))
    return X, y, clusters


def main() -> None:
    print(f"High dimension: K = 14, P = 35, N = 700; target 10 ms, the paper {PAPER_MS:.0f} ms")
    rows = [s for s in scenarios() if s.dimension == "high"]
    samples = [simulate(s, replication_rng(s, 0)).train for s in rows]
    moments = [Moments.from_arrays(t.X, t.y, t.clusters) for t in samples]
    for name, alpha in ALPHAS.items():
        times, fits = zip(
            *[timed(lambda m=m, a=alpha: fit_laplace(m, alpha=a), 5) for m in moments]
        )
        typical = statistics.median(times)
        print(
            f"  alpha {name:<12} {typical:7.2f} ms (median of {len(rows)} scenarios, slowest "
            f"{max(times):.1f}), {PAPER_MS / typical:5.0f}x the paper's speed on its machine, "
            f"{sum(fit.converged for fit in fits)} converged"
        )

    print("From moments, K = 14, P = 35, alpha = 1: the number of rows")
    for n_rows in (50, 500, 5000):
        table = Moments.from_arrays(*draw(14, n_rows, 35))
        ms, fit = timed(lambda m=table: fit_laplace(m))
        print(f"  N = {14 * n_rows:>6} {ms:7.2f} ms, {fit.n_iter} evaluations")

    print("Many clusters of 5 rows, P = 35; target 2 s at K = 10,000")
    for n_clusters in (100, 1000, 10_000):
        table = Moments.from_arrays(*draw(n_clusters, 5, 35))
        for name, alpha in ALPHAS.items():
            ms, fit = timed(lambda m=table, a=alpha: fit_laplace(m, alpha=a), 3)
            state = "converged" if fit.converged else "NOT CONVERGED"
            print(f"  K = {n_clusters:>6}, alpha {name:<12} {ms / 1e3:7.3f} s, {state}")


if __name__ == "__main__":
    main()
