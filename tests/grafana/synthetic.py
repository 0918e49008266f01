"""A day of every measurement, small but complete: what the queries of dashboards and alerts are run against."""

import math
from collections.abc import Iterator

from qos.contract import points as p

S = 10**9
HOSTS = ("desk", "attic pc")
APPS = ("firefox", "zoom", "steam")
TARGETS = ("8.8.8.8", "1.1.1.1")


def day(now_ns: int, hours: int = 25, step_s: int = 60) -> Iterator[p.Point]:
    """Points of two hosts from ``hours`` ago until now and forecasts two hours ahead.

    Five ticks more, so that a query for the last minute finds one on a machine that takes minutes to get there.
    """
    start = now_ns - hours * 3600 * S
    for index in range(hours * 3600 // step_s + 6):
        at = start + index * step_s * S
        for host in HOSTS:
            yield from _tick(at, index, host, step_s)
    for host in HOSTS:
        yield from _forecasts(now_ns, host)
        yield from _blame(now_ns, host)
        yield p.LagIncident(
            time_ns=now_ns - 900 * S, host=host, duration_s=20.0, extra_ms=40.0, loss_ratio=0.0, cause="provider",
            app=None, direction=None, share_ratio=None, confidence=0.6, running=0, suffered=None, evidence="far away",
        )  # fmt: skip
        yield p.LagIncident(
            time_ns=now_ns - 1800 * S, host=host, duration_s=40.0, extra_ms=90.0, loss_ratio=0.0, cause="application",
            app="steam", direction="down", share_ratio=0.9, confidence=0.9, running=1, suffered=None, evidence="queue",
        )  # fmt: skip


def _blame(now_ns: int, host: str) -> Iterator[p.Point]:
    for age in range(-300, 120, 10):
        yield p.LagCause(
            time_ns=now_ns - age * S, host=host, cause="application", app="steam", extra_ms=90.0, loss_ratio=0.0,
            confidence=0.9,
        )  # fmt: skip


def _tick(at: int, index: int, host: str, step_s: int) -> Iterator[p.Point]:
    wave = 1 + math.sin(index / 60)
    total = 0
    for number, app in enumerate(APPS):
        size = int((number + 1) * 40_000 * wave * step_s)
        total += size
        yield p.AppTraffic(
            time_ns=at, host=host, app=app, rx_bytes=size, tx_bytes=size // 8, rx_packets=size // 1200,
            tx_packets=size // 9000, flows=3, processes=1, priority=number + 1,
        )  # fmt: skip
        yield p.AppResources(time_ns=at, host=host, app=app, cpu_percent=3.0 * wave, rss_bytes=200_000_000)
    yield p.HostTraffic(
        time_ns=at, host=host, iface="eth0", rx_bytes=total + 5000, tx_bytes=total // 8 + 500, rx_drops=0, tx_drops=0,
        rx_errors=0, tx_errors=0, unattributed_rx_bytes=5000, unattributed_tx_bytes=500,
    )  # fmt: skip
    for target in TARGETS:
        ok = index % 50 != 7
        yield p.Probe(
            time_ns=at, host=host, target=target, ok=int(ok), rtt_ms=20.0 + 10 * wave if ok else None,
            jitter_ms=2.0, loss_ratio=0.02, sent=1, received=int(ok), reason="" if ok else "timeout",
        )  # fmt: skip
    yield p.AppLimit(
        time_ns=at, host=host, app="steam", down_bps=800_000, up_bps=100_000, active=1, delayed_packets=10,
        dropped_packets=index % 3, queue_ms=8.0, reason="level 5",
    )  # fmt: skip
    for part in ("collector", "enforcer"):
        yield p.Agent(
            time_ns=at, host=host, part=part, cpu_percent=0.7, rss_bytes=60_000_000, points_written=12,
            points_dropped=0, capture_lost=0, outbox_rows=3, restarts=0,
        )  # fmt: skip
    if index % 60 == 0:
        yield p.ConfiguredLink(time_ns=at, host=host, down_bps=20_000_000, up_bps=5_000_000)
        yield p.LinkEstimate(
            time_ns=at, host=host, direction="down", capacity_bps=21_000_000, confidence=0.9, age_s=10.0, state="steady"
        )
        yield p.Event(time_ns=at, host=host, part="enforcer", kind="limit", subject="steam", message="limited, level 5")
        yield p.Event(time_ns=at, host=host, part="forecaster", kind="round", subject="all", message="trained 4 series")


def _forecasts(now_ns: int, host: str) -> Iterator[p.Point]:
    for series, level in (("host_down", 2e6), ("host_up", 2e5), ("latency:8.8.8.8", 30.0), ("loss:8.8.8.8", 0.1)):
        for ahead in range(-24, 25):
            yield p.Forecast(
                time_ns=now_ns + ahead * 300 * S, host=host, series=series, model="ridge", value=level,
                lower=level * 0.5, upper=level * 1.5, baseline=level * 1.1, made_at=now_ns,
            )  # fmt: skip
        for model, published in (("ridge", 1), ("naive", 0)):
            yield p.ForecastScore(
                time_ns=now_ns - 600 * S, host=host, series=series, model=model, mae=level * 0.1, rmse=level * 0.2,
                mase=0.8, r2=0.7, coverage=0.81, samples=300, train_seconds=1.5, published=published,
            )  # fmt: skip
