"""The record of a fit: what was fitted, what was found, and what follows without new rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from scs.baselines import Fit
from scs.data.rows import INTERCEPT, ModelRows
from scs.estimators.robust import RobustCovariance, check_kind
from scs.estimators.selection import Selection
from scs.estimators.smoother import Smoother
from scs.estimators.standard import Standard
from scs.estimators.trees import ClusterTree
from scs.inference.bootstrap import Bootstrap
from scs.inference.mundlak import WithinBetween, within_between
from scs.moments.moments import Moments
from scs.moments.rank import keep_columns
from scs.solvers import Solution, Tuning


@dataclass(frozen=True, eq=False)  # == of arrays is no truth value
class FitRecord:
    """What a fit holds: the fields are those of `scs.estimators.fitted.FittedModel`."""

    formula: str
    groups: str
    budget: int | dict[str, int]
    selection: Selection = field(repr=False)
    level: float
    ridge_fixed: float
    solution: Solution = field(repr=False)
    moments: Moments = field(repr=False)
    standard: Standard = field(repr=False)
    inner: Moments = field(repr=False)
    lmm: Fit | None = field(repr=False)
    lmm_note: str
    boot_rows: Bootstrap | None = field(repr=False)
    boot_clusters: Bootstrap | None = field(repr=False)
    rows: ModelRows = field(repr=False)
    seed: int
    robust: RobustCovariance | None = field(default=None, repr=False)
    grown: ClusterTree | None = field(default=None, repr=False)
    min_rows: int = 1
    apart: Moments | None = field(default=None, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def chosen_by(self) -> str:
        """How the budget was chosen, or "given"."""
        return self.selection.chosen_by

    @property
    def tuning(self) -> Tuning | None:
        """Held-out error by budget, where that chose the budget."""
        return self.selection.tuning

    @property
    def ridge(self) -> float:
        """On the effects."""
        return self.selection.ridge

    @property
    def theta(self) -> float:
        """The background's variance over the errors', 0 without a background."""
        return self.solution.theta

    @property
    def fdr(self) -> float | None:
        """The false discovery rate at which clusters were named; None by another rule."""
        return None if self.selection.inference is None else self.selection.inference.q

    @property
    def coef(self) -> pd.Series:
        """Coefficients by column of the design matrix, ``Intercept`` first where there is one.

        NaN for a column that others determine: it was left out.
        """
        return pd.Series(self.solution.beta, index=self._columns, name="coef")

    @property
    def effects(self) -> pd.Series | pd.DataFrame:
        """Effect v of every cluster by label, beyond the background; 0 outside the selection.

        With random slopes a table, one column per effect, ``Intercept`` always the first: the level
        at the mean of the slopes' columns, and slopes per unit of theirs.
        """
        index = pd.Index(self.solution.labels, name=self.groups, tupleize_cols=False)
        if self.rows.slopes is None:
            return pd.Series(self.solution.gamma, index=index, name="effect")
        return pd.DataFrame(self.solution.gamma, index=index, columns=list(self.effect_names))

    @property
    def background_effects(self) -> pd.Series:
        """The background's effect u of every cluster by label: small, normal, shrunken (BLUP).

        What a row of a cluster differs by is ``effects + background_effects``.

        Raises
        ------
        ValueError
            The model has random slopes.
        """
        self._intercept_alone("background_effects")
        u = self.solution.background
        return pd.Series(
            np.zeros(len(self.solution.gamma)) if u is None else u,
            index=self.effects.index,
            name="background",
        )

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p-values by label: that the background alone would reach so far.

        Each at the fit in which the cluster is free. NaN where nothing tells the errors' variance.
        """
        return self._of_inference("pvalues", "pvalue")

    @property
    def qvalues(self) -> pd.Series:
        """p-values adjusted for all clusters looked at (Benjamini and Hochberg), by label.

        Given the list and the background: at another ``fdr`` the background is estimated again, so
        that a list at the rate q of a cluster need not be the one down to that cluster.
        """
        return self._of_inference("qvalues", "qvalue")

    @cached_property
    def within_between(self) -> WithinBetween | None:
        """Coefficients within clusters and between those not named, and a test of their difference.

        Where they differ, effects of clusters go with the covariates (Mundlak, Hausman). None
        where nothing tells the errors' variance, or with random slopes.
        """
        if self.selection.inference is None:
            return None
        kept = keep_columns(self.moments, self.standard.rank)
        return within_between(kept, self.theta, self.solution.support, robust=True)

    @property
    def std_errors(self) -> pd.Series:
        """Standard errors of the coefficients, given the selection and the background.

        NaN for columns left out, and throughout with a ridge on the coefficients.
        """
        found, columns = self.selection.inference, self._columns
        if found is None or self.ridge_fixed:
            return pd.Series(np.nan, index=columns, name="std_error")
        covariance = self.standard.covariance(found.covariance, found.untold)
        return pd.Series(_errors(covariance), index=columns, name="std_error")

    def robust_errors(self, kind: str = "CR2") -> pd.Series:
        """Return standard errors that hold whatever the rows of a cluster have in common.

        Given the selection, as ``std_errors``; NaN where those are.

        Parameters
        ----------
        kind : {"CR2", "CR1"}
            "CR2" (Bell and McCaffrey): unbiased where the errors are as the model takes them, and
            better with few clusters. "CR1": Stata's and statsmodels' small-sample factor.

        Raises
        ------
        ValueError
            Another kind.
        """
        check_kind(kind)
        if self.robust is None:
            return pd.Series(np.nan, index=self._columns, name="std_error")
        found = self.standard.covariance(self.robust.covariance(kind), self.robust.untold)
        return pd.Series(_errors(found), index=self._columns, name="std_error")

    @property
    def effect_names(self) -> tuple[str, ...]:
        """Names of the effects that a cluster may have, ``Intercept`` first."""
        return (INTERCEPT, *(self.rows.slopes.names if self.rows.slopes is not None else ()))

    @property
    def selected(self) -> np.ndarray | dict[str, np.ndarray]:
        """Labels of the selected clusters, sorted; with random slopes by effect."""
        found = self.solution.selected
        if isinstance(found, tuple):
            return dict(zip(self.effect_names, found, strict=True))
        return found

    @property
    def var_e(self) -> float:
        """The errors' variance: over a background from within clusters, which no effect touches.

        Without one, the residual sum of squares over N - rank - (number selected).
        """
        if self.theta > 0 and self.selection.inference is not None:
            return self.selection.inference.var_e
        free = self.inner.n_rows - self.inner.n_columns - np.count_nonzero(self.solution.gamma)
        return self.residual_squares / free if free > 0 else float("nan")

    @property
    def set_apart(self) -> pd.DataFrame:
        """Clusters of fewer than ``min_rows`` rows, which are no part of the fit, by label.

        ``rows``; ``deviation``, their mean residual before any effect; ``std_error``, its standard
        deviation about the fit for a cluster like the others, background and all.

        Raises
        ------
        ValueError
            The model has random slopes.
        """
        self._intercept_alone("set_apart")
        m, columns = self.apart, ["rows", "deviation", "std_error"]
        if m is None:
            return pd.DataFrame(columns=columns, index=pd.Index([], name=self.groups), dtype=float)
        first = int(self.rows.intercept)
        X = self.standard.rows(m.mean_x[:, first:])
        nobody = np.full(len(m.n), -1, dtype=np.intp)
        variance = self.smoother.variance(X, nobody) + 1.0 / m.n
        return pd.DataFrame(
            {
                "rows": m.counts.astype(int),
                "deviation": m.mean_y - m.mean_x @ self._beta,
                "std_error": np.sqrt(self.var_e * variance),
            },
            index=pd.Index(m.labels, name=self.groups, tupleize_cols=False),
        )

    @property
    def residual_squares(self) -> float:
        """||y - X beta - A(u + v)||^2 + ||u||^2 / theta: the objective without its ridges."""
        s, slopes = self.solution, self.rows.slopes
        beta = self._beta[int(self.rows.intercept) :]
        gamma = s.gamma if slopes is None else slopes.scale.standardised(s.gamma)
        rest = s.objective - self.ridge * np.sum(gamma**2) - self.ridge_fixed * beta @ beta
        return max(float(rest), 0.0)

    @cached_property
    def smoother(self) -> Smoother:
        """The fit given its support, as a linear smoother: leverage, degrees of freedom.

        Raises
        ------
        ValueError
            The model has random slopes.
        """
        self._intercept_alone("smoother")
        return Smoother.of(
            self.inner,
            self.solution.support,
            theta=self.theta,
            ridge=self.ridge,
            ridge_fixed=self.ridge_fixed,
        )

    @property
    def deviations(self) -> pd.DataFrame:
        """Mean residual of every cluster before its effect, and that mean's standard error.

        DataFrame indexed by label: ``rows``, ``deviation``, ``std_error``, ``effect``, ``proved``.

        Raises
        ------
        ValueError
            The model has random slopes, which a mean does not show.
        """
        m = self.moments
        self._intercept_alone("deviations")
        return pd.DataFrame(
            {
                "rows": m.counts.astype(int),
                "deviation": m.mean_y - m.mean_x @ self._beta,
                "std_error": np.sqrt(self.var_e / m.n),
                "effect": self.solution.gamma,
                "proved": self.solution.membership,
            },
            index=self.effects.index,
        )

    def _intercept_alone(self, what: str) -> None:
        if self.rows.slopes is not None:
            raise ValueError(
                f"{what}: of models with a random intercept alone; see effects with random slopes."
            )

    def _of_inference(self, attribute: str, name: str) -> pd.Series:
        self._intercept_alone(attribute)
        found = self.selection.inference
        values = np.nan if found is None else getattr(found, attribute)
        return pd.Series(values, index=self.effects.index, name=name)

    @property
    def _beta(self) -> np.ndarray:
        """Coefficients as they count in a prediction: 0 for columns left out."""
        return np.nan_to_num(self.solution.beta)

    @property
    def _columns(self) -> pd.Index:
        names = self.moments.names
        return pd.Index((INTERCEPT, *names[1:]) if self.rows.intercept else names)


def _errors(covariance: np.ndarray) -> np.ndarray:
    """Return standard errors: where rounding is all that is left of a variance, 0."""
    return np.sqrt(np.maximum(np.diag(covariance), 0.0))
