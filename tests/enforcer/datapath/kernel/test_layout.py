"""What the programs and this process share."""

import math

import pytest

from enforcer.datapath.kernel import classify, layout
from enforcer.datapath.kernel.layout import ClassState, Rule
from enforcer.qdisc import exemptions


def test_a_rule_is_written_where_the_programs_read_it() -> None:
    raw = Rule(active=True, rate=625_000, target_ns=5, interval_ns=7, bound_ns=9, round=11).pack()
    assert len(raw) == layout.RULE_BYTES
    at = (layout.ACTIVE_AT, layout.RATE_AT, layout.TARGET_AT, layout.INTERVAL_AT, layout.BOUND_AT, layout.ROUND_AT)
    assert [int.from_bytes(raw[place : place + 8], "little") for place in at] == [1, 625_000, 5, 7, 9, 11]


def test_a_state_is_read_where_the_programs_write_it() -> None:
    places = {
        "clear_ns": layout.CLEAR_AT,
        "packets": layout.PACKETS_AT,
        "passed_bytes": layout.BYTES_AT,
        "delayed": layout.DELAYED_AT,
        "dropped": layout.DROPPED_AT,
        "dropped_bytes": layout.DROPPED_BYTES_AT,
        "marked": layout.MARKED_AT,
        "worst_ns": layout.WORST_AT,
        "worst_round": layout.WORST_ROUND_AT,
        "clock_rate": layout.CLOCK_RATE_AT,
    }
    raw = bytearray(layout.STATE_BYTES)
    for number, place in enumerate(places.values(), 1):
        raw[place : place + 8] = number.to_bytes(8, "little")
    state = ClassState.parse(bytes(raw))
    assert [getattr(state, name) for name in places] == list(range(1, len(places) + 1))


def test_handles_are_distinct_and_leave_the_band_bits_alone() -> None:
    handles = [layout.handle(number) for number in range(1, layout.MAX_CLASSES)]
    assert len(set(handles)) == len(handles)
    assert all(handle >> 16 == layout.MAJOR and handle & 0xF == 0 for handle in handles)


def test_a_name_is_cut_as_the_kernel_cuts_it() -> None:
    assert layout.name_key("a-very-long-program-name") == b"a-very-long-pro\0"
    assert layout.name_key("steam") == b"steam".ljust(16, b"\0")
    assert layout.name_key("") is None


@pytest.mark.parametrize("count", [1, 2, 9, 100, 255])
def test_the_control_laws_roots_are_roots(count: int) -> None:
    assert layout.roots()[count] == pytest.approx(65536 / math.sqrt(count), rel=0.001)


def test_the_programs_exempt_what_the_other_datapath_exempts() -> None:
    assert set(classify.EXEMPT_BOTH) == exemptions.EXEMPT_BOTH
    assert set(classify.EXEMPT_UDP) == exemptions.EXEMPT_UDP
