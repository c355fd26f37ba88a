"""Points on a line cut into groups of least squares: to the optimum, by dynamic programming."""

from __future__ import annotations

import numpy as np


def cut_points(values: np.ndarray, n_groups: int) -> np.ndarray:
    """Return where sorted values are cut into groups of least sum of squares.

    Minimises, over cuts 0 = c_0 < c_1 < ... < c_G = N of the sorted values::

        sum_g sum_{c_g <= i < c_(g+1)} (v_i - mean of group g)^2

    The best cut before a value never moves back as the value moves on, so halves of the values
    look for their cuts in halves of the places: O(G N log N).

    Parameters
    ----------
    values : ndarray, shape (N,)
        Sorted, finite.
    n_groups : int
        From 1 to N.

    Returns
    -------
    ndarray of int, shape (G - 1,)
        First place of each group but the first one.

    Raises
    ------
    ValueError
        Fewer values than groups.

    Examples
    --------
    >>> cut_points(np.array([0.0, 0.1, 5.0, 5.2, 9.0]), 3)
    array([2, 4])
    """
    n = len(values)
    if not 1 <= n_groups <= n:
        raise ValueError(f"n_groups must be from 1 to the {n} rows, got {n_groups}.")
    about = values - values.mean()
    sums = np.concatenate([[0.0], np.cumsum(about)])
    squares = np.concatenate([[0.0], np.cumsum(about**2)])

    def cost(starts: np.ndarray, end: int | np.ndarray) -> np.ndarray:
        """Sum of squares of the values from each start up to ``end``, which is left out."""
        total = sums[end] - sums[starts]
        return squares[end] - squares[starts] - total**2 / (end - starts)

    best = np.concatenate([[0.0], cost(np.zeros(n, dtype=int), np.arange(1, n + 1))])
    cuts = np.zeros((n_groups, n + 1), dtype=int)
    for g in range(1, n_groups):
        now = np.full(n + 1, np.inf)
        # Ends that a part decides, and the places where their last cut may lie.
        parts = [(g + 1, n, g, n - 1)]
        while parts:
            first, last, low, high = parts.pop()
            if first > last:
                continue
            end = (first + last) // 2
            starts = np.arange(low, min(high, end - 1) + 1)
            values_there = best[starts] + cost(starts, end)
            k = int(np.argmin(values_there))
            now[end], cuts[g, end] = values_there[k], starts[k]
            parts.append((first, end - 1, low, int(starts[k])))
            parts.append((end + 1, last, int(starts[k]), high))
        best = now
    found, end = [], n
    for g in range(n_groups - 1, 0, -1):
        end = int(cuts[g, end])
        found.append(end)
    return np.array(found[::-1], dtype=int)


def groups_on_line(values: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the group of each value, 0 to G - 1 from the lowest, by `cut_points`."""
    order = np.argsort(values, kind="stable")
    codes = np.empty(len(values), dtype=np.intp)
    codes[order] = np.searchsorted(
        cut_points(values[order], n_groups), np.arange(len(values)), "right"
    )
    return codes
