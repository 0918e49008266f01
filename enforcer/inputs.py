"""The inputs: what is wanted and what is going on, kept up to date from the configuration file and the store.

It reads a document only after somebody wrote, and decides again only when something that decisions depend on changed.
It touches no packet and writes nothing.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

from enforcer.allocation.planner import Usage
from enforcer.documents import heartbeats_from, in_force, next_expiry_ns, usage_from
from qos.contract.config import Config
from qos.contract.documents.heartbeat import Heartbeat
from qos.contract.documents.live import Live
from qos.contract.documents.mode import EnforcerMode, ModeOverride
from qos.contract.documents.override import Override, overrides_from
from qos.contract.documents.pause import Pause
from qos.contract.errors import StoreRejected, StoreUnavailable
from qos.policy import applications as apps
from qos.policy.matching import AppIdentity
from qos.policy.policy import Decision, Policy
from qos.service import ConfigWatcher, written_by_the_living
from qos.system.clock import NS_PER_MS, NS_PER_S, local_time
from qos.system.processes import Processes

_log: Final = logging.getLogger(__name__)

CONFIG_NS: Final = 700 * NS_PER_MS
"""How often the configuration file is looked at; an edit is seen at the second look after it."""
OWN_NS: Final = 1 * NS_PER_S
"""How often it is asked which processes are this system's own."""


class Documents(Protocol):
    """The part of the store that is read."""

    def get_state(self, key: str) -> Any | None:
        """A document, or None."""

    def states(self, prefix: str) -> dict[str, Any]:
        """Documents by key."""

    def data_version(self) -> int:
        """Changes when anybody wrote."""


class Inputs:
    """See the module. Attributes are what is known now."""

    def __init__(self, config: Config, store: Documents, processes: Processes, watcher: ConfigWatcher) -> None:
        self.config = config
        self.policy = Policy(config)
        self.paused = False
        self.live: Live | None = None
        """The collector's last tick, while it is fresh."""
        self.usage: dict[str, Usage] = {}
        """What each application moved in it."""
        self.own: frozenset[int] = frozenset()
        """The processes of this system: their own traffic is never limited."""
        self.decisions: dict[str, Decision] = {}
        self.news: list[tuple[str, str, str]] = []
        """Kind, subject and message of what happened; whoever records it takes it out."""
        self.reconfigured = False
        """New settings came into force; whoever acted on them resets it."""
        self._store, self._processes, self._watcher = store, processes, watcher
        self._overrides: dict[str, Override] = {}
        self._mode: ModeOverride | None = None
        self._heartbeats: tuple[Heartbeat, ...] = ()
        self._own_ns: int | None = None
        self._expiry_ns: int | None = None
        self._version: int | None = None
        self._looked_ns = 0
        self._identities: dict[str, AppIdentity] = {}
        self._decided: tuple[Any, ...] = ()

    @property
    def mode(self) -> EnforcerMode:
        """What the enforcer does: set by hand where there is no file to write it into, else as configured."""
        return self.config.mode if self._mode is None else self._mode.mode

    @property
    def max_packet_rate(self) -> int | None:
        """Packets a second above which the enforcer lets go; None: what this machine can do."""
        most = self.config.enforcer.max_packet_rate
        return None if most == "auto" else most

    def look(self, now_ns: int, wall_ns: int) -> bool:
        """See what changed; whether anything did. ``now_ns`` is monotonic, ``wall_ns`` UTC."""
        changed = self._look_at_config(now_ns)
        changed |= self._look_at_store(wall_ns)
        return self._look_at_own(now_ns, wall_ns) or changed

    def _look_at_config(self, now_ns: int) -> bool:
        if now_ns - self._looked_ns < CONFIG_NS:
            return False
        self._looked_ns = now_ns
        change = self._watcher.poll()
        if change is None:
            return False
        if change.config is None:
            for line in change.errors:
                _log.warning("%s", line)
            self.news.append(("config", "config.yaml", f"kept the old settings: {'; '.join(change.errors)}"))
            return True
        if change.config.collector.name_by_script != self.config.collector.name_by_script:
            self._processes.name_by(change.config.collector.name_by_script)
        self.config, self.policy = change.config, Policy(change.config)
        self.reconfigured = True
        self._decided = ()
        self.news.append(("config", "config.yaml", "new settings are in force"))
        return True

    def _look_at_store(self, wall_ns: int) -> bool:
        try:
            version = self._store.data_version()
            expired = self._expiry_ns is not None and wall_ns >= self._expiry_ns
            if version == self._version and not expired:
                return False
            documents = self._store.states("override:")
            live = Live.parse(self._store.get_state(Live.KEY))
            parts = self._store.states(Heartbeat.PREFIX)
        except (StoreUnavailable, StoreRejected) as error:
            _log.warning("the store cannot be read now, the limits stay: %s", error)
            return False
        self._version = version
        by_hand, pause = overrides_from(documents), Pause.parse(documents.get(Pause.KEY))
        self._mode = ModeOverride.parse(documents.get(ModeOverride.KEY))
        overrides = in_force(by_hand, wall_ns)
        if overrides != self._overrides:
            self._overrides = overrides
            self._decided = ()
        self.paused = pause is not None and pause.holds(wall_ns)
        self._expiry_ns = next_expiry_ns(by_hand.values(), pause, wall_ns)
        self.live = live if live is not None and live.fresh(wall_ns) else None
        self.usage = usage_from(self.live) if self.live is not None else {}
        self._heartbeats = heartbeats_from(parts)
        return True

    def _look_at_own(self, now_ns: int, wall_ns: int) -> bool:
        """A heartbeat makes its process ours only while it is fresh and that very process lives."""
        if self._own_ns is not None and now_ns - self._own_ns < OWN_NS:
            return False
        self._own_ns = now_ns
        own = frozenset(beat.pid for beat in self._heartbeats if written_by_the_living(beat, wall_ns))
        changed, self.own = own != self.own, own
        return changed

    def decide(self, wall_ns: int, present: frozenset[str], identities: Mapping[str, apps.ProcessIdentity]) -> None:
        """Decide about every application that is set by hand, has traffic or flows now (``present``)."""
        names = {*self._overrides, *self.usage, *present} - {apps.OURSELVES}
        at = local_time(wall_ns)
        key = (frozenset(names), at)
        if key == self._decided:
            return
        self._decided = key
        self._identities = {app: who for app, who in self._identities.items() if app in names}
        self.decisions = {
            app: self.policy.decide(self._who(app, identities), self._overrides.get(app), at, wall_ns)
            for app in sorted(names)
        }

    def _who(self, app: str, identities: Mapping[str, apps.ProcessIdentity]) -> AppIdentity:
        known = self._identities.get(app)
        if known is not None and known.paths:
            return known
        found = identities.get(app)
        pid = self.live.pid_of(app) if self.live is not None else None
        if found is None and pid is not None:
            seen = self._processes.identify(pid, self._looked_ns)
            found = seen if seen.app == app else None
        who = AppIdentity.of(app, found)
        self._identities[app] = who
        return who
