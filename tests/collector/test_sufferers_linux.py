"""Whose TCP connections wait, on a real connection of this machine's own."""

import os
import socket
import sys

import pytest

if sys.platform != "linux":
    pytest.skip("tcp_info is Linux", allow_module_level=True)

from collector import sufferers_linux
from qos.system.sockets import inet_diag_linux
from qos.system.sockets.inet_diag_linux import Entry, TcpCounts


def entry(cookie: int, inode: int, rtt_ms: int, least_ms: int, idle_ms: int = 10) -> Entry:
    counts = TcpCounts(1, 1, 1, 1, stamps=True, rtt_us=rtt_ms * 1000, min_rtt_us=least_ms * 1000, idle_ms=idle_ms)
    remote = bytes([192, 0, 2, 9]) + bytes(12)
    local = bytes([10, 0, 0, 1]) + bytes(12)
    return Entry(6, socket.AF_INET, 1, 40000, 443, local, remote, 2, cookie, inode, 0, counts)


def test_who_waits_is_named_the_worst_first(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [
        entry(1, 11, 210, 20), entry(2, 12, 130, 20), entry(3, 13, 25, 20), entry(4, 14, 400, 20, 60_000),
        entry(5, 15, 300, 0),
    ]  # fmt: skip
    monkeypatch.setattr("qos.system.sockets.inet_diag_linux.sockets", lambda *_, **__: listed)
    monkeypatch.setattr(sufferers_linux, "pids", lambda: {1, 2, 3, 4})
    monkeypatch.setattr(sufferers_linux, "first_holders", lambda _: {11: 1, 12: 2, 13: 3, 14: 4, 15: 5})
    names = {1: "zoom", 2: "browser", 3: "ssh", 4: "idle", 5: "fresh"}
    assert sufferers_linux.sufferers(names.__getitem__, 180) == ("zoom", "browser")


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
