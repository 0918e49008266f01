"""Where lag goes on but its cause changes: the moment at which one incident ends and another begins. Pure.

Answers stay late when another device takes over the line from an application of this computer, or the other way round;
one diagnosis for both would be wrong for one of them. Only strong evidence makes a turn: who was named with high
confidence for seconds and has stopped, or who now fills a line whose capacity is known, nearly alone. In hindsight also
who filled it as it was ever seen full, and stopped when the lag ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from collector.lag.attribution import HIGH, Diagnosis, diagnose, is_sure
from collector.lag.onset import Onset, pooled
from collector.lag.samples import DIRECTIONS
from collector.lag.suspects import ACTIVE, FLOOR_BPS, Case, began_ns, rate_of
from collector.lag.targets import TargetTrack

S: Final = 10**9
NAMED_NS: Final = 5 * S
"""An application must have been active so long in its incident to keep it for itself."""
OUTLIVED_NS: Final = 3 * S
TAKEN_NS: Final = 4 * S
AFTER_NS: Final = 4 * S
TAKEN_USE: Final = 0.8
TAKEN_SHARE: Final = 0.6


@dataclass(frozen=True, slots=True)
class CauseTurn:
    """``at_ns``: the first late probe of the second cause; ``until_ns``: the last moment of the first one."""

    until_ns: int
    at_ns: int


def outlived(case: Case, named: Diagnosis) -> CauseTurn | None:
    """Whether lag goes on although ``named``, who was named for it with high confidence, has stopped."""
    suspect = named.suspect
    if suspect is None or not is_sure(named):
        return None
    active = [
        tick.now_ns
        for tick in case.history
        if tick.now_ns > case.onset.at_ns and rate_of(tick, suspect.app, suspect.direction) >= ACTIVE * suspect.rate_bps
    ]
    if not active or active[-1] - case.onset.at_ns < NAMED_NS or case.now_ns - active[-1] < OUTLIVED_NS:
        return None
    after = _late(case.tracks, active[-1])
    if not after or after[-1] - active[-1] < OUTLIVED_NS:
        return None
    return CauseTurn(active[-1], after[0])


def taken_over(case: Case) -> CauseTurn | None:
    """Whether an application that began long after the lag did fills the line by now, nearly alone."""
    history, onset, now_ns = case.history, case.onset, case.now_ns
    recent = [tick for tick in history if tick.now_ns > now_ns - TAKEN_NS]
    if len(recent) < 3:
        return None
    for direction in DIRECTIONS:
        capacity = recent[-1].capacity.get(direction)
        if capacity is None or capacity.source == "seen":
            continue
        total = fmean(tick.host[direction] for tick in recent)
        if min(tick.host[direction] for tick in recent) < TAKEN_USE * capacity.bps:
            continue
        for app in recent[-1].apps:
            rate = fmean(rate_of(tick, app, direction) for tick in recent)
            if rate < TAKEN_SHARE * total:
                continue
            began = began_ns(history, app, direction, int(rate), now_ns)
            late = _late(case.tracks, began - S // 2)
            if began < onset.at_ns + AFTER_NS or now_ns - began < TAKEN_NS or not late:
                continue
            diagnosis = diagnose(Case(history, case.tracks, Onset(late[0], onset.kind), case.last_ns, now_ns))
            if diagnosis.app == app and diagnosis.confidence >= HIGH:
                return CauseTurn(min(began, late[0]), late[0])
    return None


def in_hindsight(case: Case) -> CauseTurn | None:
    """Whether lag that has just ended did so with an application that began long after it.

    The line stood as full by it as it ever did before it began: where nobody knows the capacity that alone proves
    nothing, but lag that ends when it stops does.
    """
    history, onset, last_ns = case.history, case.onset, case.last_ns
    final = [tick for tick in history if last_ns - TAKEN_NS < tick.now_ns <= last_ns]
    if len(final) < 3:
        return None
    for direction in DIRECTIONS:
        total = fmean(tick.host[direction] for tick in final)
        for app in final[-1].apps:
            rate = fmean(rate_of(tick, app, direction) for tick in final)
            if rate < max(TAKEN_SHARE * total, FLOOR_BPS[direction]):
                continue
            began = began_ns(history, app, direction, int(rate), last_ns)
            before = [tick for tick in history if tick.now_ns <= began]
            most = before[-1].capacity.get(direction) if before else None
            if most is None or min(tick.host[direction] for tick in final) < TAKEN_USE * most.bps:
                continue
            if most.source == "seen" and TAKEN_USE * total > most.bps:  # it was never asked for so much
                continue
            late = _late(case.tracks, began - S // 2)
            if began < onset.at_ns + AFTER_NS or last_ns - began < TAKEN_NS or not late or late[0] > began + AFTER_NS:
                continue
            diagnosis = diagnose(Case(history, case.tracks, Onset(late[0], onset.kind), last_ns, case.now_ns))
            if diagnosis.app == app and diagnosis.suspect is not None and diagnosis.suspect.stopped:
                return CauseTurn(min(began, late[0]), late[0])
    return None


def _late(tracks: Sequence[TargetTrack], since_ns: int) -> list[int]:
    outside = [track for track in tracks if not track.gateway]
    return [trip.sent_ns for trip, track in pooled(outside, since_ns) if track.lost(trip) or track.slow(trip)]
