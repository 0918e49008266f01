"""From the documents of the other parts (``qos.contract.documents``) to what decisions need. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from enforcer.allocation.planner import Usage
from qos.contract.documents.heartbeat import Heartbeat
from qos.contract.documents.live import Live
from qos.contract.documents.override import Override
from qos.contract.documents.pause import Pause


def in_force(overrides: Mapping[str, Override], now_ns: int) -> dict[str, Override]:
    """What of it holds now (UTC)."""
    found = {app: override.at(now_ns) for app, override in overrides.items()}
    return {app: override for app, override in found.items() if not override.empty}


def next_expiry_ns(overrides: Iterable[Override], pause: Pause | None, now_ns: int) -> int | None:
    """When the next override or pause ends by itself (UTC); None when none does."""
    times = [override.until_ns for override in overrides] + [pause.until_ns if pause is not None else None]
    return min((until for until in times if until is not None and until > now_ns), default=None)


def usage_from(live: Live) -> dict[str, Usage]:
    """What each application moved in the collector's last tick."""
    return {row.app: Usage(row.rx_bps, row.tx_bps) for row in live.apps}


def heartbeats_from(documents: Mapping[str, Any]) -> tuple[Heartbeat, ...]:
    """The heartbeats of the parts."""
    found = (Heartbeat.parse(document) for key, document in documents.items() if key.startswith(Heartbeat.PREFIX))
    return tuple(beat for beat in found if beat is not None)
