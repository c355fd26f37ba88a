"""What each column of a table is for, whether it can be that, and batches of rows as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from scs.data.csv_format import near
from scs.data.files import index_columns
from scs.data.labels import coded_labels
from scs.data.numbering import rows_from
from scs.data.weights import refuse_weights

BESIDE = ("frequency_weights", "precision_weights", "offset")


@dataclass(frozen=True)
class Columns:
    """The part each column plays.

    Attributes
    ----------
    outcome, cluster : str
    covariates : tuple of str
        Columns of the table, in order.
    levels : dict of str to tuple of str
        Columns that are categories, with their levels. The first is the reference: every
        other one gives a column of zeros and ones.
    slopes : tuple of str
        Columns of random slopes, which may be covariates as well.
    beside : dict of str to str
        Columns of weights and offset, by "frequency_weights", "precision_weights", "offset".
    """

    outcome: str
    cluster: str
    covariates: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    slopes: tuple[str, ...] = ()
    beside: Mapping[str, str] = field(default_factory=dict)

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns to read."""
        used = [*self.covariates, *self.slopes, self.outcome, self.cluster, *self.beside.values()]
        return tuple(dict.fromkeys(used))

    @property
    def numbers(self) -> tuple[str, ...]:
        """The outcome, weights and offset, the covariates and slopes that are no categories."""
        some = dict.fromkeys([*self.covariates, *self.slopes, *self.beside.values()])
        return (*(name for name in some if name not in self.levels), self.outcome)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the design matrix's columns: ``age``, ``region[T.north]``."""
        return self._coded(self.covariates)

    @property
    def slope_names(self) -> tuple[str, ...]:
        """Names of the columns of random slopes, coded as those of the design matrix are."""
        return self._coded(self.slopes)

    def _coded(self, columns: Iterable[str]) -> tuple[str, ...]:
        names: list[str] = []
        for name in columns:
            coded = [f"{name}[T.{level}]" for level in self.levels.get(name, ())[1:]]
            names += coded if name in self.levels else [name]
        return tuple(names)


@dataclass(frozen=True)
class Rows:
    """Some rows as arrays: ``X (N, P)``, ``y (N,)``, ``codes (N,)`` into ``labels (K,)``, ``Z``.

    ``Z (N, Q)`` holds the columns of random slopes.

    ``frequency`` and ``precision`` are weights above 0, None for 1; ``weightless`` counts the rows
    left out for a weight of 0. An offset is taken off ``y``.

    ``missing`` counts the entries missing by column, ``dropped`` the rows left out for them, whose
    labels of text, of those that have one, are ``left``.
    """

    X: np.ndarray
    y: np.ndarray
    codes: np.ndarray
    labels: np.ndarray
    missing: dict[str, int]
    dropped: int
    Z: np.ndarray
    left: frozenset[str] = frozenset()
    frequency: np.ndarray | None = None
    precision: np.ndarray | None = None
    weightless: int = 0


def choose_columns(
    schema: pa.Schema,
    *,
    outcome: str,
    cluster: str,
    covariates: Sequence[str] | None = None,
    categories: Iterable[str] | Mapping[str, Sequence] = (),
    slopes: Sequence[str] = (),
    intercept: bool = False,
    frequency_weights: str | None = None,
    precision_weights: str | None = None,
    offset: str | None = None,
) -> Columns:
    """Say what each column is for, and refuse one that cannot be that.

    Parameters
    ----------
    schema : pyarrow.Schema
    outcome, cluster : str
    covariates : list of str, optional
        Numbers or booleans; all other columns if None.
    categories : list of str, or dict of str to levels
        Covariates or slopes to be dummy-coded. A list's levels are still to be found: see
        `find_levels`.
    slopes : list of str
        Columns of random slopes: numbers, booleans or ``categories``.
    intercept : bool
        Whether there will be an intercept, so that no covariate is needed.
    frequency_weights, precision_weights, offset : str, optional
        Columns of numbers, which are no covariates unless named as such.

    Raises
    ------
    ValueError, TypeError
        No such column (with those of similar name), one column in two parts, text or dates where
        numbers are needed, labels that cannot be told apart safely (lists, bytes).
    """
    names = list(schema.names)
    if isinstance(covariates, str):
        covariates = [covariates]
    if isinstance(categories, str):
        categories = [categories]
    slopes = (slopes,) if isinstance(slopes, str) else tuple(slopes)
    _require("outcome", outcome, names)
    _require("cluster", cluster, names)
    roles = (frequency_weights, precision_weights, offset)
    beside = {role: name for role, name in zip(BESIDE, roles, strict=True) if name is not None}
    for role, name in beside.items():
        _require(role, name, names)
        if name in (outcome, cluster):
            raise ValueError(f"{role}: {name!r} is the outcome or the cluster: name another one.")
    if covariates is None:
        other = (outcome, cluster, *beside.values(), *index_columns(schema, names))
        chosen = tuple(name for name in names if name not in other)
    else:
        chosen = tuple(covariates)
        for name in chosen:
            _require("covariates", name, names)
    parts = [outcome, cluster, *chosen]
    twice = next((name for i, name in enumerate(parts) if name in parts[:i]), None)
    if twice is not None:
        raise ValueError(
            f"column {twice!r} is named twice among outcome, cluster and covariates: give each "
            "column one part."
        )
    _check_slopes(slopes, names, (outcome, cluster))
    for name in categories:
        if name not in (*chosen, *slopes):
            raise ValueError(f"categories: {name!r} is no covariate: {near(name, chosen)}")
    if not chosen and not intercept:
        raise ValueError("covariates is empty: name at least one, or pass intercept=True for none.")
    given = categories if isinstance(categories, Mapping) else dict.fromkeys(categories, ())
    levels = {name: tuple(str(level) for level in given[name]) for name in given}
    for name, values in levels.items():
        if len(set(values)) < len(values):
            raise ValueError(f"categories: {name!r} has a level twice: name each level once.")
    columns = Columns(outcome, cluster, chosen, levels, slopes, beside)
    check_types(schema, columns)
    return columns


def _check_slopes(slopes: tuple[str, ...], names: list[str], taken: tuple[str, str]) -> None:
    for i, name in enumerate(slopes):
        _require("slopes", name, names)
        if name in taken:
            raise ValueError(
                f"slopes: {name!r} is the outcome or the cluster: name a column of numbers that "
                "is neither."
            )
        if name in slopes[:i]:
            raise ValueError(f"slopes: {name!r} is named twice: name each column once.")


def check_types(schema: pa.Schema, columns: Columns, where: str = "") -> None:
    """Refuse columns of a type that their part cannot have; ``where`` names the file."""
    place = f" of {where}" if where else ""
    for name in columns.needed:
        if schema.names.count(name) > 1:
            raise ValueError(
                f"source: {where or 'the table'} has two columns named {name!r}: rename one."
            )
        if name not in schema.names:
            raise ValueError(
                f"source: {where or 'a table'} has no column {name!r}, which the first file has "
                f"({near(name, schema.names)}): leave the file out, or mend it."
            )
    for name in columns.numbers:
        part = "outcome" if name == columns.outcome else "covariate"
        part = "slope" if name in columns.slopes and name not in columns.covariates else part
        if name not in (*columns.covariates, *columns.slopes, columns.outcome):
            part = next(role for role, each in columns.beside.items() if each == name)
        type_ = schema.field(name).type
        if _is_number(type_):
            continue
        if _is_text(type_):
            remedy = (
                f"pass categories=[{name!r}] to give each of its levels a column, or leave it out "
                f"of {part}s"
                if part != "outcome"
                else "name a column of numbers"
            )
            comma = (
                ""
                if types.is_dictionary(type_)
                else (
                    " (numbers that are read as text: take units and thousands separators out, see "
                    "csv={'decimal_point': ','} and csv={'null_values': ['.']} for CSV files)"
                )
            )
            raise TypeError(f"{part} {name!r}{place} holds text: {remedy}{comma}.")
        if types.is_temporal(type_):
            raise TypeError(
                f"{part} {name!r}{place} holds dates or times: convert them to numbers of a unit "
                "you choose first, for example days since the first one."
            )
        raise TypeError(
            f"{part} {name!r}{place} holds {type_}, not numbers: convert it or leave it out."
        )
    for name in columns.levels:
        type_ = schema.field(name).type
        if not (_is_text(type_) or types.is_integer(type_) or _is_blank(type_)) and not (
            types.is_boolean(type_)
        ):
            raise TypeError(
                f"categories: {name!r}{place} holds {type_}: only text, whole numbers and booleans "
                "are dummy-coded."
            )
    type_ = schema.field(columns.cluster).type
    label = type_.value_type if types.is_dictionary(type_) else type_
    if not (_is_number(label) or _is_text(label) or types.is_temporal(label)):
        raise TypeError(
            f"cluster {columns.cluster!r}{place} holds {type_}: labels must be numbers, text or "
            "dates; convert it to text."
        )


def find_levels(batches: Iterable[pa.RecordBatch], names: Iterable[str]) -> dict[str, tuple]:
    """Return the levels that occur in some columns, as text in sorted order.

    Whole numbers are sorted by size. Missing values are no level.
    """
    found: dict[str, dict] = {name: {} for name in names}
    for batch in batches:
        for name, levels in found.items():
            distinct = _plain(batch.column(name)).unique().drop_null()
            levels.update(zip(_text(distinct).to_pylist(), distinct.to_pylist()))
    return {name: tuple(_sorted_levels(levels)) for name, levels in found.items()}


def rows_of(
    batch: pa.RecordBatch,
    columns: Columns,
    *,
    missing: str = "raise",
    where: str,
    first_row: int = 0,
) -> Rows:
    """Turn a batch into arrays of finite numbers and cluster codes.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        Has the columns of ``columns.needed``.
    columns : Columns
    missing : "raise" or "drop"
        What to do about rows with a missing value (null or NaN).
    where, first_row : str, int
        What to call the file and its row before the batch's first, in messages.

    Raises
    ------
    ValueError
        A missing or infinite value, an unknown level: the message names file, column and row.
    """
    width = len(columns.names) + len(columns.slope_names) + 1 + len(columns.beside)
    values = np.empty((batch.num_rows, width))
    holes: dict[str, np.ndarray] = {}
    j = 0
    beside = columns.beside.values()
    for name in (*columns.covariates, *columns.slopes, columns.outcome, *beside):
        array = _plain(batch.column(name))
        if name in columns.levels and name not in beside:
            width = len(columns.levels[name]) - 1
            values[:, j : j + width] = _dummies(array, name, columns.levels[name], where, first_row)
            hole = array.is_null() if array.null_count else None
            if hole is not None:
                holes[name] = hole.to_numpy(zero_copy_only=False)
        else:
            width = 1
            values[:, j] = _floats(array, name, where)
        j += width
    labels = batch.column(columns.cluster)
    if not np.isfinite(values).all():
        holes |= _holes(values, columns, where, first_row)
    hole = _label_holes(labels)
    if hole is not None:
        holes[columns.cluster] = hole
    every = np.ones(batch.num_rows, dtype=bool)
    whole = ~np.logical_or.reduce(list(holes.values())) if holes else every
    keep = whole & _with_weight(values, columns, whole, where, first_row)
    if keep.all():
        codes, found = _codes(labels, first_row + 1 + np.arange(batch.num_rows), where)
        return _rows(values, columns, codes, found, {}, 0)
    if holes and missing == "raise":
        name, hole = next(iter(holes.items()))
        raise ValueError(
            f"source: {where} has a missing value in column {name!r}, row "
            f"{first_row + int(hole.argmax()) + 1} (rows are counted from 1, below the header; "
            f"{int(hole.sum())} such rows in the {batch.num_rows} read with it): pass "
            "missing='drop' to leave such rows out, or fill the values in first."
        )
    rows = first_row + 1 + np.flatnonzero(keep)
    codes, found = _codes(labels.filter(pa.array(keep)), rows, where)
    counts = {name: int(hole.sum()) for name, hole in holes.items()}
    n_dropped = int((~whole).sum())
    made = _rows(values[keep], columns, codes, found, counts, n_dropped)
    left = _texts(labels.filter(pa.array(~keep)))
    return replace(made, left=left, weightless=int((whole & ~keep).sum()))


def _with_weight(
    values: np.ndarray, columns: Columns, whole: np.ndarray, where: str, first_row: int
) -> np.ndarray:
    """Say which rows have a weight above 0, or refuse what is none, of rows without a hole."""
    keep = np.ones(len(values), dtype=bool)
    first = values.shape[1] - len(columns.beside)
    for j, role in enumerate(columns.beside, start=first):
        if role == "offset":
            continue
        try:
            with rows_from(1):
                refuse_weights(values[whole, j], role, first_row + np.flatnonzero(whole))
        except ValueError as error:
            raise ValueError(f"source: {where}: {error}") from None
        keep &= values[:, j] > 0
    return keep


def _rows(
    values: np.ndarray,
    columns: Columns,
    codes: np.ndarray,
    labels: np.ndarray,
    missing: dict[str, int],
    dropped: int,
) -> Rows:
    """Cut a table of numbers into its parts."""
    n_columns = len(columns.names)
    end = n_columns + len(columns.slope_names)
    X, Z, y = values[:, :n_columns], values[:, n_columns:end], values[:, end]
    beside = {role: values[:, end + 1 + j] for j, role in enumerate(columns.beside)}
    y = y - beside["offset"] if "offset" in beside else y
    weights = beside.get("frequency_weights"), beside.get("precision_weights")
    return Rows(X, y, codes, labels, missing, dropped, Z, frozenset(), *weights)


def _texts(labels: pa.Array) -> frozenset[str]:
    """Return the distinct labels if they are text."""
    if not types.is_string(labels.type):
        return frozenset()
    return frozenset(labels.unique().drop_null().to_pylist())


def _require(argument: str, name: Any, names: list[str]) -> None:
    if not isinstance(name, str):
        raise TypeError(f"{argument}: {name!r} is no column name: pass text.")
    if name in names:
        return
    hint = near(name, names)
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        mark = next(mark for mark in ";\t|" if mark in names[0])
        hint = f"the only column is {names[0]!r}; pass csv={{'delimiter': {mark!r}}}."
    raise ValueError(f"{argument}: there is no column {name!r}: {hint}")


def _is_text(type_: pa.DataType) -> bool:
    return (
        types.is_string(type_)
        or types.is_large_string(type_)
        or types.is_string_view(type_)
        or types.is_dictionary(type_)
    )


def _is_blank(type_: pa.DataType) -> bool:
    return types.is_null(type_)  # a column with no value at all: the rows will say so


def _is_number(type_: pa.DataType) -> bool:
    return (
        types.is_integer(type_)
        or types.is_floating(type_)
        or types.is_decimal(type_)
        or types.is_boolean(type_)
        or _is_blank(type_)
    )


def _plain(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if types.is_dictionary(array.type) else array


def _text(array: pa.Array) -> pa.Array:
    return array if _is_text(array.type) else array.cast(pa.string())


def _sorted_levels(levels: Mapping[str, Any]) -> list[str]:
    if any(isinstance(value, str) for value in levels.values()):
        return sorted(levels)
    return sorted(levels, key=levels.__getitem__)


def text_labels(schema: pa.Schema, columns: Columns) -> bool | None:
    """Say if the cluster labels are text; None if the column has no type to tell by."""
    type_ = schema.field(columns.cluster).type
    label = type_.value_type if types.is_dictionary(type_) else type_
    return None if _is_blank(label) else _is_text(label)


def _floats(array: pa.Array, name: str, where: str) -> np.ndarray:
    """Return float64, missing values as NaN."""
    try:
        return array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    except pa.ArrowException as error:
        raise TypeError(f"source: column {name!r} of {where} holds no numbers ({error}).") from None


def _dummies(
    array: pa.Array, name: str, levels: tuple[str, ...], where: str, first_row: int
) -> np.ndarray:
    text = _text(array)
    at = pc.index_in(text, value_set=pa.array(levels, type=text.type))
    unknown = pc.and_(at.is_null(), text.is_valid()).to_numpy(zero_copy_only=False)
    if unknown.any():
        row = int(unknown.argmax())
        raise ValueError(
            f"categories: {name!r} has no level {text[row].as_py()!r} (row {first_row + row + 1} "
            f"of {where}): {near(text[row].as_py(), levels)} Name every level, or none to have "
            "them found."
        )
    codes = at.fill_null(0).to_numpy(zero_copy_only=False)
    return codes[:, None] == np.arange(1, len(levels))


def _holes(values: np.ndarray, columns: Columns, where: str, first_row: int) -> dict:
    """Return the rows with NaN by column; an infinite value is an error and no missing value."""
    names = (*columns.names, *columns.slope_names, columns.outcome, *columns.beside.values())
    bad = np.argwhere(np.isinf(values))
    if len(bad):
        row, j = bad[0]
        raise ValueError(
            f"source: {where} has an infinite value (inf) in column {names[j]!r}, row "
            f"{first_row + row + 1}: mend it, or store it as a missing value."
        )
    missing = np.isnan(values)
    return {name: missing[:, j] for j, name in enumerate(names) if missing[:, j].any()}


def _label_holes(labels: pa.Array) -> np.ndarray | None:
    hole = labels.is_null(nan_is_null=True)
    if types.is_dictionary(labels.type) and labels.dictionary.null_count:
        hole = _plain(labels).is_null(nan_is_null=True)
    return hole.to_numpy(zero_copy_only=False) if pc.any(hole).as_py() else None


def _codes(labels: pa.Array, rows: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return codes and labels, of which none is missing; ``rows`` are their numbers in a file."""
    if types.is_string_view(labels.type):
        labels = labels.cast(pa.large_string())
    encoded = _plain(labels).dictionary_encode()  # again: no unused level, none twice
    codes = encoded.indices.to_numpy()
    first = np.full(len(encoded.dictionary), -1)
    first[codes[::-1]] = rows[::-1]
    try:
        again, found = coded_labels(encoded.dictionary, first)
    except (ValueError, TypeError) as error:
        raise type(error)(f"source: {where}: {error}") from None
    return again[codes], found


def schema_of_frame(frame: Any) -> pa.Schema:
    """Return the columns of a pandas-like frame from its ``dtypes``, without reading rows."""
    twice = [name for name in frame.columns if list(frame.columns).count(name) > 1]
    if twice:
        raise ValueError(f"frame has two columns named {twice[0]!r}: rename one of them.")
    empty = pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in frame.dtypes.items()})
    return pa.Schema.from_pandas(empty, preserve_index=False)
