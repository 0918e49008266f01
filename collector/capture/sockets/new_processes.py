"""Which processes are new since the last question, without listing all there are, and who used a socket first."""

from collections.abc import Callable, Iterable
from typing import Final

from qos.system.sockets.open_sockets_linux import holders, pids, socket_inodes

_FEW: Final = 1024
_INIT: Final = 1


def _last_pid() -> int:
    with open("/proc/loadavg", "rb", buffering=0) as file:
        return int(file.read(256).split()[4])


class NewProcesses:
    """Remembers the last PID that was given out.

    PIDs are given out in a circle, and ``/proc/loadavg`` ends with the last one: nothing is new while it stays.
    """

    def __init__(self, last_pid: Callable[[], int] = _last_pid) -> None:
        self._last_pid = last_pid
        self._last = last_pid()

    def new(self) -> set[int]:
        """The processes (no threads) started since it was asked last, as far as they still live."""
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


def first_holders(among: Iterable[int]) -> dict[int, int]:
    """One holder of each socket inode: the oldest process (lowest PID), but init only when nobody else holds it."""
    return {inode: next((pid for pid in held if pid != _INIT), _INIT) for inode, held in holders(among).items()}
