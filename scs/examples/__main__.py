"""Recompute the stored results of the data examples and of the coverage study; some minutes.

Usage: ``python -m scs.examples [coverage]``. With the word it makes only the coverage study, which
needs no data. Without it the examples too, if both data sets are here (`scs data` says how).
"""

import sys

import pandas as pd

from scs.datasets import load_mice, load_student
from scs.examples import (
    coverage_study,
    fit_students,
    mouse_cells,
    mouse_splits,
    read_results,
    results_folder,
    student_cells,
)


def main() -> None:
    """Write coverage.csv, mice_splits.csv and examples.csv to data/results."""
    folder = results_folder()
    folder.mkdir(parents=True, exist_ok=True)
    coverage_study(n_jobs=-1).to_csv(folder / "coverage.csv", index=False, float_format="%.5g")
    if sys.argv[1:] == ["coverage"]:
        return
    try:
        marks, mice = load_student(), load_mice()
    except FileNotFoundError as error:
        print(f"left out, examples.csv and mice_splits.csv stay as they are: {error}")
        return
    students = student_cells(fit_students(marks))
    splits = mouse_splits(mice, n_jobs=-1)
    # Few digits: enough for every use, and no two machines agree on many more.
    splits.to_csv(folder / "mice_splits.csv", index=False, float_format="%.5g")
    # From what is stored, so that the verdicts follow from it without the data.
    cells = pd.concat([students, mouse_cells(read_results("mice_splits"))], ignore_index=True)
    cells.to_csv(folder / "examples.csv", index=False, float_format="%.8g")
    print(cells.groupby(["table", "verdict"]).size().to_string())


if __name__ == "__main__":
    main()
