"""The series that models are judged on: drawn, public, and of a store of one's own."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from forecaster.data.csvfile import read_csv
from forecaster.data.frames import Frame, regular
from qos.system.clock import SYSTEM

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


STEPS_S = {"5s": 5, "15s": 15, "5m": 300, "30m": 1800, "1h": 3600}


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
