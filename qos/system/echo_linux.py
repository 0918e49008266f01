"""One ICMP echo on Linux, timed by the kernel: an answer that waits for a busy processor is no slow line.

The kernel stamps a packet when it arrives (SO_TIMESTAMPNS, ``socket(7)``); what passed from then until this process was
woken up is taken off. Raw sockets first, as root; else ICMP datagram sockets, where ``net.ipv4.ping_group_range`` lets
this group (``icmp(7)``): the kernel then fills in identity and checksum and gives no IP header.
"""

import errno
import os
import socket
import struct
import sys
from contextlib import suppress
from typing import Final

from qos.system import clock
from qos.system.echo_stream import reply, request

assert sys.platform == "linux"

_TIMESTAMPNS: Final = 64
"""SO_TIMESTAMPNS_NEW: seconds and nanoseconds of 64 bits each, since Linux 5.1."""
_STAMP: Final = struct.Struct("=qq")
_MARK_BYTES: Final = 8
_ECHO4, _REPLY4, _ECHO6, _REPLY6 = 8, 0, 128, 129
_ERRORS4: Final = (3, 11)
_ERRORS6: Final = (1, 3)
"""Destination unreachable and time exceeded (RFC 792, RFC 4443): what could not be delivered follows the header."""
_HEAD: Final = struct.Struct(">BBHHH")


def round_trip_ns(address: str, timeout_ns: int, seq: int, payload_bytes: int) -> int:
    """Send one echo request and wait for its answer: nanoseconds.

    Raises TimeoutError without an answer, OSError for what the system or a router says (EHOSTUNREACH).
    """
    family, _, _, _, place = socket.getaddrinfo(address, None, flags=socket.AI_NUMERICHOST)[0]
    six = family == socket.AF_INET6
    identity, mark = int.from_bytes(os.urandom(2), "big"), os.urandom(_MARK_BYTES)
    message = request(_ECHO6 if six else _ECHO4, identity, seq & 0xFFFF, mark + bytes(payload_bytes - _MARK_BYTES))
    with _opened(family) as link:
        raw = link.type == socket.SOCK_RAW
        with suppress(OSError):  # an old kernel: woken up is arrived
            link.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
        sent_ns = clock.monotonic_ns()
        link.sendto(message, place)
        while (left_ns := sent_ns + timeout_ns - clock.monotonic_ns()) > 0:
            link.settimeout(left_ns / 1e9)
            data, control, _, _ = link.recvmsg(2048, 128)
            elapsed_ns, wall_ns = clock.monotonic_ns() - sent_ns, clock.wall_ns()
            if _is_answer(data, mark, raw=raw, six=six):
                return max(1, elapsed_ns - _waited_ns(control, wall_ns, elapsed_ns))
            if raw and _undeliverable(data, six=six) == (identity, seq & 0xFFFF):
                raise OSError(errno.EHOSTUNREACH, "a router cannot deliver it")
    raise TimeoutError


def _opened(family: int) -> socket.socket:
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    try:
        return socket.socket(family, socket.SOCK_RAW, protocol)
    except PermissionError:
        return socket.socket(family, socket.SOCK_DGRAM, protocol)


def _is_answer(data: bytes, mark: bytes, *, raw: bool, six: bool) -> bool:
    if mark not in data[: 60 + _HEAD.size + _MARK_BYTES]:
        return False
    if raw:
        return reply(data, six=six) is not None
    return data[0] == (_REPLY6 if six else _REPLY4)


def _waited_ns(control: list[tuple[int, int, bytes]], wall_ns: int, elapsed_ns: int) -> int:
    """How long the answer lay there until it was taken; 0 when the kernel does not say, or the clock was set."""
    for level, kind, value in control:
        if level == socket.SOL_SOCKET and kind == _TIMESTAMPNS and len(value) >= _STAMP.size:
            seconds, rest = _STAMP.unpack_from(value)
            waited_ns: int = wall_ns - (seconds * 10**9 + rest)
            return waited_ns if 0 <= waited_ns < elapsed_ns else 0
    return 0


def _undeliverable(data: bytes, *, six: bool) -> tuple[int, int] | None:
    """Identity and sequence of the echo request that an ICMP error is about; None for anything else."""
    body = data if six else data[(data[0] & 0xF) * 4 :] if data else b""
    if len(body) <= _HEAD.size or body[0] not in (_ERRORS6 if six else _ERRORS4):
        return None
    about = body[_HEAD.size :]
    about = about[40:] if six else about[(about[0] & 0xF) * 4 :]
    if len(about) < _HEAD.size or about[0] != (_ECHO6 if six else _ECHO4):
        return None
    _, _, _, identity, sequence = _HEAD.unpack_from(about)
    return identity, sequence
