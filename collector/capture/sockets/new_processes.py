"""What ``/proc`` tells of the processes behind sockets: who holds which socket, and the executable behind a PID.

A program is remembered after its process is gone, because its last bytes are read later than that; a PID that was used
again is told apart by when its process started. Source: proc(5).
"""

import os
import sys
from collections.abc import Callable, Iterable
from typing import Final

from collector.capture import Owner
from collector.capture.sockets.owners import Creator
from qos.system import processes_linux

assert sys.platform == "linux"

_TICK_NS: Final = 10**9 // os.sysconf("SC_CLK_TCK")
_ROUNDING_NS: Final = 2 * _TICK_NS
"""A process's start is known to a clock tick only."""
_REMEMBERED: Final = 8192
_FEW: Final = 1024
_INIT: Final = 1


class Programs:
    """Executables by PID, remembered. ``boot_ns``: UTC of the boot; it makes start times that compare between ticks."""

    def __init__(self, boot_ns: int) -> None:
        self._boot_ns = boot_ns
        self._known: dict[int, tuple[int, Owner]] = {}
        self._looked: dict[int, list[tuple[int, Owner]]] = {}

    def refresh(self) -> None:
        """From now on look again, once for each process."""
        self._looked.clear()

    def look(self, pid: int) -> tuple[int, Owner] | None:
        """Read the process now: when it started (ns since boot) and who it is. None when it is gone."""
        try:
            with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
                stat = processes_linux.parse_stat(file.read(1024))
        except (OSError, ValueError, IndexError):
            return None
        try:
            exe = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
        except OSError:
            exe = ""  # a kernel thread, a zombie, or not ours to read
        started = stat.started_ticks * _TICK_NS
        before = self._known.get(pid)
        if not exe and before is not None and before[0] == started:
            return before
        owner = Owner(pid, self._boot_ns + started, exe.rpartition("/")[2] or stat.name, exe)
        if len(self._known) >= _REMEMBERED:
            for old in list(self._known)[: _REMEMBERED // 4]:
                self._known.pop(old, None)
        self._known.pop(pid, None)
        self._known[pid] = (started, owner)
        return started, owner

    def owner(self, creator: Creator) -> Owner:
        """Who that was: as it is now (a process may have exec'ed since), as it was last seen, or its comm alone."""
        candidates = self._looked.get(creator.pid)
        if candidates is None:
            remembered = self._known.get(creator.pid)
            found = (self.look(creator.pid), remembered)
            candidates = self._looked[creator.pid] = [each for each in found if each is not None]
        for started_ns, owner in candidates:
            if started_ns <= creator.at_ns + _ROUNDING_NS:
                return owner
        return Owner(creator.pid, 0, creator.comm)


def _last_pid() -> int:
    with open("/proc/loadavg", "rb", buffering=0) as file:
        return int(file.read(256).split()[4])


class Family:
    """Tells which processes were born between two questions, without listing all there are.

    PIDs are given out in a circle, and ``/proc/loadavg`` ends with the last one: nothing was born while it stays.
    """

    def __init__(self, last_pid: Callable[[], int] = _last_pid) -> None:
        self._last_pid = last_pid
        self._last = last_pid()

    def births(self) -> set[int]:
        """The processes (no threads) born since it was asked last, as far as they still live."""
        before, self._last = self._last, self._last_pid()
        if self._last == before:
            return set()
        if before < self._last <= before + _FEW:
            candidates = set(range(before + 1, self._last + 1))
        elif before < self._last:
            candidates = {pid for pid in pids() if before < pid <= self._last}
        else:  # once around
            candidates = {pid for pid in pids() if pid > before or pid <= self._last}
        return {pid for pid in candidates if _is_process(pid)}

    def socket_inodes(self, pid: int) -> set[int]:
        """The sockets that a process holds open, by inode."""
        return socket_inodes(pid)


def _is_process(pid: int) -> bool:
    """False for a thread, whose ``/proc`` entry can be read though it is not listed."""
    try:
        with open(f"/proc/{pid}/status", "rb", buffering=0) as file:
            return b"\nTgid:\t%d\n" % pid in file.read(1024)
    except OSError:
        return False


def pids() -> set[int]:
    """Every process there is."""
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def socket_inodes(pid: int) -> set[int]:
    """The sockets that a process holds open, by inode. Empty when it is gone or not ours to see."""
    folder = f"/proc/{pid}/fd"
    found: set[int] = set()
    try:
        names = os.listdir(folder)
    except OSError:
        return found
    for name in names:
        try:
            target = os.readlink(f"{folder}/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(int(target[8:-1]))
    return found


def holders(among: Iterable[int]) -> dict[int, int]:
    """One holder of each socket inode: the oldest process (lowest PID), but init only when nobody else holds it."""
    held: dict[int, int] = {}
    for pid in sorted(among):
        for inode in socket_inodes(pid):
            if held.get(inode, _INIT) == _INIT:
                held[inode] = pid
    return held
