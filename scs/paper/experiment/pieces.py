"""Finished pieces of a long run, on disk: each is there as a whole or not at all.

A piece says of itself which configuration it belongs to, and holds a checksum of its rows. A file
that was copied, swapped, cut short or changed is no piece, however well it reads.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

_ABOUT = b"scs.piece"  # the key of a piece's own record in the metadata of its file

_REASONS = {
    "key": "it belongs to another name",
    "configuration": "it holds another scenario, other replications or other methods",
    "columns": "its columns are others",
    "checksum": "its checksum is wrong",
}


class NotAPiece(ValueError):
    """A file is not the piece that its name says; the message says why."""


def key_of(configuration: Mapping) -> str:
    """Return a file name for a configuration: the same for the same content."""
    return hashlib.sha256(_text(configuration).encode()).hexdigest()[:24]


def write_piece(rows: pd.DataFrame, folder: Path, configuration: Mapping) -> None:
    """Save a piece in one step: whoever reads sees all of it or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(rows, preserve_index=False)
    about = json.dumps(_about(table, configuration)).encode()
    metadata = {**(table.schema.metadata or {}), _ABOUT: about}
    handle, name = tempfile.mkstemp(prefix=".unfinished-", dir=folder)
    os.close(handle)
    unfinished = Path(name)
    try:
        pq.write_table(table.replace_schema_metadata(metadata), unfinished)
        unfinished.replace(piece_file(folder, configuration))
    finally:
        unfinished.unlink(missing_ok=True)


def read_piece(folder: Path, configuration: Mapping) -> pd.DataFrame | None:
    """Return a saved piece, or None where there is no such file.

    Raises
    ------
    NotAPiece
        There is a file, but it is not this piece as it was saved.
    """
    file = piece_file(folder, configuration)
    if not file.exists():
        return None
    try:
        # From memory: a damaged file must not stay mapped or open.
        table = pq.read_table(pa.BufferReader(file.read_bytes()))
        said = json.loads((table.schema.metadata or {}).get(_ABOUT, b"null"))
        found = _about(table, configuration)
        rows = table.to_pandas()
    except Exception as error:  # damage may raise anything; none of it is the caller's fault
        raise NotAPiece(f"it cannot be read ({type(error).__name__})") from None
    if not isinstance(said, dict):
        raise NotAPiece("it does not say what it holds")
    for name, reason in _REASONS.items():
        if said.get(name) != found[name]:
            raise NotAPiece(reason)
    return rows


def piece_file(folder: Path, configuration: Mapping) -> Path:
    """Return the path of a piece."""
    return folder / f"{key_of(configuration)}.parquet"


def _about(table: pa.Table, configuration: Mapping) -> dict:
    """Return what a piece says of itself."""
    return {
        "key": key_of(configuration),
        "configuration": _text(configuration),
        "columns": table.column_names,
        "checksum": _checksum(table, configuration),
    }


def _text(configuration: Mapping) -> str:
    return json.dumps(configuration, sort_keys=True, default=str)


def _checksum(table: pa.Table, configuration: Mapping) -> str:
    """Return a digest of names, types and every value, to the last digit, and of what they are."""
    digest = hashlib.sha256(_text(configuration).encode())
    for field, column in zip(table.schema, table.columns, strict=True):
        digest.update(repr((field.name, str(field.type), column.to_pylist())).encode())
    return digest.hexdigest()
