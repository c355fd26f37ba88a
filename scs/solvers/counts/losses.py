"""How much worse a common level fits each unit than a level of its own: convex in the level.

Each family has one number t that all units share, in which the excess of every unit,

    h_k(t) = -log likelihood at t + the largest log likelihood that any level gives,

is convex, 0 at the unit's own level, and known to a stated rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy import special

from scs.moments.units import Units

_EPS = 8.0 * np.finfo(float).eps  # of a function of the library, with what few operations add
_STIRLING = 16.0  # from here on the series below is exact to the last digit
_HALVINGS = 60


class Losses(Protocol):
    """What the search needs of a family."""

    @property
    def n_units(self) -> int:
        """K."""

    @property
    def ends(self) -> tuple[float, float]:
        """An interval of t that holds the best common level of any set of units, edges apart."""

    @property
    def edges(self) -> tuple[tuple[float, np.ndarray], ...]:
        """Levels at the edge of what can be, with the units that fit there perfectly."""

    @property
    def own(self) -> np.ndarray:
        """The t at which each unit's excess is 0, shape (K,)."""

    def excess(self, t: float) -> np.ndarray:
        """h_k(t), shape (K,)."""

    def slope(self, t: float) -> np.ndarray:
        """h_k'(t), shape (K,)."""

    def rounding(self, t: float, reach: float) -> np.ndarray:
        """By how much h_k(t) + h_k'(t) d can be wrong for |d| <= reach, shape (K,)."""

    def level(self, t: float) -> float:
        """Return the common ratio of observed to expected, or the common rate."""


def losses(units: Units, background: float = 0.0) -> Losses:
    """Return the excess losses of units over a background.

    Parameters
    ----------
    units : Units
    background : float
        Poisson: tau^2, variance of the units' ratios about 1 (gamma). Binomial: the correlation
        rho of trials within a unit (beta), below 1. 0: units that are not selected are alike.

    Raises
    ------
    ValueError
        A background below 0, or of 1 or more for binomial counts.
    """
    if not 0 <= background < np.inf:
        raise ValueError(f"background must be 0 or more, got {background!r}: 0 is none.")
    if units.family == "poisson":
        return GammaPoisson(units.observed, units.size, float(background))
    if background >= 1:
        raise ValueError(
            f"background must be below 1 for binomial counts, got {background!r}: it is the "
            "correlation of trials within a unit."
        )
    return BetaBinomial(units.observed, units.size, float(background))


@dataclass(frozen=True, eq=False)
class GammaPoisson:
    """O_k ~ Poisson(E_k e^t g_k), g_k gamma of mean 1 and variance tau^2: negative binomial.

    With y = E_k e^t and own level t_k = log(O_k / E_k)::

        h_k = (O_k + 1 / tau^2) log[(1 + tau^2 y) / (1 + tau^2 O_k)] - O_k (t - t_k)

    and y - O_k - O_k (t - t_k) without a background.

    Attributes
    ----------
    observed, expected : ndarray, shape (K,)
    variance : float
        tau^2 >= 0.
    """

    observed: np.ndarray
    expected: np.ndarray
    variance: float

    @property
    def n_units(self) -> int:
        """K."""
        return len(self.observed)

    @cached_property
    def own(self) -> np.ndarray:
        """log(O_k / E_k), shape (K,); minus infinity where nothing was observed."""
        with np.errstate(divide="ignore"):
            return np.log(self.observed) - np.log(self.expected)

    @cached_property
    def ends(self) -> tuple[float, float]:
        """From where one event pulls up whatever the others' expected numbers, to the largest."""
        positive = self.observed[self.observed > 0]
        if not positive.size:
            return 0.0, 0.0
        least = positive.min()
        pulled = np.log(least / (1.0 + self.variance * least)) - np.log(self.expected.sum()) - 1e-9
        return max(pulled, _down(self.own.min())), _up(self.own.max())

    @property
    def edges(self) -> tuple[tuple[float, np.ndarray], ...]:
        """Nothing observed is fitted by a level of 0."""
        return ((-np.inf, self.observed == 0),)

    def level(self, t: float) -> float:
        """e^t."""
        return float(np.exp(t))

    def _beyond(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Return t - t_k (0 where t_k is infinite) and y - O_k, without cancellation."""
        some = self.observed > 0
        x = np.where(some, t - np.where(some, self.own, 0.0), 0.0)
        return x, np.where(some, self.observed * np.expm1(x), self.expected * np.exp(t))

    def excess(self, t: float) -> np.ndarray:
        """h_k(t), shape (K,)."""
        x, more = self._beyond(t)
        o, d = self.observed, self.variance
        if d == 0:
            return np.maximum(more - o * x, 0.0)
        return np.maximum((o + 1.0 / d) * np.log1p(d * more / (1.0 + d * o)) - o * x, 0.0)

    def slope(self, t: float) -> np.ndarray:
        """(y - O_k) / (1 + tau^2 y), shape (K,)."""
        _, more = self._beyond(t)
        return more / (1.0 + self.variance * (self.observed + more))

    def rounding(self, t: float, reach: float) -> np.ndarray:
        """By how much h_k(t) + h_k'(t) d can be wrong for |d| <= reach, shape (K,)."""
        x, more = self._beyond(t)
        o, d = self.observed, self.variance
        size = np.abs(more) + o * np.abs(x)
        if d > 0:
            size += (o + 1.0 / d) * np.abs(np.log1p(d * more / (1.0 + d * o)))
            size += np.abs(more) * (1.0 + d * o) / (1.0 + d * (o + more))
        # What rounds t_k moves h by the slope, and the slope by its own.
        shift = 2.0 + abs(t) + np.where(o > 0, np.abs(x) + abs(t), 0.0)
        size = size + shift * (np.abs(more) + (o + more) * reach) / (1.0 + d * (o + more))
        return _EPS * size


@dataclass(frozen=True, eq=False)
class BetaBinomial:
    """O_k ~ binomial of n_k trials at a rate that is beta with mean p and correlation rho.

    t is p itself. With M = 1 / rho - 1 and (a)_j = a (a + 1) ... (a + j - 1)::

        -log likelihood = -log (p M)_O - log ((1 - p) M)_(n - O) + constant,

    each factor concave in p, so that h_k is convex; binomial without a background.

    Attributes
    ----------
    observed, trials : ndarray, shape (K,)
    rho : float
        In [0, 1).
    """

    observed: np.ndarray
    trials: np.ndarray
    rho: float

    @property
    def n_units(self) -> int:
        """K."""
        return len(self.observed)

    @cached_property
    def own(self) -> np.ndarray:
        """The p that fits each unit best, shape (K,)."""
        rate = self.observed / self.trials
        if self.rho == 0:
            return rate
        inner = (rate > 0) & (rate < 1)
        low, high = np.zeros(self.n_units), np.ones(self.n_units)
        for _ in range(_HALVINGS):
            middle = np.where(inner, (low + high) / 2.0, 0.5)
            rising = self._slope(middle) > 0
            low, high = np.where(rising, low, middle), np.where(rising, middle, high)
        return np.where(inner, (low + high) / 2.0, rate)

    @cached_property
    def _least(self) -> np.ndarray:
        """Loss at the unit's own level, shape (K,)."""
        return self._loss(self.own)[0]

    @cached_property
    def ends(self) -> tuple[float, float]:
        """From where one event, or one trial without, pulls inwards whatever all others do."""
        edge = 0.5 / (1.0 + self.trials.sum())
        return max(edge, _down(self.own.min())), min(1.0 - edge, _up(self.own.max()))

    @property
    def edges(self) -> tuple[tuple[float, np.ndarray], ...]:
        """Nothing observed is fitted by a rate of 0, everything by 1."""
        return (0.0, self.observed == 0), (1.0, self.observed == self.trials)

    def level(self, t: float) -> float:
        """Return p itself."""
        return float(t)

    def _loss(self, p: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the loss at p but for a constant of the unit, and the size of what rounds."""
        o, rest = self.observed, self.trials - self.observed
        if self.rho == 0:
            n = self.trials
            up = special.xlogy(o, o / (n * p))
            down = special.xlogy(rest, rest / (n * (1.0 - p)))
            return up + down, np.abs(up) + np.abs(down) + n
        mass = 1.0 / self.rho - 1.0
        (up, up_size), (down, down_size) = (
            log_rising(share * mass, count) for share, count in ((p, o), (1.0 - p, rest))
        )
        return -up - down, up_size + down_size

    def _slope(self, p: float | np.ndarray) -> np.ndarray:
        o, rest = self.observed, self.trials - self.observed
        if self.rho == 0:
            return rest / (1.0 - p) - o / p
        mass = 1.0 / self.rho - 1.0
        a, b = p * mass, (1.0 - p) * mass
        up = special.digamma(a + o) - special.digamma(a)
        return mass * (special.digamma(b + rest) - special.digamma(b) - up)

    def excess(self, t: float) -> np.ndarray:
        """h_k(t), shape (K,)."""
        for edge, mask in self.edges:
            if t == edge:
                return np.where(mask, 0.0, np.inf)
        value = self._loss(t)[0]
        return np.maximum(value if self.rho == 0 else value - self._least, 0.0)

    def slope(self, t: float) -> np.ndarray:
        """h_k'(t), shape (K,)."""
        return self._slope(t)

    def rounding(self, t: float, reach: float) -> np.ndarray:
        """By how much h_k(t) + h_k'(t) d can be wrong for |d| <= reach, shape (K,)."""
        o, rest = self.observed, self.trials - self.observed
        size = self._loss(t)[1] + o + rest
        steep = o / t + rest / (1.0 - t)  # of the binomial, which a background makes flatter
        if self.rho > 0:
            mass = 1.0 / self.rho - 1.0
            size += self._own_size
            logs = np.abs(np.log(t * mass)) + np.abs(np.log((1.0 - t) * mass)) + np.log(self.trials)
            steep = steep + mass * (2.0 + logs) + 1.0 / t + 1.0 / (1.0 - t)
        return _EPS * (size + steep * reach)

    @cached_property
    def _own_size(self) -> np.ndarray:
        return self._loss(self.own)[1]


def _down(t: float) -> float:
    """Return a little less, so that rounding leaves no best level outside."""
    return float(t - 1e-12 * (1.0 + abs(t)))


def _up(t: float) -> float:
    """Return a little more."""
    return float(t + 1e-12 * (1.0 + abs(t)))


def log_rising(a: np.ndarray | float, j: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log of a (a + 1) ... (a + j - 1), and the size of what rounds in it.

    By Stirling's series for large a, in which no two large numbers cancel. j = 0 gives 0.
    """
    a, j = np.broadcast_arrays(np.asarray(a, dtype=float), j)
    top = a + j
    with np.errstate(divide="ignore", invalid="ignore"):
        direct = special.gammaln(top) - special.gammaln(a)
        log_a = np.log(a)
        series = (top - 0.5) * np.log1p(j / a) + j * (log_a - 1.0) + _tail(top) - _tail(a)
        large = a >= _STIRLING
        value = np.where(j == 0, 0.0, np.where(large, series, direct))
        size = np.where(
            large,
            (top + 0.5) * np.log1p(j / a) + j * (np.abs(log_a) + 1.0) + 1.0,
            np.abs(special.gammaln(top)) + np.abs(special.gammaln(a)) + j * np.abs(np.log(top)),
        )
    return value, np.where(j == 0, 0.0, size)


def _tail(x: np.ndarray) -> np.ndarray:
    """Return log Gamma(x) - (x - 1/2) log x + x - log(2 pi) / 2 for x >= 16."""
    y = 1.0 / (x * x)
    return (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))) / x
