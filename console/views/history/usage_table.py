"""The table of ``autoqos usage``: applications, then what has no name and the coverage as rows of their own."""

from rich.table import Table

from console.views.history.usage import PeriodUsage
from console.views.output import table
from console.views.table_format import percent
from qos.contract.units import format_bytes


def render(totals: PeriodUsage) -> Table:
    """The table for people."""
    by_pid = totals.by == "pid"
    columns = [("PID", True)] if by_pid else []
    columns += [("Application", False), ("Received", True), ("Sent", True), ("Packets in", True), ("Packets out", True)]
    rows = []
    for row in totals.rows:
        who = [str(row.pid)] if by_pid else []
        rows.append([*who, row.app, *_sizes(row.rx_bytes, row.tx_bytes), str(row.rx_packets), str(row.tx_packets)])
    lead = [""] if by_pid else []
    rest = _sizes(totals.unattributed_rx_bytes, totals.unattributed_tx_bytes)
    rows.append([*lead, "(unattributed)", *rest, "", ""])
    rows.append([*lead, "(host)", *_sizes(totals.host_rx_bytes, totals.host_tx_bytes), "", ""])
    coverage = percent(totals.coverage) if totals.coverage is not None else "no data in this period"
    rows.append([*lead, f"(coverage {coverage})", "", "", "", ""])
    return table(columns, rows)


def _sizes(rx_bytes: int, tx_bytes: int) -> tuple[str, str]:
    return format_bytes(rx_bytes), format_bytes(tx_bytes)
