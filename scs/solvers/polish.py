"""Search harder while time is left: elemental starts, kicks and exchanges, in short turns.

What the heuristic at the start misses are supports whose coefficients none of its few starts comes
near. Lines through as many random clusters as there are coefficients do (the starts of fast least
trimmed squares), many at once; and so do the best support's own neighbours, a few clusters
exchanged at random. Both end in concentration steps and the best exchanges.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from scs.problem.objective import Problem, Profile, indicator, profile
from scs.solvers.alternating import alternate, gains, swap
from scs.solvers.stop import Stop

_STARTS = 64  # elemental starts of one turn
_STEPS = 2  # of concentration before the best few go on
_KEPT = 3
_KICK = 4  # clusters exchanged at random, at most
_WORK = 4_000_000  # clusters x columns^2 of one turn, at most: the rest of the starts is left out
# Share of the time since the start that turns may have taken, and seconds after which the first is
# due. Most problems are proved by then; hard ones will not be, and the answer is what matters.
_SHARE, _FIRST = 0.15, 0.15
_SHARE_HARD, _FIRST_HARD = 0.4, 0.03
_MOST = 20_000  # clusters: with more, a turn is no longer short
_SAME = 1e-12


class Polish:
    """Takes turns that try to better a support, each a few milliseconds long.

    Parameters
    ----------
    problem : Problem
    budget : int or None
        1 to K - 1. None: clusters have a price instead.
    seed : int
    stop : Stop
        Asked between the steps of a turn.
    started : float
        Of the solve, by `time.perf_counter`.
    hard : bool
        Whether a proof is not to be expected.
    """

    def __init__(
        self, problem: Problem, budget: int | None, *, seed: int, stop: Stop, started: float,
        hard: bool = False,
    ) -> None:  # fmt: skip
        self.problem, self.budget, self.stop, self.started = problem, budget, stop, started
        self.rng = np.random.default_rng([seed, 1])
        self.share, self.first = (_SHARE_HARD, _FIRST_HARD) if hard else (_SHARE, _FIRST)
        self.spent, self.turns = 0.0, 0
        self.seen: set[bytes] = set()

    @property
    def due(self) -> bool:
        """Whether the search has gone on long enough for another turn."""
        since = time.perf_counter() - self.started
        few = self.problem.n_clusters <= _MOST
        return few and not self.stop and since > self.first and self.spent < self.share * since

    def __call__(self, best: Profile) -> Profile:
        """Return ``best`` or something better, after as many turns as are due."""
        while self.due:
            best = self.turn(best)
        return best

    def turn(self, best: Profile) -> Profile:
        """Try elemental starts and kicks in turn; return the best."""
        begun = time.perf_counter()
        self.turns += 1
        for at in self._elemental() if self.turns % 2 else self._kicked(best):
            if self.stop:
                break
            key = np.flatnonzero(at.s).tobytes()
            if key in self.seen:
                continue
            self.seen.add(key)
            at = swap(self.problem, at, stop=self.stop)
            self.seen.add(np.flatnonzero(at.s).tobytes())
            if at.value < best.value * (1 - _SAME):
                best = at
        self.spent += time.perf_counter() - begun
        return best

    def _elemental(self) -> Iterator[Profile]:
        """Yield where the best of many lines through few clusters each lead."""
        problem, budget = self.problem, self.budget
        n_clusters, n_columns = problem.x.shape
        few = min(n_columns, n_clusters)
        n_starts = max(1, min(_STARTS, _WORK // (n_clusters * n_columns**2)))
        drawn = np.argsort(self.rng.random((n_starts, n_clusters)), axis=1)[:, :few]
        chosen = np.ones((n_starts, n_clusters), dtype=bool)
        np.put_along_axis(chosen, drawn, False, axis=1)  # all others may have any effect
        least = problem.n * problem.ridge / (problem.n + problem.ridge)
        gain = problem.n - least
        for step in range(_STEPS + 1):
            beta = self._fit(np.where(chosen, least, problem.n))
            residual = problem.y - beta @ problem.x.T
            if step == _STEPS:
                break
            chosen, _ = self._choose(gain * residual**2)
        _, saved = self._choose(gain * residual**2)
        value = (problem.n * residual**2).sum(axis=1) - saved
        own = beta @ problem.within_xx - 2.0 * problem.within_xy
        value += np.einsum("bp,bp->b", own + problem.penalty * beta, beta)
        for i in np.argsort(value)[:_KEPT]:
            yield alternate(problem, residual[i], budget, stop=self.stop)

    def _choose(self, gained: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the best support of each row of gains, as a mask (B, K), and what it saves."""
        if self.budget is None:
            price = self.problem.price
            return gained > price, np.maximum(gained - price, 0.0).sum(axis=1)
        first = gained.shape[1] - self.budget
        ordered = np.partition(gained, first, axis=1)
        return gained >= ordered[:, first, None], ordered[:, first:].sum(axis=1)

    def _fit(self, weights: np.ndarray) -> np.ndarray:
        """Return the coefficients at each row of weights (B, K) -> (B, P)."""
        problem = self.problem
        matrix = np.einsum("bk,kp,kq->bpq", weights, problem.x, problem.x, optimize=True)
        matrix += problem.within_xx + np.diag(problem.penalty)
        size = 1.0 / np.sqrt(np.maximum(np.einsum("bpp->bp", matrix), 1e-300))
        matrix *= size[:, :, None] * size[:, None, :]
        matrix[:, np.arange(len(problem.penalty)), np.arange(len(problem.penalty))] += 1e-10
        right = (problem.within_xy + (weights * problem.y) @ problem.x) * size
        return size * np.linalg.solve(matrix, right[..., None])[..., 0]

    def _kicked(self, best: Profile) -> Iterator[Profile]:
        """Yield the best support with a few clusters exchanged; with a price as many as may."""
        gain = gains(self.problem, best.residual)
        inside, outside = np.flatnonzero(best.s > 0), np.flatnonzero(best.s == 0)
        for _ in range(_KEPT):
            if self.budget is None:
                n_out, n_in = self.rng.integers(0, _KICK, size=2)
            else:
                n_out = n_in = int(self.rng.integers(1, min(_KICK, len(inside), len(outside)) + 1))
            # Those that gain least leave rather than others, those that would gain most come in.
            out = self._draw(inside, -gain[inside], n_out)
            into = self._draw(outside, gain[outside], n_in)
            support = np.concatenate([np.setdiff1d(inside, out), into])
            yield profile(self.problem, indicator(self.problem.n_clusters, support))

    def _draw(self, clusters: np.ndarray, liking: np.ndarray, size: int) -> np.ndarray:
        rank = np.empty(len(clusters))
        rank[np.argsort(liking)] = np.arange(len(clusters))
        keys = rank / len(clusters) + self.rng.random(len(clusters))
        return clusters[np.argsort(-keys)[:size]]
