"""The student data: two school subjects joined, three marks in each."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scs.paper.datasets.files import read
from scs.paper.datasets.sources import SOURCES, announce

JOIN = [
    "school", "sex", "age", "address", "famsize", "Pstatus", "Medu", "Fedu",
    "Mjob", "Fjob", "reason", "nursery", "internet",
]  # fmt: skip
SUBJECTS = ("mathematics", "Portuguese")
PERIODS = (1, 2, 3)

_JOBS = ("at_home", "health", "other", "services", "teacher")
# Covariates of the specification, in its order.  A tuple lists the levels, the reference first
# (the first in the alphabet, as R takes it); None marks a number, to be standardised.
COVARIATES: dict[str, tuple[str, ...] | None] = {
    "subject": SUBJECTS,
    "school": ("GP", "MS"),
    "sex": ("F", "M"),
    "age": None,
    "address": ("R", "U"),
    "famsize": ("GT3", "LE3"),
    "Medu": None,
    "Fedu": None,
    "Mjob": _JOBS,
    "Fjob": _JOBS,
    "reason": ("course", "home", "other", "reputation"),
}


def load_student(*, download: bool = True, quiet: bool = False) -> pd.DataFrame:
    """Load the student data as one row per student, subject and period.

    Parameters
    ----------
    download : bool
        False: never download, as with SCS_NO_DOWNLOAD=1.
    quiet : bool
        True: do not print source, licence and citation.

    Returns
    -------
    DataFrame, 2,292 rows
        ``student`` (1 to 382, the cluster), ``subject`` ("mathematics" or "Portuguese"),
        ``period`` (1, 2, 3), ``score`` (0 to 20; G1, G2, G3 of the files), then the 13 attributes
        on which the two files are joined.  Sorted by student, subject, period.

    Raises
    ------
    FileNotFoundError
        If the files are not here and cannot be downloaded; the message gives the remedy.
    ValueError
        If a file is not the published table; the message names file, column and remedy.

    Notes
    -----
    The files hold no identifier.  As in the script that comes with them, a row of one is matched
    with every row of the other that agrees on the 13 attributes, which gives 382 pairs.  This is
    not one to one: 358 pairs are, and the other 24 arise where pupils share all 13 attributes,
    four times one pupil matched with two (8 pairs) and four times two with two (16 pairs, of which
    at most 8 can be right).  So the 382 pairs come from 370 rows of mathematics and 374 of
    Portuguese, and some marks count twice.  They are kept, because the paper has 382 students;
    ``ambiguous_students`` names them, so that one can see what they change.

    ``student`` numbers the pairs sorted by the 13 attributes in the order of the columns (text by
    character code), then by the other columns of the mathematics file, then by those of the
    Portuguese file; so the order of rows in the files does not matter.

    References
    ----------
    Cortez & Silva (2008); data: UCI Machine Learning Repository, doi 10.24432/C5TG7T, CC BY 4.0.
    arXiv 2302.03157, section 4.1.
    """
    source = SOURCES["student"]
    tables = read(source, download=download)
    if not quiet:
        announce(source)
    return _long(_pairs(tables["student-mat"], tables["student-por"]))


def _pairs(mathematics: pd.DataFrame, portuguese: pd.DataFrame) -> pd.DataFrame:
    pairs = mathematics.merge(portuguese, on=JOIN, suffixes=(" mathematics", " Portuguese"))
    others = [name for name in pairs.columns if name not in JOIN]
    return pairs.sort_values([*JOIN, *others], kind="stable", ignore_index=True)


def _long(pairs: pd.DataFrame) -> pd.DataFrame:
    marks = [(subject, period) for subject in SUBJECTS for period in PERIODS]
    scores = pairs[[f"G{period} {subject}" for subject, period in marks]].to_numpy()
    row = np.repeat(np.arange(len(pairs)), len(marks))
    identity = pd.DataFrame(
        {
            "student": row + 1,
            "subject": [subject for subject, _ in marks] * len(pairs),
            "period": [period for _, period in marks] * len(pairs),
            "score": scores.ravel(),
        }
    )
    return identity.join(pairs[JOIN].iloc[row].reset_index(drop=True))


def ambiguous_students(table: pd.DataFrame | None = None) -> np.ndarray:
    """Return the students who share all 13 attributes with another, so that the join is unsure.

    Parameters
    ----------
    table : DataFrame, optional
        As ``load_student`` gives it, which is called if there is none.

    Returns
    -------
    ndarray of int
        Values of ``student``, sorted: 24 of the 382.

    Raises
    ------
    ValueError
        If a column is missing; the message names it.
    """
    table = load_student() if table is None else table
    _require(table, ["student", *JOIN])
    students = table.drop_duplicates("student")
    shared = students.duplicated(JOIN, keep=False)
    return np.sort(students.loc[shared, "student"].to_numpy())


def student_design(table: pd.DataFrame | None = None, *, intercept: bool = True) -> pd.DataFrame:
    """Return the covariates of the student example as 20 numeric columns.

    Parameters
    ----------
    table : DataFrame, optional
        As ``load_student`` gives it (which is called if there is none), or some of its rows.
    intercept : bool
        False leaves out the first column, for estimators that have an intercept of their own.

    Returns
    -------
    DataFrame, float64, index as in ``table``
        Intercept; indicators named ``covariate_level`` of subject, school, sex, address and famsize
        (1 each), Mjob and Fjob (4 each) and reason (3); age, Medu and Fedu: 20 columns in all.

    Raises
    ------
    ValueError
        If a column is missing or holds an unknown level or no number; the message names the
        column and the row.

    Notes
    -----
    The paper says "continuous predictors were standardized" and "20 predictors", not which.  Of
    some 2,000 specifications tried, this one meets its OLS figure in Table C1 (10.45442; here
    10.454418, the mean squared residual over all 2,292 rows) and its number of columns.

    Our choices: age and the parents' education (0 to 4) count as continuous; mean 0 and standard
    deviation 1 over the rows of ``table``, with divisor N; the reference level of a factor is the
    first in the alphabet, mathematics for the subject.  OLS predictions do not depend on these
    choices; estimates that penalise coefficients do.

    References
    ----------
    arXiv 2302.03157, section 4.1 and Table C1.
    """
    table = load_student() if table is None else table
    _require(table, list(COVARIATES))
    columns: dict[str, np.ndarray] = {"intercept": np.ones(len(table))} if intercept else {}
    for name, levels in COVARIATES.items():
        if levels is None:
            columns[name] = _standardised(table[name])
        else:
            _require_levels(table[name], levels)
            for level in levels[1:]:
                columns[f"{name}_{level}"] = (table[name] == level).to_numpy(dtype=float)
    return pd.DataFrame(columns, index=table.index)


def _standardised(values: pd.Series) -> np.ndarray:
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float)
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        _refuse_cell(values, wrong, "give a number")
    spread = numbers.std()
    return (numbers - numbers.mean()) / (spread if spread > 0 else 1.0)


def _require(table: pd.DataFrame, names: list[str]) -> None:
    for name in names:
        if name not in table.columns:
            raise ValueError(f"table lacks column {name!r}; give the table of load_student()")


def _require_levels(values: pd.Series, levels: tuple[str, ...]) -> None:
    wrong = ~values.isin(levels).to_numpy(dtype=bool)
    if wrong.any():
        _refuse_cell(values, wrong, f"use one of {', '.join(levels)}")


def _refuse_cell(values: pd.Series, wrong: np.ndarray, remedy: str) -> None:
    row = int(np.argmax(wrong))
    raise ValueError(
        f"table has {values.iloc[row]!r} in column {values.name!r}, row {values.index[row]!r}; "
        f"{remedy}"
    )
