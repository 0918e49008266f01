"""How the enforcer stands, in words: what it last wrote about each application, and whether what is set takes effect.

Reads the ``limits`` and ``part:enforcer`` documents. Pure over the state documents.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from console.steering.overrides import States, read_overrides, read_pause
from qos.contract.config import Config
from qos.contract.documents.heartbeat import Heartbeat
from qos.contract.documents.limits import EnforcedApp, Limits
from qos.contract.documents.live import Live
from qos.contract.documents.mode import ModeOverride
from qos.contract.documents.override import Override
from qos.contract.reason import Reason
from qos.policy.wording import sentence


@dataclass(frozen=True, slots=True)
class AppPolicy:
    """One application under the enforcer's eyes. Rates in bits per second; None is "no limit" or "not known"."""

    app: str
    category: str | None = None
    priority: int | None = None
    source: str = ""
    reasons: tuple[Reason, ...] = ()
    down_bps: int | None = None
    up_bps: int | None = None
    demand_down_bps: int | None = None
    demand_up_bps: int | None = None
    delayed_packets: int | None = None
    dropped_packets: int | None = None
    queue_ms: float | None = None
    rx_bps: int = 0
    tx_bps: int = 0

    @property
    def limited(self) -> bool:
        """Whether a rate holds it."""
        return self.down_bps is not None or self.up_bps is not None

    def document(self) -> dict[str, Any]:
        """JSON's object; the reasons in words."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {"reasons": [sentence(reason) for reason in self.reasons]}


@dataclass(frozen=True, slots=True)
class Enforcement:
    """The enforcer and its applications."""

    running: bool
    mode: str
    state: str
    reason: str
    paused: bool
    paused_until_ns: int | None
    apps: tuple[AppPolicy, ...]

    def note(self) -> str | None:
        """Why what is set by hand has no effect now, and what to do; None when it has."""
        if self.paused:
            return "the enforcer is paused: `autoqos resume` switches it on again"
        if not self.running:
            return "no enforcer is running: this takes effect with `autoqos up`"
        if self.mode == "observe":
            return "mode is observe: nothing is enforced (set `mode: enforce` in config.yaml)"
        if self.mode == "dry_run":
            return "mode is dry_run: decisions are made and reported, no packet is held"
        return None

    def find(self, app: str) -> AppPolicy | None:
        """What is known of one application."""
        return next((policy for policy in self.apps if policy.app == app), None)


def read_enforcement(states: States, config: Config, now_ns: int) -> Enforcement:
    """How the enforcer stands now (UTC ns), with every application that it, the collector or a person has named."""
    return enforcement_beside(states, config, now_ns, Live.parse(states.get_state(Live.KEY)))


def enforcement_beside(states: States, config: Config, now_ns: int, live: Live | None) -> Enforcement:
    """The same for one who has read the collector's document."""
    part = Heartbeat.parse(states.get_state(Heartbeat.PREFIX + "enforcer"))
    running = part is not None and not part.stopped and part.fresh(now_ns)
    limits = Limits.parse(states.get_state(Limits.KEY)) if running else None
    enforced = limits.apps if limits is not None else {}
    state, reason = "not running", ""
    if part is not None and running:
        state = (limits.state if limits is not None else "") or part.state
        reason = (limits.reason if limits is not None else "") or part.detail
    by_hand = ModeOverride.parse(states.get_state(ModeOverride.KEY))
    pause = read_pause(states, now_ns)
    return Enforcement(
        running=running,
        mode=(limits.mode if limits is not None else "") or (by_hand.mode if by_hand is not None else config.mode),
        state=state,
        reason=reason,
        paused=pause is not None,
        paused_until_ns=pause.until_ns if pause is not None else None,
        apps=_policies(states, enforced, live if live is not None and live.fresh(now_ns) else None, now_ns),
    )


def _policies(
    states: States, enforced: Mapping[str, EnforcedApp], live: Live | None, now_ns: int
) -> tuple[AppPolicy, ...]:
    rows = {row.app: row for row in live.apps} if live is not None else {}
    by_hand = read_overrides(states, now_ns)
    policies = []
    for app in {*enforced, *rows, *by_hand}:
        row = rows.get(app)
        found = enforced.get(app)
        if found is not None:
            policy = _as_enforced(app, found)
        else:
            policy = _as_set(app, by_hand.get(app, Override()), row.priority if row is not None else None)
        policies.append(replace(policy, rx_bps=row.rx_bps, tx_bps=row.tx_bps) if row is not None else policy)
    return tuple(sorted(policies, key=lambda policy: (-policy.rx_bps - policy.tx_bps, policy.app)))


def _as_enforced(app: str, found: EnforcedApp) -> AppPolicy:
    return AppPolicy(
        app=app,
        category=found.category or None,
        priority=found.priority,
        source=found.source,
        reasons=found.reasons,
        down_bps=found.down_bps,
        up_bps=found.up_bps,
        demand_down_bps=found.demand_down_bps,
        demand_up_bps=found.demand_up_bps,
        delayed_packets=found.delayed_packets,
        dropped_packets=found.dropped_packets,
        queue_ms=found.queue_ms,
    )


def _as_set(app: str, override: Override, measured: int | None) -> AppPolicy:
    """While no enforcer decides: what is set by hand, else the priority that the collector gives its points."""
    return AppPolicy(
        app=app,
        priority=override.priority if override.priority is not None else measured,
        source="" if override.empty else "override",
        down_bps=override.down_bps,
        up_bps=override.up_bps,
    )


def known_apps(states: States) -> set[str]:
    """Every application that somebody has named lately: the collector, the enforcer or a person."""
    limits = Limits.parse(states.get_state(Limits.KEY))
    live = Live.parse(states.get_state(Live.KEY))
    by_hand = {key.removeprefix(Override.PREFIX) for key in states.states(Override.PREFIX)}
    return {*(limits.apps if limits is not None else ()), *(row.app for row in (live.apps if live else ())), *by_hand}
