import socket
import subprocess
import sys

import pytest

from qos.system.handshake import handshake
from tests.require import linux_root, program

MS = 10**6


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_open_port_answers_with_a_time(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        found = handshake(address, 2_000 * MS, server.getsockname()[1])
    assert (found.reason, found.kind, found.sent) == ("", "tcp", True)
    assert found.rtt_ns is not None
    assert 0 < found.rtt_ns < 2_000 * MS


def test_a_refusal_is_an_answer_too_where_the_system_does_not_repeat_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    found = handshake("127.0.0.1", 5_000 * MS, port)
    assert (found.rtt_ns is not None) == (sys.platform != "win32")


def test_no_answer_is_a_timeout_and_no_route_is_unreachable() -> None:
    linux_root()
    code = "from qos.system.handshake import handshake as h\n"
    code += "print(h('203.0.113.7', 2 * 10**8).reason, h('198.51.100.1', 2 * 10**8).reason)"
    script = (
        "ip link add d0 type veth peer name d1 && ip addr add 203.0.113.1/24 dev d0"
        " && ip link set d0 up && ip link set d1 up"
        " && ip neigh add 203.0.113.7 lladdr 02:00:00:00:00:01 dev d0"
        f' && {sys.executable} -c "{code}"'
    )
    done = subprocess.run(
        [program("unshare"), "--net", "sh", "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["timeout", "unreachable"]
