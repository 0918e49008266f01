import subprocess
import sys
import time

import ping3
import pytest

from qos.system.echo import echo, echo_bytes, is_address, resolve
from tests.require import linux_root, program

MS = 10**6


@pytest.fixture
def may_ping() -> None:
    if echo("127.0.0.1", 500 * MS, 1).reason == "no permission":
        pytest.skip("ICMP needs root here")


@pytest.mark.usefixtures("may_ping")
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_answer_has_a_round_trip_time_and_no_reason(address: str) -> None:
    found = echo(address, 2_000 * MS, 70_000)
    assert found.reason == ""
    assert found.rtt_ns is not None
    assert 0 < found.rtt_ns < 2_000 * MS


@pytest.mark.usefixtures("may_ping")
def test_a_wall_clock_that_jumps_does_not_matter_to_a_probe() -> None:
    # ping3 reads its clock as an attribute of the module; ours is the monotonic one.
    assert abs(ping3.time.time() - time.monotonic()) < 5


def test_an_address_without_a_route_is_unreachable() -> None:
    linux_root()
    code = "from qos.system.echo import echo as e\n"
    code += "print(e('203.0.113.7', 10**8, 1).reason, e('2001:db8::7', 10**8, 1).reason)"
    done = subprocess.run(
        [program("unshare"), "--net", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == ["unreachable", "unreachable"]


def test_without_the_right_to_ping_the_reason_says_so_and_with_it_no_root_is_needed() -> None:
    linux_root()
    # The interpreter gives root up itself, after it loaded all that it needs: it may lie where nobody else can read.
    drop = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)"
    asks = "print([e(a, 10**9, 1).reason for a in ('127.0.0.1', '::1')])"
    user = f"{sys.executable} -c \"from qos.system.echo import echo as e; e('127.0.0.1', 10**9, 1); {drop}; {asks}\""

    def ask(allowed: str) -> str:
        script = f"ip link set lo up; sysctl -qw net.ipv4.ping_group_range='{allowed}'; {user}"
        done = subprocess.run(
            [program("unshare"), "--net", "sh", "-c", script], capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.strip()

    assert ask("1 0") == "['no permission', 'no permission']"
    assert ask("65534 65534") == "['', '']"


def test_no_answer_within_the_timeout_is_a_timeout() -> None:
    linux_root()
    # A cable with nobody at its end; the neighbour is fixed, so that nothing is called unreachable.
    code = "from qos.system.echo import echo as e\n"
    code += "print(e('203.0.113.7', 2 * 10**8, 1).reason)"
    script = (
        "ip link add d0 type veth peer name d1 && ip addr add 203.0.113.1/24 dev d0"
        " && ip link set d0 up && ip link set d1 up"
        " && ip neigh add 203.0.113.7 lladdr 02:00:00:00:00:01 dev d0"
        f' && {sys.executable} -c "{code}"'
    )
    done = subprocess.run(
        [program("unshare"), "--net", "sh", "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "timeout"


def test_addresses_are_told_from_names() -> None:
    assert all(map(is_address, ("1.2.3.4", "::1", "fe80::1%eth0")))
    assert not any(map(is_address, ("localhost", "1.2.3", "")))


def test_names_become_addresses_and_unknown_ones_none() -> None:
    assert resolve("127.0.0.1") == ("127.0.0.1",)
    assert set(resolve("localhost")) & {"127.0.0.1", "::1"}
    assert resolve("no-such-name.invalid") == ()
    assert resolve("x" * 300) == ()


@pytest.mark.parametrize(
    ("address", "size"), [("192.0.2.1", 84), ("2001:db8::1", 104), ("127.0.0.1", 0), ("127.9.9.9", 0), ("::1", 0)]
)
def test_an_echo_has_the_size_that_an_interface_counts(address: str, size: int) -> None:
    assert echo_bytes(address) == size
