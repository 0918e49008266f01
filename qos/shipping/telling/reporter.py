"""Says how shipping goes, in a thread of its own, so that a server which hangs does not silence us."""

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from qos.contract.config import Config, InfluxConfig
from qos.contract.documents.shipping_report import ShippingReport
from qos.contract.errors import StoreUnavailable
from qos.contract.points import Agent
from qos.service import HeartbeatWriter, SelfUsage
from qos.shipping.history import HistoryShipper
from qos.shipping.set_aside import count_lines
from qos.shipping.shipper import Shipper, ShippingStatus
from qos.store.sqlite.line_protocol import JournalReader
from qos.store.sqlite.store import SqliteStore
from qos.system import clock
from qos.system.clock import NS_PER_S

CURSOR: Final = "influxdb"
"""The outbox's name in the store."""
PART: Final = "shipper"
_RATE_OVER_NS: Final = 10 * NS_PER_S
_log = logging.getLogger(__name__)


class Told(Protocol):
    """What was told of the states of shipping: ``qos.shipping.telling.episode_log.EpisodeLog``."""

    sentences: tuple[str, ...]


class Reporter:
    """Writes the heartbeat ``part:shipper`` and an ``agent`` row every interval."""

    def __init__(
        self,
        store: SqliteStore,
        source: JournalReader,
        shipper: Shipper,
        history: HistoryShipper,
        told: Told,
        *,
        config: Config,
        settings: InfluxConfig,
        data: Path,
    ) -> None:
        self._store, self._source, self._shipper, self._history = store, source, shipper, history
        self._told = told
        self._host, self._interval_ns, self._settings, self._data = config.host, config.interval, settings, data
        self._heartbeat = HeartbeatWriter(store, PART)
        self._usage = SelfUsage()
        self._aged_out = source.aged_out(CURSOR)
        self._last = ShippingStatus()
        self._rates: deque[tuple[int, int]] = deque()

    def run(self, over: threading.Event) -> None:
        """Report now and every interval until ``over``."""
        self._safely(lambda: self.report(clock.wall_ns(), clock.monotonic_ns()))
        while not over.wait(self._interval_ns / NS_PER_S):
            self._safely(lambda: self.report(clock.wall_ns(), clock.monotonic_ns()))
        with contextlib.suppress(StoreUnavailable):
            self._heartbeat.end(clock.wall_ns())

    def _safely(self, report: Callable[[], object]) -> None:
        try:
            report()
        except StoreUnavailable as error:
            _log.debug("no report this time: %s", error)
        except Exception:  # the one catch-all of this thread: it must not end silently
            _log.exception("the report failed")

    def report(self, wall_ns: int, now_ns: int) -> ShippingReport:
        """Write the heartbeat and the ``agent`` row; returns what it tells."""
        status = self._shipper.status
        rows, oldest_ns = self._waiting(status)
        aged_out = self._source.aged_out(CURSOR)
        usage = self._usage.sample(now_ns)
        sent = status.sent + self._history.sent
        report = ShippingReport(
            rows=rows,
            oldest_ns=oldest_ns,
            rate=self._rate(sent, now_ns),
            last_error=status.last_error,
            sent=sent,
            rejected=status.rejected,
            set_aside=count_lines(self._data),
            aged_out=aged_out,
            failures=status.failures,
            url=self._settings.url,
            bucket=self._settings.bucket,
            rss_bytes=usage.rss_bytes,
            history_waiting=self._history.waiting(wall_ns),
            history_error=self._history.refused,
            states=self._told.sentences,
        )
        self._heartbeat.beat(wall_ns, status.state, status.last_error, **report.dump())
        dropped = status.rejected - self._last.rejected + aged_out - self._aged_out
        row = Agent(
            time_ns=wall_ns,
            host=self._host,
            part=PART,
            cpu_percent=usage.cpu_percent,
            rss_bytes=usage.rss_bytes,
            points_written=status.sent - self._last.sent,
            points_dropped=dropped,
            capture_lost=0,
            outbox_rows=rows,
            restarts=0,
        )
        self._store.write([row])
        self._last, self._aged_out = status, aged_out
        return report

    def _waiting(self, status: ShippingStatus) -> tuple[int, int | None]:
        found = [self._source.waiting(status.live_after or {}, None)]
        if status.backlog_after is not None:
            found.append(self._source.waiting(status.backlog_after, status.backlog_until))
        times = [waiting.oldest_ns for waiting in found if waiting.oldest_ns is not None]
        return sum(waiting.rows for waiting in found), min(times, default=None)

    def _rate(self, sent: int, now_ns: int) -> float:
        """Rows a second over the last ten seconds."""
        self._rates.append((now_ns, sent))
        while len(self._rates) > 2 and now_ns - self._rates[0][0] > _RATE_OVER_NS:
            self._rates.popleft()
        (then_ns, before), (last_ns, after) = self._rates[0], self._rates[-1]
        return 0.0 if last_ns == then_ns else round((after - before) * NS_PER_S / (last_ns - then_ns), 1)
