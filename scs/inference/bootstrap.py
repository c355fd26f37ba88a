"""How sure? The bootstrap of a selection: of the rows within clusters, or of whole clusters.

The two answer different questions. "rows" keeps the clusters and draws their rows again: what would
these clusters' names and effects be, had other rows been seen? "clusters" draws whole clusters:
what would the coefficients be, had other clusters been seen? It never redraws the rows of a
cluster, so it says nothing about the error of that cluster's own effect.

Percentile intervals after a selection cover less than their level says: the selected effects are
selected because they came out large. `coverage` measures by how much.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import stats

from scs.baselines import fit_ols
from scs.data.design import Design, DesignWarning
from scs.inference.folds import in_order
from scs.inference.intervals import FEWEST_ROWS, model_intervals
from scs.inference.monte_carlo import ratio_of_means
from scs.moments.moments import INTERCEPT, Moments
from scs.moments.rank import keep_columns, rank_of_moments
from scs.moments.resampling import CentredRows, resampled_clusters, resampled_rows
from scs.solvers import Solution, solve
from scs.solvers.solution import unless_stopped

RESAMPLES = ("clusters", "rows")
_BATCH = 10  # replications per task: the rows are sent to a worker once for each


@dataclass(frozen=True, eq=False)  # == of arrays is no truth value
class Bootstrap:
    """Selections from resampled data, R replications of one budget.

    Attributes
    ----------
    labels : ndarray, shape (K,)
        Cluster labels, sorted.
    names : tuple of str, length P
        Column names, the intercept first where there is one.
    beta : ndarray, shape (R, P)
        Coefficients of each replication; NaN where its rows could not tell a column from others.
    gamma : ndarray, shape (R, K)
        Effects; 0 where the cluster was not selected, NaN where it was not drawn.
    solution : Solution
        Of the data themselves.
    resample : {"clusters", "rows"}
        What was drawn.
    level : float
        Of the intervals, in (0, 1).
    seed : int
        Of the random streams.
    moments : Moments
        Of the data themselves.
    ridge, ridge_fixed : float
        Of every fit.
    """

    labels: np.ndarray
    names: tuple[str, ...]
    beta: np.ndarray = field(repr=False)
    gamma: np.ndarray = field(repr=False)
    solution: Solution = field(repr=False)
    resample: str
    level: float
    seed: int
    moments: Moments | None = field(default=None, repr=False)
    ridge: float = 1.0
    ridge_fixed: float = 1.0

    @property
    def reps(self) -> int:
        """R, the number of replications."""
        return len(self.beta)

    @property
    def selected(self) -> np.ndarray:
        """Whether each cluster was selected, ndarray of bool, shape (R, K)."""
        return np.nan_to_num(self.gamma) != 0

    @property
    def selection_frequency(self) -> np.ndarray:
        """Share of the replications that drew a cluster in which it was selected, shape (K,).

        NaN for a cluster that was never drawn.
        """
        drawn = np.sum(~np.isnan(self.gamma), axis=0)
        return np.where(drawn > 0, self.selected.sum(axis=0) / np.maximum(drawn, 1), np.nan)

    def coefficients(self, level: float | None = None) -> pd.DataFrame:
        """Return percentile intervals of the coefficients.

        Parameters
        ----------
        level : float, optional
            In (0, 1); that of the bootstrap if None.

        Returns
        -------
        DataFrame, indexed by column name
            ``estimate`` (from the data themselves), ``low``, ``high`` and ``std_error`` (standard
            deviation), over the replications that have such a coefficient.
        """
        with warnings.catch_warnings():  # a column that no replication could tell has no interval
            warnings.simplefilter("ignore", RuntimeWarning)
            low, high = np.nanquantile(self.beta, self._tails(level), axis=0)
            spread = np.nanstd(self.beta, axis=0, ddof=1) if self.reps > 1 else np.nan
        return pd.DataFrame(
            {"estimate": self.solution.beta, "low": low, "high": high, "std_error": spread},
            index=pd.Index(self.names, name="column"),
        )

    def effects(
        self, level: float | None = None, *, fewest_rows: int = FEWEST_ROWS
    ) -> pd.DataFrame:
        """Return intervals of the selected effects, given that they are selected.

        Parameters
        ----------
        level : float, optional
            In (0, 1); that of the bootstrap if None.
        fewest_rows : int
            Clusters of fewer rows have the interval of `scs.inference.intervals.model_intervals`:
            to draw a few rows again does not show how they vary. 0: percentiles for all.

        Returns
        -------
        DataFrame, indexed by the labels selected from the data themselves
            ``estimate``; ``low`` and ``high``, quantiles over those replications that select the
            cluster too (NaN if none does), or the model's; ``frequency``, their share of those that
            drew it; ``interval``, "resampled" or "model".

        Notes
        -----
        These intervals cover less than their level says: effects that barely made the selection
        are too large, and more so in the resamples. With ``resample="clusters"`` they hold the
        error of the coefficients only, not that of the cluster's own rows: use ``resample="rows"``
        for effects.
        """
        support = self.solution.support
        tails = self._tails(level)
        chosen = np.where(self.selected, self.gamma, np.nan)[:, support]
        bounds = np.full((2, len(support)), np.nan)
        ever = ~np.isnan(chosen).all(axis=0)
        bounds[:, ever] = np.nanquantile(chosen[:, ever], tails, axis=0)
        small = np.zeros(len(support), dtype=bool)
        if self.moments is not None:
            small = self.moments.counts[support] < fewest_rows
        if self.moments is not None and small.any():
            model = model_intervals(
                self.moments,
                self.solution.beta,
                self.solution.gamma,
                ridge=self.ridge,
                ridge_fixed=self.ridge_fixed,
                level=self.level if level is None else level,
            )
            bounds[:, small] = model[["low", "high"]].to_numpy().T[:, small]
        return pd.DataFrame(
            {
                "estimate": self.solution.gamma[support],
                "low": bounds[0],
                "high": bounds[1],
                "frequency": self.selection_frequency[support],
                "interval": np.where(small, "model", "resampled"),
            },
            index=pd.Index(self.labels[support], name="cluster", tupleize_cols=False),
        )

    def _tails(self, level: float | None) -> tuple[float, float]:
        level = self.level if level is None else _check_level(level)
        return (1 - level) / 2, (1 + level) / 2


def bootstrap(
    X: Any,
    y: Any,
    clusters: Any,
    budget: int,
    *,
    resample: str = "clusters",
    reps: int = 200,
    seed: int = 0,
    n_jobs: int = 1,
    level: float = 0.95,
    intercept: bool = False,
    frequency_weights: Any = None,
    precision_weights: Any = None,
    **options: Any,
) -> Bootstrap:
    """Select again from resampled data, ``reps`` times.

    Parameters
    ----------
    X : array-like or data frame, shape (N, P)
        Design matrix; finite numbers.
    y : array-like, shape (N,)
        Outcome.
    clusters : array-like, shape (N,)
        Cluster labels.
    budget : int
        Largest number of non-zero effects, in every replication.
    resample : {"clusters", "rows"}
        "clusters": K whole clusters, with replacement: intervals of coefficients where the
        clusters are a sample of many. "rows": n_k rows with replacement in each cluster: names
        and effects of these clusters. A cluster of one row does not vary then.
    reps : int
        Replications, >= 1; percentile intervals want some hundreds.
    seed : int
        >= 0. Each replication has a random stream of its own, so ``n_jobs`` changes no number.
    n_jobs : int
        Worker processes; -1 for all cores.
    level : float
        Of the intervals, in (0, 1).
    intercept : bool
        Add a first, unpenalised column of ones.
    frequency_weights, precision_weights : array-like, shape (N,), optional
        As in `Moments.from_arrays`. A row of frequency f is drawn as f rows; a precision goes with
        its row.
    **options
        Those of `scs.solve`, ``ridge_fixed=0`` among them, with which units of covariates do not
        matter (`scs.fit` passes it). ``method`` is "alternating" unless given: a search that the
        clock may cut would make results depend on the machine.

    Returns
    -------
    Bootstrap

    Raises
    ------
    ValueError, TypeError
        An argument out of range, invalid rows (see `scs.data.design.Design.from_table`), or without
        a ridge a resample of no more rows than coefficients.

    Notes
    -----
    A cluster drawn twice enters as two clusters, each with its own effect and its own place in the
    budget, as two clusters alike in a new sample would. Merged into one of twice the rows it would
    be shrunken less than in the data, and the budget, meant for K clusters, would face some 0.63 K.
    The copies have one and the same residual; should the budget end between them, the cluster
    counts as selected. At most one cluster in a replication is cut so. The price: the number of
    large effects varies from resample to resample, the budget does not. Where they exceed it, the
    rest goes into the coefficients, whose intervals are the longer for it.

    Rows are not copied: a resample is a set of weights, from which its moments follow.

    References
    ----------
    Paper, Section 5.4, which names the bootstrap as future work. Field and Welsh (2007),
    Bootstrapping clustered data, Journal of the Royal Statistical Society B 69(3).
    """
    if resample not in RESAMPLES:
        raise ValueError(
            f"resample must be one of {RESAMPLES}, got {resample!r}: 'rows' is for effects."
        )
    reps = _check_count(reps, "reps")
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed must be a whole number, 0 or more, got {seed!r}: try 0.")
    level = _check_level(level)
    options = {"method": "alternating", **options}
    weights = {"frequency_weights": frequency_weights, "precision_weights": precision_weights}
    design = in_order(Design.from_table(X, y, clusters, **weights))
    moments = Moments.from_design(design, intercept=intercept)
    solution = unless_stopped(_solved(moments, budget, options))
    ridge = options.get("ridge", 1.0)
    ridge_fixed = options.get("ridge_fixed")
    rows = CentredRows.of(design, intercept)
    batches = [range(start, min(start + _BATCH, reps)) for start in range(0, reps, _BATCH)]
    work = (delayed(_replicate)(rows, batch, resample, seed, budget, options) for batch in batches)
    found = [pair for batch in Parallel(n_jobs=n_jobs)(work) for pair in batch]
    return Bootstrap(
        labels=rows.labels,
        names=rows.names,
        beta=np.array([beta for beta, _ in found]),
        gamma=np.array([gamma for _, gamma in found]),
        solution=solution,
        resample=resample,
        level=level,
        seed=int(seed),
        moments=moments,
        ridge=float(ridge),
        ridge_fixed=float(ridge if ridge_fixed is None else ridge_fixed),
    )


def _replicate(
    rows: CentredRows, batch: range, resample: str, seed: int, budget: int, options: dict
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Coefficients and effects of some replications; their numbers fix the random streams."""
    draw = resampled_rows if resample == "rows" else resampled_clusters
    found = []
    for replication in batch:
        rng = np.random.default_rng(np.random.SeedSequence([int(seed), replication]))
        moments, drawn = draw(rows, rng)
        with warnings.catch_warnings():
            # What is to be said of the columns was said of the data themselves.
            warnings.simplefilter("ignore", DesignWarning)
            try:
                allowed = min(budget, moments.n_clusters)
                solution = unless_stopped(_solved(moments, allowed, options))
            except ValueError as error:
                raise ValueError(
                    f"resample {replication} of resample={resample!r} cannot be fitted: {error}"
                ) from error
        gamma = np.full(len(rows.n), np.nan)
        gamma[drawn] = 0.0
        chosen = solution.gamma != 0
        gamma[drawn[chosen]] = solution.gamma[chosen]
        found.append((solution.beta, gamma))
    return found


def _solved(moments: Moments, budget: int, options: dict) -> Solution:
    """Fit; a column that a resample lost has no coefficient there (NaN)."""
    if options.get("ridge_fixed") != 0:
        return solve(moments, budget, **options)
    rank = rank_of_moments(moments)
    rank.check(moments.n_rows)
    if not rank.dropped:
        return solve(moments, budget, **options)
    found = solve(keep_columns(moments, rank), budget, **options)
    return replace(found, beta=rank.expand(found.beta))


def split_intervals(
    X: Any,
    y: Any,
    clusters: Any,
    budget: int,
    *,
    seed: int = 0,
    level: float = 0.95,
    intercept: bool = False,
    **options: Any,
) -> pd.DataFrame:
    """Select on one half of each cluster's rows, and measure the effects on the other half.

    The rows that measure an effect had no part in its selection, so t intervals from a regression
    on X and the selected clusters' indicators keep their level, given the names (as far as the
    clusters not named have no effect). The price is half of the rows, in either step.

    Parameters
    ----------
    X, y, clusters, budget, seed, level, intercept, **options
        As in `bootstrap`. Every cluster needs at least two rows.

    Returns
    -------
    DataFrame, indexed by the labels selected on the first half
        ``estimate``, ``low``, ``high``; no shrinkage.

    Raises
    ------
    ValueError
        A cluster of one row, or selected clusters that absorb a column of X.

    References
    ----------
    Cox (1975), A note on data-splitting for the evaluation of significance levels, Biometrika
    62(2).
    """
    level = _check_level(level)
    design = in_order(Design.from_table(X, y, clusters))
    n = np.bincount(design.codes)
    if n.min() < 2:
        raise ValueError(
            f"clusters has a single row with label {design.labels.tolist()[n.argmin()]!r}: a split "
            "needs at least two rows in each cluster. Drop such clusters."
        )
    first, second = halves(design.codes, seed)
    half = Moments.from_arrays(
        design.X[first], design.y[first], design.codes[first], intercept=intercept
    )
    chosen = unless_stopped(solve(half, budget, **{"method": "alternating", **options})).support
    ones = [np.ones(len(second))] if intercept else []
    named = design.codes[second][:, None] == chosen
    labels = design.labels[chosen]
    names = [INTERCEPT] * len(ones) + [*design.names] + [f"cluster {label}" for label in labels]
    table = pd.DataFrame(np.column_stack([*ones, design.X[second], named]), columns=names)
    # The indicators carry the clusters, so that to least squares all rows are alike.
    fit = fit_ols(Moments.from_arrays(table, design.y[second], np.zeros(len(second), dtype=int)))
    effects = slice(len(names) - len(labels), None)
    reach = stats.t.ppf((1 + level) / 2, len(second) - len(names)) * fit.se_beta[effects]
    estimate = fit.beta[effects]
    return pd.DataFrame(
        {"estimate": estimate, "low": estimate - reach, "high": estimate + reach},
        index=pd.Index(labels, name="cluster", tupleize_cols=False),
    )


def halves(codes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split rows at random, each cluster's by halves (the odd row to the first); sorted indices."""
    rng = np.random.default_rng(np.random.SeedSequence(int(seed)))
    order = np.lexsort([rng.random(len(codes)), codes])
    n = np.bincount(codes)
    place = np.arange(len(codes)) - np.repeat(np.cumsum(n) - n, n)
    early = place < (np.repeat(n, n) + 1) // 2
    return np.sort(order[early]), np.sort(order[~early])


def coverage(
    draw: Callable[[np.random.Generator], tuple],
    intervals: Callable[..., pd.DataFrame],
    *,
    datasets: int = 100,
    seed: int = 0,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Count how often intervals hold the truth, on simulated data.

    Parameters
    ----------
    draw : callable
        ``draw(rng)`` returns ``(X, y, clusters, truth)``; ``truth`` is a Series by the index that
        the intervals will have.
    intervals : callable
        ``intervals(X, y, clusters, seed)`` returns a DataFrame with ``low`` and ``high``.
    datasets : int
        Simulated data sets, >= 1; each has a random stream of its own.
    seed : int
    n_jobs : int
        Worker processes; -1 for all cores.

    Returns
    -------
    DataFrame
        One row per data set and interval: ``dataset``, ``name``, ``truth``, ``low``, ``high``,
        ``covered``; an interval that is NaN covers nothing. `coverage_rate` sums it up.
    """
    datasets = _check_count(datasets, "datasets")
    work = (delayed(_cover)(draw, intervals, dataset, seed) for dataset in range(datasets))
    return pd.concat(Parallel(n_jobs=n_jobs)(work), ignore_index=True)


def _cover(draw: Callable, intervals: Callable, dataset: int, seed: int) -> pd.DataFrame:
    stream, inner = np.random.SeedSequence([int(seed), dataset]).spawn(2)
    X, y, clusters, truth = draw(np.random.default_rng(stream))
    table = intervals(X, y, clusters, int(inner.generate_state(1)[0]))
    value = truth.loc[table.index].to_numpy(dtype=float)
    low, high = table["low"].to_numpy(), table["high"].to_numpy()
    return pd.DataFrame(
        {
            "dataset": dataset,
            "name": table.index.to_numpy(),
            "truth": value,
            "low": low,
            "high": high,
            "covered": (low <= value) & (value <= high),
        }
    )


def coverage_rate(table: pd.DataFrame) -> tuple[float, float]:
    """Return the share of intervals that cover, and its Monte Carlo standard error.

    Intervals of one data set share its coefficients and are not independent, so the error counts
    data sets: that of a ratio of means over them (delta method); NaN from fewer than two.
    """
    sums = table.groupby("dataset")["covered"].agg(["sum", "count"])
    if len(sums) < 2:
        return float(table["covered"].mean()), float("nan")
    return ratio_of_means(sums["sum"].to_numpy(), sums["count"].to_numpy())


def _check_level(level: float) -> float:
    if not isinstance(level, Real) or isinstance(level, bool) or not 0 < level < 1:
        raise ValueError(f"level must be a number in (0, 1), got {level!r}: try 0.95.")
    return float(level)


def _check_count(value: int, name: str) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}: try 200.")
    return int(value)
