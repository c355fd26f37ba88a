"""The paper's data generator and its 66 scenarios (Section 3), as its authors' code has it.

Within cluster k every covariate is u * gamma_k + e with standard normal u and e, so a cluster with
a large effect also has a large spread of covariates: that is what a classifier of clusters can see.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from math import ceil

import numpy as np

from scs.solvers import PAPER_SHARES

NOISE_VAR = 0.5
SPARSE_EFFECT = 10.0  # the paper prints +1, -1; its code and its tables use +10, -10
ROWS_PER_CLUSTER = 50
DIMENSIONS = {"low": (4, 10), "medium": (10, 25), "high": (14, 35)}  # K, P
ICC_PERCENT = tuple(range(10, 91, 10))
GAUSSIAN_VARIANCES = tuple(float(v) for v in range(10, 101, 10))


@dataclass(frozen=True)
class Scenario:
    """One cell row of the paper's design.

    Attributes
    ----------
    regime : {"sparse", "gaussian"}
    dimension : {"low", "medium", "high"}
    heterogeneity : float
        Sparse: share of clusters with a non-zero effect, (0, 1]. Gaussian: variance of the effects.
    n_clusters : int
        Clusters, K.
    n_covariates : int
        Covariates, P.
    n_per_cluster : int
        Rows in each cluster, n_k.
    noise_var : float
        Variance of the error.
    """

    regime: str
    dimension: str
    heterogeneity: float
    n_clusters: int
    n_covariates: int
    n_per_cluster: int = ROWS_PER_CLUSTER
    noise_var: float = NOISE_VAR

    def __post_init__(self) -> None:
        if self.regime not in ("sparse", "gaussian"):
            raise ValueError(f"regime must be 'sparse' or 'gaussian', got {self.regime!r}.")
        high = 1.0 if self.regime == "sparse" else np.inf
        if not 0 < self.heterogeneity <= high:
            raise ValueError(
                f"heterogeneity must lie in (0, {high:g}] for {self.regime} effects, "
                f"got {self.heterogeneity!r}."
            )
        for name in ("n_clusters", "n_covariates", "n_per_cluster"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}.")
        if self.noise_var < 0:
            raise ValueError(f"noise_var must not be negative, got {self.noise_var!r}.")

    @property
    def n_nonzero(self) -> int:
        """Clusters with a non-zero effect: ceil(K a) in the sparse regime, else K."""
        if self.regime == "sparse":
            return ceil(round(self.n_clusters * self.heterogeneity, 9))
        return self.n_clusters

    @property
    def level(self) -> str:
        """The paper's name of the row: "90%" true sparsity, or the variance "10.0"."""
        if self.regime == "sparse":
            return f"{int(100 * (1 - self.heterogeneity) + 1e-9)}%"
        printed = f"{self.heterogeneity:.1f}"
        return printed if float(printed) == self.heterogeneity else f"{self.heterogeneity:.4g}"

    @property
    def name(self) -> str:
        """A unique name, such as "sparse-low-90%"."""
        return f"{self.regime}-{self.dimension}-{self.level}"


@dataclass(frozen=True)
class Sample:
    """Rows drawn from a scenario: X (N, P), y (N,), clusters (N,) with codes 0..K-1."""

    X: np.ndarray
    y: np.ndarray
    clusters: np.ndarray


@dataclass(frozen=True)
class Replication:
    """One replication: three independent draws with the same truth.

    Attributes
    ----------
    train, validation, test : Sample
    beta : ndarray, shape (P,)
    gamma : ndarray, shape (K,)
    """

    train: Sample
    validation: Sample
    test: Sample
    beta: np.ndarray
    gamma: np.ndarray

    def __iter__(self):
        """Unpack as ``train, validation, test, beta, gamma``."""
        return iter((self.train, self.validation, self.test, self.beta, self.gamma))


def scenarios() -> list[Scenario]:
    """Return the 66 scenarios: 12 sparsities and 10 variances in each of three dimensions.

    References
    ----------
    Paper, Section 3 and Tables B1-B6, B8-B13.
    """
    found = []
    for dimension, (n_clusters, n_covariates) in DIMENSIONS.items():
        for share in PAPER_SHARES:
            found.append(Scenario("sparse", dimension, share, n_clusters, n_covariates))
        for variance in GAUSSIAN_VARIANCES:
            found.append(Scenario("gaussian", dimension, variance, n_clusters, n_covariates))
    return found


def icc_scenarios() -> list[Scenario]:
    """Return the nine scenarios of Table B14: Gaussian effects of a given ICC, 10 % to 90 %.

    Their variance is v = sigma^2 ICC / (1 - ICC), in the medium dimension.

    References
    ----------
    Paper, Table B14.
    """
    n_clusters, n_covariates = DIMENSIONS["medium"]
    return [
        Scenario("gaussian", "medium", NOISE_VAR * p / (100 - p), n_clusters, n_covariates)
        for p in ICC_PERCENT
    ]


def scenario(name: str) -> Scenario:
    """Return one of the 66 scenarios by name, for example "sparse-high-50%".

    Raises
    ------
    ValueError
        No such name; the message lists those that exist.
    """
    known = {each.name: each for each in scenarios()}
    if name not in known:
        raise ValueError(f"scenario {name!r} does not exist: choose one of {', '.join(known)}.")
    return known[name]


def replication_rng(scenario: Scenario, replication: int, seed: int = 0) -> np.random.Generator:
    """Return the random stream of one replication.

    The stream depends on the scenario's content, the replication's number and the seed alone, so
    neither order nor number of workers changes a number.

    Parameters
    ----------
    scenario : Scenario
    replication : int
        >= 0.
    seed : int
        >= 0, of the whole experiment.
    """
    sizes = (scenario.n_clusters, scenario.n_covariates, scenario.n_per_cluster)
    law = (scenario.regime, float(scenario.heterogeneity), float(scenario.noise_var))
    key = zlib.crc32(repr((scenario.dimension, *law, *sizes)).encode())
    return np.random.default_rng(np.random.SeedSequence([seed, key, replication]))


def simulate(scenario: Scenario, rng: np.random.Generator) -> Replication:
    """Draw the truth and three independent data sets of one replication.

    beta_j is uniform on {-1, 0, 1}. gamma has ceil(K a) entries of +-10 with equal odds and zeros
    elsewhere (sparse), or is N(0, v) (Gaussian). With u_ij and e_ij standard normal and noise of
    variance 0.5::

        X_ij = u_ij gamma_k(i) + e_ij
        y_i  = X_i beta + gamma_k(i) + noise

    Parameters
    ----------
    scenario : Scenario
    rng : numpy.random.Generator
        See `replication_rng`.

    Returns
    -------
    Replication
        Unpacks as ``train, validation, test, beta, gamma``.

    Notes
    -----
    The paper prints a hidden-confounder model with an intercept column; the above is what its
    authors' code does, and what its tables agree with.

    References
    ----------
    Paper, Section 3.
    """
    beta = rng.integers(-1, 2, size=scenario.n_covariates).astype(float)
    gamma = _draw_effects(scenario, rng)
    train, validation, test = (_draw_rows(scenario, beta, gamma, rng) for _ in range(3))
    return Replication(train, validation, test, beta, gamma)


def simulate_slopes(
    n_clusters: int,
    n_covariates: int,
    n_per_cluster: int,
    n_nonzero: tuple[int, ...],
    rng: np.random.Generator,
    *,
    effect: float = 2.0,
    noise_var: float = NOISE_VAR,
) -> tuple[Sample, np.ndarray, np.ndarray]:
    """Draw rows of clusters with several effects: random intercepts and Q random slopes.

    gamma_r has ``n_nonzero[r]`` entries of +-effect, drawn for each effect on its own, and zeros
    elsewhere. With u_ij and e_ij standard normal, in R^(Q+1) and R, and k the cluster of row i::

        X_ij = u_ij' gamma_k + e_ij
        y_i  = X_i beta + gamma_k,0 + sum_r gamma_k,r X_ir + noise

    The first Q covariates are those with random slopes. beta_j is uniform on {-1, 0, 1}.

    Parameters
    ----------
    n_clusters : int
        Clusters, K.
    n_covariates : int
        Covariates, P.
    n_per_cluster : int
        Rows in each cluster, n_k.
    n_nonzero : tuple of int, length Q + 1
        Clusters with each effect, the random intercept first; Q <= P.
    rng : numpy.random.Generator
    effect : float
        Size of the non-zero effects.
    noise_var : float
        Variance of the noise.

    Returns
    -------
    Sample
        Pass ``sample.X[:, :Q]`` as Z.
    beta : ndarray, shape (P,)
    gamma : ndarray, shape (K, Q + 1)

    Notes
    -----
    The paper simulates Q = 0 alone; the law of the covariates is that of its authors' code for any
    Q. Its effects of +-10 would make slopes that nobody could miss, so ``effect`` is smaller here.

    References
    ----------
    Paper, Section 3.
    """
    n_slopes = len(n_nonzero) - 1
    if not 0 <= n_slopes <= n_covariates:
        raise ValueError(
            f"n_nonzero has {len(n_nonzero)} entries: pass one for the intercept and at most "
            f"{n_covariates} (n_covariates) for slopes."
        )
    if max(n_nonzero) > n_clusters or min(n_nonzero) < 0:
        raise ValueError(f"n_nonzero must lie in 0..{n_clusters}, got {n_nonzero!r}.")
    gamma = np.zeros((n_clusters, n_slopes + 1))
    for r, count in enumerate(n_nonzero):
        chosen = rng.choice(n_clusters, size=count, replace=False)
        gamma[chosen, r] = effect * rng.choice([-1.0, 1.0], size=count)
    beta = rng.integers(-1, 2, size=n_covariates).astype(float)
    clusters = np.repeat(np.arange(n_clusters), n_per_cluster)
    shape = (len(clusters), n_covariates)
    u = rng.normal(size=(*shape, n_slopes + 1))
    X = np.einsum("ijr,ir->ij", u, gamma[clusters]) + rng.normal(size=shape)
    y = X @ beta + gamma[clusters, 0] + (gamma[clusters, 1:] * X[:, :n_slopes]).sum(axis=1)
    y += rng.normal(0.0, np.sqrt(noise_var), size=len(clusters))
    return Sample(X, y, clusters), beta, gamma


def _draw_effects(scenario: Scenario, rng: np.random.Generator) -> np.ndarray:
    if scenario.regime == "gaussian":
        return rng.normal(0.0, np.sqrt(scenario.heterogeneity), size=scenario.n_clusters)
    gamma = np.zeros(scenario.n_clusters)
    nonzero = rng.choice(scenario.n_clusters, size=scenario.n_nonzero, replace=False)
    gamma[nonzero] = SPARSE_EFFECT * rng.choice([-1.0, 1.0], size=scenario.n_nonzero)
    return gamma


def _draw_rows(
    scenario: Scenario, beta: np.ndarray, gamma: np.ndarray, rng: np.random.Generator
) -> Sample:
    clusters = np.repeat(np.arange(scenario.n_clusters), scenario.n_per_cluster)
    shape = (len(clusters), scenario.n_covariates)
    X = rng.normal(size=shape) * gamma[clusters, None] + rng.normal(size=shape)
    noise = rng.normal(0.0, np.sqrt(scenario.noise_var), size=len(clusters))
    return Sample(X, X @ beta + gamma[clusters] + noise, clusters)
