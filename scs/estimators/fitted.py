"""What `scs.fit` returns: the selection by name, predictions, other budgets, and the summary."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from scs.data._quiet import quiet
from scs.data.new_rows import new_offset, new_rows, new_slopes
from scs.estimators.prediction import augmented, known_clusters, with_interval
from scs.estimators.record import FitRecord
from scs.estimators.saved import write_model
from scs.estimators.summary import finding
from scs.estimators.tidy import glanced, tidied
from scs.estimators.trees import ClusterTree, tree_of_rows
from scs.estimators.written import STYLES
from scs.inference.effects import KINDS
from scs.inference.fission import fission_intervals
from scs.solvers import budget_grid, check_budgets, solve_path


@dataclass(frozen=True, eq=False)  # == of arrays is no truth value
class FittedModel(FitRecord):
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
    robust : RobustCovariance or None
        Cluster-robust covariances of the coefficients; None with random slopes or a ridge on them.
    grown : ClusterTree or None
        The tree for new rows of a model that was loaded, which holds no rows to grow it on.
    min_rows : int
        Clusters of fewer rows were set apart.
    apart : Moments or None
        Of these clusters.
    options : dict
        What `scs.fit` was asked for, which `scs.refit` and `scs.update` ask for again.
    """

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
            with another null than "normal" asked for (where the residuals chose it, a warning).
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
        self.selection.suppose_normal("fission", "take kind='conditional'")
        budget = self.budget if self.fdr is None else None
        assert not isinstance(budget, dict)  # those are of random slopes
        found = fission_intervals(
            self.inner,
            q=self.fdr,
            budget=budget,
            theta=None if self.selection.estimated else self.theta,
            level=level,
            seed=seed,
        )
        return pd.DataFrame(
            {"low": found.low, "high": found.high}, index=self.effects.index[found.support]
        )

    @property
    def tree(self) -> DecisionTreeClassifier | None:
        """The classifier that guesses the cluster of a row from its covariates (2.2.2).

        CART of depth ceil(log2 K), as in the paper, and shallower where K is in the thousands (its
        class shares would not fit in memory). It asks nothing about products and powers of
        covariates that are there themselves. None without covariates or with a single cluster.
        """
        return None if self._tree is None else self._tree.tree

    @cached_property
    def _tree(self) -> ClusterTree | None:
        if self.grown is not None or not len(self.rows.design.y):
            return self.grown
        return tree_of_rows(self.rows, self.seed)

    @quiet
    def predict(self, new_data: Any, interval: float | None = None) -> np.ndarray | pd.DataFrame:
        """Predict the outcome of new rows.

        Parameters
        ----------
        new_data : data frame or dict of columns
            The covariates; with the cluster column, known clusters get their effect. Rows of other
            or missing clusters, and all rows without that column, get an effect from the tree.
        interval : float, optional
            Level in (0, 1): also return intervals that hold a row's outcome so often. They allow
            for the error of the row, of coefficients and of effects, given the selection and the
            background, for normal errors of one variance.

        Returns
        -------
        ndarray, shape (N,); with ``interval`` a DataFrame
            ``predicted``, ``low``, ``high``, with the row labels of a pandas data frame.

        Raises
        ------
        ValueError, TypeError
            A column is not there, a value is missing, a category was never seen in fitting, or an
            interval that would not hold (random slopes, a ridge, another law of errors asked for;
            where the residuals chose the law, a warning).
        """
        if interval is not None:
            return with_interval(self, new_data, interval)
        X = new_rows(self.rows, new_data, "new_data")
        predicted, offset = self.fixed_part(X), new_offset(self.rows, new_data, "new_data")
        if offset is not None:
            predicted = predicted + offset
        where = known_clusters(self, new_data)
        known = where >= 0
        effects = np.empty((len(X), *self.solution.gamma.shape[1:]))
        effects[known] = self.solution.cluster_effects[where[known]]
        if not known.all():
            effects[~known] = self._assigned(X[~known])
        if self.rows.slopes is None:
            return predicted + effects
        Z = new_slopes(self.rows.slopes, new_data, "new_data")
        return predicted + self.rows.slopes.scale.added(Z, effects)

    def fixed_part(self, X: np.ndarray) -> np.ndarray:
        """Return x'beta of rows of the design matrix, the intercept included."""
        first = int(self.rows.intercept)
        beta = self._beta
        return X @ beta[first:] + (beta[0] if first else 0.0)

    def tidy(
        self, what: str = "coefficients", *, level: float | None = None, robust: str | None = None
    ) -> pd.DataFrame:
        """Return the fit as data, one row per coefficient or per cluster.

        Parameters
        ----------
        what : {"coefficients", "clusters"}
            "coefficients": ``term``, ``estimate``, ``std_error``, ``statistic``, ``pvalue``,
            ``low``, ``high``. "clusters", all of them: ``cluster``, ``term``, ``n_rows``,
            ``selected``, ``estimate`` (of the whole effect) with ``low``, ``high`` for those
            selected, its parts ``effect`` and ``background``, ``deviation`` with ``std_error``,
            ``pvalue``, ``qvalue``, ``proved``; with random slopes a row per effect.
        level : float, optional
            Of the intervals; that of the model if None.
        robust : {"CR1", "CR2"}, optional
            Cluster-robust standard errors instead, with K - 1 degrees of freedom.

        Raises
        ------
        ValueError
            Another ``what``, ``robust`` or level.
        """
        return tidied(self, what, level, robust)

    def glance(self) -> pd.DataFrame:
        """Return the fit as data, one row about the whole.

        ``n_rows``, ``n_clusters``, ``n_selected``, ``fdr``, ``theta``, ``sigma`` and ``tau``
        (standard deviations of errors and background), ``icc``, ``log_likelihood`` (marginal,
        given the selection), ``df`` (coefficients, free effects, variances), ``aic``, ``bic``,
        ``df_smoother`` (trace of the smoother), ``objective``, ``bound``, ``gap``,
        ``status``, ``version``. AIC and BIC know nothing of the search among clusters: compare by
        them models of one list only.
        """
        return glanced(self)

    def augment(self, data: Any = None) -> pd.DataFrame:
        """Return rows with what the model says of each.

        Parameters
        ----------
        data : data frame or dict of columns, optional
            None: the rows fitted, in the order read, those dropped left out.

        Returns
        -------
        DataFrame
            ``fitted`` (with the cluster's effect), ``fixed`` (without it), ``residual`` and
            ``residual_fixed`` where there is an outcome; beside the columns of ``data``. Of the
            rows fitted also ``leverage`` (d fitted / d outcome, given the selection) and
            ``residual_standardised``.

        Raises
        ------
        ValueError, TypeError
            As `predict`; or None, and the model was loaded or holds a sample of many rows.
        """
        return augmented(self, data)

    def save(self, path: str | Path, *, note: str = "") -> None:
        """Write the model to one file, which `scs.load` and ``scs predict`` read.

        No pickle: JSON and arrays with a checksum, so that reading it runs nothing. It holds no
        rows of the data, but labels, means of clusters, and what was found.

        Parameters
        ----------
        path : str or Path
            Such as ``"hospitals.scs"``; replaced whole if it is there.
        note : str
            Kept with it, for example where the data came from; ``scs show`` prints it.

        Raises
        ------
        TypeError
            Labels or categories of a type that cannot be stored; the message names it.
        OSError
            The file cannot be written.
        """
        bare = replace(self, rows=self.rows.without_rows(), grown=self._tree)
        about = {"formula": self.formula, "groups": self.groups, "note": note}
        write_model(path, bare, {**about, "found": finding(self)})

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

    def summary(self, *, top: int = 25, style: str = "text") -> str:
        """Return the fit in words: data, certificate, coefficients, selected clusters, the LMM.

        Parameters
        ----------
        top : int
            Selected clusters shown at most, those of the largest effects.
        style : {"text", "markdown", "latex", "html"}
            What it is written for; LaTeX needs no package, HTML is a fragment.

        Raises
        ------
        ValueError
            Another style, or a negative ``top``.
        """
        if style not in STYLES:
            raise ValueError(f"style must be one of {tuple(STYLES)}, got {style!r}.")
        return STYLES[style](self, top=top)

    def __str__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return STYLES["html"](self)

    def _assigned(self, X: np.ndarray) -> np.ndarray:
        """Effects of rows of no known cluster: averages weighted by the tree's class shares."""
        return self._averaged(self.solution.gamma, X)

    def spread_of_assigned(self, X: np.ndarray) -> np.ndarray:
        """Return the variance of v over the clusters that a row without a label may belong to."""
        gamma = self.solution.gamma
        return self._averaged(gamma**2, X) - self._averaged(gamma, X) ** 2

    def _averaged(self, values: np.ndarray, X: np.ndarray) -> np.ndarray:
        if self._tree is None:
            return np.repeat([self.moments.counts @ values / self.moments.n_rows], len(X), axis=0)
        return self._tree.predict_proba(X) @ values[self._tree.classes_]
