"""Handles on real packets: nothing is lost between taking a packet out and putting it back, whatever is swapped.

On Linux in namespaces; on Windows, as administrator, with datagrams to an address that nobody has.
"""

import itertools
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from qos.packets import divert
from qos.packets.divert.address import split
from qos.packets.packet import parse
from qos.system import clock
from tests import require
from tests.lab import HOST4, HOST6, PEER4, PEER6, Lab

linux = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
windows = pytest.mark.skipif(sys.platform != "win32", reason="the driver is Windows'")
TEST_NET = "192.0.2.1"
"""RFC 5737: an address for documentation, which nobody has."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    require.linux_root()
    require.program("ip")
    require.program("ethtool")
    require.cgroup2()
    with Lab() as made:
        yield made


@pytest.fixture
def host(lab: Lab) -> Iterator[Lab]:
    """The lab with this thread inside its host: a handle must be opened and closed in the namespace that it watches."""
    with lab.inside("host"):
        yield lab


def until(done: Callable[[], Any], seconds: float = 10) -> bool:
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class Passer:
    """Sends on whatever its diverters take, as the enforcer would: a thread for each, one injector."""

    def __init__(self) -> None:
        self._lock, self._threads = threading.Lock(), list[threading.Thread]()
        self.seen: Counter[bool] = Counter()
        self.injector = divert.Injector()

    def take(self, text: str) -> divert.Diverter:
        diverter = divert.Diverter(text)
        thread = threading.Thread(target=self._run, args=(diverter,), daemon=True)
        thread.start()
        self._threads.append(thread)
        return diverter

    def _run(self, diverter: divert.Diverter) -> None:
        with suppress(divert.Drained):
            while True:
                packets = diverter.recv(0.2)
                with self._lock:
                    self.injector.send(packets)
                    self.seen.update(packet.outbound for packet in packets)

    def retire(self, diverter: divert.Diverter) -> None:
        diverter.shutdown_recv()
        self._threads.pop(0).join(5)
        diverter.close()


def addresses(family: int) -> tuple[str, str]:
    return (HOST4, PEER4) if family == 4 else (HOST6, PEER6)


def udp(lab: Lab, where: Any, family: int, port: int = 0) -> socket.socket:
    made = lab.socket(where, socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    made.bind((addresses(family)[where == "peer"], port))
    made.settimeout(5)
    return made


@linux
@pytest.mark.packets
@pytest.mark.parametrize("family", [4, 6])
def test_diverted_packets_arrive_unchanged_in_both_directions(host: Lab, family: int) -> None:
    with ExitStack() as stack:
        here, there = (stack.enter_context(udp(host, where, family)) for where in ("host", "peer"))
        port = here.getsockname()[1]
        passer = Passer()
        stack.callback(passer.injector.close)
        diverter = passer.take(divert.port_filter("udp", [port]).text)
        for number in range(50):
            payload = struct.pack(">I", number) * (1 + number * 7)
            here.sendto(payload, there.getsockname()[:2])
            got, sender = there.recvfrom(2000)
            assert (got, sender[1]) == (payload, port)
            there.sendto(got[::-1], sender[:2])
            assert here.recv(2000) == payload[::-1]
        passer.retire(diverter)
        assert passer.seen == {True: 50, False: 50}
        assert passer.injector.sent == 100
        assert passer.injector.errors == {}


@linux
@pytest.mark.packets
def test_six_swaps_of_the_filter_lose_and_double_nothing(host: Lab) -> None:
    """New handle at the same priority, then shut down, drain and close the old one."""
    count = 6000
    with ExitStack() as stack:
        here, there = (stack.enter_context(udp(host, where, 4)) for where in ("host", "peer"))
        target = here.getsockname()
        passer = Passer()
        stack.callback(passer.injector.close)
        diverter = passer.take(divert.port_filter("udp", [target[1]]).text)
        finished = threading.Event()

        def flood() -> None:
            for number in range(count):
                there.sendto(struct.pack(">I", number), target)
                time.sleep(0.0003)
            finished.set()

        sender = threading.Thread(target=flood)
        sender.start()
        swaps = 0
        while not finished.is_set() or swaps < 6:
            newer = passer.take(divert.port_filter("udp", [target[1], 40_000 + swaps]).text)
            passer.retire(diverter)
            diverter, swaps = newer, swaps + 1
            time.sleep(0.1)
        sender.join()
        passer.retire(diverter)
        got: list[int] = []
        here.settimeout(0.5)
        with suppress(TimeoutError):
            while len(got) < count:
                got.append(struct.unpack(">I", here.recv(100))[0])
    assert sorted(got) == list(range(count))
    assert swaps >= 6
    assert sum(b < a for a, b in itertools.pairwise(got)) <= swaps  # at most one step back for each swap
    assert passer.seen[False] > count // 2  # and most of it did go through us


@linux
@pytest.mark.packets
def test_what_is_queued_can_be_drained_and_sent_on(host: Lab) -> None:
    with ExitStack() as stack:
        here, there = (stack.enter_context(udp(host, where, 4)) for where in ("host", "peer"))
        injector = stack.enter_context(divert.Injector())
        diverter = stack.enter_context(divert.Diverter(divert.port_filter("udp", [here.getsockname()[1]]).text))
        before_ns = clock.monotonic_ns()
        for number in range(300):
            there.sendto(struct.pack(">I", number), here.getsockname())
        here.settimeout(0.2)
        with pytest.raises(TimeoutError):
            here.recv(100)
        packets = diverter.drain()
        assert len(packets) == 300
        assert all(before_ns <= packet.timestamp_ns <= clock.monotonic_ns() for packet in packets)
        with pytest.raises(divert.Drained):
            diverter.recv(0)
        diverter.close()
        assert injector.send(packets) == 300
        assert [struct.unpack(">I", here.recv(100))[0] for _ in range(300)] == list(range(300))


@linux
@pytest.mark.packets
def test_a_wait_ends_when_the_handle_is_shut_down_and_an_empty_one_in_time(host: Lab) -> None:
    with divert.Diverter("udp and localPort == 9") as diverter:
        assert diverter.recv(0) == []
        assert diverter.recv(0.01) == []
        threading.Timer(0.2, diverter.shutdown_recv).start()
        with pytest.raises(divert.Drained):
            diverter.recv()
        diverter.close()
        with pytest.raises(divert.Drained):
            diverter.recv()


@linux
@pytest.mark.packets
def test_refused_packets_are_counted_by_code(host: Lab) -> None:
    with divert.Injector() as injector:
        assert injector.send([divert.RawPacket(b"\x15" * 40, bytes(80), True, 1, 0)]) == 0
        assert sum(injector.errors.values()) == 1


@linux
@pytest.mark.packets
def test_a_sniffer_sees_every_packet_once_beside_a_diverter(host: Lab) -> None:
    with ExitStack() as stack:
        here, there = (stack.enter_context(udp(host, where, 4)) for where in ("host", "peer"))
        passer = Passer()
        stack.callback(passer.injector.close)
        sniffer = stack.enter_context(divert.Sniffer("udp and !loopback", interfaces=[host.interface()]))
        diverter = passer.take(divert.port_filter("udp", [here.getsockname()[1]]).text)
        for number in range(100):
            here.sendto(b"ping" * number, there.getsockname())
            there.sendto(b"pong" * number, here.getsockname())
        for _ in range(100):
            here.recv(2000)
            there.recv(2000)
        passer.retire(diverter)
        seen: Counter[bool] = Counter()
        while (batch := sniffer.recv(0.3)) is not None:
            for number, (at, _length) in enumerate(split(batch.data, batch.count)):
                headers = parse(batch.data, at)
                assert headers is not None
                assert here.getsockname()[1] in headers[4:6]
                seen[bool(batch.addresses[number * 80 + 10] & 2)] += 1
        assert seen == {True: 100, False: 100}
        assert sniffer.lost() == 0


@linux
@pytest.mark.packets
def test_a_frame_padded_by_ethernet_does_not_break_a_batch(host: Lab) -> None:
    with host.inside("router"):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        wire.bind((f"{host.prefix}r0", 0))
    with wire, divert.Sniffer("udp", interfaces=[host.interface()]) as sniffer:
        for number in range(30):
            head = struct.pack(">BBHHHBBH", 0x45, 0, 28 + number, 0, 0, 64, 17, 0)
            ports = struct.pack(">HHHH", 9, 4000 + number, 8 + number, 0)
            packet = head + socket.inet_aton(PEER4) + socket.inet_aton(HOST4) + ports + b"x" * number
            wire.send(b"\xff" * 12 + b"\x08\0" + packet.ljust(46, b"\0"))
        seen: list[tuple[int, int]] = []
        while len(seen) < 30 and (batch := sniffer.recv(2)) is not None:
            for at, length in split(batch.data, batch.count):
                headers = parse(batch.data, at)
                assert headers is not None
                seen.append((headers.destination_port, length))
    assert seen == [(4000 + number, 28 + number) for number in range(30)]


@linux
@pytest.mark.packets
@pytest.mark.parametrize("family", [4, 6])
def test_flow_events_name_the_process_its_port_and_its_end(lab: Lab, family: int) -> None:
    program = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)\n"
        "s.sendto(b'x', (sys.argv[1], 9)); print(s.getsockname()[1])\n"
    )
    with divert.FlowEvents() as events:
        child = lab.start("host", sys.executable, "-c", program, addresses(family)[1], stdout=subprocess.PIPE)
        port = int(child.communicate(timeout=30)[0])
        seen: list[divert.FlowEvent] = []

        def both() -> bool:
            seen.extend(e for e in events.recv(0.1) if e.local_port == port and e.protocol == 17)
            return {"established", "deleted"} <= {e.kind for e in seen}

        assert until(both)
        first = seen[0]
        assert first.kind == "established"
        assert (first.pid, first.family) == (child.pid, family)
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        assert first.local_addr == socket.inet_pton(kind, addresses(family)[0])
        events.shutdown_recv()
        with pytest.raises(divert.Drained):
            drained(events)


def drained(events: divert.FlowEvents) -> None:
    while True:
        events.recv()


LEFTOVERS = """
import json, subprocess, sys, time
from qos.packets import divert


def filters():
    shown = [subprocess.run(["tc", "filter", "show", "dev", sys.argv[1], hook], capture_output=True, text=True).stdout
             for hook in ("ingress", "egress")]
    return sum(text.count("bpf") for text in shown)


if len(sys.argv) > 2:
    divert.Injector(), divert.Diverter("udp and !loopback")
    print("open", flush=True)
    time.sleep(60)
child = subprocess.Popen([sys.executable, sys.argv[0], sys.argv[1], "child"], stdout=subprocess.PIPE)
child.stdout.readline()
counts = [filters()]
child.kill()
child.wait()
counts.append(filters())
divert.unregister()
print(json.dumps([*counts, filters()]))
"""


@linux
@pytest.mark.packets
def test_what_a_killed_process_left_behind_is_removed(lab: Lab, tmp_path: Path) -> None:
    require.program("tc")
    script = tmp_path / "leftovers.py"
    script.write_text(LEFTOVERS, encoding="utf-8")
    root = str(Path(__file__).parents[4])
    done = lab.run("host", sys.executable, str(script), lab.interface(), env={**os.environ, "PYTHONPATH": root})
    opened, killed, cleaned = json.loads(done.stdout)
    assert opened > 0
    assert killed == opened
    assert cleaned == 0


@linux
def test_without_root_it_says_what_to_type() -> None:
    if os.geteuid() != 0:
        assert "sudo" in (divert.available() or "")
        return
    program = "import os; from qos.packets import divert; os.setuid(65534); print(divert.available())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[4], check=True
    )
    assert done.stdout.startswith("not root: type: sudo ")
    assert divert.available() is None or "\n" not in str(divert.available())


@pytest.fixture
def driver() -> None:
    reason = divert.available()
    if reason is not None:
        require.missing(reason)


@windows
@pytest.mark.packets
@pytest.mark.usefixtures("driver")
def test_on_windows_a_datagram_is_sniffed_diverted_and_sent_on() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine, ExitStack() as stack:
        mine.bind(("", 0))
        port = mine.getsockname()[1]
        events = stack.enter_context(divert.FlowEvents())
        injector = stack.enter_context(divert.Injector())
        sniffer = stack.enter_context(divert.Sniffer(f"outbound and udp and localPort == {port}"))
        diverter = stack.enter_context(divert.Diverter(divert.port_filter("udp", [port]).text))
        mine.sendto(b"hello", (TEST_NET, 9))
        batch = sniffer.recv()
        assert batch is not None
        assert split(batch.data, batch.count)[0][1] == 33
        packets = diverter.recv()
        assert packets[0].data.endswith(b"hello")
        assert packets[0].outbound
        assert abs(clock.monotonic_ns() - packets[0].timestamp_ns) < 60 * clock.NS_PER_S
        assert injector.send(packets) == len(packets)
        threading.Timer(0.2, diverter.shutdown_recv).start()
        with pytest.raises(divert.Drained):
            diverter.recv()
        found: list[divert.FlowEvent] = []

        def mine_seen() -> bool:
            found.extend(e for e in events.recv(0.5) if e.local_port == port)
            return bool(found)

        assert until(mine_seen, 30)
        assert found[0].pid == os.getpid()
