"""Rollups and retention: totals survive the removal of raw rows, ages and the size bound hold."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qos.contract.config import Retention
from qos.contract.points import SPECS, AppTraffic, Event, Forecast, Point, ProcessTraffic
from qos.store.sqlite.store import SqliteStore
from qos.store.sqlite.upkeep.retention import ages, expire
from tests.fakes import MemoryStore
from tests.qos.store.strategies import DAY, HOUR, START, S, points, same

MINUTE = 60 * S


def traffic(time_ns: int, app: str = "chrome", rx_bytes: int = 1000, host: str = "desk") -> AppTraffic:
    return AppTraffic(
        time_ns=time_ns,
        host=host,
        app=app,
        rx_bytes=rx_bytes,
        tx_bytes=10,
        rx_packets=2,
        tx_packets=1,
        flows=1,
        processes=1,
        priority=3,
    )


def process(time_ns: int, pid: str) -> ProcessTraffic:
    return ProcessTraffic(
        time_ns=time_ns, app="chrome", pid=pid, started="1", rx_bytes=5, tx_bytes=5, rx_packets=1, tx_packets=1
    )


def forecast(time_ns: int) -> Forecast:
    return Forecast(
        time_ns=time_ns,
        host="desk",
        series="down",
        model="ets",
        value=1.0,
        lower=0.0,
        upper=2.0,
        baseline=1.0,
        made_at=5,
    )


def kept(**written: str) -> Retention:
    return Retention.model_validate(written)


def maintain(store: SqliteStore, now_ns: int) -> None:
    assert store.maintain(now_ns, budget_s=60)


def times(store: SqliteStore, measurement: str) -> list[int]:
    found: list[int] = store.read(measurement)["time_ns"]
    return found


SHORT = kept(raw="1h", minute="3h", hour="1000d", max_size="1GB")
LATE = st.integers(START, START + 8 * HOUR)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    batches=st.lists(
        st.lists(points(("app_traffic", "probe"), LATE), max_size=10, unique_by=lambda p: p.time_ns),
        min_size=1,
        max_size=6,
    ),
    nows=st.lists(st.integers(START, START + 12 * HOUR), min_size=6, max_size=6),
    aggregate=st.sampled_from(["auto", "sum", "mean", "min", "max", "last", "count"]),
    every=st.sampled_from([None, HOUR, 2 * HOUR]),
)
def test_totals_stay_exact_when_points_come_after_their_raw_rows_were_removed(
    batches: list[list[Point]], nows: list[int], aggregate: Any, every: int | None
) -> None:
    oracle, seen = MemoryStore(), set[Any]()
    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "s.db", retention=SHORT) as store:
        for batch, now_ns in zip(batches, nows, strict=False):
            # A replacement of a row that is gone cannot be told from a new row, so each is written once.
            fresh = [p for p in batch if (p.MEASUREMENT, p.time_ns) not in seen]
            seen |= {(p.MEASUREMENT, p.time_ns) for p in fresh}
            store.write(fresh)
            oracle.write(fresh)
            for name in ("app_traffic", "probe"):
                asked: dict[str, Any] = {"aggregate": aggregate, "every_ns": every, "start_ns": START}
                same(store.read(name, **asked), oracle.read(name, **asked))
                maintain(store, now_ns)
                same(store.read(name, **asked), oracle.read(name, **asked))


@pytest.mark.parametrize("removed", [2, 10])
def test_a_late_point_joins_what_is_left_of_its_window(tmp_path: Path, removed: int) -> None:
    oracle = MemoryStore()
    with SqliteStore(tmp_path / "s.db", retention=SHORT) as store:
        for batch, hours in (([0, 1, 7], removed), ([5, 61], removed), ([9], removed + 1), ([3], removed + 2)):
            points = [traffic(START + at * S, rx_bytes=100 + at) for at in batch]
            store.write(points)
            oracle.write(points)
            for _ in range(2):
                for aggregate in ("sum", "mean", "min", "max", "last", "count"):
                    asked: dict[str, Any] = {"aggregate": aggregate, "every_ns": HOUR}
                    same(store.read("app_traffic", **asked), oracle.read("app_traffic", **asked))
                maintain(store, START + hours * HOUR)
            assert times(store, "app_traffic") == []


def test_rows_that_are_not_folded_yet_are_never_removed(tmp_path: Path) -> None:
    spec = SPECS["app_traffic"]
    with SqliteStore(tmp_path / "s.db") as store:
        writing = store._database.writing
        store.write([traffic(START + at * MINUTE) for at in range(100)])
        assert expire(writing, spec, 0, START + DAY, lambda: True)
        assert len(times(store, "app_traffic")) == 100
        maintain(store, START + 3 * HOUR)
        store.write([traffic(START + 50 * MINUTE + S)])
        assert expire(writing, spec, 0, START + DAY, lambda: True)
        assert times(store, "app_traffic")[0] == START + 50 * MINUTE


def test_minutes_stay_as_long_as_their_raw_rows(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as store:
        store.write([traffic(START + at * MINUTE) for at in range(180)])
        maintain(store, START + 4 * HOUR)
        assert expire(store._database.writing, SPECS["app_traffic"], 1, START + DAY, lambda: True)
        read = store.read("app_traffic", ["rx_bytes"], aggregate="sum", start_ns=START + 1, by=[])
        assert read["rx_bytes"] == [179 * 1000]


def test_raw_rows_go_by_age_and_their_totals_stay(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db", retention=SHORT) as store:
        written = [traffic(START + at * MINUTE, rx_bytes=at) for at in range(240)]
        store.write(written)
        maintain(store, START + 240 * MINUTE)
        assert times(store, "app_traffic") == [p.time_ns for p in written[180:]]
        assert store.read("app_traffic", ["rx_bytes"], aggregate="auto")["rx_bytes"] == [sum(range(240))]
        by_minute = store.read("app_traffic", ["rx_bytes"], every_ns=MINUTE, start_ns=START + HOUR)
        assert by_minute["rx_bytes"] == list(range(60, 240))
        assert store.read("app_traffic", ["rx_bytes"], every_ns=HOUR)["rx_bytes"] == [
            sum(range(at, at + 60)) for at in (0, 60, 120, 180)
        ]


def test_hours_go_by_age_too(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db", retention=kept(raw="1h", minute="1h", hour="5h")) as store:
        store.write([traffic(START + at * MINUTE) for at in range(600)])
        maintain(store, START + 600 * MINUTE)
        assert store.read("app_traffic", ["rx_bytes"], every_ns=HOUR)["time_ns"] == [
            START + at * HOUR for at in range(5, 10)
        ]


def test_predictions_ahead_of_time_are_kept(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db", retention=SHORT) as store:
        store.write([forecast(START + at * HOUR) for at in range(100)])
        for at in range(3):
            maintain(store, START + at * HOUR)
        assert len(times(store, "forecast")) == 100
        assert store.read("forecast", ["value"], limit=1)["time_ns"] == [START + 99 * HOUR]
        maintain(store, START + 50 * HOUR)
        assert times(store, "forecast")[0] == START + 47 * HOUR


def test_process_rows_live_an_hour_and_their_minutes_two_days(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as store:
        store.write([process(START + at * MINUTE, str(at)) for at in range(300)])
        maintain(store, START + 300 * MINUTE)
        assert len(times(store, "process_traffic")) == 60
        assert len(store.read("process_traffic", aggregate="sum")["pid"]) == 300
        maintain(store, START + 3 * DAY)
        store.write([process(START + 3 * DAY, "7")])
        assert store.read("process_traffic", aggregate="sum")["pid"] == ["7"]


def test_tag_sets_of_processes_are_forgotten_and_others_writers_notice(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as store, SqliteStore(tmp_path / "s.db") as other:
        other.write([process(START, "1")])
        maintain(store, START + 10 * DAY)
        other.write([process(START + 10 * DAY, "1")])
        assert store.read("process_traffic")["pid"] == ["1"]


def test_rare_rows_are_kept_raw_as_long_as_hours_for_their_text() -> None:
    for name in ("event", "forecast_score"):
        assert ages(SPECS[name], Retention()).raw_ns == Retention().hour


@pytest.mark.parametrize("name", SPECS)
def test_a_coarser_level_is_never_kept_shorter_than_a_finer_one(name: str) -> None:
    held = ages(SPECS[name], kept(raw="9d", minute="2d", hour="1d"))
    assert held.raw_ns <= held.minute_ns <= held.hour_ns


def test_a_clock_set_back_an_hour_loses_nothing(tmp_path: Path) -> None:
    oracle = MemoryStore()
    with SqliteStore(tmp_path / "s.db") as store:
        for at in range(120):
            batch = [traffic(START + at * MINUTE, rx_bytes=at)]
            store.write(batch)
            oracle.write(batch)
            maintain(store, START + at * MINUTE)
        for at in range(90):
            batch = [traffic(START + HOUR + at * MINUTE + S, rx_bytes=at)]
            store.write(batch)
            oracle.write(batch)
            maintain(store, START + HOUR + at * MINUTE + S)
        for every in (None, MINUTE, HOUR):
            asked: dict[str, Any] = {"aggregate": "auto", "every_ns": every}
            same(store.read("app_traffic", **asked), oracle.read("app_traffic", **asked))
        assert len(times(store, "app_traffic")) == 120 + 90


def test_the_size_bound_takes_the_oldest_raw_rows_first_and_the_file_shrinks(tmp_path: Path) -> None:
    bound = 6 * 10**6
    total = 0
    with SqliteStore(tmp_path / "s.db", retention=kept(max_size="6MB")) as store:
        store.write([Event(time_ns=START, host="desk", part="agent", kind="start", subject="", message="first")])
        for minute in range(180):
            batch = [
                traffic(START + minute * MINUTE + second * S, app=f"app{app}", rx_bytes=minute)
                for second in range(60)
                for app in range(12)
            ]
            total += sum(p.rx_bytes for p in batch)
            store.write(batch)
            if minute % 10 == 9:
                maintain(store, START + (minute + 1) * MINUTE)
                assert store.size_bytes() <= bound
        left = times(store, "app_traffic")
        assert START + 10 * MINUTE < left[0] < START + 170 * MINUTE
        assert left[-1] == START + 179 * MINUTE + 59 * S
        assert store.read("app_traffic", ["rx_bytes"], aggregate="sum", by=[])["rx_bytes"] == [total]
        assert store.read("event")["message"] == ["first"]


def test_a_bound_too_small_for_minutes_takes_them_and_then_hours_but_keeps_the_newest(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db", retention=kept(raw="1h", max_size="1500kB")) as store:
        for hour in range(96):
            store.write(
                [
                    traffic(START + hour * HOUR + minute * MINUTE, app=f"app{app}")
                    for minute in range(60)
                    for app in range(8)
                ]
            )
            maintain(store, START + (hour + 1) * HOUR)
        assert store.size_bytes() <= 1_500_000
        hours = store.read("app_traffic", ["rx_bytes"], every_ns=HOUR, by=[])
        assert hours["time_ns"][-1] == START + 95 * HOUR
        minutes = store.read("app_traffic", ["rx_bytes"], every_ns=MINUTE, by=[])
        assert 60 <= len(minutes["time_ns"]) < 95 * 60


def test_work_that_does_not_fit_the_budget_is_finished_by_later_calls(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db", retention=SHORT) as store:
        store.write([traffic(START + at * MINUTE, rx_bytes=at) for at in range(600)])
        calls = 1
        while not store.maintain(START + 600 * MINUTE, budget_s=0.0):
            calls += 1
            assert store.read("app_traffic", ["rx_bytes"], aggregate="auto")["rx_bytes"] == [sum(range(600))]
            assert calls < 500
        assert calls > 10
        assert len(times(store, "app_traffic")) == 60


def test_a_sum_beyond_64_bits_becomes_a_float_and_folding_goes_on(tmp_path: Path) -> None:
    big = 2**62
    with SqliteStore(tmp_path / "s.db") as store:
        store.write([traffic(START + at * S, rx_bytes=big) for at in range(10)])
        maintain(store, START + HOUR)
        store.write([traffic(START + 2 * HOUR, rx_bytes=1)])
        read = store.read("app_traffic", ["rx_bytes", "tx_bytes"], aggregate="sum")
        assert read["rx_bytes"] == [pytest.approx(10 * big)]
        assert read["tx_bytes"] == [110]
