import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.outlet import BATCH, Outlet, Sink, Tally
from qos.errors import StoreRejected, StoreUnavailable
from qos.points import Event, Point
from tests.fakes import MemoryStore

S = 10**9


def event(number: int, kind: str = "x") -> Event:
    return Event(time_ns=number, host="pc", part="collector", kind=kind, subject="", message="")


def test_points_and_documents_arrive_together() -> None:
    store = MemoryStore()
    outlet = Outlet(store)
    assert outlet.write([event(1), event(2)], {"live": {"a": 1}}, 0)
    assert store.points == [event(1), event(2)]
    assert store.get_state("live") == {"a": 1}
    assert outlet.tally() == Tally(2, 0)
    assert outlet.tally() == Tally(0, 0)


def test_points_wait_for_an_unavailable_store_and_arrive_in_order() -> None:
    store = MemoryStore()
    outlet = Outlet(store)
    store.failure = StoreUnavailable("disk full", retry_after_s=5)
    assert not outlet.write([event(1)], {"live": 1}, 0)
    assert (outlet.waiting, outlet.problem) == (1, "disk full")
    store.failure = None
    assert not outlet.write([event(2)], {"live": 2}, 1 * S)  # it said: not before 5 s
    assert outlet.write([event(3)], {"live": 3}, 5 * S)
    assert store.points == [event(1), event(2), event(3)]
    assert (store.get_state("live"), outlet.problem, outlet.waiting) == (3, "", 0)


def test_a_full_buffer_drops_the_oldest_and_counts_them() -> None:
    store = MemoryStore()
    store.failure = StoreUnavailable("locked", retry_after_s=0)
    outlet = Outlet(store, limit=3)
    for number in range(5):
        outlet.write([event(number)], {}, 0)
    assert outlet.tally() == Tally(0, 2)
    store.failure = None
    outlet.write([], {}, S)
    assert store.points == [event(2), event(3), event(4)]


def test_a_long_outage_is_written_in_batches() -> None:
    store = MemoryStore()
    store.failure = StoreUnavailable("locked", retry_after_s=0)
    outlet = Outlet(store)
    outlet.write([event(i) for i in range(2 * BATCH + 5)], {}, 0)
    store.failure = None
    assert outlet.write([], {"live": 1}, S)
    assert outlet.tally().written == 2 * BATCH + 5
    assert store.get_state("live") == 1


class Picky(MemoryStore):
    """Refuses the kinds of events that it does not like."""

    def write(self, points: object, *, states: object = None) -> None:
        assert isinstance(points, (list, tuple))
        if any(getattr(p, "kind", "") == "bad" for p in points):
            raise StoreRejected("bad kind")
        super().write(points, states=states)  # type: ignore[arg-type]  # narrowed above


@given(st.lists(st.booleans(), max_size=40))
def test_what_the_store_refuses_is_dropped_alone_and_counted(good: list[bool]) -> None:
    logging.disable(logging.CRITICAL)
    try:
        store: Sink = Picky()
        outlet = Outlet(store)
        points: list[Point] = [event(i, "ok" if fine else "bad") for i, fine in enumerate(good)]
        assert outlet.write(points, {"live": 1}, 0)
    finally:
        logging.disable(logging.NOTSET)
    assert isinstance(store, Picky)
    assert store.points == [p for p, fine in zip(points, good, strict=True) if fine]
    assert outlet.tally() == Tally(sum(good), len(good) - sum(good))
    assert store.get_state("live") == 1 or not good or not good[-1]


def test_a_refusal_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    outlet = Outlet(Picky())
    for number in range(3):
        outlet.write([event(number, "bad")], {}, 0)
    assert len([r for r in caplog.records if "refuses" in r.message]) == 1
