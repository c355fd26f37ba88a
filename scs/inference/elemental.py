"""Where the coefficients of any good trimming lie: families of small subsets that none avoids.

Whoever leaves out ``count`` of N rows keeps one of any ``count + 1`` disjoint groups of rows whole.
The rows of that group then have a sum of squares of at most that of the best trimming known, which
puts the coefficients into the group's ellipsoid. Groups that too few other rows fit are out; a row
that fits none of those left is left out by every good trimming. What all of this proves holds for
least trimmed squares itself, however far any row lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_MOST_GROUPS = 200_000  # that one family may have
_CHUNK = 2_000_000  # entries of (groups x rows x columns) looked at together
_TRIES = 8  # partitions, of which the one with the best worst group is taken
_FLAT = 1e-8  # a group is singular, a row in the span of others, below this share of its size
_SLACK = 1e-6  # relative, of sums of squares: rounding is far below it


@dataclass(frozen=True, eq=False)
class Region:
    """A union of ellipsoids that holds the coefficients of every good trimming.

    Attributes
    ----------
    centres : ndarray, shape (L, P)
    shapes : ndarray, shape (L, P, P)
        Ellipsoid l is where (beta - centre)'shape^-1(beta - centre) <= 1.
    must_go : ndarray of bool, shape (N,)
        Rows that every good trimming leaves out.
    left_out : float
        At most this is the sum of squares of the rows that a good trimming leaves out.
    n_subsets : int
        Subsets in the family.
    """

    centres: np.ndarray
    shapes: np.ndarray
    must_go: np.ndarray
    left_out: float
    n_subsets: int

    def ends(self, directions: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the least and largest value of each of ``directions @ (beta - origin)``."""
        middle = (self.centres - origin) @ directions.T
        square = np.einsum("jp,lpq,jq->lj", directions, self.shapes, directions)
        reach = np.sqrt(np.maximum(square, 0.0))
        pad = _SLACK * reach + 1e-9 * np.abs(middle)
        return (middle - reach - pad).min(axis=0), (middle + reach + pad).max(axis=0)


def good_region(
    X: np.ndarray, y: np.ndarray, count: int, limit: float, rng: np.random.Generator
) -> Region | None:
    """Return where the coefficients of every trimming as good as ``limit`` lie.

    Parameters
    ----------
    X, y : ndarray (N, P), ndarray (N,)
    count : int
        Rows to leave out, with N - count > P.
    limit : float
        Sum of squares of the best trimming known.
    rng : Generator

    Returns
    -------
    Region or None
        None where a family of subsets would be too large, or numbers do not allow it.
    """
    groups = _family(X, count, rng)
    return None if groups is None else _examine(X, y, count, limit, *groups)


def _family(
    X: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return groups of rows (L, g), of which every trimming keeps one, and which are flat.

    The first ``level`` rows of a group are chosen one by one, the farthest from the span of those
    before, in ``count + 2`` ways each; the rest are disjoint groups. One way more than needed, so
    that of what is kept beside any given row, too, a group is whole. Where fewer rows than that lie
    outside the span, all that is kept may lie within it: a *flat* group, which is completed by rows
    that are left out. There coefficients are not unique, and those without a residual at these
    rows are meant.
    """
    n_rows, n_columns = X.shape
    ways = count + 2
    size = max(n_columns, n_rows // ways)
    level = next(q for q in range(n_columns) if ways * (size - q) <= n_rows - q)
    for start in range(level, n_columns):
        if ways ** (start + 1) > 50 * _MOST_GROUPS:
            return None
        found = _grow(X, ways, start, max(n_columns, size if not start else 0), rng)
        if found is not None:
            return found
    return None


def _grow(
    X: np.ndarray, ways: int, level: int, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    n_rows, n_columns = X.shape
    begun: np.ndarray = np.zeros((1, 0), dtype=np.intp)
    flat: list[np.ndarray | None] = []
    whole = level == n_columns - 1  # the last rows, too, are chosen one by one
    taste = rng.uniform(0.5, 1.0, size=n_rows)  # families differ, and what each proves holds
    for depth in range(level + whole):
        distance = _distances(X, begun)
        order = np.argsort(-distance * taste, axis=1)[:, :ways]
        far = np.take_along_axis(distance, order, axis=1) > _FLAT
        for row in np.flatnonzero(~far.all(axis=1)):
            flat.append(_complete(X, begun[row]))
        repeated = np.repeat(begun, ways, axis=0)
        grown = np.column_stack([repeated, order.reshape(-1)])[far.reshape(-1)]
        begun = np.unique(np.sort(grown, axis=1), axis=0)
        if len(begun) > _MOST_GROUPS or not len(begun):
            return None
        if depth and len(begun) * n_rows > 5 * _CHUNK:
            return None
    completed = [group[None] for group in flat if group is not None]
    if len(completed) < len(flat):
        return None
    if not whole:
        divided = _divide(X, begun, ways, size - level, rng)
        if divided is None:
            return None
        begun = divided
    groups = np.vstack([begun, *completed]) if completed else begun
    return groups, np.arange(len(groups)) >= len(begun)


def _distances(X: np.ndarray, begun: np.ndarray) -> np.ndarray:
    """Return each row's distance from the span of each beginning, in units of the row's size."""
    sizes = np.linalg.norm(X, axis=1)
    if not begun.shape[1]:
        return np.minimum(sizes / max(np.median(sizes), 1e-300), 1.0)[None]
    sizes[sizes == 0] = np.inf
    result = np.empty((len(begun), len(X)))
    step = max(1, _CHUNK // X.size)
    for first in range(0, len(begun), step):
        part = begun[first : first + step]
        left = X
        basis = np.linalg.qr((X / sizes[:, None])[part].transpose(0, 2, 1))[0]
        for _ in range(2):  # the second time for what rounding left of the first
            left = left - (left @ basis) @ basis.transpose(0, 2, 1)
        result[first : first + step] = np.linalg.norm(left, axis=2) / sizes
    result[np.arange(len(begun))[:, None], begun] = 0.0
    return result


def _complete(X: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
    """Add rows outside the span until there are as many as columns."""
    while len(rows) < X.shape[1]:
        distance = _distances(X, rows[None])[0]
        farthest = int(np.argmax(distance))
        if distance[farthest] <= _FLAT:
            return None
        rows = np.append(rows, farthest)
    return rows


def _divide(
    X: np.ndarray, begun: np.ndarray, ways: int, size: int, rng: np.random.Generator
) -> np.ndarray | None:
    """Add to each beginning ``ways`` disjoint groups of other rows; None if one is singular."""
    n_rows, n_columns = X.shape
    unit = X / np.maximum(np.linalg.norm(X, axis=1), 1e-300)[:, None]
    worst, best = np.full(len(begun), -1.0), np.zeros((len(begun), ways, size), dtype=np.intp)
    for _ in range(_TRIES):
        keys = rng.random((len(begun), n_rows))
        np.put_along_axis(keys, begun, 2.0, axis=1)
        drawn = np.argsort(keys, axis=1)[:, : ways * size].reshape(len(begun), ways, size)
        groups = np.concatenate([np.repeat(begun[:, None], ways, axis=1), drawn], axis=2)
        rows = unit[groups]
        gram = rows.transpose(0, 1, 3, 2) @ rows
        least = np.linalg.eigvalsh(gram)[..., 0].min(axis=1)
        better = least > worst
        worst[better], best[better] = least[better], drawn[better]
    if not len(begun) or (worst <= n_columns * _FLAT).any():
        return None
    groups = np.concatenate([np.repeat(begun[:, None], ways, axis=1), best], axis=2)
    return np.unique(np.sort(groups.reshape(-1, groups.shape[2]), axis=1), axis=0)


def _examine(
    X: np.ndarray, y: np.ndarray, count: int, limit: float, groups: np.ndarray, flat: np.ndarray
) -> Region | None:
    """Drop the groups that no good trimming keeps, and say what those left have in common."""
    n_rows = len(y)
    limit *= 1.0 + _SLACK
    centres, shapes, left_out = [], [], 0.0
    may_stay = np.zeros(n_rows, dtype=bool)
    step = max(1, _CHUNK // X.size)
    for first in range(0, len(groups), step):
        group, is_flat = groups[first : first + step], flat[first : first + step]
        orthogonal, triangle = np.linalg.qr(X[group])
        own_y = y[group]
        diagonal = np.abs(np.einsum("lii->li", triangle))
        if (diagonal <= 0).any():
            return None
        inverse = np.linalg.inv(triangle)
        pulled = np.einsum("lgp,lg->lp", orthogonal, own_y)
        centre = np.einsum("lpq,lq->lp", inverse, pulled)
        rest = ((own_y - np.einsum("lgp,lp->lg", orthogonal, pulled)) ** 2).sum(axis=1)
        room = limit - rest * (1.0 - _SLACK)
        leverage = ((X @ inverse) ** 2).sum(axis=2)
        error = np.abs(y - centre @ X.T)
        fits = rest[:, None] + error**2 / (1.0 + leverage) <= limit
        own = np.zeros(fits.shape, dtype=bool)
        np.put_along_axis(own, group, True, axis=1)
        alive = (room >= 0) & (is_flat | ((fits | own).sum(axis=1) >= n_rows - count))
        # Each row's least square in the ellipsoid: what is kept adds up to no less.
        radius = np.sqrt(leverage * np.maximum(room, 0.0)[:, None])
        least = np.where(own, 0.0, np.maximum(error - radius, 0.0) ** 2)
        kept = np.partition(least, n_rows - count - 1, axis=1)[:, : n_rows - count]
        alive &= is_flat | (rest * (1.0 - _SLACK) + kept.sum(axis=1) <= limit)
        if not alive.any():
            continue
        may_stay |= (fits & ~own & alive[:, None]).any(axis=0)
        if is_flat[alive].any():
            may_stay[:] = True
        room = room[alive]
        reach = (error[alive] + radius[alive]) ** 2
        reach[own[alive] & ~is_flat[alive][:, None]] = 0.0
        if count:
            largest = np.partition(reach, n_rows - count, axis=1)[:, n_rows - count :]
            left_out = max(left_out, float(largest.sum(axis=1).max()))
        centres.append(centre[alive])
        square = inverse[alive] @ inverse[alive].transpose(0, 2, 1)
        shapes.append(square * room[:, None, None])
    if not centres:
        return None
    centre, shape = np.concatenate(centres), np.concatenate(shapes)
    if not (np.isfinite(centre).all() and np.isfinite(shape).all() and np.isfinite(left_out)):
        return None
    return Region(centre, shape, ~may_stay, left_out, len(groups))
