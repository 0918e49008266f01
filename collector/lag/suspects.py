"""What speaks against each application of this computer when there is lag. Pure; the diagnosis is ``attribution``'s."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean, median
from typing import Final

from collector.lag.onset import Onset
from collector.lag.samples import DIRECTIONS, Direction, KnownCapacity, LagTick
from collector.lag.targets import TargetTrack

S: Final = 10**9
BEFORE_NS: Final = 60 * S
JUST_NS: Final = (12 * S, 5 * S)
"""Who moved as much in these seconds before the onset, without lag, is not what has changed."""
CARRIED_NS: Final = (6 * S, 3 * S // 2)
LEAD_NS: Final = 2 * S
"""Ticks that end so long before the onset may hold the traffic that filled the queue."""
WINDOW_NS: Final = 20 * S
FLOOR_BPS: Final[Mapping[Direction, int]] = {"down": 1_000_000, "up": 500_000}
"""The most ever seen is no capacity below this: so little was never asked of the line."""
AFTER_NS: Final = S // 2
"""A queue outlives what filled it by so much at most, or we would not know whose it is."""
ENOUGH_TICKS: Final = 3
ACTIVE: Final = 0.35
LOADED: Final = 0.4
"""A second with less of the capacity than this has filled no queue, whoever was active then."""
ONE_TICK: Final = 0.85
WORTH: Final = 20
"""Who never moves a twentieth of the most that passed is no suspect."""
GROWN: Final = 3
"""Who moves so many times what it moved when the lag began is judged as if it had begun then."""

History = Sequence[LagTick]


@dataclass(frozen=True, slots=True)
class Suspect:
    """An application (None: traffic that nobody could be named for) in one direction, and what speaks against it."""

    app: str | None
    direction: Direction
    share_ratio: float
    utilization: float
    capacity: KnownCapacity
    rate_bps: int
    excess_bps: int
    lead_s: float
    """How long before the onset it began; negative: after."""
    explained_ratio: float
    """The share of the late probes that were on their way while, or just after, it was active on a loaded line."""
    stopped: bool | None = None
    """Whether the lag ended when it stopped (True), outlived it (False), or nothing is known yet."""
    carried_ratio: float = 0.0
    """What the line carried of it in the seconds before the onset, without lag, as a ratio to what it moved since."""


Starts = dict[tuple[str | None, Direction], tuple[float, int]]
"""By application and direction: its lead in seconds while the window still held the onset, and its rate then."""


@dataclass(frozen=True, slots=True)
class Case:
    """What an incident is judged by. ``last_ns``: when its last late or lost probe was sent.

    ``starts`` is kept from one judgement to the next: what is known only while the onset lies in the window.
    """

    history: History
    tracks: Sequence[TargetTrack]
    onset: Onset
    last_ns: int
    now_ns: int
    starts: Starts = field(default_factory=dict)

    def window(self) -> Sequence[LagTick]:
        """The last ``WINDOW_NS`` of the incident and a little before its onset."""
        after_ns = max(self.onset.at_ns - LEAD_NS, self.last_ns - WINDOW_NS)
        return [tick for tick in self.history if tick.now_ns > after_ns]

    def since_onset(self, ticks: Sequence[LagTick]) -> Sequence[LagTick]:
        """Those of them that ended after the onset, once there are some: how full the line was before says little."""
        since = [tick for tick in ticks if tick.now_ns > self.onset.at_ns]
        return since if len(since) >= ENOUGH_TICKS else ticks


def suspects(case: Case) -> list[Suspect]:
    """Everybody who moved something worth looking at in the window, in either direction."""
    ticks, late = case.window(), _late_spans(case.tracks, case.onset.at_ns)
    return [suspect for direction in DIRECTIONS for suspect in _suspects(case, direction, ticks, late)] if ticks else []


def _suspects(
    case: Case, direction: Direction, ticks: Sequence[LagTick], late: Sequence[tuple[int, int]]
) -> list[Suspect]:
    history, onset, now_ns = case.history, case.onset, case.now_ns
    use, capacity = use_of(case.since_onset(ticks), direction)
    earlier = [t for t in history if onset.at_ns - BEFORE_NS < t.now_ns <= onset.at_ns - LEAD_NS]
    just = [t for t in earlier if onset.at_ns - JUST_NS[0] < t.now_ns <= onset.at_ns - JUST_NS[1]]
    loaded = [tick.host[direction] >= LOADED * capacity.bps for tick in ticks]
    least_bps = max(FLOOR_BPS[direction] // 10, max(tick.host[direction] for tick in ticks) // WORTH)
    found = []
    names = {app for tick in ticks for app, rates in tick.apps.items() if rates[direction] >= least_bps}
    for app in (*sorted(names), None):
        rates = [rate_of(tick, app, direction) for tick in ticks]
        peak = max(rates)
        if peak < least_bps:
            continue
        active = [rate >= ACTIVE * peak for rate in rates]
        moving = [rate for rate, on in zip(rates, active, strict=True) if on]
        rate_bps = int(fmean(moving))
        before = max(
            int(median([rate_of(tick, app, direction) for tick in earlier])) if earlier else 0,
            min((rate_of(tick, app, direction) for tick in just), default=0),
        )
        totals = [tick.host[direction] for tick, on in zip(ticks, active, strict=True) if on]
        began = _began_ns(ticks, active, onset.at_ns)
        if began <= ticks[0].now_ns - ticks[0].elapsed_ns:
            began = began_ns(history, app, direction, rate_bps, ticks[0].now_ns)
        found.append(
            Suspect(
                app,
                direction,
                rate_bps / max(1.0, fmean(totals), rate_bps),
                use,
                capacity,
                rate_bps,
                max(0, rate_bps - before),
                _lead_s(case, ticks[0], (app, direction), (rate_bps, began)),
                _explained(ticks, [on and busy for on, busy in zip(active, loaded, strict=True)], late),
                _stopped(ticks, active, case.last_ns, now_ns),
                _carried_ratio(case, app, direction, case.since_onset(ticks)),
            )
        )
    return found


def _began_ns(ticks: Sequence[LagTick], active: Sequence[bool], onset_ns: int) -> int:
    """The start of its last run of active ticks that began before the onset, or with it; of bursts, each is a run."""
    starts, was = [], False
    for tick, on in zip(ticks, active, strict=True):
        if on and not was:
            starts.append(tick.now_ns - tick.elapsed_ns)
        was = on
    return max((start for start in starts if start <= onset_ns + S), default=starts[0])


def _lead_s(case: Case, first: LagTick, who: tuple[str | None, Direction], moved: tuple[int, int]) -> float:
    """How long before the onset it began. The window forgets that after a while; ``starts`` does not."""
    rate_bps, began = moved
    lead_s = (case.onset.at_ns - began) / S
    if first.now_ns - first.elapsed_ns <= case.onset.at_ns:
        case.starts[who] = lead_s, rate_bps
    elif who in case.starts and rate_bps < GROWN * case.starts[who][1]:
        lead_s = case.starts[who][0]
    return lead_s


def _carried_ratio(case: Case, app: str | None, direction: Direction, since: History) -> float:
    """The most that it moved in two seconds shortly before the onset, without lag: a ratio to the mean since then."""
    after_ns, until_ns = (case.onset.at_ns - ago_ns for ago_ns in CARRIED_NS)
    if any(start < until_ns for start, _ in _late_spans(case.tracks, after_ns)):
        return 0.0
    just = [tick for tick in case.history if after_ns < tick.now_ns <= until_ns]
    before = [rate_of(a, app, direction) + rate_of(b, app, direction) for a, b in pairwise(just)]
    now_bps = fmean(rate_of(tick, app, direction) for tick in since)
    return max(before, default=0) / 2 / max(1.0, now_bps)


def began_ns(history: History, app: str | None, direction: Direction, rate_bps: int, until_ns: int) -> int:
    """Since when without a pause it moved a third of its rate, going back from ``until_ns``."""
    began = until_ns
    for tick in reversed(history):
        if tick.now_ns > until_ns:
            continue
        if rate_of(tick, app, direction) < rate_bps // 3:
            break
        began = tick.now_ns - tick.elapsed_ns
    return began


def _stopped(ticks: Sequence[LagTick], active: Sequence[bool], last_ns: int, now_ns: int) -> bool | None:
    last_active_ns = max((t.now_ns for t, on in zip(ticks, active, strict=True) if on), default=0)
    if last_ns - last_active_ns > 3 * S:
        return False
    if now_ns - last_ns < 2 * S:
        return None
    after = [on for t, on in zip(ticks, active, strict=True) if t.now_ns - t.elapsed_ns > last_ns + S]
    if not after:
        return None
    return True if not any(after) else None


def use_of(ticks: Sequence[LagTick], direction: Direction) -> tuple[float, KnownCapacity]:
    """How full the direction was at its fullest, over two ticks, and against what.

    A burst of a second lies in two ticks, and one tick alone may hold what queued on this machine: it counts for less.
    """
    totals = [tick.host[direction] for tick in ticks] or [0]
    pairs: list[float] = [(a + b) / 2 for a, b in pairwise(totals)] or [*totals]
    pairs.append(ONE_TICK * max(totals))
    capacity = ticks[-1].capacity.get(direction) if ticks else None
    if capacity is None:
        capacity = KnownCapacity(max(totals), "seen")
    if capacity.source == "seen":
        capacity = KnownCapacity(max(capacity.bps, *totals, FLOOR_BPS[direction]), "seen")
    return max(pairs) / capacity.bps, capacity


def rate_of(tick: LagTick, app: str | None, direction: Direction) -> int:
    if app is None:
        return tick.unattributed[direction]
    rates = tick.apps.get(app)
    return rates[direction] if rates is not None else 0


def _late_spans(tracks: Sequence[TargetTrack], since_ns: int) -> list[tuple[int, int]]:
    """When each late or lost probe met the queue: from a little before it was sent until it came back."""
    return [
        (trip.sent_ns - AFTER_NS, trip.sent_ns + (trip.rtt_ns or 0))
        for track in tracks
        if not track.gateway
        for trip in track.since(since_ns)
        if track.slow(trip) or track.lost(trip)
    ]


def _explained(ticks: Sequence[LagTick], active: Sequence[bool], late: Sequence[tuple[int, int]]) -> float:
    """The share of late probes that were on their way while, or just after, it was active."""
    spans = [(t.now_ns - t.elapsed_ns, t.now_ns) for t, on in zip(ticks, active, strict=True) if on]
    first = ticks[0].now_ns - ticks[0].elapsed_ns
    seen = [(start, end) for start, end in late if end > first]
    met = sum(any(begin <= end and start <= until for begin, until in spans) for start, end in seen)
    return met / len(seen) if seen else 1.0
