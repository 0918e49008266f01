"""Keeps one child alive: starts it, notices its end, starts it again after a pause, and counts that."""

import subprocess
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from console.supervisor.backoff import Backoff
from console.supervisor.child import start_child


@dataclass(frozen=True, slots=True)
class Ended:
    """A child that ended unasked, or could not be started (``status`` None, ``last_line`` says why).

    ``status`` below zero is a signal; ``again_s`` is the pause before its restart.
    """

    part: str
    status: int | None
    last_line: str
    again_s: float


class SupervisedChild:
    """One part. ``tell(part, line)`` receives the child's log lines, from a thread of its own."""

    def __init__(self, part: str, config_path: Path | None, data: Path, tell: Callable[[str, str], None]) -> None:
        self.part = part
        self.restarts = 0
        self.child: subprocess.Popen[bytes] | None = None
        self._config_path, self._data, self._tell = config_path, data, tell
        self._backoff = Backoff()
        self._due_ns: int | None = 0
        self._last: deque[str] = deque(maxlen=1)
        self._reader: threading.Thread | None = None
        self._started = False

    @property
    def state(self) -> str:
        """``running``, or ``waiting`` for its next start."""
        return "running" if self.child is not None else "waiting"

    @property
    def last_line(self) -> str:
        """The child's newest log line."""
        return self._last[0] if self._last else ""

    def poll(self, now_ns: int) -> Ended | None:
        """Notice an end, start what is due. ``now_ns`` is monotonic. An end is reported once."""
        ended = None
        if self.child is not None and (status := self.child.poll()) is not None:
            ended = self._ended(status, now_ns)
        if self.child is None and self._due_ns is not None and now_ns >= self._due_ns:
            ended = self._start(now_ns) or ended
        return ended

    def _ended(self, status: int, now_ns: int) -> Ended:
        if self._reader is not None:
            self._reader.join(1)
        if self.child is not None and self.child.stdin is not None:
            self.child.stdin.close()
        self.child = None
        self._due_ns = self._backoff.ended(now_ns)
        return Ended(self.part, status, self.last_line, (self._due_ns - now_ns) / 1e9)

    def _start(self, now_ns: int) -> Ended | None:
        try:
            self.child = start_child(self.part, self._config_path, self._data)
        except OSError as error:  # no process, memory or descriptor left for it: the others go on
            self._due_ns = self._backoff.ended(now_ns)
            return Ended(self.part, None, str(error), (self._due_ns - now_ns) / 1e9)
        self.restarts += self._started
        self._started = True
        self._backoff.started(now_ns)
        self._due_ns = None
        self._reader = threading.Thread(target=self._read, args=(self.child,), name=f"{self.part}-log", daemon=True)
        self._reader.start()
        return None

    def _read(self, child: "subprocess.Popen[bytes]") -> None:
        assert child.stderr is not None
        with child.stderr as pipe:
            for raw in pipe:
                line = raw.decode("utf-8", "replace").rstrip()
                if line:
                    self._last.append(line)
                    self._tell(self.part, line)
