"""The 80-byte WINDIVERT_ADDRESS, read with ``struct``; and the values that cross the border of this package. Pure.

The layout is WinDivert 2.2's (``windivert.h``); ebpfdivert on Linux uses the same bytes and hides the frame's link
header and the size of GSO segments in the unused part of the union, so an address must go back exactly as it came.
"""

import struct
from dataclasses import dataclass
from typing import Final, Literal

ADDRESS_BYTES: Final = 80
OUTBOUND: Final = 0x02
"""In the byte at ``FLAGS_AT``."""
FLAGS_AT: Final = 10
GSO_AT: Final = 32
"""Where ebpfdivert stashes magic, link header length and (two bytes on) the GSO segment size."""

FlowKind = Literal["established", "deleted", "bind", "connect", "listen", "accept", "close"]
_KINDS: Final[dict[int, FlowKind]] = {
    1: "established",
    2: "deleted",
    3: "bind",
    4: "connect",
    5: "listen",
    6: "accept",
    7: "close",
}
_HEAD: Final = struct.Struct("<qBBB5xI")
_FLOW: Final = struct.Struct("<qBBB5xQQI4I4IHHB")
_STASH_MAGIC: Final = 0xEB
_V4_MAPPED: Final = bytes(10) + b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Ticks:
    """How a driver's time stamps become monotonic nanoseconds. The default is Linux, where they already are."""

    per_second: int = 1_000_000_000
    offset_ns: int = 0

    def to_ns(self, ticks: int) -> int:
        """The time stamp in nanoseconds of ``qos.system.clock.monotonic_ns``."""
        return ticks * 1_000_000_000 // self.per_second + self.offset_ns


NANOSECONDS: Final = Ticks()


@dataclass(frozen=True, slots=True)
class RawPacket:
    """One IP packet as captured. ``data`` starts at the IP header; ``address`` goes back to ``Injector`` untouched."""

    data: bytes
    address: bytes
    outbound: bool
    iface: int
    """Interface index."""
    timestamp_ns: int
    """Monotonic nanoseconds of capture, on the clock of ``qos.system.clock.monotonic_ns``."""

    @property
    def gso_size(self) -> int:
        """Payload bytes per segment when this is an aggregate of several wire packets (Linux), else 0."""
        return gso_size(self.address)


@dataclass(frozen=True, slots=True)
class SniffedBatch:
    """Packets back to back in ``data``, their addresses (80 bytes each) in ``addresses``; valid until the next recv."""

    data: memoryview
    addresses: memoryview
    count: int
    oldest_ns: int
    """When the first of them was captured, monotonic: how far the reader is behind."""


@dataclass(frozen=True, slots=True)
class FlowEvent:
    """A socket or flow came or went. Addresses are 4 or 16 bytes, network order; unknown ones are all zero."""

    kind: FlowKind
    pid: int
    protocol: int
    """IP protocol number: 6 TCP, 17 UDP."""
    family: int
    """4 or 6. A v4-mapped address counts as 4."""
    local_addr: bytes
    local_port: int
    remote_addr: bytes
    remote_port: int
    endpoint: int
    """The system's number for the socket; the same in all of its events."""
    timestamp_ns: int
    """Monotonic nanoseconds, on the clock of ``qos.system.clock.monotonic_ns``."""


def read_packet(data: bytes, address: bytes, clock: Ticks = NANOSECONDS) -> RawPacket:
    """A packet from its bytes and its address."""
    ticks, _layer, _event, flags, iface = _HEAD.unpack_from(address)
    return RawPacket(data, address, bool(flags & OUTBOUND), iface, clock.to_ns(ticks))


def gso_size(address: bytes | memoryview, at: int = 0) -> int:
    """Payload bytes per segment that ebpfdivert noted in the address at offset ``at``; 0 for a single packet."""
    if address[at + GSO_AT] != _STASH_MAGIC:
        return 0
    return address[at + GSO_AT + 2] | address[at + GSO_AT + 3] << 8


def read_flow(address: bytes | memoryview, at: int = 0, clock: Ticks = NANOSECONDS) -> FlowEvent | None:
    """A flow or socket event from the address at offset ``at``; None for an event of another kind or of PID 0 or 4.

    PID 0 is "nobody knows", PID 4 is the Windows kernel, which reports connections of others a second time.
    """
    fields = _FLOW.unpack_from(address, at)
    ticks, _layer, event, _flags, endpoint, _parent, pid = fields[:7]
    kind = _KINDS.get(event)
    if kind is None or pid in (0, 4):
        return None
    local, remote = fields[7:11], fields[11:15]
    local_port, remote_port, protocol = fields[15:]
    local_addr, remote_addr = _address(local), _address(remote)
    family = 6
    if local_addr.startswith(_V4_MAPPED) or (remote_addr.startswith(_V4_MAPPED) and not any(local_addr)):
        family, local_addr, remote_addr = 4, local_addr[12:], remote_addr[12:]
    return FlowEvent(
        kind,
        pid,
        protocol,
        family,
        local_addr,
        local_port,
        remote_addr,
        remote_port,
        endpoint,
        clock.to_ns(ticks),
    )


def _address(words: tuple[int, ...]) -> bytes:
    """Four words in host order, least significant first, as 16 bytes in network order."""
    return struct.pack(">4I", *reversed(words))


def split(data: memoryview, count: int) -> list[tuple[int, int]]:
    """Offset and length of ``count`` IP packets that lie back to back. Raises ValueError when they do not fit.

    The lengths are the IP headers' own. Short Ethernet frames are padded to 46 bytes of payload, and ebpfdivert keeps
    the padding: a short packet that no IP version follows is taken to be padded.
    """
    spans = []
    at, end = 0, len(data)
    for _ in range(count):
        start = data[at] if at + 40 <= end or (at + 20 <= end and data[at] >> 4 == 4) else 0
        if start >> 4 == 4:
            length = data[at + 2] << 8 | data[at + 3]
        elif start >> 4 == 6:
            length = 40 + (data[at + 4] << 8 | data[at + 5])
        else:
            raise ValueError(f"no IP packet at byte {at} of {end}")
        spans.append((at, length))
        at += length
        if length < 46 and at < end and data[at] >> 4 not in (4, 6):
            at += 46 - length
    if at > end:
        raise ValueError(f"{count} packets need {at} bytes, got {end}")
    return spans
