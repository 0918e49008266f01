"""The round trip of an echo does not grow because this process is slow to wake up."""

import socket
import subprocess
import sys
import threading
import time

import pytest

from tests.require import linux_root, program

if sys.platform != "linux":
    pytest.skip("Linux's own clock of arrivals", allow_module_level=True)

from qos.system import echo_linux  # after the guard: the module asserts its system
from qos.system.clock import NS_PER_MS
from qos.system.echo import echo


def test_a_process_that_is_woken_up_late_does_not_make_the_round_trip_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    linux_root()

    class Late(socket.socket):
        """Awake 150 ms after the answer has come."""

        def recvmsg(self, *sizes: int) -> tuple[bytes, list[tuple[int, int, bytes]], int, object]:
            time.sleep(0.15)
            return super().recvmsg(*sizes)

    monkeypatch.setattr(socket, "socket", Late)
    found = [echo_linux.round_trip_ns("127.0.0.1", 2000 * NS_PER_MS, n, 56) for n in range(3)]
    assert min(found) < 100 * NS_PER_MS  # 150 ms were slept


def test_many_at_once_each_find_their_own_answer() -> None:
    linux_root()
    found: list[int | None] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(echo("127.0.0.1", 3000 * NS_PER_MS, n).rtt_ns))
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert all(found)


def test_a_router_that_cannot_deliver_says_so_before_the_timeout() -> None:
    linux_root()
    name = f"eu{time.time_ns() % 10**6}"
    code = "from qos.system.echo import echo as e; import time; t = time.monotonic()\n"
    code += "print(e('203.0.113.7', 10**10, 1).reason, time.monotonic() - t < 8)"
    script = f"""
        trap 'ip netns del {name}' EXIT
        ip netns add {name} && ip link add d0 type veth peer name d1 netns {name}
        ip addr add 198.51.100.1/24 dev d0 && ip link set d0 up && ip route add default via 198.51.100.2
        ip -n {name} addr add 198.51.100.2/24 dev d1 && ip -n {name} link set d1 up
        ip netns exec {name} sysctl -qw net.ipv4.ip_forward=1
        ip -n {name} route add unreachable 203.0.113.0/24
        {sys.executable} -c "{code}"
    """
    done = subprocess.run(
        [program("unshare"), "--net", "sh", "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["unreachable", "True"]
