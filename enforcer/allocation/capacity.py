"""Capacity: what the line carries in one direction, learned while a queue stands.

While a FIFO's queue is never empty, what leaves it is its capacity. Bytes that entered it between t0 and t1 leave it
between t0 + q0 and t1 + q1 (q: the queue's delay), so ``capacity = bytes / (t1 - t0 + q1 - q0)``. Towards us (down) the
bytes are counted behind the queue, and the q terms vanish. Whatever others send through the same queue is not seen: the
estimate is what the line carries for this machine.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from qos.contract.direction import Direction

_S: Final = 10**9
KEPT_NS: Final = 2 * _S
STANDING_NS: Final = 2_000_000
"""A shorter queue may have been empty in between."""
LEAST_NS: Final = 120_000_000
"""A shorter window says too little: packets come in bursts."""
LONG_NS: Final = 50_000_000
"""A queue that shrank by less says too little."""
HALF_LIFE_S: Final = 7 * 86_400
"""After a week without new evidence half of the confidence is left."""


class Passed(NamedTuple):
    """A look at one direction: IP bytes so far at the interface, and the delay of the echo that came back then."""

    time_ns: int
    bytes: int
    queue_ns: int


@dataclass(frozen=True, slots=True)
class CapacityEstimate:
    """What the line was learned to carry. ``confidence`` is 0 to 1; ``learned_ns``: when it was last seen."""

    bps: int
    confidence: float
    learned_ns: int

    def age_s(self, now_ns: int) -> float:
        """Seconds since the last evidence."""
        return max(0, now_ns - self.learned_ns) / _S

    def confidence_now(self, now_ns: int) -> float:
        """The confidence, less what age takes away."""
        return float(self.confidence * 0.5 ** (self.age_s(now_ns) / HALF_LIFE_S))


def with_look(looks: Sequence[Passed], look: Passed) -> tuple[Passed, ...]:
    """The looks of the last two seconds."""
    return (*(old for old in looks if look.time_ns - old.time_ns <= KEPT_NS and old.bytes <= look.bytes), look)


def rate_bps(looks: Sequence[Passed], span_ns: int) -> int:
    """What passed lately, bits per second; 0 before there are two looks."""
    if len(looks) < 2:
        return 0
    last = looks[-1]
    first = next(look for look in looks if last.time_ns - look.time_ns <= span_ns or look is looks[-2])
    return (last.bytes - first.bytes) * 8 * _S // max(1, last.time_ns - first.time_ns)


def earlier_bps(looks: Sequence[Passed], ago_ns: int) -> int:
    """What passed before ``ago_ns`` ago, as far back as is known; 0 where too little is."""
    if not looks:
        return 0
    before = [look for look in looks if looks[-1].time_ns - look.time_ns >= ago_ns]
    if len(before) < 2 or before[-1].time_ns - before[0].time_ns < LEAST_NS:
        return 0
    return (before[-1].bytes - before[0].bytes) * 8 * _S // (before[-1].time_ns - before[0].time_ns)


def carried_bps(looks: Sequence[Passed], span_ns: int, direction: Direction) -> int:
    """What the queue let through in the last ``span_ns``.

    Where it stood for long enough, over that time. Else nothing says since when, and each window gives a lower bound:
    the best of them counts. 0 while there was too little time to say.
    """
    if len(looks) < 2:
        return 0
    last = looks[-1]
    lately = [look for look in looks if last.time_ns - look.time_ns <= span_ns]
    if len(lately) < 2:  # a busy machine looks seldom
        lately = list(looks[-2:])
    stood = standing_ns(lately)
    if stood >= LEAST_NS:
        first = next(look for look in lately if last.time_ns - look.time_ns <= stood)
        return _through(first, last, direction)
    windows = (
        (first, end)
        for end in lately
        for first in lately
        if last.time_ns - end.time_ns <= LEAST_NS and end.time_ns - first.time_ns >= LEAST_NS
    )
    return max((_through(first, end, direction) for first, end in windows), default=0)


def _through(first: Passed, last: Passed, direction: Direction) -> int:
    """What left the queue of the bytes that passed between two looks, bits per second."""
    span = last.time_ns - first.time_ns
    if direction == "up":
        span = max(span // 2, span + last.queue_ns - first.queue_ns)
    return (last.bytes - first.bytes) * 8 * _S // max(1, span)


def sent_through_bps(looks: Sequence[Passed], span_ns: int) -> int | None:
    """What left the uplink's queue in the last ``span_ns`` (more than 0) of its standing; None where it did not stand
    so long.

    An echo that comes back at t after a delay of q entered the queue at t - q, so all that was sent by then has left by
    t. A long queue is thus seen late, and what was sent meanwhile must not be taken for what left.
    """
    if not looks or standing_ns(looks) < span_ns:
        return None
    last = looks[-1]
    first = next(look for look in looks if last.time_ns - look.time_ns <= span_ns)
    passed = _entered(looks, last.time_ns - last.queue_ns) - _entered(looks, first.time_ns - first.queue_ns)
    return max(0, passed) * 8 * _S // max(1, last.time_ns - first.time_ns)


def _entered(looks: Sequence[Passed], time_ns: int) -> int:
    """The bytes that had been counted at a time: between two looks in proportion, before the first as fast as then."""
    place = min(max(1, bisect_left(looks, time_ns, key=lambda look: look.time_ns)), len(looks) - 1)
    before, after = looks[place - 1], looks[place]
    span = max(1, after.time_ns - before.time_ns)
    return before.bytes + (after.bytes - before.bytes) * (time_ns - before.time_ns) // span


def drained_bps(looks: Sequence[Passed]) -> int | None:
    """What the line took while a long queue in front of it shrank (up); None where that says too little.

    While the queue stood, a full buffer may have dropped what was counted; while it shrinks nothing is dropped.
    """
    standing = [look for look in looks if look.queue_ns >= STANDING_NS]
    if len(standing) < 2:
        return None
    first = max(standing, key=lambda look: look.queue_ns)
    last = standing[-1]
    span, fallen = last.time_ns - first.time_ns, first.queue_ns - last.queue_ns
    if span < LEAST_NS or fallen < LONG_NS:
        return None
    return (last.bytes - first.bytes) * 8 * _S // max(span // 8, span - fallen)


def standing_ns(looks: Sequence[Passed]) -> int:
    """For how long a queue has stood by now."""
    first = None
    for look in reversed(looks):
        if look.queue_ns < STANDING_NS:
            break
        first = look
    return 0 if first is None else looks[-1].time_ns - first.time_ns


def learn(known: CapacityEstimate | None, now_ns: int, bps: int) -> CapacityEstimate:
    """The estimate after a queue stood while ``bps`` passed: near the old one they are blended, else it is replaced."""
    if known is None:
        return CapacityEstimate(bps, 0.5, now_ns)
    if abs(bps - known.bps) * 100 <= known.bps * 15:
        return CapacityEstimate(
            (known.bps * 6 + bps * 4) // 10, known.confidence + (1 - known.confidence) * 0.3, now_ns
        )
    return CapacityEstimate(bps, 0.5, now_ns)
