"""From counted flows to bytes per process: headers, loopback, multicast, direction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.capture.etw.flows import Moved, Totals, by_process, is_loopback, is_multicast
from collector.capture.etw.layout import KINDS, NETWORK
from collector.capture.etw.parser import Parser
from tests.collector.capture.etw.trace_buffers import v4, v6

SIX_A, SIX_B = b"\x20\x01" + bytes(13) + b"\x01", b"\x20\x01" + bytes(13) + b"\x02"
LOOP6 = bytes(15) + b"\x01"
MAPPED = bytes(10) + b"\xff\xff"


def summed(*events: tuple[int, bytes]) -> tuple[dict[int, Moved], Totals]:
    parser = Parser()
    for number, payload in events:
        parser.add_event(NETWORK.bytes_le, number, 0, payload)
    return by_process(parser.take())


def test_a_download_is_payload_headers_and_the_acknowledgements_we_send() -> None:
    moved, totals = summed((11, v4(7, 14_600, "1.2.3.4", "10.0.0.1", 443, 50_000)))
    assert moved == {7: Moved(14_600 + 10 * 40, 5 * 40, 10, 5, 1)}
    assert totals == Totals(payload_in=14_600)


def test_an_upload_over_ipv6_with_retransmissions() -> None:
    ends = (SIX_A, SIX_B, 443, 50_000)
    moved, totals = summed((26, v6(7, 2_880, *ends)), (30, v6(7, 1_440, *ends)))
    assert moved == {7: Moved(60 + 60, 4_320 + 3 * 60, 2, 3, 1)}
    assert totals == Totals(payload_out=4_320, repeated=1_440)


def test_datagrams_have_no_acknowledgements_and_both_directions_are_one_flow() -> None:
    moved, totals = summed(
        (42, v4(7, 1_200, "1.2.3.4", "10.0.0.1", 443, 50_000)),
        (43, v4(7, 3_000, "10.0.0.1", "1.2.3.4", 50_000, 443)),  # as in the packet; larger than one packet
        (43, v4(7, 0, "10.0.0.1", "1.2.3.4", 50_000, 443)),
    )
    assert moved == {7: Moved(3_000 + 4 * 28, 1_228, 4, 1, 1)}
    assert totals == Totals(4, 1, 3_000, 1_200, 0)


@pytest.mark.parametrize(
    ("number", "payload"),
    [
        (11, v4(7, 100, "127.0.0.1", "127.0.0.1", 1, 2)),
        (10, v4(7, 100, "10.0.0.1", "10.0.0.1", 1, 2)),
        (43, v4(7, 100, "127.5.0.1", "10.0.0.1", 1, 2)),
        (27, v6(7, 100, LOOP6, LOOP6, 1, 2)),
        (58, v6(7, 100, MAPPED + b"\x7f\0\0\1", SIX_A, 1, 2)),
    ],
)
def test_what_stays_on_this_machine_is_no_traffic_but_its_datagrams_are_summed(number: int, payload: bytes) -> None:
    moved, totals = summed((number, payload))
    assert moved == {}
    assert totals.datagrams_in + totals.datagrams_out == (1 if KINDS[number].udp else 0)


def test_a_multicast_datagram_counts_for_one_of_its_receivers() -> None:
    to_all = [(43, v4(pid, 100, "224.0.0.251", "10.0.0.9", 5353, 5353)) for pid in (7, 8, 9)]
    moved, totals = summed(*to_all)
    assert moved == {7: Moved(128, 0, 1, 0, 1)}
    assert totals.datagrams_in == 1
    assert is_multicast(b"\xff\x02" + bytes(34))
    assert is_multicast(bytes([255] * 4) + bytes(8))
    assert not is_multicast(bytes([10, 0, 0, 1]) + bytes(8))


def test_nobodys_bytes_go_under_0_and_the_kernels_under_its_own_number() -> None:
    moved, _ = summed(*((11, v4(pid, 10, "1.2.3.4", "10.0.0.1", 1, 2)) for pid in (0, 0xFFFFFFFF, 4)))
    assert sorted(moved) == [0, 4]
    assert moved[0].rx_bytes == 2 * 50


@given(st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.integers(1, 5), st.integers(0, 100_000)), max_size=40))
def test_bytes_at_the_ip_layer_are_never_less_than_the_payload(events: list[tuple[int, int, int]]) -> None:
    made = [
        (n, v6(pid, size, SIX_A, SIX_B, 1, 2) if KINDS[n].family == 6 else v4(pid, size, "1.2.3.4", "10.0.0.1", 1, 2))
        for n, pid, size in events
    ]
    moved, totals = summed(*made)
    assert totals.payload_in == sum(size for n, _, size in events if not KINDS[n].transmit)
    assert totals.payload_out == sum(size for n, _, size in events if KINDS[n].transmit)
    assert sum(m.rx_bytes for m in moved.values()) >= totals.payload_in
    assert sum(m.tx_bytes for m in moved.values()) >= totals.payload_out
    assert not is_loopback(bytes([1, 2, 3, 4, 10, 0, 0, 1, 0, 1, 0, 2]))
