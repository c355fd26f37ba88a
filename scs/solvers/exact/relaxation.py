"""Bounds of many nodes at once: diagonal extraction, the relaxation, cuts, reduced costs.

A node is a box lo <= z <= hi and a set of clusters decided "in" or "out". On it

    F(z, s) + sum_j tau_j (z_j - lo_j)(z_j - hi_j),   tau >= 0,

is nowhere above F, and with the perspective weights w_k(s_k) of the extracted diagonal it is
jointly convex as soon as

    W + sum_{decided} w_k x_k x_k' + diag(tau) - sum_{open} n_k e_k x_k x_k'   is PSD,

delta_k = n_k e_k / (1 + e_k). Its tangent plane at any (z, s) is then a bound: least over the box
coordinate by coordinate, and over the supports by the most negative slopes. Where each selected
cluster has a price nu instead of a budget for all, nu sum_k s_k is added to F: then the least over
the supports is where every slope below -nu is taken, and nothing has to be sorted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scs.solvers.exact.canonical import Canonical
from scs.solvers.exact.nodes import IN, OPEN, OUT, Nodes

_LARGEST = 1e4  # of e: beyond it the fractional band is too thin to matter
_SHARE = 0.9  # of the within products that extraction may use up
_AMPLE = 2.0  # diagonal to extract, in units of what is needed: fewest nodes of 1 to 10
_SPARE = 1e3  # the most, where it costs nothing
_SLACK = 1e-12  # of the PSD condition, in coordinates where all matrices are of order 1
_RIDGE = 1e-9  # for a factor of what may be singular; the curvature of the box pays for it
_THIN = 1e-5  # what is smaller is not scaled up to 1, nor its rounding beyond that ridge
_SORT = 4096  # clusters up to which whole rows are sorted


@dataclass
class Cut:
    """The tangent at one point of each node, and what it says about where to branch."""

    bound: np.ndarray  # (B,)
    z: np.ndarray  # (B, P)
    s: np.ndarray  # (B, K)
    slopes: np.ndarray  # (B, K), 0 at decided clusters
    residual: np.ndarray  # (B, K) at z
    box_loss: np.ndarray  # (B, P): tau_j (z_j - lo_j)(hi_j - z_j)
    # (B,) each: the smallest of the -slopes that the bound takes, the largest that it leaves; with
    # a price both are the price.
    last: np.ndarray
    following: np.ndarray
    delta: np.ndarray  # (B, K)


# Relative rounding of a slope, of a sum of them and of their differences.
_OF_SLOPES = 128 * np.finfo(float).eps


def largest(values: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the sum of each row's ``count`` largest, the last of them, and the next one.

    Rows of one array are independent; -inf marks what does not count. ``count`` must lie between 1
    and (number of finite values) - 1.
    """
    n_rows, n_columns = values.shape
    if n_columns <= _SORT:
        ordered = -np.sort(-values, axis=1)
        rows = np.arange(n_rows)
        finite = np.where(ordered == -np.inf, 0.0, ordered)
        total = np.cumsum(finite, axis=1)[rows, count - 1]
        return total, ordered[rows, count - 1], ordered[rows, count]
    total, last, following = np.empty(n_rows), np.empty(n_rows), np.empty(n_rows)
    for row, (value, c) in enumerate(zip(values, count)):
        split = n_columns - c
        part = np.partition(value, (split - 1, split))
        total[row], last[row], following[row] = part[split:].sum(), part[split], part[split - 1]
    return total, last, following


@dataclass(frozen=True)
class Taken:
    """What the best support of each node takes of a row of gains, all of shape (B,).

    Attributes
    ----------
    total : ndarray
        Sum of those taken, price paid.
    size : ndarray
        What adds up to it: without a price the same.
    last, following : ndarray
        The smallest taken and the largest left; with a price between the two: that.
    """

    total: np.ndarray
    size: np.ndarray
    last: np.ndarray
    following: np.ndarray


def take(gain: np.ndarray, count: np.ndarray | None, price: float) -> Taken:
    """Take the ``count`` largest of each row of gains, or else all that are worth their price.

    -inf marks what cannot be taken.
    """
    if count is not None:
        total, last, following = largest(gain, count)
        return Taken(total, total, last, following)
    total = np.maximum(gain - price, 0.0).sum(axis=1)
    # One that is worth its price but for rounding may be so without it.
    size = np.where(gain > (1 - 2 * _OF_SLOPES) * price, gain + price, 0.0).sum(axis=1)
    at = np.full(len(gain), price)
    return Taken(total, size, at, at)


def extract(
    canonical: Canonical, nodes: Nodes, open_: np.ndarray, decided: np.ndarray, q: np.ndarray,
    cap: np.ndarray | float, spare: float,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Choose the diagonal delta (B, K) and the box curvature tau (B, P).

    A cluster whose gain is ``q`` times the marginal one stays integral in the relaxation as soon as
    (mu + delta) / (mu + n) >= min(q, 1/q): only what lies near the margin needs much, and no more
    than ``cap``, where the box curvature starts to cost more than the diagonal brings. Exactly what
    is needed leaves reduced costs of 0, which decide nothing, and no room for z to move. So all ask
    for ``spare`` times as much, and take what the within products allow where no box has to pay.
    """
    n, mu = canonical.n, canonical.ridge
    m = canonical.n_split
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = (mu + n) * np.minimum(q, 1.0 / q) - mu
        e = needed / (n - needed)
    e = np.where(needed >= n, np.inf, np.maximum(spare * e, 0.0))
    e = np.where(open_, np.minimum(np.minimum(e, cap), _LARGEST), 0.0)
    e[np.isnan(e)] = 0.0
    given = canonical.within_xx + decided
    # Directions split into boxes are paid for by the boxes' curvature, all others by what is given.
    first = m if canonical.boxed else 0
    if canonical.n_columns > first:
        own = given[:, first:, first:]
        scale = 1.0 / np.sqrt(np.maximum(np.einsum("bii->bi", own), _THIN))
        own = own * (scale[:, :, None] * scale[:, None, :])
        if m > first:
            own = own + _RIDGE * np.eye(own.shape[1])
        root = np.linalg.inv(np.linalg.cholesky(own)) * scale[:, None, :]
        for last in (False, False, True):
            taken = canonical.gram(e * n)
            part = taken[:, first:, first:]
            top = np.linalg.eigvalsh(root @ part @ root.transpose(0, 2, 1))[:, -1]
            with np.errstate(divide="ignore"):
                factor = np.minimum(1.0, _SHARE / np.maximum(top, 0.0))
            if (factor == 1.0).all() or last:
                break
            # First from those that take most: one cluster at the margin must not starve the others.
            e = np.where(factor[:, None] < 1.0, np.minimum(e, (e.max(1) * factor)[:, None]), e)
        if not first:
            with np.errstate(divide="ignore"):
                factor = np.minimum(_SPARE, _SHARE / np.maximum(top, 0.0))
        e *= factor[:, None]
        taken *= factor[:, None, None]
    else:
        taken = canonical.gram(e * n)
    tau = np.zeros_like(nodes.lo)
    if m:
        tau[:, :m] = _box_curvature(given - taken, nodes.hi[:, :m] - nodes.lo[:, :m], m)
        trace = np.einsum("bii->b", taken)
        tau[:, :m] += (_SLACK * (1.0 + trace))[:, None]
    return n * (e / (1.0 + e)), tau


def _box_curvature(matrix: np.ndarray, width: np.ndarray, m: int) -> np.ndarray:
    """Return tau >= 0 (B, m) that makes matrix + diag(tau) PSD at little cost tau'width^2."""
    corner = matrix[:, :m, :m]
    if matrix.shape[1] > m:
        cross = matrix[:, m:, :m]
        corner = corner - cross.transpose(0, 2, 1) @ np.linalg.solve(matrix[:, m:, m:], cross)
    diagonal = np.einsum("bii->bi", corner)
    if m == 1:
        return np.maximum(-diagonal, 0.0)
    # In units of the widths: diagonal dominance is exact for two coordinates, the least eigenvalue
    # a good choice for many; the cheaper of the two is taken.
    unit = corner * (width[:, :, None] * width[:, None, :])
    size = np.einsum("bii->bi", unit)
    dominance = np.maximum(np.abs(unit).sum(axis=2) - np.abs(size) - size, 0.0)
    least = np.maximum(-np.linalg.eigvalsh(unit)[:, :1], 0.0) * np.ones(m)
    cheaper = dominance.sum(axis=1) <= least.sum(axis=1)
    chosen = np.where(cheaper[:, None], dominance, least)
    with np.errstate(divide="ignore", invalid="ignore"):
        tau = chosen / width**2
    # A box of no width costs nothing: any curvature will do.
    flat = np.abs(corner).sum(axis=2)
    return np.where(width > 0, tau * (1 + 1e-9), flat)


def waterfill(
    strength: np.ndarray, inner: np.ndarray, outer: np.ndarray, budget: np.ndarray | None,
    open_: np.ndarray, start: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return s in [0, 1] (B, K) that minimises sum_k w_k(s_k) r_k^2 at about the budget.

    With the multiplier u: s_k = clip((strength_k u - outer_k) / inner_k). Safeguarded Newton on
    sum(s) = budget, which need not be met to the last digit: a tangent is a bound at any s. Where
    clusters have a price, the multiplier is known.
    """
    a = np.where(open_, strength / inner, 0.0)
    b = np.where(open_, outer / inner, 0.0)
    if budget is None:
        return np.clip(a * start[:, None] - b, 0.0, 1.0)
    u = start.copy()
    low, high = np.zeros_like(u), np.full_like(u, np.inf)
    for _ in range(30):
        s = np.clip(a * u[:, None] - b, 0.0, 1.0)
        excess = s.sum(axis=1) - budget
        if (np.abs(excess) <= 1e-4).all():
            break
        low, high = np.where(excess < 0, u, low), np.where(excess > 0, u, high)
        slope = np.where((s > 0) & (s < 1), a, 0.0).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = u - excess / slope
        inside = (newton > low) & (newton < high)
        middle = np.where(np.isinf(high), 2 * u, (low + high) / 2)
        u = np.where(inside, newton, middle)
    return s


def solve_box(
    matrix: np.ndarray, right: np.ndarray, lo: np.ndarray, hi: np.ndarray, m: int
) -> np.ndarray:
    """Minimise z'Mz - 2 right'z with the first m coordinates in their box, to a few active sets.

    What is left unsolved only weakens the bound: the tangent is taken where this ends.
    """
    z = np.linalg.solve(matrix, right[..., None])[..., 0]
    if not m:
        return z
    below, above = z[:, :m] < lo[:, :m], z[:, :m] > hi[:, :m]
    busy = np.flatnonzero((below | above).any(axis=1))
    if not busy.size:
        return z
    M, c, low, high = matrix[busy], right[busy], lo[busy, :m], hi[busy, :m]
    at_low, at_high = below[busy], above[busy]
    index = np.arange(m)
    for _ in range(m + 2):
        held = at_low | at_high
        system, target = M.copy(), c.copy()
        top = system[:, :m]
        top[held] = 0.0
        top[:, index, index] = np.where(held, 1.0, M[:, index, index])
        target[:, :m] = np.where(held, np.where(at_low, low, high), c[:, :m])
        found = np.linalg.solve(system, target[..., None])[..., 0]
        slope = (np.einsum("bij,bj->bi", M, found) - c)[:, :m]
        next_low = (at_low & (slope > 0)) | (~held & (found[:, :m] < low))
        next_high = (at_high & (slope < 0)) | (~held & (found[:, :m] > high))
        if (next_low == at_low).all() and (next_high == at_high).all():
            break
        at_low, at_high = next_low, next_high
    found[:, :m] = np.clip(found[:, :m], low, high)
    z[busy] = found
    return z


def relax(
    canonical: Canonical, nodes: Nodes, budget: int | None, value: float, *, spare: float = _AMPLE
) -> Cut:
    """Take one step of the relaxation from each node's z, and the tangent where it ends.

    Parameters
    ----------
    canonical : Canonical
    nodes : Nodes
        With the decisions that the budget implies made (`settle`).
    budget : int or None
        None: clusters have a price instead.
    value : float
        Incumbent; only its size matters, for rounding.
    spare : float
        Diagonal to extract, in units of what is needed, see `extract`. More decides more clusters,
        and costs more on wide boxes.

    Returns
    -------
    Cut
        ``bound`` is at most F at every (z, S) of the node, whatever the quality of the step.
    """
    n, mu, y, least = canonical.n, canonical.ridge, canonical.y, canonical.least
    open_ = nodes.fixed == OPEN
    some = open_.any(axis=1)
    n_in = (nodes.fixed == IN).sum(axis=1)
    left = None if budget is None else budget - n_in
    count = None if left is None else np.where(some, left, 1)
    weights = np.where(nodes.fixed == IN, least, n)
    s = np.where(nodes.fixed == IN, 1.0, 0.0)
    delta = np.zeros_like(s)
    tau = np.zeros_like(nodes.lo)
    if some.any():
        r = y - nodes.z @ canonical.x.T
        gain = np.where(open_, (n * r) ** 2 / (n + mu), -np.inf)
        at = take(gain, count, canonical.price)
        margin = np.where(some, np.maximum((at.last + at.following) / 2, 1e-300), 1.0)
        cap = np.inf
        if canonical.boxed:
            m = canonical.n_split
            threshold = np.sqrt(margin[:, None] * (n + mu)) / n
            reach = (nodes.hi - nodes.lo)[:, :m] @ np.abs(canonical.x[:, :m].T)
            with np.errstate(divide="ignore", invalid="ignore"):
                cap = threshold / reach
        decided = canonical.gram(np.where(open_, 0.0, weights))
        q = np.where(open_, gain, 0.0) / margin[:, None]
        delta, tau = extract(canonical, nodes, open_, decided, q, cap, spare)
        tau = np.where(some[:, None], tau, 0.0)
        outer, inner = mu + delta, n - delta
        strength = n * np.abs(r) * np.sqrt(outer)
        start = 1.0 / np.sqrt(margin)
        s = np.where(open_, waterfill(strength, inner, outer, left, open_, start), s)
        weights = np.where(open_, n * (mu + delta * (1 - s)) / (inner * s + outer), weights)
    matrix = canonical.within_xx + canonical.gram(weights)
    index = np.arange(canonical.n_columns)
    matrix[:, index, index] += tau
    right = canonical.within_xy + (weights * y) @ canonical.x + tau * (nodes.lo + nodes.hi) / 2
    # Where nothing is left to decide the box is not needed: the value is that of the support.
    lo = np.where(some[:, None], nodes.lo, -np.inf)
    hi = np.where(some[:, None], nodes.hi, np.inf)
    z = solve_box(matrix, right, lo, hi, canonical.n_split)
    r = y - z @ canonical.x.T
    box = tau * (z - nodes.lo) * (nodes.hi - z)
    within = canonical.within_yy + np.einsum(
        "bi,bi->b", z, z @ canonical.within_xx - 2 * canonical.within_xy
    )
    f = within - box.sum(axis=1) + np.einsum("bk,bk->b", weights, r**2)
    slope_z = 2 * (np.einsum("bij,bj->bi", matrix, z) - right)
    base = f + np.minimum(slope_z * (nodes.lo - z), slope_z * (nodes.hi - z)).sum(axis=1)
    slopes = np.zeros_like(s)
    base = base + canonical.price * n_in
    cancels = _OF_SLOPES * canonical.price * n_in
    last = following = np.zeros(len(nodes))
    if some.any():
        slopes = np.where(open_, (n * r / (inner * s + outer)) ** 2 * -outer, 0.0)
        taken = take(np.where(open_, -slopes, -np.inf), count, canonical.price)
        last, following = taken.last, taken.following
        lifted = -np.einsum("bk,bk->b", slopes, s)
        base = base + lifted - np.where(some, taken.total, 0.0)
        # Larger than F where the diagonal is small.
        cancels = cancels + _OF_SLOPES * (lifted + np.where(some, taken.size, 0.0))
    # A decided node stands for one support and its own minimiser, not for a box.
    reach = np.where(some[:, None], np.maximum(np.abs(nodes.lo), np.abs(nodes.hi)), 0.0)
    reach = np.maximum(reach, np.abs(z))
    bound = base - canonical.margin(reach, np.maximum(f, value)) - cancels
    # What left the range of floating point proves nothing; NaN would pass for a node given up.
    bound = np.where(np.isnan(bound), -np.inf, bound)
    return Cut(bound, z, s, slopes, r, box, last, following, delta)


def fix(nodes: Nodes, cut: Cut, value: float) -> None:
    """Decide clusters whose other choice the tangent proves worse than ``value``, in place."""
    open_ = nodes.fixed == OPEN
    some = open_.any(axis=1)
    if not some.any():
        return
    gain = np.where(open_, -cut.slopes, -np.inf)
    room = (value - cut.bound)[:, None]
    # Slopes are rounded too, and can be far larger than the room: the larger of two gives it away.
    sure = 1 - 2 * _OF_SLOPES
    with np.errstate(invalid="ignore"):
        out = open_ & (sure * cut.last[:, None] - gain > room)
        in_ = open_ & (sure * gain - cut.following[:, None] > room)
    nodes.fixed[out] = OUT
    nodes.fixed[in_] = IN
