"""Simulated clusters that all differ a little, and few of them much: the settings of the study."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np

from scs.data.design import Design
from scs.moments.moments import Moments

#: Rows of a cluster where coverage is told by size.
SIZES = (1, 2, 3, 5, 10, 30, 60)
_FEWEST, _MOST = 5, 200  # rows of a cluster elsewhere, uniform on the scale of logarithms
_BETA = np.array([1.0, -0.5, 0.25])
_SPREAD = 0.5  # standard deviation of a covariate's cluster means
_UNEQUAL = (0.5, 1.5)  # range of the errors' standard deviation where clusters differ in it


@dataclass(frozen=True)
class Setting:
    """One row of the study.

    Attributes
    ----------
    name : str
        It seeds the draws, too.
    n_clusters : int
        K.
    share : float
        Of clusters that really differ.
    delta : (float, float)
        Range of their effects' sizes, in standard deviations of the error; up or down at random.
    tau : float
        Standard deviation of the background: the small effects that all clusters have.
    errors : {"normal", "t3", "exponential", "unequal"}
        Law of the errors, of variance 1. "unequal": normal, with a variance of each cluster's own.
    with_x : bool
        Effects are all upwards, and the first covariate is shifted by them.
    by_size : bool
        Clusters have the rows of ``SIZES``, each as often; ``delta`` is in standard errors of a
        cluster's mean, so that clusters of every size can be told.
    """

    name: str
    n_clusters: int = 300
    share: float = 0.05
    delta: tuple[float, float] = (1.0, 1.0)
    tau: float = 0.0
    errors: str = "normal"
    with_x: bool = False
    by_size: bool = False

    @property
    def normal(self) -> bool:
        """Whether the errors are what the rule supposes: normal and of one variance."""
        return self.errors == "normal"


SETTINGS = (
    Setting("delta 0.5", delta=(0.5, 0.5)),
    Setting("delta 1"),
    Setting("delta 1, 20 % differ", share=0.2),
    Setting("tau 0.15", tau=0.15),
    Setting("tau 0.3, delta 1 to 2", tau=0.3, delta=(1.0, 2.0)),
    Setting("effects go with x", share=0.1, with_x=True),
    Setting("50 clusters, 10 % differ", n_clusters=50, share=0.1),
    Setting("1000 clusters, tau 0.15", n_clusters=1000, tau=0.15),
    Setting("nobody differs", share=0.0),
    Setting("nobody differs, tau 0.3", share=0.0, tau=0.3),
    Setting("errors t3", errors="t3"),
    Setting("errors exponential", errors="exponential"),
    Setting("errors of unequal variance", errors="unequal"),
    Setting("1 to 60 rows", n_clusters=350, share=0.1, delta=(2.0, 6.0), by_size=True),
    Setting(
        "1 to 60 rows, tau 0.15",
        n_clusters=350,
        share=0.1,
        delta=(2.0, 6.0),
        tau=0.15,
        by_size=True,
    ),
)


@dataclass(frozen=True, eq=False)
class Drawn:
    """One data set and its truth.

    Attributes
    ----------
    design : Design
    moments : Moments
        Of its rows, with an intercept.
    background, effect : ndarray, shape (K,)
        u_k and v_k.
    """

    design: Design
    moments: Moments
    background: np.ndarray
    effect: np.ndarray


def setting(name: str) -> Setting:
    """Return a setting by name.

    Raises
    ------
    ValueError
        No such name; the message lists those that exist.
    """
    known = {each.name: each for each in SETTINGS}
    if name not in known:
        raise ValueError(f"setting {name!r} does not exist: choose one of {', '.join(known)}.")
    return known[name]


def dataset_rng(name: str, number: int, seed: int = 0) -> np.random.Generator:
    """Return the random stream of one data set: child ``number`` of the setting's seed.

    Parameters
    ----------
    name : str
        Of the setting.
    number : int
        >= 0.
    seed : int
        Of the study.
    """
    entropy = [seed, zlib.crc32(name.encode())]
    return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(number,)))


def draw(case: Setting, rng: np.random.Generator) -> Drawn:
    """Draw one data set.

    With the cluster means of three covariates normal, of standard deviation 0.5, and standard
    normal covariates about them::

        y_ki = 1 + x_ki'beta + u_k + v_k + e_ki,    u_k ~ N(0, tau^2)

    Parameters
    ----------
    case : Setting
    rng : numpy.random.Generator
        See `dataset_rng`.
    """
    n_clusters = case.n_clusters
    if case.by_size:
        rows = np.resize(SIZES, n_clusters)
    else:
        rows = np.exp(rng.uniform(np.log(_FEWEST), np.log(_MOST), n_clusters)).round().astype(int)
    code = np.repeat(np.arange(n_clusters), rows)
    effect = np.zeros(n_clusters)
    differ = rng.choice(n_clusters, round(case.share * n_clusters), replace=False)
    sign = 1.0 if case.with_x else rng.choice([-1.0, 1.0], len(differ))
    effect[differ] = sign * rng.uniform(*case.delta, len(differ))
    if case.by_size:
        effect /= np.sqrt(rows)
    background = case.tau * rng.normal(size=n_clusters)
    means = _SPREAD * rng.normal(size=(n_clusters, len(_BETA)))
    if case.with_x:
        means[:, 0] += effect
    X = means[code] + rng.normal(size=(len(code), len(_BETA)))
    y = 1.0 + X @ _BETA + (background + effect)[code] + _errors(case.errors, code, rng)
    design = Design.from_table(X, y, code)
    moments = Moments.from_design(design, intercept=True)
    return Drawn(design, moments, background, effect)


def permuted_null(design: Design, rng: np.random.Generator) -> Design:
    """Return the rows with their cluster labels permuted, so that nobody differs.

    Every cluster keeps its number of rows, and errors keep the law that they have in the data.

    Parameters
    ----------
    design : Design
    rng : numpy.random.Generator
    """
    return replace(design, codes=rng.permutation(design.codes))


def _errors(law: str, code: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    size = len(code)
    if law == "t3":
        return rng.standard_t(3, size) / np.sqrt(3.0)
    if law == "exponential":
        return rng.exponential(size=size) - 1.0
    if law == "unequal":
        low, high = _UNEQUAL
        typical = np.sqrt((low**2 + low * high + high**2) / 3.0)  # root of the mean variance
        spread = rng.uniform(low, high, code[-1] + 1) / typical
        return spread[code] * rng.normal(size=size)
    return rng.normal(size=size)
