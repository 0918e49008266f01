"""From the tick to the store: points and documents in one transaction, kept while the store cannot take them.

Unavailable (locked, disk full): points wait in a bounded buffer, the oldest are dropped and counted when it is full,
and the store is asked again when it said. Rejected: the points that it refuses are dropped, counted and logged once.
"""

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from qos.errors import StoreRejected, StoreUnavailable
from qos.points import Point

MAX_WAITING: Final = 100_000
BATCH: Final = 10_000

_log: Final = logging.getLogger(__name__)


class Sink(Protocol):
    """The part of the embedded store that this needs."""

    def write(self, points: Sequence[Point], *, states: Mapping[str, Any] | None = None) -> None:
        """Keep points and documents, all or none. Raises StoreUnavailable or StoreRejected."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts since the last call."""

    written: int
    dropped: int


class Outlet:
    """Buffers and counts. ``now_ns`` is monotonic."""

    def __init__(self, sink: Sink, limit: int = MAX_WAITING) -> None:
        self._sink = sink
        self._waiting: deque[Point] = deque()
        self._limit = limit
        self._written = self._dropped = 0
        self._retry_at_ns = 0
        self._said: set[str] = set()
        self.problem = ""
        """Why the store takes nothing now; empty when it does."""

    @property
    def waiting(self) -> int:
        """Points that the store has not taken yet."""
        return len(self._waiting)

    def write(self, points: Sequence[Point], states: Mapping[str, Any], now_ns: int) -> bool:
        """Hand over; True when everything has arrived. Documents are not kept: the next ones replace them."""
        self._waiting.extend(points)
        while len(self._waiting) > self._limit:
            self._waiting.popleft()
            self._dropped += 1
        if now_ns < self._retry_at_ns:
            return False
        try:
            while True:
                batch = [self._waiting[i] for i in range(min(BATCH, len(self._waiting)))]
                last = len(batch) == len(self._waiting)
                self._put(batch, states if last else {})
                for _ in batch:
                    self._waiting.popleft()
                if last:
                    break
        except StoreUnavailable as error:
            self._retry_at_ns = now_ns + int(error.retry_after_s * 1e9)
            if not self.problem:
                _log.warning("the store takes nothing now, points are kept in memory: %s", error)
            self.problem = str(error)
            return False
        if self.problem:
            _log.info("the store takes points again")
        self.problem = ""
        return True

    def tally(self) -> Tally:
        """Points written and dropped since the last call."""
        tally = Tally(self._written, self._dropped)
        self._written = self._dropped = 0
        return tally

    def _put(self, batch: Sequence[Point], states: Mapping[str, Any]) -> None:
        try:
            self._sink.write(batch, states=states)
        except StoreRejected as error:
            if len(batch) <= 1:
                self._dropped += len(batch)
                kind = batch[0].MEASUREMENT if batch else "state"
                if kind not in self._said:
                    self._said.add(kind)
                    _log.warning("the store refuses a %s and it is dropped (said once): %s", kind, error)
                return
            half = len(batch) // 2
            self._put(batch[:half], {})
            self._put(batch[half:], states)
        else:
            self._written += len(batch)
