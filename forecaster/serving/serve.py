"""A forecast from a served model and the newest measurements: numpy only, a few milliseconds.

The forecast starts at the newest measured step, which may lie at most a horizon back: nothing is predicted across a
gap longer than that. Where the model's lookback is broken by such a gap, naive serves until it is whole again.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from forecaster.data.frames import Floats, Frame
from forecaster.data.windows import SEASONS, ForecastTask, usable_origins
from forecaster.models.baselines import Naive
from forecaster.models.ets import Ets
from forecaster.serving.artifact import ServedModel

LEAST_ROWS: Final = 300
"""Looked at in any case, so that a model trained a while ago has seen what came since."""


class NoForecastError(ValueError):
    """Nothing can be said; the message says why."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """A path with its band, one row per step ahead. ``times_ns`` are the starts of the steps, UTC."""

    model: str
    times_ns: tuple[int, ...]
    value: Floats
    lower: Floats
    upper: Floats
    baseline: Floats


def rows_needed(task: ForecastTask) -> int:
    """How much history a model looks at."""
    longest = max(task.seasons, default=0)
    return max(SEASONS * longest + task.sequence + 2 * task.horizon, LEAST_ROWS)


def predict(served: ServedModel, frame: Frame) -> Prediction:
    """The forecast after the frame's end. Raises NoForecastError when nothing was measured within a horizon of it.

    ``frame`` ends with the last whole step; steps that follow the newest measured one but are over already are
    predicted, and left out.
    """
    task = served.task
    frame = frame.latest(rows_needed(task))
    measured = np.flatnonzero(~np.isnan(frame.target))
    if measured.size == 0:
        raise NoForecastError("nothing was measured")
    if frame.step_ns != task.step_ns:
        raise NoForecastError(f"trained on steps of {task.step_ns / 1e9:g} s, asked for {frame.step_ns / 1e9:g} s")
    origin = int(measured[-1])
    stale = frame.rows - 1 - origin
    if stale >= task.horizon:
        seconds = stale * frame.step_ns / 1e9
        raise NoForecastError(f"nothing was measured for {seconds:.0f} s, longer than the horizon")
    origins = np.array([origin], dtype=np.int64)
    usable = usable_origins(frame, task, origin, origin + 1, future=False).size == 1
    model, fitted, shifts = served.model, served.fitted, served.shifts
    # A step that was the last one in training and now lies beside a gap was taken back: smoothing has seen too much.
    if isinstance(fitted, Ets) and fitted.after_ns > frame.time_ns(origin + 1):
        usable = False
    if not usable and model not in ("naive", "seasonal_naive"):
        model, fitted, shifts = "naive", Naive(task), served.naive_shifts
    banded = shifts.apply(fitted.predict(frame, origins), served.floor)[0]
    baseline = served.baseline.predict(frame, origins)[0, :, 1]
    ahead = slice(stale, task.horizon)
    times = tuple(frame.time_ns(origin + h) for h in range(1, task.horizon + 1))
    return Prediction(
        model, times[ahead], banded[ahead, 1], banded[ahead, 0], banded[ahead, 2], np.asarray(baseline)[ahead]
    )
