"""What is measured is what would be published: the path after the band and the clipping, not the model's raw one."""

import numpy as np

from forecaster.data.frames import Frame, Ints
from forecaster.data.windows import ForecastTask, usable_origins
from forecaster.evaluation.backtest import Evaluation, ModelWalk, assess, window_for
from forecaster.evaluation.conformal import calibrate
from forecaster.models.baselines import Naive
from forecaster.models.combination import Combination
from forecaster.models.model import Fitted
from forecaster.models.ridge import fit_ridge
from forecaster.models.window_quantiles import fit_window_quantiles
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


def test_the_published_combination_is_the_mean_that_was_scored() -> None:
    # One step ahead: all that is known at the end of the frame is scored there.
    task = ForecastTask(1, 24, 3600 * 10**9, (), 7)
    rng = np.random.default_rng(3)
    frame = frame_of(100 + np.cumsum(rng.normal(size=500)))
    train, longer = frame.before(250), frame_of(np.append(frame.target, frame.target[-1] + 0.3))
    fits: dict[str, Fitted] = {
        "naive": Naive(task),
        "ridge": fit_ridge(train, task),
        "window_quantiles": fit_window_quantiles(train, task),
    }

    def assessed(frame: Frame) -> Evaluation:
        origins = usable_origins(frame, task, 250, frame.rows)
        walks = {name: ModelWalk(fit.predict(frame, origins), fit, fit, 0.0) for name, fit in fits.items()}
        member = np.minimum(np.arange(origins.size) // 50, 4)
        return assess(frame, task, origins, member, walks, folds=(), left_out={})

    one, after = assessed(frame).backtests["combination"], assessed(longer).backtests["combination"]
    assert isinstance(one.fitted, Combination)
    assert one.fitted.names == ("window_quantiles", "ridge")
    assert (one.shifts.values == 0).all()
    assert np.array_equal(after.banded[:-1], one.banded)
    assert np.allclose(one.fitted.predict(longer, np.asarray([frame.rows - 1])), after.banded[-1:])


def test_a_combination_needs_two_of_its_members() -> None:
    frame, origins = loss_series()
    naive = Naive(TASK).predict(frame, origins)
    walks = {name: walk_of(naive) for name in ("naive", "seasonal_naive", "ets", "ridge")}
    member = np.ones(origins.size, dtype=np.int64)
    assert "combination" not in assess(frame, TASK, origins, member, walks, folds=(), left_out={}).backtests
    walks["lightgbm"] = walk_of(naive)
    assert "combination" in assess(frame, TASK, origins, member, walks, folds=(), left_out={}).backtests
