"""The process behind a PID on Linux, remembered after it is gone. The same class as in ``programs_psutil``."""

import sys
from typing import Final

from collector.capture import Owner
from collector.capture.divert import process_events_linux as births_linux
from collector.capture.sockets import procfs
from qos.system import clock

assert sys.platform == "linux"

_REMEMBERED: Final = 8192
_FRESH_NS: Final = 200_000_000
"""Within this, one process's many events are one look."""


class Programs:
    """Executables by PID, remembered: the last bytes of a process are read after its end. Threads may share it."""

    def __init__(self) -> None:
        self._programs = procfs.Programs(clock.boot_ns())
        self._looked: dict[int, tuple[int, Owner]] = {}
        self._parents: dict[int, int] = {}
        self._births: births_linux.Births | None = None

    def start(self) -> None:
        """Watch processes being born, where the kernel tells."""
        try:
            self._births = births_linux.Births(self._born)
        except OSError:
            self._births = None  # not the first PID namespace, or a kernel without: flow events alone must do

    def stop(self) -> None:
        """Watch no more. Safe to call twice."""
        births, self._births = self._births, None
        if births is not None:
            births.stop()

    def _born(self, pid: int, parent: int) -> None:
        if not parent:
            self._parents.pop(pid, None)
            self._read(pid, clock.monotonic_ns())
            return
        if len(self._parents) >= _REMEMBERED:
            self._parents.clear()
        self._parents[pid] = parent

    def look(self, pid: int) -> Owner | None:
        """Read the process now, unless that was just done; None when it is gone and was never seen."""
        looked, now_ns = self._looked.get(pid), clock.monotonic_ns()
        if looked is not None and now_ns - looked[0] < _FRESH_NS:
            return looked[1]
        return self._read(pid, now_ns) or (looked[1] if looked is not None else None)

    def _read(self, pid: int, now_ns: int) -> Owner | None:
        found = self._programs.look(pid)
        if found is None:
            return None
        if len(self._looked) >= _REMEMBERED:
            self._looked.clear()
        self._looked[pid] = (now_ns, found[1])
        return found[1]

    def owner(self, pid: int) -> Owner:
        """Who that is or was. A child that was never seen goes by its parent's name; else it is a bare PID."""
        owner = self.look(pid)
        if owner is None and (parent := self._parents.get(pid)):
            seen = self.look(parent)
            owner = Owner(pid, 0, seen.name, seen.exe) if seen is not None else None
        return owner or Owner(pid)
