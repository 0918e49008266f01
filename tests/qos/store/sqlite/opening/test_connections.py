"""A process that has the database open keeps its POSIX locks, whatever else it opens beside (fcntl(2))."""

import os
import sqlite3
import sys
from pathlib import Path

import pytest

from qos.contract.errors import ConfigError
from qos.store.sqlite.line_protocol import JournalReader
from qos.store.sqlite.opening.connections import connect, first_bytes
from qos.store.sqlite.store import SqliteStore
from tests import require


def locks_held(path: Path) -> int:
    """How many POSIX locks this process holds on the file, as the kernel lists them (proc(5))."""
    if sys.platform != "linux":
        require.missing("this test reads /proc/locks")
    inode = path.stat().st_ino
    lines = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    mine = [words for words in lines if words[1] == "POSIX" and words[4] == str(os.getpid())]
    return sum(words[5].rsplit(":", 1)[1] == str(inode) for words in mine)


def test_a_second_store_and_a_journal_reader_beside_the_writer_leave_its_locks(tmp_path: Path) -> None:
    path = tmp_path / "autoqos.db"
    with SqliteStore(path) as store:
        store.set_state("a", 1)
        assert locks_held(path) == 1
        reader = JournalReader(path)
        assert locks_held(path) == 1
        with SqliteStore(path, read_only=True) as other, SqliteStore(path) as third:
            assert other.get_state("a") == 1
            third.set_state("a", 2)
        assert locks_held(path) == 1
        reader.close()
        assert locks_held(path) == 1
    assert locks_held(path) == 0


def test_the_first_bytes_are_read_only_while_nothing_here_is_connected(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with pytest.raises(FileNotFoundError):
        first_bytes(path)
    db = connect(path, read_only=False)
    db.execute("CREATE TABLE t (a)")
    second = connect(path, read_only=True)
    assert first_bytes(path) is None
    db.close()
    db.close()
    assert first_bytes(path) is None
    second.close()
    assert (first_bytes(path) or b"").startswith(b"SQLite format 3")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows refuses to rename an open file")
def test_another_file_at_the_path_of_an_open_one_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "autoqos.db"
    with SqliteStore(path):
        path.rename(tmp_path / "moved.db")
        stranger = sqlite3.connect(path)
        stranger.execute("CREATE TABLE bookmarks (url TEXT)")
        stranger.close()
        with pytest.raises(ConfigError, match="another program"):
            SqliteStore(path)
