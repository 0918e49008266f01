"""``autoqos top --once`` and ``--json``: one look at the present. Without a collector one measures for a few ticks."""

from typing import Any, Final

from rich.console import Console
from rich.text import Text

from console.commands.context import Context
from console.supervisor.temporary_collector import temporary_collector
from console.views import table_format as views
from console.views.output import table, warn
from console.views.times import rfc3339
from qos.contract.documents.live import By, Live, LiveRow
from qos.system import clock

PATIENCE_S: Final = 60.0
"""A first start of Python beside a virus scanner takes tens of seconds; a collector that ended is told at once."""


def look(context: Context, own: Context, *, patience_s: float = PATIENCE_S) -> Live:
    """The newest tick; when no collector runs, one is started, measures about two seconds and is stopped.

    It writes into ``own``, which differs from ``context`` for somebody who may only read what root's agent keeps.

    Raises ConfigError when a collector cannot be started here.
    """
    live = _read(context)
    if live is not None and live.fresh(clock.wall_ns()):
        return live
    warn("no collector is running: measuring for two seconds (`autoqos up` keeps the history)")
    with temporary_collector(own) as collector:
        return collector.wait_for(2 * 10**9, patience_s)


def _read(context: Context) -> Live | None:
    if not context.has_store:
        return None
    with context.reading() as store:
        return Live.parse(store.get_state(Live.KEY))


def document(live: Live, by: By) -> dict[str, Any]:
    """JSON's object; the shape is kept stable."""
    return {
        "time": rfc3339(live.time_ns),
        "started": rfc3339(live.started_ns),
        "host": live.host,
        "backend": live.backend,
        "backend_reason": live.backend_reason,
        "blind_to": list(live.blind_to),
        "coverage": live.coverage,
        "lost": live.lost,
        "apps" if by == "app" else "processes": [_object(row) for row in live.rows(by)],
        "unattributed": _totals(live.unattributed),
        "host_traffic": _totals(live.host_traffic),
        "probes": [
            {
                "target": probe.target,
                "ok": probe.ok,
                "rtt_ms": probe.rtt_ms,
                "jitter_ms": probe.jitter_ms,
                "loss_ratio": probe.loss_ratio,
                "reason": probe.reason,
            }
            for probe in live.probes
        ],
        "notes": list(live.notes),
    }


def _totals(totals: Any) -> dict[str, Any]:
    return {name: getattr(totals, name) for name in ("rx_bytes", "tx_bytes", "rx_bps", "tx_bps")}


def _object(row: LiveRow) -> dict[str, Any]:
    who: dict[str, Any] = {"app": row.app, "processes": row.processes}
    if row.pid is not None:
        who = {"pid": row.pid, "app": row.app, "name": row.name}
    return who | {
        "rx_bytes": row.rx_bytes,
        "tx_bytes": row.tx_bytes,
        "rx_bps": row.rx_bps,
        "tx_bps": row.tx_bps,
        "flows": row.flows,
        "background": row.background,
        "priority": row.priority,
    }


def show(live: Live, by: By, out: Console) -> None:
    """The table for people."""
    pids = views.busiest_pids(live)
    numbers = {"Application": False}
    rows = [views.cells(row, by, pids) for row in live.rows(by)]
    rows.append(views.unattributed_cells(live))
    heads = [
        *filter(None, [views.lag_words(live)]),
        *views.headline(live),
        *views.wrap(views.probe_words(live), out.width),
        *views.blind_words(live, out.width, most=9),
    ]
    for line in heads:
        out.print(Text(line))
    out.print(table([(name, numbers.get(name, True)) for name in views.HEADINGS], rows))
    if any(row.background for row in live.rows(by)):
        out.print(Text(views.LEGEND))
