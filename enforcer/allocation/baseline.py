"""Baseline: what one target's round trip is on the idle line, and how much it moves there by itself.

The baseline is a low quantile of the echoes that came while the line was (almost) idle; the noise is how far the
upper ones lie above it. So the threshold above which an echo counts as late adapts to the line: a few milliseconds on a
cable, more on a wireless link whose delay wanders by itself. Before the idle line was seen, the least round trip of a
sliding window stands in. Source of the window of minima: BBR's min_rtt filter (IETF draft-ietf-ccwg-bbr).
"""

from dataclasses import dataclass, replace
from typing import Final

_MS: Final = 10**6
_S: Final = 10**9
LEAST_THRESHOLD_NS: Final = 6 * _MS
LEAST_RISE_NS: Final = 3 * _MS
UNKNOWN_THRESHOLD_NS: Final = 15 * _MS
"""While the idle line's noise is not known."""
WINDOW_NS: Final = 120 * _S
BUCKET_NS: Final = 10 * _S
IDLE_EVERY_NS: Final = _S // 4
QUARANTINE_NS: Final = _S
IDLE_KEPT: Final = 64
IDLE_ENOUGH: Final = 8


@dataclass(frozen=True, slots=True)
class IdleRtt:
    """One series of delays, nanoseconds (round trips, or one-way offsets, which may be negative)."""

    idle: tuple[int, ...] = ()
    waiting: tuple[tuple[int, int], ...] = ()
    """(time, delay) of idle echoes that count once the line has stayed idle for a while: not taken inside a queue."""
    minima: tuple[tuple[int, int], ...] = ()
    """(start of ten seconds, least delay in them), oldest first."""

    def with_delay(self, now_ns: int, delay_ns: int, *, idle: bool) -> "IdleRtt":
        """The memory with one more answer. ``idle``: the line was almost unused when it was taken."""
        minima = tuple((start, low) for start, low in self.minima if now_ns - start < WINDOW_NS)
        start = now_ns - now_ns % BUCKET_NS
        if minima and minima[-1][0] == start:
            minima = (*minima[:-1], (start, min(minima[-1][1], delay_ns)))
        else:
            minima = (*minima, (start, delay_ns))
        if not idle:
            return replace(self, minima=minima, waiting=())
        waiting = self.waiting
        if not waiting or now_ns - waiting[-1][0] >= IDLE_EVERY_NS:
            waiting = (*waiting, (now_ns, delay_ns))
        ripe = [delay for then, delay in waiting if now_ns - then >= QUARANTINE_NS]
        return replace(self, minima=minima, idle=(*self.idle, *ripe)[-IDLE_KEPT:], waiting=waiting[len(ripe) :])

    @property
    def delay_ns(self) -> int | None:
        """The delay of the idle line; None before any answer."""
        least = min((low for _, low in self.minima), default=None)
        if len(self.idle) < IDLE_ENOUGH:
            return min(self.idle, default=least) if least is None else min((least, *self.idle))
        return _quantile(self.idle, 10)

    @property
    def noise_ns(self) -> int | None:
        """How far the idle line's delay rises above the baseline by itself (its 95th percentile); None: not known."""
        if len(self.idle) < IDLE_ENOUGH:
            return None
        return _quantile(self.idle, 95) - _quantile(self.idle, 10)

    @property
    def threshold_ns(self) -> int:
        """How far above the baseline an echo must be to count as late."""
        noise = self.noise_ns
        return UNKNOWN_THRESHOLD_NS if noise is None else max(LEAST_THRESHOLD_NS, noise * 3 // 2 + 3 * _MS)

    @property
    def rise_ns(self) -> int:
        """How far above the baseline is more than the idle line's own noise: enough to end a probe for more."""
        noise = self.noise_ns
        return UNKNOWN_THRESHOLD_NS // 2 if noise is None else max(LEAST_RISE_NS, noise + 2 * _MS)


def _quantile(values: tuple[int, ...], percent: int) -> int:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
