"""The kernel's socket list through netlink (sock_diag): every TCP and UDP socket of this network namespace.

Cheap (a few microseconds a socket) and open to every user; only the inode leads on to a process, through ``/proc``.
Sources: sock_diag(7), ``linux/inet_diag.h``, ``linux/tcp.h`` (offsets of ``struct tcp_info``).
"""

import errno
import os
import socket
import struct
import sys
from dataclasses import dataclass
from typing import Final

assert sys.platform == "linux"

TCP: Final = 6
UDP: Final = 17
LISTEN: Final = 10

_NETLINK_SOCK_DIAG = 4
_BY_FAMILY = 20
_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_ERROR, _DONE = 2, 3
ALL: Final = 0xFFFFFFFF
HELD: Final = 0xFFF & ~(1 << 6 | 1 << 3)
"""All TCP states but TIME_WAIT and SYN_RECV, which no process holds."""
_TCP_INFO = 2
_REQUEST: Final = struct.Struct("<IHHII BBBBI 48x")
_MESSAGE: Final = struct.Struct("=BBBB 2s2s16s16sIQ IIIII")
_HEADER: Final = struct.Struct("=IHHII")


@dataclass(frozen=True, slots=True)
class TcpCounts:
    """What a TCP socket sent and received so far. ``tx_bytes`` includes what was sent again; ``stamps``: 12 bytes more
    in every header (RFC 7323 timestamps)."""

    rx_bytes: int
    tx_bytes: int
    rx_segments: int
    tx_segments: int
    stamps: bool
    rtt_us: int = 0
    """Smoothed round trip as TCP keeps it; 0 before there is one."""
    min_rtt_us: int = 0
    """The least round trip since the connection was made (Linux 4.9); 0 when it is not told."""
    idle_ms: int = 0
    """Since data was last received."""
    resent_segments: int = 0
    """Segments that were sent again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One socket. ``cookie`` is the kernel's own name for it, never reused; ``inode`` 0: no process holds it."""

    protocol: int
    family: int
    state: int
    local_port: int
    remote_port: int
    local: bytes
    remote: bytes
    interface: int
    cookie: int
    inode: int
    uid: int
    counts: TcpCounts | None

    @property
    def loopback(self) -> bool:
        """Whether both ends are this machine's own loopback addresses."""
        return _is_loopback(self.family, self.local) or _is_loopback(self.family, self.remote)


def _is_loopback(family: int, address: bytes) -> bool:
    if family == socket.AF_INET:
        return address[0] == 127
    return address == bytes(15) + b"\1" or (address[:12] == bytes(10) + b"\xff\xff" and address[12] == 127)


def sockets(protocols: tuple[int, ...] = (TCP, UDP), *, tcp_info: bool = False, states: int = ALL) -> list[Entry]:
    """The sockets of this network namespace, IPv4 and IPv6, that are in one of ``states`` (bits; UDP: in any).

    ``tcp_info`` asks for TCP's counters and round-trip times too. Raises OSError.
    """
    found: list[Entry] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as link:
        link.settimeout(5)
        for protocol in protocols:
            extension = 1 << (_TCP_INFO - 1) if tcp_info and protocol == TCP else 0
            wanted = states if protocol == TCP else ALL
            for family in (socket.AF_INET, socket.AF_INET6):
                link.send(_REQUEST.pack(_REQUEST.size, _BY_FAMILY, _DUMP, 0, 0, family, protocol, extension, 0, wanted))
                done = False
                while not done:
                    entries, done = parse(link.recv(1 << 18), protocol)
                    found += entries
    return found


def parse(answer: bytes, protocol: int) -> tuple[list[Entry], bool]:
    """The sockets of one netlink answer, and whether it was the last one. Raises OSError for an error message."""
    entries: list[Entry] = []
    data = memoryview(answer)
    while len(data) >= _HEADER.size:
        length, kind, _flags, _sequence, _port = _HEADER.unpack_from(data)
        if kind == _DONE:
            return entries, True
        if kind == _ERROR:
            code = -struct.unpack_from("=i", data, _HEADER.size)[0]
            if code == errno.ENOENT:  # this protocol's module is not there, so neither are its sockets
                return entries, True
            raise OSError(code, f"sock_diag: {os.strerror(code)}")
        if length < _HEADER.size + _MESSAGE.size:
            break
        entries.append(parse_entry(data[_HEADER.size : length], protocol))
        data = data[(length + 3) & ~3 :]
    return entries, False


def parse_entry(message: memoryview, protocol: int) -> Entry:
    """One ``inet_diag_msg`` with its attributes."""
    (family, state, _timer, _retransmits, local_port, remote_port, local, remote, interface, cookie, *rest) = (
        _MESSAGE.unpack_from(message)
    )
    _expires, _rqueue, _wqueue, uid, inode = rest
    return Entry(
        protocol=protocol,
        family=family,
        state=state,
        local_port=int.from_bytes(local_port, "big"),
        remote_port=int.from_bytes(remote_port, "big"),
        local=local,
        remote=remote,
        interface=interface,
        cookie=cookie,
        inode=inode,
        uid=uid,
        counts=_tcp_counts(message[_MESSAGE.size :]),
    )


def _tcp_counts(attributes: memoryview) -> TcpCounts | None:
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("=HH", attributes)
        if not 4 <= length <= len(attributes):
            return None
        if kind == _TCP_INFO and length - 4 >= 144:
            info = attributes[4:length]
            acked, received, out, in_ = struct.unpack_from("=QQII", info, 120)
            # bytes_sent (Linux 4.19) counts what was sent again too; before that, what was acknowledged.
            sent = struct.unpack_from("=Q", info, 200)[0] if len(info) >= 208 else acked
            (idle_ms,), (rtt_us,) = struct.unpack_from("=I", info, 52), struct.unpack_from("=I", info, 68)
            min_rtt_us = struct.unpack_from("=I", info, 148)[0] if len(info) >= 152 else 0
            if min_rtt_us >= 0xFFFFFFFF:
                min_rtt_us = 0
            (resent,) = struct.unpack_from("=I", info, 100)
            return TcpCounts(received, sent, in_, out, bool(info[5] & 1), rtt_us, min_rtt_us, idle_ms, resent)
        attributes = attributes[(length + 3) & ~3 :]
    return None
