"""Congestion marks: CE set in a packet that says it understands them, without summing its header again.

IPv6 has no header checksum; IPv4's is corrected by the difference (RFC 1624, eqn. 3). Source of the marks: RFC 3168.
"""

from typing import Final

_CE: Final = 0b11


def with_ce(data: bytes) -> bytes:
    """The same packet with congestion experienced. A packet that is no IP packet comes back as it is."""
    packet = bytearray(data)
    version = packet[0] >> 4 if packet else 0
    if version == 6 and len(packet) >= 40:
        packet[1] |= _CE << 4
    elif version == 4 and len(packet) >= 20:
        before = packet[0] << 8 | packet[1]
        packet[1] |= _CE
        after = packet[0] << 8 | packet[1]
        checksum = packet[10] << 8 | packet[11]
        total = (~checksum & 0xFFFF) + (~before & 0xFFFF) + after
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        packet[10:12] = (~total & 0xFFFF).to_bytes(2, "big")
    return bytes(packet)
