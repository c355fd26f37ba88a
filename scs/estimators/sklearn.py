"""scikit-learn estimators: fit rows of known clusters, predict rows of known and of new ones."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn import get_config
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    RegressorMixin,
)
from sklearn.metrics import r2_score
from sklearn.model_selection import check_cv
from sklearn.tree import BaseDecisionTree, export_text
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from scs.data._quiet import quiet
from scs.data.containers import refuse_other_columns, refuse_other_rows
from scs.data.design import (
    Design,
    as_clusters,
    as_matrix,
    find_labels,
    label_values,
    refuse_other_kind,
    stacked,
)
from scs.data.labels import LabelWarning
from scs.data.slopes import SlopeScale
from scs.estimators.selection import checked_theta, tuned
from scs.estimators.standard import Standard, slope_positions
from scs.estimators.trees import (
    check_classifier,
    grow,
)
from scs.inference.certified import background_at
from scs.inference.folds import in_order
from scs.inference.naming import name_clusters
from scs.moments.moments import Moments
from scs.solvers import (
    Solution,
    check_budget,
    check_budgets,
    paper_budgets,
    solve,
    within,
)
from scs.solvers.solution import unless_stopped

ASSIGNMENTS = ("soft", "hard")
WEIGHTS = ("precision", "frequency")
_NOT_ROUTED = (
    "score got no clusters, so that every row counts as one of a cluster not seen in fitting. A "
    "search passes labels on only by sklearn.set_config(enable_metadata_routing=True) and "
    "set_fit_request(clusters=True).set_score_request(clusters=True) of this estimator. If rows of "
    "new clusters are meant: clusters=[None] * len(X)."
)


class SignificantClusterRegressor(RegressorMixin, BaseEstimator):
    """Linear regression in which at most ``budget`` clusters have an effect of their own.

    Minimises Eq. 5 with a proved bound, then grows a classifier of the cluster on the covariates
    (Section 2.2.2), so that rows of unknown clusters get an effect too.

    Parameters
    ----------
    budget : int, or one int per effect with ``random``
        Largest number of clusters with a non-zero effect.
    random : sequence of column names or positions, optional
        Columns of X whose slopes may differ between clusters, beside the random intercept. Their
        ridge is on the slope of the standardised column, so that its units and origin do not
        matter: an effect of the intercept is the level at the mean of these columns, an effect of
        a slope is per unit of its column.
    ridge : float
        mu > 0 on the effects.
    ridge_fixed : float or None
        >= 0 on the coefficients, never on the intercept. 0: units and origins of covariates change
        no name, no effect and no prediction, and columns that others determine are left out with
        a warning that names them. None: the same as ``ridge``, which is the paper's Eq. 5.
    background : float, "none" or "auto"
        theta >= 0, the variance of small effects that all clusters have, over the errors'. 0 or
        "none" is the paper's method; "auto" estimates it, see `scs.fit`.
    fit_intercept : bool
        Add an unpenalised intercept.
    assignment : {"soft", "hard"}
        For rows without a known cluster: effects weighted by class probabilities, or the effect of
        the most probable cluster.
    classifier : scikit-learn classifier, optional
        Cloned and fitted on the covariates; None: a CART of depth ceil(log2 K), as in the paper.
    weights : {"precision", "frequency"}
        What ``sample_weight`` says of a row. "precision", the default: that its error has the
        variance sigma^2 / weight; any numbers of 0 or more, as scikit-learn has them. "frequency":
        how many equal rows it stands for, whole numbers. Both give the sums of repeated rows. They
        differ in what counts rows: the background where it is estimated, slopes' units, folds.
    method, gap, time_limit : see `scs.solve`
    random_state : int, RandomState or None
        Of the solver's random starts and of the default tree.

    Attributes
    ----------
    coef_ : ndarray, shape (P,)
        NaN for a column that was left out.
    intercept_ : float
        0 without an intercept.
    cluster_effects_ : Series, or DataFrame with one column per effect with ``random``
        Effect by cluster label; 0 outside the selection.
    background_effects_ : Series
        The background's effect by cluster label; 0 without a background. Predictions for known
        clusters add both.
    theta_ : float
        The background.
    selected_ : ndarray, or one per effect with ``random``
        Labels of the selected clusters.
    slope_centre_ : ndarray, one per column of ``random``
        Where effects of the intercept are levels: the means over the rows. Only with ``random``.
    solution_ : Solution
        With objective, bound and status.
    classifier_ : fitted classifier
        Of cluster codes 0..K-1 in the order of ``cluster_effects_``; None with a single cluster.
    column_names_ : tuple of str
        Names of the covariates; x1 ... xP for an array.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    Notes
    -----
    ``clusters`` is required, so that forgetting it cannot pass for a fit; scikit-learn's own checks
    call ``fit(X, y)`` and pass, all of them, once labels are supplied. In pipelines and searches
    route it as metadata: ``set_fit_request(clusters=True)``, ``set_score_request(clusters=True)``,
    and ``sample_weight=True`` in both where there are weights.

    References
    ----------
    Paper, Eq. 5 and Section 2.2.
    """

    def __init__(
        self,
        budget: int | Sequence[int],
        *,
        random: Sequence[Any] | None = None,
        ridge: float = 1.0,
        ridge_fixed: float | None = 0.0,
        background: float | str = 0.0,
        fit_intercept: bool = True,
        assignment: str = "soft",
        classifier: ClassifierMixin | None = None,
        weights: str = "precision",
        method: str = "auto",
        gap: float = 1e-4,
        time_limit: float = 60.0,
        random_state: int = 0,
    ) -> None:
        self.budget = budget
        self.random = random
        self.ridge = ridge
        self.ridge_fixed = ridge_fixed
        self.background = background
        self.fit_intercept = fit_intercept
        self.assignment = assignment
        self.classifier = classifier
        self.weights = weights
        self.method = method
        self.gap = gap
        self.time_limit = time_limit
        self.random_state = random_state

    @quiet
    def fit(
        self, X: Any, y: Any, clusters: Any = None, sample_weight: Any = None
    ) -> SignificantClusterRegressor:
        """Select clusters and fit coefficients, effects and classifier.

        Parameters
        ----------
        X : array-like or data frame, shape (N, P)
        y : array-like, shape (N,)
        clusters : array-like, shape (N,)
            Cluster label of every row; required.
        sample_weight : array-like, shape (N,), optional
            Weights of 0 or more, of the kind that ``weights`` says; the classifier counts rows by
            them too. 0 leaves a row out.

        Raises
        ------
        ValueError, TypeError
            See `scs.data.design.Design.from_table` and `scs.solve`.
        KeyboardInterrupt
            Ctrl-C came during the search: nothing is fitted.
        """
        design = in_order(_read(self, X, y, clusters, sample_weight)[0])
        standard = _standard(self, design)
        inner = standard.design(design)
        moments = Moments.from_design(inner, intercept=self.fit_intercept)
        self._scale = None
        slopes = slope_positions(self.random, design.names)
        theta = checked_theta(self.background)
        if slopes:
            Z, names = design.X[:, slopes], tuple(design.names[j] for j in slopes)
            self._scale = SlopeScale.of(Z, names, intercept=True, frequency=design.frequency)
            self.slope_centre_ = self._scale.centre
            moments = Moments.from_design(
                inner, self._scale.columns(Z), names, intercept=self.fit_intercept
            )
        else:
            allowed = min(check_budget(self.budget), moments.n_clusters)
            theta = background_at(moments, allowed) if theta is None else theta
        options = {**_options(self), "background": theta or 0.0}
        # In a loop over fits, Ctrl-C must not end one of them alone.
        solution = standard.solution(unless_stopped(solve(moments, self.budget, **options)))
        if slopes:
            solution = replace(solution, gamma=self._scale.per_unit(solution.gamma))
        return _store(self, design, solution)

    @quiet
    def predict(self, X: Any, clusters: Any = None) -> np.ndarray:
        """Predict the outcome of rows of known or new clusters.

        Parameters
        ----------
        X : array-like or data frame, shape (N, P)
        clusters : array-like, shape (N,), optional
            A label seen in fitting adds its effect. Rows with another or a missing label, and all
            rows if None, get an effect from the classifier.

        Returns
        -------
        ndarray, shape (N,)
        """
        check_is_fitted(self)
        refuse_other_rows(X=X, clusters=clusters)
        matrix = _read_covariates(self, X)
        predicted = matrix @ np.nan_to_num(self.coef_) + self.intercept_
        where = np.full(len(matrix), -1, dtype=np.intp)
        if clusters is not None:
            values = label_values(clusters)
            if len(values) != len(matrix):
                raise ValueError(
                    f"clusters has {len(values)} entries but X has {len(matrix)} rows: pass one "
                    "label per row, or None for rows of no known cluster."
                )
            where = find_labels(self.solution_.labels, values)
        known = where >= 0
        effects = self.solution_.cluster_effects
        predicted[known] += self._own(matrix[known], effects[where[known]])
        if not known.all():
            predicted[~known] += self._assigned_effects(matrix[~known])
        return predicted

    def score(self, X: Any, y: Any, clusters: Any = None, sample_weight: Any = None) -> float:
        """Return R^2 of the prediction, with cluster labels where they are known.

        Warns (`scs.LabelWarning`) where no labels come and no metadata routing could have brought
        them: a search would score every row as one of a new cluster. Where that is meant, pass a
        list of None.
        """
        check_is_fitted(self)
        if clusters is None and np.any(self.solution_.gamma) and not _routes():
            warnings.warn(_NOT_ROUTED, LabelWarning, stacklevel=2)
        refuse_other_rows(X=X, y=y, clusters=clusters, sample_weight=sample_weight)
        return r2_score(y, self.predict(X, clusters), sample_weight=sample_weight)

    def describe_tree(self, max_depth: int = 10) -> str:
        """Return the fitted tree as text: the rules that give a new row its cluster.

        Raises
        ------
        TypeError
            The classifier is not a single decision tree.
        """
        check_is_fitted(self)
        if self.classifier_ is None:
            return "a single cluster: every row is in it\n"
        if not isinstance(self.classifier_, BaseDecisionTree):
            raise TypeError(
                f"classifier_ is {type(self.classifier_).__name__}, not a single decision tree: "
                "leave classifier=None, or pass a DecisionTreeClassifier."
            )
        return export_text(
            self.classifier_,
            feature_names=list(self.column_names_),
            class_names=[str(label) for label in self.solution_.labels],
            max_depth=max_depth,
        )

    def _assigned_effects(self, matrix: np.ndarray) -> np.ndarray:
        """Effects of rows of no known cluster, through the classifier."""
        gamma = self.solution_.gamma
        if self.classifier_ is None:  # a single cluster
            return self._own(matrix, np.repeat(gamma[:1], len(matrix), axis=0))
        _check_assignment(self)
        classifier = self.classifier_ if self._tree is None else self._tree
        if self.assignment == "hard":
            return self._own(matrix, gamma[classifier.predict(matrix)])
        shares = classifier.predict_proba(matrix)
        return self._own(matrix, shares @ gamma[classifier.classes_])

    def _own(self, matrix: np.ndarray, gamma: np.ndarray) -> np.ndarray:
        """Return what effects, one row of them per row of the matrix, add to the prediction."""
        if gamma.ndim == 1:
            return gamma
        slopes = slope_positions(self.random, self.column_names_)
        return self._scale.added(matrix[:, slopes], gamma)


class SignificantClusterRegressorCV(SignificantClusterRegressor):
    """The paper's pipeline: the budget by validation error, then a fit on all rows (2.2.1).

    The paper's ridge is on the coefficients too: ``ridge_fixed=None``. By default there is none.

    Parameters
    ----------
    budgets : sequence of int, optional
        None: 0 (no cluster differs) and the paper's grid, ceil(K a) for its twelve shares a.
    cv : int, splitter or iterable of (train, test)
        How to hold rows out when `fit` gets no validation set. An int is the number of folds
        *within* clusters, so that labels stay known; clusters with fewer rows than folds are left
        out of some. These folds follow what the rows hold, whatever their order, labels and
        units, and are dealt again until the choice is stable.
    ridge, ridge_fixed, background, fit_intercept, assignment, classifier, weights
        See `SignificantClusterRegressor`.
    method, gap, time_limit, random_state
        See `SignificantClusterRegressor`.

    Attributes
    ----------
    budget_ : int
        The budget chosen.
    budgets_ : ndarray of int
        The grid.
    validation_mse_ : ndarray
        Mean squared validation error for each budget of the grid.
    flat_ : (int, int)
        The least and the largest of the budgets around the chosen one whose error is within one
        standard error of the least.
    coef_, intercept_, cluster_effects_, selected_, solution_, classifier_
        Of the fit on all rows, as in `SignificantClusterRegressor`.
    """

    def __init__(
        self,
        budgets: Iterable[int] | None = None,
        *,
        cv: Any = 5,
        ridge: float = 1.0,
        ridge_fixed: float | None = 0.0,
        background: float | str = 0.0,
        fit_intercept: bool = True,
        assignment: str = "soft",
        classifier: ClassifierMixin | None = None,
        weights: str = "precision",
        method: str = "auto",
        gap: float = 1e-4,
        time_limit: float = 60.0,
        random_state: int = 0,
    ) -> None:
        self.budgets = budgets
        self.cv = cv
        self.ridge = ridge
        self.ridge_fixed = ridge_fixed
        self.background = background
        self.fit_intercept = fit_intercept
        self.assignment = assignment
        self.classifier = classifier
        self.weights = weights
        self.method = method
        self.gap = gap
        self.time_limit = time_limit
        self.random_state = random_state

    @quiet
    def fit(
        self,
        X: Any,
        y: Any,
        clusters: Any = None,
        sample_weight: Any = None,
        *,
        validation: tuple | None = None,
    ) -> SignificantClusterRegressorCV:
        """Choose the budget, then fit on all rows, the validation rows included.

        Parameters
        ----------
        X, y, clusters, sample_weight
            As in `SignificantClusterRegressor.fit`. Held-out errors are weighted too; folds deal a
            row of frequency f as f rows.
        validation : (X, y, clusters) or (X, y, clusters, sample_weight), optional
            The paper's labelled validation set; ``cv`` is not used then.
        """
        design, kept = _read(self, X, y, clusters, sample_weight)
        folds: Any = self.cv
        if validation is not None:
            if len(validation) not in (3, 4):
                raise ValueError(
                    f"validation has {len(validation)} parts: pass a tuple (X, y, clusters), or "
                    "(X, y, clusters, sample_weight)."
                )
            refuse_other_rows(**{f"validation[{i}]": part for i, part in enumerate(validation)})
            held_out = Design.from_table(*validation[:3])
            held_out, _ = _weighted(self, held_out, *validation[3:])
            refuse_other_columns(design.names, held_out.names, named=hasattr(X, "columns"))
            refuse_other_kind(design.labels, held_out.labels)
            held_out = replace(held_out, names=design.names)
            parts = (design, held_out)
            design = stacked(design, held_out)
            standard = _standard(self, in_order(design))
            folds = [tuple(standard.kept(part) for part in parts)]
        else:
            standard = _standard(self, in_order(design))
            if not isinstance(self.cv, Integral):
                folds = _split(self, standard.kept(design), X, clusters, kept)
        design = in_order(design)
        n_clusters = len(design.labels)
        grid = [0, *paper_budgets(n_clusters)] if self.budgets is None else self.budgets
        grid = [within(budget, n_clusters) for budget in check_budgets(grid)]
        if not grid:
            raise ValueError("budgets is empty: pass at least one budget, or None for the grid.")
        theta, moments = checked_theta(self.background), self._moments(standard.design(design))
        first = name_clusters(moments).background if theta is None else theta
        options = {**_options(self), "background": first, "intercept": self.fit_intercept}
        tuning = tuned(standard.kept(design), folds, grid, **options)
        self.budget_ = tuning.best
        self.budgets_ = np.array(tuning.budgets)
        self.validation_mse_ = tuning.mse
        self.flat_ = tuning.flat
        theta = background_at(moments, self.budget_) if theta is None else theta
        options = {**_options(self), "background": theta}
        found = unless_stopped(solve(moments, self.budget_, **options))
        return _store(self, design, standard.solution(found))

    def _moments(self, design: Design) -> Moments:
        return Moments.from_design(design, intercept=self.fit_intercept)


def _split(
    model: SignificantClusterRegressorCV,
    design: Design,
    X: Any,
    clusters: Any,
    kept: np.ndarray | None,
) -> Iterator[tuple[Design, ...]]:
    """Return training and held-out rows by the user's own splitter, a pair at a time.

    The splitter counts all rows, and those of weight 0 are no part of the design.
    """
    matrix, codes = design.X, design.codes
    if kept is not None:
        matrix = as_matrix(X)[0]
        codes, _ = as_clusters(clusters, len(matrix))
    where = np.full(len(codes), -1, dtype=np.intp)
    where[slice(None) if kept is None else kept] = np.arange(len(design.y))
    for pair in check_cv(model.cv, codes, classifier=True).split(matrix, codes):
        yield tuple(design.of_rows(where[part][where[part] >= 0]) for part in pair)


def _routes() -> bool:
    return bool(get_config()["enable_metadata_routing"])


def _options(model: SignificantClusterRegressor) -> dict[str, Any]:
    """Arguments of `solve` that the estimators share."""
    return {
        "ridge": model.ridge,
        "ridge_fixed": model.ridge_fixed,
        "method": model.method,
        "gap": model.gap,
        "time_limit": model.time_limit,
        "seed": _seed(model.random_state),
    }


def _standard(model: SignificantClusterRegressor, design: Design) -> Standard:
    return Standard.of(design, intercept=bool(model.fit_intercept), ridge_fixed=model.ridge_fixed)


def _seed(random_state: int | np.random.RandomState | None) -> int:
    """Return a seed for the solver from any of scikit-learn's random states."""
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _check_assignment(model: SignificantClusterRegressor) -> None:
    if model.assignment not in ASSIGNMENTS:
        raise ValueError(
            f"assignment must be one of {ASSIGNMENTS}, got {model.assignment!r}: try 'soft'."
        )


def _read(
    model: SignificantClusterRegressor, X: Any, y: Any, clusters: Any, sample_weight: Any
) -> tuple[Design, np.ndarray | None]:
    """Validate rows, and note the columns as scikit-learn does; also return the rows that count."""
    _check_assignment(model)
    check_classifier(model.classifier, model.assignment)
    refuse_other_rows(X=X, sample_weight=sample_weight)
    design, kept = _weighted(model, Design.from_table(X, y, clusters), sample_weight)
    validate_data(model, X, reset=True, skip_check_array=True)
    return design, kept


def _weighted(
    model: SignificantClusterRegressor, design: Design, sample_weight: Any = None
) -> tuple[Design, np.ndarray | None]:
    """Return rows with weights of the kind that the estimator says, and which have any."""
    if model.weights not in WEIGHTS:
        raise ValueError(
            f"weights must be one of {WEIGHTS}, got {model.weights!r}: it says what sample_weight "
            "is; pass the weights themselves to fit(..., sample_weight=...)."
        )
    return design.weighted(**{f"{model.weights}_weights": sample_weight})


def _read_covariates(model: SignificantClusterRegressor, X: Any) -> np.ndarray:
    """Validate covariates of new rows against the columns noted in fitting."""
    matrix, _ = as_matrix(X)
    validate_data(model, X, reset=False, skip_check_array=True)
    return matrix


def _store(model, design: Design, solution: Solution):
    """Set the fitted attributes; return the estimator."""
    first = int(model.fit_intercept)
    model.solution_ = solution
    model.intercept_ = float(solution.beta[0]) if first else 0.0
    model.coef_ = solution.beta[first:]
    index = pd.Index(solution.labels, tupleize_cols=False)
    if solution.gamma.ndim == 1:
        model.cluster_effects_ = pd.Series(solution.gamma, index=index, name="effect")
    else:
        model.cluster_effects_ = pd.DataFrame(
            solution.gamma, index=index, columns=list(solution.effect_names)
        )
    model.theta_ = solution.theta
    if solution.gamma.ndim == 1:
        beside = solution.cluster_effects - solution.gamma
        model.background_effects_ = pd.Series(beside, index=index, name="background")
    model.selected_ = solution.selected
    model._tree, model.classifier_ = grow(
        model.classifier,
        design.X,
        design.codes,
        len(design.labels),
        model.random_state,
        design.weights,
    )
    model.column_names_ = design.names
    return model
