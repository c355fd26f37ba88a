"""Ctrl-C while the libraries load: in the command one line, and not a traceback through them."""

from __future__ import annotations

import os
import signal
import sys
import threading
from itertools import pairwise
from pathlib import Path

STOPPED = 130  # what a shell reports of a process that Ctrl-C ended


def _loading() -> None:
    """Have Ctrl-C end the process at once until `loaded`, if this process is the command.

    Libraries turn an exception that comes while they load into others, or drop it, so none is
    raised; nothing is open yet that would have to be closed.
    """
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours and _is_command() and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _end)


def loaded() -> None:
    """Give Ctrl-C back to Python."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    os.write(2, b"scs: stopped while its libraries were loading.\n")
    os._exit(STOPPED)


def _is_command() -> bool:
    """Say whether this process was begun as ``scs`` or ``python -m scs``."""
    program = (sys.argv or [""])[0]
    if program == "-m":  # as long as the package that is to be run is imported
        words = sys.orig_argv
        return "-mscs" in words or ("-m", "scs") in pairwise(words)
    return Path(program).stem in ("scs", "scs-script")


_loading()  # when this module is imported, which is the first thing that ``import scs`` does
