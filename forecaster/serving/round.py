"""One whole round: for each series read, judge, choose, train what is due, and publish at once.

A round that is interrupted leaves the last forecast of every series in place and goes on later with those that are
left (``journal``). Applications come before the host, so that who is expected to fill the line is known when that is
said. Between rounds the served models forecast from the newest measurements without training (``refresh``).
"""

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from forecaster.data.frames import Frame
from forecaster.data.series import (
    LONG_HORIZON,
    LONG_STEP_NS,
    HostFrames,
    SeriesId,
    choose_grid,
    default_series,
    hosts,
    long_series,
)
from forecaster.evaluation.backtest import Evaluation, why_failed
from forecaster.evaluation.folds import TooShortError
from forecaster.evaluation.realised import realised_scores
from forecaster.models.model import Trainer
from forecaster.serving import artifact
from forecaster.serving.artifact import ServedModel
from forecaster.serving.journal import RoundJournal
from forecaster.serving.points import apart, forecast_points, saturation, score_points, unavailable
from forecaster.serving.serve import NoForecastError, Prediction, predict, rows_needed
from forecaster.serving.update import update
from forecaster.training.keras_trainer import unavailable as why_untrained
from qos.contract.config import Config, ForecastConfig
from qos.contract.points import Event, Point
from qos.store import Store
from qos.system.clock import Clock

log = logging.getLogger("forecaster")

FOLDER: Final = "forecast"
"""Below the data directory: models, and what was said."""
FORGET_NS: Final = 7 * 86_400 * 10**9
"""A model whose series was not trained for so long is removed."""
LOOK_BACK_NS: Final = 28 * 86_400 * 10**9
DAY_NS: Final = 86_400 * 10**9

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
    resumed: int = 0
    """Series that an interrupted round had done before."""
    postponed: str = ""
    """Why the rest was left for later; empty: all was done."""


def run_round(
    store: Store,
    config: Config,
    folder: Path,
    clock: Clock,
    *,
    only: Sequence[str] | None = None,
    trainer: Trainer | None = None,
    networks: bool = True,
    postpone: Callable[[], str | None] = lambda: None,
    on_step: OnStep = lambda text: None,
) -> Round:
    """Judges, trains and publishes every series of every host, one after the other. ``trainer`` None: no networks.

    ``networks``: they may be trained now. ``postpone`` is asked before each series and says why the rest should wait.
    Raises StoreUnavailable; what was published before stays.
    """
    began_ns = clock.monotonic_ns()
    now_ns = clock.wall_ns()
    settings = config.forecast
    journal = RoundJournal(folder, "networks" if networks else "round", now_ns, resume_ns=settings.every)
    announced = _AnnouncedGaps(folder)
    results: dict[SeriesId, SeriesResult] = {}
    events: list[Event] = []
    grids: dict[str, int] = {}
    written = resumed = 0
    postponed: str | None = None
    for host in hosts(store, max(0, now_ns - LOOK_BACK_NS), now_ns):
        grid = settings.grid
        if grid == "auto":
            grid = choose_grid(store, host, now_ns, interval_ns=config.interval, min_history=settings.min_history)
        grids[host] = grid
        frames = HostFrames(store, host, grid, now_ns)
        hours = HostFrames(store, host, LONG_STEP_NS, now_ns)
        there = default_series(store, host, now_ns, settings.top_apps)
        # The hours need a history of their own: until there is one, they are left out without a word.
        further = [one for one in long_series(there) if _long_enough(hours.frame(one))] if grid < LONG_STEP_NS else []
        wanted = [one for one in (*there, *further) if only is None or one.name in only]
        for series in sorted(wanted, key=lambda one: (one.kind != "app", one.is_long)):
            key = f"{series.host}/{series.name}"
            if only is None and key in journal.done:
                resumed += 1
                continue
            if (postponed := postponed or postpone()) is not None:
                continue
            on_step(series.name)
            result, served = _forecast(
                series,
                (hours if series.is_long else frames).frame(series),
                _settings_for(series, settings),
                folder,
                clock=clock,
                trainer=trainer,
                networks=networks,
                journal=journal,
                on_step=on_step,
            )
            result, points, said = _publish(store, config, folder, result, clock=clock, others=results, served=served)
            said = list(apart(said, len(events)))
            store.write([*points, *said])
            announced.keep(series, result.reason)
            journal.finished_series(series)
            results[series] = result
            events += said
            written += len(points) + len(said)
    if postponed is None:
        journal.finish()
    else:
        journal.interrupted()
    order = sorted(results, key=lambda one: (one.host, one.kind == "app"))
    return Round(
        tuple(results[series] for series in order),
        tuple(events),
        written,
        (clock.monotonic_ns() - began_ns) / 1e9,
        grids,
        resumed,
        postponed or "",
    )


def refresh(store: Store, config: Config, folder: Path, clock: Clock) -> Round:
    """A new forecast from the models of the last round: no training, no TensorFlow. Raises StoreUnavailable."""
    began_ns = clock.monotonic_ns()
    now_ns = clock.wall_ns()
    announced = _AnnouncedGaps(folder)
    results: dict[SeriesId, SeriesResult] = {}
    events: list[Event] = []
    written = 0
    models = sorted(_models(folder, now_ns), key=lambda one: not one.series.startswith("app:"))
    shared: dict[tuple[str, int, int], HostFrames] = {}
    for served in models:
        series = SeriesId(served.host, served.series)
        step_ns = served.task.step_ns
        key = (served.host, step_ns, max(rows_needed(served), DAY_NS // step_ns))
        frames = shared.setdefault(key, HostFrames(store, served.host, step_ns, now_ns, key[2]))
        one = SeriesResult(series, frames.frame(series))
        result, points, said = _publish(store, config, folder, one, clock=clock, others=results, served=served)
        said = list(apart(said, len(events)))
        store.write([*points, *said])
        announced.keep(series, result.reason)
        results[series] = result
        events += said
        written += len(points) + len(said)
    return Round(tuple(results.values()), tuple(events), written, (clock.monotonic_ns() - began_ns) / 1e9)


def _publish(
    store: Store,
    config: Config,
    folder: Path,
    result: SeriesResult,
    *,
    clock: Clock,
    others: Mapping[SeriesId, SeriesResult],
    served: ServedModel | None = None,
) -> tuple[SeriesResult, list[Point], list[Event]]:
    """Predicts one series and compares earlier forecasts with what came. Raises StoreUnavailable."""
    now_ns = clock.wall_ns()
    series, frame = result.series, result.frame
    points: list[Point] = []
    events: list[Event] = []
    announced = _AnnouncedGaps(folder)
    if result.reason is None and frame is not None:
        served = served or artifact.load(artifact.path_of(folder, series.host, series.name))
        try:
            if served is None:
                raise NoForecastError("its model cannot be read")
            if frame.time_ns(frame.rows) + frame.step_ns < now_ns:
                # Training took longer than a step: what was measured meanwhile counts.
                steps = max(rows_needed(served), DAY_NS // frame.step_ns)
                frame = HostFrames(store, series.host, frame.step_ns, now_ns, steps).frame(series)
            prediction = predict(served, frame)
        except NoForecastError as error:
            result = replace(result, reason=str(error))
        else:
            result = replace(result, prediction=prediction)
            points += forecast_points(series, prediction, now_ns)
            points += realised_scores(store, series, frame, now_ns)
            known = {one.series.name: one for one in others.values() if one.series.host == series.host}
            if event := saturation(series, prediction, config.link, now_ns, known):
                events.append(event)
    if result.evaluation is not None:
        points += score_points(series, result.evaluation, now_ns)
    if result.reason is not None and announced.is_news(series):
        events.append(unavailable(series, result.reason, now_ns))
    return result, points, events


def _forecast(
    series: SeriesId,
    frame: Frame,
    settings: ForecastConfig,
    folder: Path,
    *,
    clock: Clock,
    trainer: Trainer | None,
    networks: bool,
    journal: RoundJournal,
    on_step: OnStep,
) -> tuple[SeriesResult, ServedModel | None]:
    """Judges and trains one series and keeps its state; with the model that serves it now."""
    began_ns = clock.monotonic_ns()
    path = artifact.path_of(folder, series.host, series.name)

    def on_model(model: str) -> None:
        journal.trying(series, model)
        on_step(f"{series.name}: {model}")

    try:
        evaluation, state = update(
            series,
            frame,
            settings,
            artifact.load_state(path),
            trainer=trainer,
            why_untrained=why_untrained() or "no training was asked for",
            networks=networks,
            clock=clock,
            barred=journal.barred(series),
            on_model=on_model,
        )
    except (TooShortError, NoForecastError, ValueError) as error:
        path.unlink(missing_ok=True)
        spent = (clock.monotonic_ns() - began_ns) / 1e9
        return SeriesResult(series, frame, reason=str(error), seconds=spent), None
    except Exception as error:  # one series' trouble is not the others': said, and the last model stays
        log.exception("%s: the round failed", series.name)
        reason = None if path.exists() else f"nothing could be evaluated ({why_failed(error)})"
        return SeriesResult(series, frame, reason=reason, seconds=(clock.monotonic_ns() - began_ns) / 1e9), None
    try:
        artifact.save(folder, state)
    except OSError as error:  # the forecast is published all the same; the next round begins anew
        log.error("%s: its models cannot be kept: %s", series.name, error)
    log.info("%s: %s (%d steps of %d s)", series.name, evaluation.choice.reason, frame.rows, frame.step_ns // 10**9)
    for model, why in evaluation.left_out.items():
        log.debug("%s: %s took no part: %s", series.name, model, why)
    spent = (clock.monotonic_ns() - began_ns) / 1e9
    return SeriesResult(series, frame, evaluation, seconds=spent), state.served


LONG_MODELS: Final = ("naive", "seasonal_naive", "window_quantiles", "ridge", "lightgbm", "combination")
"""For the hours of the next two days: what knows the time of day and is cheap."""
LONG_LEAST: Final = 384
"""Hours of history: sixteen days. Five folds of 48 hours need 372 (``folds.walk_forward``)."""


def _long_enough(frame: Frame) -> bool:
    return int((frame.target == frame.target).sum()) >= LONG_LEAST


def _settings_for(series: SeriesId, settings: ForecastConfig) -> ForecastConfig:
    if not series.is_long:
        return settings
    models = tuple(name for name in settings.models if name in LONG_MODELS)
    return settings.model_copy(update={"horizon": LONG_HORIZON, "models": models, "min_history": LONG_LEAST})


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

    def keep(self, series: SeriesId, reason: str | None) -> None:
        key = f"{series.host}/{series.name}"
        if (reason is not None) == (key in self._known):
            return
        self._known ^= {key}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        draft.write_text(json.dumps(sorted(self._known)), encoding="utf-8")
        draft.replace(self._path)
