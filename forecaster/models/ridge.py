"""Ridge regression on lags, season and calendar, all relative to the last value: trains in a tenth of a second.

Two feature sets compete over the last fifth of the training part: ``short`` (lags, as NLinear: Zeng et al., "Are
Transformers Effective for Time SeriesId Forecasting?", 2023) and ``full`` (and the same time in earlier seasons, and
the calendar), the latter where the history holds three seasons. So do the values as they are and their logarithms
(``log_scale``), and the strengths of the penalty. The winner is refitted on everything.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from forecaster.data.frames import Floats, Frame, Ints
from forecaster.data.log_scale import LogScale, log_scale
from forecaster.data.windows import ForecastTask, calendar, lags, paths, season_paths, usable_origins
from forecaster.models.model import point

PENALTIES: Final = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Relative to the number of rows: columns are standardised."""
SEASON_BEFORE: Final = 6
"""Steps of the last season before the origin's own time that are looked at, beside the horizon after it."""


@dataclass(frozen=True)
class Features:
    """Which columns the regression sees."""

    task: ForecastTask
    periods: tuple[int, ...]
    """Seasons looked at; empty for the short set, which has no calendar either."""
    scale: LogScale | None = None
    """The scale that values are on; None: as they are."""

    def scaled(self, frame: Frame) -> Frame:
        """The frame on that scale."""
        return frame if self.scale is None else self.scale.frame(frame)

    def table(self, frame: Frame, origins: Ints) -> Floats:
        """(origins, features) of a scaled frame, relative to the last value where they are levels. No NaN at usable
        origins."""
        filled = frame.filled(self.task.horizon)[:, 0]
        last = filled[origins][:, None]
        parts = [lags(filled, origins, self.task.sequence)[:, :-1] - last]
        for period in self.periods:
            steps = np.arange(-SEASON_BEFORE, self.task.horizon + 1)
            season = season_paths(filled, origins, period, steps)
            parts.append(np.where(np.isnan(season), 0.0, season - last))
        if self.periods:
            parts.append(calendar(frame.start_ns, frame.step_ns, origins))
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True, eq=False)
class Ridge:
    """One linear map from features to the whole path."""

    features: Features
    penalty: float
    mean: Floats
    """(features,)"""
    scale: Floats
    """(features,)"""
    weights: Floats
    """(features, horizon)"""
    bias: Floats
    """(horizon,)"""

    def path(self, frame: Frame, origins: Ints) -> Floats:
        """(origins, horizon), in the series' unit."""
        features, scaled = self.features, self.features.scaled(frame)
        filled = scaled.filled(features.task.horizon)[:, 0]
        table = (features.table(scaled, origins) - self.mean) / self.scale
        found = np.asarray(filled[origins][:, None] + table @ self.weights + self.bias)
        if features.scale is None:
            return found
        return features.scale.back(found, lags(filled, origins, features.task.sequence).max(axis=1)[:, None])

    def predict(self, frame: Frame, origins: Ints) -> Floats:
        """The path, three times."""
        return point(self.path(frame, origins))


def fit_ridge(train: Frame, task: ForecastTask) -> Ridge:
    """The feature set and penalty that did best over the last fifth, refitted. ValueError when no window fits."""
    origins = usable_origins(train, task, 0, train.rows)
    if origins.size < 2:
        raise ValueError("no whole window to train on")
    cut = int(train.rows * 0.8)
    early, late = origins[origins + task.horizon < cut], origins[origins >= cut]
    scale = log_scale(train.target)
    sets = [
        Features(task, periods, one)
        for one in ((None, scale) if scale else (None,))
        for periods in (((), task.seasons) if task.seasons else ((),))
    ]
    choices: list[tuple[float, Features, float]] = []
    if early.size >= 2 and late.size:
        actual = paths(train.target, late, task.horizon)
        for features in sets:
            for model in _fits(train, features, early, PENALTIES):
                error = np.abs(actual - model.path(train, late))
                choices.append((float(np.nanmean(error)), features, model.penalty))
    _, features, penalty = min(choices, key=lambda c: c[0]) if choices else (0.0, sets[0], PENALTIES[-1])
    return refit(train, features, penalty, origins)


def refit(train: Frame, features: Features, penalty: float, origins: Ints) -> Ridge:
    """The regression with everything chosen, on these origins."""
    return _fits(train, features, origins, (penalty,))[0]


def cross_fitted(train: Frame, model: Ridge, origins: Ints, blocks: int = 5) -> Floats:
    """(origins, horizon): each origin's path by a regression that has not seen its neighbourhood.

    Contiguous blocks, a horizon left out on either side: the residuals are what the model's errors on new data look
    like.
    """
    result = np.full((origins.size, model.features.task.horizon), np.nan)
    margin = model.features.task.horizon
    for block in np.array_split(np.arange(origins.size), blocks):
        if block.size == 0:
            continue
        low, high = origins[block[0]] - margin, origins[block[-1]] + margin
        others = origins[(origins < low) | (origins > high)]
        source = refit(train, model.features, model.penalty, others) if others.size >= 2 else model
        result[block] = source.path(train, origins[block])
    return result


def _fits(train: Frame, features: Features, origins: Ints, penalties: tuple[float, ...]) -> list[Ridge]:
    """One regression per penalty, from one decomposition. A path that is not measured throughout takes no part."""
    horizon = features.task.horizon
    scaled = features.scaled(train)
    filled = scaled.filled(horizon)[:, 0]
    goal = paths(filled, origins, horizon) - filled[origins][:, None]
    whole = ~np.isnan(goal).any(axis=1)
    table, goal = features.table(scaled, origins)[whole], goal[whole]
    if goal.shape[0] == 0:
        raise ValueError("no whole window to train on")
    mean, scale = table.mean(axis=0), table.std(axis=0)
    scale = np.where(scale > 1e-12, scale, 1.0)
    table = (table - mean) / scale
    bias = goal.mean(axis=0)
    values, vectors = np.linalg.eigh(table.T @ table)
    projected = vectors.T @ (table.T @ (goal - bias))
    return [
        Ridge(
            features,
            penalty,
            mean,
            scale,
            vectors @ (projected / (np.maximum(values, 0.0) + penalty * goal.shape[0])[:, None]),
            bias,
        )
        for penalty in penalties
    ]
