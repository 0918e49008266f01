"""CoDel: when has a queue been standing for so long that a packet must be dropped (or marked)?

One ``Codel`` holds the state of one flow and judges each packet at the moment it would leave. It knows only times and
backlogs. All arithmetic is in integers of nanoseconds; the square root of the control law is ``math.isqrt``.

Source: RFC 8289 §4 and its appendix (``dodequeue``, ``control_law``, entering with a count near the last one), said
here packet by packet instead of as a loop. One rule is stricter than the RFC's "at most one MTU": a flow with four
packets or fewer is never dropped from. What comes in has already crossed the link, so the last packets are worth more
delivered (CAKE's ``ingress`` mode keeps two for the same reason), and BBR never sends with a window below four.
"""

import math
from dataclasses import dataclass
from typing import Final

_NS_PER_S: Final = 10**9
KEEP_PACKETS: Final = 4
"""A backlog of so many packets or fewer is never dropped from."""


@dataclass(frozen=True, slots=True)
class Aim:
    """CoDel's two times, nanoseconds."""

    target_ns: int
    interval_ns: int


LINUX: Final = Aim(5_000_000, 100_000_000)
WINDOWS: Final = Aim(15_000_000, 150_000_000)
"""Coarser timers need a higher target."""


def aim_for(platform: Aim, rate_bps: int) -> Aim:
    """The platform's times, widened for low rates: two full packets must fit into the target (RFC 8289 §4.4 advice)."""
    two_packets_ns = 2 * 1514 * 8 * _NS_PER_S // rate_bps
    target = max(platform.target_ns, two_packets_ns)
    return Aim(target, max(platform.interval_ns, 4 * target))


class Codel:
    """One flow's state."""

    __slots__ = ("_count", "_drop_next", "_dropping", "_first_above", "_last_count")

    def __init__(self) -> None:
        self._first_above = 0
        self._drop_next = 0
        self._count = 0
        self._last_count = 0
        self._dropping = False

    def judge(self, aim: Aim, now_ns: int, sojourn_ns: int, backlog_packets: int) -> bool:
        """Whether the packet at the head is to be dropped (or marked) instead of merely sent.

        ``backlog_packets`` counts the flow's packets including this one. After a drop the next packet is judged
        again, at the same time, until the answer is no.
        """
        if sojourn_ns < aim.target_ns or backlog_packets <= KEEP_PACKETS:
            self._first_above = 0
            self._dropping = False
            return False
        if self._first_above == 0:
            self._first_above = now_ns + aim.interval_ns
            self._dropping = False
            return False
        if now_ns < self._first_above:
            self._dropping = False
            return False
        if self._dropping:
            if now_ns < self._drop_next:
                return False
            self._count += 1
            self._drop_next = self._law(aim, self._drop_next)
            return True
        self._dropping = True
        delta = self._count - self._last_count
        recent = now_ns - self._drop_next < 16 * aim.interval_ns
        self._count = delta if delta > 1 and recent else 1
        self._last_count = self._count
        self._drop_next = self._law(aim, now_ns)
        return True

    def _law(self, aim: Aim, then_ns: int) -> int:
        return then_ns + max(1, math.isqrt(aim.interval_ns * aim.interval_ns // self._count))
