"""A thousand agents as real connections: what a server takes from them, what it costs it, what the slowest one waits.

    python bench/fleet_agents.py --url URL --token T --pid PID [--agents 1000] [--minutes 10] [--interval 10]

Every agent keeps one connection and writes its own points (those of ``bench/fleet.py``) once per interval, gzipped, at
a moment of its own, and after a failure waits as the shipper's own schedule says; at the end until everything is taken.
Rows a second, how long a write takes (median, 99th percentile, the slowest), what refusals said, the server's memory
and CPU, and what the server then counts (InfluxDB only): ``rows_missing``. Only for loopback. JSON on stdout.
"""

import argparse
import asyncio
import base64
import gzip
import json
import os
import random
import re
import sys
import time
import urllib.parse
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.fleet import lines  # noqa: E402 - the repository's root comes first
from qos.shipping.outcomes import Ok, Retry, WriteOutcome, outcome_of  # noqa: E402 - idem
from qos.shipping.schedule import SendSchedule, Wait  # noqa: E402 - idem

S = 10**9
_LATEST_S = 300
"""How long after the end an agent may still send what waits."""
_COUNTED = {
    "app_traffic": "rx_bytes",
    "app_limit": "active",
    "host_traffic": "rx_bytes",
    "probe": "ok",
    "agent": "restarts",
}


class Fleet:
    """All agents' counts."""

    def __init__(self, url: str, token: str, bucket: str) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.hostname not in ("127.0.0.1", "localhost"):
            raise SystemExit("only for loopback")
        self.host, self.port = parts.hostname, parts.port or 8086
        if ":" in token:
            path, kind = f"/write?db={bucket}&precision=ns", "Basic " + base64.b64encode(token.encode()).decode()
        else:
            path, kind = f"/api/v2/write?org=autoqos&bucket={bucket}&precision=ns", f"Token {token}"
        self.head = (
            f"POST {path} HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: {kind}\r\nContent-Encoding: gzip\r\n"
            "Content-Type: text/plain\r\n"
        )
        self.query = f"GET /query?db={bucket}&q=", f" HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: {kind}\r\n"
        self.rows = self.failures = self.connections = self.waiting = self.most_waiting = 0
        self.waits: list[float] = []
        self.errors: dict[str, int] = {}

    async def agent(self, number: int, interval_s: float, end: float) -> None:
        """One agent until ``end`` (monotonic), and until everything of it is taken, with the shipper's own schedule."""
        schedule = SendSchedule(batch=5000, catch_up=5000, live_every_ns=int(interval_s * S), seed=number)
        connection = _Connection(self.host, self.port)
        tick_due = time.monotonic() + random.Random(number).random() * interval_s
        await asyncio.sleep(tick_due - time.monotonic())
        tick = number
        backlog: list[str] = []
        while (now := time.monotonic()) < end or (backlog and now < end + _LATEST_S):
            while tick_due <= min(now, end):
                backlog += lines(f"host{number:04}", tick, time.time_ns())
                tick, tick_due = tick + 1, tick_due + interval_s
            self.most_waiting = max(self.most_waiting, len(backlog))
            step = schedule.next(time.monotonic_ns(), backlog=False)
            if isinstance(step, Wait):
                await asyncio.sleep(max(0.0, min(step.until_ns / S, max(tick_due, now + 0.01)) - now))
                continue
            if not backlog:
                schedule.idle(time.monotonic_ns())
                continue
            rows = backlog[: step.limit]
            began_ns = time.monotonic_ns()
            outcome = await self._write(connection, rows)
            ended_ns = time.monotonic_ns()
            if isinstance(outcome, Ok):
                del backlog[: len(rows)]
                self.rows += len(rows)
                self.waits.append((ended_ns - began_ns) / S)
                schedule.sent("live", len(rows), began_ns, ended_ns, more=bool(backlog))
            else:
                self.failures += 1
                assert isinstance(outcome, Retry), outcome
                self.errors[outcome.reason] = self.errors.get(outcome.reason, 0) + 1
                schedule.failed(outcome, ended_ns, ended_ns - began_ns)
        self.waiting += len(backlog)
        connection.close()

    async def _write(self, connection: "_Connection", rows: list[str]) -> WriteOutcome:
        body = gzip.compress("\n".join(rows).encode(), 1)
        try:
            opened = await connection.opened()
            self.connections += opened
            status, text = await connection.ask(f"{self.head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            connection.close()
            return Retry(f"no answer: {type(error).__name__}", lost_contact=not isinstance(error, TimeoutError))
        return outcome_of(status, text, {}, time.time())

    async def counted(self) -> int | None:
        """Rows that the server has; None when it does not answer InfluxQL."""
        total = 0
        for name, field in _COUNTED.items():
            statement = urllib.parse.quote(f"SELECT count({field}) FROM {name}")
            reader, writer = await asyncio.open_connection(self.host, self.port)
            writer.write(f"{self.query[0]}{statement}{self.query[1]}Connection: close\r\n\r\n".encode())
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 300)
            text = (await asyncio.wait_for(reader.read(), 300)).decode(errors="replace")
            writer.close()
            found = re.search(r'"values":\s*\[\[[^,]+,(\d+)\]\]', text)
            if b" 200 " not in head.split(b"\r\n")[0] or found is None:
                return None
            total += int(found[1])
        return total


class _Connection:
    """One keep-alive connection."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, str]:
        """Status and body of the answer to one request."""
        assert self._streams is not None
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        body = b"" if length is None else await asyncio.wait_for(reader.readexactly(int(length[1])), 30)
        return int(head.split(b" ", 2)[1]), body.decode(errors="replace")

    async def opened(self) -> int:
        """Open it where it is closed; how many were opened."""
        if self._streams is not None:
            return 0
        self._streams = await asyncio.wait_for(asyncio.open_connection(self._host, self._port), 30)
        return 1

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


async def run(arguments: argparse.Namespace) -> dict[str, object]:
    """The whole run."""
    fleet = Fleet(arguments.url, arguments.token, arguments.bucket)
    process = psutil.Process(arguments.pid) if arguments.pid else None
    spent = sum(process.cpu_times()[:2]) if process else 0.0
    began = time.monotonic()
    end = began + arguments.minutes * 60
    largest = 0

    async def watch() -> None:
        nonlocal largest
        while process is not None:
            largest = max(largest, process.memory_info().rss)
            await asyncio.sleep(1)

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(fleet.agent(number, arguments.interval, end) for number in range(arguments.agents)))
    watcher.cancel()
    seconds = time.monotonic() - began
    counted = await fleet.counted()
    waits = sorted(fleet.waits)
    return {
        "agents": arguments.agents,
        "interval_s": arguments.interval,
        "seconds": round(seconds, 1),
        "connections": fleet.connections,
        "rows": fleet.rows,
        "rows_waiting_at_once_largest_of_an_agent": fleet.most_waiting,
        "rows_waiting_at_the_end": fleet.waiting,
        "rows_the_server_counts": counted,
        "rows_missing": None if counted is None else fleet.rows - counted,
        "load_average": os.getloadavg()[1],
        "rows_per_second": round(fleet.rows / seconds),
        "writes": len(waits),
        "failed_writes": fleet.failures,
        "errors": fleet.errors,
        "write_ms_median": round(1000 * waits[len(waits) // 2], 1) if waits else None,
        "write_ms_p99": round(1000 * waits[int(len(waits) * 0.99)], 1) if waits else None,
        "write_ms_slowest": round(1000 * waits[-1], 1) if waits else None,
        "server_rss_bytes_largest": largest or None,
        "server_cpu_cores": round((sum(process.cpu_times()[:2]) - spent) / seconds, 2) if process else None,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", default="")
    parser.add_argument("--bucket", default="autoqos")
    parser.add_argument("--pid", type=int, help="of the server, for its memory and CPU")
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--interval", type=float, default=10)
    print(json.dumps(asyncio.run(run(parser.parse_args())), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
