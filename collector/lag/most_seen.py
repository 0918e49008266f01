"""The most that was ever seen to pass stands in for a capacity that nobody set and nothing has learned. Pure."""

from collections import deque
from collections.abc import Mapping

from collector.lag.samples import DIRECTIONS, Direction, KnownCapacity, Rates


class MostSeen:
    """Means over three ticks: one tick alone may hold what queued on this machine."""

    def __init__(self) -> None:
        self._most: dict[Direction, int] = {}
        self._recent: deque[Rates] = deque(maxlen=3)

    def remember(self, most: Mapping[Direction, int]) -> None:
        """What passed earlier, bits per second."""
        for direction, bps in most.items():
            self._most[direction] = max(bps, self._most.get(direction, 0))

    def forget(self) -> None:
        """It was another network's."""
        self._most.clear()

    def keep(self, passed: Rates) -> None:
        """What passed in one tick."""
        self._recent.append(passed)
        if len(self._recent) == 3:
            self.remember({way: sum(rates[way] for rates in self._recent) // 3 for way in DIRECTIONS})

    def fill(self, known: Mapping[Direction, KnownCapacity]) -> dict[Direction, KnownCapacity]:
        """What is known, and the most seen where nothing is."""
        return {way: KnownCapacity(bps, "seen") for way, bps in self._most.items()} | dict(known)
