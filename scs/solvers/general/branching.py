"""Where to split a node of the tree: in its box or on a selection, where it gives most away."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from scs.solvers.general.relaxation import box_extraction
from scs.solvers.general.rules import IN, OPEN, OUT, Rules
from scs.solvers.general.tree import CAPS, Node, Search

_WIDE = 6  # index of a share good enough to close the gap where the box allows it
_WIDE_SHARE = 0.3  # of what is to prove, that a box may cost before it counts as wide
_FINER = 4.0  # halvings of every side of a box from closing the gap once to closing it well
_EDGE = 0.15  # a box is not cut nearer to its end than this share of its width


def choose_split(search: Search, node: Node) -> tuple | None:
    """Return what to split: ("box", j, where), ("x", j, None), ("z", (k, r), None), or None.

    A fractional selection lies below its chord, a box gives away tau_j (z_j - lo_j)(hi_j - z_j):
    the larger loss is split. In a box so wide that little can be extracted neither says much. There
    the box is halved, unless it takes fewer levels to list all selections.
    """
    out, arrow = node.out, search.arrow
    open_z = node.fixed_z == OPEN
    open_x = search.rules.selectable & (node.fixed_x == OPEN)
    if out is None:  # not relaxed, in trouble with numbers: split on anything that is open
        return _any_open(node, open_x, open_z)
    at = node.point
    tiny = 1e-12 * search.scale
    room = max(search.best.value - node.bound, tiny)
    box: tuple | None = None
    levels_box, loss_box, wide = np.inf, 0.0, False
    width = node.hi - node.lo
    if len(width) and (open_z.any() or out.tau.any()):
        z = search.frame.directions @ at.beta
        wish = box_extraction(
            arrow, search.rules, search.frame, node.lo, node.hi, node.fixed_x, node.fixed_z,
            at, CAPS[_WIDE],
        )  # fmt: skip
        loss = wish.tau * width**2 / 4.0 if len(wish.tau) else np.zeros(len(width))
        # Wide: a good diagonal costs more than there is to prove.
        wide = bool(loss.sum() > _WIDE_SHARE * room)
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


def child_of(node: Node, choice: tuple, side: int) -> Node:
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


def _broken(rules: Rules, node: Node, open_x: np.ndarray, open_z: np.ndarray) -> tuple | None:
    """Return an open selection in a logical rule that the relaxation's weights break."""
    weights_t, weights_s = node.point.t, node.point.s
    total = rules.logic_x @ weights_t + np.einsum("lkr,kr->l", rules.logic_z, weights_s)
    broken = np.maximum(rules.logic_lo - total, total - rules.logic_hi)
    for row in np.argsort(-broken):
        if broken[row] <= 1e-6:
            return None
        in_x = np.flatnonzero((rules.logic_x[row] != 0) & open_x)
        in_z = np.argwhere((rules.logic_z[row] != 0) & open_z)
        if len(in_z):
            slopes = [node.point.slope_z[k, r] for k, r in in_z]
            return "z", tuple(int(i) for i in in_z[int(np.argmin(slopes))]), None
        if len(in_x):
            return "x", int(in_x[np.argmin(node.point.slope_x[in_x])]), None
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
