"""Files that are written whole or not at all, under a name that nobody can lay a link for."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL  # never opens what is there, nor follows a link


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Hand out an empty file beside ``path``, which takes its place once the block is done.

    An error leaves an old file as it was, and nothing beside it. A link is replaced, not followed.

    Parameters
    ----------
    path : str or Path

    Yields
    ------
    Path
        In the same folder, of the same ending, so that a writer takes it for the same format.

    Raises
    ------
    OSError
        The folder is not there or cannot be written, or ``path`` is no plain file.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is no plain file")
    unfinished = path.with_name(f".{secrets.token_hex(8)}-{path.name[-100:]}")
    os.close(os.open(unfinished, _NEW, 0o666))  # less the process' umask, as any new file
    try:
        yield unfinished
        with suppress(OSError):  # who could read the old file can read the new one
            os.chmod(unfinished, path.stat().st_mode & 0o777)
        os.replace(unfinished, path)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def write_whole(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all.

    Half a pair of surrogates, which UTF-8 has no bytes for, is written as its number.
    """
    with whole_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
