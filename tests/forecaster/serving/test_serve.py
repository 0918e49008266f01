"""A forecast from a model on disk: what is served, and when nothing can be announced."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecaster.data.frames import Frame
from forecaster.data.windows import ForecastTask
from forecaster.evaluation.conformal import BandOffsets
from forecaster.evaluation.prequential import PredictionLog
from forecaster.models.baselines import Naive, SeasonalNaive
from forecaster.models.combination import Combination
from forecaster.models.ets import fit_ets
from forecaster.models.gradient_boosting import GradientBoosting, fit_gradient_boosting
from forecaster.models.hybrid import Hybrid, Scaling
from forecaster.models.lstm import Lstm
from forecaster.models.model import Fitted
from forecaster.models.ridge import fit_ridge
from forecaster.models.window_quantiles import fit_window_quantiles
from forecaster.serving.artifact import CandidateState, SeriesState, ServedModel, load, load_state, path_of
from forecaster.serving.artifact import save as save_state
from forecaster.serving.serve import NoForecastError, predict
from tests.forecaster.samples import HOUR_NS, frame_of, seasonal

TASK = ForecastTask(horizon=6, sequence=24, step_ns=HOUR_NS, seasons=(24,))
SERIES = seasonal(400)
RNG = np.random.default_rng(4)


def weights(**shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {name: RNG.normal(size=shape) * 0.2 for name, shape in shapes.items()}


def hybrid() -> Hybrid:
    ridge = fit_ridge(frame_of(SERIES), TASK)
    statics = 6 + 1 + 6 * len(ridge.features.periods) + 7
    inputs = 1 + bool(ridge.features.periods)
    net = weights(
        lstm_kernel=(inputs, 128),
        lstm_recurrent=(32, 128),
        lstm_bias=(128,),
        hidden_kernel=(32 + statics, 32),
        hidden_bias=(32,),
        out_kernel=(32, 18),
        out_bias=(18,),
    )
    scaling = Scaling(20.0, 100.0, 50.0, 10.0, np.full(statics, -9.0), np.full(statics, 9.0))
    return Hybrid(TASK, ridge, scaling, np.zeros((6, 3)), (net, net))


def lstm() -> Lstm:
    net = weights(lstm_kernel=(1, 128), lstm_recurrent=(32, 128), lstm_bias=(128,), out_kernel=(32, 6), out_bias=(6,))
    return Lstm(TASK, 10, np.array([0.0]), np.array([300.0]), (0,), net)


def served(model: str, fitted: Fitted) -> ServedModel:
    shifts = BandOffsets(np.stack([np.linspace(-5, -20, 6), np.linspace(5, 20, 6)], axis=1))
    wide = BandOffsets(shifts.values * 3)
    return ServedModel(
        "box",
        "host_down",
        model,
        fitted,
        shifts,
        wide,
        SeasonalNaive(TASK, 24),
        TASK,
        0.0,
        frame_of(SERIES).time_ns(400),
    )


def save(folder: Path, one: ServedModel) -> None:
    save_state(folder, SeriesState(one))


def trees() -> GradientBoosting:
    return fit_gradient_boosting(frame_of(seasonal(600)), TASK)


MODELS: dict[str, Callable[[], Any]] = {
    "naive": lambda: Naive(TASK),
    "seasonal_naive": lambda: SeasonalNaive(TASK, 24),
    "ets": lambda: fit_ets(frame_of(SERIES), TASK),
    "ridge": lambda: fit_ridge(frame_of(SERIES), TASK),
    "window_quantiles": lambda: fit_window_quantiles(frame_of(SERIES), TASK),
    "lightgbm": trees,
    "combination": lambda: Combination(
        ("naive", "ridge"),
        (Naive(TASK), fit_ridge(frame_of(SERIES), TASK)),
        (np.full((6, 2), 3.0), np.ones((6, 2))),
        np.stack([np.full((6, 3), 0.25), np.full((6, 3), 0.75)]),
    ),
    "lstm": lstm,
    "lstm_hybrid": hybrid,
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_read_back_from_disk_says_the_same(name: str, tmp_path: Path) -> None:
    one = served(name, MODELS[name]())
    save(tmp_path, one)
    other = load(path_of(tmp_path, "box", "host_down"))
    assert other is not None
    assert (other.model, other.task, other.floor, other.trained_ns) == (one.model, one.task, one.floor, one.trained_ns)
    first, second = predict(one, frame_of(SERIES)), predict(other, frame_of(SERIES))
    assert first.model == second.model == name
    for part in ("value", "lower", "upper", "baseline"):
        np.testing.assert_array_equal(getattr(first, part), getattr(second, part))
    assert first.times_ns == second.times_ns


def test_what_candidates_predicted_is_read_back_too(tmp_path: Path) -> None:
    raw = RNG.normal(size=(5, 6, 3))
    log = PredictionLog(np.arange(5) * HOUR_NS, raw)
    flat = PredictionLog(np.arange(5) * HOUR_NS, np.repeat(raw[:, :, :1], 3, axis=2))
    candidates = {
        "ridge": CandidateState(fit_ridge(frame_of(SERIES), TASK), 7, log, 1.5, 1.1),
        "naive": CandidateState(Naive(TASK), 8, flat, 0.0, 1.3),
    }
    save_state(tmp_path, SeriesState(served("naive", Naive(TASK)), candidates, {"ets": 5}))
    state = load_state(path_of(tmp_path, "box", "host_down"))
    assert state is not None
    assert state.failed_ns == {"ets": 5}
    for name, one in candidates.items():
        other = state.candidates[name]
        assert (other.fitted_ns, other.seconds, other.loss_ratio) == (one.fitted_ns, one.seconds, one.loss_ratio)
        np.testing.assert_array_equal(other.log.origins_ns, one.log.origins_ns)
        np.testing.assert_array_equal(other.log.raw, one.log.raw)


def test_a_model_that_fails_now_leaves_naive_and_the_reason() -> None:
    class Broken:
        def __init__(self, answer: object) -> None:
            self.answer = answer

        def predict(self, frame: Frame, origins: np.ndarray) -> np.ndarray:
            if isinstance(self.answer, Exception):
                raise self.answer
            return np.full((origins.size, 6, 3), np.nan)

    for answer, words in (
        (RuntimeError("boom"), "RuntimeError: boom"),
        (MemoryError(), "out of memory"),
        (None, "not finite"),
    ):
        found = predict(served("ridge", Broken(answer)), frame_of(SERIES))
        assert found.model == "naive"
        assert words in found.note
        np.testing.assert_allclose(found.value, np.full(6, SERIES[-1]))


def test_names_of_any_kind_are_files_of_their_own(tmp_path: Path) -> None:
    strange = ["app:../../etc/passwd", "app:a b", "app:ä\\:*?", "app:a+b", "app:A"]
    paths = {path_of(tmp_path, "box", name) for name in strange}
    assert len(paths) == len(strange)
    assert all(path.parent == tmp_path for path in paths)
    for name in strange:
        save(tmp_path, replace(served("naive", Naive(TASK)), series=name))
    assert {model.series for path in tmp_path.glob("*.npz") if (model := load(path))} == set(strange)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half a file", None])
def test_a_damaged_file_is_no_model_and_no_error(damage: bytes | None, tmp_path: Path) -> None:
    path = path_of(tmp_path, "box", "host_down")
    save(tmp_path, served("naive", Naive(TASK)))
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    assert load(path) is None
    assert load(tmp_path / "absent.npz") is None


def test_a_save_that_is_interrupted_leaves_the_last_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, served("naive", Naive(TASK)))

    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path, served("ridge", fit_ridge(frame_of(SERIES), TASK)))
    kept = load(path_of(tmp_path, "box", "host_down"))
    assert kept is not None
    assert kept.model == "naive"
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_a_forecast_starts_after_the_newest_step_and_holds_its_band() -> None:
    frame = frame_of(SERIES)
    found = predict(served("seasonal_naive", SeasonalNaive(TASK, 24)), frame)
    assert found.times_ns == tuple(frame.time_ns(400 + h) for h in range(6))
    np.testing.assert_array_equal(found.value, SERIES[376:382])
    np.testing.assert_array_equal(found.baseline, SERIES[376:382])
    assert (found.lower <= found.value).all()
    assert (found.value <= found.upper).all()
    assert (found.lower >= 0).all()


def test_steps_that_are_over_but_not_measured_are_predicted_and_left_out() -> None:
    values = np.append(SERIES, [np.nan, np.nan])
    found = predict(served("naive", Naive(TASK)), frame_of(values))
    assert len(found.value) == 4
    assert found.times_ns[0] == frame_of(values).time_ns(402)
    assert found.value[0] == SERIES[-1]


def test_nothing_is_predicted_across_a_gap_longer_than_the_horizon() -> None:
    model = served("naive", Naive(TASK))
    assert len(predict(model, frame_of(np.append(SERIES, np.full(5, np.nan)))).value) == 1
    with pytest.raises(NoForecastError, match="21600 s, longer than the horizon"):
        predict(model, frame_of(np.append(SERIES, np.full(6, np.nan))))
    with pytest.raises(NoForecastError, match="nothing was measured"):
        predict(model, frame_of(np.full(30, np.nan)))


@pytest.mark.parametrize("name", ["ridge", "lstm_hybrid", "ets"])
def test_naive_serves_while_a_gap_breaks_the_lookback(name: str) -> None:
    values = SERIES.copy()
    values[380:390] = np.nan
    found = predict(served(name, MODELS[name]()), frame_of(values))
    assert found.model == "naive"
    np.testing.assert_array_equal(found.value, np.full(6, SERIES[-1]))
    # Its own band, not the model's.
    np.testing.assert_allclose(found.upper - found.value, 3 * np.linspace(5, 20, 6))


def test_naive_serves_when_the_step_that_smoothing_ended_with_was_taken_back() -> None:
    values = SERIES.copy()
    values[-1] = np.nan
    # Without a season it is fitted on everything, with one on all but the last fifth.
    flat = fit_ets(frame_of(SERIES), ForecastTask(horizon=6, sequence=24, step_ns=HOUR_NS))
    found = predict(served("ets", flat), frame_of(values))
    assert found.model == "naive"
    np.testing.assert_array_equal(found.value, np.full(5, SERIES[-2]))


def test_another_grid_is_refused() -> None:
    with pytest.raises(NoForecastError, match="trained on steps of 3600 s, asked for 60 s"):
        predict(served("naive", Naive(TASK)), frame_of(SERIES, step_ns=60 * 10**9))
