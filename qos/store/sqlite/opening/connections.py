"""Connections to the file, and its first bytes while this process has no connection to it.

POSIX record locks belong to the process: closing *any* descriptor of a file drops every lock that the process holds on
it (fcntl(2), sqlite.org/howtocorrupt.html §2.2). A file that SQLite has open here is therefore never opened beside it:
the last other process to close would find no lock, delete the write-ahead log, and leave this one reading a file that
is gone. So every connection is counted per file, and the first bytes are read only where the count is zero.
"""

import sqlite3
import threading
from collections import Counter
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

BUSY_MS: Final = 10_000
CACHE_KIB: Final = 8000
HEADER_BYTES: Final = 108
_NO_LOG: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)

FileIdentity = tuple[int, int]
"""Device and inode."""

_guard: Final = threading.Lock()
_connected: Final[Counter[FileIdentity]] = Counter()


def identity(path: Path) -> FileIdentity | None:
    """Which file stands at ``path``; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def first_bytes(path: Path) -> bytes | None:
    """The file's first bytes; None when this process is connected to it, so that they were looked at before.

    Raises OSError.
    """
    with _guard:
        if _connected[identity(path) or (0, 0)]:
            return None
        with path.open("rb") as file:
            return file.read(HEADER_BYTES)


class Connection(sqlite3.Connection):
    """A connection that is counted until it is closed. One that is never closed stays counted, which is safe."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.files: tuple[FileIdentity, ...] = ()

    def close(self) -> None:
        """Close it; the file may be read again when it was the last. Idempotent."""
        super().close()
        with _guard:
            _connected.subtract(self.files)
            self.files = ()


class ImmutableConnection(Connection):
    """Reads a file that nobody writes, as it is, and would not see the writer come: use it once."""


def connect(path: Path, *, read_only: bool, cache_kib: int = CACHE_KIB) -> Connection:
    """A plain connection; an ``ImmutableConnection`` for a reader that may not make the log's files.

    ``cache_kib`` bounds what it keeps of the file in memory.
    """
    name = f"file:{quote(path.absolute().as_posix())}"
    if not read_only:
        return _connect(path, f"{name}?mode=rwc", cache_kib)
    try:
        return _connect(path, f"{name}?mode=ro", cache_kib)
    except sqlite3.OperationalError as error:
        log = path.with_name(path.name + "-wal")
        if error.sqlite_errorcode & 0xFF not in _NO_LOG or (log.exists() and log.stat().st_size):
            raise
        return _connect(path, f"{name}?mode=ro&immutable=1", cache_kib, ImmutableConnection)


def _connect(path: Path, name: str, cache_kib: int, kind: type[Connection] = Connection) -> Connection:
    with _guard:
        before = identity(path)
        db = sqlite3.connect(
            name, uri=True, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False, factory=kind
        )
        # The file may be made by this very call, or replaced beside it: then both are counted.
        db.files = tuple({found for found in (before, identity(path)) if found is not None})
        _connected.update(db.files)
    try:
        db.execute(f"PRAGMA cache_size = -{cache_kib:d}")  # reads the schema: what cannot be opened fails here
    except BaseException:
        db.close()
        raise
    return db
