"""What an evaluation found, as numbers (JSON) and as rows for a table."""

import math
from collections.abc import Sequence
from typing import Any, Final

from forecaster.data.frames import Frame
from forecaster.evaluation.backtest import Evaluation
from forecaster.evaluation.folds import scored

HEADERS: Final = ("model", "MAE", "95 %", "RMSE", "R²", "MASE", "WQL", "skill", "coverage", "seconds", "")


def as_json(frame: Frame, evaluation: Evaluation) -> dict[str, Any]:
    """``{"models": [...], "served", "reason", ...}``; what is not defined is null."""
    models = []
    for name, backtest in evaluation.backtests.items():
        s = backtest.score
        models.append(
            {
                "model": name,
                "mae": s.mae,
                "rmse": s.rmse,
                "r2": s.r2,
                "mase": s.mase,
                "wql": s.wql,
                "coverage": s.coverage,
                "width": s.width,
                "skill": evaluation.skill(name),
                "mae_interval": [_finite(v) for v in backtest.mae_interval],
                "ratio_to_naive_interval": [_finite(v) for v in backtest.ratio_interval],
                "mae_by_step": [_finite(v) for v in s.mae_by_step],
                "mae_by_fold": [_finite(v) for v in backtest.fold_mae],
                "samples": s.samples,
                "train_seconds": backtest.train_seconds,
            }
        )
    return {
        "models": models,
        "served": evaluation.choice.model,
        "reason": evaluation.choice.reason,
        "left_out": dict(evaluation.left_out),
        "rows": frame.rows,
        "step_seconds": frame.step_ns / 1e9,
        "horizon": evaluation.task.horizon,
        "folds": len(scored(evaluation.folds)),
        "origins": int(evaluation.scored.sum()),
        "seasons": list(evaluation.task.seasons),
        "notes": list(evaluation.notes),
    }


def rows(evaluation: Evaluation) -> Sequence[tuple[str, ...]]:
    """One row of text per model, in the order of ``HEADERS``; the one that serves is marked."""
    result = []
    for name, backtest in evaluation.backtests.items():
        s = backtest.score
        low, high = backtest.mae_interval
        result.append(
            (
                name,
                number(s.mae),
                f"{number(low)}–{number(high)}",
                number(s.rmse),
                ratio(s.r2),
                ratio(s.mase),
                ratio(s.wql),
                percent(evaluation.skill(name)),
                percent(s.coverage),
                f"{backtest.train_seconds:.1f}",
                "serves" if name == evaluation.choice.model else "",
            )
        )
    return result


def number(value: float) -> str:
    """Three digits and a decimal prefix: ``4.71 M``."""
    if not math.isfinite(value):
        return "–"
    for unit in ("", " k", " M", " G"):
        if abs(value) < 999.5:
            return f"{value:.3g}{unit}"
        value /= 1000
    return f"{value:.3g} T"


def ratio(value: float | None) -> str:
    """Three decimals, or a dash."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"


def percent(value: float | None) -> str:
    """Whole percent, or a dash."""
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:.0f} %"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
