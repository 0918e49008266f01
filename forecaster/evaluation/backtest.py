"""Walk-forward evaluation: every model, the same origins, later data only.

At each fold a model is trained on the rows before the cut (``Frame.before``: it is handed nothing else) and
predicts the fold's origins. The band of an origin is made from the errors known at that origin. The last fit and
those errors are kept: they are what serves. Whatever one candidate does (an exception, NaN, a killed trainer, no
memory), it is left out with the reason and the others go on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from forecaster.data.frames import Floats, Frame, Ints
from forecaster.data.windows import ForecastTask, paths, usable_origins
from forecaster.evaluation import conformal
from forecaster.evaluation.folds import Fold
from forecaster.evaluation.metrics import Score, block_bootstrap, mean_change, origin_errors, pinball, score
from forecaster.evaluation.selection import CandidateScores, ModelChoice, choose
from forecaster.models.candidates import COMBINATION, Candidate
from forecaster.models.combination import Combination, weighted, weights
from forecaster.models.model import Fitted, TrainingError
from qos.system.clock import Clock

COMBINED: Final = ("window_quantiles", "ridge", "lightgbm")
"""The models that a combination is the mean of, where they took part: what one is wrong about another may know."""

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
    """Of its error over naive's mean error: 1 + the interval of the difference over that mean."""
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


@dataclass(frozen=True, eq=False)
class ModelWalk:
    """What one candidate predicted, and its fits."""

    raw: Floats
    """(origins, horizon, 3)."""
    first_fitted: Fitted
    fitted: Fitted
    seconds: float


def evaluate(
    frame: Frame,
    task: ForecastTask,
    folds: Sequence[Fold],
    models: Sequence[Candidate],
    *,
    left_out: Mapping[str, str],
    clock: Clock,
    on_fit: OnFit = lambda model, fold, of: None,
    combine: bool = True,
    incumbent: str | None = None,
) -> Evaluation:
    """Walks every model over the folds, scores and chooses.

    Raises ValueError when there is no origin to score or no model is left.
    """
    starts = [usable_origins(frame, task, fold.cut - 1, fold.stop - 1) for fold in folds]
    member = np.concatenate([np.full(part.size, index) for index, part in enumerate(starts)])
    missing = dict(left_out)
    walks: dict[str, ModelWalk] = {}
    if any(part.size for part, fold in zip(starts, folds, strict=True) if fold.scored):
        walks, failed = walk_all(frame, task, folds, models, clock=clock, on_fit=on_fit)
        missing |= failed
    return assess(
        frame,
        task,
        np.concatenate(starts),
        member,
        walks,
        folds=folds,
        left_out=missing,
        combine=combine,
        incumbent=incumbent,
    )


def walk_all(
    frame: Frame,
    task: ForecastTask,
    folds: Sequence[Fold],
    models: Sequence[Candidate],
    *,
    clock: Clock,
    on_fit: OnFit = lambda model, fold, of: None,
) -> tuple[dict[str, ModelWalk], dict[str, str]]:
    """Every candidate's walk, and for those that failed the reason."""
    starts = [usable_origins(frame, task, fold.cut - 1, fold.stop - 1) for fold in folds]
    walks: dict[str, ModelWalk] = {}
    missing: dict[str, str] = {}
    for candidate in models:
        try:
            walk = _walk(frame, task, folds, starts, candidate, clock=clock, on_fit=on_fit)
        except Exception as error:  # one candidate's failure, whatever it is, is not the others'
            missing[candidate.name] = why_failed(error)
            continue
        if np.isfinite(walk.raw).all():
            walks[candidate.name] = walk
        else:
            missing[candidate.name] = NOT_FINITE
    return walks, missing


NOT_FINITE: Final = "predicts values that are not finite numbers"


def why_failed(error: Exception) -> str:
    """An exception in words: its own where it has some."""
    text = str(error).strip().splitlines()
    name = "out of memory" if isinstance(error, MemoryError) else type(error).__name__
    return (text[0] if isinstance(error, TrainingError) else f"{name}: {text[0]}") if text else name


def assess(
    frame: Frame,
    task: ForecastTask,
    origins: Ints,
    member: Ints,
    walks: Mapping[str, ModelWalk],
    *,
    folds: Sequence[Fold],
    left_out: Mapping[str, str],
    combine: bool = True,
    incumbent: str | None = None,
) -> Evaluation:
    """Bands, scores and the choice from what was predicted. ``member``: each origin's fold, 0 calibrates only.

    Raises ValueError when there is no origin to score or no model is left.
    """
    scored = member > 0
    if not scored.any():
        raise ValueError("no origin can be scored: gaps longer than the horizon leave no whole window")
    if not walks:
        raise ValueError("; ".join(f"{name}: {why}" for name, why in left_out.items()) or "no model was asked for")
    actual = paths(frame.target, origins, task.horizon)
    before = frame.before(int(origins[0]) + 1)
    floor = floor_of(before.target)
    window = window_for(task)
    change = mean_change(frame.before(int(origins[scored][0]) + 1).target)
    bands = {name: conformal.calibrate(origins, actual, walk.raw, window, floor) for name, walk in walks.items()}
    walks = dict(walks)
    names = tuple(name for name in COMBINED if name in walks)
    if combine and len(names) > 1:
        walks[COMBINATION] = combined = _combine(
            origins, actual, {name: walks[name] for name in names}, {name: bands[name] for name in names}
        )
        # Its members' bands are calibrated, and so is their mean: a second time would only make it wider.
        none = conformal.BandOffsets(np.zeros((task.horizon, 2)))
        bands[COMBINATION] = conformal.CalibratedBands(conformal.ordered(combined.raw, floor), none)
    # What is published is the banded path: everything is measured on that.
    errors = {name: origin_errors(actual[scored], band.banded[scored][:, :, 1]) for name, band in bands.items()}
    losses = {name: origin_losses(actual[scored], band.banded[scored]) for name, band in bands.items()}
    block = 2 * task.horizon
    parts = [member == number for number in np.unique(member[scored])]
    backtests: dict[str, ModelBacktest] = {}
    for name, walk in walks.items():
        banded = bands[name].banded
        reference = errors.get("naive", errors[name])
        interval = block_bootstrap(errors[name], reference, block, seed=task.seed)
        mean = float(np.nanmean(reference))
        relative = tuple(1 + bound / mean if mean > 0 else float("nan") for bound in interval[2:])
        backtests[name] = ModelBacktest(
            name,
            walk.raw,
            banded,
            bands[name].next,
            walk.fitted,
            walk.first_fitted,
            walk.seconds,
            score(actual[scored], banded[scored], change),
            interval[:2],
            (relative[0], relative[1]),
            tuple(float(np.nanmean(np.abs(actual - banded[:, :, 1])[part])) for part in parts),
            tuple(float(np.nanmean(pinball(actual, banded)[part])) for part in parts),
        )
    choice = choose(candidate_scores(backtests, losses, block, task.seed, incumbent), incumbent)
    return Evaluation(
        task, tuple(folds), origins, scored, actual, backtests, dict(left_out), choice, floor, window, frame.notes
    )


def candidate_scores(
    backtests: Mapping[str, ModelBacktest],
    losses: Mapping[str, Floats],
    block: int,
    seed: int,
    incumbent: str | None = None,
) -> dict[str, CandidateScores]:
    """What the rule looks at; ``losses`` are per origin. Differences are to naive, to the combination and to the model
    that serves."""
    against = [name for name in {"naive": 0, COMBINATION: 0, incumbent: 0} if name is not None and name in losses]
    return {
        name: CandidateScores(
            backtest.score.mae,
            float(np.nanmean(losses[name])),
            backtest.fold_loss,
            {
                other: block_bootstrap(losses[name], losses[other], block, seed=seed)[3]
                for other in against
                if other != name
            },
        )
        for name, backtest in backtests.items()
    }


def _combine(
    origins: Ints, actual: Floats, walks: Mapping[str, ModelWalk], bands: Mapping[str, conformal.CalibratedBands]
) -> ModelWalk:
    """The mean of these; at each origin their weights are made from what was known there."""
    # The first origins have no band yet: there a member is its own quantiles.
    parts = np.stack(
        [np.where(np.isnan(bands[name].banded), walk.raw, bands[name].banded) for name, walk in walks.items()]
    )
    horizon = actual.shape[1]
    known = np.searchsorted(origins, origins[:, None] - np.arange(1, horizon + 1), side="right")
    everything = np.full((1, horizon), origins.size)
    share = weights(parts, actual, np.concatenate([known, everything]))
    fitted = Combination(
        tuple(walks),
        tuple(walk.fitted for walk in walks.values()),
        tuple(bands[name].next.values for name in walks),
        share[:, -1],
    )
    return ModelWalk(weighted(parts, share[:, :-1]), fitted, fitted, 0.0)


def _walk(
    frame: Frame,
    task: ForecastTask,
    folds: Sequence[Fold],
    starts: Sequence[Ints],
    candidate: Candidate,
    *,
    clock: Clock,
    on_fit: OnFit,
) -> ModelWalk:
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
    return ModelWalk(np.concatenate(parts), first, fitted, spent / 1e9)


def origin_losses(actual: Floats, banded: Floats) -> Floats:
    """(origins,): mean quantile loss of each origin's path."""
    loss = pinball(actual, banded).mean(axis=2)
    count = (~np.isnan(loss)).sum(axis=1)
    result = np.full(count.shape, np.nan)
    np.divide(np.nansum(loss, axis=1), count, out=result, where=count > 0)
    return result


def _none(task: ForecastTask) -> Floats:
    return np.empty((0, task.horizon, 3))
