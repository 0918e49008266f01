"""One SQLite file: opened safely, shared by processes and threads, its errors put into words.

Who is asked what: a file of another program or of a newer AutoQoS is refused untouched (ConfigError); a damaged file
is moved aside and a new one started (``recovery.py``); a full or busy disk is waited for (StoreUnavailable). Writers
take turns (``BEGIN IMMEDIATE``); readers see a snapshot of the last commit and are never blocked (WAL). Killing the
process loses nothing that was committed. Each thread borrows a reading connection; one connection writes.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from qos.errors import ConfigError, StoreRejected
from qos.store import recovery, schema

BUSY_S: Final = 10.0
_IDLE_READERS: Final = 4
_WAL_LIMIT_BYTES: Final = 16 * 2**20
_CORRUPT: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Database:
    """The file. Raises ConfigError when the user must act, StoreUnavailable when waiting may help."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self.notes: list[str] = []
        self._closed = False
        self._write_lock = threading.RLock()
        self._readers: list[sqlite3.Connection] = []
        self._readers_lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._watch: sqlite3.Connection | None = None
        self._watch_lock = threading.Lock()
        self._identity: tuple[int, int] | None = None
        self._open()

    def _open(self) -> None:
        found = recovery.inspect(self.path)
        if self.read_only:
            if found == "absent":
                raise ConfigError(f"{self.path}: no store there yet: start `autoqos up` first, or check --data")
            recovery.refuse_strangers(self.path)
            with self._translated():
                self._give_back(self._connect())
            return
        recovery.make_directory(self.path.parent)
        if found == "damaged":
            self.notes.append(recovery.move_aside(self.path))
        recovery.refuse_strangers(self.path)
        with self._translated():
            try:
                self._writer = self._prepare()
            except sqlite3.DatabaseError as error:
                if not _is_corrupt(error):
                    raise
                self.notes.append(recovery.move_aside(self.path))
                self._writer = self._prepare()
        self._identity = recovery.identity(self.path)

    def _prepare(self) -> sqlite3.Connection:
        db = self._connect()
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                # Before the first table: later it would need a VACUUM. The schema is made before WAL is switched on,
                # so that the main file's header says from the first moment whose it is.
                db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            if version > schema.VERSION:
                raise recovery.newer(self.path, version)
            if version < schema.VERSION or schema.lacks_something(db):
                self._upgrade(db)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
        except BaseException:
            db.close()
            raise
        return db

    @staticmethod
    def _upgrade(db: sqlite3.Connection) -> None:
        db.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have done it while we waited for the lock.
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                schema.create(db)
            elif version < schema.VERSION:
                schema.migrate(db, version)
            schema.complete(db)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self.read_only else "rwc"
        name = f"file:{quote(str(self.path.absolute().as_posix()))}?mode={mode}"
        db = sqlite3.connect(name, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA cache_size = -8000")
        return db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One write transaction: committed at the end, rolled back by any exception."""
        if self.read_only:
            raise StoreRejected(f"{self.path}: opened for reading only")
        with self._write_lock, self._translated():
            db = self._live_writer()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One snapshot: every statement inside sees the same commit."""
        with self._translated():
            db = self._borrow()
            try:
                db.execute("BEGIN")
                yield db
                db.execute("COMMIT")
            except BaseException:
                db.close()
                raise
            self._give_back(db)

    def version(self) -> int:
        """A number that changes when anybody committed, this process included."""
        with self._watch_lock, self._translated():
            if self._watch is None:
                self._refuse_when_closed()
                self._watch = self._connect()
            return int(self._watch.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Release every connection. Idempotent."""
        with self._write_lock, self._watch_lock, self._readers_lock:
            self._closed = True
            for db in (self._writer, self._watch, *self._readers):
                if db is not None:
                    db.close()
            self._writer = self._watch = None
            self._readers.clear()

    def _live_writer(self) -> sqlite3.Connection:
        self._refuse_when_closed()
        if self._writer is None:
            self._writer = self._prepare()
        return self._writer

    def _borrow(self) -> sqlite3.Connection:
        with self._readers_lock:
            self._refuse_when_closed()
            if self._readers:
                return self._readers.pop()
        return self._connect()

    def _give_back(self, db: sqlite3.Connection) -> None:
        with self._readers_lock:
            if not self._closed and len(self._readers) < _IDLE_READERS:
                self._readers.append(db)
                return
        db.close()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise ValueError(f"{self.path}: the store is closed")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise recovery.in_words(self.path, error) from error


def _is_corrupt(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _CORRUPT
