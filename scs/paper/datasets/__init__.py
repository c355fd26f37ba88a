"""The paper's two data sets: found, checked by content, and given as tidy tables.

Files are looked for in the folder that SCS_DATA_DIR names, then in data/raw of the repository;
if they are in neither, they are downloaded from UCI into data/raw (SCS_NO_DOWNLOAD=1 forbids it).

In the order the data flow: sources (what they are), tables (bytes to table), check (is it the
published table?), fetch (from UCI), files (where they are), student and mice (the tables for
use), report (`scs data`).  `python -m scs.paper.datasets.digest` refreshes expected.py.
"""

from scs.paper.datasets.mice import load_mice
from scs.paper.datasets.report import available, status
from scs.paper.datasets.sources import Source, source
from scs.paper.datasets.student import ambiguous_students, load_student, student_design

__all__ = [
    "Source",
    "ambiguous_students",
    "available",
    "load_mice",
    "load_student",
    "source",
    "status",
    "student_design",
]
