"""The last resort shows who is connected, and no bytes."""

import os
import socket
import sys
from pathlib import Path

import pytest

from collector.capture.psutil_io import PsutilCapture

ROOT = Path(__file__).parents[3]


def test_a_connection_to_this_machine_itself_is_nobody_s_traffic() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        capture = PsutilCapture()
        capture.start()
        sample = capture.poll()
    assert all(delta.owner is None or delta.owner.pid != os.getpid() for delta in sample.deltas)
    assert sample.notes == ("bytes per application cannot be counted here: all traffic is unattributed",)
    assert capture.poll().notes == ()
    capture.stop()
    capture.stop()


@pytest.mark.packets
@pytest.mark.skipif(sys.platform != "linux", reason="needs a network namespace")
def test_a_connected_process_is_listed_with_its_flows_and_no_bytes() -> None:
    from tests import require
    from tests.lab import PEER4, Lab

    require.linux_root()
    require.program("ip")
    require.program("ethtool")
    text = (
        "import os, socket, sys\n"
        "from collector.capture.psutil_io import PsutilCapture\n"
        "made = [socket.create_connection((sys.argv[1], int(sys.argv[2]))) for _ in range(3)]\n"
        "c = PsutilCapture(); c.start()\n"
        "(d,) = [d for d in c.poll().deltas if d.owner.pid == os.getpid()]\n"
        "o = d.owner\n"
        "print(d.flows, d.rx_bytes, d.tx_bytes, o.exe == os.path.realpath(sys.executable), o.started_ns > 0)\n"
    )
    with Lab() as lab, lab.socket("peer", socket.AF_INET, socket.SOCK_STREAM) as server:
        server.bind((PEER4, 0))
        server.listen()
        argv = (sys.executable, "-c", text, PEER4, str(server.getsockname()[1]))
        done = lab.run("host", *argv, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.stdout == "3 0 0 True True\n"
