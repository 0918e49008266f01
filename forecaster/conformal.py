"""Bands that hold what they promise: quantiles shifted by how wrong they were before (split-conformal, CQR).

For each step ahead the model's lower and upper quantile are moved by an empirical quantile of their own past errors
(Vovk et al. 2005; Romano, Patterson & Candès, "Conformalized Quantile Regression", 2019, in its asymmetric form; a
model without quantiles hands in its path three times, which is split-conformal). The errors come from walk-forward
folds, and only those that were known at the origin count: the error of step ``h`` made at ``o`` is known at ``o +
h``.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from forecaster.frames import Floats, Ints
from forecaster.metrics import QUANTILES

LEAST: Final = 8
"""Fewer past errors than this say nothing about a tail: the band is then the widest seen."""


@dataclass(frozen=True)
class Shifts:
    """What to add to the lower and upper quantile of each step: (horizon, 2)."""

    values: Floats

    def apply(self, quantiles: Floats, floor: float | None) -> Floats:
        """Banded quantiles: shifted, sorted, clipped at ``floor``."""
        moved = quantiles.copy()
        moved[..., 0] += self.values[:, 0]
        moved[..., 2] += self.values[:, 1]
        return ordered(moved, floor)


def ordered(quantiles: Floats, floor: float | None) -> Floats:
    """The median stays; the band opens to hold it, and nothing lies below ``floor``."""
    result = quantiles.copy()
    result[..., 0] = np.minimum(result[..., 0], result[..., 1])
    result[..., 2] = np.maximum(result[..., 2], result[..., 1])
    return result if floor is None else np.maximum(result, floor)


def shifts(actual: Floats, quantiles: Floats, window: int) -> Shifts:
    """The shifts for the next origin, from the newest ``window`` errors of each step. Zero where nothing is known."""
    horizon = actual.shape[1]
    result = np.zeros((horizon, 2))
    for h in range(horizon):
        for side, level in ((0, QUANTILES[0]), (1, QUANTILES[2])):
            errors = actual[:, h] - quantiles[:, h, 2 * side]
            errors = errors[~np.isnan(errors)][-window:]
            if errors.size:
                result[h, side] = _tail(np.sort(errors), level)
    return Shifts(result)


def walk(origins: Ints, actual: Floats, quantiles: Floats, window: int, floor: float | None) -> Floats:
    """Banded quantiles of every origin, each from the errors known at that origin; NaN band where none was.

    ``origins`` ascend. The result at an origin does not depend on anything measured after it.
    """
    result = quantiles.copy()
    count, horizon = actual.shape
    for h in range(horizon):
        valid = np.flatnonzero(~np.isnan(actual[:, h]))
        # How many valid errors of step h+1 are known at each origin.
        known = np.searchsorted(origins[valid] + h + 1, origins, side="right")
        for side, level in ((0, QUANTILES[0]), (2, QUANTILES[2])):
            errors = (actual[:, h] - quantiles[:, h, side])[valid]
            for row, tail in zip(range(count), _tails(errors, known, window, level), strict=True):
                result[row, h, side] += tail
    return ordered(result, floor)


def _tails(errors: Floats, known: Ints, window: int, level: float) -> Floats:
    """For each count in ``known`` the conformal quantile of the newest ``window`` errors among that many."""
    result = np.full(known.size, np.nan)
    cache: dict[int, float] = {}
    for row, stop in enumerate(known.tolist()):
        if stop == 0:
            continue
        if stop not in cache:
            cache[stop] = _tail(np.sort(errors[max(0, stop - window) : stop]), level)
        result[row] = cache[stop]
    return result


def _tail(ascending: Floats, level: float) -> float:
    """The quantile with the finite-sample correction: rank ``ceil((n+1)·level)`` above, its mirror below."""
    n = ascending.size
    if level > 0.5:
        rank = int(np.ceil((n + 1) * level)) if n >= LEAST else n
        return float(ascending[min(rank, n) - 1])
    rank = int(np.floor((n + 1) * level)) if n >= LEAST else 1
    return float(ascending[max(rank, 1) - 1])
