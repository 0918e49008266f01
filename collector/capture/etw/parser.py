"""From the bytes of trace buffers to what every flow of every process moved. Pure; its cost is per event.

Nothing here is trusted to be well formed: a record of unknown kind, a payload too short, a length that leads out of
the buffer are counted as unreadable, and nothing is ever read past the end.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from collector.capture.etw.layout import (
    BUFFER_HEADER_BYTES,
    EVENT_HEADER_64,
    EVENT_HEADER_BYTES,
    EXTENDED,
    FILLED_AT,
    KINDS,
    NETWORK,
    PROCESS,
    PROCESS_START,
    V4_PAYLOAD,
    V6_PAYLOAD,
)
from collector.capture.etw.process_start import ProcessStart, read_start

Key = tuple[int, bytes]
"""Process id; then both addresses and both ports as in the event (``daddr saddr dport sport``)."""
Counts = list[int]
"""Payload bytes, packets (estimated)."""

_Flows = dict[bytes, list[int]]
"""By the ends of the flow: the process whose they were first, payload bytes, packets."""
_Table = tuple[int, int, Callable[[bytes], list[int] | None], _Flows, bool, tuple[int, ...]]
"""Of one kind of event: how its last record began (-1: none yet), how far the next record is from such a one, how to
look a flow up and where, whether it is IPv4, packets by payload bytes."""
_NETWORK: Final = NETWORK.bytes_le
_PROCESS: Final = PROCESS.bytes_le
_RECORD: Final = struct.Struct(f"<Q26xQ38xII{V6_PAYLOAD - 8}s")
"""Size, marker and flags; the last six bytes of the provider and the id; process id; size of the transfer; its ends."""
_MARKER_AND_EXTENDED: Final = (0xFFFF | EXTENDED << 16) << 16
_V4_ENDS: Final = V4_PAYLOAD - 8
_FAST_BYTES: Final = _RECORD.size
"""With so much left in the buffer, whatever an event of ours needs is there."""
_LARGEST: Final = 65_536
"""Bytes of a transfer whose packets are looked up, which costs half of a division; larger ones are few."""
_PACKETS: Final = {
    segment: tuple(max(1, -(-size // segment)) for size in range(_LARGEST + 1))
    for segment in {kind.segment for kind in KINDS.values()}
}
"""By payload bytes in a full packet."""
_HEAD: Final = struct.Struct("<HHH18x16sHB")
_V4: Final = struct.Struct(f"<II{V4_PAYLOAD - 8}s")
_V6: Final = struct.Struct(f"<II{V6_PAYLOAD - 8}s")
_U16: Final = struct.Struct("<H")
_U32: Final = struct.Struct("<I")


@dataclass(slots=True)
class Counted:
    """What was counted since the last take."""

    flows: dict[int, dict[Key, Counts]] = field(default_factory=lambda: {number: {} for number in KINDS})
    """By event id."""
    starts: list[ProcessStart] = field(default_factory=list)
    events: int = 0
    unreadable: int = 0
    """Records that could not be read: their bytes are missing."""


def _kind(number: int) -> int:
    """An event of ours as it stands in a record; six bytes tell the session's two providers apart."""
    return int.from_bytes(_NETWORK[10:], "little") | number << 48


class Parser:
    """Sums up buffers and single events. One thread feeds it."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._counted = Counted()
        self._tables: dict[int, _Table] = {}
        for number, kind in KINDS.items():
            flows: _Flows = {}
            self._tables[_kind(number)] = (-1, 0, flows.get, flows, kind.family == 4, _PACKETS[kind.segment])

    def take(self) -> Counted:
        """What was counted since the last call."""
        counted, tables = self._counted, self._tables
        self._begin()
        for number, shared in counted.flows.items():
            ours = tables[_kind(number)][3].items()  # the first process of a flow stays the first
            counted.flows[number] = {(pid, ends): [size, packets] for ends, (pid, size, packets) in ours} | shared
        return counted

    def add_buffer(self, data: memoryview | bytes) -> None:
        """One raw trace buffer: its header, then records, each aligned to eight bytes."""
        if len(data) < BUFFER_HEADER_BYTES:
            self._counted.unreadable += 1
            return
        data = bytes(data)  # one copy a buffer: slices of bytes cost half of those of a view
        end = min(_U32.unpack_from(data, FILLED_AT)[0], len(data))
        at, fast_end, tables, unpack = BUFFER_HEADER_BYTES, end - _FAST_BYTES, self._tables, _RECORD.unpack_from
        events = 0
        while at < end:
            try:
                while at <= fast_end:
                    head, kind, pid, length, ends = unpack(data, at)
                    usual, step, get, flows, is_v4, packets_of = tables[kind]
                    if head != usual:
                        break
                    packets = packets_of[length]
                    at += step
                    events += 1
                    if is_v4:
                        ends = ends[:_V4_ENDS]
                    counts = get(ends)
                    if counts is None:
                        flows[ends] = [pid, length, packets]
                        continue
                    owner, size, sent = counts
                    if owner == pid:
                        counts[1] = size + length
                        counts[2] = sent + packets
                    else:
                        self._add_shared(kind, (pid, ends), length, packets)
                if at <= fast_end and self._learn(kind, head):
                    continue
            except LookupError:
                pass
            step = self._other(data, at, end)  # another provider or event, a damaged one, a large one, the last one
            if not step:
                break
            at += step
        self._counted.events += events

    def _learn(self, kind: int, head: int) -> bool:
        """Whether a record that begins so can be read the fast way from now on: all of one kind begin alike."""
        _, _, get, flows, is_v4, packets_of = self._tables[kind]
        size = head & 0xFFFF
        if head & _MARKER_AND_EXTENDED != EVENT_HEADER_64 << 16:
            return False
        if size < EVENT_HEADER_BYTES + (V4_PAYLOAD if is_v4 else V6_PAYLOAD):
            return False
        self._tables[kind] = (head, (size + 7) & ~7, get, flows, is_v4, packets_of)
        return True

    def _add_shared(self, kind: int, key: Key, length: int, packets: int) -> None:
        """A flow of which another process was seen first: sockets that share a port or a multicast group."""
        counts = self._counted.flows[kind >> 48].setdefault(key, [0, 0])
        counts[0] += length
        counts[1] += packets

    def _other(self, data: memoryview | bytes, at: int, end: int) -> int:
        """A record that is not the usual one; how far the next is, 0 when the rest of the buffer cannot be read."""
        if end - at < 8:
            self._counted.unreadable += at < end and any(data[at:end])
            return 0
        size: int = _U16.unpack_from(data, at)[0]
        marker: int = _U16.unpack_from(data, at + 2)[0]
        if marker != EVENT_HEADER_64:
            size = _U16.unpack_from(data, at + 4)[0] if marker & 0xC000 == 0xC000 else 0
            if not size:  # padding, or nothing that we know
                self._counted.unreadable += 1
                return 0
            return (size + 7) & ~7  # a record of the tracing system itself
        if size < EVENT_HEADER_BYTES or at + size > end:
            self._counted.unreadable += 1
            return 0
        _, _, flags, provider, number, version = _HEAD.unpack_from(data, at)
        if provider in (_NETWORK, _PROCESS):
            if flags & EXTENDED:
                self._counted.unreadable += number in KINDS or provider == _PROCESS
            else:
                self.add_event(provider, number, version, data[at + EVENT_HEADER_BYTES : at + size])
        return (size + 7) & ~7

    def add_event(self, provider: bytes, number: int, version: int, payload: memoryview | bytes) -> None:
        """One event by its header's fields and its payload. ``provider``: the GUID's bytes, little endian."""
        if provider == _NETWORK:
            self.add_transfer(_kind(number), payload, 0, len(payload))
        elif provider == _PROCESS and number == PROCESS_START:
            start = read_start(version, payload)
            if start is None:
                self._counted.unreadable += 1
            else:
                self._counted.starts.append(start)

    def add_transfer(self, kind: int, data: memoryview | bytes, at: int, length: int) -> bool:
        """One event whose payload of ``length`` bytes stands at ``at``; False when it is none that counts bytes.

        ``kind``: the eight bytes at 34 of its header, the last six of the provider and the id.
        """
        table = self._tables.get(kind)
        if table is None:
            return False
        _, _, get, flows, is_v4, packets_of = table
        if length < (V4_PAYLOAD if is_v4 else V6_PAYLOAD):
            self._counted.unreadable += 1
            return True
        pid, moved, ends = (_V4 if is_v4 else _V6).unpack_from(data, at)
        self._counted.events += 1
        packets = packets_of[moved] if moved <= _LARGEST else -(-moved // KINDS[kind >> 48].segment)
        counts = get(ends)
        if counts is None:
            flows[ends] = [pid, moved, packets]
        elif counts[0] == pid:
            counts[1] += moved
            counts[2] += packets
        else:
            self._add_shared(kind, (pid, ends), moved, packets)
        return True
