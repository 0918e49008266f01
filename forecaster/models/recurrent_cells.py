"""A recurrent network's forward pass in numpy: what serves. Equal to Keras, whose weights it reads, within 1e-6.

Keras orders the gates input, forget, cell, output, and uses the sigmoid for the gates (Hochreiter & Schmidhuber 1997,
with the forget gate of Gers et al. 2000). Arithmetic is 64-bit.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from forecaster.data.frames import Floats

Activation = Literal["tanh", "relu"]
Weights = Mapping[str, Floats]
"""``lstm_kernel`` (inputs, 4·units), ``lstm_recurrent`` (units, 4·units), ``lstm_bias`` (4·units), then the dense
layers'."""


def lstm(x: Floats, weights: Weights, activation: Activation) -> Floats:
    """(batch, steps, inputs) → the last hidden state (batch, units)."""
    kernel, recurrent, bias = weights["lstm_kernel"], weights["lstm_recurrent"], weights["lstm_bias"]
    units = recurrent.shape[0]
    act = np.tanh if activation == "tanh" else _relu
    hidden = np.zeros((x.shape[0], units))
    cell = np.zeros_like(hidden)
    inputs = x @ kernel + bias
    for step in range(x.shape[1]):
        gates = inputs[:, step] + hidden @ recurrent
        take, keep, new, show = (gates[:, k * units : (k + 1) * units] for k in range(4))
        cell = _sigmoid(keep) * cell + _sigmoid(take) * act(new)
        hidden = _sigmoid(show) * act(cell)
    return np.asarray(hidden)


def dense(x: Floats, weights: Weights, name: str, activation: Activation | None = None) -> Floats:
    """(batch, inputs) → (batch, outputs)."""
    out = x @ weights[f"{name}_kernel"] + weights[f"{name}_bias"]
    return np.asarray(out if activation is None else _relu(out) if activation == "relu" else np.tanh(out))


def plain(x: Floats, weights: Weights) -> Floats:
    """The specified network: LSTM with ReLU, dense output (batch, horizon)."""
    return dense(lstm(x, weights, "relu"), weights, "out")


def residual(x: Floats, static: Floats, weights: Weights) -> Floats:
    """The hybrid's network: LSTM, its state beside the static input, a hidden layer, (batch, horizon·3)."""
    state = np.concatenate([lstm(x, weights, "tanh"), static], axis=1)
    return dense(dense(state, weights, "hidden", "relu"), weights, "out")


def _relu(x: Floats) -> Floats:
    return np.maximum(x, 0.0)


def _sigmoid(x: Floats) -> Floats:
    # Written by tanh: exp overflows for large negative input.
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))
