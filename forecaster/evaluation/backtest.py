"""CalibratedBands-forward evaluation: every model, the same origins, later data only.

At each fold a model is trained on the rows before the cut (``Frame.before``: it is handed nothing else) and
predicts the fold's origins. The band of an origin is made from the errors known at that origin. The last fit and
those errors are kept: they are what serves.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from forecaster.data.frames import Floats, Frame, Ints
from forecaster.data.windows import ForecastTask, paths, usable_origins
from forecaster.evaluation import conformal
from forecaster.evaluation.folds import Fold
from forecaster.evaluation.metrics import Score, block_bootstrap, mean_change, origin_errors, pinball, score
from forecaster.evaluation.selection import CandidateScores, ModelChoice, choose
from forecaster.models.candidates import Candidate
from forecaster.models.model import Fitted, TrainingError
from qos.system.clock import Clock

OnFit = Callable[[str, int, int], None]
"""Told model, fold and number of folds before each training."""


@dataclass(frozen=True, eq=False)
class ModelBacktest:
    """One model's walk over all folds, the calibration fold first."""

    model: str
    raw: Floats
    """(origins, horizon, 3) before the band."""
    banded: Floats
    shifts: conformal.BandOffsets
    """The band of the next forecast."""
    fitted: Fitted
    """The newest."""
    first_fitted: Fitted
    """Trained from nothing: its loss history is worth looking at."""
    train_seconds: float
    """All trainings together."""
    score: Score
    mae_interval: tuple[float, float]
    ratio_interval: tuple[float, float]
    """Of its error over naive's."""
    fold_mae: tuple[float, ...]
    fold_loss: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a backtest found."""

    task: ForecastTask
    folds: tuple[Fold, ...]
    origins: Ints
    scored: np.ndarray[tuple[int], np.dtype[np.bool_]]
    """Which origins count; the others calibrate."""
    actual: Floats
    backtests: Mapping[str, ModelBacktest]
    left_out: Mapping[str, str]
    """Model to the reason it took no part."""
    choice: ModelChoice
    floor: float | None
    window: int
    notes: tuple[str, ...] = field(default=())

    def skill(self, model: str) -> float | None:
        """1 - its error over naive's."""
        if "naive" not in self.backtests or not self.backtests["naive"].score.mae > 0:
            return None
        return 1 - self.backtests[model].score.mae / self.backtests["naive"].score.mae


def window_for(task: ForecastTask) -> int:
    """How many past errors make a band: two days, or 400 where there is no daily season."""
    return max(400, 2 * task.seasons[0]) if task.seasons else 400


def floor_of(target: Floats) -> float | None:
    """0 for a series that never was negative: its forecasts are not either."""
    known = target[~np.isnan(target)]
    return 0.0 if known.size and float(known.min()) >= 0 else None


def evaluate(
    frame: Frame,
    task: ForecastTask,
    folds: Sequence[Fold],
    models: Sequence[Candidate],
    *,
    left_out: Mapping[str, str],
    clock: Clock,
    on_fit: OnFit = lambda model, fold, of: None,
) -> Evaluation:
    """Walks every model over the folds, scores and chooses. A model whose training fails is left out, with the
    reason.

    Raises ValueError when there is no origin to score or no model is left.
    """
    starts = [usable_origins(frame, task, fold.cut - 1, fold.stop - 1) for fold in folds]
    origins = np.concatenate(starts)
    member = np.concatenate([np.full(part.size, index) for index, part in enumerate(starts)])
    scored = np.asarray([fold.scored for fold in folds], dtype=bool)[member]
    if not scored.any():
        raise ValueError("no origin can be scored: gaps longer than the horizon leave no whole window")
    actual = paths(frame.target, origins, task.horizon)
    floor = floor_of(frame.before(folds[0].cut).target)
    window = window_for(task)
    change = mean_change(frame.before(min(fold.cut for fold in folds if fold.scored)).target)
    missing = dict(left_out)
    walked: dict[str, tuple[Floats, Fitted, Fitted, float]] = {}
    for candidate in models:
        try:
            walked[candidate.name] = _walk(frame, task, folds, starts, candidate, clock=clock, on_fit=on_fit)
        except TrainingError as error:
            missing[candidate.name] = str(error)
    if not walked:
        raise ValueError("; ".join(f"{name}: {why}" for name, why in missing.items()) or "no model was asked for")
    backtests: dict[str, ModelBacktest] = {}
    errors = {name: origin_errors(actual[scored], raw[scored][:, :, 1]) for name, (raw, *_) in walked.items()}
    block = 2 * task.horizon
    for name, (raw, first, fitted, seconds) in walked.items():
        walked_band = conformal.walk(origins, actual, raw, window, floor)
        banded = walked_band.banded
        reference = errors.get("naive", errors[name])
        interval = block_bootstrap(errors[name], reference, block, seed=task.seed)
        numbers = [index for index, fold in enumerate(folds) if fold.scored]
        parts = [member == index for index in numbers if np.any(member == index)]
        backtests[name] = ModelBacktest(
            name,
            raw,
            banded,
            walked_band.next,
            fitted,
            first,
            seconds,
            score(actual[scored], banded[scored], change),
            interval[:2],
            interval[2:],
            tuple(float(np.nanmean(np.abs(actual - banded[:, :, 1])[part])) for part in parts),
            tuple(float(np.nanmean(pinball(actual, banded)[part])) for part in parts),
        )
    losses = {name: origin_losses(actual[scored], backtest.banded[scored]) for name, backtest in backtests.items()}
    choice = choose(candidate_scores(backtests, errors, losses, block, task.seed))
    return Evaluation(
        task, tuple(folds), origins, scored, actual, backtests, missing, choice, floor, window, frame.notes
    )


def candidate_scores(
    backtests: Mapping[str, ModelBacktest],
    errors: Mapping[str, Floats],
    losses: Mapping[str, Floats],
    block: int,
    seed: int,
) -> dict[str, CandidateScores]:
    """What the rule looks at; ``errors`` and ``losses`` are per origin."""

    def upper(per_origin: Mapping[str, Floats], name: str) -> dict[str, float]:
        others = (other for other in per_origin if other != name)
        return {o: block_bootstrap(per_origin[name], per_origin[o], block, seed=seed)[3] for o in others}

    return {
        name: CandidateScores(
            backtest.score.mae,
            float(np.nanmean(losses[name])),
            backtest.fold_mae,
            backtest.fold_loss,
            upper(errors, name),
            upper(losses, name),
        )
        for name, backtest in backtests.items()
    }


def _walk(
    frame: Frame,
    task: ForecastTask,
    folds: Sequence[Fold],
    starts: Sequence[Ints],
    candidate: Candidate,
    *,
    clock: Clock,
    on_fit: OnFit,
) -> tuple[Floats, Fitted, Fitted, float]:
    first: Fitted | None = None
    fitted: Fitted | None = None
    spent = 0
    parts = []
    for index, (fold, origins) in enumerate(zip(folds, starts, strict=True)):
        if fitted is None or index % candidate.refit_every == 0:
            on_fit(candidate.name, index, len(folds))
            began = clock.monotonic_ns()
            fitted = candidate.fit(frame.before(fold.cut), task, fitted)
            spent += clock.monotonic_ns() - began
            first = first or fitted
        parts.append(fitted.predict(frame.before(fold.stop - 1), origins) if origins.size else _none(task))
    assert fitted is not None
    assert first is not None
    return np.concatenate(parts), first, fitted, spent / 1e9


def origin_losses(actual: Floats, banded: Floats) -> Floats:
    """(origins,): mean quantile loss of each origin's path."""
    loss = pinball(actual, banded).mean(axis=2)
    count = (~np.isnan(loss)).sum(axis=1)
    result = np.full(count.shape, np.nan)
    np.divide(np.nansum(loss, axis=1), count, out=result, where=count > 0)
    return result


def _none(task: ForecastTask) -> Floats:
    return np.empty((0, task.horizon, 3))
