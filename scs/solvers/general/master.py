"""The branch and bound: SCIP keeps the tree and the logical rules, we bound its nodes.

The master problem is min theta over binary selections that obey budgets and logical rules. A node
has a box for the directions of beta that need one (continuous variables in no row, which only carry
their local bounds) and decided selections. There the relaxation is minimised, its cut added as a
local row, and what reduced costs decide is fixed. Where only budgets bind, a sort takes the place
of the LP. Nodes are split in the box or on a selection; leaves of problems with logical rules are
closed by tangents without a box, tight at their selection.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field

import numpy as np
import pyscipopt
from pyscipopt import SCIP_RESULT
from scipy.special import gammaln

from scs.solvers.general.arrow import Arrow, Extraction, Point, evaluate
from scs.solvers.general.heuristic import gains, usable
from scs.solvers.general.relaxation import Frame, box_extraction, relax
from scs.solvers.general.rules import IN, OPEN, OUT, Rules
from scs.solvers.solution import Step, print_step

_FINEST, _COARSEST = 2e-10, 1e-7  # of SCIP's tolerance, on an objective scaled to 1
_CAPS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.85, 0.93, 0.97, 0.99)  # shares of a cluster's convexity
_WIDE = 6  # index of a share good enough to close the gap where the box allows it
_WIDE_SHARE = 0.3  # of what is to prove, that a box may cost before it counts as wide
_FINER = 4.0  # halvings of every side of a box from closing the gap once to closing it well
_ROUNDS = 3  # of fixing and extracting anew at a node
_EDGE = 0.15  # a box is not cut nearer to its end than this share of its width


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


@dataclass
class Search:
    """What the callbacks of one solve share."""

    arrow: Arrow
    rules: Rules
    frame: Frame
    tight: Extraction
    best: Point
    bound: float
    started: float
    verbose: bool
    scale: float = 1.0
    tolerance: float = _FINEST
    nodes: dict[int, Node] = field(default_factory=dict)
    cuts: int = 0
    history: list[Step] = field(default_factory=list)

    @property
    def margin(self) -> float:
        """What every bound gives away to rounding."""
        return self.arrow.margin

    def log(self, bound: float, nodes: int) -> None:
        """Note the state if incumbent or bound moved."""
        self.bound = max(self.bound, min(bound, self.best.value))
        last = self.history[-1] if self.history else None
        if last and last.objective == self.best.value and last.bound == self.bound:
            return
        seconds = time.perf_counter() - self.started
        step = Step(seconds, self.best.value, self.bound, nodes, self.cuts)
        self.history.append(step)
        if self.verbose:
            print_step(step, first=last is None)

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
            for cap in (node.cap, min(node.cap + 1, len(_CAPS) - 1)):
                out = box_extraction(
                    self.arrow, self.rules, self.frame, node.lo, node.hi,
                    node.fixed_x, node.fixed_z, aim, _CAPS[cap],
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
            if node.bound > self.best.value or not self._fix(node, bound):
                return

    def _fix(self, node: Node, bound: float) -> bool:
        """Decide selections whose other choice is proved worse than the incumbent."""
        limit = self.best.value + self.margin
        groups = [
            (node.at.slope_z[:, r], int(self.rules.budgets[r]), node.fixed_z[:, r])
            for r in range(node.fixed_z.shape[1])
        ]
        some = np.flatnonzero(self.rules.selectable)
        fixed_some = node.fixed_x[some]
        if some.size:
            groups.append((node.at.slope_x[some], self.rules.column_budget, fixed_some))
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


class _Handler(pyscipopt.Conshdlr):
    """theta >= c(selection), by the node's cut and by tangents at selections."""

    def __init__(self, search: Search, theta, columns: dict, effects: list, boxes: list) -> None:
        self.search, self.theta = search, theta
        self.columns, self.effects, self.boxes = columns, effects, boxes
        self.variables = [*columns.values(), *(v for row in effects for v in row)]

    def conscheck(self, constraints, solution, *_, **__):
        return {"result": self._verdict(*self._point(solution), solution)}

    def consenfops(self, constraints, n_useful, infeasible, objinfeasible):
        """Bound and split a node without its LP: budgets alone leave a sort, which is ours."""
        search = self.search
        node = self._bounded_node()
        self._note()
        if node.bound > search.best.value or not self.branch():
            return {"result": SCIP_RESULT.CUTOFF}  # a leaf: its record keeps its bound
        return {"result": SCIP_RESULT.BRANCHED}

    def consenfolp(self, constraints, n_useful, infeasible):
        t, s = self._point(None)
        if self._verdict(t, s, None) == SCIP_RESULT.FEASIBLE:
            return {"result": SCIP_RESULT.FEASIBLE}
        if self.branch():
            return {"result": SCIP_RESULT.BRANCHED}
        found = evaluate(self.search.arrow, t, s, self.search.tight, self.search.rules.linear)
        if usable(self.search.rules, found):
            return {"result": self._cut(found, local=False)}
        return {"result": self._exclude(t, s)}

    def conssepalp(self, constraints, n_useful):
        search = self.search
        node = self._node(self.model.getCurrentNode().getNumber())
        if node.has_cut:
            return {"result": SCIP_RESULT.DIDNOTFIND}
        inherited, node.has_cut = node.bound, True
        node = self._bounded_node()
        self._note()
        if node.bound > search.best.value:
            return {"result": SCIP_RESULT.CUTOFF}
        if node.out is None or node.bound <= inherited:
            return {"result": SCIP_RESULT.DIDNOTFIND}
        self._tighten(node)
        return {"result": self._cut(node.at, local=True)}

    def _bounded_node(self) -> Node:
        """Return the current node's record, bounded; round its relaxation to an answer."""
        search = self.search
        node = self._node(self.model.getCurrentNode().getNumber())
        before = search.best.value
        if node.bound <= before:
            search.process(node, _ROUNDS)
            if node.out is not None and (search.rules.only_budgets or len(search.nodes) % 8 == 1):
                search.offer(*search.rules.select(*gains(search.arrow, search.rules, node.at)))
                if search.best.value < before:
                    self._hand_over()
        return node

    def conslock(self, constraint, locktype, n_lock_positive, n_lock_negative):
        # Rules on coefficients may forbid both more and less: locks in both directions.
        n_locks = n_lock_positive + n_lock_negative
        for variable in [self.theta, *self.variables, *self.boxes]:
            self.model.addVarLocksType(variable, locktype, n_locks, n_locks)

    def branch(self) -> bool:
        """Split the current node where its relaxation gives most away; say if it can be."""
        search = self.search
        number = self.model.getCurrentNode().getNumber()
        node = self._node(number)
        choice = _choice(search, node)
        if choice is None:
            return False
        kind, index, cut = choice
        pair = [_child(node, choice, side) for side in (0, 1)]
        for side, child in enumerate(pair):
            lower = max(child.bound, 0.0) / search.scale
            created = self.model.createChild(0.0, lower)
            self.model.updateNodeLowerbound(created, lower)
            change = self.model.chgVarUbNode if side == 0 else self.model.chgVarLbNode
            if kind == "box":
                change(created, self.boxes[index], float(cut))
            elif kind == "x":
                change(created, self.columns[index], float(side))
            else:
                change(created, self.effects[index[0]][index[1]], float(side))
            search.nodes[created.getNumber()] = child
        node.replaced, node.at, node.out = True, None, None
        return True

    def _node(self, number: int) -> Node:
        """Return the record of a node, with what SCIP's propagation of the logical rules adds."""
        search = self.search
        node = search.nodes.get(number)
        if node is None:  # the root
            node = search.nodes[number] = Node(
                search.frame.lo.copy(), search.frame.hi.copy(), search.rules.fixed_x.copy(),
                search.rules.fixed_z.copy(), search.bound, None, 0,
            )  # fmt: skip
        if node.out is None:
            for j, variable in self.columns.items():
                _read(variable, node.fixed_x, j)
            for k, row in enumerate(self.effects):
                for r, variable in enumerate(row):
                    _read(variable, node.fixed_z, (k, r))
        return node

    def _tighten(self, node: Node) -> None:
        pairs = [(v, node.fixed_x[j]) for j, v in self.columns.items()]
        pairs += [(v, f) for row, fs in zip(self.effects, node.fixed_z) for v, f in zip(row, fs)]
        for variable, fixed in pairs:
            if fixed == IN and variable.getLbLocal() < 0.5:
                self.model.tightenVarLb(variable, 1.0)
            elif fixed == OUT and variable.getUbLocal() > 0.5:
                self.model.tightenVarUb(variable, 0.0)

    def _point(self, solution) -> tuple[np.ndarray, np.ndarray]:
        t = np.ones(self.search.arrow.n_columns)
        for j, variable in self.columns.items():
            t[j] = round(self.model.getSolVal(solution, variable))
        values = [[self.model.getSolVal(solution, v) for v in row] for row in self.effects]
        return t, np.round(np.array(values))

    def _verdict(self, t: np.ndarray, s: np.ndarray, solution):
        search = self.search
        before = search.best.value
        found = search.offer(t, s)
        if search.best.value < before and solution is None:
            self._hand_over()
        above = found.value / search.scale - self.model.getSolVal(solution, self.theta)
        # A cut gives the margin away, so theta can end that far below and no nearer.
        close = above <= 2 * (search.tolerance + search.margin / search.scale)
        good = close and usable(search.rules, found)
        return SCIP_RESULT.FEASIBLE if good else SCIP_RESULT.INFEASIBLE

    def _hand_over(self) -> None:
        """Give SCIP our incumbent, so that it prunes by it."""
        solution = self.model.createSol()
        self._fill(solution)
        self.model.trySol(solution, printreason=False, checklprows=False)

    def _fill(self, solution) -> None:
        search = self.search
        self.model.setSolVal(solution, self.theta, search.best.value / search.scale)
        for j, variable in self.columns.items():
            self.model.setSolVal(solution, variable, float(search.best.t[j]))
        for row, values in zip(self.effects, search.best.s):
            for variable, value in zip(row, values):
                self.model.setSolVal(solution, variable, float(value))
        z = search.frame.directions @ search.best.beta
        for variable, value, low, high in zip(self.boxes, z, search.frame.lo, search.frame.hi):
            self.model.setSolVal(solution, variable, float(np.clip(value, low, high)))

    def _note(self) -> None:
        search = self.search
        if search.rules.only_budgets:
            if len(search.nodes) < 200 or len(search.nodes) % 50 < 2:
                search.log(search.proved()[0], self.model.getNNodes())
            return
        # SCIP proves its bound up to its tolerances: those and the rounding are given away.
        tolerance = search.tolerance * (1 + len(self.variables))
        dual = (self.model.getDualbound() - tolerance) * search.scale - search.margin
        search.log(dual, self.model.getNNodes())

    def _cut(self, at: Point, *, local: bool):
        """Add a cut, valid for the node's subtree or everywhere."""
        search = self.search
        fixed = at.slope_x[~search.rules.selectable].sum()
        row = self.model.createEmptyRowUnspec(
            f"cut_{search.cuts}",
            lhs=float((at.base + fixed - search.margin) / search.scale),
            rhs=None,
            local=local,
            removable=True,
        )
        self.model.cacheRowExtensions(row)
        self.model.addVarToRow(row, self.theta, 1.0)
        for j, variable in self.columns.items():
            if at.slope_x[j]:
                self.model.addVarToRow(row, variable, float(-at.slope_x[j] / search.scale))
        for variables, slopes in zip(self.effects, at.slope_z):
            for variable, slope in zip(variables, slopes):
                if slope:
                    self.model.addVarToRow(row, variable, float(-slope / search.scale))
        self.model.flushRowExtensions(row)
        search.cuts += 1
        infeasible = self.model.addCut(row, forcecut=True)
        return SCIP_RESULT.CUTOFF if infeasible else SCIP_RESULT.SEPARATED

    def _exclude(self, t: np.ndarray, s: np.ndarray):
        """Forbid one selection for which no coefficients obey the rules."""
        chosen = [(v, t[j]) for j, v in self.columns.items()]
        chosen += [(v, x) for row, xs in zip(self.effects, s) for v, x in zip(row, xs)]
        row = self.model.createEmptyRowUnspec(
            f"not_{self.search.cuts}", lhs=1.0 - sum(x for _, x in chosen), rhs=None, local=False
        )
        self.model.cacheRowExtensions(row)
        for variable, x in chosen:
            self.model.addVarToRow(row, variable, -1.0 if x else 1.0)
        self.model.flushRowExtensions(row)
        self.search.cuts += 1
        infeasible = self.model.addCut(row, forcecut=True)
        return SCIP_RESULT.CUTOFF if infeasible else SCIP_RESULT.SEPARATED


class _Branching(pyscipopt.Branchrule):
    """Hands fractional nodes to the handler's own choice."""

    def __init__(self, handler: _Handler) -> None:
        self.handler = handler

    def branchexecps(self, allowaddcons):
        return self.branchexeclp(allowaddcons)

    def branchexecext(self, allowaddcons):
        return self.branchexeclp(allowaddcons)

    def branchexeclp(self, allowaddcons):
        done = self.handler.branch()
        return {"result": SCIP_RESULT.BRANCHED if done else SCIP_RESULT.DIDNOTRUN}


def _read(variable, fixed: np.ndarray, index) -> None:
    if variable.getLbLocal() > 0.5:
        fixed[index] = IN
    elif variable.getUbLocal() < 0.5:
        fixed[index] = OUT


def _child(node: Node, choice: tuple, side: int) -> Node:
    """Return the record of a child: the lower or upper part of a box, or a selection out or in."""
    kind, index, cut = choice
    child = Node(
        node.lo.copy(), node.hi.copy(), node.fixed_x.copy(), node.fixed_z.copy(),
        node.bound, node.at, node.cap,
    )  # fmt: skip
    if kind == "box":
        (child.lo if side else child.hi)[index] = cut
    else:
        (child.fixed_x if kind == "x" else child.fixed_z)[index] = IN if side else OUT
    return child


def _choice(search: Search, node: Node) -> tuple | None:
    """Return what to split: ("box", j, where), ("x", j, None), ("z", (k, r), None), or None.

    A fractional selection lies below its chord, a box gives away tau_j (z_j - lo_j)(hi_j - z_j):
    the larger loss is split. In a box so wide that little can be extracted neither says much. There
    the box is halved, unless it takes fewer levels to list all selections.
    """
    at, out, arrow = node.at, node.out, search.arrow
    open_z = node.fixed_z == OPEN
    open_x = search.rules.selectable & (node.fixed_x == OPEN)
    if out is None:  # not relaxed, in trouble with numbers: split on anything that is open
        return _any_open(node, open_x, open_z)
    tiny = 1e-12 * search.scale
    room = max(search.best.value - node.bound, tiny)
    box, levels_box, loss_box, wide = None, np.inf, 0.0, False
    width = node.hi - node.lo
    if len(width) and (open_z.any() or out.tau.any()):
        z = search.frame.directions @ at.beta
        wish = box_extraction(
            arrow, search.rules, search.frame, node.lo, node.hi, node.fixed_x, node.fixed_z,
            at, _CAPS[_WIDE],
        )  # fmt: skip
        loss = wish.tau * width**2 / 4.0 if len(wish.tau) else np.zeros(len(width))
        wide = bool(
            loss.sum() > _WIDE_SHARE * room
        )  # a good diagonal costs more than there is to prove
        if not wide:
            loss = np.zeros(len(width))
            if len(out.tau):
                loss = out.tau * np.maximum((z - node.lo) * (node.hi - z), 0.0)
        loss[width <= 1e-9 * (1.0 + np.abs(z))] = 0.0
        j = int(np.argmax(loss))
        if loss[j] > tiny:
            edge = _EDGE * width[j]
            cut = float(np.clip(z[j], node.lo[j] + edge, node.hi[j] - edge))
            box = ("box", j, cut)
            if wide:
                ratio = np.maximum(loss, tiny) / room
                levels_box = float(np.maximum(0.5 * np.log2(ratio), 0.0).sum())
                levels_box += _FINER * len(width)  # the gap shrinks below what is left now
            loss_box = loss[j]
    # At the point, the cut's slope says what selecting wholly would gain from there.
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        whole = np.sqrt(-at.slope_z * out.dz)  # d u
        rest = np.maximum(np.diagonal(arrow.zz, axis1=1, axis2=2) - out.dz, 0.0)
        pull = whole + rest * np.abs(at.gamma)
        concave = np.where(at.s > 0, pull**2 / (rest + out.dz / np.maximum(at.s, 1e-300)), 0.0)
        loss_z = np.where(open_z & (out.dz > 0), concave - at.s * pull**2 / (rest + out.dz), 0.0)
    loss_x = np.where(open_x, at.t * (1 - at.t) * -at.slope_x, 0.0)
    largest = max(float(loss_z.max()), float(loss_x.max(initial=0.0)))
    few = _levels(search.rules, node) < levels_box
    if largest > tiny and (few if wide else largest > loss_box):
        if largest == loss_z.max():
            return "z", tuple(int(i) for i in np.argwhere(loss_z == largest)[0]), None
        return "x", int(np.argmax(loss_x)), None
    # The alternation may have stalled with nothing to split: what is open still can be.
    rest = _any_open(node, open_x, open_z)
    if not wide and not search.rules.only_budgets:
        # The relaxation knows budgets alone: what its selection breaks decides the logical rules.
        return _broken(search.rules, node, open_x, open_z) or box or rest
    return box or rest


def _broken(rules: Rules, node: Node, open_x: np.ndarray, open_z: np.ndarray) -> tuple | None:
    """Return an open selection in a logical rule that the relaxation's weights break."""
    weights_t, weights_s = node.at.t, node.at.s
    total = rules.logic_x @ weights_t + np.einsum("lkr,kr->l", rules.logic_z, weights_s)
    broken = np.maximum(rules.logic_lo - total, total - rules.logic_hi)
    for row in np.argsort(-broken):
        if broken[row] <= 1e-6:
            return None
        in_x = np.flatnonzero((rules.logic_x[row] != 0) & open_x)
        in_z = np.argwhere((rules.logic_z[row] != 0) & open_z)
        if len(in_z):
            slopes = [node.at.slope_z[k, r] for k, r in in_z]
            return "z", tuple(int(i) for i in in_z[int(np.argmin(slopes))]), None
        if len(in_x):
            return "x", int(in_x[np.argmin(node.at.slope_x[in_x])]), None
    return None


def _levels(rules: Rules, node: Node) -> float:
    """Return log2 of the number of selections left within the budgets."""
    groups = [(node.fixed_z[:, r], budget) for r, budget in enumerate(rules.budgets)]
    groups.append((node.fixed_x[rules.selectable], rules.column_budget))
    total = 0.0
    for fixed, budget in groups:
        n_open = int((fixed == OPEN).sum())
        left = min(max(int(budget - (fixed == IN).sum()), 0), n_open)
        total += (gammaln(n_open + 1) - gammaln(left + 1) - gammaln(n_open - left + 1)) / np.log(2)
    return float(total)


def _any_open(node: Node, open_x: np.ndarray, open_z: np.ndarray) -> tuple | None:
    """Return the open selection whose slope is steepest, if there is one."""
    if open_z.any():
        steep = np.zeros(open_z.shape) if node.at is None else node.at.slope_z
        where = np.argmin(np.where(open_z, steep, np.inf))
        return "z", tuple(int(i) for i in np.unravel_index(where, open_z.shape)), None
    if open_x.any():
        return "x", int(np.flatnonzero(open_x)[0]), None
    return None


def branch_and_bound(search: Search, gap: float, time_limit: float, seed: int) -> tuple[str, int]:
    """Run SCIP; the search keeps incumbent, bound and nodes. Returns status and node count."""
    arrow, rules = search.arrow, search.rules
    search.scale = max(search.best.value, 1e-300)
    # Each selection may add one tolerance to what SCIP's bound is off by: a tenth of the gap.
    n_selections = 1 + arrow.hz.size + int(rules.selectable.sum())
    search.tolerance = min(max(0.1 * gap / n_selections, _FINEST), _COARSEST)
    model = pyscipopt.Model("general model")
    model.hideOutput()
    left = max(time_limit - time.perf_counter() + search.started, 0.0)
    model.setParams(
        {
            "limits/gap": 0.8 * gap,  # ours is relative to the incumbent and gives away a margin
            "limits/time": min(left, 1e20),
            "numerics/feastol": search.tolerance,
            "numerics/dualfeastol": search.tolerance,
            "randomization/randomseedshift": seed % 2**31,
            # SCIP sees rules on selections but not the loss: clusters that look alike to it do
            # not to us, and what it fixes by its own reduced costs would not be strictly worse.
            "misc/usesymmetry": 0,
            "conflict/enable": False,
            "propagating/redcost/freq": -1,
            "propagating/rootredcost/freq": -1,
            "presolving/maxrounds": 0,
            "presolving/maxrestarts": 0,
            "separating/maxroundsroot": 3,
            "separating/maxrounds": 3,
            # Where only budgets bind, the least sum of slopes is a sort and needs no LP.
            "lp/solvefreq": -1 if rules.only_budgets else 1,
            "nodeselection/bfs/stdpriority": 10**6,
            "nodeselection/bfs/maxplungedepth": 0,
        }
    )
    model.setHeuristics(pyscipopt.SCIP_PARAMSETTING.OFF)
    theta = model.addVar("theta", lb=max(search.bound, 0.0) / search.scale, ub=None, obj=1.0)
    low, high = rules.ends()
    P, (K, R) = arrow.n_columns, arrow.shape
    columns = {
        int(j): model.addVar(f"t_{j}", vtype="B", lb=low[j], ub=high[j])
        for j in np.flatnonzero(rules.selectable)
    }
    effects = [
        [
            model.addVar(f"s_{k}_{r}", vtype="B", lb=low[P + k * R + r], ub=high[P + k * R + r])
            for r in range(R)
        ]
        for k in range(K)
    ]
    boxes = [
        model.addVar(f"z_{j}", lb=float(a), ub=float(b))
        for j, (a, b) in enumerate(zip(search.frame.lo, search.frame.hi))
    ]
    _add_rows(model, rules, columns, effects)
    handler = _Handler(search, theta, columns, effects, boxes)
    model.includeConshdlr(
        handler,
        "general",
        "theta >= c(selection)",
        sepapriority=1,
        enfopriority=-10,  # after integrality, so that enforced points are selections
        chckpriority=-10,
        sepafreq=1,
        needscons=False,
    )
    model.includeBranchrule(_Branching(handler), "own", "largest loss", 10**6, -1, 1.0)
    first = model.createSol()
    handler._fill(first)
    model.addSol(first)
    try:
        model.optimize()
    except Exception as error:  # SCIP's own, of numerical trouble: what is proved stays proved
        warnings.warn(f"SCIP stopped ({error}): returning the best so far.", stacklevel=4)
        return "heuristic", search.history[-1].nodes
    handler._note()
    ended = {"userinterrupt": "interrupted", "timelimit": "time_limit"}
    status = ended.get(model.getStatus(), "heuristic")
    nodes = model.getNTotalNodes()
    model.freeProb()
    return status, nodes


def _add_rows(model: pyscipopt.Model, rules: Rules, columns: dict, effects: list) -> None:
    """Add budgets and logical rules."""
    for r, budget in enumerate(rules.budgets):
        model.addCons(pyscipopt.quicksum(row[r] for row in effects) <= int(budget))
    for x, z, lo, hi in zip(rules.logic_x, rules.logic_z, rules.logic_lo, rules.logic_hi):
        terms = [x[j] * columns[j] for j in np.flatnonzero(x)]
        terms += [z[k, r] * effects[k][r] for k, r in np.argwhere(z)]
        total = pyscipopt.quicksum(terms)
        if np.isfinite(lo):
            model.addCons(total >= float(lo))
        if np.isfinite(hi):
            model.addCons(total <= float(hi))
