"""Coordinates of beta in which nothing cancels, found by orthogonal triangulation.

Columns far from zero, or near to each other, make normal equations lose twice the digits that the
columns themselves lose. So the stacked matrix of all that Eq. 5 squares,

    A = [sqrt(n_k) x_k ; a root of the within products ; sqrt(ridge_fixed) I],

is triangulated, A = Q R, and the problem is rewritten in z = R beta, where A'A is the identity. Any
basis would do: what the solvers see are the data in it, whose rounding is no more than that of the
columns themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dgeqp3, dpotrf, dpstrf, dtrtri

_BLOCK = 8192  # clusters triangulated at a time
_CLEAR = 0.1  # of its length, left of a column that is far from dependent on others
_EPS = np.finfo(float).eps


@dataclass(frozen=True)
class Triangle:
    """The basis and what is left of each column beside the others.

    Attributes
    ----------
    basis : ndarray, shape (P, P)
        beta = basis @ z.
    within : ndarray, shape (P, P)
        Within products and ridge in z, positive semidefinite but for its own rounding.
    norms : ndarray, shape (P,)
        Of the columns, within and ridge included.
    order : ndarray of int, shape (P,)
        Columns in the order in which they were taken.
    rank : int
        How many of them have a remainder above what rounding of the data may make.
    """

    basis: np.ndarray
    within: np.ndarray
    norms: np.ndarray
    order: np.ndarray
    rank: int


def triangulate(
    n: np.ndarray, x: np.ndarray, within: np.ndarray, total: np.ndarray, penalty: np.ndarray,
    origin: np.ndarray,
) -> Triangle:  # fmt: skip
    """Return the basis in which between- and within-cluster products and ridge add up to I.

    Parameters
    ----------
    n, x : ndarray (K,), ndarray (K, P)
        Cluster sizes and means.
    within : ndarray, shape (P, P)
        Pooled within-cluster products.
    total : ndarray, shape (P, P)
        The same with those of the means.
    penalty : ndarray, shape (P,)
        Ridge on each column. A column of zeros needs one.
    origin : ndarray, shape (P,)
        What was subtracted from the means; it tells how many digits they have.
    """
    n_columns = len(penalty)
    total = total + np.diag(penalty)
    norms = np.sqrt(total.diagonal())
    # Far apart in size or not, all columns have norm 1 from here on.
    scale = 1.0 / np.where(norms > 0, norms, 1.0)
    # Means have all their digits, but about their own origin; products about half of them.
    unit = 8 * n_columns * _EPS
    far = np.sqrt(norms**2 + n.sum() * origin**2)
    noise = (unit * far + np.sqrt(unit * within.diagonal())) * scale
    # Columns that are far from dependent lose next to nothing in their products.
    upper, failed = dpotrf(total * (scale[:, None] * scale))
    if not failed and (upper.diagonal() > np.maximum(noise, _CLEAR)).all():
        basis = np.triu(dtrtri(upper)[0]) * scale[:, None]
        within = basis.T @ (within + np.diag(penalty)) @ basis
        return Triangle(basis, (within + within.T) / 2, norms, np.arange(n_columns), n_columns)
    return _from_rows(n, x, within, penalty, norms, scale, noise)


def _from_rows(n, x, within, penalty, norms, scale, noise) -> Triangle:
    """Triangulate the rows themselves, the longest remainder first."""
    n_columns = len(penalty)
    root = np.concatenate([_root(within), np.diag(np.sqrt(penalty))])
    factor, pivots, *_ = dgeqp3(np.concatenate([*_between(n, x, scale), root * scale]))
    order = pivots - 1
    upper = factor[:n_columns]
    diagonal = np.abs(upper.diagonal())
    left = diagonal > noise[order]
    rank = n_columns if left.all() else int(np.argmin(left))
    upper[diagonal == 0, diagonal == 0] = 1.0
    basis = np.empty((n_columns, n_columns))
    basis[order] = np.triu(dtrtri(upper)[0])
    basis *= scale[:, None]
    root = root @ basis
    return Triangle(basis, root.T @ root, norms, order, rank)


def _between(n: np.ndarray, x: np.ndarray, scale: np.ndarray) -> list[np.ndarray]:
    """Return rows with the products of sqrt(n) x; triangles of blocks where clusters are many."""
    root = np.sqrt(n)[:, None]
    if len(n) <= 4 * len(scale):
        return [root * x * scale]
    blocks = [slice(first, first + _BLOCK) for first in range(0, len(n), _BLOCK)]
    return [np.asarray(np.linalg.qr(root[some] * x[some] * scale, mode="r")) for some in blocks]


def _root(within: np.ndarray) -> np.ndarray:
    """Return a root of the within products, to rounding of each column's own size."""
    own = np.sqrt(within.diagonal())
    size = np.where(own > 0, own, 1.0)
    factor, pivots, rank, _ = dpstrf(within / (size[:, None] * size), tol=len(own) * _EPS)
    root = np.zeros_like(within)
    root[:rank, pivots - 1] = np.triu(factor)[:rank]
    return root * own
