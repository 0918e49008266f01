"""Windows' trace API without Windows, as its documentation has it: sessions by name, which outlive their maker."""

import threading
from collections.abc import Callable, Sequence
from uuid import UUID

from collector.capture.etw.callbacks import Feed
from collector.capture.etw.layout import PROCESS
from collector.capture.etw.session import ALREADY_EXISTS, NOT_FOUND, Lost


class FakeApi:
    """Errors are set per call; ``calls`` keeps the order."""

    def __init__(self, *, raw: bool = True) -> None:
        self.calls: list[str] = []
        self.sessions: set[str] = set()
        self.errors: dict[str, list[int]] = {}
        """By call: what the next ones return; empty: success."""
        self.losses = Lost(0, 0)
        self.raw_offered = raw
        self.filters: list[Sequence[int]] = []
        self.feed: Feed | None = None
        self.flushed: Callable[[bool], None] = lambda raw: None
        """What the buffers bring at a flush, knowing whether raw buffers are read."""
        self.opened_raw: bool | None = None
        self.open_traces = 0
        self._over = threading.Event()

    def _error(self, call: str) -> int:
        self.calls.append(call)
        left = self.errors.get(call, [])
        return left.pop(0) if left else 0

    def start(self, name: str) -> tuple[int, int]:
        error = self._error("start")
        if not error and name in self.sessions:
            error = ALREADY_EXISTS
        if not error:
            self.sessions.add(name)
            self._over.clear()
        return error, 0 if error else 11

    def stop(self, name: str) -> int:
        self.calls.append("stop")
        if name not in self.sessions:
            return NOT_FOUND
        self.sessions.discard(name)
        self._over.set()
        return 0

    def flush(self, name: str) -> int:
        self.flushed(bool(self.opened_raw))
        return 0

    def lost(self, name: str) -> tuple[int, Lost]:
        return self._error("query"), self.losses

    def enable(self, session: int, provider: UUID, keywords: int, numbers: Sequence[int]) -> int:
        assert session == 11
        self.filters.append(numbers)
        return self._error("enable process" if provider == PROCESS else "enable")

    def disable(self, session: int, provider: UUID) -> int:
        return self._error("disable")

    def open(self, name: str, feed: Feed, raw: bool) -> tuple[int, int]:
        error = self._error("open raw" if raw else "open")
        if error:
            return error, 0
        self.feed, self.opened_raw = feed, raw
        self.open_traces += 1
        return 0, 22

    def can_raw(self) -> bool:
        return self.raw_offered

    def process(self, trace: int) -> int:
        assert trace == 22
        self.calls.append("process")
        assert self._over.wait(20)
        return 0

    def close(self, trace: int) -> int:
        self.open_traces -= 1
        return self._error("close")
