"""Points that wait in memory while the store is unavailable: bounded, in order, every loss counted.

Parts write through one of these, so a full disk or a locked file costs them nothing but memory. When the bound is
reached the oldest points go first. A batch that the store rejects is retried point by point, so that one bad point
does not take its neighbours with it. State documents go in the same transaction as the newest points. Pure but for
the store: ``now_ns`` is the caller's monotonic clock.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final, Protocol

from qos.contract.errors import StoreRejected, StoreUnavailable
from qos.contract.points import Point

_AT_ONCE: Final = 5_000


class Embedded(Protocol):
    """What is needed of the embedded store."""

    def write(self, points: Sequence[Point], *, states: Mapping[str, Any] | None = None) -> None:
        """Keep points and documents, all or none. Raises StoreUnavailable or StoreRejected."""


class BufferedWriter:
    """Keeps what the store cannot take yet. Not for several threads at once."""

    def __init__(self, store: Embedded, *, capacity: int = 100_000) -> None:
        if capacity < 1:
            raise ValueError(f"capacity: {capacity} keeps nothing")
        self._store = store
        self._capacity = capacity
        self._waiting: deque[Point] = deque()
        self._documents: dict[str, Any] = {}
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

    def write(self, points: Sequence[Point], now_ns: int, *, states: Mapping[str, Any] | None = None) -> bool:
        """Keep the points and write what can be written. True when nothing waits any more.

        Of ``states`` the newest document of each key is kept until it is written. The store's own errors never come
        through.
        """
        self._documents.update(states or {})
        self._waiting.extend(points)
        surplus = len(self._waiting) - self._capacity
        for _ in range(surplus):
            self._waiting.popleft()
        self.dropped += max(0, surplus)
        return self.flush(now_ns)

    def flush(self, now_ns: int) -> bool:
        """Write what waits, unless the store asked for more time. True when nothing waits any more."""
        if not (self._waiting or self._documents) or now_ns < self._retry_ns:
            return not (self._waiting or self._documents)
        self.problem = None
        try:
            while self._waiting or self._documents:
                self._write_some()
        except StoreUnavailable as error:
            self.problem = str(error)
            self._retry_ns = now_ns + int(error.retry_after_s * 1e9)
            return False
        return True

    def _write_some(self) -> None:
        batch = list(islice(self._waiting, _AT_ONCE))
        documents = self._documents if len(batch) == len(self._waiting) else {}
        try:
            self._store.write(batch, states=documents)
        except StoreRejected as error:
            for point in batch:
                self._write_one(point)
            if not batch:  # it is a document that the store refuses: none of them matters longer than a tick
                self.problem = str(error)
                self._documents = {}
            return
        self.written += len(batch)
        for _ in batch:
            self._waiting.popleft()
        if documents:
            self._documents = {}

    def _write_one(self, point: Point) -> None:
        try:
            self._store.write([point])
        except StoreRejected as error:
            self.rejected += 1
            self.problem = str(error)
        else:
            self.written += 1
        self._waiting.popleft()
