"""A soak of the outbox: the server killed, stopped, filled and replaced at random, the parts too; equal at the end?

    python bench/soak.py --minutes 30 [--influxd PATH] [--seed N]

A writer process (the collector's place) writes some 60 rows a second and keeps the roll-ups; ``autoqos shipper`` ships
them to an InfluxDB 2.x (``--influxd``; without it Debian's 1.6.7) with its data on a small tmpfs. Every 5-20 s one of:
``kill -9`` of the server, SIGSTOP for a while, the disk full, a fresh server in its place (then ``autoqos ship``), the
shipper killed or stopped, the writer stopped and started beside the shipper. ``/proc/locks`` is looked at all the time.
At the end everything heals, and store and server are compared row by row, the coarse history too. Needs root (tmpfs).
JSON on stdout; exit status 1 when a row is missing, doubled or different.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from qos.contract.config import InfluxConfig
from qos.contract.points import SPECS, AppResources, AppTraffic, Point, Probe
from qos.store.influx import InfluxStore
from qos.store.sqlite.line_protocol import JournalReader
from qos.store.sqlite.store import SqliteStore

ROOT = Path(__file__).parents[1]
TOKEN = "soaktokensoaktokensoaktoken"
S = 10**9


def tick(time_ns: int, chance: random.Random) -> list[Point]:
    rtt = chance.uniform(1, 80)
    points: list[Point] = [
        Probe(time_ns=time_ns, host="soak", target=f"192.0.2.{n}", ok=1, rtt_ms=rtt, loss_ratio=0.0, sent=1, received=1)
        for n in range(3)
    ]
    for n in range(8):
        points += [
            AppTraffic(
                time_ns=time_ns,
                host="soak",
                app=f"app{n}",
                rx_bytes=chance.randrange(10**7),
                tx_bytes=chance.randrange(10**6),
                rx_packets=10,
                tx_packets=5,
                flows=3,
                processes=1,
                priority=3,
            ),
            AppResources(
                time_ns=time_ns,
                host="soak",
                app=f"app{n}",
                cpu_percent=chance.uniform(0, 9),
                rss_bytes=chance.randrange(10**9),
            ),
        ]
    return points


def write_for_ever(path: Path) -> None:
    """The writer process: three ticks a second, roll-ups every ten seconds, until it is told to stop."""
    chance = random.Random(os.getpid())
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    with SqliteStore(path) as store:
        folded = time.monotonic()
        while not stopped:
            store.write(tick(time.time_ns(), chance))
            if time.monotonic() - folded > 10:
                store.maintain(time.time_ns())
                folded = time.monotonic()
            time.sleep(0.33)


class InfluxServer:
    """An InfluxDB with its data in a folder on a small tmpfs."""

    def __init__(self, program: str | None, disk: Path) -> None:
        self.program, self.disk = program, disk
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.number = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        return self.disk / f"server{self.number}"

    def start(self) -> None:
        folder = self.folder
        folder.mkdir(exist_ok=True)
        if self.program is None:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                rpc = probe.getsockname()[1]
            command = ["/usr/bin/influxd", "-config", ""]
            environment = {
                "INFLUXDB_REPORTING_DISABLED": "true",
                "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{rpc}",
                "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{self.port}",
                "INFLUXDB_HTTP_LOG_ENABLED": "false",
                "INFLUXDB_META_DIR": str(folder / "meta"),
                "INFLUXDB_DATA_DIR": str(folder / "data"),
                "INFLUXDB_DATA_WAL_DIR": str(folder / "wal"),
                "INFLUXDB_MONITOR_STORE_ENABLED": "false",
            }
        else:
            command = [self.program, "--reporting-disabled", "--http-bind-address", f"127.0.0.1:{self.port}"]
            for option, name in (("bolt", "influxd.bolt"), ("sqlite", "influxd.sqlite"), ("engine", "engine")):
                command += [f"--{option}-path", str(folder / name)]
            environment = {}
        with Path(os.devnull).open("wb") as nowhere:
            self.process = subprocess.Popen(
                command, env={**os.environ, **environment}, stdout=nowhere, stderr=nowhere, cwd=folder
            )

    def call(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data)
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", f"Token {TOKEN}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def wait(self, seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                self.call("/ping")
            except OSError:
                time.sleep(0.2)
            else:
                return
        raise RuntimeError("the server does not come back")

    def set_up(self) -> None:
        """Organisation, token and buckets, where they are not there yet."""
        self.wait()
        if self.program is None:
            for statement in ("DATABASE autoqos", 'RETENTION POLICY "5m" ON autoqos DURATION INF REPLICATION 1',
                              'RETENTION POLICY "1h" ON autoqos DURATION INF REPLICATION 1'):  # fmt: skip
                self.call(f"/query?q=CREATE+{statement.replace(' ', '+').replace(chr(34), '%22')}", {})
            return
        if self.call("/api/v2/setup")["allowed"]:
            setup = {
                "username": "admin",
                "password": "soakpassword",
                "org": "soak",
                "bucket": "autoqos",
                "token": TOKEN,
            }
            self.call("/api/v2/setup", setup)
        org = self.call("/api/v2/orgs?org=soak")["orgs"][0]["id"]
        there = {bucket["name"] for bucket in self.call("/api/v2/buckets?limit=100")["buckets"]}
        for name in {"autoqos/5m", "autoqos/1h"} - there:
            self.call("/api/v2/buckets", {"orgID": org, "name": name, "retentionRules": []})

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Soak:
    """The processes and what happens to them."""

    def __init__(self, folder: Path, influxd: str | None, seed: int) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.disk = folder / "disk"
        self.disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600m", "soak", str(self.disk)], check=True)
        self.server = InfluxServer(influxd, self.disk)
        self.data = folder / "data"
        self.data.mkdir()
        (folder / "config.yaml").write_text(
            f"host: soak\ninfluxdb: {{url: '{self.server.url}', org: soak, timeout: 5s}}\n"
        )
        token = TOKEN if influxd else "soak:soak"
        (folder / ".env").write_text(f"INFLUX_TOKEN={token}\n")
        self.token = token
        self.writer: subprocess.Popen[bytes] | None = None
        self.shipper: subprocess.Popen[bytes] | None = None
        self.log = (folder / "parts.log").open("ab")
        self.events: Counter[str] = Counter()
        self.looks = self.without_lock = 0
        self.replaced_at: list[float] = []

    def start_writer(self) -> None:
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from bench.soak import write_for_ever; from pathlib import Path; write_for_ever(Path(sys.argv[1]))"  # noqa: E501 - one program
        self.writer = subprocess.Popen(
            [sys.executable, "-c", code, str(self.data / "autoqos.db")],
            stdout=self.log,
            stderr=self.log,
            cwd=self.folder,
        )

    def autoqos(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "console", *arguments, "--config", "config.yaml", "--data", "data"]

    def start_shipper(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.shipper = subprocess.Popen(
            self.autoqos("shipper"), cwd=self.folder, env=environment, stdout=self.log, stderr=self.log
        )

    def end(self, process: "subprocess.Popen[bytes] | None", number: int) -> None:
        if process is not None:
            process.send_signal(number)
            process.wait(timeout=60)

    def look_at_locks(self) -> None:
        """The shipper holds the database once it is up: its POSIX lock has to be there."""
        if self.shipper is None or self.shipper.poll() is not None:
            return
        inode = str((self.data / "autoqos.db").stat().st_ino)
        lines = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
        mine = [w for w in lines if w[1] == "POSIX" and w[4] == str(self.shipper.pid)]
        opened = any(str(p.resolve()).endswith("autoqos.db") for p in Path(f"/proc/{self.shipper.pid}/fd").iterdir())
        if opened:
            self.looks += 1
            self.without_lock += not any(w[5].rsplit(":", 1)[1] == inode for w in mine)

    def sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.5)
            try:
                self.look_at_locks()
            except OSError:
                continue

    def something_happens(self) -> None:
        what = self.chance.choice(("kill", "kill", "stop", "fill", "replace", "shipper_kill", "shipper_stop", "writer"))
        self.events[what] += 1
        if what == "kill":
            self.server.kill()
            self.sleep(self.chance.uniform(0.1, 20))
            self.server.start()
        elif what == "stop" and self.server.process is not None:
            self.server.process.send_signal(signal.SIGSTOP)
            self.sleep(self.chance.uniform(1, 20))
            self.server.process.send_signal(signal.SIGCONT)
        elif what == "fill":
            ballast = self.disk / "ballast"
            with ballast.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"\0" * 2**20)
                except OSError:
                    pass
            self.sleep(self.chance.uniform(2, 15))
            ballast.unlink()
            self.server.kill()
            self.server.start()
        elif what == "replace":
            self.server.kill()
            self.server.number += 1
            self.server.start()
            self.sleep(self.chance.uniform(0, 3))
            self.server.set_up()
            self.replaced_at.append(time.time())
        elif what.startswith("shipper"):
            self.end(self.shipper, signal.SIGKILL if what == "shipper_kill" else signal.SIGTERM)
            self.sleep(self.chance.uniform(0, 5))
            self.start_shipper()
        else:
            for _ in range(3):
                self.end(self.writer, signal.SIGTERM)
                self.sleep(self.chance.uniform(0, 2))
                self.start_writer()
                self.sleep(self.chance.uniform(0, 2))

    def run(self, minutes: float) -> dict[str, Any]:
        self.server.start()
        self.server.set_up()
        began = time.monotonic()
        self.start_writer()
        time.sleep(2)
        self.start_shipper()
        while time.monotonic() - began < minutes * 60:
            self.sleep(self.chance.uniform(5, 20))
            self.something_happens()
        self.server.wait()
        self.server.set_up()
        self.end(self.writer, signal.SIGTERM)
        caught_up_s = self.catch_up()
        again = ""
        if self.replaced_at:
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            done = subprocess.run(
                self.autoqos("ship", "--since", "2h"), cwd=self.folder, env=environment, capture_output=True, text=True
            )
            again = done.stdout.strip() + done.stderr.strip()
        self.end(self.shipper, signal.SIGTERM)
        return {
            "minutes": round((time.monotonic() - began) / 60, 1),
            "server": self.server.program or "influxdb 1.6.7",
            "happened": dict(self.events),
            "caught_up_s": caught_up_s,
            "ship_again": again,
            "looks_at_locks": self.looks,
            "without_lock": self.without_lock,
            "log_bytes": (self.folder / "parts.log").stat().st_size,
            **self.compare(),
        }

    def catch_up(self) -> float:
        began = time.monotonic()
        while time.monotonic() - began < 300:
            try:
                with SqliteStore(self.data / "autoqos.db", read_only=True) as store:
                    said = store.get_state("part:shipper") or {}
            except Exception as error:
                print(error, file=sys.stderr)
                said = {}
            if said.get("state") == "shipping" and (said.get("rows") or 0) < 30:
                break
            time.sleep(1)
        time.sleep(12)
        return round(time.monotonic() - began, 1)

    def compare(self) -> dict[str, Any]:
        """Every raw row of every measurement but the shipper's own last ones, and every coarse row."""
        settings = InfluxConfig(url=self.server.url, org="soak")
        rows = missing = extra = different = 0
        coarse_rows = coarse_missing = 0
        path = self.data / "autoqos.db"
        with SqliteStore(path) as store, InfluxStore.open(settings, SecretStr(self.token)) as remote:
            end = store.read("probe", ["sent"], limit=1)["time_ns"][0]
            for name, spec in SPECS.items():
                if spec.local or name in ("agent", "event"):
                    continue  # the shipper still wrote its own while it ended
                here, there = (dict(keyed(s.read(name, stop_ns=end + 1), spec)) for s in (store, remote))
                rows += len(here)
                missing += len(here.keys() - there.keys())
                extra += len(there.keys() - here.keys())
                different += sum(here[key] != there[key] for key in here.keys() & there.keys())
            reader = JournalReader(path)
            for policy, width in (("5m", 300 * S), ("1h", 3600 * S)):
                bucket = settings.model_copy(update={"bucket": f"autoqos/{policy}"})
                lines = reader.coarse_lines(width, end - 7200 * S, (end - 120 * S) // width * width)
                lines = [line for line in lines if not line.startswith(("agent,", "event,"))]
                coarse_rows += len(lines)
                with InfluxStore.open(bucket, SecretStr(self.token)) as far:
                    found = sum(
                        len(far.read(name, stop_ns=(end - 120 * S) // width * width)["time_ns"])
                        for name, spec in SPECS.items()
                        if not spec.local and name not in ("agent", "event")
                    )
                coarse_missing += len(lines) - found
            reader.close()
        return {
            "rows": rows,
            "missing": missing,
            "doubled_or_strange": extra,
            "different": different,
            "coarse_rows": coarse_rows,
            "coarse_missing": coarse_missing,
        }

    def close(self) -> None:
        for process in (self.writer, self.shipper):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        self.server.kill()
        self.log.close()
        subprocess.run(["umount", "-l", str(self.disk)], check=False)


def keyed(columns: dict[str, list[Any]], spec: Any) -> "zip[tuple[Any, Any]]":
    keys = zip(columns["time_ns"], *(columns[tag] for tag in spec.tags), strict=True)
    values = zip(*(columns[f.name] for f in spec.fields), strict=True)
    return zip(keys, values, strict=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--influxd", help="an InfluxDB 2.x server program; without it Debian's influxdb 1.6.7")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="autoqos-soak-") as folder:
        soak = Soak(Path(folder), arguments.influxd, arguments.seed)
        try:
            result = soak.run(arguments.minutes)
        finally:
            soak.close()
    print(json.dumps({"seed": arguments.seed, **result}, indent=2))
    bad = ("missing", "doubled_or_strange", "different", "coarse_missing", "without_lock")
    return int(any(result[name] for name in bad))


if __name__ == "__main__":
    sys.exit(main())
