"""Weights of rows: what is none, and a table with its rows repeated.

Two kinds, told apart by name. A *frequency weight* f says that a row stands for f equal rows: a
whole number, and every number is that of the table with its rows repeated. A *precision weight* w
says that the errors' variance is sigma^2 / w in that row, as the weights of R's lm and lme4 and of
statsmodels' WLS do: sums are weighted, and one row stays one row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scs.data.numbering import row_name

#: Rows of a table written out in full, at most: some procedures deal or draw single rows.
MOST_REPEATED = 50_000_000
_WHOLE = 2.0**53  # beyond it floating point does not tell whole numbers apart


def refuse_weights(weights: np.ndarray, name: str, numbers: Any = None) -> None:
    """Refuse what are no weights.

    Parameters
    ----------
    weights : ndarray, shape (N,)
        Finite.
    name : {"frequency_weights", "precision_weights"}
    numbers : sequence, optional
        Of the rows, for messages; None: 0, 1, ...

    Raises
    ------
    ValueError
        Negative weights, or frequencies that are no whole numbers.
    """

    def place(row: int) -> str:
        return row_name(row if numbers is None else numbers[row])

    for row in np.flatnonzero(weights < 0)[:1]:
        raise ValueError(
            f"{name} is negative in {place(row)} ({weights[row]:g}): pass weights of 0 or more, "
            "where 0 leaves a row out."
        )
    if name == "frequency_weights":
        for row in np.flatnonzero(weights != np.floor(weights))[:1]:
            raise ValueError(
                f"frequency_weights is {weights[row]:g} in {place(row)}, which is no whole number: "
                "a frequency says how many equal rows there are. Weights that say how precise a "
                "row is are precision_weights."
            )
        if weights.sum() >= _WHOLE:
            raise ValueError(
                f"frequency_weights add up to {weights.sum():.3g} rows, which floating point does "
                f"not count: pass fewer than {_WHOLE:.0f}."
            )


def repeats(frequency: np.ndarray) -> np.ndarray:
    """Return row numbers, each as often as its frequency says.

    Raises
    ------
    ValueError
        More than `MOST_REPEATED` rows.
    """
    total = frequency.sum()
    if total > MOST_REPEATED:
        raise ValueError(
            f"frequency_weights add up to {total:,.0f} rows, and folds and resamples deal single "
            f"rows, of which {MOST_REPEATED:,} fit: name a budget (--budget N), and go without "
            "bootstrap."
        )
    return np.repeat(np.arange(len(frequency)), frequency.astype(np.intp))


#: Kinds of weights by the name that arguments give them.
KINDS = ("precision", "frequency")


def of_kind(weights: Any, weight_kind: str, **named: Any) -> dict[str, Any]:
    """Return weights by their full names, where ``weights`` are of the kind said.

    Parameters
    ----------
    weights : object or None
    weight_kind : {"precision", "frequency"}
    **named : object or None
        ``frequency_weights`` and ``precision_weights``.

    Raises
    ------
    ValueError
        Another kind; weights given by both names.
    """
    if weight_kind not in KINDS:
        raise ValueError(f"weight_kind must be one of {KINDS}, got {weight_kind!r}.")
    if weights is None:
        return named
    name = f"{weight_kind}_weights"
    if named[name] is not None:
        raise ValueError(f"weights of weight_kind={weight_kind!r} are {name}: pass one of them.")
    return named | {name: weights}
