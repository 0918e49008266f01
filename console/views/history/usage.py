"""Totals over a period: what each application or process moved, and what has no name. Pure over a Reader."""

from dataclasses import dataclass
from typing import Any

from console.views.times import rfc3339
from qos.contract.documents.live import By
from qos.store import Columns, Reader

_SUMS = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets")


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One application, or one process of it."""

    app: str
    pid: int | None
    started_ns: int | None
    rx_bytes: int
    tx_bytes: int
    rx_packets: int
    tx_packets: int

    def document(self) -> dict[str, Any]:
        """JSON's object."""
        who: dict[str, Any] = {"app": self.app}
        if self.pid is not None:
            who = {"pid": self.pid, "app": self.app, "started": rfc3339(self.started_ns) if self.started_ns else None}
        return who | {name: getattr(self, name) for name in _SUMS}


@dataclass(frozen=True, slots=True)
class PeriodUsage:
    """A period's totals. ``coverage`` is the share of the interfaces' bytes that has a name; None without any data."""

    start_ns: int
    stop_ns: int
    by: By
    rows: tuple[UsageRow, ...]
    host_rx_bytes: int
    host_tx_bytes: int
    unattributed_rx_bytes: int
    unattributed_tx_bytes: int
    coverage: float | None

    def document(self) -> dict[str, Any]:
        """JSON's object; the shape is kept stable."""
        return {
            "start": rfc3339(self.start_ns),
            "stop": rfc3339(self.stop_ns),
            "apps" if self.by == "app" else "processes": [row.document() for row in self.rows],
            "unattributed": {"rx_bytes": self.unattributed_rx_bytes, "tx_bytes": self.unattributed_tx_bytes},
            "host": {"rx_bytes": self.host_rx_bytes, "tx_bytes": self.host_tx_bytes},
            "coverage": self.coverage,
        }


def usage(store: Reader, start_ns: int, stop_ns: int, by: By) -> PeriodUsage:
    """The totals with ``start_ns <= time < stop_ns``. Raises StoreUnavailable."""
    if by == "app":
        columns = store.read("app_traffic", _SUMS, start_ns=start_ns, stop_ns=stop_ns, aggregate="sum", by=("app",))
    else:
        columns = store.read(
            "process_traffic", _SUMS, start_ns=start_ns, stop_ns=stop_ns, aggregate="sum", by=("app", "pid", "started")
        )
    host = store.read(
        "host_traffic",
        ("rx_bytes", "tx_bytes", "unattributed_rx_bytes", "unattributed_tx_bytes"),
        start_ns=start_ns,
        stop_ns=stop_ns,
        aggregate="sum",
        by=(),
    )
    rows = sorted(_read_rows(columns, by), key=lambda row: (-row.rx_bytes, -row.tx_bytes, row.app, row.pid or 0))
    rx, tx, lost_rx, lost_tx = (
        sum(int(value or 0) for value in host[name])
        for name in ("rx_bytes", "tx_bytes", "unattributed_rx_bytes", "unattributed_tx_bytes")
    )
    coverage = None
    if host["time_ns"]:
        coverage = 1.0 if rx + tx == 0 else min(1.0, max(0.0, 1 - (lost_rx + lost_tx) / (rx + tx)))
    return PeriodUsage(start_ns, stop_ns, by, tuple(rows), rx, tx, lost_rx, lost_tx, coverage)


def _read_rows(columns: Columns, by: By) -> list[UsageRow]:
    return [
        UsageRow(
            columns["app"][index],
            _number(columns["pid"][index]) if by == "pid" else None,
            _number(columns["started"][index]) if by == "pid" else None,
            *(int(columns[name][index] or 0) for name in _SUMS),
        )
        for index in range(len(columns["time_ns"]))
    ]


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
