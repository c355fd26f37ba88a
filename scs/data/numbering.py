"""How messages count rows: from 0 as Python does, or from 1 as whoever looks into a file does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_FIRST = ContextVar("first row", default=0)


@contextmanager
def rows_from(first: int) -> Iterator[None]:
    """Count the rows of messages from another number than 0, as commands on files do."""
    token = _FIRST.set(first)
    try:
        yield
    finally:
        _FIRST.reset(token)


def row_name(position: Any) -> str:
    """Return what messages call the row at a position, which is counted from 0."""
    return f"row {int(position) + _FIRST.get()}"
