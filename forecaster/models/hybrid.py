"""Ridge draws the path; a small LSTM learns how wrong it will be, and how sure one can be. What should serve.

The ridge's cross-fitted residuals are the LSTM's target, as quantiles (pinball loss: Koenker & Bassett 1978), so
the median corrects the path and the outer two are a band that widens with the traffic. The output layer starts as
the residuals' plain quantiles; where training does not improve on those on the held-out part, they stay. Several
seeds are averaged.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from forecaster.data.frames import Floats, Frame, Ints
from forecaster.data.windows import ForecastTask, calendar, lags, paths, season_paths, usable_origins
from forecaster.models.model import QUANTILES, Trainer, TrainingError
from forecaster.models.recurrent_cells import Weights, residual
from forecaster.models.ridge import Ridge, cross_fitted, fit_ridge, refit

UNITS: Final = 32
SEEDS: Final = 2
NEWEST: Final = 4000
"""Windows trained on, newest first."""
COLD: Final = {"epochs": 60, "patience": 8, "rate": 1e-3}
WARM: Final = {"epochs": 12, "patience": 3, "rate": 3e-4}


@dataclass(frozen=True, eq=False)
class Scaling:
    """Taken from the first training part and kept: warm starts see the same inputs."""

    change: float
    """Of values relative to the last one."""
    level: float
    level_span: float
    error: float
    """Of the ridge's residuals."""
    least: Floats
    """(static inputs,): the smallest seen in training. Beyond what it saw a network guesses: its inputs stay within."""
    most: Floats


@dataclass(frozen=True, eq=False)
class Hybrid:
    """The ridge and, per seed, the network's weights; no weights: the ridge with its residuals' quantiles."""

    task: ForecastTask
    ridge: Ridge
    scaling: Scaling
    constant: Floats
    """(horizon, 3): the residuals' quantiles over ``scaling.error``."""
    networks: tuple[Weights, ...]
    loss: tuple[float, ...] = field(default=())
    held_loss: tuple[float, ...] = field(default=())

    def sequence(self, frame: Frame, origins: Ints) -> Floats:
        """(origins, sequence, 1 or 2): values relative to the last, and how far they were from the same time a
        season ago."""
        filled = frame.filled(self.task.horizon)[:, 0]
        last = filled[origins][:, None]
        channels = [np.arcsinh((lags(filled, origins, self.task.sequence) - last) / self.scaling.change)]
        if self.ridge.features.periods:
            steps = np.arange(1 - self.task.sequence, 1)
            then = season_paths(filled, origins, self.ridge.features.periods[0], steps)
            channels.append(np.arcsinh(np.where(np.isnan(then), 0.0, then - last) / self.scaling.change))
        return np.stack(channels, axis=2)

    def static(self, frame: Frame, origins: Ints, path: Floats) -> Floats:
        """(origins, …): the ridge's path relative to the last value, the level, the season ahead, the calendar."""
        filled = frame.filled(self.task.horizon)[:, 0]
        last = filled[origins][:, None]
        parts = [
            np.arcsinh((path - last) / self.scaling.change),
            np.arcsinh((last - self.scaling.level) / self.scaling.level_span),
        ]
        for period in self.ridge.features.periods:
            then = season_paths(filled, origins, period, np.arange(1, self.task.horizon + 1))
            parts.append(np.arcsinh(np.where(np.isnan(then), 0.0, then - last) / self.scaling.change))
        if self.ridge.features.periods:
            parts.append(calendar(frame.start_ns, frame.step_ns, origins))
        table = np.concatenate(parts, axis=1)
        return np.clip(table, self.scaling.least, self.scaling.most) if self.scaling.least.size else table

    def predict(self, frame: Frame, origins: Ints) -> Floats:
        """Quantiles of the path, ordered."""
        path = self.ridge.path(frame, origins)
        shape = (origins.size, self.task.horizon, len(QUANTILES))
        if self.networks:
            x, s = self.sequence(frame, origins), self.static(frame, origins, path)
            shift = np.mean([residual(x, s, weights).reshape(shape) for weights in self.networks], axis=0)
        else:
            shift = np.broadcast_to(self.constant, shape)
        return np.asarray(path[:, :, None] + np.sort(shift, axis=2) * self.scaling.error)


def fit_hybrid(train: Frame, task: ForecastTask, trainer: Trainer, before: Hybrid | None = None) -> Hybrid:
    """Trains it, from ``before``'s weights where that saw an earlier part of the same series. Raises TrainingError."""
    if before is not None and not before.networks:
        # Nothing was learned: there are no weights to go on from, and its scaling may be of another feature set.
        before = None
    try:
        ridge = fit_ridge(train, task)
    except ValueError as error:
        raise TrainingError(str(error)) from None
    if before is not None:
        # The network's inputs depend on which seasons are looked at: keep them.
        origins = usable_origins(train, task, 0, train.rows)
        ridge = refit(train, before.ridge.features, ridge.penalty, origins)
    origins = usable_origins(train, task, 0, train.rows)
    goal = paths(train.filled(task.horizon)[:, 0], origins, task.horizon)
    whole = ~np.isnan(goal).any(axis=1)
    origins, goal = origins[whole], goal[whole]
    if origins.size < 10 * task.horizon:
        raise TrainingError(f"{origins.size} windows are too few to train on")
    path = cross_fitted(train, ridge, origins)
    off = goal - path
    if not float(np.std(off)) > 0:
        raise TrainingError("nothing is left to learn: the regression is exact")
    scaling = before.scaling if before else _scaling(train, task, origins, off)
    if before is None:
        seen = Hybrid(task, ridge, scaling, np.zeros((task.horizon, 3)), ()).static(train, origins, path)
        scaling = replace(scaling, least=seen.min(axis=0), most=seen.max(axis=0))
    constant = np.quantile(off / scaling.error, QUANTILES, axis=0).T
    origins, path, off = origins[-NEWEST:], path[-NEWEST:], off[-NEWEST:]
    model = Hybrid(task, ridge, scaling, constant, ())
    cut = train.rows - int(0.2 * (train.rows - int(origins[0])))
    early, late = origins + task.horizon < cut, origins >= cut
    if not early.any() or not late.any():
        raise TrainingError("no windows are left to hold out")
    x, s, y = model.sequence(train, origins), model.static(train, origins, path), off / scaling.error
    # Nothing can be learned from how far a window left the range: large values would blow up the steps.
    y = np.clip(y, -20, 20)
    arrays = {
        "x": x[early],
        "static": s[early],
        "y": y[early],
        "held_x": x[late],
        "held_static": s[late],
        "held_y": y[late],
    }
    networks, histories = [], []
    for index in range(SEEDS):
        warm = before.networks[index] if before and len(before.networks) > index else None
        start = {f"start_{k}": v for k, v in warm.items()} if warm else {"bias": _bias(y[early])}
        settings = (WARM if warm else COLD) | {"kind": "residual", "units": UNITS, "batch": 128, "clipnorm": 1.0}
        trained = trainer.train(arrays | start, settings | {"levels": QUANTILES, "seed": task.seed + 1000 * index})
        histories.append(trained)
        if warm or (trained.start_loss is not None and min(trained.held_loss) < trained.start_loss):
            networks.append(trained.weights)
    first = histories[0]
    return Hybrid(task, ridge, scaling, constant, tuple(networks), first.loss, first.held_loss)


def _bias(y: Floats) -> Floats:
    return np.quantile(y, QUANTILES, axis=0).T.reshape(-1)


def _scaling(train: Frame, task: ForecastTask, origins: Ints, error: Floats) -> Scaling:
    filled = train.filled(task.horizon)[:, 0]
    known = filled[~np.isnan(filled)]
    away = np.abs(lags(filled, origins, task.sequence) - filled[origins][:, None])
    level = float(np.median(known))
    return Scaling(
        change=_typical(away),
        level=level,
        level_span=_typical(np.abs(known - level)),
        error=_typical(np.abs(error)),
        least=np.empty(0),
        most=np.empty(0),
    )


def _typical(sizes: Floats) -> float:
    """The mean, but at most three medians: a few bursts must not set a scale on which all the rest is nothing."""
    mean, median = float(np.mean(sizes)), float(np.median(sizes))
    return (min(mean, 3 * median) if median > 0 else mean) or 1.0
