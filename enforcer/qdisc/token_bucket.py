"""A token bucket in integers that may go into debt.

It decides when the next packet may leave; it knows nothing of packets, queues, clocks or threads. Credit is counted in
bit-nanoseconds (bits × 10⁹), so that ``rate_bps × elapsed_ns`` is exact and no rounding can make ``next_at`` name a
time at which nothing may be sent. A packet is sent while the credit is above zero and is charged in
full: packets of 64 KB exist (Linux GRO), so the credit may become negative, and the debt is paid off by waiting.

Bound: between any two instants at most ``rate·t + burst + one packet`` leave. Sources: RFC 2697 (buckets), HTB and
CAKE in Linux (debt, charging of drops).
"""

from typing import Final

_BIT_NS: Final = 8 * 10**9
"""Credit units of one byte."""

MTU_BYTES: Final = 1514


def burst_bytes(rate_bps: int, tick_ns: int) -> int:
    """How much may leave at once: what ``tick_ns`` of a late wake-up is worth, at least two full packets."""
    return max(2 * MTU_BYTES, rate_bps * tick_ns // _BIT_NS)


class Bucket:
    """One rate. Starts full. Times are integers of nanoseconds from any monotonic origin; going back counts as zero."""

    __slots__ = ("_burst", "_credit", "_rate", "_then")

    def __init__(self, now_ns: int, rate_bps: int, burst: int) -> None:
        if rate_bps <= 0 or burst <= 0:
            raise ValueError(f"a bucket needs a rate and a burst above zero, got {rate_bps} bit/s, {burst} bytes")
        self._rate = rate_bps
        self._burst = burst * _BIT_NS
        self._credit = self._burst
        self._then = now_ns

    @property
    def rate_bps(self) -> int:
        """The rate in force, bits per second."""
        return self._rate

    def advance(self, now_ns: int) -> None:
        """Earn what the time since the last call is worth, up to the burst."""
        if now_ns > self._then:
            self._credit = min(self._burst, self._credit + (now_ns - self._then) * self._rate)
            self._then = now_ns

    def set_rate(self, now_ns: int, rate_bps: int, burst: int) -> None:
        """Change the rate from now on; credit above the new burst is lost, debt stays."""
        if rate_bps <= 0 or burst <= 0:
            raise ValueError(f"a bucket needs a rate and a burst above zero, got {rate_bps} bit/s, {burst} bytes")
        self.advance(now_ns)
        self._rate = rate_bps
        self._burst = burst * _BIT_NS
        self._credit = min(self._credit, self._burst)

    def ready(self, now_ns: int) -> bool:
        """Whether a packet may leave now."""
        self.advance(now_ns)
        return self._credit > 0

    def charge(self, size_bytes: int) -> None:
        """Take a packet's bytes; the credit may become negative."""
        self._credit -= size_bytes * _BIT_NS

    def next_at(self, now_ns: int) -> int:
        """The first instant, now or later, at which ``ready`` is true."""
        self.advance(now_ns)
        if self._credit > 0:
            return now_ns
        # The credit must become at least 1: ceil((1 - credit) / rate).
        return self._then + (self._rate - self._credit) // self._rate

    def debt_bytes(self, now_ns: int) -> int:
        """Bytes still to be paid off, rounded up; 0 when a packet may leave."""
        self.advance(now_ns)
        return 0 if self._credit > 0 else -(self._credit // _BIT_NS)
