"""The newest round trips of one target, against what is usual for it. Pure."""

from collections import OrderedDict
from typing import Final

from collector.lag.baseline import Baseline
from collector.lag.samples import RoundTrip

KEPT: Final = 60


class TargetTrack:
    """One target. Round trips are kept by when they were sent; a pending one is replaced by its outcome."""

    def __init__(self, name: str, *, gateway: bool) -> None:
        self.name, self.gateway = name, gateway
        self.baseline = Baseline()
        self._trips: OrderedDict[int, RoundTrip] = OrderedDict()
        self._learned_ns = -1

    def take(self, trip: RoundTrip) -> None:
        """One more round trip, or what became of a pending one."""
        self._trips[trip.sent_ns] = trip
        while len(self._trips) > KEPT:
            self._trips.popitem(last=False)

    def since(self, start_ns: int) -> list[RoundTrip]:
        """Those sent at ``start_ns`` or later, in order."""
        return sorted((trip for trip in self._trips.values() if trip.sent_ns >= start_ns), key=lambda t: t.sent_ns)

    def forget(self) -> None:
        """What was before is another time."""
        self._trips.clear()

    def slow(self, trip: RoundTrip, ratio: float = 1.0) -> bool:
        """Answered (or still on its way) later than usual by more than ``ratio`` of the threshold."""
        if trip.rtt_ns is None or not self.baseline.warm:
            return False
        return self.baseline.excess_ns(trip.rtt_ns) > ratio * self.baseline.threshold_ns

    @staticmethod
    def lost(trip: RoundTrip) -> bool:
        """Sent and never answered."""
        return trip.rtt_ns is None

    def learn(self, before_ns: int) -> None:
        """What was sent before ``before_ns`` and was not learned yet is usual."""
        for sent_ns, trip in self._trips.items():
            if self._learned_ns < sent_ns < before_ns and not trip.pending:
                self.baseline.usual(trip.rtt_ns)
                self._learned_ns = sent_ns

    def skip(self, until_ns: int) -> None:
        """What was sent until then is never learned: it was an incident."""
        self._learned_ns = max(self._learned_ns, until_ns)
