"""What may be held and what never is; and the congestion mark's arithmetic."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.qdisc.ecn import with_ce
from enforcer.qdisc.exemptions import kind_of, queued_packet_of
from enforcer.qdisc.queued_packet import PacketKind
from qos.packets.packet import parse
from tests.enforcer.packets import ACK, FIN, PSH, RST, SYN, checksum, ip, tcp, udp


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (lambda v: tcp(50_000, version=v), PacketKind.DATA),
        (lambda v: tcp(50_000, 0, version=v), PacketKind.CONTROL),
        (lambda v: tcp(50_000, 0, flags=SYN, version=v), PacketKind.CONTROL),
        (lambda v: tcp(50_000, 0, flags=SYN | ACK, version=v), PacketKind.CONTROL),
        (lambda v: tcp(50_000, 0, flags=FIN | ACK, version=v), PacketKind.CONTROL),
        (lambda v: tcp(50_000, 0, flags=RST, version=v), PacketKind.CONTROL),
        (lambda v: tcp(50_000, 500, flags=FIN | ACK | PSH, version=v), PacketKind.DATA),
        (lambda v: tcp(53, 500, version=v), PacketKind.EXEMPT),
        (lambda v: udp(50_000, version=v), PacketKind.DATA),
        (lambda v: udp(50_000, remote=53, version=v), PacketKind.EXEMPT),
        (lambda v: udp(50_000, remote=123, outbound=True, version=v), PacketKind.EXEMPT),
        (lambda v: udp(68, remote=67, version=v), PacketKind.EXEMPT),
        (lambda v: udp(546, remote=547, version=v), PacketKind.EXEMPT),
        (lambda v: udp(50_000, outbound=True, version=v, to="239.1.1.1" if v == 4 else "ff02::1"), PacketKind.EXEMPT),
        (lambda v: ip(1 if v == 4 else 58, bytes(64), version=v), PacketKind.EXEMPT),
        (lambda v: ip(47, bytes(64), version=v), PacketKind.EXEMPT),
    ],
)
def test_kinds(data: object, kind: PacketKind, version: int) -> None:
    assert callable(data)
    headers = parse(data(version))
    assert headers is not None
    assert kind_of(headers) is kind


def test_broadcast_is_exempt() -> None:
    headers = parse(udp(50_000, outbound=True, to="255.255.255.255"))
    assert headers is not None
    assert kind_of(headers) is PacketKind.EXEMPT


def test_a_queued_packet_knows_its_flow_size_and_capability() -> None:
    data = tcp(50_000, 100, ecn=2)
    headers = parse(data)
    assert headers is not None
    packet = queued_packet_of(headers, 7, "raw")
    assert (packet.size_bytes, packet.arrived_ns, packet.ecn, packet.raw) == (140, 7, True, "raw")
    other = parse(tcp(50_001, 100))
    assert other is not None
    assert packet.flow != queued_packet_of(other, 7, "raw").flow


@given(st.integers(0, 255), st.integers(0, 65535), st.integers(0, 255), st.binary(max_size=40))
def test_a_mark_keeps_an_ipv4_header_valid_whatever_is_in_it(tos: int, ident: int, ttl: int, body: bytes) -> None:
    head = struct.pack(">BBHHHBBH4s4s", 0x45, tos, 20 + len(body), ident, 0, ttl, 6, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
    data = head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body
    marked = with_ce(data)
    assert marked[1] == tos | 3
    assert checksum(marked[:20]) == 0
    assert marked[2:10] == data[2:10]
    assert marked[12:] == data[12:]


def test_a_mark_in_ipv6_touches_two_bits() -> None:
    data = tcp(1, 10, version=6, ecn=1)
    marked = with_ce(data)
    headers = parse(marked)
    assert headers is not None
    assert headers.ecn == 3
    assert marked[2:] == data[2:]
    assert marked[0] == data[0]


def test_what_is_no_ip_packet_comes_back_unchanged() -> None:
    assert with_ce(b"") == b""
    assert with_ce(b"\x45\x02") == b"\x45\x02"
