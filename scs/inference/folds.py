"""The budget by held-out rows, in folds that follow what the rows hold, not where they stand.

`in_order` puts rows in an order that their content fixes: all that follows, down to the last digit
of a sum, is then the same whatever order the rows came in. `fold_numbers` deals rows of that order
into folds. Neither asks for a label, nor for the unit, the origin or the place of a column.

Rows of a cluster are dealt at random. Dealing them in the order of their outcomes would make each
fold a copy of the others: the noise in a cluster's mean would be the same in training and in
held-out rows, and an effect of pure noise would look like one that repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scs.data.design import Design
from scs.moments.moments import Moments
from scs.solvers import Tuning
from scs.solvers.path import Scores

STABLE, MOST = 5, 20  # times that the same budget must come, and times in all
_OPTIONS = ("ridge", "ridge_fixed", "gap", "background")
_WORK, _STEPS = 2e9, 20  # numbers to go through in all; steps of the heuristic for each budget
_GRID = 2**16  # steps from a column's least to its largest value, where columns are compared
_FINE = 2**30  # and where clusters are
_TIE = 1e-9  # of a column's range: what a change of unit may move values apart


def in_order(design: Design) -> Design:
    """Return the same rows in an order that depends on nothing but what they hold.

    Clusters of least outcomes come first; within a cluster rows ascend by the outcome, and those of
    equal outcomes by their covariates. Takes O(N log N + N P).
    """
    return design.at(content_order(design, design.X, design.names))


def content_order(design: Design, table: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Return the row numbers in the order of outcome, cluster and the columns of a table.

    Rows of a frequency lie where repeated rows would, those of other precisions as their outcomes.
    """
    outcome = _unit(design.y)
    times = np.ones(1, dtype=np.int64)
    if design.frequency is not None:
        times = design.frequency.astype(np.int64)
    projected = _projected(table, names, outcome, times)
    rank = _cluster_ranks(design.codes, len(design.labels), outcome, projected, times)
    keys = [projected, _ranks(outcome), rank[design.codes]]
    if design.precision is not None:
        keys.insert(0, design.precision)
    return np.lexsort(keys)


def _unit(values: np.ndarray) -> np.ndarray:
    """Return values from 0 to 1: the same in any unit and from any origin."""
    low, high = values.min(), values.max()
    if not high > low:
        return np.zeros(len(values))
    # Halves first: the range of finite numbers may not be finite.
    return (values / 2 - low / 2) / (high / 2 - low / 2)


def _ranks(unit: np.ndarray) -> np.ndarray:
    """Return dense ranks, in which values that rounding may have parted are equal."""
    order = np.argsort(unit, kind="stable")
    ranks = np.empty(len(unit), dtype=np.intp)
    ranks[order] = np.concatenate([[0], np.cumsum(np.diff(unit[order]) > _TIE)])
    return ranks


def _projected(
    table: np.ndarray, names: tuple[str, ...], outcome: np.ndarray, times: np.ndarray
) -> np.ndarray:
    """Return one number for the covariates of every row, different where these are.

    A weighted sum of the columns, by weights without a simple relation. Which column gets which
    follows from the columns' own values; their names decide only between columns alike in all sums.
    """
    steps = np.rint(outcome * _GRID).astype(np.int64)
    keys: list[tuple[Any, ...]] = []
    for j, name in enumerate(names):
        # Whole numbers: their sums do not depend on the order of the rows.
        column = np.rint(_unit(table[:, j]) * _GRID).astype(np.int64)
        counted = column * times
        sums = (counted.sum(), (counted * steps).sum(), (counted * column).sum())
        keys.append((*map(int, sums), name, j))
    weights = np.random.default_rng(0).uniform(1.0, 2.0, len(names))
    projected = np.zeros(len(outcome))
    for weight, (*_, j) in zip(weights, sorted(keys), strict=True):
        projected += weight * _unit(table[:, j])
    return projected


def _cluster_ranks(
    codes: np.ndarray,
    n_clusters: int,
    outcome: np.ndarray,
    projected: np.ndarray,
    times: np.ndarray,
) -> np.ndarray:
    """Return the place of every cluster, by sums over its rows that no label enters."""
    keys = []
    for values in (outcome, outcome**2, projected, outcome * projected):
        steps = np.rint(_unit(values) * _FINE).astype(np.int64)
        sums = np.zeros(n_clusters, dtype=np.int64)
        np.add.at(sums, codes, steps * times)
        keys.append(sums)
    rank = np.empty(n_clusters, dtype=np.intp)
    rank[np.lexsort([*keys[::-1]])] = np.arange(n_clusters)
    return rank


def choose_budget(
    design: Design,
    budgets: Sequence[int],
    n_folds: int = 5,
    *,
    intercept: bool = True,
    seed: int = 0,
    **options: Any,
) -> Tuning:
    """Choose the budget of least error on rows held out of their clusters.

    The rows are dealt into folds again and again, until the budget of least mean error has been the
    same for `STABLE` times in a row, or `MOST` times. Each fit is the heuristic's: a proof says
    nothing of held-out rows, and a search that the clock stops would let the answer depend on what
    else the machine does.

    Parameters
    ----------
    design : Design
        In any order. A row of frequency f is dealt as f rows.
    budgets : sequence of int
    n_folds : int
        Each row is held out once a time.
    intercept : bool
        Add an unpenalised column of ones.
    seed : int
        Another one deals otherwise.
    **options
        ``ridge``, ``ridge_fixed``, ``background`` and ``gap`` of `scs.solve`; others do not matter
        here.

    Raises
    ------
    ValueError
        No cluster has two rows, so that none can be held out with its cluster known.
    """
    design = in_order(design.repeated())
    largest = int(design.sizes.max())
    if min(n_folds, largest) < 2:
        raise ValueError(
            f"cv={n_folds}: the largest cluster has n_samples={largest}, so no row can be held "
            "out with its cluster known: pass validation=, or a splitter of your own."
        )
    n_folds = min(int(n_folds), largest)
    options = {name: options[name] for name in _OPTIONS if name in options}
    scores = Scores(tuple(sorted(set(budgets))))
    chosen: list[int] = []
    for repeat in range(_most_repeats(design, scores.budgets)):
        numbers = fold_numbers(design, n_folds, seed=seed, repeat=repeat)
        for fold in range(n_folds):
            pair = (design.of_rows(numbers != fold), design.of_rows(numbers == fold))
            training, held_out = (Moments.from_design(d, intercept=intercept) for d in pair)
            scores.add(training, held_out, method="alternating", seed=seed, **options)
        tuning = scores.tuning(len(design.y), repeat + 1)
        chosen.append(tuning.best)
        if len(chosen) >= STABLE and len(set(chosen[-STABLE:])) == 1:
            break
    return tuning


def _most_repeats(design: Design, budgets: Sequence[int]) -> int:
    """Say how often to deal at most: less where once is long, by size and not by the clock."""
    n_rows, n_columns = design.X.shape
    steps = (n_rows + _STEPS * len(budgets) * len(design.labels)) * (n_columns + 2)
    return int(np.clip(_WORK // steps, 1, MOST))


def fold_numbers(design: Design, n_folds: int, *, seed: int = 0, repeat: int = 0) -> np.ndarray:
    """Return the fold of every row, 0 to ``n_folds`` - 1, each cluster spread evenly over them.

    Parameters
    ----------
    design : Design
        In the order of `in_order`.
    n_folds : int
    seed, repeat : int
        Other numbers deal the rows again.
    """
    rng = np.random.default_rng(np.random.SeedSequence([int(seed), int(repeat)]))
    chance = rng.random(len(design.y))
    # Clusters stand together: the random number of a cluster's first row places the cluster.
    starts = np.flatnonzero(np.diff(design.codes, prepend=-1))
    sizes = np.diff(np.append(starts, len(chance)))
    place = np.repeat(rng.permutation(len(starts)), sizes)
    folds = np.empty(len(chance), dtype=np.intp)
    folds[np.lexsort([chance, place])] = np.arange(len(chance)) % n_folds
    return folds
