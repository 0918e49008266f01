"""When networks may be trained: once a day, at the hour with the least traffic, while nobody is disturbed. Pure."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from forecaster.training.machine import MachineState

HOUR_NS: Final = 3600 * 10**9
DAY_NS: Final = 24 * HOUR_NS
BUSY_CPU: Final = 0.6
DEFAULT_HOUR: Final = 3
"""UTC, until a day has been learned."""
OVERDUE_NS: Final = 36 * HOUR_NS
"""After so long any calm moment will do: a computer that is off at night has no quiet hour."""


def quietest_hour(hour_of_row: Sequence[int], values: Sequence[float]) -> int:
    """The hour of day (0-23, UTC) whose mean traffic, its neighbours' counting half, is least. Hours never seen are the
    computer's nights off: they are not chosen.
    """
    total, count = [0.0] * 24, [0] * 24
    for hour, value in zip(hour_of_row, values, strict=True):
        if not math.isnan(value):
            total[hour] += value
            count[hour] += 1
    means = {hour: total[hour] / count[hour] for hour in range(24) if count[hour]}
    if not means:
        return DEFAULT_HOUR
    beside = {h: [means[(h + d) % 24] for d in (-1, 1) if (h + d) % 24 in means] for h in means}
    return min(means, key=lambda h: means[h] + 0.5 * sum(beside[h]) / max(len(beside[h]), 1))


def next_training_ns(*, now_ns: int, last_ns: int | None, quiet_hour: int) -> int:
    """When networks are due, UTC ns: the next quiet hour after the last training's day; at once when overdue."""
    if last_ns is None or now_ns - last_ns >= OVERDUE_NS:
        return now_ns
    today = now_ns // DAY_NS * DAY_NS + quiet_hour * HOUR_NS
    if today + HOUR_NS <= now_ns:
        today += DAY_NS
    return max(today, last_ns + 20 * HOUR_NS)


def why_not_now(state: "MachineState") -> str | None:
    """Who would be disturbed, or None."""
    if state.urgent_apps:
        return f"{', '.join(state.urgent_apps)} is in use (a game or a call)"
    if state.on_battery:
        return "the computer runs on battery"
    if state.cpu_ratio > BUSY_CPU:
        return f"the processor is busy ({100 * state.cpu_ratio:.0f} %)"
    return None
