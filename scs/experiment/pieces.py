"""Finished pieces of a long run, on disk: each is there as a whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from pyarrow import ArrowException


def key_of(configuration: Mapping) -> str:
    """Return a file name for a configuration: the same for the same content."""
    text = json.dumps(configuration, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def write_piece(rows: pd.DataFrame, folder: Path, key: str) -> None:
    """Save a piece in one step: whoever reads sees all of it or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".unfinished-", dir=folder)
    os.close(handle)
    unfinished = Path(name)
    try:
        rows.to_parquet(unfinished, index=False)
        unfinished.replace(folder / f"{key}.parquet")
    finally:
        unfinished.unlink(missing_ok=True)


def read_piece(folder: Path, key: str) -> pd.DataFrame | None:
    """Return a saved piece, or None where there is none that can be read."""
    try:
        return pd.read_parquet(folder / f"{key}.parquet")
    except (FileNotFoundError, ArrowException):
        return None
