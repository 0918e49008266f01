"""The candidates by name: how each is trained, and why one may not take part."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from forecaster.data.frames import Frame
from forecaster.data.windows import ForecastTask
from forecaster.models.baselines import fit_naive, fit_seasonal_naive
from forecaster.models.ets import fit_ets, without_ets
from forecaster.models.hybrid import Hybrid, fit_hybrid
from forecaster.models.lstm import fit_lstm
from forecaster.models.model import Fitted, Trainer, TrainingError
from forecaster.models.ridge import fit_ridge
from qos.contract.config import ModelName

NAMES: Final[tuple[ModelName, ...]] = get_args(ModelName)
LEARNED: Final = frozenset({"lstm", "lstm_hybrid"})


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
) -> tuple[tuple[Candidate, ...], dict[str, str]]:
    """The models that can take part, and for each other name the reason it cannot.

    ``trainer`` is None where nothing can be trained, ``why_not`` says why. ``lstm_every``: the specified LSTM takes
    long and is trained at every such fold only.
    """
    found: list[Candidate] = []
    missing: dict[str, str] = {}
    for name in NAMES:
        if name not in names:
            continue
        if name in LEARNED and trainer is None:
            missing[name] = why_not
        elif name == "ets" and (lacking := without_ets()):
            missing[name] = lacking
        elif name == "seasonal_naive" and not task.seasons:
            missing[name] = "less than three seasons of history"
        else:
            found.append(_candidate(name, trainer, lstm_every, hybrid_every))
    return tuple(found), missing


def _candidate(name: str, trainer: Trainer | None, lstm_every: int, hybrid_every: int) -> Candidate:
    if name == "lstm":
        assert trainer is not None
        known = trainer
        return Candidate(name, lambda train, task, before: fit_lstm(train, task, known), lstm_every)
    if name == "lstm_hybrid":
        assert trainer is not None
        kept = trainer

        def hybrid(train: Frame, task: ForecastTask, before: Fitted | None) -> Fitted:
            return fit_hybrid(train, task, kept, before if isinstance(before, Hybrid) else None)

        return Candidate(name, hybrid, hybrid_every)
    simple: dict[str, Callable[[Frame, ForecastTask], Fitted]] = {
        "naive": fit_naive,
        "seasonal_naive": fit_seasonal_naive,
        "ets": fit_ets,
        "ridge": _ridge,
    }
    fit = simple[name]
    return Candidate(name, lambda train, task, before: fit(train, task))


def _ridge(train: Frame, task: ForecastTask) -> Fitted:
    try:
        return fit_ridge(train, task)
    except ValueError as error:
        raise TrainingError(str(error)) from None
