"""Texts that count as different and that a reader takes for one: what they differ in."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

ZEROS = "leading zeros or decimals"
KINDS = ("blanks", "control characters", "invisible characters", "Unicode form", "case", ZEROS)
# Dashes, quotes and Cyrillic letters, small as large, that print as those of ASCII.
_PRINTED_AS = str.maketrans(
    "\u2010\u2011\u2012\u2013\u2212\u2018\u2019\u201c\u201d"
    "\u0430\u0435\u043e\u0440\u0441\u0445\u0456\u0458\u0455"
    "\u0410\u0415\u041e\u0420\u0421\u0425\u0406\u0408\u0405",
    "-----''\"\"aeopcxijsAEOPCXIJS",
)
_MOST = 10_000  # pairs looked at
_NEAR = 8  # of those before it that a text is held against
_WERE_MISSING = {"nan", "NaN", "None", "<NA>", "NaT"}  # what Python makes of them as text
_BLANKS = re.compile(r"[^\S\x0b\x0c\x1c-\x1f\x85]+")  # what splits words and is no mere control
_WHOLE = re.compile(r"([+-]?)0*(\d+)(?:\.0*)?", re.ASCII)


@dataclass(frozen=True)
class Alike:
    """Texts that differ in the same way only.

    Attributes
    ----------
    kinds : tuple of str
        Out of ``KINDS``.
    pair : tuple of str
        The first two.
    count : int
        How many texts are like one before them in this way.
    """

    kinds: tuple[str, ...]
    pair: tuple[str, str]
    count: int

    def __str__(self) -> str:
        forms = {unicodedata.normalize("NFC", each).translate(_PRINTED_AS) for each in self.pair}
        show = ascii if len(forms) == 1 else repr  # the one that shows a difference
        first, second = map(show, self.pair)
        more = f" ({self.count:,} such pairs)" if self.count > 1 else ""
        return f"{first} and {second} differ only in {' and '.join(self.kinds)}{more}"


def find_alike(texts: Iterable[str]) -> list[Alike]:
    """Return the ways in which some texts differ only in what does not catch the eye.

    Parameters
    ----------
    texts : iterable of str
        Distinct.
    """
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for text in texts:
        groups[_key(text)].append(text)
    pairs: dict[tuple[str, ...], tuple[str, str]] = {}
    counts: defaultdict[tuple[str, ...], int] = defaultdict(int)
    looked_at = 0
    for group in sorted(sorted(group) for group in groups.values() if len(group) > 1):
        for j, text in enumerate(group[1:], 1):
            if (looked_at := looked_at + 1) > _MOST:
                break
            near = group[max(0, j - _NEAR) : j]
            kinds, first = min(
                ((_kinds(each, text), each) for each in near), key=lambda found: len(found[0])
            )
            pairs.setdefault(kinds, (first, text))
            counts[kinds] += 1
    return [Alike(kinds, pair, counts[kinds]) for kinds, pair in pairs.items()]


def alike_note(texts: Iterable[str], what: str, each: str) -> str:
    """Return one sentence on texts that are alike in all ways that there are; or nothing.

    Parameters
    ----------
    texts : iterable of str
    what : str
        How to call the texts, such as "cluster labels".
    each : str
        What each one makes, such as "a cluster".
    """
    found = find_alike(texts)
    if not found:
        return ""
    listed = "; ".join(map(str, found))
    return f"{what} {listed}: each counts as {each} of its own. If they mean one, write them alike."


def missing_note(texts: Iterable[str], what: str, each: str) -> str:
    """Return one sentence on texts that missing values became, as by ``astype(str)``; or nothing.

    Parameters
    ----------
    texts, what, each
        As of `alike_note`.
    """
    found = [text for text in texts if not text.strip() or text.strip() in _WERE_MISSING]
    if not found:
        return ""
    listed = ", ".join(map(repr, sorted(found)))
    return (
        f"{what} {listed} may have been missing values before they became text, and each counts as "
        f"{each} of its own. If they were, make them missing again."
    )


def folded(text: str, kinds: Iterable[str]) -> str:
    """Return a text without some of the differences of ``KINDS``."""
    kinds = set(kinds)
    if not text.isascii():
        if "Unicode form" in kinds:
            text = _one_form(text)
        if "invisible characters" in kinds:
            text = "".join(c for c in text if not _is_invisible(c))
    if "control characters" in kinds and not text.isprintable():
        text = "".join(c for c in text if unicodedata.category(c) != "Cc" or c in "\t\n\r")
    if "case" in kinds:
        text = text.casefold()
        if "Unicode form" in kinds and not text.isascii():
            text = _one_form(text)  # again: folding can undo the form
    if "blanks" in kinds:
        text = _BLANKS.sub(" ", text).strip(" ")
    if ZEROS in kinds and (match := _WHOLE.fullmatch(text)):
        text = match[1] + match[2]
    return text


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f"


def _key(text: str) -> str:
    """Return a text without any of the differences; most are plain words."""
    if text.isalnum() and text.isascii() and text[0] != "0":
        return text.lower()
    return folded(text, KINDS)


def _one_form(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).translate(_PRINTED_AS)
    return "".join(str(unicodedata.decimal(c, c)) for c in text)  # digits of any script


def _kinds(first: str, second: str) -> tuple[str, ...]:
    """Return the fewest kinds of difference that two texts of one form have."""
    for n in range(1, len(KINDS)):
        for kinds in combinations(KINDS, n):
            if folded(first, kinds) == folded(second, kinds):
                return kinds
    return KINDS
