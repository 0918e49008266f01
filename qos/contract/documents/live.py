"""``live``: what the collector measured in its newest tick, for everybody who shows or uses the present."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, Self

from qos.contract.documents.fields import VERSION, Fields, fields_of, inner, number, rows, text, texts, whole
from qos.contract.documents.lag import RunningLag

STALE_NS: Final = 5 * 10**9
"""An older document means that no collector runs (a longer interval is allowed for)."""

By = Literal["app", "pid"]


@dataclass(frozen=True, slots=True)
class LiveTraffic:
    """Bytes since monitoring started and rates now (bits per second), of the host or of what has no owner."""

    rx_bytes: int = 0
    tx_bytes: int = 0
    rx_bps: int = 0
    tx_bps: int = 0

    @classmethod
    def parse(cls, fields: Fields) -> Self:
        """What is missing is 0."""
        return cls(*(whole(fields, key) or 0 for key in ("rx_bytes", "tx_bytes", "rx_bps", "tx_bps")))

    def dump(self) -> dict[str, Any]:
        """The object."""
        return {"rx_bytes": self.rx_bytes, "tx_bytes": self.tx_bytes, "rx_bps": self.rx_bps, "tx_bps": self.tx_bps}


@dataclass(frozen=True, slots=True)
class LiveRow:
    """One application (``pid`` is None) or one process. Bytes since monitoring started, rates in bits per second.

    ``processes``: how many of the application had traffic in the tick; ``background``: no window and no terminal.
    ``started_ns`` (UTC) and ``name`` are those of the process.
    """

    app: str
    pid: int | None = None
    rx_bytes: int = 0
    tx_bytes: int = 0
    rx_bps: int = 0
    tx_bps: int = 0
    flows: int = 0
    processes: int = 0
    background: bool = False
    priority: int | None = None
    name: str = ""
    started_ns: int = 0

    @property
    def key(self) -> str:
        """What tells this row from the others while the table is repainted."""
        return self.app if self.pid is None else f"{self.pid} {self.app}"

    @classmethod
    def parse(cls, fields: Fields, *, process: bool) -> Self | None:
        """None for a row that names no application, or no process where it should."""
        app, pid = text(fields, "app"), whole(fields, "pid", 2**32)
        if not app or (process and pid is None):
            return None
        return cls(
            app=app,
            pid=pid if process else None,
            rx_bytes=whole(fields, "rx_bytes") or 0,
            tx_bytes=whole(fields, "tx_bytes") or 0,
            rx_bps=whole(fields, "rx_bps") or 0,
            tx_bps=whole(fields, "tx_bps") or 0,
            flows=whole(fields, "flows") or 0,
            processes=1 if process else whole(fields, "processes") or 0,
            background=bool(fields.get("background")),
            priority=whole(fields, "priority", 5),
            name=text(fields, "name") if process else "",
            started_ns=(whole(fields, "started_ns") or 0) if process else 0,
        )

    def dump(self) -> dict[str, Any]:
        """The object."""
        who: dict[str, Any] = {"app": self.app, "processes": self.processes}
        if self.pid is not None:
            who = {"pid": self.pid, "started_ns": self.started_ns, "app": self.app, "name": self.name}
        return who | {
            "rx_bytes": self.rx_bytes,
            "tx_bytes": self.tx_bytes,
            "rx_bps": self.rx_bps,
            "tx_bps": self.tx_bps,
            "flows": self.flows,
            "background": self.background,
            "priority": self.priority,
        }


@dataclass(frozen=True, slots=True)
class LiveProbe:
    """The newest probe of one target. Times in milliseconds; ``loss_ratio`` (0 to 1) over the last minutes.

    ``kind``: ``icmp`` or ``tcp``; ``sent`` False: it never left this computer, which is no loss.
    """

    target: str
    ok: bool
    rtt_ms: float | None = None
    jitter_ms: float | None = None
    loss_ratio: float | None = None
    reason: str = ""
    kind: str = "icmp"
    sent: bool = True

    @classmethod
    def parse(cls, fields: Fields) -> Self | None:
        """None for one without a target."""
        target = text(fields, "target")
        if not target:
            return None
        return cls(
            target=target,
            ok=bool(fields.get("ok")),
            rtt_ms=number(fields, "rtt_ms"),
            jitter_ms=number(fields, "jitter_ms"),
            loss_ratio=number(fields, "loss_ratio"),
            reason=text(fields, "reason"),
            kind=text(fields, "kind", "icmp"),
            sent=bool(fields.get("sent", True)),
        )

    def dump(self) -> dict[str, Any]:
        """The object."""
        return {
            "target": self.target,
            "ok": self.ok,
            "rtt_ms": self.rtt_ms,
            "jitter_ms": self.jitter_ms,
            "loss_ratio": self.loss_ratio,
            "reason": self.reason,
            "kind": self.kind,
            "sent": self.sent,
        }


@dataclass(frozen=True, slots=True)
class Live:
    """One tick of the collector. Times in UTC nanoseconds.

    ``blind_to``: what the capture backend cannot see; ``lost``: events that it lost since ``started_ns``;
    ``coverage``: the share (0 to 1) of the interfaces' bytes that applications were named for. ``lag``: the incident
    that goes on now.
    """

    KEY: ClassVar[str] = "live"

    time_ns: int
    started_ns: int
    interval_ns: int = 10**9
    host: str = ""
    backend: str = "none"
    backend_reason: str = ""
    blind_to: tuple[str, ...] = ()
    lost: int = 0
    coverage: float | None = None
    apps: tuple[LiveRow, ...] = ()
    processes: tuple[LiveRow, ...] = ()
    unattributed: LiveTraffic = LiveTraffic()
    host_traffic: LiveTraffic = LiveTraffic()
    probes: tuple[LiveProbe, ...] = ()
    notes: tuple[str, ...] = ()
    ticks_skipped: int = 0
    lag: RunningLag | None = None

    @classmethod
    def parse(cls, document: object) -> Self | None:
        """The tick; None when the document is not one. A field that is missing reads as nothing measured."""
        fields = fields_of(document)
        if fields is None or (time_ns := whole(fields, "time_ns")) is None:
            return None
        apps = (LiveRow.parse(row, process=False) for row in rows(fields, "apps"))
        processes = (LiveRow.parse(row, process=True) for row in rows(fields, "processes"))
        probes = (LiveProbe.parse(row) for row in rows(fields, "probes"))
        return cls(
            time_ns=time_ns,
            started_ns=whole(fields, "started_ns") or time_ns,
            interval_ns=whole(fields, "interval_ns") or 10**9,
            host=text(fields, "host"),
            backend=text(fields, "backend", "none"),
            backend_reason=text(fields, "backend_reason"),
            blind_to=texts(fields, "blind_to"),
            lost=whole(fields, "lost") or 0,
            coverage=number(fields, "coverage"),
            apps=tuple(row for row in apps if row is not None),
            processes=tuple(row for row in processes if row is not None),
            unattributed=LiveTraffic.parse(inner(fields, "unattributed")),
            host_traffic=LiveTraffic.parse(inner(fields, "host_traffic")),
            probes=tuple(probe for probe in probes if probe is not None),
            notes=texts(fields, "notes"),
            ticks_skipped=whole(fields, "ticks_skipped") or 0,
            lag=RunningLag.parse(inner(fields, "lag")),
        )

    @classmethod
    def written_ns(cls, document: object) -> int | None:
        """When a document was written, UTC: enough to know whether it is worth parsing; None when it is not one."""
        fields = fields_of(document)
        return whole(fields, "time_ns") if fields is not None else None

    def dump(self) -> dict[str, Any]:
        """The document."""
        return {
            "v": VERSION,
            "time_ns": self.time_ns,
            "started_ns": self.started_ns,
            "interval_ns": self.interval_ns,
            "host": self.host,
            "backend": self.backend,
            "backend_reason": self.backend_reason,
            "blind_to": list(self.blind_to),
            "lost": self.lost,
            "coverage": self.coverage,
            "processes": [row.dump() for row in self.processes],
            "apps": [row.dump() for row in self.apps],
            "unattributed": self.unattributed.dump(),
            "host_traffic": self.host_traffic.dump(),
            "probes": [probe.dump() for probe in self.probes],
            "notes": list(self.notes),
            "ticks_skipped": self.ticks_skipped,
            "lag": self.lag.dump() if self.lag is not None else None,
        }

    def fresh(self, now_ns: int) -> bool:
        """Whether a collector wrote this just now (UTC)."""
        return abs(now_ns - self.time_ns) < max(STALE_NS, 3 * self.interval_ns)

    def rows(self, by: By) -> tuple[LiveRow, ...]:
        """Sorted by bytes received, most first; equal ones by bytes sent, then by name."""
        found = self.apps if by == "app" else self.processes
        return tuple(sorted(found, key=lambda row: (-row.rx_bytes, -row.tx_bytes, row.app, row.pid or 0)))

    def pid_of(self, app: str) -> int | None:
        """One process of an application, the busiest; None when none is listed."""
        return next((row.pid for row in self.processes if row.app == app), None)
