"""Headers out of raw bytes: every form a packet takes, and garbage that must not raise."""

import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qos.packets.packet import ACK, FIN, SYN, TCP, UDP, Headers, parse, wire_bytes, wire_packets

A4, B4 = socket.inet_aton("10.0.0.1"), socket.inet_aton("203.0.113.9")
A6, B6 = socket.inet_pton(socket.AF_INET6, "fd00::1"), socket.inet_pton(socket.AF_INET6, "2001:db8::9")


def tcp(flags: int = ACK, payload: bytes = b"", options: bytes = b"", ports: tuple[int, int] = (40000, 443)) -> bytes:
    return struct.pack(">HHIIBBHHH", *ports, 1, 2, (20 + len(options)) // 4 << 4, flags, 1000, 0, 0) + options + payload


def udp(payload: bytes = b"", ports: tuple[int, int] = (5000, 53)) -> bytes:
    return struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload


def v4(body: bytes, protocol: int, *, tos: int = 0, fragment: int = 0, options: bytes = b"", to: bytes = B4) -> bytes:
    size = 20 + len(options)
    return (
        struct.pack(">BBHHHBBH", 0x40 | size // 4, tos, size + len(body), 7, fragment, 64, protocol, 0)
        + A4
        + to
        + options
        + body
    )


def v6(body: bytes, next_header: int, *, traffic: int = 0, to: bytes = B6) -> bytes:
    return struct.pack(">IHBB", 6 << 28 | traffic << 20, len(body), next_header, 64) + A6 + to + body


def read(packet: bytes, at: int = 0) -> Headers:
    headers = parse(packet, at)
    assert headers is not None
    return headers


def test_tcp_over_ipv4() -> None:
    headers = read(v4(tcp(ACK, b"hello", b"\1" * 12), TCP))
    assert headers[:8] == (4, TCP, A4, B4, 40000, 443, 57, 20)
    assert (headers.payload_bytes, headers.tcp_flags, headers.ecn, headers.fragment) == (5, ACK, 0, False)
    assert not headers.pure_ack


def test_udp_over_ipv6() -> None:
    headers = read(v6(udp(b"abc"), UDP))
    assert headers[:8] == (6, UDP, A6, B6, 5000, 53, 51, 40)
    assert headers.payload_bytes == 3


def test_options_move_the_transport_header() -> None:
    assert read(v4(tcp(), TCP, options=b"\1" * 8)).transport_at == 28
    assert read(v4(tcp(), TCP, options=b"\1" * 8)).source_port == 40000


def test_extension_headers_are_walked_over() -> None:
    hop = bytes([60, 0]) + bytes(6)
    destination = bytes([51, 1]) + bytes(14)
    authentication = bytes([TCP, 4]) + bytes(22)  # RFC 4302: length in 4-byte units, minus 2
    headers = read(v6(hop + destination + authentication + tcp(SYN), 0))
    assert (headers.protocol, headers.source_port, headers.transport_at) == (TCP, 40000, 40 + 8 + 16 + 24)
    assert headers.handshake


@pytest.mark.parametrize("more", [0, 1])
def test_a_later_ipv6_fragment_has_no_ports(more: int) -> None:
    first = read(v6(bytes([UDP, 0]) + struct.pack(">HI", 1, 9) + udp(b"x" * 8), 44))
    later = read(v6(bytes([UDP, 0]) + struct.pack(">HI", 8 << 3 | more, 9) + b"\0\x35" * 8, 44))
    assert first.fragment
    assert first.destination_port == 53
    assert (later.fragment, later.protocol, later.source_port, later.payload_bytes) == (True, UDP, 0, 16)


def test_an_atomic_fragment_is_a_whole_packet() -> None:
    assert not read(v6(bytes([UDP, 0]) + struct.pack(">HI", 0, 9) + udp(b"x"), 44)).fragment


def test_ipv4_fragments() -> None:
    first = read(v4(udp(b"x" * 16), UDP, fragment=0x2000))
    later = read(v4(b"\0\x35" * 8, UDP, fragment=3))
    assert (first.fragment, first.source_port) == (True, 5000)
    assert (later.fragment, later.source_port) == (True, 0)


@pytest.mark.parametrize(
    ("packet", "pure"),
    [
        (v4(tcp(ACK), TCP), True),
        (v4(tcp(ACK, options=b"\1" * 12), TCP), True),
        (v6(tcp(ACK), TCP), True),
        (v4(tcp(ACK, b"x"), TCP), False),
        (v4(tcp(ACK | FIN), TCP), False),
        (v4(tcp(ACK | SYN), TCP), False),
        (v4(tcp(0), TCP), False),
        (v4(udp(), UDP), False),
    ],
)
def test_pure_acknowledgements_carry_nothing_else(packet: bytes, pure: bool) -> None:
    assert read(packet).pure_ack is pure


@pytest.mark.parametrize("mark", range(4))
def test_congestion_bits_of_both_versions(mark: int) -> None:
    assert read(v4(udp(), UDP, tos=0xB8 | mark)).ecn == mark
    assert read(v6(udp(), UDP, traffic=0xB8 | mark)).ecn == mark


@pytest.mark.parametrize(
    ("destination", "unicast"), [("8.8.8.8", True), ("224.0.0.251", False), ("255.255.255.255", False)]
)
def test_multicast_and_broadcast_are_told_from_unicast(destination: str, unicast: bool) -> None:
    assert read(v4(udp(), UDP, to=socket.inet_aton(destination))).unicast is unicast
    assert not read(v6(udp(), UDP, to=b"\xff\2" + bytes(14))).unicast


def test_icmp_has_no_ports() -> None:
    assert read(v4(b"\x08\0\0\0\0\1\0\1", 1))[4:6] == (0, 0)


def test_length_is_the_headers_own_when_the_frame_was_padded() -> None:
    assert read(v4(tcp(), TCP) + bytes(6)).length == 40


def test_a_packet_inside_a_batch() -> None:
    first, second = v4(udp(b"x"), UDP), v6(tcp(), TCP)
    assert read(first + second, len(first)) == read(second)._replace(transport_at=len(first) + 40)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x45",
        v4(tcp(), TCP)[:30],
        v6(tcp(), TCP)[:50],
        v4(b"\0" * 12, TCP),
        v4(udp(), UDP)[:24],
        b"\x43" + v4(udp(), UDP)[1:],
        b"\x15" * 60,
        v6(bytes([0, 0xFF]) + bytes(30), 0),
    ],
)
def test_what_is_cut_off_or_wrong_is_none(packet: bytes) -> None:
    assert parse(packet) is None


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=120), st.integers(0, 130), st.sampled_from([b"", b"\x45\0\0\x50", b"\x60\0\0\0\0\x40\0"]))
def test_no_bytes_make_it_raise(data: bytes, at: int, start: bytes) -> None:
    headers = parse(start + data, at)
    assert headers is None or (headers.payload_bytes >= 0 and headers.length >= headers.payload_bytes)


@settings(deadline=None)
@given(st.integers(0, 65000), st.integers(20, 120), st.integers(0, 9000))
def test_an_aggregate_counts_as_its_segments(payload: int, header: int, segment: int) -> None:
    segments = [min(segment, payload - at) for at in range(0, payload, segment)] if segment else [payload]
    assert wire_packets(header + payload, header, segment) == max(1, len(segments))
    assert wire_bytes(header + payload, header, segment) == max(1, len(segments)) * header + payload
