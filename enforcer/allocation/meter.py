"""How fast each application goes through its classes, and what passes beside them, over the last half second.

Pure: counters in, rates out. Where a direction has no class, the collector's figure stands in. A class that is younger
than the window has not seen enough: the larger of both figures counts.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from enforcer.allocation.planner import Usage
from enforcer.qdisc.classifier import ClassStats
from qos.contract.direction import DIRECTIONS, Direction
from qos.system.clock import NS_PER_MS, NS_PER_S

WINDOW_NS: Final = 500 * NS_PER_MS
STANDING_NS: Final = 10 * NS_PER_MS
"""A queue that takes longer than this to clear is a standing one."""


@dataclass(frozen=True, slots=True)
class _Mark:
    time_ns: int
    bytes: int
    delayed: int


class Meter:
    """Rates of all classes."""

    def __init__(self) -> None:
        self._marks: dict[tuple[str, Direction], deque[_Mark]] = {}

    def usage(
        self, now_ns: int, stats: Mapping[str, Mapping[Direction, ClassStats]], live: Mapping[str, Usage]
    ) -> dict[str, Usage]:
        """What everybody moves now: those with classes as measured here, the others as the collector says."""
        keys = {(app, direction) for app, sides in stats.items() for direction in sides}
        for gone in self._marks.keys() - keys:
            del self._marks[gone]
        result = dict(live)
        for app, sides in stats.items():
            known = live.get(app, Usage())
            moved: dict[Direction, int] = {"down": known.down_bps, "up": known.up_bps}
            waits: dict[Direction, bool] = {"down": False, "up": False}
            for direction in DIRECTIONS:
                if direction in sides:
                    moved[direction], waits[direction] = self._look(
                        now_ns, (app, direction), sides[direction], moved[direction]
                    )
            result[app] = Usage(moved["down"], moved["up"], waits["down"], waits["up"])
        return result

    def _look(self, now_ns: int, key: tuple[str, Direction], stats: ClassStats, elsewhere: int) -> tuple[int, bool]:
        counts = stats.counts
        marks = self._marks.setdefault(key, deque())
        marks.append(_Mark(now_ns, counts.released_bytes + counts.dropped_bytes, counts.delayed))
        while len(marks) > 1 and now_ns - marks[1].time_ns >= WINDOW_NS:
            marks.popleft()
        first = marks[0]
        span_ns = now_ns - first.time_ns
        if span_ns < WINDOW_NS // 2:
            return elsewhere, True
        bps = (marks[-1].bytes - first.bytes) * 8 * NS_PER_S // span_ns
        return bps, _held_back(stats, bps, delayed=marks[-1].delayed > first.delayed)


def _held_back(stats: ClassStats, bps: int, *, delayed: bool) -> bool:
    """Whether the class is what keeps the application from more: it uses most of the rate, or a queue stands.

    A packet or two that waited a moment say nothing: a call far below its rate must not look as if it wanted the
    whole link, or the others would be held for nobody.
    """
    if stats.backlog_bytes * 8 * NS_PER_S > stats.rate_bps * STANDING_NS:
        return True
    return (delayed or stats.backlog_bytes > 0) and bps * 8 >= stats.rate_bps * 7


class UnheldMeter:
    """What passes at the interface beside all classes."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, Direction], int] = {}
        self._beside: dict[Direction, deque[tuple[int, int]]] = {way: deque() for way in DIRECTIONS}
        self._all_held: dict[Direction, int] = dict.fromkeys(DIRECTIONS, 0)

    def bps(
        self, now_ns: int, interface: Mapping[Direction, int], stats: Mapping[str, Mapping[Direction, ClassStats]]
    ) -> dict[Direction, int]:
        """The rates, of those directions that were watched for long enough. ``interface``: its bytes so far.

        What a class's application moved before it had one passed beside the classes; it will not again. So a direction
        in which somebody is newly held is measured afresh: else the whole of a download would be taken off the budget
        from which that download gets its rate.
        """
        before, self._held = self._held, {}
        for app, sides in stats.items():
            for way, one in sides.items():
                passed = one.counts.released_bytes
                if way == "down":  # the interface counts what comes in, before it is queued or dropped
                    passed += one.counts.dropped_bytes + one.backlog_bytes
                self._held[app, way] = passed
                if (app, way) in before:
                    self._all_held[way] += max(0, passed - before[app, way])
                else:
                    self._beside[way].clear()
        rates = {}
        for way, marks in self._beside.items():
            marks.append((now_ns, interface[way] - self._all_held[way]))
            while len(marks) > 2 and now_ns - marks[1][0] >= WINDOW_NS:
                marks.popleft()
            (then_ns, first), (last_ns, last) = marks[0], marks[-1]
            if last_ns - then_ns >= WINDOW_NS // 3:
                rates[way] = max(0, last - first) * 8 * NS_PER_S // (last_ns - then_ns)
        return rates
