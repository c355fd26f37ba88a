"""A price on each cluster beside the budget it leads to: processor time, nodes, and agreement.

    python benchmarks/penalty.py                     K = 50, 10,000 and 100,000, about a minute
    python benchmarks/penalty.py --sizes 50 --repeats 9

Rows follow `scs.paper.scaling.ambiguous`, ridge 1, gap 1e-4. The price lies halfway between the
gains of the last cluster that a budget of 0.2 K admits and of the first that it leaves. Then the
budget that the price led to is solved: both answers must agree within their gaps.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import statistics
import time

import numpy as np

from scs import Moments, Solution, solve
from scs.paper.scaling import ambiguous

GAP = 1e-4


def timed(moments: Moments, repeats: int, **options) -> tuple[float, Solution]:
    """Return the median of processor seconds, and the answer."""
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        found = solve(moments, ridge=1.0, gap=GAP, **options)
        seconds.append(time.process_time() - started)
    return statistics.median(seconds), found


def price_at(moments: Moments, budget: int) -> float:
    """Return a price between the gains of the last cluster of a budget and of the next one."""
    found = solve(moments, budget, gap=GAP)
    residual = moments.mean_y - moments.mean_x @ found.beta
    gain = np.sort((moments.n * residual) ** 2 / (moments.n + 1.0))[::-1]
    return float(gain[budget - 1 : budget + 1].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(
        f"{'K':>8} {'intercept':>9} {'named':>6} {'budget, s':>10} {'price, s':>10} {'nodes':>11}"
    )
    for n_clusters in options.sizes:
        for intercept in (False, True):
            moments = ambiguous(n_clusters, intercept=intercept)
            price = price_at(moments, n_clusters // 5)
            of_price, priced = timed(moments, options.repeats, penalty=price)
            size = len(priced.support)
            of_budget, budgeted = timed(moments, options.repeats, budget=size)
            apart = priced.objective - price * size - budgeted.objective
            assert priced.status == budgeted.status == "optimal"
            assert abs(apart) <= GAP * priced.objective
            nodes = f"{budgeted.nodes} / {priced.nodes}"
            print(
                f"{n_clusters:8,} {intercept!s:>9} {size:6,} {of_budget:10.4f} {of_price:10.4f} "
                f"{nodes:>11}",
                flush=True,
            )


if __name__ == "__main__":
    main()
