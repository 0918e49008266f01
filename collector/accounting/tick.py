"""The accounting of one tick: what processes moved and what the interfaces counted become points and totals.

Pure: no clock, no socket, no store. The sum of all applications plus ``unattributed`` equals the interface counters;
``collector.accounting.remainder`` keeps that true although the two are not read at the same instant.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from collector.accounting.remainder import Remainder
from collector.capture import Delta
from collector.interfaces.meter import InterfaceDelta
from qos.contract.points import AppTraffic, HostTraffic, Point, ProcessTraffic
from qos.policy.applications import AppNames, ProcessIdentity

MAX_PROCESSES: Final = 1_000
NO_DROPS: Final[Mapping[str, int]] = MappingProxyType({})
IDLE_NS: Final = 60 * 10**9
_SMOOTH: Final = 10
"""Coverage for people is over so many ticks: within one tick the two readings are not of the same instant."""

PriorityOf = Callable[[str, ProcessIdentity], int]
"""The level of an application, given one of its processes."""


@dataclass(slots=True)
class Flowing:
    """What a process or an application moved: totals since the start, and the last tick's rates (bits per second)."""

    rx_bytes: int = 0
    tx_bytes: int = 0
    rx_bps: int = 0
    tx_bps: int = 0
    flows: int = 0
    last_ns: int = 0


@dataclass(slots=True)
class ProcessTotal(Flowing):
    """One process's share."""

    app: str = ""
    who: ProcessIdentity | None = None
    priority: int = 0


@dataclass(slots=True)
class AppTotal(Flowing):
    """One application's share. ``processes`` had traffic in the last tick; ``background``: all that ever had."""

    processes: int = 0
    background: bool = True
    priority: int = 0


@dataclass(slots=True)
class _Sum:
    rx_bytes: int = 0
    tx_bytes: int = 0
    rx_packets: int = 0
    tx_packets: int = 0
    flows: int = 0
    pids: set[int] = field(default_factory=set)

    def add(self, delta: Delta) -> None:
        self.rx_bytes += delta.rx_bytes
        self.tx_bytes += delta.tx_bytes
        self.rx_packets += delta.rx_packets
        self.tx_packets += delta.tx_packets
        self.flows += delta.flows

    @property
    def idle(self) -> bool:
        return not (self.rx_bytes or self.tx_bytes or self.rx_packets or self.tx_packets)


class TrafficAccounts:
    """Keeps the totals since monitoring started and makes each tick's points."""

    def __init__(self, host: str, max_apps: int) -> None:
        self.host = host
        self.names = AppNames(max_apps)
        self.processes: dict[tuple[int, int], ProcessTotal] = {}
        self.apps: dict[str, AppTotal] = {}
        self.unattributed = Flowing()
        self.total = Flowing()
        self._rx, self._tx = Remainder(), Remainder()
        self._clock_ns = 0
        self._recent: list[tuple[int, int]] = []

    @property
    def coverage(self) -> float | None:
        """The share of the interfaces' bytes that applications were named for, lately; None: there was no traffic."""
        counted = sum(pair[1] for pair in self._recent)
        return min(1.0, sum(pair[0] for pair in self._recent) / counted) if counted else None

    def record(
        self,
        now_ns: int,
        elapsed_ns: int,
        moved: Iterable[tuple[Delta, ProcessIdentity | None]],
        interfaces: Sequence[InterfaceDelta],
        priority_of: PriorityOf,
        *,
        dropped: Mapping[str, int] = NO_DROPS,
        late_ns: int = 0,
        last: bool = False,
    ) -> tuple[Point, ...]:
        """One tick's points: applications and processes with traffic, every counted interface.

        ``now_ns`` is UTC, ``elapsed_ns`` the monotonic time since the last tick; ``last``: there is no later one.
        ``dropped``: inbound bytes by application that came in and that no socket got, because they were limited.
        ``late_ns`` as in ``capture.Sample``.
        """
        by_process: dict[tuple[int, int], _Sum] = {}
        by_app: dict[str, _Sum] = {}
        who_of: dict[tuple[int, int], tuple[str, ProcessIdentity]] = {}
        for delta, who in moved:
            if who is None:
                continue
            key = (who.pid, who.started_ns)
            app = self.names.admit(who.app)
            who_of[key] = (app, who)
            by_process.setdefault(key, _Sum()).add(delta)
            of_app = by_app.setdefault(app, _Sum())
            of_app.add(delta)
            of_app.pids.add(who.pid)
        for app, size in dropped.items():
            if app in self.apps or app in by_app:
                by_app.setdefault(app, _Sum()).rx_bytes += size
        self._quiet()
        points: list[Point] = []
        if len(self.processes) + len(by_process) > MAX_PROCESSES:
            self._prune(now_ns, len(by_process))
        for key, total in by_process.items():
            app, who = who_of[key]
            _flow(self._process(key, app, who, priority_of(app, who)), total, now_ns, elapsed_ns)
            if not total.idle:
                points.append(_process_point(now_ns, app, who, total))
        for app, total in by_app.items():
            if not total.idle:
                priority = self.apps[app].priority
                points.append(self._app_point(now_ns, app, total, priority))
            self._app(app, total, now_ns, elapsed_ns)
        points += self._host_points(now_ns, elapsed_ns, by_app.values(), interfaces, late_ns=late_ns, last=last)
        return tuple(points)

    def _quiet(self) -> None:
        for total in (*self.processes.values(), *self.apps.values()):
            total.rx_bps = total.tx_bps = total.flows = 0
        for app in self.apps.values():
            app.processes = 0

    def _process(self, key: tuple[int, int], app: str, who: ProcessIdentity, priority: int) -> ProcessTotal:
        total = self.processes.setdefault(key, ProcessTotal())
        total.app, total.who, total.priority = app, who, priority
        of_app = self.apps.setdefault(app, AppTotal())
        of_app.background = of_app.background and who.background
        of_app.priority = priority
        return total

    def _app(self, app: str, moved: _Sum, now_ns: int, elapsed_ns: int) -> None:
        total = self.apps[app]
        total.processes = len(moved.pids)
        _flow(total, moved, now_ns, elapsed_ns)

    def _prune(self, now_ns: int, coming: int) -> None:
        """Forget the idle processes that moved least, a quarter at a time. Their application keeps their bytes."""
        ranked = sorted(
            self.processes.items(), key=lambda item: (abs(now_ns - item[1].last_ns) <= IDLE_NS, _bytes(item[1]))
        )
        for key, _ in ranked[: max(MAX_PROCESSES // 4, len(ranked) + coming - MAX_PROCESSES)]:
            del self.processes[key]

    def _app_point(self, now_ns: int, app: str, moved: _Sum, priority: int) -> AppTraffic:
        return AppTraffic(
            time_ns=now_ns,
            host=self.host,
            app=app,
            rx_bytes=moved.rx_bytes,
            tx_bytes=moved.tx_bytes,
            rx_packets=moved.rx_packets,
            tx_packets=moved.tx_packets,
            flows=moved.flows,
            processes=len(moved.pids),
            priority=priority,
        )

    def _host_points(
        self,
        now_ns: int,
        elapsed_ns: int,
        attributed: Iterable[_Sum],
        interfaces: Sequence[InterfaceDelta],
        *,
        late_ns: int,
        last: bool,
    ) -> list[Point]:
        sums = list(attributed)
        named_rx, named_tx = sum(s.rx_bytes for s in sums), sum(s.tx_bytes for s in sums)
        rx, tx = {i.name: i.moved.rx_bytes for i in interfaces}, {i.name: i.moved.tx_bytes for i in interfaces}
        counted = _Sum(sum(rx.values()), sum(tx.values()))
        self._clock_ns += elapsed_ns
        rx_rest = self._rx.settle(self._clock_ns, rx, named_rx, late_ns=late_ns, last=last)
        tx_rest = self._tx.settle(self._clock_ns, tx, named_tx, late_ns=late_ns, last=last)
        self._recent = [*self._recent, (named_rx + named_tx, counted.rx_bytes + counted.tx_bytes)][-_SMOOTH:]
        _flow(self.unattributed, _Sum(sum(rx_rest.values()), sum(tx_rest.values())), now_ns, elapsed_ns)
        _flow(self.total, counted, now_ns, elapsed_ns)
        return [
            HostTraffic(
                time_ns=now_ns,
                host=self.host,
                iface=i.name,
                rx_bytes=i.moved.rx_bytes,
                tx_bytes=i.moved.tx_bytes,
                rx_drops=i.moved.rx_drops,
                tx_drops=i.moved.tx_drops,
                rx_errors=i.moved.rx_errors,
                tx_errors=i.moved.tx_errors,
                unattributed_rx_bytes=rx_rest[i.name],
                unattributed_tx_bytes=tx_rest[i.name],
            )
            for i in interfaces
        ]


def _flow(total: Flowing, moved: _Sum, now_ns: int, elapsed_ns: int) -> None:
    total.rx_bytes += moved.rx_bytes
    total.tx_bytes += moved.tx_bytes
    total.rx_bps = moved.rx_bytes * 8 * 10**9 // elapsed_ns if elapsed_ns > 0 else 0
    total.tx_bps = moved.tx_bytes * 8 * 10**9 // elapsed_ns if elapsed_ns > 0 else 0
    total.flows = moved.flows
    if not moved.idle:
        total.last_ns = now_ns


def _bytes(total: Flowing) -> int:
    return total.rx_bytes + total.tx_bytes


def _process_point(now_ns: int, app: str, who: ProcessIdentity, moved: _Sum) -> ProcessTraffic:
    return ProcessTraffic(
        time_ns=now_ns,
        app=app,
        pid=str(who.pid),
        started=str(who.started_ns),
        rx_bytes=moved.rx_bytes,
        tx_bytes=moved.tx_bytes,
        rx_packets=moved.rx_packets,
        tx_packets=moved.tx_packets,
    )
