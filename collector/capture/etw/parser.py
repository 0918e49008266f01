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
    V6_PAYLOAD,
)
from collector.capture.etw.process_start import ProcessStart, read_start

Key = tuple[int, bytes]
"""Process id; then both addresses and both ports as in the event (``daddr saddr dport sport``)."""
Counts = list[int]
"""Payload bytes, packets (estimated)."""

_Table = tuple[Callable[[Key], Counts | None], dict[Key, Counts], int, int]
"""How to look a flow up and where, where the ports end in a record, payload bytes in a full packet."""
_NETWORK: Final = NETWORK.bytes_le
_PROCESS: Final = PROCESS.bytes_le
_RECORD: Final = struct.Struct("<HI18xI12xH38xII")
"""Size, marker and flags, the provider's first four bytes, id, process id, size of the transfer."""
_NETWORK_HEAD: Final = int.from_bytes(_NETWORK[:4], "little")
"""Enough to tell the session's two providers apart; the slow way compares all of it."""
_MARKER_AND_EXTENDED: Final = 0xFFFF | EXTENDED << 16
_FLOW_AT: Final = EVENT_HEADER_BYTES + 8
_FAST_BYTES: Final = EVENT_HEADER_BYTES + V6_PAYLOAD
"""With so much left in the buffer, whatever an event of ours needs is there."""
_HEAD: Final = struct.Struct("<HHH18x16sHB")
_TRANSFER: Final = struct.Struct("<II")
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


class Parser:
    """Sums up buffers and single events. One thread feeds it."""

    def __init__(self) -> None:
        self._counted = Counted()
        self._tables = self._tables_of(self._counted)

    @staticmethod
    def _tables_of(counted: Counted) -> dict[int, _Table]:
        made: dict[int, _Table] = {}
        for number, kind in KINDS.items():
            table = counted.flows[number]
            made[number] = (table.get, table, EVENT_HEADER_BYTES + kind.payload, kind.segment)
        return made

    def take(self) -> Counted:
        """What was counted since the last call."""
        counted, self._counted = self._counted, Counted()
        self._tables = self._tables_of(self._counted)
        return counted

    def add_buffer(self, data: memoryview | bytes) -> None:
        """One raw trace buffer: its header, then records, each aligned to eight bytes."""
        if len(data) < BUFFER_HEADER_BYTES:
            self._counted.unreadable += 1
            return
        data = bytes(data)  # one copy a buffer: slices of bytes cost half of those of a view
        end = min(_U32.unpack_from(data, FILLED_AT)[0], len(data))
        at, fast_end, known, unpack = BUFFER_HEADER_BYTES, end - _FAST_BYTES, self._tables.get, _RECORD.unpack_from
        events = 0
        while at <= fast_end:
            size, marker_and_flags, provider, number, pid, length = unpack(data, at)
            found = known(number)
            if found is None or marker_and_flags & _MARKER_AND_EXTENDED != EVENT_HEADER_64 or provider != _NETWORK_HEAD:
                size = self._other(data, at, end)
                if not size:
                    break
                at += size
                continue
            get, table, flow_end, segment = found
            if size < flow_end:
                self._counted.unreadable += 1
                if size < EVENT_HEADER_BYTES:
                    break
                at += (size + 7) & ~7
                continue
            events += 1
            key = (pid, data[at + _FLOW_AT : at + flow_end])
            counts = get(key)
            if counts is None:
                table[key] = [length, 1 if length <= segment else (length + segment - 1) // segment]
            else:
                counts[0] += length
                counts[1] += 1 if length <= segment else (length + segment - 1) // segment
            at += (size + 7) & ~7
        else:
            while at < end:  # what is too short for the fast way
                size = self._other(data, at, end)
                if not size:
                    break
                at += size
        self._counted.events += events

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
        if provider == _PROCESS:
            if number == PROCESS_START:
                start = read_start(version, payload)
                if start is None:
                    self._counted.unreadable += 1
                else:
                    self._counted.starts.append(start)
            return
        found = self._tables.get(number) if provider == _NETWORK else None
        if found is None:
            return
        _, table, flow_end, segment = found
        if len(payload) < flow_end - EVENT_HEADER_BYTES:
            self._counted.unreadable += 1
            return
        pid, length = _TRANSFER.unpack_from(payload)
        self._counted.events += 1
        counts = table.setdefault((pid, bytes(payload[8 : flow_end - EVENT_HEADER_BYTES])), [0, 0])
        counts[0] += length
        counts[1] += 1 if length <= segment else (length + segment - 1) // segment
