"""A session: the ``Datapath`` that diverts packets through this process. Engine, flow owners and filters together.

It opens handles when the first limit comes, keeps filters, owners and rates in step, and closes everything when the
last limit goes. It decides no limit. After a failure it is thrown away; ``failed`` says why.
"""

import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from enforcer.datapath.engine import Engine
from enforcer.datapath.filters import TRANSPORTS, Diversion, FilterTarget, Transport
from enforcer.datapath.flow_owners import NUMBER_OF, NUMBERS, Events, FlowOwners, apps_of
from enforcer.datapath.health import Health
from enforcer.datapath.port import PacketPort
from enforcer.failsafe import leftovers_linux
from enforcer.failsafe.watchdog import Watchdog
from enforcer.qdisc.classifier import Classifier, ClassStats, RateLimits
from enforcer.qdisc.codel import Aim
from qos.contract.direction import Direction
from qos.contract.documents.engine import WIDE, EngineReport, Ports
from qos.packets.divert import FlowEvents, available, port_filter, unregister, wide_filter
from qos.packets.flows import SocketRow
from qos.policy.applications import ProcessIdentity
from qos.system.clock import NS_PER_S, Clock
from qos.system.processes import Processes
from qos.system.sockets import sockets

MAX_FOREIGN: Final = 4_096
"""A filter of ranges that lets through more ports of others than this is made wide instead."""


class LivenessWatchdog(Protocol):
    """Who is told that we live."""

    def beat(self) -> None:
        """We do."""

    def close(self) -> None:
        """Everything is closed."""


def tidy() -> None:
    """Take away what a process that died left behind; on Windows let the driver go when nobody uses it."""
    unregister()
    if sys.platform == "linux":
        leftovers_linux.remove()


@dataclass(frozen=True, slots=True)
class Tools:
    """What a session opens: the real things, or a test's."""

    port: PacketPort
    clock: Clock
    processes: Processes
    platform: Aim
    max_ports: int
    events: Callable[[], Events] = FlowEvents
    sockets: Callable[[], Sequence[SocketRow]] = sockets
    watchdog: Callable[[], LivenessWatchdog] = Watchdog
    available: Callable[[], str | None] = available
    """Why packets cannot be diverted here, or None."""
    tidy: Callable[[], None] = tidy
    interfaces: Callable[[], Sequence[tuple[int, str]]] = socket.if_nameindex


@dataclass(frozen=True, slots=True)
class DivertDatapath:
    """The factory of sessions: packets pass through this process (``Datapath`` by diverting them)."""

    tools: Tools
    because: str | None = None
    """Why this datapath serves where another was preferred."""

    def available(self) -> str | None:
        """Why packets cannot be diverted here, or None."""
        return self.tools.available()

    def open(self, *, max_packet_rate: int | None, hold_off_ns: int, own: frozenset[int]) -> "DivertSession":
        """An open session. Raises OSError, ValueError."""
        return DivertSession(
            self.tools, max_packet_rate=max_packet_rate, hold_off_ns=hold_off_ns, own=own, because=self.because
        )

    def tidy(self) -> None:
        """Take away what a process that died left behind."""
        if self.available() is None:
            self.tools.tidy()


class DivertSession:
    """See the module. Raises OSError, ValueError when opened."""

    def __init__(
        self,
        tools: Tools,
        *,
        max_packet_rate: int | None,
        hold_off_ns: int,
        own: frozenset[int],
        because: str | None = None,
    ) -> None:
        self._tools, self._hold_off_ns, self._because = tools, hold_off_ns, because
        self._diversion = Diversion(tools.max_ports)
        self._crowded: int | None = None
        self._limited: frozenset[str] = frozenset()
        self._known: frozenset[str] = frozenset()
        self._owners: dict[tuple[Transport, int], frozenset[str]] = {}
        self._interfaces: frozenset[tuple[int, str]] = frozenset()
        self._looked_ns = 0
        self._passed = (tools.clock.monotonic_ns(), 0, 0)
        self._notes: list[str] = []
        self._watchdog = tools.watchdog()
        self._engine = Engine(
            tools.port,
            Classifier(tools.platform),
            tools.clock,
            max_packet_rate=max_packet_rate,
            too_many=self._too_many,
            beat=self._watchdog.beat,
        )
        self._flow_owners = FlowOwners(
            tools.processes, tools.clock, on_flow=self._flow, sockets=tools.sockets, events=tools.events
        )
        self._flow_owners.set_own(own)
        try:
            self._flow_owners.start()
            self._engine.start()
            self._flow_owners.settle()
        except BaseException:
            self.close("could not be opened")
            raise

    @property
    def opened(self) -> bool:
        """True: it is open as soon as it is made."""
        return True

    @property
    def in_force(self) -> bool:
        """True: who shall be held is held when ``set_rates`` returns."""
        return True

    @property
    def failed(self) -> str | None:
        """Why the engine let go; None while all is well."""
        return self._engine.failed

    @property
    def health(self) -> Health:
        """How the engine does."""
        return self._engine.health

    @property
    def present(self) -> frozenset[str]:
        """The applications that have flows."""
        return apps_of(self._owners)

    @property
    def identities(self) -> Mapping[str, ProcessIdentity]:
        """What is known of them."""
        return self._flow_owners.identities()

    def take_notes(self) -> list[str]:
        """What happened since the last call that somebody should know."""
        notes, self._notes = self._notes + self._flow_owners.take_notes(), []
        return notes

    def set_max_packet_rate(self, rate: int | None) -> None:
        """Another bound on packets a second, from now on; None: what this machine can do."""
        self._engine.max_packet_rate = rate

    def wait(self, seconds: float) -> bool:
        """Return after ``seconds``, or (True) as soon as a flow came that changes what is to be done."""
        return self._flow_owners.changed.wait(seconds)

    def refresh(self, own: frozenset[int]) -> None:
        """See who has which ports now."""
        self._flow_owners.set_own(own)
        self._flow_owners.changed.clear()
        self._flow_owners.refresh()
        self._owners = self._flow_owners.owners()
        self._known = self.present

    def stats(self) -> dict[str, dict[Direction, ClassStats]]:
        """How every lane does."""
        return self._engine.stats()

    def set_rates(self, rates: Mapping[str, RateLimits], *, ready: bool = False) -> None:
        """Hold these applications to these rates, and divert what that needs; ``ready``: all of TCP while few packets
        pass (docs/decisions/0023), even with nobody held. Raises OSError, ValueError."""
        now_ns = self._tools.clock.monotonic_ns()
        self._limited = frozenset(rates)
        owners = {
            (NUMBER_OF[protocol], port): next(iter(apps))
            for (protocol, port), apps in self._owners.items()
            if len(apps) == 1
        }
        self._engine.update(rates, owners)
        if (rate := self._crowded) is not None:
            self._crowded = None
            self._diversion.forbid_wide(now_ns, self._hold_off_ns)
            self._notes.append(
                f"{rate} packets a second through a wide filter: back to single ports; "
                "connections escape their first moments meanwhile"
            )
        self._reopen_for_interfaces(now_ns)
        foreign = self._foreign(now_ns)
        changes = self._diversion.update(now_ns, self._limited, self._owners, foreign, ready=ready)
        for protocol, target in changes.items():
            self._engine.divert(protocol, None if target is None else self._text(protocol, target))

    def _foreign(self, now_ns: int) -> int:
        """Packets a second of nobody who is limited, since the last look a tenth of a second or more ago."""
        then_ns, before, rate = self._passed
        if now_ns - then_ns >= NS_PER_S // 12:
            now = self._engine.foreign
            rate = (now - before) * NS_PER_S // (now_ns - then_ns)
            self._passed = (now_ns, now, rate)
        return rate

    def _text(self, protocol: Transport, target: FilterTarget) -> str | None:
        if target.wide:
            return wide_filter(protocol)
        try:
            found = port_filter(protocol, target.ports)
        except ValueError:
            return None  # only ports that are never diverted
        return wide_filter(protocol) if found.foreign > MAX_FOREIGN else found.text

    def _reopen_for_interfaces(self, now_ns: int) -> None:
        """A filter covers the interfaces that exist when it is opened (on Linux): open it again when they change."""
        if now_ns - self._looked_ns < NS_PER_S:
            return
        self._looked_ns = now_ns
        found = frozenset(self._tools.interfaces())
        if self._interfaces and found - self._interfaces:
            self._engine.reopen()
        self._interfaces = found

    def _flow(self, protocol: int, port: int, app: str) -> bool:
        """A new flow; whether the loop must look at once: for an application not seen before, or a filter of ports."""
        if app in self._limited:
            self._engine.adopt(protocol, port, app)
            name = NUMBERS.get(protocol)
            target = self._diversion.target(name) if name is not None else None
            return target is None or not target.wide
        return app not in self._known

    def _too_many(self, rate: int) -> bool:
        """From the engine's watch: where a filter is wide, narrow it before giving up."""
        wide = any(target is not None and target.wide for target in map(self._diversion.target, TRANSPORTS))
        if wide and self._crowded is None:
            self._crowded = rate
            return True
        return False

    def describe(self) -> EngineReport:
        """For the ``limits`` document."""
        health = self.health
        filters: dict[str, Ports] = {}
        for protocol in TRANSPORTS:
            target = self._diversion.target(protocol)
            filters[protocol] = None if target is None else WIDE if target.wide else tuple(sorted(target.ports))
        return EngineReport(
            handles=health.handles,
            datapath="divert",
            why=self._because,
            packets_per_second=health.packet_rate,
            foreign_packets_per_second=health.foreign_rate,
            oldest_ms=round(health.oldest_ns / 1e6, 3),
            swaps=health.swaps,
            overflowed=health.lost,
            refused=health.refused,
            filters=filters,
        )

    def close(self, reason: str) -> None:
        """Send what waits and close everything. Safe to call twice."""
        self._engine.stop(reason)
        self._flow_owners.stop()
        self._watchdog.close()
