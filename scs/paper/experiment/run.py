"""Many replications, on one core or on a cluster, none of them computed twice."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from numbers import Integral
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from scs.paper.experiment.pieces import NotAPiece, piece_file, read_piece, write_piece
from scs.paper.experiment.replication import METHODS, VARIANTS, code_version, fit_replication
from scs.paper.simulate import Scenario

_BLOCK = 10  # replications that are finished, and saved, together


@dataclass(frozen=True)
class _Piece:
    """Some replications of one scenario."""

    scenario: Scenario
    first: int
    last: int
    methods: tuple[str, ...]
    seed: int

    @property
    def configuration(self) -> dict:
        """What its rows follow from: the configuration and the code."""
        return {**asdict(self), "code": code_version()}


def run_experiment(
    scenarios: Sequence[Scenario],
    reps: int = 100,
    methods: Sequence[str] = METHODS + VARIANTS,
    seed: int = 0,
    n_jobs: int = -1,
    *,
    store: str | Path | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Run replications of scenarios and score every method on each.

    Parameters
    ----------
    scenarios : sequence of Scenario
    reps : int
        Replications of each scenario, >= 1.
    methods : sequence of str
        Of ``METHODS`` (the paper's four) and ``VARIANTS``.
    seed : int
        Of the whole experiment. The numbers do not depend on order or number of workers.
    n_jobs : int
        Worker processes; -1 for all cores. Through joblib, so ``joblib.parallel_config`` sends
        the work to a Dask or Ray cluster instead.
    store : path, optional
        A folder where every ten finished replications are saved in one step. A run that was
        stopped, even killed, goes on from there. Files carry the configuration and a digest of the
        code in their names: a change of either computes again. They hold both, and a checksum of
        their rows: what was copied, swapped or damaged is named on stderr and computed again.
    progress : bool
        A bar on stderr, with the time left.

    Returns
    -------
    DataFrame
        One row per scenario, replication, arm and method: ``beta_error`` and ``gamma_error``
        (squared l2; the latter NaN for OLS), ``icc``; for MIO ``sparsity``,
        ``true_positive_rate``, ``false_discovery_proportion``, ``budget``, ``gap``; test errors
        ``test_mse`` (covariates alone), ``test_mse_tree`` and ``test_mse_hard`` (effects through
        the tree, by its probabilities or its best guess), ``test_mse_known`` (labels known);
        ``converged``, ``seconds`` (from rows to the fit, the tuning of the budget included), and
        ``error``, the message of a fit that failed (its scores are missing).

    Raises
    ------
    ValueError
        An unknown method, a scenario given twice, or fewer than one replication.

    Examples
    --------
    On a Dask cluster::

        with joblib.parallel_config(backend="dask"):
            run_experiment(scenarios(), reps=100, store="pieces", progress=True)
    """
    if isinstance(methods, str):
        methods = (methods,)
    known = METHODS + VARIANTS
    unknown = [method for method in methods if method not in known]
    if unknown:
        raise ValueError(f"methods: {unknown[0]!r} does not exist, choose from {known}.")
    if isinstance(scenarios, Scenario):
        scenarios = (scenarios,)
    scenarios = tuple(scenarios)
    if len(set(scenarios)) < len(scenarios):
        twice = next(each for each in scenarios if scenarios.count(each) > 1)
        raise ValueError(f"scenarios: {twice.name!r} is given twice, pass each once.")
    if not isinstance(reps, Integral) or reps < 1:
        raise ValueError(f"reps must be a whole number of at least 1, got {reps!r}.")
    pieces = [
        _Piece(each, first, min(first + _BLOCK, int(reps)), tuple(methods), seed)
        for each in scenarios
        for first in range(0, reps, _BLOCK)
    ]
    found = _finished(pieces, store)
    waiting = [index for index, rows in enumerate(found) if rows is None]
    done = sum(piece.last - piece.first for piece, rows in zip(pieces, found) if rows is not None)
    work = (delayed(_fit)(index, pieces[index]) for index in waiting)
    with tqdm(
        total=len(scenarios) * reps, initial=done, unit="replication", disable=not progress
    ) as bar:
        for index, rows in Parallel(n_jobs=n_jobs, return_as="generator_unordered")(work):
            found[index] = pd.DataFrame(rows)
            if store is not None:
                write_piece(found[index], Path(store), pieces[index].configuration)
            bar.update(pieces[index].last - pieces[index].first)
    table = pd.concat(found, ignore_index=True)
    if "error" not in table:
        table["error"] = None
    return table


def _finished(pieces: Sequence[_Piece], store: str | Path | None) -> list[pd.DataFrame | None]:
    if store is None:
        return [None] * len(pieces)
    return [_stored(Path(store), piece) for piece in pieces]


def _stored(store: Path, piece: _Piece) -> pd.DataFrame | None:
    """Return the rows of a finished piece; None, and a line that says so, if it is not sound."""
    try:
        return read_piece(store, piece.configuration)
    except NotAPiece as error:
        name = piece_file(store, piece.configuration).name
        about = f"replications {piece.first} to {piece.last - 1} of {piece.scenario.name}"
        tqdm.write(f"scs: note: {name} is not used, {error}: {about} run again.", file=sys.stderr)
        return None


def _fit(index: int, piece: _Piece) -> tuple[int, list[dict]]:
    # One thread each: sums come out the same whatever the number of workers.
    with threadpool_limits(1):
        rows = [
            row
            for replication in range(piece.first, piece.last)
            for row in fit_replication(
                piece.scenario, replication, methods=piece.methods, seed=piece.seed
            )
        ]
    return index, rows
