"""What the programs store is read back as it was meant."""

import struct
from ipaddress import IPv4Address, IPv6Address

from collector.capture.kernel.layout import CLOSED, EVENT, FLOW_BYTES, ORIGIN_BYTES, Flow, Origin


def test_a_flow_is_read_with_its_ports_in_host_order() -> None:
    raw = struct.pack("<4Q", 1500, 1, 3000, 2)
    raw += struct.pack("<5I", 2, 1, 6, 1, 43210)
    raw += b"\0\0" + (443).to_bytes(2, "big")  # as the kernel leaves it: network order, upper half of the word
    raw += bytes([192, 0, 2, 1]) + bytes(12) + bytes([198, 51, 100, 7]) + bytes(12)
    assert len(raw) == FLOW_BYTES
    flow = Flow.parse(raw)
    assert (flow.rx_bytes, flow.rx_packets, flow.tx_bytes, flow.tx_packets) == (1500, 1, 3000, 2)
    assert (flow.local_port, flow.remote_port, flow.protocol, flow.state) == (43210, 443, 6, CLOSED)
    assert flow.local[:4] == IPv4Address("192.0.2.1").packed


def test_an_ipv6_flow_keeps_its_address() -> None:
    local = IPv6Address("2001:db8::7")
    raw = bytes(32) + struct.pack("<6I", 10, 2, 17, 0, 53, 0) + local.packed + bytes(16)
    assert Flow.parse(raw).local == local.packed


def test_an_origin_s_name_ends_at_its_zero_and_bad_utf8_does_not_matter() -> None:
    raw = struct.pack("<QQ4I", 7, 123, 4711, 2, 1, 6) + b"caf\xc3\xa9\xff\0rest".ljust(16, b"\0")
    assert len(raw) == ORIGIN_BYTES
    origin = Origin.parse(raw)
    assert (origin.namespace, origin.born_ns, origin.pid) == (7, 123, 4711)
    assert origin.comm == "café\ufffd"


def test_entries_are_whole_words_as_tables_need_them() -> None:
    assert FLOW_BYTES % 8 == ORIGIN_BYTES % 8 == EVENT.size % 8 == 0
