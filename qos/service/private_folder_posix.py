"""The data folder on Linux and macOS: readable for its owner, and for one group when the settings name it."""

import os
import sys
from pathlib import Path
from typing import Final

from qos.contract.errors import ConfigError

assert sys.platform != "win32"  # tells the type checker whose file this is

import grp  # noqa: E402 - idem

FOLDER_MODE: Final = 0o750
FILE_MODE: Final = 0o640
_SHARED_FOLDER: Final = 0o2750
"""With the set-group-ID bit new files belong to the folder's group (inode(7))."""


def system_folder() -> Path:
    """Where root's agent keeps its data."""
    return Path("/var/lib/autoqos")


def create(folder: Path) -> None:
    """Make the folder, and its parents if need be. Raises OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def secure(folder: Path, *, ours: bool, group: str | None) -> None:
    """Close a folder that an older version left open to everybody (``ours``), and give ``group`` the right to read.

    A folder that somebody chose (``--data``) keeps its mode, unless a group is named. Raises ConfigError for a group
    that there is not or that may not be given, OSError.
    """
    if folder.stat().st_uid != os.geteuid():
        return
    gid = -1
    if group is not None:
        try:
            gid = grp.getgrnam(group).gr_gid
            os.chown(folder, -1, gid)
        except KeyError:
            raise ConfigError(f"data_group: there is no group {group!r}: make it (groupadd) or name another") from None
        except PermissionError:
            raise ConfigError(f"data_group: {group!r} is not a group of yours: join it, or run as root") from None
        folder.chmod(_SHARED_FOLDER)
    elif ours:
        folder.chmod(FOLDER_MODE & folder.stat().st_mode)
    else:
        return
    for path in folder.glob("autoqos.db*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_uid == os.geteuid():
            os.chown(path, -1, gid)
            path.chmod(FILE_MODE)


def readable(path: Path) -> bool:
    """Whether this process may read the file."""
    return os.access(path, os.R_OK)


def writable(folder: Path) -> bool:
    """Whether this process may make files in the folder."""
    return os.access(folder, os.W_OK | os.X_OK)


def files_for_owner_and_group() -> int:
    """From here on files of this process are not readable for others; returns the umask that was."""
    return os.umask(0o777 & ~FOLDER_MODE)
