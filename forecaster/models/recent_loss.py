"""Weights by what was right lately: the mean of several predictions, in which one that fails loses its say.

Each step ahead and each quantile level has weights of its own: the inverse of the quantile loss over the newest
``MEMORY`` predictions whose outcome was known at the origin, to the power of ``POWER`` (Bates & Granger 1969 weigh by
the inverse squared error; a high power comes near to taking the best one, without its jumps).
"""

from typing import Final

import numpy as np

from forecaster.data.frames import Floats, Ints
from forecaster.models.model import QUANTILES

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
    measured = np.isfinite(error).all(axis=(0, 3))
    loss = np.where(measured[None, :, :, None], np.maximum(level * error, (level - 1) * error), 0.0)
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
