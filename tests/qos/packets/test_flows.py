"""The flow table against a world whose truth is known: sockets open and close, events are late, snapshots are stale."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qos.packets.divert.address import FlowEvent
from qos.packets.flows import KEEP_CLOSED_NS, MAX_TOMBSTONES, FlowTable, Holder, Key, SocketRow, address_of

A, ANY4, ANY6 = bytes([10, 0, 0, 1]), bytes(4), bytes(16)
PEER, OTHER = bytes([10, 0, 0, 9]), bytes([10, 0, 0, 8])
KEY: Key = (6, 4, A, 5000)


def event(kind: Any, pid: int, at_ns: int, *, key: Key = KEY, endpoint: int = 1, peer: bytes = PEER) -> FlowEvent:
    return FlowEvent(kind, pid, *key, peer, 443, endpoint, at_ns)


def row(pid: int, *, key: Key = KEY, peer: bytes = b"") -> SocketRow:
    return SocketRow(*key, pid, peer, 443 if peer else 0)


def owner(table: FlowTable, key: Key = KEY) -> int | None:
    holder = table.owner(key)
    return holder.pid if holder else None


def test_an_event_names_the_owner_and_a_close_ends_it() -> None:
    table = FlowTable()
    table.apply(event("established", 7, 100))
    assert table.owner(KEY) == Holder(7)
    table.apply(event("deleted", 7, 200))
    assert table.owner(KEY) == Holder(7, closed=True)  # the last packets still find it
    assert table.by_port() == {}
    table.expire(200 + KEEP_CLOSED_NS)
    assert table.owner(KEY) == Holder(7, closed=True)
    table.expire(201 + KEEP_CLOSED_NS)
    assert table.owner(KEY) is None


@pytest.mark.parametrize("pid", [0, 4])
def test_nobody_and_the_windows_kernel_own_nothing(pid: int) -> None:
    table = FlowTable()
    table.apply(event("connect", 7, 100))
    table.apply(event("connect", pid, 200, endpoint=2))
    table.seed([row(pid)], 300)
    assert table.owner(KEY) == Holder(7)


def test_an_event_without_a_local_port_is_of_no_use() -> None:
    table = FlowTable()
    table.apply(event("connect", 7, 100, key=(6, 4, A, 0)))
    assert len(table) == 0


def test_what_an_event_said_after_the_table_was_read_wins() -> None:
    table = FlowTable()
    table.apply(event("established", 8, 150))
    table.seed([row(7)], 100)
    assert table.owner(KEY) == Holder(8)


def test_a_row_read_before_the_close_does_not_come_back() -> None:
    table = FlowTable()
    table.apply(event("established", 7, 50))
    table.apply(event("deleted", 7, 150))
    table.seed([row(7)], 100)
    assert table.owner(KEY) == Holder(7, closed=True)


def test_an_open_that_arrives_after_its_close_is_late() -> None:
    table = FlowTable()
    table.apply(event("close", 7, 150))
    table.apply(event("established", 7, 100))
    assert table.owner(KEY) == Holder(7, closed=True)


def test_a_port_used_again_belongs_to_its_new_owner() -> None:
    table = FlowTable()
    table.apply(event("established", 7, 100))
    table.apply(event("deleted", 7, 150))
    table.apply(event("established", 8, 200, endpoint=2))
    assert table.owner(KEY) == Holder(8)


def test_a_child_that_kept_the_socket_gets_it_once_its_parent_let_go() -> None:
    table = FlowTable()
    table.apply(event("established", 7, 100))
    table.seed([row(7, peer=PEER), row(8, peer=PEER)], 200)
    assert table.owner(KEY) == Holder(7, shared=True)
    table.seed([row(8, peer=PEER)], 300)
    assert owner(table) == 8
    table.seed([row(8, peer=PEER)], 400)
    assert table.owner(KEY) == Holder(8)


def test_an_event_that_contradicts_the_last_snapshot_asks_for_another() -> None:
    """A datagram socket is reported with its creator at its first packet, which the heir sends."""
    table = FlowTable()
    table.seed([row(8, peer=PEER)], 100)
    assert not table.contested
    table.apply(event("established", 7, 150))
    assert table.contested
    table.seed([row(8, peer=PEER)], 200)
    assert not table.contested
    assert owner(table) == 8


def test_two_absences_end_what_closed_unseen() -> None:
    table = FlowTable()
    table.apply(event("established", 7, 100))
    table.seed([row(7), row(9, key=(17, 4, A, 53))], 150)
    table.seed([], 200)
    assert owner(table) == 7
    table.seed([], 300)
    assert table.owner(KEY) == Holder(7, closed=True)
    assert len(table) == 0


def test_an_appearance_forgives_an_absence() -> None:
    table = FlowTable()
    for taken_ns, rows in enumerate(([row(7)], [], [row(7)], [], [row(7)], []), start=1):
        table.seed(rows, taken_ns)
    assert table.owner(KEY) == Holder(7)


def test_a_listener_owns_what_it_accepts_and_outlives_it() -> None:
    table = FlowTable()
    table.seed([row(7, key=(6, 4, ANY4, 5000))], 100)
    assert owner(table) == 7
    table.apply(event("established", 7, 200, endpoint=2))
    table.apply(event("deleted", 7, 300, endpoint=2))
    table.expire(10**12)
    assert owner(table) == 7


@pytest.mark.parametrize("bound", [(17, 4, ANY4, 5353), (17, 6, ANY6, 5353)])
def test_a_socket_bound_to_any_address_is_found(bound: Key) -> None:
    table = FlowTable()
    table.apply(replace(event("bind", 7, 100, key=bound), remote_port=0))
    assert owner(table, (17, 4, A, 5353)) == 7
    assert owner(table, (17, 4, bytes([224, 0, 0, 251]), 5353)) == 7
    assert owner(table, (6, 4, A, 5353)) is None


def test_an_ipv4_wildcard_is_no_ipv6_socket() -> None:
    table = FlowTable()
    table.seed([row(7, key=(17, 4, ANY4, 5353))], 1)
    assert owner(table, (17, 6, bytes(15) + b"\1", 5353)) is None


def test_one_local_port_towards_two_hosts_is_two_flows() -> None:
    table = FlowTable()
    table.apply(event("established", 7, 100, endpoint=1))
    table.apply(event("established", 8, 200, endpoint=2, peer=OTHER))
    assert table.owner(KEY, (PEER, 443)) == Holder(7, shared=True)
    assert table.owner(KEY, (OTHER, 443)) == Holder(8, shared=True)
    assert table.by_port() == {(6, 5000): {7, 8}}
    table.apply(event("deleted", 8, 300, endpoint=2, peer=OTHER))
    assert table.owner(KEY) == Holder(7)
    assert table.by_port() == {(6, 5000): {7}}


def test_a_port_on_two_addresses_is_not_one_processs_own() -> None:
    table = FlowTable()
    table.seed([row(7), row(8, key=(6, 4, PEER, 5000)), row(7, key=(6, 4, A, 6000))], 100)
    assert table.owner(KEY) == Holder(7)
    assert table.by_port() == {(6, 5000): {7, 8}, (6, 6000): {7}}


def test_tombstones_are_bounded() -> None:
    table = FlowTable()
    for number in range(MAX_TOMBSTONES + 10):
        table.apply(event("deleted", 7, 100, key=(6, 4, number.to_bytes(4, "big"), 80)))
    assert owner(table, (6, 4, bytes(4), 80)) is None
    assert owner(table, (6, 4, (MAX_TOMBSTONES + 9).to_bytes(4, "big"), 80)) == 7


def test_a_mapped_address_is_ipv4() -> None:
    assert address_of(bytes(10) + b"\xff\xff" + A) == (4, A)
    assert address_of(ANY6) == (6, ANY6)
    assert address_of(A) == (4, A)


@dataclass
class World:
    """Which socket holds which key, step by step: (pid, endpoint, told) or nothing. ``told``: events report it."""

    states: list[dict[int, tuple[int, int, bool]]]
    events: list[tuple[int, FlowEvent]]


STEP = st.tuples(
    st.sampled_from(["open", "open", "silent", "close", "close", "snapshot"]),
    st.integers(0, 3),
    st.integers(5, 8),
    st.integers(0, 4),
)
KEYS: list[Key] = [(6, 4, A, 100), (6, 4, A, 200), (17, 4, A, 100), (6, 6, bytes(15) + b"\1", 100)]


def play(script: list[tuple[str, int, int, int]]) -> tuple[World, list[tuple[int, int, Any]]]:
    """The world, and what is delivered: (when, order, event or (taken step)). One step takes 10 ns."""
    world = World([{}], [])
    deliveries: list[tuple[int, int, Any]] = []
    for step, (kind, key, pid, delay) in enumerate(script, start=1):
        state = dict(world.states[-1])
        if kind in ("open", "silent") and key not in state:
            state[key] = (pid, step, kind == "open")
            if kind == "open":
                deliveries.append(
                    (step + delay, step, event("established", pid, step * 10, key=KEYS[key], endpoint=step))
                )
        elif kind == "close" and key in state:
            held_by, endpoint, told = state.pop(key)
            if told:
                deliveries.append(
                    (step + delay, step, event("deleted", held_by, step * 10, key=KEYS[key], endpoint=endpoint))
                )
        elif kind == "snapshot":
            deliveries.append((step + min(delay, 1), step, step))
        world.states.append(state)
    return world, sorted(deliveries, key=lambda d: d[:2])


def rows_of(state: dict[int, tuple[int, int, bool]], keys: set[int]) -> list[SocketRow]:
    return [row(pid, key=KEYS[key], peer=PEER) for key, (pid, _, _) in state.items() if key in keys]


@settings(deadline=None, max_examples=400)
@given(st.lists(STEP, max_size=30))
def test_late_events_and_stale_snapshots_end_in_the_truth(script: list[tuple[str, int, int, int]]) -> None:
    world, deliveries = play(script)
    table = FlowTable()
    for _when, _order, what in deliveries:
        if isinstance(what, FlowEvent):
            table.apply(what)
        else:  # a table is not read in one instant: half of it one step later
            after = world.states[min(what + 1, len(world.states) - 1)]
            table.seed(rows_of(world.states[what], {0, 1}) + rows_of(after, {2, 3}), what * 10)
    truth = world.states[-1]
    for key, (pid, _, told) in truth.items():
        if told:
            assert owner(table, KEYS[key]) == pid
    end = len(world.states) * 10
    for taken_ns in (end, end + 10):
        table.seed(rows_of(truth, {0, 1, 2, 3}), taken_ns)
    for key, place in enumerate(KEYS):
        holder = table.owner(place)
        if key in truth:
            assert holder is not None
            assert (holder.pid, holder.closed) == (truth[key][0], False)
        else:
            assert holder is None or holder.closed
    holders: dict[tuple[int, int], set[int]] = {}
    for key, held in truth.items():
        holders.setdefault((KEYS[key][0], KEYS[key][3]), set()).add(held[0])
    assert table.by_port() == holders
