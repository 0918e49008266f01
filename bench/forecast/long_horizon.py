"""The forecasts of the next 48 hours: error, loss and how often their 80 % band holds, on hourly series."""

from pathlib import Path
from typing import Any

from bench.forecast.accuracy import accuracy
from bench.forecast.series import frame_of, public, synthetic
from forecaster.data.series import LONG_HORIZON
from forecaster.serving.round import LONG_MODELS


def long_horizon(others: Path | None) -> dict[str, Any]:
    """As ``accuracy``, with the horizon and the models of the forecasts in hours; eight weeks of each series at most.

    Synthetic ones, and the hourly ones of ``--public``.
    """
    frames = {
        f"hours_{kind}": frame_of(synthetic(kind, 24 * 56, 3600, seed), 3600)
        for seed, kind in enumerate(("seasons", "bursts", "shift", "noise"), start=20)
    }
    if others is not None:
        frames |= {path.stem: public(path).latest(24 * 56) for path in sorted(others.glob("*_1h.csv"))}
    return {
        name: accuracy(frame, None, "not used in hours", LONG_MODELS, horizon=LONG_HORIZON)
        for name, frame in frames.items()
    }
