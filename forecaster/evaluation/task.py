"""From a frame and settings to a task and its folds: what the length of a history allows."""

from dataclasses import dataclass
from typing import Final

from forecaster.data.frames import Frame
from forecaster.data.windows import ForecastTask, seasons_for
from forecaster.evaluation.folds import Fold, walk_forward

SHORTEST_LOOKBACK: Final = 10


@dataclass(frozen=True)
class BacktestPlan:
    """A task and the folds that it is scored on."""

    task: ForecastTask
    folds: tuple[Fold, ...]


def plan(frame: Frame, *, horizon: int, sequence: int, folds: int, seed: int) -> BacktestPlan:
    """A short history gets a shorter lookback (a fifth of it), and only seasons that its first training part holds
    three of.

    Raises TooShortError.
    """
    lookback = min(sequence, max(SHORTEST_LOOKBACK, frame.rows // 5))
    task = ForecastTask(horizon, lookback, frame.step_ns, (), seed)
    cuts = walk_forward(frame.rows, folds, task)
    return BacktestPlan(
        ForecastTask(horizon, lookback, frame.step_ns, seasons_for(cuts[0].cut, frame.step_ns), seed), cuts
    )
