"""What ``data/results`` holds: long runs that the chapters read, and the ledger made of them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from scs.data._whole import whole_file
from scs.data.errors import UsageError
from scs.paper import examples, scaling
from scs.paper.experiment import METHODS, VARIANTS, read_stored, run_experiment, write_stored
from scs.paper.ledger import (
    BOOK_REPS,
    BOOK_SEED,
    VERDICTS,
    cells,
    doubtful,
    ledger,
    moved,
    read_cells,
    read_checks,
    read_ledger,
    store_checks,
    write_ledger,
)
from scs.paper.ledger.candidates import store_candidates
from scs.paper.naming import store_naming
from scs.paper.simulate import icc_scenarios, scenarios

#: The parts of `make_results`, in the order in which they are made.
PARTS = ("scaling", "coverage", "naming", "examples", "simulation", "checks", "ledger")
_LARGEST = 1_000_000  # clusters of the scaling table


def make_results(root: Path, parts: tuple[str, ...] = PARTS, *, n_jobs: int = -1) -> Iterator[str]:
    """Make the stored results again.

    Parameters
    ----------
    root : Path
        Of the repository.
    parts : tuple of str
        Of ``PARTS``.
    n_jobs : int
        Worker processes; -1 for all cores.

    Yields
    ------
    str
        What was done, and what moved.
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise UsageError(f"no part named {unknown[0]!r}. There are: {', '.join(PARTS)}.")
    folder = root / "data" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    make = {
        "scaling": lambda: _scaling(folder),
        "coverage": lambda: examples.store_coverage(folder, n_jobs=n_jobs),
        "naming": lambda: store_naming(folder, n_jobs=n_jobs),
        "examples": lambda: examples.store_examples(folder, n_jobs=n_jobs),
        "simulation": lambda: _simulation(root, folder, n_jobs),
        "checks": lambda: _checks(folder),
        "ledger": lambda: _ledger(folder),
    }
    for part in PARTS:  # in this order: the ledger needs the others
        if part in parts:
            yield from make[part]()


def _scaling(folder: Path) -> Iterator[str]:
    table = scaling.scaling(_LARGEST)
    with whole_file(folder / "scaling.csv") as unfinished:
        table.to_csv(unfinished, index=False)
    yield f"scaling.csv: {len(table)} solves, up to {table.n_clusters.max():,} clusters"


def _simulation(root: Path, folder: Path, n_jobs: int) -> Iterator[str]:
    pieces = root / "_build" / "experiment"
    rows = run_experiment(
        scenarios() + icc_scenarios(),
        BOOK_REPS,
        seed=BOOK_SEED,
        n_jobs=n_jobs,
        store=pieces,
        progress=True,
    )
    write_stored(rows, reps=BOOK_REPS, seed=BOOK_SEED, methods=METHODS + VARIANTS, folder=folder)
    shutil.rmtree(pieces)  # the run is whole: the next one begins from nothing
    yield f"simulation.parquet: {len(rows)} fits, {int(rows.error.notna().sum())} failed"


def _checks(folder: Path) -> Iterator[str]:
    yield from store_checks(doubtful(cells(read_stored(folder).rows)), folder)
    yield from store_candidates(folder)


def _ledger(folder: Path) -> Iterator[str]:
    file = folder / "examples.csv"
    known = read_cells(file) if file.is_file() else None
    if known is None:
        yield "examples.csv is not there: the ledger is without the data examples"
    try:
        old = read_ledger(folder)
    except FileNotFoundError:
        old = None
    rows = read_stored(folder).rows
    write_ledger(ledger(rows, known, read_checks(folder)), folder)
    new = read_ledger(folder)
    counts = new.verdict.value_counts()
    told = ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in VERDICTS)
    yield f"ledger.csv: {len(new)} cells: {told}"
    yield from ["ledger.csv: new"] if old is None else moved(old, new)
