"""The ``counters`` backend: Windows 11 24H2 counts the network bytes of every process itself. No driver, no events.

The counters are cumulative payload bytes; packets are not counted, and headers are estimated as full packets would
have them. A process that was there before us starts at its present reading, a newer one at zero. What a process moved
between the last look and its end is missed.
"""

import sys
from collections.abc import Callable, Iterable

import psutil

from collector.capture import CaptureUnavailable, Delta, Owner, Sample
from collector.capture.executables import Executables
from qos.system import clock

Reading = tuple[int, int]
"""Payload bytes received and sent since the process began."""
_SEGMENT, _HEADER = 1460, 40


class ProcessCounters:
    """See the module. ``read`` and ``pids`` are for tests; the defaults ask the system."""

    name = "counters"
    blind_to: tuple[str, ...] = (
        "packets and exact header bytes: only payload bytes are counted",
        "the last bytes of a process that ended",
        "processes of other users, without an administrator's rights",
    )

    def __init__(
        self,
        read: Callable[[int], Reading | None] | None = None,
        pids: Callable[[], Iterable[int]] = psutil.pids,
        executables: Executables | None = None,
    ) -> None:
        self._read, self._pids = read, pids
        self._executables = executables or Executables(5 * clock.NS_PER_S)
        self._last: dict[int, tuple[Owner, Reading]] = {}
        self._began_ns = 0

    def start(self) -> None:
        """Take every process's baseline. Raises CaptureUnavailable."""
        if self._read is None:
            self._read = _system_reader()
        self._began_ns = clock.wall_ns()
        self._look()

    def poll(self) -> Sample:
        """One delta for every process that moved something."""
        return Sample(tuple(self._look()))

    def _look(self) -> list[Delta]:
        assert self._read is not None
        deltas, found = [], {}
        for pid in self._pids():
            reading = self._read(pid)
            owner = self._executables.look(pid) if reading is not None else None
            if reading is None or owner is None:
                continue
            found[pid] = (owner, reading)
            before = self._last.get(pid)
            if before is not None and before[0].started_ns == owner.started_ns:
                since = before[1]
            elif owner.started_ns >= self._began_ns:
                since = (0, 0)
            else:
                continue
            received, sent = reading[0] - since[0], reading[1] - since[1]
            if received > 0 or sent > 0:
                deltas.append(_delta(owner, max(received, 0), max(sent, 0)))
        self._last = found
        return deltas

    def stop(self) -> None:
        """Nothing is held. Safe to call twice."""
        self._last.clear()


def _delta(owner: Owner, received: int, sent: int) -> Delta:
    rx, tx = -(-received // _SEGMENT), -(-sent // _SEGMENT)
    return Delta(owner, received + rx * _HEADER, sent + tx * _HEADER, rx, tx)


def _system_reader() -> Callable[[int], Reading | None]:
    if sys.platform != "win32":
        raise CaptureUnavailable("runs on Windows alone")
    from collector.capture.etw.counters_windows import SystemCounters

    counters = SystemCounters()
    if not counters.by_process:
        raise CaptureUnavailable("needs Windows 11 24H2, which counts network bytes by process")
    return counters.process
