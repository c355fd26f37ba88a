"""What the text of files means: missing values, numbers with a decimal comma, pandas' index.

The same rules whether a CSV file is read at once or in batches: what is known of a column is merged
with ``+``, and decides when all of it was seen.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from scs.data.labels import LabelWarning

USUAL_MISSING = tuple(pa_csv.ConvertOptions().null_values)  # NA, N/A, null, nan ... and no text
UNNAMED_INDEX = re.compile(r"__index_level_\d+__")
_COMMA_NUMBER = r"^\s*[+-]?\d*,?\d+([eE][+-]?\d+)?\s*$"
_MAYBE_THOUSANDS = r"^\s*[+-]?[1-9]\d{0,2},\d{3}\s*$"
_MARKS = (".", "-", "?", "--", "..", "*")  # of a missing value, as statistical offices write it
_A_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"


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


class TableWarning(UserWarning):
    """Something in a table was read in another way than its text says."""


@dataclass(frozen=True)
class Numerals:
    """What the texts of a column are, as far as it was read.

    Attributes
    ----------
    marks : Counter
        Texts that are marks of missing values among numbers, as they are written.
    values : int
        All other texts.
    point, comma : bool
        Whether all of those are numbers, with a decimal point or with a decimal comma at most.
    example : str
        The first of them that holds a comma.
    thousands : bool
        Whether all that hold a comma may mean thousands by it.
    """

    marks: Counter = field(default_factory=Counter)
    values: int = 0
    point: bool = True
    comma: bool = True
    example: str = ""
    thousands: bool = True

    @classmethod
    def of(cls, column: Any) -> Numerals:
        """Look at a column of text, whose missing values are null."""
        texts = column.drop_null()
        marked = pc.is_in(pc.utf8_trim_whitespace(texts), pa.array(_MARKS, type=texts.type))
        counts = pc.value_counts(texts.filter(marked)).to_pylist()
        marks = Counter({pair["values"]: pair["counts"] for pair in counts})
        texts = texts.filter(pc.invert(marked))
        with_comma = texts.filter(pc.match_substring(texts, ","))
        return cls(
            marks,
            len(texts),
            _all_match(texts, _A_NUMBER),
            _all_match(texts, _COMMA_NUMBER),
            with_comma[0].as_py() if len(with_comma) else "",
            _all_match(with_comma, _MAYBE_THOUSANDS),
        )

    def __add__(self, other: Numerals) -> Numerals:
        """Join with what the rows below hold."""
        return Numerals(
            self.marks + other.marks,
            self.values + other.values,
            self.point and other.point,
            self.comma and other.comma,
            self.example or other.example,
            self.thousands and other.thousands,
        )

    def way(self, name: str, decimal: str) -> str:
        """Return the decimal mark by which the column is to be read as numbers; empty: it is text.

        ``decimal`` is the mark that was asked for, if any was.

        Raises
        ------
        ValueError
            Its numbers can be read in two ways.
        """
        plain = self.values > 0 and (self.comma if decimal == "," else self.point)
        commas = self.values > 0 and self.comma and not decimal
        if self.marks:
            if not (plain or commas):
                self.point_out_marks(name, "a category")
                return ""
            warnings.warn(
                f"column {name!r}: {next(iter(self.marks))!r} is read as missing "
                f"({_rows(self.marks.total())}), for all else in it is numbers.",
                TableWarning,
                stacklevel=2,
            )
            if plain:
                return decimal or "."
        if not (commas and self.example):
            return ""
        if self.thousands:
            raise ValueError(
                f"column {name!r} holds numbers such as {self.example!r} that can be read in two "
                "ways: say --decimal , (csv={'decimal_point': ','}) if the comma is a decimal one, "
                "or take the thousands' commas out of the file."
            )
        return ","

    def point_out_marks(self, name: str, what: str) -> None:
        """Say that a mark is text here."""
        found = Counter({mark: n for mark, n in self.marks.items() if mark in _MARKS})
        if found:
            mark = next(iter(found))
            warnings.warn(
                f"column {name!r}: {mark!r} is {what} like any other ({_rows(found.total())}). If "
                f"it stands for a missing value: --na={mark}",
                TableWarning,
                stacklevel=2,
            )


def as_numbers(column: Any, decimal: str) -> Any:
    """Return a column of text as numbers, its marks as missing values; see `Numerals.way`."""
    trimmed = pc.utf8_trim_whitespace(column)
    marked = pc.is_in(trimmed, pa.array(_MARKS, type=trimmed.type))
    trimmed = pc.if_else(marked, pa.scalar(None, trimmed.type), trimmed)
    if decimal == ",":
        trimmed = pc.replace_substring(trimmed, ",", ".")
    return trimmed.cast(pa.float64())


def _rows(count: int) -> str:
    return f"{count:,} row" + ("" if count == 1 else "s")


def _all_match(column: Any, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(column, pattern), min_count=0).as_py())
