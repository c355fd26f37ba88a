"""Random problems with random slopes, and their values from the raw rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from scipy.optimize import lsq_linear

from scs import Moments


@dataclass(frozen=True)
class SlopeRows:
    """Raw rows of one random problem with Q + 1 effects a cluster."""

    X: np.ndarray
    Z: np.ndarray
    y: np.ndarray
    clusters: np.ndarray
    intercept: bool

    @property
    def n_clusters(self) -> int:
        return int(self.clusters.max()) + 1

    @property
    def n_effects(self) -> int:
        return 1 + self.Z.shape[1]

    @property
    def n_columns(self) -> int:
        return self.X.shape[1] + int(self.intercept)

    def moments(self):
        arguments = (self.X, self.y, self.clusters)
        Z = self.Z if self.Z.shape[1] else None
        return Moments.from_arrays(*arguments, intercept=self.intercept, Z=Z)


def slope_rows(seed, *, n_clusters=None, largest=7, n_slopes=1, n_columns=None, intercept=None):
    """Unbalanced clusters, some of one row; the slope's column is in X in half of the problems."""
    rng = np.random.default_rng(seed)
    K = int(rng.integers(2, largest + 1)) if n_clusters is None else n_clusters
    clusters = np.repeat(np.arange(K), rng.integers(1, 9, size=K))
    P = int(rng.integers(1, 4)) if n_columns is None else n_columns
    X = rng.normal(size=(len(clusters), P)) + rng.normal(size=(K, P))[clusters]
    Z = rng.normal(size=(len(clusters), n_slopes)) + 1.0
    if n_slopes and seed % 2:
        Z[:, 0] = X[:, 0]
    gamma = rng.normal(size=(K, 1 + n_slopes)) * rng.choice([0.0, 1.0, 3.0], size=(K, 1 + n_slopes))
    y = 2.0 + X @ rng.normal(size=P) + gamma[clusters, 0] + (gamma[clusters, 1:] * Z).sum(axis=1)
    y += 0.7 * rng.normal(size=len(clusters))
    if intercept is None:
        intercept = bool(rng.integers(2))
    return SlopeRows(X, Z, y, clusters, intercept)


def stacked(rows: SlopeRows, t, s, ridge, ridge_fixed=None):
    """Rows and target of the least-squares problem of a selection, ridge included as rows.

    Returns also which entry of (beta, gamma) each of its columns is.
    """
    ridge_fixed = ridge if ridge_fixed is None else ridge_fixed
    n = len(rows.y)
    columns, penalty, index = [], [], []
    fixed = np.hstack([np.ones((n, 1)), rows.X]) if rows.intercept else rows.X
    for j in np.flatnonzero(t):
        columns.append(fixed[:, j])
        penalty.append(0.0 if rows.intercept and j == 0 else ridge_fixed)
        index.append(("beta", j))
    effects = np.hstack([np.ones((n, 1)), rows.Z])
    for k, r in np.argwhere(s):
        columns.append(effects[:, r] * (rows.clusters == k))
        penalty.append(ridge)
        index.append(("gamma", k, r))
    matrix = np.column_stack(columns) if columns else np.zeros((n, 0))
    return (
        np.vstack([matrix, np.diag(np.sqrt(penalty))]),
        np.concatenate([rows.y, np.zeros(len(penalty))]),
        index,
    )


def value(rows, s, ridge, t=None, *, low=None, high=None, zero_sums=()):
    """Eq. 5 at a selection from the raw rows: by QR, or an active-set method with bounds.

    ``low`` and ``high`` map an index of `stacked` to a bound; ``zero_sums`` lists effects whose
    sum over clusters is zero, which is built in by elimination.
    """
    t = np.ones(rows.n_columns) if t is None else t
    matrix, target, index = stacked(rows, t, s, ridge)
    if low is None and high is None:
        basis = np.eye(len(index))
        for r in zero_sums:
            of_effect = np.array([float(i[0] == "gamma" and i[2] == r) for i in index])
            row = of_effect @ basis
            if row.any():  # keep what is orthogonal to the row
                basis = basis @ np.linalg.svd(row[None])[2][1:].T
        matrix = matrix @ basis
        found = np.linalg.lstsq(matrix, target, rcond=None)[0]
        return float(np.sum((target - matrix @ found) ** 2))
    low, high = low or {}, high or {}
    ends = [[low.get(i, -np.inf) for i in index], [high.get(i, np.inf) for i in index]]
    found = lsq_linear(matrix, target, bounds=ends, method="bvls", tol=1e-14, max_iter=1000)
    assert found.success
    return float(np.sum((target - matrix @ found.x) ** 2))


def selections(rows, budgets):
    """Every selection of exactly ``budgets`` clusters, one budget per effect."""
    K = rows.n_clusters
    supports = [list(combinations(range(K), min(b, K))) for b in budgets]
    for chosen in product(*supports):
        s = np.zeros((K, len(budgets)))
        for r, support in enumerate(chosen):
            s[list(support), r] = 1.0
        yield s


def subsets(n: int):
    """Every 0/1 vector of length n."""
    return (np.array(bits, dtype=float) for bits in product((0, 1), repeat=n))
