"""The ``psutil`` backend: the last resort, anywhere. It lists who has connections; no bytes can be had this way.

So every delta is zero bytes with its number of flows: the views show the applications that are connected, and all
traffic stands as unattributed beside them.
"""

from collections import Counter
from contextlib import suppress
from typing import Final

import psutil

from collector.capture import Delta, Sample
from collector.capture.executables import Executables

_FRESH_NS: Final = 1_000_000_000


class PsutilCapture:
    """Applications with connections, without bytes."""

    name = "psutil"
    blind_to: tuple[str, ...] = ("how many bytes any application moves: only which ones are connected",)

    def __init__(self) -> None:
        self._executables = Executables(_FRESH_NS)
        self._told = False

    def start(self) -> None:
        """Nothing to begin."""

    def poll(self) -> Sample:
        """One delta of zero bytes for every process with a connection to another machine."""
        flows: Counter[int] = Counter()
        for pid, remote in _connections():
            if remote and not remote.startswith("127.") and remote != "::1":
                flows[pid] += 1
        deltas = tuple(Delta(self._executables.owner(pid), 0, 0, 0, 0, count) for pid, count in flows.items())
        told, self._told = self._told, True
        notes = () if told else ("bytes per application cannot be counted here: all traffic is unattributed",)
        return Sample(deltas, notes=notes)

    def stop(self) -> None:
        """Nothing is held. Safe to call twice."""


def _connections() -> list[tuple[int, str]]:
    """PID and remote address of every connection that may be seen: of all processes, else of one's own."""
    try:
        listed = psutil.net_connections("inet")
    except psutil.AccessDenied:  # macOS shows them process by process only
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                found += [(process.pid, c.raddr.ip) for c in process.net_connections("inet") if c.raddr]
        return found
    return [(c.pid, c.raddr.ip) for c in listed if c.pid and c.raddr]
