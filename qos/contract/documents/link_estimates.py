"""``link_estimates``: what the enforcer learned of each network's line, and who it saw to be elastic; it survives
restarts. Networks go by a hash of their gateway, so the document tells nobody where this machine was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from qos.contract.documents.fields import MAX_BPS, VERSION, Fields, fields_of, inner, number, text, texts, whole

MAX_NETWORKS = 64
MAX_APPS = 500


@dataclass(frozen=True, slots=True)
class LearnedCapacity:
    """One direction of one network's line. ``confidence`` is 0 to 1; ``learned_ns``: UTC, when it was last seen."""

    bps: int
    confidence: float
    learned_ns: int

    @classmethod
    def parse(cls, fields: Fields) -> Self | None:
        """None when it names no rate."""
        bps, learned = whole(fields, "bps", MAX_BPS), whole(fields, "learned_ns")
        if not bps or learned is None:
            return None
        return cls(bps, min(1.0, max(0.0, float(number(fields, "confidence") or 0.0))), learned)

    def dump(self) -> dict[str, Any]:
        """The object."""
        return {"bps": self.bps, "confidence": round(self.confidence, 3), "learned_ns": self.learned_ns}


@dataclass(frozen=True, slots=True)
class LinkEstimates:
    """By network, then by direction (``down``, ``up``). ``current`` is the network that this machine is in."""

    KEY: ClassVar[str] = "link_estimates"

    current: str = ""
    networks: Mapping[str, Mapping[str, LearnedCapacity]] = field(default_factory=dict)
    elastic: tuple[str, ...] = ()
    """Applications of the lowest levels that would take more than there is."""

    @classmethod
    def parse(cls, document: object) -> Self:
        """What can be read; nothing for what is no such document."""
        fields = fields_of(document)
        if fields is None:
            return cls()
        networks: dict[str, dict[str, LearnedCapacity]] = {}
        for key in list(inner(fields, "networks"))[-MAX_NETWORKS:]:
            sides = inner(inner(fields, "networks"), key)
            found = {way: LearnedCapacity.parse(inner(sides, way)) for way in ("down", "up")}
            networks[str(key)] = {way: one for way, one in found.items() if one is not None}
        return cls(text(fields, "current"), networks, texts(fields, "elastic")[:MAX_APPS])

    def dump(self) -> dict[str, Any]:
        """The document."""
        return {
            "v": VERSION,
            "current": self.current,
            "networks": {
                key: {way: one.dump() for way, one in sides.items()} for key, sides in self.networks.items() if sides
            },
            "elastic": list(self.elastic),
        }

    def of(self, network: str) -> Mapping[str, LearnedCapacity]:
        """What is known of one network."""
        return self.networks.get(network, {})

    def with_network(self, network: str, sides: Mapping[str, LearnedCapacity], elastic: tuple[str, ...]) -> Self:
        """The same with the newest of one network, which then is the current one."""
        networks = {key: one for key, one in self.networks.items() if key != network}
        kept = dict(list(networks.items())[-(MAX_NETWORKS - 1) :])
        return type(self)(network, {**kept, network: dict(sides)}, elastic[:MAX_APPS])
