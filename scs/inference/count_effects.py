"""What can be said of units of counts at a selection: p-values, intervals, levels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from scs.inference.background import Deviations
from scs.inference.count_intervals import count_intervals, named_region
from scs.inference.counts import CountRule
from scs.inference.effects import KINDS

_DEVIATIONS = 60.0  # standard deviations above the mean that a count is looked for


@dataclass(frozen=True, eq=False)
class CountInference:
    """Mid-p values of all units at a selection, and what follows from them.

    Attributes
    ----------
    rule : CountRule
        Units and background.
    support : ndarray of int, shape (R,)
        The selected units.
    q : float or None
        The false discovery rate at which they were named; None where their number was given.
    """

    rule: CountRule
    support: np.ndarray
    q: float | None

    @cached_property
    def free(self) -> np.ndarray:
        """The selected units, as bool of shape (K,)."""
        free = np.zeros(self.rule.units.n_units, dtype=bool)
        free[self.support] = True
        return free

    @cached_property
    def deviations(self) -> Deviations:
        """On a scale of stable variance."""
        return self.rule.seen(self.free)

    @cached_property
    def pvalues(self) -> np.ndarray:
        """Two-sided mid-p values, shape (K,): that the background reaches so far."""
        return self.rule.pvalues(self.free)

    @cached_property
    def qvalues(self) -> np.ndarray:
        """p-values adjusted for all units looked at (Benjamini and Hochberg), shape (K,)."""
        return stats.false_discovery_control(self.pvalues, method="bh")

    @property
    def limit(self) -> float:
        """The p-value up to which a unit is named.

        q R / K; where the number of units was given, the smallest of those not selected.
        """
        if self.q is not None:
            return self.q * max(len(self.support), 1) / len(self.pvalues)
        return float(self.pvalues[~self.free].min(initial=1.0))

    @cached_property
    def region(self) -> tuple[np.ndarray, np.ndarray]:
        """Counts of each selected unit up to which, and from which on, it is named, shape (R,)."""
        u, s = self.rule.units, self.support
        level, df = self.rule.others(self.free)[0], np.broadcast_to(self.deviations.df, u.n_units)
        mean = (level * u.size)[s]
        reach = mean + _DEVIATIONS * np.sqrt(mean * (1.0 + self.rule.background * mean) + 1.0)
        most = np.maximum(u.observed[s], reach if u.family == "poisson" else u.size[s])

        def pvalue(counts: np.ndarray) -> np.ndarray:
            observed = u.observed.copy()
            observed[s] = counts
            tails = self.rule.tails(observed, self.free)
            p = np.minimum(2.0 * np.minimum(*tails)[s], 1.0)
            return 2.0 * stats.t.sf(stats.norm.isf(p / 2.0), df[s]) if self.rule.estimated else p

        low, high = named_region(pvalue, mean, np.floor(most), self.limit)
        # A list of a given number need not be ordered as its p-values are.
        up = u.observed[s] > mean
        return (
            np.where(up, low, np.maximum(low, u.observed[s])),
            np.where(up, np.minimum(high, u.observed[s]), high),
        )

    def intervals(
        self, kind: str = "conditional", level: float = 0.95
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return intervals for observed over expected, or the rate, of the named units.

        Parameters
        ----------
        kind : {"conditional", "fcr"}
            "conditional": given that the count was named; covers at ``level`` name by name.
            "fcr": wider, misses in a share of at most 1 - ``level`` of the names.
        level : float
            In (0, 1).

        Returns
        -------
        low, high : ndarray, shape (R,)
            Of the law of the counts themselves, about the unit's own level; extended to hold the
            estimate.
        """
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, got {kind!r}.")
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {level!r}: try 0.95.")
        u, s = self.rule.units, self.support
        observed, size = u.observed[s], u.size[s]
        region = self.region if kind == "conditional" else None
        if kind == "fcr":
            level = 1.0 - (1.0 - level) * len(s) / u.n_units
        most = np.inf if u.family == "poisson" else 1.0
        if not len(s):
            return np.zeros(0), np.zeros(0)
        low, high = count_intervals(self.rule.law, observed, size, region, level, most)
        return np.minimum(low, observed / size), np.maximum(high, observed / size)
