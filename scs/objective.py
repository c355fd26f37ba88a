"""The maths of Eq. 5 and Eq. 6 as pure functions of `Moments`: value, slopes, cuts, bounds.

Scaling: Eq. 5 as printed, a plain sum of squares (no 1/2, no 1/n), with the ridge
on the cluster effects and on every covariate but an intercept:

    ||y - X beta - A gamma||^2 + ridge ||gamma||^2 + ridge_fixed ||beta||^2
    subject to  ||gamma||_0 <= budget.

For selection weights s in [0, 1]^K the effects are minimised in closed form. What is left is a
weighted least-squares problem in beta, in which cluster k's mean residual counts with weight

    w_k(s_k) = n_k ridge / (n_k s_k + ridge),

n_k where the cluster is not selected and n_k ridge / (n_k + ridge) where it is. Its minimum c(s) is
the paper's c(S) of Eq. 6 at binary s, and convex in between.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.lapack import dpotrf, dpotrs, dpstrf

from scs.design import DesignWarning
from scs.moments import Moments

# Rounding of a computed c(s), relative to `Problem.rounding_scale`. Every bound gives it away.
ROUNDING = 12 * np.finfo(float).eps
_COARSE = 1e-6  # share of the sum of squares that rounding may hide without a warning
_BLOCK = 8192  # clusters weighted at a time, so that the scaled copy stays in cache


@dataclass(frozen=True)
class Problem:
    """One instance of Eq. 5 without its budget, about the overall means where an intercept allows.

    Attributes
    ----------
    n : ndarray, shape (K,)
        Rows in each cluster.
    x, y : ndarray (K, P), ndarray (K,)
        Cluster means; about ``origin_x``, ``origin_y`` when there is an intercept.
    within_xx, within_xy, within_yy : ndarray (P, P), ndarray (P,), float
        Pooled within-cluster cross-products.
    penalty : ndarray, shape (P,)
        Ridge on each coefficient; 0 on an intercept.
    ridge : float
        mu > 0 of Eq. 5 on the cluster effects.
    origin_x, origin_y : ndarray (P,), float
        What was subtracted from the means.
    names : tuple of str
        Column names, for messages.
    rounding_scale : float
        What rounding of a computed c(s) is proportional to. Within clusters the loss comes from
        cross-products, so it is the square of what they add up, sqrt(W_yy) + sum_j sqrt(W_jj)
        |beta_j|. Between clusters it comes from residuals: their norm times that of what they add
        up, ||y|| + sum_j ||x_j|| |beta_j|. Both at the larger of the coefficients with no and with
        all clusters selected.
    """

    n: np.ndarray
    x: np.ndarray
    y: np.ndarray
    within_xx: np.ndarray
    within_xy: np.ndarray
    within_yy: float
    penalty: np.ndarray
    ridge: float
    origin_x: np.ndarray
    origin_y: float
    names: tuple[str, ...]
    rounding_scale: float = 0.0

    @classmethod
    def from_moments(
        cls, moments: Moments, *, ridge: float = 1.0, ridge_fixed: float | None = None
    ) -> Problem:
        """Fix the ridge of Eq. 5 and move the origin to the overall means.

        Parameters
        ----------
        moments : Moments
        ridge : float
            mu > 0 on the cluster effects.
        ridge_fixed : float, optional
            Ridge >= 0 on the coefficients; the same as ``ridge`` if None.

        Raises
        ------
        ValueError
            A ridge out of range, or ``ridge_fixed`` = 0 with linearly dependent columns.
        """
        ridge = _non_negative(ridge, "ridge")
        if ridge == 0:
            raise ValueError(
                "ridge must be positive, got 0: Eq. 6 needs it. A small value (1e-4) leaves the "
                "effects almost unshrunken."
            )
        ridge_fixed = ridge if ridge_fixed is None else _non_negative(ridge_fixed, "ridge_fixed")
        origin_x = np.zeros(moments.n_columns)
        origin_y = 0.0
        if moments.intercept:
            # An unpenalised intercept absorbs any shift; about the means nothing cancels.
            origin_x = moments.n @ moments.mean_x / moments.n.sum()
            origin_x[0] = 0.0
            origin_y = float(moments.n @ moments.mean_y / moments.n.sum())
        penalty = np.full(moments.n_columns, ridge_fixed)
        penalty[: int(moments.intercept)] = 0.0
        problem = cls(
            n=moments.n,
            x=moments.mean_x - origin_x,
            y=moments.mean_y - origin_y,
            within_xx=moments.within_xx,
            within_xy=moments.within_xy,
            within_yy=moments.within_yy,
            penalty=penalty,
            ridge=ridge,
            origin_x=origin_x,
            origin_y=origin_y,
            names=moments.names,
        )
        gram = _check_columns(problem)
        ends = [profile(problem, np.full(problem.n_clusters, s)) for s in (0.0, 1.0)]
        beta = np.maximum(np.abs(ends[0].beta), np.abs(ends[1].beta))
        within = np.sqrt(problem.within_yy) + np.sqrt(np.diag(problem.within_xx)) @ beta
        reach = np.sqrt(problem.total) + np.sqrt(np.diag(gram)) @ beta
        residual = np.sqrt(max(ends[0].value, 0.0))
        problem = replace(problem, rounding_scale=float(within**2 + reach * residual))
        if problem.margin > _COARSE * problem.total:
            warnings.warn(
                "columns lie so far from zero, or so near to each other, that rounding hides more "
                f"than {_COARSE:g} of the outcome's sum of squares: centre or drop columns, or set "
                "ridge_fixed > 0.",
                DesignWarning,
                stacklevel=3,
            )
        return problem

    @property
    def n_clusters(self) -> int:
        """K."""
        return len(self.n)

    @property
    def total(self) -> float:
        """Sum of squares of the outcome (about its mean where there is an intercept)."""
        return self.within_yy + float(self.n @ self.y**2)

    @cached_property
    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        """`between_shares` of the problem: rho (P,) and the basis (P, P); computed once."""
        within = self.within_xx + np.diag(self.penalty)
        return between_shares(within, normal_matrix(self, self.n))

    @property
    def margin(self) -> float:
        """What a bound gives away to rounding, in units of the objective."""
        return ROUNDING * self.rounding_scale

    def coefficients(self, beta: np.ndarray) -> np.ndarray:
        """Return beta about the data's own origin: only the intercept changes."""
        beta = beta.copy()
        if self.origin_x.any() or self.origin_y:
            beta[0] += self.origin_y - self.origin_x @ beta
        return beta


@dataclass(frozen=True)
class Profile:
    """c(s) of Eq. 6 with its minimiser and slopes, all at the same point ``s``.

    Attributes
    ----------
    s : ndarray, shape (K,)
        Selection weights in [0, 1].
    value : float
        c(s).
    beta : ndarray, shape (P,)
        The minimising coefficients, about the problem's origin.
    residual : ndarray, shape (K,)
        Mean residual of each cluster before its effect, y_k - x_k'beta.
    slopes : ndarray, shape (K,)
        dc/ds_k <= 0.
    """

    s: np.ndarray
    value: float
    beta: np.ndarray
    residual: np.ndarray
    slopes: np.ndarray


def cluster_weights(problem: Problem, s: np.ndarray, delta: np.ndarray | float = 0.0) -> np.ndarray:
    """Return w_k(s_k), the weight left on each cluster's mean.

    n_k (mu + delta_k (1 - s_k)) / ((n_k - delta_k) s_k + mu + delta_k): without an extracted
    diagonal delta, n_k mu / (n_k s_k + mu). The two agree at binary s.
    """
    kept = problem.ridge + delta
    return problem.n * (kept - delta * s) / ((problem.n - delta) * s + kept)


def between_shares(within: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rho (P,), descending, and the basis V (P, P) with V'total V = I, V'(G)V = diag(rho).

    Parameters
    ----------
    within, total : ndarray, shape (P, P)
        Within products W and G + W, G between clusters; the ridge in both.
    """
    size = np.sqrt(np.diag(total))
    scale = 1.0 / np.where(size > 0, size, 1.0)
    unit = np.outer(scale, scale)
    rho, basis = eigh((total - within) * unit, total * unit, check_finite=False)
    return np.clip(rho[::-1], 0.0, 1.0), scale[:, None] * basis[:, ::-1]


def uniform_diagonal(problem: Problem) -> np.ndarray:
    """Return delta_k = (1 - rho_1) n_k, which leaves the loss of Eq. 5 convex (book, appendix).

    0 with an intercept: then rho_1 = 1. Rounding of rho is given away.
    """
    rho, _ = problem.shares
    return max(1.0 - rho[0] - 1e-9, 0.0) * problem.n


def normal_matrix(problem: Problem, weights: np.ndarray) -> np.ndarray:
    """Return the P x P matrix of the weighted least-squares problem in beta."""
    matrix = problem.within_xx.copy()
    for start in range(0, problem.n_clusters, _BLOCK):
        x = problem.x[start : start + _BLOCK]
        matrix += x.T @ (x * weights[start : start + _BLOCK, None])
    matrix.flat[:: len(matrix) + 1] += problem.penalty
    return matrix


def profile(problem: Problem, s: np.ndarray, delta: np.ndarray | float = 0.0) -> Profile:
    """Evaluate c(s) of Eq. 6 for selection weights between 0 and 1.

    Parameters
    ----------
    problem : Problem
    s : ndarray, shape (K,)
        In [0, 1]; binary s is a support.
    delta : ndarray, shape (K,), optional
        Diagonal moved from the loss under the perspective, see `uniform_diagonal`: the same at
        supports, larger in between, so that tangents are tighter.

    Returns
    -------
    Profile
        Value, coefficients and slopes at ``s``. Exact up to rounding.

    Raises
    ------
    ValueError
        The columns are linearly dependent at these weights and carry no ridge.

    References
    ----------
    Paper, Eq. 6.
    """
    weights = cluster_weights(problem, s, delta)
    matrix = normal_matrix(problem, weights)
    right = problem.within_xy + problem.x.T @ (weights * problem.y)
    # LAPACK directly: small problems would spend more time in the layers above it.
    factor, failed = dpotrf(matrix, lower=True)
    if failed:
        raise ValueError(_dependent_message(problem, matrix))
    beta = dpotrs(factor, right, lower=True)[0]
    # One step of refinement: an error in beta enters the value only squared.
    beta += dpotrs(factor, right - matrix @ beta, lower=True)[0]
    residual = problem.y - problem.x @ beta
    value = _within_loss(problem, beta) + float(weights @ residual**2)
    kept = problem.ridge + delta
    slopes = -kept * (problem.n * residual / ((problem.n - delta) * s + kept)) ** 2
    return Profile(np.asarray(s, dtype=float), value, beta, residual, slopes)


def indicator(n_clusters: int, support: np.ndarray) -> np.ndarray:
    """Return the binary selection weights of a support."""
    s = np.zeros(n_clusters)
    s[support] = 1.0
    return s


def negligible(problem: Problem, residual: np.ndarray) -> np.ndarray:
    """Say of which clusters an effect would gain no more than rounding, shape (K,)."""
    return (problem.n * residual) ** 2 / (problem.n + problem.ridge) <= problem.margin


def effects(problem: Problem, residual: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Return the minimising effects gamma_k = n_k r_k / (n_k + ridge) on the support, 0 elsewhere.

    Parameters
    ----------
    problem : Problem
    residual : ndarray, shape (K,)
        Mean residual of each cluster, r_k = y_k - x_k'beta.
    support : ndarray of int
        Selected clusters.
    """
    gamma = np.zeros(problem.n_clusters)
    n = problem.n[support]
    gamma[support] = n * residual[support] / (n + problem.ridge)
    return gamma


def objective(problem: Problem, beta: np.ndarray, gamma: np.ndarray) -> float:
    """Evaluate Eq. 5 at any coefficients (about the problem's origin) and effects.

    This is the referee: it shares no step with `profile`, so that what a solver claims is
    recomputed from its coefficients.
    """
    residual = problem.y - problem.x @ beta - gamma
    return (
        _within_loss(problem, beta)
        + float(problem.n @ residual**2)
        + problem.ridge * float(gamma @ gamma)
    )


def lower_bound(problem: Problem, at: Profile, budget: int) -> float:
    """Return a bound on Eq. 5 over all supports of the budget, from one point's value and slopes.

    c is convex, so c(s') >= c(s) + slopes'(s' - s); the right side is least where s' selects the
    most negative slopes. Valid at any s; the rounding margin is taken off, and 0 is always a bound.
    """
    base = at.value - float(at.slopes @ at.s)
    best = np.sort(at.slopes)[:budget].sum()
    return max(base + float(best) - problem.margin, 0.0)


def membership(problem: Problem, at: Profile, budget: int, incumbent: float) -> np.ndarray:
    """Say of every cluster what the cut at one point proves about all optimal supports.

    Parameters
    ----------
    problem : Problem
    at : Profile
    budget : int
    incumbent : float
        Objective of the best support known.

    Returns
    -------
    ndarray of str, shape (K,)
        "in": every support within the budget that leaves the cluster out is worse than the
        incumbent; "out": every one that selects it is; "open": neither is proved.
    """
    n_clusters = len(at.slopes)
    proved = np.full(n_clusters, "open", dtype="<U4")
    if budget >= n_clusters:
        proved[~negligible(problem, at.residual)] = "in"
        return proved
    if budget == 0:
        proved[:] = "out"
        return proved
    order = np.argsort(at.slopes, kind="stable")
    chosen = np.zeros(n_clusters, dtype=bool)
    chosen[order[:budget]] = True
    last_in, first_out = at.slopes[order[budget - 1]], at.slopes[order[budget]]
    base = at.value - float(at.slopes @ at.s) + float(at.slopes[chosen].sum()) - problem.margin
    # Forcing a cluster in drops the weakest chosen one; leaving one out lets the next one in.
    proved[~chosen & (base - last_in + at.slopes > incumbent)] = "out"
    proved[chosen & (base - at.slopes + first_out > incumbent)] = "in"
    return proved


def _within_loss(problem: Problem, beta: np.ndarray) -> float:
    """Within-cluster residual sum of squares plus the ridge on beta."""
    fit = beta @ (problem.within_xx @ beta - 2.0 * problem.within_xy)
    return problem.within_yy + float(fit) + float(problem.penalty @ beta**2)


def _non_negative(value: float, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}: pass for example 1.0.") from None
    if not (np.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be finite and not negative, got {value!r}: try 1.0.")
    return number


def _check_columns(problem: Problem) -> np.ndarray:
    """Refuse dependent columns that carry no ridge; warn of identical and constant ones.

    Returns X'X about the problem's origin.
    """
    matrix = problem.within_xx + problem.x.T @ (problem.x * problem.n[:, None])
    finite = np.isfinite(problem.total) and np.isfinite(matrix).all()
    if not finite or (problem.total == 0 and problem.y.any()):
        raise ValueError(
            "X or y is of a size whose squares leave the range of floating point: rescale it "
            "(divide each column by its largest value)."
        )
    sizes = np.sqrt(np.diag(matrix))
    if (problem.penalty[sizes == 0] == 0).any():
        raise ValueError(_dependent_message(problem, matrix))
    sizes[sizes == 0] = 1.0
    cosine = matrix / np.outer(sizes, sizes)
    unpenalised = problem.penalty == 0
    if unpenalised.any():
        block = cosine[np.ix_(unpenalised, unpenalised)]
        _, _, rank, _ = dpstrf(block, tol=1e-12)
        if rank < len(block):
            raise ValueError(_dependent_message(problem, matrix))
    twins = np.argwhere(np.triu(np.abs(cosine) > 1 - 1e-12, k=1))
    for i, j in twins:
        scale = sizes[j] / sizes[i]
        if abs(scale - 1) < 1e-9 and cosine[i, j] > 0:
            warnings.warn(
                f"columns {problem.names[i]!r} and {problem.names[j]!r} are identical: the ridge "
                "splits their coefficient evenly. Drop one of them to read it.",
                DesignWarning,
                stacklevel=4,
            )
    if problem.origin_x.any() or problem.origin_y:
        flat = np.diag(matrix)[1:] <= 1e-20 * problem.n.sum() * problem.origin_x[1:] ** 2
        for j in np.flatnonzero(flat) + 1:
            warnings.warn(
                f"column {problem.names[j]!r} is constant, as the intercept is: its coefficient "
                "is 0. Drop it, or fit without an intercept.",
                DesignWarning,
                stacklevel=4,
            )
    return matrix


def _dependent_message(problem: Problem, matrix: np.ndarray) -> str:
    """Name the columns that a pivoted Cholesky factorisation of the Gram matrix leaves over."""
    sizes = np.sqrt(np.maximum(np.diag(matrix), 0))
    sizes[sizes == 0] = 1.0
    _, pivots, rank, _ = dpstrf(matrix / np.outer(sizes, sizes), tol=1e-12)
    left_over = sorted(pivots[rank:] - 1) or [int(np.argmin(np.diag(matrix)))]
    columns = ", ".join(repr(problem.names[j]) for j in left_over)
    return (
        f"X has linearly dependent columns and no ridge that could choose between them: {columns} "
        "can be written with the others. Drop these columns, or set ridge_fixed > 0."
    )
