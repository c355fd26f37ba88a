"""What our runs of SCIP share: it keeps the tree, bounds and cuts are ours, and how a run ends."""

from __future__ import annotations

import signal
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyscipopt

from scs.solvers.solution import Step
from scs.solvers.stop import Stop

_ENDED = {"userinterrupt": "interrupted", "timelimit": "time_limit"}


def bare_model(
    name: str,
    *,
    gap: float,
    deadline: float,
    tolerance: float,
    seed: int,
    more: Mapping[str, Any],
) -> pyscipopt.Model:
    """Make a model in which SCIP searches, and leaves the problem as we state it.

    Parameters
    ----------
    name : str
    gap : float
        At which SCIP stops; its own is relative to the incumbent.
    deadline : float
        On the clock of ``time.perf_counter``.
    tolerance : float
        Of feasibility, primal and dual.
    seed : int
    more : mapping
        SCIP's parameters that are not the same in every run.
    """
    model = pyscipopt.Model(name)
    model.hideOutput()
    model.setParams(
        {
            "limits/gap": gap,
            "limits/time": min(max(deadline - time.perf_counter(), 0.0), 1e20),
            "numerics/feastol": tolerance,
            "numerics/dualfeastol": tolerance,
            "randomization/randomseedshift": seed % 2**31,
            # SCIP sees rules on selections but not the loss: clusters that look alike to it do not
            # to us, and it would drop selections as symmetric to others.
            "misc/usesymmetry": 0,
            # SCIP would take Ctrl-C even where the process is to ignore it, as under nohup.
            "misc/catchctrlc": signal.getsignal(signal.SIGINT) is not signal.SIG_IGN,
            "presolving/maxrounds": 0,
            "presolving/maxrestarts": 0,
            **more,
        }
    )
    # Its own heuristics complete selections with the LP's theta, which our handlers must refuse
    # each time.
    model.setHeuristics(pyscipopt.SCIP_PARAMSETTING.OFF)
    return model


def include_handler(
    model: pyscipopt.Model, handler: pyscipopt.Conshdlr, name: str, meaning: str
) -> None:
    """Have a handler separate at every node, and enforce what is integral."""
    model.includeConshdlr(
        handler,
        name,
        meaning,
        sepapriority=1,
        enfopriority=-10,  # after integrality, so that enforced points are selections
        chckpriority=-10,
        sepafreq=1,
        needscons=False,
    )


def heed(model: pyscipopt.Model, stop: Stop) -> None:
    """End SCIP's run if Ctrl-C came just before SCIP took over; to be called by handlers.

    Python sees such a Ctrl-C only when it is called back. SCIP drops what a handler raises, so
    that no exception may tell of it.
    """
    if stop.interrupted:
        model.interruptSolve()


def run(
    model: pyscipopt.Model, note: Callable[[], None], history: Sequence[Step], stop: Stop
) -> tuple[str, int]:
    """Search; return our status and the number of nodes.

    Parameters
    ----------
    model : Model
        Freed at the end.
    note : callable
        Puts SCIP's last bound on record.
    history : sequence of Step
        What is on record, for the number of nodes where SCIP breaks off.
    stop : Stop
        Whoever entered it takes Ctrl-C down until SCIP does that itself, while it searches.

    Notes
    -----
    A search that SCIP finished is a "heuristic" still: the gap that was asked for is checked by
    whoever has objective and bound, since rounding may keep a finished search from it.
    """
    if stop.interrupted:
        return "interrupted", history[-1].nodes
    try:
        model.optimize()
    except Exception as error:  # SCIP's own, of numerical trouble: what is proved stays proved
        # Of whoever called `scs.solve`: run, branch and bound, solver and `solve` are ours.
        warnings.warn(f"SCIP stopped ({error}): returning the best so far.", stacklevel=5)
        return "heuristic", history[-1].nodes
    note()
    status = _ENDED.get(model.getStatus(), "heuristic")
    nodes = model.getNTotalNodes()
    model.freeProb()
    return status, nodes
