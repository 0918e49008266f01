"""What every answer is made from: the settings in force, the store, who is logged in, and whether we may write."""

import os
import threading
from pathlib import Path
from typing import Any, Final

from console.commands.context import Context
from console.page.access.sessions import Sessions
from qos.contract.config import Config
from qos.contract.errors import StoreUnavailable
from qos.service import ConfigWatcher
from qos.store.sqlite.store import SqliteStore
from qos.system import clock

CODE_PREFIX: Final = "page:code:"
"""Keys of the codes that ``autoqos page`` leaves in the store for a page that runs already: digest → until (UTC ns)."""


_CACHE_KIB: Final = 250
"""Of each connection. The system keeps the file in memory anyway; ours comes on top, four times."""


class PageService:
    """One page server's data. Safe to share between threads."""

    def __init__(self, context: Context, port: int) -> None:
        self._context = context
        self._watcher = ConfigWatcher(context.config_path)
        self._lock = threading.Lock()
        self._store: SqliteStore | None = None
        self.port = port
        self.sessions = Sessions()
        self.writable = may_write(context)
        self.started_ns = clock.wall_ns()

    @property
    def context(self) -> Context:
        """The context as the settings are now."""
        return self._context

    @property
    def config(self) -> Config:
        """The settings in force."""
        return self._context.config

    def follow_config(self) -> None:
        """Take over an edit of ``config.yaml``; call about once a second."""
        change = self._watcher.poll()
        if change is not None and change.config is not None:
            self._context = Context(change.config, self._context.config_path, self._context.data)

    @property
    def store(self) -> SqliteStore:
        """The store, opened when it is first there. Raises StoreUnavailable."""
        with self._lock:
            if self._store is None:
                if not self.writable and not self._context.has_store:
                    raise StoreUnavailable("nothing was measured here yet: start `autoqos up`", retry_after_s=2)
                self._store = SqliteStore(self._context.store_path, read_only=not self.writable, cache_kib=_CACHE_KIB)
            return self._store

    def take_codes(self, now_ns: int) -> None:
        """Move codes that ``autoqos page`` left in the store into this server's memory. ``now_ns`` is monotonic."""
        if not self.writable:
            return
        wall_ns = clock.wall_ns()
        for key, until_ns in self.store.states(CODE_PREFIX).items():
            self.store.delete_state(key)
            if isinstance(until_ns, int) and wall_ns < until_ns:
                self.sessions.add_code(key.removeprefix(CODE_PREFIX), now_ns, until_ns - wall_ns)

    def read_state(self, key: str) -> Any | None:
        """A state document."""
        return self.store.get_state(key)

    def close(self) -> None:
        """Release the store."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None


def may_write(context: Context) -> bool:
    """Whether this process may steer: write the store and the files that SQLite makes beside it."""
    file: Path = context.store_path
    if file.exists() and not os.access(file, os.W_OK):
        return False
    folder = next((parent for parent in (context.data, *context.data.parents) if parent.exists()), context.data)
    return os.access(folder, os.W_OK | os.X_OK)
