"""Real packets: an enforcer in the lab's host, real programs under limits, and every way to lose the enforcer."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.enforcer.rig import MBIT, Rig, goodput_bps, required, result_of
from tests.lab import PEER4, Lab

pytestmark = [pytest.mark.packets, pytest.mark.timeout(180)]

SERVER = """
import socket, sys, threading
listener = socket.create_server(("0.0.0.0", int(sys.argv[1])))
def serve(connection, size):
    with connection:
        while True:
            try:
                connection.sendall(bytes(size or 65536))
            except OSError:
                return
            if size:
                return
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection, int(sys.argv[2])), daemon=True).start()
"""
SHORT = """
import socket, sys, time
total, end = 0, time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
        connection.settimeout(5)
        while (data := connection.recv(65536)) and time.monotonic() < end:
            total += len(data)
print(total)
"""
LONG = """
import socket, sys, time
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
start = last = time.monotonic()
worst = 0.0
while last - start < float(sys.argv[3]):
    if not connection.recv(65536):
        break
    now = time.monotonic()
    worst, last = max(worst, now - last), now
print(worst)
"""


@pytest.fixture(params=["divert", "kernel"])
def datapath(request: pytest.FixtureRequest) -> str:
    """Every promise holds whatever holds the packets."""
    wanted: str = request.param
    required(wanted)
    return wanted


@pytest.fixture
def rig(datapath: str) -> Iterator[Rig]:
    """A fresh one each: how wide a filter is depends on what others did before (docs/decisions/0023)."""
    with Lab() as lab, Rig(lab, datapath=datapath) as made:
        yield made
        assert made.limits()["engine"].get("datapath", "divert") == datapath or not made.limits()["engine"]["handles"]


def in_force(rig: Rig, app: str, **rates: int) -> None:
    """Limit, and wait until it holds."""
    rig.limit(app, **rates)
    rig.until(lambda: all(rig.app(app).get(f"{side}_bps") == rate for side, rate in rates.items()), "the limit", 20)
    # The document tells what is decided; packets are held once the datapath is open.
    rig.until(
        lambda: rig.limits()["state"] == "enforcing" and rig.limits()["engine"]["handles"] > 0, "the datapath", 20
    )


@pytest.mark.parametrize(
    ("rate", "options", "side", "v6"),
    [
        (5 * MBIT, ["-R"], "down", False),
        (20 * MBIT, ["-u", "-b", "30M", "-l", "1400"], "up", True),
    ],
    ids=["tcp4-down-5", "udp6-up-20"],
)
def test_goodput_follows_the_limit(rig: Rig, rate: int, options: list[str], side: str, v6: bool) -> None:
    app = f"bulk{side}{rate}"
    rig.copy(app)
    in_force(rig, app, **{side: rate})
    result = rig.iperf("-t", "6", *options, v6=v6, app=app)
    got = goodput_bps(result)
    assert 0.8 * rate <= got <= 1.06 * rate, rig.limits()
    shown = rig.app(app)
    assert shown["delayed_packets"] > 0


def test_short_connections_do_not_escape(rig: Rig) -> None:
    app = "shorties"
    command = [rig.copy(app, sys.executable), "-c", SHORT, PEER4, "7101", "6"]
    rig.lab.start("peer", sys.executable, "-c", SERVER, "7101", "200000")
    in_force(rig, app, down=5 * MBIT)
    total = int(rig.lab.run("host", *command, env=python_home()).stdout)
    assert total * 8 / 6 <= 1.1 * 5 * MBIT, rig.limits()
    assert total * 8 / 6 >= 0.4 * 5 * MBIT


def test_a_running_download_is_caught_and_let_go_again(rig: Rig) -> None:
    app = "running"
    client = rig.begin("-R", "-t", "9", "-b", "60M", app=app)
    time.sleep(2)
    in_force(rig, app, down=5 * MBIT)
    time.sleep(1)  # what was under way before
    before = rig.lab.counters()
    then = time.monotonic()
    time.sleep(3)
    got = (rig.lab.counters() - before).rx_bytes * 8 / (time.monotonic() - then)
    assert got <= 1.2 * 5 * MBIT, rig.limits()
    rig.unlimit(app)
    result = result_of(client.communicate(timeout=60)[0])
    assert result["intervals"][-1]["sum"]["bits_per_second"] > 15 * MBIT
    rig.until(lambda: rig.limits()["state"] == "idle" and rig.limits()["engine"]["handles"] == 0, "no handle", 20)
    assert rig.beat()["state"] == "idle"


def test_another_application_is_not_limited(rig: Rig) -> None:
    in_force(rig, "slow", down=2 * MBIT)
    slow = rig.begin("-R", "-t", "4", "-O", "2", app="slow")
    free = rig.iperf("-R", "-t", "3", "-b", "50M", app="free")
    assert goodput_bps(free) > 40 * MBIT
    assert goodput_bps(result_of(slow.communicate(timeout=60)[0])) < 3 * MBIT


def python_home() -> dict[str, str]:
    """So that a copied interpreter finds its library."""
    return {**os.environ, "PYTHONHOME": sys.base_prefix}


def classifiers(rig: Rig) -> str:
    """What is ours in the system: the packet library's classifiers, and the devices of the kernel's datapath."""
    interface = rig.lab.interface()
    filters = (
        rig.lab.run("host", "tc", "filter", "show", "dev", interface, hook).stdout for hook in ("ingress", "egress")
    )
    devices = rig.lab.run("host", "ip", "-br", "link").stdout.splitlines()
    return "".join([*filters, *(line for line in devices if line.startswith("autoqos"))])


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSTOP"])
def test_packets_flow_again_when_the_enforcer_is_killed_or_stopped(datapath: str, how: str) -> None:
    with Lab() as lab, Rig(lab, datapath=datapath) as rig:
        app = "victim"
        command = [rig.copy(app, sys.executable), "-c", LONG, PEER4, "7102", "9"]
        lab.start("peer", sys.executable, "-c", SERVER, "7102", "0")
        rig.limit(app, down=5 * MBIT)
        client = lab.start("host", *command, stdout=subprocess.PIPE, env=python_home())
        rig.until(lambda: rig.app(app).get("delayed_packets", 0) > 50, "the download to be held", 20)
        os.kill(rig.pid(), signal.Signals[how])
        worst = float(client.communicate(timeout=60)[0])
        assert worst < 3.0
        assert rig.process is not None
        rig.process.wait(10)  # the watchdog ends a stopped one, too
        rig.until_gone(lambda: classifiers(rig))
        rig.process = None
        rig.unlimit(app)
        rig.start()
        assert classifiers(rig) == ""


def test_stopping_leaves_nothing_behind(datapath: str) -> None:
    with Lab() as lab, Rig(lab, datapath=datapath) as rig:
        rig.copy("bulk")
        in_force(rig, "bulk", down=5 * MBIT)
        rig.until(lambda: classifiers(rig), "an open filter")
        assert rig.stop() == 0
        assert classifiers(rig) == ""
        assert rig.limits()["state"] == "stopped"
