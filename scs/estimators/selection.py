"""One pipeline from moments to a selection: the background, the number of clusters, the proof."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from scs.data.design import Design, DesignWarning, stacked
from scs.estimators.standard import Standard
from scs.inference.background import NoErrorVariance
from scs.inference.certified import background_at, certified_names, rest_variance
from scs.inference.effects import EffectInference
from scs.inference.folds import choose_budget, in_order
from scs.inference.naming import Null, name_clusters
from scs.inference.residual_null import KURTOSIS_ADVICE, ResidualNull, residual_histogram
from scs.inference.unequal import EqualVariances, UnequalNull, equal_variances
from scs.moments.moments import Moments
from scs.problem.background import check_background
from scs.solvers import Solution, Tuning, solve, tune_budget, within

FOLDS = 5
RULES = ("fdr", "predict")
LAWS = ("normal", "residuals", "unequal")
NULLS = ("auto", *LAWS)
#: Ridge on effects that are to be as good as free: in effective rows of a cluster of one row.
NEARLY_FREE = 1e-4
# Variances are taken for unequal from this p-value on, and if they differ by so much.
_SURE, _NOTABLE = 1e-3, 0.25


@dataclass(frozen=True)
class Settings:
    """What was asked for, checked.

    Attributes
    ----------
    budget : int or "auto", "fdr", "predict", or what random slopes take
    fdr : float
    background : float or None
        theta; None: estimated.
    ridge : float or None
        None: 1, the paper's, without background; nearly 0 over one, and under an error rate. Both
        are in rows of the mean precision.
    ridge_fixed, gap, time_limit, method, seed
        As in `scs.solve`.
    null : {"auto", "normal", "residuals", "unequal"}
        The law of errors that p-values are of; "auto": the one that `ErrorCheck` asks for.
    """

    budget: Any
    fdr: float
    background: float | None
    ridge: float | None
    ridge_fixed: float
    gap: float
    time_limit: float
    method: str
    seed: int
    null: str = "auto"

    def rule(self, *, validation: bool) -> str:
        """Return "fdr", "predict" or "given"; rows for validation ask for "predict"."""
        if self.budget == "auto":
            return "predict" if validation else "fdr"
        return self.budget if isinstance(self.budget, str) else "given"

    def ridge_at(self, theta: float, rule: str, unit: float = 1.0) -> float:
        """Return the ridge on the effects; ``unit`` is the rows' mean precision."""
        if self.ridge is not None:
            return float(self.ridge)
        free = theta > 0 or rule == "fdr"
        return unit * (NEARLY_FREE / (1.0 + unit * theta) if free else 1.0)

    def options(self, theta: float, rule: str, unit: float = 1.0) -> dict[str, Any]:
        """Return the options of `scs.solve` that say what is minimised, and how."""
        return {
            "ridge": self.ridge_at(theta, rule, unit),
            "ridge_fixed": self.ridge_fixed,
            "background": theta,
            "method": self.method,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class ErrorCheck:
    """Whether errors look normal and of one variance, from the residuals within clusters.

    Attributes
    ----------
    kurtosis : float
        Excess kurtosis; above 0.5 tails are taken for heavy.
    equal : EqualVariances
        Test of one variance in all clusters.
    spread : float
        Standard deviation of the clusters' error variances over their mean, beyond chance.
    precise : bool
        Rows have precision weights, with which errors have no common law to take from residuals.
    """

    kurtosis: float
    equal: EqualVariances
    spread: float
    precise: bool = False

    @classmethod
    def of(cls, moments: Moments, design: Design) -> ErrorCheck:
        """Look at the residuals once more."""
        rows = _with_moments(design, moments)
        prior = UnequalNull.from_rows(*rows).prior[1]
        return cls(
            kurtosis=residual_histogram(*rows).excess_kurtosis,
            equal=equal_variances(*rows),
            spread=float(np.sqrt(2.0 / prior)),
            precise=design.precision is not None,
        )

    @property
    def law(self) -> str:
        """The law of errors that the residuals ask for, one of `LAWS`.

        Unequal variances come first: they make tails heavy too, and the law of the pooled residuals
        does not allow for them, while their test holds its level where tails are heavy. Under
        precision weights no law of pooled residuals exists: heavy tails are unequal variances.
        """
        if self._unequal:
            return "unequal"
        if self.kurtosis > KURTOSIS_ADVICE:
            return "unequal" if self.precise else "residuals"
        return "normal"

    @property
    def _unequal(self) -> bool:
        return self.equal.pvalue < _SURE and self.spread > _NOTABLE

    @property
    def seen(self) -> str:
        """What the residuals show, a clause."""
        if self._unequal:
            return f"errors vary more in some clusters than in others (p = {self.equal.pvalue:.1g})"
        heavy = self.law != "normal"
        tails = "errors have heavy tails" if heavy else "residuals show no heavy tails"
        return f"{tails} (excess kurtosis {self.kurtosis:.1f})"


@dataclass(frozen=True, eq=False)
class ErrorLaw:
    """The law of errors that p-values are of: its name, and what it is as a null.

    Attributes
    ----------
    name : str
        One of `LAWS`.
    null : Null or None
        None: normal.
    errors : ErrorCheck or None
        None where the rows within clusters do not tell the errors' variance.
    chosen : bool
        By the residuals.
    """

    name: str
    null: Null | None
    errors: ErrorCheck | None
    chosen: bool

    @classmethod
    def of(cls, moments: Moments, design: Design, asked: str) -> ErrorLaw:
        """Look at the residuals, and take the law asked for, or that which they ask for."""
        try:
            errors = ErrorCheck.of(moments, design)
        except NoErrorVariance:  # said where p-values would be made
            return cls("normal", None, None, chosen=False)
        name = errors.law if asked == "auto" else asked
        kinds = {"residuals": ResidualNull, "unequal": UnequalNull}
        null = kinds[name].from_rows(*_with_moments(design, moments)) if name in kinds else None
        return cls(name, null, errors, chosen=asked == "auto")


@dataclass(frozen=True, eq=False)
class Selection:
    """A selection in the columns solved in, and how it came about.

    Attributes
    ----------
    solution : Solution
    budget : int
    ridge : float
    chosen_by : str
    tuning : Tuning or None
    inference : EffectInference or None
        None where rows within clusters do not tell the errors' variance.
    note : str
        Why there is no background, or no inference; empty where there is.
    consistent : bool
        The names obey the rule of their error rate at the proved selection.
    errors : ErrorCheck or None
        What the residuals say of the errors' law.
    null : str
        The law of errors that p-values are of, one of `LAWS`.
    null_chosen : bool
        The residuals chose it, not the user.
    estimated : bool
        The background was estimated, not given.
    rest_variance : float
        tau^2 by REML over all clusters that are not selected; NaN where the background is given or
        cannot be told so.
    """

    solution: Solution
    budget: int
    ridge: float
    chosen_by: str
    tuning: Tuning | None = None
    inference: EffectInference | None = None
    note: str = ""
    consistent: bool = True
    errors: ErrorCheck | None = None
    null: str = "normal"
    null_chosen: bool = False
    estimated: bool = False
    rest_variance: float = float("nan")

    def suppose_normal(self, what: str, remedy: str) -> None:
        """Refuse what supposes normal errors where another law was asked for; warn where found.

        Parameters
        ----------
        what : str
            What supposes them: the beginning of a message.
        remedy : str
            What to do instead of fitting with the normal law.
        """
        if self.null == "normal":
            return
        if not self.null_chosen or self.errors is None:
            raise ValueError(
                f"{what} is for normal errors of one variance, not null={self.null!r}: {remedy}, "
                "or fit with null='normal'."
            )
        warnings.warn(
            f"{what} is for normal errors of one variance, but {self.errors.seen}: it may hold too "
            "seldom.",
            UserWarning,
            stacklevel=2,
        )


def checked_budget(budget: Any) -> Any:
    """Return the budget of a random intercept, or say what is wrong with it."""
    if isinstance(budget, str) and budget in ("auto", *RULES):
        return budget
    if isinstance(budget, str) or not isinstance(budget, Integral) or isinstance(budget, bool):
        raise ValueError(
            f"budget must be a whole number, 'fdr', 'predict' or 'auto', got {budget!r}: pass "
            "for example 5 (several are for random slopes: random='1 + x')."
        )
    return budget


def checked_null(null: str) -> str:
    """Return the law of errors, or say what is wrong with it."""
    if not isinstance(null, str) or null not in NULLS:
        raise ValueError(f"null must be one of {NULLS}, got {null!r}: 'auto' is the default.")
    return null


def checked_fdr(fdr: float) -> float:
    """Return the false discovery rate, or say what is wrong with it."""
    if not isinstance(fdr, Real) or isinstance(fdr, bool):
        raise TypeError(f"fdr must be a number between 0 and 1, got {fdr!r}: try 0.1.")
    if not 0 < fdr < 1:
        raise ValueError(f"fdr must lie between 0 and 1, got {fdr!r}: try 0.1.")
    return float(fdr)


def checked_theta(background: Any) -> float | None:
    """Return theta, None for "auto"; "none" is 0."""
    if isinstance(background, str):
        if background in ("auto", "none"):
            return None if background == "auto" else 0.0
        raise ValueError(
            f"background must be 'auto', 'none' or a number theta >= 0, got {background!r}: "
            "'none' is the paper's method."
        )
    return check_background(background)


def select(
    design: Design,
    held_out: Design | None,
    standard: Standard,
    settings: Settings,
    grid: list[int],
    *,
    intercept: bool,
    say: Callable[[str], None],
) -> tuple[Selection, Moments]:
    """Choose the background and the budget, solve, and say what can be said of the effects.

    Parameters
    ----------
    design : Design
        Rows in the order of their content.
    held_out : Design, optional
        Validation rows, in the final fit too.
    standard : Standard
    settings : Settings
    grid : list of int
        Budgets that held-out rows choose from.
    intercept : bool
    say : callable
        Takes what is being done.

    Returns
    -------
    Selection, Moments
        Both in the columns solved in.
    """
    rule = settings.rule(validation=held_out is not None)
    everything = design if held_out is None else in_order(stacked(design, held_out))
    solved_in = standard.design(everything)
    inner = Moments.from_design(solved_in, intercept=intercept)
    law = ErrorLaw.of(inner, solved_in, settings.null)
    if rule == "fdr":
        found = _named(inner, law.null, settings, say)
    else:
        tuning, chosen_by, budget = None, "given", settings.budget
        if rule == "predict":
            tuning, chosen_by = _tuned(
                design, held_out, standard, settings, grid, intercept, inner.mean_weight, say
            )
            budget = tuning.best
        budget = within(int(budget), inner.n_clusters)
        theta, note = _background(inner, settings, budget)
        say(f"selecting at most {budget} of {inner.n_clusters} clusters ...")
        options = settings.options(theta, rule, inner.mean_weight)
        solution = solve(inner, budget, gap=settings.gap, time_limit=settings.time_limit, **options)
        found = Selection(solution, budget, options["ridge"], chosen_by, tuning, note=note)
    q = settings.fdr if rule == "fdr" else None
    found = replace(found, estimated=settings.background is None)
    return _with_inference(found, inner, law, q), inner


def _named(
    moments: Moments, null: Null | None, settings: Settings, say: Callable[[str], None]
) -> Selection:
    """Name clusters at the false discovery rate, proved to be the best list of their number."""
    n_clusters = moments.n_clusters
    ridges = []

    def solve_at(budget: int, theta: float) -> Solution:
        say(f"selecting at most {budget} of {n_clusters} clusters ...")
        options = settings.options(theta, "fdr", moments.mean_weight)
        ridges.append(options["ridge"])
        return solve(moments, budget, gap=settings.gap, time_limit=settings.time_limit, **options)

    say(f"naming clusters at a false discovery rate of {settings.fdr:g} ...")
    try:
        named, solution = certified_names(
            moments, settings.fdr, settings.background, solve_at, null
        )
    except NoErrorVariance as error:
        raise ValueError(
            f"budget='fdr' (the default) needs the errors' variance, but {error.reason}. "
            f"{error.remedy} Or name a budget (--budget N)."
        ) from None
    chosen_by = f"false discovery rate {settings.fdr:g}"
    budget = len(named.support)
    return Selection(solution, budget, ridges[-1], chosen_by, consistent=named.consistent)


def _background(moments: Moments, settings: Settings, budget: int) -> tuple[float, str]:
    """Return theta at a given budget, and why it is 0 where it could not be told."""
    if settings.background is not None:
        return settings.background, ""
    try:
        return background_at(moments, budget), ""
    except NoErrorVariance as error:
        return 0.0, f"No background: {error.reason}. {error.remedy}"


def _tuned(
    design: Design,
    held_out: Design | None,
    standard: Standard,
    settings: Settings,
    grid: list[int],
    intercept: bool,
    unit: float,
    say: Callable[[str], None],
) -> tuple[Tuning, str]:
    """Choose the budget of least error on held-out rows (Section 2.2.1)."""
    if held_out is None and design.sizes.max() < 2:
        raise ValueError(
            "budget='predict' holds rows out of their clusters, but every cluster has a single "
            "row: name a budget (--budget N), or pass validation=."
        )
    say(f"choosing the budget: {len(grid)} budgets ...")
    kept = standard.kept(design)
    theta = settings.background
    if theta is None:
        training = Moments.from_design(standard.design(design), intercept=intercept)
        try:
            theta = name_clusters(training, settings.fdr).background
        except ValueError:  # said where the selection is made
            theta = 0.0
    options = settings.options(theta, "predict", unit)
    if held_out is None:
        tuning = tuned(kept, FOLDS, grid, intercept=intercept, **options)
        dealt = f"dealt {tuning.repeats} times"
        return tuning, f"least error, {FOLDS} folds within clusters, {dealt}"
    pair = (kept, in_order(standard.kept(held_out)))
    options |= {"gap": max(settings.gap, 1e-4), "time_limit": settings.time_limit / len(grid)}
    tuning = tuned(kept, [pair], grid, intercept=intercept, **options)
    return tuning, "least error on the validation rows"


def tuned(
    design: Design,
    folds: int | Iterable[tuple[Design, Design]],
    grid: Sequence[int],
    *,
    intercept: bool,
    **options: Any,
) -> Tuning:
    """Choose the budget of least error on held-out rows (Section 2.2.1), for every door.

    Parameters
    ----------
    design : Design
        All rows that folds are dealt from.
    folds : int, or iterable of (training rows, held-out rows)
        How many within clusters, see `choose_budget`; or the parts themselves.
    grid : sequence of int
        Budgets.
    intercept : bool
    **options
        Those of `scs.solve`.
    """
    with warnings.catch_warnings():
        # What is to be said of the columns is said of all the rows.
        warnings.simplefilter("ignore", DesignWarning)
        if isinstance(folds, Integral):
            return choose_budget(design, grid, int(folds), intercept=intercept, **options)
        pairs = [
            tuple(Moments.from_design(part, intercept=intercept) for part in pair) for pair in folds
        ]
        return tune_budget(pairs, grid, **options)


def _with_moments(design: Design, moments: Moments) -> tuple[Any, ...]:
    """Return what `residual_histogram` and its like take of rows."""
    return design.X, design.y, design.codes, moments, design.frequency, design.precision


def _with_inference(
    found: Selection, moments: Moments, law: ErrorLaw, q: float | None
) -> Selection:
    try:
        inference = EffectInference.of(
            moments,
            found.solution.theta,
            found.solution.support,
            q,
            law.null,
            estimated=found.estimated,
        )
    except NoErrorVariance as error:
        note = found.note or f"No p-values and intervals: {error.reason}. {error.remedy}"
        return replace(found, note=note)
    return replace(
        found,
        inference=inference,
        errors=law.errors,
        null=law.name,
        null_chosen=law.chosen,
        rest_variance=(
            rest_variance(moments, found.solution.support) if found.estimated else float("nan")
        ),
    )
