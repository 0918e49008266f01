"""The whole collector as its own process: real interfaces, real programs, real store. The rows are what is checked."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qos.contract.errors import ConfigError, StoreUnavailable
from qos.store.sqlite.store import SqliteStore
from tests.lab import PEER4, PEER6, Lab
from tests.require import cgroup2, linux_root, program

pytestmark = pytest.mark.packets

PATIENCE_S = 60
DOWNLOAD = 3_000_000
SERVER = """
import socket, threading
server = socket.create_server(("::", 9000), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
def serve(client):
    left, block = int(client.recv(16)), b"x" * 65536
    while left > 0:
        left -= client.send(block[:left])
    client.close()
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""


def documents(data: Path) -> dict[str, Any]:
    """Every state document; none while there is no store yet."""
    try:
        with SqliteStore(data / "autoqos.db", read_only=True) as store:
            return {**store.states("live"), **store.states("part:")}
    except (ConfigError, StoreUnavailable, OSError):
        return {}


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "the collector did not get there"
        time.sleep(0.1)


def sums(store: SqliteStore, measurement: str, fields: list[str], by: str) -> dict[str, tuple[Any, ...]]:
    columns = store.read(measurement, fields, aggregate="auto", by=[by])
    return {tag: tuple(columns[f][i] for f in fields) for i, tag in enumerate(columns[by])}


def test_what_a_program_downloads_is_in_the_store_under_its_name(tmp_path: Path) -> None:
    linux_root()
    cgroup2()
    bash = tmp_path / "скачать"
    shutil.copy(program("bash"), bash)
    config = tmp_path / "config.yaml"
    config.write_text(
        f"interval: 300ms\nhost: lab\ncollector:\n  targets: ['{PEER4}', '{PEER6}', 10.77.9.9]\n"
        "  probe_interval: 300ms\n  probe_timeout: 600ms\n  resources_of: ['auto*']\n"
        "apps: [{match: 'скач*', priority: 1}]\n",
        encoding="utf-8",
    )
    with Lab() as lab:
        server = lab.start("peer", sys.executable, "-c", SERVER, stdout=subprocess.PIPE)
        assert server.stdout is not None
        server.stdout.readline()
        collector = lab.start(
            "host", sys.executable, "-m", "console", "collector", "--config", str(config), "--data", str(tmp_path)
        )
        until(lambda: "live" in documents(tmp_path))
        before = lab.counters()
        for address in (PEER4, PEER6):
            fetch = f"exec 3<>/dev/tcp/{address}/9000; printf {DOWNLOAD} >&3; cat <&3 | wc -c"
            assert lab.run("host", str(bash), "-c", fetch).stdout.strip() == str(DOWNLOAD)
        moved = lab.counters() - before
        until(lambda: documents(tmp_path)["live"]["host_traffic"]["rx_bytes"] >= moved.rx_bytes)
        time.sleep(1)
        assert lab.finish(collector) == 0
    with SqliteStore(tmp_path / "autoqos.db", read_only=True) as store:
        apps = sums(store, "app_traffic", ["rx_bytes", "tx_bytes", "priority"], "app")
        rx, tx, priority = apps["скачать"]
        assert 2 * DOWNLOAD < rx <= moved.rx_bytes
        assert rx >= 0.95 * moved.rx_bytes
        assert tx > 0
        assert priority == 1
        fields = ["rx_bytes", "tx_bytes", "unattributed_rx_bytes", "unattributed_tx_bytes"]
        (host,) = sums(store, "host_traffic", fields, "iface").values()
        named = sum(a[0] for a in apps.values()), sum(a[1] for a in apps.values())
        assert named[0] + host[2] == pytest.approx(host[0], rel=0.01)
        assert named[1] + host[3] == pytest.approx(host[1], rel=0.02)
        probes = sums(store, "probe", ["ok", "rtt_ms", "sent", "received", "reason"], "target")
        for target in (PEER4, PEER6):
            assert probes[target][0] > 0.5
            assert 0 < probes[target][1] < 1000
        assert probes["10.77.9.9"][:2] == (0, None)
        assert probes["10.77.9.9"][4] in ("timeout", "unreachable")
        assert "autoqos" in sums(store, "app_resources", ["rss_bytes"], "app")
        processes = sums(store, "process_traffic", ["rx_bytes"], "pid")
        assert sum(p[0] for p in processes.values()) == named[0]
        agent = store.read("agent")
        assert len(agent["time_ns"]) == len(store.read("host_traffic")["time_ns"])  # one row each per tick: no gap
        assert sum(agent["points_dropped"]) == 0
        assert max(agent["rss_bytes"]) < 150 * 10**6
        assert store.states("part:")["part:collector"]["state"] == "stopped"
        live = store.get_state("live")
        assert live is not None
        assert live["backend"] in ("kernel", "divert")
        named_live = {row["app"]: row for row in live["apps"]}
        assert named_live["скачать"]["rx_bytes"] == rx


def test_without_root_it_says_what_it_cannot_see_and_still_measures_host_and_probes(tmp_path: Path) -> None:
    linux_root()
    config = tmp_path / "config.yaml"
    config.write_text(
        f"interval: 300ms\nhost: lab\ncollector:\n  targets: ['{PEER4}']\n  probe_interval: 300ms\n", encoding="utf-8"
    )
    data = tmp_path / "data"
    data.mkdir()
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):  # pytest keeps its folders to root alone
        folder.chmod(folder.stat().st_mode | 0o755)
    os.chown(data, 65534, 65534)
    user = [program("setpriv"), "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    python = [sys.executable, "-m", "console", "collector", "--config", str(config), "--data", str(data)]
    can = subprocess.run([*user, sys.executable, "-c", "import psutil"], capture_output=True, text=True, check=False)
    if can.returncode:
        pytest.skip(f"another user may not run this Python: {can.stderr.strip()[-200:]}")
    with Lab() as lab:
        lab.run("host", "sysctl", "-qw", "net.ipv4.ping_group_range=1 0")
        collector = lab.start("host", *user, *python)
        until(lambda: bool(documents(data).get("live", {}).get("probes")))
        live = documents(data)["live"]
        assert lab.finish(collector) == 0
    assert live["backend"] in ("sockdiag", "psutil")
    assert "kernel" in live["backend_reason"]
    assert live["blind_to"]
    # No right to ping: the time of a TCP handshake stands in, and says so.
    assert [(p["kind"], p["reason"]) for p in live["probes"]] == [("tcp", "")]
    with SqliteStore(data / "autoqos.db", read_only=True) as store:
        assert store.read("host_traffic")["time_ns"]
        assert set(store.read("probe")["ok"]) == {1}
