"""What `scs.fit` returns: the selection by name, predictions, other budgets, and the summary."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, log2
from typing import Any

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from scs.baselines import Fit
from scs.data._quiet import quiet
from scs.data.design import find_labels
from scs.data.frames import as_frame
from scs.data.rows import INTERCEPT, ModelRows, new_rows, new_slopes
from scs.data.terms import repeated_columns
from scs.estimators import summary
from scs.estimators.selection import Selection
from scs.estimators.standard import Standard
from scs.estimators.trees import ClusterTree
from scs.inference.bootstrap import Bootstrap
from scs.inference.effects import KINDS
from scs.inference.fission import fission_intervals
from scs.inference.folds import in_order
from scs.inference.mundlak import WithinBetween, within_between
from scs.moments.moments import Moments
from scs.moments.rank import keep_columns
from scs.solvers import Solution, Tuning, check_budgets, solve_path

_TREE_CELLS = 10_000_000  # nodes x clusters: class shares that a tree keeps


def budget_grid(n_clusters: int) -> list[int]:
    """Return the budgets that ``budget="auto"`` tries: 0, then about ten for each factor of ten.

    The paper's grid begins at a tenth of the clusters: too coarse where few of many differ.
    """
    decades = range(int(10 * np.log10(max(n_clusters, 1))) + 1)
    steps = {round(10 ** (step / 10)) for step in decades}
    return sorted({0, n_clusters} | {step for step in steps if step <= n_clusters})


@dataclass(frozen=True, eq=False)  # == of arrays is no truth value
class FittedModel:
    """A selection of clusters fitted from a formula.

    Attributes
    ----------
    formula, groups : str
        As given.
    budget : int, or dict of effect to int with random slopes
        Largest number of clusters with an effect, given or chosen.
    selection : Selection
        How the budget, the background and the names came about, in the columns solved in.
    level : float
        Of the intervals.
    ridge_fixed : float
        On the coefficients (never on the intercept).
    solution : Solution
        With objective, bound, gap and what is proved of each cluster.
    moments : Moments
        Sufficient statistics of the rows: all that other budgets need. Columns of slopes are
        standardised there.
    standard : Standard
        How the columns became those solved in.
    inner : Moments
        Of the columns solved in.
    lmm : Fit or None
        The Gaussian linear mixed model of the same formula (REML), for comparison; None where it
        cannot be fitted, and ``lmm_note`` says why.
    boot_rows, boot_clusters : Bootstrap or None
        Resampled rows within clusters (for effects) and clusters (for coefficients).
    rows : ModelRows
        What was read, dropped and coded; its ``design`` is a sample of at most 50,000 rows.
    seed : int
        Of folds, resamples and tree.
    """

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

        Given the list and the background: at another ``fdr`` the background is estimated anew, so
        that a list at the rate q of a cluster need not be the one down to that cluster.
        """
        return self._of_inference("qvalues", "qvalue")

    @property
    def intervals(self) -> pd.DataFrame:
        """Intervals for the whole effect of each selected cluster, by label: ``low``, ``high``.

        Conditional on the naming: what passes a threshold is overstated, and the interval takes
        that back. ``model.interval`` has other kinds.
        """
        return self.interval()

    def interval(
        self,
        kind: str = "conditional",
        level: float | None = None,
        *,
        beyond: bool = False,
        seed: int | None = None,
    ) -> pd.DataFrame:
        """Return intervals for the effects of the selected clusters that hold after selecting.

        Parameters
        ----------
        kind : {"conditional", "fcr", "fission"}
            "conditional": covers name by name, given that the cluster was named. "fcr": wider,
            misses in a share of at most 1 - ``level`` of the names. "fission": noise is drawn that
            splits the data's information; four fifths name clusters anew, by the same rule, and the
            intervals are what the last fifth measures of these: twice as long, and a list of their
            own, but ordinary intervals that lean on nothing in how names came about.
        level : float, optional
            In (0, 1); that of the model if None.
        beyond : bool
            Of v, what the cluster differs by beyond the background, instead of the whole effect.
            Not of "fission".
        seed : int, optional
            Of the noise of "fission"; that of the model if None. Nothing else here is random.

        Returns
        -------
        DataFrame, indexed by label
            ``low``, ``high``; NaN where nothing tells the errors' variance. By "fission" the
            estimate is the middle.

        Raises
        ------
        ValueError
            Random slopes, an unknown kind, or a level out of range; "fission" with ``beyond``, or
            with another null than "normal".
        """
        self._intercept_alone("interval()")
        if kind not in (*KINDS, "fission"):
            raise ValueError(
                f"kind must be one of {(*KINDS, 'fission')}, got {kind!r}: "
                "'conditional' is the default."
            )
        found, support = self.selection.inference, self.solution.support
        level = self.level if level is None else level
        if found is None:
            nothing = np.full(len(support), np.nan)
            index = self.effects.index[support]
            return pd.DataFrame({"low": nothing, "high": nothing}, index=index)
        if kind == "fission":
            return self._by_fission(level, beyond, self.seed if seed is None else seed)
        low, high = found.intervals(kind, level, beyond=beyond)
        shown = self.solution.gamma[support] if beyond else self.solution.cluster_effects[support]
        # With a ridge the effect printed is shrunken: no interval leaves out its own estimate.
        return pd.DataFrame(
            {"low": np.minimum(low, shown), "high": np.maximum(high, shown)},
            index=self.effects.index[support],
        )

    def _by_fission(self, level: float, beyond: bool, seed: int) -> pd.DataFrame:
        if beyond:
            raise ValueError("fission measures the whole effect of a cluster: leave out beyond.")
        if self.selection.null != "normal":
            raise ValueError(
                f"fission draws normal noise of one variance, and null={self.selection.null!r} "
                "supposes other errors: take kind='conditional', or fit with null='normal'."
            )
        found = fission_intervals(
            self.inner,
            q=self.fdr,
            budget=self.budget if self.fdr is None else None,
            theta=None if self.selection.estimated else self.theta,
            level=level,
            seed=seed,
        )
        return pd.DataFrame(
            {"low": found.low, "high": found.high}, index=self.effects.index[found.support]
        )

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
        return pd.Series(np.sqrt(np.diag(covariance)), index=columns, name="std_error")

    @property
    def effect_names(self) -> tuple[str, ...]:
        """Names of the effects that a cluster may have, ``Intercept`` first."""
        return (INTERCEPT, *(self.rows.slopes.names if self.rows.slopes is not None else ()))

    @property
    def selected(self) -> np.ndarray | dict[str, np.ndarray]:
        """Labels of the selected clusters, sorted; with random slopes by effect."""
        if self.rows.slopes is None:
            return self.solution.selected
        return dict(zip(self.effect_names, self.solution.selected, strict=True))

    @property
    def var_e(self) -> float:
        """The errors' variance: over a background from within clusters, which no effect touches.

        Without one, the residual sum of squares over N - rank - (number selected).
        """
        if self.theta > 0 and self.selection.inference is not None:
            return self.selection.inference.var_e
        s, slopes = self.solution, self.rows.slopes
        beta = self._beta[int(self.rows.intercept) :]
        gamma = s.gamma if slopes is None else slopes.scale.standardised(s.gamma)
        rss = s.objective - self.ridge * np.sum(gamma**2) - self.ridge_fixed * beta @ beta
        free = self.inner.n_rows - self.inner.n_columns - np.count_nonzero(gamma)
        return max(float(rss), 0.0) / free if free > 0 else float("nan")

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
                "rows": m.n.astype(int),
                "deviation": m.mean_y - m.mean_x @ self._beta,
                "std_error": np.sqrt(self.var_e / m.n),
                "effect": self.solution.gamma,
                "proved": self.solution.membership,
            },
            index=self.effects.index,
        )

    @property
    def tree(self) -> DecisionTreeClassifier | None:
        """The classifier of clusters on covariates that rows of new ones go through (2.2.2).

        CART of depth ceil(log2 K), as in the paper, and shallower where K is in the thousands (its
        class shares would not fit in memory). It asks nothing about products and powers of
        covariates that are there themselves. None without covariates or with a single cluster.
        """
        return None if self._tree is None else self._tree.tree

    @cached_property
    def _tree(self) -> ClusterTree | None:
        design, n_clusters = in_order(self.rows.design), self.moments.n_clusters
        if design.X.shape[1] == 0 or n_clusters == 1:
            return None
        deepest = max(1, int(log2(_TREE_CELLS / n_clusters)) - 1)
        depth = min(ceil(log2(n_clusters)), deepest)
        tree = DecisionTreeClassifier(max_depth=depth, random_state=self.seed)
        again = repeated_columns(self.rows.spec)
        asked = np.array([name not in again for name in design.names])
        return ClusterTree.of(tree, design.X, design.codes, asked)

    @quiet
    def predict(self, new_data: Any) -> np.ndarray:
        """Predict the outcome of new rows.

        Parameters
        ----------
        new_data : data frame or dict of columns
            The covariates; with the cluster column, known clusters get their effect. Rows of other
            or missing clusters, and all rows without that column, get an effect from the tree.

        Returns
        -------
        ndarray, shape (N,)

        Raises
        ------
        ValueError, TypeError
            A column is not there, a value is missing, or a category was never seen in fitting.
        """
        X = new_rows(self.rows, new_data, "new_data")
        frame = as_frame(new_data, "new_data")
        first = int(self.rows.intercept)
        beta = self._beta
        predicted = X @ beta[first:] + (beta[0] if first else 0.0)
        where = np.full(len(X), -1, dtype=np.intp)
        if self.groups in frame.columns:
            where = find_labels(self.solution.labels, frame[self.groups])
        known = where >= 0
        effects = np.empty((len(X), *self.solution.gamma.shape[1:]))
        effects[known] = self.solution.cluster_effects[where[known]]
        if not known.all():
            effects[~known] = self._assigned(X[~known])
        if self.rows.slopes is None:
            return predicted + effects
        Z = new_slopes(self.rows.slopes, new_data, "new_data")
        return predicted + self.rows.slopes.scale.added(Z, effects)

    def path(self, budgets: Any = None, *, gap: float = 1e-4, time_limit: float = 30.0):
        """Solve the same rows for other budgets.

        Parameters
        ----------
        budgets : iterable of int, optional
            Those of `budget_grid` if None.
        gap : float
        time_limit : float
            Seconds for all of them together.

        Returns
        -------
        tuple of Solution

        Raises
        ------
        ValueError
            The model has random slopes: a budget is then several numbers.
        """
        if self.rows.slopes is not None:
            raise ValueError(
                "path() takes no random slopes, which have a budget each: call "
                "scs.solve(model.moments, (b0, b1, ...), ridge=model.ridge, "
                "ridge_fixed=model.ridge_fixed); slopes are per standard deviation there."
            )
        budgets = check_budgets(
            budget_grid(self.moments.n_clusters) if budgets is None else budgets
        )
        found = solve_path(
            self.inner,
            budgets,
            ridge=self.ridge,
            ridge_fixed=self.ridge_fixed,
            background=self.theta,
            gap=gap,
            time_limit=time_limit / max(len(budgets), 1),
            seed=self.seed,
        )
        return tuple(map(self.standard.solution, found))

    def summary(self, *, top: int = 25) -> str:
        """Return the fit as text: data, certificate, coefficients, selected clusters, the LMM.

        Parameters
        ----------
        top : int
            Selected clusters shown at most, those of the largest effects.
        """
        return summary.as_text(self, top=top)

    def __str__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return summary.as_html(self)

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

    def _assigned(self, X: np.ndarray) -> np.ndarray:
        """Effects of rows of no known cluster: averages weighted by the tree's class shares."""
        gamma = self.solution.gamma
        if self._tree is None:
            return np.repeat([self.moments.n @ gamma / self.moments.n_rows], len(X), axis=0)
        return self._tree.predict_proba(X) @ gamma[self._tree.classes_]

    @property
    def _beta(self) -> np.ndarray:
        """Coefficients as they count in a prediction: 0 for columns left out."""
        return np.nan_to_num(self.solution.beta)

    @property
    def _columns(self) -> pd.Index:
        names = self.moments.names
        return pd.Index((INTERCEPT, *names[1:]) if self.rows.intercept else names)
