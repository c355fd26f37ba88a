"""Intervals from data fission: one half of the information names clusters, the other measures them.

Noise that we draw splits the moments in two, which are independent where errors are normal. With
e_k ~ N(0, sigma^2 / n_k), f ~ N(0, sigma^2 W), W the products of the covariates within clusters
and w those with the outcome::

    names:     y_k + zeta e_k,    w + zeta f,      errors' variance sigma^2 (1 + zeta^2)
    measures:  y_k - e_k / zeta,  w - f / zeta,    errors' variance sigma^2 (1 + 1 / zeta^2)

Whatever names, ordinary intervals of the second half hold: it knows nothing of the choice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from scs.inference.background import Between, deviations
from scs.inference.certified import background_between
from scs.inference.naming import best_of_size, names_between
from scs.moments.moments import Moments

#: zeta^2: a fifth of the information measures, and the list is nearly as long as without fission.
SHARE = 0.25


@dataclass(frozen=True, eq=False)
class Fission:
    """A list of names from one half of the information, and its intervals from the other.

    Attributes
    ----------
    support : ndarray of int, shape (R,)
        The clusters that the first half names: seldom exactly those that all the data name.
    value : ndarray, shape (R,)
        Their whole effects as the second half measures them, in the outcome's unit.
    low, high : ndarray, shape (R,)
        Ends of the intervals, ``value`` in their middle.
    """

    support: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def halves(
    between: Between, rng: np.random.Generator, share: float = SHARE
) -> tuple[Between, Between]:
    """Split between and within parts by noise: what names, and what measures.

    Parameters
    ----------
    between : Between
    rng : numpy.random.Generator
    share : float
        zeta^2 > 0.

    Returns
    -------
    Between, Between
        With errors' variances (1 + zeta^2) sigma^2 and (1 + 1 / zeta^2) sigma^2. They recombine:
        (names + zeta^2 measures) / (1 + zeta^2) is what was split.
    """
    zeta, sigma = np.sqrt(share), np.sqrt(between.var_e)
    mean = sigma * rng.normal(size=between.n_clusters) / np.sqrt(between.n)
    values, vectors = np.linalg.eigh(between.within_xx)
    product = sigma * (vectors * np.sqrt(np.maximum(values, 0.0))) @ rng.normal(size=len(values))

    def half(factor: float) -> Between:
        return replace(
            between,
            y=between.y + factor * mean,
            within_xy=between.within_xy + factor * product,
            var_e=between.var_e * (1.0 + factor**2),
        )

    return half(zeta), half(-1.0 / zeta)


def fission_intervals(
    moments: Moments,
    *,
    q: float | None = None,
    budget: int | None = None,
    theta: float | None = None,
    level: float = 0.95,
    seed: int = 0,
    share: float = SHARE,
) -> Fission:
    """Name clusters by one half of the information, and measure them by the other.

    Parameters
    ----------
    moments : Moments
        Without dependent columns.
    q : float, optional
        False discovery rate of the names, in (0, 1).
    budget : int, optional
        Instead: how many clusters of largest gain.
    theta : float, optional
        The background's variance over the errors', >= 0; None: estimated by the first half.
    level : float
        Of the intervals, in (0, 1).
    seed : int
        Of the noise: another seed gives another list and other intervals.
    share : float
        zeta^2 > 0. The larger, the less tells whom to name and the shorter the intervals.

    Returns
    -------
    Fission

    Raises
    ------
    ValueError
        Both or neither of ``q`` and ``budget``; the rows within clusters do not tell the errors'
        variance.

    Notes
    -----
    sigma^2 is estimated from within clusters, so that with few degrees of freedom the halves are
    only nearly independent.

    References
    ----------
    Rasines and Young (2023), Splitting strategies for post-selection inference; Leiner, Duan,
    Wasserman and Ramdas (2025), Data fission: splitting a single data point.

    Examples
    --------
    >>> import numpy as np
    >>> from scs import Moments
    >>> from scs.inference.fission import fission_intervals
    >>> rng = np.random.default_rng(1)
    >>> school = np.repeat(np.arange(20), 30)
    >>> y = 3.0 * (school == 7) + rng.normal(size=600)
    >>> moments = Moments.from_arrays(np.zeros((600, 0)), y, school, intercept=True)
    >>> found = fission_intervals(moments, q=0.1)
    >>> found.support.tolist(), bool(found.low[0] < 3.0 < found.high[0])
    ([7], True)
    """
    if (q is None) == (budget is None):
        raise ValueError("fission takes a rate q or a budget: give one of them.")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}: try 0.95.")
    between = Between.from_moments(moments)
    first, second = halves(between, np.random.default_rng(seed), share)
    given = None if theta is None else theta / (1.0 + share)
    if budget is None:
        assert q is not None
        names = names_between(first, q, given)
        support, background = names.support, names.background
    else:
        background = background_between(first, budget) if given is None else given
        free = best_of_size(first, background, budget, np.zeros(first.n_clusters, dtype=bool))
        support = np.flatnonzero(free)
    free = np.zeros(between.n_clusters, dtype=bool)
    free[support] = True
    # The background's variance is one, whatever the errors' in each half.
    found = deviations(second, background * first.var_e / second.var_e, free)
    value = found.value[support]
    half = stats.t.isf((1.0 - level) / 2.0, between.df) * found.error[support]
    return Fission(support, value, value - half, value + half)
