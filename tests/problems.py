"""Random problems, and the plain slow ways to solve them that hold the package to account."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np


@dataclass(frozen=True)
class Rows:
    """Raw rows of one random problem."""

    X: np.ndarray
    y: np.ndarray
    clusters: np.ndarray
    intercept: bool

    @property
    def n_clusters(self) -> int:
        return int(self.clusters.max()) + 1


def random_rows(
    seed: int,
    *,
    n_clusters: int | None = None,
    intercept: bool | None = None,
    largest: int = 12,
) -> Rows:
    """Unbalanced clusters, covariates with between-cluster spread, some effects zero."""
    rng = np.random.default_rng(seed)
    K = int(rng.integers(1, largest + 1)) if n_clusters is None else n_clusters
    sizes = rng.integers(1, 9, size=K)
    clusters = np.repeat(np.arange(K), sizes)
    P = int(rng.integers(1, 4))
    X = rng.normal(size=(len(clusters), P)) + rng.normal(size=(K, P))[clusters]
    effects = rng.normal(size=K) * rng.choice([0.0, 1.0, 4.0], size=K)
    y = 2.0 + X @ rng.normal(size=P) + effects[clusters] + 0.7 * rng.normal(size=len(clusters))
    if intercept is None:
        intercept = bool(rng.integers(2))
    return Rows(X, y, clusters, intercept)


def design_matrix(rows: Rows) -> np.ndarray:
    """[X : A] of Eq. 5, with the intercept first where there is one."""
    A = np.eye(rows.n_clusters)[rows.clusters]
    ones = [np.ones((len(rows.y), 1))] if rows.intercept else []
    return np.hstack([*ones, rows.X, A])


def value_of_support(rows: Rows, support, ridge: float, ridge_fixed: float | None = None) -> float:
    """c(S) from the raw rows: ridge regression on X and the selected dummies, by least squares.

    Solved as an augmented least-squares problem through QR, so that it shares neither the
    formulas nor the arithmetic of the package.
    """
    ridge_fixed = ridge if ridge_fixed is None else ridge_fixed
    full = design_matrix(rows)
    first = full.shape[1] - rows.n_clusters
    columns = [*range(first), *(first + k for k in support)]
    penalty = np.array([ridge_fixed] * first + [ridge] * len(support))
    penalty[: int(rows.intercept)] = 0.0
    M = full[:, columns]
    stacked = np.vstack([M, np.diag(np.sqrt(penalty))])
    target = np.concatenate([rows.y, np.zeros(len(columns))])
    coefficients = np.linalg.lstsq(stacked, target, rcond=None)[0]
    return float(np.sum((target - stacked @ coefficients) ** 2))


def all_values(rows: Rows, budget: int, ridge: float, ridge_fixed=None) -> dict[tuple, float]:
    """c(S) for every support of exactly ``budget`` clusters."""
    return {
        support: value_of_support(rows, support, ridge, ridge_fixed)
        for support in combinations(range(rows.n_clusters), budget)
    }


def paper_c(rows: Rows, s: np.ndarray, mu: float) -> float:
    """Eq. 6 as printed, with a dense inverse; every coefficient penalised (no intercept).

    For fractional s the paper's S enters twice, so S is taken as diag(sqrt(s)).
    """
    full = design_matrix(rows)
    first = full.shape[1] - rows.n_clusters
    root = np.sqrt(np.concatenate([np.ones(first), s]))
    XS = full * root
    inverse = np.linalg.inv(mu * np.eye(len(root)) + XS.T @ XS)
    return float(rows.y @ (rows.y - XS @ (inverse @ (XS.T @ rows.y))))
