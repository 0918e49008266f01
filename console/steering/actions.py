"""What a person tells the enforcer, carried out and answered in words: the same for commands, shell and live table."""

from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from console.commands.context import Context
from console.steering import action_log, overrides
from console.steering.action_log import Kind
from console.steering.undoable import ChangedSinceError, Hand
from console.views.enforcement import known_apps, read_enforcement
from console.views.times import local_time
from qos.contract.documents.override import Override
from qos.contract.errors import ConfigError
from qos.system import clock

if TYPE_CHECKING:
    from qos.store.sqlite.store import SqliteStore


class Steering:
    """Writes overrides into the store. A context manager; every answer is the lines to show."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._stack = ExitStack()
        self._store: SqliteStore | None = None

    @property
    def store(self) -> "SqliteStore":
        """The store, open while the context is."""
        assert self._store is not None, "used outside its context"
        return self._store

    def __enter__(self) -> Self:
        self._store = self._stack.enter_context(self.context.writing())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self._store = None

    def resolve(self, text: str) -> tuple[str, list[str]]:
        """The application that is meant, and what to say about the name."""
        known = known_apps(self.store)
        name, near = overrides.match_name(text, known)
        if name in known:
            return name, []
        hint = f": did you mean {', '.join(near)}?" if near else ""
        return name, [f"no application {name!r} was seen yet{hint} (kept for when it appears)"]

    def priority(self, app: str, level: int | None) -> list[str]:
        """Set a level by hand, or None: back to the rules."""
        name, said = self.resolve(app)
        words = f"{name}: priority is automatic again"
        if level is not None:
            words = f"{name}: priority {level} ({self.context.config.levels[level].name})"
        self._act("priority", name, {"priority": level}, words)
        return [words, *said, *self._effect()]

    def limit(self, app: str, down_bps: int | None, up_bps: int | None, until_ns: int | None) -> list[str]:
        """Set rates by hand; both None lifts them."""
        name, said = self.resolve(app)
        limited = down_bps is not None or up_bps is not None
        until_ns = until_ns if limited else None
        rates = Override(down_bps=down_bps, up_bps=up_bps)
        until = f" until {local_time(until_ns)}" if until_ns is not None else ""
        words = f"{name}: at most {overrides.words(rates)}{until}" if limited else f"{name}: no limit by hand"
        self._act("limit", name, {"down_bps": down_bps, "up_bps": up_bps, "until_ns": until_ns}, words)
        if not limited:
            return [words, *said, *self._effect()]
        override = overrides.read_override(self.store, name, clock.wall_ns())
        zero = ["level 0 is never limited: the limit has no effect"] if override.priority == 0 else []
        return [f"{name}: {overrides.words(override)}{until}", *zero, *said, *self._effect()]

    def pause(self, until_ns: int | None) -> list[str]:
        """Switch the enforcer off."""
        until = f"until {local_time(until_ns)}" if until_ns is not None else "until `autoqos resume`"
        self._act("pause", "enforcer", {"paused": True, "until_ns": until_ns}, f"enforcer paused {until}")
        running = read_enforcement(self.store, self.context.config, clock.wall_ns()).running
        return [f"enforcer paused {until}", *([] if running else ["no enforcer is running now"])]

    def resume(self) -> list[str]:
        """Switch it on again."""
        self._act("pause", "enforcer", {"paused": False, "until_ns": None}, "enforcer resumed")
        return ["enforcer resumed", *self._effect()]

    def undo(self, action_id: int | None) -> list[str]:
        """Undo one action, or the newest that is not undone. Raises ConfigError when it cannot be."""
        if action_id is None:
            action = next((action for action in action_log.recent(self.store) if not action.undone), None)
            if action is None:
                return ["nothing to undo: no action is kept"]
        else:
            action = action_log.find(self.store, action_id)
            if action is None:
                raise ConfigError(f"undo: there is no action {action_id}: `autoqos undo --list` shows them")
        if action.undone:
            return [f"undone already: {action.said}"]
        try:
            said = self._hand().undo(action, self.context.config_path)
        except ChangedSinceError as error:
            raise ConfigError(f"undo: {error}") from None
        return [said, f"now: {action.inverse()}", *self._effect()]

    def _act(self, kind: Kind, subject: str, value: dict[str, Any], said: str) -> None:
        self._hand().act(kind, subject, value, said)

    def _hand(self) -> Hand:
        return Hand(self.store, self.context.config.host, "terminal", clock.wall_ns())

    def _effect(self) -> list[str]:
        note = read_enforcement(self.store, self.context.config, clock.wall_ns()).note()
        return [note] if note else []
