from dataclasses import astuple

from hypothesis import given
from hypothesis import strategies as st

from collector.interfaces.counters import WRAP_32, WRAP_64, InterfaceCounters, at_ip_layer, difference

S = 10**9
counts = st.integers(0, 2**40)
moves = st.integers(0, 10**9)


@given(st.builds(InterfaceCounters, *[counts] * 8), st.builds(InterfaceCounters, *[moves] * 8))
def test_what_is_added_is_what_is_found(before: InterfaceCounters, moved: InterfaceCounters) -> None:
    assert difference(before, before + moved, S) == moved


@given(st.builds(InterfaceCounters, *[counts] * 8), st.builds(InterfaceCounters, *[counts] * 8), st.integers(0, 10 * S))
def test_a_difference_is_never_negative(before: InterfaceCounters, now: InterfaceCounters, elapsed_ns: int) -> None:
    assert min(astuple(difference(before, now, elapsed_ns))) >= 0


def test_a_32_bit_counter_that_wraps_loses_nothing() -> None:
    before = InterfaceCounters(rx_bytes=WRAP_32 - 1000, rx_packets=5_000_000)
    now = InterfaceCounters(rx_bytes=500, rx_packets=5_000_010)
    assert difference(before, now, S) == InterfaceCounters(rx_bytes=1500, rx_packets=10)


def test_a_64_bit_counter_that_wraps_loses_nothing() -> None:
    before = InterfaceCounters(tx_bytes=WRAP_64 - 1000, tx_packets=5)
    assert difference(before, InterfaceCounters(tx_bytes=500, tx_packets=15), S).tx_bytes == 1500


def test_a_reset_counts_what_came_since() -> None:
    before = InterfaceCounters(3 * 10**9, 10**9, 10**6, 10**6, 5, 5, 5, 5)
    now = InterfaceCounters(rx_bytes=4000, tx_bytes=3000, rx_packets=4, tx_packets=3)
    assert difference(before, now, S) == now


def test_a_step_back_too_large_for_a_wrap_is_no_traffic_of_hours() -> None:
    before = InterfaceCounters(
        rx_bytes=2**33, rx_packets=10
    )  # beyond 32 bits: only a 64-bit wrap would do, 2^64 bytes in 1 s
    assert difference(before, InterfaceCounters(rx_bytes=100, rx_packets=10), S).rx_bytes == 100


def test_the_ip_layer_has_no_ethernet_headers_and_never_less_than_nothing() -> None:
    counted = InterfaceCounters(rx_bytes=1514, tx_bytes=60, rx_packets=1, tx_packets=1, rx_drops=2, tx_errors=3)
    assert at_ip_layer(counted, 14) == InterfaceCounters(1500, 46, 1, 1, 2, 0, 0, 3)
    assert at_ip_layer(counted, 0) == counted
    assert at_ip_layer(InterfaceCounters(rx_bytes=5, rx_packets=9), 14).rx_bytes == 0
