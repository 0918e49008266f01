"""What every candidate predicted before it could know: kept from round to round, so that nothing is evaluated twice.

"Prequential" (Dawid 1984): a model is judged by the predictions that it made, each before its outcome was seen. The
first evaluation of a series walks over the past and trains anew at every fold (``backtest``). From then on the models
of the last round predict the origins that came since, and only these are added; a round costs one fit of what is due
instead of six of everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from forecaster.data.frames import Floats, Frame, Ints

LONGEST: Final = 3000
"""Origins kept per candidate, newest first."""


@dataclass(frozen=True, eq=False)
class PredictionLog:
    """Predictions by the time of their origin, ascending: ``raw`` is (origins, horizon, 3), before any band."""

    origins_ns: Ints
    raw: Floats

    def extended(self, origins_ns: Ints, raw: Floats) -> "PredictionLog":
        """With predictions of later origins; the oldest go where there are too many."""
        later = origins_ns > (self.origins_ns[-1] if self.origins_ns.size else -1)
        stamps = np.concatenate([self.origins_ns, origins_ns[later]])[-LONGEST:]
        return PredictionLog(stamps, np.concatenate([self.raw, raw[later]])[-LONGEST:])


def log_of(frame: Frame, origins: Ints, raw: Floats) -> PredictionLog:
    """The log of predictions at these rows."""
    return PredictionLog(frame.start_ns + origins * frame.step_ns, raw)


def common_origins(logs: Mapping[str, PredictionLog], frame: Frame, first_row: int) -> Ints:
    """Rows of the frame from ``first_row`` on at which every candidate has predicted, ascending."""
    common: Ints | None = None
    for log in logs.values():
        common = log.origins_ns if common is None else np.intersect1d(common, log.origins_ns, assume_unique=True)
    if common is None:
        return np.empty(0, dtype=np.int64)
    rows = (common - frame.start_ns) // frame.step_ns
    return np.asarray(rows[(rows >= first_row) & (rows < frame.rows)])


def at_origins(log: PredictionLog, frame: Frame, origins: Ints) -> Floats:
    """Its predictions at these rows; all of them are in the log."""
    place = np.searchsorted(log.origins_ns, frame.start_ns + origins * frame.step_ns)
    return log.raw[place]


def parts_of(count: int, folds: int) -> Ints:
    """(count,): 0 for the first third, which only calibrates, then 1…folds in equal parts."""
    first = count // 3
    scored = np.arange(count - first) * folds // max(count - first, 1)
    return np.concatenate([np.zeros(first, dtype=np.int64), 1 + scored])
