"""A forecast from a served model and the newest measurements: numpy only, a few milliseconds.

The forecast starts at the newest measured step, which may lie at most a horizon back: nothing is predicted across a
gap longer than that. Where the model's lookback is broken by such a gap, naive serves until it is whole again.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from forecaster.data.frames import Floats, Frame
from forecaster.data.windows import SEASONS, usable_origins
from forecaster.evaluation.backtest import NOT_FINITE, why_failed
from forecaster.models.baselines import Naive
from forecaster.models.combination import Combination
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
    note: str = ""
    """Why the model that was chosen does not serve now; empty when it does."""


def rows_needed(served: ServedModel) -> int:
    """How much history its model looks at."""
    task = served.task
    longest = max(task.seasons, default=0)
    own = max(getattr(model, "rows", 0) for model in (served.fitted, served.baseline))
    return max(SEASONS * longest + task.sequence + 2 * task.horizon, own, LEAST_ROWS)


def predict(served: ServedModel, frame: Frame) -> Prediction:
    """The forecast after the frame's end. Raises NoForecastError when nothing was measured within a horizon of it.

    ``frame`` ends with the last whole step; steps that follow the newest measured one but are over already are
    predicted, and left out. A model that fails now is replaced by naive for this forecast, with the reason in ``note``.
    """
    task = served.task
    frame = frame.latest(rows_needed(served))
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
    model, note, quantiles = served.model, "", None
    why = _unusable(served, frame, origin)
    if why is None:
        try:
            quantiles = served.shifts.apply(served.fitted.predict(frame, origins), served.floor)[0]
        except Exception as error:  # whatever the model does, the series keeps a forecast
            why = why_failed(error)
        else:
            why = None if np.isfinite(quantiles).all() else NOT_FINITE
    if why is not None or quantiles is None:
        model, note = "naive", f"{served.model} cannot serve now: {why}"
        quantiles = served.naive_shifts.apply(Naive(task).predict(frame, origins), served.floor)[0]
    baseline = served.baseline.predict(frame, origins)[0, :, 1]
    ahead = slice(stale, task.horizon)
    times = tuple(frame.time_ns(origin + h) for h in range(1, task.horizon + 1))
    return Prediction(
        model,
        times[ahead],
        quantiles[ahead, 1],
        quantiles[ahead, 0],
        quantiles[ahead, 2],
        np.asarray(baseline)[ahead],
        note,
    )


def _unusable(served: ServedModel, frame: Frame, origin: int) -> str | None:
    """Why the model cannot look at this history, or None."""
    if served.model in ("naive", "seasonal_naive"):
        return None
    if usable_origins(frame, served.task, origin, origin + 1, future=False).size == 0:
        return "a gap longer than the horizon lies in what it looks back on"
    # A step that was the last one in training and now lies beside a gap was taken back: smoothing has seen too much.
    members = served.fitted.members if isinstance(served.fitted, Combination) else (served.fitted,)
    if any(isinstance(one, Ets) and one.after_ns > frame.time_ns(origin + 1) for one in members):
        return "the newest step was taken back"
    return None
