"""The present, as the collector last wrote it: the ``live`` document of the store as frozen values, sorted for a view.

Pure. A key that is missing (an older collector) reads as nothing measured, never as an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

STALE_NS: Final = 5 * 10**9
"""An older document means that no collector runs."""

By = Literal["app", "pid"]


@dataclass(frozen=True, slots=True)
class Row:
    """One application or one process. Bytes since monitoring started, rates in bits per second."""

    app: str
    pid: int | None
    rx_bytes: int
    tx_bytes: int
    rx_bps: float
    tx_bps: float
    flows: int
    processes: int
    background: bool
    priority: int | None
    name: str = ""

    @property
    def key(self) -> str:
        """What tells this row from the others while the table is repainted."""
        return self.app if self.pid is None else f"{self.pid} {self.app}"


@dataclass(frozen=True, slots=True)
class ProbeNow:
    """The newest echo of one target."""

    target: str
    ok: bool
    rtt_ms: float | None
    jitter_ms: float | None
    loss_ratio: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Totals:
    """Bytes since monitoring started and rates now, of the host or of what nobody could be named for."""

    rx_bytes: int = 0
    tx_bytes: int = 0
    rx_bps: float = 0.0
    tx_bps: float = 0.0


@dataclass(frozen=True, slots=True)
class Live:
    """One tick of the collector."""

    time_ns: int
    started_ns: int
    interval_ns: int
    host: str
    backend: str
    backend_reason: str
    blind_to: tuple[str, ...]
    lost: int
    coverage: float | None
    apps: tuple[Row, ...]
    processes: tuple[Row, ...]
    unattributed: Totals
    host_traffic: Totals
    probes: tuple[ProbeNow, ...]
    notes: tuple[str, ...]
    document: Mapping[str, Any] = field(repr=False)

    def fresh(self, now_ns: int) -> bool:
        """Whether a collector wrote this just now. ``now_ns`` is UTC; a slow interval is allowed for."""
        return abs(now_ns - self.time_ns) < max(STALE_NS, 3 * self.interval_ns)

    def rows(self, by: By) -> tuple[Row, ...]:
        """Sorted by bytes received, most first; equal ones by bytes sent, then by name."""
        rows = self.apps if by == "app" else self.processes
        return tuple(sorted(rows, key=lambda row: (-row.rx_bytes, -row.tx_bytes, row.app, row.pid or 0)))


def parse_live(document: object) -> Live | None:
    """The document of the state key ``live``; None when there is none."""
    if not isinstance(document, Mapping) or not isinstance(document.get("time_ns"), int):
        return None
    processes = tuple(_row(item, pid=item.get("pid")) for item in _items(document, "processes"))
    of_app = {row.app: row.priority for row in processes if row.priority is not None}
    return Live(
        time_ns=document["time_ns"],
        started_ns=document.get("started_ns") or document["time_ns"],
        interval_ns=document.get("interval_ns") or 10**9,
        host=str(document.get("host") or ""),
        backend=str(document.get("backend") or "none"),
        backend_reason=str(document.get("backend_reason") or ""),
        blind_to=tuple(str(text) for text in document.get("blind_to") or ()),
        lost=document.get("lost") or 0,
        coverage=document.get("coverage"),
        apps=tuple(_row(item, priority=of_app.get(str(item.get("app")))) for item in _items(document, "apps")),
        processes=processes,
        unattributed=_totals(document.get("unattributed")),
        host_traffic=_totals(document.get("host_traffic")),
        probes=tuple(_probe(item) for item in _items(document, "probes")),
        notes=tuple(str(text) for text in document.get("notes") or ()),
        document=document,
    )


def _items(document: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    return [item for item in document.get(key) or () if isinstance(item, Mapping)]


def _row(item: Mapping[str, Any], *, pid: int | None = None, priority: int | None = None) -> Row:
    return Row(
        app=str(item.get("app") or "?"),
        pid=pid,
        rx_bytes=item.get("rx_bytes") or 0,
        tx_bytes=item.get("tx_bytes") or 0,
        rx_bps=item.get("rx_bps") or 0,
        tx_bps=item.get("tx_bps") or 0,
        flows=item.get("flows") or 0,
        processes=item.get("processes") or 1,
        background=bool(item.get("background")),
        priority=item.get("priority", priority),
        name=str(item.get("name") or ""),
    )


def _totals(item: object) -> Totals:
    if not isinstance(item, Mapping):
        return Totals()
    return Totals(*(item.get(key) or 0 for key in ("rx_bytes", "tx_bytes", "rx_bps", "tx_bps")))


def _probe(item: Mapping[str, Any]) -> ProbeNow:
    return ProbeNow(
        target=str(item.get("target") or "?"),
        ok=bool(item.get("ok")),
        rtt_ms=item.get("rtt_ms"),
        jitter_ms=item.get("jitter_ms"),
        loss_ratio=item.get("loss_ratio"),
        reason=str(item.get("reason") or ""),
    )
