"""The collector's entry point: opens the store, chooses a capture backend, runs the loop until told to stop."""

import logging
import threading
from pathlib import Path
from typing import Final

from collector.capture.runner import Opened
from collector.loop import CollectorLoop
from qos.contract.config import Config
from qos.service import ConfigWatcher, store_path
from qos.store.sqlite.store import SqliteStore

_log: Final = logging.getLogger(__name__)


def run(config: Config, config_path: Path | None, data: Path, stop: threading.Event) -> int:
    """Collect until ``stop`` is set; the exit status. Raises ConfigError when the user must act."""
    watcher = ConfigWatcher(config_path)
    store = SqliteStore.when_available(store_path(data), stop, retention=config.retention, host=config.host)
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
