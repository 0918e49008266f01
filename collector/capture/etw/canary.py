"""The canary: known bytes over loopback, which the events must show to the byte before anything is attributed.

Sending touches sockets; ``found`` only compares. What cannot be sent here (IPv6 switched off) is left out.
"""

import socket
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final, Literal

from collector.capture.etw.layout import KINDS
from collector.capture.etw.parser import Counted

Way = Literal["TCPv4", "TCPv6", "UDPv4", "UDPv6"]
_SIZES: Final = (1_000, 7_777, 31_000)
_DATAGRAMS: Final = (1, 512, 1_200)
_TIMEOUT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Sent:
    """What one way carried, between two ports of ours."""

    way: Way
    size: int
    ports: frozenset[int]


def send() -> tuple[Sent, ...]:
    """Send on every way that this machine has over loopback."""
    done = []
    for family, way, address in ((socket.AF_INET, "v4", "127.0.0.1"), (socket.AF_INET6, "v6", "::1")):
        for over, how in (("TCP", _tcp), ("UDP", _udp)):
            with suppress(OSError):
                size, ports = how(family, address)
                name: Way = f"{over}{way}"  # type: ignore[assignment] # one of the four by construction
                done.append(Sent(name, size, ports))
    return tuple(done)


def _tcp(family: socket.AddressFamily, address: str) -> tuple[int, frozenset[int]]:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server((address, 0), family=family))
        server.settimeout(_TIMEOUT_S)
        client = stack.enter_context(socket.create_connection(server.getsockname()[:2], _TIMEOUT_S))
        accepted, _ = server.accept()
        stack.enter_context(accepted)
        accepted.settimeout(_TIMEOUT_S)
        for size in _SIZES:
            client.sendall(bytes(size))
            left = size
            while left:
                left -= len(accepted.recv(left))
        return sum(_SIZES), frozenset((server.getsockname()[1], client.getsockname()[1]))


def _udp(family: socket.AddressFamily, address: str) -> tuple[int, frozenset[int]]:
    with socket.socket(family, socket.SOCK_DGRAM) as one, socket.socket(family, socket.SOCK_DGRAM) as other:
        for made in (one, other):
            made.bind((address, 0))
            made.settimeout(_TIMEOUT_S)
        for size in _DATAGRAMS:
            one.sendto(bytes(size), other.getsockname())
            other.recv(65_536)
        return sum(_DATAGRAMS), frozenset((one.getsockname()[1], other.getsockname()[1]))


class Sightings:
    """What the events showed of it so far."""

    def __init__(self, sent: Iterable[Sent], pid: int) -> None:
        self._sent, self._pid = {one.way: one for one in sent}, pid
        self._bytes = {way: [0, 0] for way in self._sent}

    def add(self, counted: Counted) -> None:
        """Take in what was counted."""
        for number, table in counted.flows.items():
            kind = KINDS[number]
            way: Way = f"{'UDP' if kind.udp else 'TCP'}v{kind.family}"  # type: ignore[assignment] # as above
            sent = self._sent.get(way)
            if sent is None or kind.repeated:
                continue
            for (pid, flow), counts in table.items():
                ports = frozenset((int.from_bytes(flow[-4:-2], "big"), int.from_bytes(flow[-2:], "big")))
                if pid == self._pid and ports == sent.ports:
                    self._bytes[way][kind.transmit] += counts[0]

    def missing(self, ways: tuple[str, ...] = ("TCP", "UDP")) -> tuple[str, ...]:
        """What is not shown to the byte, in words; empty when all is well."""
        return tuple(
            f"{way}: {received} of {sent.size} bytes received and {transmitted} sent"
            for way, sent in self._sent.items()
            if way.startswith(ways)
            for received, transmitted in [self._bytes[way]]
            if (received, transmitted) != (sent.size, sent.size)
        )
