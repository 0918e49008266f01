"""Delay detector: does a queue stand on the line now, how long is it, and in which direction?

Every target has its baseline; its excess is the lesser of its last two answers above that baseline, so a single late
packet says nothing. Those that answer vote. A near target (the gateway) has no vote about a far queue: it answers from
before the bottleneck. A target that fell silent has no vote either: silence is no delay. But an echo that has been
under way for longer than the baseline tells at once that the delay is at least so long.

Where a target answers with timestamps (RFC 792, type 13), both ways are known apart, up to a constant difference of
the clocks, which the baselines take out.

Source of the votes of several reflectors: cake-autorate; idea only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from enforcer.allocation.baseline import IdleRtt
from qos.contract.direction import DIRECTIONS, Direction

_MS: Final = 10**6
_S: Final = 10**9
FRESH_NS: Final = _S
"""Older answers say nothing about now."""
SILENT_NS: Final = 3 * _S
"""A target without any answer for so long has fallen silent."""


@dataclass(frozen=True, slots=True)
class EchoSample:
    """One echo to one target, seen at ``time_ns``. ``rtt_ns`` None: no answer came in time.

    ``pending``: it is still under way, and ``rtt_ns`` is how long by now. ``one_way_ns``: what each way took, off by a
    constant (the clocks'), where the target tells.
    """

    target: str
    time_ns: int
    rtt_ns: int | None
    pending: bool = False
    one_way_ns: Mapping[Direction, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reflector:
    """What is remembered of one target."""

    baseline: IdleRtt = field(default_factory=IdleRtt)
    one_way: Mapping[Direction, IdleRtt] = field(default_factory=dict)
    recent: tuple[EchoSample, ...] = ()
    answers: tuple[EchoSample, ...] = ()
    """The last two of those that came back: one that is under way says only how long at least."""
    answered_ns: int | None = None

    def with_sample(self, sample: EchoSample, *, idle: bool) -> "Reflector":
        """The memory with one more echo."""
        if sample.rtt_ns is None:
            return self
        if sample.pending:
            base = self.baseline.delay_ns
            if base is None or sample.rtt_ns <= base + self.baseline.threshold_ns:
                return self  # too early to say
            return replace(self, recent=(*self.recent, sample)[-2:])
        one_way = dict(self.one_way)
        for direction, delay_ns in sample.one_way_ns.items():
            one_way[direction] = one_way.get(direction, IdleRtt()).with_delay(sample.time_ns, delay_ns, idle=idle)
        baseline = self.baseline.with_delay(sample.time_ns, sample.rtt_ns, idle=idle)
        recent, answers = (*self.recent, sample)[-2:], (*self.answers, sample)[-2:]
        return Reflector(baseline, one_way, recent, answers, sample.time_ns)

    def excess_ns(self, now_ns: int) -> int | None:
        """How far its last answers were above the baseline, at least; None when there are no fresh ones."""
        base = self.baseline.delay_ns
        if base is None or self.answered_ns is None or now_ns - self.answered_ns > SILENT_NS:
            return None
        found = [self._least_ns(now_ns, samples, base) for samples in (self.recent, self.answers)]
        return max((excess for excess in found if excess is not None), default=None)

    def _least_ns(self, now_ns: int, samples: tuple[EchoSample, ...], base_ns: int) -> int | None:
        fresh = [sample.rtt_ns for sample in samples if now_ns - sample.time_ns <= FRESH_NS and sample.rtt_ns]
        if not fresh:
            return None
        excess = max(0, min(fresh) - base_ns)
        return excess if len(fresh) > 1 else min(excess, self.baseline.rise_ns)  # one late answer says nothing

    def one_way_excess_ns(self, now_ns: int, direction: Direction) -> int | None:
        """The same for one way; None where the target does not tell."""
        baseline = self.one_way.get(direction)
        base = baseline.delay_ns if baseline is not None else None
        fresh = [
            sample.one_way_ns[direction]
            for sample in self.answers
            if now_ns - sample.time_ns <= FRESH_NS and direction in sample.one_way_ns
        ]
        return None if base is None or not fresh else max(0, min(fresh) - base)


@dataclass(frozen=True, slots=True)
class Delay:
    """What the echoes say now. Nanoseconds above the idle line."""

    voters: int = 0
    """Targets that answer and may see a queue; 0: nothing is known, and nothing may be concluded."""
    congested: bool = False
    rising: bool = False
    """More than the line's own noise: a queue begins."""
    clear: bool = False
    """Not congested, and near the baseline."""
    queue_ns: int = 0
    threshold_ns: int = 0
    base_ns: int = 0
    """The idle line's round trip."""
    one_way_ns: Mapping[Direction, int] = field(default_factory=dict)
    """The part of each direction, where any target tells."""


def judge(now_ns: int, reflectors: Mapping[str, Reflector], near: frozenset[str] = frozenset()) -> Delay:
    """The verdict of all targets. ``near`` are those without a vote (the gateway), unless nobody else ever answered."""
    excess = {name: value for name, r in reflectors.items() if (value := r.excess_ns(now_ns)) is not None}
    far = [name for name, r in reflectors.items() if name not in near and r.answered_ns is not None]
    voters = [name for name in excess if name not in near] if far else list(excess)
    if not voters:
        return Delay()
    late = [name for name in voters if excess[name] > reflectors[name].baseline.threshold_ns]
    congested = 2 * len(late) >= len(voters) and bool(late)
    clear = sum(2 * excess[name] <= reflectors[name].baseline.threshold_ns for name in voters) * 2 > len(voters)
    rising = sum(excess[name] > reflectors[name].baseline.rise_ns for name in voters) * 2 >= len(voters)
    heard = late if congested else voters
    one_way: dict[Direction, int] = {}
    for direction in DIRECTIONS:
        told = [v for name in heard if (v := reflectors[name].one_way_excess_ns(now_ns, direction)) is not None]
        if told:
            one_way[direction] = _median(told)
    return Delay(
        voters=len(voters),
        congested=congested,
        rising=rising or congested,
        clear=clear and not congested,
        queue_ns=_median([excess[name] for name in heard]),
        threshold_ns=_median([reflectors[name].baseline.threshold_ns for name in heard]),
        base_ns=_median([reflectors[name].baseline.delay_ns or 0 for name in heard]),
        one_way_ns=one_way,
    )


def _median(values: Sequence[int]) -> int:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
