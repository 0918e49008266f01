"""What the collector has to say: events for the store, once each, and notes that the views show for a while.

A note that is repeated is only kept longer. The errors of a broken config stay until it is mended.
"""

import logging
from collections import deque
from typing import Final

from qos.contract.points import Event
from qos.system.clock import NS_PER_S

NOTE_NS: Final = 600 * NS_PER_S
MAX_NOTES: Final = 8
MAX_EVENTS: Final = 100

_log: Final = logging.getLogger(__name__)


class Notices:
    """Gathers between two ticks. ``wall_ns`` is UTC, ``now_ns`` monotonic."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._events: list[tuple[int, str, str, str]] = []
        self._notes: deque[tuple[int, str]] = deque(maxlen=MAX_NOTES)
        self._config_errors: tuple[str, ...] = ()

    def event(self, wall_ns: int, kind: str, subject: str, message: str) -> None:
        """Something that happened once."""
        _log.info("%s: %s", kind, message)
        if len(self._events) < MAX_EVENTS:
            self._events.append((wall_ns, kind, subject, message))

    def note(self, wall_ns: int, now_ns: int, subject: str, text: str) -> None:
        """Something that a user should see; an event the first time."""
        kept = [(at_ns, note) for at_ns, note in self._notes if note != text]
        if len(kept) == len(self._notes):
            self.event(wall_ns, "note", subject, text)
        self._notes = deque([*kept, (now_ns, text)], maxlen=MAX_NOTES)

    def config_broken(self, wall_ns: int, lines: tuple[str, ...]) -> None:
        """The config was edited into one that cannot be used; shown until ``config_applied``."""
        self._config_errors = lines
        for line in lines:
            self.event(wall_ns, "config_error", "config.yaml", line)

    def config_applied(self, wall_ns: int) -> None:
        """The config was edited and is in force."""
        self._config_errors = ()
        self.event(wall_ns, "config", "config.yaml", "the edited settings are in force")

    def shown(self, now_ns: int) -> list[str]:
        """What the views show now."""
        return [*self._config_errors, *(note for at_ns, note in self._notes if now_ns - at_ns < NOTE_NS)]

    def take(self, host: str) -> list[Event]:
        """The events since the last call. Two of one kind at one instant are a nanosecond apart: rows, not one row."""
        events = [
            Event(time_ns=at_ns + i, host=host, part=self._part, kind=kind, subject=subject, message=message)
            for i, (at_ns, kind, subject, message) in enumerate(self._events)
        ]
        self._events.clear()
        return events
