"""docs/fleet.md, followed by its own commands: a server and two computers in three network namespaces, TLS between."""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qos.contract.points import HostTraffic
from qos.store.sqlite.store import SqliteStore
from tests import require
from tests.influxd import TOKEN, command, needs_influxd, set_up
from tests.lab import Lab
from tests.servers import call

ROOT = Path(__file__).parents[3]
SERVER = "10.77.0.254"
"""The lab's router stands for the server, reached by both computers."""
PATIENCE_S = 120
PLACES = {"laptop": "host", "desk": "peer"}


def blocks(language: str) -> list[str]:
    """The guide's blocks of one language, with this server's address in the place of the example's."""
    text = (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8").replace("192.0.2.10", SERVER)
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.5)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    require.linux_root()
    with Lab() as lab:
        (tmp_path / "db").mkdir()
        with lab.inside("router"):
            lab.start("router", "sh", "-c", f"cd {tmp_path / 'db'} && exec " + " ".join(command(tmp_path / "db", 8086)))
            until(lambda: answers(lab), "InfluxDB answers in its namespace")
            set_up("http://127.0.0.1:8086")
        yield lab


def answers(lab: Lab) -> bool:
    with lab.inside("router"):
        try:
            call("http://127.0.0.1:8086/ping")
        except OSError:
            return False
        return True


def count(lab: Lab, host: str) -> int:
    with lab.inside("router"):
        query = {"db": "autoqos", "q": f"SELECT count(rx_bytes) FROM host_traffic WHERE host = '{host}'"}
        text = call("http://127.0.0.1:8086/query", query=query, token=TOKEN).decode()
    found = re.search(r'"values":\[\[[^,]+,(\d+)\]\]', text)
    return int(found[1]) if found else 0


def autoqos(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "console", *words)


@needs_influxd
@pytest.mark.server
def test_two_computers_reach_a_server_by_the_guides_own_commands(tmp_path: Path, lab: Lab) -> None:
    stunnel = require.program("stunnel", "stunnel4")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # 1: the certificates, by the commands as they stand.
    certificates, added, _ = blocks("sh")[:3]
    assert certificates.count("openssl req") == 2
    lab.run("router", "sh", "-ec", f"cd {tmp_path}\n{certificates}")
    # 2: the proxy.
    (tmp_path / "stunnel.conf").write_text(
        "foreground = yes\npid =\n" + blocks("ini")[0].replace("/etc/autoqos", str(tmp_path))
    )
    lab.start("router", stunnel, str(tmp_path / "stunnel.conf"))
    # 3: an account each, in the stack's folder.
    (tmp_path / ".env").write_text(f"INFLUX_ADMIN_TOKEN={TOKEN}\n")
    words = added.removeprefix("uv run autoqos ").split()
    assert words[:3] == ["stack", "add-host", "laptop"]
    for name, place in PLACES.items():
        printed = lab.run(
            "router", *autoqos(*(name if word == "laptop" else word for word in words), "--directory", str(tmp_path)),
            env=environment,
        ).stdout  # fmt: skip
        # 4: the printed lines and the certificate's go into .env; nothing else is set.
        folder = tmp_path / name
        (folder / "data").mkdir(parents=True)
        (folder / ".env").write_text(f"{printed}INFLUX_CA={tmp_path / 'ca.crt'}\n")
        (folder / "config.yaml").write_text(f"host: {name}\ninfluxdb: null\n")
        with SqliteStore(folder / "data" / "autoqos.db") as store:
            now = time.time_ns()
            store.write([traffic(now - second * 10**9, name) for second in range(300)])
        paths = ("--config", str(folder / "config.yaml"), "--data", str(folder / "data"))
        lab.start(place, *autoqos("shipper", *paths), env=environment)  # type: ignore[arg-type]  # a place of the lab
    until(lambda: all(count(lab, name) == 300 for name in PLACES), "both computers' rows")
    # Its account writes and does not read.
    token = dict(line.split("=", 1) for line in (tmp_path / "laptop" / ".env").read_text().splitlines())["INFLUX_TOKEN"]
    with lab.inside("router"):
        read = call("http://127.0.0.1:8086/query", query={"db": "autoqos", "q": "SHOW SERIES"}, token=token)
    assert b'"series"' not in read
    # 5: gone for good; the other one goes on.
    lab.run("router", *autoqos("stack", "remove-host", "laptop", "--directory", str(tmp_path)), env=environment)
    for name in PLACES:
        with SqliteStore(tmp_path / name / "data" / "autoqos.db") as store:
            store.write([traffic(time.time_ns(), name)])

    def status() -> str:
        paths = ("--config", str(tmp_path / "laptop" / "config.yaml"), "--data", str(tmp_path / "laptop" / "data"))
        return lab.run("host", *autoqos("status", *paths), env=environment, check=False).stdout

    until(lambda: "401" in status(), "the removed computer says so")
    until(lambda: count(lab, "desk") == 301, "the other one's new row")
    assert count(lab, "laptop") == 300


@needs_influxd
@pytest.mark.server
def test_a_certificate_of_somebody_else_is_said_and_nothing_is_sent(tmp_path: Path, lab: Lab) -> None:
    stunnel = require.program("stunnel", "stunnel4")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "INFLUX_TOKEN": "a:b"}
    lab.run("router", "sh", "-ec", f"cd {tmp_path}\n{blocks('sh')[0]}")
    (tmp_path / "stunnel.conf").write_text(
        "foreground = yes\npid =\n" + blocks("ini")[0].replace("/etc/autoqos", str(tmp_path))
    )
    lab.start("router", stunnel, str(tmp_path / "stunnel.conf"))
    (tmp_path / "config.yaml").write_text(f"host: h\ninfluxdb: {{url: 'https://{SERVER}:8443', org: autoqos}}\n")
    with SqliteStore(tmp_path / "data" / "autoqos.db") as store:
        store.write([traffic(time.time_ns(), "h")])
    paths = ("--config", str(tmp_path / "config.yaml"), "--data", str(tmp_path / "data"))
    lab.start("host", *autoqos("shipper", *paths), env=environment)
    until(
        lambda: "certificate verify failed" in lab.run("host", *autoqos("status", *paths), env=environment).stdout,
        "status names the certificate",
    )


def traffic(time_ns: int, host: str) -> HostTraffic:
    return HostTraffic(
        time_ns=time_ns, host=host, iface="eth0", rx_bytes=1, tx_bytes=1, rx_drops=0, tx_drops=0, rx_errors=0,
        tx_errors=0, unattributed_rx_bytes=0, unattributed_tx_bytes=0,
    )  # fmt: skip
