"""Columns that a fit names beside its formula: weights of rows, and an offset."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from formulaic import Formula

from scs.data.containers import column_name, refuse_other_rows
from scs.data.design import as_numbers, as_weights
from scs.data.frames import as_frame, check_column, outcome_numbers, quoted
from scs.data.terms import columns_of, measured, parse, parse_random, split_offset
from scs.data.weights import repeats
from scs.data.wilkinson import read_formula

_INTERCEPT = "Intercept"  # as formulaic calls the constant
FREQUENCY, PRECISION = WEIGHTS = ("frequency_weights", "precision_weights")


@dataclass(frozen=True)
class Roles:
    """Columns of weights and of an offset, by what they are; "" where there is none.

    Attributes
    ----------
    frequency_weights, precision_weights : str
    offset : str
        Beside the formula's own terms ``offset(...)``.
    """

    frequency_weights: str = ""
    precision_weights: str = ""
    offset: str = ""

    @property
    def named(self) -> dict[str, str]:
        """Column by role, of those that there are."""
        return {role: name for role, name in vars(self).items() if name}

    @property
    def weights(self) -> dict[str, str]:
        """Column by kind of weight, of those that there are."""
        return {role: name for role, name in self.named.items() if role in WEIGHTS}

    def check(self, names: list[str], groups: str, outcome: list[str]) -> None:
        """Refuse a column that is not there, or that is the cluster or the outcome.

        Raises
        ------
        ValueError
        """
        for role, name in self.named.items():
            check_column(name, names, role)
            if name == groups or name in outcome:
                what = "cluster" if name == groups else "outcome"
                raise ValueError(
                    f"{role}={name!r} is the {what} column: name the column of "
                    f"{'the offset' if role == 'offset' else 'weights'}."
                )

    def plus_offset(self, terms: Formula) -> Formula:
        """Return a formula's offsets with the one named beside it."""
        if not self.offset:
            return terms
        _, named = split_offset(read_formula(f"~ offset({quoted(self.offset)})")[1])
        return Formula([*terms, *named], _ordering="none")


NO_ROLES = Roles()


@dataclass(frozen=True)
class Parts:
    """The parts of a formula, and the columns behind them.

    Attributes
    ----------
    left, right, effects, offset : Formula
        Outcome, covariates, random effects, offsets.
    outcome, used, slopes, offsets : tuple of str
        Columns behind them.
    roles : Roles
    """

    left: Formula
    right: Formula
    effects: Formula
    offset: Formula
    outcome: tuple[str, ...]
    used: tuple[str, ...]
    slopes: tuple[str, ...]
    offsets: tuple[str, ...]
    roles: Roles

    @property
    def sides(self) -> tuple[Formula, ...]:
        """All that is evaluated."""
        return self.left, self.right, self.effects, self.offset

    @property
    def columns(self) -> list[str]:
        """All columns but the clusters', the outcome's first."""
        beside = self.roles.weights.values()
        found = [*self.outcome, *self.used, *self.slopes, *self.offsets, *beside]
        return list(dict.fromkeys(found))

    @property
    def numbers(self) -> list[str]:
        """Columns that hold numbers, or may as text."""
        sides = (self.right, self.effects, self.offset)
        read = [name for side in sides for name in measured(side)]
        return list(dict.fromkeys([*self.outcome, *read, *self.roles.weights.values()]))


def parts_of(
    formula: str,
    names: Iterable[str],
    groups: str,
    random: str | None = None,
    roles: Roles = NO_ROLES,
    unnamed: Collection[str] = (),
) -> Parts:
    """Take a formula apart, or say which of its columns is not there.

    Parameters
    ----------
    formula : str
    names : iterable of str
        Of the table's columns.
    groups, random, roles
        As `scs.data.rows.model_rows`.
    unnamed : collection of str
        Columns that are no part of ``.``, as clusters, weights and offsets are not.

    Raises
    ------
    ValueError, TypeError
        As `scs.data.rows.model_rows`.
    """
    names = list(names)
    apart = {groups, *unnamed, *roles.named.values()}
    left, right = parse(formula, [name for name in names if name not in apart])
    outcome = columns_of(left, names, "formula")
    roles.check(names, groups, outcome)
    right, offset = split_offset(right)
    offset = roles.plus_offset(offset)
    used = columns_of(right, names, "formula")
    offsets = columns_of(offset, names, "formula")
    effects = parse_random(random)
    slopes = columns_of(effects, names, "random")
    _check_roles(groups, outcome, [*used, *offsets], slopes, random)
    return Parts(
        left,
        right,
        effects,
        offset,
        tuple(outcome),
        tuple(used),
        tuple(slopes),
        tuple(offsets),
        roles,
    )


def _check_roles(
    groups: str,
    outcome_columns: Sequence[str],
    used: Sequence[str],
    slope_columns: Sequence[str],
    random: str | None,
) -> None:
    """Refuse a column that is asked to be two things."""
    for name in (groups, *outcome_columns, _INTERCEPT):
        if name in slope_columns:
            raise ValueError(
                f"random={random!r} has a slope of {name!r}, which is the outcome, the cluster or "
                "the constant: name covariates."
            )
    if groups in used or groups in outcome_columns:
        raise ValueError(
            f"formula uses the cluster column {groups!r}: take it out. Its effects are what the "
            "selection estimates."
        )
    if len(outcome_columns) == 1 and outcome_columns[0] in used:  # I(y - x) ~ x is a regression
        raise ValueError(
            f"formula has its outcome {outcome_columns[0]!r} among the covariates: take it out."
        )
    if _INTERCEPT in used:
        raise ValueError(
            f"formula uses a column named {_INTERCEPT!r}, which is what the constant is called "
            "here: rename it."
        )


def with_roles(data: Any, **given: Any) -> tuple[Any, Roles]:
    """Return a table with its weights and offset as columns, and their names.

    Parameters
    ----------
    data : data frame or dict of columns
    **given : str, array-like or None
        By role. An array becomes a column named by the role in brackets, as R names it.

    Raises
    ------
    ValueError, TypeError
        An array of other rows, or of what is no number.
    """
    names, arrays = {}, {}
    for role, value in given.items():
        if value is None or isinstance(value, str) or np.ndim(value) == 0:
            names[role] = "" if value is None else column_name(value, role)
        else:
            names[role], arrays[role] = f"({role})", value
    if not arrays:
        return data, Roles(**names)
    frame = as_frame(data)
    for role, values in arrays.items():
        refuse_other_rows(**{"data": data, role: values})
        if names[role] in frame.columns:
            raise ValueError(
                f"{role}: data has a column {names[role]!r} already: name it instead, "
                f"{role}={names[role]!r}."
            )
        column = nw.new_series(
            names[role], as_numbers(values, len(frame), role), backend=frame.implementation
        )
        native = column.to_native()
        if isinstance(native, pd.Series):
            native.index = frame.to_native().index
        frame = frame.with_columns(nw.from_native(native, series_only=True))
    return frame.to_native(), Roles(**names)


def weight_columns(table: pd.DataFrame, roles: Roles) -> dict[str, np.ndarray]:
    """Return the weights of a table's rows by kind.

    Raises
    ------
    ValueError, TypeError
        What is no weight, by role, column and row.
    """
    found = {}
    for role, name in roles.weights.items():
        values = outcome_numbers(table[name], name, role).to_numpy(dtype=float)
        weights = as_weights(values, len(table), role)
        assert weights is not None  # of None alone
        found[role] = weights
    return found


def with_weight(
    table: pd.DataFrame, weights: dict[str, np.ndarray]
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Leave out the rows of weight 0.

    Raises
    ------
    ValueError
        None is left.
    """
    kept = np.ones(len(table), dtype=bool)
    for each in weights.values():
        kept &= each > 0
    if not kept.any():
        raise ValueError(
            f"{' times '.join(weights)} is zero in every row: pass at least one weight above 0."
        )
    if kept.all():
        return table, weights
    return table[kept], {role: each[kept] for role, each in weights.items()}


def repeated_table(table: pd.DataFrame, weights: dict[str, np.ndarray]) -> pd.DataFrame | None:
    """Return the table with its rows repeated by their frequency; None without frequencies."""
    if FREQUENCY not in weights:
        return None
    return table.iloc[repeats(weights[FREQUENCY])]
