"""The newest forecast of every series, as rows and in the terminal with its band."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from qos.contract.units import format_bps
from qos.store import Reader

SPARK: Final = "▁▂▃▄▅▆▇█"
LOOK_BACK_NS: Final = 7 * 86_400 * 10**9
LOOK_AHEAD_NS: Final = 7 * 86_400 * 10**9


@dataclass(frozen=True)
class ForecastStep:
    """One step of a forecast; ``time_ns`` is its start, UTC."""

    time_ns: int
    value: float
    lower: float
    upper: float
    baseline: float


@dataclass(frozen=True)
class LatestForecast:
    """The newest forecast of one series."""

    host: str
    series: str
    model: str
    made_ns: int
    steps: tuple[ForecastStep, ...]


def newest(reader: Reader, now_ns: int, only: Sequence[str] | None = None) -> Sequence[LatestForecast]:
    """The forecast made last, per host and series, in order of name. An old one is still the newest there is."""
    where = {"series": list(only)} if only is not None else None
    found = reader.read(
        "forecast",
        ["value", "lower", "upper", "baseline", "made_at"],
        where=where,
        start_ns=max(0, now_ns - LOOK_BACK_NS),
        stop_ns=now_ns + LOOK_AHEAD_NS,
        by=["host", "series", "model"],
    )
    last: dict[tuple[str, str], int] = {}
    rows = list(zip(*(found[name] for name in _COLUMNS), strict=True))
    for _, host, series, _, _, _, _, _, made in rows:
        last[host, series] = max(made, last.get((host, series), 0))
    steps: dict[tuple[str, str], list[ForecastStep]] = {}
    models: dict[tuple[str, str], str] = {}
    for time_ns, host, series, model, value, lower, upper, baseline, made in rows:
        if made == last[host, series]:
            steps.setdefault((host, series), []).append(ForecastStep(time_ns, value, lower, upper, baseline))
            models[host, series] = model
    return [LatestForecast(h, s, models[h, s], last[h, s], tuple(steps[h, s])) for h, s in sorted(steps)]


_COLUMNS: Final = ("time_ns", "host", "series", "model", "value", "lower", "upper", "baseline", "made_at")


def as_json(shown: Sequence[LatestForecast]) -> list[dict[str, Any]]:
    """For programs."""
    return [
        {
            "host": one.host,
            "series": one.series,
            "model": one.model,
            "made_at_ns": one.made_ns,
            "steps": [
                {"time_ns": s.time_ns, "value": s.value, "lower": s.lower, "upper": s.upper, "baseline": s.baseline}
                for s in one.steps
            ],
        }
        for one in shown
    ]


def in_unit(series: str, value: float) -> str:
    """A value as a person reads it: bits per second, milliseconds or percent."""
    kind = series.partition(":")[0]
    if kind == "latency":
        return f"{value:.1f} ms"
    if kind == "loss":
        return f"{100 * value:.1f} %"
    return format_bps(value)


def sparkline(values: Sequence[float]) -> str:
    """The course in one character per step, from zero (or the least) to the largest."""
    low, high = min(0.0, *values), max(values)
    span = high - low
    if not span > 0:
        return SPARK[0] * len(values)
    return "".join(SPARK[min(len(SPARK) - 1, int((v - low) / span * len(SPARK)))] for v in values)
