"""`autoqos forecast --once` where forecasts are made, by the stack's own accounts of a real InfluxDB 2.x."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qos.contract.points import HostTraffic
from qos.store.sqlite.store import SqliteStore
from tests.influxd import ORG, TOKEN, influxd_v2, needs_influxd
from tests.require import program
from tests.servers import Server, call

ROOT = Path(__file__).parents[3]
S = 10**9
pytestmark = [needs_influxd, pytest.mark.server, pytest.mark.timeout(600)]


def autoqos(folder: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if "INFLUX" not in name}
    paths = ("--config", str(folder / "config.yaml"), "--data", str(folder / "data"))
    return subprocess.run(
        [sys.executable, "-m", "console", *words, *paths],
        env={**kept, "PYTHONPATH": str(ROOT), **environment}, capture_output=True, text=True, cwd=folder,
    )  # fmt: skip


def stacks_accounts(folder: Path, server: Server) -> dict[str, str]:
    """What `stack init` and `influx-init` make; the values of its .env."""
    subprocess.run([sys.executable, "-m", "console", "stack", "init"], cwd=folder, check=True, capture_output=True,
                   env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    values = dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines() if line[:1].isupper())
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "INFLUX_HOST": server.url, "INFLUX_TOKEN": TOKEN,
        "INFLUX_ORG": ORG, "AGENT_ACCOUNT": values["INFLUX_TOKEN"], "READER_ACCOUNT": values["INFLUX_READ_TOKEN"],
        "FORECASTER_ACCOUNT": values["FORECASTER_INFLUX_TOKEN"],
    }  # fmt: skip
    subprocess.run(["sh", str(ROOT / "stack" / "influx-init.sh")], env=environment, check=True, capture_output=True)
    return values


def computer(folder: Path, name: str, settings: str) -> None:
    """A computer with a day and a bit of measurements."""
    (folder / "data").mkdir(parents=True)
    (folder / "config.yaml").write_text(
        f"host: {name}\nforecast: {{models: [naive], folds: 2, top_apps: 0, where: auto}}\n{settings}"
    )
    now, chance = time.time_ns() // S * S, random.Random(1)
    with SqliteStore(folder / "data" / "autoqos.db") as store:
        store.write([traffic(now - second * S, name, chance.randrange(10**6)) for second in range(0, 100_000, 30)])


def made(server: Server, host: str) -> int:
    query = {"db": "autoqos", "q": f"SELECT count(value) FROM forecast WHERE host = '{host}'"}
    series = json.loads(call(server.url + "/query", query=query, token=TOKEN))["results"][0].get("series")
    return int(series[0]["values"][0][1]) if series else 0


def test_each_mode_reads_and_writes_in_its_own_place(tmp_path: Path) -> None:
    program("influx")
    with influxd_v2(tmp_path / "influxd") as server:
        desk = tmp_path / "desk"
        computer(desk, "desk", f"influxdb: {{url: '{server.url}', org: {ORG}}}\n")
        values = stacks_accounts(desk, server)
        assert autoqos(desk, "ship", "--since", "2d").returncode == 0

        # auto: beside the server, with the stack's .env; its agent's account could not even read.
        done = autoqos(desk, "forecast", "--once", "--series", "host_down")
        assert done.returncode == 0, done.stderr
        first = made(server, "desk")
        assert first > 0
        assert "forecasts: made beside InfluxDB" in autoqos(desk, "status").stdout
        with SqliteStore(desk / "data" / "autoqos.db") as store:
            assert not store.read("forecast")["time_ns"]

        # here: from this computer's own store, and into it.
        text = (desk / "config.yaml").read_text()
        (desk / "config.yaml").write_text(text.replace("where: auto", "where: here"))
        done = autoqos(desk, "forecast", "--once", "--series", "host_down")
        assert done.returncode == 0, done.stderr
        with SqliteStore(desk / "data" / "autoqos.db") as store:
            assert store.read("forecast")["time_ns"]
        assert made(server, "desk") == first
        assert "forecasts: made here" in autoqos(desk, "status").stdout

        # A second computer with its own account only is told what is missing.
        laptop = tmp_path / "laptop"
        computer(laptop, "laptop", "")
        (laptop / ".env").write_text(f"INFLUX_URL={server.url}\nINFLUX_TOKEN={values['INFLUX_TOKEN']}\n")
        assert autoqos(laptop, "ship", "--since", "2d").returncode == 0
        done = autoqos(laptop, "forecast", "--once")
        assert done.returncode == 2
        assert "FORECASTER_INFLUX_TOKEN" in done.stderr

        # The container, for every computer that ships there.
        container = tmp_path / "container"
        (container / "data").mkdir(parents=True)
        (container / "config.yaml").write_text("forecast: {models: [naive], folds: 2, top_apps: 0}\n")
        done = autoqos(container, "forecast", "--once", "--series", "host_down", INFLUX_URL=server.url, INFLUX_ORG=ORG,
                       INFLUX_BUCKET="autoqos", INFLUX_TOKEN=values["FORECASTER_INFLUX_TOKEN"])  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert made(server, "laptop") > 0


def traffic(time_ns: int, host: str, size: int) -> HostTraffic:
    return HostTraffic(
        time_ns=time_ns, host=host, iface="eth0", rx_bytes=size, tx_bytes=size // 9, rx_drops=0, tx_drops=0,
        rx_errors=0, tx_errors=0, unattributed_rx_bytes=0, unattributed_tx_bytes=0,
    )  # fmt: skip
