"""The course of a soak: its processes, and what happens to them by chance."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.soak.comparison import compare, compare_raw
from bench.soak.server import TOKEN, InfluxServer
from qos.contract.config import InfluxConfig
from qos.store.sqlite.store import SqliteStore

ROOT = Path(__file__).parents[2]


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
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from bench.soak.writer import write_for_ever; from pathlib import Path; write_for_ever(Path(sys.argv[1]))"  # noqa: E501 - one program
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
        what = self.chance.choice(
            ("kill", "kill", "stop", "slow", "fill", "replace", "shipper_kill", "shipper_stop", "writer")
        )
        self.events[what] += 1
        if what == "kill":
            self.server.kill()
            self.sleep(self.chance.uniform(0.1, 20))
            self.server.start()
        elif what == "stop" and self.server.process is not None:
            self.server.process.send_signal(signal.SIGSTOP)
            self.sleep(self.chance.uniform(1, 20))
            self.server.process.send_signal(signal.SIGCONT)
        elif what == "slow" and self.server.process is not None:
            for _ in range(self.chance.randrange(5, 20)):
                self.server.process.send_signal(signal.SIGSTOP)
                self.sleep(0.9)
                self.server.process.send_signal(signal.SIGCONT)
                time.sleep(0.1)
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
        live = self.live_path()
        again = ""
        if self.replaced_at:
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            done = subprocess.run(
                self.autoqos("ship", "--since", "4h"), cwd=self.folder, env=environment, capture_output=True, text=True
            )
            again = done.stdout.strip() + done.stderr.strip()
        self.end(self.shipper, signal.SIGTERM)
        return {
            "minutes": round((time.monotonic() - began) / 60, 1),
            "server": self.server.program or "influxdb 1.6.7",
            "happened": dict(self.events),
            "caught_up_s": caught_up_s,
            **live,
            "ship_again": again,
            "looks_at_locks": self.looks,
            "without_lock": self.without_lock,
            "log_bytes": (self.folder / "parts.log").stat().st_size,
            **compare(self.data / "autoqos.db", self.server.url, self.token),
        }

    def live_path(self) -> dict[str, int]:
        """What came since the last fresh server has to be there before ``autoqos ship`` sends it again."""
        since_ns = int(max(self.replaced_at, default=0.0) * 10**9)
        settings = InfluxConfig(url=self.server.url, org="soak")
        with SqliteStore(self.data / "autoqos.db", read_only=True) as store:
            end_ns = store.read("probe", ["sent"], limit=1)["time_ns"][0]
            found = compare_raw(store, settings, self.token, since_ns, end_ns)
        return {f"before_ship_{name}": found[name] for name in ("rows", "missing", "different")}

    def catch_up(self) -> float:
        began = time.monotonic()
        while time.monotonic() - began < 600:
            try:
                with SqliteStore(self.data / "autoqos.db", read_only=True) as store:
                    said = store.get_state("part:shipper") or {}
            except Exception as error:
                print(error, file=sys.stderr)
                said = {}
            if said.get("state") == "shipping" and (said.get("rows") or 0) < 30 and not said.get("history_waiting"):
                break
            time.sleep(1)
        time.sleep(12)
        return round(time.monotonic() - began, 1)

    def close(self) -> None:
        for process in (self.writer, self.shipper):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        self.server.kill()
        self.log.close()
        subprocess.run(["umount", "-l", str(self.disk)], check=False)
