"""The unprivileged backend: TCP to within a handshake, owners as far as ``/proc`` lets, and UDP unseen."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import require

if sys.platform != "linux":
    pytest.skip("sock_diag is Linux", allow_module_level=True)

from collector.capture.sockdiag.backend import SockdiagCapture, wire_counts
from qos.system.sockets import inet_diag_linux
from qos.system.sockets.inet_diag_linux import Entry, TcpCounts
from tests.lab import PEER4, PEER6, Lab

ROOT = Path(__file__).parents[4]


@pytest.fixture
def lab() -> Iterator[Lab]:
    require.linux_root()
    require.program("ip")
    require.program("ethtool")
    with Lab() as built:
        yield built


def entry(*, family: int = socket.AF_INET, state: int = 1, remote: bytes = b"", stamps: bool = True) -> Entry:
    return Entry(
        protocol=inet_diag_linux.TCP,
        family=family,
        state=state,
        local_port=1,
        remote_port=2,
        local=bytes([10, 0, 0, 1]) + bytes(12),
        remote=remote or bytes([192, 0, 2, 1]) + bytes(12),
        interface=0,
        cookie=1,
        inode=1,
        uid=0,
        counts=TcpCounts(1000, 2000, 10, 20, stamps),
    )


def test_every_segment_adds_its_headers() -> None:
    assert wire_counts(entry()) == (1000 + 10 * 52, 2000 + 20 * 52, 10, 20)
    assert wire_counts(entry(stamps=False)) == (1000 + 10 * 40, 2000 + 20 * 40, 10, 20)
    six = bytes.fromhex("20010db8") + bytes(12)
    assert wire_counts(entry(family=socket.AF_INET6, remote=six)) == (1000 + 10 * 72, 2000 + 20 * 72, 10, 20)


def test_ipv4_over_a_socket_of_both_families_has_ipv4_headers() -> None:
    mapped = bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 1])
    assert wire_counts(entry(family=socket.AF_INET6, remote=mapped)) == (1520, 3040, 10, 20)


def test_listeners_and_loopback_do_not_count() -> None:
    assert wire_counts(entry(state=inet_diag_linux.LISTEN)) is None
    assert wire_counts(entry(remote=bytes([127, 0, 0, 1]) + bytes(12))) is None
    mapped = bytes(10) + b"\xff\xff" + bytes([127, 0, 0, 1])
    assert wire_counts(entry(family=socket.AF_INET6, remote=mapped)) is None


@pytest.mark.packets
@pytest.mark.parametrize(("family", "there"), [(socket.AF_INET, PEER4), (socket.AF_INET6, PEER6)], ids=["v4", "v6"])
def test_tcp_of_new_and_older_connections_is_that_of_the_wire(
    lab: Lab, family: socket.AddressFamily, there: str
) -> None:
    with ExitStack() as held, lab.inside("host"):
        server = held.enter_context(lab.socket("peer", family, socket.SOCK_STREAM))
        server.bind((there, 0))
        server.listen()

        def connection() -> tuple[socket.socket, socket.socket]:
            client = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
            client.connect(server.getsockname()[:2])
            accepted, _ = server.accept()
            return client, held.enter_context(accepted)

        older = connection()
        older[0].sendall(bytes(50_000))
        assert len(older[1].recv(50_000, socket.MSG_WAITALL)) == 50_000
        capture = SockdiagCapture()
        capture.start()
        before = lab.counters()
        for client, accepted in (older, connection()):
            for source, drain in ((client, accepted), (accepted, client)):
                writer = threading.Thread(target=source.sendall, args=(bytes(500_000),))
                writer.start()
                assert len(drain.recv(500_000, socket.MSG_WAITALL)) == 500_000
                writer.join()
        with lab.socket("host", socket.AF_INET, socket.SOCK_DGRAM) as unseen:
            unseen.sendto(bytes(1000), (PEER4, 9))
        time.sleep(0.1)
        wire = lab.counters() - before
        sample = capture.poll()
        capture.stop()
        capture.stop()
    (delta,) = sample.deltas
    assert delta.owner is not None
    assert delta.owner.pid == os.getpid()
    assert delta.flows == 2
    assert delta.rx_bytes == pytest.approx(wire.rx_bytes, rel=0.01)
    assert delta.tx_bytes == pytest.approx(wire.tx_bytes - 1028, rel=0.01)
    assert "only TCP" in sample.notes[0]


@pytest.mark.packets
def test_without_privilege_it_counts_its_own_processes_and_leaves_the_rest_unnamed(lab: Lab) -> None:
    text = (
        "import os, socket, time, sys\n"
        "from collector.capture.sockdiag.backend import SockdiagCapture\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "c = SockdiagCapture(); c.start()\n"
        "s = socket.socket(); s.connect((sys.argv[1], int(sys.argv[2])))\n"
        "s.sendall(bytes(10_000)); s.recv(1)\n"
        "print('go', flush=True); input()\n"
        "r = c.poll()\n"
        "print({(d.owner.pid == os.getpid() if d.owner else None): d.tx_bytes for d in r.deltas}, r.notes)\n"
    )
    with ExitStack() as held:
        server = held.enter_context(lab.socket("peer", socket.AF_INET, socket.SOCK_STREAM))
        server.bind((PEER4, 0))
        server.listen()
        pipe = subprocess.PIPE
        program = lab.start(
            "host",
            *(sys.executable, "-c", text, PEER4, str(server.getsockname()[1])),
            stdin=pipe,
            stdout=pipe,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        server.settimeout(30)
        accepted, _ = server.accept()
        held.enter_context(accepted)
        assert len(accepted.recv(10_000, socket.MSG_WAITALL)) == 10_000
        accepted.sendall(b"x")
        assert program.stdout is not None
        assert program.stdout.readline() == "go\n"
        other = held.enter_context(lab.socket("host", socket.AF_INET, socket.SOCK_STREAM))  # root's: ours
        other.connect(server.getsockname())
        answer, _ = program.communicate("\n", timeout=60)
    # SYN, acknowledgements and the payload of its own; somebody else's handshake without a name.
    assert re.match(r"\{(True: 10\d{3}, None: 1\d\d|None: 1\d\d, True: 10\d{3})\} ", answer), answer
    assert "run it with sudo to see everything" in answer


def test_polling_before_the_start_is_refused() -> None:
    with pytest.raises(RuntimeError):
        SockdiagCapture().poll()
