"""The book's full run: a table in ``data/results`` with what made it, read where it still holds."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import pandas as pd
from joblib import cpu_count

from scs.data._whole import whole_file, write_whole
from scs.paper.experiment.replication import METHODS, VARIANTS, code_version
from scs.paper.experiment.run import run_experiment
from scs.paper.published import data_folder
from scs.paper.simulate import Scenario

_PACKAGES = ("numpy", "scipy", "scikit-learn")
_NAMES = ["regime", "dimension", "level", "arm", "method"]


class DamagedRun(ValueError):
    """A stored run is not what was stored; the message says why."""


@dataclass(frozen=True, eq=False)
class Stored:
    """A finished run and its provenance.

    Attributes
    ----------
    rows : DataFrame
        Of `run_experiment`.
    reps, seed : int
    methods : tuple of str
    code : str
        Digest of the code that computed it, `code_version` of that day.
    made_with : dict
        Python, packages, processor, workers.
    checksum : str
        SHA-256 of the table's file; empty in runs that were stored before there was one.
    """

    rows: pd.DataFrame
    reps: int
    seed: int
    methods: tuple[str, ...]
    code: str
    made_with: dict
    checksum: str = ""

    @property
    def current(self) -> bool:
        """Whether today's code is the code that computed it."""
        return self.code == code_version()


def write_stored(
    rows: pd.DataFrame, *, reps: int, seed: int, methods: Sequence[str], folder: Path | None = None
) -> None:
    """Write a run to ``data/results/simulation.parquet`` and its provenance beside it.

    Parameters
    ----------
    rows : DataFrame
        Of `run_experiment`. Scores keep seven digits.
    reps, seed, methods
        The configuration that made it.
    folder : Path, optional
        Default: ``data/results``.
    """
    table_file, about_file = _files(folder)
    table_file.parent.mkdir(parents=True, exist_ok=True)
    small = rows.astype({name: "float32" for name in rows.select_dtypes("float64")})
    small = small.astype({name: "category" for name in _NAMES})
    with whole_file(table_file) as unfinished:
        small.to_parquet(unfinished, index=False, compression="zstd", compression_level=19)
    about = {
        "reps": reps,
        "seed": seed,
        "methods": list(methods),
        "code": code_version(),
        "made_with": {
            "python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
            "processor": platform.machine(),
            "system": sys.platform,
            "workers": cpu_count(),
        },
        "checksum": hashlib.sha256(table_file.read_bytes()).hexdigest(),
    }
    write_whole(about_file, json.dumps(about, indent=2) + "\n")


def read_stored(folder: Path | None = None) -> Stored:
    """Return the stored run.

    Raises
    ------
    FileNotFoundError
        There is none: ``make reproduce`` makes it.
    DamagedRun
        It cannot be read, or its table is not the one that was stored.
    """
    table_file, about_file = _files(folder)
    for file in (table_file, about_file):
        if not file.is_file():
            raise FileNotFoundError(
                f"{file.name} is not in data/results: `make reproduce` makes it."
            )
    content = table_file.read_bytes()
    try:
        about = json.loads(about_file.read_text(encoding="utf-8"))
        checksum = about.get("checksum", "")
        about["methods"] = tuple(about["methods"])
        intact = checksum in ("", hashlib.sha256(content).hexdigest())
        rows = pd.read_parquet(BytesIO(content)) if intact else pd.DataFrame()
        stored = Stored(rows=rows, **about)
    except Exception as error:  # damage may raise anything
        raise DamagedRun(
            f"the stored run cannot be read ({type(error).__name__}): `make reproduce` makes it."
        ) from None
    if not intact:
        raise DamagedRun(
            f"{table_file.name} is not the table that {about_file.name} describes (checksum): "
            "`make reproduce` makes it."
        )
    rows = rows.astype({name: "float64" for name in rows.select_dtypes("float32")})
    return replace(stored, rows=rows.astype({name: "object" for name in _NAMES}))


def load_or_run(
    scenarios: Sequence[Scenario],
    reps: int = 100,
    seed: int = 0,
    *,
    methods: Sequence[str] = METHODS + VARIANTS,
    stored: bool = True,
    n_jobs: int = -1,
) -> pd.DataFrame:
    """Return `run_experiment`'s table, from the stored run where that holds the very same numbers.

    A replication depends on its scenario, its number and the seed alone, so the first ``reps`` of
    the stored ones are those that would be computed. They count only if they were made by today's
    code; a random part of them is computed again by the test suite.

    Parameters
    ----------
    scenarios, reps, seed, methods, n_jobs
        As for `run_experiment`.
    stored : bool
        False: compute in any case.
    """
    if stored:
        found = _from_stored(scenarios, reps, seed, methods)
        if found is not None:
            return found
    folder = data_folder().parent / "_build" / "experiment"
    return run_experiment(
        scenarios, reps, methods, seed, n_jobs=n_jobs, store=folder, progress=True
    )


def _from_stored(
    scenarios: Sequence[Scenario], reps: int, seed: int, methods: Sequence[str]
) -> pd.DataFrame | None:
    try:
        run = read_stored()
    except FileNotFoundError:
        return None
    except DamagedRun as error:
        print(f"scs: note: {error} Computed again here.", file=sys.stderr)
        return None
    if run.current and not run.checksum:
        print("scs: note: the stored run has no checksum. Computed again here.", file=sys.stderr)
        return None
    if (
        not run.current
        or run.seed != seed
        or run.reps < reps
        or not set(methods) <= set(run.methods)
    ):
        return None
    rows = run.rows[(run.rows.replication < reps) & run.rows.method.isin(methods)]
    keys = pd.MultiIndex.from_frame(rows[["regime", "dimension", "level"]])
    wanted = [(each.regime, each.dimension, each.level) for each in scenarios]
    if not set(wanted) <= set(keys):
        return None
    return rows[keys.isin(wanted)].reset_index(drop=True)


def _files(folder: Path | None) -> tuple[Path, Path]:
    folder = folder or data_folder() / "results"
    return folder / "simulation.parquet", folder / "simulation.json"
