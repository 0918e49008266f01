"""Parts of a real ``autoqos up`` that end at random keep each other's locks, and no row is lost (SQLite in WAL mode).

In a network namespace with real capture and enforcement and traffic through it. ``AUTOQOS_TEST_ROUNDS`` (default 2)
pairs of parts are stopped or killed; the supervisor starts them again.
"""

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from qos.contract.errors import ConfigError, StoreUnavailable
from qos.store.sqlite.store import SqliteStore
from tests import require
from tests.console.supervisor.test_store_locks import descriptors, locked, probe, wait_until_arrived, wait_until_locked
from tests.lab import PEER4, Lab
from tests.scripted_http import ScriptedServer

ROOT = Path(__file__).parents[3]
ROUNDS = int(os.environ.get("AUTOQOS_TEST_ROUNDS", "2"))
PARTS = ("collector", "enforcer", "shipper", "page")
PATIENCE_S = 180
_SINK = "import socket; s = socket.create_server(('', 5001)); c = s.accept()[0]\nwhile c.recv(1 << 16): pass"
_SOURCE = f"""
import socket, time
c = socket.create_connection(("{PEER4}", 5001))
while True:
    c.sendall(bytes(20000))
    time.sleep(0.05)
"""


def state(folder: Path, key: str) -> dict[str, Any]:
    try:
        with SqliteStore(folder / "data" / "autoqos.db", read_only=True) as store:
            return store.get_state(key) or {}
    except (ConfigError, StoreUnavailable):
        return {}


def pid_of(folder: Path, part: str, other_than: int = 0) -> int:
    """The part's process, once it says that it runs and has the database open and locked."""
    database = folder / "data" / "autoqos.db"
    deadline = time.monotonic() + PATIENCE_S
    while True:
        pid = int(state(folder, f"part:{part}").get("pid") or 0)
        if pid not in (0, other_than) and descriptors(pid, database):
            wait_until_locked(pid, database)
            return pid
        assert time.monotonic() < deadline, f"{part} does not come back"
        time.sleep(0.2)


@pytest.mark.timeout(180 + 90 * ROUNDS)
def test_pairs_of_parts_of_up_end_at_random_and_locks_and_rows_stay(tmp_path: Path) -> None:
    require.linux_root()
    chance = random.Random(15)
    data = tmp_path / "data"
    data.mkdir()
    database = data / "autoqos.db"
    written: list[int] = []
    over = threading.Event()
    looks = 0
    with Lab() as lab, SqliteStore(database) as store:
        with lab.inside("host"):
            server = ScriptedServer()
        (tmp_path / "config.yaml").write_text(
            f"host: h\nmode: enforce\ninfluxdb: {{url: '{server.url}', org: o}}\nforecast: {{where: here}}\n"
            f"page: {{enabled: true, port: 18737}}\ncollector: {{targets: [{PEER4}]}}\n"
        )
        (tmp_path / ".env").write_text("INFLUX_TOKEN=any\n")

        def load() -> None:
            while not over.is_set():
                now = time.time_ns()
                store.write([probe(now + at, f"t{at}") for at in range(20)])
                written.extend(now + at for at in range(20))
                time.sleep(0.02)

        lab.start("peer", sys.executable, "-c", _SINK)
        time.sleep(1)
        lab.start("host", sys.executable, "-c", _SOURCE)
        thread = threading.Thread(target=load)
        thread.start()
        where = ("--config", str(tmp_path / "config.yaml"), "--data", str(data))
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        up = lab.start("host", sys.executable, "-m", "console", "up", *where, env=environment)
        try:
            pids = {part: pid_of(tmp_path, part) for part in PARTS}
            for _ in range(ROUNDS):
                pair = chance.sample(PARTS, 2)
                for part in pair:
                    os.kill(pids[part], chance.choice((signal.SIGTERM, signal.SIGKILL)))
                    time.sleep(chance.choice((0.0, chance.random())))
                for part in pair:
                    pids[part] = pid_of(tmp_path, part, other_than=pids[part])
                for process in psutil.Process(up.pid).children(recursive=True):
                    if descriptors(process.pid, database):
                        wait_until_locked(process.pid, database)
                        looks += 1
                assert locked(os.getpid(), database)
        finally:
            over.set()
            thread.join()
            lab.finish(up, timeout=120)
        read = store.read("probe", ["sent"], where={"host": "load"}, by=())
        assert sorted(read["time_ns"]) == sorted(written)
        # Once more, alone: what the last end interrupted.
        lab.start("host", sys.executable, "-m", "console", "shipper", *where, env=environment)
        wait_until_arrived(data, server.rows, PATIENCE_S)
        server.close()
    assert looks >= ROUNDS * len(PARTS)
