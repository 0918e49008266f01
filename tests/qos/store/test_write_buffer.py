"""Points wait while the store is away: in order, bounded, every loss counted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qos.contract.errors import StoreRejected, StoreUnavailable
from qos.contract.points import Event
from qos.store.write_buffer import BufferedWriter
from tests.fakes import MemoryStore

S = 10**9


def event(at: int) -> Event:
    return Event(time_ns=at, host="desk", part="agent", kind="test", subject=str(at), message="")


class Picky(MemoryStore):
    """Never takes points of odd times."""

    def write(self, points, *, states=None):  # type: ignore[no-untyped-def]  # as in MemoryStore
        if any(point.time_ns % 2 for point in points):
            raise StoreRejected("odd")
        super().write(points, states=states)


def test_points_go_straight_through_when_the_store_is_there() -> None:
    store = MemoryStore()
    buffer = BufferedWriter(store)
    assert buffer.write([event(1), event(2)], 0)
    assert store.points == [event(1), event(2)]
    assert (buffer.written, buffer.waiting, buffer.problem) == (2, 0, None)


def test_points_wait_in_order_and_the_store_is_asked_again_only_when_it_said() -> None:
    store = MemoryStore()
    store.failure = StoreUnavailable("the disk is full", retry_after_s=5.0)
    buffer = BufferedWriter(store)
    assert not buffer.write([event(1)], 0)
    assert buffer.problem == "the disk is full"
    store.failure = None
    assert not buffer.write([event(2)], 5 * S - 1)
    assert store.points == []
    assert buffer.write([event(3)], 5 * S)
    assert store.points == [event(1), event(2), event(3)]
    assert buffer.problem is None


def test_a_full_buffer_drops_the_oldest_and_counts_them() -> None:
    store = MemoryStore()
    store.failure = StoreUnavailable("away", retry_after_s=0.0)
    buffer = BufferedWriter(store, capacity=3)
    for at in range(5):
        buffer.write([event(at)], at)
    store.failure = None
    assert buffer.flush(10)
    assert store.points == [event(2), event(3), event(4)]
    assert (buffer.dropped, buffer.written) == (2, 3)


def test_a_rejected_point_does_not_take_its_neighbours_with_it() -> None:
    store = Picky()
    buffer = BufferedWriter(store)
    assert buffer.write([event(at) for at in range(6)], 0)
    assert store.points == [event(0), event(2), event(4)]
    assert (buffer.rejected, buffer.written, buffer.problem) == (3, 3, "odd")


def test_a_buffer_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity"):
        BufferedWriter(MemoryStore(), capacity=0)


STEPS = st.lists(st.tuples(st.integers(0, 7), st.booleans(), st.integers(0, 3)), max_size=30)


@settings(deadline=None)
@given(STEPS, st.integers(1, 10))
def test_every_point_is_written_once_waits_or_is_counted(steps: list[tuple[int, bool, int]], capacity: int) -> None:
    store = Picky()
    buffer = BufferedWriter(store, capacity=capacity)
    number = now_ns = 0
    for count, away, seconds in steps:
        store.failure = StoreUnavailable("away", 1.0) if away else None
        now_ns += seconds * S
        buffer.write([event(number + at) for at in range(count)], now_ns)
        number += count
        assert buffer.waiting <= capacity
        assert buffer.written + buffer.waiting + buffer.dropped + buffer.rejected == number
        written = [point.time_ns for point in store.points]
        assert written == sorted(set(written))
        assert len(written) == buffer.written


def test_documents_arrive_with_the_newest_points_and_only_their_last_version_is_kept() -> None:
    store = MemoryStore()
    store.failure = StoreUnavailable("away", retry_after_s=0.0)
    buffer = BufferedWriter(store)
    assert not buffer.write([event(1)], 0, states={"live": 1, "part:x": 1})
    assert not buffer.write([], 0, states={"live": 2})
    store.failure = None
    assert buffer.flush(1)
    assert store.states("") == {"live": 2, "part:x": 1}
    assert store.points == [event(1)]
    assert buffer.flush(2)


def test_documents_arrive_although_points_beside_them_are_rejected() -> None:
    store = Picky()
    buffer = BufferedWriter(store)
    assert buffer.write([event(1), event(2)], 0, states={"live": 1})
    assert store.points == [event(2)]
    assert store.get_state("live") == 1
    assert (buffer.written, buffer.rejected) == (1, 1)


class Wordless(MemoryStore):
    """Never takes documents."""

    def write(self, points, *, states=None):  # type: ignore[no-untyped-def]  # as in MemoryStore
        if states:
            raise StoreRejected("no documents")
        super().write(points)


def test_documents_that_the_store_refuses_do_not_hold_up_points() -> None:
    store = Wordless()
    buffer = BufferedWriter(store)
    assert buffer.write([event(1)], 0, states={"live": 1})
    assert store.points == [event(1)]
    assert buffer.problem == "no documents"
