"""A collector for as long as a window is open: started as a child when none runs, stopped with the window."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from console.commands.context import Context
from console.supervisor.child import start_child, stop_children
from qos.contract.documents.live import Live
from qos.contract.errors import ConfigError, StoreUnavailable
from qos.service import make_data_dir
from qos.system import clock


class TemporaryCollector:
    """The child, and the live document that it writes."""

    def __init__(self, context: Context, process: subprocess.Popen[bytes]) -> None:
        self._context, self._process = context, process
        self._last_line = ""
        self._reader = threading.Thread(target=self._drain, name="collector-log", daemon=True)
        self._reader.start()
        self._since_ns = clock.wall_ns()

    def _drain(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as pipe:
            for line in pipe:
                self._last_line = line.decode("utf-8", "replace").strip() or self._last_line

    def ended(self) -> str | None:
        """The child's last words when it has ended; None while it runs."""
        if self._process.poll() is None:
            return None
        self._reader.join(1)
        return self._last_line.removeprefix("autoqos: ") or f"status {self._process.returncode}, without a word"

    def wait_for(self, measured_ns: int, patience_s: float) -> Live:
        """The first live document with so much measured. Raises ConfigError with the child's words when it ends."""
        pause = threading.Event()
        deadline_ns = clock.monotonic_ns() + int(patience_s * 1e9)
        while clock.monotonic_ns() < deadline_ns:
            if (words := self.ended()) is not None:
                raise ConfigError(words)
            live = self._read()
            if live is not None and live.time_ns - live.started_ns >= measured_ns * 9 // 10:
                return live
            pause.wait(0.1)
        raise ConfigError(
            f"the collector measured nothing within {patience_s:.0f} s: {self._last_line or 'no message'}"
        )

    def _read(self) -> Live | None:
        if not self._context.has_store:
            return None
        try:
            with self._context.reading() as store:
                live = Live.parse(store.get_state(Live.KEY))
        except StoreUnavailable:  # it is being made at this moment
            return None
        return live if live is not None and live.started_ns >= self._since_ns - 10**9 else None


@contextmanager
def temporary_collector(context: Context) -> Iterator[TemporaryCollector]:
    """A collector as a child of this process, stopped at the end. Raises ConfigError when it cannot write its data."""
    make_data_dir(context.data, context.config.data_group)
    process = start_child("collector", context.config_path, context.data)
    try:
        yield TemporaryCollector(context, process)
    finally:
        stop_children([process], grace_s=4.0)
