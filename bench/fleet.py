"""A fleet's points into one real server: series, rows a second, bytes a day, the server's memory and CPU.

    uv run python bench/fleet.py [--hosts 1000] [--minutes 10] [--interval 10] [--url URL --token T --data DIR]

Every host has its own name, 40 applications of which 8 have traffic at a time (so all 40 make series within the run),
3 probed targets, one interface and 3 parts. The points are those of the agent, written as the shipper writes them
(gzip, 5,000 lines a request) as fast as the server takes them: ``rows_per_second_taken`` is what it can do, and
``rows_per_second_needed`` what the fleet makes. Without ``--url`` it is Debian's victoria-metrics, started here.
JSON on stdout.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from pydantic import SecretStr

from qos.contract.config import InfluxConfig
from qos.shipping.client import InfluxClient
from qos.shipping.outcomes import Ok

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.outbox import size_of  # noqa: E402 - the repository's root comes first
from tests.servers import victoria_metrics  # noqa: E402 - idem

S = 10**9
APPS, BUSY, TARGETS, PARTS = 40, 8, 3, 3
BATCH = 5_000
WRITERS = 2
ROWS_PER_TICK = 2 * BUSY + 1 + TARGETS + PARTS
"""Traffic and limit of each busy application, the interface, the probes, the parts."""
SERIES_PER_HOST = 2 * APPS + 1 + TARGETS + PARTS


def lines(host: str, tick: int, time_ns: int) -> Iterator[str]:
    """One host's tick as line protocol, the same fields as ``qos.contract.points``."""
    for at in range(BUSY):
        app = f"application{(tick + at * 5) % APPS}"
        size = (tick * 7919 + at * 104729) % 250_000
        tags = f"app={app},host={host}"
        yield (
            f"app_traffic,{tags} rx_bytes={size}i,tx_bytes={size // 9}i,rx_packets={size // 1200}i,"
            f"tx_packets={size // 2400}i,flows={size % 12}i,processes=1i,priority=3i {time_ns}"
        )
        yield (
            f"app_limit,{tags} down_bps=2000000i,active=1i,delayed_packets={size % 40}i,dropped_packets=0i,"
            f'queue_ms={size % 500 / 10},reason="level background" {time_ns}'
        )
    yield (
        f"host_traffic,host={host},iface=eth0 rx_bytes={tick * 977 % 10**6}i,tx_bytes={tick * 97 % 10**5}i,rx_drops=0i,"
        f"tx_drops=0i,rx_errors=0i,tx_errors=0i,unattributed_rx_bytes=0i,unattributed_tx_bytes=0i {time_ns}"
    )
    for target in range(TARGETS):
        yield (
            f"probe,host={host},target=192.0.2.{target} ok=1i,rtt_ms={10 + tick % 70 / 7!r},jitter_ms=0.5,"
            f'loss_ratio=0.0,sent=1i,received=1i,reason="" {time_ns}'
        )
    for part in range(PARTS):
        yield (
            f"agent,host={host},part=part{part} cpu_percent=1.5,rss_bytes=60000000i,points_written=37i,"
            f"points_dropped=0i,capture_lost=0i,outbox_rows={tick % 100}i,restarts=0i {time_ns}"
        )


def batches(hosts: int, ticks: int, interval_s: int) -> Iterator[list[str]]:
    """Everything the fleet writes, in requests."""
    start_ns = (time.time_ns() // S - ticks * interval_s) * S
    batch: list[str] = []
    for tick in range(ticks):
        for number in range(hosts):
            batch += lines(f"host{number:04}", tick + number, start_ns + tick * interval_s * S)
            if len(batch) >= BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def send(settings: InfluxConfig, token: str, work: Iterator[list[str]]) -> int:
    """Write batches until there are none; returns the rows."""
    client = InfluxClient(settings, SecretStr(token or "any"))
    rows = 0
    while (batch := next(work, None)) is not None:
        outcome = client.write(batch)
        if not isinstance(outcome, Ok):
            raise SystemExit(f"the server does not take it: {outcome}")
        rows += len(batch)
    client.close()
    return rows


class Shared:
    """One iterator for several threads."""

    def __init__(self, source: Iterator[list[str]]) -> None:
        from threading import Lock

        self._source, self._lock = source, Lock()

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        with self._lock:
            return next(self._source)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--interval", type=int, default=10, help="the agents' interval, seconds")
    parser.add_argument("--url")
    parser.add_argument("--token", default="")
    parser.add_argument("--bucket", default="autoqos")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--pid", type=int, help="of the server, for its memory and CPU")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        url, data, pid = arguments.url, arguments.data, arguments.pid
        if not url:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            started = stack.enter_context(victoria_metrics(data))
            assert started.process is not None
            url, pid = started.url, started.process.pid
        settings = InfluxConfig.model_validate(
            {"url": url, "org": "autoqos", "bucket": arguments.bucket, "timeout": "60s"}
        )
        watched = psutil.Process(pid) if pid else None
        before = size_of(data)
        spent = sum(watched.cpu_times()[:2]) if watched else 0.0
        ticks = int(arguments.minutes * 60) // arguments.interval
        work = Shared(batches(arguments.hosts, ticks, arguments.interval))
        began = time.monotonic()
        with ThreadPoolExecutor(WRITERS) as pool:
            rows = sum(pool.map(lambda _: send(settings, arguments.token, iter(work)), range(WRITERS)))
        seconds = time.monotonic() - began
        cpu = sum(watched.cpu_times()[:2]) - spent if watched else None
        rss = watched.memory_info().rss if watched else None
        time.sleep(40 if data else 0)  # both servers keep the newest in memory for a while
        after = size_of(data)
    per_point = None if before is None or after is None else (after - before) / rows
    per_day = arguments.hosts * ROWS_PER_TICK * 86400 / arguments.interval
    result = {
        "hosts": arguments.hosts,
        "interval_s": arguments.interval,
        "series": arguments.hosts * SERIES_PER_HOST,
        "rows_per_second_needed": round(arguments.hosts * ROWS_PER_TICK / arguments.interval),
        "rows_written": rows,
        "seconds": round(seconds, 1),
        "rows_per_second_taken": round(rows / seconds),
        "server_cpu_microseconds_per_row": None if cpu is None else round(cpu / rows * 1e6, 1),
        "server_rss_bytes": rss,
        "disk_bytes_per_row": None if per_point is None else round(per_point, 1),
        "rows_per_day": round(per_day),
        "disk_bytes_per_day": None if per_point is None else round(per_point * per_day),
    }
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
