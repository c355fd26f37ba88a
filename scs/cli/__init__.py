"""The command ``scs``: a user's own table, chapters with other parameters, stored outputs, data.

One file per command. Each imports what it needs when it is run, so that ``--help`` waits for no
library, and the core works where only the core is installed.

Exit codes: 0 done, 2 something that the caller can mend (said in one line, with the remedy), 130
stopped by Ctrl-C.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from scs import __distribution__
from scs._loading import STOPPED
from scs.cli import data, execute, fit, new_chapter, predict, results, run, show
from scs.data.errors import UsageError

_CODES = (
    "Exit codes: 0 done (that nobody can be named is an answer too), 2 something that you can "
    "mend, said in one line with the remedy, 130 stopped by Ctrl-C."
)
_COMMANDS = (fit, predict, show, run, execute, results, new_chapter, data)


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
        arguments = _parser().parse_args(argv)
        arguments.command(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("scs: stopped.", file=sys.stderr)
        return STOPPED
    except UsageError as error:
        print(f"scs: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read the output has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scs", description="Significant cluster selection.", epilog=_CODES
    )
    parser.add_argument("--version", action="version", version=f"scs {version(__distribution__)}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for each in _COMMANDS:
        each.add_parser(commands)
    return parser
