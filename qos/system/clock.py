"""The one place that reads a clock. Cores take ``now_ns``; entry points and I/O adapters call these.

Durations come from the monotonic clock; stored points carry UTC wall time, taken at sampling. The monotonic clock is
``time.perf_counter_ns``: on Linux and macOS it is the clock that ``time.monotonic_ns`` reads, on Windows it is the
performance counter (0.1 µs), while ``time.monotonic_ns`` moves in steps of 15.6 ms until Python 3.13 (CPython
gh-88494).
"""

import sys
import time
from functools import cache
from typing import Protocol

from qos.contract.schedule import LocalTime

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Protocol):
    """What adapters take so that tests can pass their own."""

    def wall_ns(self) -> int:
        """UTC, nanoseconds since 1970."""

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary start; never goes back."""


class SystemClock:
    """The machine's clocks."""

    def wall_ns(self) -> int:
        """UTC, nanoseconds since 1970."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary start; never goes back."""
        return time.perf_counter_ns()


SYSTEM = SystemClock()


def wall_ns() -> int:
    """UTC now, nanoseconds since 1970."""
    return time.time_ns()


def monotonic_ns() -> int:
    """Monotonic now, nanoseconds since an arbitrary start."""
    return time.perf_counter_ns()


def since_boot_ns() -> int:
    """Nanoseconds since this machine was started; sleep counts as running."""
    if sys.platform == "linux":
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return time.monotonic_ns()


def local_time(wall_ns: int) -> LocalTime:
    """The local time of a UTC moment, by the zone that this computer is set to."""
    local = time.localtime(wall_ns // NS_PER_S)
    return LocalTime(local.tm_wday, local.tm_hour * 60 + local.tm_min)


@cache
def boot_ns() -> int:
    """UTC when this machine was started, nanoseconds. Taken once in each process, so that the start times of processes
    which are made of it compare: a wall clock that is set later does not move them.
    """
    return time.time_ns() - since_boot_ns()
