"""What is never held, and how the rest is seen by the shaper: one raw packet's headers to a ``QueuedPacket``.

Never held, never charged: what is not unicast, ICMP, name service, DHCP, time, discovery, fragments without ports.
Charged and passed at once: SYN, FIN, RST and acknowledgements without payload. Everything else is data.
A port of ours is nobody's business here: whose a flow is, is decided by ``owners``.
"""

from typing import Any, Final

from enforcer.qdisc.queued_packet import PacketKind, QueuedPacket
from qos.packets.packet import TCP, UDP, Headers

EXEMPT_BOTH: Final = frozenset({53})
EXEMPT_UDP: Final = frozenset({67, 68, 123, 546, 547, 1900, 5353, 5355})
"""DHCP, NTP, DHCPv6, SSDP, mDNS, LLMNR (IANA service names)."""


def kind_of(headers: Headers) -> PacketKind:
    """What may be done with the packet that has these headers."""
    protocol = headers.protocol
    if protocol == TCP:
        ports = (headers.source_port, headers.destination_port)
        if headers.source_port == 0 or ports[0] in EXEMPT_BOTH or ports[1] in EXEMPT_BOTH or not headers.unicast:
            return PacketKind.EXEMPT
        if headers.payload_bytes == 0 and not headers.fragment and (headers.pure_ack or headers.handshake):
            return PacketKind.CONTROL
        return PacketKind.DATA
    if protocol != UDP or headers.source_port == 0 or not headers.unicast:
        return PacketKind.EXEMPT
    for port in (headers.source_port, headers.destination_port):
        if port in EXEMPT_BOTH or port in EXEMPT_UDP:
            return PacketKind.EXEMPT
    return PacketKind.DATA


def queued_packet_of(headers: Headers, arrived_ns: int, raw: Any) -> QueuedPacket:
    """The shaper's view of the packet with these headers; ``raw`` travels along untouched."""
    return QueuedPacket(
        (headers.protocol, headers.source, headers.source_port, headers.destination, headers.destination_port),
        headers.length,
        arrived_ns,
        kind_of(headers),
        headers.ecn != 0,
        False,
        raw,
    )
