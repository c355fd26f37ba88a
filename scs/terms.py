"""The text of a formula: its sides, their factors, and the columns behind them."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable

from formulaic import Formula, ModelSpec
from formulaic.errors import FormulaicError
from formulaic.parser.types import Factor
from formulaic.transforms import TRANSFORMS

from scs.frames import check_column, quoted

_ASSUMED = "__formulaic_variables_available__"  # what formulaic's `.` stands for


def formula_columns(
    formula: str, names: Iterable[str], groups: str, random: str | None = None
) -> list[str]:
    """Return the columns that a formula uses, the outcome's first, or say which is not there.

    Raises
    ------
    ValueError, TypeError
        As `scs.rows.model_rows`.
    """
    names = list(names)
    left, right = parse(formula, [name for name in names if name != groups])
    found = [*columns_of(left, names, "formula"), *columns_of(right, names, "formula")]
    found += columns_of(parse_random(random), names, "random")
    return list(dict.fromkeys(found))


def parse(formula: str, columns: list[str]) -> tuple[Formula, Formula]:
    """Return the left and the right side of a formula."""
    if not isinstance(formula, str):
        raise TypeError(f"formula must be text, got {type(formula).__name__}: 'score ~ age + sex'.")
    if "|" in re.sub(r"`[^`]*`|'[^']*'|\"[^\"]*\"", "", formula):
        raise ValueError(
            f"formula {formula!r} has a bar: name the clusters by groups= (--cluster) instead of "
            "(1 | group), and slopes by random= (--random)."
        )
    if re.search(r"(?:^|[~+*:/(\s-])\.(?:$|[+*:/)\s-])", formula):
        for name in columns:
            quoted(name)  # refuses what `.` would take for a constant
    for name in re.findall(r"`([^`]*)`", formula):
        if name in columns or not name.strip():
            quoted(name)  # in backticks too
    try:
        parsed = Formula(formula, _context={_ASSUMED: columns})
        left, right = parsed.lhs, parsed.rhs
    except AttributeError:
        raise ValueError(
            f"formula {formula!r} has no outcome: write outcome ~ covariates."
        ) from None
    except (FormulaicError, SyntaxError) as error:
        raise ValueError(
            f"formula {formula!r} cannot be read ({first_line(error)}): write it as "
            "'score ~ age + sex', names with spaces in `backticks`."
        ) from None
    if len(list(left)) != 1:
        raise ValueError(f"formula {formula!r} has {len(list(left))} outcomes: pass one.")
    return left, right


def parse_random(random: str | None) -> Formula:
    """Return the effects of a cluster as one side of a formula."""
    remedy = "write '1 + x' (intercept and slope), '0 + x' (slope alone) or '1'"
    if random is None:
        random = "1"
    if not isinstance(random, str):
        raise TypeError(f"random must be text, got {type(random).__name__}: {remedy}.")
    if re.search(r"[|~]", re.sub(r"`[^`]*`", "", random)):
        raise ValueError(f"random={random!r}: {remedy}, and name the clusters by groups=.")
    try:
        parsed = Formula(random)
        if len(list(parsed)) == 0:
            raise ValueError(f"random={random!r} leaves clusters no effect: {remedy}.")
        return parsed
    except (FormulaicError, SyntaxError) as error:
        raise ValueError(
            f"random={random!r} cannot be read ({first_line(error)}): {remedy}."
        ) from None


def columns_of(side: Formula, names: list[str], argument: str) -> list[str]:
    """Return the columns behind one side of a formula."""
    found: dict[str, None] = {}
    for factor in factors(side):
        if factor.eval_method is Factor.EvalMethod.LOOKUP:
            check_column(factor.expr, names, argument)
            found[factor.expr] = None
        elif factor.eval_method is Factor.EvalMethod.PYTHON:
            for name in _names_in(factor.expr):
                if name in names:
                    found[name] = None
                elif name == "offset":
                    raise ValueError(
                        f"{argument}: {factor.expr} is no covariate: subtract it from the outcome, "
                        "'I(y - x) ~ ...'."
                    )
                elif name not in TRANSFORMS and not hasattr(builtins, name):
                    check_column(name, names, argument)
    return list(found)


def as_they_are(side: Formula) -> list[str]:
    """Return the names of the factors that are columns, not functions of columns."""
    return [f.expr for f in factors(side) if f.eval_method is Factor.EvalMethod.LOOKUP]


def factors(side: Formula | ModelSpec) -> list[Factor]:
    """Return the factors of all terms, in order."""
    formula = side.formula if isinstance(side, ModelSpec) else side
    return [factor for term in formula for factor in term.factors]


def first_line(error: BaseException) -> str:
    """Return the first line of an error of formulaic's, without its colours and marks."""
    text = re.sub(r"\x1b\[[0-9;]*m|[⧛⧚]", "", str(error))
    return next(iter(text.strip().splitlines()), type(error).__name__)


def _names_in(expression: str) -> list[str]:
    """Return the names in a piece of Python that may hold `names in backticks`."""
    kept: list[str] = []

    def keep(match: re.Match) -> str:
        kept.append(match[1])
        return f"_quoted_{len(kept) - 1}_"

    try:
        tree = ast.parse(re.sub(r"`([^`]*)`", keep, expression), mode="eval")
    except SyntaxError as error:
        raise ValueError(f"formula: {expression!r} is no Python ({error.msg}).") from None
    places = {f"_quoted_{j}_": name for j, name in enumerate(kept)}
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return [places.get(name, name) for name in names]
