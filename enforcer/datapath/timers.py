"""Waiting for the next packet's time: ``WakeableTimer`` has ``wait(seconds | None)`` and ``wake()``. A file per system.

Elsewhere an event's timed wait is precise to a fraction of a millisecond; Windows has a file of its own.
"""

import sys
import threading

__all__ = ["WakeableTimer"]

if sys.platform == "win32":
    from enforcer.datapath.timers_windows import WakeableTimer
else:

    class WakeableTimer:
        """A thread's nap that another thread can end."""

        def __init__(self) -> None:
            self._event = threading.Event()

        def wait(self, seconds: float | None) -> None:
            """Return after ``seconds`` (None: any time) or as soon as somebody called ``wake``."""
            self._event.wait(seconds)
            self._event.clear()

        def wake(self) -> None:
            """End the nap, or the next one."""
            self._event.set()

        def close(self) -> None:
            """Nothing is held here."""
