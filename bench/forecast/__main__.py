"""Every forecasting model on real and synthetic traffic in one run, and what a day of forecasting costs. JSON.

    uv run python -m bench.forecast [--data ../shared/data] [--public DIR] [--store DIR]
                                   [--part accuracy|cost|long|quota|all]

``accuracy``: the real series under ``--data`` (numenta/NAB; left out with a note when absent), further public ones in
``--public`` (docs/forecasting.md says where they come from), synthetic traffic, and with ``--store`` the bandwidth of a
store of one's own. A model is chosen on the first 75 % of the rows alone, every model is scored on the rest:
``held_back`` is the headline; series named ``fresh_…`` are summed up apart, nobody tuned to them. Networks take long:
``--networks-for 8`` lets them take part in eight series drawn at random (always the same). ``--walks DIR`` keeps what
each model predicted, so that a run goes on where it was stopped; it is read again whatever the code is by then, so
remove a model's files after changing it. ``cost``: a day's
schedule with real fits (``--hours 6 --only host_down,loss:1.1.1.1,app:app1`` for a look), and one forecast served from
disk in a process without TensorFlow. ``long``: the coverage of the 48-hour forecasts. ``quota``: the bands of data
volumes on drawn households.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bench.forecast.accuracy import accuracy, summary
from bench.forecast.cost import cost
from bench.forecast.long_horizon import long_horizon
from bench.forecast.quota import quota_bands
from bench.forecast.series import all_frames
from forecaster.models.candidates import NAMES
from forecaster.training.keras_trainer import KerasTrainer, unavailable

ROOT = Path(__file__).resolve().parents[2]


DRAW_SEED = 14


def drawn_order(names: list[str]) -> list[str]:
    """The series in an order drawn at random, the same in every run."""
    return [names[int(k)] for k in np.random.default_rng(DRAW_SEED).permutation(len(names))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--store", type=Path, help="a data directory of one's own")
    parser.add_argument("--part", choices=("accuracy", "cost", "long", "quota", "all"), default="all")
    parser.add_argument("--public", type=Path, help="a folder of further series: NAME_5m.csv, _30m, _1h")
    parser.add_argument("--models", help="names, comma-separated; default: all but lstm")
    parser.add_argument("--networks-for", type=int, help="how many series the networks take part in; default: all")
    parser.add_argument("--walks", type=Path, help="a folder for what each model predicted")
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
        drawn = drawn_order(sorted(frames))
        if given.networks_for is not None:
            drawn = drawn[: given.networks_for]
            notes.append(f"networks, where asked for, took part in {', '.join(drawn)}")
        with KerasTrainer() as trainer:
            for name in [*drawn, *(name for name in frames if name not in drawn)]:
                if given.only is None or name in given.only.split(","):
                    lacking = why or ("" if name in drawn else "not drawn for networks")
                    kept = given.walks / name if given.walks else None
                    series[name] = accuracy(frames[name], None if lacking else trainer, lacking, names, kept=kept)
                    print(
                        name, json.dumps(series[name]["held_back"]), series[name]["served"], file=sys.stderr, flush=True
                    )
        fresh = {name: one for name, one in series.items() if name.startswith("fresh_")}
        result |= {
            "notes": notes,
            "summary": summary({name: one for name, one in series.items() if name not in fresh}),
            "fresh": summary(fresh),
            "series": series,
        }
    if given.part in ("long", "all"):
        result["long"] = long_horizon(given.public)
    if given.part in ("quota", "all"):
        result["quota"] = quota_bands()
    if given.part in ("cost", "all"):
        result["cost"] = cost(1000 if given.quick else 5000, given.hours, not given.without_networks, given.only or "")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
