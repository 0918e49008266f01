"""The mean of several predictions, in which one that fails loses its say: errors that do not agree cancel (Bates &
Granger 1969; Vincent's average of quantiles).

Each step ahead and each quantile level has weights of its own: the inverse of the quantile loss over the newest
``MEMORY`` predictions whose outcome was known at the origin, to the power of ``POWER`` (Bates & Granger weigh by the
inverse squared error; a high power comes near to taking the best one, without its jumps). ``window_quantiles`` is such
a mean of windows, ``Combination`` one of models. There each member's band is calibrated first, so that a member without
quantiles of its own takes part as a band.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from forecaster.data.frames import Floats, Frame, Ints
from forecaster.models.model import QUANTILES, Fitted

MEMORY: Final = 200
"""Predictions of each step that are looked at, the newest whose outcome was known."""
POWER: Final = 10.0
"""With twice the loss of the best, a prediction weighs a thousandth of it."""


def weights(found: Floats, actual: Floats, known: Ints) -> Floats:
    """(members, origins, horizon, 3), at each place 1 over all members; the same for all where nothing is known.

    ``found``: what each member predicted at past origins, (members, past, horizon, 3). ``actual``: what came, (past,
    horizon), NaN where it was not measured. ``known``: (origins, horizon), the number of past origins, oldest first,
    whose outcome at this step may be looked at.
    """
    error = actual[None, :, :, None] - found
    level = np.asarray(QUANTILES)
    measured = np.isfinite(error).all(axis=(0, 3), keepdims=True)
    loss = np.where(measured, np.maximum(level * error, (level - 1) * error), 0.0)
    step = np.arange(actual.shape[1])
    start = np.maximum(known - MEMORY, 0)
    total = np.pad(np.cumsum(loss, axis=1), ((0, 0), (1, 0), (0, 0), (0, 0)))
    so_far = total[:, known, step]
    # Less than the rounding of the sums is no loss.
    recent = np.maximum(so_far - total[:, start, step] - 1e-12 * so_far, 0.0)
    least = recent.min(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(least > 0, least / recent, recent == 0.0) ** POWER
    return np.asarray(share / share.sum(axis=0))


def weighted(found: Floats, share: Floats) -> Floats:
    """(origins, horizon, 3), ordered: the mean of what the members predict, (members, origins, horizon, 3)."""
    return np.sort((found * share).sum(axis=0), axis=-1)


@dataclass(frozen=True, eq=False)
class Combination:
    """Fitted members and, for each, what is added to its lower and upper quantile per step: (horizon, 2)."""

    names: tuple[str, ...]
    members: tuple[Fitted, ...]
    offsets: tuple[Floats, ...]
    weights: Floats
    """(members, horizon, 3), at each place 1 over all members."""

    def predict(self, frame: Frame, origins: Ints) -> Floats:
        """(origins, horizon, 3): the weighted mean of the members' calibrated quantiles."""
        found = []
        for member, offset in zip(self.members, self.offsets, strict=True):
            raw = member.predict(frame, origins).copy()
            raw[..., 0] = np.minimum(raw[..., 0] + offset[:, 0], raw[..., 1])
            raw[..., 2] = np.maximum(raw[..., 2] + offset[:, 1], raw[..., 1])
            found.append(raw)
        return weighted(np.stack(found), self.weights[:, None])

    @property
    def rows(self) -> int:
        """How much history a prediction looks at."""
        return max(getattr(member, "rows", 0) for member in self.members)
