"""Text that holds numbers or dates: what it is, and how numbers with separators are read."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scs.data.design import DesignWarning
from scs.data.numbering import row_name

MOST_LEVELS = 40  # of a text column used as it is: more are likely an identifier
FEW_LEVELS = 5  # so few are categories in a small table, too
FEWEST_DATES = 3  # below that, whole numbers may be dates by accident
FEW_CODES = 12  # so many whole numbers as text may be codes
BUT_FOR, UNUSUAL = "numbers but for", "numbers, not all in plain digits:"
_SAMPLE = 5_000  # levels looked at
_NUMBER = r"(?:\d[\d.,'\u2019\u00a0\u2009\u202f ]*|\.\d+)(?:[eE][+-]?\d+)?"
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_CODE = re.compile(r"-?\d+(?:\.0+)?", re.ASCII)  # as codes are written, and numbers too
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:_\d{3})+(?:\.\d+)?", re.ASCII)  # 1_000, as in Python
_FOREIGN_MARKS = str.maketrans("\u066b\u066c\uff0e\uff0c\uff0b\uff0d\u2212", ".,.,+--")
_CURRENCY = r"(?:[$\u20ac\u00a3\u00a5\u20b9]|[A-Z]{3}\b|kr\.?|Fr\.?|Rs\.?)"
_MINUS = "\u2212\u2013\u2012\ufe63\uff0d"
# One letter after a number without a blank is a unit only if it is a usual one: 5a is a class.
_UNIT = (
    r"(?:\s*[%\u2030\u00b0$\u20ac\u00a3\u00a5]|\s+[^\W\d_]|[gmlshdkKLVWAJN](?![^\W\d_])"
    r"|[^\W\d_]{2})"
)
_DECORATED = re.compile(
    rf"\(\s*{_CURRENCY}?\s*{_NUMBER}\s*%?\)"  # (1900.91), as accountants write a loss
    rf"|[+{_MINUS}-]?\s*{_CURRENCY}\s*[+{_MINUS}-]?\s*{_NUMBER}"
    rf"|[+{_MINUS}-]?\s*{_NUMBER}{_UNIT}[^\d]{{0,12}}[\u00b2\u00b3\d]?"
    rf"|[{_MINUS}]\s*{_NUMBER}"
    rf"|[+-]\s+{_NUMBER}|{_NUMBER}-"
    rf"|[+-]?(?:\d+\s+)?\d+\s*[/\u2044]\s*\d+|[+-]?\d*\s*[\u00bc-\u00be\u2150-\u215e]"
    rf"|[+-]?{_NUMBER}"
)
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th|er|e|ème)")
_BOUND = re.compile(rf"(?:[<>\u2264\u2265~]=?|=)\s*[+-]?{_NUMBER}.{{0,8}}")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mai|okt|dez|mär)[a-z]*\.?"
_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:[ap]\.?m\.?|z|[+-]\d{2}:?\d{2})?"
_DATE = re.compile(
    rf"(?:\d{{4}}[-/.]\d{{1,2}}(?:[-/.]\d{{1,2}})?|\d{{1,2}}[-/.]\d{{1,2}}[-/.](?:\d{{4}}|\d{{2}})"
    rf"|\d{{1,2}}[-./ ]\s*{_MONTH}[-./, ]\s*(?:\d{{4}}|\d{{2}})"
    rf"|(?:[a-z]{{3,9}}\.?,?\s+)?{_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?,?\s+\d{{4}}"
    rf"|{_MONTH}[-./ ]\d{{4}}|\d{{4}}[-./ ]?q[1-4]|q[1-4][-./ ]?\d{{4}}|\d{{4}}-?w\d{{2}}(?:-\d)?)"
    rf"(?:[T ,]+{_TIME})?|{_TIME}",
    re.IGNORECASE,
)
_BLANKS = " \u00a0\u2009\u202f"
_THOUSANDS = {",": "commas", ".": "points", _BLANKS: "blanks", "'\u2019": "apostrophes"}


@dataclass(frozen=True)
class Convention:
    """How a column writes its numbers: the marks (any of some) between thousands, and the point."""

    thousands: str
    decimal: str

    def fits(self, values: Iterable[str]) -> bool:
        """Say whether all values are numbers so written."""
        marks = f"[{re.escape(self.thousands)}]" if self.thousands else "(?!)"
        pattern = re.compile(
            rf"[+-]?(?:[1-9]\d{{0,2}}(?:{marks}\d{{3}})+|\d+)(?:{re.escape(self.decimal)}\d+)?"
        )
        return all(pattern.fullmatch(value) for value in values)

    def number(self, value: str) -> float:
        """Return the number that a text is, NaN if it is none so written."""
        value = value.strip()
        if not (self.fits([value]) or _PLAIN.fullmatch(value)):
            return float("nan")
        for mark in self.thousands:
            value = value.replace(mark, "")
        return float(value.replace(self.decimal, "."))

    def __str__(self) -> str:
        point = "a decimal comma" if self.decimal == "," else "a decimal point"
        if not self.thousands:
            return point
        return f"{_THOUSANDS[self.thousands]} between thousands and {point}"


_CONVENTIONS = tuple(
    Convention(thousands, decimal)
    for decimal in ".,"
    for thousands in ("", *_THOUSANDS)
    if thousands != decimal
)


def is_text(column: pd.Series) -> bool:
    """Say whether a column holds text, not declared as categories."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return False
    return pd.api.types.is_string_dtype(column)


def is_grouped(text: str) -> bool:
    """Say whether a number has underscores between its thousands, as in Python."""
    return bool(_GROUPED.fullmatch(text))


def looks_like_dates(column: pd.Series) -> bool:
    """Say whether all numbers of a column are dates written as YYYYMMDD, at least three of them."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return False
    values = column.astype(float).unique()
    if len(values) < FEWEST_DATES or not np.all((values >= 1900_01_01) & (values <= 2100_12_31)):
        return False
    if np.any(values % 1):
        return False
    texts = pd.Series(values.astype(np.int64)).astype(str)
    return bool(pd.to_datetime(texts, format="%Y%m%d", errors="coerce").notna().all())


def find_convention(column: pd.Series, name: str) -> Convention | None:
    """Return how a text column writes numbers, if it separates thousands; else None.

    Raises
    ------
    ValueError
        It can be read in two ways.
    """
    if not is_text(column):
        return None
    values = [str(value).strip() for value in column.dropna().unique()]
    if not values or not any(re.search(rf"[,'\u2019{_BLANKS}]|\..*\.", value) for value in values):
        return None
    fitting = [each for each in _CONVENTIONS if each.fits(values)]
    readings = {tuple(each.number(value) for value in values) for each in fitting}
    if len(readings) > 1:
        example = next(v for v in values if len({each.number(v) for each in fitting}) > 1)
        raise ValueError(
            f"column {name!r} holds numbers such as {example!r} that can be read in two ways: turn "
            "them into numbers before, or for a CSV file say --decimal , if it is a decimal comma."
        )
    # A decimal comma alone is for whoever reads the file to say, as --decimal does.
    return fitting[0] if fitting and fitting[0].thousands else None


def read_numbers(column: pd.Series, convention: Convention, name: str) -> pd.Series:
    """Return a text column as numbers.

    Raises
    ------
    ValueError
        An entry is no number so written.
    """
    if not is_text(column):
        return column
    found = column.map(lambda value: convention.number(str(value)), na_action="ignore")
    wrong = np.flatnonzero(column.notna() & found.astype(float).isna())
    if len(wrong):
        value, row = column.iloc[wrong[0]], column.index[wrong[0]]
        raise ValueError(
            f"column {name!r} holds {value!r} in {row_name(row)}, where numbers with "
            f"{convention} are meant: correct it."
        )
    return found.astype(float)


def read_written(
    table: pd.DataFrame, names: Iterable[str]
) -> tuple[dict[str, pd.Series], dict[str, Convention], list[str]]:
    """Find and read the columns that write numbers with separators, and say so.

    Returns
    -------
    columns, conventions : dict
        Of those columns only.
    notes : list of str
    """
    columns: dict[str, pd.Series] = {}
    conventions: dict[str, Convention] = {}
    notes = []
    for name in dict.fromkeys(names):
        convention = find_convention(table[name], name)
        if convention is None:
            continue
        columns[name] = read_numbers(table[name], convention, name)
        conventions[name] = convention
        text = next(v for v in table[name].dropna().astype(str) if not _PLAIN.fullmatch(v.strip()))
        notes.append(f"{name}: text such as {text!r} as numbers, with {convention}")
        warnings.warn(
            f"column {name!r} holds text such as {text!r}: read as numbers, with {convention}.",
            DesignWarning,
            stacklevel=4,
        )
    return columns, conventions, notes


def read_by(table: pd.DataFrame, conventions: Mapping[str, Convention]) -> pd.DataFrame:
    """Return new rows with the columns read as in fitting."""
    read = {n: read_numbers(table[n], c, n) for n, c in conventions.items() if n in table}
    return table.assign(**read) if read else table


def what_text_holds(levels: Iterable[str]) -> tuple[str, str]:
    """Say what the levels of a text column are, if not categories: a clause and an example.

    Two empty texts where they may be categories.
    """
    levels = list(levels)[:_SAMPLE]
    texts = [level.strip() for level in levels]
    half = len(texts) / 2
    plain = [bool(_PLAIN.fullmatch(text)) for text in texts]
    unusual = [_number_written_unusually(text) for text in texts]
    numbers = [is_plain or is_other for is_plain, is_other in zip(plain, unusual)]
    if all(numbers) and texts:
        if all(plain):
            whole = all(float(text) % 1 == 0 for text in texts)
            zeros = any(re.match(r"-?0\d", text) for text in texts)
            if not whole or (len(texts) > FEW_CODES and not zeros):
                return "numbers as text", levels[0]
        if any(unusual):
            return UNUSUAL, levels[unusual.index(True)]
        return "", ""
    if sum(numbers) >= half and texts:
        return BUT_FOR, levels[numbers.index(False)]
    dates = [bool(_DATE.fullmatch(text)) for text in texts]
    if sum(dates) > half:
        return "dates or times as text", levels[dates.index(True)]
    decorated = [
        is_number or bool(_DECORATED.fullmatch(text) and not _ORDINAL.fullmatch(text))
        for is_number, text in zip(numbers, texts)
    ]
    odd = [not is_number and is_one for is_number, is_one in zip(numbers, decorated)]
    likely = sum(decorated)
    if any(decorated):  # "<5" alone is a category, beside numbers it is one of them
        likely += sum(bool(_BOUND.fullmatch(text)) for text in texts)
    if texts and all(re.fullmatch(r"[+-]?\d*,?\d+", text) for text in texts):
        return "numbers with a decimal comma", levels[0]
    if likely > half:
        return "numbers with a unit or a sign", levels[odd.index(True) if any(odd) else 0]
    return "", ""


def _number_written_unusually(text: str) -> bool:
    """Say whether a text is a number, but not as codes are written: 1e3, +5, 1_000, '5', ١٢٣."""
    if (bare := text.strip("'\"`\u2018\u2019\u201c\u201d")) != text and _PLAIN.fullmatch(bare):
        return True
    if text.isascii():
        return bool(
            (_PLAIN.fullmatch(text) and not _CODE.fullmatch(text)) or _GROUPED.fullmatch(text)
        )
    here = "".join(str(unicodedata.decimal(c, c)) for c in text.translate(_FOREIGN_MARKS))
    return here.isascii() and (
        any(each.fits([here]) for each in _CONVENTIONS) or bool(_PLAIN.fullmatch(here))
    )


def refuse_text(column: pd.Series, name: str, keep: str) -> None:
    """Refuse text that is numbers or dates, or that names the rows; ``keep`` says how to keep it.

    Raises
    ------
    ValueError
    """
    if not is_text(column):
        return
    distinct = column.dropna().drop_duplicates().astype(str)
    found, example = what_text_holds(distinct)
    if found in (BUT_FOR, UNUSUAL):
        row = distinct.index[int((distinct == example).argmax())]
        remedy = "correct it" if found == BUT_FOR else "write all of them alike, as 1000 or -2.5"
        raise ValueError(
            f"column {name!r} holds {found} {example!r} in {row_name(row)}: {remedy}, or {keep}."
        )
    if found:
        remedy = "take the unit or sign out" if "unit" in found else "convert it to numbers"
        remedy = "turn it into numbers, such as days since the first" if "date" in found else remedy
        raise ValueError(
            f"column {name!r} holds {found}, such as {example!r}: {remedy}, leave it out "
            f"(--exclude), or {keep}."
        )
    n, rows = len(distinct), len(column)
    if n > MOST_LEVELS or (n > FEW_LEVELS and n > rows / 2):
        of = "" if n > MOST_LEVELS else f" in {rows:,} rows"
        raise ValueError(
            f"column {name!r} holds {n:,} different texts{of}, such as {distinct.iloc[0]!r}: "
            f"leave it out if it names the rows (--exclude), or {keep}."
        )


def doubtful_levels(name: str, levels: Iterable[str]) -> str:
    """Return what to say of a category that is coded as asked, and looks like none; or nothing."""
    levels = list(levels)
    found, example = what_text_holds(levels)
    if found in (BUT_FOR, UNUSUAL, "numbers as text"):
        found = "numbers"
    if not levels or not (len(levels) > MOST_LEVELS or (found and len(levels) > FEW_CODES)):
        return ""
    what = f" that look like {found}" if found else ""
    return (
        f"categories: {name!r} has {len(levels):,} levels{what}, such as "
        f"{example or levels[0]!r}: each but the first makes a column."
    )


_RATES = (
    " Clusters' rates, without covariates, are compared by family='binomial' (--family binomial)."
)
_COUNTS = (
    " Beside a column of expected numbers: family='poisson', expected=COLUMN (--expected COLUMN); "
    "of trials: family='binomial', trials=COLUMN (--trials COLUMN)."
)


def outcome_note(y: np.ndarray, name: str) -> str:
    """Say of an outcome of two values, or of counts, that it is fitted as Gaussian; else nothing.

    And what there is for it instead.

    Parameters
    ----------
    y : ndarray
        Finite.
    name : str
    """
    values = np.unique(y)
    if len(values) == 2:
        low, high = (f"{value:g}" for value in values)
        return (
            f"Outcome {name} has two values, {low} and {high}, and is fitted as a number with "
            "Gaussian errors (a linear probability model): effects are differences of its mean, "
            "predictions can leave the range, and the errors' variance is not the same everywhere."
            + (_RATES if (values == [0.0, 1.0]).all() else "")
        )
    whole = len(values) > 2 and values[0] >= 0 and np.all(values % 1 == 0)
    if whole and (values[0] == 0 or y.mean() < 30):
        return (
            f"Outcome {name} holds whole numbers from {values[0]:g} to {values[-1]:g}. If they are "
            "counts: they are fitted as numbers with Gaussian errors of one variance, not by a "
            f"Poisson model.{_COUNTS}"
        )
    return ""
