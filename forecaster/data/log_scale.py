"""Rates on a logarithmic scale: traffic and round trips vary by factors, not by amounts.

What is twice as much in the evening is twice as much at every level, and a burst of a hundred times the usual does not
outweigh all the rest (Box & Cox 1964, with the exponent 0 and a shift; Hyndman & Athanasopoulos, "Forecasting:
Principles and Practice", 3.1). The median of the logarithm is the logarithm of the median, so quantiles need no
correction on the way back.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from forecaster.data.frames import Floats, Frame

SHIFT: Final = 0.1
"""Of the median: keeps what is nearly zero from lying infinitely far away."""
LEAST_POSITIVE: Final = 0.5
"""A series that is zero more often has no factors."""
BEYOND: Final = float(np.log(2))
"""What is predicted lies at most so far above the largest value seen: e to the power of a guess is a large guess."""


@dataclass(frozen=True)
class LogScale:
    """``log(value + shift)``; the shift is in the series' unit."""

    shift: float
    highest: float
    """The largest value that training saw, on this scale."""

    def frame(self, frame: Frame) -> Frame:
        """The same frame with the target on this scale. Values below zero, which training had none of, count as 0."""
        values = frame.values.copy()
        values[:, 0] = np.log(np.maximum(values[:, 0], 0.0) + self.shift)
        return replace(frame, values=values)

    def back(self, values: Floats, lately: Floats) -> Floats:
        """In the series' unit, not below 0. ``lately``: the largest value of late, on this scale."""
        most = np.maximum(lately, self.highest) + BEYOND
        return np.asarray(np.maximum(np.exp(np.minimum(values, most)) - self.shift, 0.0))


def log_scale(target: Floats) -> LogScale | None:
    """The scale for a history; None where it was ever negative or is zero half of the time."""
    known = target[~np.isnan(target)]
    if not known.size or float(known.min()) < 0 or float((known > 0).mean()) < LEAST_POSITIVE:
        return None
    median = float(np.median(known))
    if not median > 0:
        return None
    return LogScale(SHIFT * median, float(np.log(float(known.max()) + SHIFT * median)))
