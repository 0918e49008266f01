"""Bytes and packets per flow and direction, out of raw batches. Pure; this is the loop that every sniffed packet takes.

A flow is known by the bytes of its addresses and ports as they lie in the packet, so nothing is decoded here but the
length. What has no ports (ICMP, later fragments, anything unknown) is counted per direction only. An aggregate of the
system's segmentation offload counts as the packets that it becomes on the wire.
"""

import struct
from dataclasses import dataclass, field
from typing import Final

from qos.packets.divert.address import ADDRESS_BYTES, FLAGS_AT, SniffedBatch, gso_size
from qos.packets.packet import TCP, UDP, Headers, parse, wire_bytes, wire_packets

_V4: Final = struct.Struct(">2xH2xHxB2x12s")
_V6: Final = struct.Struct(">4xHBx36s")
_SMALL: Final = 256
"""No aggregate is smaller."""
_PADDED: Final = 46
"""Payload of the shortest Ethernet frame: shorter packets are padded."""

Table = dict[bytes, list[int]]
"""Source address, destination address, source port, destination port as in the packet → [bytes, packets]."""


@dataclass(slots=True)
class FlowCounts:
    """What was counted: by flow for each (protocol, outbound), and what has no flow, inbound first."""

    flows: dict[tuple[int, bool], Table] = field(
        default_factory=lambda: {(protocol, out): {} for protocol in (TCP, UDP) for out in (False, True)}
    )
    rest: tuple[list[int], list[int]] = field(default_factory=lambda: ([0, 0], [0, 0]))


class FlowCounter:
    """Counts until ``take``. Not for two threads at once: who adds and who takes share a lock."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> FlowCounts:
        counted = FlowCounts()
        tables: list[Table | None] = [None] * 512
        for (protocol, out), table in counted.flows.items():
            tables[protocol << 1 | out] = table
        self._counted, self._tables = counted, tables
        return counted

    def take(self) -> FlowCounts:
        """What was counted since the last take."""
        counted = self._counted
        self._reset()
        return counted

    def add(self, batch: SniffedBatch) -> int:
        """Count a batch; the number of packets that could not be read (the rest of the batch is given up then)."""
        tables, rest = self._tables, self._counted.rest
        data, addresses = batch.data, batch.addresses
        v4, v6 = _V4.unpack_from, _V6.unpack_from
        at, end, place = 0, len(data), FLAGS_AT
        for number in range(batch.count):
            out = addresses[place] >> 1 & 1
            first = data[at] if at + 44 <= end else 0
            table = None
            if first == 0x45:
                length, fragment, protocol, key = v4(data, at)
                if not fragment & 0x3FFF:
                    table = tables[protocol << 1 | out]
            elif first >> 4 == 6:
                length, protocol, key = v6(data, at)
                length += 40
                table = tables[protocol << 1 | out]
            if table is not None and (length < _SMALL or not gso_size(addresses, place - FLAGS_AT)):
                entry = table.get(key)
                if entry is None:
                    table[key] = [length, 1]
                else:
                    entry[0] += length
                    entry[1] += 1
            else:
                headers = parse(data, at)
                length = headers.length if headers is not None else _length(data, at)
                if not length:
                    return batch.count - number
                entry = rest[out] if headers is None else self._entry(headers, out)
                packets, size = _on_the_wire(headers, length, gso_size(addresses, place - FLAGS_AT))
                entry[0] += size
                entry[1] += packets
            at += length
            if length < _PADDED and at < end and data[at] >> 4 not in (4, 6):
                at += _PADDED - length
            place += ADDRESS_BYTES
        return 0

    def _entry(self, headers: Headers, out: int) -> list[int]:
        table = None if headers.fragment else self._tables[headers.protocol << 1 | out]
        if table is None:
            return self._counted.rest[out]
        key = headers.source + headers.destination
        key += headers.source_port.to_bytes(2, "big") + headers.destination_port.to_bytes(2, "big")
        return table.setdefault(key, [0, 0])


def _length(data: memoryview, at: int) -> int:
    """The length of a packet whose headers cannot be read otherwise; 0 when it is no IP packet at all."""
    if at + 20 <= len(data) and data[at] >> 4 == 4:
        return data[at + 2] << 8 | data[at + 3]
    if at + 40 <= len(data) and data[at] >> 4 == 6:
        return 40 + (data[at + 4] << 8 | data[at + 5])
    return 0


def _on_the_wire(headers: Headers | None, length: int, segment: int) -> tuple[int, int]:
    """Packets and bytes that an aggregate becomes; the packet itself when it is none."""
    if headers is None or not segment:
        return 1, length
    repeated = length - headers.payload_bytes
    return wire_packets(length, repeated, segment), wire_bytes(length, repeated, segment)
