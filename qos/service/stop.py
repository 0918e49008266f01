"""How a part learns that it should stop: a signal, or its supervisor gone. Both end in one ``threading.Event``.

A supervisor hands each child the read end of a pipe as standard input and sets ``AUTOQOS_SUPERVISED=1``. The pipe
closes when the supervisor closes it (a stop request that needs no console, so it works for Windows services too) and
also when the supervisor dies in any way, ``kill -9`` included. Nothing polls.
"""

import _thread
import os
import signal
import threading
from types import FrameType
from typing import Final

from qos.contract.environment import SUPERVISED

_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


def stop_on_signals(stop: threading.Event) -> None:
    """Set ``stop`` on Ctrl-C, SIGTERM, SIGHUP, or Ctrl-Break. A second signal has its default effect: it ends at once.

    Call from the main thread, before starting work.
    """

    def handle(_number: int, _frame: FrameType | None) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        # Not stop.set() here: the interrupted main thread may hold the event's lock, and it is not reentrant.
        _thread.start_new_thread(stop.set, ())

    for number in _SIGNALS:
        signal.signal(number, handle)


def stop_with_parent(stop: threading.Event, *, fd: int = 0) -> threading.Thread | None:
    """Set ``stop`` when the supervisor closes our standard input or dies. None, and no effect, when not supervised."""
    if os.environ.get(SUPERVISED) != "1":
        return None

    def watch() -> None:
        try:
            while os.read(fd, 64):  # not sys.stdin: a daemon thread inside its lock breaks the interpreter's shutdown
                pass
        except OSError:
            pass  # a closed descriptor means the same
        stop.set()

    thread = threading.Thread(target=watch, name="parent", daemon=True)
    thread.start()
    return thread
