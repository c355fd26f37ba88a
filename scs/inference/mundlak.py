"""Effects that go with covariates: coefficients within and between clusters, and their difference.

Within clusters no cluster's effect can bias a coefficient, between clusters it can. Mundlak's
regression has both, V = sigma^2 (I + theta A A')::

    y_ki = a + (x_ki - x_k)'beta_W + x_k'beta_B + u_k + e_ki

and falls apart into one regression within clusters and one of cluster means. Clusters named have
effects of their own, and so no part in the second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from scs.inference.background import RANK, Between, centred
from scs.moments.moments import Moments
from scs.problem.background import effective_rows

_IDENTIFIED = 1e-6  # of a coefficient's direction may lie outside of what is seen


@dataclass(frozen=True, eq=False)
class WithinBetween:
    """Coefficients within and between clusters, without the intercept.

    Attributes
    ----------
    names : tuple of str, length P
        Columns.
    within, within_error : ndarray, shape (P,)
        beta_W and standard errors; NaN where rows of a cluster do not tell it: a column
        that is constant within clusters, or that others determine there.
    between, between_error : ndarray, shape (P,)
        beta_B and standard errors; NaN where the cluster means do not tell it.
    difference, difference_error : ndarray, shape (P,)
        beta_B - beta_W; NaN where one of them is.
    statistic : float
        Chi-square of beta_B = beta_W, in all directions that both tell.
    df : int
        Number of these directions.
    df_error : float
        Degrees of freedom of the errors' variance; of the cluster means' with a background, which
        is learned from them.
    pvalue : float
        Of ``statistic / df`` by the F distribution; NaN where nothing can be compared.
    """

    names: tuple[str, ...]
    within: np.ndarray
    within_error: np.ndarray
    between: np.ndarray
    between_error: np.ndarray
    difference: np.ndarray
    difference_error: np.ndarray
    statistic: float
    df: int
    df_error: float
    pvalue: float

    @property
    def pvalues(self) -> np.ndarray:
        """Two-sided p-values of each column's difference by the t law, shape (P,)."""
        return 2.0 * stats.t.sf(np.abs(self.difference / self.difference_error), self.df_error)

    @property
    def left_out(self) -> dict[str, str]:
        """Columns without a difference, and why: "within" or "between" says where it is unknown."""
        unknown = {"within": np.isnan(self.within), "between": np.isnan(self.between)}
        return {
            name: " and ".join(where for where, at in unknown.items() if at[j])
            for j, name in enumerate(self.names)
            if np.isnan(self.difference[j])
        }


def within_between(
    moments: Moments,
    background: float = 0.0,
    support: np.ndarray | tuple[int, ...] = (),
    *,
    robust: bool = False,
) -> WithinBetween:
    """Compare the coefficients within clusters with those between the clusters not named.

    With W, w the products within clusters and B, b those of cluster means about their mean, of
    weight m_k = n_k / (1 + theta n_k) for clusters not named and 0 for the others::

        beta_W = W^{-1} w,    beta_B = B^{-1} b,    cov(beta_B - beta_W) = sigma^2 (B^{-1} + W^{-1})

    The test compares both with the beta that they have in common, (W + B) beta = w + b::

        H = [(beta_W - beta)'W(beta_W - beta) + (beta_B - beta)'B(beta_B - beta)] / sigma^2

    which is the difference's chi-square, on rank W + rank B - rank (W + B) degrees of freedom:
    columns that one of them cannot tell take no part, and need not be found first.

    Parameters
    ----------
    moments : Moments
    background : float
        theta >= 0.
    support : array of int
        Indices of the named clusters.
    robust : bool
        Where cluster means lie further from their regression than sigma^2 and theta say, as if
        large effects were not named, take their own residual variance.

    Returns
    -------
    WithinBetween
        Exact for given theta and support. That the data chose the support is not allowed for.

    Raises
    ------
    ValueError
        No error, or no degree of freedom, within clusters.

    References
    ----------
    Mundlak (1978), On the pooling of time series and cross section data.
    Hausman (1978), Specification tests in econometrics.
    """
    pooled, skip = Between.from_moments(moments), int(moments.intercept)
    means, scale = centred(moments)
    x, y, scale = (means * scale)[:, skip:], moments.mean_y, scale[skip:]
    m = effective_rows(moments.n, background)
    m[np.asarray(support, dtype=int)] = 0.0
    rows = m.sum() or 1.0  # no cluster may be left
    if moments.intercept:
        x, y = x - m @ x / rows, y - m @ y / rows
    products = moments.within_xx[skip:, skip:] * np.outer(scale, scale)
    within = _Regression(products, moments.within_xy[skip:] * scale, moments.n.sum())
    between = _Regression(x.T @ (m[:, None] * x), x.T @ (m * y), rows)
    df_means = max(np.count_nonzero(m) - skip - between.rank, 0)
    if robust and df_means:
        left = float(m @ (y - x @ between.beta) ** 2) / df_means
        m = m * (pooled.var_e / max(left, pooled.var_e))
        between = _Regression(x.T @ (m[:, None] * x), x.T @ (m * y), m.sum())
    statistic, df = _contrast(within, between)
    learned = background > 0 or robust  # from the cluster means
    df_error = float(min(pooled.df, df_means) if learned else pooled.df)
    sigma = np.sqrt(pooled.var_e)
    beta_w, beta_b = (scale * each.coefficients for each in (within, between))
    error_w, error_b = (scale * sigma * each.errors for each in (within, between))
    return WithinBetween(
        names=moments.names[skip:],
        within=beta_w,
        within_error=error_w,
        between=beta_b,
        between_error=error_b,
        difference=beta_b - beta_w,
        difference_error=np.hypot(error_w, error_b),
        statistic=statistic / pooled.var_e,
        df=df,
        df_error=df_error,
        pvalue=float(stats.f.sf(statistic / pooled.var_e / df, df, df_error)) if df else np.nan,
    )


class _Regression:
    """Normal equations, ``matrix`` beta = ``vector``, on the directions that are there."""

    def __init__(self, matrix: np.ndarray, vector: np.ndarray, rows: float) -> None:
        self.matrix, self.vector, self.share = matrix, vector, matrix / rows
        self.basis = _range(self.share)
        self.rank = self.basis.shape[1]
        self.inverse = _inverse_on(matrix, self.basis)
        self.beta = self.inverse @ vector  # the shortest of those that solve them
        # NaN for coefficients that these directions do not determine.
        told = np.sum(self.basis**2, axis=1) > 1.0 - _IDENTIFIED
        self.coefficients = np.where(told, self.beta, np.nan)
        self.errors = np.where(told, np.sqrt(np.diag(self.inverse)), np.nan)


def _contrast(within: _Regression, between: _Regression) -> tuple[float, int]:
    """Return what one beta for both adds to the sum of squares, and in how many directions."""
    basis = _range(within.share + between.share)
    inverse = _inverse_on(within.matrix + between.matrix, basis)
    common = inverse @ (within.vector + between.vector)
    loss = sum((one.beta - common) @ one.matrix @ (one.beta - common) for one in (within, between))
    df = within.rank + between.rank - basis.shape[1]
    return (float(loss), df) if df else (0.0, 0)


def _range(matrix: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of what a matrix of columns of size one or less spans."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors[:, values > RANK]


def _inverse_on(matrix: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return the inverse on the span of the basis, 0 beside it."""
    return basis @ np.linalg.solve(basis.T @ matrix @ basis, basis.T)
