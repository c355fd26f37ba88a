"""Counts of units: what was observed in each, and how much was expected or tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scs.data.labels import as_clusters, joined_labels, refuse_other_kind
from scs.data.numbering import row_name

FAMILIES = ("poisson", "binomial")


@dataclass(frozen=True, eq=False)
class Units:
    """Observed counts by unit, with the expected number (Poisson) or the trials (binomial).

    Rows of one unit are summed: both numbers add up, and the sums are all that the rows tell of
    the units. ``a + b`` are the sums of the rows of both.

    Attributes
    ----------
    observed : ndarray, shape (K,)
        Whole numbers >= 0.
    size : ndarray, shape (K,)
        Poisson: expected numbers, > 0. Binomial: trials, whole numbers >= ``observed``.
    labels : ndarray, shape (K,)
        Distinct and sorted.
    family : {"poisson", "binomial"}
    n_rows : int
        Rows behind them.

    Examples
    --------
    >>> from scs.moments.units import Units
    >>> units = Units.from_arrays([3, 1, 4], [2.5, 1.5, 4.5], list("aab"))
    >>> units.observed.tolist(), units.size.tolist()
    ([4.0, 4.0], [4.0, 4.5])
    """

    observed: np.ndarray
    size: np.ndarray
    labels: np.ndarray
    family: str
    n_rows: int

    def __post_init__(self) -> None:
        """Refuse units of which the counts say nothing, or what cannot be."""
        if self.family not in FAMILIES:
            raise ValueError(f"family must be one of {FAMILIES}, got {self.family!r}.")
        nothing = np.flatnonzero(self.size <= 0)
        if nothing.size:
            what = "expected" if self.family == "poisson" else "tried"
            raise ValueError(
                f"cluster {self.labels[nothing[0]]} has nothing {what} ({len(nothing)} such in "
                "all), so that its count says nothing: leave it out."
            )

    @classmethod
    def from_arrays(cls, observed: Any, size: Any, clusters: Any, family: str = "poisson") -> Units:
        """Check the counts of rows, and sum them by cluster.

        Parameters
        ----------
        observed : array-like, shape (N,)
            Whole numbers >= 0.
        size : array-like, shape (N,)
            Poisson: expected numbers >= 0, and > 0 where something was observed. Binomial: trials,
            whole numbers >= ``observed``.
        clusters : array-like, shape (N,)
            Labels of the units.
        family : {"poisson", "binomial"}

        Raises
        ------
        ValueError
            A row whose numbers cannot be, or a cluster of which nothing was expected: the message
            names the row and the remedy.
        """
        o, e = np.asarray(observed, dtype=float), np.asarray(size, dtype=float)
        codes, labels = as_clusters(clusters, len(o))
        check_counts(o, e, family, np.arange(len(o)), ("observed", "size"))
        return cls.summed(o, e, codes, labels, family)

    @classmethod
    def summed(
        cls,
        observed: np.ndarray,
        size: np.ndarray,
        codes: np.ndarray,
        labels: np.ndarray,
        family: str,
    ) -> Units:
        """Sum checked rows by cluster; ``codes`` are indices into ``labels``."""
        n = len(labels)
        counted = np.bincount(codes, weights=observed, minlength=n)
        sized = np.bincount(codes, weights=size, minlength=n)
        return cls(counted, sized, labels, family, len(codes))

    def __add__(self, other: Units) -> Units:
        if self.family != other.family:
            raise ValueError(f"units of {self.family} and {other.family} counts do not add up.")
        refuse_other_kind(self.labels, other.labels)
        labels = joined_labels([self.labels, other.labels])
        codes, labels = as_clusters(labels, len(labels))
        observed = np.concatenate([self.observed, other.observed])
        size = np.concatenate([self.size, other.size])
        found = Units.summed(observed, size, codes, labels, self.family)
        return Units(found.observed, found.size, labels, self.family, self.n_rows + other.n_rows)

    @property
    def n_units(self) -> int:
        """K."""
        return len(self.observed)

    @property
    def overall(self) -> float:
        """Observed over expected, or over trials, of all units together."""
        return float(self.observed.sum() / self.size.sum())


def check_counts(
    observed: np.ndarray, size: np.ndarray, family: str, rows: np.ndarray, names: tuple[str, str]
) -> None:
    """Refuse rows whose numbers cannot be counts with an expected number, or with trials.

    Parameters
    ----------
    observed, size : ndarray, shape (N,)
    family : {"poisson", "binomial"}
    rows : ndarray, shape (N,)
        What the rows are called in messages.
    names : (str, str)
        What the columns are called.

    Raises
    ------
    ValueError
        The first row that cannot be, and the remedy.
    """
    count, exposure = names

    def refuse(wrong: np.ndarray, column: str, values: np.ndarray, text: str) -> None:
        where = np.flatnonzero(wrong)
        if where.size:
            first = where[0]
            raise ValueError(
                f"{column!r} is {values[first]:g} in {row_name(rows[first])} ({len(where):,} such "
                f"row{'' if len(where) == 1 else 's'}): {text}"
            )

    for column, values in ((count, observed), (exposure, size)):
        refuse(~np.isfinite(values), column, values, "fill it in, or leave the row out.")
    refuse(observed < 0, count, observed, "counts are 0 or more. Correct it, or leave the row out.")
    whole = "counts are whole numbers. For rates, give the counts behind them."
    refuse(observed % 1 != 0, count, observed, whole)
    # Beyond, sums of counts would lose units.
    refuse(observed > 2.0**50, count, observed, "more than can be counted exactly. Correct it.")
    if family == "poisson":
        refuse(size < 0, exposure, size, "expected numbers are positive. Correct it.")
        refuse(
            (size == 0) & (observed > 0),
            exposure,
            size,
            f"nothing was expected where {count!r} is more than 0, which no ratio can say. Correct "
            "the expected number, or leave the row out.",
        )
    else:
        refuse(size % 1 != 0, exposure, size, "trials are whole numbers. Correct it.")
        refuse(
            observed > size,
            count,
            observed,
            f"more than {exposure!r} there. Correct one, or say family='poisson' "
            "(--family poisson) if these are expected numbers.",
        )
