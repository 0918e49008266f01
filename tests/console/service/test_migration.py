"""An upgrade brings the store of the first version up to date, with all that it held."""

import contextlib
import sqlite3
from pathlib import Path

from console.service.migration import migrate
from qos.store.sqlite import schema
from qos.store.sqlite.store import SqliteStore

RECORDED = Path(__file__).parents[2] / "qos/store/sqlite/recorded"
START = 1_763_690_400 * 10**9


def test_a_store_of_the_first_version_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "autoqos.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript((RECORDED / "schema_2.sql").read_text(encoding="utf-8"))
        db.execute("PRAGMA journal_mode = WAL")
    config = tmp_path / "config.yaml"
    config.write_text("retention: {raw: 48h}\n", encoding="utf-8")
    assert migrate(tmp_path, config) == [f"store: {path} is up to date"]
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    with SqliteStore(path) as store:
        total = store.read("app_traffic", ["rx_bytes"], aggregate="sum", by=["app"])
        assert dict(zip(total["app"], total["rx_bytes"], strict=True)) == {
            "chrome": sum(1000 * at for at in range(0, 150, 2)),
            "übersicht": sum(1000 * (at + 1) for at in range(0, 150, 3)),
        }
        assert store.read("probe")["rtt_ms"][:2] == [2.5, 2.6]
        assert store.read("event")["message"] == ["ended with status 1, restarted"]
        override = store.get_state("override:app:chrome")
        assert override is not None
        assert override["priority"] == 1
        assert store.backlog("influx").rows == 101, "what was not shipped yet is not forgotten"
    assert migrate(tmp_path, tmp_path / "no config") == [f"store: {path} is up to date"]
    assert migrate(tmp_path / "elsewhere", config) == []
