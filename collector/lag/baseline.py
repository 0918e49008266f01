"""What is usual for one target: its median round trip, its noise, its usual loss. Pure.

Noise is one-sided, the distance from the median to the 90th percentile: round trips have a floor and a tail. Both are
robust: up to a tenth of the window may be outliers without moving the threshold. What is measured during an incident
does not enter, so that a long one does not become usual, until ``ADAPT_NS``: a new route may really be slower.
"""

from collections import deque
from typing import Final

WARM_SAMPLES: Final = 8
WINDOW: Final = 300
MIN_EXCESS_NS: Final = 20 * 10**6
"""Less than 20 ms over the usual is nothing that a person feels, however steady the line is."""
NOISES: Final = 3
BASE_SHARE: Final = 4
"""A quarter of the usual round trip at least: 20 ms more on 200 ms are no lag."""
USUAL_LOSS: Final = 0.005
"""Less is never taken for usual."""
UNSURE_SAMPLES: Final = 16
"""An estimate from n samples is widened by so many parts of n: eight may by chance lie close together."""
_EVERY: Final = 5


class Baseline:
    """One target. ``usual`` samples are learned from; the thresholds are recomputed after every few of them."""

    def __init__(self) -> None:
        self._rtts: deque[int] = deque(maxlen=WINDOW)
        self._lost: deque[bool] = deque(maxlen=WINDOW)
        self._news = 0
        self.median_ns = 0
        self.noise_ns = 0
        self.threshold_ns = MIN_EXCESS_NS
        """More above the median than this is late."""

    @property
    def warm(self) -> bool:
        """Whether enough is known to call anything unusual."""
        return len(self._rtts) >= WARM_SAMPLES

    @property
    def loss_ratio(self) -> float:
        """The share of usual probes that get no answer."""
        return max(USUAL_LOSS, sum(self._lost) / len(self._lost)) if self._lost else USUAL_LOSS

    @property
    def seen(self) -> int:
        """How many probes this is known from."""
        return len(self._lost)

    def usual(self, rtt_ns: int | None) -> None:
        """Learn from one probe (None: no answer) of a time when nothing was wrong."""
        self._lost.append(rtt_ns is None)
        if rtt_ns is None:
            return
        self._rtts.append(rtt_ns)
        self._news += 1
        if self._news >= _EVERY or len(self._rtts) <= 2 * WARM_SAMPLES:
            self._news = 0
            ordered = sorted(self._rtts)
            self.median_ns = ordered[len(ordered) // 2]
            self.noise_ns = ordered[len(ordered) * 9 // 10] - self.median_ns
            noise_ns = self.noise_ns + self.noise_ns * UNSURE_SAMPLES // len(ordered)
            self.threshold_ns = max(MIN_EXCESS_NS, NOISES * noise_ns, self.median_ns // BASE_SHARE)

    def excess_ns(self, rtt_ns: int) -> int:
        """How far above the usual."""
        return rtt_ns - self.median_ns
