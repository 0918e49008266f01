"""Gradient-boosted trees with quantile loss (LightGBM: Ke et al. 2017), one per level, for all steps ahead together.

The step ahead is an input, so one model sees every (origin, step) pair; a fixed number of pairs is drawn, so that the
time to train does not grow with the history. Values are on a logarithmic scale where the series has one
(``log_scale``); else they are divided by their mean. Lags, rolling statistics, the same time in earlier seasons and
the calendar of the predicted step are what it looks at.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from forecaster.data.frames import Floats, Frame, Ints
from forecaster.data.log_scale import LogScale, log_scale
from forecaster.data.windows import WEEK_NS, ForecastTask, calendar, lags, paths, season_paths, usable_origins
from forecaster.models.lightgbm_library import lightgbm
from forecaster.models.model import QUANTILES, TrainingError
from forecaster.models.window_quantiles import quantiles

LEAST_ROWS: Final = 500
"""Of history: below it trees learn nothing that a window does not know."""
PAIRS: Final = 24_000
"""(origin, step) pairs that are trained on."""
LAGS: Final = 12
ROLLING: Final = (6, 12, 48, 144)
"""Lengths of the rolling statistics, in steps."""
PARAMETERS: Final[dict[str, Any]] = {
    "objective": "quantile",
    "num_leaves": 15,
    "learning_rate": 0.08,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 127,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
TREES: Final = 100
DAY_COLUMNS: Final = 4
"""Of the calendar: the first ones are the time of day."""
CLIPPED: Final = (0.002, 0.998)
"""Goals outside of these quantiles count as these."""


@dataclass(frozen=True)
class GradientBoosting:
    """The trees as LightGBM's own text, one per level, and the scale of the series."""

    task: ForecastTask
    scale: float
    relative: bool
    """Whether it predicts the distance to the last value, or the value."""
    texts: tuple[str, ...]
    log: LogScale | None = None
    """The scale that it was trained on; ``scale`` is 1 then."""
    weekly: bool = True
    """Whether it knows the time of the week: from less than one it would guess what a Friday is like."""
    _boosters: list[Any] = field(default_factory=list, compare=False, repr=False)

    def predict(self, frame: Frame, origins: Ints) -> Floats:
        """(origins, horizon, 3), ordered. Raises ImportError where LightGBM is not installed."""
        if not self._boosters:
            self._boosters.extend(lightgbm().Booster(model_str=text) for text in self.texts)
        horizon = self.task.horizon
        frame = self.log.frame(frame) if self.log else frame
        rows, steps = np.repeat(origins, horizon), _steps(origins, horizon)
        table, anchor = features(frame, self.task, self.scale, rows, steps, relative=self.relative, weekly=self.weekly)
        columns = [anchor + booster.predict(table, num_threads=1) for booster in self._boosters]
        found = np.stack(columns, axis=1).reshape(origins.size, horizon, len(QUANTILES))
        found = np.sort(found, axis=2) * self.scale
        if self.log is None:
            return np.asarray(found)
        lately = lags(frame.filled(horizon)[:, 0], origins, max(ROLLING))
        return self.log.back(found, np.nanmax(lately, axis=1)[:, None, None])

    @property
    def rows(self) -> int:
        """How much history a prediction looks at."""
        seasons = max((seasons_back(period) * period for period in self.task.seasons), default=0)
        return seasons + max(ROLLING) + 2 * self.task.horizon


def fit_gradient_boosting(train: Frame, task: ForecastTask) -> GradientBoosting:
    """Trains the three models. Raises TrainingError for a short or constant history."""
    library = lightgbm()
    if train.rows < LEAST_ROWS:
        raise TrainingError(f"{train.rows} steps of history, {LEAST_ROWS} are needed")
    origins = usable_origins(train, task, 0, train.rows)
    known = train.target[~np.isnan(train.target)]
    scale = float(np.mean(np.abs(known))) if known.size else 0.0
    if origins.size < 10 or not scale > 0 or not float(np.ptp(known)) > 0:
        raise TrainingError("nothing varies, or no window is whole")
    log = log_scale(train.target)
    if log is not None:
        train, scale = log.frame(train), 1.0
    rng = np.random.default_rng(task.seed)
    rows, steps = np.repeat(origins, task.horizon), _steps(origins, task.horizon)
    goal = train.target[rows + steps]
    whole = np.flatnonzero(~np.isnan(goal))
    if whole.size > PAIRS:
        whole = np.sort(rng.choice(whole, PAIRS, replace=False))
    relative = _persists(train, task, origins)
    weekly = train.rows * train.step_ns >= WEEK_NS
    table, anchor = features(train, task, scale, rows[whole], steps[whole], relative=relative, weekly=weekly)
    goal = goal[whole] / scale - anchor
    # A leaf takes the quantile of few values: what lies far beyond the rest is drawn in, or a leaf becomes its hostage.
    goal = np.clip(goal, *np.quantile(goal, CLIPPED))
    texts = []
    for level in QUANTILES:
        data = library.Dataset(table, goal, params={"max_bin": 127, "verbosity": -1}, free_raw_data=True)
        parameters = PARAMETERS | {"alpha": level, "seed": task.seed}
        texts.append(library.train(parameters, data, num_boost_round=TREES).model_to_string())
    return GradientBoosting(task, scale, relative, tuple(texts), log, weekly)


def features(
    frame: Frame, task: ForecastTask, scale: float, rows: Ints, steps: Ints, *, relative: bool, weekly: bool = True
) -> tuple[Floats, Floats]:
    """(pairs, features), and what the prediction is relative to (pairs,). Reads rows up to each origin only.

    ``weekly``: the time of the week is one of them.
    """
    filled = frame.filled(task.horizon)[:, 0] / scale
    origins, place = np.unique(rows, return_inverse=True)
    lately = lags(filled, origins, LAGS)
    parts = [lately]
    for length in ROLLING:
        window = lags(filled, origins, length)
        with np.errstate(all="ignore"):
            parts += [_mean(window)[:, None], _spread(window)[:, None], quantiles(window)]
    columns = [np.concatenate(parts, axis=1)[place], steps[:, None].astype(np.float64)]
    anchor = filled[rows] if relative else np.zeros(rows.size)
    for period in task.seasons:
        ahead = np.arange(-1, task.horizon + 2)
        then = season_paths(filled, origins, period, ahead)
        columns += [then[place, steps + 1 + k][:, None] for k in (-1, 0, 1)]
        week = np.stack(
            [_at(filled, rows + steps - back * period, rows) for back in range(1, 1 + seasons_back(period))], axis=1
        )
        columns += [quantiles(week), _mean(week)[:, None]]
    columns.append(calendar(frame.start_ns, frame.step_ns, rows + steps)[:, : None if weekly else DAY_COLUMNS])
    return np.concatenate(columns, axis=1), anchor


def _persists(train: Frame, task: ForecastTask, origins: Ints) -> bool:
    """Whether the last value says more about the next few steps than the median of the last hour or so."""
    filled = train.filled(task.horizon)[:, 0]
    soon = paths(train.target, origins, max(1, task.horizon // 4))
    median = quantiles(lags(filled, origins, LAGS))[:, 1]
    last, lately = (float(np.nanmean(np.abs(soon - base[:, None]))) for base in (filled[origins], median))
    return last < lately


def seasons_back(period: int) -> int:
    """How many earlier seasons are looked at: a week of days, three weeks."""
    return 7 if period < 1000 else 3


def _at(filled: Floats, index: Ints, origins: Ints) -> Floats:
    known = (index >= 0) & (index <= origins)
    return np.where(known, filled[np.clip(index, 0, filled.size - 1)], np.nan)


def _steps(origins: Ints, horizon: int) -> Ints:
    return np.tile(np.arange(1, horizon + 1), origins.size)


def _mean(window: Floats) -> Floats:
    count = (~np.isnan(window)).sum(axis=1)
    return np.asarray(np.nansum(window, axis=1) / np.maximum(count, 1))


def _spread(window: Floats) -> Floats:
    away = window - _mean(window)[:, None]
    count = (~np.isnan(window)).sum(axis=1)
    return np.asarray(np.sqrt(np.nansum(away**2, axis=1) / np.maximum(count, 1)))
