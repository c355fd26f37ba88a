"""The problem in coordinates in which it reads best, about the best support known.

With G = sum_k n_k x_k x_k' between clusters and W the within products plus the ridge, take V with
V'(G + W)V = I and V'GV = diag(rho). In coordinates z = V^-1 (beta - beta_best) the problem is

    F(z, S) = within - 2 b'z + z'Wz + sum_{k not in S} n_k r_k^2 + sum_{k in S} m_k r_k^2,

with r_k = y_k - x_k'z and m_k = n_k mu / (n_k + mu). A rho near 1 marks a direction that clusters
explain and rows within clusters do not: an intercept has rho = 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from scs.problem.certificates import units
from scs.problem.columns import HOPELESS
from scs.problem.objective import Problem, Profile

# Directions of larger rho are branched on: no diagonal worth having can be extracted beside them.
SPLIT_RHO = 0.5
# Up to this many clusters, and this many for each of the 2^n_split corners of a box, clusters alone
# are decided: boxes in many directions are more than the clusters, and cost more than they bring.
_FEW, _FEW_EACH = 20, 4
_TABLE = 1 << 21  # entries of the table of outer products that a small problem keeps
_TRIES = 6  # at a box that holds its own rounding
_BLOCK = 8192  # clusters weighted at a time, so that the scaled copy stays in cache


def n_split(problem: Problem) -> int:
    """Return the number of directions to be split into boxes: those with rho > 1/2."""
    return int((problem.shares[0] > SPLIT_RHO).sum())


def few(n_split: int) -> float:
    """Return up to how many open clusters it is better to decide them than to split boxes."""
    return _FEW_EACH * 2.0 ** min(n_split, 60)


def boxes_pay(n_split: int, n_clusters: int) -> bool:
    """Say whether to split boxes at all, see `Canonical.boxed`."""
    return n_split > 0 and n_clusters > max(_FEW, few(n_split))


@dataclass(frozen=True)
class Canonical:
    """Eq. 5 about an incumbent, in coordinates z.

    Attributes
    ----------
    n, y : ndarray, shape (K,)
        Cluster sizes; mean residuals of the incumbent.
    x : ndarray, shape (K, P)
        Cluster means in the new coordinates.
    least : ndarray, shape (K,)
        Weight of a selected cluster, n_k mu / (n_k + mu).
    within_xx, within_xy, within_yy : ndarray (P, P), ndarray (P,), float
        Within products, ridge included.
    ridge, price : float
        mu, and nu of each selected cluster where there is no budget.
    rho : ndarray, shape (P,)
        Descending, in [0, 1].
    n_split : int
        Number of leading coordinates with rho > 1/2.
    boxed : bool
        Whether these coordinates are split into boxes. Where clusters are few beside the corners of
        such a box only clusters are decided, and what is extracted is what the within products and
        decided clusters pay for.
    basis : ndarray, shape (P, P)
        V: coefficients = origin + V z, in the problem's coordinates.
    origin : ndarray, shape (P,)
        Coefficients of the incumbent.
    sizes, within_sizes : ndarray, shape (P,)
        Norms of what one unit of each coordinate sums up in the data's units, in all and within;
        for rounding.
    offset, within_size : float
        The same of the outcome and the incumbent's fit.
    table : ndarray (K, P^2) or None
        Outer products of the rows of ``x`` where they are few.
    """

    n: np.ndarray
    y: np.ndarray
    x: np.ndarray
    least: np.ndarray
    within_xx: np.ndarray
    within_xy: np.ndarray
    within_yy: float
    ridge: float
    price: float
    rho: np.ndarray
    n_split: int
    boxed: bool
    basis: np.ndarray
    origin: np.ndarray
    sizes: np.ndarray
    within_sizes: np.ndarray
    offset: float
    within_size: float
    table: np.ndarray | None

    @classmethod
    def about(cls, problem: Problem, best: Profile, basis: np.ndarray | None = None) -> Canonical:
        """Transform a problem about the coefficients of its best known support.

        ``basis``: V, where the problem leaves a choice (rho is the same in all directions).
        """
        rho, own = problem.shares
        basis = own if basis is None else basis
        within, beta = problem.within_xx, best.beta
        pull = problem.within_xy - within @ beta
        value = problem.within_yy - 2 * problem.within_xy @ beta + beta @ within @ beta
        x = problem.x @ basis
        n_clusters, n_columns = x.shape
        table = None
        if n_clusters * n_columns**2 <= _TABLE:
            table = (x[:, :, None] * x[:, None, :]).reshape(n_clusters, -1)
        within = basis.T @ within @ basis
        splits = n_split(problem)
        return cls(
            n=problem.n,
            y=best.residual,
            x=x,
            least=problem.n * problem.ridge / (problem.n + problem.ridge),
            within_xx=(within + within.T) / 2,
            within_xy=basis.T @ pull,
            within_yy=max(float(value), 0.0),
            ridge=problem.ridge,
            price=problem.price,
            rho=rho,
            n_split=splits,
            boxed=boxes_pay(splits, n_clusters),
            basis=basis,
            origin=beta,
            sizes=problem.sizes @ np.abs(basis),
            within_sizes=problem.within_sizes @ np.abs(basis),
            offset=float(np.sqrt(problem.total) + problem.sizes @ np.abs(beta)),
            within_size=float(problem.within_yy + (problem.within_sizes @ np.abs(beta)) ** 2),
            table=table,
        )

    @property
    def n_clusters(self) -> int:
        """K."""
        return len(self.n)

    @property
    def n_columns(self) -> int:
        """P."""
        return self.x.shape[1]

    def margin(self, reach: np.ndarray, value: np.ndarray | float) -> np.ndarray:
        """Return what rounding can add to a bound over |z| <= reach, shape (..., P) -> (...).

        Residuals carry the rounding of the sums that make them, which counts times their own norm,
        the root of ``value``; quadratic forms carry that of their largest terms. Sums have at most
        K + P^2 terms, added pairwise or in blocks: the constant is several times the analysis's.
        """
        of_means, of_forms = units(self.n_columns, self.n_clusters)
        residual = of_means * (self.offset + reach @ self.sizes)
        forms = self.within_size + (np.sqrt(value) + reach.sum(-1) + reach @ self.within_sizes) ** 2
        return of_forms * forms + 2 * np.sqrt(2 * value) * residual + residual**2

    def gram(self, weights: np.ndarray) -> np.ndarray:
        """Return sum_k weights_k x_k x_k', shape (B, K) -> (B, P, P)."""
        shape = (len(weights), self.n_columns, self.n_columns)
        if self.table is not None:
            return (weights @ self.table).reshape(shape)
        found = np.zeros(shape)
        for rows in range(0, self.n_clusters, _BLOCK):
            x = self.x[rows : rows + _BLOCK]
            for matrix, weight in zip(found, weights[:, rows : rows + _BLOCK]):
                # Weights are 0 for most clusters where only a few are open.
                if np.count_nonzero(weight) * 4 < len(weight):
                    few = np.flatnonzero(weight)
                    some = x[few]
                    matrix += some.T @ (some * weight[few, None])
                else:
                    matrix += x.T @ (x * weight[:, None])
        return found

    def root_box(self, value: float) -> tuple[np.ndarray, np.ndarray]:
        """Return a box that holds every z at which some support is as good as ``value``.

        F(z, S) >= F(z, all clusters) = c1 + (z - z1)'M1(z - z1), whatever S: what is at most
        ``value`` lies in an ellipsoid, and what clusters cost beside F only makes it smaller.
        """
        matrix = self.within_xx + self.gram(self.least[None])[0]
        right = self.within_xy + (self.least * self.y) @ self.x
        size = 1.0 / np.sqrt(np.diag(matrix))
        scaled = matrix * np.outer(size, size)
        factor = cho_factor(scaled, lower=True, check_finite=False)
        centre = size * cho_solve(factor, size * right, check_finite=False)
        inverse = cho_solve(factor, np.eye(len(right)), check_finite=False)
        spread = size * np.sqrt(np.maximum(np.diag(inverse), 0.0))
        lowest = self.within_yy + float(self.least @ self.y**2) - float(right @ centre)
        # Rounding of the centre and of the inverse: a part in a million is far more than enough.
        slack, more = 0.0, 1e-9 * np.abs(centre)
        for _ in range(_TRIES):
            reach = spread * np.sqrt(max(value + slack - lowest, 0.0)) * (1 + 1e-6) + more
            # What is as good as ``value`` looks no worse than this much above it; by convexity the
            # box that holds all such points is the right one if its own margin is no larger.
            margin = 2 * float(self.margin(np.abs(centre) + reach, value))
            if margin <= slack:
                break
            slack = 2 * margin
        else:
            raise ValueError(HOPELESS)
        # The incumbent, z = 0, lies inside.
        return np.minimum(centre - reach, 0.0), np.maximum(centre + reach, 0.0)
