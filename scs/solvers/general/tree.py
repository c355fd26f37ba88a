"""The tree's records: what is proved of each node, and what all of them prove together.

A node has a box for the directions of beta that need one (continuous variables in no row, which
only carry their local bounds) and decided selections. There the relaxation is minimised, and what
reduced costs decide is fixed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scs.solvers.general.arrow import Arrow, Extraction, Point, evaluate
from scs.solvers.general.heuristic import usable
from scs.solvers.general.polish import Polish
from scs.solvers.general.relaxation import Frame, box_extraction, least_sum, relax
from scs.solvers.general.rules import IN, OPEN, OUT, Rules
from scs.solvers.log import Log
from scs.solvers.stop import Stop
from scs.solvers.tangents import clipped, lost_in_sums

CAPS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.85, 0.93, 0.97, 0.99)  # shares of a cluster's convexity
FINEST = 2e-10  # of SCIP's tolerance, on an objective scaled to 1


@dataclass
class Node:
    """What is proved of one node of the tree.

    Attributes
    ----------
    lo, hi : ndarray, shape (m,)
    fixed_x, fixed_z : ndarray of int8
    bound : float
        No answer in the node has a smaller objective (rounding given away).
    at : Point or None
        Where its relaxation ended; that of its parent before it is processed.
    cap : int
        Index into the shares tried.
    out : Extraction or None
        Of the relaxation, once processed.
    replaced : bool
        Its children took its place.
    has_cut : bool
        Its cut is in SCIP's LP.
    """

    lo: np.ndarray
    hi: np.ndarray
    fixed_x: np.ndarray
    fixed_z: np.ndarray
    bound: float
    at: Point | None
    cap: int
    out: Extraction | None = None
    replaced: bool = False
    has_cut: bool = False

    @property
    def point(self) -> Point:
        """Where the relaxation ended, of a node that has been relaxed."""
        assert self.at is not None
        return self.at


@dataclass
class Search:
    """What the callbacks of one solve share."""

    arrow: Arrow
    rules: Rules
    frame: Frame
    tight: Extraction
    best: Point
    bound: float
    record: Log
    scale: float = 1.0
    tolerance: float = FINEST
    nodes: dict[int, Node] = field(default_factory=dict)
    cuts: int = 0
    stop: Stop = field(default_factory=Stop)  # asked for Ctrl-C alone: SCIP has the clock
    polish: Polish | None = None

    @property
    def margin(self) -> float:
        """What every bound gives away to rounding."""
        return self.arrow.margin

    def log(self, bound: float, nodes: int) -> None:
        """Note the state if incumbent or bound moved."""
        self.bound = max(self.bound, min(bound, self.best.value))
        self.record(self.best.value, self.bound, nodes, cuts=self.cuts)

    def offer(self, t: np.ndarray, s: np.ndarray) -> Point:
        """Evaluate a selection and keep it if it is the best answer."""
        found = evaluate(self.arrow, t, s, self.tight, self.rules.linear)
        if found.value < self.best.value and usable(self.rules, found):
            self.best = found
        return found

    def process(self, node: Node, rounds: int) -> None:
        """Bound a node: relax, fix what reduced costs decide, and again."""
        for number in range(rounds + 1):
            if number == rounds and (node.fixed_z == OPEN).any():
                return  # one round more only where all is decided: then it is exact
            aim = self.best if node.at is None else node.at
            results = []
            for cap in (node.cap, min(node.cap + 1, len(CAPS) - 1)):
                out = box_extraction(
                    self.arrow, self.rules, self.frame, node.lo, node.hi,
                    node.fixed_x, node.fixed_z, aim, CAPS[cap],
                )  # fmt: skip
                start = None if node.at is None else (node.at.t, _towards_even(node.at.s))
                try:
                    at, bound = relax(
                        self.arrow, self.rules, out, node.fixed_x, node.fixed_z, start,
                        enough=self.best.value + self.margin,
                    )  # fmt: skip
                except np.linalg.LinAlgError:
                    continue
                results.append((bound, cap, out, at))
                if bound - self.margin > self.best.value:
                    break
            if not results:
                return
            bound, node.cap, node.out, node.at = max(results, key=lambda each: each[0])
            node.bound = max(node.bound, bound - self.margin)
            if node.bound > self.best.value or not self._fix(node):
                return

    def _fix(self, node: Node) -> bool:
        """Decide selections whose other choice is proved worse than the incumbent.

        By the node's cut, with slopes cut off where they lead below its bound: else numbers far
        larger than the objective would cancel, and rounding would decide.
        """
        base = node.point.base
        slope_x = clipped(base, node.point.slope_x, node.bound)
        slope_z = clipped(base, node.point.slope_z, node.bound)
        bound = base + least_sum(slope_x, slope_z, self.rules, node.fixed_x, node.fixed_z)
        steepest = -min(float(slope_z.min()), float(slope_x.min(initial=0.0)))
        limit = self.best.value + self.margin
        limit += lost_in_sums(slope_z.size, 2.0 * abs(base) + abs(bound) + 2.0 * steepest)
        groups = [
            (slope_z[:, r], int(self.rules.budgets[r]), node.fixed_z[:, r])
            for r in range(node.fixed_z.shape[1])
        ]
        some = np.flatnonzero(self.rules.selectable)
        fixed_some = node.fixed_x[some]
        if some.size:
            groups.append((slope_x[some], self.rules.column_budget, fixed_some))
        n_fixed = 0
        for slopes, budget, fixed in groups:
            open_ = np.flatnonzero(fixed == OPEN)
            left = max(budget - int((fixed == IN).sum()), 0)
            order = open_[np.argsort(slopes[open_], kind="stable")]
            chosen, others = order[:left], order[left:]
            last_in = slopes[chosen[-1]] if left and chosen.size else -np.inf
            first_out = slopes[others[0]] if others.size else 0.0
            if left == 0:
                fixed[others] = OUT
                n_fixed += len(others)
                continue
            out = others[bound - last_in + slopes[others] > limit]
            into = chosen[bound - slopes[chosen] + first_out > limit]
            fixed[out], fixed[into] = OUT, IN
            n_fixed += len(out) + len(into)
        node.fixed_x[some] = fixed_some
        return n_fixed > 0

    def proved(self) -> tuple[float, np.ndarray]:
        """Return the bound and the memberships (K, R) that all nodes left agree on."""
        left = [node for node in self.nodes.values() if not node.replaced]
        left = [node for node in left if node.bound <= self.best.value]
        membership = np.full(self.arrow.shape, "open", dtype="<U4")
        membership[self.rules.fixed_z == IN] = "in"
        membership[self.rules.fixed_z == OUT] = "out"
        if not self.nodes:
            return self.bound, membership
        if not left:
            return self.best.value - self.margin, membership
        for value, word in ((IN, "in"), (OUT, "out")):
            membership[np.all([node.fixed_z == value for node in left], axis=0)] = word
        return min(node.bound for node in left), membership


def _towards_even(s: np.ndarray) -> np.ndarray:
    """Lift weights off 0, where the alternation would leave them."""
    return np.clip(s, 1e-3, 1.0)
