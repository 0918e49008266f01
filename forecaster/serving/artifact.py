"""A served model on disk: what is needed to predict in numpy, without training anything again.

One ``.npz`` per series: arrays, and one JSON document. Nothing is pickled. A file is replaced at once or not at
all; one that cannot be read (half a disk, another version) is None, and the next round writes it anew.
"""

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np

from forecaster.data.windows import ForecastTask
from forecaster.evaluation.conformal import BandOffsets
from forecaster.models.baselines import Naive, SeasonalNaive
from forecaster.models.ets import Ets
from forecaster.models.hybrid import Hybrid, Scaling
from forecaster.models.lstm import Lstm
from forecaster.models.model import Fitted
from forecaster.models.ridge import Features, Ridge

VERSION: Final = 1


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


def path_of(folder: Path, host: str, series: str) -> Path:
    """Where the series' model lies. Names are escaped: an application may be called anything."""
    return folder / f"{quote(host, safe='')}+{quote(series, safe='')}.npz"


def save(folder: Path, served: ServedModel) -> None:
    """Write it, replacing the last one at once."""
    arrays: dict[str, Any] = {"shifts": served.shifts.values, "naive_shifts": served.naive_shifts.values}
    document = {
        "version": VERSION,
        "host": served.host,
        "series": served.series,
        "model": served.model,
        "floor": served.floor,
        "trained_ns": served.trained_ns,
        "task": [
            served.task.horizon,
            served.task.sequence,
            served.task.step_ns,
            list(served.task.seasons),
            served.task.seed,
        ],
        "fitted": _pack("fitted", served.fitted, arrays),
        "baseline": _pack("baseline", served.baseline, arrays),
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
            arrays = {name: data[name] for name in data.files if name != "document"}
            document = json.loads(str(data["document"]))
        if document["version"] != VERSION:
            return None
        horizon, sequence, step_ns, seasons, seed = document["task"]
        task = ForecastTask(horizon, sequence, step_ns, tuple(seasons), seed)
        return ServedModel(
            document["host"],
            document["series"],
            document["model"],
            _unpack("fitted", document["fitted"], arrays, task),
            BandOffsets(arrays["shifts"]),
            BandOffsets(arrays["naive_shifts"]),
            _unpack("baseline", document["baseline"], arrays, task),
            task,
            document["floor"],
            document["trained_ns"],
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile):
        return None


def _pack(prefix: str, model: Fitted, arrays: dict[str, Any]) -> dict[str, Any]:
    """Numbers into the document, arrays beside it."""
    if isinstance(model, Naive):
        return {"kind": "naive"}
    if isinstance(model, SeasonalNaive):
        return {"kind": "seasonal_naive", "period": model.period}
    if isinstance(model, Ets):
        numbers = [model.alpha, model.beta, model.gamma, model.phi, model.level, model.trend]
        return {"kind": "ets", "numbers": numbers, "season": list(model.season), "after_ns": model.after_ns}
    if isinstance(model, Ridge):
        for name in ("mean", "scale", "weights", "bias"):
            arrays[f"{prefix}.{name}"] = getattr(model, name)
        return {"kind": "ridge", "penalty": model.penalty, "periods": list(model.features.periods)}
    if isinstance(model, Hybrid):
        arrays[f"{prefix}.constant"] = model.constant
        arrays[f"{prefix}.least"], arrays[f"{prefix}.most"] = model.scaling.least, model.scaling.most
        for index, weights in enumerate(model.networks):
            arrays.update({f"{prefix}.net{index}.{name}": value for name, value in weights.items()})
        s = model.scaling
        return {
            "kind": "lstm_hybrid",
            "ridge": _pack(f"{prefix}.ridge", model.ridge, arrays),
            "scaling": [s.change, s.level, s.level_span, s.error],
            "networks": len(model.networks),
        }
    if isinstance(model, Lstm):
        arrays[f"{prefix}.low"], arrays[f"{prefix}.span"] = model.low, model.span
        arrays.update({f"{prefix}.net.{name}": value for name, value in model.weights.items()})
        return {"kind": "lstm", "sequence": model.sequence, "columns": list(model.columns)}
    raise TypeError(f"{type(model).__name__} cannot be kept")


def _unpack(prefix: str, document: dict[str, Any], arrays: dict[str, Any], task: ForecastTask) -> Fitted:
    kind = document["kind"]
    if kind == "naive":
        return Naive(task)
    if kind == "seasonal_naive":
        return SeasonalNaive(task, document["period"])
    if kind == "ets":
        alpha, beta, gamma, phi, level, trend = document["numbers"]
        season = tuple(document["season"])
        return Ets(task, alpha, beta, gamma, phi, level, trend, season, document["after_ns"])
    if kind == "ridge":
        return _ridge(prefix, document, arrays, task)
    if kind == "lstm_hybrid":
        change, level, level_span, error = document["scaling"]
        scaling = Scaling(change, level, level_span, error, arrays[f"{prefix}.least"], arrays[f"{prefix}.most"])
        networks = [_group(f"{prefix}.net{index}.", arrays) for index in range(document["networks"])]
        ridge = _ridge(f"{prefix}.ridge", document["ridge"], arrays, task)
        return Hybrid(task, ridge, scaling, arrays[f"{prefix}.constant"], tuple(networks))
    if kind == "lstm":
        low, span = arrays[f"{prefix}.low"], arrays[f"{prefix}.span"]
        columns = tuple(document["columns"])
        return Lstm(task, document["sequence"], low, span, columns, _group(f"{prefix}.net.", arrays))
    raise ValueError(f"no model {kind!r}")


def _ridge(prefix: str, document: dict[str, Any], arrays: dict[str, Any], task: ForecastTask) -> Ridge:
    mean, scale, weights, bias = (arrays[f"{prefix}.{name}"] for name in ("mean", "scale", "weights", "bias"))
    return Ridge(Features(task, tuple(document["periods"])), document["penalty"], mean, scale, weights, bias)


def _group(prefix: str, arrays: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
