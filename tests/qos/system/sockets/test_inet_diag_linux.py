"""The kernel's socket list, from constructed bytes and from this very kernel."""

import os
import socket
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

if sys.platform != "linux":
    pytest.skip("sock_diag is Linux", allow_module_level=True)

from qos.system.sockets import inet_diag_linux
from qos.system.sockets.inet_diag_linux import Entry, parse_entry


def message(*, info: bytes = b"", family: int = socket.AF_INET, state: int = 1) -> memoryview:
    raw = struct.pack("=BBBB", family, state, 0, 0)
    raw += (40000).to_bytes(2, "big") + (443).to_bytes(2, "big")
    raw += bytes([10, 0, 0, 1]) + bytes(12) + bytes([192, 0, 2, 9]) + bytes(12)
    raw += struct.pack("=IQ", 0, 0x1122334455667788) + struct.pack("=IIIII", 0, 0, 0, 1000, 5555)
    if info:
        raw += struct.pack("=HH", len(info) + 4, 2) + info
    return memoryview(raw)


def tcp_info(size: int = 232) -> bytes:
    info = bytearray(max(size, 232))
    info[5] = 1  # timestamps
    struct.pack_into("=QQII", info, 120, 900, 700, 12, 11)
    struct.pack_into("=Q", info, 200, 1000)
    struct.pack_into("=I", info, 52, 40)
    struct.pack_into("=I", info, 68, 31_000)
    struct.pack_into("=I", info, 148, 12_000)
    struct.pack_into("=I", info, 100, 3)
    return bytes(info[:size])


def test_a_message_is_read_with_ports_cookie_and_inode() -> None:
    entry = parse_entry(message(), inet_diag_linux.TCP)
    assert (entry.local_port, entry.remote_port) == (40000, 443)
    assert (entry.cookie, entry.inode, entry.uid) == (0x1122334455667788, 5555, 1000)
    assert entry.counts is None
    assert not entry.loopback


def test_tcp_s_counters_are_those_sent_on_newer_kernels_and_acknowledged_on_older_ones() -> None:
    new = parse_entry(message(info=tcp_info()), inet_diag_linux.TCP).counts
    old = parse_entry(message(info=tcp_info(160)), inet_diag_linux.TCP).counts
    assert new is not None
    assert old is not None
    assert (new.rx_bytes, new.tx_bytes, new.rx_segments, new.tx_segments, new.stamps) == (700, 1000, 11, 12, True)
    assert old.tx_bytes == 900
    assert (new.resent_segments, old.resent_segments) == (3, 3)


@given(st.integers(0, 300))
def test_cut_attributes_are_no_counters_and_no_error(cut: int) -> None:
    whole = message(info=tcp_info())
    entry = parse_entry(whole[: 72 + cut], inet_diag_linux.TCP)
    assert isinstance(entry, Entry)
    assert (entry.counts is not None) == (72 + cut >= len(whole))


def test_a_socket_of_ours_is_listed_with_the_cookie_that_it_tells_itself() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
        other.bind(("::1", 0))
        by_inode = {entry.inode: entry for entry in inet_diag_linux.sockets(tcp_info=True)}
        for made in (server, other):
            entry = by_inode[os.fstat(made.fileno()).st_ino]
            assert entry.cookie.to_bytes(8, sys.byteorder) == made.getsockopt(socket.SOL_SOCKET, 57, 8)
            assert entry.local_port == made.getsockname()[1]
            assert entry.loopback
        assert by_inode[os.fstat(server.fileno()).st_ino].state == inet_diag_linux.LISTEN


def test_a_socket_is_listed_alike_twice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        inode = os.fstat(server.fileno()).st_ino
        first, second = (next(e for e in inet_diag_linux.sockets() if e.inode == inode) for _ in range(2))
        assert first == second
