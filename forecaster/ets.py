"""Exponential smoothing (ETS), fitted by statsforecast, then run forward over new data with its parameters fixed.

Seasonality is forced where the period is at most 24 (``ZNA``): left to choose, AutoETS silently took a non-seasonal
model and lost to naive. Multiplicative errors give the same point recursion as additive ones (Hyndman et al.,
"Forecasting with Exponential Smoothing", 2008, table 2.1), so one linear recursion serves all models that can be
chosen here.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from forecaster.baselines import point
from forecaster.frames import Floats, Frame, Ints
from forecaster.windows import Task, paths, usable_origins

LONGEST_PERIOD: Final = 24
NEWEST: Final = 3000
"""Rows that the parameters are estimated on, newest first: more change nothing but the time it takes."""


@dataclass(frozen=True)
class Ets:
    """Smoothing parameters; states start from the first rows of whatever frame is predicted from."""

    task: Task
    alpha: float
    beta: float
    """0: no trend."""
    gamma: float
    """0: no season."""
    phi: float
    """Damping of the trend; 1: none."""
    period: int
    """1: no season."""

    def predict(self, frame: Frame, origins: Ints) -> Floats:
        """Filters the target up to each origin (a gap leaves the states to their own prediction) and extrapolates."""
        steps = np.arange(1, self.task.horizon + 1)
        damped = np.cumsum(self.phi**steps)
        result = np.empty((origins.size, self.task.horizon))
        target = frame.target
        wanted = {int(origin): row for row, origin in enumerate(origins)}
        level, trend, season = self._start(target)
        for row in range(int(origins.max(initial=-1)) + 1):
            before = season[row % self.period]
            expected = level + self.phi * trend + before
            error = 0.0 if np.isnan(target[row]) else float(target[row]) - expected
            level, trend = level + self.phi * trend + self.alpha * error, self.phi * trend + self.beta * error
            season[row % self.period] = before + self.gamma * error
            if row in wanted:
                result[wanted[row]] = level + trend * damped + season[(row + steps) % self.period]
        return point(result)

    def _start(self, target: Floats) -> tuple[float, float, Floats]:
        head = target[: 2 * self.period if self.period > 1 else 10]
        known = head[~np.isnan(head)]
        level = float(known.mean()) if known.size else 0.0
        if self.period == 1:
            return level, 0.0, np.zeros(1)
        phases = np.resize(np.arange(self.period), head.size)
        season = np.zeros(self.period)
        for phase in range(self.period):
            values = head[(phases == phase) & ~np.isnan(head)]
            season[phase] = float(values.mean()) - level if values.size else 0.0
        return level, 0.0, season


def fit_ets(train: Frame, task: Task) -> Ets:
    """The forced seasonal model and the free non-seasonal one; the better over the last fifth of the training part."""
    seasonal = [period for period in task.seasons if period <= LONGEST_PERIOD][-1:]
    part = train.before(int(train.rows * 0.8)) if seasonal else train
    fits = [_estimate(part, task, 1, "ZZN"), *(_estimate(part, task, period, "ZNA") for period in seasonal)]
    if len(fits) == 1:
        return fits[0]
    origins = usable_origins(train, task, part.rows, train.rows)
    if origins.size == 0:
        return fits[0]
    actual = paths(train.target, origins, task.horizon)
    errors = [float(np.nanmean(np.abs(actual - model.predict(train, origins)[:, :, 1]))) for model in fits]
    return fits[int(np.argmin(errors))]


def _estimate(train: Frame, task: Task, period: int, model: str) -> Ets:
    from statsforecast.models import AutoETS

    known = train.latest(NEWEST).filled(train.rows)[:, 0]
    known = np.ascontiguousarray(known[~np.isnan(known)])
    # Scaled: its optimiser starts from absolute values.
    scale = float(np.mean(np.abs(known))) or 1.0
    try:
        fitted = AutoETS(season_length=period, model=model).fit(known / scale).model_
        alpha, beta, gamma, phi = (float(value) for value in fitted["par"][:4])
    except (ValueError, RuntimeError, ZeroDivisionError, FloatingPointError):
        # A series that it cannot fit (constant, or far too short) is one that simple smoothing handles.
        alpha, beta, gamma, phi = 0.5, float("nan"), float("nan"), float("nan")
    clean = [0.0 if np.isnan(v) else v for v in (beta, gamma)]
    return Ets(task, alpha, clean[0], clean[1], 1.0 if np.isnan(phi) else phi, period)
