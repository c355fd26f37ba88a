"""Rules that an answer must obey: small values to pass as ``solve(..., constraints=[...])``.

The paper's Section 5.3 says that the mixed-integer model takes such rules; these are those of
"holistic" regression. Columns are given by name (or position in the design matrix), clusters by
label, effects by name ("intercept" or a slope's column) or position.

References
----------
Paper, Section 5.3; Bertsimas and Li (2020), Scalable holistic linear regression.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scs.moments.moments import Moments

Names = Sequence[Any] | None


@dataclass(frozen=True)
class Constraint:
    """Base of all rules."""

    def __post_init__(self) -> None:
        """Turn lists of names into tuples, so that a rule stays what it was."""
        for name in ("columns", "clusters"):
            given = getattr(self, name, None)
            if given is None:
                continue
            if isinstance(given, str) or not isinstance(given, Iterable):
                raise TypeError(f"{name} must be a list of names, got {given!r}: pass [{given!r}].")
            object.__setattr__(self, name, tuple(given))


@dataclass(frozen=True)
class FixedBudget(Constraint):
    """At most ``n`` of the coefficients beta are non-zero: best subset selection of covariates.

    Parameters
    ----------
    n : int
        >= 0.
    columns : sequence of names, optional
        Those it counts; None: all but the intercept.
    """

    n: int
    columns: Names = None


@dataclass(frozen=True)
class Bounds(Constraint):
    """Bounds on coefficients or on cluster effects; a sign is a bound at 0.

    Parameters
    ----------
    low, high : float
        Bounds, which may be infinite. Where 0 lies outside, the coefficient is selected.
    columns : sequence of names, optional
        Coefficients it holds for.
    clusters : sequence of labels, optional
        Clusters whose effect it holds for; with ``columns=None`` and ``clusters=None`` all.
    effect : str or int, optional
        Which effect of the clusters; None: every one.
    """

    low: float = -np.inf
    high: float = np.inf
    columns: Names = None
    clusters: Names = None
    effect: str | int | None = None


@dataclass(frozen=True)
class AtMostOne(Constraint):
    """At most one of some columns, or of some clusters, has a non-zero coefficient or effect."""

    columns: Names = None
    clusters: Names = None
    effect: str | int | None = None


@dataclass(frozen=True)
class Together(Constraint):
    """All of some columns, or of some clusters, are selected or none is.

    With clusters and ``effect=None`` each of their effects is in with that effect of the others.
    """

    columns: Names = None
    clusters: Names = None
    effect: str | int | None = None


@dataclass(frozen=True)
class SlopeNeedsIntercept(Constraint):
    """A cluster has a slope of its own only where it has an intercept of its own."""


@dataclass(frozen=True)
class ForceIn(Constraint):
    """Columns or clusters that are selected whatever they gain; they count in the budget."""

    columns: Names = None
    clusters: Names = None
    effect: str | int | None = None


@dataclass(frozen=True)
class ForceOut(Constraint):
    """Columns or clusters that are not selected."""

    columns: Names = None
    clusters: Names = None
    effect: str | int | None = None


@dataclass(frozen=True)
class SumToZero(Constraint):
    """The effects of all clusters (or of some) add up to zero.

    Parameters
    ----------
    effect : str or int, optional
        None: each effect adds up to zero on its own.
    clusters : sequence of labels, optional
    """

    effect: str | int | None = None
    clusters: Names = None


def collinear_pairs(moments: Moments, above: float = 0.8) -> list[AtMostOne]:
    """Return one `AtMostOne` for every two columns of absolute correlation above a level.

    Parameters
    ----------
    moments : Moments
    above : float
        In [0, 1). Correlations are those of the rows, over all clusters.

    Returns
    -------
    list of AtMostOne
        Empty where no pair is that close. The intercept is left out.
    """
    if not 0 <= above < 1:
        raise ValueError(f"above must lie in [0, 1), got {above!r}: try 0.8.")
    n = moments.n
    centred = moments.mean_x - n @ moments.mean_x / n.sum()
    gram = moments.within_xx + centred.T @ (centred * n[:, None])
    sizes = np.sqrt(np.diag(gram))
    sizes[sizes == 0] = np.inf
    correlation = np.triu(np.abs(gram / np.outer(sizes, sizes)), k=1)
    correlation[: int(moments.intercept)] = 0.0
    return [
        AtMostOne(columns=(moments.names[i], moments.names[j]))
        for i, j in np.argwhere(correlation > above)
    ]
