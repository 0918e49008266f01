"""Every model scored on rows that the choice has not seen."""

import pickle
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from forecaster.data.frames import Frame
from forecaster.data.windows import usable_origins
from forecaster.evaluation.backtest import Evaluation, ModelWalk, assess, walk_all
from forecaster.evaluation.task import plan
from forecaster.models.candidates import candidates
from forecaster.training.keras_trainer import KerasTrainer
from qos.system.clock import SYSTEM


def walked(
    frame: Frame, trainer: KerasTrainer | None, why: str, names: Sequence[str], horizon: int, kept: Path | None = None
) -> Evaluation:
    """``kept``: walks are kept in files that begin so, and read instead of walked again."""
    planned = plan(frame, horizon=horizon, sequence=48, folds=5, seed=7)
    task, folds = planned.task, planned.folds
    chosen, missing = candidates(names, task, trainer, why, lstm_every=6, hybrid_every=3, moderate_every=2)
    walks: dict[str, ModelWalk] = {}
    for candidate in chosen:
        file = kept.with_name(f"{kept.name}.{candidate.name}.pickle") if kept else None
        if file and file.exists():
            found, failed = pickle.loads(file.read_bytes())  # written below, by this program
        else:
            found, failed = walk_all(frame, task, folds, [candidate], clock=SYSTEM)
            if file:
                file.parent.mkdir(parents=True, exist_ok=True)
                part = file.with_suffix(".part")
                part.write_bytes(pickle.dumps((found, failed)))
                part.replace(file)
        walks |= found
        missing |= failed
    starts = [usable_origins(frame, task, fold.cut - 1, fold.stop - 1) for fold in folds]
    member = np.concatenate([np.full(part.size, index) for index, part in enumerate(starts)])
    return assess(frame, task, np.concatenate(starts), member, walks, folds=folds, left_out=missing)


def accuracy(
    frame: Frame,
    trainer: KerasTrainer | None,
    why: str,
    names: Sequence[str],
    *,
    horizon: int = 12,
    kept: Path | None = None,
) -> dict[str, Any]:
    """Chosen on the first 75 % of the rows alone; every model scored on the rest, which the choice has not seen."""
    began = time.process_time()
    first = kept.with_name(f"{kept.name}.first75") if kept else None
    choice = walked(frame.before(int(frame.rows * 0.75)), trainer, why, names, horizon, first).choice
    found = walked(frame, trainer, why, names, horizon, kept)
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
