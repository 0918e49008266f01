"""Incidents of lag as the store has them. Young ones are rows of their own; older ones the last of their minute."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from collector.lag.evidence import confidence_word
from console.views.times import rfc3339
from qos.contract.errors import ConfigError
from qos.contract.points import SPECS, LagIncident
from qos.store import Columns, Reader

MINUTE_NS: Final = 60 * 10**9


@dataclass(frozen=True, slots=True)
class StoredIncident:
    """One row of ``lag_incident``; ``start_ns`` is UTC."""

    start_ns: int
    duration_s: float
    extra_ms: float
    loss_ratio: float
    cause: str
    app: str | None
    direction: str | None
    share_ratio: float | None
    confidence: float
    running: bool
    suffered: str | None
    evidence: str

    @property
    def id(self) -> str:
        """What ``autoqos lag show`` takes: the local date and time of the start, ``1121-210312``."""
        return _local(self.start_ns).strftime("%m%d-%H%M%S")

    @property
    def stop_ns(self) -> int:
        """When it ended, or when it was last seen."""
        return self.start_ns + int(self.duration_s * 1e9)

    @property
    def sure(self) -> str:
        """``high``, ``medium`` or ``low``."""
        return confidence_word(self.confidence)

    def document(self) -> dict[str, Any]:
        """JSON's object; the shape is kept stable."""
        fields = asdict(self)
        del fields["start_ns"]
        return {
            "id": self.id,
            "start": rfc3339(self.start_ns),
            "stop": rfc3339(self.stop_ns),
            "sure": self.sure,
        } | fields


def read_incidents(store: Reader, start_ns: int, stop_ns: int) -> list[StoredIncident]:
    """The incidents that began in the period (UTC ns), the oldest first."""
    fields = [field.name for field in SPECS["lag_incident"].fields]
    young = store.read("lag_incident", fields, start_ns=start_ns, stop_ns=stop_ns)
    first = min(young["time_ns"], default=stop_ns)
    found = [_incident(young, at) for at in range(len(young["time_ns"]))]
    if first - start_ns > MINUTE_NS:
        upto = first - first % MINUTE_NS
        old = store.read("lag_incident", fields, start_ns=start_ns, stop_ns=upto, every_ns=MINUTE_NS, aggregate="last")
        found += [_incident(old, at) for at in range(len(old["time_ns"]))]
    return sorted(found, key=lambda incident: incident.start_ns)


def find_incident(incidents: Sequence[StoredIncident], wanted: str) -> StoredIncident:
    """The one whose id begins or ends so; ``last``: the newest. Raises ConfigError with what there is."""
    if wanted == "last" and incidents:
        return incidents[-1]
    fits = [incident for incident in incidents if incident.id.startswith(wanted) or incident.id.endswith(wanted)]
    if len(fits) == 1:
        return fits[0]
    known = ", ".join(incident.id for incident in (fits or incidents)[-8:]) or "none in this period"
    raise ConfigError(f"lag show: {'several incidents fit' if fits else 'no incident'} {wanted!r}; there are {known}")


def from_point(point: LagIncident) -> StoredIncident:
    """An incident that is not in the store."""
    return StoredIncident(
        start_ns=point.time_ns,
        duration_s=point.duration_s,
        extra_ms=point.extra_ms,
        loss_ratio=point.loss_ratio,
        cause=point.cause,
        app=point.app,
        direction=point.direction,
        share_ratio=point.share_ratio,
        confidence=point.confidence,
        running=bool(point.running),
        suffered=point.suffered,
        evidence=point.evidence,
    )


def _incident(columns: Columns, at: int) -> StoredIncident:
    row: Mapping[str, Any] = {name: values[at] for name, values in columns.items()}
    return StoredIncident(
        start_ns=row["time_ns"],
        duration_s=float(row["duration_s"] or 0),
        extra_ms=float(row["extra_ms"] or 0),
        loss_ratio=float(row["loss_ratio"] or 0),
        cause=row["cause"] or "unknown",
        app=row["app"],
        direction=row["direction"],
        share_ratio=row["share_ratio"],
        confidence=float(row["confidence"] or 0),
        running=bool(row["running"]),
        suffered=row["suffered"],
        evidence=row["evidence"] or "",
    )


def _local(time_ns: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(time_ns // 10**9, datetime.UTC).astimezone()
