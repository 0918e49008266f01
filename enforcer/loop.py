"""The loop: what is wanted, what is going on, what follows. It ties the pure parts to the store and to a session.

Ten times a second while somebody is limited, five times otherwise, it looks whether anybody wrote (one PRAGMA); only
then are documents read. With nobody to limit nothing is open. Whatever goes wrong with the packets ends the session,
is recorded with its reason, and is tried again after the hold-off; whatever goes wrong with the store leaves the limits
as they are.
"""

import logging
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

from enforcer import control, leftovers_linux
from enforcer.desired import (
    LIVE_KEY,
    PART_PREFIX,
    PAUSE_KEY,
    Live,
    live_from,
    next_expiry_ns,
    overrides_from,
    own_pids_from,
    paused_from,
)
from enforcer.lanes import Rates, Tally
from enforcer.latency import Probes
from enforcer.meter import Meter
from enforcer.parcel import DIRECTIONS, Direction
from enforcer.plan import SHAPEABLE_LEVELS, AppPlan, Planner, Seen, Settings, Usage
from enforcer.policy import Decision, Identity, Override, Policy
from enforcer.records import PART, Records, limits_document, says
from enforcer.schedule import LocalTime
from enforcer.session import Session, Tools
from qos.apps import OURSELVES
from qos.clock import NS_PER_MS, NS_PER_S
from qos.config import Config
from qos.divert import available, unregister
from qos.errors import ConfigError, StoreRejected, StoreUnavailable
from qos.points import Agent, Point
from qos.service import ConfigWatcher, Heartbeat, SelfUsage
from qos.store import Store

_log: Final = logging.getLogger(__name__)

ACTIVE_S: Final = 0.1
IDLE_S: Final = 0.2
CONFIG_NS: Final = 700 * NS_PER_MS
SHOW_NS: Final = 1 * NS_PER_S
SHOW_IDLE_NS: Final = 5 * NS_PER_S
CLOSE_NS: Final = 2 * NS_PER_S
"""How long a session without anybody to limit stays open."""
RETRY_NS: Final = 30 * NS_PER_S
"""How often a machine on which packets cannot be diverted is tried again."""


class LoopStore(Store, Protocol):
    """What the loop needs of the embedded store."""

    def write(self, points: Any, *, states: Mapping[str, Any] | None = None) -> None:
        """Points and documents, all or none."""

    def get_state(self, key: str) -> Any | None:
        """A document, or None."""

    def set_state(self, key: str, value: Any) -> None:
        """Keep a document."""

    def states(self, prefix: str) -> dict[str, Any]:
        """Documents by key."""

    def data_version(self) -> int:
        """Changes when anybody wrote."""


class Loop:
    """See the module."""

    def __init__(self, config: Config, store: LoopStore, tools: Tools, watcher: ConfigWatcher) -> None:
        self._store, self._tools, self._watcher, self._clock = store, tools, watcher, tools.clock
        self._config = config
        self._policy = Policy(config)
        self._planner = Planner(Settings(config.link, config.levels))
        self._meter = Meter()
        self._records = Records(config.host_tag, config.interval)
        self._probes = Probes(tools.clock)
        self._control = control.State()
        self._heartbeat = Heartbeat(store, PART)
        self._own_usage = SelfUsage()

        self._session: Session | None = None
        self._hold_until_ns = 0
        self._why_held = ""
        self._idle_since_ns: int | None = None
        self._version: int | None = None
        self._overrides: dict[str, Override] = {}
        self._expiry_ns: int | None = None
        self._paused = False
        self._live: Live | None = None
        self._own: frozenset[int] = frozenset()
        self._identities: dict[str, Identity] = {}
        self._decisions: dict[str, Decision] = {}
        self._decided: tuple[Any, ...] = ()
        self._pending: list[Point] = []
        self._shown: tuple[Any, ...] = ()
        self._shown_ns = 0
        self._looked_ns = 0
        self._agent_ns = 0
        self._said_state = ""
        self._dry: dict[str, str] = {}

    # -- the rounds -------------------------------------------------------------------------------------------------

    def run(self, stop: threading.Event) -> None:
        """Rounds until told to stop; then everything that waits is sent and the handles are closed."""
        self._tidy()
        try:
            while not stop.is_set():
                self.round()
                session = self._session
                if session is None:
                    stop.wait(IDLE_S)
                else:
                    session.wait(ACTIVE_S)
        finally:
            self._close("stopped")
            self._probes.close()
            self._write(
                self._records.end_all(self._clock.wall_ns()),
                {"limits": self._document("stopped", "the enforcer was stopped", {}, {})},
            )
            try:
                self._heartbeat.end(self._clock.wall_ns())
            except (StoreUnavailable, StoreRejected) as error:
                _log.warning("the last heartbeat could not be written: %s", error)

    def round(self) -> None:
        """One round: look, decide, act, record."""
        now_ns, wall_ns = self._clock.monotonic_ns(), self._clock.wall_ns()
        self._look_at_config(now_ns, wall_ns)
        self._look_at_store(wall_ns)
        session = self._session
        if session is not None and session.failed is not None:
            self._let_go(now_ns, wall_ns, session.failed)
            session = None
        if session is not None:
            try:
                session.look(self._own)
            except OSError as error:
                self._let_go(now_ns, wall_ns, f"the socket table cannot be read: {error}")
                session = None
        tallies = session.tally() if session is not None else {}
        self._decide(session, wall_ns)
        usage = self._meter.usage(now_ns, tallies, self._live.usage if self._live else {})
        plans = self._plan(now_ns, session, usage)
        state, reason = self._state(now_ns)
        if state == "ready":
            state, reason = self._enforce(now_ns, wall_ns, plans)
        elif self._session is not None:
            self._close(state)
        held = plans if state == "enforcing" else {}
        self._record(now_ns, wall_ns, state, reason=reason, plans=plans, held=held, tallies=tallies)

    def _look_at_config(self, now_ns: int, wall_ns: int) -> None:
        if now_ns - self._looked_ns < CONFIG_NS:
            return
        self._looked_ns = now_ns
        change = self._watcher.poll()
        if change is None:
            return
        errors, policy = change.errors, None
        if change.config is not None:
            try:
                policy = Policy(change.config)
            except ConfigError as error:
                errors = error.lines
        if change.config is None or policy is None:
            for line in errors:
                _log.warning("%s", line)
            self._event(wall_ns, "config", "config.yaml", f"kept the old settings: {'; '.join(errors)}")
            return
        old, self._config, self._policy = self._config, change.config, policy
        self._planner.settings = Settings(change.config.link, change.config.levels)
        if old.enforcer != change.config.enforcer and self._session is not None:
            self._close("new settings")
        if old.collector.name_by_script != change.config.collector.name_by_script:
            self._tools.processes.name_by(change.config.collector.name_by_script)
        self._decided = ()
        self._hold_until_ns = 0
        self._event(wall_ns, "config", "config.yaml", "new settings are in force")

    def _look_at_store(self, wall_ns: int) -> None:
        try:
            version = self._store.data_version()
            expired = self._expiry_ns is not None and wall_ns >= self._expiry_ns
            if version == self._version and not expired:
                return
            documents = self._store.states("override:")
            live = self._store.get_state(LIVE_KEY)
            parts = self._store.states(PART_PREFIX) if self._session is not None or self._version is None else None
        except (StoreUnavailable, StoreRejected) as error:
            _log.warning("the store cannot be read now, the limits stay: %s", error)
            return
        self._version = version
        overrides = overrides_from(documents, wall_ns)
        if overrides != self._overrides:
            self._overrides = overrides
            self._decided = ()
        self._paused = paused_from(documents.get(PAUSE_KEY), wall_ns)
        self._expiry_ns = next_expiry_ns(documents, wall_ns)
        self._live = live_from(live, wall_ns)
        if parts is not None:
            self._own = own_pids_from(parts)

    # -- deciding ---------------------------------------------------------------------------------------------------

    def _decide(self, session: Session | None, wall_ns: int) -> None:
        apps = {*self._overrides, *(self._live.usage if self._live else ())}
        if session is not None:
            apps |= session.present
        apps.discard(OURSELVES)
        at = local_time(wall_ns)
        key = (frozenset(apps), at)
        if key == self._decided:
            return
        self._decided = key
        self._decisions = {
            app: self._policy.decide(self._who(app, session), self._overrides.get(app), at, wall_ns)
            for app in sorted(apps)
        }

    def _who(self, app: str, session: Session | None) -> Identity:
        known = self._identities.get(app)
        if known is not None and known.paths:
            return known
        found = session.identities.get(app) if session is not None else None
        pid = self._live.pids.get(app) if self._live is not None else None
        if found is None and pid is not None:
            found = self._tools.processes.identify(pid, self._clock.monotonic_ns())
            found = found if found.app == app else None
        who = Identity(app)
        if found is not None:
            who = Identity(app, (found.exe,) if found.exe else (), (app,) if found.service else ())
        self._identities[app] = who
        return who

    def _plan(self, now_ns: int, session: Session | None, usage: Mapping[str, Usage]) -> dict[str, AppPlan]:
        live = self._live
        self._steer(now_ns, usage)
        return self._planner.plan(
            Seen(
                now_ns,
                self._decisions,
                usage,
                {"down": live.unattributed_down_bps, "up": live.unattributed_up_bps} if live else {},
                {direction: budget.bps for direction, budget in self._control.budgets.items()},
                session.present if session is not None else frozenset(),
            )
        )

    def _steer(self, now_ns: int, usage: Mapping[str, Usage]) -> None:
        """The control loop's turn, when ``enforcer.auto`` lets it."""
        if not self._config.enforcer.auto or self._config.mode != "enforce" or self._paused:
            if self._control.reflectors:
                self._control = control.State()
            self._probes.run(())
            return
        bulk = [
            usage[app]
            for app, decision in self._decisions.items()
            if decision.priority in SHAPEABLE_LEVELS and app in usage
        ]
        loads: dict[Direction, control.Load] = {}
        for direction in DIRECTIONS:
            moved = sum(used.bps(direction) for used in bulk)
            loads[direction] = control.Load(moved, moved >= control.MIN_BUDGET_BPS)
        busy = any(load.busy for load in loads.values()) or bool(self._control.budgets)
        self._probes.run(self._config.collector.targets if busy else ())
        before = self._control.budgets
        self._control = control.step(self._control, now_ns, self._probes.take(), loads)
        if before.keys() != self._control.budgets.keys():
            self._event(self._clock.wall_ns(), "auto", "line", self._control.reason)

    # -- acting -----------------------------------------------------------------------------------------------------

    def _state(self, now_ns: int) -> tuple[str, str]:
        if self._config.mode == "observe":
            return "observing", "mode is observe: no packet is touched"
        if self._paused:
            return "paused", "switched off by hand: `autoqos resume` switches it on"
        if self._config.mode == "dry_run":
            return "dry_run", "decides and reports, holds no packet"
        if now_ns < self._hold_until_ns:
            left = (self._hold_until_ns - now_ns) / NS_PER_S
            return "holding_off", f"{self._why_held}; tries again in {left:.0f} s"
        return "ready", ""

    def _enforce(self, now_ns: int, wall_ns: int, plans: Mapping[str, AppPlan]) -> tuple[str, str]:
        rates = {app: Rates(plan.down_bps, plan.up_bps) for app, plan in plans.items() if plan.limited}
        if not rates and not self._policy.names_limits:
            if self._session is not None:
                since = self._idle_since_ns = self._idle_since_ns or now_ns
                if now_ns - since < CLOSE_NS:
                    return self._apply(now_ns, wall_ns, rates)
                self._close("nobody is limited")
            return "idle", "nobody is limited: no packet passes through"
        self._idle_since_ns = None
        return self._apply(now_ns, wall_ns, rates)

    def _apply(self, now_ns: int, wall_ns: int, rates: Mapping[str, Rates]) -> tuple[str, str]:
        try:
            if self._session is None:
                if why := available():
                    self._hold_off(now_ns, wall_ns, f"packets cannot be diverted here: {why}", RETRY_NS)
                    return "holding_off", self._why_held
                settings = self._config.enforcer
                self._session = Session(
                    self._tools,
                    max_packet_rate=settings.max_packet_rate,
                    hold_off_ns=settings.hold_off,
                    own=self._own,
                )
                self._session.look(self._own)
            self._session.apply(rates)
        except (OSError, ValueError) as error:
            self._let_go(now_ns, wall_ns, f"a handle could not be opened: {error}")
            return "holding_off", self._why_held
        for note in self._session.notes:
            self._event(wall_ns, "narrowed", "engine", note)
        self._session.notes.clear()
        count = len(rates)
        if not count:
            return "idle", "nobody is limited now"
        return "enforcing", f"{count} application{'s' if count != 1 else ''} limited"

    def _let_go(self, now_ns: int, wall_ns: int, why: str) -> None:
        self._close(why)
        self._hold_off(now_ns, wall_ns, why, self._config.enforcer.hold_off)

    def _hold_off(self, now_ns: int, wall_ns: int, why: str, span_ns: int) -> None:
        self._hold_until_ns = now_ns + span_ns
        if why != self._why_held or self._said_state != "holding_off":
            _log.warning("let go: %s", why)
            self._event(wall_ns, "let_go", "engine", why)
        self._why_held = why

    def _close(self, why: str) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close(why)
            self._idle_since_ns = None
            self._tidy()

    def _tidy(self) -> None:
        """Take away what a process that died left behind; on Windows let the driver go when nobody uses it."""
        if available() is None:
            try:
                unregister()
                if sys.platform == "linux":
                    leftovers_linux.remove()
            except OSError as error:
                _log.warning("leftovers could not be removed: %s", error)

    # -- recording --------------------------------------------------------------------------------------------------

    def _event(self, wall_ns: int, kind: str, subject: str, message: str) -> None:
        self._pending.append(self._records.event(wall_ns, kind, subject, message))

    def _record(
        self,
        now_ns: int,
        wall_ns: int,
        state: str,
        *,
        reason: str,
        plans: Mapping[str, AppPlan],
        held: Mapping[str, AppPlan],
        tallies: Mapping[str, Mapping[Direction, Tally]],
    ) -> None:
        points = [*self._pending, *self._records.points(wall_ns, held, tallies)]
        self._pending.clear()
        if state != self._said_state:
            points.append(self._records.event(wall_ns, "state", "engine", f"{state}: {reason}"))
            self._said_state = state
        if state == "dry_run":
            points += self._dry_run(wall_ns, plans)
        if now_ns - self._agent_ns >= max(self._config.interval, NS_PER_S):
            self._agent_ns = now_ns
            points.append(self._agent(now_ns, wall_ns, len(points)))
        shown = (state, {app: (p.decision, p.down_bps, p.up_bps) for app, p in plans.items()})
        since = now_ns - self._shown_ns
        due = since >= (SHOW_NS if held else SHOW_IDLE_NS) or (shown != self._shown and since >= 100 * NS_PER_MS)
        states: dict[str, Any] = {}
        if due:
            self._shown, self._shown_ns = shown, now_ns
            visible = plans if state in ("enforcing", "dry_run") else {a: _unheld(p) for a, p in plans.items()}
            states["limits"] = self._document(state, reason, visible, tallies)
        if points or states:
            self._write(points, states)
        try:
            self._heartbeat.beat(wall_ns, state, reason)
        except (StoreUnavailable, StoreRejected) as error:
            _log.warning("the heartbeat could not be written: %s", error)

    def _dry_run(self, wall_ns: int, plans: Mapping[str, AppPlan]) -> list[Point]:
        """One event per decision that would have been carried out."""
        now = {app: says(plan) for app, plan in plans.items() if plan.limited}
        events: list[Point] = []
        for app in now.keys() | self._dry.keys():
            if (app in now) != (app in self._dry):
                words = f"would hold it to {now[app]}" if app in now else "would let it go"
                events.append(self._records.event(wall_ns, "dry_run", app, words))
        self._dry = now
        return events

    def _agent(self, now_ns: int, wall_ns: int, written: int) -> Agent:
        usage = self._own_usage.sample(now_ns)
        return Agent(
            time_ns=wall_ns,
            host=self._config.host_tag,
            part=PART,
            cpu_percent=usage.cpu_percent,
            rss_bytes=usage.rss_bytes,
            points_written=written,
            points_dropped=0,
            capture_lost=0,
            outbox_rows=0,
            restarts=0,
        )

    def _document(
        self,
        state: str,
        reason: str,
        plans: Mapping[str, AppPlan],
        tallies: Mapping[str, Mapping[Direction, Tally]],
    ) -> dict[str, Any]:
        engine: dict[str, Any] = self._session.describe() if self._session is not None else {"handles": 0}
        if self._config.enforcer.auto:
            budgets = {direction: budget.bps for direction, budget in self._control.budgets.items()}
            engine["auto"] = {"budgets_bps": budgets, "reason": self._control.reason}
        mode = self._config.mode
        return limits_document(
            self._clock.wall_ns(), mode, state, reason=reason, plans=plans, tallies=tallies, engine=engine
        )

    def _write(self, points: list[Point], states: Mapping[str, Any]) -> None:
        try:
            self._store.write(points, states=states)
        except (StoreUnavailable, StoreRejected) as error:
            _log.warning("%d records could not be written: %s", len(points), error)


def _unheld(plan: AppPlan) -> AppPlan:
    """The same with no rate: decided, but nothing is in force."""
    return AppPlan(plan.decision, None, None, plan.demand_down_bps, plan.demand_up_bps, plan.decision.reasons)


def local_time(wall_ns: int) -> LocalTime:
    """The local time of a UTC moment."""
    local = time.localtime(wall_ns // NS_PER_S)
    return LocalTime(local.tm_wday, local.tm_hour * 60 + local.tm_min)
