"""On which side of the gateway the lag is made: does the gateway suffer like what lies behind it? Pure.

Delay: how far its answers are above their usual, against the others'. Loss: which is likelier, that it loses as they do
or as it always does. A gateway that is asked once a second tells little in a few seconds, and then that is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from statistics import median
from typing import Final

from collector.lag.onset import Onset
from collector.lag.samples import RoundTrip
from collector.lag.suspects import Case
from collector.lag.targets import TargetTrack

S: Final = 10**9
DELAY_SHARE: Final = 0.4
SURE: Final = log(20)
BEFORE_LOSS_NS: Final = 2 * S
"""Loss begins before its first victim among the targets, which is the onset."""


@dataclass(frozen=True, slots=True)
class GatewaySide:
    """``local``: this side of the gateway. ``known``: there was something to tell it by; ``sure``: enough."""

    local: bool
    known: bool = True
    sure: bool = True


def side_of(case: Case, gateway_ms: float | None) -> GatewaySide:
    """``gateway_ms``: how far the gateway's answers are above their usual; None without any."""
    gateway = next((track for track in case.tracks if track.gateway and track.baseline.warm), None)
    outside = [track for track in case.tracks if not track.gateway]
    if gateway is None or not outside:
        return GatewaySide(local=False, known=False)
    if case.onset.kind == "loss" or gateway_ms is None:
        return _by_loss(case, gateway, outside)
    excess = [
        track.baseline.excess_ns(trip.rtt_ns) / 1e6
        for track in outside
        for trip in track.since(case.onset.at_ns)
        if trip.rtt_ns is not None and not trip.pending and track.slow(trip)
    ]
    if not excess:  # what seemed to be late was lost
        return _by_loss(case, gateway, outside)
    return GatewaySide(gateway_ms >= DELAY_SHARE * median(excess))


def _by_loss(case: Case, gateway: TargetTrack, outside: Sequence[TargetTrack]) -> GatewaySide:
    sent = [t for t in gateway.since(case.onset.at_ns - BEFORE_LOSS_NS) if not t.pending and t.sent_ns <= case.last_ns]
    theirs = [trip for track in outside for trip in during(track, case.onset, case.last_ns)]
    if not sent or not theirs:
        return GatewaySide(local=False, known=False)
    lost = sum(trip.rtt_ns is None for trip in sent)
    as_they = min(0.98, max(0.02, sum(trip.rtt_ns is None for trip in theirs) / len(theirs)))
    as_usual = gateway.baseline.loss_ratio
    likelier = lost * log(as_they / as_usual) + (len(sent) - lost) * log((1 - as_they) / (1 - as_usual))
    return GatewaySide(likelier > 0, sure=abs(likelier) >= SURE)


def during(track: TargetTrack, onset: Onset, last_ns: int) -> list[RoundTrip]:
    """What came of the probes of the incident itself: after the last bad one it only waits to be called over."""
    return [trip for trip in track.since(onset.at_ns) if not trip.pending and trip.sent_ns <= last_ns]
