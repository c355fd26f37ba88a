"""``scs new-chapter``: begin a chapter from the template, and run it."""

from __future__ import annotations

import argparse

from scs._loading import loaded


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "new-chapter", help="begin a chapter from the template, and run it"
    )
    parser.add_argument("name", metavar="NAME", help="such as costs, or 12_costs for its place")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> None:
    """Write the two files of the chapter and list it."""
    from scs.book.chapters import book_root
    from scs.book.execute import execute, write
    from scs.book.new import new_chapter

    loaded()
    chapter = new_chapter(book_root(), arguments.name)
    write(execute(chapter), chapter.stored)
    print(f"{chapter.source}\nEdit it, then run `scs execute {chapter.name}` and `make serve`.")
