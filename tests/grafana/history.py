# ruff: noqa: E501 - line protocol reads best on one line
"""A month of a lively computer, for looking at: rows as written for a day, coarse ones before, an outage, lag, limits.

``python -m tests.grafana.history URL USER PASSWORD`` (or ``URL "" TOKEN``) writes it into the buckets ``autoqos``, ``autoqos/5m`` and
``autoqos/1h`` of an InfluxDB 2.x (or the retention policies ``5m`` and ``1h`` of a 1.x).
"""

import functools
import math
import random
import sys
import time
from collections.abc import Callable, Iterator

from tests.servers import call

S = 10**9
HOSTS: tuple[str, ...] = ("desk", "laptop")
APPS: tuple[str, ...] = (
    "firefox", "steam", "zoom", "svchost:windows-update", "onedrive", "discord", "spotify", "chrome", "code", "slack",
    "qbittorrent", "ssh", "teams", "thunderbird", "dropbox", "backup", "vlc", "git", "pip", "other",
)  # fmt: skip
TARGETS = ("gateway", "1.1.1.1", "8.8.8.8")
VERSIONS = {"desk": "0.2.0", "laptop": "0.1.0"}
OUTAGE_S = (4 * 3600, 4 * 3600 - 1500)
"""25 minutes, four hours ago, of the desk's agent."""
AHEAD_S = 900
"""Rows as written go on into the future: numbers of the last minute are asked for minutes after the writing."""


def bps(host: str, app: int, at_s: float) -> float:
    """What an application receives, in bit/s: most are idle most of the time, and busier in the evening."""
    local = at_s / 3600 % 24
    evening = 0.25 + math.exp(-((local - 20) ** 2) / 18) + 0.4 * math.exp(-((local - 11) ** 2) / 12)
    period = 600 + 700 * app
    phase = (at_s / period + app * 0.37 + (0.5 if host == "laptop" else 0)) % 1
    busy = phase < 0.75 / (1 + app / 3)
    size = 2.4e7 / math.pow(1 + app, 1.2)
    return size * evening * (0.6 + 0.4 * math.pow(math.sin(at_s / 37 + app), 2)) if busy else 0.0


def runs(host: str, age_s: float) -> bool:
    """False in the outage, and for the laptop at night."""
    return host != "desk" or not OUTAGE_S[1] <= age_s < OUTAGE_S[0]


def limited(age_s: float) -> bool:
    """Steam is held half of the time, and from an hour ago on."""
    return (age_s + 1800) % 10800 < 5400


def rtt(target: int, at_s: float, load: float) -> float:
    """The gateway is near; the others wait when the line is full."""
    queue = max(0.0, load - 2.6e7) / 2e5
    return (1.5, 14.0, 21.0)[target] + (target > 0) * queue + 1.5 * abs(math.sin(at_s / 11 + target))


def recent(now_ns: int, hours: float = 26, step_s: int = 10) -> Iterator[str]:
    """Rows as written."""
    now_s, dice = now_ns // S, random.Random(7)
    for age in range(int(hours * 3600), -AHEAD_S, -step_s):
        at_s = now_s - age
        for host in HOSTS:
            if runs(host, age):
                yield from _tick(host, at_s, step_s, dice, limited(age))
    yield from _sparse(now_s)


def _tick(host: str, at_s: int, step_s: int, dice: random.Random, held: bool) -> Iterator[str]:
    ns, rates = at_s * S, [bps(host, app, at_s) for app in range(len(APPS))]
    for app, rate in zip(APPS, rates, strict=True):
        if rate > 0:
            size = int(rate / 8 * step_s)
            yield (
                f"app_traffic,host={host},app={app} rx_bytes={size}i,tx_bytes={size // 9}i,rx_packets={size // 1200}i,"
                f"tx_packets={size // 9000}i,flows=3i,processes=2i,priority={len(app) % 6}i {ns}"
            )
        if at_s % 60 < step_s:
            yield f"app_resources,host={host},app={app} cpu_percent={rate / 5e6:.2f},rss_bytes={len(app) * 30_000_000}i {ns}"
    whole, load = int(sum(rates) / 8 * step_s * 1.04), sum(rates)
    lost = whole // 26
    yield (
        f"host_traffic,host={host},iface=eth0 rx_bytes={whole}i,tx_bytes={whole // 9}i,rx_drops=0i,tx_drops=0i,rx_errors=0i,"
        f"tx_errors=0i,unattributed_rx_bytes={lost}i,unattributed_tx_bytes={lost // 9}i {ns}"
    )
    for index, target in enumerate(TARGETS):
        ok = dice.random() > (0.15 if load > 4e7 and index else 0.003)
        value = f",rtt_ms={rtt(index, at_s, load):.2f}" if ok else ""
        ratio = 0.1 if load > 4e7 and index else 0.0
        yield (
            f"probe,host={host},target={target} ok={int(ok)}i{value},jitter_ms={1 + load / 1e7:.2f},loss_ratio={ratio},"
            f'sent={step_s}i,received={step_s if ok else step_s - 1}i,reason="" {ns}'
        )
    if held:
        yield (
            f"app_limit,host={host},app=steam down_bps=6000000i,up_bps=800000i,active=1i,delayed_packets=30i,"
            f'dropped_packets={at_s % 3}i,queue_ms={8 + at_s % 17}.0,reason="level 5, the line is full" {ns}'
        )
    for part in ("collector", "enforcer", "shipper"):
        yield (
            f"agent,host={host},part={part} cpu_percent={0.4 + len(part) / 20},rss_bytes={len(part) * 7_000_000}i,"
            f"points_written=40i,points_dropped=0i,capture_lost=0i,outbox_rows={at_s % 40}i,restarts=0i,"
            f'version="{VERSIONS[host]}" {ns}'
        )


def _sparse(now_s: int) -> Iterator[str]:
    for host in HOSTS:
        for age in range(26 * 3600, 0, -60):
            if age % 3600 < 60:
                yield (
                    f"link_estimate,host={host},direction=down capacity_bps=45000000i,budget_bps=40000000i,confidence=0.9,"
                    f'age_s=20.0,state="steady" {(now_s - age) * S}'
                )
        for number, age in enumerate((90_000, 61_000, 30_000, 9_000, 2_700, 900)):
            cause = ("application", "provider", "application", "local_network", "application", "application")[number]
            app = ',app="steam"' if cause == "application" else ""
            yield (
                f"lag_incident,host={host} duration_s={40.0 + number * 31},extra_ms={60.0 + number * 25},loss_ratio=0.02,"
                f'cause="{cause}"{app},direction="down",share_ratio=0.82,confidence=0.9,running={int(number == 5)}i,'
                f'evidence="queue of {60 + number * 25} ms; 82 % of the bytes down" {(now_s - age) * S}'
            )
            for at in range(0, 40 + number * 31, 10):
                yield (
                    f"lag_cause,host={host},cause={cause},app={'steam' if app else '-'} extra_ms={60.0 + number * 25},"
                    f"loss_ratio=0.02,confidence=0.9 {(now_s - age + at) * S}"
                )
        for number, age in enumerate(range(25 * 3600, 0, -5400)):
            subject, part = (("steam", "enforcer"), ("4 series", "forecaster"))[number % 2]
            kind = "limit" if part == "enforcer" else "round"
            yield f'event,host={host},part={part},kind={kind} subject="{subject}",message="held at 6 Mbit/s" {(now_s - age) * S}'
        for name, factor in (("host_down", 1.04), ("host_up", 1.04 / 9)):
            yield from _forecast(host, name, now_s, functools.partial(_received, host, factor))
        yield from _forecast(host, "latency:1.1.1.1", now_s, lambda at: 16 + 4 * math.sin(at / 9000))
        yield from _forecast(host, "loss:1.1.1.1", now_s, lambda at: 0.02 + 0.01 * math.sin(at / 9000))


def _received(host: str, factor: float, at_s: float) -> float:
    return factor * sum(bps(host, app, at_s) for app in range(len(APPS)))


def _forecast(host: str, name: str, now_s: int, truth: Callable[[float], float]) -> Iterator[str]:
    grid = now_s // 300 * 300
    for at in range(grid - 24 * 3600, grid + 6 * 3600 + 1, 300):
        mean = sum(truth(at + k * 300) for k in range(-6, 7)) / 13
        yield (
            f"forecast,host={host},series={name},model=lstm value={mean},lower={mean * 0.55},upper={mean * 1.5},"
            f"baseline={truth(at - 86400)},made_at={now_s}i {at * S}"
        )
    for age in range(24 * 3600, 0, -7200):
        for model, published, mase in (("lstm", 1, 0.71), ("ets", 0, 0.93), ("linear", 0, 0.88), ("naive", 0, 1.0)):
            mae = truth(now_s) * 0.1 * mase + 1e-3
            yield (
                f"forecast_score,host={host},series={name},model={model} mae={mae},rmse={mae * 1.6},mase={mase + age / 4e5},"
                f"r2=0.7,coverage={0.78 + (age % 5) / 100},samples=288i,train_seconds=12.5,published={published}i {(now_s - age) * S}"
            )


def coarse(now_ns: int, window_s: int, days: int, apps: int = len(APPS)) -> Iterator[str]:
    """Windows as docs/decisions/0070 describes them, from ``days`` ago until the last whole one."""
    end = now_ns // S // window_s * window_s
    for at in range(end - days * 86400, end, window_s):
        for host in HOSTS:
            age_s = now_ns // S - at - window_s / 2
            if runs(host, age_s):
                yield from _window(host, at, window_s, apps, limited(age_s))


def _window(host: str, at: int, window_s: int, apps: int, held: bool) -> Iterator[str]:
    ns, samples = at * S, [at + window_s * k // 12 for k in range(12)]
    load, n = 0.0, window_s // 10
    for number in range(apps):
        app = APPS[number] if number < len(APPS) else f"app{number}"
        rate = sum(bps(host, number, t) for t in samples) / 12
        load += rate
        if rate > 0:
            size = int(rate / 8 * window_s)
            yield (
                f"app_traffic,host={host},app={app} rx_bytes={size}i,tx_bytes={size // 9}i,rx_bytes_max={size // n}i,flows=3i,"
                f"processes=2i,priority={len(app) % 6}i,n={n}i {ns}"
            )
        cpu, rss = rate / 5e6, float(len(app) * 30_000_000)
        yield (
            f"app_resources,host={host},app={app} cpu_percent={cpu:.3f},cpu_percent_sum={cpu * n:.3f},cpu_percent_n={n}i,"
            f"rss_bytes={rss},rss_bytes_sum={rss * n},rss_bytes_n={n}i,n={n}i {ns}"
        )
    whole = int(load / 8 * window_s * 1.04)
    yield (
        f"host_traffic,host={host},iface=eth0 rx_bytes={whole}i,tx_bytes={whole // 9}i,rx_drops=0i,tx_drops=0i,rx_errors=0i,"
        f"tx_errors=0i,unattributed_rx_bytes={whole // 26}i,unattributed_tx_bytes={whole // 234}i,n={n}i {ns}"
    )
    for index, target in enumerate(TARGETS):
        mean, ratio = rtt(index, at, load), 0.02 if load > 3e7 and index else 0.0
        yield (
            f"probe,host={host},target={target} ok={1 - ratio},ok_sum={n * (1 - ratio)},ok_n={n}i,rtt_ms={mean},"
            f"rtt_ms_sum={mean * n},rtt_ms_n={n}i,rtt_ms_p50={mean * 0.95},rtt_ms_p95={mean * 1.7},jitter_ms=2.0,"
            f"jitter_ms_sum={2.0 * n},jitter_ms_n={n}i,loss_ratio={ratio},loss_ratio_sum={ratio * n},loss_ratio_n={n}i,"
            f"sent={n * 10}i,received={int(n * 10 * (1 - ratio))}i,n={n}i {ns}"
        )
    if held:
        yield (
            f"app_limit,host={host},app=steam down_bps=6000000i,up_bps=800000i,active=1i,delayed_packets=900i,"
            f'dropped_packets=9i,queue_ms=24.0,reason="level 5",n={n}i {ns}'
        )
    for part in ("collector", "enforcer", "shipper"):
        cpu, rss = 0.4 + len(part) / 20, float(len(part) * 7_000_000)
        yield (
            f"agent,host={host},part={part} cpu_percent={cpu},cpu_percent_sum={cpu * n},cpu_percent_n={n}i,rss_bytes={rss},"
            f"rss_bytes_sum={rss * n},rss_bytes_n={n}i,points_written={40 * n}i,points_dropped=0i,capture_lost=0i,"
            f"outbox_rows=10i,restarts=0i,n={n}i {ns}"
        )


def write(url: str, account: str, lines: Iterator[str], policy: str = "", database: str = "autoqos") -> int:
    """Write line protocol in batches; returns how many rows."""
    query = {"db": database, "precision": "ns"} | ({"rp": policy} if policy else {})
    batch, count = [], 0
    for line in lines:
        batch.append(line)
        if len(batch) == 20_000:
            call(url + "/write", query=query, body="\n".join(batch).encode(), token=account)
            count, batch = count + len(batch), []
    if batch:
        call(url + "/write", query=query, body="\n".join(batch).encode(), token=account)
    return count + len(batch)


if __name__ == "__main__":
    address, user, password = sys.argv[1:]
    now, account = time.time_ns(), f"{user}:{password}" if user else password
    write(address, account, coarse(now, 300, 30), "5m")
    write(address, account, coarse(now, 3600, 30), "1h")
    write(address, account, recent(time.time_ns()))
