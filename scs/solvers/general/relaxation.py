"""Which diagonal to extract on a box, and the relaxation's minimum over the budgets.

The diagonal D and the box weights tau are valid as soon as M - D + (box products) is positive
definite (`arrow.evaluate`). By the arrow shape that is: every block Z_k'Z_k + mu I - D_k is, and so
is their Schur complement in beta, a P x P matrix. An effect decided "out" drops out of both, one
decided "in" needs no diagonal. How D is chosen decides how tight the bound is, never whether it
holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scs.problem.objective import between_shares
from scs.solvers.general.arrow import Arrow, Extraction, Point, evaluate, plain
from scs.solvers.general.rules import IN, OPEN, OUT, Rules

SPLIT_RHO = 0.5  # directions of beta that clusters explain to a larger share are put in a box
_SHARE = 0.9  # of the convexity of the other directions that extraction may use up
_BASE = 0.99  # of the ridge that is always extracted
_BISECTIONS = 7
_MAX_STEPS = 40
_CLOSE, _STALL = 1e-6, 0.02  # relative: bound near the value; value falling by too little to go on


@dataclass(frozen=True, eq=False)
class Frame:
    """Coordinates z = V^-1 beta in which the boxes lie, and the first box.

    Attributes
    ----------
    basis : ndarray, shape (P, P)
        V, the directions to split first.
    directions : ndarray, shape (m, P)
        z = directions @ beta, the first m rows of V^-1.
    lo, hi : ndarray, shape (m,)
        A box that holds every beta at which some support is as good as the incumbent.
    """

    basis: np.ndarray
    directions: np.ndarray
    lo: np.ndarray
    hi: np.ndarray


def make_frame(arrow: Arrow, rules: Rules, value: float) -> Frame:
    """Return coordinates and first box, given the value of an incumbent.

    With all effects free, Eq. 5 minimised over the effects is a quadratic in beta that lies below
    it for every support: what is at most the incumbent lies in its ellipsoid, and in a box.
    """
    free = (rules.fixed_z != OUT).astype(float)
    cross = arrow.zx * free[:, :, None]
    block = arrow.zz * free[:, :, None] * free[:, None, :]
    diagonal = np.arange(arrow.shape[1])
    block[:, diagonal, diagonal] += 1.0 - free
    explained = np.einsum("krp,krq->pq", cross, np.linalg.solve(block, cross))
    rho, basis = between_shares(arrow.xx - explained, arrow.xx)
    n_split = int((rho > SPLIT_RHO).sum())
    directions = (basis.T @ arrow.xx)[:n_split]
    least = arrow.xx - explained
    everything = evaluate(arrow, np.ones(arrow.n_columns), free, plain(arrow))
    room = max(value - everything.value + 2 * arrow.margin, 0.0)
    spread = np.einsum("mp,pm->m", directions, np.linalg.solve(least, directions.T))
    reach = np.sqrt(np.maximum(spread, 0.0) * room) * (1 + 1e-6)
    centre = directions @ everything.beta
    reach += 1e-9 * np.abs(centre)
    return Frame(basis, directions, centre - reach, centre + reach)


def base_extraction(arrow: Arrow, rules: Rules) -> Extraction:
    """Return the largest uniform diagonal that needs no box: at supports its cuts are tight."""
    base = plain(arrow, rules.selectable, _BASE)
    diagonal = np.diagonal(arrow.zz, axis1=1, axis2=2)
    found = _extract(arrow, base, _blockwise(arrow, base.dz, diagonal, 0.9), None)
    return base if found is None else found


def box_extraction(
    arrow: Arrow,
    rules: Rules,
    frame: Frame,
    lo: np.ndarray,
    hi: np.ndarray,
    fixed_x: np.ndarray,
    fixed_z: np.ndarray,
    at: Point,
    cap: float,
) -> Extraction:
    """Return the extraction for a box and what is decided on it, aimed at a point.

    Parameters
    ----------
    at : Point
        Effects whose gain there is near that of the last one the budget admits need most: an
        effect of gain q times that one stays integral once d_i >= M_ii min(q, 1/q).
    cap : float
        Largest share of a cluster's own convexity to extract, below 1.
    """
    base = plain(arrow, rules.selectable & (fixed_x == OPEN), _BASE)
    base = replace(base, dz=np.where(fixed_z == OPEN, base.dz, 0.0))
    diagonal = np.diagonal(arrow.zz, axis1=1, axis2=2)
    pull = arrow.hz - arrow.zx @ at.beta - np.einsum("krq,kq->kr", arrow.zz, at.gamma)
    gain = (pull + diagonal * at.gamma) ** 2 / diagonal
    ratio = np.ones(arrow.shape)
    for r, budget in enumerate(rules.budgets):
        open_ = fixed_z[:, r] == OPEN
        left = int(budget - (fixed_z[:, r] == IN).sum())
        if 0 < left < open_.sum():
            last = np.partition(gain[open_, r], open_.sum() - left)[open_.sum() - left]
            ratio[:, r] = gain[:, r] / max(last, 1e-300)
    needed = np.minimum(ratio, 1.0 / np.maximum(ratio, 1e-300))
    target = np.where(fixed_z == OPEN, np.maximum(diagonal * needed, base.dz), 0.0)
    target = _blockwise(arrow, base.dz, target, cap)
    found = _extract(arrow, base, target, (frame, lo, hi, fixed_x, fixed_z))
    return base if found is None else found


def _blockwise(arrow: Arrow, low: np.ndarray, target: np.ndarray, cap: float) -> np.ndarray:
    """Shrink each cluster's target towards ``low`` until its own block stays positive definite."""
    if arrow.shape[1] == 1:
        return np.minimum(target, low + cap * (arrow.zz[:, 0] - low))
    diagonal = np.arange(arrow.shape[1])
    block = arrow.zz.copy()
    block[:, diagonal, diagonal] -= low
    extra = np.sqrt(np.maximum(target - low, 0.0))
    inverse = np.linalg.inv(block)
    largest = np.linalg.eigvalsh(extra[:, :, None] * inverse * extra[:, None, :])[:, -1]
    return low + np.minimum(1.0, cap / np.maximum(largest, 1e-300))[:, None] * extra**2


def _extract(arrow: Arrow, low: Extraction, target: np.ndarray, box) -> Extraction | None:
    """Go from ``low`` towards the target as far as convexity allows; boxes offset the rest."""
    if box is None:
        frame, n_split = None, 0
        basis, kept = np.eye(arrow.n_columns), np.ones(arrow.shape)
    else:
        frame, lo, hi, fixed_x, fixed_z = box
        basis, n_split = frame.basis, len(lo)
        kept = (fixed_z != OUT).astype(float)
        if (fixed_x == OUT).any():  # a coefficient that is 0 restricts beta to a subspace
            basis, n_split = np.eye(arrow.n_columns)[:, fixed_x != OUT], 0

    def schur(share: float) -> np.ndarray:
        dz = low.dz + share * (target - low.dz)
        block = arrow.zz * kept[:, :, None] * kept[:, None, :]
        diagonal = np.arange(arrow.shape[1])
        block[:, diagonal, diagonal] += 1.0 - kept - dz * kept
        cross = arrow.zx * kept[:, :, None]
        matrix = arrow.xx - np.einsum("krp,krq->pq", cross, np.linalg.solve(block, cross))
        matrix[np.diag_indices_from(matrix)] -= low.dx
        return basis.T @ matrix @ basis

    rest = slice(n_split, None)
    least = (1.0 - _SHARE) * schur(0.0)[rest, rest]
    slack = 1e-12 * np.eye(len(least)) * max(np.abs(least).max(initial=0.0), 1e-300)

    def allowed(share: float) -> bool:
        try:
            np.linalg.cholesky(schur(share)[rest, rest] - least - slack)
        except np.linalg.LinAlgError:
            return False
        return True

    share, step = 1.0, 1.0
    if len(least) and not allowed(1.0):
        share = 0.0
        for _ in range(_BISECTIONS):
            step /= 2
            share += step if allowed(share + step) else 0.0
    found = replace(low, dz=low.dz + share * (target - low.dz))
    if not n_split or frame is None:
        return found if share > 0 else None
    matrix = schur(share)
    corner, side = matrix[:n_split, :n_split], matrix[:n_split, rest]
    if side.size:
        corner = corner - side @ np.linalg.solve(matrix[rest, rest], side.T)
    width = hi - lo
    scaled = corner * np.outer(width, width)
    size = np.abs(scaled).max() + np.abs(matrix[:n_split, :n_split] * np.outer(width, width)).max()
    dominance = np.abs(scaled).sum(axis=1) - np.abs(np.diag(scaled)) - np.diag(scaled)
    dominance = np.maximum(dominance, 0.0)
    lowest = np.full(n_split, max(-float(np.linalg.eigvalsh(scaled)[0]), 0.0))
    tau = min(dominance, lowest, key=np.sum) + 1e-11 * size
    return replace(found, tau=tau / width**2, lo=lo, hi=hi, directions=frame.directions)


def least_sum(
    slope_x: np.ndarray, slope_z: np.ndarray, rules: Rules, fixed_x: np.ndarray, fixed_z: np.ndarray
) -> float:
    """Return the least sum of slopes over binary selections within the budgets (no other rule)."""
    total = float(slope_x[~rules.selectable].sum())
    groups = [(slope_z[:, r], rules.budgets[r], fixed_z[:, r]) for r in range(slope_z.shape[1])]
    if rules.selectable.any():
        groups.append((slope_x[rules.selectable], rules.column_budget, fixed_x[rules.selectable]))
    for slopes, budget, fixed in groups:
        left = max(int(budget - (fixed == IN).sum()), 0)
        total += float(slopes[fixed == IN].sum() + np.sort(slopes[fixed == OPEN])[:left].sum())
    return total


def relax(
    arrow: Arrow,
    rules: Rules,
    out: Extraction,
    fixed_x: np.ndarray,
    fixed_z: np.ndarray,
    start: tuple[np.ndarray, np.ndarray] | None = None,
    max_steps: int = _MAX_STEPS,
    enough: float = np.inf,
) -> tuple[Point, float]:
    """Minimise the relaxation over selection weights within the budgets, roughly.

    Alternates between coefficients and weights, cluster by cluster within an effect, until the
    bound is ``enough`` or progress stalls. Wherever it ends the cut there is valid.

    Returns
    -------
    Point
        Of the best bound met.
    float
        That bound: no selection within the budgets has a smaller objective (rounding not yet
        given away).
    """
    t, s = _even(rules, fixed_x, fixed_z) if start is None else start
    t = np.where(fixed_x == OUT, 0.0, np.where(fixed_x == IN, 1.0, t))
    s = np.where(fixed_z == OUT, 0.0, np.where(fixed_z == IN, 1.0, s))
    best: Point | None = None
    bound, before = -np.inf, np.inf
    diagonal = np.diagonal(arrow.zz, axis1=1, axis2=2)
    for _ in range(max_steps):
        at = evaluate(arrow, t, s, out, rules.linear)
        lower = at.base + least_sum(at.slope_x, at.slope_z, rules, fixed_x, fixed_z)
        if lower > bound or best is None:
            best, bound = at, max(lower, bound)
        left = at.value - bound
        if bound > enough or left <= _CLOSE * abs(at.value) or before - at.value < _STALL * left:
            break
        before = at.value
        s, gamma = at.s.copy(), at.gamma.copy()
        for r, budget in enumerate(rules.budgets):
            others = np.einsum("kq,kq->k", arrow.zz[:, r], gamma) - diagonal[:, r] * gamma[:, r]
            pull = np.abs(arrow.hz[:, r] - arrow.zx[:, r] @ at.beta - others)
            rest = np.maximum(diagonal[:, r] - out.dz[:, r], 0.0)
            s[:, r] = _fill(pull, out.dz[:, r], rest, int(budget), fixed_z[:, r])
            with np.errstate(divide="ignore", over="ignore"):  # 1 / infinite is 0, as it should
                soft = np.where(s[:, r] > 0, rest + out.dz[:, r] / np.maximum(s[:, r], 1e-300), 1.0)
            signed = arrow.hz[:, r] - arrow.zx[:, r] @ at.beta - others
            gamma[:, r] = np.where(s[:, r] > 0, signed / soft, 0.0)
        if rules.selectable.any():
            with np.errstate(divide="ignore", invalid="ignore"):
                some = rules.selectable
                pull = np.sqrt(-at.slope_x[some] * out.dx[some])  # d u = d theta / t
                rest = np.maximum(np.diag(arrow.xx)[some] - out.dx[some], 0.0)
                whole = pull + rest * np.abs(at.beta[some])
            t = t.copy()
            t[some] = _fill(whole, out.dx[some], rest, rules.column_budget, fixed_x[some])
    assert best is not None  # the first step always gives one
    return best, bound


def _even(rules: Rules, fixed_x: np.ndarray, fixed_z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spread each budget evenly over what is open."""
    t, s = np.ones(len(fixed_x)), np.zeros(fixed_z.shape)
    for r, budget in enumerate(rules.budgets):
        open_ = fixed_z[:, r] == OPEN
        left = max(int(budget - (fixed_z[:, r] == IN).sum()), 0)
        s[open_, r] = min(left / max(open_.sum(), 1), 1.0)
    open_ = rules.selectable & (fixed_x == OPEN)
    left = max(int(rules.column_budget - (fixed_x[rules.selectable] == IN).sum()), 0)
    t[open_] = min(left / max(open_.sum(), 1), 1.0)
    return t, s


def _fill(
    pull: np.ndarray, d: np.ndarray, rest: np.ndarray, budget: int, fixed: np.ndarray
) -> np.ndarray:
    """Maximise sum pull^2 / (rest + d/s) over weights s within the budget, by one multiplier.

    At multiplier kappa, s = (pull sqrt(d) kappa - d) / rest, cut to [0, 1].
    """
    s = (fixed == IN).astype(float)
    open_ = np.flatnonzero((fixed == OPEN) & (pull > 0) & (d > 0))
    left = int(budget - s.sum())
    if left <= 0 or not open_.size:
        return s
    if left >= len(open_):
        s[open_] = 1.0
        return s
    a, d, rest = (
        pull[open_] * np.sqrt(d[open_]),
        d[open_],
        np.maximum(rest[open_], 1e-12 * d[open_]),
    )

    # The sum of the weights rises with kappa along straight pieces: find the one that holds it.
    begin, end = d / a, (d + rest) / a
    kappa = np.concatenate([begin, end])
    order = np.argsort(kappa)
    kappa = kappa[order]
    steepness = np.cumsum(np.concatenate([a / rest, -a / rest])[order])
    total = np.concatenate([[0.0], np.cumsum(steepness[:-1] * np.diff(kappa))])
    piece = int(np.searchsorted(total, left)) - 1
    where = kappa[piece] + (left - total[piece]) / max(steepness[piece], 1e-300)
    s[open_] = np.clip((a * where - d) / rest, 0.0, 1.0)
    return s
