"""How CSV files are read in batches: the user's options, and what the files say themselves."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.dataset as ds

from scs.data.dialect import Dialect, find_compression, find_dialect, known_encoding
from scs.data.files import USUAL_MISSING

_PACKED = {"gzip": ".gz", "bz2": ".bz2", "zstd": ".zst", "lz4": ".lz4"}
_BLOCK = 4 << 20  # bytes parsed at a time


def near(name: str, names: Sequence[str]) -> str:
    """Return a hint at the columns that a name may have meant."""
    close = difflib.get_close_matches(str(name), [str(other) for other in names], n=3, cutoff=0.5)
    folded = [other for other in names if str(other).strip().lower() == str(name).strip().lower()]
    close = list(dict.fromkeys([*folded, *close]))
    if close:
        return "did you mean " + " or ".join(repr(other) for other in close) + "?"
    shown = ", ".join(repr(other) for other in names[:8]) + (" ..." if len(names) > 8 else "")
    return f"there are {shown}."


def csv_format(paths: list[str], options: dict[str, Any]) -> ds.CsvFileFormat:
    """Return how CSV files are read: as the user says, else as they are found to be written."""
    if paths[0].lower().endswith((".tsv", ".tsv.gz")):
        options.setdefault("delimiter", "\t")
    options = _found(paths, options) | options
    options.setdefault("block_size", _BLOCK)
    if options.get("quoted_strings_can_be_null", True):
        options["strings_can_be_null"] = False  # found by `scan`, which counts them
    else:
        options.setdefault("strings_can_be_null", True)
    if isinstance(options.get("encoding"), str):
        try:
            known_encoding(options["encoding"])
        except ValueError as error:
            raise ValueError(f"csv: {error}") from None
    kinds = (pacsv.ReadOptions, pacsv.ParseOptions, pacsv.ConvertOptions)
    given: list[dict[str, Any]] = [{}, {}, {}]
    for name, value in options.items():
        where = next((i for i, kind in enumerate(kinds) if _has_option(kind, name)), None)
        if where is None:
            known = [o for kind in kinds for o in dir(kind) if _has_option(kind, o)]
            raise ValueError(f"csv has no option {name!r}: {near(name, known)}")
        given[where][name] = _types(value) if name == "column_types" else value
    try:
        read, parse, convert = (kind(**values) for kind, values in zip(kinds, given))
    except (TypeError, ValueError) as error:
        raise ValueError(f"csv: {error}: check the value of that option.") from None
    return ds.CsvFileFormat(parse_options=parse, read_options=read, convert_options=convert)


def _found(paths: list[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the files are written, where all of them are written alike and nobody said how.

    That is the delimiter, an encoding other than UTF-8, and what stands above the header: a title,
    or Excel's line ``sep=;``.

    Raises
    ------
    ValueError
        A packed file that its name does not show; files with different lines above the header.
    """
    found: list[tuple[str, Dialect | None]] = []
    for path in paths:
        packed = find_compression(Path(path))
        if packed and not path.lower().endswith(tuple(_PACKED.values())):
            raise ValueError(
                f"source: {path} is packed by {packed}, but is not called so: add the ending "
                f"{_PACKED[packed]} to its name, or unpack it."
            )
        found.append((path, _dialect(path, options)))
    first, above = found[0][0], _above(found[0][1])
    for path, other in found:
        if _above(other) != above:
            raise ValueError(
                f"source: {path} and {first} differ in what stands above their headers, or have "
                "other columns below it: take these lines out, or read the files apart and add "
                "their moments."
            )
    ways: dict[str, Any] = {}
    delimiters = {dialect.delimiter for _, dialect in found if dialect is not None}
    if len(delimiters) == 1:
        ways["delimiter"] = delimiters.pop()
    encodings = {dialect.encoding if dialect is not None else "" for _, dialect in found}
    if len(encodings) == 1 and not encodings & {"", "utf-8", "utf-8-sig"}:
        ways["encoding"] = encodings.pop()
    if above is not None:
        # By their names: pyarrow wants as many fields in the lines to skip as in the header.
        ways |= {"skip_rows": above.skipped + 1, "column_names": list(above.names)}
    return ways


def _dialect(path: str, options: Mapping[str, Any]) -> Dialect | None:
    """Return how a file is written; None where that is for the user or the reader to say."""
    delimiter, encoding = options.get("delimiter", ""), options.get("encoding", "")
    known = {"skip_rows", "column_names", "autogenerate_column_names"} & set(options)
    if known or not (isinstance(delimiter, str) and isinstance(encoding, str)):
        return None
    try:
        return find_dialect(Path(path), delimiter=delimiter, encoding=encoding, all_of_it=False)
    except ValueError:  # no rows, or one column: the reader says what is wrong, or nothing is
        return None


def _above(dialect: Dialect | None) -> Dialect | None:
    """Return how a file is written, but for its title, if lines stand above its header."""
    if dialect is None or not (dialect.title or dialect.separator):
        return None
    if "\n" in "".join(dialect.names):
        return None  # blank lines alone are left out anyway
    return replace(dialect, title="", compression="")


def _has_option(kind: type, name: str) -> bool:
    return not name.startswith("_") and not callable(getattr(kind, name, len))


def _types(types: Mapping[str, Any]) -> dict[str, pa.DataType]:
    return {
        name: pa.type_for_alias(type_) if isinstance(type_, str) else type_
        for name, type_ in types.items()
    }


def with_types(schema: pa.Schema, csv: Mapping[str, Any] | None) -> pa.Schema:
    """Return the guessed columns with the types named by the user."""
    named = _types((csv or {}).get("column_types", {}))
    return pa.schema([pa.field(f.name, named.get(f.name, f.type)) for f in schema])


def missing_texts(csv: Mapping[str, Any], keep: bool) -> tuple[tuple, tuple]:
    """Return the texts of CSV files that are missing values where text is, and those asked for."""
    if not csv.get("strings_can_be_null", True) or not csv.get("quoted_strings_can_be_null", True):
        return (), ()
    asked = tuple(csv.get("null_values", ()))
    return asked or (("",) if keep else USUAL_MISSING), asked
