"""Side constraints as rows over selections and over coefficients, and what conflicts among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import singledispatch
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.optimize import Bounds as Box
from scipy.optimize import LinearConstraint, milp

from scs.data.design import find_labels
from scs.moments.moments import Moments
from scs.problem.constraints import (
    AtMostOne,
    Bounds,
    Constraint,
    FixedBudget,
    ForceIn,
    ForceOut,
    SlopeNeedsIntercept,
    SumToZero,
    Together,
)
from scs.solvers.general.arrow import Arrow, Linear

IN, OPEN, OUT = 1, 0, -1


@dataclass
class _Rows:
    """Rows lo <= ax t + sum(az s) <= hi over selections, and ax beta + sum(az gamma) <=, == rhs."""

    shape: tuple[int, int, int]  # P, K, R
    selectable: np.ndarray
    fixed_x: np.ndarray
    fixed_z: np.ndarray
    logic: list[tuple[np.ndarray, np.ndarray, float, float]] = field(default_factory=list)
    linear: list[tuple[np.ndarray, np.ndarray, float, bool]] = field(default_factory=list)
    column_budget: int = 0

    def blank(self) -> tuple[np.ndarray, np.ndarray]:
        P, K, R = self.shape
        return np.zeros(P), np.zeros((K, R))

    def fix(self, where_x, where_z, value: int) -> None:
        """Decide selections; a contradiction becomes a row that nothing satisfies."""
        for fixed, where in ((self.fixed_x, where_x), (self.fixed_z, where_z)):
            if (fixed[where] == -value).any():
                self.logic.append((*self.blank(), 1.0, 1.0))
            fixed[where] = value


@dataclass(frozen=True, eq=False)
class Rules:
    """Budgets and side constraints, compiled.

    Attributes
    ----------
    budgets : ndarray of int, shape (R,)
        Largest number of clusters with each effect.
    selectable : ndarray of bool, shape (P,)
        Coefficients that some rule selects among.
    column_budget : int
        Largest number of those.
    fixed_x, fixed_z : ndarray of int8 (P,), (K, R)
        IN, OPEN or OUT.
    logic_x, logic_z, logic_lo, logic_hi : ndarray (L, P), (L, K, R), (L,), (L,)
        Rows over selections beside the budgets.
    linear : Linear or None
        Rules on coefficients and effects.
    given : tuple of Constraint
        As the user gave them.
    """

    budgets: np.ndarray
    selectable: np.ndarray
    column_budget: int
    fixed_x: np.ndarray
    fixed_z: np.ndarray
    logic_x: np.ndarray
    logic_z: np.ndarray
    logic_lo: np.ndarray
    logic_hi: np.ndarray
    linear: Linear | None
    given: tuple[Constraint, ...]

    @property
    def only_budgets(self) -> bool:
        """Whether the best selection of given gains is a sort."""
        return not len(self.logic_lo)

    def obeyed(self, t: np.ndarray, s: np.ndarray) -> bool:
        """Say whether a binary selection obeys budgets and logical rules."""
        value = self.logic_x @ t + np.einsum("lkr,kr->l", self.logic_z, s)
        return bool(
            np.isin(t, (0.0, 1.0)).all()
            and np.isin(s, (0.0, 1.0)).all()
            and (s.sum(axis=0) <= self.budgets).all()
            and (t[self.fixed_x == IN] == 1).all()
            and (t[self.fixed_x == OUT] == 0).all()
            and (s[self.fixed_z == IN] == 1).all()
            and (s[self.fixed_z == OUT] == 0).all()
            and (value >= self.logic_lo - 1e-9).all()
            and (value <= self.logic_hi + 1e-9).all()
        )

    def select(self, gain_x: np.ndarray, gain_z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the binary selection (t, s) of largest total gain that obeys all logical rules."""
        if self.only_budgets:
            t = np.ones(len(gain_x))
            if self.selectable.any():
                t[self.selectable] = _largest(
                    gain_x[self.selectable], self.column_budget, self.fixed_x[self.selectable]
                )
            columns = zip(gain_z.T, self.budgets, self.fixed_z.T)
            return t, np.stack([_largest(g, b, f) for g, b, f in columns], axis=1)
        gain = np.concatenate([np.where(self.selectable, gain_x, 0.0), gain_z.ravel()])
        size = max(float(np.abs(gain).max()), 1e-300)
        rows, lo, hi = self.matrix()
        low, high = self.ends()
        found = milp(
            -gain / size,
            constraints=LinearConstraint(rows, lo, hi),
            integrality=np.ones(len(gain)),
            bounds=Box(low, high),
            options={"time_limit": 5.0, "mip_rel_gap": 1e-3},
        )
        if found.x is None:
            raise ValueError("constraints: no selection that obeys them was found in time.")
        chosen = np.round(found.x)
        return chosen[: len(gain_x)], chosen[len(gain_x) :].reshape(gain_z.shape)

    def matrix(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rows, lower and upper sides over (t, s), the budgets first."""
        K, R = self.fixed_z.shape
        budget_z = np.zeros((R, K, R))
        budget_z[np.arange(R), :, np.arange(R)] = 1.0
        x = np.vstack([np.zeros((R, len(self.fixed_x))), self.logic_x])
        z = np.concatenate([budget_z, self.logic_z]).reshape(len(x), -1)
        lo = np.concatenate([np.full(R, -np.inf), self.logic_lo])
        hi = np.concatenate([self.budgets, self.logic_hi])
        return np.hstack([x, z]), lo, hi

    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Return lower and upper ends of the selections; a coefficient no rule counts is in."""
        fixed = np.concatenate([np.where(self.selectable, self.fixed_x, IN), self.fixed_z.ravel()])
        return (fixed == IN).astype(float), (fixed != OUT).astype(float)


def _largest(gain: np.ndarray, budget: int, fixed: np.ndarray) -> np.ndarray:
    chosen = (fixed == IN).astype(float)
    left = int(budget - chosen.sum())
    candidates = np.flatnonzero(fixed == OPEN)
    order = np.argsort(-gain[candidates], kind="stable")[: max(left, 0)]
    chosen[candidates[order]] = 1.0
    return chosen


def make_rules(
    moments: Moments,
    arrow: Arrow,
    budgets: np.ndarray,
    constraints: Sequence[Constraint],
) -> Rules:
    """Compile constraints; refuse what is not one, and sets that nothing obeys.

    Raises
    ------
    TypeError
        Something that is not a rule of `scs.problem.constraints`.
    ValueError
        A name that does not exist; a coefficient to be selected without a ridge; no answer obeys
        all rules (the message names the fewest that conflict).
    """
    given = tuple(constraints)
    for constraint in given:
        if not isinstance(constraint, Constraint):
            raise TypeError(
                f"constraints holds {constraint!r}: pass values of scs.constraints, for example "
                "FixedBudget(3)."
            )
    rules = _compile(moments, arrow, budgets, given)
    for j in np.flatnonzero(rules.selectable & (arrow.problem.penalty == 0)):
        raise ValueError(
            f"constraints select column {moments.names[j]!r}, which has no ridge: set "
            "ridge_fixed > 0 (the intercept cannot be selected)."
        )
    if given and not _possible(rules):
        raise ValueError(_conflict(moments, arrow, budgets, given))
    return rules


def _compile(moments, arrow: Arrow, budgets: np.ndarray, given: tuple[Constraint, ...]) -> Rules:
    P, (K, R) = arrow.n_columns, arrow.shape
    rows = _Rows(
        (P, K, R),
        np.zeros(P, dtype=bool),
        np.zeros(P, dtype=np.int8),
        np.zeros((K, R), dtype=np.int8),
    )
    # Bounds last: which columns are selected among is known then.
    rows.fixed_z[:, np.asarray(budgets) == 0] = OUT
    for constraint in sorted(given, key=lambda each: isinstance(each, Bounds)):
        _add(constraint, moments, rows)
    n_selectable = int(rows.selectable.sum())
    limits = [n_selectable]
    for constraint in given:
        if isinstance(constraint, FixedBudget):
            columns = _columns(moments, constraint.columns)
            limits.append(int(constraint.n) + n_selectable - len(columns))
    x = np.array([row[0] for row in rows.logic]).reshape(-1, P)
    z = np.array([row[1] for row in rows.logic]).reshape(-1, K, R)
    linear = None
    if rows.linear:
        ax = np.array([row[0] for row in rows.linear])
        rhs = np.array([row[2] for row in rows.linear])
        if moments.intercept:  # the stored intercept is that of centred columns and outcome
            first = ax[:, :1]
            rhs = rhs - first[:, 0] * arrow.problem.origin_y
            ax = ax - first * arrow.problem.origin_x
        linear = Linear(
            ax,
            np.array([row[1] for row in rows.linear]),
            rhs,
            np.array([row[3] for row in rows.linear]),
        )
    return Rules(
        budgets=budgets,
        selectable=rows.selectable,
        column_budget=min(limits),
        fixed_x=rows.fixed_x,
        fixed_z=rows.fixed_z,
        logic_x=x,
        logic_z=z,
        logic_lo=np.array([row[2] for row in rows.logic], dtype=float),
        logic_hi=np.array([row[3] for row in rows.logic], dtype=float),
        linear=linear,
        given=given,
    )


@singledispatch
def _add(constraint: Constraint, moments: Moments, rows: _Rows) -> None:
    raise TypeError(f"constraints holds {constraint!r}, which no solver knows.")


@_add.register
def _(constraint: FixedBudget, moments, rows):
    if not isinstance(constraint.n, int | np.integer) or constraint.n < 0:
        raise ValueError(f"FixedBudget.n must be a whole number >= 0, got {constraint.n!r}.")
    columns = _columns(moments, constraint.columns)
    rows.selectable[columns] = True
    x, z = rows.blank()
    x[columns] = 1.0
    rows.logic.append((x, z, -np.inf, float(constraint.n)))


@_add.register
def _(constraint: AtMostOne, moments, rows):
    for where_x, where_z in _sets(constraint, moments, rows):
        x, z = rows.blank()
        x[where_x], z[where_z] = 1.0, 1.0
        rows.logic.append((x, z, -np.inf, 1.0))


@_add.register
def _(constraint: Together, moments, rows):
    for where_x, where_z in _sets(constraint, moments, rows):
        entries = [(0, (j,)) for j in where_x] + [(1, (k, r)) for k, r in zip(*where_z)]
        for one, other in pairwise(entries):
            row = rows.blank()
            row[one[0]][one[1]], row[other[0]][other[1]] = 1.0, -1.0
            rows.logic.append((*row, 0.0, 0.0))


@_add.register
def _(constraint: SlopeNeedsIntercept, moments, rows):
    _, K, R = rows.shape
    if R == 1:
        raise ValueError(
            "constraints: SlopeNeedsIntercept needs random slopes: pass Z to Moments.from_arrays."
        )
    for k in range(K):
        for r in range(1, R):
            x, z = rows.blank()
            z[k, r], z[k, 0] = 1.0, -1.0
            rows.logic.append((x, z, -np.inf, 0.0))


@_add.register
def _(constraint: ForceIn, moments, rows):
    for where in _sets(constraint, moments, rows):
        rows.fix(*where, IN)


@_add.register
def _(constraint: ForceOut, moments, rows):
    for where in _sets(constraint, moments, rows):
        rows.fix(*where, OUT)


@_add.register
def _(constraint: Bounds, moments, rows):
    low, high = float(constraint.low), float(constraint.high)
    if not low <= high:
        raise ValueError(f"Bounds: low={low:g} must not exceed high={high:g}.")
    all_effects = constraint.columns is None and constraint.clusters is None
    K = rows.shape[1]
    targets: list[tuple[int, tuple[int, ...]]]
    if constraint.columns is not None:
        targets = [(0, (j,)) for j in _columns(moments, constraint.columns)]
    else:
        clusters = np.arange(K) if all_effects else _clusters(moments, constraint.clusters)
        effects = _effects(moments, constraint.effect)
        targets = [(1, (k, r)) for r in effects for k in clusters]
    for part, index in targets:
        for sign, end in ((1.0, high), (-1.0, -low)):
            if np.isfinite(end):
                row = rows.blank()
                row[part][index] = sign
                rows.linear.append((*row, end, False))
        if not low <= 0.0 <= high:
            none = np.zeros(0, dtype=np.intp)
            if part:
                rows.fix(none, ([index[0]], [index[1]]), IN)
            elif rows.selectable[index]:
                rows.fix([index[0]], (none, none), IN)


@_add.register
def _(constraint: SumToZero, moments, rows):
    clusters = _clusters(moments, constraint.clusters)
    for r in _effects(moments, constraint.effect):
        x, z = rows.blank()
        z[clusters, r] = 1.0
        rows.linear.append((x, z, 0.0, True))


def _sets(constraint, moments, rows: _Rows) -> list[tuple]:
    """Return the sets of entries a rule speaks of: columns, or clusters for each effect."""
    if (constraint.columns is None) == (constraint.clusters is None):
        raise ValueError(
            f"constraints: {type(constraint).__name__} needs columns or clusters, one of the two."
        )
    none = np.zeros(0, dtype=np.intp)
    if constraint.columns is not None:
        columns = _columns(moments, constraint.columns)
        rows.selectable[columns] = True
        return [(columns, (none, none))]
    clusters = _clusters(moments, constraint.clusters)
    effects = _effects(moments, constraint.effect)
    return [(none, (clusters, np.full(len(clusters), r))) for r in effects]


def _columns(moments, columns: Sequence[Any] | None) -> np.ndarray:
    names = list(moments.names)
    if columns is None:
        return np.arange(int(moments.intercept), len(names))
    found = []
    for column in columns:
        if column in names:
            found.append(names.index(column))
        elif isinstance(column, int | np.integer) and 0 <= column < len(names):
            found.append(int(column))
        else:
            raise ValueError(
                f"constraints name column {column!r}, which does not exist: the columns are "
                f"{', '.join(names[:12])}{', ...' if len(names) > 12 else ''}."
            )
    return np.array(found, dtype=np.intp)


def _clusters(moments, clusters: Sequence[Any] | None) -> np.ndarray:
    if clusters is None:
        return np.arange(moments.n_clusters)
    found = find_labels(moments.labels, list(clusters))
    for label, index in zip(clusters, found):
        if index < 0:
            raise ValueError(
                f"constraints name cluster {label!r}, which does not exist: use labels of the data."
            )
    return found


def _effects(moments, effect: str | int | None) -> list[int]:
    names = list(getattr(moments, "effect_names", ("intercept",)))
    if effect is None:
        return list(range(len(names)))
    if effect in names:
        return [names.index(effect)]
    if isinstance(effect, int | np.integer) and 0 <= effect < len(names):
        return [int(effect)]
    raise ValueError(
        f"constraints name effect {effect!r}, which does not exist: the effects are "
        f"{', '.join(names)}."
    )


def _possible(rules: Rules) -> bool:
    """Say whether any selection and coefficients obey all rules, by a small integer program."""
    rows, lo, hi = rules.matrix()
    low, high = rules.ends()
    n_selections = len(low)
    matrix, size = [np.hstack([rows, np.zeros_like(rows)])], 1.0
    lows, highs = [lo], [hi]
    linear = rules.linear
    if linear is not None:
        # Rules are sums and bounds: values as large as all bounds together suffice to obey them.
        size += 10.0 * float(np.abs(linear.rhs[np.isfinite(linear.rhs)]).sum())
        flat = np.hstack([linear.ax, linear.az.reshape(len(linear.rhs), -1)])
        matrix.append(np.hstack([np.zeros_like(flat), flat]))
        lows.append(np.where(linear.equality, linear.rhs, -np.inf))
        highs.append(linear.rhs)
        for sign in (1.0, -1.0):  # |theta_i| <= size s_i
            matrix.append(np.hstack([-size * np.eye(n_selections), sign * np.eye(n_selections)]))
            lows.append(np.full(n_selections, -np.inf))
            highs.append(np.zeros(n_selections))
    found = milp(
        np.zeros(2 * n_selections),
        constraints=LinearConstraint(
            np.vstack(matrix), np.concatenate(lows), np.concatenate(highs)
        ),
        integrality=np.repeat([1.0, 0.0], n_selections),
        bounds=Box(
            np.concatenate([low, np.full(n_selections, -size)]),
            np.concatenate([high, np.full(n_selections, size)]),
        ),
        options={"time_limit": 10.0},
    )
    return found.status != 2  # 2: proved infeasible


def _conflict(moments, arrow: Arrow, budgets: np.ndarray, given: tuple[Constraint, ...]) -> str:
    """Drop rules one at a time while what is left still conflicts; name those that remain."""
    needed = list(given)
    for constraint in given:
        fewer = [other for other in needed if other is not constraint]
        if not _possible(_compile(moments, arrow, budgets, tuple(fewer))):
            needed = fewer
    free = np.full(len(budgets), arrow.shape[0])
    with_budget = _possible(_compile(moments, arrow, free, tuple(needed)))
    names = [str(constraint) for constraint in needed]
    if with_budget:
        names.append(f"budget={tuple(int(b) for b in budgets)}")
    remedy = "drop or loosen one of them" if len(names) > 1 else "drop it"
    return f"constraints cannot all hold: {' and '.join(names)} exclude every answer; {remedy}."
