"""The socket table of Linux: ``sock_diag`` over netlink for the sockets, ``/proc/*/fd`` for who holds them.

One dump per protocol and family is a few system calls however many sockets there are; the walk over ``/proc`` costs
about 2 µs per open file. Only this network namespace is seen. Sources: sock_diag(7), ``linux/inet_diag.h``,
proc_pid_fd(5). The parse is a function of bytes.
"""

import os
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Final

from qos.packets.flows import SocketRow, address_of
from qos.system.elevation_linux import elevated

assert sys.platform != "win32"

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_DUMP_REQUEST: Final = 0x301
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_LIVE: Final = 0xFFF & ~(1 << 6 | 1 << 3)
"""All TCP states but TIME_WAIT and SYN_RECV, which nobody holds."""
_REQUEST: Final = struct.Struct("=IHHIIBBBxI48x")
_HEADER: Final = struct.Struct("=IHHII")
_MESSAGE: Final = struct.Struct("=BBBB2s2s16s16sI2IIIIII")
"""``inet_diag_msg``: family, state, timer, retrans; ports and addresses in network order; …, inode."""
_TABLES: Final = tuple((protocol, family) for protocol in (6, 17) for family in (socket.AF_INET, socket.AF_INET6))


def sockets() -> list[SocketRow]:
    """Every TCP and UDP socket with each process that holds it (of this user's processes, when not root)."""
    found = [entry for protocol, family in _TABLES for entry in _dump(protocol, family)]
    holders = _holders({inode for *_, inode in found})
    return [
        SocketRow(protocol, family, local, local_port, pid, remote, remote_port)
        for protocol, family, local, local_port, remote, remote_port, inode in found
        for pid in holders.get(inode, ())
    ]


_known_pids: set[int] = set()


def heirs() -> bool:
    """Was a process born since the last call with somebody's socket in its hands? Then the table has changed silently.

    A child inherits its parent's sockets and no event tells of it. One thread at a time asks.
    """
    alive = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    born = alive - _known_pids
    _known_pids.intersection_update(alive)
    _known_pids.update(born)
    return any(_sockets_of(pid) for pid in born)


def blind_to() -> str | None:
    """What this process may not see of the table; None for root."""
    return None if elevated() else "sockets of other users"


Entry = tuple[int, int, bytes, int, bytes, int, int]
"""Protocol, 4 or 6, local address and port, remote address and port, inode."""


def parse(protocol: int, data: bytes) -> tuple[list[Entry], bool]:
    """The sockets of one netlink answer, and whether it was the last one. Raises OSError for an error message."""
    entries: list[Entry] = []
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, at)
        if kind == _NLMSG_DONE:
            return entries, True
        if kind == _NLMSG_ERROR:
            code = -struct.unpack_from("=i", data, at + _HEADER.size)[0]
            raise OSError(code, f"sock_diag: {os.strerror(code)}")
        if length < _HEADER.size:
            break
        if kind == _SOCK_DIAG_BY_FAMILY and length >= _HEADER.size + _MESSAGE.size:
            family, _, _, _, sport, dport, source, destination, *_, inode = _MESSAGE.unpack_from(
                data, at + _HEADER.size
            )
            size = 4 if family == socket.AF_INET else 16
            version, local = address_of(source[:size])
            remote_port = int.from_bytes(dport, "big")
            remote = address_of(destination[:size])[1] if remote_port else b""
            entries.append((protocol, version, local, int.from_bytes(sport, "big"), remote, remote_port, inode))
        at += (length + 3) & ~3
    return entries, False


def _dump(protocol: int, family: int) -> Iterator[Entry]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(5)
        states = _LIVE if protocol == 6 else 0xFFFFFFFF
        netlink.send(
            _REQUEST.pack(_REQUEST.size, _SOCK_DIAG_BY_FAMILY, _NLM_F_DUMP_REQUEST, 1, 0, family, protocol, 0, states)
        )
        done = False
        while not done:
            entries, done = parse(protocol, netlink.recv(1 << 18))
            yield from entries


def _holders(inodes: set[int]) -> dict[int, list[int]]:
    """The processes that hold each of these sockets, in order of their PIDs."""
    holders: dict[int, list[int]] = {}
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        for inode in _sockets_of(pid) & inodes:
            holders.setdefault(inode, []).append(pid)
    return holders


def _sockets_of(pid: int) -> set[int]:
    """Inodes of the sockets that a process holds; empty when it is gone or not ours to see."""
    folder = f"/proc/{pid}/fd"
    try:
        files = os.listdir(folder)
    except OSError:
        return set()
    inodes = set()
    for file in files:
        try:
            target = os.readlink(f"{folder}/{file}")
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(int(target[8:-1]))
    return inodes
