"""Catching up after an outage with a real server: points a second, live latency meanwhile, memory, bytes a point.

    uv run python bench/outbox.py [--hours 24] [--url URL --token T --data DIR] [--catch-up 50000] [--folder DIR]

A busy host's outage of ``--hours`` is in the store (37 rows a second: 20 applications with traffic, 5 with resources,
5 limited, probes, interfaces, the agent itself). The shipper starts as its own process while the host goes on writing a
tick a second; a marker row in each tick is looked for in the server until it can be read back: that is the live
latency, with the server's own delay in making rows readable. Without ``--url`` the server is Debian's victoria-metrics,
started here. ``--data`` is the server's folder, for its size before and after. ``--folder`` keeps the filled store for
further runs. JSON on stdout.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from qos.contract.points import Agent, AppLimit, AppResources, AppTraffic, HostTraffic, Point, Probe
from qos.store.sqlite.line_protocol import JournalReader
from qos.store.sqlite.store import SqliteStore

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.servers import call, victoria_metrics  # noqa: E402 - the repository's root comes first

S = 10**9
APPS = [f"application{number}" for number in range(20)]
GOALS = {"points_per_second": 20_000, "live_latency_s": 5.0, "memory_bytes": 150_000_000}


def tick(time_ns: int, number: int) -> list[Point]:
    """One second of a busy host."""
    host: dict[str, Any] = {"time_ns": time_ns, "host": "bench"}
    rows: list[Point] = []
    for at, app in enumerate(APPS):
        size = (number * 7919 + at * 104729) % 250_000
        rows.append(
            AppTraffic(
                **host, app=app, rx_bytes=size, tx_bytes=size // 9, rx_packets=size // 1200, tx_packets=size // 2400,
                flows=1 + size % 12, processes=1 + at % 3, priority=3,
            )
        )  # fmt: skip
        if at < 5:
            rows.append(AppResources(**host, app=app, cpu_percent=(size % 900) / 10, rss_bytes=50_000_000 + size))
            rows.append(
                AppLimit(
                    **host, app=app, down_bps=2_000_000, up_bps=None, active=1, delayed_packets=size % 40,
                    dropped_packets=0, queue_ms=(size % 500) / 10, reason="level background",
                )
            )  # fmt: skip
    rows += [
        Probe(
            **host, target=target, ok=1, rtt_ms=10 + number % 70 / 7, jitter_ms=0.5, loss_ratio=0.0, sent=1, received=1
        )
        for target in ("8.8.8.8", "1.1.1.1", "150.171.27.11")
    ]  # fmt: skip
    rows.append(
        HostTraffic(
            **host, iface="eth0", rx_bytes=number % 10**6, tx_bytes=number % 10**5, rx_drops=0, tx_drops=0, rx_errors=0,
            tx_errors=0, unattributed_rx_bytes=0, unattributed_tx_bytes=0,
        )
    )  # fmt: skip
    rows += [
        Agent(
            **host, part=part, cpu_percent=1.5, rss_bytes=60_000_000, points_written=37, points_dropped=0,
            capture_lost=0, outbox_rows=number % 100, restarts=0,
        )
        for part in ("collector", "enforcer", "supervisor")
    ]  # fmt: skip
    return rows


def fill(store: SqliteStore, seconds: int, end_ns: int) -> None:
    """The outage: so many seconds of ticks until ``end_ns``."""
    for start in range(0, seconds, 500):
        batch = [row for n in range(start, min(start + 500, seconds)) for row in tick(end_ns - (seconds - n) * S, n)]
        store.write(batch)


class Server:
    """What the benchmark asks a server."""

    def __init__(self, url: str, token: str, bucket: str, *, influxql: bool) -> None:
        self.url, self.token, self.bucket, self.influxql = url, token, bucket, influxql

    def marker(self) -> int:
        """The number in the newest marker row that can be read; -1 for none."""
        if self.influxql:
            statement = "SELECT last(sent) FROM probe WHERE target = 'marker'"
            answer = json.loads(call(self.url + "/query", query={"db": self.bucket, "q": statement}, token=self.token))
            series = answer["results"][0].get("series")
            return int(series[0]["values"][0][1]) if series else -1
        query = {"query": 'last_over_time(probe_sent{target="marker"}[1m])', "nocache": "1"}
        found = json.loads(call(self.url + "/api/v1/query?" + urllib.parse.urlencode(query)))["data"]["result"]
        return int(found[0]["value"][1]) if found else -1

    def rows(self, start_ns: int, end_ns: int) -> int:
        """How many rows of ``app_traffic`` there are in the outage."""
        if self.influxql:
            statement = f"SELECT count(rx_bytes) FROM app_traffic WHERE time >= {start_ns} AND time < {end_ns}"
            answer = json.loads(call(self.url + "/query", query={"db": self.bucket, "q": statement}, token=self.token))
            series = answer["results"][0].get("series")
            return int(series[0]["values"][0][1]) if series else 0
        call(self.url + "/internal/force_flush")
        selector = f"app_traffic_rx_bytes[{(end_ns - start_ns) // S}s]"
        query = {"query": f"sum(count_over_time({selector}))", "time": str((end_ns - S // 2) / S), "nocache": "1"}
        found = json.loads(call(self.url + "/api/v1/query?" + urllib.parse.urlencode(query)))["data"]["result"]
        return int(float(found[0]["value"][1])) if found else 0


def size_of(folder: Path | None) -> int | None:
    if folder is None:
        return None
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


@contextlib.contextmanager
def shipper(folder: Path, server: Server, catch_up: int) -> Iterator["subprocess.Popen[bytes]"]:
    text = (
        f"host: bench\ninfluxdb: {{url: '{server.url}', org: autoqos, bucket: {server.bucket}, catch_up: {catch_up}}}\n"
    )
    (folder / "config.yaml").write_text(text)
    program = (
        "import sys, threading; from pathlib import Path; from qos.service.config_file import load_config;"
        "from qos.shipping.run import run; from qos.service import stop_on_signals;"
        "stop = threading.Event(); stop_on_signals(stop); folder = Path(sys.argv[1]); path = folder / 'config.yaml';"
        "sys.exit(run(load_config(path), path, folder, stop))"
    )
    environment = {**os.environ, "INFLUX_TOKEN": server.token or "any"}
    process = subprocess.Popen([sys.executable, "-c", program, str(folder)], cwd=ROOT, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


class Live:
    """Writes a tick a second and looks for its marker in the server."""

    def __init__(self, store: SqliteStore, server: Server) -> None:
        self._store, self._server = store, server
        self._over = threading.Event()
        self._written: dict[int, float] = {}
        self.latencies: list[float] = []
        self._threads = [threading.Thread(target=self._write), threading.Thread(target=self._look)]

    def __enter__(self) -> "Live":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def take(self) -> dict[str, float | int]:
        """The latencies since the last call."""
        taken, self.latencies = sorted(self.latencies), []
        now = time.monotonic()
        waiting = [now - then for then in list(self._written.values())]
        if not taken:
            return {"markers": 0, "oldest_waiting_s": round(max(waiting, default=0.0), 2)}
        return {
            "markers": len(taken),
            "median_s": round(taken[len(taken) // 2], 2),
            "p99_s": round(taken[int(len(taken) * 0.99)], 2),
            "max_s": round(taken[-1], 2),
            "oldest_waiting_s": round(max(waiting, default=0.0), 2),
        }

    def _write(self) -> None:
        number = 0
        while not self._over.wait(1.0):
            now = time.time_ns()
            marker = Probe(time_ns=now, host="bench", target="marker", ok=1, loss_ratio=0.0, sent=number, received=1)
            self._store.write([*tick(now, number), marker])
            self._written[number] = time.monotonic()
            number += 1

    def _look(self) -> None:
        while not self._over.wait(0.2):
            newest = self._server.marker()
            now = time.monotonic()
            for number in [n for n in list(self._written) if n <= newest]:
                self.latencies.append(now - self._written.pop(number))


def _said(store: SqliteStore, process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    """The shipper's heartbeat, once it beats."""
    while True:
        said: dict[str, Any] = store.get_state("part:shipper") or {}
        if said.get("pid") == process.pid:
            return said
        time.sleep(0.1)


def measure(folder: Path, server: Server, data: Path | None, catch_up: int) -> dict[str, Any]:
    path = folder / "autoqos.db"
    filled = json.loads((folder / "filled.json").read_text())
    with SqliteStore(path) as store:
        rows = JournalReader(path).waiting({}, None).rows
        before = size_of(data)
        with shipper(folder, server, catch_up) as process:
            watched = psutil.Process(process.pid)
            first = _said(store, process)
            began, spent_before = time.monotonic(), sum(watched.cpu_times()[:2])
            peak = 0
            with Live(store, server) as live:
                while (said := _said(store, process))["state"] != "shipping":
                    time.sleep(0.25)
                    peak = max(peak, watched.memory_info().rss)
                    if time.monotonic() - began > 1800:
                        raise SystemExit(f"not caught up after half an hour: {said}")
                seconds = time.monotonic() - began
                spent = sum(watched.cpu_times()[:2]) - spent_before
                catching_up = live.take()
                time.sleep(15)
                caught_up = live.take()
                peak = max(peak, watched.memory_info().rss)
        sent = said["sent"] - first["sent"]
    arrived = server.rows(filled["start_ns"], filled["end_ns"])
    expected = len(APPS) * ((filled["end_ns"] - filled["start_ns"]) // S)
    time.sleep(40 if data else 0)  # both servers keep the newest in memory for a while
    after = size_of(data)
    return {
        "rows_waiting_at_the_start": rows,
        "catch_up_limit_rows_per_second": catch_up,
        "catch_up_seconds": round(seconds, 1),
        "points_per_second": round(sent / seconds),
        "shipper_cpu_seconds": round(spent, 1),
        "shipper_cpu_microseconds_per_point": round(spent / sent * 1e6, 1),
        "shipper_peak_rss_bytes": peak,
        "live_latency_while_catching_up": catching_up,
        "live_latency_afterwards": caught_up,
        "app_traffic_rows_expected": expected,
        "app_traffic_rows_arrived": arrived,
        "server_bytes": None if before is None or after is None else after - before,
        "server_bytes_per_point": None if before is None or after is None else round((after - before) / rows, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--url")
    parser.add_argument("--token", default="")
    parser.add_argument("--bucket", default="autoqos")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--catch-up", type=int, default=50_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--fill-only", action="store_true", help="write the outage into --folder and stop")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = arguments.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "filled.json").exists():
            seconds, end_ns = int(arguments.hours * 3600), time.time_ns() // S * S
            with SqliteStore(folder / "autoqos.db") as store:
                fill(store, seconds, end_ns)
            (folder / "filled.json").write_text(json.dumps({"start_ns": end_ns - seconds * S, "end_ns": end_ns}))
        if arguments.fill_only:
            return 0
        if arguments.url:
            server = Server(arguments.url.rstrip("/"), arguments.token, arguments.bucket, influxql=True)
            data = arguments.data
        else:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            started = stack.enter_context(victoria_metrics(data))
            server = Server(started.url, "", arguments.bucket, influxql=False)
        result = measure(folder, server, data, arguments.catch_up)
    result["goals"] = GOALS
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
