"""The shipper as a part: ``autoqos shipper`` and the supervisor call ``run``. Everything else about it is beside.

The journal of the embedded store is the queue. One thread ships, another reports (``reporter``). An edit of
``influxdb:`` in config.yaml, a new token in .env and a store that was moved aside are noticed and taken up. Every state
(an outage, a refusal, points set aside, …) is one log line and one ``event`` at its begin and at its end.
"""

import contextlib
import logging
import os
import threading
from pathlib import Path
from typing import Final

from qos.contract.coarse import WIDTHS_NS, bucket
from qos.contract.config import Config, InfluxConfig
from qos.contract.environment import SUPERVISED
from qos.contract.errors import ConfigError, StoreUnavailable
from qos.service import STORE_NAME, ConfigWatcher, HeartbeatWriter
from qos.service.config_file import Secrets, load_secrets
from qos.shipping.history import HistoryShipper
from qos.shipping.schedule import LIVE_EVERY_NS, SendSchedule
from qos.shipping.set_aside import RejectedFile
from qos.shipping.settings import NO_TOKEN, influx_settings
from qos.shipping.shipper import Shipper
from qos.shipping.telling.episode_log import EpisodeLog
from qos.shipping.telling.episodes import Kind
from qos.shipping.telling.reporter import CURSOR, PART, Reporter
from qos.store.sqlite.journal import Batch
from qos.store.sqlite.line_protocol import JournalReader
from qos.store.sqlite.opening.connections import identity
from qos.store.sqlite.store import SqliteStore
from qos.system import clock
from qos.system.clock import NS_PER_S

_LONGEST_SLEEP_S: Final = 0.5
_LONGEST_LIVE_NS: Final = 10 * NS_PER_S
"""How long new rows wait at most for the next write, however long the interval."""
_LEAST_WAIT_NS: Final = NS_PER_S
"""After the local store could not be read."""
_log = logging.getLogger(__name__)


def run(config: Config, config_path: Path | None, data: Path, stop: threading.Event) -> int:
    """Ship until ``stop``. Raises ConfigError when ``influxdb:`` or the token is missing. Returns the exit status.

    A part of ``autoqos up`` waits for the token instead, and says so: nobody sees its exit status.
    """
    watcher = ConfigWatcher(config_path)
    log = EpisodeLog()
    first = True
    while not stop.is_set():
        settings = influx_settings(config)
        if settings is None:
            if first:
                raise ConfigError(f"{config_path or 'config.yaml'}: influxdb: is not set: nothing to ship to")
            _log.warning("influxdb: is gone from the configuration: nothing is shipped")
            return 0
        secrets = load_secrets(config_path)
        try:
            if secrets.influx_token is None:
                if not os.environ.get(SUPERVISED):
                    raise ConfigError(NO_TOKEN)
                config = _Session(config, settings, secrets, config_path, data).wait_for_token(stop, watcher, log)
            else:
                config = _Session(config, settings, secrets, config_path, data).run(stop, watcher, log)
        except StoreUnavailable as error:
            _log.warning("the local store cannot be opened yet: %s", error)
            stop.wait(max(1.0, error.retry_after_s))
        first = False
    return 0


class _Session:
    """Shipping with one set of settings."""

    def __init__(
        self, config: Config, settings: InfluxConfig, secrets: Secrets, config_path: Path | None, data: Path
    ) -> None:
        self._config, self._settings, self._token = config, settings, secrets.influx_token
        self._config_path, self._data = config_path, data

    def run(self, stop: threading.Event, watcher: ConfigWatcher, log: EpisodeLog) -> Config:
        """Ship until the settings, the token or the store's file change, or ``stop``. The settings to go on with."""
        from qos.shipping.client import InfluxClient

        settings, path = self._settings, self._data / STORE_NAME
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(contextlib.closing(InfluxClient(settings, self._token)))
            coarse = {
                policy: stack.enter_context(
                    contextlib.closing(
                        InfluxClient(
                            settings.model_copy(update={"bucket": bucket(settings.bucket, policy)}), self._token
                        )
                    )
                )
                for policy in (WIDTHS_NS if settings.coarse else ())
            }
            store = stack.enter_context(contextlib.closing(SqliteStore(path)))
            store.register_cursor(CURSOR)
            log.attach(store, self._config.host, settings.url)
            source = stack.enter_context(contextlib.closing(JournalReader(path)))
            rejected = RejectedFile(self._data)
            shipper = Shipper(
                source=source,
                writer=client,
                acknowledge=lambda positions: store.acknowledge(CURSOR, Batch((), positions)),
                set_aside=rejected.add,
                settled=source.cursor(CURSOR),
                schedule=SendSchedule(
                    batch=settings.batch,
                    catch_up=settings.catch_up,
                    live_every_ns=min(max(self._config.interval, LIVE_EVERY_NS), _LONGEST_LIVE_NS),
                ),
            )
            history = HistoryShipper(
                source=source, writers=coarse, shipped=store.coarse_shipped, set_aside=rejected.add
            )
            reporter = Reporter(
                store, source, shipper, history, log, config=self._config, settings=settings, data=self._data
            )
            over = threading.Event()
            thread = threading.Thread(target=reporter.run, args=(over,), name="report", daemon=True)
            thread.start()
            stack.callback(thread.join, 10.0)
            stack.callback(over.set)
            _log.info("shipping to %s, bucket %s", settings.url, settings.bucket)
            return self._loop(stop, watcher, shipper, history, log)

    def wait_for_token(self, stop: threading.Event, watcher: ConfigWatcher, log: EpisodeLog) -> Config:
        """Say what is missing until it is there, or the settings change, or ``stop``."""
        with SqliteStore(self._data / STORE_NAME) as store:
            store.register_cursor(CURSOR)
            heartbeat = HeartbeatWriter(store, PART)
            log.attach(store, self._config.host, self._settings.url)
            log.saw({"refused": NO_TOKEN})
            while not stop.is_set():
                with contextlib.suppress(StoreUnavailable):
                    heartbeat.beat(
                        clock.wall_ns(),
                        "refused",
                        NO_TOKEN,
                        url=self._settings.url,
                        last_error=NO_TOKEN,
                        states=list(log.sentences),
                    )
                stop.wait(_LONGEST_SLEEP_S)
                change = watcher.poll()
                if change is not None and change.config is not None:
                    return change.config
                if load_secrets(self._config_path).influx_token is not None:
                    return self._config
            with contextlib.suppress(StoreUnavailable):
                heartbeat.end(clock.wall_ns())
        return self._config

    def _loop(
        self,
        stop: threading.Event,
        watcher: ConfigWatcher,
        shipper: Shipper,
        history: HistoryShipper,
        log: EpisodeLog,
    ) -> Config:
        file = identity(self._data / STORE_NAME)
        unreadable = ""
        resume_ns = 0
        while not stop.is_set():
            failures = shipper.status.failures
            try:
                wait_ns = _turn(shipper, history) if clock.monotonic_ns() >= resume_ns else _LEAST_WAIT_NS
                if clock.monotonic_ns() >= resume_ns:
                    unreadable = ""
            except StoreUnavailable as error:
                unreadable = str(error)
                wait_ns = max(_LEAST_WAIT_NS, int(error.retry_after_s * NS_PER_S))
                resume_ns = clock.monotonic_ns() + wait_ns
            if (seen := _seen(shipper, history, unreadable)) is not None:
                log.saw(seen)
            if shipper.status.failures > failures and shipper.status.state == "refused":
                renewed = load_secrets(self._config_path).influx_token
                if renewed is not None and renewed != self._token:
                    _log.info("INFLUX_TOKEN changed: trying the new one")
                    return self._config
            if wait_ns:
                stop.wait(min(wait_ns / NS_PER_S, _LONGEST_SLEEP_S))
                change = watcher.poll()
                if change is not None and change.config is None:
                    _log.error("%s", "; ".join(change.errors))
                elif change is not None and change.config is not None:
                    return change.config
                if identity(self._data / STORE_NAME) != file:
                    _log.warning("the store's file was replaced: opening the new one")
                    return self._config
        return self._config


def _turn(shipper: Shipper, history: HistoryShipper) -> int:
    """Raw rows first; the coarse history while there is nothing to send and the server answers. What to wait, ns."""
    before = shipper.status
    wait_ns = shipper.turn()
    if shipper.status.failures > before.failures and shipper.status.state == "waiting":
        history.lost_contact()
    if wait_ns == 0 or shipper.status.state not in ("shipping", "catching up"):
        return wait_ns
    return min(wait_ns, max(1, history.turn()))


def _seen(shipper: Shipper, history: HistoryShipper, unreadable: str) -> dict[Kind, str] | None:
    """The states that hold; None while nothing was tried yet, so that nothing is known."""
    status = shipper.status
    if not (status.sent or status.failures or status.last_rejected or unreadable or history.refused):
        return None
    seen: dict[Kind, str] = {}
    if unreadable:
        seen["store_unreadable"] = unreadable
    if status.state == "waiting":
        seen["outage"] = status.last_error
    if status.state == "refused":
        seen["refused"] = status.last_error
    if status.last_rejected:
        seen["set_aside"] = status.last_rejected
    if history.refused:
        seen["history_refused"] = history.refused
    return seen
