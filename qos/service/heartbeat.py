"""The heartbeat of a part: a small document ``part:<name>`` in the store that says it lives, and how it goes."""

import os
from typing import Any, Final, Protocol

HEARTBEAT_NS: Final = 2 * 10**9
"""A part writes at least this often; a reader calls it silent after three times that."""


class StateWriter(Protocol):
    """The part of the store that keeps small JSON documents."""

    def set_state(self, key: str, value: Any) -> None:
        """Keep the document; the last write wins."""


class Heartbeat:
    """Writes ``part:<name>``: at once when the state or detail changes, else at most once in ``every_ns``."""

    def __init__(self, store: StateWriter, name: str, *, every_ns: int = HEARTBEAT_NS * 3 // 4) -> None:
        self._store, self._key, self._every_ns = store, f"part:{name}", every_ns
        self._last_ns: int | None = None
        self._said: tuple[str, str] = ("", "")

    def beat(self, now_ns: int, state: str = "running", detail: str = "", **extra: Any) -> bool:
        """``now_ns`` is UTC. ``extra`` are further keys of the document. True when it was written."""
        due = self._last_ns is None or not 0 <= now_ns - self._last_ns < self._every_ns
        if not due and self._said == (state, detail):
            return False
        document = {"pid": os.getpid(), "time_ns": now_ns, "state": state, "detail": detail, **extra}
        self._store.set_state(self._key, document)
        self._last_ns, self._said = now_ns, (state, detail)
        return True

    def end(self, now_ns: int, detail: str = "") -> None:
        """Say that the part stopped on purpose."""
        self.beat(now_ns, "stopped", detail)
