"""Quantiles of what was seen lately, or at the same time of earlier days: the strong simple model of bursty traffic.

Two kinds of window: the newest ``length`` values before the origin, the same for every step ahead; and the values
within ``spread`` steps of the same time of day (or week) over the last ``length`` seasons. Their mean is what is
predicted, each step and each level weighted by what was right lately (``combination``): a short window may be right
about the next minutes and a long one about the rare high values, and a level that shifts is followed within hours. The
median of a window is the best constant forecast in absolute error, and a burst that does not last moves it little;
repeating the last value (a window of one) repeats the burst.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from forecaster.data.frames import Floats, Frame, Ints
from forecaster.data.windows import ForecastTask, lags, paths
from forecaster.models.combination import MEMORY, weighted, weights
from forecaster.models.model import QUANTILES

RECENT: Final = (1, 3, 6, 12, 24, 48, 96, 288, 1152)
"""Lengths of recent windows, in steps."""
SAME_TIME: Final = ((7, 0), (7, 1), (7, 6), (14, 3), (21, 12))
"""(seasons, spread in steps) of same-time windows."""
CELLS: Final = 4_000_000
"""Values looked up at once: more are done in pieces."""


@dataclass(frozen=True)
class Window:
    """Which past values are looked at."""

    length: int
    """Steps, or seasons where ``period`` is not 0."""
    period: int = 0
    """Steps in a season; 0: the newest values."""
    spread: int = 0
    """Steps before and after the same time that count too."""

    @property
    def rows(self) -> int:
        """How far back it reaches, in steps."""
        return self.length * self.period + self.spread if self.period else self.length


@dataclass(frozen=True)
class WindowQuantiles:
    """The mean of the windows' quantiles, weighted by what was right lately."""

    task: ForecastTask
    windows: tuple[Window, ...]

    @property
    def rows(self) -> int:
        """How much history a prediction looks at."""
        return MEMORY + self.task.horizon + max(window.rows for window in self.windows)

    def predict(self, frame: Frame, origins: Ints) -> Floats:
        """(origins, horizon, 3). A same-time window in which nothing was measured is the last value, three times."""
        horizon = self.task.horizon
        if origins.size == 0:
            return np.empty((0, horizon, len(QUANTILES)))
        steps = np.arange(1, horizon + 1)
        first = max(0, int(origins.min()) - MEMORY - horizon)
        past = np.arange(first, int(origins.max()) + 1)
        found = np.stack([window_quantiles(frame, self.task, window, past, steps) for window in self.windows])
        # What a step predicted is known as many steps later.
        known = np.maximum(origins[:, None] - steps + 1 - first, 0)
        share = weights(found, paths(frame.target, past, horizon), known)
        return weighted(found[:, origins - first], share)


def window_quantiles(frame: Frame, task: ForecastTask, window: Window, origins: Ints, steps: Ints) -> Floats:
    """(origins, steps, 3) of one window."""
    filled = frame.filled(task.horizon)[:, 0]
    if not window.period:
        found = quantiles(lags(filled, origins, window.length))
        result = np.repeat(found[:, None, :], steps.size, axis=1)
    else:
        back = np.arange(1, window.length + 1)[None, :, None] * window.period
        offsets = (steps[:, None, None] - back + np.arange(-window.spread, window.spread + 1)).reshape(steps.size, -1)
        result = np.empty((origins.size, steps.size, len(QUANTILES)))
        size = max(1, CELLS // offsets.size)
        for first in range(0, origins.size, size):
            some = origins[first : first + size, None, None]
            index = some + offsets
            known = (index >= 0) & (index <= some)
            values = np.where(known, frame.target[np.clip(index, 0, frame.rows - 1)], np.nan)
            result[first : first + size] = quantiles(values)
    return np.where(np.isnan(result), filled[origins][:, None, None], result)


def quantiles(table: Floats) -> Floats:
    """(…, n) → (…, 3): the quantiles of the values that are not NaN, linearly interpolated; NaN where there is none."""
    ascending = np.sort(table, axis=-1)  # NaN last
    count = (~np.isnan(table)).sum(axis=-1)
    result = np.full((*table.shape[:-1], len(QUANTILES)), np.nan)
    for place, level in enumerate(QUANTILES):
        at = level * np.maximum(count - 1, 0)
        low = np.floor(at).astype(np.int64)
        below = np.take_along_axis(ascending, low[..., None], axis=-1)[..., 0]
        above = np.take_along_axis(ascending, np.minimum(low + 1, np.maximum(count - 1, 0))[..., None], axis=-1)[..., 0]
        result[..., place] = below + (above - below) * (at - low)
    return np.where(count[..., None] > 0, result, np.nan)


def fit_window_quantiles(train: Frame, task: ForecastTask) -> WindowQuantiles:
    """The windows that the history is long enough for; what each weighs is decided at each origin."""
    windows = [Window(length) for length in RECENT if length <= max(task.sequence, int(train.rows * 0.6))]
    for period in task.seasons:
        windows += [Window(length, period, min(spread, period // 4)) for length, spread in SAME_TIME]
    return WindowQuantiles(task, tuple(windows))
