"""The lag detector inside the collector: each tick's measurements go in, rows and what the views show come out.

It holds what the detector must not know: wall time, names of points, where a capacity comes from, the gateway that is
found by itself and followed. The most ever seen stands in for a capacity that nobody set and nothing has learned.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from collector.accounting.tick import TrafficAccounts
from collector.lag.detector import Incident, LagDetector
from collector.lag.evidence import row
from collector.lag.most_seen import MostSeen
from collector.lag.samples import HeldApp, KnownCapacity, LagTick, Rates, RoundTrip
from collector.probes.prober import Outstanding
from collector.probes.result import ProbeResult
from qos.contract.direction import Direction
from qos.contract.documents.lag import RunningLag
from qos.contract.documents.limits import Limits
from qos.contract.points import LagCause, LagIncident
from qos.policy.applications import OURSELVES
from qos.system.echo import is_address
from qos.system.network.gateway import Gateway, gateway_to

GATEWAY: Final = "gateway"
SUFFER_NS: Final = 5 * 10**9
MOST_SUFFERERS: Final = 3
LOOK_NS: Final = 2 * 10**9
"""How often the route is looked up: a change of network is noticed so soon."""
MOST_APPS: Final = 32
NOBODY: Final = "-"
"""In the place of an application that made no lag: a tag is never empty."""
STALL: Final = 2
"""A tick so many times its interval late means that this process, or the machine, stood still."""
ANYWHERE: Final = ("192.0.2.1", "2001:db8::1")
"""Documentation addresses (RFC 5737, RFC 3849): only the route is asked for when all targets are names."""


@dataclass(frozen=True, slots=True)
class TickInput:
    """What the loop measured in one tick. ``now_ns`` is monotonic, ``wall_ns`` UTC."""

    now_ns: int
    wall_ns: int
    elapsed_ns: int
    interval_ns: int
    accounts: TrafficAccounts
    results: Sequence[ProbeResult] = ()
    outstanding: Sequence[Outstanding] = ()
    capacity: Mapping[Direction, KnownCapacity] = field(default_factory=dict)
    limits: Limits | None = None
    """What the enforcer says, when it said something lately."""
    sufferers: Callable[[float], Sequence[str]] = lambda extra_ms: ()
    """Applications that suffer now, given the extra milliseconds; asked seldom."""


class LagWatch:
    """See the module. ``route`` finds the gateway to an address."""

    def __init__(self, targets: Iterable[str], route: Callable[[str], Gateway | None] = gateway_to) -> None:
        self._detector = LagDetector()
        self._route = route
        self._targets = tuple(targets)
        self._gateway: Gateway | None = None
        self._looked_ns: int | None = None
        self._answers = False
        self._most = MostSeen()
        self._onsets: dict[int, int] = {}
        self._suffered: dict[int, list[str]] = {}
        self._asked_ns: int | None = None
        self._said_ns = 0
        self.running: RunningLag | None = None
        """What the views show of the incident that goes on now."""

    def targets(self, targets: Iterable[str]) -> None:
        """Other targets from now on."""
        self._targets = tuple(targets)
        self._detector.watch((*self._targets, GATEWAY), GATEWAY)

    def remember(self, most: Mapping[Direction, int]) -> None:
        """The most that passed in each direction before this collector ran, bits per second."""
        self._most.remember(most)

    def find_gateway(self, now_ns: int) -> tuple[str | None, bool] | None:
        """The gateway to ask from now on (None: none), and whether it is another network's; None: no change."""
        if self._looked_ns is not None and now_ns - self._looked_ns < LOOK_NS:
            return None
        first, self._looked_ns = self._looked_ns is None, now_ns
        addresses = [target for target in self._targets if is_address(target)] or list(ANYWHERE)
        found = next((gateway for address in addresses if (gateway := self._route(address)) is not None), None)
        if found == self._gateway:
            return None
        moved = not first and self._gateway is not None
        self._gateway, self._answers = found, False
        return (found.address if found is not None else None), moved

    def asked(self, result: ProbeResult) -> bool:
        """Whether a probe's row is to be written: the gateway's only once it has shown that it answers at all."""
        if result.target == GATEWAY and result.rtt_ns is not None:
            self._answers = True
        return result.target != GATEWAY or self._answers

    def interrupt(self, now_ns: int, wall_ns: int, host: str, why: str, *, network: bool = False) -> list[LagIncident]:
        """Measuring was interrupted: a running incident ends at what was last seen."""
        ended = self._detector.interrupt(now_ns, why, network=network)
        self.running = None
        if network:
            self._most.forget()
        return [self._row(incident, now_ns, wall_ns, host) for incident in ended]

    def tick(self, given: TickInput) -> list[LagIncident]:
        """The rows that are new or changed."""
        accounts = given.accounts
        total, rest = accounts.total, accounts.unattributed
        host, unnamed = Rates(total.rx_bps, total.tx_bps), Rates(rest.rx_bps, rest.tx_bps)
        busiest = sorted(accounts.apps.items(), key=lambda item: item[1].rx_bps + item[1].tx_bps, reverse=True)
        tick = LagTick(
            now_ns=given.now_ns,
            elapsed_ns=given.elapsed_ns,
            round_trips=tuple(self._round_trips(given.results, given.outstanding)),
            apps={name: Rates(app.rx_bps, app.tx_bps) for name, app in busiest[:MOST_APPS] if app.rx_bps or app.tx_bps},
            host=host,
            unattributed=unnamed,
            capacity=self._most.fill(given.capacity),
            held=self._held(given.limits),
            stalled=given.elapsed_ns > STALL * given.interval_ns,
        )
        incidents = self._detector.feed(tick)
        self._ask_who_suffers(given)
        self._most.keep(host)
        rows = [self._row(incident, given.now_ns, given.wall_ns, accounts.host) for incident in incidents]
        self.running = self._running(given, rows)
        return rows

    def glance(
        self, now_ns: int, wall_ns: int, host: str, results: Sequence[ProbeResult], outstanding: Sequence[Outstanding]
    ) -> bool:
        """Look at the answers between two ticks: whether ``running`` tells of lag now that it did not tell of before.

        Who made it is not known before the bytes of the tick are; no row comes of it unless the tick finds it too.
        """
        found = self._detector.glance(now_ns, tuple(self._round_trips(results, outstanding)))
        if found is None or self.running is not None:
            return False
        self.running = _shown(self._row(found, now_ns, wall_ns, host), None)
        return True

    def blamed(self, wall_ns: int, host: str) -> list[LagCause]:
        """The row of this tick while an incident runs: its tags name who makes it."""
        now = self.running
        if now is None:
            return []
        return [
            LagCause(
                time_ns=wall_ns,
                host=host,
                cause=now.cause,
                app=now.app or NOBODY,
                extra_ms=now.extra_ms,
                loss_ratio=now.loss_ratio,
                confidence=now.confidence,
            )
        ]

    def _ask_who_suffers(self, given: TickInput) -> None:
        """Beside the one that makes the lag: those whose connections wait for it."""
        incident = self._detector.running
        if incident is None or incident.kind == "queue":
            return
        if self._asked_ns is not None and given.now_ns - self._asked_ns < SUFFER_NS:
            return
        self._asked_ns = given.now_ns
        known = self._suffered.setdefault(incident.onset_ns, [])
        for app in given.sufferers(incident.extra_ns / 1e6):
            if app not in known and len(known) < MOST_SUFFERERS + 1:
                known.append(app)

    def _round_trips(self, results: Sequence[ProbeResult], outstanding: Sequence[Outstanding]) -> Iterable[RoundTrip]:
        for result in results:
            if result.sent and self.asked(result):
                yield RoundTrip(result.target, result.sent_ns, result.rtt_ns, gateway=result.target == GATEWAY)
        for flight in outstanding:
            if flight.target != GATEWAY or self._answers:
                yield RoundTrip(flight.target, flight.sent_ns, flight.age_ns, flight.target == GATEWAY, pending=True)

    def _held(self, limits: Limits | None) -> Mapping[str, HeldApp]:
        """Those that the enforcer holds; nothing when it has not spoken since the last tick."""
        if limits is None or limits.state != "enforcing" or limits.time_ns == self._said_ns:
            return {}
        self._said_ns = limits.time_ns
        return {
            app: HeldApp(found.priority, found.queue_ms, found.down_bps, found.up_bps)
            for app, found in limits.apps.items()
            if found.down_bps is not None or found.up_bps is not None
        }

    def _row(self, incident: Incident, now_ns: int, wall_ns: int, host: str) -> LagIncident:
        onset_ns = self._onsets.setdefault(incident.onset_ns, wall_ns - (now_ns - incident.onset_ns))
        while len(self._onsets) > 8:
            gone = next(iter(self._onsets))
            del self._onsets[gone]
            self._suffered.pop(gone, None)
        if incident.kind == "queue" and incident.target is not None:
            return row(incident, host, onset_ns, suffered=incident.target)
        makers = {incident.diagnosis.app, OURSELVES}
        suffered = [app for app in self._suffered.get(incident.onset_ns, ()) if app not in makers][:MOST_SUFFERERS]
        return row(incident, host, onset_ns, suffered=", ".join(suffered) or None)

    def _running(self, given: TickInput, rows: Sequence[LagIncident]) -> RunningLag | None:
        now = next((made for made in rows if made.running), None)
        if self._detector.running is None or now is None:
            return self.running if self._detector.running is not None else None
        return _shown(now, given.limits)


def _shown(made: LagIncident, limits: Limits | None) -> RunningLag:
    return RunningLag(
        onset_ns=made.time_ns,
        cause=made.cause,
        app=made.app or "",
        direction=made.direction or "",
        extra_ms=made.extra_ms,
        loss_ratio=made.loss_ratio,
        confidence=made.confidence,
        evidence=made.evidence,
        advice=_advice(made, limits),
    )


def _advice(made: LagIncident, limits: Limits | None) -> str:
    """A command that would help; empty when none is known."""
    if made.cause == "own_limit" and made.suffered:
        by_hand = limits is not None and made.suffered in limits.held_by_hand()
        return f"autoqos unlimit {made.suffered}" if by_hand else f"autoqos set {made.suffered} 0"
    enforcing = limits is not None and limits.state == "enforcing"
    return f"autoqos set {made.app} 5" if made.app and not enforcing else ""
