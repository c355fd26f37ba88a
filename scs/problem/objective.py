"""The maths of Eq. 5 and Eq. 6 as pure functions of `Moments`: value, slopes, cuts, bounds.

Scaling: Eq. 5 as printed, a plain sum of squares (no 1/2, no 1/n), with the ridge
on the cluster effects and on every covariate but an intercept:

    ||y - X beta - A gamma||^2 + ridge ||gamma||^2 + ridge_fixed ||beta||^2
    subject to  ||gamma||_0 <= budget.

For selection weights s in [0, 1]^K the effects are minimised in closed form. What is left is a
weighted least-squares problem in beta, in which cluster k's mean residual counts with weight

    w_k(s_k) = n_k ridge / (n_k s_k + ridge),

n_k where the cluster is not selected and n_k ridge / (n_k + ridge) where it is. Its minimum c(s) is
the paper's c(S) of Eq. 6 at binary s, and convex in between. Where each selected cluster has a
price nu instead of a budget for all, the objective is c(s) + nu sum_k s_k, and no less convex.

All of it is computed in coordinates in which nothing cancels, see `scs.problem.coordinates`; what
rounding may still hide is stated by `Problem.rounding`, and every claim gives it away.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs

from scs.data.design import DesignWarning
from scs.moments.moments import Moments
from scs.problem.certificates import (
    lower_bound,
    margin_below,
    membership,
    negligible,
    rounding,
    units,
)
from scs.problem.columns import HOPELESS, check_columns, check_ridge, dependent_message
from scs.problem.coordinates import Triangle

__all__ = [
    "Problem",
    "Profile",
    "Reach",
    "between_shares",
    "cluster_weights",
    "end",
    "effects",
    "indicator",
    "lower_bound",
    "membership",
    "negligible",
    "normal_matrix",
    "objective",
    "profile",
    "rounding",
    "uniform_diagonal",
]

# Rounding of a computed c(s), relative to what its products add up, in the general solver.
ROUNDING = 12 * np.finfo(float).eps
_COARSE = 1e-6  # share of the sum of squares that rounding may hide without a warning
_HOPELESS = 1e-2  # and without a refusal
_BLOCK = 8192  # clusters weighted at a time, so that the scaled copy stays in cache


@dataclass(frozen=True)
class Problem:
    """One instance of Eq. 5 but for its budget, about the overall means where an intercept allows.

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
    basis : ndarray, shape (P, P)
        The coordinates of the problem: beta = basis @ z in the data's units, about the origin.
        ``x``, ``within_xx``, ``within_xy`` are of z, and ``within_xx`` holds the ridge.
    sizes, within_sizes : ndarray, shape (P,)
        Norms of what one unit of each coordinate adds up in the data's units, in all and within.
    reach : Reach, optional
        Where minimisers can lie.
    price : float
        nu >= 0, added to the objective for each selected cluster, see `priced`. With it a budget of
        None stands for no budget, here and in the solvers.
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
    basis: np.ndarray | None = None
    sizes: np.ndarray | None = None
    within_sizes: np.ndarray | None = None
    reach: Reach | None = None
    price: float = 0.0

    @classmethod
    def from_moments(
        cls,
        moments: Moments,
        *,
        ridge: float = 1.0,
        ridge_fixed: float | None = None,
        own_units: bool = False,
    ) -> Problem:
        """Fix the ridge of Eq. 5, move the origin to the overall means, choose coordinates.

        Parameters
        ----------
        moments : Moments
        ridge : float
            mu > 0 on the cluster effects.
        ridge_fixed : float, optional
            Ridge >= 0 on the coefficients; the same as ``ridge`` if None.
        own_units : bool
            Keep the data's units: for rules on single coefficients, which other coordinates hide.

        Raises
        ------
        ValueError
            A ridge out of range, ``ridge_fixed`` = 0 with linearly dependent columns, or columns
            of which rounding leaves nothing.
        """
        ridge = check_ridge(ridge, "ridge", zero=False)
        ridge_fixed = (
            ridge if ridge_fixed is None else check_ridge(ridge_fixed, "ridge_fixed", zero=True)
        )
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
        found = problem._in(check_columns(problem))
        hidden = found._note_reach()
        if hidden > _HOPELESS * problem.total:
            raise ValueError(HOPELESS)
        if hidden > _COARSE * problem.total:
            warnings.warn(
                "columns lie so far from zero, or so near to each other, that rounding hides more "
                f"than {_COARSE:g} of the outcome's sum of squares: centre or drop columns, or set "
                "ridge_fixed > 0.",
                DesignWarning,
                stacklevel=3,
            )
        return problem if own_units else found

    def _in(self, found: Triangle) -> Problem:
        """Return the problem in other coordinates, with the ridge among its products."""
        size = np.abs(found.basis)
        return replace(
            self,
            x=self.x @ found.basis,
            within_xx=found.within,
            within_xy=self.within_xy @ found.basis,
            penalty=np.zeros_like(self.penalty),
            basis=found.basis,
            sizes=found.norms @ size,
            within_sizes=np.sqrt(self.within_xx.diagonal() + self.penalty) @ size,
        )

    def _note_reach(self) -> float:
        """Set ``reach``; return what rounding hides of the values with no and all clusters."""
        none, every = (profile(self, np.full(self.n_clusters, s)) for s in (0.0, 1.0))
        inverse, _ = dpotri(every.factor, lower=True)
        hidden = rounding(self, none), rounding(self, every)
        reach = Reach(
            none=none,
            every=every,
            furthest=np.abs(every.beta),
            spread=np.sqrt(np.maximum(inverse.diagonal(), 0.0)) * (1 + 1e-6),
            lowest=every.value - hidden[1],
            empty=none.value + hidden[0],
        )
        object.__setattr__(self, "reach", reach)  # made here once, from the problem itself
        return max(hidden)

    def priced(self, price: float) -> Problem:
        """Return the problem with a price nu on each selected cluster.

        What bounds the coefficients is a bound without any price, so it stays as it is.
        """
        return replace(self, price=price)

    @property
    def n_clusters(self) -> int:
        """K."""
        return len(self.n)

    @cached_property
    def total(self) -> float:
        """Sum of squares of the outcome (about its mean where there is an intercept)."""
        return self.within_yy + float(self.n @ self.y**2)

    @cached_property
    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        """Shares rho (P,) that clusters explain, descending, and their directions V (P, P).

        V'(G + W)V = I and V'GV = diag(rho), G between clusters and W within with the ridge. G + W
        is the identity already, but for rounding, which makes rho larger.
        """
        own, basis = np.linalg.eigh(self.within_xx)
        off = np.linalg.norm(normal_matrix(self, self.n) - np.eye(len(own)))
        return np.clip(1.0 - own / (1.0 + off), 0.0, 1.0), basis

    @cached_property
    def margin(self) -> float:
        """What a bound gives away to rounding: of every support better than none at all."""
        assert self.reach is not None  # noted when the problem was made
        return margin_below(self, self.reach.empty)

    def rounding(self, size: np.ndarray, value: float) -> float:
        """Return what rounding can hide of Eq. 5 where |z| <= size and it is at most ``value``.

        Means and residuals carry the rounding of the sums that make them, in the data's units,
        which counts times their own norm, the root of ``value``. Quadratic forms carry that of
        their largest terms. Sums have at most K + P^2 terms, added pairwise or in blocks: both
        constants are several times the analysis's.
        """
        of_means, of_forms = units(len(size), self.n_clusters)
        residual = of_means * (sqrt(self.total) + float(size @ self.sizes))
        form = (sqrt(self.within_yy) + float(size @ self.within_sizes)) ** 2 + value
        return of_forms * form + 2 * sqrt(2 * value) * residual + residual**2

    def coefficients(self, beta: np.ndarray) -> np.ndarray:
        """Return coefficients in the data's units, about the data's own origin."""
        beta = beta.copy() if self.basis is None else self.basis @ beta
        if self.origin_x.any() or self.origin_y:
            beta[0] += self.origin_y - self.origin_x @ beta
        return beta


@dataclass(frozen=True)
class Reach:
    """The ellipsoid that holds the coefficients of all supports as good as a value.

    Whatever the support S, F(z, S) >= F(z, all clusters) = lowest + (z - centre)'M (z - centre). A
    price on clusters only adds to the left side.

    Attributes
    ----------
    none, every : Profile
        With no and with all clusters selected, and without a price.
    furthest, spread : ndarray, shape (P,)
        Size of the centre; roots of the diagonal of M's inverse.
    lowest, empty : float
        Eq. 5 with all and with no clusters selected, rounding taken off and added.
    """

    none: Profile
    every: Profile
    furthest: np.ndarray
    spread: np.ndarray
    lowest: float
    empty: float


@dataclass(frozen=True)
class Profile:
    """c(s) of Eq. 6 with its minimiser and slopes, all at the same point ``s``.

    Attributes
    ----------
    s : ndarray, shape (K,)
        Selection weights in [0, 1].
    value : float
        c(s), and the price of what is selected.
    beta : ndarray, shape (P,)
        The minimising coefficients, in the problem's coordinates.
    residual : ndarray, shape (K,)
        Mean residual of each cluster before its effect, y_k - x_k'beta.
    slopes : ndarray, shape (K,)
        Of the value in s_k: dc/ds_k <= 0, and the price.
    weights : ndarray, shape (K,)
        w_k(s_k).
    factor : ndarray, shape (P, P)
        Lower triangle of the normal matrix at these weights.
    hidden : float, optional
        By rounding, of the value: see `scs.problem.certificates.rounding`.
    """

    s: np.ndarray
    value: float
    beta: np.ndarray
    residual: np.ndarray
    slopes: np.ndarray
    weights: np.ndarray
    factor: np.ndarray
    hidden: float | None = None


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
        raise ValueError(dependent_message(problem, matrix))
    beta = dpotrs(factor, right, lower=True)[0]
    # One step of refinement: an error in beta enters the value only squared.
    beta += dpotrs(factor, right - matrix @ beta, lower=True)[0]
    residual = problem.y - problem.x @ beta
    value = _within_loss(problem, beta) + float(weights @ residual**2)
    kept = problem.ridge + delta
    slopes = -kept * (problem.n * residual / ((problem.n - delta) * s + kept)) ** 2
    s = np.asarray(s, dtype=float)
    if problem.price:
        value += problem.price * float(s.sum())
        slopes += problem.price
    return Profile(s, value, beta, residual, slopes, weights, factor)


def end(problem: Problem, selected: bool) -> Profile:
    """Return the profile with no or with all clusters selected, which every problem knows."""
    if problem.reach is None or problem.price:  # those known are without a price
        return profile(problem, np.full(problem.n_clusters, float(selected)))
    return problem.reach.every if selected else problem.reach.none


def indicator(n_clusters: int, support: np.ndarray) -> np.ndarray:
    """Return the binary selection weights of a support."""
    s = np.zeros(n_clusters)
    s[support] = 1.0
    return s


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
    """Evaluate Eq. 5 at any coefficients (about the problem's origin) and effects, price included.

    This is the referee: it shares no step with `profile`, so that what a solver claims is
    recomputed from its coefficients.
    """
    residual = problem.y - problem.x @ beta - gamma
    return (
        _within_loss(problem, beta)
        + float(problem.n @ residual**2)
        + problem.ridge * float(gamma @ gamma)
        + problem.price * int(np.count_nonzero(gamma))
    )


def _within_loss(problem: Problem, beta: np.ndarray) -> float:
    """Within-cluster residual sum of squares plus the ridge on beta."""
    fit = beta @ (problem.within_xx @ beta - 2.0 * problem.within_xy)
    return problem.within_yy + float(fit) + float(problem.penalty @ beta**2)
