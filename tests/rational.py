"""Eq. 5 in rational arithmetic on the stored moments, and an attack on what solvers claim with it.

Every float is a rational number, so c(S) of a support can be computed without any rounding. For
tiny problems all supports are, and what an engine says of its answer is held against them:

    python tests/rational.py 20000 --seed 1

runs that many random problems through all engines, and prints how many claims were wrong and how
many problems were refused.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import lcm, prod
from pathlib import Path

import numpy as np

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scs import Moments, solve, solve_path
from scs.estimators.selection import NEARLY_FREE

ENGINES = ("exact", "alternating", "outer", "path")
PRICED = ("exact", "alternating", "path")  # those that take a price instead of a budget
GAPS = (1e-4, 1e-6, 1e-9)
# Backgrounds at which 1 + theta n is rounded away, exact or of many digits, or nearly overflows.
ODD = (5e-324, 1e-300, 1e-17, 2.0**-53, 1e-16, 0.1, 1 / 3, 1.0, 3.0, 1e16, 1e30, 1e100, 1e308)


class Exact:
    """c(S) of all supports of one problem, as fractions of the stored moments' floats.

    With v_k = (x_k, y_k) the loss about the means is a quadratic form in (-beta, 1), so c(S) is a
    Schur complement: the determinant of the whole form over that of its first P rows and columns.
    Fraction-free elimination gives both.
    """

    def __init__(
        self,
        moments: Moments,
        ridge: float,
        ridge_fixed: float | None,
        background: float = 0.0,
    ) -> None:
        self.moments = moments
        self.ridge = Fraction(ridge)
        self.theta = Fraction(background)
        # What the rows of a cluster count as over a background: m_k, not rounded.
        rows = [Fraction(float(n)) for n in moments.n]
        self.rows = [n / (1 + self.theta * n) for n in rows]
        fixed = self.ridge if ridge_fixed is None else Fraction(ridge_fixed)
        size = moments.n_columns
        self.penalty = [fixed] * size
        self.penalty[: int(moments.intercept)] = [Fraction(0)] * int(moments.intercept)
        inner = [[Fraction(v) for v in row] for row in moments.within_xx.tolist()]
        cross = [Fraction(v) for v in moments.within_xy.tolist()]
        for j in range(size):
            inner[j][j] += self.penalty[j]
        self.within = [[*row, c] for row, c in zip(inner, cross)]
        self.within.append([*cross, Fraction(float(moments.within_yy))])
        self.clusters = []
        for m, x, y in zip(self.rows, moments.mean_x.tolist(), moments.mean_y.tolist()):
            v = [Fraction(value) for value in [*x, y]]
            self.clusters.append([[m * a * b for b in v] for a in v])
        self._to_integers()
        self.values: dict[tuple[int, ...], Fraction | None] = {}

    def _to_integers(self) -> None:
        """Multiply everything by one number that leaves whole numbers."""
        tables = [self.within, *self.clusters]
        self.unit = lcm(*(v.denominator for table in tables for row in table for v in row))
        whole = [[[int(v * self.unit) for v in row] for row in table] for table in tables]
        self.within_whole, self.clusters_whole = whole[0], whole[1:]
        # A selected cluster counts with mu / (m + mu) = p / q of its products.
        self.kept = [self.ridge / (m + self.ridge) for m in self.rows]

    @property
    def n_clusters(self) -> int:
        return len(self.clusters)

    def value(self, support: tuple[int, ...]) -> Fraction | None:
        """Return c(S); None if the problem has no minimum there (dependent columns)."""
        if support not in self.values:
            self.values[support] = self._value(support)
        return self.values[support]

    def _value(self, support: tuple[int, ...]) -> Fraction | None:
        scale = prod((self.kept[k].denominator for k in support), start=1)
        form = [[scale * v for v in row] for row in self.within_whole]
        for k, table in enumerate(self.clusters_whole):
            weight = scale
            if k in support:
                weight = scale // self.kept[k].denominator * self.kept[k].numerator
            for i, row in enumerate(table):
                for j, v in enumerate(row):
                    form[i][j] += weight * v
        return _schur_complement(form, scale * self.unit)

    def at(self, beta: np.ndarray, gamma: np.ndarray, u: np.ndarray | None = None) -> Fraction:
        """Return Eq. 5 at any coefficients, about the data's own origin, and effects.

        The background's effects are the best ones, or those given: then with all rows and the
        penalty ||u||^2 / theta.
        """
        form = [row[:] for row in self.within]
        b = [*(-Fraction(v) for v in beta.tolist()), Fraction(1)]
        total = sum(b[i] * form[i][j] * b[j] for i in range(len(b)) for j in range(len(b)))
        means = zip(self.rows, self.moments.mean_x.tolist(), self.moments.mean_y.tolist())
        for k, ((m, x, y), effect) in enumerate(zip(means, gamma.tolist())):
            r = sum(p * Fraction(v) for p, v in zip(b, [*x, y])) - Fraction(effect)
            total += self.ridge * Fraction(effect) ** 2
            if u is None:
                total += m * r * r
                continue
            own = Fraction(float(u[k]))
            total += Fraction(float(self.moments.n[k])) * (r - own) ** 2 + own**2 / self.theta
        return total

    def within_budget(self, budget: int) -> dict[tuple[int, ...], Fraction | None]:
        """Return c of every support of at most ``budget`` clusters."""
        sizes = range(min(budget, self.n_clusters) + 1)
        supports = [s for size in sizes for s in combinations(range(self.n_clusters), size)]
        return {support: self.value(support) for support in supports}

    def at_price(self, price: float) -> dict[tuple[int, ...], Fraction | None]:
        """Return c of every support, plus the price of each of its clusters."""
        values = self.within_budget(self.n_clusters)
        cost = Fraction(price)
        return {s: None if c is None else c + cost * len(s) for s, c in values.items()}

    def last_digits(self, solution, rows: np.ndarray | None = None) -> float:
        """Return what the last digits of the coefficients, as floats, make of the residuals."""
        m = self.moments
        size = np.abs(m.mean_y) + np.abs(m.mean_x) @ np.abs(solution.beta) + np.abs(solution.gamma)
        rows = np.array([float(m) for m in self.rows]) if rows is None else rows
        return float(rows @ (8 * np.finfo(float).eps * size) ** 2)

    def total(self) -> float:
        """Return the sum of squares of the outcome; about its mean where there is an intercept."""
        n, y = np.array([float(m) for m in self.rows]), self.moments.mean_y
        origin = n @ y / n.sum() if self.moments.intercept else 0.0
        return self.moments.within_yy + float(n @ (y - origin) ** 2)


def _schur_complement(form: list[list[int]], unit: int) -> Fraction | None:
    """Return the last pivot of a symmetric matrix of whole numbers (Bareiss), over ``unit``."""
    size, before = len(form), 1
    for p in range(size - 1):
        pivot = form[p][p]
        if pivot <= 0:
            return None
        for i in range(p + 1, size):
            for j in range(i, size):
                entry = (form[i][j] * pivot - form[p][i] * form[p][j]) // before
                form[i][j] = form[j][i] = entry
        before = pivot
    return Fraction(form[-1][-1], before * unit)


@dataclass(frozen=True)
class Drawn:
    """One random problem."""

    moments: Moments
    budget: int
    ridge: float
    ridge_fixed: float | None
    gap: float
    kind: str
    background: float = 0.0


def draw(seed: int, most: int = 6) -> Drawn:
    """Draw offsets, scales from 1e-8 to 1e8, ties, ridges from 1e-8 to 1e3, flat columns, effects.

    Half of all problems are plain in scale, so that claims are strong enough to be attacked. Half
    lie over a background, see `draw_background`.
    """
    rng = np.random.default_rng([seed, 20_240])
    K = int(rng.integers(1, most + 1))
    P = int(rng.integers(1, 3))
    clusters = np.repeat(np.arange(K), rng.integers(1, 7, size=K))
    N = len(clusters)
    kind = []
    X = rng.normal(size=(N, P)) + rng.choice([0.0, 1.0, 5.0]) * rng.normal(size=(K, P))[clusters]
    if rng.random() < 0.2:  # constant within clusters
        X[:, 0] = rng.normal(size=K)[clusters]
        kind.append("flat")
    if rng.random() < 0.1 and P > 1:
        X[:, 1] = X[:, 0] + 10.0 ** rng.uniform(-8, -1) * X[:, 1]
        kind.append("twins")
    effects = rng.normal(size=K) * rng.choice([0.0, 1.0, 4.0, 30.0], size=K)
    noise = rng.choice([0.0, 0.1, 1.0], p=[0.1, 0.3, 0.6])
    if rng.random() < 0.3:  # small whole numbers: exact ties
        X, effects = np.round(X), np.round(effects)
        y = X @ rng.integers(-2, 3, size=P) + effects[clusters] + noise * rng.integers(-1, 2, N)
        kind.append("whole")
    else:
        y = X @ rng.normal(size=P) + effects[clusters] + noise * rng.normal(size=N)
    if rng.random() < 0.25 and K > 1:  # two clusters with the same rows
        X, y, clusters = _twice(X, y, clusters, rng)
        kind.append("ties")
    if rng.random() < 0.4:
        X = X + 10.0 ** rng.uniform(0, 7.3, size=P) * rng.choice([0, 1], size=P)
        kind.append("offset")
    if rng.random() < 0.3:
        y = y + 10.0 ** rng.uniform(0, 7)
        kind.append("high")
    if rng.random() < 0.5:
        X, y = X * 10.0 ** rng.uniform(-8, 8, size=P), y * 10.0 ** rng.uniform(-8, 8)
        kind.append("scaled")
    ridge = 10.0 ** rng.uniform(-8, 3)
    ridge_fixed = [None, 0.0, 10.0 ** rng.uniform(-8, 3)][rng.integers(3)]
    moments = Moments.from_arrays(X, y, clusters, intercept=bool(rng.integers(2)))
    budget = int(rng.integers(0, moments.n_clusters + 1))
    gap = float(rng.choice(GAPS))
    theta, ridge = draw_background(rng, ridge)
    kind += ["background"] * (theta > 0)
    return Drawn(moments, budget, ridge, ridge_fixed, gap, "+".join(kind) or "plain", theta)


def draw_background(rng: np.random.Generator, ridge: float) -> tuple[float, float]:
    """Draw theta from 0, 1e-8 to 1e8, and odd values; and a ridge that goes with it.

    The ridge is the problem's own, the small one of `scs.fit`, or one as large as the m_k are small
    or a million times larger.
    """
    if rng.random() < 0.5:
        return 0.0, ridge
    theta = 10.0 ** rng.uniform(-8, 8)
    if rng.random() < 0.2:
        theta = float(rng.choice(ODD))
    small = NEARLY_FREE / (1.0 + theta)
    return theta, [ridge, small, small * 10.0 ** rng.uniform(0, 10)][rng.integers(3)]


def _twice(X, y, clusters, rng):
    """Give one cluster the rows of another, or their mirror image about 0."""
    one, other = rng.choice(clusters.max() + 1, size=2, replace=False)
    keep, rows = clusters != other, clusters == one
    sign = float(rng.choice([-1.0, 1.0]))
    X = np.vstack([X[keep], sign * X[rows]])
    y = np.concatenate([y[keep], sign * y[rows]])
    return X, y, np.concatenate([clusters[keep], np.full(rows.sum(), other)])


def draw_price(exact: Exact, seed: int) -> float:
    """Draw a price: of the size of gains as a rule, often one of them, at times any number."""
    rng = np.random.default_rng([seed, 7])
    if rng.random() < 0.1:
        return float(10.0 ** rng.uniform(-98, 98))
    none, one = exact.value(()), exact.value((int(rng.integers(exact.n_clusters)),))
    if none is None or one is None or none == one:
        return 1.0
    gain = float(none - one)  # rounded, so that a support is worth next to nothing more than one
    gain *= 10.0 ** rng.uniform(-3, 1) if rng.random() < 0.6 else 1.0
    return min(max(gain, 1e-98), 1e98)  # a path has a tenth and ten times of it


def wrong_claims(exact: Exact, solution, budget: int, gap: float) -> list[str]:
    """Return what a solution says that is not so; an empty list if all of it holds."""
    found = []
    price = getattr(solution, "penalty", None)
    values = exact.within_budget(budget) if price is None else exact.at_price(price)
    paid = Fraction(price or 0) * len(solution.support)
    if any(value is None for value in values.values()):
        # Rounding of the stored products left no minimum: nothing but "0 or more" can be claimed.
        return ["a bound above 0 of what has no minimum"] if solution.bound > 0 else []
    best = min(values.values())
    # A sum of squares is never negative; rounding of the stored products may make it so.
    if Fraction(solution.bound) > max(best, 0):
        found.append(f"bound {solution.bound!r} above the optimum {float(best)!r}")
    if not 0 <= solution.bound <= solution.objective:
        found.append(f"bound {solution.bound!r} outside 0 to {solution.objective!r}")
    if len(solution.support) > budget:
        found.append(f"{len(solution.support)} clusters beyond the budget of {budget}")
    optimal = [set(support) for support, value in values.items() if value == best]
    for k, claim in enumerate(solution.membership):
        if claim == "in" and not all(k in support for support in optimal):
            found.append(f"cluster {k} said to be in")
        if claim == "out" and any(k in support for support in optimal):
            found.append(f"cluster {k} said to be out")
    own = exact.value(tuple(int(k) for k in solution.support)) + paid
    stated = getattr(solution, "rounding", None)
    allowed = Fraction(stated if stated is not None else 1e-9 * exact.total())
    if abs(Fraction(solution.objective) - own) > allowed:
        found.append(f"objective {solution.objective!r} of a support worth {float(own)!r}")
    given = exact.at(solution.beta, solution.gamma)
    if abs(Fraction(solution.objective) - given - paid) > allowed + Fraction(
        exact.last_digits(solution)
    ):
        found.append(f"objective {solution.objective!r} of coefficients worth {float(given)!r}")
    found += _wrong_background(exact, solution, given)
    # The last digit of the gap asked for is no claim.
    if solution.status == "optimal" and own - best > Fraction(gap * (1 + 1e-9)) * max(own, 0):
        reached = float((own - best) / own) if own > 0 else float("inf")
        found.append(f"optimal to {gap:g} at a gap of {reached:.1e}")
    return found


def _wrong_background(exact: Exact, solution, given: Fraction) -> list[str]:
    """Return what is wrong of the background's effects, which are given beside the coefficients."""
    if not exact.theta:
        return [] if solution.background is None else ["effects of no background"]
    explicit = exact.at(solution.beta, solution.gamma, solution.background)
    digits = Fraction(exact.last_digits(solution, exact.moments.n))
    if explicit - given > digits + Fraction(1e-14) * abs(given):
        return [f"effects of the background worth {float(explicit)!r}, not {float(given)!r}"]
    return []


def run_engine(drawn: Drawn, engine: str, price: float | None = None) -> list[tuple[int, object]]:
    """Return the budgets and solutions that an engine gives; with a price any number is allowed."""
    options = {"ridge": drawn.ridge, "ridge_fixed": drawn.ridge_fixed, "gap": drawn.gap}
    options |= {"time_limit": 10.0, "background": drawn.background}
    if price is not None:
        n_clusters = drawn.moments.n_clusters
        if engine != "path":
            found = solve(drawn.moments, penalty=price, method=engine, **options)
            return [(n_clusters, found)]
        prices = [0.0, *(price * factor for factor in (0.1, 0.5, 1.0, 1.5, 10.0))]
        found = solve_path(drawn.moments, penalties=prices, **options)
        return [(n_clusters, each) for each in found]
    if engine == "path":
        budgets = range(drawn.moments.n_clusters + 1)
        return list(zip(budgets, solve_path(drawn.moments, budgets, **options)))
    return [(drawn.budget, solve(drawn.moments, drawn.budget, method=engine, **options))]


def attack(
    seed: int, engines=ENGINES, most: int = 6, *, priced: bool = False
) -> tuple[Counter, list[str]]:
    """Attack one problem; return counts by engine and verdict, and what was wrong.

    ``priced``: with a price on each cluster instead of a budget.
    """
    drawn = draw(seed, most)
    exact = Exact(drawn.moments, drawn.ridge, drawn.ridge_fixed, drawn.background)
    price = draw_price(exact, seed) if priced else None
    counts: Counter = Counter()
    wrong: list[str] = []
    for engine in engines:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                answers = run_engine(drawn, engine, price)
        except ValueError as error:  # LinAlgError is one, and no refusal
            if isinstance(error, np.linalg.LinAlgError):
                counts[engine, "wrong"] += 1
                wrong.append(f"seed {seed} ({drawn.kind}) {engine}: {error!r}")
                continue
            counts[engine, "refused"] += 1
            counts["refused: " + str(error)[:60], ""] += 1
            continue
        except Exception as error:
            counts[engine, "wrong"] += 1
            wrong.append(f"seed {seed} ({drawn.kind}) {engine}: {type(error).__name__}: {error}")
            continue
        for budget, solution in answers:
            counts[engine, "solved"] += 1
            counts[engine, solution.status] += 1
            counts[engine, "decided"] += int((solution.membership != "open").sum())
            counts[engine, "clusters"] += drawn.moments.n_clusters
            counts[engine, "nothing proved"] += solution.bound == 0 and solution.objective > 0
            claims = wrong_claims(exact, solution, budget, drawn.gap)
            counts[engine, "wrong"] += bool(claims)
            wrong += [f"seed {seed} ({drawn.kind}) {engine}, budget {budget}: {c}" for c in claims]
    return counts, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, help="problems")
    parser.add_argument("--seed", type=int, default=1, help="the first; others follow")
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--priced", action="store_true", help="a price instead of a budget")
    parser.add_argument("--show", type=int, default=20, help="wrong claims to print")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin none after that")
    options = parser.parse_args()
    if options.priced:
        options.engines = [engine for engine in options.engines if engine in PRICED]
    started, done = time.perf_counter(), 0
    counts: Counter = Counter()
    wrong: list[str] = []
    first = options.seed * 1_000_000
    for seed in range(first, first + options.count):
        if time.perf_counter() > started + options.seconds:
            break
        more, claims = attack(seed, options.engines, priced=options.priced)
        done += 1
        counts += more
        wrong += claims
    print(*wrong[: options.show], sep="\n")
    print(f"{done} problems from seed {first}")
    words = ("solved", "wrong", "refused", "optimal", "time_limit", "heuristic", "nothing proved")
    for engine in options.engines:
        told = ", ".join(f"{word} {counts[engine, word]}" for word in words)
        share = counts[engine, "decided"] / max(counts[engine, "clusters"], 1)
        print(f"{engine:12} {told}, decided {share:.0%}")
    for (name, verdict), number in sorted(counts.items()):
        if not verdict:
            print(f"{number:6}  {name}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
