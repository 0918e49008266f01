"""One whole round: read, train, score, publish. Everything is written at once at the end, so a round that is
interrupted leaves the last forecast in place.

Training takes minutes and a fine grid's horizon may be two: the forecast is therefore made after all training, from
the newest measurements (``publish``), which is also all that happens between rounds (``refresh``).
"""

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from forecaster.data.frames import Frame
from forecaster.data.series import HostFrames, SeriesId, choose_grid, default_series, hosts
from forecaster.evaluation.backtest import Evaluation, evaluate
from forecaster.evaluation.folds import TooShortError
from forecaster.evaluation.realised import realised_scores
from forecaster.evaluation.task import plan
from forecaster.models.baselines import Naive
from forecaster.models.candidates import Candidate, candidates
from forecaster.models.model import Trainer, TrainingError
from forecaster.serving import artifact
from forecaster.serving.artifact import ServedModel
from forecaster.serving.points import apart, forecast_points, saturation, score_points, unavailable
from forecaster.serving.serve import NoForecastError, Prediction, predict, rows_needed
from forecaster.training.keras_trainer import unavailable as why_untrained
from qos.contract.config import Config
from qos.contract.points import Event, Point
from qos.store import Store
from qos.system.clock import Clock

log = logging.getLogger("forecaster")

FOLDER: Final = "forecast"
"""Below the data directory: models, and what was announced."""
FORGET_NS: Final = 7 * 86_400 * 10**9
"""A model whose series was not trained for so long is removed."""
LOOK_BACK_NS: Final = 28 * 86_400 * 10**9

OnStep = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class SeriesResult:
    """What became of one series."""

    series: SeriesId
    frame: Frame | None = None
    evaluation: Evaluation | None = None
    prediction: Prediction | None = None
    reason: str | None = None
    """Why there is no forecast."""
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Round:
    """What a round did."""

    results: tuple[SeriesResult, ...]
    events: tuple[Event, ...]
    written: int
    seconds: float
    grids_ns: Mapping[str, int] = field(default_factory=dict)
    """By host."""


def run_round(
    store: Store,
    config: Config,
    folder: Path,
    clock: Clock,
    *,
    only: Sequence[str] | None = None,
    trainer: Trainer | None = None,
    on_step: OnStep = lambda text: None,
) -> Round:
    """Trains and scores every series of every host, then publishes. ``trainer`` None: baselines only.

    Raises StoreUnavailable; nothing is written then.
    """
    began_ns = clock.monotonic_ns()
    now_ns = clock.wall_ns()
    found: list[SeriesResult] = []
    grids: dict[str, int] = {}
    for host in hosts(store, max(0, now_ns - LOOK_BACK_NS), now_ns):
        settings = config.forecast
        grid = settings.grid
        if grid == "auto":
            grid = choose_grid(store, host, now_ns, interval_ns=config.interval, min_history=settings.min_history)
        grids[host] = grid
        frames = HostFrames(store, host, grid, now_ns)
        for series in default_series(store, host, now_ns, settings.top_apps):
            if only is None or series.name in only:
                on_step(series.name)
                frame = frames.frame(series)
                found.append(_train(series, frame, config, folder, clock=clock, trainer=trainer, on_step=on_step))
    results, points, events = publish(store, config, folder, clock, found)
    return Round(results, events, len(points), (clock.monotonic_ns() - began_ns) / 1e9, grids)


def refresh(store: Store, config: Config, folder: Path, clock: Clock) -> Round:
    """A new forecast from the models of the last round: no training, no TensorFlow."""
    began_ns = clock.monotonic_ns()
    results, points, events = publish(store, config, folder, clock, ())
    return Round(results, events, len(points), (clock.monotonic_ns() - began_ns) / 1e9)


def publish(
    store: Store, config: Config, folder: Path, clock: Clock, trained: Sequence[SeriesResult]
) -> tuple[tuple[SeriesResult, ...], Sequence[Point], tuple[Event, ...]]:
    """Predicts every series that has a model, compares earlier forecasts with what came, and writes it all at once."""
    now_ns = clock.wall_ns()
    by_series = {outcome.series: outcome for outcome in trained}
    points: list[Point] = []
    events: list[Event] = []
    refused = {series: outcome.reason for series, outcome in by_series.items() if outcome.reason is not None}
    shared: dict[tuple[str, int], HostFrames] = {}
    for served in _models(folder, now_ns):
        series = SeriesId(served.host, served.series)
        if series in refused:
            continue
        steps = max(rows_needed(served.task), 86_400 * 10**9 // served.task.step_ns)
        key = (served.host, served.task.step_ns)
        frames = shared.setdefault(key, HostFrames(store, served.host, served.task.step_ns, now_ns, steps))
        frame = frames.frame(series)
        before = by_series.get(series, SeriesResult(series))
        try:
            prediction = predict(served, frame)
        except NoForecastError as error:
            refused[series] = str(error)
            by_series[series] = SeriesResult(series, before.frame, before.evaluation, None, str(error), before.seconds)
            continue
        by_series[series] = SeriesResult(series, before.frame, before.evaluation, prediction, None, before.seconds)
        points += forecast_points(series, prediction, now_ns)
        points += realised_scores(store, series, frame, now_ns)
        if before.evaluation is not None:
            points += score_points(series, before.evaluation, now_ns)
        if event := saturation(series, prediction, config.link, now_ns):
            events.append(event)
    announced = _AnnouncedGaps(folder)
    events += [unavailable(series, reason, now_ns) for series, reason in refused.items() if announced.is_news(series)]
    events = list(apart(events))
    store.write([*points, *events])
    announced.keep(refused)
    return tuple(by_series.values()), [*points, *events], tuple(events)


def _train(
    series: SeriesId,
    frame: Frame,
    config: Config,
    folder: Path,
    *,
    clock: Clock,
    trainer: Trainer | None,
    on_step: OnStep,
) -> SeriesResult:
    """Scores every model on one series and keeps the one that serves."""
    began_ns = clock.monotonic_ns()
    try:
        evaluation, served = _evaluate(series, frame, config, clock=clock, trainer=trainer, on_step=on_step)
    except (TooShortError, NoForecastError, ValueError) as error:
        artifact.path_of(folder, series.host, series.name).unlink(missing_ok=True)
        return SeriesResult(series, frame, reason=str(error), seconds=(clock.monotonic_ns() - began_ns) / 1e9)
    artifact.save(folder, served)
    log.info("%s: %s (%d steps of %d s)", series.name, evaluation.choice.reason, frame.rows, frame.step_ns // 10**9)
    return SeriesResult(series, frame, evaluation, seconds=(clock.monotonic_ns() - began_ns) / 1e9)


def _evaluate(
    series: SeriesId, frame: Frame, config: Config, *, clock: Clock, trainer: Trainer | None, on_step: OnStep
) -> tuple[Evaluation, ServedModel]:
    settings = config.forecast
    measured = int((frame.target == frame.target).sum())
    if measured < settings.min_history:
        raise NoForecastError(
            f"{measured} measured steps of {frame.step_ns // 10**9} s, {settings.min_history} are needed"
        )
    planned = plan(
        frame, horizon=settings.horizon, sequence=settings.sequence, folds=settings.folds, seed=settings.seed
    )
    # One training of the specified LSTM per round: it takes longer than all others together.
    chosen, missing = candidates(
        settings.models,
        planned.task,
        trainer,
        why_untrained() or "no training was asked for",
        lstm_every=len(planned.folds),
        hybrid_every=3,
    )
    evaluation = evaluate(
        frame,
        planned.task,
        planned.folds,
        chosen,
        left_out=missing,
        clock=clock,
        on_fit=lambda model, fold, of: on_step(f"{series.name}: {model}"),
    )
    winner = next(candidate for candidate in chosen if candidate.name == evaluation.choice.model)
    return evaluation, _final(series, frame, evaluation, winner)


def _final(series: SeriesId, frame: Frame, evaluation: Evaluation, winner: Candidate) -> ServedModel:
    """The winner trained on everything, and its band from all errors of the walk."""
    backtest = evaluation.backtests[winner.name]
    try:
        fitted = winner.fit(frame, evaluation.task, backtest.fitted)
    except TrainingError as error:
        log.warning("%s: %s keeps its last fold's weights: %s", series.name, winner.name, error)
        fitted = backtest.fitted
    naive = evaluation.backtests.get("naive", backtest)
    simple = [evaluation.backtests[name] for name in ("naive", "seasonal_naive") if name in evaluation.backtests]
    best = min(simple, key=lambda t: t.score.mae).fitted if simple else Naive(evaluation.task)
    return ServedModel(
        series.host,
        series.name,
        winner.name,
        fitted,
        backtest.shifts,
        naive.shifts,
        best,
        evaluation.task,
        evaluation.floor,
        frame.time_ns(frame.rows),
    )


def _models(folder: Path, now_ns: int) -> Sequence[ServedModel]:
    """Every model in the folder that can be read; those of series that were not trained for long are removed."""
    found = []
    for path in sorted(folder.glob("*.npz")):
        served = artifact.load(path)
        if served is None or now_ns - served.trained_ns > FORGET_NS:
            log.info("%s: removed: %s", path.name, "cannot be read" if served is None else "not trained for a week")
            path.unlink(missing_ok=True)
        else:
            found.append(served)
    return found


class _AnnouncedGaps:
    """Which series were said to have no forecast: once is enough."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "unavailable.json"
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
            self._known = {str(name) for name in known} if isinstance(known, list) else set()
        except (OSError, ValueError):
            self._known = set()

    def is_news(self, series: SeriesId) -> bool:
        return f"{series.host}/{series.name}" not in self._known

    def keep(self, refused: Mapping[SeriesId, str | None]) -> None:
        names = sorted(f"{series.host}/{series.name}" for series in refused)
        if set(names) == self._known:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        draft.write_text(json.dumps(names), encoding="utf-8")
        draft.replace(self._path)
