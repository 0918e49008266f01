"""The process in the collector's place: it writes points and keeps the roll-ups."""

import os
import random
import signal
import time
from pathlib import Path

from qos.contract.points import AppResources, AppTraffic, Point, Probe
from qos.store.sqlite.store import SqliteStore

S = 10**9
HISTORY_S = 3 * 3600


def tick(time_ns: int, chance: random.Random) -> list[Point]:
    rtt = chance.uniform(1, 80)
    points: list[Point] = [
        Probe(time_ns=time_ns, host="soak", target=f"192.0.2.{n}", ok=1, rtt_ms=rtt, loss_ratio=0.0, sent=1, received=1)
        for n in range(3)
    ]
    for n in range(8):
        points += [
            AppTraffic(
                time_ns=time_ns,
                host="soak",
                app=f"app{n}",
                rx_bytes=chance.randrange(10**7),
                tx_bytes=chance.randrange(10**6),
                rx_packets=10,
                tx_packets=5,
                flows=3,
                processes=1,
                priority=3,
            ),
            AppResources(
                time_ns=time_ns,
                host="soak",
                app=f"app{n}",
                cpu_percent=chance.uniform(0, 9),
                rss_bytes=chance.randrange(10**9),
            ),
        ]
    return points


def write_for_ever(path: Path) -> None:
    """Three ticks a second, now and then a late one of the last hours, roll-ups every ten seconds, until told to stop.

    The first start writes hours of history, so that windows of an hour are shipped and compared too.
    """
    chance = random.Random(os.getpid())
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    with SqliteStore(path) as store:
        if not store.read("probe", ["sent"], limit=1)["time_ns"]:
            start_ns = time.time_ns() - HISTORY_S * S
            for second in range(0, HISTORY_S, 10):
                store.write(tick(start_ns + second * S, chance))
        folded = time.monotonic()
        while not stopped:
            now_ns = time.time_ns()
            store.write(tick(now_ns, chance))
            if chance.random() < 0.02:
                store.write(tick(now_ns - chance.randrange(HISTORY_S * S), chance))
            if time.monotonic() - folded > 10:
                store.maintain(now_ns)
                folded = time.monotonic()
            time.sleep(0.33)
        store.maintain(time.time_ns())
