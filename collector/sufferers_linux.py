"""Which applications suffer from lag, by what TCP itself keeps: round trips far above the connection's least, and
segments that had to be sent again.

Asked only while an incident runs, and seldom: the socket list costs microseconds a socket, the walk over ``/proc``
about 2 µs per open file. UDP, and so most calls and games, keeps no such figures. Source: ``struct tcp_info`` in
``linux/tcp.h``.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from collector.capture.sockets.new_processes import first_holders
from qos.system.sockets import inet_diag_linux
from qos.system.sockets.open_sockets_linux import pids

assert sys.platform == "linux"

IDLE_MS: Final = 5_000
"""A connection that received nothing for so long says nothing about delay now."""
OLD_NS: Final = 20 * 10**9
"""An earlier look that is older says nothing about loss now."""
RESENT_RATIO: Final = 0.05
RESENT_LEAST: Final = 3
"""So many segments, and such a share of those sent, are more than a healthy connection sends again."""


@dataclass(slots=True)
class _Pains:
    delays_ms: list[float] = field(default_factory=list)
    sent: int = 0
    resent: int = 0

    def of_delay(self, extra_ms: float) -> float:
        """Half of the lag is 1."""
        return 2 * median(self.delays_ms) / extra_ms if self.delays_ms and extra_ms >= 1 else 0.0

    def of_loss(self) -> float:
        """A share of ``RESENT_RATIO`` is 1."""
        return self.resent / max(1, self.sent) / RESENT_RATIO if self.resent >= RESENT_LEAST else 0.0


class Sufferers:
    """Keeps TCP's counters from one look to the next: what was sent again since is loss of now."""

    def __init__(self) -> None:
        self._before: dict[int, tuple[int, int]] = {}
        self._before_ns = 0

    def look(self, app_of: Callable[[int], str], extra_ms: float, now_ns: int) -> tuple[str, ...]:
        """Applications whose TCP round trips stand above their least by half of ``extra_ms`` or more, or which sent
        much again since the last look (``now_ns``: monotonic), the worst first.

        ``app_of`` names the application of a PID. Raises OSError when the kernel lists no sockets.
        """
        listed = inet_diag_linux.sockets((inet_diag_linux.TCP,), tcp_info=True)
        counted = {e.inode: (e.cookie, e.counts) for e in listed if e.counts is not None and e.inode and not e.loopback}
        before = self._before if now_ns - self._before_ns < OLD_NS else {}
        pains = {inode: found for inode, (cookie, now) in counted.items() if (found := _pains(now, before.get(cookie)))}
        self._before = {cookie: (now.tx_segments, now.resent_segments) for cookie, now in counted.values()}
        self._before_ns = now_ns
        by_app: dict[str, _Pains] = {}
        for inode, pid in first_holders(pids()).items() if pains else ():
            if inode in pains:
                of_app = by_app.setdefault(app_of(pid), _Pains())
                of_app.delays_ms += pains[inode].delays_ms
                of_app.sent += pains[inode].sent
                of_app.resent += pains[inode].resent
        worst = {app: max(found.of_delay(extra_ms), found.of_loss()) for app, found in by_app.items()}
        return tuple(sorted((app for app in worst if worst[app] >= 1), key=lambda app: -worst[app]))


def _pains(now: inet_diag_linux.TcpCounts, before: tuple[int, int] | None) -> _Pains | None:
    """What one connection says; None when it says nothing."""
    found = _Pains()
    if now.min_rtt_us and now.idle_ms <= IDLE_MS:
        found.delays_ms.append((now.rtt_us - now.min_rtt_us) / 1000)
    if before is not None:
        found.sent, found.resent = now.tx_segments - before[0], now.resent_segments - before[1]
    return found if found.delays_ms or found.sent else None
