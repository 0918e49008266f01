"""Tells every state of shipping once: a log line and an ``event`` at its begin and at its end.

One for the whole run of the part: a state goes on through an edit of the settings, and through a restart of the part,
whose first look is at the events that begin one and have no end yet.
"""

import contextlib
import logging
from typing import Final, get_args

from qos.contract.errors import StoreRejected, StoreUnavailable
from qos.contract.points import Event
from qos.shipping.telling.episodes import Episodes, Kind, StateChange, sentence
from qos.shipping.telling.reporter import PART
from qos.store.sqlite.store import SqliteStore
from qos.system import clock

_KEPT: Final = 50
"""Events that wait for the store at most."""
_log = logging.getLogger(__name__)


class EpisodeLog:
    """Used by one thread, but for ``sentences``, which is replaced whole."""

    def __init__(self) -> None:
        self._episodes = Episodes()
        self._store: SqliteStore | None = None
        self._host = self._url = ""
        self._resumed = False
        self._unwritten: list[Event] = []
        self.sentences: tuple[str, ...] = ()
        """The states that hold now, in words."""

    def attach(self, store: SqliteStore, host: str, url: str) -> None:
        """From now on events go to this store. Raises StoreUnavailable."""
        self._store, self._host, self._url = store, host, url
        if self._resumed:
            return
        for kind in get_args(Kind):
            newest = store.read("event", ["subject", "message"], where=_where(kind), limit=1)
            if newest["subject"] == ["begin"]:
                reason = newest["message"][0].partition(": ")[2]
                lasted_ns = max(0, clock.wall_ns() - newest["time_ns"][0])
                self._episodes.resume(kind, reason, clock.monotonic_ns(), lasted_ns)
        self._resumed = True
        self._publish()

    def saw(self, seen: dict[Kind, str]) -> None:
        """The states that hold at this moment, each with its reason."""
        for change in self._episodes.saw(clock.monotonic_ns(), seen):
            text = sentence(change, self._url)
            _log.log(_level(change), "%s", text)
            event = Event(
                time_ns=clock.wall_ns() + len(self._unwritten),
                host=self._host,
                part=PART,
                kind=f"shipping_{change.kind}",
                subject="begin" if change.begins else "end",
                message=text,
            )
            self._unwritten = [*self._unwritten, event][-_KEPT:]
            self._publish()
        if self._unwritten and self._store is not None:
            with contextlib.suppress(StoreUnavailable, StoreRejected):
                self._store.write(self._unwritten)
                self._unwritten = []

    def _publish(self) -> None:
        running = self._episodes.running.items()
        self.sentences = tuple(sentence(StateChange(kind, True, reason), self._url) for kind, reason in running)


def _where(kind: Kind) -> dict[str, str]:
    return {"part": PART, "kind": f"shipping_{kind}"}


def _level(change: StateChange) -> int:
    if not change.begins:
        return logging.INFO
    return logging.ERROR if change.kind in ("refused", "set_aside") else logging.WARNING
