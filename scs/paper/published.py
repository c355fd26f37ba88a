"""The tables printed in the paper, as tidy rows: one row per published number."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

RECOVERY = ("B1", "B2", "B3", "B4", "B5", "B6", "B8", "B9", "B10", "B11", "B12", "B13")

# Which file of data/published holds which table.
_FILES = {
    **dict.fromkeys(RECOVERY, "recovery.csv"),
    "B7": "sparsity.csv",
    "B14": "icc.csv",
    "1": "runtime.csv",
    "C1": "student_mse.csv",
}

#: Names of the tables, in the order of the paper.
TABLES = ("1", *(f"B{number}" for number in range(1, 15)), "C1")


def data_folder() -> Path:
    """Return the repository's ``data`` folder, or ``data`` in the current directory.

    The second case is that of a package installed away from its repository: then whoever runs
    it decides, by the directory in which it is run, where data lie.

    Returns
    -------
    Path
        The folder; it need not exist.
    """
    repository = Path(__file__).resolve().parents[2]
    root = repository if (repository / "pyproject.toml").is_file() else Path.cwd()
    return root / "data"


def published(name: str) -> pd.DataFrame:
    """Return one table of the paper, one row per published number.

    Parameters
    ----------
    name : str
        "1", "B1" to "B14" or "C1"; "Table B1" and lower case are understood too.

    Returns
    -------
    DataFrame
        Always with the column ``table``; the others depend on the table:

        - B1-B6, B8-B13 (squared l2 errors): ``regime`` ("sparse" or "gaussian"), ``dimension``
          ("low", "medium", "high"), ``level`` as printed ("90%" true sparsity, or "10.0", the
          variance of the cluster effects), ``parameter`` ("beta" or "gamma"), ``method``,
          ``value``, ``bold`` (True where the paper prints the number in bold).
        - B7: ``true_sparsity_percent``, ``dimension``, ``mio_sparsity_percent``.
        - B14: ``dimension``, ``true_icc_percent``, ``method``, ``icc_percent``.
        - 1: ``dimension``, ``method``, ``runtime_ms``.   C1: ``method``, ``mse``.

    Raises
    ------
    ValueError
        If the paper has no such table; the message lists the names.
    FileNotFoundError
        If the repository's ``data/published`` is not there; run from a clone of the repository.

    References
    ----------
    arXiv 2302.03157: Table 1, and Tables B1-B14 and C1 of its supplement.
    """
    key = str(name).strip().upper().removeprefix("TABLE").strip()
    if key not in _FILES:
        raise ValueError(f"name {name!r} is no table of the paper; use one of {', '.join(TABLES)}")
    rows = _read(_FILES[key])
    return rows[rows["table"] == key].reset_index(drop=True)


def _read(file: str) -> pd.DataFrame:
    path = data_folder() / "published" / file
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing; work in a clone of the repository, which holds data/published"
        )
    # As text, or the table named "1" would become a number.
    rows = pd.read_csv(path, dtype={"table": str, "level": str})
    if "bold" in rows:
        rows["bold"] = rows["bold"] == "yes"
    return rows
