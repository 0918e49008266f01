"""Points that wait in memory while the store is unavailable: bounded, in order, every loss counted.

Parts write through one of these, so a full disk or a locked file costs them nothing but memory. When the bound is
reached the oldest points go first. A batch that the store rejects is retried point by point, so that one bad point
does not take its neighbours with it. Pure but for the store: ``now_ns`` is the caller's monotonic clock.
"""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

from qos.errors import StoreRejected, StoreUnavailable
from qos.points import Point
from qos.store import Store

_AT_ONCE: Final = 5_000


class BufferedWriter:
    """Keeps what the store cannot take yet. Not for several threads at once."""

    def __init__(self, store: Store, *, capacity: int = 100_000) -> None:
        if capacity < 1:
            raise ValueError(f"capacity: {capacity} keeps nothing")
        self._store = store
        self._capacity = capacity
        self._waiting: deque[Point] = deque()
        self._retry_ns = 0
        self.written = 0
        """Points that the store took."""
        self.dropped = 0
        """Points lost because the buffer was full."""
        self.rejected = 0
        """Points that the store will never take."""
        self.problem: str | None = None
        """Why points wait or were rejected, one sentence; None when all is well."""

    @property
    def waiting(self) -> int:
        """How many points wait."""
        return len(self._waiting)

    def write(self, points: Sequence[Point], now_ns: int) -> bool:
        """Keep the points and write what can be written. True when nothing waits any more.

        The store's own errors never come through.
        """
        self._waiting.extend(points)
        surplus = len(self._waiting) - self._capacity
        for _ in range(surplus):
            self._waiting.popleft()
        self.dropped += max(0, surplus)
        return self.flush(now_ns)

    def flush(self, now_ns: int) -> bool:
        """Write what waits, unless the store asked for more time. True when nothing waits any more."""
        if not self._waiting or now_ns < self._retry_ns:
            return not self._waiting
        self.problem = None
        try:
            while self._waiting:
                self._write_some()
        except StoreUnavailable as error:
            self.problem = str(error)
            self._retry_ns = now_ns + int(error.retry_after_s * 1e9)
            return False
        return True

    def _write_some(self) -> None:
        batch = list(islice(self._waiting, _AT_ONCE))
        try:
            self._store.write(batch)
        except StoreRejected:
            for point in batch:
                self._write_one(point)
            return
        self.written += len(batch)
        for _ in batch:
            self._waiting.popleft()

    def _write_one(self, point: Point) -> None:
        try:
            self._store.write([point])
        except StoreRejected as error:
            self.rejected += 1
            self.problem = str(error)
        else:
            self.written += 1
        self._waiting.popleft()
