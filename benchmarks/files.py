"""Moments of a Parquet file larger than one would hold: seconds, peak memory, and a peer's.

    python benchmarks/files.py [ROWS] [--clusters 10000 1000000] [--repeats 3]

10 covariates, an outcome, a whole-number cluster label; ROWS (10^7 unless said) and a tenth of it,
for memory that depends on the rows would show. Every measurement is a process of its own, whose
resident memory (psutil, every 10 ms) counts what Arrow holds too; "base" is such a process with
the imports done and nothing read. One BLAS thread; pyarrow decodes in its own threads where the
row says so. The peers, measured in turn with ours:

    scan     every column read and thrown away: the floor
    pandas   the whole file read, groupby sums, one X'X: what one would write in a notebook
    arrow    the whole file read, pyarrow's own group_by sums, no cross-products
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

COVARIATES = [f"x{j}" for j in range(10)]
COLUMNS = [*COVARIATES, "y"]
CHUNK = 1_000_000


def make(path: Path, n_rows: int, n_clusters: int) -> None:
    """Write the file by chunks; clusters come in random order, the worst case for merging."""
    rng = np.random.default_rng(0)
    gamma = rng.choice([0.0, 5.0], n_clusters, p=[0.9, 0.1])
    writer = None
    for start in range(0, n_rows, CHUNK):
        size = min(CHUNK, n_rows - start)
        X = rng.normal(size=(size, len(COVARIATES)))
        clusters = rng.integers(0, n_clusters, size)
        data = dict(zip(COVARIATES, X.T))
        data["y"] = X.sum(axis=1) + gamma[clusters] + rng.normal(size=size)
        table = pa.table({**data, "cluster": clusters})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()


def ours(path: str, n_jobs: int) -> None:
    from scs import Moments

    Moments.from_files(path, outcome="y", cluster="cluster", covariates=COVARIATES, n_jobs=n_jobs)


def one_thread(path: str) -> None:
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    ours(path, 1)


def scan(path: str) -> None:
    for _ in ds.dataset(path).to_batches(batch_size=131_072, batch_readahead=2):
        pass


def with_pandas(path: str) -> None:
    import pandas as pd

    frame = pd.read_parquet(path)
    frame.groupby("cluster")[COLUMNS].agg("sum")
    frame.groupby("cluster").size()
    values = frame[COLUMNS].to_numpy()
    values.T @ values


def with_arrow(path: str) -> None:
    table = pq.read_table(path)
    table.group_by("cluster").aggregate([(name, "sum") for name in COLUMNS] + [([], "count_all")])


WAYS = {
    "base": lambda path: None,
    "ours, decoding threads": lambda path: ours(path, 1),
    "ours, one thread": one_thread,
    "ours, n_jobs=2": lambda path: ours(path, 2),
    "scan": scan,
    "pandas": with_pandas,
    "arrow": with_arrow,
}


def child(way: str, path: str) -> None:
    importlib.import_module("scs.moments.files")  # not part of the measurement

    start, cpu = time.perf_counter(), time.process_time()
    WAYS[way](path)
    print(time.perf_counter() - start, time.process_time() - cpu)


def measure(way: str, path: Path) -> tuple[float, float, float]:
    """Return seconds, CPU seconds (without children), and the peak of resident memory in MB."""
    command = [sys.executable, __file__, "--child", way, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    watched, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        try:
            family = [watched, *watched.children(recursive=True)]
            peak = max(peak, sum(one.memory_info().rss for one in family))
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.01)
    if process.returncode:
        raise SystemExit(f"{way} failed")
    seconds, cpu = map(float, process.stdout.read().split())
    return seconds, cpu, peak / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=int, nargs="?", default=10_000_000)
    parser.add_argument("--clusters", type=int, nargs="+", default=[10_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        for n_clusters in options.clusters:
            for n_rows in (max(1, options.rows // 10), options.rows):
                path = Path(folder) / "table.parquet"
                make(path, n_rows, n_clusters)
                report(path, n_rows, n_clusters, options.repeats)


def report(path: Path, n_rows: int, n_clusters: int, repeats: int) -> None:
    size = path.stat().st_size / 1e6
    print(f"\nN = {n_rows:,}, K = {n_clusters:,}, file {size:.0f} MB; median (range) of {repeats}")
    print(
        f"{'':>24} {'seconds':>8} {'(range)':>15} {'CPU s':>6} {'peak MB':>8} {'time / ours':>12}"
    )
    found: dict[str, list] = {way: [] for way in WAYS}
    for _ in range(repeats):  # in turn, so that a busy minute hits all alike
        for way in WAYS:
            found[way].append(measure(way, path))
    seconds = {way: [one[0] for one in runs] for way, runs in found.items()}
    mine = seconds["ours, decoding threads"]
    for way, runs in found.items():
        spread = f"({min(seconds[way]):.2f}-{max(seconds[way]):.2f})"
        ratio = statistics.median(a / b for a, b in zip(seconds[way], mine))
        cpu, peak = (statistics.median(one[i] for one in runs) for i in (1, 2))
        print(
            f"{way:>24} {statistics.median(seconds[way]):8.2f} {spread:>15} {cpu:6.2f} {peak:8.0f} "
            f"{ratio:11.1f}x"
        )


if __name__ == "__main__":
    main()
