"""The waitable timer on Windows: the system's own, in its high-resolution kind, together with an event that ends it.

Timed waits of Python's events and locks stay on the 15.6 ms tick of the system. A timer made with
``CREATE_WAITABLE_TIMER_HIGH_RESOLUTION`` (Windows 10 1803) is precise to about half a millisecond without raising the
tick of the whole machine; where it cannot be had, an ordinary timer under ``timeBeginPeriod(1)`` takes its place. The
system waits for the timer and for the event at once, so the sleep is neither a row of short ones nor a poll.

Sources: learn.microsoft.com, CreateWaitableTimerExW, SetWaitableTimer (negative: relative, in units of 100 ns) and
timeBeginPeriod. Run under Wine; never on Windows itself by the authors.
"""

import ctypes
import threading
from ctypes import byref, c_int, c_int64, c_long, c_uint32, c_void_p, c_wchar_p
from typing import Any, Final, Protocol

_HIGH_RESOLUTION: Final = 0x2
_ALL_ACCESS: Final = 0x1F0003
_FOREVER: Final = 0xFFFFFFFF
_native: Any = ctypes
"""The names in ctypes that only exist on Windows; typed loosely so that this file is checked on Linux too."""


class Kernel(Protocol):
    """What the timer asks of Windows. Handles are integers, 0 is none."""

    def timer(self, flags: int) -> int:
        """A timer that resets itself once it was waited for; 0 when this kind cannot be had."""

    def event(self) -> int:
        """An event that resets itself once it was waited for."""

    def arm(self, timer: int, hundred_ns: int) -> None:
        """Signal the timer after so long."""

    def signal(self, event: int) -> None:
        """Signal the event."""

    def wait(self, *handles: int) -> None:
        """Until one of them is signalled."""

    def period(self, fine: bool) -> None:
        """Raise the tick of the system to 1 ms, or give that back."""

    def close(self, handle: int) -> None:
        """Free a handle."""


class Kernel32:
    """The real calls."""

    def __init__(self) -> None:
        dll: Any = _native.WinDLL("kernel32", use_last_error=True)

        def function(name: str, result: Any, *arguments: Any) -> Any:
            made = dll[name]
            made.argtypes, made.restype = arguments, result
            return made

        self._timer = function("CreateWaitableTimerExW", c_void_p, c_void_p, c_wchar_p, c_uint32, c_uint32)
        self._event = function("CreateEventW", c_void_p, c_void_p, c_int, c_int, c_wchar_p)
        self._arm = function("SetWaitableTimer", c_int, c_void_p, c_void_p, c_long, c_void_p, c_void_p, c_int)
        self._signal = function("SetEvent", c_int, c_void_p)
        self._wait = function("WaitForMultipleObjects", c_uint32, c_uint32, c_void_p, c_int, c_uint32)
        self._close = function("CloseHandle", c_int, c_void_p)

    def timer(self, flags: int) -> int:
        """See ``Kernel``."""
        return int(self._timer(None, None, flags, _ALL_ACCESS) or 0)

    def event(self) -> int:
        """See ``Kernel``. Raises OSError."""
        made = self._event(None, 0, 0, None)
        if not made:
            raise _native.WinError(_native.get_last_error())
        return int(made)

    def arm(self, timer: int, hundred_ns: int) -> None:
        """See ``Kernel``. Raises OSError."""
        if not self._arm(timer, byref(c_int64(-hundred_ns)), 0, None, None, 0):
            raise _native.WinError(_native.get_last_error())

    def signal(self, event: int) -> None:
        """See ``Kernel``."""
        self._signal(event)

    def wait(self, *handles: int) -> None:
        """See ``Kernel``. Raises OSError."""
        if self._wait(len(handles), (c_void_p * len(handles))(*handles), 0, _FOREVER) == _FOREVER:
            raise _native.WinError(_native.get_last_error())

    def period(self, fine: bool) -> None:
        """See ``Kernel``."""
        winmm = _native.windll.winmm
        (winmm.timeBeginPeriod if fine else winmm.timeEndPeriod)(1)

    def close(self, handle: int) -> None:
        """See ``Kernel``."""
        self._close(handle)


class WakeableTimer:
    """A sleep that another thread can end. One thread waits."""

    def __init__(self, kernel: Kernel | None = None) -> None:
        self._kernel = kernel or Kernel32()
        self._timer = self._kernel.timer(_HIGH_RESOLUTION)
        self._coarse = not self._timer
        if self._coarse:
            self._timer = self._kernel.timer(0)
            self._kernel.period(fine=True)
        self._event = self._kernel.event()
        self._lock = threading.Lock()
        self._waiting = self._closed = False

    def wait(self, seconds: float | None) -> None:
        """Return after ``seconds`` (None: any time) or as soon as somebody called ``wake`` or ``close``."""
        with self._lock:
            if self._closed:
                return
            self._waiting = True
        try:
            if seconds is None:
                self._kernel.wait(self._event)
            else:
                self._kernel.arm(self._timer, max(1, round(seconds * 10_000_000)))
                self._kernel.wait(self._event, self._timer)
        finally:
            with self._lock:
                self._waiting = False
                if self._closed:
                    self._free()

    def wake(self) -> None:
        """End the wait, or the next one."""
        with self._lock:
            if not self._closed:
                self._kernel.signal(self._event)

    def close(self) -> None:
        """Give everything back, or let a wait under way do it when it has ended. Safe to call twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._waiting:
                self._kernel.signal(self._event)
            else:
                self._free()

    def _free(self) -> None:
        self._kernel.close(self._timer)
        self._kernel.close(self._event)
        if self._coarse:
            self._kernel.period(fine=False)
