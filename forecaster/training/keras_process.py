"""Trains networks with Keras on TensorFlow: the one module that imports it, and a process of its own.

``python -m forecaster.training.keras_process`` reads one job file per line on standard input and answers each with one
line of JSON on standard output: progress ``{"epoch": …, "of": …}``, then ``{"done": RESULT_FILE}`` or ``{"error":
TEXT}``. A job is an ``.npz`` (``forecaster.training.keras_trainer`` writes it); nothing is unpickled. It knows nothing
of series, frames or bands: arrays in, weights out. Deterministic under the job's seed: op determinism, one thread.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
import tensorflow as tf


def build_plain(steps: int, inputs: int, units: int, horizon: int, seed: int) -> Any:
    """The network as the original system specified it: LSTM with ReLU, one dense output per step ahead."""
    x = keras.Input((steps, inputs))
    state = keras.layers.LSTM(units, activation="relu", unroll=True, name="lstm", **_seeded(seed))(x)
    out = keras.layers.Dense(horizon, name="out", kernel_initializer=keras.initializers.GlorotUniform(seed + 2))(state)
    return keras.Model(x, out)


def build_residual(steps: int, inputs: int, static: int, *, units: int, outputs: int, seed: int) -> Any:
    """The hybrid's network: starts as the constant of its output's bias (a kernel of zeros)."""
    x, s = keras.Input((steps, inputs)), keras.Input((static,))
    state = keras.layers.LSTM(units, name="lstm", **_seeded(seed))(x)
    joined = keras.layers.Concatenate()([state, s])
    hidden = keras.layers.Dense(
        32, activation="relu", name="hidden", kernel_initializer=keras.initializers.GlorotUniform(seed + 2)
    )(joined)
    dropped = keras.layers.Dropout(0.2, seed=seed + 3)(hidden)
    out = keras.layers.Dense(outputs, name="out", kernel_initializer="zeros")(dropped)
    return keras.Model([x, s], out)


def _seeded(seed: int) -> dict[str, Any]:
    return {
        "kernel_initializer": keras.initializers.GlorotUniform(seed),
        "recurrent_initializer": keras.initializers.Orthogonal(seed=seed + 1),
    }


def pinball(levels: tuple[float, ...]) -> Any:
    """Quantile loss; the output is (batch, horizon·levels) with the level changing fastest."""
    quantiles = tf.constant(levels, dtype=tf.float32)

    def loss(actual: Any, predicted: Any) -> Any:
        shaped = tf.reshape(predicted, (-1, tf.shape(actual)[1], len(levels)))
        error = actual[:, :, None] - shaped
        return tf.reduce_mean(tf.maximum(quantiles * error, (quantiles - 1.0) * error))

    return loss


class Progress(keras.callbacks.Callback):  # type: ignore[misc]  # keras publishes no types
    """Says each epoch on standard output."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """One line."""
        say({"epoch": epoch + 1, "of": self.epochs})


class CompiledNetwork:
    """A compiled model and the state it was made in: building one takes longer than training it on a short series."""

    def __init__(self, model: Any, loss: Any, clipnorm: float | None) -> None:
        self.model = model
        self.optimizer = keras.optimizers.Adam(1e-3, clipnorm=clipnorm)
        model.compile(self.optimizer, loss=loss)
        self.optimizer.build(model.trainable_variables)
        self._start = [(v, v.numpy()) for v in (*model.variables, *self.optimizer.variables, *_seeds(model))]

    def reset(self, rate: float) -> None:
        """As it was made: weights, moments and the dropout's random state."""
        for variable, value in self._start:
            variable.assign(value)
        self.optimizer.learning_rate.assign(rate)


def _seeds(model: Any) -> list[Any]:
    return [layer.seed_generator.state for layer in model.layers if hasattr(layer, "seed_generator")]


_COMPILED: dict[tuple[Any, ...], CompiledNetwork] = {}


def compiled_network(arrays: dict[str, Any], settings: dict[str, Any]) -> CompiledNetwork:
    """The bench for these shapes and this seed; made at the first job that needs it."""
    x, y, seed, units = arrays["x"], arrays["y"], int(settings["seed"]), int(settings["units"])
    kind, levels, clipnorm = settings["kind"], tuple(settings.get("levels", ())), settings.get("clipnorm")
    static = arrays["static"].shape[1] if kind == "residual" else 0
    key = (kind, x.shape[1:], y.shape[1], static, units, levels, clipnorm, seed)
    if key not in _COMPILED:
        if kind == "plain":
            made = CompiledNetwork(build_plain(x.shape[1], x.shape[2], units, y.shape[1], seed), "mse", clipnorm)
        else:
            outputs = y.shape[1] * len(levels)
            model = build_residual(x.shape[1], x.shape[2], static, units=units, outputs=outputs, seed=seed)
            made = CompiledNetwork(model, pinball(levels), clipnorm)
        _COMPILED[key] = made
    return _COMPILED[key]


def train(arrays: dict[str, Any], settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Weights by name, and the loss history. ``settings["kind"]`` is ``plain`` or ``residual``."""
    # The bench is made from seeds of its own; this one orders the batches. So a job's result depends on the job alone.
    bench = compiled_network(arrays, settings)
    model = bench.model
    bench.reset(float(settings["rate"]))
    keras.utils.set_random_seed(int(settings["seed"]))
    epochs, patience = int(settings["epochs"]), int(settings["patience"])
    inputs: Any = arrays["x"]
    first: list[float] = []
    held: dict[str, Any] = {"validation_split": 0.2}
    if settings["kind"] == "residual":
        inputs = [arrays["x"], arrays["static"]]
        held = {"validation_data": ([arrays["held_x"], arrays["held_static"]], arrays["held_y"])}
        if "start_lstm_kernel" in arrays:
            load(model, {name.removeprefix("start_"): v for name, v in arrays.items() if name.startswith("start_")})
        else:
            kernel, _ = model.get_layer("out").get_weights()
            model.get_layer("out").set_weights([kernel, arrays["bias"]])
        first = [float(model.evaluate(*held["validation_data"], verbose=0, batch_size=1024))]
    start = model.get_weights()
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=patience, restore_best_weights=True)
    history = model.fit(
        inputs,
        arrays["y"],
        epochs=epochs,
        batch_size=int(settings["batch"]),
        verbose=0,
        callbacks=[stop, Progress(epochs)],
        **held,
    ).history
    losses = {name: [float(v) for v in history[name]] for name in ("loss", "val_loss")}
    if first and min(losses["val_loss"]) >= first[0]:
        model.set_weights(start)
    elif first and stop.best_weights is not None:
        # Keras restores the best only when it stops early.
        model.set_weights(stop.best_weights)
    losses["start"] = first
    return unload(model), losses


def unload(model: Any) -> dict[str, Any]:
    """Weights by the names that ``forecaster.models.recurrent_cells`` reads."""
    named = {}
    for layer in model.layers:
        values = layer.get_weights()
        parts = ("kernel", "recurrent", "bias") if layer.name == "lstm" else ("kernel", "bias")
        named.update({f"{layer.name}_{part}": value for part, value in zip(parts, values, strict=False)})
    return named


def load(model: Any, weights: dict[str, Any]) -> None:
    """The reverse."""
    for layer in model.layers:
        parts = ("kernel", "recurrent", "bias") if layer.name == "lstm" else ("kernel", "bias")
        if f"{layer.name}_kernel" in weights:
            layer.set_weights([weights[f"{layer.name}_{part}"] for part in parts])


def say(message: dict[str, Any]) -> None:
    """One line of JSON to whoever started this process."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def work(job: Path) -> Path:
    """Runs one job file; the result lies beside it."""
    with np.load(job, allow_pickle=False) as data:
        arrays = {name: data[name] for name in data.files if name != "settings"}
        settings = json.loads(str(data["settings"]))
    weights, losses = train(arrays, settings)
    result = job.with_suffix(".result.npz")
    np.savez(result, losses=np.array(json.dumps(losses)), **weights)
    return result


def main() -> None:
    """Until standard input ends."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    say({"ready": f"TensorFlow {tf.__version__}, Keras {keras.__version__}"})
    for line in sys.stdin:
        try:
            say({"done": str(work(Path(line.strip())))})
        except Exception as error:
            say({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
