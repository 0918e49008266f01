"""Six plots, 1200 pixels wide, also of series that have little to show."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecaster.data.frames import Frame
from forecaster.evaluation.backtest import Evaluation, evaluate
from forecaster.evaluation.plots import draw_all, draw_targets
from forecaster.evaluation.task import plan
from forecaster.models.candidates import candidates
from forecaster.models.lstm import Lstm
from qos.system.clock import SYSTEM
from tests.forecaster.samples import frame_of, seasonal


def evaluated(values: np.ndarray) -> tuple[Frame, Evaluation]:
    frame = frame_of(values)
    planned = plan(frame, horizon=6, sequence=24, folds=3, seed=7)
    chosen, missing = candidates(("naive", "seasonal_naive", "ridge"), planned.task, None, "")
    return frame, evaluate(frame, planned.task, planned.folds, chosen, left_out=missing, clock=SYSTEM)


def width(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[16:20], "big")


def test_every_plot_is_drawn_and_1200_pixels_wide(tmp_path: Path) -> None:
    frame, found = evaluated(np.stack([seasonal(400), seasonal(400, seed=1)], axis=1))
    task = found.task
    history = Lstm(task, 10, np.zeros(1), np.ones(1), (0,), {}, (0.5, 0.3, 0.2), (0.6, 0.4, 0.45))
    found = replace(
        found, backtests={**found.backtests, "lstm": replace(found.backtests["ridge"], first_fitted=history)}
    )
    drawn = [*draw_all(tmp_path, "app:a/b", frame, found), draw_targets(tmp_path, {"one": found, "two": found})]
    names = [path.name for path in drawn if path is not None]
    kinds = ("prediction", "training", "errors", "correlation", "skill")
    assert names == [*(f"app_a_b-{kind}.png" for kind in kinds), "targets.png"]
    assert {width(path) for path in drawn if path is not None} == {1200}


@pytest.mark.parametrize("values", [np.full(300, 5.0), np.zeros(300)])
def test_a_constant_series_leaves_out_what_says_nothing(values: np.ndarray, tmp_path: Path) -> None:
    frame, found = evaluated(values)
    assert [path.name for path in draw_all(tmp_path, "x", frame, found)] == ["x-prediction.png", "x-errors.png"]
    assert draw_targets(tmp_path, {"x": found}) is None


@pytest.mark.parametrize("served", ["naive", "ridge", "lstm"])
def test_each_model_is_drawn_once_and_a_requested_lstm_is_there(
    served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.axes import Axes

    frame, found = evaluated(seasonal(400))
    backtests = {**found.backtests, "lstm": replace(found.backtests["ridge"], model="lstm")}
    found = replace(found, backtests=backtests, choice=replace(found.choice, model=served))
    labels: list[list[str]] = []
    legend = Axes.legend

    def seen(axes: Axes, *args: Any, **kwargs: Any) -> Any:
        labels.append(axes.get_legend_handles_labels()[1])
        return legend(axes, *args, **kwargs)

    monkeypatch.setattr(Axes, "legend", seen)
    draw_all(tmp_path, "x", frame, found)
    drawn = " ".join(labels[0])
    for model in {"naive", "lstm", served}:
        assert sum(model in label for label in labels[0]) == 1, drawn
