"""What a person tells the enforcer, carried out and answered in words: the same for commands, shell and live table."""

from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from console.commands.context import Context
from console.steering import overrides
from console.views.enforcement import known_apps, read_enforcement
from console.views.times import local_time
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
        overrides.set_priority(self.store, name, level, clock.wall_ns())
        words = f"{name}: priority is automatic again"
        if level is not None:
            words = f"{name}: priority {level} ({self.context.config.levels[level].name})"
        return [words, *said, *self._effect()]

    def limit(self, app: str, down_bps: int | None, up_bps: int | None, until_ns: int | None) -> list[str]:
        """Set rates by hand; both None lifts them."""
        name, said = self.resolve(app)
        now_ns = clock.wall_ns()
        override = overrides.set_limit(
            self.store, name, down_bps=down_bps, up_bps=up_bps, until_ns=until_ns, now_ns=now_ns
        )
        if not override.limited:
            return [f"{name}: no limit by hand", *said, *self._effect()]
        until = f" until {local_time(until_ns)}" if until_ns is not None else ""
        zero = ["level 0 is never limited: the limit has no effect"] if override.priority == 0 else []
        return [f"{name}: {overrides.words(override)}{until}", *zero, *said, *self._effect()]

    def pause(self, until_ns: int | None) -> list[str]:
        """Switch the enforcer off."""
        overrides.pause(self.store, until_ns, clock.wall_ns())
        until = f"until {local_time(until_ns)}" if until_ns is not None else "until `autoqos resume`"
        running = read_enforcement(self.store, self.context.config, clock.wall_ns()).running
        return [f"enforcer paused {until}", *([] if running else ["no enforcer is running now"])]

    def resume(self) -> list[str]:
        """Switch it on again."""
        overrides.resume(self.store)
        return ["enforcer resumed", *self._effect()]

    def _effect(self) -> list[str]:
        note = read_enforcement(self.store, self.context.config, clock.wall_ns()).note()
        return [note] if note else []
