"""Before the first use: whether this version can read the file, and for a writer the file made, migrated, in WAL mode.

The tables are made before WAL is switched on, so that the header says from the first moment whose the file is.
"""

import sqlite3
import time
from pathlib import Path
from typing import Final

from qos.contract.errors import ConfigError, StoreUnavailable
from qos.store.sqlite import schema
from qos.store.sqlite.opening import damage
from qos.store.sqlite.opening.connections import CACHE_KIB, Connection, connect
from qos.store.sqlite.opening.header import read_header, refuse_newer, refuse_strangers

_WAL_LIMIT_BYTES: Final = 16 * 2**20


def require(path: Path) -> None:
    """For readers: raise ConfigError unless a store that this version can read stands at ``path``."""
    header = read_header(path)
    if header is not None:
        if not header.exists:
            raise ConfigError(f"{path}: no store there yet: start `autoqos up` first, or check --data")
        if header.being_made:
            raise StoreUnavailable(f"{path}: is being made at this moment", retry_after_s=0.2)
        if not header.is_sqlite:
            raise ConfigError(f"{path}: is damaged: start `autoqos up`, which keeps it aside and starts a new one")
        refuse_strangers(path, header)
    db = connect(path, read_only=True)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
    finally:
        db.close()
    refuse_newer(path, version)
    if version < schema.VERSION:
        raise ConfigError(
            f"{path}: was written by an older AutoQoS: start `autoqos up` once, which brings it up to date"
        )


def prepare(path: Path, cache_kib: int = CACHE_KIB) -> Connection:
    """A connection for writing, the file made, migrated and completed as needed.

    Raises ConfigError for strangers, newer files and directories that take no files, and ``sqlite3.DatabaseError`` for
    a damaged file.
    """
    _make_directory(path.parent)
    header = read_header(path)
    if header is not None and header.exists:
        if not header.is_sqlite:
            raise damage.not_a_database(path)
        if not header.being_made:
            refuse_strangers(path, header)
    db = connect(path, read_only=False, cache_kib=cache_kib)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            # Before the first table: later it would need a VACUUM.
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        refuse_newer(path, version)
        if version < schema.VERSION or schema.lacks_something(db):
            _upgrade(db)
        _switch_to_wal(db)
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
    except BaseException:
        db.close()
        raise
    return db


def _upgrade(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done it while we waited for the lock.
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            schema.create(db)
        else:
            schema.migrate(db, version)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _switch_to_wal(db: sqlite3.Connection) -> None:
    """Switching needs the file for a moment alone, and SQLite does not wait for that by itself."""
    for left in range(100, -1, -1):
        try:
            if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                db.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not left:
                raise
            time.sleep(0.05)


def _make_directory(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise damage.unwritable(folder, error.strerror or str(error)) from None
