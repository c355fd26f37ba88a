"""`fit`: from a formula and a data frame to a selection with its proof, in one call."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil, log2
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from scs import summary
from scs.baselines import Fit, fit_gaussian
from scs.bootstrap import Bootstrap
from scs.bootstrap import bootstrap as resample
from scs.design import Design, DesignWarning, as_clusters, find_labels, refuse_other_kind
from scs.model import folds_within_clusters
from scs.moments import Moments
from scs.rows import (
    INTERCEPT,
    ModelRows,
    as_frame,
    check_column,
    model_rows,
    new_rows,
    new_slopes,
)
from scs.slopes import SlopeMoments
from scs.solvers import Solution, Tuning, check_budgets, solve, solve_path, tune_budget

FOLDS = 5
_TREE_ROWS = 50_000  # the tree for new rows is grown on no more than so many
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
    chosen_by : str
        "given", or how it was chosen.
    tuning : Tuning or None
        Held-out error by budget, where the budget was chosen.
    ridge, ridge_fixed : float
        On the effects and on the coefficients (never on the intercept).
    solution : Solution
        With objective, bound, gap and what is proved of each cluster.
    moments : Moments, or SlopeMoments with random slopes
        Sufficient statistics of the rows: all that other budgets need.
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
    chosen_by: str
    tuning: Tuning | None = field(repr=False)
    ridge: float
    ridge_fixed: float
    solution: Solution = field(repr=False)
    moments: Moments | SlopeMoments = field(repr=False)
    lmm: Fit | None = field(repr=False)
    lmm_note: str
    boot_rows: Bootstrap | None = field(repr=False)
    boot_clusters: Bootstrap | None = field(repr=False)
    rows: ModelRows = field(repr=False)
    seed: int

    @property
    def coef(self) -> pd.Series:
        """Coefficients by column of the design matrix, ``Intercept`` first where there is one."""
        return pd.Series(self.solution.beta, index=self._columns, name="coef")

    @property
    def effects(self) -> pd.Series | pd.DataFrame:
        """Effect of every cluster by label; 0 outside the selection.

        With random slopes a table, one column per effect, ``Intercept`` always the first.
        """
        index = pd.Index(self.solution.labels, name=self.groups, tupleize_cols=False)
        if self.rows.slopes is None:
            return pd.Series(self.solution.gamma, index=index, name="effect")
        return pd.DataFrame(self.solution.gamma, index=index, columns=list(self.effect_names))

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
        """Residual sum of squares over N - P - (number selected): the errors' variance."""
        m, s = self.moments, self.solution
        beta = s.beta[int(self.rows.intercept) :]
        rss = s.objective - self.ridge * np.sum(s.gamma**2) - self.ridge_fixed * beta @ beta
        free = m.n_rows - m.n_columns - np.count_nonzero(s.gamma)
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
        if self.rows.slopes is not None:
            raise ValueError(
                "deviations are of models with a random intercept alone: see effects instead."
            )
        return pd.DataFrame(
            {
                "rows": m.n.astype(int),
                "deviation": m.mean_y - m.mean_x @ self.solution.beta,
                "std_error": np.sqrt(self.var_e / m.n),
                "effect": self.solution.gamma,
                "proved": self.solution.membership,
            },
            index=self.effects.index,
        )

    @cached_property
    def tree(self) -> DecisionTreeClassifier | None:
        """The classifier of clusters on covariates that rows of new ones go through (2.2.2).

        CART of depth ceil(log2 K), as in the paper, and shallower where K is in the thousands (its
        class shares would not fit in memory). None without covariates or with a single cluster.
        """
        design, n_clusters = self.rows.design, self.moments.n_clusters
        if design.X.shape[1] == 0 or n_clusters == 1:
            return None
        deepest = max(1, int(log2(_TREE_CELLS / n_clusters)) - 1)
        depth = min(ceil(log2(n_clusters)), deepest)
        tree = DecisionTreeClassifier(max_depth=depth, random_state=self.seed)
        return tree.fit(design.X, design.codes)

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
        beta = self.solution.beta
        predicted = X @ beta[first:] + (beta[0] if first else 0.0)
        where = np.full(len(X), -1, dtype=np.intp)
        if self.groups in frame.columns:
            where = find_labels(self.solution.labels, frame[self.groups])
        known = where >= 0
        effects = np.empty((len(X), *self.solution.gamma.shape[1:]))
        effects[known] = self.solution.gamma[where[known]]
        if not known.all():
            effects[~known] = self._assigned(X[~known])
        if self.rows.slopes is None:
            return predicted + effects
        Z = new_slopes(self.rows.slopes, new_data, "new_data")
        return predicted + effects[:, 0] + (Z * effects[:, 1:]).sum(axis=1)

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
                "scs.solve(model.moments, (b0, b1, ...), ridge=model.ridge)."
            )
        budgets = check_budgets(
            budget_grid(self.moments.n_clusters) if budgets is None else budgets
        )
        return solve_path(
            self.moments,
            budgets,
            ridge=self.ridge,
            ridge_fixed=self.ridge_fixed,
            gap=gap,
            time_limit=time_limit / max(len(budgets), 1),
            seed=self.seed,
        )

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

    def _assigned(self, X: np.ndarray) -> np.ndarray:
        """Effects of rows of no known cluster: averages weighted by the tree's class shares."""
        gamma = self.solution.gamma
        if self.tree is None:
            return np.repeat([self.moments.n @ gamma / self.moments.n_rows], len(X), axis=0)
        return self.tree.predict_proba(X) @ gamma[self.tree.classes_]

    @property
    def _columns(self) -> pd.Index:
        names = self.moments.names
        return pd.Index((INTERCEPT, *names[1:]) if self.rows.intercept else names)


def fit(
    formula: str,
    data: Any,
    groups: str,
    budget: int | str | Sequence[int] | Mapping[str, int] = "auto",
    *,
    ridge: float = 1.0,
    ridge_fixed: float | None = None,
    gap: float = 1e-6,
    time_limit: float = 60.0,
    missing: str = "refuse",
    bootstrap: int = 0,
    level: float = 0.95,
    seed: int = 0,
    random: str | None = None,
    validation: Any = None,
    method: str = "auto",
    verbose: bool = False,
) -> FittedModel:
    """Fit a regression in which at most ``budget`` clusters have an effect of their own (Eq. 5).

    Minimises ||y - X beta - A gamma||^2 + ridge ||gamma||^2 + ridge_fixed ||beta||^2 subject to
    ||gamma||_0 <= budget, with X from the formula, and proves how far from the best it can be.

    Parameters
    ----------
    formula : str
        As in R, statsmodels and patsy, ``"score ~ age + sex"``: text columns become indicators
        against their first level, transformations such as ``np.log(x)``, ``bs(x, df=4)``, ``C(x)``
        and interactions work, ``.`` is every other column. Without the clusters.
    data : data frame (pandas, polars, pyarrow) or dict of columns
    groups : str
        Column of cluster labels.
    budget : int or "auto"
        "auto": of least squared error on held-out rows, in five folds within clusters, or on
        ``validation``, out of `budget_grid`. With random slopes a budget has to be named: one
        number for each effect alike, a sequence in the order of ``random``, or a dict by name,
        ``{"Intercept": 2, "x": 3}``, in which what is not named gets 0.
    ridge : float
        mu > 0 on the effects: an effect of n rows is shrunk by n / (n + mu).
    ridge_fixed : float, optional
        >= 0 on the coefficients, never on the intercept; None: the same as ``ridge``.
    gap : float
        Stop at (objective - bound) / objective <= gap.
    time_limit : float
        Seconds for the search; the choice of a budget may take as long again.
    missing : {"refuse", "drop"}
        Rows that miss a value in a column that is used.
    bootstrap : int
        Replications for intervals: of effects, from rows drawn within clusters; of coefficients,
        from whole clusters drawn. 0: no intervals.
    level : float
        Of the intervals.
    seed : int
    random : str, optional
        The effects that a cluster may have, as lme4 writes them left of the bar. None or "1": a
        random intercept; "1 + x" or "x": and a slope of x; "0 + x" or "x - 1": a slope alone, which
        is the same as a budget of 0 for the intercept. Put x into ``formula`` too for a common
        slope from which clusters differ. The ridge counts squares of slopes as they are, so units
        matter, and an intercept is the level where x is 0. No bootstrap, no LMM beside.
    validation : data frame, optional
        The paper's labelled validation rows, for ``budget="auto"``; used in the final fit too.
    method : see `scs.solve`
    verbose : bool
        Say on stderr what is being done.

    Returns
    -------
    FittedModel

    Raises
    ------
    ValueError, TypeError
        The first line names the argument or column, what is wrong, and the remedy.

    References
    ----------
    Paper, Eq. 5, Sections 2.2 and 5.4.
    """
    for name, value in (("gap", gap), ("time_limit", time_limit)):
        if not isinstance(value, Real):
            raise TypeError(f"{name} must be a number, got {value!r}.")
    if not time_limit > 0:
        raise ValueError(f"time_limit must be positive (seconds), got {time_limit!r}: try 60.")
    if not isinstance(bootstrap, Integral) or bootstrap < 0:
        raise ValueError(f"bootstrap must be a whole number, 0 or more, got {bootstrap!r}.")
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed must be a whole number, 0 or more, got {seed!r}.")

    def say(what: str) -> None:
        if verbose:
            print(what, file=sys.stderr, flush=True)

    rows = model_rows(formula, data, groups, missing=missing, random=random)
    budgets: dict[str, int] = {}
    if rows.slopes is not None:
        budgets = _slope_budgets(rows, budget)
        _refuse_with_slopes(bootstrap, validation)
    elif not (isinstance(budget, str) and budget == "auto") and not isinstance(budget, Integral):
        raise ValueError(
            f"budget must be a whole number or 'auto', got {budget!r} (several are for random "
            "slopes: random='1 + x')."
        )
    options = {
        "ridge": ridge,
        "ridge_fixed": ridge if ridge_fixed is None else ridge_fixed,
        "method": method,
        "seed": int(seed),
    }
    held_out = None if validation is None else _held_out(rows, validation, groups)
    tuning, chosen_by = None, "given"
    if not budgets and budget == "auto":
        if held_out is None:
            if np.bincount(rows.design.codes).max() < 2:
                raise ValueError(
                    "budget='auto' holds rows out of their clusters, but every cluster has a "
                    "single row: name a budget (--budget N), or pass validation=."
                )
            folds = folds_within_clusters(
                rows.design, FOLDS, intercept=rows.intercept, random_state=int(seed)
            )
            chosen_by = f"least error, {len(folds)} folds within clusters"
        else:
            folds = [
                tuple(
                    Moments.from_design(d, intercept=rows.intercept)
                    for d in (rows.design, held_out)
                )
            ]
            chosen_by = "least error on the validation rows"
        grid = budget_grid(len(rows.design.labels))
        each = time_limit / (len(grid) * len(folds))
        say(f"choosing the budget: {len(grid)} budgets, {len(folds)} times ...")
        tuning = tune_budget(folds, grid, gap=max(gap, 1e-4), time_limit=each, **options)
        budget = tuning.best
    if held_out is not None:
        rows = replace(rows, design=_stacked(rows.design, held_out))
    if budgets:
        moments = SlopeMoments.from_design(
            rows.design, rows.slopes.Z, rows.slopes.names, intercept=rows.intercept
        )
        lmm, lmm_note = None, "it is fitted for a random intercept alone."
    else:
        moments = Moments.from_design(rows.design, intercept=rows.intercept)
        budget = int(budget)
    say(f"selecting at most {budgets or budget} of {moments.n_clusters} clusters ...")
    allowed = list(budgets.values()) if budgets else budget
    solution = solve(moments, allowed, gap=gap, time_limit=time_limit, **options)
    if not budgets:
        lmm, lmm_note = _mixed_model(moments)
    by_rows = by_clusters = None
    if bootstrap:
        say(f"resampling: {bootstrap} times rows, {bootstrap} times clusters ...")
        by_rows, by_clusters = _resampled(rows, budget, bootstrap, level, options)
    return FittedModel(
        formula=formula,
        groups=groups,
        budget=budgets or budget,
        chosen_by=chosen_by,
        tuning=tuning,
        ridge=float(ridge),
        ridge_fixed=float(options["ridge_fixed"]),
        solution=solution,
        moments=moments,
        lmm=lmm,
        lmm_note=lmm_note,
        boot_rows=by_rows,
        boot_clusters=by_clusters,
        rows=_sampled(rows, seed),
        seed=int(seed),
    )


def _slope_budgets(rows: ModelRows, budget: Any) -> dict[str, int]:
    """Return one budget for each effect, ``Intercept`` first."""
    slopes = rows.slopes
    own = ((INTERCEPT,) if slopes.intercept else ()) + slopes.names
    example = "budget={" + ", ".join(f"{name!r}: 3" for name in own[:3]) + "}"
    if isinstance(budget, str):
        raise ValueError(f"budget={budget!r} is not for random slopes: name one, {example}.")
    if isinstance(budget, Mapping):
        for name in budget:
            check_column(name, own, "budget")
        given = check_budgets(budget.get(name, 0) for name in own)
    elif isinstance(budget, Integral):
        given = check_budgets([budget] * len(own))
    else:
        given = check_budgets(budget)
        if len(given) != len(own):
            raise ValueError(
                f"budget has {len(given)} entries, but clusters have {len(own)} effects "
                f"({', '.join(own)}): pass one for each, such as {example}."
            )
    return {INTERCEPT: 0} | dict(zip(own, given, strict=True))


def _refuse_with_slopes(bootstrap: int, validation: Any) -> None:
    if bootstrap:
        raise ValueError(
            f"bootstrap={bootstrap}: intervals are for a random intercept alone: pass 0 "
            "(--bootstrap 0) with random slopes."
        )
    if validation is not None:
        raise ValueError(
            "validation chooses the budget of a random intercept: with random slopes add its rows "
            "to data, and name budgets."
        )


def _held_out(rows: ModelRows, validation: Any, groups: str) -> Design:
    """Read validation rows by the coding of the fitted ones."""
    try:
        outcome = model_rows(f"{rows.outcome} ~ 1", validation, groups).design
    except (ValueError, TypeError) as error:
        raise type(error)(f"validation: {error}") from None
    X = new_rows(rows, validation, "validation")
    refuse_other_kind(rows.design.labels, outcome.labels)
    return Design(X, outcome.y, outcome.codes, outcome.labels, rows.design.names)


def _stacked(a: Design, b: Design) -> Design:
    labels = np.concatenate([a.labels[a.codes], b.labels[b.codes]])
    codes, labels = as_clusters(labels, len(labels))
    return Design(np.vstack([a.X, b.X]), np.concatenate([a.y, b.y]), codes, labels, a.names)


def _mixed_model(moments: Moments) -> tuple[Fit | None, str]:
    """Fit the Gaussian LMM beside; where that cannot be done, say why instead of failing."""
    try:
        fitted = fit_gaussian(moments)
    except ValueError as error:
        return None, str(error)
    return fitted, fitted.message


def _resampled(
    rows: ModelRows, budget: int, reps: int, level: float, options: dict
) -> tuple[Bootstrap, Bootstrap]:
    design = rows.design
    table = pd.DataFrame(design.X, columns=list(design.names))
    intercept, ridge_fixed = rows.intercept, options["ridge_fixed"]
    if not design.names:  # an intercept alone: as a column without a ridge it is the same
        table, intercept, ridge_fixed = (
            pd.DataFrame({INTERCEPT: np.ones(len(design.y))}),
            False,
            0.0,
        )
    shared = {
        "reps": int(reps),
        "level": level,
        "seed": options["seed"],
        "intercept": intercept,
        "ridge": options["ridge"],
        "ridge_fixed": ridge_fixed,
    }
    labels = design.labels[design.codes]
    with warnings.catch_warnings():
        # What is said of the rows need not be said of each resample.
        warnings.simplefilter("ignore", DesignWarning)
        try:
            return tuple(
                resample(table, design.y, labels, budget, resample=what, **shared)
                for what in ("rows", "clusters")
            )
        except ValueError as error:
            if not str(error).startswith("resample"):
                raise
            raise ValueError(
                f"{error} Or go without intervals: bootstrap=0 (--bootstrap 0)."
            ) from None


def _sampled(rows: ModelRows, seed: int) -> ModelRows:
    """Keep no more rows than the tree is grown on."""
    design = rows.design
    if len(design.y) <= _TREE_ROWS:
        return rows
    rng = np.random.default_rng(int(seed))
    kept = np.sort(rng.choice(len(design.y), _TREE_ROWS, replace=False))
    sample = Design(design.X[kept], design.y[kept], design.codes[kept], design.labels, design.names)
    slopes = rows.slopes and replace(rows.slopes, Z=rows.slopes.Z[kept])
    return replace(rows, design=sample, slopes=slopes)
