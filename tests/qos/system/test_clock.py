"""The monotonic clock is fine enough to time a round trip on every system."""

import time

import pytest

from qos.system import clock

TICK_NS = 15_625_000
"""GetTickCount64, which time.monotonic reads on Windows until Python 3.13."""


def test_a_round_trip_is_timed_although_the_systems_tick_is_15_ms(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython gh-88494: a 12 ms round trip was stored as 0 or 15.6."""
    now_ns = [10 * TICK_NS]
    monkeypatch.setattr(time, "perf_counter_ns", lambda: now_ns[0])
    monkeypatch.setattr(time, "monotonic_ns", lambda: now_ns[0] // TICK_NS * TICK_NS)
    monkeypatch.setattr(time, "monotonic", lambda: now_ns[0] // TICK_NS * TICK_NS / 1e9)
    for read in (clock.monotonic_ns, clock.SYSTEM.monotonic_ns):
        began = read()
        now_ns[0] += 12_000_000
        assert read() - began == 12_000_000


def test_the_monotonic_clock_never_goes_back() -> None:
    seen = [clock.monotonic_ns() for _ in range(10_000)]
    assert seen == sorted(seen)


def test_the_machine_was_started_before_now() -> None:
    assert 0 < clock.boot_ns() < clock.wall_ns()


def test_setting_the_wall_clock_does_not_move_the_machines_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start times of processes are made of it: moved, each would look like another process with the same PID."""
    before, real = clock.boot_ns(), time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3600 * 10**9)
    assert clock.boot_ns() == before
