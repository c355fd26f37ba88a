"""How far one has to walk to follow what a user does: files, rooms and changes of room, by tracing.

    python tests/journeys.py [PATH_OF_ANOTHER_CHECKOUT]

Three journeys, each in a process of its own: a CSV file through the command, arrays through the
estimator, a scenario into the ledger. Every call of a function of the package is seen. A file is
counted where a function of it was called; a change of room is a function of one room that calls a
function of another, counted once however often it does. Imports, and what runs while modules are
loaded, are no part of a journey.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
JOURNEYS = ("command", "estimator", "ledger")


@dataclass
class Trace:
    """What was called, in a package that lies in ``folder``."""

    folder: str
    files: set[str] = field(default_factory=set)
    crossings: Counter = field(default_factory=Counter)

    def __call__(self, frame, event: str, _: object) -> None:
        """Note a call; given to `sys.setprofile`."""
        if event != "call" or frame.f_code.co_name == "<module>":
            return
        here = self._file(frame)
        if here is None:
            return
        self.files.add(here)
        caller = frame.f_back
        while caller is not None and (there := self._file(caller)) is None:
            caller = caller.f_back  # through a library: joblib, SCIP, scikit-learn
        if caller is not None and room_of(there) != room_of(here):
            calling, called = caller.f_code.co_qualname, frame.f_code.co_qualname
            self.crossings[f"{there}:{calling}", f"{here}:{called}"] += 1

    def _file(self, frame) -> str | None:
        name = frame.f_code.co_filename
        return name[len(self.folder) :] if name.startswith(self.folder) else None

    def record(self) -> dict:
        """Return the counts, fit for JSON."""
        return {
            "files": sorted(self.files),
            "rooms": sorted({room_of(file) for file in self.files} - {""}),
            "room changes": len(self.crossings),
            "calls across": self.crossings.total(),
        }


def room_of(file: str) -> str:
    """Return the folder of the package that a file lies in; "" for those at its top."""
    return file.split(os.sep)[0] if os.sep in file else ""


def _command(folder: Path) -> None:
    from scs.cli import main

    rows = [f"{(i * 7) % 11 + 9 * (i % 5 == 0)},{(i * 3) % 8},{'abcde'[i % 5]}" for i in range(60)]
    (folder / "t.csv").write_text("\n".join(["y,x,g", *rows]) + "\n")
    options = ["--outcome", "y", "--cluster", "g", "--budget", "1", "--bootstrap", "0"]
    if main(["fit", str(folder / "t.csv"), *options]):
        raise RuntimeError("the command did not fit")


def _estimator(_: Path) -> None:
    import numpy as np

    import scs

    X = np.array([[(i * 3) % 8, (i * 5) % 9] for i in range(60)], dtype=float)
    y = np.array([(i * 7) % 11 + 9 * (i % 5 == 0) for i in range(60)], dtype=float)
    clusters = np.array(["abcde"[i % 5] for i in range(60)])
    scs.SignificantClusterRegressor(1).fit(X, y, clusters).predict(X, clusters)


def _ledger(_: Path) -> None:
    import scs
    from scs.paper.ledger import judged

    first = scs.scenarios()[0]
    column = [
        each
        for each in scs.scenarios()
        if (each.regime, each.dimension) == (first.regime, first.dimension)
    ]
    judged(scs.run_experiment(column, reps=2, seed=0, n_jobs=1), ["B1"])


def _walk(journey: str) -> dict:
    """Walk twice, for the first time loads modules and fills caches; trace the second."""
    import scs

    walk = {"command": _command, "estimator": _estimator, "ledger": _ledger}[journey]
    trace = Trace(str(Path(scs.__file__).parent) + os.sep)
    with tempfile.TemporaryDirectory() as folder:
        walk(Path(folder))
        sys.setprofile(trace)
        try:
            walk(Path(folder))
        finally:
            sys.setprofile(None)
    return trace.record()


def walked(journey: str, root: Path = ROOT) -> dict:
    """Return the record of a journey through the package of a checkout, in a fresh process.

    Parameters
    ----------
    journey : {"command", "estimator", "ledger"}
    root : Path
        Of the checkout; its package need not be installed.
    """
    done = subprocess.run(
        [sys.executable, __file__, "--walk", journey],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main(root: Path) -> None:
    """Print the counts of each journey."""
    print("journey       files  rooms  room changes  calls across")
    for journey in JOURNEYS:
        record = walked(journey, root)
        files, rooms = len(record["files"]), len(record["rooms"])
        changes, calls = record["room changes"], record["calls across"]
        print(f"{journey:<12}{files:>7}{rooms:>7}{changes:>14}{calls:>14}", *record["rooms"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--walk"]:
        print(json.dumps(_walk(sys.argv[2])))
    else:
        main(Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT)
