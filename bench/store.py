"""The embedded store under 30 days of 50 applications: writing, size, the bound, and the two reads people wait for.

    uv run python bench/store.py [--folder DIR] [--seconds 170]

What is simulated: the days before the raw retention (28) come as one point a minute and application, the last two as
one a second; all of it through ``SqliteStore.write`` and ``maintain`` in time order, so that the file ends up as it
would after 30 days at 1 s: two days of raw rows, 30 days of minutes and hours. With ``--folder`` the filling can be
spread over several runs (``--seconds`` each); the last one prints the figures. JSON on stdout.
"""

import argparse
import json
import multiprocessing
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from qos.contract.config import Retention
from qos.contract.points import SPECS, AppTraffic, Point
from qos.store.read_request import read_request
from qos.store.sqlite.reading import aggregate
from qos.store.sqlite.reading.read_plan import ReadPlan, Spans
from qos.store.sqlite.series import all_series
from qos.store.sqlite.store import SqliteStore

S = 10**9
MINUTE, HOUR, DAY = 60 * S, 3600 * S, 86400 * S
APPS = [f"application{number}" for number in range(50)]
DAYS, RAW_DAYS = 30, 2
START = 1_761_955_200 * S
END = START + DAYS * DAY
RAW_START = END - RAW_DAYS * DAY


def point(time_ns: int, app: str, chance: random.Random) -> AppTraffic:
    received = int(chance.expovariate(1 / 20_000))
    return AppTraffic(
        time_ns=time_ns,
        host="bench",
        app=app,
        rx_bytes=received,
        tx_bytes=received // 9,
        rx_packets=received // 1200 + 1,
        tx_packets=received // 2400 + 1,
        flows=received % 13,
        processes=1 + received % 3,
        priority=3,
    )


class Fill:
    """Fills the store from where the last run stopped."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.done: dict[str, Any] = store.get_state("bench") or {
            "at_ns": START,
            "rows": {"minute": 0, "second": 0},
            "write_s": {"minute": 0.0, "second": 0.0},
            "points_s": 0.0,
            "maintain_s": 0.0,
            "maintain_max_ms": 0.0,
            "peak_bytes": 0,
        }

    def run(self, seconds: float) -> bool:
        stop = time.monotonic() + seconds
        chance = random.Random(7)
        while self.done["at_ns"] < END and time.monotonic() < stop:
            at = self.done["at_ns"]
            raw = at >= RAW_START
            # Raw rows by the minute as one transaction, the earlier ones by the hour: fewer commits than in life, the
            # cost of those is measured on its own below.
            step, resolution = (MINUTE, S) if raw else (HOUR, MINUTE)
            started = time.perf_counter()
            points: list[Point] = [point(t, app, chance) for t in range(at, at + step, resolution) for app in APPS]
            made = time.perf_counter()
            self.store.write(points)
            written = time.perf_counter()
            while not self.store.maintain(at + step):
                pass
            kept = time.perf_counter()
            name = "second" if raw else "minute"
            self.done["at_ns"] = at + step
            self.done["rows"][name] += len(points)
            self.done["write_s"][name] += written - made
            self.done["points_s"] += made - started
            self.done["maintain_s"] += kept - written
            self.done["maintain_max_ms"] = max(self.done["maintain_max_ms"], (kept - written) * 1000)
            self.done["peak_bytes"] = max(self.done["peak_bytes"], self.store.size_bytes())
        self.store.set_state("bench", self.done)
        return bool(self.done["at_ns"] >= END)


def keep_writing(path: str, stop: Any) -> None:
    """Another process: 50 applications and the live document, 20 times a second (twenty times life)."""
    chance = random.Random(8)
    live = {"processes": [{"pid": pid, "app": "application1", "rx_bytes": 1} for pid in range(200)]}
    with SqliteStore(Path(path)) as store:
        at = END
        while not stop.wait(0.05):
            store.write([point(at, app, chance) for app in APPS], states={"live": live})
            at += S


def timed(read: Callable[[], Any], times: int) -> dict[str, float]:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        read()
        taken.append((time.perf_counter() - started) * 1000)
    return {"median_ms": round(statistics.median(taken), 1), "max_ms": round(max(taken), 1)}


def top(store: SqliteStore, now_ns: int) -> Any:
    return store.read(
        "app_traffic", ["rx_bytes", "tx_bytes"], start_ns=now_ns - DAY, stop_ns=now_ns, aggregate="auto", by=["app"]
    )


def top_from_raw(store: SqliteStore, now_ns: int) -> Any:
    """The same answer without rollups, for comparison."""
    request = read_request(
        "app_traffic", ["rx_bytes", "tx_bytes"], start_ns=now_ns - DAY, stop_ns=now_ns, aggregate="auto", by=["app"]
    )
    source = aggregate.PartialRows(request.spec, ReadPlan(raw=Spans.of([(now_ns - DAY, now_ns)])))
    with store._database.reading() as db:
        return aggregate.windows(db, request, all_series(db, request.spec), source)


def reads(path: Path) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    other = context.Process(target=keep_writing, args=(str(path), stop))
    other.start()
    now_ns = END - 17 * MINUTE - 31 * S
    month: dict[str, Any] = {"start_ns": END - DAYS * DAY + 17 * MINUTE, "stop_ns": END, "every_ns": HOUR}
    day: dict[str, Any] = {"start_ns": now_ns - DAY, "stop_ns": now_ns, "every_ns": MINUTE}
    both = ["rx_bytes", "tx_bytes"]
    try:
        with SqliteStore(path, read_only=True) as store:
            before = store.data_version()
            while store.data_version() == before:
                time.sleep(0.01)
            exact = top(store, now_ns)
            plain = top_from_raw(store, now_ns)
            assert [row[1:] for row in plain] == list(
                zip(exact["app"], exact["rx_bytes"], exact["tx_bytes"], strict=True)
            ), "the rollups' answer is not the raw rows' answer"
            return {
                "top_24h": timed(lambda: top(store, now_ns), 20),
                "top_24h_from_raw": timed(lambda: top_from_raw(store, now_ns), 1),
                "chart_30d_total": timed(
                    lambda: store.read("app_traffic", ["rx_bytes", "tx_bytes"], by=[], **month), 20
                ),
                "chart_30d_by_app": timed(lambda: store.read("app_traffic", ["rx_bytes"], by=["app"], **month), 20),
                "chart_24h_by_minute": timed(lambda: store.read("app_traffic", both, by=[], **day), 10),
                "newest_point": timed(lambda: store.read("app_traffic", where={"app": APPS[3]}, limit=1), 20),
                "data_version": timed(store.data_version, 200),
            }
    finally:
        stop.set()
        other.join()


def sizes(path: Path) -> dict[str, Any]:
    db = sqlite3.connect(path)
    rows = {
        suffix or "raw": db.execute(f"SELECT count(*) FROM app_traffic{suffix}").fetchone()[0]
        for suffix in ("", "_minute", "_hour")
    }
    pages, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    try:
        by_table = dict(
            db.execute("SELECT name, sum(pgsize) FROM dbstat WHERE name GLOB '*app_traffic*' GROUP BY name").fetchall()
        )
    except sqlite3.OperationalError:
        by_table = {}  # SQLite without dbstat
    db.close()
    return {"rows": rows, "file_bytes": pages * size, "free_bytes": free * size, "bytes_by_table": by_table}


def tick_cost(folder: Path) -> dict[str, float]:
    """What one tick of an idle machine costs the writer: ten points and the live document, one commit."""
    live = {"processes": [{"pid": pid, "app": "application1", "rx_bytes": 1} for pid in range(50)]}
    chance = random.Random(1)
    with SqliteStore(folder / "ticks.db") as store:
        started = time.process_time()
        for tick in range(2000):
            store.write([point(START + tick * S, app, chance) for app in APPS[:10]], states={"live": live})
            if tick % 60 == 59:
                store.maintain(START + tick * S)
        spent = time.process_time() - started
    return {"cpu_ms_per_tick": round(spent / 2, 3), "core_percent_at_1_s": round(spent / 20, 3)}


def bound(folder: Path) -> dict[str, Any]:
    """Does a bound of 64 MB hold over 10 hours of 50 applications at 1 s, looked at every minute, log included?"""
    limit = 64_000_000
    chance = random.Random(2)
    peak, total = 0, 0
    with SqliteStore(folder / "bound.db", retention=Retention.model_validate({"max_size": "64MB"})) as store:
        for minute in range(600):
            at = START + minute * MINUTE
            points: list[Point] = [point(t, app, chance) for t in range(at, at + MINUTE, S) for app in APPS]
            total += sum(p.values["rx_bytes"] for p in points)  # type: ignore[misc]  # bytes are integers
            store.write(points)
            while not store.maintain(at + MINUTE):
                pass
            peak = max(peak, store.size_bytes())
        kept = store.read("app_traffic", ["rx_bytes"], aggregate="sum", by=[])["rx_bytes"][0]
    return {"limit_bytes": limit, "peak_bytes": peak, "held": peak <= limit, "totals_kept": kept == total}


def parts(folder: Path, seconds: float) -> Iterator[tuple[str, Any]]:
    path = folder / "autoqos.db"
    with SqliteStore(path) as store:
        fill = Fill(store)
        complete = fill.run(seconds)
        done = fill.done
    if not complete:
        print(f"filled to day {(done['at_ns'] - START) / DAY:.2f} of {DAYS}: run again", file=sys.stderr)
        yield "incomplete", done
        return
    rows, took = done["rows"], done["write_s"]
    yield "simulated", {"days": DAYS, "apps": len(APPS), "measurements": list(SPECS), "rows_written": rows}
    yield (
        "write",
        {
            "rows_per_s_at_1_s_resolution": round(rows["second"] / took["second"]),
            "rows_per_s_at_1_min_resolution": round(rows["minute"] / took["minute"]),
            "maintain_s_total": round(done["maintain_s"], 1),
            "maintain_max_ms": round(done["maintain_max_ms"], 1),
        },
    )
    after = sizes(path)
    raw_bytes = sum(
        size for name, size in after["bytes_by_table"].items() if name.endswith(("app_traffic", "app_traffic_1"))
    )
    yield "size", {**after, "peak_bytes": done["peak_bytes"], "raw_bytes_per_day": raw_bytes // RAW_DAYS}
    yield "read", reads(path)
    yield "tick", tick_cost(folder)
    yield "bound", bound(folder)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--folder", type=Path)
    arguments.add_argument("--seconds", type=float, default=170.0)
    chosen = arguments.parse_args()
    if chosen.folder:
        chosen.folder.mkdir(parents=True, exist_ok=True)
        print(json.dumps(dict(parts(chosen.folder, chosen.seconds)), indent=2))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(dict(parts(Path(folder), 1e9)), indent=2))


if __name__ == "__main__":
    main()
