"""The doors of the fuzz test: a case written as a file or a data frame, and what comes back."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import scs.estimators.formula
from scs import SignificantClusterRegressor
from scs.cli import main

TIME_LIMIT = 2.0


class NoSuchTableError(Exception):
    """The container itself cannot hold the columns."""


@dataclass
class Answer:
    """What a door gave back.

    Attributes
    ----------
    outcome : str
        "answered", "refused: ValueError", "exit 2" ... for the counts.
    error : BaseException or None
    said : str
        Standard output and, after it, the summary.
    notes : list of str
        Lines on standard error.
    warned : list of WarningMessage
    model : fitted model or estimator, or None
    data : what the model was fitted on
    predict : function that predicts the fitted rows, or None
    """

    outcome: str
    error: BaseException | None = None
    said: str = ""
    notes: list[str] = field(default_factory=list)
    warned: list[Any] = field(default_factory=list)
    model: Any = None
    predict: Callable[[], np.ndarray] | None = None
    design: Any = None

    @property
    def detail(self) -> str:
        """Everything that it said, for the eye."""
        return f"{self.outcome} {self.error!r} " + " / ".join(self.notes)


def through_door(case, folder: Path) -> Answer:
    """Put a case through its door."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what pandas says of making the table is not ours
            table = _TABLES[case.door](case, folder)
    except NoSuchTableError as error:
        return Answer("no such table", error=error)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        if case.door in ("csv", "parquet"):
            answer = _command(case, table, folder)
        elif case.door == "estimator":
            answer = _estimator(case, table)
        else:
            answer = _fit(case, table)
    answer.warned = list(warned)
    return answer


# ------------------------------------------------------------------------------------ doors


def _arguments(case) -> dict[str, Any]:
    options = dict(case.options)
    options.pop("report", None)
    names = [column.name for column in case.covariates]
    quoted = [name if name.isidentifier() else f"`{name}`" for name in [case.outcome.name, *names]]
    plain = f"{quoted[0]} ~ {' + '.join(quoted[1:]) or '1'}"
    options.setdefault("formula", plain)
    options.setdefault("groups", case.groups.name)
    options.setdefault("time_limit", TIME_LIMIT)
    return options


def _fit(case, table: Any) -> Answer:
    arguments = _arguments(case)
    formula, groups, budget = (arguments.pop(name) for name in ("formula", "groups", "budget"))
    try:
        model = scs.estimators.formula.fit(formula, table, groups, budget, **arguments)
        said = model.summary()
    except Exception as error:
        return Answer(f"refused: {type(error).__name__}", error)
    return _answered(model, table, said)


def _answered(model: Any, table: Any, said: str) -> Answer:
    return Answer(
        "answered",
        said=said,
        model=model,
        predict=lambda: model.predict(table),
        design=model.rows.design,
    )


def _estimator(case, table: tuple) -> Answer:
    X, y, clusters = table
    options = {k: v for k, v in case.options.items() if k in ("ridge", "time_limit")}
    budget = case.options["budget"]
    try:
        model = SignificantClusterRegressor(
            1 if budget == "auto" else budget, **{"time_limit": TIME_LIMIT, **options}
        ).fit(X, y, clusters)
    except Exception as error:
        return Answer(f"refused: {type(error).__name__}", error)
    return Answer("answered", model=model, predict=lambda: model.predict(X, clusters))


def _command(case, path: Path, folder: Path) -> Answer:
    arguments = ["fit", str(path)]
    options = dict(case.options)
    flags = case.dialect.get("flags", []) if case.door == "csv" else []
    groups = options.get("groups", case.groups.name)
    if groups is not None:
        arguments.append(f"--cluster={groups if isinstance(groups, (str, int)) else 'g'}")
    if "formula" in options:
        arguments.append(f"--formula={options['formula']}")
    else:
        arguments.append(f"--outcome={case.outcome.name}")
    for name in ("budget", "ridge", "ridge_fixed", "missing", "random", "seed"):
        if options.get(name) is not None:
            arguments.append(f"--{name.replace('_', '-')}={options[name]}")
    arguments.append(f"--time-limit={options.get('time_limit', TIME_LIMIT)}")
    arguments.append(f"--bootstrap={options.get('bootstrap', 0)}")
    report = folder / "report.html"
    report.unlink(missing_ok=True)
    if options.get("report"):
        arguments.append(f"--report={report}")
    caught: list = []
    plain = scs.estimators.formula.fit

    def spy(formula, data, *rest, **named):
        model = plain(formula, data, *rest, **named)
        caught.append((model, data))
        return model

    out, err = io.StringIO(), io.StringIO()
    scs.estimators.formula.fit = spy
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([*arguments, *flags])
    except SystemExit as error:
        code = error.code
    except Exception as error:
        return Answer(f"raised: {type(error).__name__}", error, notes=["traceback"])
    finally:
        scs.estimators.formula.fit = plain
    notes = err.getvalue().splitlines()
    left = {p.name for p in folder.iterdir()} - {"table.csv", "table.parquet", "report.html"}
    if left:
        notes.append(f"left behind: {left}")
    if code != 0:
        return Answer(f"exit {code}", SystemExit(code), out.getvalue(), notes)
    if not caught or "Certificate" not in out.getvalue():
        return Answer("exit 0 without an answer", SystemExit(0), out.getvalue(), notes)
    answer = _answered(*caught[0], out.getvalue())
    answer.notes = notes
    if options.get("report") and not report.is_file():
        answer.notes.append("no report")
    return answer


# ----------------------------------------------------------------------------------- tables


def written(value: Any, decimal: str = ".") -> str:
    """Write a value as a CSV file has it."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value).replace(".", decimal)
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return str(value)


def _csv(case, folder: Path) -> Path:
    form = case.dialect
    sep, end = form["sep"], form["end"]

    def cell(text: str) -> str:
        if form["quote_all"] or any(mark in text for mark in (sep, '"', "\n", "\r")):
            return '"' + text.replace('"', '""') + '"'
        return text

    lines = [sep.join(cell(column.name) for column in case.columns)]
    for row in range(len(case.outcome.values)):
        cells = [cell(written(column.values[row], form["decimal"])) for column in case.columns]
        lines.append(sep.join(cells))
    lines = _broken(lines, sep, form.get("broken", ""))
    if "above" in form:
        lines.insert(0, form["above"])
    text = end.join(lines) + (end if form["last_end"] else "")
    if form.get("broken") == "cut":
        text = text[: len(text) // 2]
    encoding = form["encoding"]
    try:
        content = text.encode(encoding)
    except UnicodeEncodeError:
        content = text.encode("utf-8", "surrogateescape")
    if packed := form.get("packed"):
        content = bz2.compress(content) if packed == "bz2" else gzip.compress(content, mtime=0)
        content = content[: len(content) // 2] if packed.startswith("cut") else content
    path = folder / "table.csv"
    path.write_bytes(content)
    return path


def _broken(lines: list[str], sep: str, how: str) -> list[str]:
    if how == "trailing":
        return [line + sep for line in lines]
    if how == "trailing rows":
        return [lines[0], *(line + sep for line in lines[1:])]
    if how == "ragged" and len(lines) > 2:
        return [*lines[:2], lines[2] + sep + "9", *lines[3:]]
    if how == "comment" and len(lines) > 2:
        return [*lines[:2], "# by hand", *lines[2:]]
    if how == "nul" and len(lines) > 1:
        return [lines[0], lines[1] + "\0", *lines[2:]]
    if how == "quote" and len(lines) > 1:
        return [lines[0], '"' + lines[1], *lines[2:]]
    if how == "blank":
        return [line for each in lines for line in (each, "")]
    return lines


def _series(column) -> pd.Series:
    values = column.values
    if column.kind == "category":
        return pd.Series(pd.Categorical(values))
    try:
        found = pd.Series(values)
    except (ValueError, TypeError, OverflowError):
        found = pd.Series(values, dtype=object)
    return found if len(values) else found.astype(object)


def _pandas(case, folder: Path) -> pd.DataFrame:
    frame = pd.concat([_series(column) for column in case.columns], axis=1)
    try:
        frame.columns = [column.name for column in case.columns]
    except ValueError as error:
        raise NoSuchTableError(str(error)) from None
    return frame


def _polars(case, folder: Path) -> pl.DataFrame:
    try:
        columns = []
        for column in case.columns:
            series = pl.Series(column.name, column.values)
            kind = pl.Enum(sorted(set(series.drop_nulls()))) if column.kind == "category" else None
            columns.append(series.cast(kind) if kind else series)
        return pl.DataFrame(columns)
    except BaseException as error:  # polars panics on some values
        if isinstance(error, KeyboardInterrupt):
            raise
        raise NoSuchTableError(str(error)) from None


def _arrow(case, folder: Path) -> pa.Table:
    try:
        arrays = [pa.array(column.values, from_pandas=True) for column in case.columns]
        arrays = [
            _coded(array) if column.kind == "category" else array
            for array, column in zip(arrays, case.columns)
        ]
        return pa.table(arrays, names=[column.name for column in case.columns])
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise NoSuchTableError(str(error)) from None


def _coded(array: pa.Array) -> pa.DictionaryArray:
    levels = pa.array(sorted(set(array.drop_null().to_pylist())), array.type)
    return pa.DictionaryArray.from_arrays(pc.index_in(array, levels), levels)


def _parquet(case, folder: Path) -> Path:
    path = folder / "table.parquet"
    try:
        pq.write_table(_arrow(case, folder), path)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise NoSuchTableError(str(error)) from None
    return path


def _dict(case, folder: Path) -> dict:
    return {column.name: list(column.values) for column in case.columns}


def _arrays(case, folder: Path) -> tuple:
    """Return X, y, clusters for the estimator: an array where all is numbers, else a frame."""
    turn = len(case.outcome.values) % 3
    numbers = all(column.numeric for column in case.covariates)
    X: Any = pd.concat([_series(column) for column in case.covariates], axis=1) \
        if case.covariates else np.empty((len(case.outcome.values), 0))  # fmt: skip
    if case.covariates and numbers and turn:
        try:
            X = np.array([c.values for c in case.covariates], dtype=float).T
        except (TypeError, OverflowError) as error:
            raise NoSuchTableError(str(error)) from None
    elif case.covariates:
        X.columns = [column.name for column in case.covariates]
    y = case.outcome.values if turn else _series(case.outcome)
    clusters = case.groups.values if turn == 1 else _series(case.groups)
    return X, y, clusters


_TABLES = {
    "csv": _csv, "parquet": _parquet, "pandas": _pandas, "polars": _polars, "arrow": _arrow,
    "dict": _dict, "estimator": _arrays,
}  # fmt: skip
