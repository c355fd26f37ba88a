"""From a formula and a data frame to validated rows: columns found, missing values, coding."""

from __future__ import annotations

import ast
import builtins
import difflib
import keyword
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from formulaic import Formula, ModelSpec
from formulaic.errors import DataMismatchWarning, FormulaicError
from formulaic.parser.types import Factor
from formulaic.transforms import TRANSFORMS

from scs.design import Design, as_clusters, as_matrix, as_outcome

INTERCEPT = "Intercept"  # as formulaic, statsmodels and patsy name it
MISSING = ("refuse", "drop")
MOST_LEVELS = 100  # of a text column used as it is: more are likely an identifier
_WITH_UNIT = r"\s*[$€£]\s*[+-]?\d[\d.,]*\s*|\s*[+-]?\d[\d.,]*\s*[%$€£]\s*"
_ASSUMED = "__formulaic_variables_available__"  # what formulaic's `.` stands for


@dataclass(frozen=True)
class Coding:
    """How a categorical column became indicators.

    Attributes
    ----------
    factor : str
        The column, or the term of the formula, such as ``C(ward)``.
    levels : tuple of str
        In order.
    reference : str
        The level without an indicator; empty where every level has one.
    """

    factor: str
    levels: tuple[str, ...]
    reference: str


@dataclass(frozen=True, eq=False)
class RandomSlopes:
    """The columns whose slopes may differ between clusters.

    Attributes
    ----------
    Z : ndarray, shape (N, Q)
    names : tuple of str, length Q
    intercept : bool
        Whether clusters have a random intercept too.
    spec : ModelSpec
        formulaic's record, for new rows.
    used : tuple of str
        Columns of the data behind ``Z``.
    """

    Z: np.ndarray
    names: tuple[str, ...]
    intercept: bool
    spec: ModelSpec
    used: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ModelRows:
    """Rows as the solver needs them, and what was done to get there.

    Attributes
    ----------
    design : Design
        Without the intercept's column; may have no column at all.
    intercept : bool
        Whether the formula has one.
    spec : ModelSpec
        formulaic's record of the right-hand side: levels, knots, means ...; for new rows.
    used : tuple of str
        Columns of the data behind the right-hand side.
    outcome : str
        The left-hand side.
    codings : tuple of Coding
    n_read : int
        Rows handed over.
    missing : dict
        Column to its number of missing values, of those that have any.
    n_dropped : int
        Rows left out because of them.
    slopes : RandomSlopes or None
        None with a random intercept alone.
    """

    design: Design
    intercept: bool
    spec: ModelSpec
    used: tuple[str, ...]
    outcome: str
    codings: tuple[Coding, ...]
    n_read: int
    missing: Mapping[str, int]
    n_dropped: int
    slopes: RandomSlopes | None = None


def model_rows(
    formula: str,
    data: Any,
    groups: str,
    *,
    missing: str = "refuse",
    random: str | None = None,
) -> ModelRows:
    """Build the design matrix, the outcome and the cluster codes that a formula asks for.

    Parameters
    ----------
    formula : str
        In Wilkinson's notation, as in R, statsmodels and patsy; ``.`` is every other column.
    data : data frame (pandas, polars, pyarrow) or dict of columns
    groups : str
        The column of cluster labels.
    missing : {"refuse", "drop"}
        What to do with rows that miss a value in a column that is used.
    random : str, optional
        The effects of a cluster, such as ``"1 + x"``; None or ``"1"``: a random intercept.

    Raises
    ------
    ValueError, TypeError
        A column that is not there (with the nearest name), missing values, an outcome that is no
        number, a formula that cannot be read. The first line says which, and the remedy.
    """
    if missing not in MISSING:
        raise ValueError(f"missing must be one of {MISSING}, got {missing!r}.")
    frame = as_frame(data)
    names = list(frame.columns)
    check_column(groups, names, "groups")
    left, right = _parse(formula, [name for name in names if name != groups])
    outcome_columns = _columns_of(left, names, "formula")
    used = _columns_of(right, names, "formula")
    effects = _parse_random(random)
    slope_columns = _columns_of(effects, names, "random")
    for name in (groups, *outcome_columns, INTERCEPT):
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
    if (outcome := str(next(iter(left)))) in _as_they_are(right):
        raise ValueError(f"formula has its outcome {outcome!r} among the covariates: take it out.")
    if INTERCEPT in used:
        raise ValueError(
            f"formula uses a column named {INTERCEPT!r}, which is what the constant is called "
            "here: rename it."
        )
    if len(frame) == 0:
        raise ValueError("data has no rows: pass at least one.")
    columns = list(dict.fromkeys([*outcome_columns, *used, *slope_columns, groups]))
    table = frame.select(columns).to_pandas().reset_index(drop=True)
    table, counts = _without_missing(table, missing)
    table[groups] = _whole_again(table[groups], counts.get(groups, 0))
    for name in outcome_columns:
        table[name] = _outcome_numbers(table[name], name)
    for name in dict.fromkeys([*_as_they_are(right), *_as_they_are(effects)]):
        _refuse_identifier(table[name], name)
    for name in dict.fromkeys([*used, *slope_columns]):
        table[name] = _plain(table[name], name)
    codes, labels = as_clusters(table[groups], len(table))
    outcomes = _evaluate(left, table)
    if outcomes.shape[1] != 1:
        raise ValueError(
            f"formula: the outcome {str(next(iter(left)))!r} makes {outcomes.shape[1]} columns: "
            "write one that is a number."
        )
    y = as_outcome(outcomes.iloc[:, 0].to_numpy(dtype=float), len(table))
    matrix = _evaluate(right, table)
    intercept = INTERCEPT in matrix.columns
    spec = matrix.model_spec
    X = _matrix(matrix, intercept)
    covariates = tuple(name for name in matrix.columns if name != INTERCEPT)
    return ModelRows(
        design=Design(X, y, codes, labels, covariates),
        intercept=intercept,
        spec=spec,
        used=tuple(used),
        outcome=str(next(iter(left))),
        codings=_codings(spec),
        n_read=len(frame),
        missing=counts,
        n_dropped=len(frame) - len(table),
        slopes=_random_slopes(effects, random, table, tuple(slope_columns)),
    )


def formula_columns(
    formula: str, names: Iterable[str], groups: str, random: str | None = None
) -> list[str]:
    """Return the columns that a formula uses, the outcome's first, or say which is not there.

    Raises
    ------
    ValueError, TypeError
        As `model_rows`.
    """
    names = list(names)
    left, right = _parse(formula, [name for name in names if name != groups])
    found = [*_columns_of(left, names, "formula"), *_columns_of(right, names, "formula")]
    found += _columns_of(_parse_random(random), names, "random")
    return list(dict.fromkeys(found))


def new_rows(rows: ModelRows, data: Any, name: str = "data") -> np.ndarray:
    """Build the design matrix of new rows by what was learned from the fitted ones.

    Raises
    ------
    ValueError
        A column is not there, holds missing values, or a category that fitting never saw.
    """
    return _new_matrix(rows.spec, rows.used, data, name, rows.intercept)


def new_slopes(slopes: RandomSlopes, data: Any, name: str = "data") -> np.ndarray:
    """Build the columns of random slopes for new rows, shape (N, Q).

    Raises
    ------
    ValueError
        As `new_rows`.
    """
    return _new_matrix(slopes.spec, slopes.used, data, name, slopes.intercept)


def check_column(column: str, names: Iterable[str], argument: str) -> None:
    """Raise if a column is not there; the message says which is nearest.

    Raises
    ------
    ValueError
    """
    names = list(names)
    if column in names:
        return
    near = nearest(column, names)
    hint = f"did you mean {near!r}?" if near else f"there are {_some(names)}."
    raise ValueError(f"{argument}: no column named {column!r}; {hint}")


def nearest(column: str, names: Iterable[str]) -> str | None:
    """Return the name most like a mistyped one, or None."""
    plain = {_squeezed(name): name for name in map(str, names)}
    close = difflib.get_close_matches(_squeezed(str(column)), plain, n=1, cutoff=0.6)
    return plain[close[0]] if close else None


def quoted(column: str) -> str:
    """Write a column's name so that a formula takes it for a name whatever it holds.

    Raises
    ------
    ValueError
        The name holds a backtick, or is a number.
    """
    if "`" in column:
        raise ValueError(f"column {column!r} has a backtick in its name: rename it.")
    if re.fullmatch(r"[\d.]+([eE][+-]?\d+)?", column):  # a formula would take it for a constant
        raise ValueError(f"column {column!r} has a number for a name: rename it, or --exclude it.")
    plain = column.isidentifier() and not keyword.iskeyword(column) and column not in TRANSFORMS
    return column if plain else f"`{column}`"


def _new_matrix(
    spec: ModelSpec, used: tuple[str, ...], data: Any, name: str, intercept: bool
) -> np.ndarray:
    frame = as_frame(data, name)
    if len(frame) == 0:
        raise ValueError(f"{name} has no rows: pass at least one.")
    for column in used:
        check_column(column, frame.columns, name)
    if not used:
        return np.empty((len(frame), 0))
    table = frame.select(list(used)).to_pandas().reset_index(drop=True)
    counts = _missing_counts(table)
    if counts:
        raise ValueError(
            f"{name} has missing values ({_listed(counts)}): fill them in, or leave these rows out."
        )
    for column in used:
        table[column] = _plain(table[column], column)
    return _matrix(_evaluate(spec, table, name), intercept)


def _squeezed(name: str) -> str:
    return re.sub(r"[\s_.-]+", "", name).lower()


def _some(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:12]) + (", ..." if len(names) > 12 else "")


def as_frame(data: Any, name: str = "data") -> nw.DataFrame:
    """Return a user's table, of whatever library, as a narwhals data frame.

    Raises
    ------
    ValueError, TypeError
        No table, one that is not in memory, or two columns of one name.
    """
    if isinstance(data, Mapping):
        try:
            data = pd.DataFrame(data)
        except ValueError as error:
            raise ValueError(
                f"{name} is no table ({error}): pass columns (lists) of one length."
            ) from None
    if not any(hasattr(type(data), name) for name in ("columns", "schema")):
        raise TypeError(
            f"{name} must be a data frame or a dict of columns, got {type(data).__name__}: for "
            "arrays use SignificantClusterRegressor."
        )
    try:
        return nw.from_native(data, eager_only=True)
    except nw.exceptions.DuplicateError as error:
        twice = str(error).split("got:")[-1].strip(" -\n")
        raise ValueError(f"{name} has two columns of one name ({twice}): rename one.") from None
    except TypeError:
        raise TypeError(
            f"{name} is of type {type(data).__name__}, whose rows are not in memory: pass its "
            "collect() or compute()."
        ) from None


def _parse(formula: str, columns: list[str]) -> tuple[Formula, Formula]:
    """Return the left and the right side of a formula."""
    if not isinstance(formula, str):
        raise TypeError(f"formula must be text, got {type(formula).__name__}: 'score ~ age + sex'.")
    if "|" in re.sub(r"`[^`]*`|'[^']*'|\"[^\"]*\"", "", formula):
        raise ValueError(
            f"formula {formula!r} has a bar: name the clusters by groups= instead of (1 | group)."
        )
    if re.search(r"(?:^|[~+*:/(\s-])\.(?:$|[+*:/)\s-])", formula):
        for name in columns:
            quoted(name)  # refuses what `.` would take for a constant
    try:
        parsed = Formula(formula, _context={_ASSUMED: columns})
        left, right = parsed.lhs, parsed.rhs
    except AttributeError:
        raise ValueError(
            f"formula {formula!r} has no outcome: write outcome ~ covariates."
        ) from None
    except (FormulaicError, SyntaxError) as error:
        raise ValueError(
            f"formula {formula!r} cannot be read ({_first_line(error)}): write it as "
            "'score ~ age + sex', names with spaces in `backticks`."
        ) from None
    if len(list(left)) != 1:
        raise ValueError(f"formula {formula!r} has {len(list(left))} outcomes: pass one.")
    return left, right


def _parse_random(random: str | None) -> Formula:
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
            f"random={random!r} cannot be read ({_first_line(error)}): {remedy}."
        ) from None


def _random_slopes(
    effects: Formula, random: str | None, table: pd.DataFrame, used: tuple[str, ...]
) -> RandomSlopes | None:
    """Evaluate the columns of random slopes, or None without any."""
    if not used:
        if [str(term) for term in effects] != ["1"]:
            raise ValueError(f"random={random!r} names no column: write '1 + x', or '1'.")
        return None
    matrix = _evaluate(effects, table)
    intercept = INTERCEPT in matrix.columns
    Z = _matrix(matrix, intercept)
    names = tuple(name for name in matrix.columns if name != INTERCEPT)
    for j in np.flatnonzero(np.ptp(Z, axis=0) == 0):
        raise ValueError(
            f"random={random!r}: {names[j]!r} is constant, so that its slope is a random "
            "intercept: leave it out."
        )
    with np.errstate(over="ignore"):
        sizes = np.sum(Z**2, axis=0)
    for j in np.flatnonzero(~np.isfinite(sizes)):
        raise ValueError(
            f"random={random!r}: Z is of a size whose squares leave the range of floating point in "
            f"{names[j]!r}: rescale it, for example by its largest value."
        )
    return RandomSlopes(Z, names, intercept, matrix.model_spec, used)


def _first_line(error: BaseException) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m|[⧛⧚]", "", str(error))
    return next(iter(text.strip().splitlines()), type(error).__name__)


def _factors(side: Formula | ModelSpec) -> list[Factor]:
    formula = side.formula if isinstance(side, ModelSpec) else side
    return [factor for term in formula for factor in term.factors]


def _as_they_are(side: Formula) -> list[str]:
    """Return the names of the factors that are columns, not functions of columns."""
    return [f.expr for f in _factors(side) if f.eval_method is Factor.EvalMethod.LOOKUP]


def _columns_of(side: Formula, names: list[str], argument: str) -> list[str]:
    """Return the columns behind one side of a formula."""
    found: dict[str, None] = {}
    for factor in _factors(side):
        if factor.eval_method is Factor.EvalMethod.LOOKUP:
            check_column(factor.expr, names, argument)
            found[factor.expr] = None
        elif factor.eval_method is Factor.EvalMethod.PYTHON:
            for name in _names_in(factor.expr):
                if name in names:
                    found[name] = None
                elif name not in TRANSFORMS and not hasattr(builtins, name):
                    check_column(name, names, argument)
    return list(found)


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


def _missing_counts(table: pd.DataFrame) -> dict[str, int]:
    counts = {str(name): int(table[name].isna().sum()) for name in table}
    return {name: count for name, count in counts.items() if count}


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} in {name!r}" for name, count in counts.items())


def _without_missing(table: pd.DataFrame, missing: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Refuse or drop the rows that miss a value."""
    counts = _missing_counts(table)
    if not counts:
        return table, counts
    whole = table.notna().all(axis=1)
    if missing == "refuse":
        raise ValueError(
            f"data has missing values ({_listed(counts)}; {int((~whole).sum()):,} of "
            f"{len(table):,} rows): fill them in, or drop these rows with missing='drop' "
            "(--missing drop)."
        )
    if not whole.any():
        raise ValueError(
            f"data has no row without a missing value ({_listed(counts)}): leave out the columns "
            "that miss most."
        )
    return table[whole].reset_index(drop=True), counts


def _whole_again(labels: pd.Series, n_missing: int) -> pd.Series:
    """Undo what missing values do to whole numbers in pandas: 12 became 12.0."""
    if n_missing and labels.dtype.kind == "f" and (labels % 1 == 0).all():
        return labels.astype("int64")
    return labels


def _outcome_numbers(column: pd.Series, name: str) -> pd.Series:
    """Return a column behind the outcome as numbers, or say what it holds."""
    if pd.api.types.is_datetime64_any_dtype(column) or column.dtype.kind == "m":
        raise TypeError(
            f"outcome {name!r} holds dates or times: turn them into numbers, such as days."
        )
    if pd.api.types.is_complex_dtype(column):
        raise TypeError(f"outcome {name!r} holds complex numbers: pass real ones.")
    try:
        return column.astype(float)
    except (TypeError, ValueError):
        pass
    for row, value in enumerate(column):
        try:
            float(value)
        except (TypeError, ValueError):
            two = column.nunique() == 2
            remedy = (
                f"code its two values as 0 and 1 ({value!r} as one of them)"
                if two
                else "correct the entries that are no numbers, or name another column"
            )
            raise ValueError(
                f"outcome {name!r} holds text ({value!r} in row {row}), not numbers: {remedy}."
            ) from None
    raise TypeError(f"outcome {name!r} holds {column.dtype}, not numbers: convert it.")


def _plain(column: pd.Series, name: str) -> pd.Series:
    """Return a column in one of the types that formulaic codes as its reader expects."""
    if pd.api.types.is_bool_dtype(column):
        return column.astype(float)
    if pd.api.types.is_numeric_dtype(column):
        return column if isinstance(column.dtype, np.dtype) else column.astype(float)
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.remove_unused_categories()
    if isinstance(column.dtype, pd.DatetimeTZDtype) or column.dtype.kind in "mM":
        raise TypeError(_dates(name))
    if isinstance(column.dtype, pd.StringDtype):
        return column.astype("category")
    values = column.astype(object)
    kinds = {type(value) for value in values}
    if not any(issubclass(kind, str) for kind in kinds):
        try:
            return values.astype(float)  # Decimal, or numbers in an object column
        except (TypeError, ValueError):
            if any(issubclass(kind, (date, time)) for kind in kinds):
                raise TypeError(_dates(name)) from None
            raise TypeError(
                f"column {name!r} holds {min(k.__name__ for k in kinds)}: pass numbers or text."
            ) from None
    if len(kinds) > 1:
        raise TypeError(f"column {name!r} mixes text and numbers: make it all one or the other.")
    return values.astype("category")


def _dates(name: str) -> str:
    return (
        f"column {name!r} holds dates or times: turn them into numbers of a unit you choose, such "
        "as days since the first one, or leave the column out (--exclude)."
    )


def _refuse_identifier(column: pd.Series, name: str) -> None:
    """Refuse text that names the rows, or that is numbers but for a few entries."""
    if not pd.api.types.is_string_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype):
        return
    levels = column.drop_duplicates()
    broken = levels[pd.to_numeric(levels, errors="coerce").isna()]
    if 0 < len(broken) <= len(levels) / 2:
        raise ValueError(
            f"column {name!r} holds numbers but for {str(broken.iloc[0])!r} in row "
            f"{broken.index[0]}: correct it, or write C({quoted(name)}) (--categorical) if each is "
            "a category."
        )
    if len(broken) == 0 and not (pd.to_numeric(levels) % 1 == 0).all():
        raise ValueError(
            f"column {name!r} holds numbers as text, such as {levels.iloc[0]!r}: convert it, or "
            f"write C({quoted(name)}) (--categorical) if each is a category."
        )
    if levels.str.fullmatch(_WITH_UNIT).all():
        raise ValueError(
            f"column {name!r} holds numbers with a unit, such as {levels.iloc[0]!r}: take the unit "
            f"out, or write C({quoted(name)}) (--categorical) if each is a category."
        )
    if (n_levels := len(levels)) > MOST_LEVELS:
        raise ValueError(
            f"column {name!r} holds {n_levels:,} different texts, such as {column.iloc[0]!r}: "
            "leave it out if it names the rows (--exclude), "
            f"or write C({quoted(name)}) (--categorical) if each is a category."
        )


def _evaluate(
    side: Formula | ModelSpec, table: pd.DataFrame, argument: str = "data"
) -> pd.DataFrame:
    """Evaluate one side of a formula."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataMismatchWarning)
        try:
            return side.get_model_matrix(table, na_action="ignore", output="pandas")
        except DataMismatchWarning as error:
            found = re.search(r"\{.*\}", str(error))
            levels = "; ".join(
                f"{coding.factor} has {', '.join(coding.levels[:12])}"
                for coding in (_codings(side) if isinstance(side, ModelSpec) else ())
            )
            raise ValueError(
                f"{argument} has categories that were not there in fitting "
                f"({found[0] if found else error}): recode or leave out these rows. "
                f"Known: {levels}."
            ) from None
        except Exception as error:  # the formula may hold any Python
            where = "" if argument == "data" else f" on {argument}"
            raise ValueError(
                f"formula cannot be evaluated{where}: {_first_line(error).rstrip('.')}: correct "
                "it, or compute the column in the table."
            ) from None


def _matrix(table: pd.DataFrame, intercept: bool) -> np.ndarray:
    covariates = table.drop(columns=INTERCEPT) if intercept else table
    if covariates.shape[1] == 0:
        if not intercept:
            raise ValueError("formula has neither covariates nor an intercept: write y ~ 1.")
        return np.empty((len(table), 0))
    return as_matrix(covariates, "the design matrix")[0]


def _codings(spec: ModelSpec) -> tuple[Coding, ...]:
    """Say how each categorical factor was coded, read off the columns that it made."""
    columns = set(spec.column_names)
    codings = []
    contrasts = spec.factor_contrasts
    for factor in dict.fromkeys(_factors(spec)):
        if factor not in contrasts:
            continue
        state = contrasts[factor]
        levels = tuple(str(level) for level in state.levels)
        coded = [f"{factor.expr}[T.{level}]" in columns for level in levels]
        reference = levels[coded.index(False)] if any(coded) and not all(coded) else ""
        codings.append(Coding(factor.expr, levels, reference))
    return tuple(codings)
