"""Random slopes have a ridge: where clusters are compared, and in units of their own.

The ridge is put on the slope of the standardised column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scs.data.rank import column_means, rank_of_rows, unit_columns


@dataclass(frozen=True, eq=False)
class SlopeScale:
    """Centre and unit of the columns of random slopes.

    Attributes
    ----------
    centre : ndarray, shape (Q,)
        Means over the rows. Clusters' lines are compared there: the effect of an intercept is the
        level at the mean. 0 where there is no random intercept and the columns add up to one, as
        indicators of all levels do: these are levels themselves.
    unit : ndarray, shape (Q,)
        Standard deviations over the rows.
    """

    centre: np.ndarray
    unit: np.ndarray

    @classmethod
    def of(
        cls,
        Z: np.ndarray,
        names: tuple[str, ...],
        *,
        intercept: bool,
        frequency: np.ndarray | None = None,
    ) -> SlopeScale:
        """Read centre and unit off the rows; no column is constant.

        Parameters
        ----------
        Z : ndarray, shape (N, Q)
        names : tuple of str, length Q
        intercept : bool
            Whether clusters may have an intercept of their own too.
        frequency : ndarray, shape (N,), optional
            How many rows each row stands for.
        """
        centre = column_means(Z, frequency)
        columns, size, _ = unit_columns(Z, centre)
        unit = size / np.sqrt(len(Z))
        if frequency is not None:
            unit = size * np.sqrt(frequency @ columns**2 / frequency.sum())
        if not intercept:
            beside = np.column_stack([Z, np.ones(len(Z))])
            levels = rank_of_rows(beside, (*names, ""), intercept=False)
            if Z.shape[1] in levels.dropped:
                centre = np.zeros(Z.shape[1])
        return cls(centre, unit)

    def columns(self, Z: np.ndarray) -> np.ndarray:
        """Return the columns to solve in, shape (N, Q)."""
        return (Z - self.centre) / self.unit

    def per_unit(self, gamma: np.ndarray) -> np.ndarray:
        """Return effects (K, Q + 1) of the columns to solve in per unit of the user's columns."""
        return gamma / np.concatenate([[1.0], self.unit])

    def standardised(self, gamma: np.ndarray) -> np.ndarray:
        """Return effects (K, Q + 1) as the ridge counts them."""
        return gamma * np.concatenate([[1.0], self.unit])

    def added(self, Z: np.ndarray, effects: np.ndarray) -> np.ndarray:
        """Return what effects, one row of them for each row of Z, add to the prediction."""
        return effects[:, 0] + ((Z - self.centre) * effects[:, 1:]).sum(axis=1)
