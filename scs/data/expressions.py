"""Pieces of calculation in a formula, such as ``log(x)`` or ``I(x**2)``: checked, then worked out.

A formula is often pasted from elsewhere, so none of it is ever run as Python. A piece is parsed,
its syntax tree is held against a list of what is allowed, and the tree is worked out here, node by
node.
"""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from scs.data.functions import CONSTANTS, CONTRASTS, Function, check_option, find_function

MOST_TEXT, MOST_DEPTH = 5_000, 40
_ARITHMETIC: Mapping[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARISONS: Mapping[type, Callable] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_BITS: Mapping[type, str] = {
    ast.BitAnd: "'&' is no operation of formulas: write (a > 1) * (b > 2) for 'and'",
    ast.BitOr: "'|' is no operation of formulas: write (a > 1) + (b > 2) > 0 for 'or'",
    ast.LShift: "'<<' is no operation of formulas: write x * 2**3",
    ast.RShift: "'>>' is no operation of formulas: write x / 2**3",
    ast.MatMult: "'@' is no operation of formulas: write the sum of products",
    ast.Invert: "'~' is no operation of formulas: write 1 - (a > 1) for 'not'",
    ast.Not: "'not' is no operation of formulas: write 1 - (a > 1)",
    ast.BoolOp: "'and' and 'or' are no operations of formulas: write (a > 1) * (b > 2), or "
    "(a > 1) + (b > 2) > 0",
}
_CALLED: Mapping[type, str] = {
    ast.Attribute: "an attribute (a dot)",
    ast.Subscript: "a subscript [...]",
    ast.Lambda: "lambda",
    ast.NamedExpr: "an assignment :=",
    ast.JoinedStr: "an f-string",
    ast.IfExp: "if ... else (write where(x > 1, a, b))",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.Starred: "a starred argument",
    ast.List: "a list",
    ast.Tuple: "a tuple",
    ast.Dict: "a dict",
    ast.Set: "a set",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
}


@dataclass(frozen=True)
class Expression:
    """A piece that was checked.

    Attributes
    ----------
    text : str
        In one spelling, whatever blanks and quotes it was written with.
    columns : tuple of str
        The columns that it names, in order.
    tree : ast.expr
    places : dict of str to str
        Name in the tree to column.
    """

    text: str
    columns: tuple[str, ...]
    tree: ast.expr = field(repr=False)
    places: Mapping[str, str] = field(repr=False)

    @property
    def column(self) -> str | None:
        """The column, if the piece is nothing else, such as ``{x}`` or ``Q("x")``."""
        return column_of(self.tree, self.places)


def parse_expression(text: str) -> Expression:
    """Check a piece of a formula against what is allowed; nothing is evaluated.

    Raises
    ------
    ValueError
        It holds anything but columns, functions of the list, arithmetic, comparisons and constants;
        the message says what, and what to write instead.
    """
    if len(text) > MOST_TEXT:
        raise ValueError(f"{text[:40]!r}... has {len(text):,} characters, more than {MOST_TEXT:,}")
    plain, places = _without_backticks(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes: the piece is never run
            tree = ast.parse(plain.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        why = getattr(error, "msg", None) or str(error) or type(error).__name__
        raise ValueError(f"{_short(text)} is no calculation ({why})") from None
    check = _Check(text, places)
    check.expression(tree, 0)
    columns = tuple(dict.fromkeys(check.columns))
    if not columns:
        raise ValueError(f"{_short(text)} cannot be evaluated: it names no column")
    return Expression(spelled(tree, places), columns, tree, places)


def evaluate(expression: Expression, table: pd.DataFrame, state: MutableMapping[str, dict]) -> Any:
    """Work out a checked piece on the columns of a table.

    Parameters
    ----------
    expression : Expression
    table : DataFrame
    state : dict
        What functions learned in fitting (means, knots), by their text; filled where it is empty.
    """
    with np.errstate(all="ignore"):  # what is not finite in the end is refused by row and column
        found = Evaluation(expression, table, state).value(expression.tree)
    if isinstance(found, (pd.Categorical, np.ndarray)) and found.ndim == 1:
        found = pd.Series(found, index=table.index)
    if isinstance(found, pd.Series) and found.dtype.kind == "b":
        found = found.astype(float)
    return found


class _Check:
    """A walk over a syntax tree that refuses what is not on the list, and collects the columns."""

    def __init__(self, text: str, places: Mapping[str, str]):
        self.text, self.places = text, places
        self.columns: list[str] = []

    def refuse(self, why: str) -> ValueError:
        return ValueError(f"{_short(self.text)} cannot be evaluated: {why}")

    def expression(self, node: ast.AST, depth: int) -> None:
        """Check a node that stands for numbers, one for each row."""
        if depth > MOST_DEPTH:
            raise self.refuse(f"it is nested more than {MOST_DEPTH} deep")
        named = column_of(node, self.places)
        if named is not None:
            self.columns.append(named)
        elif isinstance(node, ast.Constant):
            self.constant(node, text=False)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            self.expression(node.operand, depth + 1)
        elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            self.expression(node.left, depth + 1)
            self.expression(node.right, depth + 1)
        elif isinstance(node, ast.Compare) and all(type(op) in _COMPARISONS for op in node.ops):
            self.comparison(node, depth)
        elif isinstance(node, ast.Call):
            self.call(node, depth)
        elif dotted(node) not in CONSTANTS:
            raise self.refuse(self.why(node))

    def comparison(self, node: ast.Compare, depth: int) -> None:
        for each in (node.left, *node.comparators):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                continue
            self.expression(each, depth + 1)

    def call(self, node: ast.Call, depth: int) -> None:
        name = dotted(node.func)
        if name is None:
            raise self.refuse("only functions of the list can be called, by their names")
        if name == "offset" and depth:
            raise self.refuse("offset() is a term of its own: write offset(log(x)), not a part")
        try:
            function = find_function(name)
        except ValueError as error:
            raise self.refuse(str(error)) from None
        if len(node.args) < function.columns:
            raise self.refuse(f"{name}() wants {function.columns} columns, got {len(node.args)}")
        for each in node.args[: function.columns]:
            self.expression(each, depth + 1)
        self.options(name, function, node)

    def options(self, name: str, function: Function, node: ast.Call) -> None:
        further = node.args[function.columns :]
        if len(further) > len(function.options):
            raise self.refuse(f"{name}() has too many arguments")
        given = list(zip(function.options, further))
        for keyword in node.keywords:
            if keyword.arg not in function.options or keyword.arg in dict(given):
                has = ", ".join(function.options) or "none"
                raise self.refuse(
                    f"{name}() has no option {keyword.arg or '**'!r}, or has it twice (there are: "
                    f"{has})"
                )
            given.append((keyword.arg, keyword.value))
        for option, value in given:
            if option == "contrasts":
                self.contrasts(value)
                continue
            try:
                check_option(option, self.option(value))
            except ValueError as error:
                raise self.refuse(f"{name}(): {error}") from None

    def contrasts(self, node: ast.AST) -> None:
        """Check a coding of categories, such as ``Treatment("b")`` or ``contr.sum()``."""
        call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
        if dotted(call.func) not in CONTRASTS:
            raise self.refuse(f"C() takes one of {', '.join(CONTRASTS)} as its coding")
        self.options(dotted(call.func), CONTRASTS[dotted(call.func)], call)

    def option(self, node: ast.AST) -> Any:
        """Check a constant, or a list of constants, and return it."""
        if isinstance(node, (ast.List, ast.Tuple)):
            for each in node.elts:
                self.signed(each)
        else:
            self.signed(node)
        return _constant(node)

    def signed(self, node: ast.AST) -> None:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            self.constant(node.operand, text=False)
        else:
            self.constant(node, text=True)

    def constant(self, node: ast.AST, *, text: bool) -> None:
        if not isinstance(node, ast.Constant):
            raise self.refuse(f"an option is a constant or a list of them, not {self.why(node)}")
        value = node.value
        if isinstance(value, (int, float)):
            if abs(value) > 1e300:
                raise self.refuse("a number in it is too large")
        elif not (text and (value is None or isinstance(value, str))):
            kind = "text" if isinstance(value, str) else f"the constant {value!r}"
            raise self.refuse(f"{kind} is no number: text belongs into options and comparisons")

    def why(self, node: ast.AST) -> str:
        """Say what a node is that is not allowed, and what to write."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
            power = spelled(ast.BinOp(node.left, ast.Pow(), node.right), self.places)
            return f"'^' is no power in a calculation: write {power.replace(' ** ', '**')}"
        kind = type(getattr(node, "op", node))
        if kind in _BITS or type(node) in _BITS:
            return _BITS.get(kind) or _BITS[type(node)]
        if isinstance(node, ast.Attribute):
            return (
                f"{dotted(node) or 'an attribute'} is not allowed: of what has a dot there are "
                "only np.log and its like, np.pi and np.e"
            )
        return f"{_CALLED.get(type(node), type(node).__name__)} is not allowed in a formula"


class Evaluation:
    """Values of the nodes of a checked tree, on one table."""

    def __init__(self, expression: Expression, table: pd.DataFrame, state: MutableMapping):
        self.places, self.table, self.state = expression.places, table, state

    def value(self, node: ast.AST) -> Any:
        """Return what a node stands for; a column as it is."""
        named = column_of(node, self.places)
        if named is not None:
            return self.table[named]
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else np.float64(node.value)
        if isinstance(node, ast.UnaryOp):
            operand = self.number(node.operand)
            return -operand if isinstance(node.op, ast.USub) else operand
        if isinstance(node, ast.BinOp):
            return _ARITHMETIC[type(node.op)](self.number(node.left), self.number(node.right))
        if isinstance(node, ast.Compare):
            return self.compared(node)
        if isinstance(node, ast.Call):
            return self.called(node)
        return np.float64(CONSTANTS[dotted(node)])

    def number(self, node: ast.AST) -> Any:
        """Return a node's numbers as floats, in which whole numbers cannot overflow."""
        value = self.value(node)
        if isinstance(value, pd.Series) and not pd.api.types.is_numeric_dtype(value.dtype):
            what = spelled(node, self.places)
            raise ValueError(f"{what} holds text or categories, not numbers")
        if isinstance(value, (pd.Series, np.ndarray)):
            return value.astype(float)
        if not isinstance(value, float):
            raise ValueError(f"{spelled(node, self.places)} is no column of numbers")
        return value

    def compared(self, node: ast.Compare) -> Any:
        """Return ones where a comparison holds, and zeros."""
        nodes = (node.left, *node.comparators)
        values = [self.value(each) for each in nodes]
        texts = [isinstance(v, str) or getattr(v, "dtype", None) == "category" for v in values]
        if any(texts) and not all(texts):
            raise ValueError("text is compared with numbers")
        if not any(texts):
            values = [self.number(each) for each in nodes]
        found = 1.0
        for compare, left, right in zip(node.ops, values, values[1:]):
            found = found * np.asarray(_COMPARISONS[type(compare)](left, right), dtype=float)
        return found

    def function(self, node: ast.Call) -> Function:
        """Return the function that is called."""
        return find_function(dotted(node.func))

    def called(self, node: ast.Call) -> Any:
        """Return what a function makes of its columns."""
        function = self.function(node)
        get = self.number if function.numbers else self.value
        columns = [get(each) for each in node.args[: function.columns]]
        options = self.options(function, node)
        if function.keeps:
            learned = self.state.setdefault(spelled(node, self.places), {})
            options["_state"] = learned
        return function.apply(*columns, **options)

    def options(self, function: Function, node: ast.Call) -> dict[str, Any]:
        """Return the constants that a function is called with."""
        given = dict(zip(function.options, node.args[function.columns :]))
        given |= {keyword.arg: keyword.value for keyword in node.keywords}
        options = {name: _constant(value) for name, value in given.items() if name != "contrasts"}
        if "contrasts" in given:
            call = given["contrasts"]
            call = call if isinstance(call, ast.Call) else ast.Call(call, [], [])
            coding = CONTRASTS[dotted(call.func)]
            options["contrasts"] = coding.apply(**self.options(coding, call))
        return options


def _constant(node: ast.AST) -> Any:
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_constant(each) for each in node.elts]
    if isinstance(node, ast.UnaryOp):
        value = _constant(node.operand)
        return -value if isinstance(node.op, ast.USub) else value
    return node.value


def column_of(node: ast.AST, places: Mapping[str, str]) -> str | None:
    """Return the column that a node names: ``x``, a name in backticks, or ``Q("x")``."""
    if isinstance(node, ast.Name):
        return places.get(node.id, node.id)
    quoting = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Q"
    if quoting and len(node.args) == 1 and not node.keywords:
        inner = node.args[0]
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            return inner.value
    return None


def dotted(node: ast.AST) -> str | None:
    """Return ``f``, ``np.f`` or ``contr.f``; None for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return None


def _without_backticks(text: str) -> tuple[str, dict[str, str]]:
    """Put a plain name in the place of each name in backticks that is in no text constant."""
    mark = "_column_"
    while mark in text:
        mark += "_"
    kept: dict[str, str] = {}

    def replace(match: re.Match) -> str:
        if match["name"] is None:
            return match[0]
        place = next((p for p, name in kept.items() if name == match["name"]), None)
        place = place or f"{mark}{len(kept)}_"
        kept[place] = match["name"]
        return f" {place} "

    constants = r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\""
    return re.sub(rf"{constants}|`(?P<name>[^`]*)`", replace, text, flags=re.DOTALL), kept


def spelled(node: ast.AST, places: Mapping[str, str]) -> str:
    """Write a node in one spelling, names that are no plain words in backticks."""
    text = ast.unparse(node).replace("\n", " ")
    return re.sub("|".join(places), lambda match: f"`{places[match[0]]}`", text) if places else text


def _short(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= 60 else text[:59] + "…")
