"""Names where errors are not normal: the law of a cluster's mean from the residuals themselves.

If cluster k has no effect of its own, its deviation is the mean of n_k errors, plus a normal part::

    d_k = (e_1 + ... + e_{n_k}) / n_k + N(0, g_k),    g_k = tau^2 + error of the fit.

The errors are drawn from the pooled residuals within clusters. Their characteristic function phi
gives that of the deviation, phi(t / n_k)^{n_k} exp(-g_k t^2 / 2), and its inverse the two tails.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from scs.inference.background import Between, Deviations, within_slopes
from scs.moments.moments import Moments

#: Excess kurtosis of the residuals above which the residual null is taken. Where errors are normal
#: it costs no power, in tables of 100 rows too, so that the threshold may be low.
KURTOSIS_ADVICE = 0.5
#: No p-value is smaller: below it tails are rounding of the transform.
FLOOR = 1e-12
_CELLS = 64  # of the grid, in a standard deviation
_SMOOTH = 1.0 / 1024.0  # least normal variance, in that of the mean: hides the grid
_REACH = 9.0  # standard deviations of a normal law that are looked at
_EXACT = 100  # rows up to which each number of rows has its own transform
_NO_REST = 1e-12  # share of a cluster's weight that a row leaves to the others
_ROWS_CLASS, _VARIANCE_CLASS = 0.02, 0.05  # widths of classes, logarithmic


@dataclass(frozen=True, eq=False)
class ResidualHistogram:
    """Counts of residuals on a grid of fixed step; those of other rows are added with +.

    Attributes
    ----------
    step : float
        Distance of two grid points, in the outcome's unit.
    first : int
        The first count is of residuals nearest to ``first * step``.
    counts : ndarray of int
        Residuals nearest to each grid point.
    """

    step: float
    first: int
    counts: np.ndarray

    def __add__(self, other: ResidualHistogram) -> ResidualHistogram:
        """Count the rows of both."""
        if self.step != other.step:
            raise ValueError(
                f"histograms have the steps {self.step!r} and {other.step!r}: make both with the "
                "moments of all rows."
            )
        first = min(self.first, other.first)
        end = max(self.first + len(self.counts), other.first + len(other.counts))
        counts = np.zeros(end - first, dtype=np.int64)
        for each in (self, other):
            counts[each.first - first :][: len(each.counts)] += each.counts
        return ResidualHistogram(self.step, first, counts)

    def moment(self, power: int) -> float:
        """Mean of the residuals' ``power``, about zero: in each cluster they sum to zero."""
        grid = self.step * (self.first + np.arange(len(self.counts)))
        return float(self.counts @ grid**power / self.counts.sum())

    @property
    def excess_kurtosis(self) -> float:
        """m_4 / m_2^2 - 3, 0 for a normal distribution; advice: `KURTOSIS_ADVICE`.

        That of the errors is larger, because a residual mixes the errors of its cluster.
        """
        return self.moment(4) / self.moment(2) ** 2 - 3.0


def residual_histogram(
    X: np.ndarray,
    y: np.ndarray,
    codes: np.ndarray,
    moments: Moments,
    frequency: np.ndarray | None = None,
    precision: np.ndarray | None = None,
) -> ResidualHistogram:
    """Count residuals within clusters, a second pass over the rows.

    With b the within coefficients, a row of a cluster with n_k > 1 rows counts as::

        sqrt(n_k / (n_k - 1)) [y_ki - y_k - (x_ki - x_k)'b],

    which has the variance of an error.

    Parameters
    ----------
    X, y, codes : ndarray (N, P), ndarray (N,), ndarray of int (N,)
        All rows or some, as in a `Design`; ``codes`` index ``moments.labels``. X has no column
        for the intercept.
    moments : Moments
        Of all rows.
    frequency, precision : ndarray, shape (N,), optional
        As in a `Design`: a row counts so often, and its residual is that of an error of variance
        sigma^2, as `scaled_residuals` says.
    """
    step = float(np.sqrt(Between.from_moments(moments).var_e)) / _CELLS
    residual = scaled_residuals(X, y, codes, moments, precision)
    several = moments.counts[codes] > 1
    at = np.rint(residual[several] / step).astype(np.int64)
    first = int(at.min(initial=0))
    times = None if frequency is None else frequency[several]
    counts = np.bincount(at - first, times, minlength=1).astype(np.int64)
    return ResidualHistogram(step, first, counts)


def scaled_residuals(
    X: np.ndarray,
    y: np.ndarray,
    codes: np.ndarray,
    moments: Moments,
    precision: np.ndarray | None = None,
) -> np.ndarray:
    """Return residuals within clusters, times sqrt(n_k / (n_k - 1)); 0 in clusters of one row.

    A row of precision w has w n_k / (n_k - w) under the root, n_k the sum of its cluster's weights:
    each has the variance sigma^2 of an error of precision 1.
    """
    skip = int(moments.intercept)
    slopes = within_slopes(moments)[skip:]
    n = moments.n[codes]
    residual = y - moments.mean_y[codes] - (X - moments.mean_x[codes, skip:]) @ slopes
    if precision is None:
        return np.where(n > 1, residual * np.sqrt(n / np.maximum(n - 1.0, 1.0)), 0.0)
    several = moments.counts[codes] > 1
    left = np.where(several, n - precision, n)
    # Next to a row of nearly all the weight the others are noise, and its residual is none.
    told = several & (left > _NO_REST * n)
    return np.where(told, residual * np.sqrt(precision * n / np.where(told, left, 1.0)), 0.0)


@dataclass(frozen=True, eq=False)
class ResidualNull:
    """The residual null for `name_clusters`: one law of the errors in all clusters.

    Attributes
    ----------
    histogram : ResidualHistogram
    n : ndarray, shape (K,)
        Rows in each cluster.
    """

    histogram: ResidualHistogram
    n: np.ndarray

    @classmethod
    def from_rows(
        cls,
        X: np.ndarray,
        y: np.ndarray,
        codes: np.ndarray,
        moments: Moments,
        frequency: np.ndarray | None = None,
        precision: np.ndarray | None = None,
    ) -> ResidualNull:
        """Make it from all rows: see `residual_histogram`.

        Raises
        ------
        ValueError
            Precision weights: a mean of rows of unlike precision has no common law of its errors.
        """
        if precision is not None:
            raise ValueError(
                "null='residuals' takes all errors to be of one law, and precision_weights give "
                "each row its own spread: pass null='unequal' (--null unequal), or 'normal'."
            )
        return cls(residual_histogram(X, y, codes, moments, frequency), moments.n)

    def __call__(self, found: Deviations, theta: float) -> np.ndarray:
        """Return two-sided p-values, shape (K,). theta is in ``found.spread`` already."""
        gaussian = np.maximum(found.spread**2 - self.histogram.moment(2) / self.n, 0.0)
        return residual_pvalues(self.histogram, self.n, found.value, gaussian)


def residual_pvalues(
    histogram: ResidualHistogram, n: np.ndarray, d: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    """Return two-sided p-values of deviations, twice the smaller tail and at most 1.

    Parameters
    ----------
    histogram : ResidualHistogram
    n, d : ndarray, shape (K,)
        Rows and deviation of each cluster.
    variance : ndarray, shape (K,)
        g_k, of the normal part; where it is infinite the p-value is 1. At least 1/1024 of the
        residuals' part, which hides the grid.

    Returns
    -------
    ndarray, shape (K,)
        Exact but for rounding to the grid, and at least `FLOOR`.

    Notes
    -----
    A transform is made for each number of rows and each normal variance, in classes: total
    variances within 5 % share one, beyond 100 rows also those within 2 % of each other. In a class
    deviations are brought to the same total variance, so that only the shape is that of
    a neighbour. A transform has O(sqrt(n) max|e| / sd(e)) points.
    """
    own = histogram.moment(2) / n
    told = np.isfinite(variance)
    pvalues = np.ones(len(n))
    if not told.any():
        return pvalues
    share = np.maximum(np.where(told, variance, 0.0) / own, _SMOOTH)
    rounded = np.exp(np.rint(np.log(n) / _ROWS_CLASS) * _ROWS_CLASS)
    rows = np.where(n <= _EXACT, n, np.rint(rounded)).astype(np.int64)
    keys = np.stack([rows, np.rint(np.log1p(share) / _VARIANCE_CLASS).astype(np.int64)])
    classes, member = np.unique(keys[:, told], axis=1, return_inverse=True)
    members = np.flatnonzero(told)
    order = np.argsort(member.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(member.ravel(), minlength=classes.shape[1]))
    for size, at in zip(classes[0], np.split(members[order], ends[:-1]), strict=True):
        common = float(np.median(share[at])) * histogram.moment(2) / size
        total = histogram.moment(2) / size + common
        points = d[at] * np.sqrt(total / (own[at] * (1.0 + share[at])))
        lower, upper = _tails(histogram, int(size), common, points)
        pvalues[at] = 2.0 * np.minimum(lower, upper)
    return np.clip(pvalues, FLOOR, 1.0)


def _tails(
    histogram: ResidualHistogram, n: int, variance: float, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return P(D <= d) and P(D >= d), D a mean of n residuals plus N(0, variance)."""
    step, bins = histogram.step, len(histogram.counts)
    sd = np.sqrt(histogram.moment(2) / n + variance)
    normal = n * np.sqrt(variance) / step  # of the sum, in grid points
    # The sum of n residuals never leaves this period, so that nothing wraps around.
    margin = int(np.ceil(_REACH * normal))
    period = n * (bins - 1) + 1 + 2 * margin
    # Beyond these frequencies the normal factor leaves nothing.
    used = min(period // 2, int(np.ceil(_REACH * period / (2 * np.pi * normal)))) + 1
    cells = max(2 * used, int(np.ceil(2 * _CELLS * period * step / (n * sd))))
    cells = fft.next_fast_len(cells, real=True)
    j = np.arange(used)
    spectrum = _transform(histogram.counts / histogram.counts.sum(), period, used) ** n
    spectrum *= np.exp(
        -0.5 * (2 * np.pi * j * normal / period) ** 2 - 2j * np.pi * j * margin / period
    )
    mass = fft.irfft(spectrum * np.sinc(j / cells), cells)  # of whole cells
    below = np.concatenate([[0.0], np.cumsum(mass)])
    above = np.concatenate([np.cumsum(mass[::-1])[::-1], [0.0]])
    place = (points * n / step - n * histogram.first + margin) * cells / period + 0.5
    place = np.clip(place, 0.0, cells - 1e-9)
    at = place.astype(np.int64)
    part = place - at
    slope = (np.take(mass, at + 1, mode="wrap") - np.take(mass, at - 1, mode="wrap")) / 2.0
    inside = mass[at] * part - slope * part * (1.0 - part) / 2.0  # a linear density in the cell
    return below[at] + inside, above[at] - inside


def _transform(values: np.ndarray, period: int, count: int) -> np.ndarray:
    """Return the first ``count`` Fourier coefficients, sum_b v_b exp(-2 pi i b j / period).

    By chirps (Bluestein), b j = [b^2 + j^2 - (j - b)^2] / 2: a period of n times the values' length
    costs no more than the coefficients that are used.
    """
    bins = len(values)
    k = np.arange(max(bins, count), dtype=np.int64)
    chirp = np.exp(-1j * np.pi * ((k * k) % (2 * period)) / period)
    kernel = np.conj(np.concatenate([chirp[bins - 1 : 0 : -1], chirp[:count]]))
    size = fft.next_fast_len(len(kernel))
    product = fft.fft(values * chirp[:bins], size) * fft.fft(kernel, size)
    return chirp[:count] * fft.ifft(product)[bins - 1 : bins - 1 + count]
