"""The collector's loop: on every tick read everything, account for it, hand it to the store. One thread, no queue.

Each tick is measured whole and written in one transaction with its documents (``live``, ``part:collector``). Between
ticks the probes' own threads run, and their answers are glanced at, so that lag is shown before the tick is over. Ticks
that come too late are counted and not made up; after a gap (the machine slept) counters begin anew; a wall clock that
is set back only changes the stamps. While it runs, an edit of ``config.yaml`` is applied in the tick after next at the
latest, and a broken one is reported and changes nothing.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from collector.accounting.live_document import live_document
from collector.accounting.tick import TrafficAccounts
from collector.accounting.tick_schedule import TickArrival, TickSchedule
from collector.capture import Delta, Sample
from collector.capture.runner import Backend, Opened
from collector.enforcer_state import EnforcerState, StateReader
from collector.interfaces.meter import InterfaceDelta, InterfaceMeter
from collector.notices import Notices
from collector.probes.prober import Prober
from collector.probing import Probing, own_probes
from collector.resources import ResourceMeter
from collector.selfcheck import PART, SelfCheck
from qos.contract.config import Config, Retention
from qos.contract.documents.live import Live
from qos.contract.errors import StoreRejected, StoreUnavailable
from qos.contract.points import AppResources, ConfiguredLink, LagIncident, Point
from qos.policy.applications import AppNames, ProcessIdentity
from qos.service import ConfigWatcher, HeartbeatWriter
from qos.store import Reader
from qos.store.write_buffer import BufferedWriter, Embedded
from qos.system import clock
from qos.system.clock import NS_PER_S, Clock
from qos.system.processes import Processes

MAINTAIN_NS: Final = 60 * NS_PER_S
ABANDONED_NS: Final = 24 * 3600 * NS_PER_S
GLANCE_NS: Final = NS_PER_S // 4
PULSE_NS: Final = NS_PER_S
"""However long the interval, the heartbeat and the config file are looked after this often."""

_log: Final = logging.getLogger(__name__)


class EmbeddedStore(Embedded, Reader, StateReader, Protocol):
    """The part of the embedded store that the loop needs."""

    def retain(self, retention: Retention) -> None:
        """Other bounds from now on."""

    def maintain(self, now_ns: int) -> bool:
        """Roll up and remove what is too old; False when something is left for the next call."""


class _Documents(dict[str, Any]):
    """Documents that go with the next transaction; satisfies ``qos.service.StateWriter``."""

    def set_state(self, key: str, value: Any) -> None:
        """Keep the document until the next write."""
        self[key] = value


class CollectorLoop:
    """Everything that a tick needs. ``opener(config)`` chooses and starts a capture backend."""

    def __init__(
        self,
        config: Config,
        store: EmbeddedStore,
        *,
        opener: Callable[[Config], Opened],
        watcher: ConfigWatcher,
        time: Clock = clock.SYSTEM,
        processes: Processes | None = None,
        meter: InterfaceMeter | None = None,
        prober: Callable[[Config], Prober] | None = None,
    ) -> None:
        self.config = config
        self._store, self._watcher, self._time = store, watcher, time
        self._processes = processes or Processes(config.collector.name_by_script)
        self._meter = meter or InterfaceMeter(config.collector.interfaces)
        self._resources = ResourceMeter(self._processes, config.collector.resources_of)
        self._probing = Probing(config, store, self._processes, prober)
        self._backend = Backend(lambda: opener(self.config))
        self.accounts = TrafficAccounts(config.host, config.collector.max_apps)
        self._outlet = BufferedWriter(store)
        self._self = SelfCheck(self._outlet)
        self._documents = _Documents()
        self._shown: Live | None = None
        self._heartbeat = HeartbeatWriter(self._documents, PART, every_ns=NS_PER_S * 9 // 10)
        self._notices = Notices(PART)
        self._enforcer = EnforcerState(config, store)
        self._maintained_ns = 0
        self._link_ns: int | None = None
        self._lost = 0
        self.skipped = 0
        self.started_ns = 0

    def run(self, stop: threading.Event) -> None:
        """Tick until ``stop`` is set; the last, shorter tick is written before it returns.

        Raises ConfigError when the config names a capture backend that cannot run here.
        """
        now_ns = self._time.monotonic_ns()
        self.begin(now_ns)
        self._probing.start()
        schedule = TickSchedule(self.config.interval, now_ns, self.started_ns)
        try:
            while True:
                wait_ns = schedule.wait_ns(self._time.monotonic_ns())
                stopping = self._wait(stop, min(wait_ns, PULSE_NS))
                now_ns = self._time.monotonic_ns()
                if stopping or not schedule.wait_ns(now_ns):
                    self.tick(schedule.arrive(now_ns, self._time.wall_ns()), now_ns, last=stopping)
                if stopping:
                    break
                self._follow_config(now_ns)
                schedule.every(self.config.interval, now_ns)
                self._pulse(now_ns)
        finally:
            self._probing.stop()
            self._backend.stop()
            now_ns, wall_ns, host = self._time.monotonic_ns(), self._time.wall_ns(), self.accounts.host
            self._write(self._probing.end(now_ns, wall_ns, host), now_ns)
            self._heartbeat.end(self._time.wall_ns())
            self._write((), self._time.monotonic_ns() + MAINTAIN_NS)

    def _wait(self, stop: threading.Event, wait_ns: int) -> bool:
        """Wait for so long, with a glance at the probes now and then; whether to stop."""
        until_ns = self._time.monotonic_ns() + wait_ns
        while (left_ns := until_ns - self._time.monotonic_ns()) > GLANCE_NS * 3 // 2:
            if stop.wait(GLANCE_NS / NS_PER_S):
                return True
            now_ns = self._time.monotonic_ns()
            if now_ns - (until_ns - left_ns) < 2 * GLANCE_NS:  # or this process stood still, and answers look late
                self.glance(now_ns)
        return stop.wait(max(0, left_ns) / NS_PER_S)

    def glance(self, now_ns: int) -> None:
        """Between two ticks: lag that is seen now is shown at once, in the newest tick's document."""
        if self._shown is not None and self._probing.glance(now_ns, self._time.wall_ns(), self.accounts.host):
            self._documents[Live.KEY] = replace(self._shown, lag=self._probing.lag).dump()
            self._write((), now_ns)

    def begin(self, now_ns: int) -> None:
        """Open the capture backend and take every counter's baseline. Raises ConfigError as ``run`` does."""
        self.started_ns = self._time.wall_ns()
        self._maintained_ns = now_ns
        self._backend.open(now_ns, strict=self.config.collector.capture != "auto")
        self._baseline(now_ns)
        self._end_abandoned(now_ns)
        self._probing.recall(self.started_ns)
        self._self.begin(now_ns)
        self._beat(self.started_ns)
        self._write((), now_ns)

    def tick(self, arrival: TickArrival, now_ns: int, *, last: bool = False) -> None:
        """Measure, account, write."""
        wall_ns = self._time.wall_ns()
        self.skipped += arrival.skipped
        if arrival.stepped_ns and not arrival.gap:
            self._notices.event(
                wall_ns, "clock", "", f"the wall clock was set by {arrival.stepped_ns / 1e9:+.0f} s; measuring goes on"
            )
        if arrival.gap:
            asleep_s = (arrival.elapsed_ns + max(0, arrival.stepped_ns)) / 1e9
            self._notices.event(
                wall_ns, "gap", "", f"no tick for {asleep_s:.0f} s (asleep or stalled): counters begin anew"
            )
            self._baseline(now_ns)
            self._resources.rebase()
        sample = self._backend.poll(now_ns) if not arrival.gap else Sample(())
        interfaces = self._look(now_ns) if not arrival.gap else ()
        for what in self._backend.events():
            self._notices.event(wall_ns, "capture", what.subject, what.message)
        for note in sample.notes:
            self._notices.note(wall_ns, now_ns, self._backend.name, note)
        self._lost += sample.lost
        self._enforcer.look(now_ns, wall_ns)
        results = self._probing.collect()
        deltas = (*sample.deltas, *own_probes(results, self._backend.name)) if not arrival.gap else ()
        moved = [(delta, self._who(delta, now_ns)) for delta in deltas]
        points: list[Point] = list(
            self.accounts.record(
                wall_ns,
                arrival.elapsed_ns,
                moved,
                interfaces,
                self._enforcer.priorities.of,
                dropped=self._enforcer.dropped(wall_ns, self._backend.name),
                late_ns=max(sample.late_ns, self._enforcer.late_ns(wall_ns)),
                last=last,
            )
        )
        limits = self._enforcer.limits(wall_ns)
        points += self._probing.points(arrival, now_ns, wall_ns, results, self.accounts, limits=limits)
        points += self._resource_points(wall_ns, now_ns, moved)
        self._processes.sweep(now_ns)
        points += self._link_points(wall_ns, now_ns)
        points += self._notices.take(self.accounts.host)
        points.append(self._self.point(wall_ns, now_ns, self.accounts.host, sample.lost))
        self._shown = self._live(wall_ns, now_ns)
        self._documents[Live.KEY] = self._shown.dump()
        self._beat(wall_ns)
        self._write(points, now_ns)
        if now_ns - self._maintained_ns >= MAINTAIN_NS and self._maintain(wall_ns):
            self._maintained_ns = now_ns

    def _write(self, points: Sequence[Point], now_ns: int) -> None:
        self._outlet.write(points, now_ns, states=self._documents)
        self._documents.clear()

    def _end_abandoned(self, now_ns: int) -> None:
        """An incident that a collector left running, because it was killed, ends where it was last seen."""
        try:
            columns = self._store.read("lag_incident", start_ns=self.started_ns - ABANDONED_NS)
        except (StoreUnavailable, StoreRejected):
            return
        rows = [{name: column[at] for name, column in columns.items()} for at in range(len(columns["time_ns"]))]
        left = [LagIncident(**{**row, "running": 0}) for row in rows if row["running"]]
        if left:
            self._write(left, now_ns)

    def _baseline(self, now_ns: int) -> None:
        self._meter.rebase()
        self._look(now_ns)
        self._backend.poll(now_ns)

    def _look(self, now_ns: int) -> tuple[InterfaceDelta, ...]:
        try:
            return self._meter.look(now_ns)
        except OSError as error:
            what = f"interface counters cannot be read: {error.strerror or error}"
            self._notices.note(self._time.wall_ns(), now_ns, "interfaces", what)
            return ()

    def _who(self, delta: Delta, now_ns: int) -> ProcessIdentity | None:
        owner = delta.owner
        if owner is None:
            return None
        return self._processes.identify(owner.pid, now_ns, started_ns=owner.started_ns, name=owner.name, exe=owner.exe)

    def _resource_points(
        self, wall_ns: int, now_ns: int, moved: Sequence[tuple[Delta, ProcessIdentity | None]]
    ) -> list[Point]:
        busy = {who.pid: who.app for _, who in moved if who is not None}
        return [
            AppResources(
                time_ns=wall_ns,
                host=self.accounts.host,
                app=self.accounts.names.admit(usage.app),
                cpu_percent=usage.cpu_percent,
                rss_bytes=usage.rss_bytes,
            )
            for usage in self._resources.look(now_ns, busy)
        ]

    def _link_points(self, wall_ns: int, now_ns: int) -> list[Point]:
        """The line's capacity as configured: at once, when it changes, and every minute (docs/decisions/0002)."""
        down, up = self.config.link.down, self.config.link.up
        due = self._link_ns is None or now_ns - self._link_ns >= MAINTAIN_NS
        if not due or (down is None and up is None):
            return []
        self._link_ns = now_ns
        return [ConfiguredLink(time_ns=wall_ns, host=self.accounts.host, down_bps=down, up_bps=up)]

    def _live(self, wall_ns: int, now_ns: int) -> Live:
        return live_document(
            self.accounts,
            now_ns=wall_ns,
            started_ns=self.started_ns,
            interval_ns=self.config.interval,
            backend=self._backend.name,
            backend_reason=self._backend.reason,
            blind_to=self._backend.blind_to,
            lost=self._lost,
            probes=[found.live() for found in self._probing.newest],
            skipped=self.skipped,
            lag=self._probing.lag,
            notes=self._notices.shown(now_ns) + ([f"store: {self._outlet.problem}"] if self._outlet.problem else []),
        )

    def _beat(self, wall_ns: int) -> None:
        self._heartbeat.beat(
            wall_ns,
            "running" if self._backend.name != "none" else "degraded",
            self._backend.reason,
            backend=self._backend.name,
            ticks_skipped=self.skipped,
        )

    def _pulse(self, now_ns: int) -> None:
        """Between the ticks of a long interval: say that we live."""
        if self.config.interval > PULSE_NS:
            self._beat(self._time.wall_ns())
            self._write((), now_ns)

    def _maintain(self, wall_ns: int) -> bool:
        try:
            return self._store.maintain(wall_ns)
        except StoreUnavailable as error:
            _log.warning("the store could not be tidied up: %s", error)
            return True  # in a minute again

    def _follow_config(self, now_ns: int) -> None:
        change = self._watcher.poll()
        if change is None:
            return
        if change.config is None:
            self._notices.config_broken(self._time.wall_ns(), change.errors)
            return
        old, self.config = self.config, change.config
        self._apply(old, change.config, now_ns)
        self._notices.config_applied(self._time.wall_ns())

    def _apply(self, old: Config, new: Config, now_ns: int) -> None:
        was, now = old.collector, new.collector
        self.accounts.host = new.host
        if old.apps != new.apps or old.default_level != new.default_level:
            self._enforcer.priorities.configure(new)
        if old.link != new.link or old.host != new.host:
            self._link_ns = None
        if old.retention != new.retention:
            self._store.retain(new.retention)
        if was.max_apps != now.max_apps:
            self.accounts.names = AppNames(now.max_apps)
        if was.interfaces != now.interfaces:
            self._meter.watch(now.interfaces)
        if was.name_by_script != now.name_by_script:
            self._processes.name_by(now.name_by_script)
        if was.resources_of != now.resources_of or was.name_by_script != now.name_by_script:
            self._resources.watch(now.resources_of)
        self._probing.configure(old, new)
        if was.capture != now.capture or was.interfaces != now.interfaces:
            self._backend.open(now_ns)
