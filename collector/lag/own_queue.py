"""Does AutoQoS itself make an application wait? By what its enforcer says of its queues, not by probes. Pure.

Probes never stand in these queues, so nothing else shows this lag. Its queue discipline keeps waits short for all that
slows down when told to (RFC 8290); what does not, a call or a game over its limit, waits for hundreds of milliseconds.
Levels below normal are meant to wait: no person sits in front of them.
"""

from collections.abc import Sequence
from typing import Final

from collector.lag.samples import HeldApp, LagTick

S: Final = 10**9
WAITED_FOR: Final = 3
"""The last level (normal) whose waits are lag."""
LONG_MS: Final = 100.0
RECENT_NS: Final = 5 * S
QUIET_NS: Final = 3 * S

Wait = tuple[int, HeldApp]


def waits(history: Sequence[LagTick], app: str, since_ns: int) -> list[Wait]:
    """What the enforcer said of ``app`` in ticks that ended at ``since_ns`` or later, by when they began."""
    return [
        (tick.now_ns - tick.elapsed_ns, tick.held[app])
        for tick in history
        if tick.now_ns > since_ns and app in tick.held
    ]


def long_waits(history: Sequence[LagTick], app: str, since_ns: int, ratio: float = 1.0) -> list[Wait]:
    """Those of them that are lag: ``ratio`` of the threshold or more."""
    return [each for each in waits(history, app, since_ns) if _is_long(each[1], ratio)]


def find_waiting(history: Sequence[LagTick], now_ns: int, since_ns: int) -> tuple[str, int] | None:
    """Who waits longest, and since when: three long waits in a row, or two very long ones."""
    start_ns = max(now_ns - RECENT_NS, since_ns)
    found: list[tuple[float, str, int]] = []
    for app in {app for tick in history if tick.now_ns >= start_ns for app in tick.held}:
        run = waits(history, app, start_ns)[-3:]
        if run and not _is_long(run[0][1]):
            run = run[1:]
        very = len(run) == 2 and all(_is_long(held, 2.0) for _, held in run)
        if very or (len(run) == 3 and all(_is_long(held) for _, held in run)):
            found.append((max(held.queue_ms for _, held in run), app, run[0][0]))
    if not found:
        return None
    _, app, at_ns = max(found)
    return app, at_ns


def waits_no_more(history: Sequence[LagTick], now_ns: int, app: str) -> bool:
    """Whether the enforcer said nothing of half of the threshold lately (hysteresis)."""
    return not long_waits(history, app, now_ns - QUIET_NS, 0.5)


def _is_long(held: HeldApp, ratio: float = 1.0) -> bool:
    return held.priority <= WAITED_FOR and held.queue_ms >= ratio * LONG_MS
