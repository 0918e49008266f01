"""Waiting for the next packet's time: on this system, and the Windows timer's own logic over a fake kernel."""

import sys
import threading
import time
from collections import deque

import pytest

from enforcer.datapath import timers_windows
from enforcer.datapath.timers import WakeableTimer


def test_a_row_of_sleeps_takes_the_time_that_was_asked_for() -> None:
    """The pacer on Windows overslept by 16 to 27 %: it counted the sleep it had asked for, not what had passed."""
    timer = WakeableTimer()
    naps, nap_s = 40, 0.005
    began = time.perf_counter()
    for n in range(naps):  # to a deadline, as the pacer does
        timer.wait(max(0.0, began + (n + 1) * nap_s - time.perf_counter()))
    spent = time.perf_counter() - began
    timer.close()
    assert naps * nap_s - 0.005 <= spent <= naps * nap_s * 1.5


def test_a_wait_is_never_shorter_than_asked_by_more_than_a_tick() -> None:
    timer = WakeableTimer()
    for wait_s in (0.001, 0.01, 0.05):
        began = time.perf_counter()
        timer.wait(wait_s)
        assert time.perf_counter() - began > wait_s - 0.002
    timer.close()


@pytest.mark.parametrize("seconds", [None, 30.0])
def test_a_wait_ends_as_soon_as_somebody_wakes_it(seconds: float | None) -> None:
    timer = WakeableTimer()
    threading.Timer(0.05, timer.wake).start()
    began = time.perf_counter()
    timer.wait(seconds)
    assert time.perf_counter() - began < 10
    timer.close()


def test_a_wake_before_the_wait_ends_that_wait_and_only_that_one() -> None:
    timer = WakeableTimer()
    timer.wake()
    timer.wake()
    began = time.perf_counter()
    timer.wait(30)
    assert time.perf_counter() - began < 10
    began = time.perf_counter()
    timer.wait(0.03)
    assert time.perf_counter() - began > 0.02
    timer.close()
    timer.close()


class FakeKernel:
    """Handles are numbers; what was armed is kept, and a wait returns at once."""

    def __init__(self, high_resolution: bool = True) -> None:
        self.high_resolution, self.fine = high_resolution, 0
        self.made = self.freed = 0
        self.armed: list[int] = []
        self.waited: deque[tuple[int, ...]] = deque()
        self.signals = 0

    def timer(self, flags: int) -> int:
        if flags and not self.high_resolution:
            return 0
        return self._new()

    def event(self) -> int:
        return self._new()

    def _new(self) -> int:
        self.made += 1
        return self.made

    def arm(self, timer: int, hundred_ns: int) -> None:
        self.armed.append(hundred_ns)

    def signal(self, event: int) -> None:
        assert not self.freed, "a freed handle is used"
        self.signals += 1

    def wait(self, *handles: int) -> None:
        assert not self.freed, "a freed handle is used"
        self.waited.append(handles)

    def period(self, fine: bool) -> None:
        self.fine += 1 if fine else -1

    def close(self, handle: int) -> None:
        self.freed += 1


def test_the_windows_timer_waits_for_the_timer_and_the_event_at_once() -> None:
    kernel = FakeKernel()
    timer = timers_windows.WakeableTimer(kernel)
    timer.wait(0.0012345)
    timer.wait(None)
    timer.wait(0)
    assert kernel.armed == [12_345, 1], "relative, in units of 100 ns, and never the past"
    assert list(kernel.waited) == [(2, 1), (2,), (2, 1)]
    timer.wake()
    timer.close()
    timer.wake()
    timer.close()
    timer.wait(1)
    assert (kernel.made, kernel.freed, kernel.signals, kernel.fine) == (2, 2, 1, 0)


def test_without_a_high_resolution_timer_the_tick_is_raised_and_given_back() -> None:
    kernel = FakeKernel(high_resolution=False)
    timer = timers_windows.WakeableTimer(kernel)
    assert kernel.fine == 1
    timer.close()
    assert kernel.fine == 0


def test_a_timer_closed_under_a_wait_is_freed_by_the_wait() -> None:
    kernel = FakeKernel()
    timer = timers_windows.WakeableTimer(kernel)
    inside = kernel.wait

    def closes(*handles: int) -> None:
        timer.close()
        inside(*handles)

    kernel.wait = closes  # type: ignore[method-assign] # the fake's own call, so that close comes while it waits
    timer.wait(5)
    assert (kernel.signals, kernel.freed) == (1, 2)


@pytest.mark.skipif(sys.platform != "win32", reason="Windows' kernel32")
def test_windows_has_the_high_resolution_timer() -> None:
    kernel = timers_windows.Kernel32()
    handle = kernel.timer(2)
    assert handle
    kernel.close(handle)
