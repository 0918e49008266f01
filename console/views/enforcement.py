"""How the enforcer stands, in words: what it last wrote about each application, and whether what is set takes effect.

Reads the ``limits`` and ``part:enforcer`` documents. Pure over the state documents.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from console.steering.overrides import States, read_overrides, read_pause
from qos.contract.config import Config
from qos.contract.documents.heartbeat import Heartbeat
from qos.contract.documents.live import Live
from qos.contract.documents.override import Override

_NUMBERS: Final = (
    "down_bps",
    "up_bps",
    "demand_down_bps",
    "demand_up_bps",
    "delayed_packets",
    "dropped_packets",
    "queue_ms",
)


@dataclass(frozen=True, slots=True)
class AppPolicy:
    """One application under the enforcer's eyes. Rates in bits per second; None is "no limit" or "not known"."""

    app: str
    category: str | None
    priority: int | None
    source: str
    reasons: tuple[str, ...]
    numbers: Mapping[str, float | int | None]
    rx_bps: float
    tx_bps: float

    def document(self) -> dict[str, Any]:
        """JSON's object."""
        return {
            "app": self.app,
            "category": self.category,
            "priority": self.priority,
            "source": self.source,
            "reasons": list(self.reasons),
            **self.numbers,
            "rx_bps": self.rx_bps,
            "tx_bps": self.tx_bps,
        }


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
    part = Heartbeat.parse(states.get_state(Heartbeat.PREFIX + "enforcer"))
    running = part is not None and not part.stopped and part.fresh(now_ns)
    limits = states.get_state("limits")
    limits = limits if isinstance(limits, dict) else {}
    judged = limits.get("apps") if running and isinstance(limits.get("apps"), dict) else {}
    live = Live.parse(states.get_state(Live.KEY))
    pause = read_pause(states, now_ns)
    return Enforcement(
        running=running,
        mode=str(limits.get("mode") or config.mode) if running else config.mode,
        state=str(limits.get("state") or part.state) if part is not None and running else "not running",
        reason=str(limits.get("reason") or part.detail) if part is not None and running else "",
        paused=pause is not None,
        paused_until_ns=pause.until_ns if pause is not None else None,
        apps=_policies(states, judged or {}, live if live is not None and live.fresh(now_ns) else None, now_ns),
    )


def _policies(states: States, judged: Mapping[str, Any], live: Live | None, now_ns: int) -> tuple[AppPolicy, ...]:
    rows = {row.app: row for row in live.apps} if live is not None else {}
    by_hand = read_overrides(states, now_ns)
    policies = []
    for app in {*judged, *rows, *by_hand}:
        item = judged.get(app) or {}
        override = by_hand.get(app, Override())
        row = rows.get(app)
        numbers = {name: item.get(name) for name in _NUMBERS}
        priority, source = item.get("priority"), str(item.get("source") or "")
        if not item:
            priority = override.priority if override.priority is not None else (row.priority if row else None)
            source = "hand" if override.priority is not None or override.limited else ""
            numbers |= {"down_bps": override.down_bps, "up_bps": override.up_bps}
        policies.append(
            AppPolicy(
                app=app,
                category=item.get("category"),
                priority=priority,
                source=source,
                reasons=tuple(str(reason) for reason in item.get("reasons") or ()),
                numbers=numbers,
                rx_bps=row.rx_bps if row else 0.0,
                tx_bps=row.tx_bps if row else 0.0,
            )
        )
    return tuple(sorted(policies, key=lambda policy: (-policy.rx_bps - policy.tx_bps, policy.app)))


def known_apps(states: States) -> set[str]:
    """Every application that somebody has named lately: the collector, the enforcer or a person."""
    limits = states.get_state("limits")
    judged = limits.get("apps") if isinstance(limits, dict) else None
    live = Live.parse(states.get_state(Live.KEY))
    by_hand = {key.removeprefix(Override.PREFIX) for key in states.states(Override.PREFIX)}
    return {*(judged or {}), *(row.app for row in (live.apps if live else ())), *by_hand}
