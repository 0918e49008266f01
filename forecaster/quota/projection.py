"""From whole past days and what was used so far: how the month may go on, as many drawn courses. Pure.

Each course draws every coming day from the days that were measured: newer ones more often, the same day of the week
most, then days of its kind (working day, weekend). The days' own weights are drawn too (the Bayesian bootstrap: Rubin
1981), one day in ``n + 1`` is larger than all ``n`` before it (as exchangeable days are), and each course is multiplied
by a level of its own, so that few days, or a change of habits, make the band wide.
The rest of today is drawn from what past days still used after this time of day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from forecaster.quota.period import QuotaPeriod

COURSES: Final = 1000
LEAST_DAYS: Final = 2
"""Whole days of history below which nothing is predicted."""
HALF_LIFE_DAYS: Final = 21.0
SAME_DAY, SAME_KIND, OTHER_KIND = 1.0, 0.35, 0.03
"""How often a day is drawn for another of the same day of the week, of its kind, of the other kind."""
LEVEL_SPREAD: Final = 2.3
"""Of one single day: the level's standard deviation (of its logarithm) is this over the days' number to the 3/4."""
LEAST_SPREAD: Final = 0.2
"""Habits change from month to month: so much is left with any history."""
TAIL: Final = 2.5
"""How fast days larger than any seen become rare (Pareto): one day in ``n + 1`` is larger than the ``n`` before it."""
BAND: Final = (0.1, 0.5, 0.9)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DayUsage:
    """What one whole local day used: bytes by slot since its start; ``today_slots`` long or a little more or less."""

    day: date
    slots: tuple[int, ...]

    @property
    def total(self) -> int:
        """Bytes."""
        return sum(self.slots)


@dataclass(frozen=True, slots=True)
class ByteBand:
    """Median and 80 % band, in bytes."""

    lower: int
    value: int
    upper: int


@dataclass(frozen=True, slots=True)
class CapForecast:
    """How the month may go on."""

    total: ByteBand
    """Of the whole month at its end."""
    rest_of_today: ByteBand
    chance: float
    """That the volume is reached within the month, 0-1."""
    reached_ns: int | None
    """When it will be (median), UTC; None: rather not within the month."""
    early_ns: int | None
    """One course in ten reaches it before this; None: fewer do at all."""
    late_ns: int | None
    """Nine of ten reach it before this; None: more than one in ten does not within the month."""


def project(
    used_bytes: int,
    volume_bytes: int,
    now_ns: int,
    *,
    period: QuotaPeriod,
    coming: Sequence[tuple[date, QuotaPeriod]],
    history: Sequence[DayUsage],
    slot_ns: int,
    seed: int = 7,
) -> CapForecast:
    """The forecast. ``coming``: today and the days after it until the period's end; ``history``: whole days before
    today, oldest first. Raises ValueError for fewer than ``LEAST_DAYS``.
    """
    if len(history) < LEAST_DAYS:
        raise ValueError(f"{len(history)} whole days of history, {LEAST_DAYS} are needed")
    rng = np.random.default_rng(seed)
    today, span = coming[0]
    ages = np.array([(today - one.day).days for one in history], dtype=np.float64)
    weights = 0.5 ** (ages / HALF_LIFE_DAYS)
    count = float(weights.sum() ** 2 / (weights**2).sum())
    drawn = weights * rng.standard_exponential((COURSES, len(history)))
    spread = float(np.hypot(LEVEL_SPREAD / count**0.75, LEAST_SPREAD))
    level = np.exp(spread * rng.standard_normal(COURSES))
    totals = np.array([one.total for one in history], dtype=np.float64)
    elapsed = (now_ns - span.start_ns) / slot_ns
    rests = np.array([_after(one.slots, elapsed) for one in history])
    # A period may end today at midnight at the latest: its last day is whole.
    bytes_of = np.empty((COURSES, len(coming)))
    edges = [_edges(drawn, history, weekday) for weekday in range(7)]
    for place, (day, _) in enumerate(coming):
        known = rests if place == 0 else totals
        larger = known.max() * rng.random(COURSES) ** (-1 / TAIL)
        bytes_of[:, place] = np.where(
            rng.random(COURSES) < 1 / (count + 1), larger, known[_draw(rng, edges[day.weekday()])]
        )
    bytes_of *= level[:, None]
    sums = used_bytes + np.cumsum(bytes_of, axis=1)
    ends = np.array([one.stop_ns - now_ns for _, one in coming], dtype=np.float64)
    starts = np.maximum([float(one.start_ns - now_ns) for _, one in coming], 0.0)
    reached = _reached(sums, bytes_of, float(volume_bytes), starts, ends)
    early, middle, late = (_time(now_ns, value, period) for value in np.quantile(reached, BAND, method="higher"))
    return CapForecast(
        _band(sums[:, -1]),
        _band(bytes_of[:, 0]),
        float(np.isfinite(reached).mean()),
        middle,
        early,
        late,
    )


def _edges(drawn: Floats, history: Sequence[DayUsage], weekday: int) -> Floats:
    """(courses, days): running sums of how likely each past day stands for one on this day of the week."""
    likeness = np.array([_likeness(one.day.weekday(), weekday) for one in history])
    return np.cumsum(drawn * likeness, axis=1)


def _draw(rng: np.random.Generator, edges: Floats) -> npt.NDArray[np.int64]:
    """(courses,): which past day."""
    at = rng.random(COURSES)[:, None] * edges[:, -1:]
    return np.asarray(np.minimum((edges < at).sum(axis=1), edges.shape[1] - 1), dtype=np.int64)


def _likeness(one: int, other: int) -> float:
    if one == other:
        return SAME_DAY
    return SAME_KIND if (one >= 5) == (other >= 5) else OTHER_KIND


def _after(slots: Sequence[int], elapsed: float) -> float:
    """What a day used after so many slots, of the running one its rest."""
    whole = int(elapsed)
    rest = float(sum(slots[whole + 1 :]))
    return rest + (slots[whole] * (1 - (elapsed - whole)) if whole < len(slots) else 0.0)


def _reached(sums: Floats, parts: Floats, volume: float, starts: Floats, ends: Floats) -> Floats:
    """(courses,): ns from now until each course reaches the volume, infinity where it does not; evenly within a day."""
    over = sums >= volume
    first = np.argmax(over, axis=1)
    rows = np.arange(sums.shape[0])
    part = parts[rows, first]
    missing = volume - (sums[rows, first] - part)
    share = np.clip(np.divide(missing, part, out=np.zeros_like(part), where=part > 0), 0.0, 1.0)
    when = starts[first] + share * (ends[first] - starts[first])
    return np.where(over.any(axis=1), when, np.inf)


def _time(now_ns: int, value: float, period: QuotaPeriod) -> int | None:
    return min(now_ns + int(value), period.stop_ns) if np.isfinite(value) else None


def _band(values: Floats) -> ByteBand:
    low, middle, high = np.quantile(values, BAND)
    return ByteBand(int(low), int(middle), int(high))
