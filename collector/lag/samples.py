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
class HeldApp:
    """An application under a limit of AutoQoS, as the enforcer last said: its level (0 to 5), the longest wait in
    AutoQoS's queue, and the rates that it is held to, bits per second (None: not held in that direction)."""

    priority: int
    queue_ms: float
    down_bps: int | None = None
    up_bps: int | None = None


@dataclass(frozen=True, slots=True)
class LagTick:
    """What was measured since the last tick. ``apps`` has only those that moved something.

    ``held``: what the enforcer said of those under a limit of AutoQoS; empty when it said nothing since the last tick.
    ``stalled``: this process itself was not scheduled in time, so its round trips say little.
    """

    now_ns: int
    elapsed_ns: int
    round_trips: tuple[RoundTrip, ...] = ()
    apps: Mapping[str, Rates] = field(default_factory=dict)
    host: Rates = NOTHING
    unattributed: Rates = NOTHING
    capacity: Mapping[Direction, KnownCapacity] = field(default_factory=dict)
    held: Mapping[str, HeldApp] = field(default_factory=dict)
    stalled: bool = False


__all__ = [
    "DIRECTIONS",
    "NOTHING",
    "CapacitySource",
    "Direction",
    "HeldApp",
    "KnownCapacity",
    "LagTick",
    "Rates",
    "RoundTrip",
]
