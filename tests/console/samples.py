"""Documents and points as the other parts write them, for the tests of everything that shows them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qos.contract.points import AppResources, AppTraffic, HostTraffic, Point, Probe, ProcessTraffic
from qos.store.sqlite.store import SqliteStore

S = 10**9
APPS: Mapping[str, tuple[int, bool]] = {"firefox": (4_000, False), "steam": (9_000, False), "sshd": (100, True)}
"""Bytes received per second, and whether it is a background process."""


def live_document(now_ns: int, **changes: Any) -> dict[str, Any]:
    """The state key ``live`` as the collector writes it."""
    rows = [
        {
            "app": app,
            "rx_bytes": rx * 60,
            "tx_bytes": rx * 6,
            "rx_bps": rx * 8,
            "tx_bps": rx,
            "flows": 2,
            "background": background,
            "priority": 3,
        }
        for app, (rx, background) in APPS.items()
    ]
    return {
        "time_ns": now_ns,
        "started_ns": now_ns - 60 * S,
        "interval_ns": S,
        "host": "laptop",
        "backend": "kernel",
        "backend_reason": "the first that works",
        "blind_to": ["the traffic inside containers"],
        "lost": 0,
        "coverage": 0.98,
        "processes": [
            row | {"pid": 100 + index, "started_ns": 1, "name": row["app"]} for index, row in enumerate(rows)
        ],
        "apps": [row | {"processes": 1} for row in rows],
        "unattributed": {"rx_bytes": 700, "tx_bytes": 70, "rx_bps": 80, "tx_bps": 8},
        "host_traffic": {"rx_bytes": 9_999_999, "tx_bytes": 99_999, "rx_bps": 104_880, "tx_bps": 13_108},
        "probes": [
            {"target": "8.8.8.8", "ok": 1, "rtt_ms": 12.34, "jitter_ms": 0.5, "loss_ratio": 0.0, "reason": ""},
            {"target": "1.1.1.1", "ok": 0, "rtt_ms": None, "jitter_ms": None, "loss_ratio": 1.0, "reason": "timeout"},
        ],
        "notes": [],
    } | changes


def points(now_ns: int, seconds: int = 120) -> list[Point]:
    """So many seconds of measurements that end now; every host row has 10 % without a name."""
    found: list[Point] = []
    for ago in range(seconds, 0, -1):
        time_ns = now_ns - ago * S
        for index, (app, (rx, _)) in enumerate(APPS.items()):
            found.append(
                AppTraffic(
                    time_ns=time_ns,
                    host="laptop",
                    app=app,
                    rx_bytes=rx,
                    tx_bytes=rx // 10,
                    rx_packets=rx // 100,
                    tx_packets=rx // 1000,
                    flows=2,
                    processes=1,
                    priority=3,
                )
            )
            found.append(
                ProcessTraffic(
                    time_ns=time_ns,
                    app=app,
                    pid=str(100 + index),
                    started=str(now_ns - 3600 * S),
                    rx_bytes=rx,
                    tx_bytes=rx // 10,
                    rx_packets=rx // 100,
                    tx_packets=rx // 1000,
                )
            )
            found.append(
                AppResources(
                    time_ns=time_ns, host="laptop", app=app, cpu_percent=float(index + 1), rss_bytes=50_000_000
                )
            )
        named = sum(rx for rx, _ in APPS.values())
        found.append(
            HostTraffic(
                time_ns=time_ns,
                host="laptop",
                iface="eth0",
                rx_bytes=named * 10 // 9,
                tx_bytes=named // 9,
                rx_drops=0,
                tx_drops=0,
                rx_errors=0,
                tx_errors=0,
                unattributed_rx_bytes=named * 10 // 9 - named,
                unattributed_tx_bytes=named // 9 - named // 10,
            )
        )
        found.append(
            Probe(
                time_ns=time_ns,
                host="laptop",
                target="8.8.8.8",
                ok=ago % 2,
                rtt_ms=12.5 if ago % 2 else None,
                loss_ratio=0.5,
                sent=1,
                received=ago % 2,
                reason="" if ago % 2 else "timeout",
            )
        )
    return found


def fill(data: Path, now_ns: int, seconds: int = 120, live: dict[str, Any] | None = None) -> Path:
    """A data directory with these measurements and the live document of ``now_ns``."""
    data.mkdir(parents=True, exist_ok=True)
    with SqliteStore(data / "autoqos.db") as store:
        store.write(points(now_ns, seconds), states={"live": live or live_document(now_ns)})
    return data
