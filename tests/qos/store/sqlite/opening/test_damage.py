"""Damage, a full disk, a file gone: one clear message each, nothing deleted, the agent goes on."""

import errno
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from qos.contract.errors import ConfigError, StoreUnavailable
from qos.store.sqlite.opening import connections
from qos.store.sqlite.opening import damage as damaged
from qos.store.sqlite.store import SqliteStore
from qos.store.write_buffer import BufferedWriter
from tests.qos.store.sqlite.opening.small_disk import point, small_disk


def kept_aside(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("autoqos.db.corrupt-*") if not file.name.endswith(("-wal", "-shm")))


def damage(path: Path) -> None:
    """Overwrite everything behind the first page."""
    with path.open("r+b") as file:
        size = path.stat().st_size
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


def filled(path: Path) -> None:
    with SqliteStore(path) as store:
        store.write([point(at) for at in range(500)])


def test_a_file_that_is_no_database_is_kept_aside_and_a_new_store_started(tmp_path: Path) -> None:
    path = tmp_path / "autoqos.db"
    path.write_bytes(b"not a database at all" * 100)
    with SqliteStore(path, host="desk") as store:
        (aside,) = kept_aside(tmp_path)
        assert aside.read_bytes() == b"not a database at all" * 100
        assert store.notes == (f"{path}: was damaged: it is kept as {aside.name}, and a new store was started",)
        store.write([point()])
        event = store.read("event")
        assert (event["host"], event["part"], event["kind"]) == (["desk"], ["store"], ["store_replaced"])
        assert event["subject"] == [aside.name]
        assert event["message"] == list(store.notes)
        store.write([point(1)])
        assert len(store.read("event")["time_ns"]) == 1


def test_a_file_damaged_while_nobody_looked_is_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "autoqos.db"
    filled(path)
    damage(path)
    with SqliteStore(path) as store:
        assert len(store.notes) == 1
        store.write([point()])
        assert store.read("app_traffic")["app"] == ["chrome"]
    assert len(kept_aside(tmp_path)) == 1


def test_a_reader_says_that_the_file_is_damaged_and_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "autoqos.db"
    path.write_bytes(b"x" * 5000)
    with pytest.raises(ConfigError, match="is damaged: start `autoqos up`"):
        SqliteStore(path, read_only=True)
    assert kept_aside(tmp_path) == []


def use(store: SqliteStore) -> None:
    for at in range(20):
        store.write([point(1000 + at, app=f"app{at}")])
        store.read("app_traffic")


def test_damage_under_way_costs_one_write_and_the_other_processes_follow(tmp_path: Path) -> None:
    path = tmp_path / "autoqos.db"
    filled(path)
    with SqliteStore(path) as store, SqliteStore(path) as other, SqliteStore(path, read_only=True) as reader:
        assert len(other.read("app_traffic")["app"]) == 500
        version = reader.data_version()
        store._database.checkpoint(0)
        damage(path)
        with pytest.raises(StoreUnavailable, match="is damaged"):
            use(store)
        write_until_moved(store, other, reader)
        (note,) = store.notes
        assert "is kept as autoqos.db.corrupt-" in note
        assert other.read("app_traffic")["time_ns"] == [point(2000).time_ns]
        other.write([point(2001)])
        assert len(reader.read("app_traffic")["app"]) == 2
        assert reader.data_version() != version
        assert len(store.read("event")["kind"]) == 1
        assert not other.notes
    assert len(kept_aside(tmp_path)) == 1


def write_until_moved(store: SqliteStore, *others: SqliteStore) -> int:
    """Write as the parts do, each in its turn, until the damaged file is out of the way; how often it was not."""
    for attempt in range(10):
        try:
            store.write([point(2000)])
        except StoreUnavailable:
            for other in others:
                with suppress(StoreUnavailable):
                    other.data_version()
        else:
            return attempt
    raise AssertionError("the damaged file was never moved")


def test_where_open_files_cannot_be_moved_every_part_lets_the_damaged_one_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows: the rename is refused as long as anybody has the file open."""
    rename, path = Path.rename, tmp_path / "autoqos.db"

    def refuses(source: Path, target: Path) -> Path:
        if connections._connected[connections.identity(source) or (0, 0)]:
            raise PermissionError(13, "The process cannot access the file")
        return rename(source, target)

    monkeypatch.setattr(damaged, "OPEN_FILES_STAY", True)
    monkeypatch.setattr(Path, "rename", refuses)
    filled(path)
    with SqliteStore(path) as store, SqliteStore(path) as other, SqliteStore(path, read_only=True) as reader:
        other.read("app_traffic")
        reader.read("app_traffic")
        store._database.checkpoint(0)
        damage(path)
        with pytest.raises(StoreUnavailable, match="is damaged"):
            use(store)
        with pytest.raises(StoreUnavailable, match="still open somewhere"):
            store.write([point(2000)])
        assert write_until_moved(store, other, reader) <= 2
        other.write([point(2001)])
        assert len(reader.read("app_traffic")["app"]) == 2
    assert len(kept_aside(tmp_path)) == 1
    assert not list(tmp_path.glob("*.release"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows refuses to delete an open file")
def test_a_file_deleted_under_the_agent_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "autoqos.db"
    with SqliteStore(path) as store:
        store.write([point()])
        for file in tmp_path.iterdir():
            file.unlink()
        store.write([point(1)])
        assert store.read("app_traffic")["time_ns"] == [point(1).time_ns]
    assert path.exists()


def test_a_locked_file_is_waited_for_and_then_reported(tmp_path: Path) -> None:
    path = tmp_path / "autoqos.db"
    with SqliteStore(path) as store:
        store.write([point()])
        store._database._live_writer().execute("PRAGMA busy_timeout = 50")
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="is locked by another process") as caught:
            store.write([point(1)])
        assert caught.value.retry_after_s == 1.0
        assert len(store.read("app_traffic")["app"]) == 1
        holder.execute("ROLLBACK")
        holder.close()
        store.write([point(1)])
        assert len(store.read("app_traffic")["app"]) == 2


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of three megabytes."""
    with small_disk(tmp_path / "tiny", 3) as folder:
        yield folder


def fill_up(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        for _ in range(10_000):
            try:
                file.write(b"\0" * 4096)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return
    raise AssertionError("the disk did not fill up")


def test_a_full_disk_is_said_reading_goes_on_and_points_wait_until_there_is_room(tiny_disk: Path) -> None:
    path = tiny_disk / "autoqos.db"
    with SqliteStore(path) as store:
        store.write([point()])
        ballast = tiny_disk / "ballast"
        fill_up(ballast)
        buffer = BufferedWriter(store, capacity=50_000)
        at = now_ns = 0
        while buffer.problem is None:
            batch = [point(at + offset) for offset in range(1, 1001)]
            at += 1000
            now_ns += 10**9
            buffer.write(batch, now_ns)
            assert at < 40_000
        assert buffer.problem == f"{path}: the disk is full: free some space; points wait in memory meanwhile"
        assert buffer.waiting > 0
        assert len(store.read("app_traffic", ["rx_bytes"])["time_ns"]) == 1 + buffer.written
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            store.set_state("live", {"long": "x" * 500_000})
        ballast.unlink()
        assert not buffer.flush(now_ns)
        assert buffer.flush(now_ns + 6 * 10**9)
        assert (buffer.waiting, buffer.dropped) == (0, 0)
        assert not buffer.problem
        assert len(store.read("app_traffic", ["rx_bytes"])["time_ns"]) == 1 + at
        db = sqlite3.connect(path)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()


def test_no_room_for_even_a_new_file_is_something_to_wait_for(tiny_disk: Path) -> None:
    fill_up(tiny_disk / "ballast")
    with pytest.raises(StoreUnavailable, match="the disk is full"):
        SqliteStore(tiny_disk / "autoqos.db")
    (tiny_disk / "ballast").unlink()
    with SqliteStore(tiny_disk / "autoqos.db") as store:
        store.write([point()])
        assert store.notes == ()
