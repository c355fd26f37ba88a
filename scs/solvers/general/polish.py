"""Search harder while time is left: selections near the best, exchanged at random and improved."""

from __future__ import annotations

import time

import numpy as np

from scs.solvers.general.arrow import Arrow, Extraction, Point
from scs.solvers.general.heuristic import improve, swap, usable, value_of
from scs.solvers.general.rules import OPEN, Rules
from scs.solvers.stop import Stop

_SHARE = 0.15  # of the time since the start of the solve, that turns may have taken
_FIRST = 0.3  # seconds after which the first turn is due
_KICK = 3  # effects exchanged at random, at most
_CANDIDATES, _ROUNDS = 4, 3  # of the exchanges that follow


class Polish:
    """Takes turns that try to better a selection.

    Parameters
    ----------
    arrow, rules, out
        Of the problem; see `scs.solvers.general.heuristic`.
    seed : int
    stop : Stop
        Asked between the steps of a turn.
    started : float
        Of the solve, by `time.perf_counter`.
    """

    def __init__(
        self, arrow: Arrow, rules: Rules, out: Extraction, *, seed: int, stop: Stop, started: float
    ) -> None:
        self.arrow, self.rules, self.out = arrow, rules, out
        self.stop, self.started, self.spent = stop, started, 0.0
        self.rng = np.random.default_rng([seed, 1])

    def __call__(self, best: Point) -> Point:
        """Return ``best`` or something better, after as many turns as are due."""
        while not self.stop:
            begun = time.perf_counter()
            since = begun - self.started
            if since < _FIRST or self.spent > _SHARE * since:
                break
            found = self._turn(best)
            if found is not None and found.value < best.value:
                best = found
            self.spent += time.perf_counter() - begun
        return best

    def _turn(self, best: Point) -> Point | None:
        """Exchange a few effects, then improve; None where the rules do not allow it."""
        s = best.s.copy()
        for r in self.rng.permutation(s.shape[1])[: self.rng.integers(1, s.shape[1] + 1)]:
            free = self.rules.fixed_z[:, r] == OPEN
            inside = np.flatnonzero((s[:, r] == 1) & free)
            outside = np.flatnonzero((s[:, r] == 0) & free)
            most = min(_KICK, len(inside), len(outside))
            if most:
                size = int(self.rng.integers(1, most + 1))
                s[self.rng.choice(inside, size=size, replace=False), r] = 0.0
                s[self.rng.choice(outside, size=size, replace=False), r] = 1.0
        if not self.rules.obeyed(best.t, s):
            return None
        found = value_of(self.arrow, self.rules, best.t, s, self.out)
        if not usable(self.rules, found):
            return None
        found = swap(
            self.arrow,
            self.rules,
            found,
            self.out,
            rounds=_ROUNDS,
            candidates=_CANDIDATES,
            stop=self.stop,
        )
        return improve(self.arrow, self.rules, found, self.out)
