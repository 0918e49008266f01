"""Heartbeats: a part writes one (``part:<name>``), and everybody asks the same way whether its process lives."""

import os
from typing import Any, Final, Protocol

from qos.contract.documents.heartbeat import EVERY_NS, Heartbeat
from qos.system.process_start import process_start

_WRITE_NS: Final = EVERY_NS * 3 // 4


class StateWriter(Protocol):
    """The part of the store that keeps small JSON documents."""

    def set_state(self, key: str, value: Any) -> None:
        """Keep the document; the last write wins."""


class HeartbeatWriter:
    """Writes ``part:<name>``: at once when the state or detail changes, else at most once in ``every_ns``."""

    def __init__(self, store: StateWriter, name: str, *, every_ns: int = _WRITE_NS) -> None:
        self._store, self._key, self._every_ns = store, Heartbeat.PREFIX + name, every_ns
        self._pid, self._start = os.getpid(), process_start(os.getpid()) or 0
        self._last_ns: int | None = None
        self._said: tuple[str, str] = ("", "")

    def beat(self, now_ns: int, state: str = "running", detail: str = "", **report: Any) -> bool:
        """``now_ns`` is UTC. ``report`` are further figures of the part. True when it was written."""
        due = self._last_ns is None or not 0 <= now_ns - self._last_ns < self._every_ns
        if not due and self._said == (state, detail):
            return False
        beat = Heartbeat(self._pid, now_ns, state, detail, self._start, report=report)
        self._store.set_state(self._key, beat.dump())
        self._last_ns, self._said = now_ns, (state, detail)
        return True

    def end(self, now_ns: int, detail: str = "") -> None:
        """Say that the part stopped on purpose."""
        self.beat(now_ns, "stopped", detail)


def writer_lives(beat: Heartbeat) -> bool:
    """Whether the very process that wrote the heartbeat is there: a later one with its PID is another."""
    start = process_start(beat.pid)
    return start is not None and start == beat.start


def written_by_the_living(beat: Heartbeat, now_ns: int) -> bool:
    """Whether the part runs now (UTC): it did not stop, was heard lately, and its process is there."""
    return not beat.stopped and beat.fresh(now_ns) and writer_lives(beat)
