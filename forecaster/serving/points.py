"""Predictions and evaluations as points: forecasts, scores, and the events that a person should hear of."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

from forecaster.data.series import SeriesId
from forecaster.evaluation.backtest import Evaluation
from forecaster.serving.serve import Prediction
from qos.contract.config import Link
from qos.contract.points import Event, Forecast, ForecastScore
from qos.contract.units import format_bps

PART: Final = "forecaster"
SATURATION: Final = "saturation_expected"
UNAVAILABLE: Final = "forecast_unavailable"


class SeriesResultLike(Protocol):
    """What is looked at of another series' result."""

    @property
    def prediction(self) -> Prediction | None:
        """Its forecast, if it has one."""


def forecast_points(series: SeriesId, prediction: Prediction, made_ns: int) -> Sequence[Forecast]:
    """One point per step ahead, stamped with its target time."""
    return [
        Forecast(
            time_ns=time_ns,
            host=series.host,
            series=series.name,
            model=prediction.model,
            value=float(value),
            lower=float(lower),
            upper=float(upper),
            baseline=float(baseline),
            made_at=made_ns,
        )
        for time_ns, value, lower, upper, baseline in zip(
            prediction.times_ns,
            prediction.value,
            prediction.lower,
            prediction.upper,
            prediction.baseline,
            strict=True,
        )
    ]


def score_points(series: SeriesId, evaluation: Evaluation, now_ns: int) -> Sequence[ForecastScore]:
    """One point per model; ``published=1`` marks the one that serves."""
    return [
        ForecastScore(
            time_ns=now_ns,
            host=series.host,
            series=series.name,
            model=name,
            mae=backtest.score.mae,
            rmse=backtest.score.rmse,
            mase=backtest.score.mase,
            r2=backtest.score.r2,
            coverage=backtest.score.coverage,
            samples=backtest.score.samples,
            train_seconds=backtest.train_seconds,
            published=int(name == evaluation.choice.model),
        )
        for name, backtest in evaluation.backtests.items()
    ]


def saturation(
    series: SeriesId, prediction: Prediction, link: Link, now_ns: int, others: Mapping[str, SeriesResultLike]
) -> Event | None:
    """Said when the upper band exceeds the link's capacity, with the first time and who is expected to cause it.

    ``others``: this round's results by series name; those of applications name the likely causes. None otherwise.
    """
    capacity = {"host_down": link.down, "host_up": link.up}.get(series.name)
    if not capacity:
        return None
    above = [(t, float(u)) for t, u in zip(prediction.times_ns, prediction.upper, strict=True) if u > capacity]
    if not above:
        return None
    when = datetime.fromtimestamp(above[0][0] / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    highest = max(upper for _, upper in above)
    likely = any(v > capacity for v in prediction.value)
    word = "is expected to" if likely else "may"
    text = f"{series.name} {word} exceed {format_bps(capacity)} from {when} (80 % band up to {format_bps(highest)})"
    if causes := expected_causes([time_ns for time_ns, _ in above], others):
        text += "; expected to use most then: " + ", ".join(f"{app} ({format_bps(rate)})" for app, rate in causes)
    return Event(time_ns=now_ns, host=series.host, part=PART, kind=SATURATION, subject=series.name, message=text)


def expected_causes(times_ns: Sequence[int], others: Mapping[str, SeriesResultLike]) -> Sequence[tuple[str, float]]:
    """Up to three applications and the bits per second (both directions) forecast for them at these times, most first.

    Those that make up less than a tenth of the largest are left out.
    """
    wanted = set(times_ns)
    found: list[tuple[str, float]] = []
    for name, result in others.items():
        if name.startswith("app:") and (made := result.prediction) is not None:
            rates = [float(v) for t, v in zip(made.times_ns, made.value, strict=True) if t in wanted]
            if rates and sum(rates) > 0:
                found.append((name.removeprefix("app:"), sum(rates) / len(rates)))
    found.sort(key=lambda one: -one[1])
    return [one for one in found[:3] if one[1] >= 0.1 * found[0][1]]


def unavailable(series: SeriesId, reason: str, now_ns: int) -> Event:
    """Said once when a series cannot be forecast."""
    message = f"{series.name} cannot be forecast: {reason}"
    return Event(time_ns=now_ns, host=series.host, part=PART, kind=UNAVAILABLE, subject=series.name, message=message)


def apart(events: Sequence[Event], before: int = 0) -> Sequence[Event]:
    """Events of one kind share a series, so no two may share a time: each a nanosecond after the one before.

    ``before``: how many were said already.
    """
    return [
        Event(
            time_ns=event.time_ns + before + place,
            host=event.host,
            part=event.part,
            kind=event.kind,
            subject=event.subject,
            message=event.message,
        )
        for place, event in enumerate(events)
    ]
