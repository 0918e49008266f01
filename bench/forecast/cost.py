"""Processor time and memory of a day's schedule, and the time of one forecast served from disk."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench.forecast.series import S, synthetic
from qos.contract.points import AppTraffic, HostTraffic, Probe
from qos.system.clock import SYSTEM

ROOT = Path(__file__).resolve().parents[2]

ROUND = """
import json, sys, time
from pathlib import Path
from forecaster.training.priority import single_thread
single_thread()
from forecaster.data.source import open_store
from forecaster.serving.job import FOLDER, whole_round
from forecaster.serving.round import refresh
from qos.service.config_file import load_config
class Shifted:
    def __init__(self, ns): self.ns = ns
    def wall_ns(self): return self.ns
    def monotonic_ns(self): return time.monotonic_ns()
data, kind, now = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
only = sys.argv[4].split(",") if sys.argv[4] else None
config = load_config(data / "config.yaml")
if kind == "refresh":
    with open_store(config, data / "config.yaml", data, "auto") as store:
        done = refresh(store, config, data / FOLDER, Shifted(now))
else:
    done = whole_round(config, data / "config.yaml", data, only=only, networks=kind == "networks", clock=Shifted(now))
served = {r.series.name: r.prediction.model if r.prediction else r.reason for r in done.results}
print(json.dumps({"series": len(done.results), "served": served, "written": done.written}))
"""


FORECASTS = 18
"""Of thirteen series: five are forecast in hours too."""


def cost(rows: int, hours: int, networks: bool, only: str) -> dict[str, Any]:
    """A day's schedule with real fits: one process per job, as the schedule starts them, on a clock that is moved.

    Thirteen series: bandwidth down and up, latency and loss of three targets, five applications (and the forecasts in
    hours). The first round walks over the past; after it ``hours`` rounds, an hour apart; where these are fewer than
    24, one more a day after the first, in which all is trained that is due once a day; one job that only predicts
    again, as between two rounds; and one of the networks, their first and longest. A day is 24 mean rounds and 24
    refreshes, what the daily round took more, and the networks' job. ``only``: names of some series,
    comma-separated; the day is then scaled to all of them by their number.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        end = SYSTEM.wall_ns() // (3600 * S) * 3600 * S
        fill(folder, rows, end)
        (folder / "config.yaml").write_text("forecast: {grid: 5m}\n")
        start = end - 24 * 3600 * S
        first = job(folder, "round", start, only)
        rounds = [job(folder, "round", start + k * 3600 * S, only) for k in range(1, hours + 1)]
        daily = [job(folder, "round", end, only)] if hours < 24 else []
        refreshed = job(folder, "refresh", end + 30 * S, only)
        trained = [job(folder, "networks", end + 60 * S, only)] if networks else []
        mean = float(np.mean([one["cpu_seconds"] for one in rounds]))
        day = 24 * (mean + refreshed["cpu_seconds"]) + sum(max(0.0, one["cpu_seconds"] - mean) for one in daily)
        day += sum(one["cpu_seconds"] for one in trained)
        count = len(only.split(",")) if only else FORECASTS
        return {
            "points_per_series": rows,
            "first_round": first,
            "rounds": rounds,
            "daily": daily,
            "refresh": refreshed,
            "forecasts": count,
            "networks": trained,
            "cpu_seconds_a_round": round(mean, 1),
            "cpu_seconds_a_day": round(day),
            "cpu_seconds_a_day_of_all": round(day * FORECASTS / count),
            "cpu_seconds_a_day_holds_networks": networks,
            "serve": serve(folder / "forecast"),
            "load_average": os.getloadavg(),
        }


def job(folder: Path, kind: str, now_ns: int, only: str) -> dict[str, Any]:
    """One job in a process of its own: processor seconds of it and its children, and the peak memory of them all."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", ROUND, str(folder), kind, str(now_ns), only],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    peak = [0]
    watcher = threading.Thread(target=watch, args=(process.pid, peak))
    watcher.start()
    out, _ = process.communicate()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    watcher.join()
    said = json.loads(out.splitlines()[-1]) if process.returncode == 0 else {"status": process.returncode}
    found = said | {
        "kind": kind,
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime, 1),
        "peak_rss_bytes": peak[0],
    }
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


def fill(folder: Path, rows: int, end_ns: int) -> None:
    from qos.store.sqlite.store import SqliteStore

    end = end_ns // (300 * S) + 1  # the running step proves that the last one is over
    columns = [
        synthetic(kind, rows, 300, seed)
        for seed, kind in enumerate(("seasons", "bursts", "seasons", "bursts", "noise"))
    ]
    rng = np.random.default_rng(0)
    with SqliteStore(folder / "autoqos.db") as store:
        points: list[Any] = []
        for k in range(rows):
            at = (end - rows + k) * 300 * S
            down, up = int(columns[0][k] * 37.5), int(columns[1][k] * 3.75)
            points.append(
                HostTraffic(
                    time_ns=at, host="bench", iface="eth0", rx_bytes=down, tx_bytes=up, rx_drops=0, tx_drops=0,
                    rx_errors=0, tx_errors=0, unattributed_rx_bytes=0, unattributed_tx_bytes=0,
                )
            )  # fmt: skip
            for target, base in (("1.1.1.1", 12.0), ("8.8.8.8", 20.0), ("9.9.9.9", 30.0)):
                rtt = float(base + columns[0][k] / 4e6 + rng.exponential())
                loss = float(rng.random() < 0.05) * 0.1
                points.append(
                    Probe(
                        time_ns=at,
                        host="bench",
                        target=target,
                        ok=1,
                        rtt_ms=rtt,
                        loss_ratio=loss,
                        sent=300,
                        received=300,
                    )
                )
            for app, column in enumerate(columns):
                rx = int(column[k] * 37.5 / (app + 2))
                points.append(
                    AppTraffic(
                        time_ns=at, host="bench", app=f"app{app}", rx_bytes=rx, tx_bytes=0, rx_packets=1, tx_packets=1,
                        flows=1, processes=1, priority=3,
                    )
                )  # fmt: skip
        store.write(points)


def watch(pid: int, peak: list[int]) -> None:
    """The largest resident memory of a process and its children together."""
    while True:
        try:
            parent = psutil.Process(pid)
            if parent.status() == psutil.STATUS_ZOMBIE:
                return
            total = sum(p.memory_info().rss for p in (parent, *parent.children(recursive=True)))
        except psutil.Error:
            return
        peak[0] = max(peak[0], total)
        time.sleep(0.2)


SERVE = """
import json, sys, time
from pathlib import Path
import numpy as np
from forecaster.data.frames import Frame
from forecaster.serving import artifact, serve
times, models = {}, {}
for path in sorted(Path(sys.argv[1]).glob("*.npz")):
    model = artifact.load(path)
    rows = serve.rows_needed(model)
    values = np.abs(np.random.default_rng(0).normal(100, 20, (rows, 5)))
    frame = Frame(model.trained_ns - rows * model.task.step_ns, model.task.step_ns, tuple("abcde"), values)
    spent = []
    for _ in range(50):
        began = time.perf_counter()
        serve.predict(model, frame)
        spent.append((time.perf_counter() - began) * 1000)
    models[model.series] = model.model
    times[model.series] = round(float(np.median(spent)), 3)
print(json.dumps({"median_ms": times, "model": models, "tensorflow_loaded": "tensorflow" in sys.modules}))
"""


def serve(folder: Path) -> Any:
    """Milliseconds per forecast in a process of its own."""
    done = subprocess.run([sys.executable, "-c", SERVE, str(folder)], cwd=ROOT, capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr
