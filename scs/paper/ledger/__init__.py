"""The ledger: every number the paper prints beside ours, its error, a verdict and the evidence.

`verdicts` says what a number can be called, `cells` sets the printed cells beside a run, `scatter`,
`laws`, `sparsity` and `icc` test causes and readings, `judge` asks them in order, `times` and
`laplace` hold what is known of Table 1 and of one column, `checks` the replications behind some
verdicts, and `ledger` the whole, stored. The data examples come with verdicts of their own:
`scs.paper.examples` says how.
"""

from scs.paper.ledger.cells import (
    HIGH_SPARSE,
    LAPLACE,
    cells,
    doubtful,
    expected_by_chance,
    misses,
    same_law,
)
from scs.paper.ledger.checks import (
    BOOK_REPS,
    BOOK_SEED,
    Checks,
    checks_beside,
    read_checks,
    store_checks,
)
from scs.paper.ledger.judge import judged
from scs.paper.ledger.ledger import ledger, moved, read_cells, read_ledger, write_ledger
from scs.paper.ledger.scatter import column_scatter, effective_replications, shared_draws
from scs.paper.ledger.sparsity import attainable_sparsity, recorded
from scs.paper.ledger.times import times_beside
from scs.paper.ledger.verdicts import (
    COLUMNS,
    EXPLAINED,
    INCOMPARABLE,
    LIMIT,
    READING,
    REPRODUCED,
    UNEXPLAINED,
    VERDICTS,
    Finding,
    z_text,
)

__all__ = [
    "BOOK_REPS",
    "BOOK_SEED",
    "COLUMNS",
    "EXPLAINED",
    "HIGH_SPARSE",
    "INCOMPARABLE",
    "LAPLACE",
    "LIMIT",
    "READING",
    "REPRODUCED",
    "UNEXPLAINED",
    "VERDICTS",
    "Checks",
    "Finding",
    "attainable_sparsity",
    "cells",
    "checks_beside",
    "column_scatter",
    "doubtful",
    "effective_replications",
    "expected_by_chance",
    "judged",
    "ledger",
    "misses",
    "moved",
    "read_cells",
    "read_checks",
    "read_ledger",
    "recorded",
    "same_law",
    "shared_draws",
    "store_checks",
    "times_beside",
    "write_ledger",
    "z_text",
]
