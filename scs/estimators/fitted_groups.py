"""What a fit without labels returns: levels, shares, and how sure each row's group is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from scs.data.new_rows import new_offset, new_outcome, new_rows
from scs.data.rows import ModelRows
from scs.estimators.standard import Standard
from scs.estimators.tables import WIDTH, number, pairs_text, table_text, wrapped
from scs.inference.mixture import CLEAR, Mixture, posterior_of, shares_of


@dataclass(frozen=True, eq=False)  # == of arrays is no truth value
class FittedGroups:
    """Groups of rows that have no label, each with a level of its own.

    An outcome is x' beta + gamma_g + e, with the row's group g unknown and e normal of variance
    sigma^2. The errors' distribution is all that parts the groups: where it is not normal, groups
    are found that are none. Levels closer than three standard deviations are not told apart.

    Attributes
    ----------
    formula : str
    groups : str or None
        The column of labels that some rows have.
    labels : ndarray, shape (G,)
        1 to G from the lowest level, or the labels.
    chosen_by : str
        What the number of groups follows from.
    mixture : Mixture
        In the columns that were solved in.
    tried : tuple of Mixture
        By number of groups.
    noise : bool
        Groups of pure noise beside the same covariates, drawn 19 times, fit as well at least once:
        a test of no groups at 5 %. A number of groups that BIC chose is then given up for one.
    level : float
        Of the intervals.
    known : ndarray of int
        Of each fitted row the place of its label, -1 of those without.

    Examples
    --------
    >>> import numpy as np, pandas as pd, scs
    >>> rng = np.random.default_rng(0)
    >>> x, late = rng.normal(size=200), rng.random(200) < 0.3
    >>> table = pd.DataFrame({"x": x, "y": 2 * x + 8 * late + rng.normal(size=200)})
    >>> model = scs.fit("y ~ x", table, None)
    >>> model.n_groups, model.clear
    (2, True)
    """

    formula: str
    groups: str | None
    labels: np.ndarray
    chosen_by: str
    mixture: Mixture = field(repr=False)
    tried: tuple[Mixture, ...] = field(repr=False)
    standard: Standard = field(repr=False)
    rows: ModelRows = field(repr=False)
    known: np.ndarray = field(repr=False)
    noise: bool = False
    level: float = 0.95

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return self.mixture.n_groups

    @property
    def sigma(self) -> float:
        """Standard deviation of the errors, by maximum likelihood."""
        return float(np.sqrt(self.mixture.variance))

    @property
    def separation(self) -> float:
        """Distance of the two nearest levels in standard deviations of the errors."""
        return self.mixture.separation

    @property
    def clear(self) -> bool:
        """Whether levels lie three standard deviations apart, and noise shows no such groups."""
        return self.mixture.clear and (self.n_groups == 1 or not self.noise)

    @property
    def coef(self) -> pd.Series:
        """Coefficients of the covariates, NaN for columns left out; levels are the intercepts."""
        return pd.Series(self._beta[1:], index=self._names, name="coef")

    @property
    def std_errors(self) -> pd.Series:
        """Standard errors of the coefficients, from the observed information."""
        n = len(self.mixture.beta)
        covariance = np.zeros((n + 1, n + 1))
        covariance[1:, 1:] = self.mixture.covariance[:n, :n]
        found = self.standard.covariance(covariance, np.empty((n + 1, 0)))
        errors = np.sqrt(np.maximum(np.diag(found)[1:], 0.0))
        return pd.Series(errors, index=self._names, name="std_error")

    @property
    def levels(self) -> pd.DataFrame:
        """Every group by label: ``level`` at the covariates' means, ``s.e.``, interval, ``share``.

        ``low`` and ``high`` take the normal distribution of a maximum likelihood estimate, given
        the number of groups. ``rows`` adds up the posterior: how many rows the group is expected
        to have.
        """
        m = self.mixture
        error = np.sqrt(np.maximum(np.diag(m.covariance)[len(m.beta) :], 0.0))
        half = stats.norm.isf((1.0 - self.level) / 2.0) * error
        return pd.DataFrame(
            {
                "level": m.levels,
                "s.e.": error,
                "low": m.levels - half,
                "high": m.levels + half,
                "share": m.shares,
                "rows": m.posterior.sum(axis=0),
            },
            index=pd.Index(self.labels, name=self.groups or "group"),
        )

    @property
    def bic(self) -> pd.DataFrame:
        """Every number of groups tried: log-likelihood, parameters, BIC, and the nearest levels.

        The smallest BIC is best. ``shares`` says whether the groups' shares follow the covariates.
        """
        return pd.DataFrame(
            {
                "log-likelihood": [each.loglik for each in self.tried],
                "parameters": [each.n_parameters for each in self.tried],
                "BIC": [each.bic for each in self.tried],
                "nearest": [each.separation for each in self.tried],
                "shares": ["follow x" if each.shares_follow else "one" for each in self.tried],
            },
            index=pd.Index([each.n_groups for each in self.tried], name="groups"),
        )

    def posterior(self, new_data: Any = None) -> pd.DataFrame:
        """Return how likely each row is of each group, given its outcome and covariates.

        Parameters
        ----------
        new_data : data frame or dict of columns, optional
            With the outcome; None: the fitted rows, where a row with a label is certain.

        Raises
        ------
        ValueError
            The outcome or a covariate is not there, or misses values.
        """
        if new_data is None:
            X, y = self.rows.design.X, self.rows.design.y
        else:
            X, outcome = new_rows(self.rows, new_data, "new_data"), None
            outcome = new_outcome(self.rows, new_data, "new_data")
            if outcome is None:
                raise ValueError(
                    f"new_data has no column of the outcome, {self.rows.outcome}: it tells groups "
                    "apart. For rows without, use predict() or shares()."
                )
            y = outcome - self._offset(new_data)
        found = posterior_of(self.mixture, self._solved(X), y)
        if new_data is None and (self.known >= 0).any():
            rows = np.flatnonzero(self.known >= 0)
            found[rows] = np.eye(self.n_groups)[self.known[rows]]
        return pd.DataFrame(found, columns=pd.Index(self.labels), index=_index(new_data, len(y)))

    def shares(self, new_data: Any) -> pd.DataFrame:
        """Return how likely rows without an outcome are of each group."""
        X = new_rows(self.rows, new_data, "new_data")
        found = shares_of(self.mixture, self._solved(X))
        return pd.DataFrame(found, columns=pd.Index(self.labels), index=_index(new_data, len(X)))

    def assigned(self, new_data: Any = None) -> pd.Series:
        """Return the likeliest group of each row, where levels are far enough apart to say so.

        Raises
        ------
        ValueError
            Levels lie closer than three standard deviations of the errors: no method finds the
            rows' groups then; `posterior` says how unsure they are.
        """
        if self.noise:
            raise ValueError(
                "assigned: noise alone shows such groups beside these covariates: use posterior()."
            )
        if not self.clear:
            raise ValueError(
                f"assigned: the nearest levels lie {self.separation:.1f} standard deviations of "
                f"the errors apart, and rows are told apart from {CLEAR:.0f} on: use posterior()."
            )
        found = self.posterior(new_data)
        codes = found.to_numpy().argmax(axis=1)
        return pd.Series(self.labels[codes], index=found.index, name=self.groups or "group")

    def predict(self, new_data: Any) -> np.ndarray:
        """Return expected outcomes of rows whose group is not known: the groups' mean level."""
        X = self._solved(new_rows(self.rows, new_data, "new_data"))
        found = X @ self.mixture.beta + shares_of(self.mixture, X) @ self.mixture.levels
        return found + self._offset(new_data)

    def summary(self) -> str:
        """Return the fit in words and tables, about 80 columns wide."""
        line = "-" * WIDTH
        beside = pd.DataFrame({"coef": self.coef, "s.e.": self.std_errors})
        parts = ["Rows without labels", "=" * WIDTH, wrapped(self._finding()), line]
        parts += [pairs_text(self._notes()), line]
        parts += ["Levels, at the means of the covariates", table_text(self.levels), line]
        if len(beside):
            parts += ["Coefficients", table_text(beside), line]
        if len(self.tried) > 1:
            parts += ["Numbers of groups tried", table_text(self.bic), line]
        return "\n".join([*parts, *(wrapped(text) for text in self._remarks())])

    def __str__(self) -> str:
        return self.summary()

    def _finding(self) -> str:
        n = f"{len(self.rows.design.y):,} rows"
        if self.n_groups == 1 and self.noise:
            return (
                f"No groups are found among {n}. BIC prefers several levels, but noise alone shows "
                "such groups beside these covariates."
            )
        if self.n_groups == 1:
            return f"One level fits {n} best (by {self.chosen_by}): no groups are found."
        much = f"{self.separation:.1f} standard deviations of the errors"
        found = f"{self.n_groups} groups among {n} (by {self.chosen_by})."
        if self.noise:
            return (
                f"{found} Noise alone shows such groups beside these covariates, so that no row is "
                "named as a member of a group."
            )
        if self.clear:
            return f"{found} The nearest two levels lie {much} apart, so that most rows are told."
        return (
            f"{found} The nearest two levels lie only {much} apart: rows cannot be told apart, and "
            "none is named as a member of a group."
        )

    def _notes(self) -> list[tuple[str, str]]:
        rows, m = self.rows, self.mixture
        n = f"{len(rows.design.y):,}"
        if rows.n_dropped:
            n += f" ({rows.n_read:,} read, {rows.n_dropped:,} dropped for missing values)"
        with_label = int((self.known >= 0).sum())
        notes = [("formula", self.formula), ("rows", n)]
        if self.groups is not None:
            notes.append(("labels", f"{with_label:,} rows have one in {self.groups}"))
        notes += [
            ("errors", f"standard deviation {number(self.sigma)}"),
            ("log-likelihood", f"{number(m.loglik, 8)}, BIC {number(m.bic, 8)}"),
            ("shares", "follow the covariates" if m.shares_follow else "the same for all rows"),
        ]
        if rows.offset is not None:
            notes.append(("offset", "taken off the outcome, and added by predict()"))
        if not m.converged:
            notes.append(("EM", f"has not settled in {m.steps:,} steps"))
        return notes + [("read", text) for text in rows.notes]

    def _remarks(self) -> list[str]:
        values = len(np.unique(self.rows.design.y))
        few = (
            f"The outcome takes {values:,} values only: groups may be no more than these values.",
        )
        return [
            *(few if values < len(self.rows.design.y) / 4 else ()),
            "Groups follow from the normal distribution of the errors. Errors with heavier tails, "
            "or skewed ones, look like groups that are none.",
            "The likelihood has many maxima. This is the highest that was found; nothing is proved "
            "of others.",
        ]

    def _offset(self, new_data: Any) -> np.ndarray | float:
        """Return what the fit took off the outcome."""
        found = new_offset(self.rows, new_data, "new_data")
        return 0.0 if found is None else found

    def _solved(self, X: np.ndarray) -> np.ndarray:
        return self.standard.rows(X)[:, 1:]

    @property
    def _names(self) -> pd.Index:
        return pd.Index(self.rows.design.names)

    @property
    def _beta(self) -> np.ndarray:
        m, s = self.mixture, self.standard
        slopes = m.beta if s.transform is None else s.transform @ m.beta
        return s.rank.expand(np.concatenate([[0.0], slopes]))


def _index(data: Any, n: int) -> pd.Index:
    return data.index if isinstance(data, pd.DataFrame) else pd.RangeIndex(n)
