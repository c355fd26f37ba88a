"""What can be said of the effects of a selection: p-values, intervals, standard errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from scs.inference.background import Between, Deviations, coefficients, untold
from scs.inference.conditional import conditional_interval, fcr_interval
from scs.inference.naming import Null, OwnVariances, Rule
from scs.moments.moments import Moments

KINDS = ("conditional", "fcr")


@dataclass(frozen=True, eq=False)
class EffectInference:
    """Deviations of all clusters at a selection, and what follows from them.

    Attributes
    ----------
    support : ndarray of int, shape (R,)
        The selected clusters.
    theta : float
        The background's variance over the errors'.
    q : float or None
        The false discovery rate at which they were named; None where their number was given.
    deviations : Deviations
        What each cluster's effect would be if the cluster were free, the others as they are.
    var_e : float
        sigma^2, from within clusters.
    df_error : float or ndarray, shape (K,)
        Degrees of freedom of the errors' variance, for intervals of the whole effect.
    covariance : ndarray, shape (P, P)
        Of the coefficients, given the selection.
    untold : ndarray, shape (P, number of directions)
        What nothing tells of the coefficients beside so many free effects.
    pvalues : ndarray, shape (K,)
        Two-sided, of all clusters: that the background reaches so far.
    """

    support: np.ndarray
    theta: float
    q: float | None
    deviations: Deviations
    var_e: float
    df_error: float | np.ndarray
    covariance: np.ndarray
    untold: np.ndarray
    pvalues: np.ndarray

    @classmethod
    def of(
        cls,
        moments: Moments,
        theta: float,
        support: np.ndarray,
        q: float | None,
        null: Null | None = None,
        *,
        estimated: bool = True,
    ) -> EffectInference:
        """Studentise the deviations of all clusters at a selection.

        Parameters
        ----------
        moments, theta, support, q
            As in the attributes.
        null : callable, optional
            As in `name_clusters`.
        estimated : bool
            theta is estimated, which p-values allow for.

        Raises
        ------
        ValueError
            The rows within clusters do not tell the errors' variance.
        """
        between = Between.from_moments(moments)
        free = np.zeros(between.n_clusters, dtype=bool)
        free[support] = True
        _, inverse = coefficients(between, theta, free)
        rule = Rule(between, theta, q or 0.0, null, estimated=estimated)
        found, pvalues = rule.judged(free)
        return cls(
            support=np.asarray(support),
            theta=theta,
            q=q,
            deviations=found,
            df_error=null.moderated[1] if isinstance(null, OwnVariances) else between.df,
            var_e=between.var_e,
            covariance=between.var_e * between.in_data_units(inverse),
            untold=between.coefficients_in_data_units(untold(between, theta, free)),
            pvalues=pvalues,
        )

    @property
    def var_u(self) -> float:
        """tau^2, the background's variance."""
        return self.theta * self.var_e

    @property
    def icc(self) -> float:
        """tau^2 / (tau^2 + sigma^2): of the clusters that are not named."""
        return self.theta / (1.0 + self.theta)

    @property
    def qvalues(self) -> np.ndarray:
        """p-values adjusted for all clusters looked at, given the list and the background.

        min over R >= its rank of p_(R) K / R (Benjamini and Hochberg), at most 1.
        """
        p = self.pvalues
        order = np.argsort(p, kind="stable")
        steps = p[order] * len(p) / np.arange(1, len(p) + 1)
        found = np.empty(len(p))
        found[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
        return found

    @property
    def furthest_unnamed(self) -> float:
        """The largest |d_k| over its standard deviation outside the list; 0 if none is left."""
        d = self.deviations
        rest = np.delete(np.abs(d.value) / d.spread, self.support)
        return float(rest.max(initial=0.0))

    @property
    def threshold(self) -> np.ndarray:
        """What each name's |d_k| passed, in units of the deviation's standard deviation.

        The t quantile of q R / (2 K) under a false discovery rate. Where the number of names was
        given, the largest among the clusters that are not named; 0 where none is left.
        """
        d, n_clusters = self.deviations, len(self.deviations.value)
        if self.q is not None:
            passed = stats.t.isf(self.q * len(self.support) / (2 * n_clusters), d.df)
            return np.broadcast_to(passed, n_clusters)[self.support]
        return np.full(len(self.support), self.furthest_unnamed)

    def intervals(
        self, kind: str = "conditional", level: float = 0.95, *, beyond: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return intervals for the effects of the named clusters, shape (R,) each.

        Parameters
        ----------
        kind : {"conditional", "fcr"}
            "conditional": given that the deviation passed the threshold; covers at ``level`` name
            by name. "fcr": wider, misses in a share of at most 1 - ``level`` of the names.
        level : float
            In (0, 1).
        beyond : bool
            Of v_k, what the name differs by beyond the background, instead of the whole effect:
            wider, as the background's own part is not known.
        """
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, got {kind!r}: try 'fcr'.")
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {level!r}: try 0.95.")
        d = self.deviations
        value, spread = d.value[self.support], d.spread[self.support]
        error = spread if beyond else d.error[self.support]
        df = np.broadcast_to(d.df if beyond else self.df_error, len(d.value))[self.support]
        if kind == "fcr":
            return fcr_interval(value, error, len(d.value), 1 - level, df)
        return conditional_interval(value, error, self.threshold * spread / error, level, df)
