"""``lag``: the incident that goes on now, for the views that must say it at once. History is ``lag_incident``'s."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from qos.contract.documents.fields import VERSION, Fields, fields_of, inner, number, text, whole

STALE_NS = 5 * 10**9


@dataclass(frozen=True, slots=True)
class RunningLag:
    """One incident. ``onset_ns`` is UTC and its row's time; ``cause`` as in ``lag_incident``; ``advice`` a command."""

    onset_ns: int
    cause: str
    app: str = ""
    direction: str = ""
    extra_ms: float = 0.0
    loss_ratio: float = 0.0
    confidence: float = 0.0
    evidence: str = ""
    advice: str = ""

    @classmethod
    def parse(cls, fields: Fields) -> Self | None:
        """None without an onset and a cause."""
        onset_ns, cause = whole(fields, "onset_ns"), text(fields, "cause")
        if not onset_ns or not cause:
            return None
        return cls(
            onset_ns=onset_ns,
            cause=cause,
            app=text(fields, "app"),
            direction=text(fields, "direction"),
            extra_ms=float(number(fields, "extra_ms") or 0.0),
            loss_ratio=float(number(fields, "loss_ratio") or 0.0),
            confidence=float(number(fields, "confidence") or 0.0),
            evidence=text(fields, "evidence"),
            advice=text(fields, "advice"),
        )

    def dump(self) -> dict[str, Any]:
        """The object."""
        return {
            "onset_ns": self.onset_ns,
            "cause": self.cause,
            "app": self.app,
            "direction": self.direction,
            "extra_ms": self.extra_ms,
            "loss_ratio": self.loss_ratio,
            "confidence": self.confidence,
            "evidence": self.evidence,
            "advice": self.advice,
        }


@dataclass(frozen=True, slots=True)
class Lag:
    """What the detector says at ``time_ns`` (UTC). ``running`` None: no lag. ``gateway``: whether it answers probes."""

    KEY: ClassVar[str] = "lag"

    time_ns: int
    running: RunningLag | None = None
    gateway: bool = False

    @classmethod
    def parse(cls, document: object) -> Self | None:
        """None when the document is not one."""
        fields = fields_of(document)
        if fields is None or (time_ns := whole(fields, "time_ns")) is None:
            return None
        return cls(time_ns, RunningLag.parse(inner(fields, "running")), bool(fields.get("gateway")))

    def dump(self) -> dict[str, Any]:
        """The document."""
        return {
            "v": VERSION,
            "time_ns": self.time_ns,
            "running": self.running.dump() if self.running is not None else None,
            "gateway": self.gateway,
        }

    def fresh(self, now_ns: int, interval_ns: int = 10**9) -> bool:
        """Whether a collector wrote this just now (UTC)."""
        return abs(now_ns - self.time_ns) < max(STALE_NS, 3 * interval_ns)
