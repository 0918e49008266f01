"""Bands that hold what they promise: quantiles shifted by how wrong they were before.

For each step ahead the model's lower and upper quantile are moved by an empirical quantile of their own past errors
(Vovk et al. 2005; Romano, Patterson & Candès, "Conformalized Quantile Regression", 2019, in its asymmetric form; a
model without quantiles hands in its path three times, which is split-conformal). The errors come from walk-forward
folds, and only those that were known at the origin count: the error of step ``h`` made at ``o`` is known at ``o +
h``. Traffic changes, so the tail aimed at follows what happened (Gibbs & Candès, "Adaptive Conformal Inference",
2021): each miss widens the band a little, each hit narrows it.
"""

import math
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from forecaster.data.frames import Floats, Ints

TAIL: Final = 0.09
"""Aimed at below and above the 80 % band: a little less than 0.1, because errors of neighbouring origins resemble
each other and their quantiles come out too narrow (measured: docs/decisions/0042)."""
PACE: Final = 0.01
"""How much one outcome moves the tail aimed at."""
NARROWEST: Final = 0.2
WIDEST: Final = 0.01
"""The tail aimed at stays between these."""
LEAST: Final = 8
"""Fewer past errors than this say nothing about a tail: the band is then the widest seen."""


@dataclass(frozen=True, eq=False)
class BandOffsets:
    """What to add to the lower and upper quantile of each step: (horizon, 2)."""

    values: Floats

    def apply(self, quantiles: Floats, floor: float | None) -> Floats:
        """Banded quantiles: shifted, sorted, clipped at ``floor``."""
        moved = quantiles.copy()
        moved[..., 0] += self.values[:, 0]
        moved[..., 2] += self.values[:, 1]
        return ordered(moved, floor)


@dataclass(frozen=True, eq=False)
class CalibratedBands:
    """The bands of all origins, and what the next one's would be."""

    banded: Floats
    """(origins, horizon, 3); a band is NaN where no error was known."""
    next: BandOffsets


def ordered(quantiles: Floats, floor: float | None) -> Floats:
    """The median stays; the band opens to hold it, and nothing lies below ``floor``."""
    result = quantiles.copy()
    result[..., 0] = np.minimum(result[..., 0], result[..., 1])
    result[..., 2] = np.maximum(result[..., 2], result[..., 1])
    return result if floor is None else np.maximum(result, floor)


def calibrate(origins: Ints, actual: Floats, quantiles: Floats, window: int, floor: float | None) -> CalibratedBands:
    """Banded quantiles of every origin, each from the newest ``window`` errors of its step known at that origin.

    ``origins`` ascend. The band of an origin does not depend on anything measured after it.
    """
    result = quantiles.copy()
    horizon = actual.shape[1]
    following = np.zeros((horizon, 2))
    for h in range(horizon):
        for side in (0, 1):
            # Errors of the upper side count upwards, of the lower side downwards: the far tail is always the largest.
            sign = 1.0 if side else -1.0
            errors = sign * (actual[:, h] - quantiles[:, h, 2 * side])
            moves, last = _side(origins, errors, h + 1, window)
            result[:, h, 2 * side] += sign * moves
            following[h, side] = 0.0 if np.isnan(last) else sign * last
    return CalibratedBands(ordered(result, floor), BandOffsets(following))


def _side(origins: Ints, errors: Floats, step: int, window: int) -> tuple[Floats, float]:
    """For one step and one side: the shift at every origin, and the one after all errors are known."""
    count = origins.size
    moves = np.full(count, np.nan)
    tail = TAIL
    newest: deque[float] = deque()
    ascending: list[float] = []
    learned = 0
    for row in range(count + 1):
        while learned < count and (row == count or origins[learned] + step <= origins[row]):
            error, move = float(errors[learned]), float(moves[learned])
            learned += 1
            if math.isnan(error):
                continue
            if not math.isnan(move):
                tail = min(max(tail + PACE * (TAIL - (error > move)), WIDEST), NARROWEST)
            newest.append(error)
            insort(ascending, error)
            if len(newest) > window:
                del ascending[bisect_left(ascending, newest.popleft())]
        if ascending:
            shift = _quantile(ascending, tail)
            if row == count:
                return moves, shift
            moves[row] = shift
    return moves, float("nan")


def _quantile(ascending: list[float], tail: float) -> float:
    """The error that a share of ``tail`` lies above; rank ``ceil((n+1)(1-tail))`` corrects for few errors."""
    n = len(ascending)
    rank = int(np.ceil((n + 1) * (1 - tail))) if n >= LEAST else n
    return ascending[min(rank, n) - 1]
