"""One SQLite file shared by processes and threads: connections, transactions, and coming back after damage.

Writers take turns (``BEGIN IMMEDIATE``); readers see a snapshot of the last commit and are never blocked (WAL).
Killing the process loses nothing that was committed. One connection writes, each reading thread borrows its own.

When SQLite finds the file damaged, the next write moves it aside and starts a new one. The other processes notice at
their next transaction that another file stands at the path and follow; so does whoever had the file deleted under it.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from qos.contract.errors import StoreRejected
from qos.store.sqlite.opening import damage
from qos.store.sqlite.opening.connections import (
    BUSY_MS,
    CACHE_KIB,
    Connection,
    FileIdentity,
    ImmutableConnection,
    connect,
    identity,
)
from qos.store.sqlite.opening.prepare import prepare, require

_POLITE_MS: Final = 100
_IDLE_READERS: Final = 4


class Database:
    """The file. Raises ConfigError when the user must act, StoreUnavailable when waiting may help."""

    def __init__(self, path: Path, *, read_only: bool = False, cache_kib: int = CACHE_KIB) -> None:
        self.path = path
        self._cache_kib = cache_kib
        self.read_only = read_only
        self.repairs: list[damage.Repair] = []
        self.generation = 0
        self._closed = False
        self._damaged = False
        self._identity: FileIdentity | None = None
        self._writer: Connection | None = None
        self._watch: Connection | None = None
        self._readers: list[Connection] = []
        self._write_lock = threading.RLock()
        self._lock = threading.RLock()
        with self._translated():
            if read_only:
                require(path)
                self._identity = identity(path)
                self._give_back(self._connect(), self.generation)
            else:
                self._writer = self._start()

    def _start(self) -> Connection:
        """A prepared writing connection, the damaged file moved aside where there was one."""
        damaged = self._damaged and identity(self.path) == self._identity
        if damaged or damage.release_wanted(self.path):
            self.repairs.append(damage.move_aside(self.path))
        try:
            db = prepare(self.path, self._cache_kib)
        except sqlite3.DatabaseError as error:
            if not damage.is_damage(error):
                raise
            self.repairs.append(damage.move_aside(self.path))
            db = prepare(self.path, self._cache_kib)
        self._damaged = False
        self._identity = identity(self.path)
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
            db, generation = self._borrow()
            try:
                db.execute("BEGIN")
                yield db
                db.execute("COMMIT")
            except BaseException:
                db.close()
                raise
            self._give_back(db, generation)

    def version(self) -> int:
        """A number that changes when anybody committed, this process included."""
        with self._translated():
            self._follow()
            with self._lock:
                if self._watch is None:
                    self._watch = self._connect()
                if isinstance(self._watch, ImmutableConnection):
                    self._watch.close()
                    self._watch = None
                    return self.path.stat().st_mtime_ns
                return (self.generation << 32) + int(self._watch.execute("PRAGMA data_version").fetchone()[0])

    def checkpoint(self, kept_bytes: int) -> None:
        """Move the log into the main file; cut the log when it is longer than ``kept_bytes`` and nobody reads it."""
        log = self.path.with_name(self.path.name + "-wal")
        with self._write_lock, self._translated():
            db = self._live_writer()
            cut = log.exists() and log.stat().st_size > kept_bytes
            db.execute(f"PRAGMA busy_timeout = {_POLITE_MS}")
            try:
                db.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if cut else 'PASSIVE'})").fetchall()
            finally:
                db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")

    def close(self) -> None:
        """Release every connection. Idempotent."""
        with self._write_lock, self._lock:
            self._closed = True
            self._release()

    def _release(self) -> None:
        for db in (self._watch, *self._readers, self._writer):
            if db is not None:
                db.close()
        self._writer = self._watch = None
        self._readers.clear()

    def _follow(self) -> None:
        """Let go of the file when it is damaged or another one stands at its path."""
        if self._closed:
            raise ValueError(f"{self.path}: the store is closed")
        wanted = damage.release_wanted(self.path)
        if not self._damaged and not wanted and self._identity == identity(self.path):
            return
        # Always in this order: a writer holds the first lock when it comes here, a reader none.
        with self._write_lock, self._lock:
            if not self._damaged and not wanted and self._identity == identity(self.path):
                return
            self._release()
            self.generation += 1
            if self.read_only:
                if wanted:
                    raise damage.being_replaced(self.path)
                require(self.path)
                self._identity = identity(self.path)
                self._damaged = False
            else:
                self._writer = self._start()

    def _live_writer(self) -> Connection:
        self._follow()
        if self._writer is None:
            self._writer = self._start()
        return self._writer

    def _borrow(self) -> tuple[Connection, int]:
        self._follow()
        with self._lock:
            generation = self.generation
            if self._readers:
                return self._readers.pop(), generation
        return self._connect(), generation

    def _connect(self) -> Connection:
        return connect(self.path, read_only=self.read_only, cache_kib=self._cache_kib)

    def _give_back(self, db: Connection, generation: int) -> None:
        with self._lock:
            fit = generation == self.generation and not isinstance(db, ImmutableConnection)
            if fit and not self._closed and len(self._readers) < _IDLE_READERS:
                self._readers.append(db)
                return
        db.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if damage.is_damage(error):
                self._damaged = True
            raise damage.in_words(self.path, error, read_only=self.read_only) from error
