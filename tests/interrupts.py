"""Ctrl-C in tests, whatever the process that started them does with it.

Under ``nohup make test &`` and the like SIGINT is ignored, and children inherit that: Python then
sets no handler, and a test that sends itself a Ctrl-C would wait for ever.
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

# Of SIGINT, SIGTERM and SIGHUP the defaults are restored before the child begins.
_AS_FROM_A_TERMINAL = (
    "import os, signal, sys\n"
    "for each in ('SIGINT', 'SIGTERM', 'SIGHUP'):\n"
    "    if hasattr(signal, each):\n"
    "        signal.signal(getattr(signal, each), signal.SIG_DFL)\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
)


@contextmanager
def python_takes_ctrl_c() -> Iterator[None]:
    """Have Python's own handler in place, as in a terminal; Ctrl-C must not come out of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:  # pytest itself would stop
        raise AssertionError("Ctrl-C was not taken down") from None
    finally:
        signal.signal(signal.SIGINT, before)


def ctrl_c() -> None:
    """Send this process what a terminal sends it for Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


def as_from_a_terminal(arguments: Sequence[str]) -> list[str]:
    """Return the command that runs Python with some arguments and the signals' defaults."""
    return [sys.executable, "-c", _AS_FROM_A_TERMINAL, *arguments]
