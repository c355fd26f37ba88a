"""What a background costs: processor time of `solve` with theta > 0 against theta = 0.

    python benchmarks/background.py                     10^4 and 10^5 clusters, about a minute
    python benchmarks/background.py --largest 1000000   and a million

The same moments, budget and gap, both in one run, in turn; the target is a ratio of at most 1.5.
Clusters of 5 to 60 rows with an effect of standard deviation 0.3, a tenth of them shifted by 1.5 up
or down besides; three covariates; a budget of a tenth. Both searches must reach the gap.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import statistics
import time

import numpy as np

from scs import Moments, solve

THETA = 0.09
GAP = 1e-6
TARGET = 1.5


def drawn(n_clusters: int, rng: np.random.Generator) -> Moments:
    """Draw means and pooled products as rows would give them, without drawing the rows."""
    n_columns = 3
    n = rng.integers(5, 61, n_clusters).astype(float)
    effect = 0.3 * rng.normal(size=n_clusters)
    far = rng.choice(n_clusters, n_clusters // 10, replace=False)
    effect[far] += 1.5 * rng.choice([-1.0, 1.0], len(far))
    beta = np.array([1.0, 1.0, -0.5, 0.25])
    mean_x = np.column_stack([np.ones(n_clusters), 0.5 * rng.normal(size=(n_clusters, n_columns))])
    mean_y = mean_x @ beta + effect + rng.normal(size=n_clusters) / np.sqrt(n)
    within = np.zeros((n_columns + 1, n_columns + 1))
    df = n.sum() - n_clusters
    within[1:, 1:] = df * np.eye(n_columns)
    noise = np.concatenate([[0.0], np.sqrt(df) * rng.normal(size=n_columns)])
    within_xy = within @ beta + noise
    within_yy = beta @ within @ beta + 2 * beta @ noise + df
    return Moments(
        labels=np.arange(n_clusters),
        n=n,
        mean_x=mean_x,
        mean_y=mean_y,
        within_xx=within,
        within_xy=within_xy,
        within_yy=float(within_yy),
        names=("(Intercept)", "a", "b", "c"),
        intercept=True,
    )


def seconds(moments: Moments, budget: int, theta: float) -> tuple[float, float]:
    """Return processor time and the gap proved."""
    started = time.process_time()
    found = solve(
        moments,
        budget,
        ridge=1e-4,
        ridge_fixed=0.0,
        background=theta,
        gap=GAP,
        time_limit=600.0,
    )
    return time.process_time() - started, found.gap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{'K':>9} | theta 0     gap | theta {THETA}     gap | ratio (target {TARGET})")
    solve(drawn(100, np.random.default_rng(0)), 10, ridge_fixed=0.0)  # imports, and first calls
    n_clusters = 10_000
    while n_clusters <= arguments.largest:
        moments = drawn(n_clusters, np.random.default_rng(n_clusters))
        pairs = [
            [seconds(moments, n_clusters // 10, theta) for theta in (0.0, THETA)]
            for _ in range(arguments.repeats if n_clusters < 1_000_000 else 1)
        ]
        point, over = (statistics.median(pair[each][0] for pair in pairs) for each in (0, 1))
        gaps = [max(pair[each][1] for pair in pairs) for each in (0, 1)]
        print(
            f"{n_clusters:>9} | {point:>7.2f} {gaps[0]:>7.0e} | {over:>10.2f} {gaps[1]:>7.0e} | "
            f"{over / point:>5.2f}",
            flush=True,
        )
        n_clusters *= 10


if __name__ == "__main__":
    main()
