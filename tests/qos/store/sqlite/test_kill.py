"""``kill -9`` at any moment: the file is sound and every point that was acknowledged before is there."""

import multiprocessing
import random
import sqlite3
import struct
import time
from pathlib import Path
from typing import Any

from qos.contract.config import Retention
from qos.contract.points import AppTraffic, Point
from qos.store.sqlite.store import SqliteStore

KILLS = 50
APPS = 20
START = 1_763_690_400 * 10**9
MINUTE = 60 * 10**9

# Children are forked from a server that has everything imported; where there is none they start from scratch.
METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
CONTEXT: Any = multiprocessing.get_context(METHOD)
LIMITS = Retention.model_validate({"raw": "30m", "minute": "40d", "hour": "400d", "max_size": "1GB"})


def batch(run: str, number: int) -> list[Point]:
    return [
        AppTraffic(
            time_ns=START + number * 10 * 10**9,
            host=run,
            app=f"app{app}",
            rx_bytes=number,
            tx_bytes=1,
            rx_packets=1,
            tx_packets=1,
            flows=1,
            processes=1,
            priority=3,
        )
        for app in range(APPS)
    ]


def write_until_killed(path: str, run: str, acknowledged: Any) -> None:
    """Write, fold, remove and answer with the number of each batch that the store took."""
    with SqliteStore(Path(path), retention=LIMITS) as store:
        number = 0
        while True:
            number += 1
            store.write(batch(run, number), states={f"part:{run}": number})
            acknowledged.send_bytes(struct.pack("<Q", number))
            if number % 20 == 0:
                store.maintain(START + number * 10 * 10**9)


def test_fifty_kills_under_load_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    if METHOD == "forkserver":
        CONTEXT.set_forkserver_preload(["tests.qos.store.sqlite.test_kill", "qos.store.sqlite.store"])
    path = tmp_path / "autoqos.db"
    chance = random.Random(20251121)
    bystander = None
    for kill in range(KILLS):
        run = f"run{kill}"
        if kill == KILLS // 2:
            # From here on somebody else writes all the time, so a victim dies inside a shared log.
            hears, says = CONTEXT.Pipe(duplex=False)
            bystander = CONTEXT.Process(target=write_slowly, args=(str(path), hears), daemon=True)
            bystander.start()
        reader, writer = CONTEXT.Pipe(duplex=False)
        victim = CONTEXT.Process(target=write_until_killed, args=(str(path), run, writer))
        victim.start()
        writer.close()
        assert reader.poll(60)
        time.sleep(chance.uniform(0.0, 0.15))
        victim.kill()
        last = acknowledged(reader)
        victim.join()
        assert last > 0
        verify(path, run, last)
    if bystander is not None:
        says.send_bytes(b"stop")
        bystander.join(60)
        assert bystander.exitcode == 0
        says.close()
        hears.close()


def write_slowly(path: str, stop: Any) -> None:
    with SqliteStore(Path(path), retention=LIMITS) as store:
        number = 0
        while not stop.poll(0.005):
            number += 1
            store.write(batch("bystander", number))


def acknowledged(reader: Any) -> int:
    last = 0
    try:
        while True:
            (last,) = struct.unpack("<Q", reader.recv_bytes())
    except (EOFError, OSError):
        reader.close()
        return last


def verify(path: Path, run: str, last: int) -> None:
    with SqliteStore(path, retention=LIMITS) as store:
        assert store.notes == ()
        db = sqlite3.connect(path)
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        db.close()
        read = store.read("app_traffic", ["rx_bytes"], where={"host": run}, aggregate="count", by=[])
        total = store.read("app_traffic", ["rx_bytes"], where={"host": run}, aggregate="sum", by=[])
        count, rest = divmod(read["rx_bytes"][0], APPS)
        assert rest == 0
        # One batch may be committed and not yet acknowledged.
        assert count in (last, last + 1)
        assert total["rx_bytes"] == [APPS * count * (count + 1) // 2]
        assert store.get_state(f"part:{run}") == count
