"""The process behind a PID by psutil, remembered after it is gone. For Windows; Linux reads ``/proc`` (``procfs``)."""

from typing import Final

import psutil

from collector.capture import Owner
from qos.system import clock

_REMEMBERED: Final = 8192
_FRESH_NS: Final = 1_000_000_000
"""A PID is not used again so soon."""


class Programs:
    """Executables by PID, remembered: the last bytes of a process are read after its end."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, Owner]] = {}

    def start(self) -> None:
        """Nothing to watch: the events tell early enough."""

    def stop(self) -> None:
        """Nothing to stop."""

    def look(self, pid: int) -> Owner | None:
        """Read the process now, unless that was done just now; None when it is gone and was never seen."""
        known, now_ns = self._known.get(pid), clock.monotonic_ns()
        if known is not None and now_ns - known[0] < _FRESH_NS:
            return known[1]
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                owner = Owner(pid, int(process.create_time() * 1e9), process.name(), _exe(process))
        except (psutil.Error, OSError):
            return known[1] if known is not None else None
        if len(self._known) >= _REMEMBERED:
            for old in list(self._known)[: _REMEMBERED // 4]:
                self._known.pop(old, None)
        self._known.pop(pid, None)
        self._known[pid] = (now_ns, owner)
        return owner

    def owner(self, pid: int) -> Owner:
        """Who that is or was; a nameless owner when nobody ever saw it."""
        known = self._known.get(pid)
        return known[1] if known is not None else self.look(pid) or Owner(pid)


def _exe(process: psutil.Process) -> str:
    try:
        return process.exe()
    except (psutil.Error, OSError):
        return ""
