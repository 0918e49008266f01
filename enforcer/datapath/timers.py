"""A timer that can be waited for and ended early: how the pacer sleeps until the next packet's time.

``WakeableTimer.wait(seconds | None)``, ``wake()`` from any thread, ``close()``. One file per system: elsewhere an
event's timed wait is precise to a fraction of a millisecond; on Windows it is not.
"""

import sys
import threading

__all__ = ["WakeableTimer"]

if sys.platform == "win32":
    from enforcer.datapath.timers_windows import WakeableTimer
else:

    class WakeableTimer:
        """A sleep that another thread can end. One thread waits."""

        def __init__(self) -> None:
            self._event = threading.Event()

        def wait(self, seconds: float | None) -> None:
            """Return after ``seconds`` (None: any time) or as soon as somebody called ``wake``."""
            self._event.wait(seconds)
            self._event.clear()

        def wake(self) -> None:
            """End the wait, or the next one."""
            self._event.set()

        def close(self) -> None:
            """Nothing is held here."""
