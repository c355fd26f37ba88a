"""The command ``scs``: a user's own table, chapters with other parameters, stored outputs, data.

Exit codes: 0 done, 2 something that the caller can mend (said in one line, with the remedy), 130
stopped by Ctrl-C.
"""

import argparse
import io
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version

import nbformat

from scs import __distribution__
from scs._loading import STOPPED, loaded
from scs.book import run as runs
from scs.book.chapters import (
    Chapter,
    all_chapters,
    book_root,
    find_chapter,
    left_out_message,
    missing_data,
)
from scs.book.compare import differences
from scs.book.execute import execute, record_run_time, write
from scs.book.new import new_chapter
from scs.book.parameters import chosen_values, notebook_parameters
from scs.book.results import PARTS, make_results
from scs.book.stale import stale_reasons
from scs.cli import fit as fits
from scs.data.errors import UsageError
from scs.paper import datasets


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process if None.

    Returns
    -------
    int
        Exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names and labels may be of any script
            stream.reconfigure(errors="backslashreplace")
    try:
        loaded()
        arguments = _parser().parse_args(argv)
        arguments.command(arguments)
    except KeyboardInterrupt:
        print("scs: stopped.", file=sys.stderr)
        return STOPPED
    except UsageError as error:
        print(f"scs: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scs", description="Significant cluster selection.")
    parser.add_argument("--version", action="version", version=f"scs {version(__distribution__)}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    fits.add_parser(commands)

    run = commands.add_parser("run", help="a chapter with your parameters, as its own HTML page")
    run.add_argument("chapter", metavar="CHAPTER", help="its name, such as sparse")
    run.add_argument(
        "-p",
        "--parameter",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="may be given several times",
    )
    run.add_argument("--name", help="folder under runs/ (default: made from chapter and values)")
    run.set_defaults(command=_run)

    execute_ = commands.add_parser("execute", help="run chapters and store their outputs")
    execute_.add_argument("chapters", nargs="*", metavar="CHAPTER", help="default: all")
    execute_.add_argument(
        "--stale", action="store_true", help="only those whose source or code changed since"
    )
    execute_.set_defaults(command=_execute)

    results = commands.add_parser("results", help="make data/results anew; about half an hour")
    results.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all"
    )
    results.add_argument("--jobs", type=int, default=-1, help="worker processes (default: all)")
    results.set_defaults(command=_results)
    new = commands.add_parser("new-chapter", help="begin a chapter from the template, and run it")
    new.add_argument("name", metavar="NAME", help="such as costs, or 12_costs for its place")
    new.set_defaults(command=_new_chapter)

    data = commands.add_parser("data", help="what data is here, and how to get the rest")
    data.set_defaults(command=_data)
    return parser


def _run(arguments: argparse.Namespace) -> None:
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


def _execute(arguments: argparse.Namespace) -> None:
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


def _new_chapter(arguments: argparse.Namespace) -> None:
    chapter = new_chapter(book_root(), arguments.name)
    write(execute(chapter), chapter.stored)
    print(f"{chapter.source}\nEdit it, then run `scs execute {chapter.name}` and `make serve`.")


def _what_is_stale(reasons: dict[Chapter, list[str]]) -> str:
    lines = [f"{each.stem}: {'; '.join(why)}" for each, why in reasons.items() if why]
    return "\n".join(lines) or f"none of {len(reasons)} chapters is stale"


def _what_moved(stem: str, old: nbformat.NotebookNode | None, new: nbformat.NotebookNode) -> str:
    if old is None:
        return f"{stem}: new"
    moved = differences(old, new)
    lines = [*moved.shown, *(f"{name}: {was} -> {now}" for name, was, now in moved.numbers)]
    if not lines:
        return f"{stem}: every output as it was"
    return "\n".join([f"{stem}: {len(lines)} outputs moved", *(f"    {line}" for line in lines)])


def _results(arguments: argparse.Namespace) -> None:
    parts = tuple(arguments.parts) or PARTS
    for line in make_results(book_root(), parts, n_jobs=arguments.jobs):
        print(line, flush=True)


def _data(_: argparse.Namespace) -> None:
    print(datasets.status())
