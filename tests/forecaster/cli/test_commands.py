"""What a person types, and what comes back."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from forecaster.cli.backtest import LONGEST, newest_part
from qos.store.sqlite.store import SqliteStore
from qos.system.clock import wall_ns
from tests.forecaster.samples import HOUR_NS, frame_of, seasonal, traffic

ROOT = Path(__file__).parents[3]
S = 10**9


def autoqos(*arguments: str | Path, status: int = 0) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [sys.executable, "-m", "console", *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, timeout=250
    )
    assert done.returncode == status, done.stderr
    return done


@pytest.fixture(scope="module")
def series_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("csv") / "series.csv"
    times = 1_700_006_400 + np.arange(400) * 3600
    lines = [f"{t},{v:.3f},{v / 7:.3f}" for t, v in zip(times, seasonal(400), strict=True)]
    path.write_text("time,down,latency\n" + "\n".join(lines) + "\n")
    return path


def test_backtest_scores_every_model_and_says_which_serves(series_file: Path, tmp_path: Path) -> None:
    done = autoqos(
        "backtest", series_file, "--time", "time", "--value", "down", "--features", "latency", "--horizon", "6",
        "--models", "naive,seasonal_naive,ets,ridge", "--json", "--plots", tmp_path,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert [model["model"] for model in found["models"]] == ["naive", "seasonal_naive", "ets", "ridge"]
    for model in found["models"]:
        assert {"mae", "rmse", "r2", "mase", "wql", "coverage", "train_seconds"} <= set(model)
        assert len(model["mae_by_step"]) == 6
        low, high = model["mae_interval"]
        assert low <= model["mae"] <= high
    assert found["served"] in ("ets", "ridge")
    assert found["served"] in found["reason"]
    assert found["folds"] == 5
    drawn = sorted(path.name for path in tmp_path.glob("*.png"))
    assert drawn == ["down-correlation.png", "down-errors.png", "down-prediction.png", "down-skill.png", "targets.png"]
    for path in tmp_path.glob("*.png"):
        # The width in the header of a PNG.
        assert int.from_bytes(path.read_bytes()[16:20], "big") == 1200


def test_backtest_writes_a_table_for_people(series_file: Path) -> None:
    done = autoqos("backtest", series_file, "--time", "time", "--value", "down", "--models", "naive,ridge")
    assert "400 steps of 1h, 5 folds" in done.stdout
    assert "Served: " in done.stdout


def test_the_same_seed_gives_the_same_numbers(series_file: Path) -> None:
    arguments = ("backtest", series_file, "--time", "time", "--value", "down", "--models", "naive,ridge", "--json")
    one, other = (json.loads(autoqos(*arguments).stdout) for _ in range(2))
    for found in (one, other):
        for model in found["models"]:
            del model["train_seconds"]
    assert one == other


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--time", "when", "--value", "down"), "has no column 'when'; it has time, down, latency"),
        (("--time", "time", "--value", "down", "--models", "magic"), "--models: no model 'magic'; there are naive"),
        (("--time", "time", "--value", "down", "--every", "5"), "--every: '5' is not a duration"),
        (("--time", "time", "--value", "down", "--every", "7d"), "4 steps are too few to score 5 folds"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_status_two(
    series_file: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = autoqos("backtest", series_file, *arguments, status=2)
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_backtest_of_no_file_says_so(tmp_path: Path) -> None:
    done = autoqos("backtest", tmp_path / "none.csv", "--time", "t", "--value", "v", status=2)
    assert "none.csv: no such file" in done.stderr


def test_once_writes_a_table_and_show_the_newest_forecast(tmp_path: Path) -> None:
    now_ns = wall_ns()
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write(traffic(seasonal(300) * 1e4, HOUR_NS, now_ns, targets=("1.1.1.1",)))
    config = tmp_path / "config.yaml"
    config.write_text("forecast: {grid: 1h, horizon: 6, folds: 3, models: [naive, seasonal_naive, ridge]}\n")
    options = ("--data", tmp_path, "--config", config)
    done = autoqos("forecast", "--once", "--series", "host_down,latency:1.1.1.1", "--plots", tmp_path / "p", *options)
    assert "2 of 2 series" in done.stdout
    assert (tmp_path / "p" / "targets.png").exists()
    assert (tmp_path / "p" / "latency_1.1.1.1-prediction.png").exists()
    shown = json.loads(autoqos("forecast", "show", "--json", *options).stdout)
    assert [one["series"] for one in shown] == ["host_down", "latency:1.1.1.1"]
    assert all(len(one["steps"]) == 6 for one in shown)
    text = autoqos("forecast", "show", "--series", "host_down", *options).stdout
    assert "host_down" in text
    assert "bit/s" in text
    assert "latency" not in text


def test_a_series_that_nobody_measures_is_said(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write(traffic(seasonal(30) * 1e4, HOUR_NS, wall_ns()))
    done = autoqos("forecast", "--once", "--series", "host_sideways", "--data", tmp_path, status=2)
    assert "--series: nothing is measured under host_sideways" in done.stderr


@pytest.mark.parametrize("arguments", [("--once",), ("show",)])
def test_without_any_data_it_says_what_to_start(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = autoqos("forecast", *arguments, "--data", tmp_path, status=2)
    assert "start `autoqos up`" in done.stderr


def test_a_long_file_is_bounded_and_empty_rows_at_its_end_are_left_out_and_both_are_said() -> None:
    values = np.concatenate([seasonal(LONGEST + 500), np.full(7, np.nan)])
    kept = newest_part(frame_of(values))
    assert kept.rows == LONGEST
    assert not np.isnan(kept.target[-1])
    assert kept.notes == (
        "7 steps after the last measured value left out",
        "500 older steps left out: the newest 20000 are used",
    )
    assert newest_part(frame_of(seasonal(50))).rows == 50
