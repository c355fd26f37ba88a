"""The stored results of the data examples and of the coverage study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from scs.data._whole import whole_file
from scs.paper.datasets import load_mice, load_student
from scs.paper.examples.cells import read_results
from scs.paper.examples.coverage import coverage_study
from scs.paper.examples.mice import mouse_cells, mouse_splits
from scs.paper.examples.student import fit_students, student_cells


def store_coverage(folder: Path, *, n_jobs: int = -1) -> Iterator[str]:
    """Write coverage.csv; it needs no data.

    Yields
    ------
    str
        What was done.
    """
    table = coverage_study(n_jobs=n_jobs)
    _write(table, folder / "coverage.csv", "%.5g")
    yield f"coverage.csv: {len(table)} rows"


def store_examples(folder: Path, *, n_jobs: int = -1) -> Iterator[str]:
    """Write examples.csv and mice_splits.csv, aggregates only, where both data sets are here.

    Yields
    ------
    str
        What was done, or why it was not.
    """
    try:
        marks, mice = load_student(), load_mice()
    except FileNotFoundError as error:
        yield f"left out, examples.csv and mice_splits.csv stay as they are: {error}"
        return
    students = student_cells(fit_students(marks))
    splits = mouse_splits(mice, n_jobs=n_jobs)
    # Few digits: enough for every use, and no two machines agree on many more.
    _write(splits, folder / "mice_splits.csv", "%.5g")
    # From what is stored, so that the verdicts follow from it without the data.
    mice_judged = mouse_cells(read_results("mice_splits"))
    cells = pd.concat([students, mice_judged], ignore_index=True)
    _write(cells, folder / "examples.csv", "%.8g")
    yield f"examples.csv: {len(cells)} cells; mice_splits.csv: {len(splits)} fits"


def _write(table: pd.DataFrame, path: Path, digits: str) -> None:
    with whole_file(path) as unfinished:
        table.to_csv(unfinished, index=False, float_format=digits)
