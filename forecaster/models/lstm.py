"""The LSTM as the original system specified it, kept exact: the compatibility mode, and a score to compare with.

Multi-feature (bandwidth, latency, loss: every column of the frame), sequence 10, 16–50 units, ReLU, validation
split of 20 %, early stopping with patience 80, the whole horizon at once, automatic scaling (each column to 0–1
over the training part). Measured on real traffic it does not beat a regression; ``hybrid`` is what should serve.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from forecaster.data.frames import Floats, Frame, Ints
from forecaster.data.windows import ForecastTask, lag_windows, paths, usable_origins
from forecaster.models.model import Trained, Trainer, TrainingError, point
from forecaster.models.recurrent_cells import Weights, plain

SEQUENCE: Final = 10
UNITS: Final = 32
EPOCHS: Final = 400
"""A bound only: patience ends the training (the original's example took 156 epochs)."""
PATIENCE: Final = 80
BATCH: Final = 64
NEWEST: Final = 4000
"""Windows trained on, newest first."""


@dataclass(frozen=True, eq=False)
class Lstm:
    """Weights and the scaling of each column."""

    task: ForecastTask
    sequence: int
    low: Floats
    """(columns,): what becomes 0."""
    span: Floats
    """(columns,): what becomes 1 is ``low + span``."""
    columns: tuple[int, ...]
    """The columns that varied, target first: a constant one says nothing."""
    weights: Weights
    loss: tuple[float, ...] = ()
    held_loss: tuple[float, ...] = ()

    def inputs(self, frame: Frame, origins: Ints) -> Floats:
        """(origins, sequence, columns), scaled. A feature that was not measured is the middle of its range."""
        filled = (frame.filled(self.task.horizon)[:, self.columns] - self.low) / self.span
        filled[:, 1:] = np.nan_to_num(filled[:, 1:], nan=0.5)
        return lag_windows(filled, origins, self.sequence)

    def predict(self, frame: Frame, origins: Ints) -> Floats:
        """The path, three times."""
        return point(plain(self.inputs(frame, origins), self.weights) * self.span[0] + self.low[0])


def fit_lstm(train: Frame, task: ForecastTask, trainer: Trainer) -> Lstm:
    """Trains it. Raises TrainingError, also when there is no window or nothing varies."""
    origins = usable_origins(train, task, 0, train.rows)
    goal = paths(train.filled(task.horizon)[:, 0], origins, task.horizon)
    whole = ~np.isnan(goal).any(axis=1)
    origins, goal = origins[whole][-NEWEST:], goal[whole][-NEWEST:]
    if origins.size < 10:
        raise TrainingError(f"{origins.size} windows are too few to train on")
    known = train.values[~np.isnan(train.target)]
    with np.errstate(all="ignore"):
        low, high = _range(known, np.fmin), _range(known, np.fmax)
    varies = np.flatnonzero(high - low > 0)
    if varies.size == 0 or varies[0] != 0:
        raise TrainingError("the series is constant")
    columns = tuple(int(c) for c in varies)
    model = Lstm(task, min(SEQUENCE, task.sequence), low[varies], (high - low)[varies], columns, {})
    settings = {"kind": "plain", "units": UNITS, "epochs": EPOCHS, "patience": PATIENCE, "batch": BATCH, "rate": 1e-3}
    trained: Trained = trainer.train(
        {"x": model.inputs(train, origins), "y": (goal - model.low[0]) / model.span[0]}, settings | {"seed": task.seed}
    )
    return Lstm(task, model.sequence, model.low, model.span, columns, trained.weights, trained.loss, trained.held_loss)


def _range(known: Floats, pick: np.ufunc) -> Floats:
    return np.asarray(pick.reduce(known, axis=0)) if known.size else np.full(known.shape[1], np.nan)
