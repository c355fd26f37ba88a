"""A formula's text taken apart before formulaic sees it, and its terms put together again.

formulaic runs what stands in a function's brackets or in braces as Python, some of it while it
reads the formula. Here every such piece is checked, and formulaic gets a plain name in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from formulaic import Formula, ModelSpec, SimpleFormula
from formulaic.errors import FormulaicError
from formulaic.materializers import PandasMaterializer
from formulaic.parser import DefaultFormulaParser
from formulaic.parser.types import ASTNode, Factor, Term, Token
from interface_meta import override

from scs.data.expressions import Expression, evaluate, parse_expression
from scs.data.grammar import POWERS, FormulaError, GrammarError, split

ASSUMED = "__formulaic_variables_available__"  # what formulaic's `.` stands for
MOST_TEXT, MOST_TERMS, MOST_POWER = 200_000, 20_000, 10
MOST_COLUMNS = 50_000  # that one term may make


@dataclass(frozen=True)
class Plain:
    """A formula in which every calculation is a plain name.

    Attributes
    ----------
    text : str
    pieces : dict of str to Expression
        By that name.
    left : frozenset of str
        The columns left of the tilde.
    """

    text: str
    pieces: Mapping[str, Expression]
    left: frozenset[str]


def check_length(text: str, argument: str) -> None:
    """Refuse a text that would take too long to read.

    Raises
    ------
    ValueError
    """
    if len(text) > MOST_TEXT:
        raise ValueError(
            f"{argument} has {len(text):,} characters, more than {MOST_TEXT:,}: shorten it."
        )


def read_formula(text: str, columns: Iterable[str] | None = None) -> tuple[Formula | None, Formula]:
    """Return the left (None without a tilde) and right side, nothing but what is allowed in them.

    Parameters
    ----------
    text : str
    columns : iterable of str, optional
        What ``.`` stands for, without those of the outcome; None: it stands for nothing.

    Raises
    ------
    FormulaError
        A calculation that is not allowed, a formula of a size that no model has, or no formula.
    """
    dot = columns is not None
    columns = list(columns or ())
    plain = _plain(text, columns, dot)
    try:
        context = {ASSUMED: [name for name in columns if name not in plain.left]}
        _check_size(plain.text, len(columns), context)
        parsed = Formula(plain.text, _parser=_parser(), _context=context)
    except FormulaError:
        raise
    except (FormulaicError, SyntaxError):
        raise GrammarError(
            "its terms cannot be multiplied out: write it as 'score ~ age + sex', names with "
            "spaces in `backticks`"
        ) from None
    except Exception as error:  # formulaic takes some texts for a formula that are none
        raise FormulaError(f"it is no formula ({type(error).__name__})") from None
    if isinstance(parsed, SimpleFormula):
        return None, _put_back(parsed, plain.pieces)
    return _put_back(parsed.lhs, plain.pieces), _put_back(parsed.rhs, plain.pieces)


def build_matrix(side: Formula | ModelSpec, table: pd.DataFrame) -> pd.DataFrame:
    """Evaluate one side of a formula; with a spec, by what was learned in fitting."""
    return _Materializer(table, context={}).get_model_matrix(
        side, na_action="ignore", output="pandas"
    )


def _parser() -> DefaultFormulaParser:
    return DefaultFormulaParser(feature_flags={"TWOSIDED"})


def _plain(text: str, columns: list[str], dot: bool) -> Plain:
    mark = "\ue000"  # of no meaning to anybody; made longer until it is in no name
    while mark in text or any(mark in name for name in columns):
        mark += "\ue000"
    names: dict[str, str] = {}
    pieces: dict[str, Expression] = {}
    parts: list[str] = []
    left: set[str] = set()
    found: list[str] = []
    for token in split(text):
        kind, word = token.kind, token.token
        if kind is Token.Kind.PYTHON:
            try:
                piece = parse_expression(word)
            except ValueError as error:
                raise FormulaError(str(error)) from None
            found += piece.columns
            alone = piece.column
            if alone is not None and _can_be_quoted(alone):
                parts.append(f"`{alone}`")
                continue
            name = names.setdefault(piece.text, f"{mark}{len(names)}{mark}")
            pieces[name] = piece
            parts.append(f"`{name}`")
        elif kind is Token.Kind.NAME and word != ".":
            found.append(word)
            parts.append(f"`{word}`")
        else:
            if word == "." and not dot:
                raise FormulaError("'.' stands for no columns here: name them")
            if kind is Token.Kind.OPERATOR and "~" in word:
                left.update(found)
            parts.append(word)
    return Plain(" ".join(parts), pieces, frozenset(left))


def _can_be_quoted(name: str) -> bool:
    return bool(name) and "`" not in name and not breaks_quotes(name)


def breaks_quotes(name: str) -> bool:
    """Say whether a name ends in a backslash that would swallow the backtick after it."""
    return (len(name) - len(name.rstrip("\\"))) % 2 == 1


def _check_size(text: str, n_columns: int, context: Mapping[str, Any]) -> None:
    """Refuse a formula that would multiply into more terms than any model has."""
    tree = _parser().get_ast(text, context=dict(context))
    order, todo = [], [tree]
    while todo:  # children after parents, without recursion
        node = todo.pop()
        order.append(node)
        if isinstance(node, ASTNode):
            todo.extend(node.args)
    sizes: dict[int, int] = {}
    for node in reversed(order):
        sizes[id(node)] = _size(node, sizes, n_columns)
        if sizes[id(node)] > MOST_TERMS:
            raise FormulaError(f"it multiplies into more than {MOST_TERMS:,} terms")


def _size(node: Any, sizes: Mapping[int, int], n_columns: int) -> int:
    """Return an upper bound on the terms of a node, from those of its parts."""
    if not isinstance(node, ASTNode):
        return 1
    parts = [sizes[id(each)] for each in node.args]
    symbol = node.operator.symbol
    if symbol == ".":
        return n_columns
    if symbol in ("**", "^"):
        return _power_size(node, parts[0])
    if symbol == ":":
        return parts[0] * parts[1]
    if symbol == "*":
        return parts[0] + parts[1] + parts[0] * parts[1]
    return sum(parts)


def _power_size(node: ASTNode, base: int) -> int:
    raised, power = node.args
    if not isinstance(power, Token) or not power.token.isdigit() or int(power.token) < 1:
        raise FormulaError(POWERS)
    if len(power.token) > 2 or int(power.token) > MOST_POWER:
        raise FormulaError(f"the power {power.token[:12]} after ** is above {MOST_POWER}")
    if isinstance(raised, Token) and raised.kind is Token.Kind.NAME:
        raise FormulaError(
            "** and ^ cross terms here, (a + b)**2, and leave a single one as it is: write "
            f"I({_called(raised.token)}**{power.token}) for its power"
        )
    return base ** int(power.token)


def _called(name: str) -> str:
    return name if name.isidentifier() else f"`{name}`"


def _put_back(side: Any, pieces: Mapping[str, Expression]) -> Formula:
    """Return terms with the calculations in the places of their plain names."""

    def factor(each: Factor) -> Factor:
        piece = pieces.get(each.expr)
        return each if piece is None else Factor(piece.text, eval_method="python")

    terms = [Term([factor(each) for each in term.factors]) for term in side]
    kinds: dict[str, Any] = {}
    for each in (each for term in terms for each in term.factors):
        if kinds.setdefault(each.expr, each.eval_method) is not each.eval_method:
            raise FormulaError(f"a column is called {each.expr!r} as a term of it: rename it")
    return Formula(terms, _ordering="none")


class _Materializer(PandasMaterializer):
    """formulaic's own, but for its evaluation of Python, of which none is left."""

    @override
    def _evaluate(self, expr: str, metadata: Any, spec: ModelSpec) -> tuple[Any, set]:
        return evaluate(parse_expression(expr), self.data, spec.transform_state), set()

    @override
    def _lookup(self, name: str) -> tuple[Any, set]:
        return self.data[name], set()  # never a function, whatever a column is called

    @override
    def _get_columns_for_term(self, factors: list[dict], spec: ModelSpec, scale: float = 1) -> dict:
        n_columns = 1
        for each in factors:
            n_columns *= len(each)
        if n_columns > MOST_COLUMNS:
            raise ValueError(f"a term makes {n_columns:,} columns, more than {MOST_COLUMNS:,}")
        return super()._get_columns_for_term(factors, spec=spec, scale=scale)

    @override
    def _combine_columns(self, cols: Any, spec: ModelSpec, drop_rows: Any) -> pd.DataFrame:
        seen: set[str] = set()
        for name, _ in cols:
            if name in seen:
                raise ValueError(f"two columns of the design would be called {name!r}: rename one")
            seen.add(name)
        return super()._combine_columns(cols, spec=spec, drop_rows=drop_rows)
