"""What is wanted, and what is going on, as the store's documents say it: overrides, the pause, the collector's view.

Pure: JSON documents in, values out. A document that is not what it should be counts as absent: somebody else's mistake
limits nobody.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from enforcer.allocation.planner import Usage
from qos.policy.policy import Override, override_from
from qos.system.clock import NS_PER_S

APP_PREFIX: Final = "override:app:"
PAUSE_KEY: Final = "override:pause"
LIVE_KEY: Final = "live"
PART_PREFIX: Final = "part:"
FRESH_NS: Final = 10 * NS_PER_S
"""An older collector's document says nothing about now."""


@dataclass(frozen=True, slots=True)
class Live:
    """What the collector saw in its last tick. ``pids`` has one process of each application."""

    time_ns: int
    usage: Mapping[str, Usage] = field(default_factory=dict)
    pids: Mapping[str, int] = field(default_factory=dict)
    unattributed_down_bps: int = 0
    unattributed_up_bps: int = 0


def overrides_from(documents: Mapping[str, Any], now_ns: int) -> dict[str, Override]:
    """What holds by hand now, by application."""
    found = {}
    for key, document in documents.items():
        override = override_from(document) if key.startswith(APP_PREFIX) else None
        override = override.at(now_ns) if override is not None else None
        if override is not None and (override.priority is not None or override.limits):
            found[key.removeprefix(APP_PREFIX)] = override
    return found


def next_expiry_ns(documents: Mapping[str, Any], now_ns: int) -> int | None:
    """When the next override or pause ends by itself (UTC); None when none does."""
    times = [
        until
        for document in documents.values()
        if isinstance(document, dict) and type(until := document.get("until_ns")) is int and until > now_ns
    ]
    return min(times, default=None)


def paused_from(document: Any, now_ns: int) -> bool:
    """Whether somebody switched the enforcer off for now."""
    if not isinstance(document, dict):
        return False
    until = document.get("until_ns")
    return type(until) is not int or now_ns < until


def live_from(document: Any, now_ns: int) -> Live | None:
    """The collector's last tick; None when there is none, it is old, or it is not one."""
    if not isinstance(document, dict) or type(then := document.get("time_ns")) is not int:
        return None
    if abs(now_ns - then) > FRESH_NS:
        return None
    usage = {
        row["app"]: Usage(_rate(row, "rx_bps"), _rate(row, "tx_bps"))
        for row in _rows(document.get("apps"))
        if isinstance(row.get("app"), str)
    }
    pids = {
        row["app"]: row["pid"]
        for row in reversed(_rows(document.get("processes")))
        if isinstance(row.get("app"), str) and type(row.get("pid")) is int
    }
    rest = document.get("unattributed")
    rest = rest if isinstance(rest, dict) else {}
    return Live(then, usage, pids, _rate(rest, "rx_bps"), _rate(rest, "tx_bps"))


def own_pids_from(parts: Mapping[str, Any]) -> frozenset[int]:
    """The processes of this system, by their heartbeats."""
    return frozenset(
        document["pid"]
        for document in parts.values()
        if isinstance(document, dict) and type(document.get("pid")) is int and document.get("state") != "stopped"
    )


def _rows(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _rate(row: Mapping[str, Any], key: str) -> int:
    value = row.get(key)
    return max(0, int(value)) if isinstance(value, int | float) and math.isfinite(value) else 0
