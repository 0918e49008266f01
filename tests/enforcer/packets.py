"""Raw IP packets made by hand, as the capture hands them over."""

import struct
from ipaddress import ip_address

from qos.packets.divert import RawPacket

ACK, SYN, FIN, RST, PSH = 0x10, 0x02, 0x01, 0x04, 0x08
HOST = {4: "10.0.0.1", 6: "fd00::1"}
PEER = {4: "10.0.0.2", 6: "fd00::2"}


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(protocol: int, body: bytes, *, version: int = 4, outbound: bool = False, ecn: int = 0, to: str = "") -> bytes:
    source, destination = (HOST, PEER) if outbound else (PEER, HOST)
    src, dst = ip_address(source[version]).packed, ip_address(to or destination[version]).packed
    if version == 6:
        return struct.pack(">IHBB", 6 << 28 | ecn << 20, len(body), protocol, 64) + src + dst + body
    head = struct.pack(">BBHHHBBH4s4s", 0x45, ecn, 20 + len(body), 1, 0, 64, protocol, 0, src, dst)
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body


def tcp(
    port: int, size: int = 1000, *, flags: int = ACK, outbound: bool = False, version: int = 4, ecn: int = 0
) -> bytes:
    ports = (port, 443) if outbound else (443, port)
    body = struct.pack(">HHIIBBHHH", *ports, 1, 1, 0x50, flags, 1000, 0, 0) + bytes(size)
    return ip(6, body, version=version, outbound=outbound, ecn=ecn)


def udp(
    port: int, size: int = 1000, *, remote: int = 443, outbound: bool = False, version: int = 4, to: str = ""
) -> bytes:
    ports = (port, remote) if outbound else (remote, port)
    return ip(17, struct.pack(">HHHH", *ports, 8 + size, 0) + bytes(size), version=version, outbound=outbound, to=to)


def raw(data: bytes, now_ns: int, *, outbound: bool = False) -> RawPacket:
    return RawPacket(data, bytes(80), outbound, 1, now_ns)
