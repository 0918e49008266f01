"""When a child that ended may be started again: at once the first time, then ever later. Pure.

A child that ran for ``steady_ns`` has proved itself, and the next end counts as a first one again.
"""

from typing import Final

_S: Final = 10**9


class Backoff:
    """The restarts of one child. Times are monotonic nanoseconds."""

    def __init__(self, *, first_ns: int = _S // 2, most_ns: int = 60 * _S, steady_ns: int = 60 * _S) -> None:
        self._first_ns, self._most_ns, self._steady_ns = first_ns, most_ns, steady_ns
        self._failures = 0
        self._started_ns = 0

    def started(self, now_ns: int) -> None:
        """The child runs since now."""
        self._started_ns = now_ns

    def ended(self, now_ns: int) -> int:
        """The child ended; the time at which to start it again: after 0.5, 1, 2, 4 … 60 seconds."""
        if now_ns - self._started_ns >= self._steady_ns:
            self._failures = 0
        delay_ns = min(self._most_ns, self._first_ns << min(self._failures, 32))
        self._failures += 1
        return now_ns + delay_ns
