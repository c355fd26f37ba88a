"""LMM (Gaussian): median seconds a fit, and the ratio to statsmodels' MixedLM in the same run.

    python benchmarks/gaussian.py

The paper's three dimensions at heterogeneity 50 (Gaussian effects), one thread. "from rows" counts
validation and moments too, as statsmodels' time does; "from moments" is what a simulation pays
when several methods share them.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import statistics
import time
import warnings
from collections.abc import Callable

import statsmodels.api as sm

from scs import Moments
from scs.baselines import fit_gaussian, fit_ols, lmm_gaussian
from scs.paper.simulate import replication_rng, scenarios, simulate

REPEATS = 15


def median_ms(function: Callable[[], object], repeats: int = REPEATS) -> float:
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def main() -> None:
    print(f"{'dimension':>10} {'K':>3} {'P':>3} {'N':>5} | ", end="")
    print("OLS, REML from moments | REML from rows | statsmodels | ratio    (ms, median)")
    for scenario in scenarios():
        if scenario.regime != "gaussian" or scenario.heterogeneity != 50:
            continue
        train = simulate(scenario, replication_rng(scenario, 0)).train
        moments = Moments.from_arrays(train.X, train.y, train.clusters)
        ols_ms = median_ms(lambda m=moments: fit_ols(m))
        fit_ms = median_ms(lambda m=moments: fit_gaussian(m))
        rows_ms = median_ms(lambda t=train: lmm_gaussian(t.X, t.y, t.clusters))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer_ms = median_ms(
                lambda t=train: sm.MixedLM(t.y, t.X, groups=t.clusters).fit(), REPEATS // 3
            )
        print(
            f"{scenario.dimension:>10} {scenario.n_clusters:>3} {scenario.n_covariates:>3} "
            f"{len(train.y):>5} | {ols_ms:>6.2f} {fit_ms:>16.2f} | {rows_ms:>14.2f} | "
            f"{peer_ms:>11.1f} | {peer_ms / rows_ms:>5.1f}x"
        )


if __name__ == "__main__":
    main()
