"""Good selections to begin with: alternate between coefficients and selection, then swap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scs.solvers.general.arrow import Arrow, Extraction, Point, evaluate, plain
from scs.solvers.general.rules import IN, OPEN, Rules
from scs.solvers.stop import Stop

_MAX_STEPS = 30
_CANDIDATES = 12  # on each side of a swap


def value_of(arrow: Arrow, rules: Rules, t: np.ndarray, s: np.ndarray, out: Extraction) -> Point:
    """Minimise Eq. 5 at a binary selection (any extraction without a box gives the same)."""
    return evaluate(arrow, t, s, out, rules.linear)


def usable(rules: Rules, at: Point) -> bool:
    """Say whether a point may be an answer: its selection and its coefficients obey all rules."""
    return at.feasible and rules.obeyed(at.t, at.s)


def gains(arrow: Arrow, rules: Rules, at: Point) -> tuple[np.ndarray, np.ndarray]:
    """Return what selecting each item alone gains, the others as they are: (P,), (K, R)."""
    diagonal = np.diagonal(arrow.zz, axis1=1, axis2=2)
    pull = arrow.hz - arrow.zx @ at.beta - np.einsum("krq,kq->kr", arrow.zz, at.gamma)
    gain_z = (pull + diagonal * at.gamma) ** 2 / diagonal
    gain_x = np.zeros(arrow.n_columns)
    if rules.selectable.any():
        own = np.diag(arrow.xx)
        full = arrow.hx - arrow.xx @ at.beta - np.einsum("krp,kr->p", arrow.zx, at.gamma)
        gain_x = (full + own * at.beta) ** 2 / np.maximum(own, 1e-300)
    return gain_x, gain_z


def improve(arrow: Arrow, rules: Rules, at: Point, out: Extraction) -> Point | None:
    """Alternate from a point until nothing improves; ``at`` need not be an answer itself.

    None where neither the point nor a selection met on the way obeys all rules.
    """
    best = at if usable(rules, at) else None
    for _ in range(_MAX_STEPS):
        t, s = rules.select(*gains(arrow, rules, at))
        if best is not None and (t == best.t).all() and (s == best.s).all():
            break
        found = value_of(arrow, rules, t, s, out)
        if not usable(rules, found) or (best is not None and found.value >= best.value):
            break
        at = best = found
    return best


def swap(
    arrow: Arrow, rules: Rules, at: Point, out: Extraction, *,
    rounds: int = 20, candidates: int = _CANDIDATES, stop: Stop | None = None,
) -> Point:  # fmt: skip
    """Exchange selected effects for others of the same kind, most promising first."""
    for _ in range(rounds):
        _, gain_z = gains(arrow, rules, at)
        better = None
        for r in range(arrow.shape[1]):
            inside = np.flatnonzero((at.s[:, r] == 1) & (rules.fixed_z[:, r] == OPEN))
            outside = np.flatnonzero((at.s[:, r] == 0) & (rules.fixed_z[:, r] == OPEN))
            inside = inside[np.argsort(gain_z[inside, r])][:candidates]
            outside = outside[np.argsort(-gain_z[outside, r])][:candidates]
            for j in inside:
                for k in [] if stop else outside:
                    s = at.s.copy()
                    s[j, r], s[k, r] = 0.0, 1.0
                    better = _better(arrow, rules, at.t, s, out, better or at, better)
        chosen = rules.selectable & (rules.fixed_x == OPEN)
        for i in np.flatnonzero(chosen & (at.t == 1))[:candidates]:
            for j in np.flatnonzero(chosen & (at.t == 0))[:candidates]:
                t = at.t.copy()
                t[i], t[j] = 0.0, 1.0
                better = _better(arrow, rules, t, at.s, out, better or at, better)
        if better is None:
            return at
        at = better
        if stop:
            break
    return at


def _better(arrow, rules, t, s, out, than: Point, otherwise: Point | None) -> Point | None:
    if not rules.obeyed(t, s):
        return otherwise
    found = value_of(arrow, rules, t, s, out)
    if found.feasible and found.value < than.value * (1 - 1e-12):
        return found
    return otherwise


def first_selection(
    arrow: Arrow,
    rules: Rules,
    out: Extraction,
    *,
    seed: int = 0,
    more: list[Point] | None = None,
    stop: Stop | None = None,
) -> tuple[Point, bool]:
    """Return the best selection of several starts, and whether Ctrl-C came meanwhile.

    When it is time to stop, an answer from the starts so far is enough.

    Raises
    ------
    ValueError
        No start led to coefficients that obey all rules.
    """
    P, (K, R) = arrow.n_columns, arrow.shape
    best: Point | None = None
    interrupted = False
    nothing = plain(arrow)
    try:
        t = np.ones(P)
        starts = list(more or [])
        full = evaluate(arrow, t, np.ones((K, R)), nothing, rules.linear)
        starts += [full, evaluate(arrow, t, np.zeros((K, R)), nothing, rules.linear)]
        residual = full.gamma[:, 0]
        rng = np.random.default_rng(seed)
        for level in np.quantile(residual, (0.1, 0.3, 0.5, 0.7, 0.9)):
            gamma = full.gamma.copy()
            gamma[:, 0] -= level
            starts.append(replace(full, gamma=gamma, feasible=False))  # a start, no answer
        for _ in range(3):
            t0, s0 = rules.select(rng.uniform(size=P), rng.uniform(size=(K, R)))
            starts.append(value_of(arrow, rules, t0, s0, out))
        for start in starts:
            end = improve(arrow, rules, start, out)
            if end is not None and (best is None or end.value < best.value):
                best = end
            if stop and best is not None:
                break
        if best is not None:
            best = swap(arrow, rules, best, out, stop=stop)
    except KeyboardInterrupt:
        interrupted = True
    if best is None:
        best = _any(arrow, rules, out)
    return best, interrupted


def _any(arrow: Arrow, rules: Rules, out: Extraction) -> Point:
    """Try selections from the emptiest to the fullest until one has coefficients that obey."""
    for level in (-1.0, 1.0):
        gain_z = np.full(arrow.shape, level)
        gain_z[rules.fixed_z == IN] = 1.0
        t, s = rules.select(np.full(arrow.n_columns, 1.0), gain_z)
        found = value_of(arrow, rules, t, s, out)
        if usable(rules, found):
            return found
    raise ValueError(
        "constraints: no selection was found whose coefficients obey all rules. Loosen the bounds."
    )
