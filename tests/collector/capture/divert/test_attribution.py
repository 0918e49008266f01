"""Counted flows find their owners now, later, or never; nothing is counted twice and nothing is lost."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.capture import Delta, Owner
from collector.capture.divert.attribution import GIVEN_UP_NS, PARK_NS, FlowAttribution
from collector.capture.divert.flow_counts import FlowCounts
from qos.packets.divert.address import FlowEvent
from qos.packets.flows import FlowTable
from qos.packets.packet import TCP

HERE, THERE = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
S = 10**9


def counted(port: int, *, rx: tuple[int, int] = (0, 0), tx: tuple[int, int] = (0, 0)) -> FlowCounts:
    made = FlowCounts()
    local, remote = port.to_bytes(2, "big"), (443).to_bytes(2, "big")
    if rx[1]:
        made.flows[TCP, False][THERE + HERE + remote + local] = list(rx)
    if tx[1]:
        made.flows[TCP, True][HERE + THERE + local + remote] = list(tx)
    return made


def opened(port: int, pid: int, at_ns: int = 1) -> FlowEvent:
    return FlowEvent("established", pid, TCP, 4, HERE, port, THERE, 443, port, at_ns)


def owner_of(pid: int) -> Owner:
    return Owner(pid, name=f"app{pid}")


@pytest.fixture
def table() -> FlowTable:
    return FlowTable()


def test_both_directions_of_a_flow_are_one_delta_of_its_owner(table: FlowTable) -> None:
    table.apply(opened(5000, 7))
    table.apply(opened(5001, 7))
    attribution = FlowAttribution(table)
    attribution.count(counted(5000, rx=(1000, 2), tx=(100, 1)), 0)
    attribution.count(counted(5001, rx=(10, 1)), 0)
    assert list(attribution.settle(0, owner_of)) == [Delta(owner_of(7), 1010, 100, 3, 1, flows=2)]
    assert list(attribution.settle(1, owner_of)) == []


def test_bytes_before_the_event_wait_for_it(table: FlowTable) -> None:
    attribution = FlowAttribution(table)
    attribution.count(counted(5000, tx=(60, 1)), 0)
    assert list(attribution.settle(0, owner_of)) == []
    assert attribution.waiting == 1
    attribution.count(counted(5000, tx=(1500, 1), rx=(60, 1)), S)
    table.apply(opened(5000, 7))
    assert list(attribution.settle(S, owner_of)) == [Delta(owner_of(7), 60, 1560, 1, 2, flows=1)]


def test_whom_nobody_knows_after_a_while_is_unattributed_and_not_waited_for_again(table: FlowTable) -> None:
    attribution = FlowAttribution(table)
    attribution.count(counted(5000, rx=(60, 1)), 0)
    assert list(attribution.settle(PARK_NS - 1, owner_of)) == []
    assert list(attribution.settle(PARK_NS, owner_of)) == [Delta(None, 60, 0, 1, 0, flows=1)]
    attribution.count(counted(5000, rx=(70, 1)), PARK_NS)
    assert list(attribution.settle(PARK_NS, owner_of)) == [Delta(None, 70, 0, 1, 0, flows=1)]
    table.apply(opened(5000, 7))
    attribution.count(counted(5000, rx=(80, 1)), PARK_NS)
    assert list(attribution.settle(PARK_NS, owner_of)) == [Delta(owner_of(7), 80, 0, 1, 0, flows=1)]


def test_a_flow_that_is_looked_up_again_and_again_keeps_no_older_one_in_memory(table: FlowTable) -> None:
    attribution = FlowAttribution(table)
    for second in range(200):
        attribution.count(counted(5000, rx=(100, 1)), second * S)  # goes on for ever, and nobody is ever known
        attribution.count(counted(10_000 + second, rx=(100, 1)), second * S)  # comes once
        list(attribution.settle(second * S, owner_of))
    assert attribution.given_up <= GIVEN_UP_NS // S + 2


def test_what_has_no_flow_is_unattributed_at_once(table: FlowTable) -> None:
    attribution, made = FlowAttribution(table), FlowCounts()
    made.rest[0][:], made.rest[1][:] = [84, 1], [168, 2]
    attribution.count(made, 0)
    assert list(attribution.settle(0, owner_of)) == [Delta(None, 84, 168, 1, 2, flows=0)]


STEP = st.one_of(
    st.tuples(st.just("rx"), st.integers(1, 5), st.integers(1, 5000)),
    st.tuples(st.just("tx"), st.integers(1, 5), st.integers(1, 5000)),
    st.tuples(st.just("open"), st.integers(1, 5), st.integers(5, 7)),
    st.tuples(st.just("settle"), st.just(0), st.integers(0, 2 * S)),
)


@settings(deadline=None)
@given(st.lists(STEP, max_size=40))
def test_bytes_are_conserved(script: list[tuple[str, int, int]]) -> None:
    table = FlowTable()
    attribution = FlowAttribution(table)
    put: Counter[str] = Counter()
    got: Counter[str] = Counter()
    now_ns = 0
    for kind, port, value in [*script, ("settle", 0, PARK_NS), ("settle", 0, 0)]:
        if kind == "open":
            table.apply(opened(port, value, now_ns))
        elif kind == "settle":
            now_ns += value
            for delta in attribution.settle(now_ns, owner_of):
                got.update(rx=delta.rx_bytes, tx=delta.tx_bytes, packets=delta.rx_packets + delta.tx_packets)
        else:
            attribution.count(counted(port, **{kind: (value, 1)}), now_ns)
            put.update({kind: value, "packets": 1})
    assert +got == +put
    assert attribution.waiting == 0
