"""``limits.engine``: how the datapath does and what the control loop sees. Nothing is decided by these figures.

Absent figures are their defaults: each datapath reports those that it has.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

from qos.contract.documents.fields import MAX_BPS, Fields, inner, number, text, whole

WIDE: Final = "wide"
Ports = tuple[int, ...] | Literal["wide"] | None
"""What is diverted of one protocol: these local ports, everything, or nothing."""


@dataclass(frozen=True, slots=True)
class LineReport:
    """One direction of the line as the control loop holds it. Rates in bits per second; ``age_s``: of the capacity."""

    phase: str = ""
    budget_bps: int | None = None
    used_bps: int = 0
    capacity_bps: int | None = None
    confidence: float | None = None
    age_s: float | None = None

    @classmethod
    def parse(cls, fields: Fields) -> Self:
        """Never fails: what cannot be read is absent."""
        return cls(
            phase=text(fields, "phase"),
            budget_bps=whole(fields, "budget_bps", MAX_BPS),
            used_bps=whole(fields, "used_bps", MAX_BPS) or 0,
            capacity_bps=whole(fields, "capacity_bps", MAX_BPS),
            confidence=number(fields, "confidence"),
            age_s=number(fields, "age_s"),
        )

    def dump(self) -> dict[str, Any]:
        """The object."""
        return {
            "phase": self.phase,
            "budget_bps": self.budget_bps,
            "used_bps": self.used_bps,
            "capacity_bps": self.capacity_bps,
            "confidence": self.confidence,
            "age_s": self.age_s,
        }


@dataclass(frozen=True, slots=True)
class ControlReport:
    """What the control loop (``enforcer.auto``) sees. ``failed`` says why latency is not measured."""

    network: str = ""
    targets_answering: int = 0
    queue_ms: float = 0.0
    threshold_ms: float = 0.0
    one_way_ms: Mapping[str, float] = field(default_factory=dict)
    failed: str | None = None
    others_for_s: float = 0.0
    """For so long latency is not acted upon, because somebody else fills the line."""
    lines: Mapping[str, LineReport] = field(default_factory=dict)

    @classmethod
    def parse(cls, fields: Fields) -> Self:
        """Never fails: what cannot be read is absent."""
        one_way, lines = inner(fields, "one_way_ms"), inner(fields, "lines")
        return cls(
            network=text(fields, "network"),
            targets_answering=whole(fields, "targets_answering") or 0,
            queue_ms=number(fields, "queue_ms") or 0.0,
            threshold_ms=number(fields, "threshold_ms") or 0.0,
            one_way_ms={way: ms for way in one_way if (ms := number(one_way, way)) is not None},
            failed=text(fields, "failed") or None,
            others_for_s=number(fields, "others_for_s") or 0.0,
            lines={way: LineReport.parse(line) for way, line in lines.items() if isinstance(line, Mapping)},
        )

    def dump(self) -> dict[str, Any]:
        """The object."""
        return {
            "network": self.network,
            "targets_answering": self.targets_answering,
            "queue_ms": self.queue_ms,
            "threshold_ms": self.threshold_ms,
            "one_way_ms": dict(self.one_way_ms),
            "failed": self.failed,
            "others_for_s": self.others_for_s,
            "lines": {way: line.dump() for way, line in self.lines.items()},
        }


@dataclass(frozen=True, slots=True)
class EngineReport:
    """The datapath. ``handles``: how many are open; ``oldest_ms``: how long a packet waited for us in the system.

    ``datapath``: ``kernel`` or ``divert``, and ``why``; ``ports`` and ``classes``: how many the kernel's looks after.
    """

    handles: int = 0
    packets_per_second: int = 0
    foreign_packets_per_second: int = 0
    oldest_ms: float = 0.0
    swaps: int = 0
    overflowed: int = 0
    refused: int = 0
    filters: Mapping[str, Ports] = field(default_factory=dict)
    datapath: str = ""
    why: str | None = None
    ports: int | None = None
    classes: int | None = None
    auto: ControlReport | None = None

    @classmethod
    def parse(cls, fields: Fields) -> Self:
        """Never fails: what cannot be read is absent."""
        auto = fields.get("auto")
        return cls(
            handles=whole(fields, "handles") or 0,
            packets_per_second=whole(fields, "packets_per_second") or 0,
            foreign_packets_per_second=whole(fields, "foreign_packets_per_second") or 0,
            oldest_ms=number(fields, "oldest_ms") or 0.0,
            swaps=whole(fields, "swaps") or 0,
            overflowed=whole(fields, "overflowed") or 0,
            refused=whole(fields, "refused") or 0,
            filters={protocol: _ports(found) for protocol, found in inner(fields, "filters").items()},
            datapath=text(fields, "datapath"),
            why=text(fields, "why") or None,
            ports=whole(fields, "ports"),
            classes=whole(fields, "classes"),
            auto=ControlReport.parse(auto) if isinstance(auto, Mapping) else None,
        )

    def dump(self) -> dict[str, Any]:
        """The object; without what this datapath does not have."""
        document: dict[str, Any] = {
            "handles": self.handles,
            "packets_per_second": self.packets_per_second,
            "foreign_packets_per_second": self.foreign_packets_per_second,
            "oldest_ms": self.oldest_ms,
            "swaps": self.swaps,
            "overflowed": self.overflowed,
            "refused": self.refused,
            "filters": {
                name: list(found) if isinstance(found, tuple) else found for name, found in self.filters.items()
            },
        }
        document |= {key: found for key in ("datapath", "why") if (found := getattr(self, key))}
        document |= {key: found for key in ("ports", "classes") if (found := getattr(self, key)) is not None}
        if self.auto is not None:
            document["auto"] = self.auto.dump()
        return document


def _ports(found: object) -> Ports:
    if isinstance(found, list | tuple):
        return tuple(port for port in found if type(port) is int and 0 <= port <= 65535)
    return WIDE if found == WIDE else None
