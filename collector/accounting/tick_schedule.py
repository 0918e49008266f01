"""When the next tick is due, and what to make of the clocks at each. Pure.

Ticks are due at fixed distances on the monotonic clock. A late one is run once; those missed meanwhile are counted and
never made up. The wall clock only stamps points; its steps are noticed by how it moved against the monotonic one
(which stands still while Linux sleeps, and does not on Windows).
"""

from dataclasses import dataclass
from typing import Final

GAP_NS: Final = 60 * 10**9
"""After so long without a tick (asleep, stopped, stalled) counters begin anew instead of giving hours to one tick."""
STEP_NS: Final = 2 * 10**9
"""A smaller move of the wall clock is a correction (NTP) and not worth a word."""


@dataclass(frozen=True, slots=True)
class TickArrival:
    """One tick as it begins. ``stepped_ns``: how far the wall clock jumped, 0 below ``STEP_NS``."""

    elapsed_ns: int
    skipped: int
    gap: bool
    stepped_ns: int


class TickSchedule:
    """Due times at ``interval_ns``, beginning one interval after ``now_ns`` (monotonic)."""

    def __init__(self, interval_ns: int, now_ns: int, wall_ns: int) -> None:
        self.interval_ns = interval_ns
        self._due_ns = now_ns + interval_ns
        self._last_ns, self._last_wall_ns = now_ns, wall_ns

    def wait_ns(self, now_ns: int) -> int:
        """How long until the next tick, 0 when it is due."""
        return max(0, self._due_ns - now_ns)

    def every(self, interval_ns: int, now_ns: int) -> None:
        """Another interval from now on."""
        if interval_ns != self.interval_ns:
            self.interval_ns, self._due_ns = interval_ns, now_ns + interval_ns

    def arrive(self, now_ns: int, wall_ns: int) -> TickArrival:
        """The due tick begins now."""
        elapsed_ns = now_ns - self._last_ns
        moved_ns = (wall_ns - self._last_wall_ns) - elapsed_ns
        skipped = max(0, now_ns - self._due_ns) // self.interval_ns
        self._due_ns += (skipped + 1) * self.interval_ns
        self._last_ns, self._last_wall_ns = now_ns, wall_ns
        return TickArrival(
            elapsed_ns=elapsed_ns,
            skipped=skipped,
            gap=elapsed_ns >= GAP_NS + self.interval_ns or moved_ns >= GAP_NS,
            stepped_ns=moved_ns if abs(moved_ns) >= STEP_NS else 0,
        )
