"""One series in one round: judge every candidate by what it predicted, choose, and train again what is due.

The first time (or when the grid, the horizon or the seasons changed) every candidate walks over the past. After that
the fits of the last round predict the origins that came since, and only those are added to what is scored.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from forecaster.data.frames import Frame
from forecaster.data.series import SeriesId
from forecaster.data.windows import ForecastTask, usable_origins
from forecaster.evaluation.backtest import NOT_FINITE, Evaluation, ModelWalk, assess, walk_all, why_failed
from forecaster.evaluation.prequential import PredictionLog, at_origins, common_origins, log_of, parts_of
from forecaster.evaluation.task import BacktestPlan, plan
from forecaster.evaluation.worth import HOUR_NS, is_due
from forecaster.models.baselines import Naive
from forecaster.models.candidates import COMBINATION, Candidate, candidates, cost_of
from forecaster.models.combination import Combination
from forecaster.models.model import Fitted, Trainer, TrainingError
from forecaster.serving.artifact import CandidateState, SeriesState, ServedModel
from forecaster.serving.serve import NoForecastError
from qos.contract.config import ForecastConfig
from qos.system.clock import Clock

MODERATE_EVERY = 3
"""In the first walk ETS and trees are trained at every third fold, between them their last fit predicts."""
FAILED_NS = 24 * HOUR_NS
"""A candidate that failed is tried again after a day."""
LEAST_COMMON = 60
"""Origins that a candidate must share with the others to be compared."""

OnModel = Callable[[str], None]


def update(
    series: SeriesId,
    frame: Frame,
    settings: ForecastConfig,
    before: SeriesState | None,
    *,
    trainer: Trainer | None,
    why_untrained: str,
    networks: bool,
    clock: Clock,
    barred: Mapping[str, str],
    on_model: OnModel,
) -> tuple[Evaluation, SeriesState]:
    """The evaluation and the state after this round. ``networks``: they may be trained now. ``barred``: candidates that
    must not be tried, with the reason.

    Raises NoForecastError and TooShortError when there is nothing to say.
    """
    frame = frame.trimmed()
    measured = int((~np.isnan(frame.target)).sum())
    if measured < settings.min_history:
        step_s = frame.step_ns // 10**9
        raise NoForecastError(f"{measured} measured steps of {step_s} s, {settings.min_history} are needed")
    planned = plan(
        frame, horizon=settings.horizon, sequence=settings.sequence, folds=settings.folds, seed=settings.seed
    )
    task = planned.task
    state = before if before is not None and before.served.task == task else None
    names = ("naive", *(name for name in settings.models if name != "naive"))
    every = len(planned.folds)
    possible, missing = candidates(
        names, task, trainer, why_untrained, lstm_every=every, hybrid_every=3, moderate_every=MODERATE_EVERY
    )
    now_ns = frame.time_ns(frame.rows)
    failed_ns = {name: at for name, at in (state.failed_ns if state else {}).items() if now_ns - at < FAILED_NS}
    found, missing = _allowed(possible, missing, barred, failed_ns)
    known, failures = _continued(state, frame, task, found)
    fresh = [
        one
        for one in found
        if one.name not in known and one.name not in failures and (networks or cost_of(one.name) != "network")
    ]
    missing |= {
        one.name: "networks are trained once a day, at a quiet time"
        for one in found
        if one.name not in known and cost_of(one.name) == "network" and not networks
    }
    walks, failed = walk_all(
        frame, task, planned.folds, fresh, clock=clock, on_fit=lambda model, fold, of: on_model(model)
    )
    failures |= failed
    logs = {name: one.log for name, one in known.items()} | {
        name: log_of(frame, _origins_of(frame, planned), walk.raw) for name, walk in walks.items()
    }
    fits = {name: one.fitted for name, one in known.items()} | {name: walk.fitted for name, walk in walks.items()}
    origins, logs, apart = _comparable(logs, frame, planned.folds[0].cut - 1)
    failures |= apart
    evaluation = assess(
        frame,
        task,
        origins,
        parts_of(origins.size, settings.folds),
        {
            name: ModelWalk(
                at_origins(log, frame, origins),
                walks[name].first_fitted if name in walks else fits[name],
                fits[name],
                walks[name].seconds if name in walks else known[name].seconds,
            )
            for name, log in logs.items()
        },
        folds=planned.folds,
        left_out=missing | failures,
        combine=COMBINATION in settings.models,
        incumbent=state.served.model if state else None,
    )
    choice = evaluation.choice.model
    serving = set(_members(evaluation, choice))
    losses = {name: float(np.mean(one.fold_loss)) for name, one in evaluation.backtests.items()}
    newest = usable_origins(frame, task, frame.rows - 1, frame.rows, future=False)
    refitted: dict[str, CandidateState] = {}
    for one in found:
        if one.name not in logs:
            continue
        ratio = losses[one.name] / losses[choice] if losses[choice] > 0 else 1.0
        old = known.get(one.name)
        fitted, at_ns, spent = fits[one.name], old.fitted_ns if old else 0, evaluation.backtests[one.name].train_seconds
        serves = one.name in serving
        if old is None and cost_of(one.name) == "network":
            # The walk has just trained it, up to its last fold: only what serves is worth another minute now.
            due = serves
        else:
            due = is_due(one.name, age_ns=now_ns - at_ns, serves=serves, loss_ratio=ratio, networks=networks)
        if due:
            on_model(one.name)
            began_ns = clock.monotonic_ns()
            try:
                new = one.fit(frame, task, fitted)
                if not np.isfinite(new.predict(frame, newest)).all():
                    raise TrainingError(NOT_FINITE)
                fitted, at_ns = new, now_ns
            except Exception as error:  # its last weights go on
                failures[one.name] = why_failed(error)
            spent += (clock.monotonic_ns() - began_ns) / 1e9
        refitted[one.name] = CandidateState(fitted, at_ns or now_ns, logs[one.name], spent, ratio)
    failed_ns |= {name: now_ns for name in failures if name not in refitted}
    served = _served(series, evaluation, {name: one.fitted for name, one in refitted.items()}, now_ns)
    evaluation = replace(evaluation, left_out=missing | failures)
    return evaluation, SeriesState(served, refitted, failed_ns)


def _allowed(
    found: tuple[Candidate, ...], missing: dict[str, str], barred: Mapping[str, str], failed_ns: Mapping[str, int]
) -> tuple[list[Candidate], dict[str, str]]:
    missing = missing | {one.name: barred[one.name] for one in found if one.name in barred}
    missing |= {one.name: "failed within the last day" for one in found if one.name in failed_ns}
    return [one for one in found if one.name not in missing or one.name == "naive"], missing


def _continued(
    state: SeriesState | None, frame: Frame, task: ForecastTask, found: list[Candidate]
) -> tuple[dict[str, CandidateState], dict[str, str]]:
    """Each candidate of the last round with its predictions of the origins since; and those that failed at it."""
    if state is None:
        return {}, {}
    known: dict[str, CandidateState] = {}
    failures: dict[str, str] = {}
    for one in found:
        old = state.candidates.get(one.name)
        if old is None or old.log.origins_ns.size == 0:
            continue
        # The fit has seen nothing after ``fitted_ns``: its first own origin is the last step before that.
        after = (max(int(old.log.origins_ns[-1]) + 1, old.fitted_ns - frame.step_ns) - frame.start_ns) // frame.step_ns
        first = max(int(after), 0)
        # Up to the newest: what follows them is not known yet, and will be scored when it is.
        origins = usable_origins(frame, task, first, frame.rows, future=False)
        origins = origins[frame.start_ns + origins * frame.step_ns > old.log.origins_ns[-1]]
        try:
            raw = old.fitted.predict(frame, origins) if origins.size else np.empty((0, task.horizon, 3))
        except Exception as error:
            failures[one.name] = why_failed(error)
            continue
        if not np.isfinite(raw).all():
            failures[one.name] = NOT_FINITE
            continue
        known[one.name] = replace(old, log=old.log.extended(frame.start_ns + origins * frame.step_ns, raw))
    return known, failures


def _origins_of(frame: Frame, planned: BacktestPlan) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.concatenate([usable_origins(frame, planned.task, f.cut - 1, f.stop - 1) for f in planned.folds])


def _comparable(
    logs: dict[str, PredictionLog], frame: Frame, first: int
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], dict[str, PredictionLog], dict[str, str]]:
    """The origins that all have in common; a candidate that shares too few with naive is left out."""
    apart: dict[str, str] = {}
    if "naive" in logs:
        alone = common_origins({"naive": logs["naive"]}, frame, first).size
        for name in [name for name in logs if name != "naive"]:
            shared = common_origins({"naive": logs["naive"], name: logs[name]}, frame, first).size
            if shared < min(LEAST_COMMON, alone):
                apart[name] = f"only {shared} of its predictions can be compared"
    kept = {name: log for name, log in logs.items() if name not in apart}
    return common_origins(kept, frame, first), kept, apart


def _members(evaluation: Evaluation, name: str) -> tuple[str, ...]:
    fitted = evaluation.backtests[name].fitted
    return fitted.names if isinstance(fitted, Combination) else (name,)


def _served(series: SeriesId, evaluation: Evaluation, fits: Mapping[str, Fitted], now_ns: int) -> ServedModel:
    """The chosen model with its newest fit, its band, and naive beside it."""
    choice = evaluation.choice
    chosen = evaluation.backtests[choice.model]
    fitted: Fitted = fits.get(choice.model, chosen.fitted)
    if isinstance(chosen.fitted, Combination):
        names = chosen.fitted.names
        members = tuple(fits.get(name, evaluation.backtests[name].fitted) for name in names)
        fitted = replace(chosen.fitted, members=members)
    naive = evaluation.backtests.get("naive", chosen)
    simple = [evaluation.backtests[name] for name in ("naive", "seasonal_naive") if name in evaluation.backtests]
    best = min(simple, key=lambda one: one.score.mae).fitted if simple else Naive(evaluation.task)
    return ServedModel(
        series.host,
        series.name,
        choice.model,
        fitted,
        chosen.shifts,
        naive.shifts,
        best,
        evaluation.task,
        evaluation.floor,
        now_ns,
        choice.reason,
    )
