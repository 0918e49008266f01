"""The process behind a PID on Linux, remembered after it is gone. The same class as in ``programs_psutil``."""

import sys
from typing import Final

from collector.capture import Owner, procfs
from qos import clock

assert sys.platform == "linux"

_FRESH_NS: Final = 200_000_000
"""Within this, one process's many events are one look."""


class Programs:
    """Executables by PID, remembered: the last bytes of a process are read after its end."""

    def __init__(self) -> None:
        self._programs = procfs.Programs(clock.boot_ns())
        self._looked: dict[int, tuple[int, Owner]] = {}

    def look(self, pid: int) -> Owner | None:
        """Read the process now, unless that was just done; None when it is gone and was never seen."""
        looked, now_ns = self._looked.get(pid), clock.monotonic_ns()
        if looked is not None and now_ns - looked[0] < _FRESH_NS:
            return looked[1]
        found = self._programs.look(pid)
        if found is None:
            return looked[1] if looked is not None else None
        if len(self._looked) >= 8192:
            self._looked.clear()
        self._looked[pid] = (now_ns, found[1])
        return found[1]

    def owner(self, pid: int) -> Owner:
        """Who that is or was; a nameless owner when nobody ever saw it."""
        return self.look(pid) or Owner(pid)
