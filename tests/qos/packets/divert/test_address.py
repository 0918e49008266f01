"""The 80 bytes of WINDIVERT_ADDRESS and packets back to back, from bytes built by hand."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qos.packets.divert.address import ADDRESS_BYTES, FlowEvent, Ticks, gso_size, read_flow, read_packet, split

V4_LOCAL, V4_REMOTE = (0x0A000001, 0xFFFF, 0, 0), (0xCB007109, 0xFFFF, 0, 0)
V6_LOCAL, V6_REMOTE = (1, 0, 0, 0xFD000000), (9, 0, 0, 0x20010DB8)


def flow(event: int, pid: int, local: tuple[int, ...], remote: tuple[int, ...], *, layer: int = 3) -> bytes:
    body = struct.pack("<qBBB5xQQI4I4IHHB", 777, layer, event, 0x01, 42, 0, pid, *local, *remote, 5000, 443, 6)
    return body + bytes(ADDRESS_BYTES - len(body))


def test_a_socket_event_over_ipv4() -> None:
    assert read_flow(flow(4, 1234, V4_LOCAL, V4_REMOTE)) == FlowEvent(
        "connect", 1234, 6, 4, b"\x0a\0\0\1", 5000, b"\xcb\0\x71\x09", 443, 42, 777
    )


def test_a_flow_event_over_ipv6() -> None:
    event = read_flow(bytes(7) + flow(1, 1234, V6_LOCAL, V6_REMOTE), 7)
    assert event is not None
    assert (event.kind, event.family) == ("established", 6)
    assert event.local_addr == b"\xfd" + bytes(14) + b"\1"
    assert event.remote_addr == b"\x20\x01\x0d\xb8" + bytes(11) + b"\x09"


@pytest.mark.parametrize(
    ("number", "kind"),
    [(1, "established"), (2, "deleted"), (3, "bind"), (4, "connect"), (5, "listen"), (6, "accept"), (7, "close")],
)
def test_every_kind_of_event(number: int, kind: str) -> None:
    event = read_flow(flow(number, 9, V4_LOCAL, V4_REMOTE))
    assert event is not None
    assert event.kind == kind


@pytest.mark.parametrize(("event", "pid"), [(4, 0), (4, 4), (0, 9), (8, 9), (200, 9)])
def test_events_of_nobody_of_the_kernel_or_of_another_kind_are_none(event: int, pid: int) -> None:
    assert read_flow(flow(event, pid, V4_LOCAL, V4_REMOTE)) is None


def test_an_unbound_local_address_takes_the_version_of_the_remote_one() -> None:
    event = read_flow(flow(4, 9, (0, 0, 0, 0), V4_REMOTE))
    assert event is not None
    assert (event.family, event.local_addr) == (4, bytes(4))
    event = read_flow(flow(3, 9, (0, 0, 0, 0), (0, 0, 0, 0)))
    assert event is not None
    assert (event.family, event.local_addr) == (6, bytes(16))


def test_a_packet_knows_its_direction_interface_and_time() -> None:
    address = struct.pack("<qBBB5xI", 10_000_001, 0, 0, 0x02, 7) + bytes(60)
    packet = read_packet(b"\x45", address, Ticks(10_000_000, 5))
    assert (packet.outbound, packet.iface, packet.timestamp_ns) == (True, 7, 1_000_000_105)
    assert packet.address == address
    assert not read_packet(b"\x45", bytes(80)).outbound


def test_the_segment_size_counts_only_behind_its_mark() -> None:
    address = bytearray(80)
    address[34:36] = (1448).to_bytes(2, "little")
    assert gso_size(bytes(address)) == 0
    address[32] = 0xEB
    assert gso_size(bytes(address)) == 1448
    assert gso_size(memoryview(bytes(3) + bytes(address)), 3) == 1448


def ip(version: int, payload: bytes) -> bytes:
    if version == 4:
        return struct.pack(">BBHHHBBH8x", 0x45, 0, 20 + len(payload), 0, 0, 64, 17, 0) + payload
    return struct.pack(">IHBB32x", 6 << 28, len(payload), 17, 64) + payload


PACKETS = st.lists(st.tuples(st.sampled_from([4, 6]), st.binary(max_size=60), st.booleans()), min_size=1, max_size=20)


@settings(deadline=None)
@given(PACKETS)
def test_packets_back_to_back_are_told_apart_even_when_short_frames_were_padded(
    packets: list[tuple[int, bytes, bool]],
) -> None:
    data, spans = b"", []
    for version, payload, padded in packets:
        packet = ip(version, payload)
        spans.append((len(data), len(packet)))
        data += packet
        if padded and len(packet) < 46:
            data += bytes(46 - len(packet))
    assert split(memoryview(data), len(packets)) == spans


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 5))
def test_garbage_is_refused_and_never_read_beyond(data: bytes, count: int) -> None:
    try:
        spans = split(memoryview(data), count)
    except ValueError:
        return
    assert len(spans) == count
    assert all(at + length <= len(data) for at, length in spans)
