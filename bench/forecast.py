"""Every forecasting model on real and synthetic traffic in one run, and what a day of forecasting costs. JSON.

    uv run python bench/forecast.py [--data ../shared/data] [--public DIR] [--store DIR] [--part accuracy|cost|all]

``accuracy``: the real series under ``--data`` (numenta/NAB; left out with a note when absent), further public ones in
``--public`` (docs/forecasting.md says where they come from), synthetic traffic, and with ``--store`` the bandwidth of a
store of one's own. A model is chosen on the first 75 % of the rows alone, every model is scored on the rest:
``held_back`` is the headline. ``cost``: a day's schedule with real fits (``--hours 3`` for a quick look), and one
forecast served from disk in a process without TensorFlow.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from forecaster.data.csvfile import read_csv  # noqa: E402
from forecaster.data.frames import Frame, regular  # noqa: E402
from forecaster.evaluation.backtest import Evaluation, evaluate  # noqa: E402
from forecaster.evaluation.task import plan  # noqa: E402
from forecaster.models.candidates import NAMES, candidates  # noqa: E402
from forecaster.training.keras_trainer import KerasTrainer, unavailable  # noqa: E402
from qos.contract.points import AppTraffic, HostTraffic, Probe  # noqa: E402
from qos.system.clock import SYSTEM  # noqa: E402

S = 10**9
START = 1_700_438_400  # Monday 2023-11-20T00:00:00Z


def synthetic(kind: str, rows: int, step_s: int, seed: int) -> np.ndarray:
    """Traffic in bit/s: a daily pattern, quieter weekends, noise that remembers; ``bursts`` adds downloads, ``shift``
    changes the level for good now and then. ``noise`` has no pattern; ``browser`` is off most of the time and spikes
    when on; ``loss`` is a ratio that is zero nine times of ten, more often not so in the evening.
    """
    rng = np.random.default_rng(seed)
    seconds = START + np.arange(rows) * step_s
    day, week = (seconds % 86400) / 86400, ((seconds + 3 * 86400) % 604800) / 604800
    shape = 1.25 + np.sin(2 * np.pi * (day - 0.35)) + 0.3 * np.sin(4 * np.pi * day)
    if kind == "loss":
        likely = rng.random(rows) < 0.02 + 0.12 * np.maximum(shape - 1, 0)
        return np.where(likely, np.minimum(rng.exponential(0.03, rows), 1.0), 0.0)
    level = 20e6 * np.maximum(shape, 0.05) * np.where(week >= 5 / 7, 0.6, 1.0)
    memory = np.zeros(rows)
    for k in range(1, rows):
        memory[k] = 0.9 * memory[k - 1] + rng.normal() * 0.12
    traffic = level * np.exp(memory)
    if kind == "bursts":
        at = 0
        while (at := at + 1 + int(rng.exponential(120))) < rows:
            traffic[at : at + 1 + int(rng.exponential(8))] += rng.uniform(30e6, 90e6)
    if kind == "shift":
        factor = np.ones(rows)
        for at in rng.integers(0, rows, 6):
            factor[at:] *= rng.choice([0.5, 1.6])
        traffic *= factor
    if kind == "noise":
        traffic = 20e6 * rng.lognormal(0, 0.5, rows)
    if kind == "browser":
        on = np.zeros(rows, dtype=bool)
        at = 0
        while (at := at + int(rng.exponential(60))) < rows:
            stop = at + 1 + int(rng.exponential(40))
            on[at:stop] = True
            at = stop
        traffic = np.where(on, 2e6 * rng.lognormal(0, 1.2, rows), 20e3 * rng.lognormal(0, 0.3, rows))
    return traffic


def frame_of(values: np.ndarray, step_s: int) -> Frame:
    return regular((START + np.arange(values.size) * step_s) * S, [values], ["down"], step_s * S, minimum=0)


def nab(path: Path) -> Frame:
    """Bytes per five minutes as bit/s."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    times = [int(datetime.fromisoformat(row[0]).replace(tzinfo=UTC).timestamp()) * S for row in rows]
    return regular(times, [[float(row[1]) * 8 / 300 for row in rows]], ["down"], 300 * S, minimum=0)


STEPS_S = {"5m": 300, "30m": 1800, "1h": 3600}


def public(path: Path) -> Frame:
    """``NAME_STEP.csv`` with the columns timestamp and value; the newest 4,500 steps."""
    return read_csv(path, "timestamp", "value", (), STEPS_S[path.stem.rsplit("_", 1)[1]] * S).latest(4500)


def all_frames(data: Path, others: Path | None, store: Path | None, quick: bool) -> tuple[dict[str, Frame], list[str]]:
    notes = []
    files = sorted(data.glob("nab_*.csv")) if data.is_dir() else []
    if not files:
        notes.append(f"no real series: {data} holds no nab_*.csv")
    frames = {path.stem: nab(path) for path in files}
    if others is not None:
        frames |= {path.stem: public(path) for path in sorted(others.glob("*.csv"))}
    else:
        notes.append("no further public series: none were given with --public")
    rows = 2000 if quick else 4000
    frames["daily_5m"] = frame_of(synthetic("seasons", rows, 300, 0), 300)
    frames["bursts_5m"] = frame_of(synthetic("bursts", rows, 300, 1), 300)
    frames["weekly_1h"] = frame_of(synthetic("seasons", 2000, 3600, 2), 3600)
    frames["noise_5m"] = frame_of(synthetic("noise", rows, 300, 3), 300)
    frames["shift_5m"] = frame_of(synthetic("shift", rows, 300, 4), 300)
    frames["loss_5m"] = frame_of(synthetic("loss", rows, 300, 5), 300)
    frames["browser_10s"] = frame_of(synthetic("browser", rows, 10, 6), 10)
    if store is not None:
        frames |= own(store, notes)
    return frames, notes


def own(store: Path, notes: list[str]) -> dict[str, Frame]:
    from forecaster.data.series import HostFrames, SeriesId, choose_grid, hosts
    from qos.store.sqlite.store import SqliteStore

    found = {}
    with SqliteStore(store / "autoqos.db", read_only=True) as reader:
        now = SYSTEM.wall_ns()
        for host in hosts(reader, 0, now):
            grid = choose_grid(reader, host, now, interval_ns=S, min_history=120)
            frames = HostFrames(reader, host, grid, now)
            for name in ("host_down", "host_up"):
                frame = frames.frame(SeriesId(host, name))
                if frame.rows < 120:
                    notes.append(f"{host} {name}: {frame.rows} steps are too few")
                else:
                    found[f"own_{host}_{name}"] = frame
    return found


def walked(frame: Frame, trainer: KerasTrainer | None, why: str, names: Sequence[str]) -> Evaluation:
    planned = plan(frame, horizon=12, sequence=48, folds=5, seed=7)
    chosen, missing = candidates(names, planned.task, trainer, why, lstm_every=6, hybrid_every=3, moderate_every=2)
    return evaluate(frame, planned.task, planned.folds, chosen, left_out=missing, clock=SYSTEM)


def accuracy(frame: Frame, trainer: KerasTrainer | None, why: str, names: Sequence[str]) -> dict[str, Any]:
    """Chosen on the first 75 % of the rows alone; every model scored on the rest, which the choice has not seen."""
    began = time.process_time()
    choice = walked(frame.before(int(frame.rows * 0.75)), trainer, why, names).choice
    found = walked(frame, trainer, why, names)
    naive = [found.backtests[name].score for name in ("naive", "seasonal_naive") if name in found.backtests]
    mae = min(one.mae for one in naive)
    wql = min(one.wql or 0.0 for one in naive)
    model = choice.model if choice.model in found.backtests else "naive"
    served = found.backtests[model].score
    best = min(found.backtests.values(), key=lambda one: one.score.mae)
    return {
        "rows": frame.rows,
        "seasons": list(found.task.seasons),
        "models": {
            name: {
                "mae_over_best_naive": backtest.score.mae / mae if mae else None,
                "wql_over_best_naive": (backtest.score.wql or 0.0) / wql if wql else None,
                "coverage": backtest.score.coverage,
                "r2": backtest.score.r2,
                "train_seconds": round(backtest.train_seconds, 2),
            }
            for name, backtest in found.backtests.items()
        },
        "left_out": dict(found.left_out),
        "served": model,
        "reason": choice.reason,
        "held_back": {
            "mae_over_best_naive": served.mae / mae if mae else None,
            "wql_over_best_naive": (served.wql or 0.0) / wql if wql else None,
            "coverage": served.coverage,
            "best_in_hindsight": best.model,
            "regret": served.mae / best.score.mae - 1 if best.score.mae else 0.0,
        },
        "now_served": found.choice.model,
        "now_reason": found.choice.reason,
        "cpu_seconds": round(time.process_time() - began, 1),
    }


def summary(series: dict[str, Any]) -> dict[str, Any]:
    """Over all series: geometric means of what was held back, the worst, how often the band holds what it says."""
    held = [one["held_back"] for one in series.values() if one["held_back"]["mae_over_best_naive"]]
    if not held:
        return {}

    def geometric(values: list[float]) -> float:
        return float(np.exp(np.mean(np.log(values))))

    cover = [one["coverage"] for one in held]
    worst = max(series, key=lambda name: series[name]["held_back"]["mae_over_best_naive"] or 0.0)
    return {
        "series": len(held),
        "mae_over_best_naive": geometric([one["mae_over_best_naive"] for one in held]),
        "wql_over_best_naive": geometric([one["wql_over_best_naive"] for one in held if one["wql_over_best_naive"]]),
        "worst": {worst: series[worst]["held_back"]["mae_over_best_naive"]},
        "coverage_75_to_88_share": float(np.mean([0.75 <= c <= 0.88 for c in cover])),
        "coverage_range": [min(cover), max(cover)],
        "regret": geometric([1 + one["regret"] for one in held]) - 1,
    }


ROUND = """
import json, sys, time
from pathlib import Path
from forecaster.training.priority import single_thread
single_thread()
from forecaster.serving.job import whole_round
from qos.service.config_file import load_config
class Shifted:
    def __init__(self, ns): self.ns = ns
    def wall_ns(self): return self.ns
    def monotonic_ns(self): return time.monotonic_ns()
data, kind, now = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
config = load_config(data / "config.yaml")
done = whole_round(config, data / "config.yaml", data, networks=kind == "networks", clock=Shifted(now))
served = {r.series.name: r.prediction.model if r.prediction else r.reason for r in done.results}
print(json.dumps({"series": len(done.results), "served": served, "written": done.written}))
"""


def cost(rows: int, hours: int, networks: bool) -> dict[str, Any]:
    """A day's schedule with real fits: one process per job, as the schedule starts them, on a clock that is moved.

    Thirteen series: bandwidth down and up, latency and loss of three targets, five applications (and the forecasts in
    hours). The first round walks over the past; after it ``hours`` rounds, an hour apart, and one job of the networks.
    A day is 24 of the mean round and that job.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        end = SYSTEM.wall_ns() // (3600 * S) * 3600 * S
        fill(folder, rows, end)
        (folder / "config.yaml").write_text("forecast: {grid: 5m}\n")
        start = end - hours * 3600 * S
        first = job(folder, "round", start)
        rounds = [job(folder, "round", start + k * 3600 * S) for k in range(1, hours + 1)]
        trained = [job(folder, "networks", end + 60 * S)] if networks else []
        mean = float(np.mean([one["cpu_seconds"] for one in rounds]))
        day = 24 * mean + sum(one["cpu_seconds"] for one in trained)
        return {
            "points_per_series": rows,
            "first_round": first,
            "rounds": rounds,
            "networks": trained,
            "cpu_seconds_a_round": round(mean, 1),
            "cpu_seconds_a_day": round(day),
            "cpu_seconds_a_day_holds_networks": networks,
            "serve": serve(folder / "forecast"),
            "load_average": os.getloadavg(),
        }


def job(folder: Path, kind: str, now_ns: int) -> dict[str, Any]:
    """One job in a process of its own: processor seconds of it and its children, and the peak memory of them all."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", ROUND, str(folder), kind, str(now_ns)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    peak = [0]
    watcher = threading.Thread(target=watch, args=(process.pid, peak))
    watcher.start()
    out, _ = process.communicate()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    watcher.join()
    said = json.loads(out.splitlines()[-1]) if process.returncode == 0 else {"status": process.returncode}
    return said | {
        "kind": kind,
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime, 1),
        "peak_rss_bytes": peak[0],
    }


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--store", type=Path, help="a data directory of one's own")
    parser.add_argument("--part", choices=("accuracy", "cost", "all"), default="all")
    parser.add_argument("--public", type=Path, help="a folder of further series: NAME_5m.csv, _30m, _1h")
    parser.add_argument("--models", help="names, comma-separated; default: all but lstm")
    parser.add_argument("--hours", type=int, default=24, help="rounds of the simulated day")
    parser.add_argument("--without-networks", action="store_true", help="leave the daily job of the networks out")
    parser.add_argument("--only", help="names of series, comma-separated")
    parser.add_argument("--quick", action="store_true", help="half the points")
    given = parser.parse_args()
    result: dict[str, Any] = {"cpus": os.cpu_count(), "python": sys.version.split()[0]}
    if given.part in ("accuracy", "all"):
        frames, notes = all_frames(given.data, given.public, given.store, given.quick)
        why = unavailable()
        series: dict[str, Any] = {}
        names = given.models.split(",") if given.models else [name for name in NAMES if name != "lstm"]
        with KerasTrainer() as trainer:
            for name, frame in frames.items():
                if given.only is None or name in given.only.split(","):
                    series[name] = accuracy(frame, None if why else trainer, why or "", names)
                    print(
                        name, json.dumps(series[name]["held_back"]), series[name]["served"], file=sys.stderr, flush=True
                    )
        result |= {"notes": notes, "summary": summary(series), "series": series}
    if given.part in ("cost", "all"):
        result["cost"] = cost(1000 if given.quick else 4000, given.hours, not given.without_networks)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
