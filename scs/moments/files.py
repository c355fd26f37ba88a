"""One pass over a large table: from batches of rows to sums, in one or several processes."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from scs.data.columns import (
    Columns,
    Rows,
    check_types,
    choose_columns,
    find_levels,
    rows_of,
    schema_of_frame,
    text_labels,
)
from scs.data.design import DesignWarning
from scs.data.extras import need
from scs.data.files import index_columns, note_words
from scs.data.labels import as_written, note_alike, note_alike_levels
from scs.data.sources import Piece, Source, labels_as_text, numbers_in_text, open_source, scan
from scs.data.written import doubtful_levels
from scs.moments.merge import merge_parts
from scs.moments.part import Part, part_of_rows

BATCH_ROWS = 1 << 17
_FAN_IN = 8  # parts that one Dask task merges


@dataclass(frozen=True)
class Reading:
    """Cluster sums of a table, and what was left out of them.

    Attributes
    ----------
    part : Part
    columns : Columns
        With the levels of the categories.
    n_read, n_dropped : int
        Rows read, and those of them left out for a missing value.
    missing : dict of str to int
        Missing values by column.
    """

    part: Part
    columns: Columns
    n_read: int
    n_dropped: int
    missing: dict[str, int]


@dataclass(frozen=True)
class _Done:
    """What some rows gave: their part (None without rows) and counts.

    ``told`` counts the texts that stood for a missing value, by column; ``left`` are the labels of
    rows left out.
    """

    part: Part | None
    n_read: int
    n_dropped: int
    missing: Counter
    told: Mapping[str, Counter] = field(default_factory=dict)
    left: frozenset[str] = frozenset()


def read_files(
    source: Any,
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
    missing: str = "raise",
    csv: Mapping[str, Any] | None = None,
    keep_na_text: bool = False,
    batch_rows: int = BATCH_ROWS,
    n_jobs: int = 1,
    progress: bool = False,
) -> Reading:
    """Sum up what `Moments.from_files` does, and say what was left out.

    ``source`` may also be a `Source` that is open already.
    """
    _check_options(missing, batch_rows)
    files = source
    if not isinstance(source, Source):
        files = open_source(source, csv=csv, keep_na_text=keep_na_text)
    files, written = labels_as_text(files, cluster)
    others = files.schema.names if covariates is None else _listed(covariates)
    asked = [outcome, *others, *_listed(slopes)]
    apart = [cluster, *_listed(categories)]
    texts = [name for name in files.schema.names if name in asked and name not in apart]
    files = numbers_in_text(files, texts, batch_rows=batch_rows)
    columns = choose_columns(
        files.schema,
        outcome=outcome,
        cluster=cluster,
        covariates=covariates,
        categories=categories,
        slopes=slopes,
        intercept=intercept,
        frequency_weights=frequency_weights,
        precision_weights=precision_weights,
        offset=offset,
    )
    check_files(files, columns, every_column=covariates is None)
    columns = _with_levels(columns, lambda names: _batches(files, names, batch_rows))
    with _bar(files, progress) as step:
        done = _merged(_work(files, columns, missing, batch_rows, n_jobs, step))
    note_words(done.told, files.asked)
    if written and done.part is not None:
        # All labels of the file decide, as they do where it is read at once.
        labels = done.part.labels
        every = np.array([*labels, *done.left], dtype=object)
        done = replace(done, part=replace(done.part, labels=as_written(every)[: len(labels)]))
    return _reading(done, columns, "source")


def read_batches(
    source: Source, columns: Columns, *, missing: str = "raise", batch_rows: int = BATCH_ROWS
) -> Iterator[Rows]:
    """Read validated rows in batches, file by file, in memory that does not grow with the rows.

    Labels of CSV files come as text, for only all of them tell if they are whole numbers.

    Parameters
    ----------
    source : Source
        See `open_source`.
    columns : Columns
        See `choose_columns`, with the levels of its categories.
    missing, batch_rows
        See `Moments.from_files`.
    """
    _check_options(missing, batch_rows)
    source, _ = labels_as_text(source, columns.cluster)
    for piece in source.pieces:
        yield from _rows(source, piece, columns, missing, batch_rows)


def check_files(source: Source, columns: Columns, *, every_column: bool = False) -> None:
    """Refuse files that differ in what is needed of them.

    Raises
    ------
    ValueError, TypeError
        A column is absent in one file, or text in one and numbers in another; with
        ``every_column``, any column that is not in all files.
    """
    first, expected = next(iter(source.schemas.items()))
    for path, schema in source.schemas.items():
        check_types(schema, columns, path)
        kinds = {text_labels(schema, columns), text_labels(expected, columns)}
        if len(kinds - {None}) > 1:
            raise TypeError(
                f"cluster {columns.cluster!r} is text in one of {first} and {path}, and not in the "
                "other: store it as one type, or for CSV files pass "
                f"csv={{'column_types': {{{columns.cluster!r}: 'string'}}}}."
            )
        odd = sorted(set(_own(schema)) ^ set(_own(expected)))
        if every_column and odd:
            raise ValueError(
                f"source: {odd[0]!r} is a column of only one of {first} and {path}: name the "
                "covariates to use."
            )


def _listed(names: str | Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _own(schema: pa.Schema) -> list[str]:
    """Return the columns that are not pandas' index."""
    return [name for name in schema.names if name not in index_columns(schema, schema.names)]


def read_dask(
    frame: Any,
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
    missing: str = "raise",
) -> Reading:
    """Sum up what `Moments.from_dask` does, and say what was left out."""
    need("Moments.from_dask", "dask", "dask")
    import dask

    if not hasattr(frame, "to_delayed") or not hasattr(frame, "dtypes"):
        raise TypeError(
            f"frame is of type {type(frame).__name__}: pass a Dask data frame, for example "
            "dask.dataframe.read_parquet(...)."
        )
    _check_options(missing, 1)
    columns = choose_columns(
        schema_of_frame(frame),
        outcome=outcome,
        cluster=cluster,
        covariates=covariates,
        categories=categories,
        slopes=slopes,
        intercept=intercept,
        frequency_weights=frequency_weights,
        precision_weights=precision_weights,
        offset=offset,
    )
    partitions = frame[list(columns.needed)].to_delayed()

    def distinct(names: list[str]) -> tuple[pa.RecordBatch, ...]:
        return dask.compute(*(dask.delayed(_distinct)(part, names) for part in partitions))

    columns = _with_levels(columns, distinct)
    sums = dask.delayed(_frame_sums)
    tasks = [sums(part, columns, missing, i) for i, part in enumerate(partitions)]
    # A tree of fixed shape: the same numbers whichever worker is done first, and no worker (nor
    # this process) holds more than a few parts.
    while len(tasks) > 1:
        groups = (tasks[i : i + _FAN_IN] for i in range(0, len(tasks), _FAN_IN))
        tasks = [dask.delayed(_merged)(group) for group in groups]
    (done,) = dask.compute(*tasks) if tasks else (_merged([]),)
    return _reading(done, columns, "frame")


def _check_options(missing: str, batch_rows: int) -> None:
    if missing not in ("raise", "drop"):
        raise ValueError(f"missing is {missing!r}: pass 'raise' or 'drop'.")
    if not isinstance(batch_rows, (int, np.integer)) or batch_rows < 1:
        raise ValueError(f"batch_rows is {batch_rows!r}: pass a whole number, at least 1.")


def _with_levels(
    columns: Columns, values: Callable[[list[str]], Iterable[pa.RecordBatch]]
) -> Columns:
    """Find the levels of categories that came without; ``values`` reads columns by name."""
    unknown = [name for name, levels in columns.levels.items() if not levels]
    if not unknown:
        return columns
    found = find_levels(values(unknown), unknown)
    for name, levels in found.items():
        if doubt := doubtful_levels(name, levels):
            warnings.warn(doubt, DesignWarning, stacklevel=4)
        note_alike_levels(name, levels)
    return replace(columns, levels={**columns.levels, **found})


def _batches(source: Source, names: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
    for piece in source.pieces:
        yield from scan(source, piece, names, batch_rows=batch_rows)


def _rows(
    source: Source,
    piece: Piece,
    columns: Columns,
    missing: str,
    batch_rows: int,
    *,
    threads: bool = True,
    told: dict[str, Counter] | None = None,
) -> Iterator[Rows]:
    row = piece.first_row
    batches = scan(
        source,
        piece,
        columns.needed,
        numbers=columns.numbers,
        batch_rows=batch_rows,
        threads=threads,
        told=told,
    )
    for batch in batches:
        yield rows_of(batch, columns, missing=missing, where=piece.path, first_row=row)
        row += batch.num_rows


def _sums(rows: Rows) -> _Done:
    some = len(rows.y) > 0
    arrays = rows.X, rows.y, rows.codes, rows.labels, rows.Z, rows.frequency, rows.precision
    part = part_of_rows(*arrays) if some else None
    n_read = len(rows.y) + rows.dropped + rows.weightless
    return _Done(part, n_read, rows.dropped, Counter(rows.missing), left=rows.left)


def _merged(some: Iterable[_Done], step: Callable[[int], Any] = int) -> _Done:
    """Merge in the order given; ``step`` is told of the rows of each."""
    n_read, n_dropped = 0, 0
    missing: Counter = Counter()
    told: dict[str, Counter] = {}
    left: set[str] = set()

    def parts() -> Iterator[Part]:
        nonlocal n_read, n_dropped
        for done in some:
            n_read += done.n_read
            n_dropped += done.n_dropped
            missing.update(done.missing)
            left.update(done.left)
            for name, counts in done.told.items():
                told.setdefault(name, Counter()).update(counts)
            step(done.n_read)
            if done.part is not None:
                yield done.part

    part = merge_parts(parts())
    return _Done(part, n_read, n_dropped, missing, told, frozenset(left))


def _piece_sums(
    source: Source,
    piece: Piece,
    columns: Columns,
    missing: str,
    batch_rows: int,
    *,
    threads: bool = True,
    step: Callable[[int], Any] = int,
) -> _Done:
    told: dict[str, Counter] = {}
    rows = _rows(source, piece, columns, missing, batch_rows, threads=threads, told=told)
    return replace(_merged(map(_sums, rows), step), told=told)


def _work(
    source: Source,
    columns: Columns,
    missing: str,
    batch_rows: int,
    n_jobs: int,
    step: Callable[[int], Any],
) -> Iterator[_Done]:
    """Sum up the pieces, in order: the numbers do not depend on ``n_jobs``."""
    common = (columns, missing, batch_rows)
    if n_jobs == 1 or len(source.pieces) == 1:
        for piece in source.pieces:
            yield _piece_sums(source, piece, *common, step=step)
        return
    bare = replace(source, schemas={}, pieces=())  # a worker needs its own piece only
    workers = Parallel(n_jobs=n_jobs, return_as="generator")
    tasks = (delayed(_piece_sums)(bare, p, *common, threads=False) for p in source.pieces)
    for done in workers(tasks):
        step(done.n_read)
        yield done


def _distinct(frame: Any, names: list[str]) -> pa.RecordBatch:
    """Return the distinct rows of some columns of a pandas data frame."""
    return _record_batch(frame[names].drop_duplicates(), 0)


def _frame_sums(frame: Any, columns: Columns, missing: str, number: int) -> _Done:
    batch = _record_batch(frame[list(columns.needed)], number)
    where = f"partition {number}"
    check_types(batch.schema, columns, where)
    return _sums(rows_of(batch, columns, missing=missing, where=where))


def _record_batch(frame: Any, number: int) -> pa.RecordBatch:
    try:
        return pa.RecordBatch.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError) as error:
        raise TypeError(
            f"frame: partition {number} has a column of mixed types ({error}): convert it to "
            "numbers or to text."
        ) from None


def _reading(done: _Done, columns: Columns, name: str) -> Reading:
    if done.n_read == 0:
        raise ValueError(f"{name} has no rows: pass a table with at least one.")
    if done.part is None and done.n_dropped < done.n_read:
        weights = " times ".join(role for role in columns.beside if role != "offset")
        raise ValueError(f"{name}: {weights} is zero in every row: weigh at least one.")
    if done.part is None:
        raise ValueError(
            f"{name} has no row without a missing value ({_counts(done)}): leave out the columns "
            "that are mostly missing."
        )
    note_alike(done.part.labels)
    missing = {name: done.missing[name] for name in columns.needed if done.missing[name]}
    return Reading(done.part, columns, done.n_read, done.n_dropped, missing)


def warn_of_dropped(reading: Reading) -> None:
    """Give a `DesignWarning` if rows were left out."""
    if reading.n_dropped:
        warnings.warn(
            f"{reading.n_dropped} of {reading.n_read} rows were left out for missing values "
            f"({_counts(reading)}).",
            DesignWarning,
            stacklevel=3,
        )


def _counts(done: Reading | _Done) -> str:
    return ", ".join(f"{name!r}: {count}" for name, count in done.missing.items())


@contextmanager
def _bar(source: Source, progress: bool) -> Iterator[Callable[[int], Any]]:
    if not progress:
        yield int  # does nothing of note
        return
    about = "" if source.exact else " (total estimated)"
    with tqdm(total=source.rows, unit=" rows", unit_scale=True, desc=f"reading{about}") as bar:
        yield bar.update
