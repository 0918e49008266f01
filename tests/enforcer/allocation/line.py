"""A simulated line for the control loop: two FIFOs, elastic senders that take what the budgets let them, echoes."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from enforcer.allocation.congestion import step
from enforcer.allocation.delay_detector import EchoSample
from enforcer.allocation.line_state import Load, State
from qos.contract.direction import DIRECTIONS, Direction

MS = 10**6
S = 10**9
M = 1_000_000
TICK_NS = 50 * MS
BASE_NS = 20 * MS


@dataclass
class Fifo:
    """One direction's bottleneck: a queue of at most ``buffer_ms``."""

    capacity_bps: int
    buffer_ms: int = 500
    queued_bits: float = 0.0

    def carry(self, offered_bps: float) -> float:
        """What got through in one tick, bits per second."""
        seconds = TICK_NS / S
        there = self.queued_bits + offered_bps * seconds
        served = min(there, self.capacity_bps * seconds)
        self.queued_bits = min(there - served, self.capacity_bps * self.buffer_ms / 1000)
        return served / seconds

    @property
    def delay_ns(self) -> int:
        return int(self.queued_bits * S / self.capacity_bps)


@dataclass
class Line:
    """Both directions. ``want_bps`` is what elastic applications would send, ``steady_bps`` what a call sends;
    ``others_bps`` is another device's, which we never see in our counters."""

    fifos: dict[Direction, Fifo]
    want_bps: dict[Direction, int] = field(default_factory=dict)
    steady_bps: int = 100_000
    others_bps: dict[Direction, int] = field(default_factory=dict)
    noise_ms: float = 0.5
    targets: Sequence[str] = ("a", "b", "c")
    stamps: bool = True
    answers: bool = True
    obeys: bool = True
    """Budgets are in force; else everybody sends what they want."""
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    now_ns: int = 0
    bytes: dict[Direction, int] = field(default_factory=lambda: dict.fromkeys(DIRECTIONS, 0))
    sent_bps: dict[Direction, float] = field(default_factory=lambda: dict.fromkeys(DIRECTIONS, 0.0))

    def tick(self, state: State, **options: object) -> State:
        """One step of everything."""
        self.now_ns += TICK_NS
        loads: dict[Direction, Load] = {}
        for way in DIRECTIONS:
            budget = state.budgets().get(way) if self.obeys else None
            want = self.want_bps.get(way, 0)
            elastic = want if budget is None else min(want, max(64_000, budget - self.steady_bps))
            mine = elastic + self.steady_bps
            others = self.others_bps.get(way, 0)
            carried = self.fifos[way].carry(mine + others)
            part = mine / max(1, mine + others)
            # Down: what arrives is behind the queue. Up: what we send is before it.
            passed = carried * part if way == "down" else mine
            self.bytes[way] += int(passed * TICK_NS / S / 8)
            self.sent_bps[way] = carried * part
            loads[way] = Load(self.bytes[way], int(passed * elastic / max(1, mine)), budget is None or want > elastic)
        samples = [self.echo(target) for target in self.targets] if self.answers else []
        return step(state, self.now_ns, samples, loads, **options)  # type: ignore[arg-type]  # links and near

    def echo(self, target: str) -> EchoSample:
        noise = int(self.chance.random() * self.noise_ms * MS)
        down, up = self.fifos["down"].delay_ns, self.fifos["up"].delay_ns
        rtt = BASE_NS + down + up + noise
        one_way: dict[Direction, int] = {}
        if self.stamps:
            # Whole milliseconds, and a difference of the clocks.
            one_way = {"down": down // MS * MS + 7 * S, "up": up // MS * MS - 7 * S}
        return EchoSample(target, self.now_ns, rtt, one_way_ns=one_way)

    def queue_ms(self, way: Direction) -> float:
        return self.fifos[way].delay_ns / MS

    def run(
        self, state: State, seconds: float, look: Callable[[State], None] = lambda _: None, **options: object
    ) -> State:
        for _ in range(int(seconds * S / TICK_NS)):
            state = self.tick(state, **options)
            look(state)
        return state


@dataclass
class LateLine(Line):
    """As a real one is seen: a target is asked every 100 ms, its echo comes back after its round trip, and senders need
    time to take what they are given and to notice that it was taken away."""

    grows: float = 1.5
    """How fast a sender takes more, per tick."""
    rate_bps: dict[Direction, float] = field(default_factory=lambda: dict.fromkeys(DIRECTIONS, 100_000.0))
    ticks: int = 0
    under_way: list[tuple[int, EchoSample]] = field(default_factory=list)

    def tick(self, state: State, **options: object) -> State:
        """One step of everything."""
        self.now_ns += TICK_NS
        self.ticks += 1
        loads: dict[Direction, Load] = {}
        for way in DIRECTIONS:
            budget = state.budgets().get(way) if self.obeys else None
            want, fifo = self.want_bps.get(way, 0), self.fifos[way]
            target = want if budget is None else min(want, max(64_000, budget - self.steady_bps))
            before = self.rate_bps[way]
            if target >= before:
                elastic = min(target, before * self.grows + 20_000)
            elif way == "up":
                elastic = target
            else:  # the sender hears of it after what is queued already
                elastic = target + (before - target) * max(0, 1 - TICK_NS / (100 * MS + fifo.delay_ns / 2))
            self.rate_bps[way] = elastic
            mine = elastic + self.steady_bps
            carried = fifo.carry(mine)
            passed = carried if way == "down" else mine
            self.bytes[way] += int(passed * TICK_NS / S / 8)
            self.sent_bps[way] = carried
            wants = budget is None or (want > target and elastic > 0.8 * target)
            loads[way] = Load(self.bytes[way], int(passed * elastic / max(1, mine)), wants)
        return step(state, self.now_ns, self.answers_now(), loads, **options)  # type: ignore[arg-type]  # links and near

    def answers_now(self) -> list[EchoSample]:
        """What came back by now, and what has been under way for so long."""
        for number, target in enumerate(self.targets):
            if (self.ticks + number) % 2 == 0:
                made = self.echo(target)
                assert made.rtt_ns is not None
                self.under_way.append((self.now_ns + made.rtt_ns, made))
        back = [EchoSample(one.target, self.now_ns, one.rtt_ns) for at, one in self.under_way if at <= self.now_ns]
        self.under_way = [(at, one) for at, one in self.under_way if at > self.now_ns]
        oldest = {one.target: one for _, one in reversed(self.under_way)}
        pending = [
            EchoSample(target, self.now_ns, self.now_ns - one.time_ns, pending=True) for target, one in oldest.items()
        ]
        return back + [one for one in pending if one.rtt_ns]


def line(down_mbit: float = 20, up_mbit: float = 10, **options: object) -> Line:
    fifos: dict[Direction, Fifo] = {"down": Fifo(int(down_mbit * M)), "up": Fifo(int(up_mbit * M))}
    return Line(fifos, **options)  # type: ignore[arg-type]  # the fields' names


def idle(made: Line, seconds: float = 12) -> State:
    """A state that has seen the idle line."""
    want, made.want_bps = made.want_bps, {}
    state = made.run(State(), seconds)
    made.want_bps = want
    assert not state.budgets()
    return state
