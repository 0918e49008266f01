"""What the collector costs and loses, as its own ``agent`` point: one per tick."""

from typing import Final

from qos.contract.points import Agent
from qos.service import SelfUsage
from qos.store.write_buffer import BufferedWriter

PART: Final = "collector"


class SelfCheck:
    """Remembers what was counted at the last point: its counters are deltas."""

    def __init__(self, outlet: BufferedWriter) -> None:
        self._outlet = outlet
        self._usage = SelfUsage()
        self._written = self._dropped = 0

    def begin(self, now_ns: int) -> None:
        """CPU counts from now on. ``now_ns`` is monotonic."""
        self._usage.sample(now_ns)

    def point(self, wall_ns: int, now_ns: int, host: str, lost: int) -> Agent:
        """The row of this tick; ``lost`` is what the capture backend missed in it."""
        usage = self._usage.sample(now_ns)
        written, dropped = self._outlet.written, self._outlet.dropped + self._outlet.rejected
        point = Agent(
            time_ns=wall_ns,
            host=host,
            part=PART,
            cpu_percent=usage.cpu_percent,
            rss_bytes=usage.rss_bytes,
            points_written=written - self._written,
            points_dropped=dropped - self._dropped,
            capture_lost=lost,
            outbox_rows=self._outlet.waiting,
            restarts=0,
        )
        self._written, self._dropped = written, dropped
        return point
