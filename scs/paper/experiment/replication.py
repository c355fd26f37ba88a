"""One replication of one scenario: every method fitted in both arms, and scored."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial

import numpy as np

from scs.baselines import Fit, fit_gaussian, fit_laplace, fit_ols
from scs.estimators.trees import cluster_tree
from scs.moments.moments import Moments
from scs.paper import metrics
from scs.paper.provenance import digest
from scs.paper.simulate import Replication, Sample, Scenario, replication_rng, simulate
from scs.problem.objective import Problem, profile
from scs.solvers import Solution, prediction_error, solve_tuned

ARMS = ("published", "equal")
_BASELINES: dict[str, Callable[[Moments], Fit]] = {
    "OLS": fit_ols,
    "LMM (Gaussian)": fit_gaussian,
    "LMM (Laplace)": fit_laplace,
}
#: The paper's four methods, in its order.
METHODS = (*_BASELINES, "MIO")
#: MIO with a ridge of `SMALL_RIDGE`, and MIO's selection refitted by least squares.
VARIANTS = ("MIO (small ridge)", "MIO (refit)")
SMALL_RIDGE = 1e-4
_NO_RIDGE = 1e-9  # Eq. 6 needs a ridge above 0; this one moves no printed digit


@cache
def code_version() -> str:
    """Return the digest of all code that `fit_replication` depends on."""
    return digest(f"from {__name__} import fit_replication\nfit_replication")


@dataclass(frozen=True, eq=False)
class _Data:
    """What the methods see of one replication."""

    drawn: Replication
    train: Moments
    validation: Moments
    both: Moments
    shares: np.ndarray  # (test rows, K): the tree's probability of each cluster
    read: dict[str, float]  # seconds from rows to moments, by arm

    @cached_property
    def selected(self) -> Solution:
        """The paper's MIO fit, which its refit begins with."""
        return _tuned(self, 1.0)


@dataclass(frozen=True)
class _Estimate:
    """What the scores need of a fit."""

    beta: np.ndarray
    gamma: np.ndarray
    converged: bool
    more: dict


def fit_replication(
    scenario: Scenario,
    replication: int,
    *,
    methods: Sequence[str] = METHODS + VARIANTS,
    seed: int = 0,
) -> list[dict]:
    """Draw one replication and fit every method to it.

    Parameters
    ----------
    scenario : Scenario
    replication : int
        Its number, >= 0; with the seed it fixes the random stream.
    methods : sequence of str
        Of ``METHODS`` and ``VARIANTS``.
    seed : int

    Returns
    -------
    list of dict
        Rows of `run_experiment`. A fit that fails is a row with its ``error`` and no scores.
    """
    drawn = simulate(scenario, replication_rng(scenario, replication, seed))
    started = time.perf_counter()
    train = _moments(drawn.train)
    read = {"published": time.perf_counter() - started}
    validation = _moments(drawn.validation)
    both = train + validation
    read["equal"] = time.perf_counter() - started
    data = _Data(drawn, train, validation, both, _tree_shares(drawn, seed), read)
    about = {
        "regime": scenario.regime,
        "dimension": scenario.dimension,
        "level": scenario.level,
        "replication": replication,
    }
    rows = []
    for method in methods:
        if method == "MIO":  # one fit, in both arms
            scored = _attempt(_mio, data, "equal")
            rows += [{**about, "arm": arm, "method": method, **scored} for arm in ARMS]
        elif method in VARIANTS:
            scored = _attempt(_VARIANT_FITS[method], data, "equal")
            rows.append({**about, "arm": "equal", "method": method, **scored})
        else:
            for arm in ARMS:
                scored = _attempt(partial(_baseline, method=method, arm=arm), data, arm)
                rows.append({**about, "arm": arm, "method": method, **scored})
    return rows


def _attempt(fit: Callable[[_Data], _Estimate], data: _Data, rows_of: str) -> dict:
    """Fit and score; an exception becomes a row of its own instead of a hole in the table."""
    started = time.perf_counter()
    try:
        estimate = fit(data)
        seconds = data.read[rows_of] + time.perf_counter() - started
        scores = _score(estimate.beta, estimate.gamma, data)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    return {**scores, **estimate.more, "converged": estimate.converged, "seconds": seconds}


def _baseline(data: _Data, method: str, arm: str) -> _Estimate:
    fit = _BASELINES[method](data.train if arm == "published" else data.both)
    # OLS has no effects to be wrong about.
    more = {"icc": fit.icc} if method != "OLS" else {"gamma_error": np.nan}
    return _Estimate(fit.beta, fit.effects, fit.converged, more)


def _mio(data: _Data) -> _Estimate:
    return _of_solution(data.selected, data)


def _tuned(data: _Data, ridge: float) -> Solution:
    """Section 2.2.1: budget by validation error, then a fit on both sets."""
    return solve_tuned(data.train, data.validation, both=data.both, ridge=ridge)[1]


def _small_ridge(data: _Data) -> _Estimate:
    return _of_solution(_tuned(data, SMALL_RIDGE), data)


def _refit(data: _Data) -> _Estimate:
    """Least squares on the covariates and the indicators of the clusters that MIO selects."""
    found = data.selected
    problem = Problem.from_moments(data.both, ridge=_NO_RIDGE, ridge_fixed=0.0)
    s = np.zeros(data.both.n_clusters)
    s[found.support] = 1.0
    at = profile(problem, s)
    gamma, beta = np.zeros_like(s), problem.coefficients(at.beta)
    means = data.both.mean_y - data.both.mean_x @ beta
    gamma[found.support] = means[found.support]
    return _of_solution(replace(found, beta=beta, gamma=gamma), data)


_VARIANT_FITS = dict(zip(VARIANTS, (_small_ridge, _refit)))


def _of_solution(found: Solution, data: _Data) -> _Estimate:
    gamma = found.gamma
    residual_var = prediction_error(found, data.both)
    more = {
        "icc": metrics.icc_of_effects(gamma, residual_var),
        "sparsity": metrics.sparsity(gamma),
        "true_positive_rate": metrics.true_positive_rate(data.drawn.gamma, gamma),
        "false_discovery_proportion": metrics.false_discovery_proportion(data.drawn.gamma, gamma),
        "budget": len(found.support),
        "gap": found.gap,
    }
    return _Estimate(found.beta, gamma, found.status == "optimal", more)


def _moments(sample: Sample) -> Moments:
    return Moments.from_arrays(sample.X, sample.y, sample.clusters)


def _tree_shares(drawn: Replication, seed: int) -> np.ndarray:
    """Section 2.2.2: the tree's probability of each cluster for each test row."""
    X = np.vstack([drawn.train.X, drawn.validation.X])
    clusters = np.concatenate([drawn.train.clusters, drawn.validation.clusters])
    tree = cluster_tree(len(drawn.gamma), seed).fit(X, clusters)
    return tree.predict_proba(drawn.test.X)


def _score(beta: np.ndarray, gamma: np.ndarray, data: _Data) -> dict:
    drawn = data.drawn
    linear = drawn.test.X @ beta
    y, clusters = drawn.test.y, drawn.test.clusters
    hard = gamma[data.shares.argmax(axis=1)]
    return {
        "beta_error": metrics.squared_error(drawn.beta, beta),
        "gamma_error": metrics.squared_error(drawn.gamma, gamma),
        "test_mse": metrics.mean_squared_error(y, linear),
        "test_mse_tree": metrics.mean_squared_error(y, linear + data.shares @ gamma),
        "test_mse_hard": metrics.mean_squared_error(y, linear + hard),
        "test_mse_known": metrics.mean_squared_error(y, linear + gamma[clusters]),
    }
