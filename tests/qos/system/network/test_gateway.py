"""The route to an address: Linux' and Windows' answers from bytes, and this machine's own."""

import ipaddress
import struct
import subprocess
import sys

import pytest

from qos.system.network import gateway_windows
from qos.system.network.gateway import gateway_to
from tests.require import linux_root, program

linux = pytest.mark.skipif(sys.platform != "linux", reason="rtnetlink is Linux")


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


@linux
def test_linux_answers_hold_the_gateway_and_the_interface() -> None:
    from qos.system.network.gateway_linux import parse, request

    body = bytes(12) + attribute(1, bytes([8, 8, 8, 8])) + attribute(5, bytes([192, 168, 1, 254]))
    body += attribute(4, struct.pack("=I", 3))
    assert parse(struct.pack("=IHHII", 16 + len(body), 24, 0, 1, 0) + body) == ("192.168.1.254", 3)
    neighbour = bytes(12) + attribute(4, struct.pack("=I", 3))
    assert parse(struct.pack("=IHHII", 16 + len(neighbour), 24, 0, 1, 0) + neighbour) is None
    with pytest.raises(OSError, match="unreachable"):
        parse(struct.pack("=IHHIIi", 36, 2, 0, 1, 0, -101) + bytes(16))
    assert len(request(ipaddress.ip_address("2001:db8::1"))) == 16 + 12 + 20


def test_windows_rows_hold_the_next_hop_and_the_interface() -> None:
    def row(hop: bytes) -> bytes:
        return struct.pack("<QI", 1, 7) + bytes(32) + hop + bytes(104 - 44 - len(hop))

    sockaddr = gateway_windows.sockaddr
    assert len(sockaddr(ipaddress.ip_address("8.8.8.8"))) == len(sockaddr(ipaddress.ip_address("::1"))) == 28
    assert gateway_windows.parse(row(sockaddr(ipaddress.ip_address("10.0.0.1")))) == ("10.0.0.1", 7)
    assert gateway_windows.parse(row(sockaddr(ipaddress.ip_address("fe80::1")))) == ("fe80::1%7", 7)
    assert gateway_windows.parse(row(sockaddr(ipaddress.ip_address("0.0.0.0")))) is None
    assert gateway_windows.parse(row(sockaddr(ipaddress.ip_address("::")))) is None
    assert gateway_windows.parse(row(bytes(28))) is None


@linux
def test_the_gateway_of_a_network_is_found_and_followed_when_it_changes() -> None:
    linux_root()
    code = "from qos.system.network.gateway import gateway_to as g\nimport subprocess\n"
    code += "print(g('203.0.113.7'))\n"
    code += "subprocess.run('ip route add default via 192.0.2.1'.split(), check=True)\n"
    code += "print(g('203.0.113.7').address, g('192.0.2.77'), g('2001:db8::1'))\n"
    code += "subprocess.run('ip route replace default via 192.0.2.2'.split(), check=True)\n"
    code += "print(g('203.0.113.7').address)\n"
    script = (
        "ip link add d0 type veth peer name d1 && ip addr add 192.0.2.9/24 dev d0 && ip link set d0 up"
        f' && ip link set d1 up && {sys.executable} -c "{code}"'
    )
    done = subprocess.run(
        [program("unshare"), "--net", "sh", "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == ["None", "192.0.2.1 None None", "192.0.2.2"]


def test_what_is_no_address_has_no_gateway() -> None:
    assert gateway_to("not an address") is None
