"""Is there lag now, of whom, and since when: the targets vote. Pure.

Answers on the way to the internet are looked at in the order in which they were sent, all targets together: three of
four in a row late, from more than one target (where there is more than one), and not all of one instant, is lag of the
connection. One target that is late alone needs three of its own last four. Loss is counted over ten seconds against the
usual loss: so many must be missing that chance explains it once in 50,000 windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import fmean
from typing import Final, Literal

from collector.lag.samples import RoundTrip
from collector.lag.targets import TargetTrack

S: Final = 10**9
RECENT: Final = 4
LATE_OF_RECENT: Final = 3
APART_NS: Final = S * 6 // 10
"""The late ones must span at least this: one hiccup of this machine delays everything that is in the air."""
LOSS_WINDOW_NS: Final = 10 * S
MIN_LOST: Final = 3
USUALLY_LOSES: Final = 0.05
CHANCE: Final = 2e-5
MAX_AGE_NS: Final = 5 * S

Kind = Literal["delay", "loss", "queue"]
"""Late answers, lost ones, or waits in a queue of AutoQoS's own."""


@dataclass(frozen=True, slots=True)
class Onset:
    """Lag that is seen now. ``target``: of that one alone; None: of the connection. ``at_ns``: since when.

    Of a queue of AutoQoS's own, ``target`` is the application that waits in it.
    """

    at_ns: int
    kind: Kind
    target: str | None = None


Sight = tuple[RoundTrip, TargetTrack]


def pooled(tracks: Sequence[TargetTrack], since_ns: int) -> list[Sight]:
    """The round trips of several warm targets in the order of sending."""
    found = [(trip, track) for track in tracks if track.baseline.warm for trip in track.since(since_ns)]
    return sorted(found, key=lambda sight: sight[0].sent_ns)


def find(tracks: Sequence[TargetTrack], now_ns: int, since_ns: int) -> Onset | None:
    """Lag of the connection, else of one target. Nothing before ``since_ns`` counts: it is another incident's."""
    start_ns = max(now_ns - MAX_AGE_NS, since_ns)
    several = len([track for track in tracks if track.baseline.warm]) > 1
    delay = _late(pooled(tracks, start_ns), several=several)
    if delay is not None:
        return Onset(delay, "delay")
    loss = _lossy(pooled(tracks, max(now_ns - LOSS_WINDOW_NS, since_ns)), several=several)
    if loss is not None:
        return Onset(loss, "loss")
    if several:
        for track in tracks:
            if not all(_punctual(other, now_ns) for other in tracks if other is not track):
                continue
            alone = [sight for sight in pooled([track], start_ns) if not sight[0].pending]
            at_ns = _late(alone, several=False) or _much_later(alone)
            if at_ns is not None:
                return Onset(at_ns, "delay", track.name)
            at_ns = _lossy(pooled([track], max(now_ns - 2 * LOSS_WINDOW_NS, since_ns)), several=False)
            if at_ns is not None:
                return Onset(at_ns, "loss", track.name)
    return None


def _punctual(track: TargetTrack, now_ns: int) -> bool:
    """Whether its newest answers came as usual; a target that nothing is known of has no say."""
    newest = [trip for trip in track.since(now_ns - 3 * S) if not trip.pending or track.slow(trip)][-2:]
    return not track.baseline.warm or not any(track.slow(trip) for trip in newest)


def _much_later(sights: Sequence[Sight]) -> int | None:
    """Two answers in a row, both late by twice what makes one late, need no third one."""
    newest = sights[-2:]
    if len(newest) < 2 or not all(track.slow(trip, 2.0) for trip, track in newest):
        return None
    return newest[0][0].sent_ns


def _late(sights: Sequence[Sight], *, several: bool) -> int | None:
    """When the newest run of late answers began; None without one."""
    answered = [(trip, track, track.slow(trip)) for trip, track in sights if not track.lost(trip)]
    answered = [each for each in answered if not each[0].pending or each[2]]  # on its way, and not late yet
    # A short lag may have ended before it was looked for: every run of answers since is judged, the newest first.
    for end in range(len(answered), LATE_OF_RECENT - 1, -1):
        if answered[end - 1][2] and (began_ns := _run_of(answered[:end], several=several)) is not None:
            return began_ns
    return None


def _run_of(answered: Sequence[tuple[RoundTrip, TargetTrack, bool]], *, several: bool) -> int | None:
    late = [(trip, track) for trip, track, slow in answered[-RECENT:] if slow]
    if len(late) < LATE_OF_RECENT:
        return None
    if late[-1][0].sent_ns - late[0][0].sent_ns < APART_NS:
        return None
    if several and len({track.name for _, track in late}) < 2:
        return None
    began_ns, punctual = late[0][0].sent_ns, 0
    for trip, _, slow in reversed(answered):
        punctual = 0 if slow else punctual + 1
        if punctual >= 2:
            break
        if slow:
            began_ns = min(began_ns, trip.sent_ns)
    return began_ns


def _lossy(sights: Sequence[Sight], *, several: bool) -> int | None:
    """When the present run of losses began; None while chance explains them."""
    sights = [(trip, track) for trip, track in sights if not trip.pending]
    steady = [(trip, track) for trip, track in sights if track.baseline.loss_ratio <= USUALLY_LOSES]
    sights = steady or sights  # who loses often anyway (a target that limits its answers) has no say beside others
    lost = [(trip, track) for trip, track in sights if track.lost(trip)]
    if len(lost) < MIN_LOST or (several and len({track.name for _, track in lost}) < 2):
        return None
    usual = fmean(track.baseline.loss_ratio for _, track in sights)
    if chance_of(len(lost), len(sights), usual) > CHANCE or lost[-1][0].sent_ns - lost[0][0].sent_ns < APART_NS:
        return None
    return lost[0][0].sent_ns


def chance_of(lost: int, sent: int, ratio: float) -> float:
    """How likely at least ``lost`` of ``sent`` independent probes get no answer where usually ``ratio`` do."""
    return 1 - sum(comb(sent, k) * ratio**k * (1 - ratio) ** (sent - k) for k in range(lost))


def calm(tracks: Sequence[TargetTrack], now_ns: int, onset: Onset) -> bool:
    """Whether the lag has ended: half of the threshold, for longer than it took to begin (hysteresis)."""
    of = [track for track in tracks if onset.target is None or track.name == onset.target]
    if onset.kind == "loss":
        quiet_ns = LOSS_WINDOW_NS * 8 // 10
        sights = [(trip, track) for trip, track in pooled(of, now_ns - quiet_ns) if not trip.pending]
        return len(sights) >= 6 and not any(track.lost(trip) for trip, track in sights)
    sights = pooled(of, now_ns - 3 * S)
    if any(trip.pending and track.slow(trip) for trip, track in sights):
        return False
    done = [(trip, track) for trip, track in sights if not trip.pending]
    late = sum(track.lost(trip) or track.slow(trip, 0.5) for trip, track in done)
    enough = 2 if onset.target is not None else min(6, 2 * len(of))
    return len(done) >= enough and 4 * late <= len(done)
