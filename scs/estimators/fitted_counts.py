"""What a fit of counts returns: units by name, their ratios or rates, intervals and the proof."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import special

from scs.data.counts import CountRows
from scs.estimators import count_summary
from scs.inference.count_effects import CountInference
from scs.moments.units import Units
from scs.solvers.counts import CountSolution


@dataclass(frozen=True, eq=False)  # == of arrays is no truth value
class FittedCounts:
    """A selection of clusters fitted to observed counts.

    Poisson: O_k has the mean E_k r g_k exp(v_k), with E_k the expected number, r the common ratio,
    g_k a gamma variable of mean 1 and variance tau^2, and few v_k not 0. Binomial: of n_k trials,
    at a rate that is beta about the common one, or a rate of its own for few.

    Attributes
    ----------
    groups, observed : str
        Columns of clusters and of counts.
    size : str
        Column of expected numbers or trials; empty where every row is one trial.
    budget : int
        Largest number of clusters named, given or chosen.
    chosen_by : str
    units : Units
        Observed and expected numbers, or trials, summed by cluster.
    solution : CountSolution
        With objective, bound, and what is proved of each cluster.
    inference : CountInference
        p-values and intervals.
    consistent : bool
        The names obey the rule of their error rate.
    level : float
        Of the intervals.
    rows : CountRows
        What was read and dropped.
    """

    groups: str
    observed: str
    size: str
    budget: int
    chosen_by: str
    units: Units = field(repr=False)
    solution: CountSolution = field(repr=False)
    inference: CountInference = field(repr=False)
    consistent: bool = field(repr=False)
    level: float
    rows: CountRows = field(repr=False)

    @property
    def family(self) -> str:
        """Either "poisson" or "binomial"."""
        return self.units.family

    @property
    def fdr(self) -> float | None:
        """The false discovery rate at which clusters were named; None by a given budget."""
        return self.inference.q

    @property
    def theta(self) -> float:
        """The background: tau^2 of the ratios (Poisson), the correlation of trials (binomial)."""
        return self.solution.background

    @property
    def common(self) -> float:
        """Observed over expected, or the rate, common to the clusters that are not named."""
        return self.solution.level

    @property
    def selected(self) -> np.ndarray:
        """Labels of the named clusters, sorted."""
        return self.solution.selected

    @property
    def ratios(self) -> pd.DataFrame:
        """Every cluster by label: ``observed``, ``expected`` or ``trials``, and their ratio.

        ``ratio`` (the standardised ratio O / E) or ``rate``; ``shrunken``, the same as the model
        has it: the own one of a named cluster, else drawn towards the common one by the
        background.
        """
        u, poisson = self.units, self.family == "poisson"
        return pd.DataFrame(
            {
                "observed": u.observed.astype(np.int64),
                "expected" if poisson else "trials": u.size if poisson else u.size.astype(np.int64),
                "ratio" if poisson else "rate": u.observed / u.size,
                "shrunken": self._shrunken,
            },
            index=self._index,
        )

    @property
    def effects(self) -> pd.Series:
        """Effect v of every cluster by label: 0 outside the selection.

        The log of its ratio to the common one (Poisson), or the difference of log odds (binomial);
        minus infinity of a named cluster in which nothing was observed.
        """
        own = self._log(self.units.observed / self.units.size) - self._log(self.common)
        v = np.where(self.inference.free, own, 0.0)
        return pd.Series(v, index=self._index, name="effect")

    @property
    def background_effects(self) -> pd.Series:
        """The background's effect u of every cluster by label, shrunken; 0 of named ones."""
        rest = self._log(self._shrunken) - self._log(self.common)
        u = np.where(self.inference.free | (self._shrunken == self.common), 0.0, rest)
        return pd.Series(u, index=self._index, name="background")

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided mid-p values by label: that the background alone would reach so far."""
        return pd.Series(self.inference.pvalues, index=self._index, name="pvalue")

    @property
    def qvalues(self) -> pd.Series:
        """p-values adjusted for all clusters looked at (Benjamini and Hochberg), by label."""
        return pd.Series(self.inference.qvalues, index=self._index, name="qvalue")

    @property
    def intervals(self) -> pd.DataFrame:
        """Intervals for the ratio or rate of each named cluster: ``low``, ``high``.

        Conditional on the naming, by the law of the counts. ``model.interval`` has other kinds.
        """
        return self.interval()

    def interval(self, kind: str = "conditional", level: float | None = None) -> pd.DataFrame:
        """Return intervals for the ratios or rates of the named clusters.

        Parameters
        ----------
        kind : {"conditional", "fcr"}
            "conditional": covers name by name, given that the cluster was named. "fcr": wider,
            misses in a share of at most 1 - ``level`` of the names.
        level : float, optional
            In (0, 1); that of the model if None.

        Returns
        -------
        DataFrame, indexed by label
            ``low``, ``high``.
        """
        low, high = self.inference.intervals(kind, self.level if level is None else level)
        index = self._index[self.solution.support]
        return pd.DataFrame({"low": low, "high": high}, index=index)

    def summary(self, *, top: int = 25) -> str:
        """Return the fit in words and tables, at most about 80 columns wide.

        Parameters
        ----------
        top : int
            Named clusters shown, those of the largest effects.
        """
        return count_summary.as_text(self, top=top)

    def __str__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return count_summary.as_html(self)

    @property
    def _index(self) -> pd.Index:
        return pd.Index(self.units.labels, name=self.groups, tupleize_cols=False)

    @property
    def _shrunken(self) -> np.ndarray:
        u, r, theta = self.units, self.common, self.theta
        own = u.observed / u.size
        if theta == 0:
            rest = np.full(u.n_units, r)
        elif self.family == "poisson":  # the mean of the gamma law given the count
            rest = r * (1.0 + theta * u.observed) / (1.0 + theta * r * u.size)
        else:
            mass = 1.0 / theta - 1.0
            rest = (u.observed + r * mass) / (u.size + mass)
        return np.where(self.inference.free, own, rest)

    def _log(self, ratio: float | np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(ratio) if self.family == "poisson" else special.logit(ratio)
