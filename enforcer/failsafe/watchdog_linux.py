"""The watchdog's own process. The kernel's classifiers wait three seconds for a dead owner's sign of life, and take
packets all the while; so it reads a pipe from the enforcer, where each byte is a sign of life. The pipe's end means
that the enforcer is dead: its classifiers are detached at once. More than ``SILENT_S`` without a byte means that it
is stopped (a debugger, SIGSTOP, Ctrl-Z) or starved while it holds packets: it is killed, then the same; its
supervisor starts it again. The kernel's own queues end with the process; what is left of them does nothing and is
taken away here.
"""

import os
import select
import signal
import sys
from typing import IO, Final

from enforcer.datapath.kernel import devices
from enforcer.failsafe.leftovers_linux import remove
from enforcer.failsafe.watchdog import BYE
from qos.packets.divert import available, unregister
from qos.system.clock import NS_PER_S, monotonic_ns

assert sys.platform != "win32"  # tells the type checker whose file this is

SILENT_S: Final = 1.05
"""Longer than the engine's own patience with a stalled pump (1 s), and short enough that packets flow before TCP's
fourth retransmission (1.4 s after the first loss): one later would make the pause 3 s."""


def watch(pipe: IO[bytes], owner: int) -> str:
    """Read signs of life until they end: ``bye``, ``dead`` or ``silent`` (the owner is killed then)."""
    fd = pipe.fileno()
    while True:
        before = monotonic_ns()
        ready, _, _ = select.select([fd], [], [], SILENT_S)
        if ready:
            said = os.read(fd, 4096)
            if not said:
                return "dead"
            if BYE in said:
                return "bye"
        elif monotonic_ns() - before < 2 * SILENT_S * NS_PER_S:  # else it was us who slept
            if os.getppid() == owner:
                os.kill(owner, signal.SIGKILL)
            return "silent"


def main() -> int:
    """The watchdog's own process: ``python -m enforcer.failsafe.watchdog_linux PID``."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with its owner, not before
    how = watch(sys.stdin.buffer, int(sys.argv[1]))
    if how != "bye":
        for _ in range(50):  # a killed process holds its programs until the kernel has buried it
            _detach()
            if how == "dead" or not _alive(int(sys.argv[1])):
                break
            select.select([], [], [], 0.02)
        _detach()
        devices.remove_leftovers(int(sys.argv[1]))
    return 0


def _detach() -> None:
    if available() is None:
        unregister()
        remove()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"


if __name__ == "__main__":
    sys.exit(main())
