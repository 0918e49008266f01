"""Quantiles of what was seen lately, or at the same time of earlier days: the strong simple model of bursty traffic.

Two kinds of window: the newest ``length`` values before the origin, the same for every step ahead; and the values
within ``spread`` steps of the same time of day (or week) over the last ``length`` seasons. At each origin the window
is used that had the least quantile loss over the newest ``MEMORY`` origins whose outcome was known then, so a level
that shifts is followed within days. The median of a window is the best constant forecast in absolute error, and a
burst that does not last moves it little; repeating the last value repeats the burst.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from forecaster.data.frames import Floats, Frame, Ints
from forecaster.data.windows import ForecastTask, lags, paths
from forecaster.models.model import QUANTILES

RECENT: Final = (6, 12, 24, 48, 96, 288, 1152)
"""Lengths of recent windows that are tried, in steps."""
SAME_TIME: Final = ((7, 1), (7, 6), (14, 3), (21, 12))
"""(seasons, spread in steps) of same-time windows that are tried."""
MEMORY: Final = 400
"""Origins that a window is judged by, the newest whose path was known."""
LEAST_JUDGED: Final = 12
"""With fewer the first window serves."""
JUDGED_STEPS: Final = 6
"""Steps ahead that windows are compared at, evenly spread over the horizon."""
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
    """The quantiles of the window that did best lately."""

    task: ForecastTask
    windows: tuple[Window, ...]

    @property
    def rows(self) -> int:
        """How much history a prediction looks at."""
        return MEMORY + self.task.horizon + max(window.rows for window in self.windows)

    def predict(self, frame: Frame, origins: Ints) -> Floats:
        """(origins, horizon, 3). A same-time window in which nothing was measured is the last value, three times."""
        steps = np.arange(1, self.task.horizon + 1)
        best = self._best(frame, origins)
        result = np.empty((origins.size, self.task.horizon, len(QUANTILES)))
        for place in np.unique(best):
            mine = best == place
            result[mine] = window_quantiles(frame, self.task, self.windows[place], origins[mine], steps)
        return result

    def _best(self, frame: Frame, origins: Ints) -> Ints:
        """(origins,): the window with the least mean loss over the origins whose whole path lay before each origin."""
        horizon = self.task.horizon
        if origins.size == 0 or len(self.windows) == 1:
            return np.zeros(origins.size, dtype=np.int64)
        first = max(0, int(origins.min()) - MEMORY - horizon)
        past = np.arange(first, int(origins.max()) - horizon + 1)
        if past.size == 0:
            return np.zeros(origins.size, dtype=np.int64)
        steps = np.unique(np.linspace(1, horizon, JUDGED_STEPS).astype(np.int64))
        actual = paths(frame.target, past, horizon)[:, steps - 1, None]
        level = np.asarray(QUANTILES)
        count = np.concatenate([[0.0], np.cumsum((~np.isnan(actual[:, :, 0])).sum(axis=1))])
        # The newest origin whose path is known lies a horizon back.
        stop = np.clip(origins - horizon + 1 - first, 0, past.size)
        start = np.maximum(stop - MEMORY, 0)
        losses = []
        for window in self.windows:
            error = actual - window_quantiles(frame, self.task, window, past, steps)
            loss = np.nansum(np.maximum(level * error, (level - 1) * error), axis=(1, 2))
            total = np.concatenate([[0.0], np.cumsum(loss)])
            losses.append((total[stop] - total[start]) / np.maximum(count[stop] - count[start], 1.0))
        judged = stop - start >= LEAST_JUDGED
        return np.where(judged, np.argmin(losses, axis=0), 0)


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
    """The windows that the history is long enough for; which one serves is decided at each origin."""
    windows = [Window(length) for length in RECENT if length <= max(task.sequence, int(train.rows * 0.6))]
    for period in task.seasons:
        windows += [Window(length, period, min(spread, period // 4)) for length, spread in SAME_TIME]
    return WindowQuantiles(task, tuple(windows))
