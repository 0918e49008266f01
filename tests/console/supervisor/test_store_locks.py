"""Parts that come and go beside each other keep their locks on the database, and no row is lost (SQLite in WAL mode).

``AUTOQOS_TEST_ROUNDS`` (default 6) pairs of parts are stopped or killed and started again, at random, under load.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from qos.contract.points import Probe
from qos.store.sqlite.line_protocol import JournalReader
from qos.store.sqlite.store import SqliteStore
from tests import require
from tests.scripted_http import scripted_server

ROOT = Path(__file__).parents[3]
PARTS = ("collector", "enforcer", "shipper", "forecast")
ROUNDS = int(os.environ.get("AUTOQOS_TEST_ROUNDS", "6"))
PATIENCE_S = 60


def start(part: str, folder: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "console", part, "--config", "config.yaml", "--data", "data"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "INFLUX_TOKEN": "any"}
    environment.pop("INFLUX_URL", None)
    with (folder / "parts.log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)


def descriptors(pid: int, database: Path) -> bool:
    """Whether the process has the database open."""
    try:
        return any(os.readlink(entry) == str(database) for entry in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def locked(pid: int, database: Path) -> bool:
    """Whether the kernel lists a POSIX lock of the process on the database (proc(5))."""
    inode = str(database.stat().st_ino)
    lines = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    return any(w[1] == "POSIX" and w[4] == str(pid) and w[5].rsplit(":", 1)[1] == inode for w in lines)


def wait_until_locked(pid: int, database: Path) -> None:
    """A part opens the file and then locks it; a snapshot between the two proves nothing."""
    deadline = time.monotonic() + PATIENCE_S
    while not locked(pid, database):
        assert time.monotonic() < deadline, f"{pid} has the database without a lock"
        time.sleep(0.05)


def test_every_pair_of_parts_stops_and_starts_and_keeps_locks_and_rows(tmp_path: Path) -> None:
    if sys.platform != "linux":
        require.missing("this test reads /proc/locks")
    chance = random.Random(20261121)
    data = tmp_path / "data"
    data.mkdir()
    database = data / "autoqos.db"
    written: list[int] = []
    over = threading.Event()
    with scripted_server() as server, SqliteStore(database) as store:
        (tmp_path / "config.yaml").write_text(
            f"host: h\nmode: observe\ninfluxdb: {{url: '{server.url}', org: o}}\nforecast: {{where: here}}\n"
        )

        def load() -> None:
            while not over.is_set():
                now = time.time_ns()
                store.write([probe(now + at, f"t{at}") for at in range(20)])
                written.extend(now + at for at in range(20))
                time.sleep(0.02)

        thread = threading.Thread(target=load)
        thread.start()
        running = {part: start(part, tmp_path) for part in PARTS}
        try:
            for part in PARTS[:3]:
                deadline = time.monotonic() + PATIENCE_S
                while not descriptors(running[part].pid, database):
                    assert time.monotonic() < deadline, f"{part} does not open the store"
                    time.sleep(0.1)
            for _ in range(ROUNDS):
                pair = chance.sample(PARTS, 2)
                for part in pair:
                    running[part].send_signal(chance.choice((signal.SIGTERM, signal.SIGKILL)))
                    running[part].wait(PATIENCE_S)
                    if chance.random() < 0.5:
                        time.sleep(chance.random())
                    running[part] = start(part, tmp_path)
                for process in running.values():
                    if descriptors(process.pid, database):
                        wait_until_locked(process.pid, database)
                assert locked(os.getpid(), database)
        finally:
            over.set()
            thread.join()
            for process in running.values():
                process.terminate()
            for process in running.values():
                process.wait(PATIENCE_S)
        read = store.read("probe", ["sent"], where={"host": "load"}, by=())
        assert sorted(read["time_ns"]) == sorted(written)
        shipped(store, data, tmp_path, server.rows)


def shipped(store: SqliteStore, data: Path, folder: Path, rows: dict[str, str]) -> None:
    """Start the shipper once more, alone; then every line of the store is at the server, byte for byte."""
    del store
    process = start("shipper", folder)
    try:
        wait_until_arrived(data, rows)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def wait_until_arrived(data: Path, rows: dict[str, str], patience_s: float = PATIENCE_S) -> None:
    """Every line that the load wrote is at the server, byte for byte."""
    reader = JournalReader(data / "autoqos.db")
    lines = {
        (line.split(" ", 1)[0] + " " + line.rsplit(" ", 1)[1]): line.split(" ", 1)[1].rsplit(" ", 1)[0]
        for batch in reader.between(0, 2**62)
        for line in batch.lines
        if ",host=load," in line
    }
    reader.close()
    assert lines
    deadline = time.monotonic() + patience_s
    while any(rows.get(key) != value for key, value in lines.items()):
        assert time.monotonic() < deadline, "not everything arrives"
        time.sleep(0.5)


def probe(time_ns: int, target: str) -> Probe:
    return Probe(time_ns=time_ns, host="load", target=target, ok=1, rtt_ms=1.5, loss_ratio=0.0, sent=1, received=1)


@pytest.fixture(autouse=True)
def _no_server_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INFLUX_URL", raising=False)
