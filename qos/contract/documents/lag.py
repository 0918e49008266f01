"""The incident of lag that goes on now, as part of ``live``: every view says it at once. History: ``lag_incident``."""

from dataclasses import dataclass
from typing import Any, Self

from qos.contract.documents.fields import Fields, number, text, whole


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
