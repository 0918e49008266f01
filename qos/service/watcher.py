"""``config.yaml`` while it is edited: a good edit is a new ``Config``, a bad one is its error lines and keeps the old.

The file's identity (time, size, inode) is looked at on every ``poll``; only when two looks in a row agree is it read,
so that a file caught while an editor writes it is not taken for an empty one. Polled once a second, an edit is in
force within two.
"""

from dataclasses import dataclass
from pathlib import Path

from qos.contract.config import Config
from qos.contract.errors import ConfigError
from qos.service.config_file import load_config

_Signature = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """One edit. ``config`` is None when it was bad; ``errors`` then says why, one line per problem."""

    config: Config | None
    errors: tuple[str, ...] = ()


class ConfigWatcher:
    """Watches the file that a process was started with; without a file (``path=None``) nothing ever changes."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._taken = self._seen = _signature(path)

    def poll(self) -> ConfigChange | None:
        """What changed since the last call, once per edit. Never raises for what the user wrote."""
        now = _signature(self._path)
        stable, self._seen = now == self._seen, now
        if self._path is None or now == self._taken or not stable:
            return None
        self._taken = now
        if now is None:
            return ConfigChange(None, (f"{self._path}: no such file any more: the old settings stay in force",))
        try:
            return ConfigChange(load_config(self._path))
        except ConfigError as error:
            return ConfigChange(None, (*error.lines, f"{self._path}: not applied: the old settings stay in force"))


def _signature(path: Path | None) -> _Signature:
    try:
        stat = path.stat() if path is not None else None
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino) if stat is not None else None
