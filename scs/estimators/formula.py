"""`fit`: from a formula and a data frame to a selection with its proof, in one call."""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from scs.baselines import Fit, fit_gaussian
from scs.data._quiet import quiet
from scs.data.containers import column_name
from scs.data.counts import counted_column
from scs.data.design import Design, DesignWarning, refuse_other_kind, stacked
from scs.data.labels import LabelWarning
from scs.data.new_rows import new_offset, new_rows, new_weights
from scs.data.roles import with_roles
from scs.data.rows import INTERCEPT, ModelRows, model_rows
from scs.data.weights import of_kind
from scs.estimators.counts import fit_counts
from scs.estimators.fitted import FittedModel
from scs.estimators.fitted_counts import FittedCounts
from scs.estimators.fitted_groups import FittedGroups
from scs.estimators.groups import fit_groups
from scs.estimators.robust import RobustCovariance
from scs.estimators.selection import (
    Selection,
    Settings,
    checked_budget,
    checked_fdr,
    checked_null,
    checked_theta,
    select,
)
from scs.estimators.slopes import refuse_with_slopes, select_slopes, slope_budgets
from scs.estimators.small import checked_min_rows, without_small
from scs.estimators.smoother import Smoother
from scs.estimators.standard import Standard
from scs.inference.bootstrap import Bootstrap
from scs.inference.bootstrap import bootstrap as resample
from scs.inference.folds import content_order, in_order
from scs.moments.moments import Moments
from scs.moments.rank import keep_columns
from scs.solvers import Solution, budget_grid

# Arguments of `fit`, by who takes them.
_SETTINGS = ("budget", "fdr", "background", "null", "ridge", "ridge_fixed")
_SETTINGS += ("gap", "time_limit", "method", "seed")
_OF_REGRESSIONS = ("null", "ridge", "ridge_fixed", "bootstrap", "random", "validation", "method")
_OF_REGRESSIONS += ("min_rows", "frequency_weights", "precision_weights", "offset", "weight_kind")
_OF_COUNTS = ("expected", "trials", "budget", "fdr", "background", "gap", "time_limit", "missing")
_OF_COUNTS += ("level", "verbose")
_OF_GROUPS = ("formula", "data", "groups", "n_groups", "missing", "level")
# What a model is fitted by again, to other rows.
_AGAIN = ("budget", "fdr", "background", "null", "ridge", "ridge_fixed", "gap", "time_limit")
_AGAIN += ("missing", "bootstrap", "level", "seed", "random", "method", "min_rows")

_ROLES = ("frequency_weights", "precision_weights", "offset")

# What counts have instead.
_WITH_COUNTS = {
    "frequency_weights": "add up the counts, and what is expected of them, of equal rows",
    "precision_weights": "counts are as precise as they are large: leave it out",
    "offset": "name the expected number, expected=, which is no logarithm,",
}

_MOST_PRECISION = 1e4  # mean precision weight
_TREE_ROWS = 50_000  # the tree for new rows is grown on no more than so many


@quiet
def fit(
    formula: str,
    data: Any,
    groups: str | None,
    budget: int | str | Sequence[int] | Mapping[str, int] = "auto",
    *,
    fdr: float = 0.10,
    background: float | str = "auto",
    null: str = "auto",
    ridge: float | None = None,
    ridge_fixed: float | None = 0.0,
    gap: float = 1e-6,
    time_limit: float = 60.0,
    missing: str = "refuse",
    bootstrap: int = 0,
    level: float = 0.95,
    seed: int = 0,
    random: str | None = None,
    validation: Any = None,
    method: str = "auto",
    family: str = "gaussian",
    expected: str | None = None,
    trials: str | None = None,
    min_rows: int = 1,
    weights: Any = None,
    weight_kind: str = "precision",
    frequency_weights: Any = None,
    precision_weights: Any = None,
    offset: Any = None,
    n_groups: int | str | None = None,
    verbose: bool = False,
) -> FittedModel | FittedCounts | FittedGroups:
    """Fit a regression, and name clusters that differ by more than clusters usually do.

    All clusters differ a little, by normal effects u of a variance that is estimated; few differ by
    more, by effects v of their own. Minimises ||y - X beta - A(u + v)||^2 + ||u||^2 / theta +
    ridge ||v||^2 + ridge_fixed ||beta||^2 subject to ||v||_0 <= budget, with X from the formula,
    and proves how far from the best the answer can be. With ``background="none"`` that is Eq. 5.
    Coefficients carry no ridge unless asked for, so that units and origins of covariates change
    no name, no effect and no prediction.

    Parameters
    ----------
    formula : str
        As in R, statsmodels and patsy, ``"score ~ age + sex"``: text columns become indicators
        against their first level, transformations such as ``np.log(x)``, ``bs(x, df=4)``, ``C(x)``
        and interactions work, ``.`` is every other column. Without the clusters. None of it is run:
        columns, arithmetic, comparisons and the functions of `scs.data.functions`, all else is
        refused.
    data : data frame (pandas, polars, pyarrow) or dict of columns
    groups : str
        Column of cluster labels.
    budget : int, "fdr", "predict" or "auto"
        How many clusters may be named. "auto" is "fdr": as many as an error rate of ``fdr`` allows.
        That can be none. "predict" (the paper's, and "auto" where ``validation`` is given): of
        least squared error on held-out rows, in five folds within clusters, or on ``validation``,
        out of `budget_grid`. Folds follow what the rows hold, so that neither the order of rows nor
        labels or units matter, and rows are dealt again until the choice is stable; ``tuning.flat``
        names the budgets that do as well. A number: so many at most; more than there are is taken
        as all of them, with a warning. With random slopes a budget has to be named: one number for
        each effect alike, a sequence in the order of ``random``, or a dict by name,
        ``{"Intercept": 2, "x": 3}``, in which what is not named gets 0.
    fdr : float
        The false discovery rate q of ``budget="fdr"``, in (0, 1): the expected share of wrong names
        among the names, of clusters that differ by no more than the background.
    background : "auto", "none" or float
        theta >= 0, the variance of u over the errors': estimated, 0 (the paper's method), or given.
        A random intercept alone has one.
    null : {"auto", "normal", "residuals", "unequal"}
        The law of errors that p-values are of: normal with one variance; that of the residuals
        within clusters themselves, for heavy tails or skewness; or normal with a variance of each
        cluster's own, moderated by the others'. "auto" is the one that the residuals ask for:
        "unequal" where Brown and Forsythe's test has p < 0.001 and the variances' standard
        deviation is above a quarter of their mean, "residuals" where the excess kurtosis is above
        0.5, else "normal". The summary says which, and why.
    ridge : float, optional
        mu > 0 on the effects v: an effect of n rows is shrunk by n / (n + mu). None: 1, the
        paper's, without a background; next to nothing over one or with ``budget="fdr"``.
    ridge_fixed : float, optional
        >= 0 on the coefficients, never on the intercept. 0: units do not matter, and columns that
        others determine are left out, with a note that names them and a coefficient of NaN. None:
        the same as ``ridge``, the paper's Eq. 5, which shrinks what is measured in large units.
    gap : float
        Stop at (objective - bound) / objective <= gap.
    time_limit : float
        Seconds for the search. The choice of a budget takes its own time, so that the clock has
        no say in it.
    missing : {"refuse", "drop"}
        Rows that miss a value in a column that is used.
    bootstrap : int
        Replications beside, 2 or more: how often resamples select each cluster (rows drawn within
        clusters), and intervals of coefficients (whole clusters drawn). 0: none.
    level : float
        Of the intervals.
    seed : int
        Of resamples, of folds and of the tree for new clusters; names at an error rate do not
        depend on it.
    random : str, optional
        The effects that a cluster may have, as lme4 writes them left of the bar. None or "1": a
        random intercept; "1 + x" or "x": and a slope of x; "0 + x" or "x - 1": a slope alone, which
        is the same as a budget of 0 for the intercept. Put x into ``formula`` too for a common
        slope from which clusters differ. The ridge is on the slope of the standardised column, (x -
        mean) / standard deviation over the rows, so that units and origin of x do not matter: the
        effect of an intercept is the level at the mean of x. Effects of slopes are reported per
        unit of x. Indicators of all levels without a random intercept, "0 + C(x)", are levels
        themselves and are not centred. No background, no bootstrap, no LMM beside.
    validation : data frame, optional
        The paper's labelled validation rows, which choose the budget; used in the final fit too.
    method : see `scs.solve`
    family : {"gaussian", "poisson", "binomial"}
        Of counts the formula is ``"deaths ~ 1"``; rows of a cluster are summed, and ``budget``,
        ``fdr``, ``background`` (tau^2 of the ratios, or the correlation of trials), ``gap`` (in
        nats of log likelihood), ``time_limit``, ``missing`` and ``level`` apply.
    expected : str, optional
        Poisson: column of expected numbers from a risk model, or of exposures.
    trials : str, optional
        Binomial: column of trials; None: every row is one, with an outcome of 0 or 1.
    min_rows : int
        Clusters of fewer rows are set apart, as packages for profiling do: they are no part of the
        fit and cannot be named; ``set_apart`` has their deviations from it. With few rows a cluster
        is named for a large error as easily as for a large effect.
    weights : str or array-like, optional
        Column, or one number for each row of data, of the kind that ``weight_kind`` says. Rows of
        weight 0 are left out.
    weight_kind : {"precision", "frequency"}
        "precision": with the weight w the row's error has the variance sigma^2 / w, as by the
        weights of R's lm and lme4 and of statsmodels' WLS, for example where a row is a mean of w.
        Sums are weighted, degrees of freedom count rows. Default ridges are in rows of the mean
        weight, so that the weights' unit matters to no name. "frequency": the row stands for so
        many equal rows, a whole number; every number is that of the table with its rows repeated.
    frequency_weights, precision_weights : str or array-like, optional
        The same by name, for rows that have both.
    offset : str or array-like, optional
        Column or numbers: a known part of the outcome, which is taken off it, and which predictions
        add back. In a formula ``offset(x)``. An array is the column "(offset)" in new data.
    n_groups : int or "auto", optional
        For rows without labels: the number of groups, each with a level of its own; "auto", as
        ``groups=None`` alone, takes that of smallest BIC. Beside a column ``groups`` that some rows
        miss, these are allotted to the groups of the others. Nothing is named then, see
        `FittedGroups`.
    verbose : bool
        Say on stderr what is being done.

    Returns
    -------
    FittedModel
        `FittedCounts` where ``family`` is one of counts, `FittedGroups` for rows without labels.

    Raises
    ------
    ValueError, TypeError
        The first line names the argument or column, what is wrong, and the remedy.

    References
    ----------
    Paper, Eq. 5, Sections 2.2 and 5.4.

    Examples
    --------
    >>> import scs
    >>> table = {"y": [1, 2, 2, 3, 9, 8, 2, 1], "school": list("aabbccdd")}
    >>> scs.fit("y ~ 1", table, "school", budget=1).selected.tolist()
    ['c']
    """
    given = dict(locals())  # before there is any other name
    if weights is None and weight_kind != "precision":
        raise ValueError("weight_kind without weights: pass weights=, or leave it out.")
    given |= of_kind(weights, weight_kind, **{name: given[name] for name in _ROLES[:2]})
    if groups is None or n_groups is not None:
        return _fit_groups(given)
    if family != "gaussian":
        return _fit_counts(given)
    if expected is not None or trials is not None:
        raise ValueError(
            "expected and trials are of counts: say family='poisson' or family='binomial'."
        )
    settings = _settings(**{name: given[name] for name in _SETTINGS})
    _check_bootstrap(bootstrap)
    say = partial(_tell, verbose)
    groups = column_name(groups, "groups")
    min_rows = checked_min_rows(min_rows)
    if min_rows > 1 and validation is not None:
        raise ValueError("min_rows with validation: leave small clusters out of both tables.")
    beside = {role: given[role] for role in _ROLES}
    data, roles = with_roles(data, **beside)
    as_read = model_rows(formula, data, groups, missing=missing, random=random, roles=roles)
    _refuse_precision(as_read.design)
    as_read, apart = without_small(as_read, min_rows)
    rows = _in_order(as_read)  # what is computed must not depend on the order of rows
    budgets = _budgets(rows, given)
    held_out = None if validation is None else _held_out(rows, validation, groups)
    fitted = rows.design if held_out is None else in_order(stacked(rows.design, held_out))
    standard = Standard.of(fitted, intercept=rows.intercept, ridge_fixed=settings.ridge_fixed)
    found, inner = _selected(rows, held_out, standard, settings, budgets, say)
    if held_out is not None:
        as_read = replace(as_read, design=stacked(as_read.design, held_out))
        rows = _in_order(as_read)
    moments = _moments(rows, rows.design)
    solution = standard.solution(found.solution)
    if rows.slopes is not None:
        solution = replace(solution, gamma=rows.slopes.scale.per_unit(solution.gamma))
    lmm, lmm_note = _mixed_model(moments, standard)
    boots = _resampled(rows, standard, found, solution, settings, bootstrap, level, say)
    return FittedModel(
        formula=formula,
        groups=groups,
        budget=found.budget if budgets is None else budgets,
        selection=found,
        level=level,
        ridge_fixed=settings.ridge_fixed,
        solution=solution,
        moments=moments,
        standard=standard,
        inner=inner,
        lmm=lmm,
        lmm_note=lmm_note,
        boot_rows=boots[0],
        boot_clusters=boots[1],
        rows=as_read if rows.design.n_rows <= _TREE_ROWS else _sampled(rows, seed),
        seed=settings.seed,
        robust=_robust(rows, standard, found, inner),
        min_rows=min_rows,
        apart=apart,
        options={name: given[name] for name in _AGAIN} | roles.named,
    )


def _fit_counts(given: Mapping[str, Any]) -> FittedCounts:
    """Fit counts by the arguments of `fit`; refuse options that would be passed over in silence."""
    family = given["family"]
    for name in _given(given, _OF_REGRESSIONS):
        remedy = _WITH_COUNTS.get(name, "leave it out")
        raise ValueError(f"{name}: it is of Gaussian fits: {remedy} with {family!r}.")
    observed = counted_column(given["formula"], given["data"])
    options = {name: given[name] for name in _OF_COUNTS}
    return fit_counts(given["data"], given["groups"], observed, family=family, **options)


def _budgets(rows: ModelRows, given: Mapping[str, Any]) -> dict[str, int] | None:
    """Check what was asked for, now that its effects are known; None: an intercept's alone."""
    if rows.slopes is None:
        checked_budget(given["budget"])
        return None
    budgets = slope_budgets(rows, given["budget"])
    refuse_with_slopes(given["bootstrap"], given["validation"], given["background"])
    return budgets


def _selected(
    rows: ModelRows,
    held_out: Design | None,
    standard: Standard,
    settings: Settings,
    budgets: dict[str, int] | None,
    say: Callable[[str], None],
) -> tuple[Selection, Moments]:
    """Select clusters, and return what they were selected from, both in the columns solved in."""
    if budgets is not None:
        inner = _moments(rows, standard.design(rows.design))
        return select_slopes(inner, settings, budgets, say), inner
    design, intercept = rows.design, rows.intercept
    grid = budget_grid(len(design.labels))
    return select(design, held_out, standard, settings, grid, intercept=intercept, say=say)


def _fit_groups(given: Mapping[str, Any]) -> FittedGroups:
    """Fit rows without labels by the arguments of `fit`; refuse options of clusters."""
    n_groups = "auto" if given["n_groups"] is None else given["n_groups"]
    others = [name for name in given if name not in (*_OF_GROUPS, "verbose")]
    for name in _given(given, others):
        raise ValueError(
            f"{name}: it is of clusters with labels: leave it out with n_groups= or groups=None."
        )
    options = {name: given[name] for name in _OF_GROUPS if name != "n_groups"}
    return fit_groups(n_groups=n_groups, **options)


def _given(given: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    """Return the options that are not as `fit` has them by default."""
    defaults = inspect.signature(fit).parameters
    for name in names:
        value, default = given[name], defaults[name].default
        plain = isinstance(value, (str, Real))  # a data frame is no truth value
        if value is not default and not (plain and value == default):
            yield name


def _refuse_precision(design: Design) -> None:
    """Refuse precisions of a size at which the variance between clusters is lost to rounding."""
    if design.precision is not None and (mean := float(design.precision.mean())) > _MOST_PRECISION:
        raise ValueError(
            f"precision weights have a mean of {mean:.3g}, and above {_MOST_PRECISION:.0g} the "
            "variance between clusters is not told: divide them by their mean. No name, effect or "
            "interval depends on their unit."
        )


def _check_bootstrap(bootstrap: int) -> None:
    if not isinstance(bootstrap, Integral) or isinstance(bootstrap, bool) or bootstrap < 0:
        raise ValueError(
            f"bootstrap must be a whole number, 0 or more, got {bootstrap!r}: pass 0 for none, or "
            "200."
        )
    if bootstrap == 1:  # an interval of one resample is a point
        raise ValueError("bootstrap=1 gives no interval (--bootstrap): pass 0 for none, or 200.")


def _robust(
    rows: ModelRows, standard: Standard, found: Selection, inner: Moments
) -> RobustCovariance | None:
    """Return cluster-robust covariances; None with random slopes or a ridge on coefficients."""
    s = found.solution
    if inner.slope_names or (standard.transform is None and rows.design.names):
        return None
    smoother = Smoother.of(inner, s.support, theta=s.theta, ridge=found.ridge, ridge_fixed=0.0)
    solved_in = standard.design(rows.design)
    return RobustCovariance.of(solved_in, s.beta, smoother, len(s.support))


def _tell(verbose: bool, what: str) -> None:
    if verbose:
        print(what, file=sys.stderr, flush=True)


def _settings(
    *,
    budget: Any,
    fdr: float,
    background: Any,
    ridge: float | None,
    ridge_fixed: float | None,
    gap: float,
    time_limit: float,
    method: str,
    seed: int,
    null: str,
) -> Settings:
    """Check what does not need the rows."""
    numbers = {"gap": gap, "time_limit": time_limit, "ridge": ridge, "ridge_fixed": ridge_fixed}
    for name, value in numbers.items():
        if name.startswith("ridge") and value is None:
            continue
        if not isinstance(value, Real) or isinstance(value, bool):
            raise TypeError(f"{name} must be a number, got {value!r}: leave it out, or pass one.")
    if not time_limit > 0:
        raise ValueError(f"time_limit must be positive (seconds), got {time_limit!r}: try 60.")
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed must be a whole number, 0 or more, got {seed!r}: try 0.")
    if ridge_fixed is None:  # the paper's: the same as on the effects
        ridge_fixed = 1.0 if ridge is None else ridge
    return Settings(
        budget=budget,
        fdr=checked_fdr(fdr),
        background=checked_theta(background),
        ridge=ridge,
        ridge_fixed=float(ridge_fixed),
        gap=gap,
        time_limit=time_limit,
        method=method,
        seed=int(seed),
        null=checked_null(null),
    )


def _in_order(rows: ModelRows) -> ModelRows:
    """Return what was read with its rows in the order of their content."""
    design, slopes = rows.design, rows.slopes
    if slopes is None:
        return replace(rows, design=in_order(design))
    table = np.hstack([design.X, slopes.Z])
    order = content_order(design, table, (*design.names, *slopes.names))
    slopes = replace(slopes, Z=slopes.Z[order])
    return replace(rows, design=design.at(order), slopes=slopes)


def _held_out(rows: ModelRows, validation: Any, groups: str) -> Design:
    """Read validation rows by the coding of the fitted ones."""
    try:
        outcome = model_rows(f"{rows.left} ~ 1", validation, groups).design
    except (ValueError, TypeError) as error:
        raise type(error)(f"validation: {error}") from None
    X = new_rows(rows, validation, "validation")
    refuse_other_kind(rows.design.labels, outcome.labels)
    offset = new_offset(rows, validation, "validation")
    y = outcome.y if offset is None else outcome.y - offset
    names = rows.design.names
    design = Design(X, y, outcome.codes, outcome.labels, names, offset=offset)
    return design.weighted(**new_weights(rows, validation, "validation"))[0]


def _moments(rows: ModelRows, design: Design) -> Moments:
    """Return the moments of a design of these rows, slopes about their centre in their unit."""
    if rows.slopes is None:
        return Moments.from_design(design, intercept=rows.intercept)
    Z = rows.slopes.scale.columns(rows.slopes.Z)
    return Moments.from_design(design, Z, rows.slopes.names, intercept=rows.intercept)


def _mixed_model(moments: Moments, standard: Standard) -> tuple[Fit | None, str]:
    """Fit the Gaussian LMM beside; where that cannot be done, say why instead of failing."""
    if moments.slope_names:
        return None, "it is fitted for a random intercept alone."
    try:
        fitted = fit_gaussian(keep_columns(moments, standard.rank))
    except ValueError as error:
        return None, str(error)
    return fitted, fitted.message


def _resampled(
    rows: ModelRows,
    standard: Standard,
    found: Selection,
    solution: Solution,
    settings: Settings,
    reps: int,
    level: float,
    say: Callable[[str], None],
) -> tuple[Bootstrap | None, Bootstrap | None]:
    """Resample rows within clusters, and whole clusters."""
    if not reps or solution.status == "interrupted":  # Ctrl-C: what there is, and no more work
        return None, None
    say(f"resampling: {reps} times rows, {reps} times clusters ...")
    rows = replace(rows, design=standard.kept(rows.design))
    design = rows.design
    table = pd.DataFrame(design.X, columns=list(design.names))
    intercept, ridge_fixed = rows.intercept, settings.ridge_fixed
    if not design.names:  # an intercept alone: as a column without a ridge it is the same
        table, intercept, ridge_fixed = (
            pd.DataFrame({INTERCEPT: np.ones(len(design.y))}),
            False,
            0.0,
        )
    shared = {
        "reps": int(reps),
        "level": level,
        "seed": settings.seed,
        "intercept": intercept,
        "ridge": found.ridge,
        "ridge_fixed": ridge_fixed,
        "background": solution.theta,
        "frequency_weights": design.frequency,
        "precision_weights": design.precision,
    }
    labels = design.labels[design.codes]
    with warnings.catch_warnings():
        # What is said of the rows need not be said of each resample.
        warnings.simplefilter("ignore", DesignWarning)
        warnings.simplefilter("ignore", LabelWarning)
        try:
            return tuple(
                resample(table, design.y, labels, found.budget, resample=what, **shared)
                for what in ("rows", "clusters")
            )
        except ValueError as error:
            if not str(error).startswith("resample"):
                raise
            raise ValueError(
                f"{error} Or go without intervals: bootstrap=0 (--bootstrap 0)."
            ) from None


def _sampled(rows: ModelRows, seed: int) -> ModelRows:
    """Draw as many rows as the tree is grown on from those in order, repeated by frequency."""
    design, slopes = rows.design, rows.slopes
    rng = np.random.default_rng(int(seed))
    kept = np.sort(rng.choice(design.n_rows, _TREE_ROWS, replace=False))
    times = None
    if design.frequency is not None:
        at = np.searchsorted(np.cumsum(design.frequency), kept, side="right")
        kept, counts = np.unique(at, return_counts=True)
        times = counts.astype(float)
    sample = replace(design.at(kept), frequency=times)
    return replace(rows, design=sample, slopes=slopes and replace(slopes, Z=slopes.Z[kept]))
