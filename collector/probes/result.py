"""What came of one probe: the row that is stored of it, and what the ``live`` document shows. Pure."""

from dataclasses import dataclass

from qos.contract.documents.live import LiveProbe
from qos.contract.points import Probe
from qos.system.echo import ProbeKind, Reason


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One probe: when it was sent (UTC), what came of it and the target's quality since."""

    time_ns: int
    target: str
    rtt_ns: int | None
    reason: Reason
    jitter_ms: float | None
    loss_ratio: float
    answer_bytes: int = 0
    """What the answer took at the IP layer; 0 when none came, over loopback, or for a handshake (a socket's)."""
    kind: ProbeKind = "icmp"
    sent: bool = True
    """False when it never left this computer: no loss."""
    sent_ns: int = 0
    """When it was sent, on the monotonic clock."""

    def point(self, host: str) -> Probe:
        """The row of this probe."""
        return Probe(
            time_ns=self.time_ns,
            host=host,
            target=self.target,
            ok=int(self.rtt_ns is not None),
            rtt_ms=None if self.rtt_ns is None else self.rtt_ns / 1e6,
            jitter_ms=self.jitter_ms,
            loss_ratio=self.loss_ratio,
            sent=int(self.sent),
            received=int(self.rtt_ns is not None),
            reason=self.reason,
            kind=self.kind,
        )

    def live(self) -> LiveProbe:
        """What the ``live`` document says of the target."""
        return LiveProbe(
            target=self.target,
            ok=self.rtt_ns is not None,
            rtt_ms=None if self.rtt_ns is None else self.rtt_ns / 1e6,
            jitter_ms=self.jitter_ms,
            loss_ratio=self.loss_ratio,
            reason=self.reason,
            kind=self.kind,
            sent=self.sent,
        )
