"""Real servers for tests, on free loopback ports with temporary folders: InfluxQL and the v2 write API.

``influxql_server`` is Debian's influxdb 1.6.7, a real TSM engine that runs the InfluxQL which a 2.x server runs behind
``/query`` (it has no ``/api/v2/write``). ``victoria_server`` is Debian's victoria-metrics, a real peer for
``/api/v2/write`` with gzip (it checks no token and speaks PromQL only). ``AUTOQOS_TEST_INFLUX_URL`` with ``_TOKEN`` and
``_ORG`` (default ``autoqos``) puts a real InfluxDB 2.x in the place of the first; every test gets its own bucket there.

Both context managers yield a server that can be killed and started again on its own data. Neither needs root.
"""

import base64
import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from qos.contract.points import Point, to_line
from tests.require import program

START_SECONDS = 60
"""Patience with a loaded machine: a server is up in about a second on an idle one."""


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def call(
    url: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None, token: str = "", method: str = ""
) -> bytes:
    """One HTTP request; the body of the answer. ``token`` may be ``name:password``. Raises urllib.error.HTTPError."""
    address = f"{url}?{urllib.parse.urlencode(query)}" if query else url
    request = urllib.request.Request(address, data=body, method=method or ("GET" if body is None else "POST"))
    if ":" in token:
        request.add_header("Authorization", "Basic " + base64.b64encode(token.encode()).decode())
    elif token:
        request.add_header("Authorization", f"Token {token}")
    if body and body[:1] == b"{":
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as answer:
        data: bytes = answer.read()
        return data


@dataclass
class Server:
    """A server process and the folder that it keeps its data in."""

    command: Sequence[str]
    environment: Mapping[str, str]
    url: str
    data: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it (again) and wait until it answers. Raises RuntimeError with the end of its log."""
        log = self.data / "server.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command, env={**os.environ, **self.environment}, stdout=output, stderr=output, cwd=self.data
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                call(self.url + "/ping")
                return
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(
            f"{self.command[0]} does not answer at {self.url}:\n{log.read_text(errors='replace')[-2000:]}"
        )

    def kill(self) -> None:
        """``kill -9``: no flush, no farewell."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """Ask it to end; kill it when it does not."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill()


@dataclass
class InfluxQL:
    """One empty database (bucket) on a server that speaks InfluxQL."""

    url: str
    bucket: str
    token: str = ""
    org: str = "autoqos"
    real: bool = False
    """True for the server named by ``AUTOQOS_TEST_INFLUX_URL``: it has tokens and ``/api/v2``."""
    server: Server | None = field(default=None, repr=False)

    @contextlib.contextmanager
    def fresh(self) -> "Iterator[InfluxQL]":
        """Another empty database on the same server, dropped afterwards."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self._make(name)
        try:
            yield replace(self, bucket=name)
        finally:
            self._drop(name)

    def _make(self, name: str) -> None:
        if self.real:
            _real_bucket(self.url, self.token, self.org, name)
        else:
            call(self.url + "/query", query={"q": f'CREATE DATABASE "{name}"'}, body=b"")

    def _drop(self, name: str) -> None:
        if self.real:
            _drop_real_bucket(self.url, self.token, self.org, name)
        else:
            call(self.url + "/query", query={"q": f'DROP DATABASE "{name}"'}, body=b"")

    def write(self, points: Iterable[Point]) -> None:
        """Write points as the agent would ship them; raises urllib.error.HTTPError for what the server refuses."""
        lines = [to_line(point) for point in points]
        for start in range(0, len(lines), 20_000):
            self.write_lines(lines[start : start + 20_000])

    def write_lines(self, lines: Sequence[str]) -> None:
        """Write line protocol, nanoseconds."""
        call(
            self.url + "/write",
            query={"db": self.bucket, "precision": "ns"},
            body="\n".join(lines).encode(),
            token=self.token,
        )

    def query(self, statement: str) -> list[dict[str, Any]]:
        """The series of one InfluxQL statement: ``[{"name", "tags", "columns", "values"}]``. Raises ValueError."""
        query = {"db": self.bucket, "q": statement, "epoch": "ns"}
        try:
            answer = json.loads(call(self.url + "/query", query=query, token=self.token))
        except urllib.error.HTTPError as error:
            raise ValueError(f"{statement}: {error.read().decode(errors='replace')}") from None
        result = answer["results"][0]
        if "error" in answer or "error" in result:
            raise ValueError(f"{statement}: {answer.get('error') or result['error']}")
        series: list[dict[str, Any]] = result.get("series", [])
        return series

    def values(self, statement: str) -> list[list[Any]]:
        """All rows of all series of one statement."""
        return [row for series in self.query(statement) for row in series["values"]]


def _real_bucket(url: str, token: str, org: str, name: str) -> None:
    orgs = json.loads(call(url + "/api/v2/orgs", query={"org": org}, token=token))["orgs"]
    body = {"orgID": orgs[0]["id"], "name": name, "retentionRules": []}
    call(url + "/api/v2/buckets", body=json.dumps(body).encode(), token=token)


def _drop_real_bucket(url: str, token: str, org: str, name: str) -> None:
    found = json.loads(call(url + "/api/v2/buckets", query={"org": org, "name": name}, token=token))["buckets"]
    for bucket in found:
        call(f"{url}/api/v2/buckets/{bucket['id']}", token=token, method="DELETE")


def influxd_v1_settings(data: Path, port: int) -> dict[str, str]:
    """The environment of an influxdb 1.x that listens on ``port`` and keeps its data in ``data``."""
    return {
        "INFLUXDB_REPORTING_DISABLED": "true",
        "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{free_port()}",
        "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{port}",
        "INFLUXDB_HTTP_LOG_ENABLED": "false",
        "INFLUXDB_META_DIR": str(data / "meta"),
        "INFLUXDB_DATA_DIR": str(data / "data"),
        "INFLUXDB_DATA_WAL_DIR": str(data / "wal"),
        "INFLUXDB_DATA_QUERY_LOG_ENABLED": "false",
        "INFLUXDB_MONITOR_STORE_ENABLED": "false",
    }


@contextlib.contextmanager
def influxd_v1(data: Path) -> Iterator[Server]:
    """Debian's influxdb 1.6.7 with its data in ``data``."""
    http = free_port()
    data.mkdir(parents=True, exist_ok=True)
    server = Server(
        [program("influxd"), "-config", ""], influxd_v1_settings(data, http), f"http://127.0.0.1:{http}", data
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def victoria_metrics(data: Path) -> Iterator[Server]:
    """Debian's victoria-metrics with its data in ``data``; it answers any token, organisation and bucket."""
    port = free_port()
    data.mkdir(parents=True, exist_ok=True)
    command = [
        program("victoria-metrics"),
        f"-httpListenAddr=127.0.0.1:{port}",
        f"-storageDataPath={data / 'vm'}",
        "-retentionPeriod=100y",
        "-memory.allowedPercent=10",
        "-loggerLevel=WARN",
        "-search.latencyOffset=0s",
        "-search.disableCache",
    ]
    server = Server(command, {}, f"http://127.0.0.1:{port}", data)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def influxql(data: Path) -> Iterator[InfluxQL]:
    """An empty database on the server named by ``AUTOQOS_TEST_INFLUX_URL``, else on an own influxdb 1.6.7."""
    url = os.environ.get("AUTOQOS_TEST_INFLUX_URL", "").rstrip("/")
    if url:
        token, org = (
            os.environ.get("AUTOQOS_TEST_INFLUX_TOKEN", ""),
            os.environ.get("AUTOQOS_TEST_INFLUX_ORG", "autoqos"),
        )
        with InfluxQL(url, "", token, org, real=True).fresh() as database:
            yield database
    else:
        with influxd_v1(data) as server, InfluxQL(server.url, "", server=server).fresh() as database:
            yield database


def exported(server: Server, match: str) -> dict[tuple[tuple[str, str], ...], dict[int, float]]:
    """Every stored sample of a victoria-metrics selector: labels → {time in ms: value}."""
    call(server.url + "/internal/force_flush")
    text = call(server.url + "/api/v1/export", query={"match[]": match}).decode()
    found: dict[tuple[tuple[str, str], ...], dict[int, float]] = {}
    for line in text.splitlines():
        block = json.loads(line)
        samples = found.setdefault(tuple(sorted(block["metric"].items())), {})
        samples.update(zip(block["timestamps"], block["values"], strict=True))
    return found


@pytest.fixture(scope="session")
def influxql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxQL]:
    """One InfluxQL server for the whole run with one empty database; use tags or times that are yours alone."""
    with influxql(tmp_path_factory.mktemp("influxd")) as server:
        yield server


@pytest.fixture
def victoria_server(tmp_path: Path) -> Iterator[Server]:
    """A victoria-metrics of this test's own."""
    with victoria_metrics(tmp_path / "victoria") as server:
        yield server
