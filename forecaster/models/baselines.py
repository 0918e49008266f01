"""What every model must beat: repeat the last value, repeat the last season."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecaster.data.frames import Floats, Frame, Ints
from forecaster.data.windows import ForecastTask, paths, season_paths, usable_origins
from forecaster.models.model import point


@dataclass(frozen=True)
class Naive:
    """The last value, for ever."""

    task: ForecastTask

    def predict(self, frame: Frame, origins: Ints) -> Floats:
        """The last known value at each origin."""
        last = frame.filled(self.task.horizon)[origins, 0]
        return point(np.repeat(last[:, None], self.task.horizon, axis=1))


@dataclass(frozen=True)
class SeasonalNaive:
    """The same time one season ago; the last value where that was not measured."""

    task: ForecastTask
    period: int

    def predict(self, frame: Frame, origins: Ints) -> Floats:
        """The value at the same time of an earlier season."""
        steps = np.arange(1, self.task.horizon + 1)
        filled = frame.filled(self.task.horizon)[:, 0]
        path = season_paths(filled, origins, self.period, steps)
        return point(np.where(np.isnan(path), filled[origins][:, None], path))


def fit_naive(train: Frame, task: ForecastTask) -> Naive:
    """Nothing to learn."""
    return Naive(task)


def fit_seasonal_naive(train: Frame, task: ForecastTask) -> SeasonalNaive:
    """The season (day or week) that did better over the last fifth of the training part."""
    return SeasonalNaive(task, best_period(train, task, task.seasons))


def best_period(train: Frame, task: ForecastTask, periods: Sequence[int]) -> int:
    """The period with the least error over the last fifth of the training part; the shortest when none can be tried."""
    origins = usable_origins(train, task, int(train.rows * 0.8), train.rows)
    if len(periods) == 1 or origins.size == 0:
        return periods[0]
    actual = paths(train.target, origins, task.horizon)
    errors = [
        float(np.nanmean(np.abs(actual - SeasonalNaive(task, period).predict(train, origins)[:, :, 1])))
        for period in periods
    ]
    return periods[int(np.argmin(errors))]
