"""Good supports in microseconds: alternate between coefficients and support, then swap.

For fixed coefficients the best support is the ``budget`` clusters whose effects gain most; for a
fixed support the best coefficients are a P x P solve. This is the paper's "discrete extension of
first-order methods", and the concentration step of least trimmed squares. It ends in a support that
no alternation improves, so exchanges of one selected cluster for another go on from there.

Where clusters have a price instead of a budget, which then is None, the best support for fixed
coefficients is every cluster that gains more than its price, and single clusters come and go as
well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from scs.problem.objective import (
    Problem,
    Profile,
    cluster_weights,
    end,
    indicator,
    normal_matrix,
    profile,
)
from scs.solvers.stop import Stop

_MAX_STEPS = 100
_CANDIDATES = 256  # clusters considered on each side of a swap
_MANY = 20_000  # clusters from which on a sample of them provides the start
_SAMPLE = 2_000
_FEW_STEPS = 4
_IMPROVEMENT = 1e-12  # relative; below it a step is rounding


def gains(problem: Problem, residual: np.ndarray) -> np.ndarray:
    """Return what selecting each cluster takes off the objective at fixed coefficients.

    (n_k r_k)^2 / (n_k + ridge), with r_k the cluster's mean residual.
    """
    return (problem.n * residual) ** 2 / (problem.n + problem.ridge)


def saving(problem: Problem, gain: np.ndarray, budget: int | None) -> float:
    """Return what the best support takes off the objective, price paid, at these gains."""
    if budget is None:
        return float(np.maximum(gain - problem.price, 0.0).sum())
    return float(gain[np.argpartition(-gain, budget - 1)[:budget]].sum())


def best_support(problem: Problem, residual: np.ndarray, budget: int | None) -> np.ndarray:
    """Return the ``budget`` clusters of largest gain, sorted; ties go to the first.

    Without a budget: those that gain more than their price.
    """
    gain = gains(problem, residual)
    if budget is None:
        return np.flatnonzero(gain > problem.price)
    if not 0 < budget < len(gain):
        return np.arange(len(gain))[: max(budget, 0)]
    last = np.partition(gain, len(gain) - budget)[len(gain) - budget]
    chosen = gain > last
    ties = np.flatnonzero(gain == last)
    chosen[ties[: budget - np.count_nonzero(chosen)]] = True
    return np.flatnonzero(chosen)


def alternate(
    problem: Problem,
    residual: np.ndarray,
    budget: int | None,
    *,
    max_steps: int = _MAX_STEPS,
    stop: Stop | None = None,
) -> Profile:
    """Alternate from given mean residuals until the support repeats, or it is time to stop.

    Returns
    -------
    Profile
        At the last support. Each step lowers the objective or ends.
    """
    at: Profile | None = None
    for _ in range(max_steps):
        support = best_support(problem, residual, budget)
        if at is not None and np.array_equal(support, np.flatnonzero(at.s)):
            break
        found = profile(problem, indicator(problem.n_clusters, support))
        if at is not None and found.value >= at.value:
            break
        at, residual = found, found.residual
        if stop:
            break
    assert at is not None  # the first step always gives one
    return at


def swap(problem: Problem, at: Profile, *, stop: Stop | None = None) -> Profile:
    """Exchange selected for unselected clusters, best pair first, until none improves.

    Where clusters have a price, one may also leave or come in alone. What an exchange changes is
    computed exactly: taking j out and k in changes two weights, so the new optimum
    follows from a 2 x 2 system in the inverse normal matrix (Woodbury), O(P^2) a pair.
    """
    for _ in range(_MAX_STEPS):
        if stop:
            break
        change = best_exchange(problem, at)
        if change is None:
            return at
        s = at.s.copy()
        s[change] = 1.0 - s[change]
        found = profile(problem, s)
        if found.value >= at.value * (1 - _IMPROVEMENT):
            return at
        at = found
    return at


def best_exchange(problem: Problem, at: Profile) -> list[int] | None:
    """Return the change that lowers the objective most, if one does.

    [out, in]; where clusters have a price also one cluster alone, which leaves or comes in.
    """
    gain = gains(problem, at.residual)
    inside, outside = np.flatnonzero(at.s > 0), np.flatnonzero(at.s == 0)
    if not problem.price and not (inside.size and outside.size):
        return None
    inside, outside = _least(inside, gain[inside]), _least(outside, -gain[outside])
    weights = cluster_weights(problem, at.s)
    factor = cho_factor(normal_matrix(problem, weights), lower=True, check_finite=False)
    x_in, x_out = problem.x[inside], problem.x[outside]
    solved_in = cho_solve(factor, x_in.T, check_finite=False)
    h_in = np.einsum("ij,ji->i", x_in, solved_in)
    h_out = np.einsum("ij,ij->i", x_out, cho_solve(factor, x_out.T, check_finite=False).T)
    h_cross = x_out @ solved_in  # (outside, inside)
    # With weight changes d the minimum moves by r'(D^-1 + H)^-1 r over the two clusters.
    step = problem.n**2 / (problem.n + problem.ridge)
    a = 1.0 / step[inside] + h_in
    b = -1.0 / step[outside] + h_out
    r_in, r_out = at.residual[inside], at.residual[outside]
    determinant = a[None, :] * b[:, None] - h_cross**2
    change = (
        b[:, None] * r_in[None, :] ** 2
        - 2 * h_cross * r_in[None, :] * r_out[:, None]
        + a[None, :] * r_out[:, None] ** 2
    ) / determinant
    choices = []
    if change.size:
        k, j = np.unravel_index(np.argmin(change), change.shape)
        choices.append((change[k, j], [int(inside[j]), int(outside[k])]))
    if problem.price:
        leave, come = r_in**2 / a - problem.price, r_out**2 / b + problem.price
        choices += [(value, [int(one)]) for value, one in zip(leave, inside)]
        choices += [(value, [int(one)]) for value, one in zip(come, outside)]
    least, found = min(choices, key=lambda choice: choice[0])
    return None if least >= -_IMPROVEMENT * at.value else found


def _least(clusters: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Return the few clusters of least key, in its order."""
    if len(key) > _CANDIDATES:
        few = np.sort(np.argpartition(key, _CANDIDATES)[:_CANDIDATES])
        clusters, key = clusters[few], key[few]
    return clusters[np.argsort(key, kind="stable")]


def starts(problem: Problem, budget: int | None, seed: int) -> Iterator[np.ndarray]:
    """Yield mean residuals to alternate from.

    Within-cluster and ordinary least squares; quantiles of the within residuals as intercepts
    (clusters far from each of them are selected); random weights, seeded.
    """
    n_clusters = problem.n_clusters
    within = end(problem, True).residual
    yield within
    yield end(problem, False).residual
    for level in np.quantile(within, (0.1, 0.3, 0.5, 0.7, 0.9)):
        yield within - level
    rng = np.random.default_rng(seed)
    size = len(best_support(problem, within, None)) if budget is None else budget
    for _ in range(4):
        chosen = rng.choice(n_clusters, size=size, replace=False)
        yield profile(problem, indicator(n_clusters, chosen)).residual


def alternating(
    problem: Problem,
    budget: int | None,
    *,
    seed: int = 0,
    quick: bool = False,
    stop: Stop | None = None,
) -> Profile:
    """Find a good support of at most ``budget`` clusters; no optimality is claimed.

    Parameters
    ----------
    problem : Problem
    budget : int or None
        0 to K. None: clusters have a price instead.
    seed : int
        Of the random starts.
    quick : bool
        One start (within-cluster least squares) and no swaps: enough where a relaxation follows
        that rounds to the best support.
    stop : Stop, optional
        When to be content with the best support so far. One least-squares fit is always made.

    Returns
    -------
    Profile
        The best support found from all starts, after swaps.

    References
    ----------
    Rousseeuw and Van Driessen (2006), Computing LTS regression for large data sets.
    """
    n_clusters = problem.n_clusters
    if budget in (0, n_clusters):
        return end(problem, budget > 0)
    if n_clusters > _MANY:
        return _from_sample(problem, budget, seed, stop)
    ends: dict[bytes, Profile] = {}
    begun: set[bytes] = set()
    for residual in starts(problem, budget, seed):
        first = best_support(problem, residual, budget).tobytes()
        if first not in begun:
            begun.add(first)
            at = alternate(problem, residual, budget, stop=stop)
            ends.setdefault(at.s.tobytes(), at)
        if quick or stop:
            break
    best = sorted(ends.values(), key=lambda at: at.value)[:3]
    if quick:
        return best[0]
    return min((swap(problem, at, stop=stop) for at in best), key=lambda at: at.value)


def first_support(
    problem: Problem,
    budget: int | None,
    *,
    seed: int = 0,
    quick: bool = False,
    stop: Stop | None = None,
) -> tuple[Profile, bool]:
    """Run `alternating`; after Ctrl-C return the best support so far.

    Returns
    -------
    Profile
        At the support.
    bool
        Whether Ctrl-C came, so that the caller should not begin to search.
    """
    if stop is None:
        with Stop() as stop:
            found, broken = first_support(problem, budget, seed=seed, quick=quick, stop=stop)
        return found, broken or stop.interrupted  # it may come at the very end
    try:
        found = alternating(problem, budget, seed=seed, quick=quick, stop=stop)
        return found, stop.interrupted
    except KeyboardInterrupt:  # a handler that is not Python's, or the second Ctrl-C
        residual = end(problem, False).residual
        support = best_support(problem, residual, budget)
        return profile(problem, indicator(problem.n_clusters, support)), True


def _from_sample(problem: Problem, budget: int | None, seed: int, stop: Stop | None) -> Profile:
    """Solve a random sample of many clusters, and go on from its coefficients with all of them."""
    n_clusters = problem.n_clusters
    drawn = np.sort(np.random.default_rng(seed).choice(n_clusters, size=_SAMPLE, replace=False))
    share = _SAMPLE / n_clusters
    sample = replace(
        problem,
        n=problem.n[drawn],
        x=problem.x[drawn],
        y=problem.y[drawn],
        within_xx=share * problem.within_xx,
        within_xy=share * problem.within_xy,
        within_yy=share * problem.within_yy,
        penalty=share * problem.penalty,
        reach=None,
    )
    few = None if budget is None else min(max(round(share * budget), 1), _SAMPLE - 1)
    beta = alternating(sample, few, seed=seed, stop=stop).beta
    residual = problem.y - problem.x @ beta
    return alternate(problem, residual, budget, max_steps=_FEW_STEPS, stop=stop)
