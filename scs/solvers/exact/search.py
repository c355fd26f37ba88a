"""Best-first branch and bound on boxes of z and on clusters, many nodes at a time."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from scs.problem.objective import Problem, Profile, indicator, profile, rounding
from scs.solvers.alternating import alternate, best_support, saving
from scs.solvers.alternating import gains as support_gains
from scs.solvers.exact.canonical import Canonical, few
from scs.solvers.exact.nodes import IN, OPEN, OUT, Node, Nodes, settle
from scs.solvers.exact.relaxation import Cut, fix, relax
from scs.solvers.log import Log
from scs.solvers.polish import Polish
from scs.solvers.stop import Stop

_STEPS = 8  # of the relaxation at one node
_ROOT_STEPS = 40
_STALL = 0.1  # a step that closes a smaller share of a node's gap is the last
_WORK = 200_000  # entries of (clusters x columns) that a batch of nodes may hold
_BATCH = 128
_CLEAR = 0.1
_WIDE = 0.1  # a box that loses a larger share of a node's gap is split before any cluster
_KEEP = (0.25, 0.5, 0.75)  # shares of a box's side that are tried to keep
_NEAR = 0.02
_LARGE = 20_000
_MANY = 100
_SPARES = (1.01, 1.1, 10.0, 1e3, 1e3)  # diagonals tried to decide what is left
_SHRINKING = 0.25  # share of the time left that goes into a smaller first box, at most
_INNER = 0.15  # a box is split at the relaxation's z, kept this share off its sides


@dataclass(frozen=True)
class Known:
    """What the caller knows of the supports that matter.

    Attributes
    ----------
    ends : callable
        Takes directions (m, P) and an origin (P,): the least and largest value of
        ``directions @ (beta - origin)`` at the coefficients that matter.
    basis : ndarray, shape (P, P), optional
        Of the coordinates in which to box, see `Canonical.about`.
    slack : float
        By how much a support must be worse than the incumbent not to matter.
    """

    ends: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    basis: np.ndarray | None = None
    slack: float = 0.0


@dataclass
class State:
    """What a search knows: incumbent, open nodes, what is proved."""

    best: Profile
    bound: float
    nodes: int = 0
    heap: list[tuple[float, int, Node]] = field(default_factory=list)  # by bound, then by age
    solved: list[Node] = field(default_factory=list)  # without anything left to decide
    pending: list[Node] = field(default_factory=list)  # in hand, also when it was cut off
    hidden: float = 0.0  # by rounding, of the incumbent's objective
    slack: float = 0.0  # by which a support must be worse than the incumbent to be given up

    @property
    def limit(self) -> float:
        """Above this bound a node holds nothing that matters."""
        return self.best.value + self.hidden + self.slack

    @property
    def left(self) -> list[Node]:
        """All nodes that may hold what matters."""
        return [*(node for _, _, node in self.heap), *self.solved, *self.pending]

    def raise_bound(self) -> None:
        """Take the least bound of what is left for that of the problem, if it is better."""
        found = [self.best.value, *(node.bound for node in (*self.solved, *self.pending))]
        if self.heap:
            found.append(self.heap[0][0])
        self.bound = max(self.bound, float(min(found)))

    def note(self, log: Log) -> None:
        """Put the state on record."""
        log(self.best.value, self.bound, self.nodes, left=len(self.heap))

    def take(self, problem: Problem, found: Profile) -> None:
        """Make a support the incumbent."""
        self.best, self.hidden = found, rounding(problem, found)


def search(
    problem: Problem,
    budget: int | None,
    best: Profile,
    *,
    gap: float,
    stop: Stop,
    log: Log,
    known: Known | None = None,
    polish: Polish | None = None,
) -> tuple[State, str]:
    """Prove ``best`` optimal to the gap, or find better; see `scs.solvers.exact.exact`.

    One step of the relaxation is made even if it is time to stop: without it nothing is proved.
    """
    canonical = Canonical.about(problem, best, None if known is None else known.basis)
    state = State(best, 0.0)
    state.take(problem, best)
    if known is not None:
        state.slack = known.slack
    try:
        lo, hi = canonical.root_box(state.limit)
    except ValueError:  # rounding hides too much for this box, but perhaps not for the known one
        if known is None:
            raise
        lo, hi = np.full((2, canonical.n_columns), [[-np.inf], [np.inf]])
    if known is not None:
        low, high = known.ends(np.linalg.inv(canonical.basis), canonical.origin)
        # The incumbent, z = 0, lies inside.
        lo, hi = np.minimum(np.maximum(lo, low), 0.0), np.maximum(np.minimum(hi, high), 0.0)
    fixed = np.zeros((1, problem.n_clusters), dtype=np.int8)
    root = Nodes(lo[None], hi[None], fixed, np.zeros((1, len(lo))), np.zeros(1))
    count = itertools.count()
    seen: set[bytes] = {np.flatnonzero(best.s).tobytes()}
    size = max(1, min(_BATCH, _WORK // canonical.x.size))
    status = "optimal"
    state.pending = [root.node(0)]
    try:
        if canonical.boxed and not stop:
            _bound_plainly(canonical, root, budget, state, stop)
            if polish is not None:
                state.take(problem, polish(state.best))
            _shrink(canonical, root, budget, state, size, gap, stop)
        while True:
            batch = Nodes.of(state.pending)
            cuts = _process(canonical, batch, budget, state, gap, stop)
            state.nodes += len(batch)
            if stop:
                # Nodes in hand keep what they, or else their parents, proved.
                state.pending = [batch.node(i) for i in range(len(batch))]
                state.raise_bound()
                status = stop.status
                break
            _improve(problem, canonical, batch, cuts, budget, state, seen)
            if polish is not None:
                state.take(problem, polish(state.best))
            children = _branch(canonical, batch, cuts, budget, state)
            new = [children.node(i) for i in range(len(children))]
            decided = np.flatnonzero((batch.fixed != OPEN).all(axis=1))
            for i in decided[batch.bound[decided] < state.best.value]:
                _try(problem, np.flatnonzero(batch.fixed[i] == IN), state)
            _keep(state, [batch.node(int(i)) for i in decided], new, count)
            state.raise_bound()
            state.note(log)
            cutoff = state.best.value * (1 - gap)
            if state.bound >= cutoff or not state.heap or state.heap[0][0] >= cutoff:
                break
            while state.heap and len(state.pending) < size and state.heap[0][0] < cutoff:
                state.pending.append(state.heap[0][2])
                heapq.heappop(state.heap)
        if not stop:
            _decide(canonical, budget, state, size, stop)
    except KeyboardInterrupt:
        status = "interrupted"
    state.note(log)
    return state, status


def _bound_plainly(
    canonical: Canonical, root: Nodes, budget: int | None, state: State, stop: Stop
) -> None:
    """Bound the root by Eq. 6 as it is: no diagonal, so no box has to pay for one.

    With many directions to split this is far better than the boxes that a search can get through.
    """
    value, z = state.limit, root.z
    for _ in range(_ROOT_STEPS):
        settle(root.fixed, budget)
        cut = relax(canonical, root, budget, value, spare=0.0)
        fix(root, cut, value)
        gained = cut.bound[0] - root.bound[0]
        root.bound, root.z = np.maximum(root.bound, cut.bound), cut.z
        if stop or gained < _STALL / 10 * (value - root.bound[0]):
            break
    state.bound = float(min(root.bound[0], state.best.value))
    # The search begins again: a bound that its first boxes do not reach would hide their progress.
    settle(root.fixed, budget)
    root.bound, root.z = np.zeros(1), z
    state.pending = [root.node(0)]


def _shrink(
    canonical: Canonical, root: Nodes, budget: int | None, state: State, size: int, gap: float,
    stop: Stop,
) -> None:  # fmt: skip
    """Cut off the ends of the first box that hold nothing as good as the incumbent.

    The box comes from an ellipsoid, which a small ridge makes far too wide, and in a wide box one
    halving shows little of what many would bring. Ends are cut about the incumbent, z = 0, as long
    as any gives way and the box as a whole leaves a gap or a cluster open; while it leaves a gap,
    in a share of the time only. Small problems try all shares of an end at once, which costs little
    more than one; others begin with a half.
    """
    value, until = state.limit, stop.after(_SHRINKING)
    ends = [(side, j) for j in range(canonical.n_split) for side in ("lo", "hi")]
    at_once = len(ends) * len(_KEEP) < size
    keep = np.array(_KEEP if at_once else _KEEP[1:])
    n_tried = len(keep) if at_once else 1
    first = np.zeros(len(ends), dtype=int)  # of the shares to be tried next, by end
    closed = False
    while not stop and (closed or time.perf_counter() < until):
        tried = [(i, k) for i in range(len(ends)) for k in range(first[i], first[i] + n_tried)]
        pieces = Nodes.stack([root] * (len(tried) + 1))  # the last is the box itself
        for row, (i, k) in enumerate(tried):
            side, j = ends[i]
            inner = getattr(root, side)[0, j] * keep[k]
            getattr(pieces, "hi" if side == "lo" else "lo")[row, j] = pieces.z[row, j] = inner
        for begin in range(0, len(pieces), size):
            rows = np.arange(begin, min(begin + size, len(pieces)))
            for _ in range(0 if stop else 2):
                part = pieces.take(rows)
                _step(canonical, part, budget, value)
                pieces.put(rows, part)
                rows = rows[(part.bound <= value) & (rows < len(tried))]
                if not rows.size:
                    break
        state.nodes += len(pieces)
        root.put(np.zeros(1, dtype=int), pieces.take(np.array([len(tried)])))
        closed = root.bound[0] >= state.best.value * (1 - gap)
        if closed and (root.fixed != OPEN).all():
            break
        least = np.ones(len(ends))
        for row, (i, k) in enumerate(tried):
            if pieces.bound[row] > value:
                least[i] = min(least[i], keep[k])
        for (side, j), share in zip(ends, least):
            getattr(root, side)[0, j] *= share
        gave_way = least < 1
        if not gave_way.any() and (first + n_tried == len(keep)).all():
            break
        first = np.where(gave_way, first, np.minimum(first + 1, len(keep) - n_tried))
    state.pending = [root.node(0)]


def _decide(canonical: Canonical, budget: int | None, state: State, size: int, stop: Stop) -> None:
    """Decide in the nodes left what a few more steps can, for the report on each cluster.

    Whether little or much diagonal decides more depends on the node: all are tried in turn.
    """
    value = state.limit
    worth = (canonical.n * canonical.y) ** 2 / (canonical.n + canonical.ridge)
    # A reduced cost is no larger than the largest gain, or the price: with more room nothing can be
    # decided.
    most = max(worth.max(), canonical.price)
    left = [entry for entry in state.heap if value - most < entry[0] <= value]
    kept = [entry for entry in state.heap if entry[0] <= value - most]
    for first in range(0, len(left), size):
        entries = left[first : first + size]
        nodes = Nodes.of([node for _, _, node in entries])
        for spare in _SPARES:
            if stop:
                break
            settle(nodes.fixed, budget)
            cut = relax(canonical, nodes, budget, value, spare=spare)
            fix(nodes, cut, value)
            nodes.z, nodes.bound = cut.z, np.maximum(nodes.bound, cut.bound)
        after = [nodes.node(i) for i in range(len(nodes))]
        kept += [
            (one.bound, n, one) for one, (_, n, _) in zip(after, entries) if one.bound <= value
        ]
    heapq.heapify(kept)
    state.heap = kept
    state.raise_bound()


def _keep(state: State, decided: list[Node], children: list[Node], count) -> None:
    """Put what came of the nodes in hand where it belongs; only then are they forgotten."""
    for node in children:
        heapq.heappush(state.heap, (node.bound, next(count), node))
    value = state.limit
    state.solved += [node for node in decided if node.bound <= value]
    state.pending = []


def _process(canonical, batch: Nodes, budget: int | None, state: State, gap, stop: Stop) -> Cut:
    """Relax every node of a batch until it is pruned or stalls; the last cut of each."""
    value = state.limit
    cutoff = value * (1 - gap)
    active = np.arange(len(batch))
    last: Cut | None = None
    steps, stall = (_ROOT_STEPS, _STALL / 10) if state.nodes == 0 else (_STEPS, _STALL)
    for step in range(steps + 1):
        nodes = batch.take(active)
        _, empty = settle(nodes.fixed, budget)
        open_before = (nodes.fixed == OPEN).any(axis=1)
        cut = relax(canonical, nodes, budget, value)
        fix(nodes, cut, value)
        before = nodes.bound
        nodes.bound = np.maximum(before, cut.bound)
        nodes.bound[empty] = np.inf
        batch.z[active], batch.bound[active] = cut.z, nodes.bound
        settle(nodes.fixed, budget)
        batch.fixed[active] = nodes.fixed
        last = cut if last is None else _merge(last, cut, active)
        gained = nodes.bound - before
        # A node that has just been decided is exact one step later.
        decided = open_before & (nodes.fixed != OPEN).all(axis=1)
        going = (nodes.bound < cutoff) & (decided | (gained > stall * (cutoff - nodes.bound)))
        if stop or not going.any():
            break
        active = active[going & (decided | (step < steps - 1))]
        if not active.size:
            break
    assert last is not None  # one step at least
    return last


def _merge(old: Cut, new: Cut, rows: np.ndarray) -> Cut:
    for name in vars(old):
        getattr(old, name)[rows] = getattr(new, name)
    return old


def _improve(problem, canonical, batch, cuts: Cut, budget, state: State, seen: set) -> None:
    """Try the support that the most promising node rounds to."""
    i = int(np.argmin(batch.bound))
    residual = cuts.residual[i]
    # What a support is worth at the node's z is an upper bound on it: far off, look no further.
    z = cuts.z[i]
    worth = canonical.within_yy + z @ (canonical.within_xx @ z - 2 * canonical.within_xy)
    worth += float(problem.n @ residual**2)
    worth -= saving(problem, support_gains(problem, residual), budget)
    many = problem.n_clusters > _LARGE
    if worth > state.best.value * (1 + (_NEAR / 20 if many else _NEAR)):
        return
    key = best_support(problem, residual, budget).tobytes()
    if key in seen:
        return
    seen.add(key)
    found = alternate(problem, residual, budget, max_steps=3 if many else 100)
    if found.value < state.best.value:
        state.take(problem, found)


def _try(problem: Problem, support: np.ndarray, state: State) -> None:
    """Take the support of a decided node for the incumbent if it is better."""
    found = profile(problem, indicator(problem.n_clusters, support))
    if found.value < state.best.value:
        state.take(problem, found)


def _branch(
    canonical: Canonical, batch: Nodes, cuts: Cut, budget: int | None, state: State
) -> Nodes:
    """Split every node that is neither pruned nor solved in two.

    Where a box and a cluster could both be split, both are tried for one step of the relaxation,
    and the pair of larger product of gains is kept.
    """
    value = state.limit
    open_ = batch.fixed == OPEN
    alive = np.flatnonzero((batch.bound <= value) & open_.any(axis=1))
    if not alive.size:
        return batch.take(alive)
    batch = batch.take(alive)
    open_, s, r = open_[alive], cuts.s[alive], cuts.residual[alive]
    n, delta = canonical.n, cuts.delta[alive]
    outer, inner = canonical.ridge + delta, n - delta
    chord = n - s * (n - canonical.least)
    loss = np.where(open_, r**2 * (chord - n * (outer - delta * s) / (inner * s + outer)), -1.0)
    k = np.argmax(loss, axis=1)
    rows = np.arange(len(alive))
    pairs = [_children(batch), _children(batch)]
    for child, choice in zip(pairs[0], (IN, OUT)):
        child.fixed[rows, k] = choice
    box = cuts.box_loss[alive]
    j = np.argmax(box, axis=1)
    splittable = canonical.boxed & (box[rows, j] > 1e-3 * loss[rows, k])
    lo, hi = batch.lo[rows, j], batch.hi[rows, j]
    at = np.clip(batch.z[rows, j], lo + _INNER * (hi - lo), hi - _INNER * (hi - lo))
    pairs[1][0].hi[rows, j] = at
    pairs[1][1].lo[rows, j] = at
    n_open, side, cluster = open_.sum(axis=1), box[rows, j], loss[rows, k]
    loses_most = (cluster < _CLEAR * side) & (n_open > _MANY)
    wide = (side > _WIDE * (value - batch.bound)) & (n_open > few(canonical.n_split))
    clear = splittable & (loses_most | wide)
    doubtful = np.flatnonzero(splittable & ~clear)
    chosen = clear.copy()
    if doubtful.size:
        tried = Nodes.stack([child.take(doubtful) for pair in pairs for child in pair])
        _step(canonical, tried, budget, value)
        state.nodes += len(tried)
        parent = batch.bound[doubtful]
        gains = np.clip(tried.bound.reshape(4, -1) - parent, 0.0, value - parent)
        score = 5 * np.minimum(gains[::2], gains[1::2]) + np.maximum(gains[::2], gains[1::2])
        chosen[doubtful] = score[1] > score[0]
        for child, part in zip(
            [child for pair in pairs for child in pair], np.split(np.arange(len(tried)), 4)
        ):
            child.put(doubtful, tried.take(part))
    found = [child.take(np.flatnonzero(~chosen)) for child in pairs[0]]
    found += [child.take(np.flatnonzero(chosen)) for child in pairs[1]]
    stacked = Nodes.stack(found)
    return stacked.take(np.flatnonzero(stacked.bound <= value))


def _children(batch: Nodes) -> tuple[Nodes, Nodes]:
    everything = np.arange(len(batch))
    return batch.take(everything), batch.take(everything)


def _step(canonical: Canonical, nodes: Nodes, budget: int | None, value: float) -> Cut:
    """One step of the relaxation, and what it decides; in place."""
    _, empty = settle(nodes.fixed, budget)
    cut = relax(canonical, nodes, budget, value)
    fix(nodes, cut, value)
    nodes.bound = np.maximum(nodes.bound, cut.bound)
    nodes.bound[empty] = np.inf
    nodes.z = cut.z
    settle(nodes.fixed, budget)
    return cut
