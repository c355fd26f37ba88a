"""Reading a user's table, CSV or Parquet: what the file does not say is found out, and told.

Only the columns that are asked for are kept in memory. Rows of any number go through pyarrow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from scs.data.dialect import DELIMITERS, Dialect, find_dialect, text_stream, wrong_encoding
from scs.data.files import (
    UNNAMED_INDEX,
    USUAL_MISSING,
    Numerals,
    as_numbers,
    index_columns,
    note_words,
    without_words,
)
from scs.data.labels import as_written

_OTHERS = {
    b"PK\x03\x04": "an Excel or zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x89HDF": "an HDF5 file",
    b"<!DO": "a web page",
    b"<htm": "a web page",
    b"ARROW1": "a Feather file",
    b"SQLite": "a data base",
    b"%PDF": "a PDF file",
    b"<stata": "a Stata file",
    b"$FL2": "an SPSS file",
    b"RDX": "an R file",
    b"\xfd7zXZ": "a file packed by xz",
    b"7z\xbc\xaf": "a 7-Zip file",
}


@dataclass(frozen=True)
class Source:
    """A table on disk: where, and how to read it.

    Attributes
    ----------
    path : Path
    names : tuple of str
        Its columns.
    kind : {"CSV", "Parquet"}
    encoding, delimiter, decimal : str
        Of a CSV file; ``decimal`` is empty where it is to be found out column by column.
    missing : tuple of str
        Texts of a CSV file that stand for a missing value, besides the usual ones.
    keep_na_text : bool
        Whether the usual ones, such as NA, are text like any other in columns of text.
    index : tuple of str
        Columns of a Parquet file that are the named index of a pandas data frame; one without a
        name is no column.
    dialect : Dialect or None
        How a CSV file is written, in full.
    """

    path: Path
    names: tuple[str, ...]
    kind: str
    encoding: str = ""
    delimiter: str = ""
    decimal: str = ""
    missing: tuple[str, ...] = ()
    keep_na_text: bool = False
    index: tuple[str, ...] = ()
    dialect: Dialect | None = None

    def __str__(self) -> str:
        if self.kind == "Parquet":
            return f"{self.path.name}: Parquet, {len(self.names)} columns"
        above = self.dialect.title[:60] if self.dialect else ""
        encoding = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "cp1252": "Latin-1"}
        return (
            f"{self.path.name}: CSV, {encoding.get(self.encoding, self.encoding)}, "
            f"{DELIMITERS.get(self.delimiter, repr(self.delimiter))}-separated, "
            f"{len(self.names)} columns" + (f", without its title {above!r}" if above else "")
        )


def open_table(
    path: str | Path,
    *,
    delimiter: str = "",
    decimal: str = "",
    encoding: str = "",
    missing: Sequence[str] = (),
    keep_na_text: bool = False,
) -> Source:
    """Find out how a table is to be read; reads its beginning, and checks a CSV's encoding.

    Parameters
    ----------
    path : str or Path
        CSV (also packed by gzip, bz2, zstd or lz4) or Parquet; told by their first bytes.
    delimiter, decimal, encoding : str
        Of a CSV file, where what is found is wrong: ``"tab"`` or one character; ``"."`` or
        ``","``; a name that Python knows, such as ``latin-1``.
    missing : sequence of str
        Texts in a CSV file that stand for a missing value, besides nothing, NA, NaN, null ... and
        besides ``.``, ``-``, ``?`` in columns that are numbers but for these.
    keep_na_text : bool
        Take NA, NaN, null ... for text in columns of text, cluster labels among them. In columns
        of numbers they are missing values all the same.

    Raises
    ------
    ValueError
        No such file, neither CSV nor Parquet, or a header that cannot be used: the first line
        says what, and the remedy.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"table: no file {str(path)!r}: check the name and the folder.")
    with path.open("rb") as file:
        begin = file.read(8)
    if not begin:
        raise ValueError(f"table: {path.name} is empty.")
    if begin[:4] == b"PAR1":
        try:
            schema = pq.read_schema(path)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(
                f"table: {path.name} is no whole Parquet file ({error}): write it again."
            ) from None
        index = index_columns(schema, schema.names)
        names = [n for n in schema.names if n not in index or not UNNAMED_INDEX.fullmatch(n)]
        index = tuple(name for name in index if name in names)
        return Source(path, _checked(names, path), "Parquet", index=index)
    for magic, what in _OTHERS.items():
        if begin.lower().startswith(magic.lower()):
            raise ValueError(f"table: {path.name} is {what}: save it as CSV or Parquet.")
    if decimal not in ("", ".", ","):
        raise ValueError(f"decimal must be '.' or ',', got {decimal!r}.")
    found = find_dialect(path, delimiter=delimiter, encoding=encoding)
    return Source(
        path,
        _checked(found.names, path),
        "CSV",
        found.encoding,
        found.delimiter,
        decimal,
        tuple(missing),
        keep_na_text,
        dialect=found,
    )


def read_columns(source: Source, columns: Iterable[str], labels: Sequence[str] = ()) -> pa.Table:
    """Read columns of a table.

    Parameters
    ----------
    source : Source
    columns : iterable of str
        All of them there.
    labels : sequence of str
        Columns that hold names, not quantities: ``007`` stays what it is.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    ValueError
        Rows of unequal length, numbers that can be read in two ways; says which.
    """
    columns = list(dict.fromkeys(columns))
    if source.kind == "Parquet":
        table = _read_parquet(source, columns)
    else:
        table = _texts_read(_read_csv(source, columns, labels), source, labels)
    for j, name in enumerate(table.column_names):
        column = table.column(j)
        if pa.types.is_decimal(column.type) and name not in labels:
            table = table.set_column(j, name, column.cast(pa.float64()))
    return table


def as_categories(table: pa.Table, columns: Iterable[str]) -> pa.Table:
    """Return the table with columns of any kind as categories, in ascending order."""
    for name in columns:
        column = table[name].combine_chunks()
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        levels = pc.unique(column.drop_null())
        levels = levels.take(pc.sort_indices(levels))
        coded = pa.DictionaryArray.from_arrays(pc.index_in(column, levels), levels)
        table = table.set_column(table.column_names.index(name), name, coded)
    return table


def _checked(names: Sequence[str], path: Path) -> tuple[str, ...]:
    twice = sorted({name for name in names if name and list(names).count(name) > 1})
    if twice:
        raise ValueError(f"table: {path.name} has two columns named {twice[0]!r}: rename one.")
    return tuple(names)


def _read_parquet(source: Source, columns: list[str]) -> pa.Table:
    schema = pq.read_schema(source.path)
    for name in columns:
        if pa.types.is_nested(kind := schema.field(name).type):
            raise TypeError(
                f"column {name!r} holds {kind} in every row: pass one number or text a row, or "
                "leave the column out (--exclude)."
            )
    try:
        with pq.ParquetFile(source.path) as file:
            return file.read(columns=columns).select(columns)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"table: {source.path.name} stops being readable ({error}): write it again."
        ) from None


def _read_csv(source: Source, columns: list[str], labels: Sequence[str]) -> pa.Table:
    encoding = "utf-8" if source.encoding == "utf-8-sig" else source.encoding
    types: dict[str, pa.DataType] = {name: pa.string() for name in labels}
    dialect = source.dialect
    assert dialect is not None  # it is CSV
    while True:
        try:
            with text_stream(source.path, dialect.compression) as stream:
                return pa_csv.read_csv(
                    stream,
                    pa_csv.ReadOptions(encoding=encoding, skip_rows=dialect.skipped),
                    pa_csv.ParseOptions(delimiter=source.delimiter, newlines_in_values=True),
                    pa_csv.ConvertOptions(
                        column_types=types,
                        null_values=[*USUAL_MISSING, *source.missing],  # see _texts_read
                        include_columns=columns,
                        decimal_point=source.decimal or ".",
                    ),
                )
        except UnicodeError:
            raise wrong_encoding(source.path, source.encoding) from None
        except pa.ArrowKeyError as error:
            raise ValueError(
                f"table: {source.path.name} has a header that is not found again ({error}): make "
                "it the first line, of plain names."
            ) from None
        except pa.ArrowInvalid as error:
            wider = _wider(str(error), source, types)
            if "invalid UTF8" in str(error):
                raise wrong_encoding(source.path, source.encoding) from None
            if wider is None:
                raise ValueError(_what_broke(str(error), source)) from None
            types |= wider


def _wider(message: str, source: Source, types: dict) -> dict[str, pa.DataType] | None:
    """Return a wider type for a column that did not stay what its first rows promised."""
    found = re.search(r"In CSV column #(\d+): CSV conversion error to (\S+?):", message)
    if not found:
        return None
    name = source.names[int(found[1])]
    if types.get(name) == pa.string():
        return None
    numbers = found[2] in ("int64", "null") and name not in types
    return {name: pa.float64() if numbers else pa.string()}


def _what_broke(message: str, source: Source) -> str:
    found = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+): (.*)", message)
    if found:
        row = f"line {found[1]}" if found[1] else "a line"
        return (
            f"table: {source.path.name} has {found[2]} columns, but {row} has {found[3]} "
            f"({found[4][:60]!r}): correct it, or name the --delimiter."
        )
    return f"table: {source.path.name} cannot be read as CSV ({message.splitlines()[0]})."


def _texts_read(table: pa.Table, source: Source, labels: Sequence[str]) -> pa.Table:
    """Find the missing values in columns of text, and what else such a column may be."""
    usual = () if source.keep_na_text else USUAL_MISSING
    told = {}
    for j, name in enumerate(table.column_names):
        column = table.column(j)
        if not pa.types.is_string(column.type):
            continue
        if name not in labels:
            # Beside numbers NA is a missing value whatever it is beside text.
            bare, _ = without_words(column, [*USUAL_MISSING, *source.missing])
            if way := Numerals.of(bare).way(name, source.decimal):
                table = table.set_column(j, name, as_numbers(bare, way))
                continue
        column, told[name] = without_words(column, ["", *usual, *source.missing])
        if name in labels:
            Numerals.of(column).point_out_marks(name, "a label")
            column = _label_column(column)
        table = table.set_column(j, name, column)
    note_words(told, source.missing)
    return table


def _label_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return labels as integers where all are written as such, so that 10 comes after 9."""
    texts = column.unique().drop_null()
    numbers = as_written(texts.to_numpy(zero_copy_only=False))
    return column if numbers.dtype == object else column.cast(pa.from_numpy_dtype(numbers.dtype))
