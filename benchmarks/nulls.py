"""Real nulls: how often anybody is named where labels are permuted, so that nobody differs.

    python benchmarks/nulls.py --tables FOLDER
    python benchmarks/nulls.py --tables FOLDER --runs 1000 --only Exam Hsb82

FOLDER holds the analyses as CSV files, NAME.csv beside a list ``lme4.csv`` of name, file, formula
and cluster; without it the students and the mice alone are tried. Every cluster keeps its number of
rows and errors keep the law that they have in the data. Names are those of the rule, before the
proof, which can only take names away. The target is names in at most 15 % of runs: 10 % is asked
for, and the background is estimated. Beside: the same with the background known to be none, and
with the law of the residuals in those runs in which the summary advises it, for an excess kurtosis
above 1.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from scs import load_mice, load_student
from scs.data.design import Design
from scs.data.rows import model_rows
from scs.inference.naming import name_clusters
from scs.inference.residual_null import KURTOSIS_ADVICE, ResidualNull
from scs.moments.moments import Moments
from scs.paper.datasets import student_design
from scs.paper.naming import permuted_null

TARGET = 0.15
PROTEINS = ("SOD1_N", "pERK_N", "BDNF_N")


def analyses(folder: Path | None) -> Iterator[tuple[str, Design]]:
    """Yield name and rows of each analysis that is here."""
    if folder is not None:
        listed = pd.read_csv(folder / "lme4.csv")
        for each in listed.itertuples():
            table = pd.read_csv(folder / f"{each.file}.csv")
            yield each.name, model_rows(each.formula, table, each.cluster, missing="drop").design
    try:
        marks, mice = load_student(quiet=True), load_mice(quiet=True)
    except FileNotFoundError as error:
        print(f"left out: {error}")
        return
    X = student_design(marks, intercept=False)
    yield "students", Design.from_table(X, marks["score"], marks["student"])
    for protein in PROTEINS:
        formula = f"{protein} ~ genotype * treatment * behavior"
        yield f"mice, {protein}", model_rows(formula, mice, "mouse").design


def named(design: Design) -> tuple[bool, bool, bool]:
    """Return whether the rule names anybody: as by default, over no background, as advised."""
    moments = Moments.from_design(design, intercept=True)
    usual = len(name_clusters(moments).support) > 0
    null = ResidualNull.from_rows(design.X, design.y, design.codes, moments)
    advised = usual
    if null.histogram.excess_kurtosis > KURTOSIS_ADVICE:
        advised = len(name_clusters(moments, null=null).support) > 0
    return usual, len(name_clusters(moments, background=0.0).support) > 0, advised


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, help="folder of CSV files and lme4.csv")
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--only", nargs="+", help="analyses by name")
    parser.add_argument("--seconds", type=float, default=40.0, help="for each analysis at most")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    print(f"{'analysis':>16} {'K':>4} {'N':>5} | runs  named (error)  tau 0  advised | held")
    for name, design in analyses(arguments.tables):
        if arguments.only and name not in arguments.only:
            continue
        runs = []
        started = time.process_time()
        for stream in np.random.SeedSequence(0).spawn(arguments.runs):
            runs.append(named(permuted_null(design, np.random.default_rng(stream))))
            if time.process_time() - started > arguments.seconds:
                break
        usual, none_known, advised = np.mean(runs, axis=0)
        error = np.sqrt(usual * (1 - usual) / len(runs))
        print(
            f"{name:>16} {len(design.labels):>4} {len(design.y):>5} | {len(runs):>4} "
            f"{usual:>6.3f} ({error:.3f}) {none_known:>6.3f} {advised:>8.3f} | "
            f"{'yes' if usual <= TARGET else 'no'}",
            flush=True,
        )


if __name__ == "__main__":
    main()
