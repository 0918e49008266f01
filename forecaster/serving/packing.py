"""Fitted models as arrays and plain numbers, and back: nothing is pickled. Pure."""

from typing import Any

import numpy as np

from forecaster.data.log_scale import LogScale
from forecaster.data.windows import ForecastTask
from forecaster.models.baselines import Naive, SeasonalNaive
from forecaster.models.combination import Combination
from forecaster.models.ets import Ets
from forecaster.models.gradient_boosting import GradientBoosting
from forecaster.models.hybrid import Hybrid, Scaling
from forecaster.models.lstm import Lstm
from forecaster.models.model import Fitted
from forecaster.models.ridge import Features, Ridge
from forecaster.models.window_quantiles import Window, WindowQuantiles

Arrays = dict[str, Any]


def pack(prefix: str, model: Fitted, arrays: Arrays) -> dict[str, Any]:
    """Numbers as the returned document; arrays go into ``arrays`` under ``prefix``. Raises TypeError."""
    if isinstance(model, Naive):
        return {"kind": "naive"}
    if isinstance(model, SeasonalNaive):
        return {"kind": "seasonal_naive", "period": model.period}
    if isinstance(model, WindowQuantiles):
        windows = [[window.length, window.period, window.spread] for window in model.windows]
        return {"kind": "window_quantiles", "windows": windows}
    if isinstance(model, Ets):
        numbers = [model.alpha, model.beta, model.gamma, model.phi, model.level, model.trend]
        return {"kind": "ets", "numbers": numbers, "season": list(model.season), "after_ns": model.after_ns}
    if isinstance(model, Ridge):
        for name in ("mean", "scale", "weights", "bias"):
            arrays[f"{prefix}.{name}"] = getattr(model, name)
        features = model.features
        return {
            "kind": "ridge",
            "penalty": model.penalty,
            "periods": list(features.periods),
            "log": _log_of(features.scale),
        }
    if isinstance(model, GradientBoosting):
        for index, text in enumerate(model.texts):
            arrays[f"{prefix}.trees{index}"] = np.frombuffer(text.encode(), dtype=np.uint8)
        return {
            "kind": "lightgbm",
            "scale": model.scale,
            "relative": model.relative,
            "levels": len(model.texts),
            "log": _log_of(model.log),
            "weekly": model.weekly,
        }
    if isinstance(model, Hybrid):
        arrays[f"{prefix}.constant"] = model.constant
        arrays[f"{prefix}.least"], arrays[f"{prefix}.most"] = model.scaling.least, model.scaling.most
        for index, weights in enumerate(model.networks):
            arrays.update({f"{prefix}.net{index}.{name}": value for name, value in weights.items()})
        s = model.scaling
        return {
            "kind": "lstm_hybrid",
            "ridge": pack(f"{prefix}.ridge", model.ridge, arrays),
            "scaling": [s.change, s.level, s.level_span, s.error],
            "networks": len(model.networks),
        }
    if isinstance(model, Lstm):
        arrays[f"{prefix}.low"], arrays[f"{prefix}.span"] = model.low, model.span
        arrays.update({f"{prefix}.net.{name}": value for name, value in model.weights.items()})
        return {"kind": "lstm", "sequence": model.sequence, "columns": list(model.columns)}
    if isinstance(model, Combination):
        for index, offsets in enumerate(model.offsets):
            arrays[f"{prefix}.offsets{index}"] = offsets
        arrays[f"{prefix}.weights"] = model.weights
        members = [pack(f"{prefix}.member{index}", one, arrays) for index, one in enumerate(model.members)]
        return {"kind": "combination", "names": list(model.names), "members": members}
    raise TypeError(f"{type(model).__name__} cannot be kept")


def unpack(prefix: str, document: dict[str, Any], arrays: Any, task: ForecastTask) -> Fitted:
    """The reverse. Raises ValueError, KeyError, TypeError for what is not such a document."""
    kind = document["kind"]
    if kind == "naive":
        return Naive(task)
    if kind == "seasonal_naive":
        return SeasonalNaive(task, document["period"])
    if kind == "window_quantiles":
        return WindowQuantiles(task, tuple(Window(*one) for one in document["windows"]))
    if kind == "ets":
        alpha, beta, gamma, phi, level, trend = document["numbers"]
        season = tuple(document["season"])
        return Ets(task, alpha, beta, gamma, phi, level, trend, season, document["after_ns"])
    if kind == "ridge":
        return _ridge(prefix, document, arrays, task)
    if kind == "lightgbm":
        texts = (bytes(arrays[f"{prefix}.trees{index}"]).decode() for index in range(document["levels"]))
        scale, relative, weekly = document["scale"], document["relative"], document.get("weekly", True)
        return GradientBoosting(task, scale, relative, tuple(texts), _log_from(document), weekly)
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
    if kind == "combination":
        members = [
            unpack(f"{prefix}.member{index}", one, arrays, task) for index, one in enumerate(document["members"])
        ]
        offsets = tuple(arrays[f"{prefix}.offsets{index}"] for index in range(len(members)))
        return Combination(tuple(document["names"]), tuple(members), offsets, arrays[f"{prefix}.weights"])
    raise ValueError(f"no model {kind!r}")


def _ridge(prefix: str, document: dict[str, Any], arrays: Any, task: ForecastTask) -> Ridge:
    mean, scale, weights, bias = (arrays[f"{prefix}.{name}"] for name in ("mean", "scale", "weights", "bias"))
    features = Features(task, tuple(document["periods"]), _log_from(document))
    return Ridge(features, document["penalty"], mean, scale, weights, bias)


def _log_of(scale: LogScale | None) -> list[float] | None:
    return None if scale is None else [scale.shift, scale.highest]


def _log_from(document: dict[str, Any]) -> LogScale | None:
    found = document.get("log")
    return None if found is None else LogScale(*found)


def _group(prefix: str, arrays: Any) -> dict[str, Any]:
    return {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}
