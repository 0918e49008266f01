"""Walk-forward folds: train on everything before a cut, score on what follows, move on.

The first fold is for calibration only: its errors are what the first scored fold's band is made from. Nothing is
shuffled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from forecaster.data.windows import ForecastTask


class TooShortError(ValueError):
    """The history is too short to be scored."""


@dataclass(frozen=True)
class Fold:
    """Train on rows ``[0, cut)``; origins ``[cut - 1, stop - 1)`` predict what follows them."""

    cut: int
    stop: int
    scored: bool


def walk_forward(rows: int, count: int, task: ForecastTask, test_share: float = 0.25) -> tuple[Fold, ...]:
    """One calibration fold and ``count`` scored ones of equal length over the last ``test_share`` of the rows.

    A scored fold holds at least half a horizon of origins, however short the history. Raises TooShortError
    when less than a lookback and two horizons would be left to train on.
    """
    usable = rows - task.horizon
    smallest = max(task.horizon // 2, 1)
    size = max(int(rows * test_share) // count, smallest)
    calibration = max(size * count // 2, task.horizon)
    while (first := usable - size * count - calibration) < task.sequence + 2 * task.horizon and size > smallest:
        size -= 1  # a share that leaves too little to train on is made smaller before the history is refused
        calibration = max(size * count // 2, task.horizon)
    if first < task.sequence + 2 * task.horizon:
        raise TooShortError(f"{rows} steps are too few to score {count} folds of a horizon of {task.horizon}")
    cuts = [first + 1, first + calibration + 1, *(first + calibration + 1 + size * k for k in range(1, count + 1))]
    return tuple(Fold(a, b, index > 0) for index, (a, b) in enumerate(pairwise(cuts)))


def minimum_rows(count: int, task: ForecastTask) -> int:
    """The fewest rows that ``walk_forward`` takes with its default share."""
    rows = task.sequence + 4 * task.horizon
    while not _fits(rows, count, task):
        rows += 1
    return rows


def _fits(rows: int, count: int, task: ForecastTask) -> bool:
    try:
        walk_forward(rows, count, task)
    except TooShortError:
        return False
    return True


def scored(folds: Sequence[Fold]) -> tuple[Fold, ...]:
    """Without the calibration fold."""
    return tuple(fold for fold in folds if fold.scored)
