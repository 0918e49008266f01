"""What this process costs: CPU since the last look, and resident memory. For the ``agent`` points and heartbeats."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OwnUsage:
    """``cpu_percent`` of one core since the last sample (0.0 the first time), resident memory now."""

    cpu_percent: float
    rss_bytes: int


class SelfUsage:
    """Samples this process. ``now_ns`` is monotonic."""

    def __init__(self) -> None:
        import psutil  # only parts measure themselves: a command of the console does not wait for it

        self._process = psutil.Process()
        self._last: tuple[int, float] | None = None

    def sample(self, now_ns: int) -> OwnUsage:
        """CPU of user and system together, of this process and not of its children."""
        times = os.times()
        spent = times.user + times.system
        percent = 0.0
        if self._last is not None and now_ns > self._last[0]:
            percent = max(0.0, (spent - self._last[1]) * 1e11 / (now_ns - self._last[0]))
        self._last = (now_ns, spent)
        return OwnUsage(percent, self._process.memory_info().rss)
