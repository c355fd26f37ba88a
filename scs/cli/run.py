"""``scs run``: one chapter with other parameters, as a small book of its own."""

from __future__ import annotations

import argparse

from scs._loading import loaded
from scs.data.errors import UsageError


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("run", help="a chapter with your parameters, as its own HTML page")
    parser.add_argument("chapter", metavar="CHAPTER", help="its name, such as sparse")
    parser.add_argument(
        "-p",
        "--parameter",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="may be given several times",
    )
    parser.add_argument("--name", help="folder under runs/ (default: made from chapter and values)")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> None:
    """Execute the chapter and build its page."""
    from scs.book import run as runs
    from scs.book.chapters import book_root, find_chapter, left_out_message, missing_data
    from scs.book.compare import differences
    from scs.book.execute import execute, write
    from scs.book.parameters import chosen_values, notebook_parameters

    loaded()
    root = book_root()
    chapter = find_chapter(root, arguments.chapter)
    source = chapter.read()
    parameters = notebook_parameters(source)
    values = chosen_values(parameters, arguments.parameter)
    if missing := missing_data(source):
        raise UsageError(left_out_message(chapter, missing))
    folder = root / "runs" / (arguments.name or runs.run_name(chapter, values))
    if folder.resolve().parent != (root / "runs").resolve():
        raise UsageError(f"--name: {arguments.name!r} is not a plain folder name.")
    notebook = execute(chapter, values)
    path = runs.prepare_book(root, chapter, folder)
    moved = differences(chapter.read_stored(), notebook) if chapter.stored.exists() else None
    write(runs.as_page(notebook, runs.parameters_note(parameters, values, moved)), path)
    runs.write_record(folder, chapter, values)
    print("building its pages ...", flush=True)
    print(runs.build_html(folder).as_uri())
