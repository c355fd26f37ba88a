"""Scenarios x replications x methods to one tidy table: the paper's simulation study (Section 3).

Each replication is fitted in two arms. "published" is what the paper's tables are made of: OLS and
the mixed models see the training rows alone, the MIO pipeline training and validation rows. In
"equal" every method sees both. MIO is the same fit in both arms; two variants of it, with a small
ridge and refitted without one, are in the second.
"""

from scs.paper.experiment.replication import (
    ARMS,
    METHODS,
    SMALL_RIDGE,
    VARIANTS,
    code_version,
    fit_replication,
)
from scs.paper.experiment.run import run_experiment
from scs.paper.experiment.stored import Stored, load_or_run, read_stored, write_stored

__all__ = [
    "ARMS",
    "METHODS",
    "SMALL_RIDGE",
    "VARIANTS",
    "Stored",
    "code_version",
    "fit_replication",
    "load_or_run",
    "read_stored",
    "run_experiment",
    "write_stored",
]
