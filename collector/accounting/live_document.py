"""The ``live`` document of one tick, made from the accounts. Pure."""

from collections.abc import Sequence
from typing import Final

from collector.accounting.tick import Flowing, TrafficAccounts
from qos.contract.documents.lag import RunningLag
from qos.contract.documents.live import Live, LiveProbe, LiveRow, LiveTraffic

MAX_SHOWN: Final = 150
"""So many processes at most, the busiest now, then the largest: the document is written anew every tick."""


def live_document(
    accounts: TrafficAccounts,
    *,
    now_ns: int,
    started_ns: int,
    interval_ns: int,
    backend: str,
    backend_reason: str,
    blind_to: Sequence[str],
    lost: int,
    probes: Sequence[LiveProbe],
    notes: Sequence[str],
    skipped: int,
    lag: RunningLag | None = None,
) -> Live:
    """The document of one tick. Times are UTC ns, rates bits per second, totals bytes since ``started_ns``."""
    shown = sorted(
        accounts.processes.values(), key=lambda p: (p.rx_bps + p.tx_bps, p.rx_bytes + p.tx_bytes), reverse=True
    )
    return Live(
        time_ns=now_ns,
        started_ns=started_ns,
        interval_ns=interval_ns,
        host=accounts.host,
        backend=backend,
        backend_reason=backend_reason,
        blind_to=tuple(blind_to),
        lost=lost,
        coverage=None if accounts.coverage is None else round(accounts.coverage, 4),
        processes=tuple(
            LiveRow(
                app=total.app,
                pid=total.who.pid,
                rx_bytes=total.rx_bytes,
                tx_bytes=total.tx_bytes,
                rx_bps=total.rx_bps,
                tx_bps=total.tx_bps,
                flows=total.flows,
                processes=1,
                background=total.who.background,
                priority=total.priority,
                name=total.who.name,
                started_ns=total.who.started_ns,
            )
            for total in shown[:MAX_SHOWN]
            if total.who is not None
        ),
        apps=tuple(
            LiveRow(
                app=app,
                rx_bytes=total.rx_bytes,
                tx_bytes=total.tx_bytes,
                rx_bps=total.rx_bps,
                tx_bps=total.tx_bps,
                flows=total.flows,
                processes=total.processes,
                background=total.background,
                priority=total.priority,
            )
            for app, total in accounts.apps.items()
        ),
        unattributed=_traffic(accounts.unattributed),
        host_traffic=_traffic(accounts.total),
        probes=tuple(probes),
        notes=tuple(notes),
        ticks_skipped=skipped,
        lag=lag,
    )


def _traffic(total: Flowing) -> LiveTraffic:
    return LiveTraffic(total.rx_bytes, total.tx_bytes, total.rx_bps, total.tx_bps)
