"""Whose TCP connections wait, on a real connection of this machine's own."""

import os
import socket
import sys

import pytest

if sys.platform != "linux":
    pytest.skip("tcp_info is Linux", allow_module_level=True)

from collector import sufferers_linux
from collector.sufferers_linux import Sufferers
from qos.system.sockets import inet_diag_linux
from qos.system.sockets.inet_diag_linux import Entry, TcpCounts

S = 10**9


def entry(
    cookie: int, inode: int, rtt_ms: int, least_ms: int, idle_ms: int = 10, sent: int = 100, again: int = 0
) -> Entry:
    counts = TcpCounts(1, 1, 1, sent, True, rtt_ms * 1000, least_ms * 1000, idle_ms, again)
    remote = bytes([192, 0, 2, 9]) + bytes(12)
    local = bytes([10, 0, 0, 1]) + bytes(12)
    return Entry(6, socket.AF_INET, 1, 40000, 443, local, remote, 2, cookie, inode, 0, counts)


class Computer:
    """Its connections, as sock_diag lists them, and whose they are."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.listed: list[Entry] = []
        self.names = {1: "zoom", 2: "browser", 3: "ssh", 4: "idle", 5: "fresh"}
        monkeypatch.setattr("qos.system.sockets.inet_diag_linux.sockets", lambda *_, **__: self.listed)
        monkeypatch.setattr(sufferers_linux, "pids", lambda: set(self.names))
        monkeypatch.setattr(sufferers_linux, "first_holders", lambda _: {pid + 10: pid for pid in self.names})

    def look(self, sufferers: Sufferers, extra_ms: float, second: int = 0) -> tuple[str, ...]:
        return sufferers.look(self.names.__getitem__, extra_ms, 1000 * S + second * S)


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch) -> Computer:
    return Computer(monkeypatch)


def test_who_waits_is_named_the_worst_first(computer: Computer) -> None:
    computer.listed = [
        entry(1, 11, 210, 20), entry(2, 12, 130, 20), entry(3, 13, 25, 20), entry(4, 14, 400, 20, 60_000),
        entry(5, 15, 300, 0),
    ]  # fmt: skip
    assert computer.look(Sufferers(), 180) == ("zoom", "browser")


def test_who_sends_much_again_suffers_from_loss_without_delay(computer: Computer) -> None:
    sufferers = Sufferers()
    computer.listed = [entry(n, 10 + n, 21, 20, again=50) for n in (1, 2, 3)]
    assert computer.look(sufferers, 0) == ()
    computer.listed = [
        entry(1, 11, 21, 20, sent=200, again=80),
        entry(2, 12, 21, 20, 9_000, sent=110, again=53),
        entry(3, 13, 21, 20, sent=1100, again=60),
    ]
    assert computer.look(sufferers, 0, 5) == ("zoom", "browser")
    assert computer.look(sufferers, 0, 10) == ()


def test_what_was_sent_again_long_ago_is_no_loss_of_now(computer: Computer) -> None:
    sufferers = Sufferers()
    computer.listed = [entry(1, 11, 21, 20)]
    computer.look(sufferers, 0)
    computer.listed = [entry(1, 11, 21, 20, sent=200, again=80)]
    assert computer.look(sufferers, 0, 60) == ()


def test_a_real_connection_has_a_round_trip_time() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as accepted,
    ):
        client.sendall(b"x")
        accepted.recv(1)
        inode = os.fstat(client.fileno()).st_ino
        found = {each.inode: each for each in inet_diag_linux.sockets((inet_diag_linux.TCP,), tcp_info=True)}[inode]
    assert found.counts is not None
    assert 0 < found.counts.min_rtt_us <= found.counts.rtt_us < 1_000_000
