"""What a model may look at, cut out of a frame: lags, the path to predict, the same time in earlier seasons, the
calendar.

An origin is the row of the newest known value; step ``h`` (1…horizon) after it is predicted. Every function here
reads rows up to the origin only, except ``paths``, which is what happened and is for training and scoring.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from forecaster.data.frames import NS_PER_S, Floats, Frame, Ints

DAY_NS: Final = 86_400 * NS_PER_S
WEEK_NS: Final = 7 * DAY_NS
SEASONS: Final = 3
"""A season takes part when the history holds at least so many of it."""


@dataclass(frozen=True)
class ForecastTask:
    """How far, from how much, and with which seasons (in steps, shortest first)."""

    horizon: int
    sequence: int
    step_ns: int
    seasons: tuple[int, ...] = ()
    seed: int = 7


def seasons_for(rows: int, step_ns: int) -> tuple[int, ...]:
    """Day and week in steps, those of which ``rows`` holds at least three and that have at least two steps."""
    return tuple(
        period // step_ns
        for period in (DAY_NS, WEEK_NS)
        if period % step_ns == 0 and period // step_ns >= 2 and rows >= SEASONS * (period // step_ns)
    )


def lags(series: Floats, origins: Ints, length: int) -> Floats:
    """(origins, length): the newest ``length`` values up to each origin, oldest first. NaN before the first row."""
    index = origins[:, None] + np.arange(1 - length, 1)
    return np.where(index >= 0, series[np.maximum(index, 0)], np.nan)


def lag_windows(values: Floats, origins: Ints, length: int) -> Floats:
    """(origins, length, columns): the same for all columns."""
    return np.stack([lags(values[:, c], origins, length) for c in range(values.shape[1])], axis=2)


def paths(series: Floats, origins: Ints, horizon: int) -> Floats:
    """(origins, horizon): what came after each origin, NaN where it was not measured or has not come yet."""
    index = origins[:, None] + np.arange(1, horizon + 1)
    inside = index < series.size
    return np.where(inside, series[np.minimum(index, max(series.size - 1, 0))], np.nan)


def season_paths(series: Floats, origins: Ints, period: int, steps: Ints) -> Floats:
    """(origins, len(steps)): the value ``steps`` after the origin as it was one season earlier.

    Where that is not known yet or was not measured, two, then three seasons earlier; NaN where none was measured.
    """
    result = np.full((origins.size, steps.size), np.nan)
    for back in range(1, SEASONS + 1):
        index = origins[:, None] + steps - back * period
        known = (index >= 0) & (index <= origins[:, None])
        found = np.where(known, series[np.clip(index, 0, series.size - 1)], np.nan)
        result = np.where(np.isnan(result), found, result)
    return result


def calendar(frame_start_ns: int, step_ns: int, rows: Ints) -> Floats:
    """(…, 7): time of day (two harmonics), time of week (one) and weekend for each row, UTC."""
    time_ns = frame_start_ns + rows * step_ns
    day = (time_ns % DAY_NS) / DAY_NS * 2 * np.pi
    # 1970-01-01 was a Thursday: three days into a week that starts on Monday.
    in_week = (time_ns + 3 * DAY_NS) % WEEK_NS
    week = in_week / WEEK_NS * 2 * np.pi
    return np.stack(
        [
            np.sin(day),
            np.cos(day),
            np.sin(2 * day),
            np.cos(2 * day),
            np.sin(week),
            np.cos(week),
            (in_week >= 5 * DAY_NS).astype(np.float64),
        ],
        axis=-1,
    )


def usable_origins(frame: Frame, task: ForecastTask, first: int, stop: int, *, future: bool = True) -> Ints:
    """Origins in ``[first, stop)`` whose lookback holds no gap longer than the horizon.

    The origin itself lies at most a horizon after a measurement. ``future`` also asks for the whole path to lie in
    the frame and for at least one measured value in it (training and scoring).
    """
    limit = task.horizon
    known = ~np.isnan(frame.filled(limit)[:, 0])
    origins = np.arange(max(first, task.sequence - 1), min(stop, frame.rows), dtype=np.int64)
    if origins.size == 0:
        return origins
    run = np.concatenate(([0], np.cumsum(known)))
    good = run[origins + 1] - run[origins + 1 - task.sequence] == task.sequence
    if future:
        measured = np.concatenate(([0], np.cumsum(~np.isnan(frame.target))))
        end = np.minimum(origins + task.horizon + 1, frame.rows)
        good &= (origins + task.horizon < frame.rows) & (measured[end] > measured[origins + 1])
    return np.asarray(origins[good])
