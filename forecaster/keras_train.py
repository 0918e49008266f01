"""Trains networks with Keras on TensorFlow: the one module that imports it, and a process of its own.

``python -m forecaster.keras_train`` reads one job file per line on standard input and answers each with one line of
JSON on standard output: progress ``{"epoch": …, "of": …}``, then ``{"done": RESULT_FILE}`` or ``{"error": TEXT}``.
A job is an ``.npz`` (``forecaster.trainer`` writes it); nothing is unpickled. It knows nothing of series, frames or
bands: arrays in, weights out. Deterministic under the job's seed: op determinism, one thread.
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


def train(arrays: dict[str, Any], settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Weights by name, and the loss history. ``settings["kind"]`` is ``plain`` or ``residual``."""
    seed = int(settings["seed"])
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    epochs, patience = int(settings["epochs"]), int(settings["patience"])
    x, y = arrays["x"], arrays["y"]
    inputs: Any = x
    optimizer = keras.optimizers.Adam(float(settings["rate"]), clipnorm=settings.get("clipnorm"))
    if settings["kind"] == "plain":
        model = build_plain(x.shape[1], x.shape[2], int(settings["units"]), y.shape[1], seed)
        model.compile(optimizer, loss="mse")
        held: dict[str, Any] = {"validation_split": 0.2}
    else:
        levels = tuple(settings["levels"])
        static = arrays["static"]
        units, outputs = int(settings["units"]), y.shape[1] * len(levels)
        model = build_residual(x.shape[1], x.shape[2], static.shape[1], units=units, outputs=outputs, seed=seed)
        model.compile(optimizer, loss=pinball(levels))
        inputs = [x, static]
        held = {"validation_data": ([arrays["held_x"], arrays["held_static"]], arrays["held_y"])}
        if "start_lstm_kernel" in arrays:
            load(
                model,
                {name.removeprefix("start_"): value for name, value in arrays.items() if name.startswith("start_")},
            )
        else:
            kernel, _ = model.get_layer("out").get_weights()
            model.get_layer("out").set_weights([kernel, arrays["bias"]])
    stop = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=patience, restore_best_weights=True, start_from_epoch=0
    )
    first = (
        []
        if settings["kind"] == "plain"
        else [float(model.evaluate(*held["validation_data"], verbose=0, batch_size=1024))]
    )
    start = model.get_weights()
    history = model.fit(
        inputs,
        y,
        epochs=epochs,
        batch_size=int(settings["batch"]),
        verbose=0,
        callbacks=[stop, Progress(epochs)],
        **held,
    ).history
    losses = {name: [float(v) for v in history[name]] for name in ("loss", "val_loss")}
    if first and min(losses["val_loss"]) >= first[0]:
        model.set_weights(start)
    losses["start"] = first
    return unload(model), losses


def unload(model: Any) -> dict[str, Any]:
    """Weights by the names that ``forecaster.cells`` reads."""
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
