"""The loop: what is wanted, what is going on, what follows. It ties the pure parts to the store and to a datapath.

Ten times a second while somebody is limited, five times otherwise, it looks whether anybody wrote (one PRAGMA); only
then is anything read or decided again. With nobody to limit nothing is open. Whatever goes wrong with the packets ends
the session, is recorded with its reason, and is tried again after the hold-off; whatever goes wrong with the store
leaves the limits as they are.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from enforcer.allocation.meter import Meter
from enforcer.allocation.planner import AppPlan, PlannerInput, Settings, plan
from enforcer.congestion_control import CongestionControl, Surroundings
from enforcer.datapath.interface import Datapath, DatapathFactory
from enforcer.fast_usage import fast_usage
from enforcer.foresight import Foresight
from enforcer.game_mode.watch import GameWatch
from enforcer.inputs import Documents, Inputs
from enforcer.link_log import LinkLog
from enforcer.qdisc.classifier import ClassStats, RateLimits
from enforcer.reports import PART, Records, limits_document
from qos.contract.config import Config
from qos.contract.direction import Direction
from qos.contract.documents.engine import EngineReport
from qos.contract.documents.limits import Limits
from qos.contract.documents.link_estimates import LinkEstimates
from qos.contract.errors import StoreRejected, StoreUnavailable
from qos.contract.points import Agent, Point
from qos.service import ConfigWatcher, HeartbeatWriter, SelfUsage
from qos.system.clock import NS_PER_MS, NS_PER_S, Clock
from qos.system.processes import Processes

_log: Final = logging.getLogger(__name__)

ACTIVE_S: Final = 0.1
PROBING_S: Final = 0.05
IDLE_S: Final = 0.2
PAUSE_S: Final = 0.05
"""Between two rounds at least, however many flows come."""
SHOW_NS: Final = 1 * NS_PER_S
SHOW_IDLE_NS: Final = 5 * NS_PER_S
CLOSE_NS: Final = 2 * NS_PER_S
"""How long a session without anybody to limit stays open."""
RETRY_NS: Final = 30 * NS_PER_S
"""How often a machine on which packets cannot be diverted is tried again."""
AGENT_IDLE_NS: Final = 10 * NS_PER_S


class LoopStore(Documents, Protocol):
    """What the loop needs of the embedded store."""

    def write(self, points: Any, *, states: Mapping[str, Any] | None = None) -> None:
        """Points and documents, all or none."""

    def set_state(self, key: str, value: Any) -> None:
        """Keep a document."""


class Loop:
    """See the module."""

    def __init__(
        self,
        config: Config,
        store: LoopStore,
        datapath: DatapathFactory,
        watcher: ConfigWatcher,
        *,
        clock: Clock,
        processes: Processes,
        surroundings: Surroundings | None = None,
        open_early: bool = True,
        games: GameWatch | None = None,
    ) -> None:
        """Raises ConfigError. ``processes`` is used by this thread and, where they share it, the datapath's.

        ``open_early``: open the datapath before somebody is limited, so that nobody starts free; ``games`` says for
        which program enforcement rests.
        """
        self._open_early, self._games = open_early, games
        self._playing: str | None = None
        self._store, self._factory, self._clock = store, datapath, clock
        self._inputs = Inputs(config, store, processes, watcher)
        self._settings = Settings(config.link, config.levels)
        self._foresight = Foresight(store)
        self._meter = Meter()
        self._control = CongestionControl(clock, fast_usage(processes), surroundings)
        self._link_log = LinkLog(config.host)
        self._records = Records(config.host, config.interval)
        self._heartbeat = HeartbeatWriter(store, PART)
        self._own_usage = SelfUsage()
        self._datapath: Datapath | None = None
        self._hold_until_ns = 0
        self._why_held = ""
        self._idle_since_ns: int | None = None
        self._resting = self._woken = False
        self._pending: list[Point] = []
        self._shown: tuple[Any, ...] = ()
        self._shown_ns = self._agent_ns = self._round_ns = 0
        self._state = ("", "")

    def run(self, stop: threading.Event) -> None:
        """Rounds until told to stop; then everything that waits is sent and the handles are closed."""
        self._tidy()
        self._recall()
        try:
            while not stop.is_set():
                self.round()
                if not stop.wait(PAUSE_S):
                    self._wait(stop)
        finally:
            self.close()

    def _wait(self, stop: threading.Event) -> None:
        if self._datapath is not None:
            self._woken = self._datapath.wait((PROBING_S if self._control.probing else ACTIVE_S) - PAUSE_S)
        else:
            stop.wait((ACTIVE_S if self._learns or self._settings.links() else IDLE_S) - PAUSE_S)

    @property
    def _at_rest(self) -> bool:
        """Nothing is open, or what is open has nothing to do: a look a second is enough."""
        return self._datapath is None or (self._resting and not self._woken and self._datapath.failed is None)

    @property
    def _learns(self) -> bool:
        """Whether latency is acted upon."""
        config = self._inputs.config
        rests = self._inputs.paused or self._playing is not None
        return config.enforcer.auto and self._inputs.mode == "enforce" and not rests

    def _recall(self) -> None:
        try:
            self._control.remember(LinkEstimates.parse(self._store.get_state(LinkEstimates.KEY)))
        except (StoreUnavailable, StoreRejected) as error:
            _log.warning("what was learned of the line before cannot be read: %s", error)

    def close(self) -> None:
        """Let everything go and say so."""
        self._close("stopped")
        self._control.close()
        self._state = ("stopped", "the enforcer was stopped")
        self._write(self._records.end_all(self._clock.wall_ns()), {Limits.KEY: self._document({}, {}).dump()})
        self._beat(lambda: self._heartbeat.end(self._clock.wall_ns()))

    def round(self) -> None:
        """One round: look, decide, act, record."""
        now_ns, wall_ns = self._clock.monotonic_ns(), self._clock.wall_ns()
        inputs = self._inputs
        changed = inputs.look(now_ns, wall_ns)
        changed |= self._look_for_games(now_ns)
        controls = inputs.mode != "observe" and (self._learns or bool(self._settings.links()))
        busy = controls and self._control.busy(now_ns)
        quiet = self._at_rest and not busy and not inputs.news and now_ns >= self._hold_until_ns
        if quiet and not changed and now_ns - self._round_ns < NS_PER_S:
            self._beat(lambda: self._heartbeat.beat(wall_ns, *self._state))
            return
        self._round_ns = now_ns
        if inputs.reconfigured:
            self._reconfigure()
        datapath = self._healthy(now_ns, wall_ns)
        told_ns = self._clock.monotonic_ns()
        stats = datapath.stats() if datapath is not None else {}
        present = datapath.present if datapath is not None else frozenset[str]()
        fast = self._control.fast_usage(self._clock.monotonic_ns()) if busy else {}
        identities = {**self._control.identities, **(datapath.identities if datapath is not None else {})}
        inputs.decide(wall_ns, present | fast.keys(), identities)
        live = inputs.live
        settings = self._foresight.tightened(self._settings, wall_ns, wanted=inputs.config.enforcer.foresee)
        inputs.news += self._foresight.take_news()
        control = self._control.turn(
            now_ns,
            targets=inputs.config.collector.targets,
            learns=self._learns,
            settings=settings,
            decisions=inputs.decisions,
            usage=self._control.merged(self._meter.usage(told_ns, stats, inputs.usage), fast),
            present=present,
            stats=stats,
            in_force=datapath is not None and datapath.in_force,
        )
        for note in control.notes:
            self._event(wall_ns, "auto", "line", note)
        given = PlannerInput(
            inputs.decisions,
            control.usage,
            control.budgets,
            control.elastic,
            control.unheld_bps,
            {"down": live.unattributed.rx_bps, "up": live.unattributed.tx_bps} if live else {},
            present,
        )
        plans = self._foresight.explained(plan(settings, given), self._settings)
        self._woken = False
        self._resting = not busy and not any(one.limited and app in inputs.usage for app, one in plans.items())
        state, reason = self._wanted_state(now_ns)
        if state == "ready":
            state, reason = self._enforce(now_ns, wall_ns, plans)
        elif self._datapath is not None:
            self._close(state)
        self._record(now_ns, wall_ns, (state, reason), plans, stats)

    def _reconfigure(self) -> None:
        self._inputs.reconfigured = False
        config = self._inputs.config
        self._settings = Settings(config.link, config.levels)
        self._hold_until_ns = 0
        if self._datapath is not None:
            self._datapath.set_max_packet_rate(self._inputs.max_packet_rate)

    def _healthy(self, now_ns: int, wall_ns: int) -> Datapath | None:
        """The datapath, if it is open and all is well with it."""
        datapath = self._datapath
        if datapath is None:
            return None
        why = datapath.failed
        if why is None:
            try:
                datapath.refresh(self._inputs.own)
            except OSError as error:
                why = f"the socket table cannot be read: {error}"
        if why is None:
            return datapath
        self._let_go(now_ns, wall_ns, why)
        return None

    # -- acting -----------------------------------------------------------------------------------------------------

    def _look_for_games(self, now_ns: int) -> bool:
        """Whether a game began or ended since the last round."""
        if self._games is None or self._inputs.mode != "enforce":
            return False
        before = self._playing
        self._playing = self._games.playing(now_ns, self._inputs.config.enforcer.game_mode)
        if self._playing is not None and before is None:
            self._event(self._clock.wall_ns(), "game_mode", self._playing, "runs: nobody is limited until it ends")
        elif self._playing is None and before is not None:
            self._event(self._clock.wall_ns(), "game_mode", before, "ended: limits are in force again")
        return self._playing != before

    def _wanted_state(self, now_ns: int) -> tuple[str, str]:
        mode = self._inputs.mode
        if mode == "observe":
            return "observing", "mode is observe: no packet is touched"
        if self._inputs.paused:
            return "paused", "switched off by hand: `autoqos resume` switches it on"
        if self._playing is not None:
            return "paused", f"game mode: {self._playing} runs; nobody is limited until it ends"
        if mode == "dry_run":
            return "dry_run", "decides and reports, holds no packet"
        if now_ns < self._hold_until_ns:
            return "holding_off", self._why_held
        return "ready", ""

    def _enforce(self, now_ns: int, wall_ns: int, plans: Mapping[str, AppPlan]) -> tuple[str, str]:
        rates = {app: RateLimits(plan.down_bps, plan.up_bps) for app, plan in plans.items() if plan.limited}
        expected = self._inputs.policy.names_limits or self._control.armed(now_ns)
        if rates or (expected and self._open_early):
            self._idle_since_ns = None
            return self._apply(now_ns, wall_ns, rates)
        if self._datapath is not None:
            since = self._idle_since_ns = self._idle_since_ns or now_ns
            if now_ns - since < CLOSE_NS:
                return self._apply(now_ns, wall_ns, rates)
            self._close("nobody is limited")
        return "idle", "nobody is limited: no packet passes through"

    def _apply(self, now_ns: int, wall_ns: int, rates: Mapping[str, RateLimits]) -> tuple[str, str]:
        try:
            if self._datapath is None:
                if why := self._factory.available():
                    self._hold_off(now_ns, wall_ns, f"packets cannot be diverted here: {why}", RETRY_NS)
                    return "holding_off", self._why_held
                settings, own = self._inputs.config.enforcer, self._inputs.own
                self._datapath = self._factory.open(
                    max_packet_rate=self._inputs.max_packet_rate, hold_off_ns=settings.hold_off, own=own
                )
                self._datapath.refresh(own)
            self._datapath.set_rates(rates, ready=self._control.ready)
        except (OSError, ValueError) as error:
            self._let_go(now_ns, wall_ns, f"a handle could not be opened: {error}")
            return "holding_off", self._why_held
        for note in self._datapath.take_notes():
            self._event(wall_ns, "note", "engine", note)
        if not self._datapath.opened:
            return "opening", "packets are about to be held"
        if not rates:
            return "enforcing", "nobody is limited now"
        return "enforcing", f"{len(rates)} application{'s' if len(rates) != 1 else ''} limited"

    def _let_go(self, now_ns: int, wall_ns: int, why: str) -> None:
        self._close(why)
        self._hold_off(now_ns, wall_ns, why, self._inputs.config.enforcer.hold_off)

    def _hold_off(self, now_ns: int, wall_ns: int, why: str, span_ns: int) -> None:
        self._hold_until_ns = now_ns + span_ns
        if why != self._why_held or self._state[0] != "holding_off":
            _log.warning("let go: %s", why)
            self._event(wall_ns, "let_go", "engine", why)
        self._why_held = why

    def _close(self, why: str) -> None:
        datapath, self._datapath = self._datapath, None
        if datapath is not None:
            datapath.close(why)
            self._idle_since_ns = None
            self._tidy()

    def _tidy(self) -> None:
        try:
            self._factory.tidy()
        except OSError as error:
            _log.warning("leftovers could not be removed: %s", error)

    # -- recording --------------------------------------------------------------------------------------------------

    def _event(self, wall_ns: int, kind: str, subject: str, message: str) -> None:
        self._pending.append(self._records.event(wall_ns, kind, subject, message))

    def _record(
        self,
        now_ns: int,
        wall_ns: int,
        state: tuple[str, str],
        plans: Mapping[str, AppPlan],
        stats: Mapping[str, Mapping[Direction, ClassStats]],
    ) -> None:
        for news in self._inputs.news:
            self._event(wall_ns, *news)
        self._inputs.news.clear()
        turned = state[0] != self._state[0]
        if state != self._state:
            if turned:
                self._event(wall_ns, "state", "engine", f"{state[0]}: {state[1]}")
            self._state = state
        held = plans if state[0] == "enforcing" else {}
        points = [*self._pending, *self._records.points(wall_ns, held, stats)]
        points += self._records.would(wall_ns, plans if state[0] == "dry_run" else {})
        self._pending.clear()
        interval = max(self._inputs.config.interval, NS_PER_S)
        if now_ns - self._agent_ns >= (interval if self._datapath is not None else max(interval, AGENT_IDLE_NS)):
            self._agent_ns = now_ns
            points.append(self._agent(now_ns, wall_ns, len(points)))
        shown = (state, {app: (plan.decision, plan.down_bps, plan.up_bps) for app, plan in plans.items()})
        since_ns = now_ns - self._shown_ns
        documents: dict[str, Any] = {}
        due = since_ns >= (SHOW_NS if held else SHOW_IDLE_NS)
        if due or turned or (shown != self._shown and since_ns >= 90 * NS_PER_MS):
            self._shown, self._shown_ns = shown, now_ns
            documents[Limits.KEY] = self._document(plans, stats).dump()
        points += self._link_log.points(now_ns, wall_ns, self._control.state)
        if (learned := self._link_log.document(now_ns, self._control.estimates)) is not None:
            documents[LinkEstimates.KEY] = learned.dump()
        if points or documents:
            self._write(points, documents)
        self._beat(lambda: self._heartbeat.beat(wall_ns, *state))

    def _agent(self, now_ns: int, wall_ns: int, written: int) -> Agent:
        usage = self._own_usage.sample(now_ns)
        return Agent(
            time_ns=wall_ns,
            host=self._inputs.config.host,
            part=PART,
            cpu_percent=usage.cpu_percent,
            rss_bytes=usage.rss_bytes,
            points_written=written,
            points_dropped=0,
            capture_lost=0,
            outbox_rows=0,
            restarts=0,
        )

    def _document(self, plans: Mapping[str, AppPlan], stats: Mapping[str, Mapping[Direction, ClassStats]]) -> Limits:
        engine = self._datapath.describe() if self._datapath is not None else EngineReport()
        if self._inputs.config.enforcer.auto:
            engine = replace(engine, auto=self._control.describe(self._clock.monotonic_ns()))
        state, reason = self._state
        visible = plans if state in ("enforcing", "dry_run") else {app: plan.unheld() for app, plan in plans.items()}
        mode, wall_ns = self._inputs.mode, self._clock.wall_ns()
        return limits_document(wall_ns, mode, state, reason=reason, plans=visible, stats=stats, engine=engine)

    def _write(self, points: list[Point], documents: Mapping[str, Any]) -> None:
        try:
            self._store.write(points, states=documents)
        except (StoreUnavailable, StoreRejected) as error:
            _log.warning("%d records could not be written: %s", len(points), error)

    def _beat(self, beat: Any) -> None:
        try:
            beat()
        except (StoreUnavailable, StoreRejected) as error:
            _log.warning("the heartbeat could not be written: %s", error)
