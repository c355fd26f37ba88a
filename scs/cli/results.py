"""``scs results``: make data/results again."""

from __future__ import annotations

import argparse

from scs._loading import loaded


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("results", help="make data/results again; about half an hour")
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help="such as ledger (default: all, in their order)"
    )
    parser.add_argument("--jobs", type=int, default=-1, help="worker processes (default: all)")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> None:
    """Make the parts, and say what moved."""
    from scs.book.chapters import book_root
    from scs.book.results import PARTS, make_results

    loaded()
    parts = tuple(arguments.parts) or PARTS
    for line in make_results(book_root(), parts, n_jobs=arguments.jobs):
        print(line, flush=True)
