"""TensorFlow really trains, in a process of its own; what serves is numpy and equals it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from forecaster.data.windows import ForecastTask, paths
from forecaster.models.hybrid import fit_hybrid
from forecaster.models.lstm import fit_lstm
from forecaster.models.model import TrainingError
from forecaster.models.recurrent_cells import dense, lstm, plain, residual
from forecaster.training.keras_trainer import KerasTrainer, unavailable
from tests.forecaster.samples import HOUR_NS, frame_of, seasonal
from tests.require import missing

ROOT = Path(__file__).parents[3]
TASK = ForecastTask(horizon=6, sequence=24, step_ns=HOUR_NS, seasons=(24,))

COMPARE = """
import json, sys
import numpy as np
from forecaster.training import keras_process as k
rng = np.random.default_rng(0)
folder, found = sys.argv[1], {}
x, s = rng.normal(size=(64, 48, 2)).astype("f4"), rng.normal(size=(64, 9)).astype("f4")
for kind, model, inputs in (
    ("plain", k.build_plain(48, 2, 32, 12, 1), x),
    ("residual", k.build_residual(48, 2, 9, units=32, outputs=36, seed=1), [x, s]),
):
    weights = [rng.normal(size=w.shape).astype("f4") * 0.2 for w in model.get_weights()]
    model.set_weights(weights)
    np.savez(f"{folder}/{kind}.npz", x=x, s=s, out=model.predict(inputs, verbose=0), **k.unload(model))
"""


@pytest.mark.train
def test_numpy_equals_keras_to_a_millionth(tmp_path: Path) -> None:
    if reason := unavailable():
        missing(reason)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", COMPARE, str(tmp_path)], check=True, env=environment, capture_output=True)
    for kind in ("plain", "residual"):
        with np.load(tmp_path / f"{kind}.npz") as data:
            weights = {name: data[name].astype(np.float64) for name in data.files if name not in ("x", "s", "out")}
            x, s, theirs = data["x"].astype(np.float64), data["s"].astype(np.float64), data["out"]
        ours = plain(x, weights) if kind == "plain" else residual(x, s, weights)
        assert np.abs(theirs).max() > 0.1
        np.testing.assert_allclose(ours, theirs, atol=1e-6 * max(1.0, float(np.abs(theirs).max())))


def test_lstm_step_equals_its_equations() -> None:
    rng = np.random.default_rng(0)
    x, kernel, recurrent, bias = (
        rng.normal(size=(1, 3, 2)),
        rng.normal(size=(2, 8)),
        rng.normal(size=(2, 8)),
        rng.normal(size=8),
    )
    h = c = np.zeros(2)
    for t in range(3):
        i, f, g, o = np.split(x[0, t] @ kernel + h @ recurrent + bias, 4)
        i, f, o = (1 / (1 + np.exp(-v)) for v in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
    weights = {"lstm_kernel": kernel, "lstm_recurrent": recurrent, "lstm_bias": bias}
    np.testing.assert_allclose(lstm(x, weights, "tanh")[0], h)


def test_extreme_inputs_overflow_nothing() -> None:
    weights = {"lstm_kernel": np.full((1, 4), 1e6), "lstm_recurrent": np.ones((1, 4)), "lstm_bias": np.zeros(4)}
    assert np.isfinite(lstm(np.array([[[1e6], [-1e6]]]), weights, "tanh")).all()
    out = dense(np.array([[-2.0]]), {"d_kernel": np.ones((1, 1)), "d_bias": np.zeros(1)}, "d", "relu")
    np.testing.assert_array_equal(out, [[0.0]])


@pytest.mark.train
def test_the_specified_network_is_trained_as_specified(trainer: KerasTrainer) -> None:
    table = np.stack([seasonal(400), seasonal(400, seed=1) / 9, np.full(400, 3.0)], axis=1)
    model = fit_lstm(frame_of(table), TASK, trainer)
    # Sequence 10, target and one feature (the third never varies), four gates of 32 units, the whole horizon at once.
    assert model.inputs(frame_of(table), np.array([50])).shape == (1, 10, 2)
    assert model.weights["lstm_kernel"].shape == (2, 128)
    assert model.weights["out_kernel"].shape == (32, 6)
    # Patience 80: it never stops before epoch 81.
    assert len(model.loss) > 80
    assert model.loss[-1] < 0.3 * model.loss[0]
    path = model.predict(frame_of(table), np.arange(100, 390))[:, :, 1]
    actual = paths(table[:, 0], np.arange(100, 390), 6)
    assert np.nanmean(np.abs(actual - path)) < 0.5 * np.nanmean(np.abs(actual - actual.mean()))


@pytest.mark.train
def test_another_seed_gives_another_model(trainer: KerasTrainer) -> None:
    frame = frame_of(seasonal(300))
    one, other = (fit_hybrid(frame, ForecastTask(6, 24, HOUR_NS, (24,), seed=seed), trainer) for seed in (7, 8))
    assert one.networks
    origins = np.arange(200, 290)
    assert not np.array_equal(one.predict(frame, origins), other.predict(frame, origins))


@pytest.mark.train
def test_the_hybrid_learns_when_to_be_unsure(trainer: KerasTrainer) -> None:
    rng = np.random.default_rng(3)
    hours = np.arange(900)
    # Noise by day only: nothing but the calendar tells.
    loud = (hours % 24 >= 12).astype(float)
    series = 100 + rng.normal(size=900) * (0.5 + 8 * loud)
    model = fit_hybrid(frame_of(series), TASK, trainer)
    assert len(model.networks) == 2
    width = np.ptp(model.predict(frame_of(series), np.arange(500, 890)), axis=2)
    # The target of step 1 from hour 14 lies in the loud half, from hour 2 in the quiet one.
    by_hour = [width[(np.arange(500, 890) % 24) == hour, 0].mean() for hour in (14, 2)]
    assert by_hour[0] > 3 * by_hour[1]


@pytest.mark.train
def test_a_warm_start_keeps_the_scale_and_trains_less(trainer: KerasTrainer) -> None:
    values, at = seasonal(640), np.arange(640)
    later = np.where(at >= 440, values * (1 + 0.5 * np.sin(2 * np.pi * at / 7)), values)  # a rhythm that was not there
    first = fit_hybrid(frame_of(values[:440]), TASK, trainer)
    second = fit_hybrid(frame_of(later), TASK, trainer, first)
    assert second.scaling is first.scaling
    assert len(second.loss) <= 12
    assert not np.array_equal(second.networks[0]["out_kernel"], first.networks[0]["out_kernel"])


@pytest.mark.train
def test_a_failing_job_is_an_error_with_words_and_the_process_survives(trainer: KerasTrainer) -> None:
    with pytest.raises(TrainingError, match="KeyError"):
        trainer.train({"x": np.zeros((4, 3, 1))}, {"kind": "plain", "seed": 1})
    assert fit_lstm(frame_of(seasonal(150)), TASK, trainer).loss


@pytest.mark.train
def test_after_a_killed_process_the_next_one_trains_the_same_model_from_the_same_seed(trainer: KerasTrainer) -> None:
    def end(epoch: int, of: int) -> None:
        assert mortal.pid is not None
        if not killed:
            killed.append(mortal.pid)
            os.kill(mortal.pid, 9)

    killed: list[int] = []
    frame = frame_of(seasonal(300))
    origins = np.arange(200, 290)
    with KerasTrainer(end) as mortal:
        with pytest.raises(TrainingError, match="ended with status"):
            fit_hybrid(frame, TASK, mortal)
        again = fit_hybrid(frame, TASK, mortal)
    other = fit_hybrid(frame, TASK, trainer)
    assert other.networks
    np.testing.assert_array_equal(again.predict(frame, origins), other.predict(frame, origins))


@pytest.mark.parametrize(
    ("values", "words"),
    [(np.full(200, 5.0), "constant"), (np.arange(25.0), "too few"), (np.full(60, np.nan), "too few")],
)
def test_what_cannot_be_trained_says_why(values: np.ndarray, words: str) -> None:
    with KerasTrainer() as idle, pytest.raises(TrainingError, match=words):
        fit_lstm(frame_of(values), TASK, idle)


def test_serving_loads_no_tensorflow() -> None:
    names = (
        "forecaster.serving.serve, forecaster.serving.artifact, forecaster.serving.round, forecaster.evaluation.plots"
    )
    code = f"import sys, json, {names}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    loaded = set(json.loads(done.stdout))
    assert "numpy" in loaded
    assert not loaded & {"tensorflow", "keras", "statsforecast", "pandas", "matplotlib.pyplot"}


@pytest.mark.parametrize("module", ["forecaster.cli.commands", "forecaster.serving.schedule"])
def test_the_command_line_and_the_schedule_import_nothing_heavy(module: str) -> None:
    code = f"import sys, json, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert not set(json.loads(done.stdout)) & {
        "tensorflow",
        "keras",
        "numpy",
        "pandas",
        "matplotlib",
        "influxdb_client",
    }
