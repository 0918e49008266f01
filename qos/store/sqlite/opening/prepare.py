"""Opening the file: whose it is, whether this version knows it, and the settings of a connection.

The header is read as bytes before SQLite sees the file, so that a stranger's database is not touched at all. The tables
are made before WAL is switched on, so that the header says from the first moment whose the file is.
Source: sqlite.org/fileformat2.html, §1.3 (user version at 60, application id at 68, big-endian).
"""

import sqlite3
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

from qos.contract.errors import ConfigError, StoreUnavailable
from qos.store.sqlite import recovery, schema

BUSY_MS: Final = 10_000
_WAL_LIMIT_BYTES: Final = 16 * 2**20
_NO_LOG: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
_MAGIC: Final = b"SQLite format 3\x00"


def require(path: Path) -> None:
    """For readers: raise ConfigError unless a store that this version can read stands at ``path``."""
    header = _header(path)
    if not header:
        raise ConfigError(f"{path}: no store there yet: start `autoqos up` first, or check --data")
    if _being_made(header):
        raise StoreUnavailable(f"{path}: is being made at this moment", retry_after_s=0.2)
    if not header.startswith(_MAGIC):
        raise ConfigError(f"{path}: is damaged: start `autoqos up`, which keeps it aside and starts a new one")
    _refuse_strangers(path, header)
    db = connect(path, read_only=True)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
    finally:
        db.close()
    if version > schema.VERSION:
        raise _newer(path, version)
    if version < schema.VERSION:
        raise ConfigError(
            f"{path}: was written by an older AutoQoS: start `autoqos up` once, which brings it up to date"
        )


def prepare(path: Path) -> sqlite3.Connection:
    """A connection for writing, the file made, migrated and completed as needed.

    Raises ConfigError for strangers, newer files and directories that take no files, and ``sqlite3.DatabaseError`` for
    a damaged file.
    """
    _make_directory(path.parent)
    header = _header(path)
    if header and not header.startswith(_MAGIC):
        raise recovery.not_a_database(path)
    if header and not _being_made(header):
        _refuse_strangers(path, header)
    db = connect(path, read_only=False)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            # Before the first table: later it would need a VACUUM.
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        if version > schema.VERSION:
            raise _newer(path, version)
        if version < schema.VERSION or schema.lacks_something(db):
            _upgrade(db)
        _switch_to_wal(db)
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
    except BaseException:
        db.close()
        raise
    return db


class Resting(sqlite3.Connection):
    """Reads a file that nobody writes, as it is, and would not see the writer come: use it once."""


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """A plain connection; a ``Resting`` one for a reader that may not make the log's files."""
    name = f"file:{quote(path.absolute().as_posix())}"
    if not read_only:
        return _connect(f"{name}?mode=rwc")
    try:
        return _connect(f"{name}?mode=ro")
    except sqlite3.OperationalError as error:
        log = path.with_name(path.name + "-wal")
        if error.sqlite_errorcode & 0xFF not in _NO_LOG or (log.exists() and log.stat().st_size):
            raise
        return _connect(f"{name}?mode=ro&immutable=1", Resting)


def _connect(name: str, kind: type[sqlite3.Connection] = sqlite3.Connection) -> sqlite3.Connection:
    db = sqlite3.connect(
        name, uri=True, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False, factory=kind
    )
    try:
        db.execute("PRAGMA cache_size = -8000")  # reads the schema: what cannot be opened fails here
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


def _header(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(108)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}): check its owner and permissions") from None


def _being_made(header: bytes) -> bool:
    """An empty database, one page without a table: so ours looks between ``auto_vacuum`` and its first transaction."""
    pages, owner, tables = header[28:32], header[60:64] + header[68:72], header[103:105]
    return header.startswith(_MAGIC) and pages == b"\0\0\0\1" and not any(owner) and tables == b"\0\0"


def _refuse_strangers(path: Path, header: bytes) -> None:
    version, application = (int.from_bytes(header[at : at + 4], "big") for at in (60, 68))
    if application != schema.APPLICATION_ID:
        raise ConfigError(f"{path}: is another program's database: move it away or choose another data_dir or --data")
    if version > schema.VERSION:
        raise _newer(path, version)


def _newer(path: Path, version: int) -> ConfigError:
    return ConfigError(
        f"{path}: was written by a newer AutoQoS (schema {version}, this one knows {schema.VERSION}):"
        " update AutoQoS or choose another data_dir or --data"
    )


def _make_directory(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise recovery.unwritable(folder, error.strerror or str(error)) from None
