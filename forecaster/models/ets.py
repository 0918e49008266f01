"""Exponential smoothing (ETS), fitted by statsforecast, then run forward over new data with its parameters fixed.

Seasonality is forced where the period is at most 24 (``ZNA``): left to choose, AutoETS silently took a non-seasonal
model and lost to naive. Multiplicative errors give the same point recursion as additive ones (Hyndman et al.,
"Forecasting with Exponential Smoothing", 2008, table 2.1), so one linear recursion serves all models that can be
chosen here.
"""

import importlib.util
from dataclasses import dataclass
from typing import Final

import numpy as np

from forecaster.data.frames import Floats, Frame, Ints
from forecaster.data.windows import ForecastTask, paths, usable_origins
from forecaster.models.model import point

LONGEST_PERIOD: Final = 24
NEWEST: Final = 3000
"""Rows that the parameters are estimated on, newest first: more change nothing but the time it takes."""


@dataclass(frozen=True)
class Ets:
    """Smoothing parameters and the states at the end of the training part; they run forward from there."""

    task: ForecastTask
    alpha: float
    beta: float
    """0: no trend."""
    gamma: float
    """0: no season."""
    phi: float
    """Damping of the trend; 1: none."""
    level: float
    trend: float
    season: tuple[float, ...]
    """By phase: step number since 1970, modulo the period. One zero: no season."""
    after_ns: int
    """The first step that the states have not seen."""

    @property
    def period(self) -> int:
        """Steps in a season; 1: none."""
        return len(self.season)

    def predict(self, frame: Frame, origins: Ints) -> Floats:
        """Runs the states up to each origin (a gap leaves them to their own prediction) and extrapolates.

        Raises ValueError for an origin that the training part holds.
        """
        first = (self.after_ns - frame.start_ns) // frame.step_ns
        if origins.size and int(origins.min()) < first - 1:
            raise ValueError("an origin lies within the training part")
        steps = np.arange(1, self.task.horizon + 1)
        damped = np.cumsum(self.phi**steps)
        result = np.empty((origins.size, self.task.horizon))
        wanted = {int(origin): place for place, origin in enumerate(origins)}
        phase0 = frame.start_ns // frame.step_ns
        target = frame.target
        level, trend, season = self.level, self.trend, np.array(self.season)
        for row in range(first - 1, int(origins.max(initial=-1)) + 1):
            if row >= first:
                phase = (phase0 + row) % self.period
                before = season[phase]
                expected = level + self.phi * trend + before
                known = 0 <= row < target.size and not np.isnan(target[row])
                error = float(target[row]) - expected if known else 0.0
                level, trend = level + self.phi * trend + self.alpha * error, self.phi * trend + self.beta * error
                season[phase] = before + self.gamma * error
            if row in wanted:
                result[wanted[row]] = level + trend * damped + season[(phase0 + row + steps) % self.period]
        return point(result)


def without_ets() -> str | None:
    """Why the model cannot be fitted here, or None."""
    if importlib.util.find_spec("statsforecast") is not None:
        return None
    return "statsforecast is not installed (pip install 'autoqos[forecast]')"


def fit_ets(train: Frame, task: ForecastTask) -> Ets:
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


def _estimate(train: Frame, task: ForecastTask, period: int, model: str) -> Ets:
    from statsforecast.models import AutoETS

    # States end with the newest measurement: a forecast may start there.
    train = train.before(int(np.flatnonzero(~np.isnan(train.target))[-1]) + 1)
    known = train.latest(NEWEST).filled(train.rows)[:, 0]
    known = np.ascontiguousarray(known[~np.isnan(known)])
    after_ns = train.time_ns(train.rows)
    # Scaled: its optimiser starts from absolute values.
    scale = float(np.mean(np.abs(known))) or 1.0
    try:
        fitted = AutoETS(season_length=period, model=model).fit(known / scale).model_
    except (ValueError, RuntimeError, ZeroDivisionError, FloatingPointError):
        # A series that it cannot fit (constant, or far too short) is one that simple smoothing handles.
        return Ets(task, 0.5, 0.0, 0.0, 1.0, float(known[-1]), 0.0, (0.0,), after_ns)
    alpha, beta, gamma, phi = (0.0 if np.isnan(v) else float(v) for v in fitted["par"][:4])
    trended, seasonal = fitted["components"][1] != "N", fitted["components"][2] != "N"
    state = [float(value) * scale for value in fitted["states"][-1]]
    season: tuple[float, ...] = (0.0,)
    if seasonal:
        # The newest season comes first: state ``k`` is that of the step ``k`` before the end.
        newest = state[1 + trended :]
        end = after_ns // train.step_ns - 1
        season = tuple(newest[(end - phase) % period] for phase in range(period))
    trend = state[1] if trended else 0.0
    return Ets(task, alpha, beta, gamma, phi or 1.0, state[0], trend, season, after_ns)
