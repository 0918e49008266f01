"""What every command starts from: the configuration, where the data is, and the store opened the way it is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qos.contract.config import Config
from qos.contract.errors import ConfigError
from qos.service import data_dir, make_data_dir, private_files, store_path
from qos.service.config_file import find_config, load_config

if TYPE_CHECKING:
    from qos.store.sqlite.store import SqliteStore


@dataclass(frozen=True, slots=True)
class Context:
    """One invocation of the command line."""

    config: Config
    config_path: Path | None
    data: Path

    @property
    def store_path(self) -> Path:
        """The embedded store's file."""
        return store_path(self.data)

    @property
    def has_store(self) -> bool:
        """Whether somebody has begun a store here; an empty file is one that is being made at this moment."""
        try:
            return self.store_path.stat().st_size > 0
        except OSError:
            return False

    @contextmanager
    def reading(self) -> "Iterator[SqliteStore]":
        """The store, read only. Raises ConfigError when there is none yet, StoreUnavailable."""
        from qos.store.sqlite.store import SqliteStore

        if not self.has_store:
            raise ConfigError(f"no data in {self.data} yet: start `autoqos up`, or name the folder with --data")
        store = SqliteStore(self.store_path, read_only=True)
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def writing(self) -> "Iterator[SqliteStore]":
        """The store, to write settings; made when there is none. Raises ConfigError, StoreUnavailable."""
        from qos.store.sqlite.store import SqliteStore

        make_data_dir(self.data, self.config.data_group)
        with private_files():
            store = SqliteStore(self.store_path)
        try:
            yield store
        finally:
            store.close()


def open_context(config: Path | None, data: Path | None, *, reading: bool = True) -> Context:
    """The context that ``--config`` and ``--data`` name. Raises ConfigError."""
    path = find_config(config)
    settings = load_config(path)
    return Context(settings, path, data_dir(settings, data, reading=reading))
