"""Who made an incident: evidence about each application and the line, and a diagnosis with its confidence. Pure.

An application is named when its direction stood full (against the set, learned or largest seen capacity), when it moved
a good part of what passed there, and when it was active while the answers were late: it had begun before they were, and
the late moments are those of its traffic. What happened after it stopped is the best evidence and comes last: lag that
outlives its traffic was not its own. Otherwise the gateway tells the local network from what lies behind it.

Confidence is the sum of what speaks for the diagnosis, calibrated on labelled runs (bench/lag.py, docs/decisions/0052).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal

from collector.lag.onset import Onset
from collector.lag.samples import DIRECTIONS, Direction
from collector.lag.side import during, side_of
from collector.lag.suspects import Case, Suspect, suspects, use_of
from collector.lag.targets import TargetTrack

Cause = Literal["application", "unnamed", "others", "provider", "local_network", "target", "own_limit", "unknown"]
UNKNOWN: Final[Cause] = "unknown"
HIGH: Final = 0.85
MEDIUM: Final = 0.6
SURE: Final = 0.75
"""Enough for one who began with the lag, where nobody knows what the line carries."""
S: Final = 10**9
SETTLE_NS: Final = 3 * S
"""For so long nobody outside is blamed while this computer is busy: its own bytes are counted a tick late."""
FULL: Final = {"set": 0.75, "learned": 0.75, "seen": 0.8}
LOOSE_FULL: Final = 0.5
"""Enough of the most ever seen when all else speaks against it: that may have been more than the line carries (what is
sent is counted before the line drops it)."""
BEGAN_WITH_S: Final = 3
JOINED_S: Final = -3
JOINED_SHARE: Final = 0.25
EXPLAINED: Final = 0.7
CARRIED: Final = 0.9
STEADY_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Who made it. ``confidence`` 0 to 1; ``suspect`` and ``runner_up``: the evidence against applications."""

    cause: Cause
    confidence: float
    app: str | None = None
    direction: Direction | None = None
    share_ratio: float | None = None
    suspect: Suspect | None = None
    runner_up: Suspect | None = None
    joined: Suspect | None = None
    """Who came to fill the same direction while the lag went on: it did not make it, and it makes it last."""
    gateway_ms: float | None = None
    """How far the gateway's answers were above their usual; None: it was not asked or did not answer."""
    busiest: float = 0.0
    """The fuller direction's use of its capacity."""


def diagnose(case: Case) -> Diagnosis:
    """The diagnosis by what is known now."""
    tracks, onset, last_ns, now_ns = case.tracks, case.onset, case.last_ns, case.now_ns
    if onset.kind == "queue":
        return Diagnosis("own_limit", 0.95)  # measured where it happens
    gateway_ms = _gateway_ms(tracks, onset, last_ns)
    if onset.target is not None:
        punctual = sum(1 for t in tracks if not t.gateway and t.name != onset.target and t.baseline.warm)
        return Diagnosis("target", 0.95 if punctual >= 2 else 0.8, gateway_ms=gateway_ms)
    ticks = case.window()
    found = sorted(
        suspects(case),
        key=lambda s: s.share_ratio * min(1.0, s.utilization),
        reverse=True,
    )
    busiest = max((use_of(case.since_onset(ticks), d)[0] for d in DIRECTIONS), default=0.0)
    risen = {d: sum(s.share_ratio for s in found if s.direction == d and _rose_with_it(s)) for d in DIRECTIONS}
    side = side_of(case, gateway_ms)
    guilty = [s for s in found if _is_guilty(s, case, risen[s.direction], behind_gateway=not side.local)]
    if guilty:
        best = guilty[0]
        later = (s for s in found if s.app is not None and s.direction == best.direction and s not in guilty)
        return Diagnosis(
            "application" if best.app is not None else "unnamed",
            _confidence(best, gateway_ms),
            best.app,
            best.direction,
            round(min(1.0, best.share_ratio), 3),
            best,
            guilty[1] if len(guilty) > 1 else None,
            next((s for s in later if s.lead_s <= JOINED_S and s.share_ratio >= JOINED_SHARE), None),
            gateway_ms,
            busiest,
        )
    if now_ns - onset.at_ns < SETTLE_NS and busiest >= 0.5 and any(s.stopped is not False for s in found):
        return Diagnosis(UNKNOWN, 0.3, gateway_ms=gateway_ms, busiest=busiest)  # perhaps one of ours: a tick tells
    quiet = 0.25 if busiest < 0.4 else 0.1 if busiest < 0.7 else -0.1
    if found and found[0].utilization > 0.7 and found[0].stopped is not False:
        quiet -= 0.1
    if side.known and not side.sure:
        quiet -= 0.25
    if side.local:
        return Diagnosis("local_network", 0.65 + quiet, gateway_ms=gateway_ms, busiest=busiest)
    known = 0.05 if side.known else -0.2
    cause: Cause = "provider" if _outage(tracks, onset, last_ns) else "others"
    return Diagnosis(cause, 0.6 + quiet + known, gateway_ms=gateway_ms, busiest=busiest)


def _is_guilty(suspect: Suspect, case: Case, risen_share: float, *, behind_gateway: bool) -> bool:
    full = suspect.utilization >= FULL[suspect.capacity.source] or _plain(suspect, risen_share)
    rose = suspect.excess_bps * 2 >= suspect.rate_bps
    early = suspect.lead_s >= -1.5
    # Who moves what it always moved is blamed only for most of a line that stays full, which takes a while to see.
    settled = case.now_ns - case.onset.at_ns >= SETTLE_NS
    steady = settled and suspect.share_ratio >= STEADY_SHARE and suspect.utilization >= 0.85
    grown = rose or (suspect.capacity.source != "seen" and steady)
    if not behind_gateway and suspect.capacity.source == "seen" and not _rose_with_it(suspect):
        return False  # slow Wi-Fi is likelier than that so little, for seconds without lag, filled it
    if suspect.capacity.source == "seen" and suspect.carried_ratio >= CARRIED:
        return False  # the line has just shown that it carries this
    if case.onset.kind == "loss" and suspect.utilization < 0.9:
        return False
    fair = suspect.share_ratio >= 0.3 and suspect.explained_ratio >= EXPLAINED
    return full and early and grown and fair and suspect.stopped is not False


def is_sure(diagnosis: Diagnosis) -> bool:
    """Whether who is named stays named for what was until then, should the cause change."""
    suspect = diagnosis.suspect
    least = SURE if suspect is not None and _rose_with_it(suspect) else HIGH
    return suspect is not None and diagnosis.confidence >= least


def _rose_with_it(suspect: Suspect) -> bool:
    """Whether it began with the lag, from next to nothing, and was active all the while."""
    rose = suspect.excess_bps * 10 >= suspect.rate_bps * 7
    return rose and -1.5 <= suspect.lead_s <= BEGAN_WITH_S and suspect.explained_ratio >= 0.9


def _plain(suspect: Suspect, risen_share: float) -> bool:
    """Whether it is one of those that began with the lag and together moved most of what passed."""
    weak = suspect.capacity.source == "seen" and suspect.utilization >= LOOSE_FULL
    return weak and _rose_with_it(suspect) and risen_share >= 0.6


def _confidence(suspect: Suspect, gateway_ms: float | None) -> float:
    value = 0.55
    value += 0.15 if suspect.capacity.source != "seen" else 0.05
    value += 0.1 if suspect.utilization >= 0.9 else 0.0 if suspect.utilization >= 0.8 else -0.1
    value += 0.1 if suspect.share_ratio >= 0.7 else 0.0
    value += 0.05 if suspect.excess_bps * 10 >= suspect.rate_bps * 7 else -0.1
    value += 0.05 if suspect.explained_ratio >= 0.9 else -0.05
    value += 0.1 if suspect.stopped else 0.0
    value += 0.0 if gateway_ms is not None else -0.05
    return round(min(0.99, value), 2)


def _gateway_ms(tracks: Sequence[TargetTrack], onset: Onset, last_ns: int) -> float | None:
    for track in tracks:
        if track.gateway and track.baseline.warm:
            seen = during(track, onset, last_ns)
            trips = [trip.rtt_ns for trip in seen if trip.rtt_ns is not None]
            if trips:
                return max(0.0, median(track.baseline.excess_ns(rtt) for rtt in trips) / 1e6)
    return None


def _outage(tracks: Sequence[TargetTrack], onset: Onset, last_ns: int) -> bool:
    """Whether nearly nothing comes back from behind the gateway."""
    trips = [trip for t in tracks if not t.gateway for trip in during(t, onset, last_ns)]
    return len(trips) >= 4 and sum(trip.rtt_ns is None for trip in trips) >= 0.9 * len(trips)
