"""The moments in the basis that every baseline computes in.

The columns of X are mixed into P new ones that are orthonormal over the rows and, at the same time,
orthogonal within clusters (a generalised singular value decomposition). In this basis the
cross-products X'V^-1X of Eq. 1 stay well scaled for every ratio of variances, from no cluster
effects to infinite ones, so that a plain Cholesky factor is accurate throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from scs.moments.moments import Moments
from scs.moments.slopes import refuse_slopes

# Relative to columns of length one. The within-cluster part is known as a cross-product only, so
# directions shorter than 1e-6 there are rounding; what is left of a column must exceed 1e-9.
WITHIN_RANK = 1e-12
FULL_RANK = 1e-9
# Within-cluster residual, as a share of the outcome's within-cluster sum of squares.
EXACT_FIT = 1e-12


@dataclass(frozen=True)
class Basis:
    """Moments of the OLS residuals in an orthonormal basis of the columns of X.

    With beta = beta_ols + scale T b, and all residuals divided by ``scale``,

        within-cluster sum of squares = leftover + sum_j (root_j b_j - target_j)^2
        mean residual of cluster k    = mean_e_k - (U b)_k .

    Attributes
    ----------
    n : ndarray, shape (K,)
        Cluster sizes; with weights the sums of these.
    n_rows : int
        N, the number of rows.
    U : ndarray, shape (K, P)
        Cluster means of the new columns.
    root : ndarray, shape (P,)
        Lengths of the new columns within clusters, 0 to 1; 0 for columns constant in clusters.
    target : ndarray, shape (P,)
        Within-cluster products of the new columns, divided by ``root``, with the OLS residuals.
    mean_e : ndarray, shape (K,)
        Cluster means of the OLS residuals.
    leftover : float
        The smallest within-cluster residual sum of squares that any beta attains.
    T : ndarray, shape (P, P)
        New columns = X T.
    beta_ols : ndarray, shape (P,)
        Least squares coefficients.
    scale : float
        Root mean square of the OLS residuals (1 if they vanish).
    log_det : float
        log det X'X.
    rank_within : int
        Rank of the within-cluster cross-products of X.
    exact : bool
        Whether cluster effects and covariates leave no residual at all.
    """

    n: np.ndarray
    n_rows: int
    U: np.ndarray
    root: np.ndarray
    target: np.ndarray
    mean_e: np.ndarray
    leftover: float
    T: np.ndarray
    beta_ols: np.ndarray
    scale: float
    log_det: float
    rank_within: int
    exact: bool

    @property
    def rss(self) -> float:
        """Residual sum of squares of OLS, in units of ``scale`` squared."""
        return self.leftover + float(self.target @ self.target + self.n @ self.mean_e**2)


def basis(moments: Moments) -> Basis:
    """Change to the orthonormal basis, or say which columns of X are dependent.

    Raises
    ------
    ValueError
        No more rows than columns, or linearly dependent columns: the message names them. Random
        slopes.
    """
    refuse_slopes(moments, "the model")
    n, n_columns = moments.n, moments.n_columns
    if moments.n_rows <= n_columns:
        raise ValueError(
            f"X has {n_columns} columns but only {moments.n_rows} rows: a variance cannot be "
            "estimated unless there are more rows than columns. Drop columns, or add rows."
        )
    root_n = np.sqrt(n)
    length = np.sqrt(np.diag(moments.within_xx) + n @ moments.mean_x**2)
    length[length == 0.0] = 1.0
    # Least squares on P + K rows that have the cross-products of the N rows. Stacking a square
    # root of the within part on the cluster means keeps the digits a sum of both would lose.
    value, vector = np.linalg.eigh(moments.within_xx / np.outer(length, length))
    kept = value > WITHIN_RANK * max(value[-1], WITHIN_RANK)
    root_value = np.sqrt(value[kept])
    within_x = root_value[:, None] * vector[:, kept].T
    within_y = (vector[:, kept].T @ (moments.within_xy / length)) / root_value
    stacked_x = np.vstack([within_x, root_n[:, None] * (moments.mean_x / length)])
    stacked_y = np.concatenate([within_y, root_n * moments.mean_y])
    Q, R = np.linalg.qr(stacked_x)
    singular = np.linalg.svd(R, compute_uv=False)
    if len(R) < n_columns or singular[-1] <= FULL_RANK * singular[0]:
        raise ValueError(_dependence(stacked_x, moments.names))
    rank = int(kept.sum())
    fitted = Q.T @ stacked_y
    residual = stacked_y - Q @ fitted
    leftover = float(moments.within_yy - within_y @ within_y)
    exact = leftover <= EXACT_FIT * moments.within_yy
    leftover = max(leftover, 0.0)
    rss = leftover + float(residual @ residual)
    scale = np.sqrt(rss / moments.n_rows) if rss > 0 else 1.0

    Q_within, Q_means = Q[:rank], Q[rank:]
    rotation = np.linalg.eigh(Q_within.T @ Q_within)[1]
    within = Q_within @ rotation
    # Recomputed from the columns: an eigenvalue near 0 has no correct digits.
    root = np.sqrt(np.einsum("ij,ij->j", within, within))
    flat = np.arange(n_columns) < n_columns - rank
    root[flat] = 0.0
    target = np.zeros(n_columns)
    target[~flat] = (within[:, ~flat].T @ residual[:rank]) / root[~flat] / scale
    T = solve_triangular(R, rotation) / length[:, None]
    return Basis(
        n=n,
        n_rows=moments.n_rows,
        U=(Q_means @ rotation) / root_n[:, None],
        root=root,
        target=target,
        mean_e=residual[rank:] / root_n / scale,
        leftover=leftover / scale**2,
        T=T,
        beta_ols=solve_triangular(R, fitted) / length,
        scale=float(scale),
        log_det=float(2 * np.log(np.abs(np.diag(R))).sum() + 2 * np.log(length).sum()),
        rank_within=rank,
        exact=bool(exact),
    )


def refuse_unseparable(moments: Moments, new: Basis) -> None:
    """Refuse data in which var_u and var_e cannot both be estimated.

    Raises
    ------
    ValueError
        One cluster only, no degrees of freedom within clusters, or no residual within them.
    """
    if moments.n_clusters < 2:
        raise ValueError(
            f"clusters has the single label {moments.labels.tolist()[0]!r}: a variance between "
            "clusters needs at least two. Use ols, or pass labels that split the rows."
        )
    if moments.n_rows - moments.n_clusters - new.rank_within < 1:
        if moments.n_rows == moments.n_clusters:
            reason = "has one row per label"
        else:
            reason = "leaves no degrees of freedom within clusters"
        raise ValueError(
            f"clusters {reason} ({moments.n_rows} rows, {moments.n_clusters} clusters, "
            f"{new.rank_within} covariates that vary within them): var_u and var_e cannot be told "
            "apart. Use ols, or add rows to the clusters."
        )
    if new.exact:
        raise ValueError(
            "y is an exact function of X and the clusters: the residual within clusters is zero, "
            "var_e runs to 0 and the likelihood has no maximum. Use ols, or look for a covariate "
            "that repeats y."
        )


def _dependence(columns: np.ndarray, names: tuple[str, ...]) -> str:
    """Name the columns that are combinations of earlier ones, and of which."""
    length = np.sqrt((columns**2).sum(axis=0))
    kept: list[int] = []
    stories = []
    for j, name in enumerate(names):
        if length[j] == 0.0:
            stories.append(f"{name!r} is zero")
            continue
        weight, *_ = np.linalg.lstsq(columns[:, kept], columns[:, j], rcond=None)
        rest = columns[:, j] - columns[:, kept] @ weight
        # A little wider than the test that failed, so that at least one column is named.
        if np.sqrt(rest @ rest) > 10 * len(names) * FULL_RANK * length[j]:
            kept.append(j)
            continue
        used = [repr(names[i]) for i, w in zip(kept, weight) if abs(w) > 1e-6]
        shown = ", ".join(used[:5]) + (f" and {len(used) - 5} more" if len(used) > 5 else "")
        stories.append(f"{name!r} depends on {shown}")
    return (
        f"X has linearly dependent columns: {'; '.join(stories)}. Drop the dependent columns (for "
        "dummies, one level of each factor): coefficients are not unique with them."
    )
