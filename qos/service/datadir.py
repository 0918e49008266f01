"""Where the data lives, decided in one place so that every command looks into the same folder, and who may read it.

The order: ``--data``, then ``data_dir`` of ``config.yaml``, then the system's place for an elevated agent (root on
Linux: ``/var/lib/autoqos``; Windows: ``%PROGRAMDATA%\\autoqos``), else the user's data folder. Who only reads and has
no data of their own looks at what the elevated agent keeps. What is measured says which programs a person runs, so
other users read nothing unless they are let in (docs/decisions/0051).
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import platformdirs

from qos.contract.config import Config
from qos.contract.errors import ConfigError
from qos.system.elevation import elevated

if sys.platform == "win32":
    from qos.service.private_folder_windows import (
        create,
        files_for_owner_and_group,
        readable,
        secure,
        system_folder,
        writable,
    )
else:
    from qos.service.private_folder_posix import (
        create,
        files_for_owner_and_group,
        readable,
        secure,
        system_folder,
        writable,
    )

STORE_NAME: Final = "autoqos.db"
_HAS_SYSTEM_PLACE: Final = sys.platform in ("linux", "win32")


def data_dir(
    config: Config,
    override: Path | None = None,
    *,
    reading: bool = False,
    system: Path | None = None,
) -> Path:
    """The data directory, absolute; nothing is created.

    ``reading`` lets a command that only reads fall back to the system's place (``system``) when the user's own folder
    holds no store and that one can be read.
    """
    if override is not None:
        return override.expanduser().absolute()
    if config.data_dir != "auto":
        return Path(config.data_dir).expanduser().absolute()
    if not _HAS_SYSTEM_PLACE:
        return _own_folder()
    system = system or system_folder()
    if elevated():
        return system
    own = _own_folder()
    if reading and not store_path(own).exists() and readable(store_path(system)):
        return system
    return own


def _own_folder() -> Path:
    return Path(platformdirs.user_data_dir("autoqos", appauthor=False))


def store_path(data: Path) -> Path:
    """The embedded store's file in a data directory."""
    return data / STORE_NAME


def make_data_dir(data: Path, group: str = "none") -> Path:
    """Create the directory if need be, for its owner and for ``group`` (``data_group``; none: nobody) to read, and
    check that it can be written. Raises ConfigError with what to do.
    """
    hint = "choose another with --data or data_dir in config.yaml"
    try:
        new = not data.exists()
        if new:
            create(data)
        elif not data.is_dir():
            raise FileExistsError
        ours = new or (_HAS_SYSTEM_PLACE and data in (system_folder(), _own_folder()))
        secure(data, ours=ours, group=None if group == "none" else group)
    except PermissionError:
        raise ConfigError(f"data directory {data}: no permission to create it: run as {_ADMIN}, or {hint}") from None
    except OSError as error:
        if data.is_file():
            raise ConfigError(f"data directory {data}: is a file, not a directory: {hint}") from None
        raise ConfigError(f"data directory {data}: cannot be created ({error.strerror}): {hint}") from None
    if not writable(data):
        raise ConfigError(f"data directory {data}: cannot be written: run as {_ADMIN}, or {hint}")
    return data


def keep_files_private() -> None:
    """Files that this process and its children make from here on are for the owner and the group only (umask)."""
    files_for_owner_and_group()


@contextmanager
def private_files() -> Iterator[None]:
    """The same for a while: around what opens the store in a process that also writes files for other people."""
    before = files_for_owner_and_group()
    try:
        yield
    finally:
        if sys.platform != "win32":
            os.umask(before)


_ADMIN: Final = "administrator" if sys.platform == "win32" else "root"
