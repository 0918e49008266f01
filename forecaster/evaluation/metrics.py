"""Scores of paths and bands against what happened, and intervals that say how far a score can be trusted.

Arrays are (origins, horizon); quantile arrays (origins, horizon, 3) for the levels ``QUANTILES``. What was not
measured (NaN) takes no part.
"""

from dataclasses import dataclass

import numpy as np

from forecaster.data.frames import Floats
from forecaster.models.model import QUANTILES


@dataclass(frozen=True)
class Score:
    """How a model did on later data. Errors are in the series' unit; ``skill`` is 1 - MAE / naive's MAE."""

    mae: float
    rmse: float
    r2: float | None
    """None when nothing varied."""
    mase: float | None
    """MAE over the training part's mean one-step change (Hyndman & Koehler 2006); None when that is zero."""
    wql: float | None
    """Weighted quantile loss, mean over the three levels (as in GluonTS); None when all values are zero."""
    coverage: float
    width: float
    """Mean width of the band."""
    samples: int
    """Values compared."""
    mae_by_step: tuple[float, ...]


def score(actual: Floats, quantiles: Floats, change: float) -> Score:
    """All scores at once; the path is the median. ``change`` is the training part's mean one-step change.

    Raises ValueError when nothing can be compared.
    """
    known = ~np.isnan(actual) & ~np.isnan(quantiles).any(axis=2)
    if not known.any():
        raise ValueError("no measured value to compare with")
    path = quantiles[:, :, 1]
    error = np.where(known, np.abs(actual - path), np.nan)
    y, p = actual[known], path[known]
    mae = float(np.mean(np.abs(y - p)))
    spread = float(np.sum((y - y.mean()) ** 2))
    total = float(np.sum(np.abs(y)))
    low, high = quantiles[:, :, 0][known], quantiles[:, :, 2][known]
    counts = known.sum(axis=0)
    sums = np.nansum(error, axis=0)
    return Score(
        mae=mae,
        rmse=float(np.sqrt(np.mean((y - p) ** 2))),
        r2=1 - float(np.sum((y - p) ** 2)) / spread if spread > 1e-12 * max(1.0, float(np.sum(y**2))) else None,
        mase=mae / change if change > 0 else None,
        wql=2 * float(np.mean([np.sum(pinball(actual, quantiles)[:, :, k][known]) for k in range(3)])) / total
        if total > 0
        else None,
        coverage=float(np.mean((y >= low) & (y <= high))),
        width=float(np.mean(high - low)),
        samples=int(known.sum()),
        mae_by_step=tuple(float(s / c) if c else float("nan") for s, c in zip(sums, counts, strict=True)),
    )


def pinball(actual: Floats, quantiles: Floats) -> Floats:
    """(origins, horizon, 3): quantile loss of each level."""
    error = actual[:, :, None] - quantiles
    level = np.asarray(QUANTILES)
    return np.asarray(np.maximum(level * error, (level - 1) * error))


def mean_change(target: Floats) -> float:
    """Mean absolute one-step change of what was measured; 0 when there is none."""
    steps = np.abs(np.diff(target))
    steps = steps[~np.isnan(steps)]
    return float(steps.mean()) if steps.size else 0.0


def origin_errors(actual: Floats, path: Floats) -> Floats:
    """(origins,): mean absolute error of each origin's path over what was measured."""
    error = np.abs(actual - path)
    count = (~np.isnan(error)).sum(axis=1)
    result = np.full(count.shape, np.nan)
    np.divide(np.nansum(error, axis=1), count, out=result, where=count > 0)
    return result


def block_bootstrap(
    errors: Floats, reference: Floats, block: int, *, draws: int = 1000, seed: int = 7
) -> tuple[float, float, float, float]:
    """95 % intervals of the mean error and of its difference to the reference's, by moving blocks (Künsch 1989).

    Neighbouring origins share most of their path, so single origins must not be resampled: blocks of ``block`` are.
    The pairs (error, reference) stay together. Returns (mean low, mean high, difference low, difference high); NaN when
    nothing can be compared. The difference is resampled, not the ratio: a draw in which the reference is never wrong
    (a series of zeros) has no ratio.
    """
    both = ~np.isnan(errors) & ~np.isnan(reference)
    e, d = errors[both], (errors - reference)[both]
    n = e.size
    if n == 0:
        return (float("nan"),) * 4
    length = max(1, min(block, n // 2 or 1))
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, n - length + 1, size=(draws, -(-n // length)))
    bounds = []
    for values in (e, d):
        sums = np.concatenate([[0.0], np.cumsum(values)])
        means = (sums[starts + length] - sums[starts]).mean(axis=1) / length
        bounds += [float(v) for v in np.quantile(means, [0.025, 0.975])]
    return bounds[0], bounds[1], bounds[2], bounds[3]
