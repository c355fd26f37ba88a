"""Eq. 5 with any number of effects a cluster, as one quadratic whose matrix is an arrow.

Let theta = (beta, gamma_1, ..., gamma_K), gamma_k in R^(Q+1). Eq. 5 without its budgets is

    theta'M theta - 2 h'theta + c,

where M couples clusters only through beta: blocks X'X, Z_k'X and Z_k'Z_k, ridge included. One
solve costs K small ones and a P x P one.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import nnls

from scs.moments.moments import Moments
from scs.problem.columns import HOPELESS
from scs.problem.objective import ROUNDING, Problem
from scs.problem.objective import objective as objective_of_means

_TOLERANCE = 1e-9  # of a linear rule, relative to what its terms add up to


@dataclass(frozen=True, eq=False)
class Arrow:
    """Eq. 5 about the problem's origin.

    Attributes
    ----------
    problem : Problem
        Of the means and pooled products, ridges included.
    xx, hx : ndarray (P, P), ndarray (P,)
        X'X plus the ridge, X'y.
    zx, zz, hz : ndarray (K, R, P), (K, R, R), (K, R)
        Z_k'X_k, Z_k'Z_k plus the ridge, Z_k'y_k, with R = Q + 1.
    constant : float
        y'y.
    mean_z, own_zz, own_zx, own_zy : ndarray
        Means and centred products of all R effects; those of the intercept are 1 and 0.
    margin : float
        What a bound gives away to rounding.
    """

    problem: Problem
    xx: np.ndarray
    hx: np.ndarray
    zx: np.ndarray
    zz: np.ndarray
    hz: np.ndarray
    constant: float
    mean_z: np.ndarray
    own_zz: np.ndarray
    own_zx: np.ndarray
    own_zy: np.ndarray
    margin: float = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """(K, R)."""
        return self.hz.shape

    @property
    def n_columns(self) -> int:
        """P."""
        return len(self.hx)


def make_arrow(moments: Moments, problem: Problem) -> Arrow:
    """Return the quadratic of Eq. 5; ``problem`` is that of the means and pooled products.

    Raises
    ------
    ValueError
        The squares of a slope column leave the range of floating point.
    """
    n, x, y = problem.n, problem.x, problem.y
    n_clusters, n_columns = x.shape
    n_effects = moments.n_effects
    mean_z = np.ones((n_clusters, n_effects))
    own_zz = np.zeros((n_clusters, n_effects, n_effects))
    own_zx = np.zeros((n_clusters, n_effects, n_columns))
    own_zy = np.zeros((n_clusters, n_effects))
    # The intercept's column is one of ones: its mean is 1, and nothing is left about it.
    mean_z[:, 1:] = moments.mean_z
    own_zz[:, 1:, 1:] = moments.within_zz
    own_zx[:, 1:] = moments.within_zx
    own_zy[:, 1:] = moments.within_zy
    with np.errstate(over="ignore", invalid="ignore"):
        squares = own_zz.sum(axis=0) + np.einsum("k,kq,kr->qr", n, mean_z, mean_z)
    if not np.isfinite(squares).all():
        raise ValueError(
            "Z is of a size whose squares leave the range of floating point: rescale it (divide "
            "each column by its largest value)."
        )
    nz = n[:, None] * mean_z
    arrow = Arrow(
        problem=problem,
        xx=problem.within_xx + x.T @ (x * n[:, None]) + np.diag(problem.penalty),
        hx=problem.within_xy + x.T @ (n * y),
        zx=own_zx + nz[:, :, None] * x[:, None, :],
        zz=own_zz + nz[:, :, None] * mean_z[:, None, :] + problem.ridge * np.eye(n_effects),
        hz=own_zy + nz * y[:, None],
        constant=problem.total,
        mean_z=mean_z,
        own_zz=own_zz,
        own_zx=own_zx,
        own_zy=own_zy,
    )
    return _with_margin(arrow)


def _with_margin(arrow: Arrow) -> Arrow:
    """Set what rounding may hide: proportional to the square of what the products add up."""
    nothing = plain(arrow)
    try:
        ends = [
            evaluate(arrow, np.ones(arrow.n_columns), np.full(arrow.shape, s), nothing)
            for s in (0.0, 1.0)
        ]
    except np.linalg.LinAlgError:
        raise ValueError(HOPELESS) from None
    norms_x = np.sqrt(np.diag(arrow.xx))
    norms_z = np.sqrt(np.diagonal(arrow.zz, axis1=1, axis2=2))
    scale = 0.0
    for at in ends:
        reach = np.sqrt(arrow.constant) + norms_x @ np.abs(at.beta)
        effects = np.linalg.norm((norms_z * np.abs(at.gamma)).sum(axis=1))
        scale = max(scale, float(reach + effects) ** 2)
    return Arrow(**{**arrow.__dict__, "margin": ROUNDING * scale})


def referee(arrow: Arrow, beta: np.ndarray, gamma: np.ndarray) -> float:
    """Evaluate Eq. 5 at any coefficients (about the problem's origin) and effects (K, R).

    The same arithmetic as with a random intercept alone: products within, residuals of the means.
    """
    problem = arrow.problem
    if arrow.shape[1] == 1:
        return objective_of_means(problem, beta, gamma[:, 0])
    residual = problem.y - problem.x @ beta - (arrow.mean_z * gamma).sum(axis=1)
    pull = arrow.own_zy - arrow.own_zx @ beta
    own = gamma * (np.einsum("krq,kq->kr", arrow.own_zz, gamma) - 2.0 * pull)
    fit = beta @ (problem.within_xx @ beta - 2.0 * problem.within_xy)
    within = problem.within_yy + float(fit) + float(own.sum())
    ridges = float(problem.penalty @ beta**2) + problem.ridge * float((gamma**2).sum())
    return within + float(problem.n @ residual**2) + ridges


@dataclass(frozen=True, eq=False)
class Extraction:
    """What is moved out of the quadratic: a diagonal, and products over a box.

    Attributes
    ----------
    dx, dz : ndarray (P,), ndarray (K, R)
        Diagonal put under the perspective; 0 where nothing is to be selected.
    tau, lo, hi : ndarray, shape (m,)
        Weights of (z_j - lo_j)(z_j - hi_j), the box's ends; z = directions @ beta.
    directions : ndarray, shape (m, P)
    """

    dx: np.ndarray
    dz: np.ndarray
    tau: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    directions: np.ndarray


def plain(arrow: Arrow, selectable: np.ndarray | None = None, share: float = 1.0) -> Extraction:
    """Return the extraction of the ridge alone (the paper's Eq. 6), or a share of it."""
    dx = np.zeros(arrow.n_columns)
    if selectable is not None:
        dx[selectable] = share * arrow.problem.penalty[selectable]
    dz = np.full(arrow.shape, share * arrow.problem.ridge)
    none = np.zeros(0)
    return Extraction(dx, dz, none, none, none, np.zeros((0, arrow.n_columns)))


@dataclass(frozen=True, eq=False)
class Linear:
    """Linear rules on coefficients and effects: ax beta + sum az gamma <= rhs, or ==.

    Attributes
    ----------
    ax, az : ndarray (m, P), ndarray (m, K, R)
    rhs : ndarray, shape (m,)
        About the problem's origin.
    equality : ndarray of bool, shape (m,)
    """

    ax: np.ndarray
    az: np.ndarray
    rhs: np.ndarray
    equality: np.ndarray

    def excess(self, beta: np.ndarray, gamma: np.ndarray) -> np.ndarray:
        """Return by how much each rule is broken, shape (m,)."""
        over = self.ax @ beta + np.einsum("mkr,kr->m", self.az, gamma) - self.rhs
        return np.where(self.equality, np.abs(over), over)

    def holds(self, beta: np.ndarray, gamma: np.ndarray) -> bool:
        """Say whether all rules hold, up to rounding."""
        sizes = np.abs(self.ax) @ np.abs(beta) + np.abs(self.rhs)
        sizes += np.einsum("mkr,kr->m", np.abs(self.az), np.abs(gamma))
        return bool((self.excess(beta, gamma) <= _TOLERANCE * (1.0 + sizes)).all())


@dataclass(frozen=True, eq=False)
class Point:
    """The relaxation at selection weights (t, s), and the cut that it gives.

    Attributes
    ----------
    t, s : ndarray (P,), ndarray (K, R)
        Selection weights of coefficients and effects, in [0, 1].
    value : float
        Of the relaxation there.
    base : float
        The cut is ``base + slope_x @ t' + sum(slope_z * s')``.
    slope_x, slope_z : ndarray (P,), ndarray (K, R)
        All <= 0.
    beta, gamma : ndarray (P,), ndarray (K, R)
        The minimiser.
    feasible : bool
        Whether the minimiser obeys the linear rules.
    """

    t: np.ndarray
    s: np.ndarray
    value: float
    base: float
    slope_x: np.ndarray
    slope_z: np.ndarray
    beta: np.ndarray
    gamma: np.ndarray
    feasible: bool = field(default=True)


def evaluate(
    arrow: Arrow, t: np.ndarray, s: np.ndarray, out: Extraction, linear: Linear | None = None
) -> Point:
    """Minimise the relaxation over coefficients and effects at selection weights, with its cut.

    The relaxation is F(theta, s) = theta'(M - D)theta - 2 h'theta + c + sum_i d_i theta_i^2 / s_i
    + sum_j tau_j (z_j - lo_j)(z_j - hi_j), subject to the linear rules A theta <= b.

    **The cut.** For any u, d_i theta_i^2/s_i >= d_i (2 u_i theta_i - u_i^2 s_i), because
    d_i (theta_i - u_i s_i)^2 / s_i >= 0. For any multipliers lam >= 0 of the rules, therefore,

        F(theta, s') >= min over theta of L(theta)  -  sum_i d_i u_i^2 s'_i,
        L(theta) = theta'(M - D)theta - 2 h'theta + c + 2 sum_i d_i u_i theta_i
                   + lam'(A theta - b) + (box products),

    for every feasible theta in the box and every s' in [0, 1]. L is convex as soon as
    M - D + (box products) is positive semidefinite. Here u makes the minimiser found stationary
    for L (exactly in gamma; in beta up to rounding), so that L there is its minimum and the cut is
    tight at s. Nothing else is asked of s, u or lam: coupled effects of one cluster need no other
    proof.

    Parameters
    ----------
    arrow : Arrow
    t, s : ndarray (P,), ndarray (K, R)
        Selection weights; 1 where there is nothing to select.
    out : Extraction
        With M - D + box products positive definite.
    linear : Linear, optional

    Returns
    -------
    Point

    Raises
    ------
    numpy.linalg.LinAlgError
        What is left of the quadratic is not convex.

    References
    ----------
    Frangioni and Gentile (2006), Perspective cuts for a class of convex 0-1 mixed integer programs.
    """
    root_t, root_s = np.sqrt(t), np.sqrt(s)
    n_effects = arrow.shape[1]
    diagonal = np.arange(n_effects)
    pull = out.tau * (out.lo + out.hi) / 2.0
    hx = arrow.hx + pull @ out.directions
    xx = arrow.xx + out.directions.T @ (out.directions * out.tau[:, None])
    xx[np.diag_indices_from(xx)] -= out.dx
    zz = arrow.zz.copy()
    zz[:, diagonal, diagonal] -= out.dz
    # In phi = theta / sqrt(s) the matrix stays regular where s is 0.
    block = root_s[:, :, None] * zz * root_s[:, None, :]
    block[:, diagonal, diagonal] += np.where((s == 0) & (out.dz == 0), 1.0, out.dz)
    cross = root_s[:, :, None] * arrow.zx * root_t
    inverse = np.linalg.inv(block)
    solved = inverse @ cross
    right_z = root_s * arrow.hz
    solved_right = np.einsum("krq,kq->kr", inverse, right_z)
    schur = root_t[:, None] * xx * root_t - np.einsum("krp,krq->pq", cross, solved)
    schur[np.diag_indices_from(schur)] += np.where((t == 0) & (out.dx == 0), 1.0, out.dx)
    factor = cho_factor(schur, lower=True, check_finite=False)

    def solve(gx: np.ndarray, gz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Solve with right-hand sides (m, P) and (m, K, R)."""
        own = np.einsum("krq,mkq->mkr", inverse, gz)
        phi_x = cho_solve(
            factor, (gx - np.einsum("krp,mkr->mp", solved, gz)).T, check_finite=False
        ).T
        return phi_x, own - np.einsum("krp,mp->mkr", solved, phi_x)

    phi_x = cho_solve(
        factor, root_t * hx - np.einsum("krp,kr->p", solved, right_z), check_finite=False
    )
    phi_z = solved_right - solved @ phi_x
    force_x, force_z, penalty = 0.0, 0.0, 0.0
    if linear is not None:
        ax, az = linear.ax * root_t, linear.az * root_s
        back_x, back_z = solve(ax, az)
        gram = ax @ back_x.T + np.einsum("mkr,nkr->mn", az, back_z)
        violation = ax @ phi_x + np.einsum("mkr,kr->m", az, phi_z) - linear.rhs
        lam = _multipliers(gram, violation, linear.equality)
        phi_x = phi_x - 0.5 * lam @ back_x
        phi_z = phi_z - 0.5 * np.einsum("m,mkr->kr", lam, back_z)
        force_x = 0.5 * lam @ linear.ax
        force_z = 0.5 * np.einsum("m,mkr->kr", lam, linear.az)
    beta, gamma = root_t * phi_x, root_s * phi_z
    for _ in range(2):  # refine beta: its gradient is the only one that u does not absorb
        qx = xx @ beta + np.einsum("krp,kr->p", arrow.zx, gamma)
        rest = np.where(out.dx > 0, 0.0, root_t * (hx - force_x - qx))
        step = cho_solve(factor, rest, check_finite=False)
        beta = beta + root_t * step
        gamma = gamma - root_s * (solved @ step)
    qx = xx @ beta + np.einsum("krp,kr->p", arrow.zx, gamma)
    qz = arrow.zx @ beta + np.einsum("krq,kq->kr", zz, gamma)
    pull_x = np.where(out.dx > 0, hx - force_x - qx, 0.0)
    pull_z = np.where(out.dz > 0, arrow.hz - force_z - qz, 0.0)
    if linear is not None:
        reach = linear.ax @ beta + np.einsum("mkr,kr->m", linear.az, gamma)
        penalty = float(lam @ (reach - linear.rhs))
    base = (
        arrow.constant
        + float(out.tau @ (out.lo * out.hi))
        + float(beta @ (qx - 2.0 * hx + 2.0 * pull_x))
        + float((gamma * (qz - 2.0 * arrow.hz + 2.0 * pull_z)).sum())
        + penalty
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        slope_x = np.where(out.dx > 0, -(pull_x**2) / out.dx, 0.0)
        slope_z = np.where(out.dz > 0, -(pull_z**2) / out.dz, 0.0)
    value = base + float(slope_x @ t) + float((slope_z * s).sum())
    feasible = linear is None or linear.holds(beta, gamma)
    return Point(t, s, value, base, slope_x, slope_z, beta, gamma, feasible)


def _multipliers(gram: np.ndarray, violation: np.ndarray, equality: np.ndarray) -> np.ndarray:
    """Return lam minimising lam'gram lam / 4 - lam'violation, lam >= 0 at inequalities.

    A free multiplier is the difference of two. Only its sign matters to the cut's validity.
    """
    if not ((violation > 0) | equality).any():
        return np.zeros(len(violation))
    signs = np.concatenate([np.ones(len(violation)), -np.ones(equality.sum())])
    index = np.concatenate([np.arange(len(violation)), np.flatnonzero(equality)])
    size = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    scaled = gram / np.outer(size, size)
    scaled[np.diag_indices_from(scaled)] += 1e-13
    try:
        lower = np.linalg.cholesky(scaled)
        target = np.linalg.solve(lower, 2.0 * violation / size)
        found = nnls(lower.T[:, index] * signs, target)[0]
    except (np.linalg.LinAlgError, RuntimeError):
        warnings.warn("a rule's multipliers were not found: the bound is weaker.", stacklevel=2)
        return np.zeros(len(violation))
    lam = np.zeros(len(violation))
    np.add.at(lam, index, signs * found)
    return lam / size
