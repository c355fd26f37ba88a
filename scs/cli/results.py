"""The full simulation run and the ledger made of it: what ``data/results`` holds."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from scs.experiment import METHODS, VARIANTS, run_experiment, write_stored
from scs.ledger import VERDICTS, ledger, moved, read_ledger, write_ledger
from scs.simulate import icc_scenarios, scenarios

_REPS, _SEED = 100, 0  # the paper's number of replications


def make_results(root: Path, *, n_jobs: int = -1) -> Iterator[str]:
    """Run all simulations, or what is not yet finished of them, and judge every cell.

    Parameters
    ----------
    root : Path
        Of the repository.
    n_jobs : int
        Worker processes; -1 for all cores.

    Yields
    ------
    str
        What was done, and what moved.
    """
    folder = root / "data" / "results"
    pieces = root / "_build" / "experiment"
    rows = run_experiment(
        scenarios() + icc_scenarios(),
        _REPS,
        seed=_SEED,
        n_jobs=n_jobs,
        store=pieces,
        progress=True,
    )
    write_stored(rows, reps=_REPS, seed=_SEED, methods=METHODS + VARIANTS, folder=folder)
    shutil.rmtree(pieces)  # the run is whole: the next one begins from nothing
    yield f"simulation.parquet: {len(rows)} fits, {int(rows.error.notna().sum())} failed"
    examples = folder / "examples.csv"
    if examples.is_file():
        examples = pd.read_csv(examples, dtype={"table": str, "row": str})
    else:
        yield "examples.csv is not there: the ledger is without the data examples"
        examples = None
    try:
        old = read_ledger(folder)
    except FileNotFoundError:
        old = None
    write_ledger(ledger(rows, examples), folder)
    new = read_ledger(folder)
    counts = new.verdict.value_counts()
    told = ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in VERDICTS)
    yield f"ledger.csv: {len(new)} cells: {told}"
    yield from ["ledger.csv: new"] if old is None else moved(old, new)
