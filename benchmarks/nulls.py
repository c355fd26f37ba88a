"""Real nulls: how often anybody is named where labels are permuted, so that nobody differs.

    python benchmarks/nulls.py --tables FOLDER
    python benchmarks/nulls.py --tables FOLDER --runs 1000 --only Exam Hsb82
    python benchmarks/nulls.py --simulated --runs 50     settings of known truth instead

FOLDER holds the analyses as CSV files, NAME.csv beside a list ``lme4.csv`` of name, file, formula
and cluster; without it the students and the mice alone are tried. Every cluster keeps its number of
rows and errors keep the law that they have in the data. Names are those of the rule, before the
proof, which can only take names away. The target is names in at most 15 % of runs: 10 % is asked
for, and the background is estimated. "auto" is the default, the law of errors that the residuals
choose; beside it the normal law, and the normal law with the background known to be none.

With --simulated: share of wrong names, its Monte Carlo error and power under "auto" and "normal",
where errors are normal, heavy-tailed, skewed or of unequal variance, with and without effects.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from scs import load_mice, load_student
from scs.data.design import Design
from scs.data.rows import model_rows
from scs.estimators.selection import ErrorLaw
from scs.inference.naming import name_clusters
from scs.moments.moments import Moments
from scs.paper.datasets import student_design
from scs.paper.naming import SETTINGS, Setting, dataset_rng, draw, permuted_null

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


def named(design: Design) -> tuple[bool, bool, bool, bool]:
    """Return whether anybody is named: by default, normally, over no background; and if not normal.

    The last says whether the residuals chose another law than the normal one.
    """
    moments = Moments.from_design(design, intercept=True)
    law = ErrorLaw.of(moments, design, "auto")
    return (
        len(name_clusters(moments, null=law.null).support) > 0,
        len(name_clusters(moments).support) > 0,
        len(name_clusters(moments, background=0.0).support) > 0,
        law.name != "normal",
    )


def simulated_settings() -> list[Setting]:
    """Return settings of every law of errors, where some differ and where nobody does."""
    laws = ("normal", "t3", "exponential", "unequal")
    plain = Setting("300 clusters")
    found = [each for each in SETTINGS if not each.normal or each.name in ("delta 1", "tau 0.15")]
    found += [
        replace(plain, name=f"tau 0.15, {law}", errors=law, tau=0.15, delta=(1.5, 1.5))
        for law in laws[1:]
    ]
    return found + [
        replace(plain, name=f"nobody of {size}, {law}", errors=law, share=0.0, n_clusters=size)
        for law in laws
        for size in (300, 50)
    ]


def simulate(runs: int) -> None:
    """Print wrong names, with error, and power of each setting."""
    print(f"{'setting':>27} | auto: wrong (error) power | normal: wrong (error) power")
    for case in simulated_settings():
        scores = []
        for number in range(runs):
            drawn = draw(case, dataset_rng(case.name, 10_000 + number))
            law = ErrorLaw.of(drawn.moments, drawn.design, "auto")
            row = []
            for null in (law.null, None):
                support = name_clusters(drawn.moments, null=null).support
                wrong = int((drawn.effect[support] == 0).sum())
                row += [wrong / max(len(support), 1)]
                row += [(len(support) - wrong) / max(np.count_nonzero(drawn.effect), 1)]
            scores.append(row)
        mean, error = np.mean(scores, axis=0), np.std(scores, axis=0, ddof=1) / np.sqrt(runs)
        print(
            f"{case.name:>27} | {mean[0]:>11.3f} ({error[0]:.3f}) {mean[1]:>5.2f} | "
            f"{mean[2]:>13.3f} ({error[2]:.3f}) {mean[3]:>5.2f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, help="folder of CSV files and lme4.csv")
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--simulated", action="store_true", help="settings of known truth instead")
    parser.add_argument("--only", nargs="+", help="analyses by name")
    parser.add_argument("--seconds", type=float, default=40.0, help="for each analysis at most")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    if arguments.simulated:
        simulate(arguments.runs)
        return
    head = "runs  auto (error)   normal  tau 0  not normal | held"
    print(f"{'analysis':>16} {'K':>4} {'N':>5} | {head}")
    for name, design in analyses(arguments.tables):
        if arguments.only and name not in arguments.only:
            continue
        runs = []
        started = time.process_time()
        for stream in np.random.SeedSequence(0).spawn(arguments.runs):
            runs.append(named(permuted_null(design, np.random.default_rng(stream))))
            if time.process_time() - started > arguments.seconds:
                break
        auto, normal, none_known, other = np.mean(runs, axis=0)
        error = np.sqrt(auto * (1 - auto) / len(runs))
        print(
            f"{name:>16} {len(design.labels):>4} {len(design.y):>5} | {len(runs):>4} "
            f"{auto:>5.3f} ({error:.3f}) {normal:>7.3f} {none_known:>6.3f} {other:>10.2f} | "
            f"{'yes' if auto <= TARGET else 'no'}",
            flush=True,
        )


if __name__ == "__main__":
    main()
