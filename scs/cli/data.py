"""``scs data``: what data is here, and how to get the rest."""

from __future__ import annotations

import argparse

from scs._loading import loaded


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("data", help="what data is here, and how to get the rest")
    parser.set_defaults(command=run)


def run(_: argparse.Namespace) -> None:
    """Print the state of each data set."""
    from scs.paper import datasets

    loaded()
    print(datasets.status())
