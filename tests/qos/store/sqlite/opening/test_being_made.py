import sqlite3
from pathlib import Path

import pytest

from qos.contract.errors import ConfigError, StoreUnavailable
from qos.store.sqlite.store import SqliteStore


@pytest.fixture
def half_made(tmp_path: Path) -> Path:
    """The file as it is between the first pragma and the first transaction of the process that makes it."""
    path = tmp_path / "autoqos.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.close()
    assert path.stat().st_size > 0
    return path


def test_a_reader_that_comes_while_the_store_is_being_made_may_come_again(half_made: Path) -> None:
    with pytest.raises(StoreUnavailable, match="being made"):
        SqliteStore(half_made, read_only=True)


def test_a_writer_that_comes_at_that_moment_makes_it(half_made: Path) -> None:
    with SqliteStore(half_made) as store:
        store.set_state("a", 1)
    with SqliteStore(half_made, read_only=True) as store:
        assert store.get_state("a") == 1


def test_a_strangers_database_with_one_table_is_still_refused(half_made: Path) -> None:
    db = sqlite3.connect(half_made, isolation_level=None)
    db.execute("CREATE TABLE theirs (a)")
    db.close()
    with pytest.raises(ConfigError, match="another program"):
        SqliteStore(half_made)
