"""The control loop's surroundings: what it is told ten times a second, and what becomes of what it decides.

It feeds the pure loop (``allocation.congestion``) with echoes, the interface's counters and the applications' rates,
remembers what was learned per network, and gives the planner budgets and the elastic applications.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from enforcer.allocation import congestion
from enforcer.allocation.capacity import CapacityEstimate, rate_bps
from enforcer.allocation.delay_detector import EchoSample
from enforcer.allocation.elasticity import ElasticApps, Moving
from enforcer.allocation.growth import PROBE_NS
from enforcer.allocation.line_state import Load, State, started_with
from enforcer.allocation.meter import UnheldMeter
from enforcer.allocation.planner import Settings, Usage
from enforcer.fast_usage import FastUsage
from enforcer.qdisc.classifier import ClassStats
from qos.contract.direction import DIRECTIONS, Direction
from qos.contract.documents.engine import ControlReport, LineReport
from qos.contract.documents.link_estimates import LearnedCapacity, LinkEstimates
from qos.policy.applications import ProcessIdentity
from qos.policy.policy import Decision
from qos.system import network as networks
from qos.system.clock import NS_PER_MS, NS_PER_S, Clock
from qos.system.echo_stream import EchoStream, StreamedReply
from qos.system.network import LineBytes, Network

SLOW_NS: Final = 1 * NS_PER_S
FAST_NS: Final = 100 * NS_PER_MS
FASTEST_NS: Final = 50 * NS_PER_MS
"""Between two echoes to one target: on the idle line, on a busy one, and there with a single target."""
BUSY_BPS: Final = 500_000
"""An interface that moves more is worth a closer look."""
LINGER_NS: Final = 3 * NS_PER_S
NETWORK_NS: Final = 2 * NS_PER_S
ARMED_NS: Final = 600 * NS_PER_S
ARMED_UNKNOWN_NS: Final = 5 * NS_PER_S
"""How long the datapath stays open after the last elastic use: where the line is known, and where it is not."""


class Echoes(Protocol):
    """Who asks the targets (``qos.system.echo_stream``)."""

    failed: str | None

    def run(self, targets: Sequence[str], period_ns: int) -> None:
        """Ask these, each once in ``period_ns``."""

    def take(self) -> list[StreamedReply]:
        """What came since the last call."""

    def close(self) -> None:
        """Stop."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The machine as the loop sees it: the real one, or a test's."""

    echoes: Echoes = field(default_factory=EchoStream)
    network: Callable[[], Network | None] = networks.network
    line_bytes: Callable[[Network], LineBytes | None] = networks.line_bytes


@dataclass(frozen=True, slots=True)
class Control:
    """What the planner is told."""

    budgets: Mapping[Direction, int] = field(default_factory=dict)
    elastic: Mapping[Direction, frozenset[str]] = field(default_factory=dict)
    unheld_bps: Mapping[Direction, int] = field(default_factory=dict)
    usage: Mapping[str, Usage] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class CongestionControl:
    """See the module. One thread."""

    def __init__(self, clock: Clock, fast_usage: FastUsage, surroundings: Surroundings | None = None) -> None:
        self._clock, self._fast_usage = clock, fast_usage
        self._around = surroundings or Surroundings()
        self._state = State()
        self._apps = ElasticApps()
        self._estimates = LinkEstimates()
        self._network: Network | None = None
        self._network_ns: int | None = None
        self._bytes: LineBytes | None = None
        self._bytes_ns = 0
        """When they were read: a busy machine may let much time pass before anything is made of them."""
        self._looks: deque[tuple[int, dict[Direction, int]]] = deque()
        self._rates: dict[Direction, int] = dict.fromkeys(DIRECTIONS, 0)
        self._unheld = UnheldMeter()
        self._busy_ns: int | None = None
        self._elastic_ns: int | None = None
        self._budgets: Mapping[Direction, int] = {}
        self._set_by_hand = False
        self._on = False

    @property
    def state(self) -> State:
        """What the pure loop remembers."""
        return self._state

    @property
    def probing(self) -> bool:
        """Whether a delay begins, or a direction looks for more, or drains: the next look should come soon."""
        lines = self._state.lines.values()
        return self._state.delay.rising or any(line.phase == "drain" or line.grown_ns > PROBE_NS for line in lines)

    @property
    def estimates(self) -> LinkEstimates:
        """What was learned of all networks, to be kept."""
        return self._estimates

    @property
    def network(self) -> str:
        """The key of the network that this machine is in; empty when it is in none."""
        return self._network.key if self._network is not None else ""

    def remember(self, estimates: LinkEstimates) -> None:
        """What was kept from before; said once, before the first turn."""
        self._estimates = estimates
        self._apps = ElasticApps(estimates.elastic)

    def busy(self, now_ns: int) -> bool:
        """Read the interface's counters; whether enough passes (or passed a moment ago) to be worth a round. Cheap."""
        self._follow_network(now_ns)
        if self._network is None:
            return False
        now_ns = self._clock.monotonic_ns()
        found = self._around.line_bytes(self._network)
        if found is None:
            self._network_ns = None
            return False
        self._bytes, self._bytes_ns = found, now_ns
        self._looks.append((now_ns, {"down": found.down, "up": found.up}))
        while now_ns - self._looks[0][0] > NS_PER_S // 4 and len(self._looks) > 2:
            self._looks.popleft()
        (then_ns, first), (last_ns, last) = self._looks[0], self._looks[-1]
        span_ns = max(1, last_ns - then_ns)
        self._rates = {way: max(0, last[way] - first[way]) * 8 * NS_PER_S // span_ns for way in DIRECTIONS}
        if max(self._rates.values()) >= BUSY_BPS:
            self._busy_ns = now_ns
        return self._busy_ns is not None and now_ns - self._busy_ns < LINGER_NS

    def turn(
        self,
        now_ns: int,
        *,
        targets: Sequence[str],
        learns: bool,
        settings: Settings,
        decisions: Mapping[str, Decision],
        usage: Mapping[str, Usage],
        present: frozenset[str],
        stats: Mapping[str, Mapping[Direction, ClassStats]],
        in_force: bool = True,
    ) -> Control:
        """One turn, after ``busy``. ``learns``: latency is acted upon; else only what a person set is shared out.
        ``in_force``: what was decided last holds packets."""
        links = settings.links()
        self._set_by_hand = bool(links)
        if not (learns or links):
            self.close()
            return Control(usage=usage)
        self._on = True
        budgets_before = self._state.budgets() | links
        elastic = {
            way: self._apps.update(
                now_ns,
                way,
                {
                    app: Moving(
                        decision.priority,
                        usage[app].bps(way) if app in usage else 0,
                        app in usage and usage[app].waiting(way),
                    )
                    for app, decision in decisions.items()
                    if app in usage or app in present
                },
                settings.shares(way),
                self._known_bps(way, links),
                passing_bps=self._rates[way],
            )
            for way in DIRECTIONS
        }
        unheld: Mapping[Direction, int] = {}
        if self._bytes is not None:
            now: dict[Direction, int] = {"down": self._bytes.down, "up": self._bytes.up}
            unheld = self._unheld.bps(self._bytes_ns, now, stats)
        if any(usage[app].bps(way) > BUSY_BPS for way in DIRECTIONS for app in elastic[way] & usage.keys()):
            self._elastic_ns = now_ns
        if not learns or self._bytes is None or self._network is None:
            self._around.echoes.run((), SLOW_NS)
            self._budgets = links
            return Control(links, elastic, unheld, usage)
        active = self._busy_ns is not None and now_ns - self._busy_ns < LINGER_NS
        near = frozenset({self._network.gateway}) if self._network.gateway is not None else frozenset[str]()
        fast = FAST_NS if len(frozenset(targets) - near) > 1 else FASTEST_NS
        self._around.echoes.run(targets, fast if active else SLOW_NS)
        loads = {way: self._load(way, elastic[way], usage, stats, budgets_before.get(way)) for way in DIRECTIONS}
        samples = [_sample(answer) for answer in self._around.echoes.take()]
        self._state = congestion.step(
            self._state, self._bytes_ns, samples, loads, links=links, near=near, in_force=in_force
        )
        self._budgets = self._state.budgets()
        self._keep(now_ns)
        return Control(self._state.budgets(), elastic, unheld, usage, self._state.notes)

    def _known_bps(self, way: Direction, links: Mapping[Direction, int]) -> int | None:
        """What the line carries, whatever is done about it at this moment."""
        line = self._state.lines[way]
        learned = max((known.bps for known in (line.capacity, line.trusted) if known is not None), default=None)
        return learned if learned is not None else links.get(way)

    def _load(
        self,
        way: Direction,
        elastic: frozenset[str],
        usage: Mapping[str, Usage],
        stats: Mapping[str, Mapping[Direction, ClassStats]],
        budget_bps: int | None,
    ) -> Load:
        moved = {app: usage[app].bps(way) for app in elastic if app in usage}
        held = any(usage[app].waiting(way) and way in stats.get(app, {}) for app in moved)
        free = budget_bps is None and any(bps > 0 for bps in moved.values())
        total = 0 if self._bytes is None else (self._bytes.down if way == "down" else self._bytes.up)
        return Load(total, sum(moved.values()), held or free)

    def fast_usage(self, now_ns: int) -> Mapping[str, Usage]:
        """What TCP connections move now, by application, where the system tells."""
        return self._fast_usage.read(now_ns)

    @property
    def identities(self) -> Mapping[str, ProcessIdentity]:
        """Who was met there."""
        return self._fast_usage.identities

    @staticmethod
    def merged(usage: Mapping[str, Usage], fast: Mapping[str, Usage]) -> dict[str, Usage]:
        """The collector's and the classes' figures, or TCP's where those are newer and larger."""
        merged = dict(usage)
        for app, now in fast.items():
            known = merged.get(app, Usage())
            merged[app] = Usage(
                max(known.down_bps, now.down_bps),
                max(known.up_bps, now.up_bps),
                known.down_waiting,
                known.up_waiting,
            )
        return merged

    def armed(self, now_ns: int) -> bool:
        """Whether to keep the datapath open with nobody to hold: so the next elastic flow is held at once.
        Where a person set the line always, else as long as elastic applications were busy lately (docs/decisions/0054).
        """
        if self.ready and self._set_by_hand:
            return True
        since_ns = None if self._elastic_ns is None else now_ns - self._elastic_ns
        return since_ns is not None and since_ns < (ARMED_NS if self.ready else ARMED_UNKNOWN_NS)

    @property
    def ready(self) -> bool:
        """Whether the line's capacity is known, so that whoever comes can be held from the first packet."""
        return self._on and bool(self._budgets)

    def _follow_network(self, now_ns: int) -> None:
        if self._network_ns is not None and now_ns - self._network_ns < NETWORK_NS:
            return
        self._network_ns = now_ns
        found = self._around.network()
        if found == self._network or _same_for_all_we_know(found, self._network):
            return
        if found is None or self._network is None or found.key != self._network.key:
            known = self._estimates.of(found.key) if found is not None else {}
            age = self._clock.wall_ns() - now_ns
            self._state = started_with(
                {
                    way: CapacityEstimate(known[way].bps, known[way].confidence, known[way].learned_ns - age)
                    for way in DIRECTIONS
                    if way in known
                }
            )
        self._network = found
        self._bytes = None
        self._looks.clear()
        self._unheld = UnheldMeter()

    def _keep(self, now_ns: int) -> None:
        """Bring what was learned into the document."""
        age = self._clock.wall_ns() - now_ns
        sides: dict[str, LearnedCapacity] = {
            way: LearnedCapacity(known.bps, known.confidence, known.learned_ns + age)
            for way in DIRECTIONS
            if (known := self._state.lines[way].capacity) is not None
        }
        elastic = tuple(sorted(self._apps.known))
        if sides or elastic:
            self._estimates = self._estimates.with_network(self.network, sides, elastic)

    def describe(self, now_ns: int) -> ControlReport:
        """For the ``limits`` document."""
        delay = self._state.delay
        return ControlReport(
            network=self.network,
            targets_answering=delay.voters,
            queue_ms=round(delay.queue_ns / 1e6, 1),
            threshold_ms=round(delay.threshold_ns / 1e6, 1),
            one_way_ms={way: round(ns / 1e6, 1) for way, ns in delay.one_way_ns.items()},
            failed=self._around.echoes.failed,
            others_for_s=round(max(0, self._state.ignore_until_ns - now_ns) / NS_PER_S, 1),
            lines={way: self._described(now_ns, way) for way in DIRECTIONS},
        )

    def _described(self, now_ns: int, way: Direction) -> LineReport:
        line = self._state.lines[way]
        known = line.capacity
        return LineReport(
            phase=line.phase,
            budget_bps=line.budget_bps,
            used_bps=rate_bps(line.looks, NS_PER_S // 2),
            capacity_bps=known.bps if known is not None else None,
            confidence=round(known.confidence_now(now_ns), 3) if known is not None else None,
            age_s=round(known.age_s(now_ns), 1) if known is not None else None,
        )

    def close(self) -> None:
        """Stop asking, and forget what is under way."""
        if self._on:
            self._on = False
            self._around.echoes.close()
            self._state = started_with(
                {way: known for way in DIRECTIONS if (known := self._state.lines[way].capacity) is not None}
            )


def _same_for_all_we_know(found: Network | None, before: Network | None) -> bool:
    if found is None or before is None or found.certain:
        return False
    return (found.gateway, found.interface) == (before.gateway, before.interface)


def _sample(answer: StreamedReply) -> EchoSample:
    one_way: dict[Direction, int] = {}
    if answer.there_ns is not None and answer.back_ns is not None:
        one_way = {"up": answer.there_ns, "down": answer.back_ns}
    return EchoSample(answer.target, answer.time_ns, answer.rtt_ns, answer.pending, one_way)
