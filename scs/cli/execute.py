"""``scs execute``: run chapters, store their outputs, say what moved."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from scs._loading import loaded

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from scs.book.chapters import Chapter


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("execute", help="run chapters and store their outputs")
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="default: all")
    parser.add_argument(
        "--stale", action="store_true", help="only those whose source or code changed since"
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> None:
    """Execute chapter after chapter; what is done is stored, whatever comes after it."""
    from scs.book.chapters import (
        all_chapters,
        book_root,
        find_chapter,
        left_out_message,
        missing_data,
    )
    from scs.book.execute import execute, record_run_time, write
    from scs.book.stale import stale_reasons

    loaded()
    root = book_root()
    names = arguments.chapters
    chapters = [find_chapter(root, name) for name in names] if names else all_chapters(root)
    if arguments.stale:
        reasons = {chapter: stale_reasons(chapter) for chapter in chapters}
        chapters = [chapter for chapter in chapters if reasons[chapter]]
        print(_what_is_stale(reasons), flush=True)
    for number, chapter in enumerate(chapters, start=1):
        if missing := missing_data(chapter.read()):
            print(left_out_message(chapter, missing), flush=True)
            continue
        old = chapter.read_stored() if chapter.stored.exists() else None
        started = time.perf_counter()
        new = execute(chapter, place=f"({number} of {len(chapters)})")
        write(new, chapter.stored)
        record_run_time(chapter, time.perf_counter() - started)
        print(_what_moved(chapter.stem, old, new), flush=True)


def _what_is_stale(reasons: dict[Chapter, list[str]]) -> str:
    lines = [f"{each.stem}: {'; '.join(why)}" for each, why in reasons.items() if why]
    return "\n".join(lines) or f"none of {len(reasons)} chapters is stale"


def _what_moved(stem: str, old: NotebookNode | None, new: NotebookNode) -> str:
    from scs.book.compare import differences

    if old is None:
        return f"{stem}: new"
    moved = differences(old, new)
    lines = [*moved.shown, *(f"{name}: {was} -> {now}" for name, was, now in moved.numbers)]
    if not lines:
        return f"{stem}: every output as it was"
    return "\n".join([f"{stem}: {len(lines)} outputs moved", *(f"    {line}" for line in lines)])
