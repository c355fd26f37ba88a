"""What files say beside their values: texts that stand for a missing value, and pandas' index."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from scs.data.labels import LabelWarning

USUAL_MISSING = tuple(pa_csv.ConvertOptions().null_values)  # NA, N/A, null, nan ... and no text
UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


def index_columns(schema: pa.Schema | None, names: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that are the index of a pandas data frame, not columns of it.

    ``schema`` holds what pandas wrote beside the columns; None where there is nothing of it.
    """
    stored = (getattr(schema, "pandas_metadata", None) or {}).get("index_columns", [])
    named = {name for name in stored if isinstance(name, str)}  # a RangeIndex is a dict
    return tuple(name for name in names if name in named or UNNAMED_INDEX.fullmatch(name))


def is_text(type_: pa.DataType) -> bool:
    """Say if a column is text that may stand for a missing value."""
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return pa.types.is_string(type_) or pa.types.is_large_string(type_)


def without_words(column: Any, words: Iterable[str]) -> tuple[Any, Counter]:
    """Return a column of text in which some texts are null, and how often each one was there."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    missing = pc.is_in(column, value_set=pa.array(list(words), type=column.type))
    found = pc.and_(missing, column.is_valid())
    if not pc.any(found).as_py():
        return column, Counter()
    counts = pc.value_counts(column.filter(found))
    column = pc.if_else(found, pa.scalar(None, column.type), column)
    return column, Counter({pair["values"]: pair["counts"] for pair in counts.to_pylist()})


def note_words(counts: Mapping[str, Mapping[str, int]], asked: Collection[str] = ()) -> None:
    """Say, by column, which texts were read as missing although nobody asked for it."""
    for name, found in counts.items():
        told = {word: n for word, n in sorted(found.items()) if word.strip() and word not in asked}
        if told:
            listed = ", ".join(f"{word!r} in {n:,} row{'s' * (n > 1)}" for word, n in told.items())
            warnings.warn(
                f"column {name!r}: {listed} read as missing; to keep such text as it is, pass "
                "keep_na_text=True (--keep-na-text).",
                LabelWarning,
                stacklevel=2,
            )
