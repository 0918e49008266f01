"""The enforcer as a process of its own in the lab's host, steered through its store like by a person; and its
traffic."""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from qos.store.sqlite.store import SqliteStore
from tests.lab import PEER4, PEER6, Lab
from tests.require import cgroup2, linux_root, missing, program

if sys.platform == "linux":
    from qos.bpf import system_linux

ROOT = Path(__file__).parents[2]
MBIT = 1_000_000


def required(datapath: str = "auto") -> None:
    """What every test with real packets here needs; ``kernel``: a kernel with the hooks of its own queues too."""
    linux_root()
    cgroup2()
    for name in ("ip", "ethtool", "tc", "iperf3"):
        program(name)
    if sys.platform == "linux" and datapath == "kernel" and not system_linux.tcx_there():
        missing(f"Linux {platform.release()} has no tcx hooks")


class Rig:
    """A lab with an enforcer in its host. ``config`` is the text of its config.yaml; ``mode: enforce`` is put before
    it, and ``datapath`` into it."""

    default_datapath = "auto"
    """What a bench wants where nothing else is said."""
    patience = 1
    """Every wait may take so many times as long: of a bench on an emulated processor."""

    def __init__(self, lab: Lab, config: str = "", *, mode: str = "enforce", datapath: str | None = None) -> None:
        self.lab = lab
        self.datapath = datapath or self.default_datapath
        self.data = Path(tempfile.mkdtemp(prefix="autoqos-enforcer-"))
        self.config = self.data / "config.yaml"
        self.write_config(config, mode=mode)
        self.store = SqliteStore(self.data / "autoqos.db")
        self.process: subprocess.Popen[Any] | None = None
        self.log = self.data / "log"
        self._port = 5300

    def write_config(self, text: str, *, mode: str = "enforce") -> None:
        mine = f"enforcer: {{datapath: {self.datapath}"
        text = text.replace("enforcer: {", f"{mine}, ") if "enforcer: {" in text else f"{text}\n{mine}}}"
        self.config.write_text(f"mode: {mode}\nhost: rig\n{text}\n", encoding="utf-8")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.store.close()
        shutil.rmtree(self.data, ignore_errors=True)

    def start(self, part: str = "enforcer") -> None:
        with self.log.open("a", encoding="utf-8") as log:
            self.process = self.lab.start(
                "host",
                sys.executable,
                "-m",
                "console",
                part,
                "--config",
                str(self.config),
                "--data",
                str(self.data),
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        self.until(lambda: bool(self.beat()) and self.beat().get("state") != "stopped", "the enforcer to start", 30)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        if self.process is None:
            return 0
        process, self.process = self.process, None
        return self.lab.finish(process, by, timeout=20)

    def pid(self) -> int:
        """The enforcer's own PID (it runs behind ``ip netns exec`` and ``sh``, which become it by exec)."""
        return int(self.beat()["pid"])

    def beat(self) -> dict[str, Any]:
        found = self.store.get_state("part:enforcer")
        return found if isinstance(found, dict) else {}

    def limits(self) -> dict[str, Any]:
        found = self.store.get_state("limits")
        return found if isinstance(found, dict) else {}

    def app(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.limits().get("apps", {}).get(name, {})
        return found

    def limit(self, app: str, *, down: int | None = None, up: int | None = None) -> None:
        self.override(app, down_bps=down, up_bps=up)

    def override(self, app: str, **values: int | None) -> None:
        document = {"priority": None, "down_bps": None, "up_bps": None, "until_ns": None, "set_ns": time.time_ns()}
        self.store.set_state(f"override:app:{app}", document | values)

    def unlimit(self, app: str) -> None:
        self.store.delete_state(f"override:app:{app}")

    def until(self, true: Callable[[], Any], what: str, seconds: float = 10) -> None:
        """Wait for something; AssertionError with the enforcer's log when it does not come."""
        end = time.monotonic() + seconds * self.patience
        while not true():
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds} s for {what}; limits: {self.limits()}; log: {self.tail()}")
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the enforcer ended with {self.process.returncode} before {what}: {self.tail()}")
            time.sleep(0.02)

    def until_gone(self, what: Callable[[], str], seconds: float = 5) -> None:
        """Wait until nothing is listed any more; the process may have ended."""
        end = time.monotonic() + seconds
        while found := what():
            assert time.monotonic() < end, found
            time.sleep(0.05)

    def tail(self) -> str:
        return self.log.read_text(encoding="utf-8")[-3000:] if self.log.exists() else ""

    def copy(self, name: str, source: str = "iperf3") -> str:
        """A program under another name: another application."""
        target = self.data / "bin" / name
        target.parent.mkdir(exist_ok=True)
        if not target.exists():
            shutil.copy2(program(source), target)
        return str(target)

    def server(self) -> int:
        """Another iperf3 server in the peer; its port."""
        self._port += 1
        self.lab.start("peer", program("iperf3"), "-s", "-p", str(self._port))
        end = time.monotonic() + 10 * self.patience
        while not self.lab.run("peer", "ss", "-Hltn", f"sport = :{self._port}").stdout:
            if time.monotonic() > end:
                raise AssertionError("the iperf3 server does not listen")
            time.sleep(0.05)
        return self._port

    def client(self, *options: str, v6: bool = False, app: str = "iperf3", port: int | None = None) -> list[str]:
        """The command of an iperf3 client in the host."""
        where = ["-6", "-c", PEER6] if v6 else ["-c", PEER4]
        return [self.copy(app), *where, "-p", str(port if port is not None else self.server()), "-J", *options]

    def iperf(self, *options: str, v6: bool = False, app: str = "iperf3", port: int | None = None) -> dict[str, Any]:
        """Run a client to its end; its JSON."""
        command = self.client(*options, v6=v6, app=app, port=port)
        return result_of(self.lab.run("host", *command, check=False).stdout)

    def begin(self, *options: str, v6: bool = False, app: str = "iperf3") -> subprocess.Popen[Any]:
        """Start a client; read its output with ``result_of(process.communicate()[0])``."""
        return self.lab.start("host", *self.client(*options, v6=v6, app=app), stdout=subprocess.PIPE)


def result_of(text: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(text)
    if "error" in result:
        raise AssertionError(f"iperf3: {result['error']}")
    return result


def goodput_bps(result: Mapping[str, Any]) -> float:
    """What the receiving side got, over the whole run."""
    end = result["end"]
    return float((end.get("sum_received") or end["sum"])["bits_per_second"])


def per_second_bps(result: Mapping[str, Any]) -> list[float]:
    return [float(interval["sum"]["bits_per_second"]) for interval in result["intervals"]]
