"""How a CSV file is written: its compression, its encoding, its header and its delimiter."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_BOMS = {  # UTF-32's first: it begins as UTF-16's does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# What Python lists among its encodings although no file of text is written in it.
_NO_ENCODINGS = {"punycode", "idna", "undefined", "unicode-escape", "raw-unicode-escape"}
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22M\x18": "lz4"}
_SAMPLE, _SAMPLE_LINES = 1 << 20, 50
_SEPARATOR_LINE = re.compile(r'^"?sep=(.)"?[\s,;|]*$', re.IGNORECASE)  # Excel's own first line
_NUMBER = re.compile(r"[+-]?[\d.,]+([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is to be read.

    Attributes
    ----------
    compression : str
        Empty for none.
    encoding, delimiter : str
    names : tuple of str
        Of the header.
    skipped : int
        Lines above the header.
    title : str
        What they say, where they say something.
    separator : bool
        Whether Excel's line ``sep=`` is among them.
    """

    compression: str
    encoding: str
    delimiter: str
    names: tuple[str, ...]
    skipped: int
    title: str
    separator: bool


def find_dialect(
    path: Path, *, delimiter: str = "", encoding: str = "", all_of_it: bool = True
) -> Dialect:
    """Find out how a CSV file is written; what is given is taken as it is.

    The encoding is found by the whole file, or without ``all_of_it`` by its first megabyte.

    Raises
    ------
    ValueError
        An encoding or delimiter that cannot be, no header, no rows: says what, and the remedy.
    """
    delimiter = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}.get(delimiter, delimiter)
    if len(delimiter) > 1 or delimiter in ('"', "\n", "\r") or not delimiter.isascii():
        raise ValueError(f"delimiter must be one plain character or 'tab', got {delimiter!r}.")
    compression = find_compression(path)
    encoding = (
        known_encoding(encoding) if encoding else _found_encoding(path, compression, all_of_it)
    )
    lines = _first_lines(path, encoding, compression)
    blank, lines = _without_blank(lines)
    named = _SEPARATOR_LINE.match(lines[0].strip("\ufeff\r\n")) if lines else None
    if named:
        delimiter = delimiter or named[1]
        more, lines = _without_blank(lines[1:])
        blank += more + 1
    if sum(1 for line in lines if line.strip()) < 2:
        raise ValueError(
            f"table: {path.name} has no rows below its header line: check "
            "that it is the right file."
        )
    header = _header(lines, delimiter, path)
    if not any(name.strip() for name in header.names):
        raise ValueError(
            f"table: {path.name} has no column names in line {blank + header.line + 1} "
            f"({lines[header.line].strip()[:40]!r}): name the columns there."
        )
    if "\0" in "".join(header.names):
        raise ValueError(
            f"table: {path.name} has NUL characters in its header: it is no text, or not in the "
            f"encoding {encoding!r}: name its --encoding, or save it as CSV."
        )
    title = " ".join("".join(lines[: header.line]).split())
    skipped = blank + header.line
    return Dialect(
        compression, encoding, header.delimiter, header.names, skipped, title, bool(named)
    )


def find_compression(path: Path) -> str:
    """Tell a packed file by its first bytes, whatever its name."""
    with path.open("rb") as file:
        begin = file.read(6)
    return next((name for magic, name in _PACKED.items() if begin.startswith(magic)), "")


def text_stream(path: Path, compression: str) -> pa.NativeFile:
    """Open a file, unpacked."""
    return pa.input_stream(str(path), compression=compression or None)


def known_encoding(name: str) -> str:
    """Return Python's name of an encoding of text.

    Raises
    ------
    ValueError
        There is none of that name, or it is no encoding of text, such as ``hex``.
    """
    remedy = "try utf-8, latin-1 or utf-16"
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError, UnicodeError):
        raise ValueError(f"encoding {name!r} is not known: {remedy}.") from None
    found = codec.name.replace("_", "-")
    if not codec._is_text_encoding or found in _NO_ENCODINGS:
        raise ValueError(f"encoding {name!r} is not one of text files: {remedy}.")
    # What calls itself Latin-1 is mostly Windows' superset of it.
    return "cp1252" if found == "iso8859-1" else found


def wrong_encoding(path: Path, encoding: str) -> ValueError:
    """Return the error for a file that is not in the encoding named or found."""
    return ValueError(
        f"table: {path.name} is not in the encoding {encoding!r}: name another --encoding, or none "
        "to have it found out."
    )


def _found_encoding(path: Path, compression: str, all_of_it: bool) -> str:
    """Return UTF-8 if the whole file is, UTF-16 if it looks so, or Windows' Latin-1."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with text_stream(path, compression) as stream:
        block = stream.read(_SAMPLE)
        for bom, name in _BOMS.items():
            if block.startswith(bom):
                return name
        if wide := _without_bom(block):
            return wide
        try:
            while block:
                decoder.decode(block)
                if len(block) == _SAMPLE and not all_of_it:  # which may end within a letter
                    return "utf-8"
                block = stream.read(_SAMPLE)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8"


def _without_bom(block: bytes) -> str:
    """Tell UTF-16 without its mark: every other byte of digits and delimiters is a zero."""
    first, second = block[0::2].count(0), block[1::2].count(0)
    if max(first, second) < len(block) / 8 or min(first, second) > max(first, second) / 8:
        return ""
    return "utf-16-le" if second > first else "utf-16-be"


def _first_lines(path: Path, encoding: str, compression: str) -> list[str]:
    with text_stream(path, compression) as stream:
        block = stream.read(_SAMPLE)
    try:
        text = codecs.getincrementaldecoder(encoding)("replace").decode(block)
    except UnicodeError:
        raise wrong_encoding(path, encoding) from None
    lines = list(io.StringIO(text, newline=""))  # str.splitlines knows breaks that CSV does not
    if len(block) == _SAMPLE and len(lines) > 1:
        lines = lines[:-1]  # the last one may be cut
    return lines


def _without_blank(lines: list[str]) -> tuple[int, list[str]]:
    """Leave out blank lines at the beginning; say how many."""
    blank = next((k for k, line in enumerate(lines) if line.strip("\ufeff \t\r\n")), len(lines))
    return blank, lines[blank : blank + _SAMPLE_LINES]


@dataclass(frozen=True)
class _Header:
    delimiter: str
    names: tuple[str, ...]
    line: int  # where it begins
    width: int  # fields of the rows below, 0 where they differ


def _header(lines: list[str], delimiter: str, path: Path) -> _Header:
    """Return the header by the delimiter that gives every line as many fields as it has."""
    found = []
    for candidate in [delimiter] if delimiter else DELIMITERS:
        rows = [row for row in _rows(lines, candidate) if row[1]]
        if len(lines) == _SAMPLE_LINES and len(rows) > 2:
            rows.pop()  # cut off where a cell holds line breaks
        found.append(_untitled(rows, candidate))
    fits = [header for header in found if header.width == len(header.names) > 1]
    if fits:
        return max(fits, key=lambda header: (-header.line, header.width))
    # Where none fits, a row is broken: the most likely one lets the reader say which.
    likely = max(found, key=lambda header: (len(header.names), header.width))
    if len(likely.names) == 1 and likely.width <= 1 and not delimiter:
        raise ValueError(
            f"table: {path.name} has a single column ({lines[0][:40]!r}): name its --delimiter, or "
            "take out what is above the header."
        )
    if likely.width > 1:
        raise ValueError(
            f"table: {path.name} has {len(likely.names)} column(s) in its first line "
            f"({lines[0].strip()[:40]!r}), but {likely.width} in the others: name each column "
            "there, and take out what is above it."
        )
    return likely


def _rows(lines: list[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Return each row with the line where it begins."""
    reader = csv.reader(lines, delimiter=delimiter)
    begin = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:  # such as a cell beyond csv's limit: pyarrow says what it is
            return
        yield begin, row
        begin = reader.line_num


def _header_at(rows: list[tuple[int, list[str]]], place: int, delimiter: str) -> _Header:
    line, names = rows[place]
    widths = {len(row) for _, row in rows[place + 1 :] if "".join(row)}
    return _Header(delimiter, tuple(names), line, widths.pop() if len(widths) == 1 else 0)


def _untitled(rows: list[tuple[int, list[str]]], delimiter: str) -> _Header:
    """Return the first row of two names or more as the header: what stands above it is a title.

    No table has a header of one name, for the outcome and the clusters are two columns.
    """
    several = (k for k, (_, row) in enumerate(rows) if sum(map(bool, map(str.strip, row))) > 1)
    place = next(several, 0)
    header = _header_at(rows, place, delimiter)
    if place > 0:  # it may be the first row of numbers instead, below a broken header
        numbers = any(_NUMBER.fullmatch(name.strip()) for name in header.names)
        whole = all(name.strip() for name in header.names[1:])  # row numbers have no name
        if numbers or not whole or header.width != len(header.names):
            return _header_at(rows, 0, delimiter)
    return header
