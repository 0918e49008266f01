"""The ``sockdiag`` backend: Linux without privileges. TCP's own counters by socket, owners as ``/proc`` lets.

The kernel counts payload and segments of every TCP socket and shows them to everybody. Bytes at the IP layer are the
payload plus a header for every segment: 40 bytes over IPv4 and 60 over IPv6, 12 more with timestamps (RFC 7323), so
they are exact but for the few longer headers of a handshake or of selective acknowledgements. What a connection moved
between the last poll and its end is never seen, nor is one that came and went between two polls.
"""

import os
import socket
import sys
from typing import Final

from collector.capture import CaptureUnavailable, Delta, Owner, Sample
from collector.capture.executables import Executables
from collector.capture.sockets.new_processes import first_holders
from collector.capture.sockets.owners import Creator
from qos.system import clock
from qos.system.sockets import inet_diag_linux
from qos.system.sockets.open_sockets_linux import pids

assert sys.platform == "linux"

_FRESH_NS: Final = 20_000_000
"""One tick looks at a process once."""
_TCP_HEADER: Final = 20
_STAMPS: Final = 12
_MAPPED: Final = bytes(10) + b"\xff\xff"

Counts = tuple[int, int, int, int]
"""Received bytes, sent bytes, received packets, sent packets at the IP layer, since the connection was made."""


class SockdiagCapture:
    """TCP per application from the kernel's socket list. Never needs a privilege; sees more as root."""

    name = "sockdiag"
    blind_to: tuple[str, ...] = (
        "UDP, and so QUIC, DNS, games and calls",
        "which application it was, for other users' processes",
        "connections shorter than the interval",
    )

    def __init__(self) -> None:
        self._before: dict[int, Counts] = {}
        self._inode_of: dict[int, int] = {}
        self._holder: dict[int, Creator] = {}
        self._started = False
        self._told = False

    def start(self) -> None:
        """Take what was counted before now as read. Raises CaptureUnavailable."""
        try:
            entries = inet_diag_linux.sockets((inet_diag_linux.TCP,), tcp_info=True)
        except OSError as error:
            raise CaptureUnavailable(f"the kernel does not list its sockets (sock_diag): {error.strerror}") from None
        self._executables = Executables(_FRESH_NS)
        self._before = {entry.cookie: counts for entry in entries if (counts := wire_counts(entry)) is not None}
        self._find_holders([entry for entry in entries if entry.cookie in self._before])
        self._started = True

    def poll(self) -> Sample:
        """What TCP sockets moved since the last poll, by owner."""
        if not self._started:
            raise RuntimeError("not started")
        entries = inet_diag_linux.sockets((inet_diag_linux.TCP,), tcp_info=True)
        now = {entry.cookie: (entry, counts) for entry in entries if (counts := wire_counts(entry)) is not None}
        moved = [(entry, counts) for entry, counts in now.values() if counts != self._before.get(entry.cookie)]
        self._find_holders([entry for entry, _ in moved if entry.cookie not in self._holder])
        sums: dict[Owner | None, list[int]] = {}
        for entry, counts in moved:
            before = self._before.get(entry.cookie, (0, 0, 0, 0))
            change = [max(new - old, 0) for new, old in zip(counts, before, strict=True)]
            if not any(change):
                continue
            creator = self._holder.get(entry.cookie)
            owner = (
                self._executables.owner(creator.pid, clock.boot_ns() + creator.at_ns) if creator is not None else None
            )
            total = sums.setdefault(owner, [0] * 5)
            for at, value in enumerate((*change, 1)):
                total[at] += value
        self._before = {cookie: counts for cookie, (_, counts) in now.items()}
        self._holder = {cookie: creator for cookie, creator in self._holder.items() if cookie in now}
        return Sample(tuple(Delta(owner, *total) for owner, total in sums.items()), notes=self._notes())

    def _find_holders(self, entries: list[inet_diag_linux.Entry]) -> None:
        """Look through ``/proc`` for who holds these; nothing is read when there are none."""
        wanted = {entry.inode: entry.cookie for entry in entries if entry.inode}
        if not wanted:
            return
        now_ns = clock.since_boot_ns()
        for inode, pid in first_holders(pids()).items():
            if inode in wanted:
                self._holder[wanted[inode]] = Creator(pid, now_ns)

    def _notes(self) -> tuple[str, ...]:
        if self._told:
            return ()
        self._told = True
        if os.geteuid() == 0:
            return ("only TCP is counted per application",)
        return ("only TCP of your own processes is counted per application: run it with sudo to see everything",)

    def stop(self) -> None:
        """Forget everything. Safe to call twice."""
        self._started = False
        self._before, self._holder = {}, {}


def wire_counts(entry: inet_diag_linux.Entry) -> Counts | None:
    """IP-layer counts of one socket; None for a listener, a loopback connection and what has no counters."""
    counts = entry.counts
    if counts is None or entry.state == inet_diag_linux.LISTEN or entry.loopback:
        return None
    ip = 20 if entry.family == socket.AF_INET or entry.remote[:12] == _MAPPED else 40
    header = ip + _TCP_HEADER + (_STAMPS if counts.stamps else 0)
    return (
        counts.rx_bytes + counts.rx_segments * header,
        counts.tx_bytes + counts.tx_segments * header,
        counts.rx_segments,
        counts.tx_segments,
    )
