"""How earlier forecasts turned out: their error and coverage, now that the future has arrived.

Written as ``forecast_score`` rows of the model ``realised:MODEL`` (``published=0``, ``train_seconds=0``), beside
the scores that the walk-forward evaluation gave: the one is a promise, the other what came of it.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from forecaster.data.frames import Floats, Frame
from forecaster.data.series import SeriesId
from forecaster.evaluation.metrics import mean_change
from qos.contract.points import ForecastScore
from qos.store import Reader

PREFIX: Final = "realised:"
WINDOW_NS: Final = 86_400 * 10**9
"""Forecasts of the last day are looked at."""


def realised_scores(reader: Reader, series: SeriesId, frame: Frame, now_ns: int) -> Sequence[ForecastScore]:
    """One score per model whose forecasts can be compared; the frame is the measured series."""
    end_ns = frame.time_ns(frame.rows)
    found = reader.read(
        "forecast",
        ["value", "lower", "upper"],
        where={"host": series.host, "series": series.name},
        start_ns=max(0, end_ns - WINDOW_NS),
        stop_ns=end_ns,
        by=["model"],
    )
    times = np.asarray(found["time_ns"], dtype=np.int64)
    rows = (times - frame.start_ns) // frame.step_ns
    # A forecast made on another grid is of another series: only whole steps compare.
    fits = (times % frame.step_ns == 0) & (rows >= 0) & (rows < frame.rows)
    actual = (
        np.where(fits, frame.target[np.clip(rows, 0, max(frame.rows - 1, 0))], np.nan) if frame.rows else times * np.nan
    )
    models = np.asarray(found["model"], dtype=object)
    change = mean_change(frame.target)
    scores = []
    for model in sorted(set(found["model"])):
        mine = (models == model) & ~np.isnan(actual)
        if mine.any():
            value, lower, upper = (
                np.asarray(found[name], dtype=np.float64)[mine] for name in ("value", "lower", "upper")
            )
            scores.append(
                _score(series, model, actual[mine], value, lower=lower, upper=upper, change=change, now_ns=now_ns)
            )
    return scores


def _score(
    series: SeriesId,
    model: str,
    y: Floats,
    value: Floats,
    *,
    lower: Floats,
    upper: Floats,
    change: float,
    now_ns: int,
) -> ForecastScore:
    error = y - value
    spread = float(np.sum((y - y.mean()) ** 2))
    mae = float(np.mean(np.abs(error)))
    return ForecastScore(
        time_ns=now_ns,
        host=series.host,
        series=series.name,
        model=PREFIX + model,
        mae=mae,
        rmse=float(np.sqrt(np.mean(error**2))),
        mase=mae / change if change > 0 else None,
        r2=1 - float(np.sum(error**2)) / spread if spread > 0 else None,
        coverage=float(np.mean((y >= lower) & (y <= upper))),
        samples=int(y.size),
        train_seconds=0.0,
        published=0,
    )
