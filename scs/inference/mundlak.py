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

from scs.inference.background import RANK, Between, centred, effective_rows
from scs.moments.moments import Moments

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
        Of ``statistic / df`` by the F law; NaN where nothing can be compared.
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
    moments: Moments, background: float = 0.0, support: np.ndarray | tuple[int, ...] = ()
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

    Returns
    -------
    WithinBetween
        Exact for given theta and support. That the data chose the support is not allowed for.

    References
    ----------
    Mundlak (1978), On the pooling of time series and cross section data.
    Hausman (1978), Specification tests in econometrics.
    """
    pooled, skip = Between.from_moments(moments), int(moments.intercept)
    means, scale = centred(moments)
    x, scale = (means * scale)[:, skip:], scale[skip:]
    y = moments.mean_y
    m = effective_rows(moments.n, background)
    m[np.asarray(support, dtype=int)] = 0.0
    n_means = int(np.count_nonzero(m)) - skip
    total = m.sum() or 1.0
    if moments.intercept:
        x, y = x - m @ x / total, y - m @ y / total
    within = moments.within_xx[skip:, skip:] * np.outer(scale, scale)
    between = x.T @ (m[:, None] * x)
    within_y, between_y = moments.within_xy[skip:] * scale, x.T @ (m * y)
    share_within, share_between = within / moments.n.sum(), between / total
    in_within, in_between = _range(share_within), _range(share_between)
    in_both = _range(share_within + share_between)
    inverse_w, inverse_b = _inverse_on(within, in_within), _inverse_on(between, in_between)
    beta_w, beta_b = inverse_w @ within_y, inverse_b @ between_y
    beta = _inverse_on(within + between, in_both) @ (within_y + between_y)
    loss = (beta_w - beta) @ within @ (beta_w - beta) + (beta_b - beta) @ between @ (beta_b - beta)
    df = in_within.shape[1] + in_between.shape[1] - in_both.shape[1]
    df_means = max(n_means - in_between.shape[1], 0)
    df_error = float(min(pooled.df, df_means) if background > 0 else pooled.df)
    statistic = float(loss / pooled.var_e) if df else 0.0
    known_w, known_b = _identified(in_within), _identified(in_between)
    error_w, error_b = (
        np.sqrt(pooled.var_e * np.diag(each)) * scale for each in (inverse_w, inverse_b)
    )
    both = np.where(known_w & known_b, 1.0, np.nan)
    only_w, only_b = np.where(known_w, 1.0, np.nan), np.where(known_b, 1.0, np.nan)
    return WithinBetween(
        names=moments.names[skip:],
        within=beta_w * scale * only_w,
        within_error=error_w * only_w,
        between=beta_b * scale * only_b,
        between_error=error_b * only_b,
        difference=(beta_b - beta_w) * scale * both,
        difference_error=np.hypot(error_w, error_b) * both,
        statistic=statistic,
        df=df,
        df_error=df_error,
        pvalue=float(stats.f.sf(statistic / df, df, df_error)) if df else float("nan"),
    )


def _range(matrix: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of what a matrix of columns of size one or less spans."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors[:, values > RANK]


def _inverse_on(matrix: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return the inverse on the span of the basis, 0 beside it."""
    return basis @ np.linalg.solve(basis.T @ matrix @ basis, basis.T)


def _identified(basis: np.ndarray) -> np.ndarray:
    """Return which coefficients the directions in the basis determine."""
    return np.sum(basis**2, axis=1) > 1.0 - _IDENTIFIED
