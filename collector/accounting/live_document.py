"""The ``live`` document: what every view shows of this moment, one small JSON document per tick. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from collector.accounting.tick import Flowing, Ledger

MAX_SHOWN: Final = 150
"""So many processes at most, the busiest now, then the largest: the document is written anew every tick."""


def live_document(
    ledger: Ledger,
    *,
    now_ns: int,
    started_ns: int,
    interval_ns: int,
    backend: str,
    backend_reason: str,
    blind_to: Sequence[str],
    lost: int,
    probes: Sequence[Mapping[str, Any]],
    notes: Sequence[str],
    skipped: int,
) -> dict[str, Any]:
    """The document of one tick. Times are UTC ns, rates bits per second, totals bytes since ``started_ns``."""
    shown = sorted(
        ledger.processes.values(), key=lambda p: (p.rx_bps + p.tx_bps, p.rx_bytes + p.tx_bytes), reverse=True
    )
    return {
        "time_ns": now_ns,
        "started_ns": started_ns,
        "interval_ns": interval_ns,
        "host": ledger.host,
        "backend": backend,
        "backend_reason": backend_reason,
        "blind_to": list(blind_to),
        "lost": lost,
        "coverage": None if ledger.coverage is None else round(ledger.coverage, 4),
        "processes": [
            {
                "pid": total.who.pid,
                "started_ns": total.who.started_ns,
                "app": total.app,
                "name": total.who.name,
                **_numbers(total),
                "flows": total.flows,
                "background": total.who.background,
                "priority": total.priority,
            }
            for total in shown[:MAX_SHOWN]
            if total.who is not None
        ],
        "apps": [
            {
                "app": app,
                **_numbers(total),
                "flows": total.flows,
                "processes": total.processes,
                "background": total.background,
                "priority": total.priority,
            }
            for app, total in ledger.apps.items()
        ],
        "unattributed": _numbers(ledger.unattributed),
        "host_traffic": _numbers(ledger.total),
        "probes": [dict(probe) for probe in probes],
        "notes": list(notes),
        "ticks_skipped": skipped,
    }


def _numbers(total: Flowing) -> dict[str, int]:
    return {
        "rx_bytes": total.rx_bytes,
        "tx_bytes": total.tx_bytes,
        "rx_bps": total.rx_bps,
        "tx_bps": total.tx_bps,
    }
