"""Which files a table is made of, what columns they have, and the pieces they are read in."""

from __future__ import annotations

import glob
import itertools
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem

from scs.data.csv_format import csv_format, missing_texts, near, with_types
from scs.data.files import USUAL_MISSING, Numerals, as_numbers, is_text, without_words

_ENDINGS = {".parquet": "parquet", ".pq": "parquet"}
_ENDINGS |= {f"{ending}{packed}": "csv" for ending in (".csv", ".tsv") for packed in ("", ".gz")}
_PIECE = 1 << 20  # rows a process takes at a time: whole row groups, at least so many
_BUFFER = 1 << 20  # bytes of each column of a Parquet file read at a time
_SAMPLE = 1 << 16  # bytes of a CSV file that tell how long its lines are


@dataclass(frozen=True)
class Piece:
    """Some consecutive rows of one file: the unit that processes share, whatever their number.

    Attributes
    ----------
    path : str
    row_groups : tuple of int or None
        Row groups of a Parquet file; None for the whole file.
    first_row : int
        The file's rows before this piece.
    rows : int or None
        Rows in this piece; None if not known before reading (CSV).
    schema : pyarrow.Schema
        The file's columns.
    constants : dict
        Columns that the folder's name gives (``region=3/``), with their value.
    """

    path: str
    row_groups: tuple[int, ...] | None
    first_row: int
    rows: int | None
    schema: pa.Schema
    constants: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """Files of one format.

    Attributes
    ----------
    format : pyarrow.dataset.FileFormat
    schemas : dict of path to pyarrow.Schema
        Each file's columns, those that the names of folders give included.
    pieces : tuple of Piece
    rows : int or None
        Rows in all; an estimate where ``exact`` is false, None if not even that.
    exact : bool
    words, asked : tuple of str
        Texts that stand for a missing value in columns of text of CSV files, and those of them
        that the user named.
    decimals : dict of str to str
        Columns of text in CSV files that are numbers, with their decimal mark: see
        `numbers_in_text`.
    """

    format: ds.FileFormat
    schemas: dict[str, pa.Schema]
    pieces: tuple[Piece, ...]
    rows: int | None
    exact: bool
    words: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    decimals: Mapping[str, str] = field(default_factory=dict)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the first file."""
        return next(iter(self.schemas.values()))


def open_source(
    source: Any, *, csv: Mapping[str, Any] | None = None, keep_na_text: bool = False
) -> Source:
    """Find the files of a table and look at their columns; no row is read but a CSV's first ones.

    Parameters
    ----------
    source : path, glob pattern, folder, or list of these
        Parquet (``.parquet``, ``.pq``) or CSV (``.csv``, ``.tsv``, also ``.gz``) files, one format.
        A folder is searched in depth; names like ``region=3`` in it give a column (Hive).
    csv : dict, optional
        How to read CSV where what is found is wrong: any option of pyarrow's ``ReadOptions``,
        ``ParseOptions`` and ``ConvertOptions``, such as ``delimiter=";"``, ``decimal_point=","``,
        ``encoding="latin-1"``, ``null_values=[""]``, ``column_types={"school": "string"}``.
    keep_na_text : bool
        Take NA, NaN, null ... for text in columns of text of CSV files, cluster labels among them.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError, TypeError
        No file in a folder, two formats, a file that cannot be read, an unknown option, ``csv``
        for Parquet files.
    """
    paths, folder = find_files(source)
    kinds = {_kind(path) for path in paths}
    if len(kinds) > 1:
        raise ValueError(
            f"source holds Parquet and CSV files ({paths[0]} ...): read one format at a time, for "
            "example with a pattern like 'folder/*.parquet'."
        )
    kind = kinds.pop()
    if kind == "parquet":
        if csv:
            raise ValueError(
                f"csv says how to read CSV, but {paths[0]} is a Parquet file: leave csv out."
            )
        file_format: ds.FileFormat = ds.ParquetFileFormat()
    else:
        file_format = csv_format(paths, dict(csv or {}))
    constants = _constants(paths, folder, file_format)
    schemas, pieces = {}, []
    for path in paths:
        fragment = file_format.make_fragment(path, LocalFileSystem())
        try:
            schema = fragment.physical_schema
        except (pa.ArrowException, OSError, UnicodeError) as error:
            raise ValueError(
                f"source: {path} cannot be read as {kind} ({_short(error)}): check the file"
                + (", or say how to read it with csv={...}." if kind == "csv" else ".")
            ) from None
        if kind == "csv":
            schema = with_types(schema, csv)
        pieces += _pieces(path, fragment, schema, constants.get(path, {}))
        for name, value in constants.get(path, {}).items():
            if name not in schema.names:
                schema = schema.append(pa.field(name, pa.scalar(value).type))
        schemas[path] = schema
    exact = kind == "parquet"
    rows = sum(piece.rows or 0 for piece in pieces) if exact else _estimated_rows(paths)
    words, asked = ((), ()) if exact else missing_texts(csv or {}, keep_na_text)
    return Source(file_format, schemas, tuple(pieces), rows, exact, words, asked)


def find_files(source: Any) -> tuple[list[str], str | None]:
    """Return the files that ``source`` names, in order, and the folder if it is one."""
    if isinstance(source, (str, os.PathLike)):
        return _expand(os.fspath(source))
    if not isinstance(source, Iterable):
        raise TypeError(
            f"source is of type {type(source).__name__}: pass a path, a pattern, a folder or a "
            "list of these."
        )
    paths = list(itertools.chain.from_iterable(_expand(os.fspath(one))[0] for one in source))
    if not paths:
        raise ValueError("source is an empty list: pass at least one file.")
    twice = next((path for path, times in Counter(paths).items() if times > 1), None)
    if twice is not None:
        raise ValueError(f"source names {twice} twice: its rows would count double; name it once.")
    return paths, None


def scan(
    source: Source,
    piece: Piece,
    columns: Sequence[str],
    *,
    batch_rows: int,
    numbers: Collection[str] = (),
    threads: bool = True,
    told: dict[str, Counter] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Read some columns of a piece in batches of about ``batch_rows`` rows, in the file's order.

    The columns ``numbers`` of a CSV file are read as such even where its first lines show whole
    numbers only, or nothing. ``told`` gets, by column, how often a text stood for a missing value.

    Memory: a few batches, whatever the size of the file and of its row groups.

    Raises
    ------
    ValueError
        A CSV field that is not of its column's type; a damaged file.
    """
    stored = [name for name in columns if name not in piece.constants]
    types = [(name, _type(source, piece, name, numbers)) for name in stored]
    read = _parquet_batches if piece.row_groups is not None else _csv_batches
    try:
        for batch in _gathered(read(source, piece, types, batch_rows, threads), batch_rows):
            if source.words or source.decimals:
                batch = _texts_read(batch, source, {} if told is None else told)
            yield _with_constants(batch, piece.constants, columns)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise ValueError(
            f"source: {piece.path} stops being readable ({_short(error)}): the types of a CSV "
            "file's columns are guessed from its first lines. Mend the field, or name its column's "
            "type or its missing values, for example csv={'column_types': {'school': 'string'}, "
            "'null_values': ['.']}."
        ) from None


def _parquet_batches(
    source: Source, piece: Piece, types: list[tuple], batch_rows: int, threads: bool
) -> Iterator[pa.RecordBatch]:
    # Not by a dataset's scanner: it decodes whole row groups, and some writers make one of a file.
    with pq.ParquetFile(piece.path, buffer_size=_BUFFER, pre_buffer=False) as file:
        yield from file.iter_batches(
            batch_size=batch_rows,
            row_groups=None if piece.row_groups is None else list(piece.row_groups),
            columns=[name for name, _ in types],
            use_threads=threads,
        )


def _csv_batches(
    source: Source, piece: Piece, types: list[tuple], batch_rows: int, threads: bool
) -> Iterator[pa.RecordBatch]:
    fragment = source.format.make_fragment(piece.path, LocalFileSystem())
    scanner = fragment.scanner(
        schema=pa.schema(types),
        columns=[name for name, _ in types],
        batch_size=batch_rows,
        batch_readahead=2,
        use_threads=threads,
    )
    yield from scanner.to_batches()


def _type(source: Source, piece: Piece, name: str, numbers: Collection[str]) -> pa.DataType:
    type_ = piece.schema.field(name).type
    guessed = isinstance(source.format, ds.CsvFileFormat)
    if guessed and name in numbers and (pa.types.is_integer(type_) or pa.types.is_null(type_)):
        return pa.float64()
    return type_


def _expand(pattern: str) -> tuple[list[str], str | None]:
    pattern = os.path.expanduser(pattern)
    if os.path.isdir(pattern):
        found = sorted(
            str(path)
            for path in Path(pattern).rglob("*")
            if _kind(path.name, strict=False) and not _hidden(path.relative_to(pattern))
        )
        if not found:
            raise ValueError(
                f"source: the folder {pattern} holds no file ending in {', '.join(_ENDINGS)}."
            )
        return found, pattern
    if os.path.isfile(pattern):
        return [pattern], None
    found = sorted(path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path))
    if not found:
        folder = Path(pattern).parent
        names = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
        hint = near(Path(pattern).name, names) if names else f"there is no folder {folder} either."
        raise FileNotFoundError(f"source: no file {pattern}: {hint}")
    return found, None


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _kind(path: str, *, strict: bool = True) -> str | None:
    lower = path.lower()
    kind = next((kind for ending, kind in _ENDINGS.items() if lower.endswith(ending)), None)
    # A single file may be called .txt or .dat: what is not Parquet by name is read as text.
    return kind or ("csv" if strict else None)


def _constants(paths: list[str], folder: str | None, file_format: ds.FileFormat) -> dict:
    """Return the columns that folder names like ``region=3`` give, by file."""
    if folder is None or not any("=" in part for part in paths):
        return {}
    options = ds.FileSystemFactoryOptions(
        partition_base_dir=folder, partitioning=ds.HivePartitioning.discover()
    )
    found = ds.FileSystemDatasetFactory(LocalFileSystem(), paths, file_format, options).finish()
    return {f.path: ds.get_partition_keys(f.partition_expression) for f in found.get_fragments()}


def _pieces(path: str, fragment: ds.Fragment, schema: pa.Schema, constants: dict) -> list[Piece]:
    if not isinstance(fragment, ds.ParquetFileFragment):
        return [Piece(path, None, 0, None, schema, constants)]
    pieces, groups, rows, first = [], [], 0, 0
    for group in fragment.row_groups:
        groups.append(group.id)
        rows += group.num_rows
        if rows >= _PIECE:
            pieces.append(Piece(path, tuple(groups), first, rows, schema, constants))
            groups, first, rows = [], first + rows, 0
    if groups:
        pieces.append(Piece(path, tuple(groups), first, rows, schema, constants))
    return pieces


def _estimated_rows(paths: list[str]) -> int | None:
    """Guess the rows of CSV files from the length of the first file's lines."""
    if any(path.lower().endswith(".gz") for path in paths):
        return None
    with open(paths[0], "rb") as file:
        sample = file.read(_SAMPLE)
    lines = max(1, sample.count(b"\n"))
    return round(sum(os.path.getsize(path) for path in paths) / (len(sample) / lines))


def _gathered(batches: Iterator[pa.RecordBatch], batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Join small batches, so that many small row groups cost no more than a few large ones."""
    waiting, rows = [], 0
    for batch in batches:
        if batch.num_rows:
            waiting.append(batch)
            rows += batch.num_rows
        if rows >= batch_rows:
            yield _one(waiting)
            waiting, rows = [], 0
    if waiting:
        yield _one(waiting)


def _one(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _texts_read(batch: pa.RecordBatch, source: Source, told: dict[str, Counter]) -> pa.RecordBatch:
    columns = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name in source.decimals and pa.types.is_string(column.type):
            column = as_numbers(_without_usual(column, source), source.decimals[name])
        elif is_text(column.type):
            column, counts = without_words(column, source.words)
            told.setdefault(name, Counter()).update(counts)
        columns[name] = column
    return pa.record_batch(columns)


def _without_usual(column: pa.Array, source: Source) -> pa.Array:
    """Return text without what stands for a missing value beside numbers, whatever beside text."""
    return without_words(column, [*USUAL_MISSING, *source.asked])[0]


def numbers_in_text(source: Source, columns: Collection[str], *, batch_rows: int) -> Source:
    """Find out which of some columns are numbers although they are text to pyarrow.

    That is in CSV files, by all of their rows: numbers with a decimal comma, or with marks such as
    ``.`` of missing values. They are read as numbers from here on.

    Raises
    ------
    ValueError
        Numbers that can be read in two ways.
    """
    if not isinstance(source.format, ds.CsvFileFormat):
        return source
    found: dict[str, Numerals] = {}
    for piece in source.pieces:
        texts = [name for name in columns if _is_written(piece, name)]
        if not texts:
            continue
        for batch in scan(replace(source, words=()), piece, texts, batch_rows=batch_rows):
            for name, column in zip(texts, batch.columns, strict=True):
                new = Numerals.of(_without_usual(column, source))
                found[name] = found[name] + new if name in found else new
            if not any(each.point or each.comma for each in found.values()):
                break  # none of them can be numbers any more
    mark = source.format.default_fragment_scan_options.convert_options.decimal_point
    asked = mark if mark != "." else ""
    decimals = {name: way for name, each in found.items() if (way := each.way(name, asked))}
    schemas = {path: _as_floats(schema, decimals) for path, schema in source.schemas.items()}
    return replace(source, decimals=decimals, schemas=schemas)


def _is_written(piece: Piece, name: str) -> bool:
    stored = name in piece.schema.names and name not in piece.constants
    return stored and pa.types.is_string(piece.schema.field(name).type)


def _as_floats(schema: pa.Schema, names: Collection[str]) -> pa.Schema:
    fields = [f.with_type(pa.float64()) if _is_text_in(f, names) else f for f in schema]
    return pa.schema(fields, schema.metadata)


def _is_text_in(column: pa.Field, names: Collection[str]) -> bool:
    return column.name in names and pa.types.is_string(column.type)


def labels_as_text(source: Source, cluster: str) -> tuple[Source, bool]:
    """Read cluster labels as they are written where a type would be a guess; say if that was so.

    That is in CSV files, unless the user named a type, and in names of folders: a guess makes
    one of ``school=7`` and ``school=007``.
    """
    csv = isinstance(source.format, ds.CsvFileFormat)
    options = source.format.default_fragment_scan_options
    named = csv and cluster in options.convert_options.column_types
    in_folder = any(cluster in piece.constants for piece in source.pieces)
    if named or not (csv or in_folder):
        return source, False
    schemas = {path: _as_text(schema, cluster) for path, schema in source.schemas.items()}
    pieces = []
    for piece in source.pieces:
        constants = dict(piece.constants)
        if cluster in constants:
            constants[cluster] = _written(piece.path, cluster)
        schema = _as_text(piece.schema, cluster) if csv else piece.schema
        pieces.append(replace(piece, schema=schema, constants=constants))
    return replace(source, schemas=schemas, pieces=tuple(pieces)), True


def _as_text(schema: pa.Schema, name: str) -> pa.Schema:
    if name not in schema.names:
        return schema
    return schema.set(schema.get_field_index(name), pa.field(name, pa.string()))


def _written(path: str, name: str) -> str | None:
    """Return what a folder's name says of a column, as it stands there."""
    parts = (part.partition("=") for part in Path(path).parts)
    found = next(unquote(value) for key, _, value in parts if unquote(key) == name)
    return None if found == "__HIVE_DEFAULT_PARTITION__" else found


def _with_constants(
    batch: pa.RecordBatch, constants: Mapping[str, Any], columns: Sequence[str]
) -> pa.RecordBatch:
    arrays = [
        pa.repeat(pa.scalar(constants[name]), batch.num_rows)
        if name in constants
        else batch.column(name)
        for name in columns
    ]
    return pa.record_batch(arrays, names=list(columns))


def _short(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")
