"""From counted flows to bytes at the IP layer per process. Pure.

The events report payload; headers are estimated: full packets of 1500 bytes, the last one smaller, and one
acknowledgement for every two segments of TCP received by the other side. Loopback is left out. A multicast datagram is
reported once for every socket that received it, so of the processes that share such a flow only the first counts. A
received datagram's local address is its destination; for TCP the local address is always the source field.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from collector.capture.etw.layout import KINDS, Kind
from collector.capture.etw.parser import Counted

NOBODY: Final = (0, 0xFFFFFFFF)
"""Process ids that mean: not known."""
KERNEL_PID: Final = 4
_MAPPED: Final = bytes(10) + b"\xff\xff"
_LOOPBACK6: Final = bytes(15) + b"\x01"


@dataclass(slots=True)
class Moved:
    """What a process moved, at the IP layer, estimated."""

    rx_bytes: int = 0
    tx_bytes: int = 0
    rx_packets: int = 0
    tx_packets: int = 0
    flows: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums for the self-check. Datagrams include loopback, as the system's own counters do."""

    datagrams_in: int = 0
    datagrams_out: int = 0
    payload_in: int = 0
    payload_out: int = 0
    repeated: int = 0
    """Payload bytes that were sent again."""


def is_loopback(flow: bytes) -> bool:
    """Whether the traffic never leaves this machine. ``flow`` as in ``parser.Key``."""
    width = 4 if len(flow) == 12 else 16
    destination, source = flow[:width], flow[width : 2 * width]
    if destination == source:
        return True
    if width == 4:
        return destination[0] == 127 or source[0] == 127
    return any(
        address == _LOOPBACK6 or (address.startswith(_MAPPED) and address[12] == 127)
        for address in (destination, source)
    )


def is_multicast(flow: bytes) -> bool:
    """Whether the destination is a group or everybody."""
    if len(flow) == 12:
        return flow[0] >= 224
    return flow[0] == 0xFF or (flow.startswith(_MAPPED) and flow[12] >= 224)


def by_process(counted: Counted) -> tuple[dict[int, Moved], Totals]:
    """What each process moved, and the sums. The id of nobody is 0."""
    moved: dict[int, Moved] = {}
    endpoints: dict[int, set[bytes]] = {}
    sums = [0, 0, 0, 0, 0]
    for pid, flow, kind, (payload, packets) in _rows(counted):
        if kind.udp:
            sums[int(kind.transmit)] += packets
        sums[2 + int(kind.transmit)] += payload
        if kind.repeated:
            sums[4] += payload
        if is_loopback(flow):
            continue
        total = moved.get(pid)
        if total is None:
            total, endpoints[pid] = moved.setdefault(pid, Moved()), set()
        size = payload + packets * kind.header
        acknowledged = 0 if kind.udp else (packets + 1) // 2
        if kind.transmit:
            total.tx_bytes += size
            total.tx_packets += packets
            total.rx_bytes += acknowledged * kind.header
            total.rx_packets += acknowledged
        else:
            total.rx_bytes += size
            total.rx_packets += packets
            total.tx_bytes += acknowledged * kind.header
            total.tx_packets += acknowledged
        endpoints[pid].add(_undirected(flow, kind))
    for pid, total in moved.items():
        total.flows = len(endpoints[pid])
    return moved, Totals(sums[0], sums[1], sums[2], sums[3], sums[4])


def _rows(counted: Counted) -> Iterator[tuple[int, bytes, Kind, list[int]]]:
    for number, table in counted.flows.items():
        kind = KINDS[number]
        groups: set[bytes] = set()
        for (pid, flow), counts in table.items():
            if kind.udp and not kind.transmit and is_multicast(flow):
                if flow in groups:
                    continue
                groups.add(flow)
            yield (0 if pid in NOBODY else pid), flow, kind, counts


def _undirected(flow: bytes, kind: Kind) -> bytes:
    """The same bytes for both directions of a flow: a received datagram has its ends the other way round."""
    if not kind.udp or kind.transmit:
        return flow
    width = 4 if kind.family == 4 else 16
    return flow[width : 2 * width] + flow[:width] + flow[-2:] + flow[-4:-2]
