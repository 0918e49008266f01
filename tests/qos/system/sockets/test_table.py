"""Socket tables: Windows' and Linux's formats from bytes, and this machine's own against sockets that a test opened."""

import os
import socket
import struct
import subprocess
import sys

import pytest

from qos.packets.flows import SocketRow
from qos.system import elevation
from qos.system.sockets import blind_to, inherited_sockets, sockets
from qos.system.sockets.table_windows import parse

LOCAL6 = socket.inet_pton(socket.AF_INET6, "fe80::1")
LISTEN, ESTABLISHED, TIME_WAIT = 2, 5, 11


def word(port: int, rest: int = 0) -> int:
    """A port as the tables hold it: network order in the low half, anything in the high one."""
    return int.from_bytes(port.to_bytes(2, "big"), "little") | rest << 16


def table(layout: str, *rows: tuple[object, ...]) -> bytes:
    return struct.pack("<I", len(rows)) + b"".join(struct.pack(layout, *row) for row in rows)


def test_windows_tcp_rows_over_ipv4() -> None:
    raw = table(
        "<I4sI4sII",
        (LISTEN, bytes(4), word(445), bytes(4), word(0, 0xBEEF), 4),
        (ESTABLISHED, b"\x0a\0\0\1", word(50000, 0xDEAD), b"\x08\x08\x08\x08", word(443), 1234),
        (TIME_WAIT, b"\x0a\0\0\1", word(50001), b"\x08\x08\x08\x08", word(443), 0),
    )
    assert parse(6, 4, raw) == [
        SocketRow(6, 4, bytes(4), 445, 4),
        SocketRow(6, 4, b"\x0a\0\0\1", 50000, 1234, b"\x08\x08\x08\x08", 443),
    ]


def test_a_windows_listeners_left_over_remote_port_is_no_peer() -> None:
    raw = table("<I4sI4sII", (LISTEN, bytes(4), word(80), b"\1\2\3\4", word(555), 9))
    assert parse(6, 4, raw) == [SocketRow(6, 4, bytes(4), 80, 9)]


def test_windows_tcp_rows_over_ipv6_and_mapped() -> None:
    mapped = bytes(10) + b"\xff\xff\x0a\0\0\1"
    raw = table(
        "<16sII16sIIII",
        (LOCAL6, 12, word(50000), LOCAL6, 12, word(443), ESTABLISHED, 77),
        (mapped, 0, word(50002), mapped, 0, word(8080), ESTABLISHED, 78),
    )
    assert parse(6, 6, raw) == [
        SocketRow(6, 6, LOCAL6, 50000, 77, LOCAL6, 443),
        SocketRow(6, 4, b"\x0a\0\0\1", 50002, 78, b"\x0a\0\0\1", 8080),
    ]


def test_windows_udp_rows() -> None:
    assert parse(17, 4, table("<4sII", (bytes(4), word(5353), 88))) == [SocketRow(17, 4, bytes(4), 5353, 88)]
    assert parse(17, 6, table("<16sIII", (LOCAL6, 3, word(500), 89))) == [SocketRow(17, 6, LOCAL6, 500, 89)]


@pytest.mark.parametrize("size", [0, 3, 4, 20, 27])
def test_a_cut_off_windows_table_gives_whole_rows_only(size: int) -> None:
    raw = table("<I4sI4sII", *[(ESTABLISHED, bytes(4), word(1), bytes(4), word(2), 9)] * 3)
    assert len(parse(6, 4, raw[:size])) == max(0, (size - 4) // 24)


linux = pytest.mark.skipif(sys.platform != "linux", reason="the Linux socket table")


@linux
def test_linux_answers_are_read_message_by_message() -> None:
    from qos.system.sockets.inet_diag_linux import parse as parse_linux
    from qos.system.sockets.table_linux import rows

    body = struct.pack(
        "=BBBB2s2s16s16sI2IIIIII",
        socket.AF_INET, 1, 0, 0, (5000).to_bytes(2, "big"), (443).to_bytes(2, "big"),
        b"\x0a\0\0\1" + bytes(12), b"\x08\x08\x08\x08" + bytes(12), 2, 1, 2, 0, 0, 0, 1000, 98765,
    )  # fmt: skip
    attribute = struct.pack("=HHI", 8, 1, 0)
    message = struct.pack("=IHHII", 16 + len(body) + len(attribute), 20, 2, 1, 0) + body + attribute
    done = struct.pack("=IHHIIi", 20, 3, 2, 1, 0, 0)
    row = SocketRow(6, 4, b"\x0a\0\0\1", 5000, 42, b"\x08\x08\x08\x08", 443)
    entries, last = parse_linux(message * 2, 6)
    assert ([entry.inode for entry in entries], last) == ([98765, 98765], False)
    assert rows(entries[0], [42]) == [row]
    entries, last = parse_linux(message + done, 6)
    assert (len(entries), last) == (1, True)
    refused = struct.pack("=IHHIIi", 36, 2, 0, 1, 0, -1) + bytes(16)
    with pytest.raises(PermissionError, match="sock_diag"):
        parse_linux(refused, 6)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_of_this_process_is_in_the_table(family: socket.AddressFamily, kind: socket.SocketKind) -> None:
    if sys.platform not in ("linux", "win32"):
        pytest.skip("this system's table needs rights that a test has not")
    with socket.socket(family, kind) as mine:
        mine.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            mine.listen()
        address = socket.inet_pton(family, mine.getsockname()[0])
        protocol, version = 6 if kind == socket.SOCK_STREAM else 17, 4 if family == socket.AF_INET else 6
        assert SocketRow(protocol, version, address, mine.getsockname()[1], os.getpid()) in sockets()


@linux
def test_a_connection_has_its_peer_and_a_shared_socket_each_of_its_holders() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0],
    ):
        inherited_sockets()
        with subprocess.Popen(["sleep", "60"], pass_fds=[client.fileno()]) as child:
            try:
                port = client.getsockname()[1]
                rows = {r.pid: r for r in sockets() if r.local_port == port and r.remote_port}
                assert rows.keys() >= {os.getpid(), child.pid}
                assert rows[child.pid].remote_port == server.getsockname()[1]
                assert rows[child.pid].remote_addr == b"\x7f\0\0\1"
                assert inherited_sockets()
                assert blind_to() is None or not elevation.elevated()
            finally:
                child.kill()


def test_how_to_get_the_rights_is_a_line_to_type() -> None:
    assert "\n" not in elevation.how_to()
    assert ("sudo" if sys.platform != "win32" else "Admin") in elevation.how_to()
    if sys.platform == "linux":
        assert elevation.elevated() == (os.geteuid() == 0)
