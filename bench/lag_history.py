"""How long ``autoqos lag`` takes over a day of full raw rows with known incidents; JSON.

    python bench/lag_history.py [--hours 24] [--store DIR]

A store as a collector leaves it: a row a second for four targets, five applications, the host; an incident every half
an hour; rolled up as the collector does it. Then the real command, three times: wall clock and processor time.
"""

import argparse
import json
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from qos.contract.points import AppTraffic, HostTraffic, LagIncident, Point, Probe  # noqa: E402 - the root comes first
from qos.store.sqlite.store import SqliteStore  # noqa: E402 - idem

S = 10**9
APPS = (("steam", 300_000), ("zoom", 60_000), ("browser", 200_000), ("backup", 20_000), ("autoqos", 400))


def second(at_ns: int, draw: random.Random, *, late: bool) -> list[Point]:
    rows: list[Point] = []
    for target in ("1.1.1.1", "8.8.8.8", "9.9.9.9", "gateway"):
        ms = 2.0 if target == "gateway" else 14 + 3 * draw.random() + (180 if late else 0)
        rows.append(
            Probe(
                time_ns=at_ns + len(rows), host="pc", target=target, ok=1, rtt_ms=ms, loss_ratio=0.0, sent=1, received=1
            )
        )
    total = 0
    for app, size in APPS:
        moved = 2_300_000 if late and app == "steam" else int(size * (0.5 + draw.random()))
        total += moved
        rows.append(
            AppTraffic(time_ns=at_ns, host="pc", app=app, rx_bytes=moved, tx_bytes=moved // 50, rx_packets=9,
                       tx_packets=9, flows=3, processes=1, priority=3)
        )  # fmt: skip
    rows.append(
        HostTraffic(time_ns=at_ns, host="pc", iface="eth0", rx_bytes=total, tx_bytes=total // 50, rx_drops=0,
                    tx_drops=0, rx_errors=0, tx_errors=0, unattributed_rx_bytes=0, unattributed_tx_bytes=0)
    )  # fmt: skip
    return rows


def fill(data: Path, seconds: int) -> None:
    """A store of so many seconds, rolled up on the way as the collector does it."""
    draw, now_ns = random.Random(1), time.time_ns()
    with SqliteStore(data / "autoqos.db") as store:
        rows: list[Point] = []
        for ago in range(seconds, 0, -1):
            at_ns = now_ns - ago * S
            rows += second(at_ns, draw, late=ago % 1800 < 88)
            if ago % 1800 == 87:
                rows.append(
                    LagIncident(
                        time_ns=at_ns, host="pc", duration_s=88.0, extra_ms=180.0, loss_ratio=0.0,
                        cause="application", app="steam", direction="down", share_ratio=0.9, confidence=0.95,
                        running=0,
                        evidence="steam took 91% of the download. High confidence.",
                    )
                )  # fmt: skip
            if len(rows) > 5000:
                store.write(rows)
                rows = []
                store.maintain(at_ns)
        store.write(rows)
        while not store.maintain(now_ns):
            pass


def measure(data: Path, *words: str) -> list[dict[str, float]]:
    """The command three times."""
    taken = []
    for _ in range(3):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "console", *words, "--json", "--data", str(data)],
            capture_output=True, text=True, check=True, cwd=ROOT,
        )  # fmt: skip
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        taken.append({"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "found": len(json.loads(done.stdout))})
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--store", type=Path, help="make the store there, or use the one that is there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = options.store or Path(folder)
        if not (data / "autoqos.db").exists():
            data.mkdir(parents=True, exist_ok=True)
            fill(data, int(options.hours * 3600))
        rows = {}
        with closing(sqlite3.connect(data / "autoqos.db")) as db:
            for name in ("probe", "app_traffic", "host_traffic", "lag_incident"):
                rows[name] = db.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0]
        report = {"rows": rows, "mb": round((data / "autoqos.db").stat().st_size / 1e6)}
        runs = {
            "lag --since 25h": measure(data, "lag", "--since", "25h"),
            "lag --since 7d --by cause": measure(data, "lag", "--since", "7d", "--by", "cause"),
        }
    print(json.dumps(report | {"runs": runs}, indent=1))


if __name__ == "__main__":
    main()
