"""TCP per application from the kernel's socket list (sock_diag with tcp_info), for decisions within tenths of a second.

A dump costs a few microseconds a socket. Which process holds a socket is looked up once for sockets that move something
noticeable. Not UDP: the kernel counts nothing per socket there, so QUIC is known when the collector says so.
"""

import logging
import sys
from typing import Final

from enforcer.allocation.planner import Usage
from qos.policy.applications import OURSELVES, ProcessIdentity
from qos.system.clock import NS_PER_MS, NS_PER_S
from qos.system.processes import Processes
from qos.system.sockets import inet_diag_linux as inet_diag
from qos.system.sockets import open_sockets_linux

assert sys.platform != "win32"  # tells the type checker whose file this is

_log = logging.getLogger(__name__)

NOTICEABLE_BPS: Final = 100_000
LOOK_UP_NS: Final = 150 * NS_PER_MS
"""Least time between two walks over all open files."""
PAUSE_NS: Final = 2 * NS_PER_S
_HEADER_BYTES: Final = 52
"""IP and TCP headers with timestamps (RFC 7323)."""


class TcpUsage:
    """See the module. Raises nothing: what cannot be read is not told."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._then_ns: int | None = None
        self._before: dict[int, tuple[int, int]] = {}
        self._holder: dict[int, int] = {}
        self.identities: dict[str, ProcessIdentity] = {}
        self._looked_up_ns = 0

    def read(self, now_ns: int) -> dict[str, Usage]:
        """Bits per second at the IP layer since the last call, by application."""
        try:
            entries = inet_diag.sockets((inet_diag.TCP,), tcp_info=True, states=inet_diag.HELD)
        except OSError as error:
            _log.warning("the socket list cannot be read: %s", error)
            return {}
        now: dict[int, tuple[int, int]] = {}
        inodes: dict[int, int] = {}
        for entry in entries:
            counts = entry.counts
            if counts is None or entry.state == inet_diag.LISTEN or entry.loopback:
                continue
            down = counts.rx_bytes + counts.rx_segments * _HEADER_BYTES
            now[entry.cookie] = (down, counts.tx_bytes + counts.tx_segments * _HEADER_BYTES)
            inodes[entry.cookie] = entry.inode
        span_ns = 0 if self._then_ns is None else now_ns - self._then_ns
        before, self._before, self._then_ns = self._before, now, now_ns
        if not 0 < span_ns <= PAUSE_NS:
            return {}
        moved: dict[int, tuple[int, int]] = {}
        for cookie, (down, up) in now.items():
            old_down, old_up = before.get(cookie, (0, 0))
            rates = ((down - old_down) * 8 * NS_PER_S // span_ns, (up - old_up) * 8 * NS_PER_S // span_ns)
            if max(rates) >= NOTICEABLE_BPS:
                moved[cookie] = rates
        self._find_holders(now_ns, {inodes[cookie]: cookie for cookie in moved if cookie not in self._holder})
        self._holder = {cookie: pid for cookie, pid in self._holder.items() if cookie in now}
        sums: dict[str, tuple[int, int]] = {}
        self.identities = {}
        for cookie, (down, up) in moved.items():
            pid = self._holder.get(cookie)
            who = self._processes.identify(pid, now_ns) if pid is not None else None
            app = who.app if who is not None else OURSELVES
            if who is not None and app != OURSELVES:
                self.identities[app] = who
                sums[app] = (sums.get(app, (0, 0))[0] + down, sums.get(app, (0, 0))[1] + up)
        return {app: Usage(down, up) for app, (down, up) in sums.items()}

    def _find_holders(self, now_ns: int, wanted: dict[int, int]) -> None:
        if not wanted or now_ns - self._looked_up_ns < LOOK_UP_NS:
            return
        self._looked_up_ns = now_ns
        for inode, pids in open_sockets_linux.holders(open_sockets_linux.pids()).items():
            if inode in wanted:
                self._holder[wanted[inode]] = pids[0]
