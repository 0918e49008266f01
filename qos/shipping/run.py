"""The shipper as a part: ``autoqos shipper`` and the supervisor call ``run``. Everything else about it is beside.

The journal of the embedded store is the queue. One thread ships; another reports every interval (heartbeat
``part:shipper``, an ``agent`` row), so that a server which hangs does not silence us. An edit of ``influxdb:`` in
config.yaml, a new token in .env and a store that was moved aside are noticed and taken up.
"""

import contextlib
import logging
import threading
from collections import deque
from pathlib import Path
from typing import Final

from qos.contract.config import Config, InfluxConfig
from qos.contract.documents.shipping_report import ShippingReport
from qos.contract.errors import ConfigError, StoreUnavailable
from qos.contract.points import Agent
from qos.service import STORE_NAME, ConfigWatcher, HeartbeatWriter, SelfUsage
from qos.service.config_file import load_secrets
from qos.shipping.schedule import SendSchedule
from qos.shipping.set_aside import RejectedFile
from qos.shipping.shipper import Shipper, ShippingStatus
from qos.store.sqlite.journal import Batch
from qos.store.sqlite.line_protocol import JournalReader
from qos.store.sqlite.store import SqliteStore
from qos.system import clock
from qos.system.clock import NS_PER_S

CURSOR: Final = "influxdb"
PART: Final = "shipper"
_LONGEST_SLEEP_S: Final = 0.5
_RATE_OVER_NS: Final = 10 * NS_PER_S
_log = logging.getLogger(__name__)


def run(config: Config, config_path: Path | None, data: Path, stop: threading.Event) -> int:
    """Ship until ``stop``. Raises ConfigError when ``influxdb:`` or the token is missing. Returns the exit status."""
    from qos.shipping.client import influx_settings

    watcher = ConfigWatcher(config_path)
    first = True
    while not stop.is_set():
        settings = influx_settings(config)
        if settings is None:
            if first:
                raise ConfigError(f"{config_path or 'config.yaml'}: influxdb: is not set: nothing to ship to")
            _log.warning("influxdb: is gone from the configuration: nothing is shipped")
            return 0
        config = _session(config, settings, config_path=config_path, data=data, stop=stop, watcher=watcher)
        first = False
    return 0


def _session(
    config: Config,
    settings: InfluxConfig,
    *,
    config_path: Path | None,
    data: Path,
    stop: threading.Event,
    watcher: ConfigWatcher,
) -> Config:
    """Ship with these settings until they change or ``stop``. Returns the settings to go on with."""
    from qos.shipping.client import InfluxClient

    token = load_secrets(config_path).influx_token
    client = InfluxClient(settings, token)
    with contextlib.ExitStack() as stack:
        stack.callback(client.close)
        store = stack.enter_context(contextlib.closing(SqliteStore(data / STORE_NAME)))
        store.register_cursor(CURSOR)
        shipping = stack.enter_context(contextlib.closing(JournalReader(data / STORE_NAME)))
        shipper = Shipper(
            source=shipping,
            writer=client,
            acknowledge=lambda positions: store.acknowledge(CURSOR, Batch((), positions)),
            set_aside=RejectedFile(data).add,
            settled=shipping.cursor(CURSOR),
            schedule=SendSchedule(batch=settings.batch, catch_up=settings.catch_up),
        )
        reporter = Reporter(store, shipping, shipper, config, settings)
        over = threading.Event()
        thread = threading.Thread(target=reporter.run, args=(over,), name="report", daemon=True)
        thread.start()
        stack.callback(thread.join, 10.0)
        stack.callback(over.set)
        file = _identity(data)
        _log.info("shipping to %s, bucket %s", settings.url, settings.bucket)
        while not stop.is_set():
            failures = shipper.status.failures
            try:
                wait_ns = shipper.turn()
            except StoreUnavailable as error:
                _log.warning("the local store cannot be read: %s", error)
                wait_ns = int(error.retry_after_s * NS_PER_S)
            if shipper.status.failures > failures and shipper.status.state == "refused":
                renewed = load_secrets(config_path).influx_token
                if renewed is not None and renewed != token:
                    _log.info("INFLUX_TOKEN changed: trying the new one")
                    return config
            if wait_ns:
                stop.wait(min(wait_ns / NS_PER_S, _LONGEST_SLEEP_S))
                change = watcher.poll()
                if change is not None and change.config is None:
                    _log.error("%s", "; ".join(change.errors))
                elif change is not None and change.config is not None:
                    return change.config
                if _identity(data) != file:
                    _log.warning("the store's file was replaced: opening the new one")
                    return config
    return config


def _identity(data: Path) -> int | None:
    try:
        return (data / STORE_NAME).stat().st_ino
    except OSError:
        return None


class Reporter:
    """Says how shipping goes, in its own thread."""

    def __init__(
        self, store: SqliteStore, shipping: JournalReader, shipper: Shipper, config: Config, settings: InfluxConfig
    ) -> None:
        self._store, self._shipping, self._shipper = store, shipping, shipper
        self._host, self._interval_ns, self._settings = config.host, config.interval, settings
        self._heartbeat = HeartbeatWriter(store, PART)
        self._usage = SelfUsage()
        self._aged_out = shipping.aged_out(CURSOR)
        self._last = ShippingStatus()
        self._rates: deque[tuple[int, int]] = deque()

    def run(self, over: threading.Event) -> None:
        """Report every interval until ``over``."""
        while not over.wait(self._interval_ns / NS_PER_S):
            self._report_safely()
        with contextlib.suppress(StoreUnavailable):
            self._heartbeat.end(clock.wall_ns())

    def _report_safely(self) -> None:
        try:
            self.report(clock.wall_ns(), clock.monotonic_ns())
        except StoreUnavailable as error:
            _log.debug("no report this time: %s", error)
        except Exception:  # the one catch-all of this thread: it must not end silently
            _log.exception("the report failed")

    def report(self, wall_ns: int, now_ns: int) -> ShippingReport:
        """Write the heartbeat and the ``agent`` row; returns what it tells."""
        status = self._shipper.status
        rows, oldest_ns = self._waiting(status)
        aged_out = self._shipping.aged_out(CURSOR)
        usage = self._usage.sample(now_ns)
        report = ShippingReport(
            rows=rows,
            oldest_ns=oldest_ns,
            rate=self._rate(status.sent, now_ns),
            last_error=status.last_error,
            sent=status.sent,
            rejected=status.rejected,
            aged_out=aged_out,
            failures=status.failures,
            url=self._settings.url,
            bucket=self._settings.bucket,
            rss_bytes=usage.rss_bytes,
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
        found = [self._shipping.waiting(status.live_after or {}, None)]
        if status.backlog_after is not None:
            found.append(self._shipping.waiting(status.backlog_after, status.backlog_until))
        times = [waiting.oldest_ns for waiting in found if waiting.oldest_ns is not None]
        return sum(waiting.rows for waiting in found), min(times, default=None)

    def _rate(self, sent: int, now_ns: int) -> float:
        """Rows a second over the last ten seconds."""
        self._rates.append((now_ns, sent))
        while len(self._rates) > 2 and now_ns - self._rates[0][0] > _RATE_OVER_NS:
            self._rates.popleft()
        (then_ns, before), (last_ns, after) = self._rates[0], self._rates[-1]
        return 0.0 if last_ns == then_ns else round((after - before) * NS_PER_S / (last_ns - then_ns), 1)
