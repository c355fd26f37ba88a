"""A fit at its support as a linear smoother: what each row and each cluster has a say in.

Given the support S, the answer of Eq. 5 over a background is linear in the outcome. Minimised over
u and v together, the whole effect t_k = u_k + v_k of a cluster takes a share of its mean residual::

    t_k = s_k (ybar_k - xbar_k'beta),   s_k = n_k / (n_k + 1 / (theta + 1 / ridge))   for k in S,
                                        s_k = theta n_k / (1 + theta n_k)             otherwise,

and beta solves M beta = W_xy + sum_k n_k (1 - s_k) xbar_k ybar_k, with
M = W_xx + sum_k n_k (1 - s_k) xbar_k xbar_k' + ridge_fixed I.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scs.moments.moments import Moments

_RANK = 1e-10  # share of a column's own size below which a direction is rounding


@dataclass(frozen=True, eq=False)
class Smoother:
    """The linear smoother of a selection with a random intercept.

    Attributes
    ----------
    n : ndarray, shape (K,)
        Rows of each cluster, or the sums of their weights.
    shrink : ndarray, shape (K,)
        s_k in [0, 1].
    origin : ndarray, shape (P,)
        Means of the columns, 0 for the intercept's, and throughout without an intercept.
    means : ndarray, shape (K, P)
        Cluster means about ``origin``.
    within : ndarray, shape (P, P)
        W_xx, pooled products about the cluster means.
    inverse : ndarray, shape (P, P)
        M^{-1} on the directions that M tells, 0 beside them.
    unit : ndarray, shape (P,)
        By which columns are divided to compare directions, one over the size of each.
    untold : ndarray, shape (P, number of directions)
        Directions that nothing tells beside so many free effects, in columns times ``unit``.
    theta : float
        The background's variance over the errors'.
    """

    n: np.ndarray
    shrink: np.ndarray
    origin: np.ndarray
    means: np.ndarray
    within: np.ndarray
    inverse: np.ndarray
    unit: np.ndarray
    untold: np.ndarray
    theta: float

    @classmethod
    def of(
        cls,
        moments: Moments,
        support: np.ndarray,
        *,
        theta: float,
        ridge: float,
        ridge_fixed: float,
    ) -> Smoother:
        """Take the smoother off the moments.

        Parameters
        ----------
        moments : Moments
            In the columns solved in.
        support : ndarray of int
            The selected clusters.
        theta, ridge, ridge_fixed : float
            As in `scs.solve`.
        """
        n = moments.n.astype(float)
        shrink = theta * n / (1.0 + theta * n)
        shrink[support] = n[support] / (n[support] + 1.0 / (theta + 1.0 / ridge))
        origin = np.zeros(moments.n_columns)
        penalty = np.full(moments.n_columns, float(ridge_fixed))
        if moments.intercept:  # it carries no ridge, so that the origin of the others is free
            origin[1:] = n @ moments.mean_x[:, 1:] / n.sum()
            penalty[0] = 0.0
        means = moments.mean_x - origin
        rest = n * (1.0 - shrink)
        matrix = moments.within_xx + means.T @ (means * rest[:, None]) + np.diag(penalty)
        size = np.diag(moments.within_xx) + n @ means**2 + penalty
        unit = 1.0 / np.sqrt(np.where(size > 0, size, 1.0))
        values, vectors = np.linalg.eigh(matrix * np.outer(unit, unit))
        told = values > _RANK
        basis = unit[:, None] * vectors[:, told]
        inverse = (basis / values[told]) @ basis.T
        untold = vectors[:, ~told]
        return cls(n, shrink, origin, means, moments.within_xx, inverse, unit, untold, theta)

    @property
    def df(self) -> float:
        """Trace of the smoother: coefficients and effects, each as far as it is free."""
        means, left = self.means, self.n * (1.0 - self.shrink) ** 2
        products = self.within + means.T @ (means * left[:, None])
        return float(self.shrink.sum() + np.sum(self.inverse * products))

    def leverage(
        self, X: np.ndarray, codes: np.ndarray, precision: np.ndarray | None = None
    ) -> np.ndarray:
        """Return d fitted_i / d y_i of rows that were fitted, w_i (c_i'M^{-1}c_i + s_k / n_k).

        Parameters
        ----------
        X : ndarray, shape (N, P)
            In the columns solved in, the intercept's included.
        codes : ndarray of int, shape (N,)
        precision : ndarray, shape (N,), optional
            w_i; None: 1.
        """
        c = self._contrast(X, codes)
        found = np.einsum("ij,ij->i", c @ self.inverse, c) + self.shrink[codes] / self.n[codes]
        return found if precision is None else precision * found

    def variance(self, X: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return the variance of x'beta + t_k about what it predicts, over the errors' variance.

        Without a ridge it is the mean squared error of the best linear unbiased prediction. NaN
        where nothing tells a row's coefficients.

        Parameters
        ----------
        X : ndarray, shape (N, P)
            As in `leverage`.
        codes : ndarray of int, shape (N,)
            -1: a cluster that was not fitted, whose background effect is predicted as 0.
        """
        known = codes >= 0
        c = np.where(known[:, None], self._contrast(X, codes), X - self.origin)
        found = np.einsum("ij,ij->i", c @ self.inverse, c)
        found += np.where(known, self.shrink[codes] / self.n[codes], self.theta)
        if self.untold.shape[1]:
            compared = c * self.unit
            size = np.sqrt(np.sum(compared**2, axis=1))
            found[np.abs(compared @ self.untold).max(axis=1) > 1e-6 * size] = np.nan
        return found

    def _contrast(self, X: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """c_i = x_i - s_k xbar_k: what coefficients add to a row once its effect has answered."""
        return X - self.origin - self.shrink[codes, None] * self.means[codes]
