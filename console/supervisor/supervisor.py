"""``autoqos up``: starts the parts as processes of their own, watches them, shows one status line, stops them all.

It does no packet work and holds no measurement: killed in any way, its children end by themselves (their standard input
closes), and the enforcer lets every packet go. Ctrl-C asks all of them to stop and gives them four seconds.
"""

import contextlib
import queue
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from console.supervisor.child import kill, stop_children
from console.supervisor.parts import wanted
from console.supervisor.status_line import Screen, open_screen
from console.supervisor.supervised_child import Ended, SupervisedChild
from qos.contract.config import Config
from qos.contract.documents.heartbeat import Heartbeat
from qos.contract.documents.live import Live
from qos.contract.errors import StoreRejected, StoreUnavailable
from qos.contract.points import Agent, Event
from qos.service import (
    ConfigWatcher,
    HeartbeatWriter,
    SelfUsage,
    data_dir,
    instance_lock,
    keep_files_private,
    make_data_dir,
    stop_on_signals,
    stop_with_parent,
    store_path,
)
from qos.service.config_file import find_config, load_config
from qos.service.systemd import ServiceNotifier
from qos.shipping.settings import forecaster_place
from qos.system import clock

if TYPE_CHECKING:
    from qos.store.sqlite.store import SqliteStore

GRACE_S: Final = 4.0
_TICK_S: Final = 0.5
_RECORD_NS: Final = 10 * 10**9


def run_up(config_path: Path | None, data: Path | None, *, quiet: bool = False, page: bool = False) -> int:
    """Run everything until told to stop; the process's exit status. Raises ConfigError."""
    from qos.store.sqlite.store import SqliteStore

    path = find_config(config_path)
    config = load_config(path)
    keep_files_private()
    directory = make_data_dir(data_dir(config, data), config.data_group)
    with instance_lock(directory, "supervisor"):
        stop = threading.Event()
        stop_on_signals(stop)
        stop_with_parent(stop)
        store = SqliteStore(store_path(directory))
        try:
            with open_screen(quiet=quiet) as screen:
                return Supervisor(config, path, directory, store, screen, page=page).run(stop)
        finally:
            store.close()


class Supervisor:
    """The parts of one data directory."""

    def __init__(
        self,
        config: Config,
        config_path: Path | None,
        data: Path,
        store: "SqliteStore",
        screen: Screen,
        *,
        page: bool = False,
    ) -> None:
        self._page = page
        self._page_said: str | None = None
        self._config, self._config_path, self._data = config, config_path, data
        self._store, self._screen = store, screen
        self._children: dict[str, SupervisedChild] = {}
        self._lines: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._watcher = ConfigWatcher(config_path)
        self._heartbeat = HeartbeatWriter(store, "supervisor")
        self._notifier = ServiceNotifier()
        self._usage = SelfUsage()
        self._recorded_ns = 0
        self._restarts_recorded = 0
        self._killed: list[int] = []
        self._not_seen: tuple[str, ...] = ()

    def run(self, stop: threading.Event) -> int:
        """Tend the parts until ``stop``, then stop them all. 0, or 1 when one had to be killed."""
        try:
            self._choose()
            self._screen.say(f"AutoQoS runs {', '.join(self._children)}; data in {self._data}; Ctrl-C stops it")
            if (place := forecaster_place(self._config)).where == "server":
                self._screen.say(place.sentence)
            self._notifier.ready("runs")
            while not stop.is_set():
                self._tick()
                self._notifier.alive(clock.monotonic_ns())
                stop.wait(_TICK_S)
        finally:
            self._notifier.stopping()
            self._stop_all()
        return int(bool(self._killed))

    def _choose(self) -> None:
        """Start what the settings want now, stop what they no longer want."""
        names = wanted(self._config, page=self._page)
        for name in set(self._children) - set(names):
            supervised = self._children.pop(name)
            self._screen.say(f"{name}: no longer wanted by the settings, stopping")
            if supervised.child is not None:
                self._killed += stop_children([supervised.child], GRACE_S)
        for name in names:
            if name not in self._children:
                self._children[name] = SupervisedChild(
                    name, self._config_path, self._data, lambda part, line: self._lines.put((part, line))
                )

    def _tick(self) -> None:
        for supervised in self._children.values():
            ended = supervised.poll(clock.monotonic_ns())
            if ended is not None:
                self._tell_end(ended)
        self._tell_lines()
        change = self._watcher.poll()
        if change is not None and change.config is not None:
            self._config = change.config
            self._choose()
        with contextlib.suppress(StoreUnavailable, StoreRejected):  # the parts say so themselves; we only watch
            self._record()
            self._tell_page()
            if self._screen.due(clock.monotonic_ns()):
                self._show(Live.parse(self._store.get_state(Live.KEY)), clock.wall_ns())

    def _tell_page(self) -> None:
        """Where the page is, once: with a one-time code in a terminal, and without one where it would end in a log."""
        if "page" not in self._children:
            return
        beat = Heartbeat.parse(self._store.get_state(Heartbeat.PREFIX + "page"))
        child = self._children["page"].child
        if beat is None or child is None or beat.pid != child.pid or beat.detail == self._page_said:
            return
        self._page_said = beat.detail
        if isinstance(port := beat.report.get("port"), int) and sys.stdout.isatty():
            from console.page.access.address import url
            from console.page.access.opening import leave_code

            self._screen.say(f"page: {url(port, leave_code(self._store))} (once, within a minute)")
        else:
            self._screen.say(f"page: {beat.detail}; `autoqos page` gives a one-time address that opens it")

    def _show(self, live: Live | None, now_ns: int) -> None:
        if live is not None and live.fresh(now_ns) and live.blind_to != self._not_seen:
            self._not_seen = live.blind_to
            self._screen.say(*(f"capture {live.backend} does not see {text}" for text in live.blind_to))
        self._screen.show(live, self._states(), now_ns)

    def _tell_end(self, ended: Ended) -> None:
        self._tell_lines()
        if ended.status is None:
            message = f"could not be started, tried again in {ended.again_s:.1f} s"
            self._screen.say(f"{ended.part}: {message}: {ended.last_line}")
        else:
            how = f"status {ended.status}" if ended.status >= 0 else _signal_name(-ended.status)
            message = f"ended ({how}), started again in {ended.again_s:.1f} s"
            self._screen.say(f"{ended.part}: {message}")
        event = Event(
            time_ns=clock.wall_ns(),
            host=self._host,
            part="supervisor",
            kind="restart",
            subject=ended.part,
            message=f"{message}: {ended.last_line}" if ended.last_line else message,
        )
        with contextlib.suppress(StoreUnavailable, StoreRejected):
            self._store.write([event])

    def _tell_lines(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._screen.say(self._lines.get_nowait()[1])

    def _states(self) -> dict[str, str]:
        return {supervised.part: supervised.state for supervised in self._children.values()}

    @property
    def _host(self) -> str:
        return self._config.host or socket.gethostname()

    def _record(self) -> None:
        """The heartbeat, and every ten seconds what the supervisor costs."""
        now_ns = clock.wall_ns()
        restarts = sum(supervised.restarts for supervised in self._children.values())
        waiting = [name for name, state in self._states().items() if state != "running"]
        detail = f"waiting to restart {', '.join(waiting)}" if waiting else ""
        parts = {
            supervised.part: {
                "state": supervised.state,
                "restarts": supervised.restarts,
                "pid": supervised.child.pid if supervised.child is not None else None,
            }
            for supervised in self._children.values()
        }
        config = str(self._config_path.absolute()) if self._config_path is not None else None
        self._heartbeat.beat(now_ns, "running", detail, restarts=restarts, parts=parts, config=config)
        if not 0 <= now_ns - self._recorded_ns < _RECORD_NS:
            usage = self._usage.sample(clock.monotonic_ns())
            point = Agent(
                time_ns=now_ns,
                host=self._host,
                part="supervisor",
                cpu_percent=usage.cpu_percent,
                rss_bytes=usage.rss_bytes,
                points_written=1,
                points_dropped=0,
                capture_lost=0,
                outbox_rows=0,
                restarts=max(0, restarts - self._restarts_recorded),
            )
            self._store.write([point])
            self._recorded_ns, self._restarts_recorded = now_ns, restarts

    def _stop_all(self) -> None:
        children = [supervised.child for supervised in self._children.values() if supervised.child is not None]
        self._screen.say("stopping")
        try:
            self._killed += stop_children(children, GRACE_S)
        except KeyboardInterrupt:  # a second Ctrl-C: at once
            for child in children:
                if child.poll() is None:
                    self._killed.append(child.pid)
                    kill(child)
        self._tell_lines()
        if self._killed:
            self._screen.say(f"had to be killed: PID {', '.join(map(str, self._killed))}")
        with contextlib.suppress(StoreUnavailable, StoreRejected):
            self._heartbeat.end(clock.wall_ns())


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
