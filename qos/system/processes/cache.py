"""Which application a PID belongs to, remembered, so that a tick costs something only for processes not seen before.

The system's own way to read processes is chosen once (``reader_linux``, ``_windows``, else ``_psutil``). A
remembered process is checked against its start time once a tick, because PIDs are reused; one that is gone keeps its
identity for a while, since its last bytes arrive after it. A process that was gone before anybody could look goes by
the name that the capture backend saw.
"""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from qos.contract.environment import SUPERVISED
from qos.policy.applications import COMM_LENGTH, DELETED, OURSELVES, Family, Process, ProcessIdentity, app_name, root_of

if sys.platform == "linux":
    from qos.system.processes.reader_linux import ProcessReader as SystemReader
elif sys.platform == "win32":
    from qos.system.processes.reader_windows import ProcessReader as SystemReader
else:
    from qos.system.processes.reader_psutil import ProcessReader as SystemReader

__all__ = ["KEEP_GONE_NS", "KEEP_NS", "MAX_ENTRIES", "ProcessSource", "Processes", "SystemReader"]

KEEP_GONE_NS: Final = 10 * 10**9
"""How long the identity of a process that is gone is kept: its last bytes arrive after it."""
KEEP_NS: Final = 120 * 10**9
"""How long the identity of a living process that nobody asks for is kept."""
REFRESH_NS: Final = 10 * 10**9
MAX_ENTRIES: Final = 20_000
MAX_NAMES: Final = 4_096
_SAME_NS: Final = 50 * 10**6
"""Two readings of the same start may differ by rounding, never by so much."""
_START_NS: Final = 2 * 10**9
"""A backend may know a start less exactly (another clock, the wall clock's step since boot)."""


class ProcessSource(Protocol):
    """One system's way to read processes."""

    family: Family

    def glance(self, pid: int) -> tuple[int, str] | None:
        """Start (UTC, ns) and short name (empty where it never changes); None when there is no such process."""

    def usage(self, pid: int) -> tuple[int, int, int] | None:
        """Start (UTC, ns), CPU used since then (ns) and resident bytes; None when the process is gone."""

    def read(self, pid: int, *, scripts: bool) -> Process | None:
        """All that identity needs; None when the process is gone."""

    def pids(self) -> list[int]:
        """Every process there is."""

    def refresh(self) -> None:
        """Look again at what is known of all processes together."""


@dataclass(slots=True)
class _Entry:
    process: Process
    checked_ns: int
    gone_ns: int | None = None
    identity: ProcessIdentity | None = None


class Processes:
    """The cache. One thread uses it; ``now_ns`` is monotonic."""

    def __init__(self, scripts: Iterable[str] = (), reader: ProcessSource | None = None) -> None:
        self._reader: ProcessSource = reader or SystemReader()
        self._scripts = tuple(scripts)
        self._entries: dict[int, _Entry] = {}
        self._exe_names: dict[str, None] = {}
        # Ourselves: this process, and under a supervisor also that one and its other children.
        supervisor = os.getppid() if os.environ.get(SUPERVISED) == "1" else None
        self._own = {os.getpid(), supervisor} if reader is None else set()
        self._supervisor = supervisor if reader is None else None
        self._refreshed_ns: int | None = None
        self._swept_ns = 0

    def __len__(self) -> int:
        return len(self._entries)

    def identify(self, pid: int, now_ns: int, *, started_ns: int = 0, name: str = "", exe: str = "") -> ProcessIdentity:
        """The identity of ``pid``. The rest is what the capture backend saw: it names a process that is gone already,
        and ``started_ns`` (0: unknown) keeps a reused PID's new owner from getting the old one's bytes.
        """
        entry = self._look(pid, now_ns) or self._entries.get(pid)
        if entry is not None:
            same = (
                abs(started_ns - entry.process.started_ns) < _START_NS
                if started_ns and entry.process.started_ns
                else True
            )
            if same and (entry.gone_ns is None or not name or _could_be(name, entry.process)):
                if entry.identity is None:
                    entry.identity = self._identity(entry.process, now_ns)
                return entry.identity
        ghost = _Entry(Process(pid=pid, started_ns=started_ns, name=name, exe=exe, background=True), now_ns, now_ns)
        ghost.identity = self._identity(ghost.process, now_ns)
        if entry is None or entry.gone_ns is not None:
            self._entries[pid] = ghost
        return ghost.identity

    def usage(self, pid: int) -> tuple[int, int, int] | None:
        """Start (UTC, ns), CPU used since then (ns) and resident bytes; None when the process is gone."""
        return self._reader.usage(pid)

    def all_pids(self) -> list[int]:
        """Every process there is."""
        return self._reader.pids()

    def name_by(self, scripts: Iterable[str]) -> None:
        """Other globs of scripts: identities are made anew as they are asked for."""
        self._scripts = tuple(scripts)
        self._entries.clear()

    def sweep(self, now_ns: int) -> None:
        """Drop who is gone, and who was not asked for in a while. Cheap; call it every tick."""
        if now_ns - self._swept_ns < REFRESH_NS and len(self._entries) < MAX_ENTRIES:
            return
        self._swept_ns = now_ns
        for pid, entry in list(self._entries.items()):
            age_ns = now_ns - (entry.checked_ns if entry.gone_ns is None else entry.gone_ns)
            if age_ns > (KEEP_NS if entry.gone_ns is None else KEEP_GONE_NS):
                del self._entries[pid]
        for pid in list(self._entries)[: max(0, len(self._entries) - MAX_ENTRIES)]:
            del self._entries[pid]

    def _look(self, pid: int, now_ns: int) -> _Entry | None:
        """The living process of that PID: remembered and still the same, else read; None when there is none."""
        entry = self._entries.get(pid)
        if entry is not None:
            if entry.checked_ns == now_ns:
                return entry if entry.gone_ns is None else None
            found = self._reader.glance(pid)
            if found is None:
                entry.checked_ns = now_ns
                entry.gone_ns = now_ns if entry.gone_ns is None else entry.gone_ns
                return None
            started_ns, name = found
            same = entry.process.started_ns and abs(started_ns - entry.process.started_ns) < _SAME_NS
            if same and (not name or name == entry.process.name):  # another name: it has become another program (exec)
                entry.checked_ns, entry.gone_ns = now_ns, None
                return entry
        if self._refreshed_ns is None or now_ns - self._refreshed_ns > REFRESH_NS:
            self._reader.refresh()
            self._refreshed_ns = now_ns
        process = self._reader.read(pid, scripts=bool(self._scripts))
        if process is None:
            return None
        fresh = self._entries[pid] = _Entry(process, now_ns)
        return fresh

    def _identity(self, process: Process, now_ns: int) -> ProcessIdentity:
        family = self._reader.family
        root = root_of(process, lambda pid: self._parent(pid, now_ns), family)
        known = () if process.exe else tuple(self._exe_names)  # only a name cut short is completed
        own = app_name(process, family, self._scripts, known)
        app = own if root is process else app_name(root, family, self._scripts)
        if process.pid in self._own or (process.parent and process.parent == self._supervisor):
            own = app = OURSELVES
        if process.exe and own not in self._exe_names and len(self._exe_names) < MAX_NAMES:
            self._exe_names[own] = None
        return ProcessIdentity(
            pid=process.pid,
            started_ns=process.started_ns,
            app=app,
            name=own,
            exe=(root.exe or process.exe).removesuffix(DELETED),
            service=bool(process.service),
            background=process.background and root.background,
        )

    def _parent(self, pid: int, now_ns: int) -> Process | None:
        entry = self._look(pid, now_ns)
        return entry.process if entry is not None else None


def _could_be(name: str, process: Process) -> bool:
    """Whether the short name that a backend saw may be this process's (a thread's name is not looked at)."""
    return process.name.startswith(name[:COMM_LENGTH]) or process.exe.rpartition("/")[2].startswith(name[:COMM_LENGTH])
