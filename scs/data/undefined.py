"""What a formula makes of values that its functions have no number for: log(-1), 0/0."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from formulaic import Formula, ModelSpec

from scs.data.expressions import (
    Evaluation,
    Expression,
    column_of,
    dotted,
    spelled,
)
from scs.data.functions import NUMPY
from scs.data.numbering import row_name
from scs.data.terms import as_they_are, calculations


@dataclass(frozen=True)
class Undefined:
    """A column, or part of a calculation, that is no finite number in some rows.

    Attributes
    ----------
    term : str
        The calculation.
    part : str
    columns : tuple of str
        Those in the part.
    rows : ndarray of bool, shape (N,)
    infinite : bool
        Whether it is infinite there, and not NaN.
    """

    term: str
    part: str
    columns: tuple[str, ...]
    rows: np.ndarray
    infinite: bool = False

    def clause(self, table: pd.DataFrame) -> str:
        """Say in which row it is first, and what the columns are there."""
        at = int(self.rows.argmax())
        row = row_name(table.index[at])
        if self.columns == (self.part,):
            return f"column {self.part!r} has an infinite value (inf) in {row}"
        values = " and ".join(f"{name} is {table[name].iloc[at]}" for name in self.columns)
        inside = "" if self.part == self.term else f" in {self.term}"
        what = "an infinite value (inf)" if self.infinite else "a missing value (NaN)"
        n = int(self.rows.sum())
        some = f", the first of {n:,}" if n > 1 else ""
        return f"{self.part}{inside} makes {what} in {row}{some}, where {values}"


def without_undefined(
    table: pd.DataFrame, sides: Iterable[Formula | ModelSpec], missing: str
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Refuse or drop the rows in which a calculation of a formula is NaN.

    Parameters
    ----------
    table : DataFrame
        Without missing values; its index holds the numbers of rows in messages.
    sides : iterable of Formula or ModelSpec
    missing : {"refuse", "drop"}

    Returns
    -------
    table : DataFrame
    counts : dict
        Calculation to the number of rows in which it is NaN, of those that have any.

    Raises
    ------
    ValueError
        A column or a calculation is infinite, which is no missing value; a calculation is NaN, with
        ``missing="refuse"``; or no row is left.
    """
    found = [each for side in sides for each in find_undefined(table, side)]
    holes: dict[str, np.ndarray] = {}
    for each in found:
        if each.infinite:
            continue
        if missing == "refuse":
            raise ValueError(
                f"formula: {each.clause(table)}: correct the value, or drop these rows with "
                "missing='drop' (--missing drop)."
            )
        holes[each.term] = holes.get(each.term, False) | each.rows
    whole = ~np.logical_or.reduce([np.zeros(len(table), dtype=bool), *holes.values()])
    for each in found:
        if each.infinite and (each.rows & whole).any():
            clause = replace(each, rows=each.rows & whole).clause(table)
            raise ValueError(
                f"formula: {clause}: correct the value, or leave these rows out of the table."
            )
    if not holes:
        return table, {}
    counts = {term: int(rows.sum()) for term, rows in holes.items()}
    if not whole.any():
        raise ValueError(
            f"data has no row in which the formula has a value ({', '.join(counts)}): correct it, "
            "or compute the column in the table."
        )
    return table[whole], counts


def find_undefined(table: pd.DataFrame, side: Formula | ModelSpec) -> list[Undefined]:
    """Return where the columns and calculations of one side of a formula are no finite numbers."""
    found = []
    for name in dict.fromkeys(as_they_are(side)):
        if pd.api.types.is_float_dtype(table[name]):
            rows = np.isinf(table[name].to_numpy(dtype=float))
            if rows.any():
                found.append(Undefined(name, name, (name,), rows, infinite=True))
    state = side.transform_state if isinstance(side, ModelSpec) else {}
    for expression in calculations(side):
        try:
            found += _Holes(expression, table, state).all()
        except ValueError:
            continue  # text in a calculation and the like: said where it is evaluated
    return found


class _Holes(Evaluation):
    """A walk that finds the innermost parts which are NaN, and what is infinite in the end."""

    def __init__(self, expression: Expression, table: pd.DataFrame, state: dict):
        super().__init__(expression, table, state)
        self.expression = expression

    def all(self) -> list[Undefined]:
        tree, rows = self.expression.tree, np.ones(len(self.table), dtype=bool)
        with np.errstate(all="ignore"):
            found = [self.undefined(part, nan) for part, nan in self.nan(tree, rows)]
            while isinstance(tree, ast.Call) and dotted(tree.func) == "I":
                tree = tree.args[0]
            if _is_elementwise(tree):
                infinite = np.isinf(self.numbers(tree))
                if infinite.any():
                    found.append(self.undefined(tree, infinite, infinite=True))
        return found

    def undefined(self, part: ast.AST, rows: np.ndarray, *, infinite: bool = False) -> Undefined:
        named = (column_of(node, self.places) for node in ast.walk(part))
        columns = tuple(dict.fromkeys(name for name in named if name in self.expression.columns))
        text = spelled(part, self.places)
        return Undefined(self.expression.text, text, columns, rows, infinite)

    def nan(self, node: ast.AST, rows: np.ndarray) -> Iterator[tuple[ast.AST, np.ndarray]]:
        """Yield the parts that are NaN in some of the rows, innermost first, and in which."""
        seen = np.zeros(len(rows), dtype=bool)
        for part, where in self.parts(node, rows):
            for culprit, found in self.nan(part, where):
                seen |= found
                yield culprit, found
        if _is_elementwise(node):
            found = np.isnan(self.numbers(node)) & rows & ~seen
            if found.any():
                yield node, found

    def parts(self, node: ast.AST, rows: np.ndarray) -> list[tuple[ast.AST, np.ndarray]]:
        """Return the operands of a part, each with the rows in which it has a say."""
        if column_of(node, self.places) is not None:
            return []
        if isinstance(node, ast.UnaryOp):
            return [(node.operand, rows)]
        if isinstance(node, ast.BinOp):
            return [(node.left, rows), (node.right, rows)]
        if isinstance(node, ast.Compare):
            return [(each, rows) for each in (node.left, *node.comparators)]
        if not isinstance(node, ast.Call):
            return []
        operands = node.args[: self.function(node).columns]
        if dotted(node.func) in ("where", "np.where"):
            chosen = self.numbers(operands[0]) != 0
            return list(zip(operands, (rows, rows & chosen, rows & ~chosen), strict=True))
        return [(each, rows) for each in operands]

    def numbers(self, node: ast.AST) -> np.ndarray:
        return np.broadcast_to(np.asarray(self.number(node), dtype=float), len(self.table))


def _is_elementwise(node: ast.AST) -> bool:
    """Say whether a part is worked out row by row, in numbers."""
    if isinstance(node, ast.Call):
        return (dotted(node.func) or "").removeprefix("np.") in {*NUMPY, "exp10"}
    return isinstance(node, (ast.BinOp, ast.UnaryOp))
