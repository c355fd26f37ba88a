"""Folds within clusters that follow what the rows hold, not where they stand.

`in_order` puts rows in an order that their content fixes: all that follows, down to the last digit
of a sum, is then the same whatever order the rows came in. `fold_numbers` deals rows of that order
into folds. Neither asks for a label, nor for the unit, the origin or the place of a column.

Rows of a cluster are dealt at random. Dealing them in the order of their outcomes would make each
fold a copy of the others: the noise in a cluster's mean would be the same in training and in
held-out rows, and an effect of pure noise would look like one that repeats.
"""

from __future__ import annotations

import numpy as np

from scs.design import Design

_GRID = 2**16  # steps from a column's least to its largest value, where columns are compared
_FINE = 2**30  # and where clusters are
_TIE = 1e-9  # of a column's range: what a change of unit may move values apart


def in_order(design: Design) -> Design:
    """Return the same rows in an order that depends on nothing but what they hold.

    Clusters of least outcomes come first; within a cluster rows ascend by the outcome, and those of
    equal outcomes by their covariates. Takes O(N log N + N P).
    """
    order = _order(design)
    return Design(
        design.X[order], design.y[order], design.codes[order], design.labels, design.names
    )


def _order(design: Design) -> np.ndarray:
    """Return the row numbers in the order of their content."""
    outcome = _unit(design.y)
    ranks = _ranks(outcome)
    projected = _projected(design, outcome)
    rank = _cluster_ranks(design.codes, len(design.labels), outcome, projected)
    return np.lexsort([projected, ranks, rank[design.codes]])


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


def _projected(design: Design, outcome: np.ndarray) -> np.ndarray:
    """Return one number for the covariates of every row, different where these are.

    A weighted sum of the columns, by weights without a simple relation. Which column gets which
    follows from the columns' own values; their names decide only between columns alike in all sums.
    """
    n_columns = design.X.shape[1]
    projected = np.zeros(len(outcome))
    if n_columns == 0:
        return projected
    steps = np.rint(outcome * _GRID).astype(np.int64)
    keys = []
    for j in range(n_columns):
        # Whole numbers: their sums do not depend on the order of the rows.
        column = np.rint(_unit(design.X[:, j]) * _GRID).astype(np.int64)
        sums = (column.sum(), (column * steps).sum(), (column * column).sum())
        keys.append((*map(int, sums), design.names[j], j))
    weights = np.random.default_rng(0).uniform(1.0, 2.0, n_columns)
    for weight, (*_, j) in zip(weights, sorted(keys), strict=True):
        projected += weight * _unit(design.X[:, j])
    return projected


def _cluster_ranks(
    codes: np.ndarray, n_clusters: int, outcome: np.ndarray, projected: np.ndarray
) -> np.ndarray:
    """Return the place of every cluster, by sums over its rows that no label enters."""
    keys = []
    for values in (outcome, outcome**2, projected, outcome * projected):
        steps = np.rint(_unit(values) * _FINE).astype(np.int64)
        sums = np.zeros(n_clusters, dtype=np.int64)
        np.add.at(sums, codes, steps)
        keys.append(sums)
    rank = np.empty(n_clusters, dtype=np.intp)
    rank[np.lexsort([*keys[::-1]])] = np.arange(n_clusters)
    return rank


def fold_numbers(design: Design, n_folds: int, *, seed: int = 0, repeat: int = 0) -> np.ndarray:
    """Return the fold of every row, 0 to ``n_folds`` - 1, each cluster spread evenly over them.

    Parameters
    ----------
    design : Design
        In the order of `in_order`.
    n_folds : int
    seed, repeat : int
        Other numbers deal the rows anew.
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
