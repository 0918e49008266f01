"""What is measured is what would be published: the path after the band and the clipping, not the model's raw one."""

import numpy as np

from forecaster.data.frames import Frame, Ints
from forecaster.data.windows import ForecastTask, usable_origins
from forecaster.evaluation.backtest import ModelWalk, assess, window_for
from forecaster.evaluation.conformal import calibrate
from forecaster.models.baselines import Naive
from tests.forecaster.samples import frame_of

TASK = ForecastTask(6, 24, 3600 * 10**9, (), 7)


def walk_of(raw: np.ndarray) -> ModelWalk:
    return ModelWalk(raw, Naive(TASK), Naive(TASK), 0.0)


def loss_series(rows: int = 400) -> tuple[Frame, Ints]:
    rng = np.random.default_rng(2)
    frame = frame_of(np.where(rng.random(rows) < 0.1, rng.exponential(0.05, rows), 0.0))
    return frame, usable_origins(frame, TASK, 100, rows)


def test_scores_intervals_and_folds_are_those_of_the_published_path() -> None:
    frame, origins = loss_series()
    naive = Naive(TASK).predict(frame, origins)
    # Far below zero by itself; published it is zero, which is nearly always right.
    low = np.full_like(naive, -5.0)
    member = 1 + np.arange(origins.size) * 4 // origins.size
    member[: origins.size // 5] = 0
    found = assess(frame, TASK, origins, member, {"naive": walk_of(naive), "low": walk_of(low)}, folds=(), left_out={})
    actual = found.actual[found.scored]
    banded = calibrate(origins, found.actual, low, window_for(TASK), 0.0).banded[found.scored]
    assert (banded >= 0).all()
    error = float(np.nanmean(np.abs(actual - banded[:, :, 1])))
    one = found.backtests["low"]
    assert one.score.mae == error
    assert one.score.mae < 0.05
    assert one.mae_interval[0] <= one.score.mae <= one.mae_interval[1]
    ratio = one.score.mae / found.backtests["naive"].score.mae
    assert one.ratio_interval[0] <= ratio <= one.ratio_interval[1]
    assert max(one.fold_mae) < 0.05
    # Less loss than naive, on the published path alone.
    assert found.choice.model == "low"
