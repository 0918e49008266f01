"""Whose file is it, and what to say: strangers, newer and older schemas, directories that take no files."""

import contextlib
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qos.contract.errors import ConfigError
from qos.contract.points import SPECS, AppTraffic
from qos.store.sqlite import schema
from qos.store.sqlite.store import SqliteStore
from tests import require
from tests.qos.store.sqlite.opening.small_disk import START, point, small_disk

RECORDED = Path(__file__).parents[1] / "recorded"


def pragma(path: Path, name: str) -> Any:
    db = sqlite3.connect(path)
    try:
        return db.execute(f"PRAGMA {name}").fetchone()[0]
    finally:
        db.close()


def test_a_new_file_is_marked_as_ours_in_wal_mode_and_can_give_pages_back(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "autoqos.db"
    with SqliteStore(path):
        assert pragma(path, "application_id") == schema.APPLICATION_ID
        assert pragma(path, "user_version") == schema.VERSION
        assert pragma(path, "journal_mode") == "wal"
        assert pragma(path, "auto_vacuum") == 2
        header = path.read_bytes()[:100]
        assert int.from_bytes(header[68:72], "big") == schema.APPLICATION_ID


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "autoqos.db"
    path.touch()
    with SqliteStore(path) as store:
        store.write([point()])
        assert store.notes == ()


def test_another_programs_database_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "autoqos.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE bookmarks (url TEXT)")
    db.commit()
    db.close()
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(ConfigError) as caught:
            SqliteStore(path, read_only=read_only)
        assert str(caught.value) == (
            f"{path}: is another program's database: move it away or choose another data_dir or --data"
        )
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["autoqos.db"]


def test_a_newer_schema_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "autoqos.db"
    with SqliteStore(path) as store:
        store.write([point()])
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(ConfigError) as caught:
            SqliteStore(path, read_only=read_only)
        assert str(caught.value) == (
            f"{path}: was written by a newer AutoQoS (schema {schema.VERSION + 1}, this one knows {schema.VERSION}):"
            " update AutoQoS or choose another data_dir or --data"
        )
    assert path.read_bytes() == before


def old_store(path: Path) -> None:
    db = sqlite3.connect(path)
    db.executescript((RECORDED / "schema_1.sql").read_text(encoding="utf-8"))
    db.execute("PRAGMA journal_mode = WAL")
    db.close()


def test_a_recorded_file_of_schema_1_is_brought_up_to_date_with_all_it_held(tmp_path: Path) -> None:
    path = tmp_path / "autoqos.db"
    old_store(path)
    with pytest.raises(ConfigError, match="older AutoQoS: start `autoqos up` once"):
        SqliteStore(path, read_only=True)
    with SqliteStore(path) as store:
        assert pragma(path, "user_version") == schema.VERSION
        before = store.read("app_traffic", ["rx_bytes"], aggregate="sum", by=["app"])
        assert before["app"] == ["chrome", "übersicht"]
        assert before["rx_bytes"] == [
            sum(1000 * at for at in range(0, 150, 2)),
            sum(1000 * (at + 1) for at in range(0, 150, 3)),
        ]
        assert len(store.read("probe")["time_ns"]) == 15
        assert store.get_state("override:app:chrome")["priority"] == 1  # type: ignore[index]  # it is recorded there
        assert store.backlog("influx").rows == 75 + 50 + 15 - 40
        assert store.maintain(START + 3600 * 10**9, budget_s=60)
        assert store.read("app_traffic", ["rx_bytes"], aggregate="sum", by=["app"]) == before
        with contextlib.closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT count(*) FROM app_traffic_minute").fetchone()[0] == 6
        store.write([point(1000)])


def test_every_step_between_schemas_has_its_migration() -> None:
    assert sorted(schema.MIGRATIONS) == list(range(1, schema.VERSION))


def test_a_field_added_to_a_measurement_becomes_a_column_and_old_rows_hold_its_zero(tmp_path: Path) -> None:
    path = tmp_path / "autoqos.db"
    with SqliteStore(path) as store:
        store.write([point()])
    db = sqlite3.connect(path)
    for table, column in (("app_traffic", "flows"), ("app_traffic_minute", "flows_max")):
        db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    db.execute("DROP TABLE event")
    db.commit()
    db.close()
    with SqliteStore(path) as store:
        store.write([point(1)])
        assert [p.flows for p in store.pending("influx", 5).points if isinstance(p, AppTraffic)] == [0, 1]
        assert store.read("event")["time_ns"] == []
        assert store.maintain(START + 10**13, budget_s=60)


def test_a_reader_before_the_first_start_is_told_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "autoqos.db"
    with pytest.raises(ConfigError, match="no store there yet: start `autoqos up` first, or check --data"):
        SqliteStore(path, read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError) as caught:
        SqliteStore(tmp_path / "file" / "autoqos.db")
    with pytest.raises(FileExistsError) as refused:  # in the system's own words
        (tmp_path / "file").mkdir()
    assert str(caught.value) == (
        f"{tmp_path / 'file'}: cannot be written ({refused.value.strerror}):"
        " make it writable or choose another data_dir or --data"
    )


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A small file system of our own."""
    with small_disk(tmp_path / "mounted", 2) as folder:
        yield folder


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


def test_a_read_only_directory_is_named(mounted: Path) -> None:
    remount(mounted, "ro")
    with pytest.raises(ConfigError) as caught:
        SqliteStore(mounted / "autoqos.db")
    assert str(caught.value) == (
        f"{mounted}: cannot be written (Read-only file system): make it writable or choose another data_dir or --data"
    )


def test_a_store_in_a_directory_that_became_read_only_is_refused_but_can_be_read(mounted: Path) -> None:
    path = mounted / "autoqos.db"
    with SqliteStore(path) as store:
        store.write([point()])
    remount(mounted, "ro")
    with pytest.raises(ConfigError, match=f"{mounted}: cannot be written"):
        SqliteStore(path)
    with SqliteStore(path, read_only=True) as reader:
        assert reader.read("app_traffic")["app"] == ["chrome"]
    remount(mounted, "rw")
    with SqliteStore(path) as store:
        store.write([point(1)])


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may look into; pytest's own are closed to others."""
    require.linux_root()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_another_user_reads_what_root_writes_at_rest_and_under_way(open_folder: Path) -> None:
    path = open_folder / "autoqos.db"
    script = (
        "import sys; from pathlib import Path; from qos.store.sqlite.store import SqliteStore\n"
        "store = SqliteStore(Path(sys.argv[1]), read_only=True)\n"
        "for _ in sys.stdin: print(len(store.read('app_traffic')['app']), store.data_version(), flush=True)\n"
    )
    child = subprocess.Popen(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        env={"PYTHONPATH": str(Path(__file__).parents[5]), "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"},
    )

    def seen_by_nobody() -> list[int]:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("?\n")
        return [int(word) for word in child.stdout.readline().split()]

    with SqliteStore(path) as store:
        store.write([point()])
    with child:
        rows, at_rest = seen_by_nobody()
        assert rows == 1
        with SqliteStore(path) as store:
            store.write([point(1)])
            rows, under_way = seen_by_nobody()
            assert rows == 2
            assert under_way != at_rest
            store.write([point(2)])
            rows, later = seen_by_nobody()
            assert rows == 3
            assert later != under_way
        assert seen_by_nobody()[0] == 3
        child.communicate()


def test_every_measurement_has_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "autoqos.db"
    with SqliteStore(path):
        db = sqlite3.connect(path)
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        db.close()
    assert {f"{name}{suffix}" for name in SPECS for suffix in ("", "_minute", "_hour", "_series")} <= tables
