"""The sufficient statistics of random slopes: what `Moments` keeps, and per cluster that of Z.

Eq. 5 with Q > 0 sees the rows of cluster k only through its means and the centred cross-products of
its random-effect columns with themselves, with the covariates and with the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scs.data.design import Design, as_clusters, as_matrix, as_outcome, find_labels
from scs.data.labels import note_alike
from scs.moments.moments import INTERCEPT, Moments


@dataclass(frozen=True, eq=False)  # == of arrays is no truth value
class SlopeMoments:
    """Moments of ``[X, y]``, and for every cluster those of its Q random-slope columns.

    Cluster k has Q + 1 effects: a random intercept, always the first, and one slope for each column
    of Z. Give the intercept a budget of 0 to leave it out.

    Attributes
    ----------
    base : Moments
        Of ``X`` and ``y``.
    mean_z : ndarray, shape (K, Q)
        Cluster means of the slope columns.
    within_zz, within_zx, within_zy : ndarray (K, Q, Q), (K, Q, P), (K, Q)
        Cross-products about the cluster's own means, one block per cluster.
    slope_names : tuple of str, length Q
        Names of the slope columns.
    """

    base: Moments
    mean_z: np.ndarray
    within_zz: np.ndarray
    within_zx: np.ndarray
    within_zy: np.ndarray
    slope_names: tuple[str, ...]

    @classmethod
    def from_arrays(
        cls, X: Any, y: Any, clusters: Any, Z: Any, *, intercept: bool = False
    ) -> SlopeMoments:
        """Compute the moments of one table.

        Parameters
        ----------
        X, y, clusters, intercept
            As in `Moments.from_arrays`.
        Z : array-like or data frame, shape (N, Q)
            Columns whose slopes may differ between clusters, without a column of ones. A column
            that is also in ``X`` has a common slope, from which clusters differ.

        Raises
        ------
        ValueError, TypeError
            See `scs.data.design.Design.from_table`; a column of ``Z`` that is constant, or of
            the wrong length.
        """
        matrix, names = as_matrix(X, min_columns=0 if intercept else 1)
        outcome = as_outcome(y, len(matrix))
        codes, labels = as_clusters(clusters, len(matrix))
        note_alike(labels)
        design = Design(matrix, outcome, codes, labels, names)
        slopes, slope_names = as_matrix(Z, "Z")
        if not hasattr(Z, "columns"):
            slope_names = tuple(f"z{j + 1}" for j in range(slopes.shape[1]))
        if len(slopes) != len(matrix):
            raise ValueError(
                f"Z has {len(slopes)} rows but X has {len(matrix)}: pass one row per row of X."
            )
        for j in np.flatnonzero(np.ptp(slopes, axis=0) == 0):
            # One chunk may hold a single row: only a column of ones is surely a mistake.
            if len(slopes) > 1 and slopes[0, j] == 1:
                raise ValueError(
                    f"Z column {slope_names[j]!r} is constant: the random intercept is always "
                    "there, so leave the column out (and the intercept's budget says how many)."
                )
        return cls.from_design(design, slopes, slope_names, intercept=intercept)

    @classmethod
    def from_design(
        cls, design: Design, Z: np.ndarray, slope_names: tuple[str, ...], *, intercept: bool = False
    ) -> SlopeMoments:
        """Compute the moments of rows that are validated already; ``Z`` has shape (N, Q)."""
        base = Moments.from_design(design, intercept=intercept)
        codes, n_clusters = design.codes, base.n_clusters

        def by_cluster(values: np.ndarray) -> np.ndarray:
            return np.bincount(codes, weights=values, minlength=n_clusters)

        first = int(base.intercept)
        # About one row of each cluster, then about the means: sums about 0 would lose digits.
        origin = np.zeros(n_clusters, dtype=np.intp)
        origin[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
        z = Z - Z[origin[codes]]
        shift = np.column_stack([by_cluster(column) for column in z.T]) / base.n[:, None]
        z -= shift[codes]
        x = design.X - base.mean_x[codes, first:]
        y = design.y - base.mean_y[codes]
        n_slopes = Z.shape[1]
        zz = np.empty((n_clusters, n_slopes, n_slopes))
        zx = np.zeros((n_clusters, n_slopes, base.n_columns))
        zy = np.empty((n_clusters, n_slopes))
        for r in range(n_slopes):
            for q in range(r + 1):
                zz[:, r, q] = zz[:, q, r] = by_cluster(z[:, r] * z[:, q])
            for j in range(x.shape[1]):
                zx[:, r, first + j] = by_cluster(z[:, r] * x[:, j])
            zy[:, r] = by_cluster(z[:, r] * y)
        return cls(base, shift + Z[origin], zz, zx, zy, tuple(slope_names))

    def __add__(self, other: SlopeMoments) -> SlopeMoments:
        """Merge the moments of two sets of rows: exact, whatever clusters they share."""
        if not isinstance(other, SlopeMoments):
            return NotImplemented
        if self.slope_names != other.slope_names:
            raise ValueError(
                f"other has slopes of {other.slope_names}, these moments of {self.slope_names}: "
                "merge moments of the same columns in the same order."
            )
        base = self.base + other.base
        shape = (base.n_clusters, len(self.slope_names))
        parts = []
        for part in (self, other):
            where = find_labels(base.labels, part.labels)
            n, z, x, y = np.zeros(shape[0]), np.zeros(shape), None, np.zeros(shape[0])
            x = np.zeros((shape[0], base.n_columns))
            zz, zy = np.zeros((*shape, shape[1])), np.zeros(shape)
            zx = np.zeros((*shape, base.n_columns))
            n[where], z[where], y[where] = part.base.n, part.mean_z, part.base.mean_y
            x[where] = part.base.mean_x
            zz[where], zx[where], zy[where] = part.within_zz, part.within_zx, part.within_zy
            parts.append((n, z, x, y, zz, zx, zy))
        a, b = parts
        share = b[0] / (a[0] + b[0])
        both = ((a[0] > 0) & (b[0] > 0)).astype(float)
        weight = both * a[0] * share
        dz, dx, dy = b[1] - a[1], b[2] - a[2], b[3] - a[3]
        mean_z = np.where((a[0] == 0)[:, None], b[1], a[1] + (both * share)[:, None] * dz)
        weighted = weight[:, None] * dz
        return SlopeMoments(
            base=base,
            mean_z=mean_z,
            within_zz=a[4] + b[4] + weighted[:, :, None] * dz[:, None, :],
            within_zx=a[5] + b[5] + weighted[:, :, None] * dx[:, None, :],
            within_zy=a[6] + b[6] + weighted * dy[:, None],
            slope_names=self.slope_names,
        )

    def __radd__(self, other: int) -> SlopeMoments:
        """Let `sum` begin with its 0."""
        return self if other == 0 else NotImplemented

    @property
    def labels(self) -> np.ndarray:
        """Cluster labels, sorted, shape (K,)."""
        return self.base.labels

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the design matrix."""
        return self.base.names

    @property
    def effect_names(self) -> tuple[str, ...]:
        """Names of the Q + 1 effects of a cluster, the random intercept first."""
        return (INTERCEPT, *self.slope_names)

    @property
    def intercept(self) -> bool:
        """Whether the first column of the design matrix is an unpenalised column of ones."""
        return self.base.intercept

    @property
    def n(self) -> np.ndarray:
        """Rows in each cluster, shape (K,)."""
        return self.base.n

    @property
    def n_rows(self) -> int:
        """N, the number of rows."""
        return self.base.n_rows

    @property
    def n_clusters(self) -> int:
        """K, the number of clusters."""
        return self.base.n_clusters

    @property
    def n_columns(self) -> int:
        """P, the number of columns of the design matrix, the intercept included."""
        return self.base.n_columns

    @property
    def n_effects(self) -> int:
        """Q + 1, the number of effects of a cluster."""
        return 1 + len(self.slope_names)
