"""The branch and bound: SCIP keeps the tree and the logical rules, we bound its nodes.

The master problem is min theta over binary selections that obey budgets and logical rules. At each
node the relaxation of its record is minimised and its cut added as a local row. Where only budgets
bind, a sort takes the place of the LP. Leaves of problems with logical rules are closed by tangents
without a box, tight at their selection.
"""

from __future__ import annotations

import numpy as np
import pyscipopt
from pyscipopt import SCIP_RESULT

from scs.solvers.general.arrow import Point, evaluate
from scs.solvers.general.branching import child_of, choose_split
from scs.solvers.general.heuristic import gains, usable
from scs.solvers.general.rules import IN, OUT, Rules
from scs.solvers.general.tree import FINEST, Node, Search
from scs.solvers.scip import bare_model, heed, include_handler, run
from scs.solvers.tangents import clipped

_COARSEST = 1e-7  # of SCIP's tolerance, on an objective scaled to 1
_ROUNDS = 3  # of fixing and extracting again at a node


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
            return {"result": self._cut(found, self.search.bound, local=False)}
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
        return {"result": self._cut(node.point, node.bound, local=True)}

    def _bounded_node(self) -> Node:
        """Return the current node's record, bounded; round its relaxation to an answer."""
        search = self.search
        heed(self.model, search.stop)
        node = self._node(self.model.getCurrentNode().getNumber())
        before = search.best.value
        if node.bound <= before:
            search.process(node, _ROUNDS)
            if node.out is not None and (search.rules.only_budgets or len(search.nodes) % 8 == 1):
                search.offer(*search.rules.select(*gains(search.arrow, search.rules, node.point)))
        if search.polish is not None:
            search.best = search.polish(search.best)
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
        choice = choose_split(search, node)
        if choice is None:
            return False
        kind, index, cut = choice
        pair = [child_of(node, choice, side) for side in (0, 1)]
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

    def _cut(self, at: Point, floor: float, *, local: bool):
        """Add a cut, valid for the node's subtree or everywhere, as ``floor`` is as a bound."""
        search = self.search
        fixed = at.slope_x[~search.rules.selectable].sum()
        base = float(at.base + fixed) - search.margin
        # Steeper slopes than down to what is proved here say nothing, and SCIP rounds beside them.
        slope_x = clipped(base, at.slope_x, floor)
        slope_z = clipped(base, at.slope_z, floor)
        row = self.model.createEmptyRowUnspec(
            f"cut_{search.cuts}",
            lhs=base / search.scale,
            rhs=None,
            local=local,
            removable=True,
        )
        self.model.cacheRowExtensions(row)
        self.model.addVarToRow(row, self.theta, 1.0)
        for j, variable in self.columns.items():
            if slope_x[j]:
                self.model.addVarToRow(row, variable, float(-slope_x[j] / search.scale))
        for variables, slopes in zip(self.effects, slope_z):
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


def branch_and_bound(search: Search, gap: float, time_limit: float, seed: int) -> tuple[str, int]:
    """Run SCIP; the search keeps incumbent, bound and nodes. Returns status and node count."""
    arrow, rules = search.arrow, search.rules
    search.scale = max(search.best.value, 1e-300)
    # Each selection may add one tolerance to what SCIP's bound is off by: a tenth of the gap.
    n_selections = 1 + arrow.hz.size + int(rules.selectable.sum())
    search.tolerance = min(max(0.1 * gap / n_selections, FINEST), _COARSEST)
    model = bare_model(
        "general model",
        gap=0.8 * gap,  # ours is relative to the incumbent and gives away a margin
        deadline=search.record.started + time_limit,
        tolerance=search.tolerance,
        seed=seed,
        more={
            # What SCIP fixes by its own reduced costs would not be strictly worse.
            "conflict/enable": False,
            "propagating/redcost/freq": -1,
            "propagating/rootredcost/freq": -1,
            "separating/maxroundsroot": 3,
            "separating/maxrounds": 3,
            # Where only budgets bind, the least sum of slopes is a sort and needs no LP.
            "lp/solvefreq": -1 if rules.only_budgets else 1,
            "nodeselection/bfs/stdpriority": 10**6,
            "nodeselection/bfs/maxplungedepth": 0,
        },
    )
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
    include_handler(model, handler, "general", "theta >= c(selection)")
    model.includeBranchrule(_Branching(handler), "own", "largest loss", 10**6, -1, 1.0)
    first = model.createSol()
    handler._fill(first)
    model.addSol(first)
    return run(model, handler._note, search.record.steps, search.stop)


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
