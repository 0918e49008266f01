"""``busy_times``: when the line is expected to be nearly full, by the forecast of the next two days. Written by the
forecaster after each round, read by the enforcer (``enforcer.foresee``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self

from qos.contract.documents.fields import MAX_BPS, VERSION, Fields, fields_of, inner, whole

MAX_TIMES: Final = 48
STALE_NS: Final = 26 * 3600 * 10**9
"""A forecast is made every hour; what is older than a day says nothing any more."""


@dataclass(frozen=True, slots=True)
class BusyTime:
    """One span (UTC, ns) and what is expected in its busiest hour, bits per second."""

    start_ns: int
    stop_ns: int
    expected_bps: int

    @classmethod
    def parse(cls, fields: Fields) -> Self | None:
        """None for what is no span."""
        start, stop = whole(fields, "start_ns"), whole(fields, "stop_ns")
        expected = whole(fields, "expected_bps", MAX_BPS)
        if start is None or stop is None or expected is None or stop <= start:
            return None
        return cls(start, stop, expected)

    def dump(self) -> dict[str, Any]:
        """The object."""
        return {"start_ns": self.start_ns, "stop_ns": self.stop_ns, "expected_bps": self.expected_bps}


@dataclass(frozen=True, slots=True)
class BusyDirection:
    """The line's capacity that the forecast was compared with, bits per second, and when it comes near it."""

    capacity_bps: int
    times: tuple[BusyTime, ...]


@dataclass(frozen=True, slots=True)
class BusyTimes:
    """By direction (``down``, ``up``), in order of time. ``made_ns``: UTC."""

    KEY: ClassVar[str] = "busy_times"

    made_ns: int = 0
    directions: Mapping[str, BusyDirection] = field(default_factory=dict)

    @classmethod
    def parse(cls, document: object) -> Self:
        """What can be read; nothing for what is no such document."""
        fields = fields_of(document)
        if fields is None:
            return cls()
        found: dict[str, BusyDirection] = {}
        for way in ("down", "up"):
            side = inner(inner(fields, "directions"), way)
            capacity, times = whole(side, "capacity_bps", MAX_BPS), side.get("times")
            if not capacity or not isinstance(times, list):
                continue
            spans = [BusyTime.parse(one) for one in times[:MAX_TIMES] if isinstance(one, Mapping)]
            found[way] = BusyDirection(capacity, tuple(one for one in spans if one is not None))
        return cls(whole(fields, "made_ns") or 0, found)

    def dump(self) -> dict[str, Any]:
        """The document."""
        return {
            "v": VERSION,
            "made_ns": self.made_ns,
            "directions": {
                way: {"capacity_bps": one.capacity_bps, "times": [span.dump() for span in one.times]}
                for way, one in self.directions.items()
            },
        }

    def at(self, way: str, now_ns: int, lead_ns: int) -> tuple[BusyTime, int] | None:
        """The span that holds ``now_ns`` or begins within ``lead_ns``, and the capacity; None: there is none."""
        side = self.directions.get(way)
        if side is None or not 0 <= now_ns - self.made_ns < STALE_NS:
            return None
        for span in side.times:
            if span.start_ns - lead_ns <= now_ns < span.stop_ns:
                return span, side.capacity_bps
        return None
