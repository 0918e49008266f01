"""What every model is: history in, quantiles of the path out; and what a model of networks needs to be trained.

Training a network takes a process and minutes, so it is handed in as a ``Trainer``; nothing in this package starts one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from forecaster.data.frames import Floats, Frame, Ints

QUANTILES: Final = (0.1, 0.5, 0.9)
"""The levels that every model answers with: the 80 % band and the median."""


class TrainingError(RuntimeError):
    """A model cannot be fitted on this history; the message says why."""


class Fitted(Protocol):
    """A trained model."""

    def predict(self, frame: Frame, origins: Ints) -> Floats:
        """(origins, horizon, 3): quantiles of the path after each origin; three times the path if it has none.

        Reads rows up to each origin only. Origins are usable (``windows.usable_origins``).
        """


@dataclass(frozen=True, eq=False)
class Trained:
    """A network's weights by name and what its training looked like."""

    weights: Mapping[str, Floats]
    loss: tuple[float, ...]
    held_loss: tuple[float, ...]
    start_loss: float | None
    """Loss on the held-out part before the first epoch, where it was measured."""


class Trainer(Protocol):
    """Trains one network."""

    def train(self, arrays: Mapping[str, Any], settings: Mapping[str, Any]) -> Trained:
        """Arrays (``x``, ``y``, …) and settings (``kind``, ``epochs``, …) in, weights out. Raises TrainingError."""


def point(path: Floats) -> Floats:
    """A path (origins, horizon) as quantiles that are all the same."""
    return np.repeat(path[:, :, None], 3, axis=2)
