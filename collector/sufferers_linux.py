"""Which applications suffer from lag, by TCP's own round trips: far above the least that the connection has seen.

Asked only while an incident runs, and seldom: the socket list costs microseconds a socket, the walk over ``/proc``
about 2 µs per open file. UDP, and so most calls and games, keeps no such time. Source: ``struct tcp_info`` in
``linux/tcp.h``.
"""

import sys
from collections.abc import Callable
from statistics import median
from typing import Final

from collector.capture.sockets.new_processes import first_holders
from qos.system.sockets import inet_diag_linux
from qos.system.sockets.open_sockets_linux import pids

assert sys.platform == "linux"

IDLE_MS: Final = 5_000
"""A connection that received nothing for so long says nothing about now."""


def sufferers(app_of: Callable[[int], str], extra_ms: float) -> tuple[str, ...]:
    """Applications whose TCP round trips stand above their least by half of ``extra_ms`` or more, the worst first.

    ``app_of`` names the application of a PID. Raises OSError when the kernel lists no sockets.
    """
    late: dict[int, float] = {}
    for entry in inet_diag_linux.sockets((inet_diag_linux.TCP,), tcp_info=True):
        counts = entry.counts
        if counts is None or entry.loopback or not entry.inode or not counts.min_rtt_us or counts.idle_ms > IDLE_MS:
            continue
        late[entry.inode] = (counts.rtt_us - counts.min_rtt_us) / 1000
    if not late:
        return ()
    by_app: dict[str, list[float]] = {}
    for inode, pid in first_holders(pids()).items():
        if inode in late:
            by_app.setdefault(app_of(pid), []).append(late[inode])
    found = {app: median(values) for app, values in by_app.items()}
    return tuple(sorted((app for app in found if found[app] >= extra_ms / 2), key=lambda app: -found[app]))
