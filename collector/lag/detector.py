"""Incidents of lag out of a stream of ticks: when each began, how bad it was, who made it, when it ended. Pure.

A running incident is judged anew every tick, because later evidence (what happened when somebody stopped) is better
evidence. It ends when the targets are calm, or honestly when measuring was interrupted. What comes back within
``REJOIN_NS`` from the same cause is the same incident: short bursts are one.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from collector.lag.attribution import UNKNOWN, Diagnosis, diagnose, is_sure
from collector.lag.onset import Onset, calm, find, pooled
from collector.lag.own_queue import find_waiting, long_waits, waits_no_more
from collector.lag.samples import HeldApp, LagTick, RoundTrip
from collector.lag.suspects import Case, Starts
from collector.lag.targets import TargetTrack
from collector.lag.turns import CauseTurn, in_hindsight, outlived, taken_over

S: Final = 10**9
REJOIN_NS: Final = 10 * S
LEARN_AFTER_NS: Final = 12 * S
"""A sample is taken for usual when so much later nothing was found wrong with it: losses take longest to tell."""
LEARN_FIRST_NS: Final = 3 * S
ADAPT_NS: Final = 1800 * S
"""After half an hour the slow line is the usual one: a new route, another provider."""
HISTORY: Final = 180
CALM: Final = "calm"
NOT_YET: Final = Diagnosis(UNKNOWN, 0.3)
TURNED: Final = "it stayed slow for another reason"


@dataclass(frozen=True, slots=True)
class Incident:
    """One episode. Times are those of the ticks (monotonic ns). ``extra_ns``: the median of late answers over usual.

    ``target``: the one that is slow alone, or the application that waits in a queue of AutoQoS's own, where ``kind`` is
    ``queue``; ``held``: to what it is held there. ``ended``: why it is over; empty while it runs.
    """

    onset_ns: int
    last_ns: int
    kind: str
    target: str | None
    extra_ns: int
    loss_ratio: float
    diagnosis: Diagnosis
    ended: str = ""
    held: HeldApp | None = None

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return not self.ended


class LagDetector:
    """See the module. ``feed`` returns every incident whose row changed."""

    def __init__(self) -> None:
        self._tracks: dict[str, TargetTrack] = {}
        self._history: deque[LagTick] = deque(maxlen=HISTORY)
        self._onset: Onset | None = None
        self._incident: Incident | None = None
        self._before: Incident | None = None
        self._starts: Starts = {}
        self._sure: Incident | None = None
        """The running incident when somebody was last named for it with high confidence."""
        self._since_ns = -(2**62)

    @property
    def running(self) -> Incident | None:
        """The incident that goes on now."""
        return self._incident

    def tracks(self) -> Sequence[TargetTrack]:
        """The targets known, the gateway last."""
        return sorted(self._tracks.values(), key=lambda track: track.gateway)

    def watch(self, targets: Sequence[str], gateway: str | None) -> None:
        """These targets from now on; others are forgotten."""
        wanted = set(targets) | ({gateway} if gateway else set())
        for name in [name for name in self._tracks if name not in wanted]:
            del self._tracks[name]
        for name, track in self._tracks.items():
            track.gateway = name == gateway

    def interrupt(self, now_ns: int, why: str, *, network: bool = False) -> tuple[Incident, ...]:
        """Measuring stops here (restart, sleep, another network): a running incident ends at what was last seen."""
        found = self._finish(why)
        self._history.clear()
        self._before, self._since_ns = None, now_ns
        if network:
            self._tracks.clear()
        for track in self._tracks.values():
            track.forget()
        return found

    def glance(self, now_ns: int, round_trips: Sequence[RoundTrip]) -> Incident | None:
        """What looks like lag between two ticks. No incident begins here: that, and whose it is, the next tick says."""
        late = [self._take(trip) for trip in round_trips]
        before = self._before
        if self._onset is not None or not any(late) or (before is not None and now_ns - before.last_ns < REJOIN_NS):
            return None
        onset = find(self._outside(), now_ns, self._since_ns)
        return self._extent(onset) if onset is not None else None

    def _take(self, trip: RoundTrip) -> bool:
        track = self._tracks.get(trip.target)
        if track is None:
            track = self._tracks[trip.target] = TargetTrack(trip.target, gateway=trip.gateway)
        track.take(trip)
        return track.slow(trip) or track.lost(trip)

    def feed(self, tick: LagTick) -> tuple[Incident, ...]:
        """Take in one tick."""
        for trip in tick.round_trips:
            self._take(trip)
        self._history.append(tick)
        if tick.stalled:
            for track in self._tracks.values():
                track.skip(tick.now_ns)
            self._since_ns = tick.now_ns
            return ()
        if self._onset is None:
            return self._look(tick)
        return self._follow(tick, self._onset)

    def _outside(self) -> list[TargetTrack]:
        outside = [track for track in self._tracks.values() if not track.gateway]
        return outside or list(self._tracks.values())

    def _look(self, tick: LagTick) -> tuple[Incident, ...]:
        onset = find(self._outside(), tick.now_ns, self._since_ns)
        if onset is None and (waiting := find_waiting(self._history, tick.now_ns, self._since_ns)) is not None:
            onset = Onset(waiting[1], "queue", waiting[0])
        if onset is None:
            self._learn(tick)
            return ()
        self._onset, starts, self._starts, self._sure = onset, self._starts, {}, None
        incident = self._measure(tick, onset)
        before, self._before = self._before, None
        if before is not None and _same(before, incident) and onset.at_ns - before.last_ns < REJOIN_NS:
            self._onset, self._starts = replace(onset, at_ns=before.onset_ns), starts
            incident = self._measure(tick, self._onset)
        self._incident = incident
        return (incident,)

    def _learn(self, tick: LagTick) -> None:
        for track in self._tracks.values():
            track.learn(tick.now_ns - (LEARN_AFTER_NS if track.baseline.warm else LEARN_FIRST_NS))

    def _follow(self, tick: LagTick, onset: Onset) -> tuple[Incident, ...]:
        if onset.kind == "queue":
            return self._follow_queue(tick, onset)
        if onset.target is not None:  # the connection may have followed
            wider = find(self._outside(), tick.now_ns, self._since_ns)
            if wider is not None and wider.target is None:
                return self._widen(tick, onset, wider)
        before = self._incident
        incident = self._incident = self._measure(tick, onset)
        if onset.kind == "delay" and onset.target is None and (turn := self._turn(tick, onset, incident)) is not None:
            return self._split(tick, onset, turn)
        if calm(self._outside(), tick.now_ns, onset):
            return self._end_calm(tick, onset, incident)
        if tick.now_ns - onset.at_ns > ADAPT_NS:
            for track in self._tracks.values():
                track.baseline = type(track.baseline)()
            return self._finish("it is usual by now")
        return (incident,) if incident != before else ()

    def _end_calm(self, tick: LagTick, onset: Onset, incident: Incident) -> tuple[Incident, ...]:
        first: tuple[Incident, ...] = ()
        if onset.kind == "delay" and onset.target is None and incident.diagnosis.suspect is None and self._sure is None:
            turn = in_hindsight(self._case(tick, onset, incident.last_ns))
            first = self._split(tick, onset, turn)[:1] if turn is not None else ()
        return (*first, *self._finish(CALM))

    def _turn(self, tick: LagTick, onset: Onset, incident: Incident) -> CauseTurn | None:
        """Whether the cause has changed while the lag went on."""
        diagnosis, sure, case = incident.diagnosis, self._sure, self._case(tick, onset, incident.last_ns)
        if is_sure(diagnosis):
            self._sure = incident
            return None
        if diagnosis.suspect is None and sure is not None:
            return outlived(case, sure.diagnosis)
        if diagnosis.suspect is None:
            return taken_over(case)
        return None

    def _split(self, tick: LagTick, onset: Onset, turn: CauseTurn) -> tuple[Incident, ...]:
        first = self._sure or self._incident
        assert first is not None
        last_ns = max(onset.at_ns, min(turn.until_ns, turn.at_ns - 1))
        ended = replace(first, last_ns=last_ns, ended=TURNED)
        self._onset, self._incident, self._starts, self._sure = replace(onset, at_ns=turn.at_ns), None, {}, None
        self._incident = self._measure(tick, self._onset)
        return (ended, self._incident)

    def _follow_queue(self, tick: LagTick, onset: Onset) -> tuple[Incident, ...]:
        """AutoQoS's own queue is another place than the line: lag of the line is another incident."""
        if find(self._outside(), tick.now_ns, self._since_ns) is not None:
            ended = self._finish("the connection became slow")
            found = self._look(tick)
            return (*_until(ended, found[0].onset_ns), *found)
        self._learn(tick)
        before = self._incident
        incident = self._incident = self._measure(tick, onset)
        if waits_no_more(self._history, tick.now_ns, onset.target or ""):
            return self._finish(CALM)
        return (incident,) if incident != before else ()

    def _widen(self, tick: LagTick, onset: Onset, wider: Onset) -> tuple[Incident, ...]:
        """What began with one target is the whole connection's; long after, it is another incident."""
        ended: tuple[Incident, ...] = ()
        if wider.at_ns - onset.at_ns > REJOIN_NS:
            ended, onset = _until(self._finish("the whole connection became slow"), wider.at_ns), wider
        self._onset = replace(onset, target=None, kind=wider.kind)
        self._incident = self._measure(tick, self._onset)
        return (*ended, self._incident)

    def _finish(self, why: str) -> tuple[Incident, ...]:
        incident = self._incident
        self._onset = self._incident = None
        if incident is None:
            return ()
        ended = replace(incident, ended=why)
        if incident.kind != "queue":  # the line was as usual
            for track in self._tracks.values():
                track.skip(incident.last_ns)
            self._since_ns = incident.last_ns + 1
        self._before = ended
        return (ended,)

    def _measure(self, tick: LagTick, onset: Onset) -> Incident:
        if onset.kind == "queue":
            return self._measure_queue(tick, onset)
        seen, known = self._extent(onset), self._incident
        diagnosis = diagnose(self._case(tick, onset, seen.last_ns))
        if known is not None and known.diagnosis.confidence > diagnosis.confidence and diagnosis.cause == UNKNOWN:
            diagnosis = known.diagnosis
        return replace(seen, diagnosis=diagnosis)

    def _extent(self, onset: Onset) -> Incident:
        """How long, how much, how many lost; not yet by whom."""
        of = [track for track in self._outside() if onset.target is None or track.name == onset.target]
        sights = pooled(of, onset.at_ns)
        slow = sorted(
            track.baseline.excess_ns(trip.rtt_ns)
            for trip, track in sights
            if trip.rtt_ns is not None and not trip.pending and track.slow(trip)
        )
        bad = [trip.sent_ns for trip, track in sights if track.lost(trip) or track.slow(trip)]
        known = self._incident
        last_ns = max([*bad, onset.at_ns, known.last_ns if known is not None else 0])
        # What came after the last bad one is not the incident: it only waits to be called over.
        done = [(trip, track) for trip, track in sights if not trip.pending and trip.sent_ns <= last_ns]
        lost = sum(track.lost(trip) for trip, track in done)
        return Incident(
            onset_ns=onset.at_ns,
            last_ns=last_ns,
            kind=onset.kind,
            target=onset.target,
            extra_ns=slow[len(slow) // 2] if slow else (known.extra_ns if known is not None else 0),
            loss_ratio=lost / len(done) if done else 0.0,
            diagnosis=NOT_YET,
        )

    def _case(self, tick: LagTick, onset: Onset, last_ns: int) -> Case:
        return Case(self._history, self.tracks(), onset, last_ns, tick.now_ns, self._starts)

    def _measure_queue(self, tick: LagTick, onset: Onset) -> Incident:
        waits = long_waits(self._history, onset.target or "", onset.at_ns)
        ordered = sorted(wait.held.queue_ms for wait in waits)
        known = self._incident
        return Incident(
            onset_ns=onset.at_ns,
            last_ns=max([wait.at_ns for wait in waits] or [known.last_ns if known is not None else onset.at_ns]),
            kind=onset.kind,
            target=onset.target,
            extra_ns=int(ordered[len(ordered) // 2] * 1e6) if ordered else (known.extra_ns if known else 0),
            loss_ratio=0.0,
            diagnosis=diagnose(self._case(tick, onset, tick.now_ns)),
            held=waits[-1].held if waits else (known.held if known is not None else None),
        )


def _until(ended: tuple[Incident, ...], start_ns: int) -> tuple[Incident, ...]:
    """What ended because another incident began did not last longer than until then."""
    return tuple(replace(each, last_ns=max(each.onset_ns, min(each.last_ns, start_ns))) for each in ended)


def _same(before: Incident, now: Incident) -> bool:
    same = (before.diagnosis.cause, before.diagnosis.app) == (now.diagnosis.cause, now.diagnosis.app)
    return same and before.target == now.target
