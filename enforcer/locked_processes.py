"""Process identities that two threads ask for: the loop's, for decisions, and the flow events', for owners.

``Processes`` belongs to one thread at a time, so each call takes a lock here.
"""

import threading
from collections.abc import Iterable

from qos.policy.applications import ProcessIdentity
from qos.system.processes import Processes, ProcessSource


class LockedProcesses(Processes):
    """``Processes`` behind a lock; the calls are the same."""

    def __init__(self, scripts: Iterable[str] = (), reader: ProcessSource | None = None) -> None:
        self._lock = threading.RLock()
        super().__init__(scripts, reader)

    def name_by(self, scripts: Iterable[str]) -> None:
        """As in ``Processes``."""
        with self._lock:
            super().name_by(scripts)

    def identify(self, pid: int, now_ns: int, *, started_ns: int = 0, name: str = "", exe: str = "") -> ProcessIdentity:
        """As in ``Processes``."""
        with self._lock:
            return super().identify(pid, now_ns, started_ns=started_ns, name=name, exe=exe)

    def sweep(self, now_ns: int) -> None:
        """As in ``Processes``."""
        with self._lock:
            super().sweep(now_ns)
