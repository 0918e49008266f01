"""The original's network trains as long as the original's did: its patience ends it, not a bound of ours."""

from typing import Any

import numpy as np
import pytest

from forecaster.data.windows import ForecastTask
from forecaster.models.lstm import fit_lstm
from forecaster.models.model import TrainingError
from tests.forecaster.samples import frame_of, seasonal


class AskedError(Exception):
    """Stops the fit where the trainer is asked."""


class Recorder:
    """Keeps what a trainer is asked for."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def train(self, arrays: Any, settings: Any) -> Any:
        self.settings = dict(settings)
        self.shapes = {name: np.shape(value) for name, value in arrays.items()}
        raise AskedError


def test_patience_is_eighty_and_the_bound_lies_far_beyond_the_originals_156_epochs() -> None:
    recorder = Recorder()
    with pytest.raises(AskedError):
        fit_lstm(frame_of(seasonal(200)), ForecastTask(6, 24, 3600 * 10**9, (), 7), recorder)
    assert recorder.settings["patience"] == 80
    assert recorder.settings["epochs"] >= 2 * 156
    assert recorder.settings["kind"] == "plain"
    assert recorder.shapes["x"][1:] == (10, 1)
    assert recorder.shapes["y"][1] == 6


def test_a_constant_history_is_said_before_anything_is_trained() -> None:
    with pytest.raises(TrainingError, match="constant"):
        fit_lstm(frame_of(np.full(200, 5.0)), ForecastTask(6, 24, 3600 * 10**9, (), 7), Recorder())
