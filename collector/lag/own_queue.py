"""Does AutoQoS itself make an application wait? By what its enforcer says of its queues, not by probes. Pure.

Probes never stand in these queues, so nothing else shows this lag. Levels below normal are meant to wait: no person
sits in front of them. At the normal level a sender that slows down when told to (TCP, QUIC) fills its own limit, waits
up to 0.3 s in the queue for that, and is as fast as it was told to be: that is the limit and no lag. One that goes on
sending more than it is held to, or waits longer, is a call or a game.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from collector.lag.samples import HeldApp, LagTick

S: Final = 10**9
NORMAL: Final = 3
"""The last level whose waits are lag."""
LONG_MS: Final = 100.0
ELASTIC_MS: Final = 315.0
"""More than the bound of the queue for those that slow down (0.3 s, told a little late)."""
INSISTS: Final = 1.2
"""Who receives so many times what it is held to does not slow down: the rest is dropped."""
RECENT_NS: Final = 5 * S
QUIET_NS: Final = 3 * S


@dataclass(frozen=True, slots=True)
class QueueWait:
    """What the enforcer said of one application in a tick. ``at_ns``: when that began; ``long_ms``: what is lag."""

    at_ns: int
    held: HeldApp
    long_ms: float

    def is_long(self, ratio: float = 1.0) -> bool:
        """Whether it waited for ``ratio`` of what is lag, or longer."""
        return self.held.priority <= NORMAL and self.held.queue_ms >= ratio * self.long_ms


def waits(history: Sequence[LagTick], app: str, since_ns: int) -> list[QueueWait]:
    """What the enforcer said of ``app`` in ticks that ended after ``since_ns``."""
    return [
        QueueWait(tick.now_ns - tick.elapsed_ns, tick.held[app], _long_ms(tick, app))
        for tick in history
        if tick.now_ns > since_ns and app in tick.held
    ]


def long_waits(history: Sequence[LagTick], app: str, since_ns: int, ratio: float = 1.0) -> list[QueueWait]:
    """Those of them that are lag: ``ratio`` of the threshold or more."""
    return [each for each in waits(history, app, since_ns) if each.is_long(ratio)]


def find_waiting(history: Sequence[LagTick], now_ns: int, since_ns: int) -> tuple[str, int] | None:
    """Who waits longest, and since when: three long waits in a row, or two very long ones."""
    start_ns = max(now_ns - RECENT_NS, since_ns)
    found: list[tuple[float, str, int]] = []
    for app in {app for tick in history if tick.now_ns >= start_ns for app in tick.held}:
        run = waits(history, app, start_ns)[-3:]
        if run and not run[0].is_long():
            run = run[1:]
        very = len(run) == 2 and all(wait.is_long(2.0) for wait in run)
        if very or (len(run) == 3 and all(wait.is_long() for wait in run)):
            found.append((max(wait.held.queue_ms for wait in run), app, run[0].at_ns))
    if not found:
        return None
    _, app, at_ns = max(found)
    return app, at_ns


def waits_no_more(history: Sequence[LagTick], now_ns: int, app: str) -> bool:
    """Whether the enforcer said nothing of half of the threshold lately (hysteresis)."""
    return not long_waits(history, app, now_ns - QUIET_NS, 0.5)


def _long_ms(tick: LagTick, app: str) -> float:
    held, moved = tick.held[app], tick.apps.get(app)
    insists = held.down_bps is not None and moved is not None and moved.down_bps >= INSISTS * held.down_bps
    return LONG_MS if held.priority < NORMAL or insists else ELASTIC_MS
