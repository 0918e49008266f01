"""What can be wrong with the file, said in one line each, and the damaged file moved aside (never deleted).

The header is read as bytes before SQLite sees the file, so that a stranger's database is not touched at all.
Source: sqlite.org/fileformat2.html, §1.3 (user version at 60, application id at 68, big-endian).
"""

import os
import sqlite3
from pathlib import Path
from typing import Final, Literal

from qos import clock
from qos.errors import ConfigError, StoreUnavailable
from qos.store import schema

_MAGIC: Final = b"SQLite format 3\x00"

Found = Literal["absent", "empty", "sqlite", "damaged"]


def inspect(path: Path) -> Found:
    """What stands at ``path``, from its first bytes."""
    header = _header(path)
    if header is None:
        return "absent"
    if not header:
        return "empty"
    return "sqlite" if len(header) == 100 and header.startswith(_MAGIC) else "damaged"


def _header(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(100)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}: check its owner and permissions") from None


def refuse_strangers(path: Path) -> None:
    """Raise ConfigError for a database of another program or of a newer AutoQoS."""
    header = _header(path)
    if not header or not header.startswith(_MAGIC):
        return
    version, application = (int.from_bytes(header[at : at + 4], "big") for at in (60, 68))
    if application != schema.APPLICATION_ID:
        raise ConfigError(
            f"{path}: is a database of another program: move it away or choose another data_dir or --data"
        )
    if version > schema.VERSION:
        raise newer(path, version)


def newer(path: Path, version: int) -> ConfigError:
    """The error for a file of a later version."""
    return ConfigError(
        f"{path}: was written by a newer AutoQoS (schema {version}, this one knows {schema.VERSION}):"
        " update AutoQoS or choose another data_dir or --data"
    )


def make_directory(folder: Path) -> None:
    """Make the data directory. Raises ConfigError naming it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error.strerror or str(error)) from None


def unwritable(folder: Path, why: str) -> ConfigError:
    """The error for a directory that takes no files."""
    return ConfigError(f"{folder}: cannot be written ({why}): make it writable or choose another data_dir or --data")


def identity(path: Path) -> tuple[int, int] | None:
    """Which file stands at ``path``: device and inode."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def move_aside(path: Path) -> str:
    """Rename the damaged file and its log to ``NAME.corrupt-TIME``; returns the sentence to tell.

    Raises StoreUnavailable when another process holds it (Windows).
    """
    aside = path.with_name(f"{path.name}.corrupt-{clock.wall_ns() // clock.NS_PER_S}")
    try:
        path.rename(aside)
        for suffix in ("-wal", "-shm", "-journal"):
            companion = path.with_name(path.name + suffix)
            if companion.exists():
                companion.rename(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise StoreUnavailable(
            f"{path}: is damaged and cannot be moved aside ({error.strerror}): stop AutoQoS and rename it", 5.0
        ) from None
    return f"{path}: was damaged: it is kept as {aside.name} and a new store was started"


def in_words(path: Path, error: sqlite3.Error) -> Exception:
    """The exception to raise for what SQLite says, by who must act."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreUnavailable(f"{path}: the disk is full: free some space; points are kept in memory meanwhile", 5.0)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreUnavailable(f"{path}: is locked by another process: waiting for it", 1.0)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        if not os.access(path.parent, os.W_OK) or code == sqlite3.SQLITE_READONLY:
            return unwritable(path.parent, str(error))
        return StoreUnavailable(f"{path}: cannot be opened ({error})", 5.0)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreUnavailable(f"{path}: is damaged ({error}): a new one is started at the next write", 1.0)
    if code == sqlite3.SQLITE_IOERR:
        return StoreUnavailable(f"{path}: the disk answers with an error ({error}): check the disk", 5.0)
    return error
