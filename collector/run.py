"""The collector's entry point: opens the store, chooses a capture backend, runs the loop until told to stop."""

import logging
import threading
from pathlib import Path
from typing import Final

from collector.capture.runner import Opened
from collector.loop import CollectorLoop
from qos.contract.config import Config
from qos.contract.errors import StoreUnavailable
from qos.service import ConfigWatcher, store_path
from qos.store.sqlite.store import SqliteStore

_log: Final = logging.getLogger(__name__)


def run(config: Config, config_path: Path | None, data: Path, stop: threading.Event) -> int:
    """Collect until ``stop`` is set; the exit status. Raises ConfigError when the user must act."""
    watcher = ConfigWatcher(config_path)
    store = _open_store(config, data, stop)
    if store is None:
        return 0
    with store:
        for note in store.notes:
            _log.warning("%s", note)
        CollectorLoop(config, store, opener=open_capture, watcher=watcher).run(stop)
    return 0


def open_capture(config: Config) -> Opened:
    """The first capture backend that works here, started. Raises CaptureUnavailable or ConfigError."""
    from collector.capture.choose import choose

    capture, reason = choose(config)
    return Opened(capture, reason)


def _open_store(config: Config, data: Path, stop: threading.Event) -> SqliteStore | None:
    """The store; waits for one that is unavailable now (a full disk). None when told to stop meanwhile."""
    while True:
        try:
            return SqliteStore(store_path(data), retention=config.retention, host=config.host_tag)
        except StoreUnavailable as error:
            _log.warning("the store cannot be opened yet: %s", error)
            if stop.wait(max(1.0, error.retry_after_s)):
                return None
