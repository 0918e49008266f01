"""Waiting on Windows. Timed waits of events and locks stay on the 15.6 ms tick; ``time.sleep`` of Python 3.11 and later
uses a high-resolution timer. So the nap is a row of short sleeps, and only while packets wait; without any it is an
untimed wait, which costs nothing. ``timeBeginPeriod(1)`` holds from the first timed nap to the next untimed one.

Sources: CPython issue 89592; learn.microsoft.com, timeBeginPeriod (per process since Windows 10 2004). Not run on
Windows here.
"""

import ctypes
import sys
import threading
import time
from typing import Any, Final

_SLICE_S: Final = 0.002
_native: Any = ctypes
"""The names in ctypes that only exist on Windows; typed loosely so that this file is checked on Linux too."""


class WakeableTimer:
    """A thread's nap that another thread can end."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._fine = False

    def wait(self, seconds: float | None) -> None:
        """Return after ``seconds`` (None: any time) or soon after somebody called ``wake``."""
        if seconds is None:
            self._period(fine=False)
            self._event.wait()
        else:
            self._period(fine=True)
            left = seconds
            while left > 0 and not self._event.is_set():
                time.sleep(min(left, _SLICE_S))
                left -= _SLICE_S
        self._event.clear()

    def wake(self) -> None:
        """End the nap, or the next one."""
        self._event.set()

    def close(self) -> None:
        """Give the system's timer back."""
        self._period(fine=False)

    def _period(self, *, fine: bool) -> None:
        if fine == self._fine or sys.platform != "win32":
            return
        self._fine = fine
        winmm = _native.windll.winmm
        (winmm.timeBeginPeriod if fine else winmm.timeEndPeriod)(1)
