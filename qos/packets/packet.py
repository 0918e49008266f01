"""IP, TCP and UDP headers of one raw packet. Pure.

What it decides: what a packet is, from its bytes alone. Nothing is copied but addresses; a packet too short for its own
headers is None, never an exception. Sources: RFC 791, RFC 8200 (§4, extension headers), RFC 9293, RFC 768, RFC 3168
(ECN), RFC 4302 (authentication header's odd length unit).
"""

import struct
from typing import Final, NamedTuple

ICMP: Final = 1
TCP: Final = 6
UDP: Final = 17
ICMPV6: Final = 58

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
ECN_NOT, ECN_1, ECN_0, ECN_CE = 0, 1, 2, 3

_FRAGMENT: Final = 44
_AUTHENTICATION: Final = 51
_EXTENSIONS: Final = frozenset({0, 43, _FRAGMENT, _AUTHENTICATION, 60, 135, 139, 140})
"""Hop-by-hop, routing, fragment, authentication, destination options, mobility, HIP, shim6."""
_IPV4: Final = struct.Struct(">BBHHHBB2x4s4s")
_IPV6: Final = struct.Struct(">IHBB16s16s")
_PORTS: Final = struct.Struct(">HH")


class Headers(NamedTuple):
    """What one IP packet says of itself. Sizes in bytes. A named tuple, because one is made for every shaped packet."""

    version: int
    """4 or 6."""
    protocol: int
    """The transport's number, behind every extension header."""
    source: bytes
    destination: bytes
    source_port: int
    """0 where there is none: not TCP or UDP, or a later fragment."""
    destination_port: int
    length: int
    """The IP packet's own length, headers included."""
    transport_at: int
    """Where the transport header begins."""
    payload_bytes: int
    """Behind the transport header; behind the IP header where the transport is not read."""
    tcp_flags: int
    ecn: int
    """The two bits of RFC 3168: 0 not capable, 1 and 2 capable, 3 congestion experienced."""
    fragment: bool
    """Part of a larger packet. Only the first part has ports."""

    @property
    def pure_ack(self) -> bool:
        """A TCP segment that carries nothing but an acknowledgement: no payload, no SYN, FIN or RST."""
        return (
            self.protocol == TCP
            and self.payload_bytes == 0
            and self.tcp_flags & (ACK | SYN | FIN | RST) == ACK
            and not self.fragment
        )

    @property
    def handshake(self) -> bool:
        """A TCP segment with SYN, FIN or RST."""
        return self.protocol == TCP and bool(self.tcp_flags & (SYN | FIN | RST))

    @property
    def unicast(self) -> bool:
        """Neither multicast nor the limited broadcast (a subnet's broadcast cannot be told from the packet)."""
        if self.version == 4:
            return self.destination[0] < 224
        return self.destination[0] != 0xFF


def parse(data: bytes | bytearray | memoryview, at: int = 0) -> Headers | None:
    """The headers of the IP packet that begins at ``at``; None when it is none or is cut off within its headers."""
    end = len(data)
    if at >= end:
        return None
    offset = 0
    version = data[at] >> 4
    if version == 4:
        if end - at < 20:
            return None
        first, traffic, length, _, fragments, _, protocol, source, destination = _IPV4.unpack_from(data, at)
        header, offset, ecn = (first & 15) * 4, fragments & 0x1FFF, traffic & 3
        fragment = bool(fragments & 0x3FFF)
        if header < 20 or length < header:
            return None
    elif version == 6:
        if end - at < 40:
            return None
        word, payload, protocol, _, source, destination = _IPV6.unpack_from(data, at)
        header, length, ecn, fragment = 40, 40 + payload, word >> 20 & 3, False
        while protocol in _EXTENSIONS and not offset:
            if at + header + 8 > end:
                return None
            size = 8
            if protocol == _FRAGMENT:
                offset = (data[at + header + 2] << 8 | data[at + header + 3]) & 0xFFF8
                fragment = fragment or bool(offset or data[at + header + 3] & 1)
            elif protocol == _AUTHENTICATION:
                size = (data[at + header + 1] + 2) * 4
            else:
                size = (data[at + header + 1] + 1) * 8
            protocol, header = data[at + header], header + size
            if header > length:
                return None
    else:
        return None
    source_port = destination_port = flags = size = 0
    start = at + header
    if not offset:  # behind the middle of something larger there is no transport header
        if protocol == TCP:
            if end - start < 20 or length - header < 20:
                return None
            source_port, destination_port = _PORTS.unpack_from(data, start)
            size, flags = (data[start + 12] >> 4) * 4, data[start + 13]
            if size < 20 or header + size > length:
                return None
        elif protocol == UDP:
            if end - start < 8 or length - header < 8:
                return None
            source_port, destination_port = _PORTS.unpack_from(data, start)
            size = 8
    return Headers(
        version,
        protocol,
        source,
        destination,
        source_port,
        destination_port,
        length,
        start,
        length - header - size,
        flags,
        ecn,
        fragment,
    )


def wire_packets(length: int, header_bytes: int, gso_size: int) -> int:
    """How many packets an aggregate of ``length`` bytes becomes on the wire; 1 when it is none.

    ``header_bytes`` are IP and transport headers together, ``gso_size`` the payload bytes of each segment but the last.
    """
    if gso_size <= 0 or length - header_bytes <= gso_size:
        return 1
    return -(-(length - header_bytes) // gso_size)


def wire_bytes(length: int, header_bytes: int, gso_size: int) -> int:
    """The IP bytes of those packets together: every segment repeats the headers."""
    return length + (wire_packets(length, header_bytes, gso_size) - 1) * header_bytes
