"""The socket table of Linux: ``sock_diag`` for the sockets, ``/proc/*/fd`` for who holds them.

One dump per protocol and family is a few system calls however many sockets there are; the walk over ``/proc`` costs
about 2 µs per open file. Only this network namespace is seen.
"""

import socket
import sys

from qos.packets.flows import SocketRow, address_of
from qos.system.elevation_linux import elevated
from qos.system.sockets import inet_diag_linux
from qos.system.sockets.open_sockets_linux import holders, pids, socket_inodes

assert sys.platform != "win32"


def sockets() -> list[SocketRow]:
    """Every TCP and UDP socket with each process that holds it (of this user's processes, when not root)."""
    found = inet_diag_linux.sockets(states=inet_diag_linux.HELD)
    held = holders(pids())
    return [row for entry in found for row in rows(entry, held.get(entry.inode, ()))]


def rows(entry: inet_diag_linux.Entry, held_by: list[int] | tuple[()]) -> list[SocketRow]:
    """One row for each process that holds the socket."""
    size = 4 if entry.family == socket.AF_INET else 16
    family, local = address_of(entry.local[:size])
    remote = address_of(entry.remote[:size])[1] if entry.remote_port else b""
    return [
        SocketRow(entry.protocol, family, local, entry.local_port, pid, remote, entry.remote_port) for pid in held_by
    ]


_known_pids: set[int] = set()


def inherited_sockets() -> bool:
    """Was a process started since the last call that holds sockets already? Then the table has changed silently.

    A child inherits its parent's sockets and no event tells of it. One thread at a time asks.
    """
    alive = pids()
    new = alive - _known_pids
    _known_pids.intersection_update(alive)
    _known_pids.update(new)
    return any(socket_inodes(pid) for pid in new)


def blind_to() -> str | None:
    """What this process may not see of the table; None for root."""
    return None if elevated() else "sockets of other users"
