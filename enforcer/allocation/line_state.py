"""What the control loop remembers (``congestion`` decides): a direction's memory, and all of it. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from enforcer.allocation.capacity import CapacityEstimate, Passed
from enforcer.allocation.delay_detector import Delay, Reflector
from qos.contract.direction import DIRECTIONS, Direction

GIVE_BACK_NS: Final = 10 * 10**9
"""How long latency is not acted upon after vain cuts, at first (it doubles)."""

Phase = Literal["free", "drain", "hold"]


@dataclass(frozen=True, slots=True)
class Load:
    """One direction since the last step. ``total_bytes``: IP bytes at the interface, of everybody, a counter.

    ``elastic_bps``: what elastic applications move; ``wants_more``: whether the budget keeps them from more.
    """

    total_bytes: int
    elastic_bps: int = 0
    wants_more: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One direction's memory."""

    phase: Phase = "free"
    capacity: CapacityEstimate | None = None
    trusted: CapacityEstimate | None = None
    """The capacity before the cuts of this episode, in case they turn out to be vain."""
    budget_bps: int | None = None
    grown_ns: int = 0
    probing_since_ns: int | None = None
    cut_ns: int = 0
    cut_queue_ns: int = 0
    vain_cuts: int = 0
    doubted_bps: int | None = None
    """What it would carry, if a deeper cut after a vain one drains the queue."""
    clear_since_ns: int | None = None
    looks: tuple[Passed, ...] = ()
    told_bps: int | None = None
    """The capacity that was last told to people."""


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the loop remembers."""

    reflectors: Mapping[str, Reflector] = field(default_factory=dict)
    lines: Mapping[Direction, Line] = field(default_factory=lambda: dict.fromkeys(DIRECTIONS, Line()))
    now_ns: int | None = None
    delay: Delay = field(default_factory=Delay)
    heard_ns: int | None = None
    """When a target last had a vote."""
    ignore_until_ns: int = 0
    """Somebody else fills the line: no cut before."""
    ignore_for_ns: int = GIVE_BACK_NS
    beside_bps: Mapping[Direction, int] = field(default_factory=dict)
    """What passes for us meanwhile, smoothed; bits per second."""
    gave_back_ns: int = 0
    notes: tuple[str, ...] = ()
    """What this step decided that a person should know; one per episode."""

    def budgets(self) -> dict[Direction, int]:
        """The budget of everybody together, bits per second; only of directions that have one."""
        return {
            direction: line.budget_bps
            for direction in DIRECTIONS
            if (line := self.lines[direction]).budget_bps is not None
        }

    def cutting(self, direction: Direction) -> bool:
        """Whether a queue is being drained in that direction now."""
        return self.lines[direction].phase == "drain"


def started_with(capacities: Mapping[Direction, CapacityEstimate]) -> State:
    """A fresh state that remembers what this network's line was learned to carry before."""
    return State(lines={direction: Line(capacity=capacities.get(direction)) for direction in DIRECTIONS})


def queue_ns(delay: Delay, direction: Direction) -> int:
    """A direction's own queue where timestamps tell it, else the whole."""
    return delay.one_way_ns[direction] if len(delay.one_way_ns) == 2 else delay.queue_ns


def known_bps(line: Line, link_bps: int | None) -> int | None:
    """What a direction is known to carry: learned, but never more than a person set."""
    if line.capacity is None:
        return link_bps
    return line.capacity.bps if link_bps is None else min(line.capacity.bps, link_bps)
