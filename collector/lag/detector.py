"""Incidents of lag out of a stream of ticks: when each began, how bad it was, who made it, when it ended. Pure.

A running incident is judged anew every tick, because later evidence (what happened when somebody stopped) is better
evidence. It ends when the targets are calm, or honestly when measuring was interrupted. What comes back within
``REJOIN_NS`` from the same cause is the same incident: short bursts are one.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from collector.lag.attribution import UNKNOWN, Diagnosis, diagnose
from collector.lag.onset import Onset, calm, find, pooled
from collector.lag.samples import LagTick
from collector.lag.targets import TargetTrack

S: Final = 10**9
REJOIN_NS: Final = 10 * S
LEARN_AFTER_NS: Final = 12 * S
"""A sample is taken for usual when so much later nothing was found wrong with it: losses take longest to tell."""
LEARN_FIRST_NS: Final = 3 * S
ADAPT_NS: Final = 1800 * S
"""After half an hour the slow line is the usual one: a new route, another provider."""
HISTORY: Final = 180


@dataclass(frozen=True, slots=True)
class Incident:
    """One episode. Times are those of the ticks (monotonic ns). ``extra_ns``: the median of late answers over usual.

    ``ended``: why it is over; empty while it runs.
    """

    onset_ns: int
    last_ns: int
    kind: str
    target: str | None
    extra_ns: int
    loss_ratio: float
    diagnosis: Diagnosis
    ended: str = ""

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

    def feed(self, tick: LagTick) -> tuple[Incident, ...]:
        """Take in one tick."""
        for trip in tick.round_trips:
            track = self._tracks.get(trip.target)
            if track is None:
                track = self._tracks[trip.target] = TargetTrack(trip.target, gateway=trip.gateway)
            track.take(trip)
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
        if onset is None:
            for track in self._tracks.values():
                track.learn(tick.now_ns - (LEARN_AFTER_NS if track.baseline.warm else LEARN_FIRST_NS))
            return ()
        self._onset = onset
        incident = self._measure(tick, onset)
        before, self._before = self._before, None
        if before is not None and _same(before, incident) and onset.at_ns - before.last_ns < REJOIN_NS:
            self._onset = replace(onset, at_ns=before.onset_ns)
            incident = self._measure(tick, self._onset)
        self._incident = incident
        return (incident,)

    def _follow(self, tick: LagTick, onset: Onset) -> tuple[Incident, ...]:
        if onset.target is not None:  # the connection may have followed
            wider = find(self._outside(), tick.now_ns, self._since_ns)
            if wider is not None and wider.target is None:
                return self._widen(tick, onset, wider)
        before = self._incident
        incident = self._incident = self._measure(tick, onset)
        if calm(self._outside(), tick.now_ns, onset):
            return self._finish("calm")
        if tick.now_ns - onset.at_ns > ADAPT_NS:
            for track in self._tracks.values():
                track.baseline = type(track.baseline)()
            return self._finish("it is usual by now")
        return (incident,) if incident != before else ()

    def _widen(self, tick: LagTick, onset: Onset, wider: Onset) -> tuple[Incident, ...]:
        """What began with one target is the whole connection's; long after, it is another incident."""
        ended: tuple[Incident, ...] = ()
        if wider.at_ns - onset.at_ns > REJOIN_NS:
            ended, onset = self._finish("the whole connection became slow"), wider
        self._onset = replace(onset, target=None, kind=wider.kind)
        self._incident = self._measure(tick, self._onset)
        return (*ended, self._incident)

    def _finish(self, why: str) -> tuple[Incident, ...]:
        incident = self._incident
        self._onset = self._incident = None
        if incident is None:
            return ()
        ended = replace(incident, ended=why)
        for track in self._tracks.values():
            track.skip(incident.last_ns)
        self._before, self._since_ns = ended, incident.last_ns + 1
        return (ended,)

    def _measure(self, tick: LagTick, onset: Onset) -> Incident:
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
        diagnosis = diagnose(self._history, self.tracks(), onset, last_ns, tick.now_ns)
        if known is not None and known.diagnosis.confidence > diagnosis.confidence and diagnosis.cause == UNKNOWN:
            diagnosis = known.diagnosis
        return Incident(
            onset_ns=onset.at_ns,
            last_ns=last_ns,
            kind=onset.kind,
            target=onset.target,
            extra_ns=slow[len(slow) // 2] if slow else (known.extra_ns if known is not None else 0),
            loss_ratio=lost / len(done) if done else 0.0,
            diagnosis=diagnosis,
        )


def _same(before: Incident, now: Incident) -> bool:
    same = (before.diagnosis.cause, before.diagnosis.app) == (now.diagnosis.cause, now.diagnosis.app)
    return same and before.target == now.target
