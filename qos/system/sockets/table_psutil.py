"""The socket table by psutil, for systems without a file of their own. The same functions as ``sockets_linux``."""

import socket

import psutil

from qos.packets.flows import SocketRow, address_of


def sockets() -> list[SocketRow]:
    """Every TCP and UDP socket and the process that holds it. Empty where the system refuses."""
    rows = []
    try:
        connections = psutil.net_connections("inet")
    except (psutil.Error, OSError):
        return []
    for c in connections:
        if not c.laddr or not c.pid:
            continue
        protocol = 6 if c.type == socket.SOCK_STREAM else 17
        family, local = address_of(socket.inet_pton(c.family, c.laddr.ip.partition("%")[0]))
        remote = address_of(socket.inet_pton(c.family, c.raddr.ip.partition("%")[0]))[1] if c.raddr else b""
        rows.append(SocketRow(protocol, family, local, c.laddr.port, c.pid, remote, c.raddr.port if c.raddr else 0))
    return rows


def inherited_sockets() -> bool:
    """Was a process started that holds sockets already? Not known here: no."""
    return False


def blind_to() -> str | None:
    """What this process may not see of the table; None when it sees all that psutil does."""
    return "sockets of other users"
