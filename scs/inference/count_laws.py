"""Laws of a unit's count at a common level, over a background: tails, and how levels are seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import special

from scs.moments.units import Units
from scs.solvers.counts.losses import log_rising

_NEGLIGIBLE = 1e-18  # of a term of a tail, beside the sum so far


class CountLaw(Protocol):
    """What naming and intervals need of a family."""

    def weight(self, size: np.ndarray, level: float, background: float) -> np.ndarray:
        """Share of a unit's count that tells the common level, shape (K,)."""

    def rest_variance(self, counted: np.ndarray, sized: np.ndarray) -> np.ndarray:
        """Variance of a level estimated from so much, in the background's unit."""

    def deviation(self, units: Units, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return deviations on Anscombe's scale of stable variance, and that variance."""

    def reached(self, size: np.ndarray, level: float, deviation: np.ndarray) -> np.ndarray:
        """Return the ratio or rate that has a deviation."""

    def lower(self, x, size, level, variance) -> np.ndarray:
        """P(X <= x)."""

    def upper(self, x, size, level, variance) -> np.ndarray:
        """P(X >= x)."""


def law_of(family: str) -> CountLaw:
    """Return the law of a family's counts."""
    return GammaPoissonLaw() if family == "poisson" else BetaBinomialLaw()


def mid_tails(
    law: CountLaw, x: np.ndarray, size: np.ndarray, level: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return P(X < x) + P(X = x) / 2 and P(X > x) + P(X = x) / 2, each to relative precision.

    Parameters
    ----------
    law : CountLaw
    x : ndarray, shape (K,)
        Counts.
    size, level, variance : ndarray, shape (K,)
        Expected numbers or trials, common level, and the variance of levels about it.
    """
    below = law.lower(x, size, level, variance) + law.lower(x - 1, size, level, variance)
    above = law.upper(x, size, level, variance) + law.upper(x + 1, size, level, variance)
    return below / 2.0, above / 2.0


@dataclass(frozen=True)
class GammaPoissonLaw:
    """Poisson counts with mean E r g, g gamma of mean 1 and a variance; Poisson at variance 0."""

    def weight(self, size: np.ndarray, level: float, background: float) -> np.ndarray:
        """1 / (1 + tau^2 E r)."""
        return 1.0 / (1.0 + background * size * level)

    def rest_variance(self, counted: np.ndarray, sized: np.ndarray) -> np.ndarray:
        """Of the level, relative to its square: 1 / events."""
        return 1.0 / counted

    def deviation(self, units: Units, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """2 [sqrt(O + 3/8) - sqrt(E r + 1/8)] / sqrt(E r), near O / (E r) - 1, and 1 / (E r)."""
        mean = units.size * level
        roots = np.sqrt(units.observed + 0.375) - np.sqrt(mean + 0.125)
        return 2.0 * roots / np.sqrt(mean), 1.0 / mean

    def reached(self, size: np.ndarray, level: float, deviation: np.ndarray) -> np.ndarray:
        """Return O / E at a deviation."""
        mean = size * level
        root = np.sqrt(mean + 0.125) + deviation * np.sqrt(mean) / 2.0
        return np.maximum(np.maximum(root, 0.0) ** 2 - 0.375, 0.0) / size

    def lower(self, x, size, level, variance) -> np.ndarray:
        """P(X <= x)."""
        x, mean, shape, z = self._shaped(x, size, level, variance)
        k = np.maximum(x, 0.0) + 1.0
        found = np.where(variance > 0, special.betaincc(k, shape, z), special.gammaincc(k, mean))
        return np.where(x < 0, 0.0, found)

    def upper(self, x, size, level, variance) -> np.ndarray:
        """P(X >= x)."""
        x, mean, shape, z = self._shaped(x, size, level, variance)
        k = np.maximum(x, 1.0)
        found = np.where(variance > 0, special.betainc(k, shape, z), special.gammainc(k, mean))
        return np.where(x <= 0, 1.0, found)

    def _shaped(self, x, size, level, variance):
        mean = np.asarray(size * level, dtype=float)
        shape = 1.0 / np.where(variance > 0, variance, 1.0)
        return np.asarray(x, dtype=float), mean, shape, mean / (mean + shape)


@dataclass(frozen=True)
class BetaBinomialLaw:
    """Binomial counts at a rate that is beta with mean p and correlation rho; binomial at rho 0."""

    def weight(self, size: np.ndarray, level: float, background: float) -> np.ndarray:
        """1 / (1 + (n - 1) rho)."""
        return 1.0 / (1.0 + (size - 1.0) * background)

    def rest_variance(self, counted: np.ndarray, sized: np.ndarray) -> np.ndarray:
        """Of the rate, in units of p (1 - p): 1 / trials."""
        return 1.0 / sized

    def deviation(self, units: Units, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """2 [asin sqrt((O + 3/8) / (n + 3/4)) - asin sqrt p], and 1 / (n + 1/2)."""
        rate = (units.observed + 0.375) / (units.size + 0.75)
        angle = np.arcsin(np.sqrt(rate)) - np.arcsin(np.sqrt(level))
        return 2.0 * angle, 1.0 / (units.size + 0.5)

    def reached(self, size: np.ndarray, level: float, deviation: np.ndarray) -> np.ndarray:
        """Return O / n at a deviation."""
        angle = np.clip(np.arcsin(np.sqrt(level)) + deviation / 2.0, 0.0, np.pi / 2.0)
        return np.clip(np.sin(angle) ** 2 * (size + 0.75) - 0.375, 0.0, size) / size

    def lower(self, x, size, level, variance) -> np.ndarray:
        """P(X <= x)."""
        arrays = np.broadcast_arrays(*(np.asarray(a, float) for a in (x, size, level, variance)))
        x, n, p, rho = (np.atleast_1d(a) for a in arrays)
        near = x <= n * p  # sum the shorter tail
        found = np.where(near, 0.0, 1.0)
        found[near] = _beta_binomial_below(x[near], n[near], p[near], rho[near])
        far = ~near
        found[far] -= _beta_binomial_below(n[far] - x[far] - 1, n[far], 1 - p[far], rho[far])
        return found.reshape(arrays[0].shape)

    def upper(self, x, size, level, variance) -> np.ndarray:
        """P(X >= x)."""
        return self.lower(size - x, size, 1.0 - level, variance)


def _beta_binomial_below(
    x: np.ndarray, n: np.ndarray, p: np.ndarray, rho: np.ndarray
) -> np.ndarray:
    """Return P(X <= x), by adding up terms from x downwards until they do not count."""
    found = np.zeros(len(x))
    found[x >= n] = 1.0
    plain = (x >= 0) & (x < n) & (rho <= 0)
    found[plain] = special.betainc(n[plain] - x[plain], x[plain] + 1.0, 1.0 - p[plain])
    rows = np.flatnonzero((x >= 0) & (x < n) & (rho > 0))
    j, n = x[rows].copy(), n[rows]
    mass = 1.0 / rho[rows] - 1.0
    a, b = p[rows] * mass, (1.0 - p[rows]) * mass
    term = np.exp(_log_beta_binomial(j, n, a, b))
    total = term.copy()
    while rows.size:
        with np.errstate(invalid="ignore"):
            term = term * (j / (n - j + 1.0)) * ((b + n - j) / (a + j - 1.0))
        j = j - 1.0
        total = np.where(j >= 0, total + term, total)
        going = (j > 0) & (term > _NEGLIGIBLE * total)
        if not going.all():
            found[rows[~going]] = total[~going]
            rows, j, n, a, b, term, total = (v[going] for v in (rows, j, n, a, b, term, total))
    return np.minimum(found, 1.0)


def _log_beta_binomial(j: np.ndarray, n: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the log probability of j, without the cancellation of large shapes."""
    choose = -np.log1p(n) - special.betaln(n - j + 1.0, j + 1.0)
    parts = log_rising(a, j)[0] + log_rising(b, n - j)[0] - log_rising(a + b, n)[0]
    return choose + parts
