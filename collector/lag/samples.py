"""What the detector is fed: one tick's round trips and rates. Times: monotonic nanoseconds; rates: bits per second."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from qos.contract.direction import DIRECTIONS, Direction

CapacitySource = Literal["set", "learned", "seen"]
"""``link:`` in config.yaml, the enforcer's ``link_estimate``, or the most that was ever seen to pass."""


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One probe that was sent. ``rtt_ns`` None: no answer in time. A probe that could not be sent is no round trip.

    ``pending``: it is still on its way, for ``rtt_ns`` already; the answer, or its absence, comes later.
    """

    target: str
    sent_ns: int
    rtt_ns: int | None
    gateway: bool = False
    pending: bool = False


@dataclass(frozen=True, slots=True)
class KnownCapacity:
    """What the line carries in one direction, as far as known."""

    bps: int
    source: CapacitySource


@dataclass(frozen=True, slots=True)
class Rates:
    """Bits per second in both directions."""

    down_bps: int = 0
    up_bps: int = 0

    def __getitem__(self, direction: Direction) -> int:
        return self.down_bps if direction == "down" else self.up_bps


NOTHING: Final = Rates()


@dataclass(frozen=True, slots=True)
class LagTick:
    """What was measured since the last tick. ``apps`` has only those that moved something.

    ``limited``: applications under a limit of AutoQoS now, and the longest wait in its queue, in milliseconds.
    ``stalled``: this process itself was not scheduled in time, so its round trips say little.
    """

    now_ns: int
    elapsed_ns: int
    round_trips: tuple[RoundTrip, ...] = ()
    apps: Mapping[str, Rates] = field(default_factory=dict)
    host: Rates = NOTHING
    unattributed: Rates = NOTHING
    capacity: Mapping[Direction, KnownCapacity] = field(default_factory=dict)
    limited: Mapping[str, float] = field(default_factory=dict)
    stalled: bool = False


__all__ = ["DIRECTIONS", "NOTHING", "CapacitySource", "Direction", "KnownCapacity", "LagTick", "Rates", "RoundTrip"]
