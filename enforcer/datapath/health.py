"""How the engine does, from counters over the last second, and when that is too much. No thread and no clock here."""

from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

from qos.system.clock import NS_PER_MS, NS_PER_S

BUSY_RATIO: Final = 0.85
LATE_NS: Final = 50 * NS_PER_MS
"""Packet threads that work so much of the time, on packets that have waited so long: more than this machine can do."""
REFUSED_PACKETS: Final = 20
REFUSED_PERCENT: Final = 5
"""So many packets a second, and so large a part of all, that the system refuses to take back end it."""


class PacketTotals(NamedTuple):
    """Counters since the start, at one moment. ``worked_ns``: what the packet threads spent on packets."""

    time_ns: int
    seen: int
    foreign: int
    sent: int
    refused: int
    worked_ns: int


@dataclass(frozen=True, slots=True)
class Health:
    """How the engine does: packets a second lately, the worst age at which packets were taken, open filters."""

    packet_rate: int
    foreign_rate: int
    oldest_ns: int
    handles: int
    swaps: int
    lost: int
    refused: int = 0
    """Packets that the system did not take back: they are gone. Since the start."""


class LastSecond:
    """The counters of the last second."""

    def __init__(self, first: PacketTotals) -> None:
        self._looks: deque[PacketTotals] = deque([first])

    def look(self, now: PacketTotals) -> None:
        """One more look."""
        self._looks.append(now)
        while now.time_ns - self._looks[0].time_ns > NS_PER_S:
            self._looks.popleft()

    def restart(self) -> None:
        """What was before the last look does not count any more."""
        self._looks = deque([self._looks[-1]])

    @property
    def _span_ns(self) -> int:
        return max(self._looks[-1].time_ns - self._looks[0].time_ns, 1)

    @property
    def rate(self) -> int:
        """Packets a second."""
        return (self._looks[-1].seen - self._looks[0].seen) * NS_PER_S // self._span_ns

    @property
    def foreign_rate(self) -> int:
        """Of them, those of nobody who is limited."""
        return (self._looks[-1].foreign - self._looks[0].foreign) * NS_PER_S // self._span_ns

    def refusal(self) -> str | None:
        """Why it cannot go on when the system takes too few packets back; None while it does."""
        first, last = self._looks[0], self._looks[-1]
        sent, refused = last.sent - first.sent, last.refused - first.refused
        if refused < REFUSED_PACKETS or refused * 100 <= (sent + refused) * REFUSED_PERCENT:
            return None
        return f"the system refused to take back {refused} of {sent + refused} packets in the last second"

    def excess(self, most: int | None, oldest_ns: int) -> str | None:
        """Why these are too many packets: more than ``most`` a second, or (None) than this machine can do."""
        if self._span_ns <= NS_PER_S // 2:
            return None
        if most is not None:
            if self.rate <= most:
                return None
            return f"too many packets: {self.rate} a second, max_packet_rate is {most}"
        busy_ratio = (self._looks[-1].worked_ns - self._looks[0].worked_ns) / self._span_ns
        if busy_ratio < BUSY_RATIO or oldest_ns < LATE_NS:
            return None
        return (
            f"more packets than this machine can shape, about {round(self.rate, -3)} a second: "
            "limit fewer or slower applications, or give level 0 to the fast one"
        )
