"""``scs show``: what a saved model says."""

from __future__ import annotations

import argparse

from scs._loading import loaded
from scs.cli.reading import said_in_one_line


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("show", help="what a saved model says (scs fit --save)")
    add = parser.add_argument
    add("model", metavar="MODEL", help="a file that scs fit --save wrote")
    add("--top", type=int, default=25, metavar="N", help="selected clusters shown (default: 25)")
    add(
        "--style",
        choices=["text", "markdown", "latex", "html"],
        default="text",
        help="what it is written for (default: text)",
    )
    add("--json", action="store_true", help="one JSON document, as of scs fit --json")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> None:
    """Open, and print."""
    with said_in_one_line("stopped."):
        from scs.estimators.exported import as_json, document
        from scs.estimators.loading import load
        from scs.estimators.saved import read_about

        loaded()
        model, about = load(arguments.model), read_about(arguments.model)
        if arguments.json:
            print(as_json(document(model, source=about["note"])))
            return
        if arguments.style != "text":
            print(model.summary(top=arguments.top, style=arguments.style))
            return
        by = f"saved by version {about['version']}"
        print(f"{about['note']}\n{by}" if about["note"] else by)
        print(f"\n{model.summary(top=arguments.top)}")
