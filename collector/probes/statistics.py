"""Jitter and loss of one target from its probes, one after the other. Pure: values in, values out.

Jitter is the interarrival jitter of RFC 3550, section 6.4.1, J += (|D| - J) / 16, where the difference D in transit
time of two packets is the difference of two successive round trips: a probe's way there and back is the transit that
we can see with one clock. Lost probes do not change it. Loss is the share lost of those sent in a sliding window.
"""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quality:
    """What is known of a target after a probe. ``jitter_ms`` is None until two answers came."""

    jitter_ms: float | None
    loss_ratio: float


class TargetStats:
    """One target's history. ``window_ns`` bounds it; ``limit`` bounds its memory."""

    def __init__(self, window_ns: int, limit: int = 100_000) -> None:
        self.window_ns = window_ns
        self._probes: deque[tuple[int, bool]] = deque(maxlen=limit)
        self._lost = 0
        self._last_rtt_ns: int | None = None
        self._jitter_ns: float | None = None

    def record(self, now_ns: int, rtt_ns: int | None) -> Quality:
        """Take in one probe's outcome (None: lost). ``now_ns`` is monotonic."""
        if len(self._probes) == self._probes.maxlen:
            self._drop()
        self._probes.append((now_ns, rtt_ns is None))
        self._lost += rtt_ns is None
        while self._probes[0][0] <= now_ns - self.window_ns:
            self._drop()
        if rtt_ns is not None:
            if self._last_rtt_ns is not None:
                before = self._jitter_ns or 0.0
                self._jitter_ns = before + (abs(rtt_ns - self._last_rtt_ns) - before) / 16
            self._last_rtt_ns = rtt_ns
        return self.quality()

    def quality(self) -> Quality:
        """What is known so far. ``loss_ratio`` is 0 before anything was sent."""
        return Quality(
            jitter_ms=None if self._jitter_ns is None else self._jitter_ns / 1e6,
            loss_ratio=self._lost / len(self._probes) if self._probes else 0.0,
        )

    def _drop(self) -> None:
        self._lost -= self._probes.popleft()[1]
