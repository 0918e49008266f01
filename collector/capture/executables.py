"""Which program runs, or ran, under a PID: the capture backends' one cache of processes.

A program is remembered after its process is gone, because its last bytes are read later than that. One rule tells a
reused PID apart: of the processes seen under it, a flow belongs to the one that started last before the flow was made.
A process that has become another program since (exec) is read again when the last look is not fresh.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from collector.capture import Owner
from qos.system import clock
from qos.system.processes import SystemReader

MAX_REMEMBERED: Final = 8192
ROUNDING_NS: Final = 20_000_000
"""A process's start is known to a clock tick only (10 ms on Linux), and so is that of the flow it is compared with."""


class ExecutableReader(Protocol):
    """Reads one process's executable from the system (``qos.system.processes.SystemReader``)."""

    def executable(self, pid: int) -> tuple[int, str, str] | None:
        """Start (UTC, ns), name and path; an empty path when it cannot be read; None when the process is gone."""


@dataclass(frozen=True, slots=True)
class _Look:
    at_ns: int
    owner: Owner
    earlier: Owner | None = None
    """Who had this PID before."""


class Executables:
    """See the module. Several threads may use it. A second look within ``fresh_ns`` is answered from memory."""

    def __init__(self, fresh_ns: int, reader: ExecutableReader | None = None) -> None:
        self._fresh_ns = fresh_ns
        self._reader: ExecutableReader = reader or SystemReader()
        self._looks: dict[int, _Look] = {}
        self._parents: dict[int, int] = {}

    def look(self, pid: int, *, fresh: bool = False) -> Owner | None:
        """The process as it is now, or as it was last seen; None when nobody ever saw it. ``fresh`` reads it anyway."""
        last, now_ns = self._looks.get(pid), clock.monotonic_ns()
        if last is not None and not fresh and now_ns - last.at_ns < self._fresh_ns:
            return last.owner
        found = self._reader.executable(pid)
        if found is None:
            return last.owner if last is not None else None
        started_ns, name, exe = found
        owner, earlier = Owner(pid, started_ns, name, exe), last.earlier if last is not None else None
        if last is not None and last.owner.started_ns != started_ns:
            earlier = last.owner
        elif last is not None and not exe:
            owner = last.owner  # it is ending: its path cannot be read any more
        if len(self._looks) >= MAX_REMEMBERED:
            for old in list(self._looks)[: MAX_REMEMBERED // 4]:
                self._looks.pop(old, None)
        self._looks.pop(pid, None)
        self._looks[pid] = _Look(now_ns, owner, earlier)
        return owner

    def forked(self, pid: int, parent: int) -> None:
        """A process was forked: until it execs it goes by its parent's name, also when it is gone before any look."""
        if len(self._parents) >= MAX_REMEMBERED:
            self._parents.clear()
        self._parents[pid] = parent

    def execed(self, pid: int) -> None:
        """A process became another program just now."""
        self._parents.pop(pid, None)
        self.look(pid, fresh=True)

    def owner(self, pid: int, at_ns: int | None = None, name: str = "") -> Owner:
        """Who had this PID at ``at_ns`` (UTC; None: now). ``name`` is all that is known of one that nobody saw."""
        found = self.look(pid)
        last = self._looks.get(pid)
        earlier = last.earlier if last is not None else None
        for owner in (found, earlier):
            if owner is not None and (at_ns is None or owner.started_ns <= at_ns + ROUNDING_NS):
                return owner
        parent = self.look(self._parents[pid]) if pid in self._parents else None
        return Owner(pid, 0, parent.name, parent.exe) if parent is not None else Owner(pid, 0, name)
