"""The text of a formula: its sides, their factors, and the columns behind them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from formulaic import Formula, ModelSpec
from formulaic.parser.types import Factor

from scs.data.expressions import Expression, parse_expression
from scs.data.frames import check_column, quoted
from scs.data.grammar import BarError, FormulaError, GrammarError
from scs.data.wilkinson import check_length, read_formula


def parse(formula: str, columns: list[str]) -> tuple[Formula, Formula]:
    """Return the left and the right side of a formula."""
    if not isinstance(formula, str):
        raise TypeError(f"formula must be text, got {type(formula).__name__}: 'score ~ age + sex'.")
    check_length(formula, "formula")
    if re.search(r"(?:^|[~+*:/(\s-])\.(?:$|[+*:/)\s-])", formula):
        for name in columns:
            quoted(name)  # refuses what `.` would take for a constant
    for name in re.findall(r"`([^`]*)`", formula):
        if name in columns or not name.strip():
            quoted(name)  # in backticks too
    try:
        left, right = read_formula(formula, columns)
        # A known part of the outcome is no covariate, unless it is named as one too.
        known = {name for each in split_offset(right)[1] for name in _variables(each.factors[0])}
        if known.intersection(columns):
            left, right = read_formula(formula, [name for name in columns if name not in known])
    except BarError:
        raise ValueError(
            f"formula {_shown(formula)} has a bar: name the clusters by groups= (--cluster) "
            "instead of (1 | group), and slopes by random= (--random)."
        ) from None
    except GrammarError as error:
        raise ValueError(f"formula {_shown(formula)} cannot be read: {error}.") from None
    except FormulaError as error:
        raise ValueError(f"formula: {error}; or compute the column in the table.") from None
    if left is None:
        raise ValueError(f"formula {_shown(formula)} has no outcome: write outcome ~ covariates.")
    if len(list(left)) != 1:
        raise ValueError(f"formula {_shown(formula)} has {len(list(left))} outcomes: pass one.")
    _refuse_offset(left, "the outcome")
    return left, right


def split_offset(right: Formula) -> tuple[Formula, Formula]:
    """Return the covariates of a right side, and its terms ``offset(...)``.

    Raises
    ------
    FormulaError
        An offset that is multiplied with something.
    """
    offsets = [term for term in right if any(map(_is_offset, term.factors))]
    for term in offsets:
        if len(term.factors) > 1:
            raise FormulaError(f"{term} multiplies an offset: write offset() as a term of its own")
    rest = [term for term in right if term not in offsets]
    return Formula(rest, _ordering="none"), Formula(offsets, _ordering="none")


def _is_offset(factor: Factor) -> bool:
    return factor.eval_method is Factor.EvalMethod.PYTHON and factor.expr.startswith("offset(")


def _refuse_offset(side: Formula, what: str) -> None:
    if any(map(_is_offset, factors(side))):
        raise ValueError(
            f"formula has an offset in {what}: write it right of the tilde, y ~ x + offset(z)."
        )


def parse_random(random: str | None) -> Formula:
    """Return the effects of a cluster as one side of a formula."""
    remedy = "write '1 + x' (intercept and slope), '0 + x' (slope alone) or '1'"
    if random is None:
        random = "1"
    if not isinstance(random, str):
        raise TypeError(f"random must be text, got {type(random).__name__}: {remedy}.")
    check_length(random, "random")
    if re.search(r"[|~]", re.sub(r"`[^`]*`", "", random)):
        raise ValueError(f"random={_shown(random)}: {remedy}, and name the clusters by groups=.")
    try:
        _, parsed = read_formula(random)
        _refuse_offset(parsed, "random")
        if len(list(parsed)) == 0:
            raise ValueError(f"random={_shown(random)} leaves clusters no effect: {remedy}.")
        return parsed
    except GrammarError as error:
        raise ValueError(f"random={_shown(random)} cannot be read: {error}; {remedy}.") from None
    except FormulaError as error:
        raise ValueError(f"random: {error}; or compute the column in the table.") from None


def columns_of(side: Formula, names: list[str], argument: str) -> list[str]:
    """Return the columns behind one side of a formula."""
    found: dict[str, None] = {}
    for factor in factors(side):
        if factor.eval_method is Factor.EvalMethod.LOOKUP:
            check_column(factor.expr, names, argument)
            found[factor.expr] = None
        elif factor.eval_method is Factor.EvalMethod.PYTHON:
            for name in parse_expression(factor.expr).columns:
                check_column(name, names, argument)
                found[name] = None
    return list(found)


def as_they_are(side: Formula | ModelSpec) -> list[str]:
    """Return the names of the factors that are columns, not functions of columns."""
    return [f.expr for f in factors(side) if f.eval_method is Factor.EvalMethod.LOOKUP]


def measured(side: Formula) -> list[str]:
    """Return the columns that are used other than as ``C(column)``, where they name categories."""
    found: dict[str, None] = {}
    for factor in factors(side):
        if factor.eval_method is Factor.EvalMethod.LOOKUP:
            found[factor.expr] = None
        elif factor.eval_method is Factor.EvalMethod.PYTHON and not factor.expr.startswith("C("):
            found |= dict.fromkeys(parse_expression(factor.expr).columns)
    return list(found)


def factors(side: Formula | ModelSpec) -> list[Factor]:
    """Return the factors of all terms, in order."""
    formula = side.formula if isinstance(side, ModelSpec) else side
    return [factor for term in formula for factor in term.factors]


def calculations(side: Formula | ModelSpec) -> list[Expression]:
    """Return the calculations among the factors, each once."""
    texts = [f.expr for f in factors(side) if f.eval_method is Factor.EvalMethod.PYTHON]
    return [parse_expression(text) for text in dict.fromkeys(texts)]


def repeated_columns(spec: ModelSpec) -> set[str]:
    """Return the columns of a design that are made of others which it holds as they are.

    Products and powers beside their own variables: what they say depends on where zero is.
    """
    lookup = Factor.EvalMethod.LOOKUP
    plain = {
        term.factors[0].expr
        for term in spec.term_slices
        if len(term.factors) == 1 and term.factors[0].eval_method is lookup
    }
    found: set[str] = set()
    for term, columns in spec.term_slices.items():
        is_plain = len(term.factors) == 1 and term.factors[0].eval_method is lookup
        behind = {name for factor in term.factors for name in _variables(factor)}
        if not is_plain and behind and behind <= plain:
            found.update(spec.column_names[columns])
    return found


def _variables(factor: Factor) -> Iterable[str]:
    if factor.eval_method is Factor.EvalMethod.LOOKUP:
        return (factor.expr,)
    if factor.eval_method is Factor.EvalMethod.PYTHON:
        return parse_expression(factor.expr).columns
    return ()


def first_line(error: BaseException) -> str:
    """Return the first line of an error of formulaic's, without its colours and marks."""
    text = re.sub(r"\x1b\[[0-9;]*m|[⧛⧚]", "", str(error))
    return next(iter(text.strip().splitlines()), type(error).__name__)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 200 else text[:199] + "…")
