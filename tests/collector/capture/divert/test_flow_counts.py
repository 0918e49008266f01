"""The counting loop against a plain count of the same packets."""

import socket
import struct
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.capture.divert.flow_counts import FlowCounter
from qos.packets.divert.address import ADDRESS_BYTES, SniffedBatch
from qos.packets.packet import TCP, UDP, wire_bytes, wire_packets

HERE4, THERE4 = socket.inet_aton("10.0.0.1"), socket.inet_aton("10.0.0.2")
HERE6, THERE6 = socket.inet_pton(socket.AF_INET6, "fd00::1"), socket.inet_pton(socket.AF_INET6, "fd00::2")


def packet(
    version: int, protocol: int, payload: int, *, port: int = 1000, options: bool = False, fragment: bool = False
) -> bytes:
    ports = struct.pack(">HH", port, 9)
    if protocol == TCP:
        body = ports + struct.pack(">IIBBHHH", 1, 1, 0x50, 16, 9, 0, 0)
    elif protocol == UDP:
        body = ports + struct.pack(">HH", 8 + payload, 0)
    else:
        body = b"\x08\0\0\0"
    body += b"x" * payload
    if version == 4:
        extra = b"\1" * 4 if options else b""
        size = 20 + len(extra)
        head = struct.pack(">BBHHHBBH", 0x40 | size // 4, 0, size + len(body), 0, 0x2000 * fragment, 64, protocol, 0)
        return head + HERE4 + THERE4 + extra + body
    if options:
        body, protocol = bytes([protocol, 0]) + bytes(6) + body, 60
    if fragment:
        body, protocol = struct.pack(">BBHI", protocol, 0, 1, 5) + body, 44
    return struct.pack(">IHBB", 6 << 28, len(body), protocol, 64) + HERE6 + THERE6 + body


def batch(packets: list[tuple[bytes, bool, int]], *, padded: bool = False) -> SniffedBatch:
    data, addresses = bytearray(), bytearray()
    for raw, out, segment in packets:
        data += raw.ljust(46, b"\0") if padded else raw
        address = bytearray(ADDRESS_BYTES)
        address[10] = 2 if out else 0
        if segment:
            address[32] = 0xEB
            address[34:36] = segment.to_bytes(2, "little")
        addresses += address
    return SniffedBatch(memoryview(data), memoryview(addresses), len(packets), 0)


PACKET = st.tuples(
    st.sampled_from([4, 6]),
    st.sampled_from([TCP, UDP, 1]),
    st.integers(0, 3000),
    st.integers(1000, 1003),
    st.sampled_from(["plain", "plain", "options", "fragment"]),
    st.booleans(),
    st.sampled_from([0, 0, 500]),
)


@settings(deadline=None)
@given(st.lists(PACKET, max_size=40), st.booleans())
def test_every_packet_is_counted_once_on_its_flow_or_in_the_rest(
    drawn: list[tuple[int, int, int, int, str, bool, int]], padded: bool
) -> None:
    expected: Counter[tuple[object, ...]] = Counter()
    raws = []
    for version, protocol, payload, port, form, out, segment in drawn:
        raw = packet(version, protocol, payload, port=port, options=form == "options", fragment=form == "fragment")
        raws.append((raw, out, segment))
        head = len(raw) - payload - (4 if protocol == 1 else 0)  # ICMP has no header that segments repeat
        flow = ("rest", out) if protocol == 1 or form == "fragment" else (protocol, out, version, port)
        expected[*flow, "bytes"] += wire_bytes(len(raw), head, segment)
        expected[*flow, "packets"] += wire_packets(len(raw), head, segment)
    tally = FlowCounter()
    assert tally.add(batch(raws, padded=padded)) == 0
    got: Counter[tuple[object, ...]] = Counter()
    counted = tally.take()
    for (protocol, out), table in counted.flows.items():
        for key, (size, packets) in table.items():
            version = 4 if len(key) == 12 else 6
            assert key[:-4] == (HERE4 + THERE4 if version == 4 else HERE6 + THERE6)
            assert key[-2:] == b"\0\x09"
            got[protocol, out, version, int.from_bytes(key[-4:-2], "big"), "bytes"] += size
            got[protocol, out, version, int.from_bytes(key[-4:-2], "big"), "packets"] += packets
    for way, (size, packets) in enumerate(counted.rest):
        got["rest", bool(way), "bytes"] += size
        got["rest", bool(way), "packets"] += packets
    assert +got == +expected


def test_taking_begins_anew() -> None:
    tally = FlowCounter()
    tally.add(batch([(packet(4, UDP, 10), True, 0)]))
    assert tally.take().flows[UDP, True] == {HERE4 + THERE4 + b"\x03\xe8\0\x09": [38, 1]}
    assert not any(tally.take().flows.values())


@pytest.mark.parametrize("garbage", [b"\x00" * 60, b"\x45", b"\x15" * 80])
def test_what_cannot_be_read_is_given_up_and_said(garbage: bytes) -> None:
    tally = FlowCounter()
    good = packet(4, UDP, 50)
    mixed = batch([(good, True, 0), (garbage, True, 0), (good, True, 0)])
    assert tally.add(mixed) == 2
    assert list(tally.take().flows[UDP, True].values()) == [[78, 1]]


def test_a_packet_cut_off_behind_its_ip_header_counts_by_its_own_length() -> None:
    tally = FlowCounter()
    assert (
        tally.add(
            batch([(struct.pack(">BBHHHBBH", 0x45, 0, 24, 0, 0, 64, TCP, 0) + HERE4 + THERE4 + b"\0" * 4, False, 0)])
        )
        == 0
    )
    assert tally.take().rest == ([24, 1], [0, 0])
