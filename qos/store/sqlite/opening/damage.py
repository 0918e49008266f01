"""What SQLite's errors mean for whom, and the damaged file moved aside (never deleted).

Windows refuses to rename a file that anybody has open. Whoever cannot move the damaged file therefore leaves a request
beside it (``NAME.release``, which says which file is meant); every process looks for one before each transaction,
closes its connections and waits, until the file could be moved.
"""

import errno
import os
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from qos.contract.errors import ConfigError, StoreUnavailable
from qos.store.sqlite.opening.connections import identity
from qos.system import clock

OPEN_FILES_STAY: Final = sys.platform == "win32"
"""Whether the system refuses to rename a file that somebody has open."""
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


_REREAD_S: Final = 5.0
"""A reader cannot mend the file: it waits for the next writer to."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A damaged file that was replaced: under which name it is kept, and the sentence to tell."""

    kept_as: str
    message: str


def move_aside(path: Path) -> Repair:
    """Rename the damaged file and its log to ``NAME.corrupt-TIME``.

    Raises StoreUnavailable when anybody has it open (Windows; they are asked to close it) or the directory refuses.
    """
    stamp = clock.wall_ns() // clock.NS_PER_S
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    while aside.exists():
        stamp += 1
        aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    meant = _meant(path)
    try:
        path.rename(aside)
    except PermissionError as error:
        if not OPEN_FILES_STAY or not meant:
            raise _not_moved(path, error) from None
        _request(path).write_text(meant, encoding="ascii")
        raise StoreUnavailable(
            f"{path}: is damaged and still open somewhere ({error.strerror}): it is kept aside as soon as every part"
            " has let it go",
            0.5,
        ) from None
    except OSError as error:
        raise _not_moved(path, error) from None
    try:
        _request(path).unlink(missing_ok=True)
        for suffix in ("-wal", "-shm", "-journal"):
            companion = path.with_name(path.name + suffix)
            if companion.exists():
                companion.rename(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise _not_moved(path, error) from None
    return Repair(aside.name, f"{path}: was damaged: it is kept as {aside.name}, and a new store was started")


def release_wanted(path: Path) -> bool:
    """Whether somebody waits for the damaged file that stands at ``path`` to be closed by everybody."""
    if not OPEN_FILES_STAY:
        return False
    try:
        return _request(path).read_text(encoding="ascii") == _meant(path)
    except (OSError, ValueError):
        return False


def being_replaced(path: Path) -> StoreUnavailable:
    """The error for those who must not open the file now."""
    return StoreUnavailable(f"{path}: is damaged and being replaced", 0.5)


def _request(path: Path) -> Path:
    return path.with_name(f"{path.name}.release")


def _meant(path: Path) -> str:
    found = identity(path)
    return "" if found is None else f"{found[0]}:{found[1]}"


def _not_moved(path: Path, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"{path}: is damaged and cannot be moved aside ({error.strerror}): stop AutoQoS and rename it", 5.0
    )


def not_a_database(path: Path) -> sqlite3.DatabaseError:
    """What SQLite would raise for a file without its header, without asking it."""
    error = sqlite3.DatabaseError(f"{path} is not a database")
    error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
    return error


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken."""
    return _code(error) in _DAMAGE


def unwritable(folder: Path, why: str) -> ConfigError:
    """The error for a directory that takes no files."""
    return ConfigError(f"{folder}: cannot be written ({why}): make it writable or choose another data_dir or --data")


def in_words(path: Path, error: sqlite3.Error, *, read_only: bool) -> Exception:
    """The exception to raise for what SQLite says, by who must act."""
    code = _code(error)
    if code == sqlite3.SQLITE_FULL:
        return StoreUnavailable(f"{path}: the disk is full: free some space; points wait in memory meanwhile", 5.0)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreUnavailable(f"{path}: is locked by another process: waiting for it", 1.0)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        why = _refusal(path)
        if why:
            return unwritable(path.parent, why)
        return StoreUnavailable(f"{path}: cannot be opened for writing ({error}): check its owner and permissions", 5.0)
    if code in _DAMAGE:
        wait_s = _REREAD_S if read_only else 0.0
        return StoreUnavailable(f"{path}: is damaged ({error}): the next write keeps it aside and starts anew", wait_s)
    if code == sqlite3.SQLITE_IOERR:
        return StoreUnavailable(f"{path}: the disk answers with an error ({error}): check the disk", 5.0)
    return error


def _refusal(path: Path) -> str:
    """Why the directory takes no files, asked of the system itself; empty when it does."""
    trial = path.with_name(f".{path.name}.{os.getpid()}.trial")
    try:
        trial.touch(exist_ok=False)
        trial.unlink()
    except OSError as error:
        return "" if error.errno == errno.ENOSPC else error.strerror or str(error)
    return ""


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
