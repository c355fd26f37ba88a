"""When to stop: at the time limit, or after Ctrl-C, between two steps and never inside one."""

from __future__ import annotations

import math
import signal
import threading
import time


class Stop:
    """Asked between steps whether to go on.

    As a context it takes Ctrl-C down instead of letting it break a step, so that whatever is under
    way ends with all it has proved. A second Ctrl-C breaks in as usual. Only Python's own handler
    is replaced, and only in the main thread: elsewhere no Ctrl-C arrives.

    Parameters
    ----------
    seconds : float
        Time limit, from now on; none if omitted.

    Attributes
    ----------
    interrupted : bool
        Whether Ctrl-C came.
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self.deadline = time.perf_counter() + seconds
        self.interrupted = False
        self._replaced = False

    def __bool__(self) -> bool:
        return self.interrupted or time.perf_counter() > self.deadline

    def after(self, share: float) -> float:
        """Return the moment, by `time.perf_counter`, when this share of the time left is used."""
        now = time.perf_counter()
        return now + share * (self.deadline - now)

    @property
    def status(self) -> str:
        """The status of a search that had to stop."""
        return "interrupted" if self.interrupted else "time_limit"

    def __enter__(self) -> Stop:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._replaced = True
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _note(self, *_: object) -> None:
        self.interrupted = True
        self._restore()

    def _restore(self) -> None:
        if self._replaced:
            self._replaced = False
            signal.signal(signal.SIGINT, signal.default_int_handler)
