"""A made-up line and its ticks for the detector: what passes it, what stands in its queue, what the probes see."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from collector.lag.detector import Incident, LagDetector
from collector.lag.samples import DIRECTIONS, Direction, HeldApp, KnownCapacity, LagTick, Rates, RoundTrip

S = 10**9
MS = 10**6
TARGETS = ("a", "b", "c")


@dataclass
class Moment:
    """One second. Rates in bits per second; ``late_ms`` by target; ``wifi_ms``, ``wifi_lost``: the gateway's, too."""

    apps: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    others_bps: int = 0
    late_ms: Mapping[str, float] = field(default_factory=dict)
    lost: float = 0
    wifi_ms: float = 0
    wifi_lost: float = 0
    stalled: bool = False
    held: Mapping[str, HeldApp] = field(default_factory=dict)


def most(passed: Sequence[Rates], way: Direction) -> int:
    """The largest mean of three seconds in a row."""
    return max(sum(rates[way] for rates in passed[at - 3 : at]) // 3 for at in range(3, len(passed) + 1))


@dataclass
class Line:
    """A bottleneck behind the gateway with a FIFO of ``buffer_ms``. Feeds a detector second by second."""

    down_bps: int = 20_000_000
    up_bps: int = 5_000_000
    buffer_ms: float = 300
    base_ms: float = 20
    noise_ms: float = 2
    knows: bool = True
    seed: int = 1
    gateway: bool = True
    remembers: bool = False
    """The most that passed over three seconds stands in for a capacity that is not known, as in the collector."""
    lost_later: bool = False
    """What is lost is told as under way first, as in the collector, which waits so long for an answer."""

    def __post_init__(self) -> None:
        self.random, self.detector = random.Random(self.seed), LagDetector()
        self.detector.watch((*TARGETS, "gateway"), "gateway")
        self.now_ns, self.queue = 1000 * S, {"down": 0.0, "up": 0.0}
        self.passed: list[Rates] = []
        self.under_way: list[RoundTrip] = []
        self.rows: dict[int, Incident] = {}
        self.told: list[tuple[int, Incident]] = []

    def second(self, moment: Moment) -> tuple[Incident, ...]:
        down, up = (sum(rates[i] for rates in moment.apps.values()) for i in (0, 1))
        share = min(1.0, self.down_bps / max(1, down + moment.others_bps))
        for way, load, capacity in (("down", down + moment.others_bps, self.down_bps), ("up", up, self.up_bps)):
            grown = self.queue[way] + (load - capacity) * 1000 / capacity
            self.queue[way] = min(self.buffer_ms, max(0.0, grown))
        apps = {
            app: Rates(int(rx * share), int(min(tx, tx * self.up_bps / max(1, up))))
            for app, (rx, tx) in moment.apps.items()
        }
        trips = []
        for at, target in enumerate((*TARGETS, "gateway") if self.gateway else TARGETS):
            sent_ns = self.now_ns + at * S // 4
            ms = self.base_ms + self.random.random() * self.noise_ms + moment.wifi_ms
            if target == "gateway":
                ms -= self.base_ms - 2
            else:
                ms += self.queue["down"] + self.queue["up"] + moment.late_ms.get(target, 0)
            lost = ms > 1000 or self.random.random() < moment.lost * (target != "gateway")
            lost = lost or self.random.random() < moment.wifi_lost
            trips.append(RoundTrip(target, sent_ns, None if lost else int(ms * MS), target == "gateway"))
        self.now_ns += S
        if self.lost_later:
            trips = self._told(trips)
        host = Rates(sum(r.down_bps for r in apps.values()), sum(r.up_bps for r in apps.values()))
        known: dict[Direction, KnownCapacity] = {}
        if self.knows:
            known = {"down": KnownCapacity(self.down_bps, "set"), "up": KnownCapacity(self.up_bps, "set")}
        elif self.remembers and len(self.passed) >= 3:
            known = {way: KnownCapacity(most(self.passed, way), "seen") for way in DIRECTIONS}
        self.passed.append(host)
        tick = LagTick(
            self.now_ns,
            S,
            tuple(trips),
            apps,
            host,
            capacity=known,
            held=moment.held,
            stalled=moment.stalled,
        )
        found = self.detector.feed(tick)
        for incident in found:
            self.rows[incident.onset_ns] = incident
            self.told.append((self.now_ns, incident))
        return found

    def _told(self, trips: Sequence[RoundTrip]) -> list[RoundTrip]:
        self.under_way += [trip for trip in trips if trip.rtt_ns is None]
        over = [trip for trip in self.under_way if self.now_ns - trip.sent_ns > S * 3 // 2]
        self.under_way = [trip for trip in self.under_way if trip not in over]
        waiting = [
            RoundTrip(trip.target, trip.sent_ns, self.now_ns - trip.sent_ns, trip.gateway, pending=True)
            for trip in self.under_way
        ]
        return over + waiting + [trip for trip in trips if trip.rtt_ns is not None]

    def run(self, seconds: int, moment: Moment | Callable[[int], Moment]) -> None:
        for at in range(seconds):
            self.second(moment(at) if callable(moment) else moment)

    @property
    def incidents(self) -> list[Incident]:
        return list(self.rows.values())
