"""A series' models on disk: what serves it, and what every candidate predicted so far.

One ``.npz`` per series: arrays, and one JSON document. Nothing is pickled. A file is replaced at once or not at all;
one that cannot be read (half a disk, another version) is None, and the next round writes it anew. Arrays are read when
they are needed: serving reads the served model alone.
"""

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np

from forecaster.data.windows import ForecastTask
from forecaster.evaluation.conformal import BandOffsets
from forecaster.evaluation.prequential import PredictionLog
from forecaster.models.model import Fitted
from forecaster.serving.packing import pack, unpack

VERSION: Final = 2
_UNREADABLE: Final = (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True, eq=False)
class ServedModel:
    """The model that serves one series, its band, and naive with its own band for when the model cannot be used."""

    host: str
    series: str
    model: str
    fitted: Fitted
    shifts: BandOffsets
    naive_shifts: BandOffsets
    baseline: Fitted
    """The better of naive and seasonal naive: what is published beside the forecast."""
    task: ForecastTask
    floor: float | None
    trained_ns: int
    """UTC: when its history ended."""
    reason: str = ""


@dataclass(frozen=True, eq=False)
class CandidateState:
    """One candidate between rounds."""

    fitted: Fitted
    fitted_ns: int
    """UTC: end of the history that it was last trained on."""
    log: PredictionLog
    seconds: float
    """Its trainings so far."""
    loss_ratio: float
    """Its loss over that of the model that served, when last scored."""


@dataclass(frozen=True, eq=False)
class SeriesState:
    """All that a round knows of a series from the rounds before."""

    served: ServedModel
    candidates: Mapping[str, CandidateState] = field(default_factory=dict)
    failed_ns: Mapping[str, int] = field(default_factory=dict)
    """UTC: when a candidate last failed."""


def path_of(folder: Path, host: str, series: str) -> Path:
    """Where the series' model lies. Names are escaped: an application may be called anything."""
    return folder / f"{quote(host, safe='')}+{quote(series, safe='')}.npz"


def save(folder: Path, state: SeriesState) -> None:
    """Write it, replacing the last one at once. Raises OSError."""
    served = state.served
    arrays: dict[str, Any] = {"shifts": served.shifts.values, "naive_shifts": served.naive_shifts.values}
    document: dict[str, Any] = {
        "version": VERSION,
        "host": served.host,
        "series": served.series,
        "model": served.model,
        "reason": served.reason,
        "floor": served.floor,
        "trained_ns": served.trained_ns,
        "task": [
            served.task.horizon,
            served.task.sequence,
            served.task.step_ns,
            list(served.task.seasons),
            served.task.seed,
        ],
        "fitted": pack("fitted", served.fitted, arrays),
        "baseline": pack("baseline", served.baseline, arrays),
        "failed_ns": dict(state.failed_ns),
        "candidates": {},
    }
    for name, one in state.candidates.items():
        # Most models have no quantiles of their own: their path is kept once.
        point = bool((one.log.raw == one.log.raw[:, :, :1]).all())
        arrays[f"log.{name}.at"] = one.log.origins_ns
        arrays[f"log.{name}.raw"] = one.log.raw[:, :, :1] if point else one.log.raw
        document["candidates"][name] = {
            "fitted": pack(f"candidate.{name}", one.fitted, arrays),
            "fitted_ns": one.fitted_ns,
            "seconds": one.seconds,
            "loss_ratio": one.loss_ratio,
        }
    folder.mkdir(parents=True, exist_ok=True)
    target = path_of(folder, served.host, served.series)
    draft = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        with draft.open("wb") as file:
            np.savez(file, document=np.array(json.dumps(document)), **arrays)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def load(path: Path) -> ServedModel | None:
    """The served model, or None when there is none that can be read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            return _served(json.loads(str(data["document"])), data)
    except _UNREADABLE:
        return None


def load_state(path: Path) -> SeriesState | None:
    """Everything, or None when it cannot be read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            document = json.loads(str(data["document"]))
            served = _served(document, data)
            found = {}
            for name, one in document["candidates"].items():
                raw = np.asarray(data[f"log.{name}.raw"], dtype=np.float64)
                found[name] = CandidateState(
                    unpack(f"candidate.{name}", one["fitted"], data, served.task),
                    one["fitted_ns"],
                    PredictionLog(data[f"log.{name}.at"], np.repeat(raw, 3, axis=2) if raw.shape[2] == 1 else raw),
                    one["seconds"],
                    one["loss_ratio"],
                )
            return SeriesState(served, found, {str(k): int(v) for k, v in document["failed_ns"].items()})
    except _UNREADABLE:
        return None


def _served(document: dict[str, Any], arrays: Any) -> ServedModel:
    if document["version"] != VERSION:
        raise ValueError(f"version {document['version']}")
    horizon, sequence, step_ns, seasons, seed = document["task"]
    task = ForecastTask(horizon, sequence, step_ns, tuple(seasons), seed)
    return ServedModel(
        document["host"],
        document["series"],
        document["model"],
        unpack("fitted", document["fitted"], arrays, task),
        BandOffsets(arrays["shifts"]),
        BandOffsets(arrays["naive_shifts"]),
        unpack("baseline", document["baseline"], arrays, task),
        task,
        document["floor"],
        document["trained_ns"],
        document["reason"],
    )
