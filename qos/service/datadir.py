"""Where the data lives: decided in one place, so that every command looks into the same folder.

The order: ``--data``, then ``data_dir`` of ``config.yaml``, then the system's place (Linux root: ``/var/lib/autoqos``;
anybody else: the user's data folder). Who only reads and has no data of their own looks at what root's agent keeps.
"""

import os
import sys
from pathlib import Path
from typing import Final

import platformdirs

from qos.contract.config import Config
from qos.contract.errors import ConfigError

STORE_NAME: Final = "autoqos.db"
SYSTEM_DIR: Final = Path("/var/lib/autoqos")


def data_dir(
    config: Config,
    override: Path | None = None,
    *,
    reading: bool = False,
    system: Path = SYSTEM_DIR,
) -> Path:
    """The data directory, absolute; nothing is created.

    ``reading`` lets a command that only reads fall back to ``system`` when the user's own folder holds no store and
    the system's one can be read.
    """
    if override is not None:
        return override.expanduser().absolute()
    if config.data_dir != "auto":
        return Path(config.data_dir).expanduser().absolute()
    if sys.platform == "linux" and os.geteuid() == 0:
        return system
    own = Path(platformdirs.user_data_dir("autoqos", appauthor=False))
    if reading and sys.platform == "linux" and not store_path(own).exists() and os.access(store_path(system), os.R_OK):
        return system
    return own


def store_path(data: Path) -> Path:
    """The embedded store's file in a data directory."""
    return data / STORE_NAME


def make_data_dir(data: Path) -> Path:
    """Create the directory if need be and check that it can be written. Raises ConfigError with what to do."""
    hint = "choose another with --data or data_dir in config.yaml"
    try:
        data.mkdir(parents=True, exist_ok=True)
    except PermissionError:
        raise ConfigError(f"data directory {data}: no permission to create it: run as {_ADMIN}, or {hint}") from None
    except FileExistsError:
        raise ConfigError(f"data directory {data}: is a file, not a directory: {hint}") from None
    except OSError as error:
        raise ConfigError(f"data directory {data}: cannot be created ({error.strerror}): {hint}") from None
    if not os.access(data, os.W_OK | os.X_OK):
        raise ConfigError(f"data directory {data}: cannot be written: run as {_ADMIN}, or {hint}")
    return data


_ADMIN: Final = "administrator" if sys.platform == "win32" else "root"
