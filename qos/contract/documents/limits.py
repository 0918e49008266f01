"""``limits``: what the enforcer decided about each application, and what it does now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self

from qos.contract.documents.engine import EngineReport
from qos.contract.documents.fields import MAX_BPS, VERSION, Fields, fields_of, inner, number, rows, text, whole
from qos.contract.reason import Cause, Reason, Subject

STALE_NS: Final = 30 * 10**9
"""An older document is that of an enforcer which no longer runs."""


@dataclass(frozen=True, slots=True)
class EnforcedApp:
    """One application as the enforcer treats it.

    ``source`` says what gave the priority (``override``, ``rule``, ``classification``, ``default``). Rates in bits per
    second; None: no limit. Packets since the application was first limited; ``queue_ms`` is the longest wait.
    ``dropped_down_bytes`` came in and never reached a socket.
    """

    priority: int
    category: str = ""
    source: str = ""
    reasons: tuple[Reason, ...] = ()
    down_bps: int | None = None
    up_bps: int | None = None
    demand_down_bps: int = 0
    demand_up_bps: int = 0
    delayed_packets: int = 0
    dropped_packets: int = 0
    dropped_down_bytes: int = 0
    marked_packets: int = 0
    queue_ms: float = 0.0

    @classmethod
    def parse(cls, fields: Fields) -> Self | None:
        """None without a level."""
        priority = whole(fields, "priority", 5)
        if priority is None:
            return None
        reasons = (Reason.parse(row) for row in rows(fields, "reasons"))
        return cls(
            priority=priority,
            category=text(fields, "category"),
            source=text(fields, "source"),
            reasons=tuple(reason for reason in reasons if reason is not None),
            down_bps=whole(fields, "down_bps", MAX_BPS),
            up_bps=whole(fields, "up_bps", MAX_BPS),
            demand_down_bps=whole(fields, "demand_down_bps") or 0,
            demand_up_bps=whole(fields, "demand_up_bps") or 0,
            delayed_packets=whole(fields, "delayed_packets") or 0,
            dropped_packets=whole(fields, "dropped_packets") or 0,
            dropped_down_bytes=whole(fields, "dropped_down_bytes") or 0,
            marked_packets=whole(fields, "marked_packets") or 0,
            queue_ms=number(fields, "queue_ms") or 0.0,
        )

    def dump(self) -> dict[str, Any]:
        """The object."""
        return {
            "category": self.category,
            "priority": self.priority,
            "source": self.source,
            "reasons": [reason.dump() for reason in self.reasons],
            "down_bps": self.down_bps,
            "up_bps": self.up_bps,
            "demand_down_bps": self.demand_down_bps,
            "demand_up_bps": self.demand_up_bps,
            "delayed_packets": self.delayed_packets,
            "dropped_packets": self.dropped_packets,
            "dropped_down_bytes": self.dropped_down_bytes,
            "marked_packets": self.marked_packets,
            "queue_ms": self.queue_ms,
        }


@dataclass(frozen=True, slots=True)
class Limits:
    """The enforcer at ``time_ns`` (UTC)."""

    KEY: ClassVar[str] = "limits"

    time_ns: int
    mode: str = ""
    state: str = ""
    reason: str = ""
    apps: Mapping[str, EnforcedApp] = field(default_factory=dict)
    engine: EngineReport = field(default_factory=EngineReport)

    @classmethod
    def parse(cls, document: object) -> Self | None:
        """The limits; None when the document is not one. An application that cannot be read is left out."""
        fields = fields_of(document)
        if fields is None or (time_ns := whole(fields, "time_ns")) is None:
            return None
        found = {app: EnforcedApp.parse(row) for app, row in inner(fields, "apps").items() if isinstance(row, Mapping)}
        return cls(
            time_ns=time_ns,
            mode=text(fields, "mode"),
            state=text(fields, "state"),
            reason=text(fields, "reason"),
            apps={app: row for app, row in found.items() if row is not None},
            engine=EngineReport.parse(inner(fields, "engine")),
        )

    def dump(self) -> dict[str, Any]:
        """The document."""
        return {
            "v": VERSION,
            "time_ns": self.time_ns,
            "mode": self.mode,
            "state": self.state,
            "reason": self.reason,
            "apps": {app: row.dump() for app, row in self.apps.items()},
            "engine": self.engine.dump(),
        }

    def held_by_hand(self) -> frozenset[str]:
        """Applications with a limit that somebody set by hand."""
        return frozenset(
            app
            for app, found in self.apps.items()
            if any(each.cause is Cause.HAND and each.subject in (Subject.DOWN, Subject.UP) for each in found.reasons)
        )

    def fresh(self, now_ns: int) -> bool:
        """Whether an enforcer wrote this lately (UTC)."""
        return abs(now_ns - self.time_ns) <= STALE_NS
