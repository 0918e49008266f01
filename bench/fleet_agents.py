"""A thousand agents as real connections: what a server takes from them, what it costs it, what the slowest one waits.

    python bench/fleet_agents.py --url URL --token T --pid PID [--agents 1000] [--minutes 10] [--interval 10]

Every agent keeps one connection and writes its own points (those of ``bench/fleet.py``) once per interval, gzipped, at
a moment of its own, as the shipper does; a write that fails is tried again with the next one, and at the end until
everything is taken. Rows a second, how long a write takes (median, 99th percentile, the slowest), what refusals said,
the server's memory and CPU, and what the server then counts (InfluxDB only): ``rows_missing``. Only for loopback. JSON
on stdout.
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

_LATEST_S = 120
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
        self.rows = self.failures = self.connections = self.waiting = 0
        self.waits: list[float] = []
        self.errors: dict[str, int] = {}

    async def agent(self, number: int, interval_s: float, end: float) -> None:
        """One agent until ``end`` (monotonic)."""
        await asyncio.sleep(random.Random(number).random() * interval_s)
        tick = number
        backlog: list[str] = []
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        while time.monotonic() < end or (backlog and time.monotonic() < end + _LATEST_S):
            began = time.monotonic()
            if began < end:
                backlog = [*backlog, *lines(f"host{number:04}", tick, time.time_ns())][-5000:]
                tick += 1
            try:
                if writer is None:
                    reader, writer = await asyncio.wait_for(asyncio.open_connection(self.host, self.port), 30)
                    self.connections += 1
                assert reader is not None
                assert writer is not None
                body = gzip.compress("\n".join(backlog).encode(), 1)
                writer.write(f"{self.head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
                status = int(head.split(b" ", 2)[1])
                if status != 204:
                    raise OSError(f"{status} {await _said(head, reader)}")
                self.rows += len(backlog)
                backlog = []
                self.waits.append(time.monotonic() - began)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                self.failures += 1
                why = str(error) or type(error).__name__
                self.errors[why] = self.errors.get(why, 0) + 1
                if writer is not None:
                    writer.close()
                reader = writer = None
            await asyncio.sleep(max(0.0, interval_s - (time.monotonic() - began)))
        self.waiting += len(backlog)
        if writer is not None:
            writer.close()

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


async def _said(head: bytes, reader: asyncio.StreamReader) -> str:
    """What the server's answer says, in one line."""
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    if length is None:
        return ""
    body = (await asyncio.wait_for(reader.readexactly(int(length[1])), 30)).decode(errors="replace")
    return " ".join(body.split())[:200]


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
