"""The sufficient statistics of a clustered regression: one pass over the rows, mergeable with +.

Eq. 5 sees the rows only through cluster sizes, cluster means and within-cluster cross-products:
pooled for what all clusters share, cluster by cluster for the columns of random slopes. Means and
centred products are kept instead of raw sums, because a sum of squares about zero loses the digits
that matter as soon as the data lie far from zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scs.data._quiet import quiet
from scs.data.design import Design, label_order, refuse_other_kind
from scs.data.labels import note_alike
from scs.data.weights import of_kind
from scs.moments.chunks import (
    part_of_chunks,
    read_arrays,
    refuse_other_columns,
    refuse_other_slopes,
)
from scs.moments.files import Reading, read_dask, read_files, warn_of_dropped
from scs.moments.merge import merge_parts
from scs.moments.part import Part, part_of_rows
from scs.moments.slopes import refuse_ones

INTERCEPT = "intercept"


def _nothing() -> np.ndarray:
    return np.zeros(0)


@dataclass(frozen=True, eq=False)  # == of arrays is no truth value
class Moments:
    """Cluster sizes, cluster means and within-cluster cross-products of the rows.

    With ``x_k`` and ``y_k`` the cluster means, the residual sum of squares of Eq. 5 is::

        within_yy - 2 beta'within_xy + beta'within_xx beta
            + sum_k n_k (y_k - x_k'beta - gamma_k)^2

    With Q columns Z of random slopes a cluster has R = Q + 1 effects: a random intercept, always
    the first, and one slope for each column. Give the intercept a budget of 0 to leave it out.
    Q = 0 is the model with a random intercept alone; what belongs to Z is empty then.

    With weights every sum is weighted, and n_k is the sum of the cluster's weights. A row of
    frequency weight f is f equal rows: nothing tells these moments from those of the repeated rows.
    A row of precision weight w has errors of variance sigma^2 / w, and stays one row: ``rows``
    counts it.

    Attributes
    ----------
    labels : ndarray, shape (K,)
        Cluster labels, sorted.
    n : ndarray of float, shape (K,)
        Rows in each cluster, n_k >= 1; with weights the sum of these, n_k > 0.
    mean_x : ndarray, shape (K, P)
        Cluster means of the covariates.
    mean_y : ndarray, shape (K,)
        Cluster means of the outcome.
    within_xx, within_xy, within_yy : ndarray (P, P), ndarray (P,), float
        Cross-products about the cluster means, summed over clusters.
    names : tuple of str, length P
        Column names.
    intercept : bool
        Whether the first column is an unpenalised column of ones.
    mean_z : ndarray, shape (K, Q)
        Cluster means of the slope columns.
    within_zz, within_zx, within_zy : ndarray (K, Q, Q), (K, Q, P), (K, Q)
        Cross-products of the slope columns about the cluster means, one block per cluster.
    slope_names : tuple of str, length Q
        Names of the slope columns.
    rows : ndarray of float, shape (K,), optional
        Rows in each cluster where ``n`` holds sums of precision weights; None: they are ``n``.
    log_weights : float
        Sum of the logarithms of the rows' precision weights, a part of log-likelihoods.
    """

    labels: np.ndarray
    n: np.ndarray
    mean_x: np.ndarray
    mean_y: np.ndarray
    within_xx: np.ndarray
    within_xy: np.ndarray
    within_yy: float
    names: tuple[str, ...]
    intercept: bool
    mean_z: np.ndarray = field(default_factory=_nothing)
    within_zz: np.ndarray = field(default_factory=_nothing)
    within_zx: np.ndarray = field(default_factory=_nothing)
    within_zy: np.ndarray = field(default_factory=_nothing)
    slope_names: tuple[str, ...] = ()
    rows: np.ndarray | None = None
    log_weights: float = 0.0

    def __post_init__(self) -> None:
        """Give what belongs to slopes its shape where there are none."""
        if not self.slope_names:
            K, P = self.mean_x.shape
            shapes = {"zz": (K, 0, 0), "zx": (K, 0, P), "zy": (K, 0)}
            object.__setattr__(self, "mean_z", np.zeros((K, 0)))
            for name, shape in shapes.items():
                object.__setattr__(self, f"within_{name}", np.zeros(shape))

    @classmethod
    @quiet
    def from_arrays(
        cls,
        X: Any,
        y: Any,
        clusters: Any,
        Z: Any = None,
        *,
        intercept: bool = False,
        weights: Any = None,
        weight_kind: str = "precision",
        frequency_weights: Any = None,
        precision_weights: Any = None,
        offset: Any = None,
    ) -> Moments:
        """Compute the moments of one table, in O(N P (P + Q)) time and O(K P (1 + Q)) extra memory.

        Parameters
        ----------
        X : array-like or data frame, shape (N, P)
            Design matrix; finite numbers.
        y : array-like, shape (N,)
            Outcome.
        clusters : array-like, shape (N,)
            Cluster labels.
        Z : array-like or data frame, shape (N, Q), optional
            Columns whose slopes may differ between clusters, without a column of ones. A column
            that is also in ``X`` has a common slope, from which clusters differ.
        intercept : bool
            Add a first, unpenalised column of ones.
        weights : array-like, shape (N,), optional
            Of the kind that ``weight_kind`` says; 0 leaves a row out.
        weight_kind : {"precision", "frequency"}
            "precision": the errors' variance is sigma^2 / w_i. "frequency": a row stands for so
            many equal rows, a whole number.
        frequency_weights, precision_weights : array-like, shape (N,), optional
            The same by name, for rows that have both.
        offset : array-like, shape (N,), optional
            A known part of the outcome: it is subtracted.

        Raises
        ------
        ValueError, TypeError
            See `scs.data.design.Design.from_table`; a column of ``Z`` that is constant, or of
            the wrong length.

        Examples
        --------
        >>> import scs
        >>> each = scs.Moments.from_arrays([[1.0], [1.0], [4.0]], [2, 2, 5], ["a", "a", "a"])
        >>> once = scs.Moments.from_arrays(
        ...     [[1.0], [4.0]], [2, 5], ["a", "a"], weights=[2, 1], weight_kind="frequency"
        ... )
        >>> each.n_rows, once.n_rows, each.mean_y[0] == once.mean_y[0]
        (3, 3, True)
        """
        rows = {
            "X": X,
            "y": y,
            "clusters": clusters,
            "Z": Z,
            "offset": offset,
        }
        rows |= of_kind(
            weights,
            weight_kind,
            frequency_weights=frequency_weights,
            precision_weights=precision_weights,
        )
        design, slopes, names = read_arrays(rows, min_columns=0 if intercept else 1)
        note_alike(design.labels)
        moments = cls.from_design(design, slopes, names, intercept=intercept)
        refuse_ones(moments)
        return moments

    @classmethod
    def from_design(
        cls,
        design: Design,
        Z: np.ndarray | None = None,
        slope_names: tuple[str, ...] = (),
        *,
        intercept: bool = False,
    ) -> Moments:
        """Compute the moments of rows that are validated already; ``Z`` has shape (N, Q)."""
        weights = design.frequency, design.precision
        part = part_of_rows(design.X, design.y, design.codes, design.labels, Z, *weights)
        return cls.from_part(part, design.names, slope_names, intercept=intercept)

    @classmethod
    def from_part(
        cls,
        part: Part,
        names: tuple[str, ...],
        slope_names: tuple[str, ...] = (),
        *,
        intercept: bool = False,
    ) -> Moments:
        """Compute the moments from cluster sums whose X has the columns ``names``, Z the others."""
        intercept = bool(intercept)
        first = int(intercept)
        order = label_order(part.labels)
        n_clusters, n_columns = len(order), first + len(names)
        mean_x = np.ones((n_clusters, n_columns))
        mean_x[:, first:] = part.means[order, :-1]
        within_xx = np.zeros((n_columns, n_columns))
        within_xx[first:, first:] = part.products[:-1, :-1]
        own, n_own = part.own[order], len(names)  # products of Z with X, y and Z, in this order
        within_zx = np.zeros((n_clusters, len(slope_names), n_columns))
        within_zx[:, :, first:] = own[:, :, :n_own]
        return cls(
            labels=part.labels[order],
            n=part.n[order],
            mean_x=mean_x,
            mean_y=part.means[order, -1],
            within_xx=within_xx,
            within_xy=np.concatenate([np.zeros(first), part.products[:-1, -1]]),
            within_yy=float(part.products[-1, -1]),
            names=((INTERCEPT,) if intercept else ()) + tuple(names),
            intercept=intercept,
            mean_z=part.mean_z[order],
            within_zz=own[:, :, n_own + 1 :],
            within_zx=within_zx,
            within_zy=own[:, :, n_own],
            slope_names=tuple(slope_names),
            rows=None if part.rows is None else part.rows[order],
            log_weights=part.log_weights,
        )

    @classmethod
    def from_chunks(cls, chunks: Iterable[tuple], *, intercept: bool = False) -> Moments:
        """Compute the moments of ``(X, y, clusters)`` chunks, one at a time in memory.

        Time O(N P (P + Q)), whatever the number of chunks: a chunk is merged in time proportional
        to its own clusters. Memory O(K P (1 + Q)) and one chunk.

        Parameters
        ----------
        chunks : iterable of (X, y, clusters), (X, y, clusters, Z) or dict
            Each as in `from_arrays`; a cluster may be spread over several chunks. A dict holds
            arguments of `from_arrays` by name: weights and offsets too.
        intercept : bool
            Add a first, unpenalised column of ones.

        Raises
        ------
        ValueError
            No chunk, or chunks with different columns.
        """
        total, names, slope_names = part_of_chunks(chunks, min_columns=0 if intercept else 1)
        moments = cls.from_part(total, names, slope_names, intercept=intercept)
        refuse_ones(moments)
        return moments

    @classmethod
    def from_files(
        cls,
        source: Any,
        *,
        outcome: str,
        cluster: str,
        covariates: Sequence[str] | None = None,
        categories: Iterable[str] | Mapping[str, Sequence] = (),
        slopes: Sequence[str] = (),
        intercept: bool = False,
        frequency_weights: str | None = None,
        precision_weights: str | None = None,
        offset: str | None = None,
        missing: str = "raise",
        csv: Mapping[str, Any] | None = None,
        keep_na_text: bool = False,
        batch_rows: int = 131_072,
        n_jobs: int = 1,
        progress: bool = False,
    ) -> Moments:
        """Compute the moments of Parquet or CSV files, which may be larger than memory.

        Time O(N P (P + Q)), one pass. Memory O(K P (1 + Q) + ``batch_rows`` P) in each process,
        whatever the number of rows and the size of the files and their row groups.

        Parameters
        ----------
        source : path, glob pattern, folder, or list of these
            Parquet or CSV files, as `scs.data.sources.open_source` finds them. Only the columns
            needed are read.
        outcome : str
            Column of the outcome: numbers.
        cluster : str
            Column of the cluster labels: whole numbers, text (dictionaries too), dates. In CSV
            files they are text as written, and whole numbers only if all are plainly written
            ones: ``007`` is not ``7``.
        covariates : list of str, optional
            Columns of X, numbers or booleans; all the other columns if None, but for the index of
            a pandas data frame.
        categories : list of str, or dict of str to levels
            Covariates or slopes to be dummy-coded: each level but the first gives a column
            ``name[T.level]``. The levels of a list are found in a pass of their own.
        slopes : list of str
            Columns of Z, whose slopes may differ between clusters; they may be covariates as well,
            and are if ``covariates`` is None.
        intercept : bool
            Add a first, unpenalised column of ones.
        frequency_weights, precision_weights, offset : str, optional
            Columns, as `from_arrays` takes arrays; no covariates unless named as such.
        missing : "raise" or "drop"
            Refuse missing values (null, NaN), or leave their rows out and warn of how many.
        csv : dict, optional
            How to read CSV where what is found is wrong, such as ``{"delimiter": ";",
            "decimal_point": ",", "encoding": "latin-1"}``: see `scs.data.sources.open_source`.
        keep_na_text : bool
            In CSV files take NA, NaN, null ... for text in columns of text (Namibia's labels),
            not for missing values.
        batch_rows : int
            Rows in memory at a time.
        n_jobs : int
            Processes, which share files and the row groups of Parquet files (joblib's meaning:
            -1 for all cores). The numbers do not depend on it. With 1, columns are decoded in
            threads of pyarrow meanwhile; another process takes seconds to start, so that more
            of them pay for long tables only.
        progress : bool
            Show a bar with the rows done and the time left (estimated for CSV).

        Returns
        -------
        Moments
            `scs.moments.files.read_files` gives the counts of rows as well.

        Raises
        ------
        FileNotFoundError
            No such file.
        ValueError, TypeError
            No such column (named with similar ones), no rows, files with different columns, text
            among the numbers, missing or infinite values: the message names file, column and row.
        """
        reading = read_files(
            source,
            outcome=outcome,
            cluster=cluster,
            covariates=covariates,
            categories=categories,
            slopes=slopes,
            intercept=intercept,
            frequency_weights=frequency_weights,
            precision_weights=precision_weights,
            offset=offset,
            missing=missing,
            csv=csv,
            keep_na_text=keep_na_text,
            batch_rows=batch_rows,
            n_jobs=n_jobs,
            progress=progress,
        )
        return cls._from_reading(reading, intercept)

    @classmethod
    def from_dask(
        cls,
        frame: Any,
        *,
        outcome: str,
        cluster: str,
        covariates: Sequence[str] | None = None,
        categories: Iterable[str] | Mapping[str, Sequence] = (),
        slopes: Sequence[str] = (),
        intercept: bool = False,
        frequency_weights: str | None = None,
        precision_weights: str | None = None,
        offset: str | None = None,
        missing: str = "raise",
    ) -> Moments:
        """Compute the moments of a Dask data frame, on the cluster that Dask is connected to.

        Every partition is summed up where it is; the sums are merged in a tree of fixed shape, so
        that the numbers do not depend on the workers. Memory O(K P) and one partition in each.

        Parameters
        ----------
        frame : dask.dataframe.DataFrame
        outcome, cluster, covariates, categories, slopes, intercept, missing
            See `from_files`.
        frequency_weights, precision_weights, offset
            See `from_files`.

        Raises
        ------
        ImportError
            Dask is not installed (the extra ``dask``).
        ValueError, TypeError
            See `from_files`; messages name the partition.
        """
        reading = read_dask(
            frame,
            outcome=outcome,
            cluster=cluster,
            covariates=covariates,
            categories=categories,
            slopes=slopes,
            intercept=intercept,
            frequency_weights=frequency_weights,
            precision_weights=precision_weights,
            offset=offset,
            missing=missing,
        )
        return cls._from_reading(reading, intercept)

    @classmethod
    def _from_reading(cls, reading: Reading, intercept: bool) -> Moments:
        warn_of_dropped(reading)
        columns = reading.columns
        moments = cls.from_part(
            reading.part, columns.names, columns.slope_names, intercept=intercept
        )
        refuse_ones(moments)
        return moments

    def __add__(self, other: Moments) -> Moments:
        """Merge the moments of two sets of rows: exact, whatever clusters they share.

        Each sum costs O(K P (1 + Q)); many pieces merge faster through `from_chunks`.
        """
        if not isinstance(other, Moments):
            return NotImplemented
        if self.intercept != other.intercept:
            raise ValueError(
                f"other has intercept={other.intercept}, these moments {self.intercept}: compute "
                "both with the same."
            )
        refuse_other_kind(self.labels[:1], other.labels[:1])
        refuse_other_columns(self.names, other.names, "other")
        refuse_other_slopes(self.slope_names, other.slope_names, "other")
        total = merge_parts([self._part(), other._part()])
        assert total is not None
        note_alike(total.labels)
        names = self.names[int(self.intercept) :]
        return self.from_part(total, names, self.slope_names, intercept=self.intercept)

    def __radd__(self, other: int) -> Moments:
        """Let `sum` begin with its 0."""
        return self if other == 0 else NotImplemented

    def _part(self) -> Part:
        first = int(self.intercept)
        products = np.empty((self.n_columns - first + 1,) * 2)
        products[:-1, :-1] = self.within_xx[first:, first:]
        products[:-1, -1] = products[-1, :-1] = self.within_xy[first:]
        products[-1, -1] = self.within_yy
        means = np.column_stack([self.mean_x[:, first:], self.mean_y])
        own = self.own_products[:, :, first:]
        weights = self.rows, self.log_weights
        return Part(self.labels, self.n, means, products, self.mean_z, own, *weights)

    @property
    def base(self) -> Moments:
        """The same without random slopes."""
        return replace(self, slope_names=()) if self.slope_names else self

    @property
    def own_products(self) -> np.ndarray:
        """Products of Z with ``[X, y, Z]`` about the cluster means, shape (K, Q, P + 1 + Q)."""
        return np.concatenate([self.within_zx, self.within_zy[:, :, None], self.within_zz], axis=2)

    @property
    def effect_names(self) -> tuple[str, ...]:
        """Names of the Q + 1 effects of a cluster, the random intercept first."""
        return (INTERCEPT, *self.slope_names)

    @property
    def n_effects(self) -> int:
        """Q + 1, the number of effects of a cluster."""
        return 1 + len(self.slope_names)

    @property
    def counts(self) -> np.ndarray:
        """Rows in each cluster, whatever their precision weights, shape (K,)."""
        return self.n if self.rows is None else self.rows

    @property
    def n_rows(self) -> int:
        """N, the number of rows; one of frequency weight f counts as f."""
        return int(self.counts.sum())

    @property
    def mean_weight(self) -> float:
        """Mean of the rows' precision weights: the unit of what counts in rows, as ridges do."""
        return float(self.n.sum() / self.n_rows)

    @property
    def n_clusters(self) -> int:
        """K, the number of clusters."""
        return len(self.n)

    @property
    def n_columns(self) -> int:
        """P, the number of columns of the design matrix, the intercept included."""
        return self.mean_x.shape[1]

    @property
    def xtx(self) -> np.ndarray:
        """X'X, weighted where there are weights, shape (P, P)."""
        return self.within_xx + self.mean_x.T @ (self.mean_x * self.n[:, None])

    @property
    def xty(self) -> np.ndarray:
        """X'y, shape (P,)."""
        return self.within_xy + self.mean_x.T @ (self.n * self.mean_y)

    @property
    def yty(self) -> float:
        """Sum of squares y'y."""
        return self.within_yy + float(self.n @ self.mean_y**2)


# The former name of moments with slopes: there is one type now.
SlopeMoments = Moments
