"""The outbox: nothing is lost, nothing local leaks, what is written again comes again."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qos.contract.config import Retention
from qos.contract.points import SPECS, AppTraffic, Point, Probe, ProcessTraffic
from qos.store.sqlite.journal import Backlog, Batch
from qos.store.sqlite.store import SqliteStore
from tests.fakes import MemoryStore
from tests.qos.store.strategies import HOUR, START, S, points

NAMES = ("app_traffic", "probe", "event", "process_traffic")
FEW_TIMES = st.integers(0, 20).map(lambda at: START + at * S)

STEPS = st.lists(
    st.tuples(st.just("write"), st.lists(points(NAMES, FEW_TIMES), max_size=6))
    | st.tuples(st.just("take"), st.integers(1, 5))
    | st.tuples(st.just("lose"), st.integers(1, 5))
    | st.tuples(st.just("again"), st.integers(1, 5)),
    max_size=12,
)


def key(point: Point) -> tuple[Any, ...]:
    return (point.MEASUREMENT, tuple(point.tags.values()), point.time_ns)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(STEPS)
def test_a_receiver_ends_up_with_exactly_the_rows_that_are_kept(steps: list[tuple[str, Any]]) -> None:
    oracle = MemoryStore()
    received: dict[tuple[Any, ...], Point] = {}
    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "s.db") as store:

        def ship(limit: int, *, acknowledged: bool = True, times: int = 1) -> int:
            batch = store.pending("influx", limit)
            assert batch.points == oracle.pending("influx", limit).points
            assert len(batch.points) <= limit
            if acknowledged:
                received.update({key(point): point for point in batch.points})
                for _ in range(times):
                    store.acknowledge("influx", batch)
                oracle.acknowledge("influx", oracle.pending("influx", limit))
            return len(batch.points)

        for step, argument in steps:
            if step == "write":
                store.write(argument)
                oracle.write(argument)
            else:
                ship(argument, acknowledged=step != "lose", times=2 if step == "again" else 1)
            assert store.backlog("influx") == oracle.backlog("influx")
        while ship(3):
            pass
        assert store.backlog("influx") == Backlog(0, None, 0)
        assert received == {key(point): point for point in oracle.points if not point.LOCAL}


def traffic(at: int, rx_bytes: int = 1) -> AppTraffic:
    return AppTraffic(
        time_ns=START + at * S,
        host="desk",
        app="chrome",
        rx_bytes=rx_bytes,
        tx_bytes=0,
        rx_packets=0,
        tx_packets=0,
        flows=1,
        processes=1,
        priority=3,
    )


def test_local_measurements_are_never_pending(tmp_path: Path) -> None:
    assert any(spec.local for spec in SPECS.values())
    with SqliteStore(tmp_path / "s.db") as store:
        local = ProcessTraffic(
            time_ns=START, app="a", pid="1", started="2", rx_bytes=1, tx_bytes=1, rx_packets=1, tx_packets=1
        )
        store.write([local])
        assert store.pending("influx", 10) == Batch((), {})
        assert store.backlog("influx").rows == 0


def test_a_row_written_again_is_pending_again_with_its_new_values(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as store:
        store.write([traffic(0), traffic(1)])
        store.acknowledge("influx", store.pending("influx", 10))
        store.write([traffic(1, rx_bytes=7)])
        assert store.pending("influx", 10).points == (traffic(1, rx_bytes=7),)


def test_what_is_written_while_a_batch_is_under_way_stays_pending(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as store:
        store.write([traffic(0)])
        batch = store.pending("influx", 10)
        store.write([traffic(0, rx_bytes=5), traffic(1)])
        store.acknowledge("influx", batch)
        assert store.pending("influx", 10).points == (traffic(0, rx_bytes=5), traffic(1))


def test_positions_are_not_used_twice_after_everything_was_removed(tmp_path: Path) -> None:
    limits = Retention.model_validate({"raw": "1m"})
    with SqliteStore(tmp_path / "s.db", retention=limits) as store:
        store.write([traffic(at) for at in range(5)])
        store.acknowledge("influx", store.pending("influx", 10))
        store.maintain(START + 10 * HOUR, budget_s=60)
        assert store.read("app_traffic")["time_ns"] == []
        store.write([traffic(36_000)])
        assert len(store.pending("influx", 10).points) == 1


def test_two_cursors_do_not_disturb_each_other(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as store:
        store.write([traffic(0)])
        store.acknowledge("one", store.pending("one", 10))
        assert store.backlog("one").rows == 0
        assert len(store.pending("two", 10).points) == 1


def test_rows_that_age_out_before_they_were_shipped_are_counted(tmp_path: Path) -> None:
    limits = Retention.model_validate({"raw": "1h"})
    with SqliteStore(tmp_path / "s.db", retention=limits) as store:
        store.write([traffic(at) for at in range(10)])
        store.acknowledge("influx", store.pending("influx", 4))
        store.register_cursor("other")
        store.maintain(START + 2 * HOUR, budget_s=60)
        assert store.backlog("influx") == Backlog(0, None, 6)
        assert store.backlog("other") == Backlog(0, None, 10)
        store.write([traffic(20)])
        store.maintain(START + 3 * HOUR, budget_s=60)
        assert store.backlog("influx").aged_out == 7


def test_a_long_backlog_is_told_without_counting_every_row(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as store:
        store.write([traffic(at) for at in range(60_000)])
        assert store.backlog("influx") == Backlog(60_000, START, 0)


def test_the_oldest_come_first_across_measurements(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as store:
        store.write([traffic(at) for at in (0, 3, 5)])
        store.write(
            [
                Probe(time_ns=START + at * S, host="desk", target="t", ok=1, loss_ratio=0.0, sent=1, received=1)
                for at in (1, 2, 4)
            ]
        )
        assert [point.time_ns for point in store.pending("influx", 5).points] == [START + at * S for at in range(5)]


def test_an_older_acknowledgement_that_comes_late_does_not_move_the_cursor_back(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as store:
        store.write([traffic(at) for at in range(10)])
        first, both = store.pending("influx", 3), store.pending("influx", 8)
        store.acknowledge("influx", both)
        store.acknowledge("influx", first)
        assert store.backlog("influx").rows == 2
