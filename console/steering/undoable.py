"""Acts of a person that can be undone: carried out, written down with what was before, told as an event.

The same for the page, the API and the terminal, so that each can undo what the others did. Undoing sets the former
value, unless somebody changed it since: then it is refused, because it would undo their change too.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from console.steering import action_log, settings_file
from console.steering.action_log import WHERE, Action, Client, Kind
from console.steering.overrides import States
from qos.contract.errors import StoreUnavailable
from qos.contract.points import Event, Point


class Desk(States, Protocol):
    """The part of the store that acts need: documents, and points for the events."""

    def write(self, points: Sequence[Point], *, states: Mapping[str, Any] | None = None) -> None:
        """Write them."""


class ChangedSinceError(Exception):
    """It cannot be undone: somebody changed it since. The message is one sentence."""


@dataclass(frozen=True, slots=True)
class Hand:
    """Somebody who acts: from where, at what time (UTC). ``desk`` is the store; ``host`` names it in the events."""

    desk: Desk
    host: str
    client: Client
    now_ns: int

    def act(self, kind: Kind, subject: str, value: Mapping[str, Any], said: str) -> Action | None:
        """Set ``value`` and write it down; None when it is so already. Not for ``config``."""
        before = action_log.current(self.desk, kind, subject, self.now_ns)
        if before == dict(value):
            return None
        action_log.apply(self.desk, kind, subject, value, self.now_ns)
        return self._note(kind, subject, before, value, said)

    def save_settings(self, path: Path, text: str, said: str) -> Action | None:
        """Replace the settings' file and write it down; None when it is so already. Raises ConfigError."""
        old = settings_file.read(path)
        if old == text:
            return None
        settings_file.replace(path, text)
        return self._note("config", path.name, {"text": old}, {"sha256": settings_file.digest(text)}, said)

    def undo(self, action: Action, path: Path | None) -> str:
        """Set what was before; ``path`` is the settings' file. The sentence that says so. Raises ChangedSinceError."""
        if action.kind == "config":
            _undo_settings(action, path)
        else:
            if action_log.current(self.desk, action.kind, action.subject, self.now_ns) != dict(action.after):
                raise ChangedSinceError(f"{action.subject} was changed since: undoing this would undo that change too")
            action_log.apply(self.desk, action.kind, action.subject, action.before, self.now_ns)
        action_log.mark_undone(self.desk, action)
        said = f"undone: {action.said}"
        self._tell(action.subject, f"{said} (from {WHERE[self.client]}; now: {action.inverse()})", self.now_ns)
        return said

    def _note(self, kind: Kind, subject: str, before: Mapping[str, Any], after: Mapping[str, Any], said: str) -> Action:
        action = Action(self.now_ns // 1000, self.client, kind, subject, before, dict(after), said)
        kept = action_log.keep(self.desk, action)
        self._tell(subject, f"{said} (from {WHERE[self.client]}; undo: {kept.inverse()})", kept.id * 1000)
        return kept

    def _tell(self, subject: str, message: str, time_ns: int) -> None:
        """An event. Best effort: what was done is done and kept."""
        part = "terminal" if self.client == "terminal" else "page"
        event = Event(time_ns=time_ns, host=self.host, part=part, kind="action", subject=subject, message=message)
        with suppress(StoreUnavailable):
            self.desk.write([event])


def _undo_settings(action: Action, path: Path | None) -> None:
    if path is None:
        raise ChangedSinceError(f"{action.subject} is not in use here: name it with --config")
    if settings_file.digest(settings_file.read(path)) != action.after.get("sha256"):
        raise ChangedSinceError(f"{path.name} was changed since: undoing this would undo that change too")
    settings_file.replace(path, str(action.before["text"]))
