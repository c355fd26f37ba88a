"""Standard errors of coefficients that hold whatever the rows of a cluster have in common.

Coefficients given the selection are generalised least squares with weights W_k = I - s_k J / n_k
in cluster k (see `scs.estimators.smoother`), that is ordinary least squares of the rows with a part
a_k = 1 - sqrt(1 - s_k) of their cluster's means taken away. With X_k, e_k of those rows::

    V = M^{-1} ( sum_k X_k' A_k e_k e_k' A_k X_k ) M^{-1}
    CR1: A_k = I, times K / (K - 1) (N - 1) / (N - P - R);  CR2: A_k = (I - X_k M^{-1} X_k')^{-1/2}

CR2 is unbiased where the errors are as the model takes them. Free effects need no column of their
own: each lies within one cluster, so that taking away its means is the same (Pustejovsky, Tipton).
Rows of weight w are multiplied by its root, means are weighted, and N counts rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scs.data.design import Design
from scs.estimators.smoother import Smoother

KINDS = ("CR1", "CR2")
_ALONE = 1e-8  # left of a direction that one cluster alone tells: no adjustment makes up for it


def check_kind(kind: str) -> str:
    """Return the kind of robust standard errors, or say what is wrong with it."""
    if kind not in KINDS:
        raise ValueError(f"robust must be one of {KINDS}, got {kind!r}: 'CR2' for few clusters.")
    return kind


@dataclass(frozen=True, eq=False)
class RobustCovariance:
    """Cluster-robust covariances of the coefficients, in the columns solved in.

    Attributes
    ----------
    cr1, cr2 : ndarray, shape (P, P)
    untold : ndarray, shape (P, number of directions)
        Of coefficients, that nothing tells.
    """

    cr1: np.ndarray
    cr2: np.ndarray
    untold: np.ndarray

    @classmethod
    def of(
        cls, design: Design, beta: np.ndarray, smoother: Smoother, n_selected: int
    ) -> RobustCovariance:
        """Sum up the rows of each cluster.

        Parameters
        ----------
        design : Design
            In the columns solved in, without the intercept's.
        beta : ndarray, shape (P,)
            Coefficients of these columns, the intercept's first where there is one.
        smoother : Smoother
        n_selected : int
            Effects that are free.
        """
        order = np.argsort(design.codes, kind="stable")
        X, codes = design.X[order], design.codes[order]
        if len(beta) > X.shape[1]:
            X = np.column_stack([np.ones(len(X)), X])
        residual = design.y[order] - X @ beta
        taken = (1.0 - np.sqrt(1.0 - smoother.shrink))[codes]
        n, weights = smoother.n, design.weights
        weights = weights if weights is None else weights[order]
        weighted = residual if weights is None else weights * residual
        mean_residual = np.bincount(codes, weighted, len(n)) / n
        X = X - smoother.origin - taken[:, None] * smoother.means[codes]
        residual = residual - taken * mean_residual[codes]
        if weights is not None:
            X, residual = np.sqrt(weights)[:, None] * X, np.sqrt(weights) * residual
        root = _root(smoother.inverse)
        starts = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=len(n)))])
        products, scores = _sums(X @ root, residual, starts)
        n_rows, n_clusters = float(design.n_rows), len(n)
        free = n_rows - root.shape[1] - n_selected
        few = n_clusters / (n_clusters - 1.0) if n_clusters > 1 else np.nan
        factor = few * (n_rows - 1.0) / free if free > 0 else np.nan
        back = np.eye(len(beta))
        if smoother.origin.any():  # the intercept there is the level at the means
            back[0] -= smoother.origin
        half = back @ root
        adjusted = _adjusted(products, scores)
        return cls(
            cr1=factor * half @ (scores.T @ scores) @ half.T,
            cr2=(half @ (adjusted.T @ adjusted) @ half.T) * (1.0 if n_clusters > 1 else np.nan),
            untold=back @ (smoother.unit[:, None] * smoother.untold),
        )

    def covariance(self, kind: str) -> np.ndarray:
        """Return the covariance of one of `KINDS`."""
        return {"CR1": self.cr1, "CR2": self.cr2}[kind]


def _root(matrix: np.ndarray) -> np.ndarray:
    """Return L of full column rank with L L' = matrix, which has no negative eigenvalue."""
    values, vectors = np.linalg.eigh(matrix)
    there = values > 1e-14 * values.max(initial=0.0)
    return vectors[:, there] * np.sqrt(values[there])


def _sums(Z: np.ndarray, residual: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Z_k'Z_k, shape (K, P, P), and Z_k'e_k, shape (K, P); rows are in order of clusters."""
    at = starts[:-1].astype(np.intp)
    scores = np.add.reduceat(Z * residual[:, None], at, axis=0)
    n_columns = Z.shape[1]
    products = np.empty((len(at), n_columns, n_columns))
    for j in range(n_columns):
        products[:, j] = np.add.reduceat(Z * Z[:, j, None], at, axis=0)
    return products, scores


def _adjusted(products: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return (I - Z_k'Z_k)^{-1/2} Z_k'e_k, shape (K, P)."""
    values, vectors = np.linalg.eigh(products)
    left = 1.0 - values
    power = np.where(left > _ALONE, 1.0 / np.sqrt(np.where(left > _ALONE, left, 1.0)), 0.0)
    along = np.einsum("kij,ki->kj", vectors, scores)
    return np.einsum("kij,kj->ki", vectors, power * along)
