"""The parser over buffers made by hand: one fixture per event, and whatever hypothesis can think of."""

import struct
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.capture.etw.layout import KINDS, NETWORK
from collector.capture.etw.parser import Counted, Parser
from tests.collector.capture.etw.trace_buffers import buffer, process_start, record, v4, v6

ELSEWHERE = UUID("00000000-0000-0000-0000-000000000001")
SIX_A, SIX_B = b"\x20\x01" + bytes(13) + b"\x01", b"\x20\x01" + bytes(13) + b"\x02"
# From a public recording: a TCP receive of 4,101 bytes by process 2716.
RECORDED = bytes.fromhex("9c0a0000051000009d38f4260a79cc7601bbf12c") + bytes(12)


def parsed(*buffers: bytes) -> Counted:
    parser = Parser()
    for data in buffers:
        parser.add_buffer(data)
    return parser.take()


def test_a_recorded_receive_is_read_to_the_byte() -> None:
    assert len(RECORDED) == 32
    counted = parsed(buffer([record(11, RECORDED)]))
    ends = bytes([157, 56, 244, 38, 10, 121, 204, 118]) + struct.pack(">HH", 443, 61740)
    assert counted.flows[11] == {(2716, ends): [4101, 3]}
    assert (counted.events, counted.unreadable) == (1, 0)


@pytest.mark.parametrize("number", sorted(KINDS))
def test_each_event_is_read_by_its_own_layout(number: int) -> None:
    kind = KINDS[number]
    payload = (
        v4(9, 3000, "1.2.3.4", "10.0.0.1", 443, 50001) if kind.family == 4 else v6(9, 3000, SIX_A, SIX_B, 443, 50001)
    )
    counted = parsed(buffer([record(number, payload), record(number, payload)]))
    ((pid, flow), (size, packets)) = next(iter(counted.flows[number].items()))
    assert (pid, size, packets) == (9, 6000, 2 * -(-3000 // kind.segment))
    assert flow[-4:] == struct.pack(">HH", 443, 50001)
    assert len(flow) == (12 if kind.family == 4 else 36)
    assert sum(len(table) for table in counted.flows.values()) == 1
    assert (counted.events, counted.unreadable) == (2, 0)


@pytest.mark.parametrize("number", sorted(KINDS))
def test_a_payload_that_is_too_short_is_counted_as_unreadable(number: int) -> None:
    whole = KINDS[number].payload
    for length in (0, 8, whole - 1):
        counted = parsed(buffer([record(number, bytes(length)), record(11, RECORDED)]))
        assert (counted.events, counted.unreadable) == (1, 1)


@pytest.mark.parametrize("number", [12, 13, 15, 17, 18, 28, 29, 31, 34, 49, 1000])
def test_events_that_move_no_bytes_or_report_them_again_are_passed_over(number: int) -> None:
    counted = parsed(buffer([record(number, v6(9, 3000, SIX_A, SIX_B, 443, 50001)), record(11, RECORDED)]))
    assert (counted.events, counted.unreadable) == (1, 0)


def test_another_providers_event_of_the_same_number_is_passed_over() -> None:
    counted = parsed(buffer([record(11, RECORDED, provider=ELSEWHERE), record(11, RECORDED)]))
    assert (counted.events, counted.unreadable) == (1, 0)
    almost = UUID(bytes_le=NETWORK.bytes_le[:4] + bytes(12))
    parser = Parser()
    parser.add_event(almost.bytes_le, 11, 0, RECORDED)
    assert parser.take().events == 0


def test_extended_records_and_the_tracing_systems_own_are_stepped_over() -> None:
    own = struct.pack("<HHHH", 1, 0xC001, 24, 0) + bytes(16)  # a system header: its size stands at 4
    counted = parsed(buffer([own, record(11, RECORDED, flags=1), record(11, RECORDED)]))
    assert (counted.events, counted.unreadable) == (1, 1), "its payload is elsewhere: said, not guessed"


def test_what_is_no_record_ends_the_buffer_and_is_counted() -> None:
    counted = parsed(buffer([record(11, RECORDED), bytes(200), record(11, RECORDED)]), buffer([record(11, RECORDED)]))
    assert (counted.events, counted.unreadable) == (2, 1)


def test_a_usual_event_without_a_size_ends_the_buffer() -> None:
    without = bytes(8) + record(11, RECORDED)[8:]
    for before in ([], [record(11, RECORDED)]):
        counted = parsed(buffer([*before, without, bytes(200)]))
        assert (counted.events, counted.unreadable) == (len(before), 1)


def test_what_lies_behind_the_filled_bytes_is_not_read() -> None:
    first = record(11, RECORDED)
    counted = parsed(buffer([first, first], filled=72 + len(first)))
    assert (counted.events, counted.unreadable) == (1, 0)
    assert parsed(buffer([], filled=1 << 30)).unreadable == 0
    assert parsed(b"short").unreadable == 1


def test_the_last_record_of_a_buffer_counts_although_it_is_short() -> None:
    counted = parsed(buffer([record(11, RECORDED[:20])]), buffer([record(27, v6(1, 2, SIX_A, SIX_B, 3, 4, rest=0))]))
    assert (counted.events, counted.unreadable) == (2, 0)


def test_taking_empties() -> None:
    parser = Parser()
    parser.add_buffer(buffer([record(11, RECORDED)]))
    assert parser.take().events == 1
    assert parser.take() == Counted()


@pytest.mark.parametrize("version", range(6))
def test_a_process_start_names_its_program(version: int) -> None:
    image = "\\Device\\HarddiskVolume3\\Users\\me\\größer.exe"
    created = 133_000_000_000_000_000
    (start,) = parsed(buffer([process_start(version, 4242, created, image)])).starts
    assert (start.pid, start.image, start.name) == (4242, image, "größer.exe")
    assert start.started_ns == (created - 116_444_736_000_000_000) * 100


def test_a_process_start_that_cannot_be_read_is_counted() -> None:
    whole = process_start(4, 1, 0, "x.exe")
    for cut in (90, 120, 140):
        short = bytearray(whole[:cut])
        short[:2] = len(short).to_bytes(2, "little")
        counted = parsed(buffer([bytes(short) + bytes(-cut % 8)]))
        assert (counted.starts, counted.unreadable) == ([], 1)


@pytest.mark.parametrize("number", [11, 27, 43, 59])
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 1_000_000, 2**32 - 1])
def test_packets_of_transfers_of_any_size_whichever_way_they_came(number: int, size: int) -> None:
    kind = KINDS[number]
    segment = {11: 1460, 27: 1440, 43: 1472, 59: 1452}[number]
    payload = v6(9, size, SIX_A, SIX_B, 1, 2) if kind.family == 6 else v4(9, size, "1.2.3.4", "10.0.0.1", 1, 2)
    parser = Parser()
    parser.add_buffer(buffer([record(number, payload)] * 5))
    parser.add_event(NETWORK.bytes_le, number, 0, payload)
    counted = parser.take()
    assert list(counted.flows[number].values()) == [[6 * size, 6 * max(1, -(-size // segment))]]
    assert (counted.events, counted.unreadable) == (6, 0)


@given(st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.integers(0, 9), st.integers(0, 70_000)), max_size=60))
def test_every_event_is_counted_once_whichever_way_it_came(events: list[tuple[int, int, int]]) -> None:
    raw, single = Parser(), Parser()
    records = []
    for number, pid, size in events:
        six = KINDS[number].family == 6
        payload = v6(pid, size, SIX_A, SIX_B, 1, 2) if six else v4(pid, size, "1.2.3.4", "10.0.0.1", 1, 2)
        records.append(record(number, payload))
        single.add_event(NETWORK.bytes_le, number, 0, memoryview(payload))
    raw.add_buffer(buffer(records))
    counted = raw.take()
    assert counted == single.take()
    assert counted.events == len(events)
    assert sum(c[0] for table in counted.flows.values() for c in table.values()) == sum(size for *_, size in events)


@pytest.mark.parametrize("number", sorted(KINDS))
def test_usual_records_take_the_way_that_costs_least(number: int) -> None:
    class Watched(Parser):
        slow = 0

        def _other(self, data: memoryview | bytes, at: int, end: int) -> int:
            self.slow += 1
            return super()._other(data, at, end)

    payload = v4(9, 1, "1.2.3.4", "10.0.0.1", 4, 5) if KINDS[number].family == 4 else v6(9, 1, SIX_A, SIX_B, 4, 5)
    parser = Watched()
    for flags in range(0, 2_000, 2):  # more kinds of heads than are remembered
        parser.add_buffer(buffer([record(number, payload, flags=flags)] * 10))
    assert parser.slow <= 1_000 * -(-124 // len(record(number, payload))), "only what is last in a buffer"
    assert parser.take().events == 10_000


def test_processes_that_share_a_flow_are_told_apart() -> None:
    group = [v4(pid, 10 * pid, "224.0.0.251", "10.0.0.9", 5353, 5353) for pid in (7, 8, 7, 9, 8)]
    counted = parsed(buffer([record(43, payload) for payload in group] + [record(12, bytes(400))]))
    ends = group[0][8:20]
    assert counted.flows[43] == {(7, ends): [140, 2], (8, ends): [160, 2], (9, ends): [90, 1]}
    assert next(iter(counted.flows[43])) == (7, ends), "whose it was first comes first"


@given(st.binary(max_size=600), st.integers(0, 2**32 - 1))
@example(buffer([record(11, RECORDED)])[72:], 2**32 - 1)
def test_no_bytes_whatever_break_it(body: bytes, filled: int) -> None:
    parsed(struct.pack("<48xI20x", filled) + body)
    parsed(body)


@given(st.binary(max_size=120), st.integers(0, 60), st.integers(0, 200))
def test_a_damaged_record_never_harms_what_was_read_before(noise: bytes, at: int, value: int) -> None:
    good, bad = record(11, RECORDED), bytearray(record(11, RECORDED))
    bad[at : at + len(noise)] = noise[: max(0, len(bad) - at)]
    bad[at % len(bad)] = value & 0xFF
    counted = parsed(buffer([good, bytes(bad)]))
    assert counted.flows[11][(2716, RECORDED[8:20])][0] >= 4101
