"""What commands on a user's table share: options of its file, standard input, notes and errors."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from scs.data.errors import UsageError
from scs.data.numbering import rows_from

if TYPE_CHECKING:
    from scs.data.tables import Source

STDIN, PIPE = "standard input", "the pipe"


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a file is written."""
    add = parser.add_argument
    add("--sheet", default="", metavar="NAME", help="of an Excel file with several")
    add("--delimiter", default="", metavar="C", help="of a CSV file: one character, or tab")
    add("--decimal", default="", metavar="C", help="of a CSV file: . or ,")
    add("--encoding", default="", help="of a CSV file: utf-8, latin-1, ...")
    add("--na", metavar="TEXT", nargs="+", default=[], help="also missing in a CSV file, such as .")
    add("--keep-na-text", action="store_true", help="NA, null ... are text in columns of text")


@contextmanager
def table_at(arguments: argparse.Namespace) -> Iterator[str]:
    """Hand out the path of the table; of a copy, gone afterwards, for a sheet, a pipe or stdin.

    A pipe can be read once only, and how a file is written takes a look before. The name of a copy
    is what messages show.
    """
    from scs.data.sheets import is_workbook, sheet_as_csv

    text, sheet = arguments.table, arguments.sheet
    workbook = is_workbook(text)
    if sheet and not workbook:
        raise ValueError(f"--sheet: {text} is no Excel file: leave it out.")
    pipe = Path(text).is_fifo()  # such as <(gzip -dc t.gz) of a shell
    if text != "-" and not workbook and not pipe:
        yield text
        return
    with tempfile.TemporaryDirectory(prefix="scs-") as folder:
        if workbook:
            path = Path(folder) / f"sheet of {Path(text).name}"
            path.write_text(sheet_as_csv(text, sheet), encoding="utf-8", newline="")
        else:
            path = Path(folder) / (PIPE if pipe else STDIN)
            with path.open("wb") as copy, open(text, "rb") if pipe else _stdin() as stream:
                shutil.copyfileobj(stream, copy)
        yield str(path)


def _stdin() -> AbstractContextManager[IO[bytes]]:
    return nullcontext(sys.stdin.buffer)  # not ours to close


def opened(arguments: argparse.Namespace, path: str) -> Source:
    """Find out how the table is to be read."""
    from scs.data.tables import open_table

    return open_table(
        path,
        delimiter=arguments.delimiter,
        decimal=arguments.decimal,
        encoding=arguments.encoding,
        missing=arguments.na,
        keep_na_text=arguments.keep_na_text,
    )


def target(option: str, text: str | None, *read: str) -> Path | None:
    """Check before the work, not after it, that a file can be written.

    Parameters
    ----------
    option : str
        What named it, for messages.
    text : str or None
    *read : str
        Files that the command reads, none of which it may write over.
    """
    if text is None:
        return None
    path = Path(text)
    for other in read:
        if path.exists() and Path(other).exists() and path.samefile(other):
            raise UsageError(f"{option}: {text!r} is read by this command: name another file.")
    if not path.parent.is_dir():
        raise UsageError(f"{option}: no folder {str(path.parent)!r}: make it first.")
    if path.is_dir():
        raise UsageError(f"{option}: {text!r} is a folder: name a file in it.")
    if path.exists() and not path.is_file():
        raise UsageError(f"{option}: {text!r} is no plain file: name another one.")
    return path


@contextmanager
def said_in_one_line(stopped: str) -> Iterator[list[str]]:
    """Turn what the caller can mend into one line, and show each warning once.

    Parameters
    ----------
    stopped : str
        What to say after Ctrl-C.

    Yields
    ------
    list of str
        The notes shown so far.
    """
    notes: list[str] = []
    try:
        with warnings.catch_warnings(), rows_from(1):
            warnings.simplefilter("always", UserWarning)  # each is shown once, by its text
            warnings.showwarning = _show_once(notes)
            yield notes
    except KeyboardInterrupt:
        raise UsageError(stopped) from None
    except (ValueError, TypeError) as error:
        raise UsageError(_with_origin(str(error))) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"a file cannot be read or written ({error}): check it.") from error


def _show_once(notes: list[str]) -> Callable[..., None]:
    """Return a way to show each warning as a note, the first time only."""

    def show(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
        # Ours are of users' data; those of numerical libraries are of their own insides.
        if issubclass(category, UserWarning) and str(message) not in notes:
            notes.append(str(message))
            print(f"scs: note: {_with_origin(str(message))}", file=sys.stderr)

    return show


def _with_origin(message: str) -> str:
    """Say where rows are counted from, in a message that names one: not the file's first line."""
    if re.search(r"\brow \d", message) is None:
        return message
    return f"{message} (Rows are counted from 1, the first below the header.)"
