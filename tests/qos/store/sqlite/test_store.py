"""The store's face: writing, state documents, noticing changes, several processes, threads, and closing."""

import multiprocessing
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qos.contract.errors import StoreRejected
from qos.contract.points import TYPES, AppTraffic, Point, Probe
from qos.store.read_request import TIME_MAX_NS
from qos.store.sqlite.store import SqliteStore
from tests.fakes import MemoryStore
from tests.qos.store.strategies import HOUR, START, S, points, same

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with SqliteStore(tmp_path / "autoqos.db") as opened:
        yield opened


def traffic(at: int, app: str = "chrome", rx_bytes: int = 1) -> AppTraffic:
    return AppTraffic(
        time_ns=START + at * S,
        host="desk",
        app=app,
        rx_bytes=rx_bytes,
        tx_bytes=0,
        rx_packets=0,
        tx_packets=0,
        flows=1,
        processes=1,
        priority=3,
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(points(tuple(TYPES), st.integers(0, TIME_MAX_NS - 1), wild=True), max_size=12))
def test_points_of_every_measurement_read_back_exactly(written: list[Point]) -> None:
    oracle = MemoryStore()
    oracle.write(written)
    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "s.db") as store:
        store.write(written)
        for name in TYPES:
            assert store.read(name) == oracle.read(name)
        store.maintain(0, budget_s=60)
        for name in TYPES:
            same(store.read(name, aggregate="count"), oracle.read(name, aggregate="count"))


def test_an_absent_optional_field_is_null(store: SqliteStore) -> None:
    store.write([Probe(time_ns=START, host="desk", target="t", ok=0, loss_ratio=1.0, sent=1, received=0, reason="x")])
    assert store.read("probe", ["rtt_ms", "ok"])["rtt_ms"] == [None]
    assert store.read("probe", ["rtt_ms"], aggregate="count")["rtt_ms"] == [0]


def test_a_time_outside_the_range_is_rejected_and_nothing_of_the_batch_is_kept(store: SqliteStore) -> None:
    for bad in (-1, TIME_MAX_NS):
        point = Probe(time_ns=bad, host="desk", target="t", ok=1, loss_ratio=0.0, sent=1, received=1)
        with pytest.raises(StoreRejected, match="1970-2261"):
            store.write([traffic(0), point])
    assert store.read("app_traffic")["time_ns"] == []


def test_a_state_that_json_cannot_hold_keeps_nothing_of_the_write(store: SqliteStore) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store.write([traffic(0)], states={"live": float("nan")})
    assert store.read("app_traffic")["time_ns"] == []


def test_state_documents_are_kept_listed_and_forgotten(store: SqliteStore) -> None:
    store.set_state("override:app:chrome", {"priority": 1, "name": "ü"})
    store.set_state("override:app:chrome", {"priority": 2})
    store.write([traffic(0)], states={"override:pause": {"until_ns": None}, "live": [1, 2.5, None]})
    assert store.get_state("override:app:chrome") == {"priority": 2}
    assert store.states("override:") == {"override:app:chrome": {"priority": 2}, "override:pause": {"until_ns": None}}
    store.delete_state("override:pause")
    store.delete_state("never there")
    assert store.get_state("override:pause") is None
    assert store.states("over%") == {}


def test_the_data_version_changes_for_own_and_others_writes_only(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as one, SqliteStore(tmp_path / "s.db") as two:
        seen = {one.data_version()}
        assert one.data_version() in seen
        one.write([traffic(0)])
        assert one.data_version() not in seen
        seen.add(one.data_version())
        two.set_state("override:pause", {})
        assert one.data_version() not in seen
        seen.add(one.data_version())
        one.read("app_traffic")
        assert one.data_version() in seen


def test_unknown_names_are_errors_that_list_the_known_ones(store: SqliteStore) -> None:
    with pytest.raises(KeyError, match=r"no measurement 'apps'; there are app_traffic, "):
        store.read("apps")
    with pytest.raises(KeyError, match=r"app_traffic has no field 'rx'; it has rx_bytes, "):
        store.read("app_traffic", ["rx"])
    with pytest.raises(KeyError, match=r"app_traffic has no tag 'pid'; it has host, app"):
        store.read("app_traffic", where={"pid": "1"})
    with pytest.raises(KeyError, match=r"no tag 'rx_bytes'"):
        store.read("app_traffic", by=["rx_bytes"])


def test_impossible_windows_aggregates_and_limits_are_errors(store: SqliteStore) -> None:
    with pytest.raises(ValueError, match="every_ns"):
        store.read("probe", every_ns=0)
    with pytest.raises(ValueError, match="median"):
        store.read("probe", aggregate="median")  # type: ignore[arg-type]  # that is the case
    with pytest.raises(ValueError, match="limit"):
        store.read("probe", limit=-1)


def test_a_closed_store_raises(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    store.close()
    store.close()
    for use in (lambda: store.read("probe"), lambda: store.write([traffic(0)]), store.data_version):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_a_reader_does_not_write(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as store, SqliteStore(tmp_path / "s.db", read_only=True) as reader:
        store.write([traffic(0)])
        assert reader.read("app_traffic")["app"] == ["chrome"]
        with pytest.raises(StoreRejected, match="reading only"):
            reader.write([traffic(1)])
        store.write([traffic(1)])
        assert len(reader.read("app_traffic")["app"]) == 2
        assert reader.pending("influx", 5).points == (traffic(0), traffic(1))


def test_a_write_is_not_blocked_by_a_slow_read_nor_the_read_by_it(store: SqliteStore) -> None:
    store.write([traffic(at) for at in range(50)])
    with store._database.reading() as snapshot:
        before = snapshot.execute("SELECT count(*) FROM app_traffic").fetchone()[0]
        store.write([traffic(100)])
        assert snapshot.execute("SELECT count(*) FROM app_traffic").fetchone()[0] == before
    assert len(store.read("app_traffic")["time_ns"]) == 51


def test_threads_share_one_store(store: SqliteStore) -> None:
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for at in range(40):
                store.write([traffic(at, app=name)], states={f"part:{name}": at})
                store.read("app_traffic", ["rx_bytes"], aggregate="sum", by=["app"])
                store.data_version()
        except BaseException as error:  # the thread's one catch-all: the test reports it
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"app{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert store.read("app_traffic", ["rx_bytes"], aggregate="sum", by=[])["rx_bytes"] == [240]


def _process(path: str, name: str, rounds: int) -> None:
    with SqliteStore(Path(path)) as store:
        for at in range(rounds):
            store.write([traffic(at, app=name, rx_bytes=1)], states={f"part:{name}": {"at": at}})
            if at % 10 == 0:
                store.maintain(START + at * S + HOUR)
            total = store.read("app_traffic", ["rx_bytes"], aggregate="sum", by=[])["rx_bytes"][0]
            assert total >= at + 1


def test_three_processes_write_read_and_fold_one_new_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "autoqos.db"
    names = ("a", "b", "c")
    workers = [SPAWN.Process(target=_process, args=(str(path), name, 60)) for name in names]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    with SqliteStore(path) as store:
        store.maintain(START + 5 * HOUR, budget_s=60)
        read = store.read("app_traffic", ["rx_bytes"], aggregate="sum", by=["app"])
        assert dict(zip(read["app"], read["rx_bytes"], strict=True)) == dict.fromkeys(names, 60)
        assert store.states("part:") == {f"part:{name}": {"at": 59} for name in names}


def test_a_change_is_noticed_within_200_ms_of_the_commit(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as one, SqliteStore(tmp_path / "s.db") as two:
        before = one.data_version()
        two.set_state("override:pause", {"until_ns": None})
        started = time.monotonic()
        assert one.data_version() != before
        assert time.monotonic() - started < 5  # the first look is enough; the bound is for a loaded machine
