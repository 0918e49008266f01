"""The candidates by name: how each is trained, what it costs, and why one may not take part."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from forecaster.data.frames import Frame
from forecaster.data.windows import ForecastTask
from forecaster.models.baselines import fit_naive, fit_seasonal_naive
from forecaster.models.ets import fit_ets, without_ets
from forecaster.models.gradient_boosting import fit_gradient_boosting
from forecaster.models.hybrid import Hybrid, fit_hybrid
from forecaster.models.lstm import fit_lstm
from forecaster.models.model import Fitted, Trainer, TrainingError
from forecaster.models.ridge import fit_ridge
from forecaster.models.window_quantiles import fit_window_quantiles
from qos.contract.config import ModelName

NAMES: Final[tuple[ModelName, ...]] = get_args(ModelName)
COMBINATION: Final = "combination"
"""Made of the others, never trained by itself."""

Cost = Literal["cheap", "moderate", "network"]
COSTS: Final[dict[str, Cost]] = {"ets": "moderate", "lightgbm": "moderate", "lstm": "network", "lstm_hybrid": "network"}
"""Cheap: a tenth of a second; moderate: a second or two; a network: a minute and a process of its own."""


def cost_of(name: str) -> Cost:
    """What training it once takes."""
    return COSTS.get(name, "cheap")


@dataclass(frozen=True)
class Candidate:
    """A model that can be trained. ``fit(train, task, before)``: ``before`` is its fit on an earlier part, or None."""

    name: str
    fit: Callable[[Frame, ForecastTask, Fitted | None], Fitted]
    refit_every: int = 1
    """Trained anew at every such fold, in between its last weights serve."""


def candidates(
    names: Sequence[str],
    task: ForecastTask,
    trainer: Trainer | None,
    why_not: str,
    *,
    lstm_every: int = 1,
    hybrid_every: int = 1,
    moderate_every: int = 1,
) -> tuple[tuple[Candidate, ...], dict[str, str]]:
    """The models that can take part, and for each other name the reason it cannot.

    ``trainer`` is None where nothing can be trained, ``why_not`` says why. ``…_every``: what takes long is trained at
    every such fold only.
    """
    found: list[Candidate] = []
    missing: dict[str, str] = {}
    for name in NAMES:
        if name not in names or name == COMBINATION:
            continue
        if cost_of(name) == "network" and trainer is None:
            missing[name] = why_not
        elif name == "ets" and (lacking := without_ets()):
            missing[name] = lacking
        elif name == "lightgbm" and importlib.util.find_spec("lightgbm") is None:
            missing[name] = "LightGBM is not installed (pip install 'autoqos[forecast]')"
        elif name == "seasonal_naive" and not task.seasons:
            missing[name] = "less than three seasons of history"
        else:
            every = {"lstm": lstm_every, "lstm_hybrid": hybrid_every}.get(
                name, moderate_every if cost_of(name) == "moderate" else 1
            )
            found.append(Candidate(name, _fit_of(name, trainer), every))
    return tuple(found), missing


def _fit_of(name: str, trainer: Trainer | None) -> Callable[[Frame, ForecastTask, Fitted | None], Fitted]:
    if name in ("lstm", "lstm_hybrid"):
        assert trainer is not None
        known = trainer
        if name == "lstm":
            return lambda train, task, before: fit_lstm(train, task, known)
        return lambda train, task, before: fit_hybrid(
            train, task, known, before if isinstance(before, Hybrid) else None
        )
    simple: dict[str, Callable[[Frame, ForecastTask], Fitted]] = {
        "naive": fit_naive,
        "seasonal_naive": fit_seasonal_naive,
        "window_quantiles": fit_window_quantiles,
        "ets": fit_ets,
        "ridge": _ridge,
        "lightgbm": fit_gradient_boosting,
    }
    fit = simple[name]
    return lambda train, task, before: fit(train, task)


def _ridge(train: Frame, task: ForecastTask) -> Fitted:
    try:
        return fit_ridge(train, task)
    except ValueError as error:
        raise TrainingError(str(error)) from None
