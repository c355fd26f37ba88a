"""The paper's two data examples, recomputed, with a verdict on each published number.

Beside them a study of how often intervals after a selection hold the truth.

`scs results` writes what needs the data to data/results, so that the book and the ledger can be
read without them: aggregates, no row of any data set.
"""

from scs.paper.examples.cells import read_results, results_folder
from scs.paper.examples.coverage import coverage_study
from scs.paper.examples.mice import PROTEINS, covariates_of, mouse_cells, mouse_splits, split_rows
from scs.paper.examples.store import store_coverage, store_examples
from scs.paper.examples.student import (
    StudentFits,
    equally_good,
    fit_students,
    near_printed_threshold,
    student_cells,
)
from scs.paper.ledger import COLUMNS, VERDICTS

__all__ = [
    "COLUMNS",
    "PROTEINS",
    "VERDICTS",
    "StudentFits",
    "covariates_of",
    "coverage_study",
    "equally_good",
    "fit_students",
    "mouse_cells",
    "mouse_splits",
    "near_printed_threshold",
    "read_results",
    "results_folder",
    "split_rows",
    "store_coverage",
    "store_examples",
    "student_cells",
]
