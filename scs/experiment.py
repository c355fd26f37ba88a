"""Scenarios x replications x methods to one tidy table: the paper's simulation study (Section 3).

Each replication is fitted in two arms. "published" is what the paper's tables are made of: OLS and
the mixed models see the training rows alone, the MIO pipeline training and validation rows. In
"equal" every method sees both. MIO is the same fit in both arms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, log2
from numbers import Integral

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.tree import DecisionTreeClassifier

from scs import metrics
from scs.baselines import Fit, fit_gaussian, fit_laplace, fit_ols
from scs.moments import Moments
from scs.simulate import Replication, Sample, Scenario, replication_rng, simulate
from scs.solvers import Solution, paper_budgets, prediction_error, solve, tune_budget

ARMS = ("published", "equal")
_BASELINES: dict[str, Callable[[Moments], Fit]] = {
    "OLS": fit_ols,
    "LMM (Gaussian)": fit_gaussian,
    "LMM (Laplace)": fit_laplace,
}
METHODS = (*_BASELINES, "MIO")


def run_experiment(
    scenarios: Sequence[Scenario],
    reps: int = 100,
    methods: Sequence[str] = METHODS,
    seed: int = 0,
    n_jobs: int = -1,
) -> pd.DataFrame:
    """Run replications of scenarios and score every method on each.

    Parameters
    ----------
    scenarios : sequence of Scenario
    reps : int
        Replications of each scenario, >= 1.
    methods : sequence of str
        Of ``METHODS``.
    seed : int
        Of the whole experiment. The numbers do not depend on order or number of workers.
    n_jobs : int
        Worker processes; -1 for all cores.

    Returns
    -------
    DataFrame
        One row per scenario, replication, arm and method: ``beta_error`` and ``gamma_error``
        (squared l2; the latter NaN for OLS), ``icc``, ``sparsity``, ``true_positive_rate``,
        ``false_discovery_proportion`` (the last three for MIO), ``test_mse`` (population
        prediction), ``test_mse_tree`` (with effects through the tree), ``test_mse_known`` (labels
        known), ``budget``, ``gap``.

    Raises
    ------
    ValueError
        An unknown method, or fewer than one replication.
    """
    if isinstance(methods, str):
        methods = (methods,)
    unknown = [method for method in methods if method not in METHODS]
    if unknown:
        raise ValueError(f"methods: {unknown[0]!r} does not exist, choose from {METHODS}.")
    if isinstance(scenarios, Scenario):
        scenarios = (scenarios,)
    if not isinstance(reps, Integral) or reps < 1:
        raise ValueError(f"reps must be a whole number of at least 1, got {reps!r}.")
    work = (
        delayed(fit_replication)(scenario, replication, methods=methods, seed=seed)
        for scenario in scenarios
        for replication in range(reps)
    )
    pieces = Parallel(n_jobs=n_jobs)(work)
    return pd.DataFrame([row for piece in pieces for row in piece])


def fit_replication(
    scenario: Scenario,
    replication: int,
    *,
    methods: Sequence[str] = METHODS,
    seed: int = 0,
) -> list[dict]:
    """Draw one replication and fit every method to it.

    Parameters
    ----------
    scenario : Scenario
    replication : int
        Its number, >= 0; with the seed it fixes the random stream.
    methods : sequence of str
    seed : int

    Returns
    -------
    list of dict
        Rows of `run_experiment`.
    """
    drawn = simulate(scenario, replication_rng(scenario, replication, seed))
    train, validation = _moments(drawn.train), _moments(drawn.validation)
    both = train + validation
    shares = _tree_shares(drawn, seed)
    about = {
        "regime": scenario.regime,
        "dimension": scenario.dimension,
        "level": scenario.level,
        "replication": replication,
    }
    rows = []
    for method in methods:
        if method == "MIO":
            scored = _score_selection(_mio(train, validation, both), both, drawn, shares)
            rows += [{**about, "arm": arm, "method": method, **scored} for arm in ARMS]
            continue
        for arm, moments in zip(ARMS, (train, both)):
            fit = _BASELINES[method](moments)
            scored = _score(fit.beta, fit.effects, drawn, shares)
            if method == "OLS":
                scored["gamma_error"] = np.nan  # OLS has no effects to be wrong about
            rows.append({**about, "arm": arm, "method": method, "icc": fit.icc, **scored})
    return rows


def _moments(sample: Sample) -> Moments:
    return Moments.from_arrays(sample.X, sample.y, sample.clusters)


def _mio(train: Moments, validation: Moments, both: Moments) -> Solution:
    """Section 2.2.1: budget by validation error, then a fit on both sets."""
    tuning = tune_budget([(train, validation)], paper_budgets(train.n_clusters))
    return solve(both, tuning.best)


def _tree_shares(drawn: Replication, seed: int) -> np.ndarray:
    """Section 2.2.2: the tree's probability of each cluster for each test row."""
    X = np.vstack([drawn.train.X, drawn.validation.X])
    clusters = np.concatenate([drawn.train.clusters, drawn.validation.clusters])
    depth = max(ceil(log2(len(drawn.gamma))), 1)
    tree = DecisionTreeClassifier(max_depth=depth, random_state=seed).fit(X, clusters)
    return tree.predict_proba(drawn.test.X)


def _score(beta: np.ndarray, gamma: np.ndarray, drawn: Replication, shares: np.ndarray) -> dict:
    linear = drawn.test.X @ beta
    y, clusters = drawn.test.y, drawn.test.clusters
    return {
        "beta_error": metrics.squared_error(drawn.beta, beta),
        "gamma_error": metrics.squared_error(drawn.gamma, gamma),
        "test_mse": metrics.mean_squared_error(y, linear),
        "test_mse_tree": metrics.mean_squared_error(y, linear + shares @ gamma),
        "test_mse_known": metrics.mean_squared_error(y, linear + gamma[clusters]),
    }


def _score_selection(
    solution: Solution, fitted_on: Moments, drawn: Replication, shares: np.ndarray
) -> dict:
    gamma = solution.gamma
    return {
        **_score(solution.beta, gamma, drawn, shares),
        "icc": metrics.icc_of_effects(gamma, prediction_error(solution, fitted_on)),
        "sparsity": metrics.sparsity(gamma),
        "true_positive_rate": metrics.true_positive_rate(drawn.gamma, gamma),
        "false_discovery_proportion": metrics.false_discovery_proportion(drawn.gamma, gamma),
        "budget": len(solution.support),
        "gap": solution.gap,
    }
