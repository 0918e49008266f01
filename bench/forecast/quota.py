"""Data volumes: how often the bands of the month, of today and of the date hold what happened, on drawn households.

Each household has habits that drift, weekends of its own, nights, days off and a large download now and then. A moment,
a start day, a volume and a length of history are drawn for each; what came is known.
"""

from datetime import UTC, date, timedelta
from typing import Any

import numpy as np

from forecaster.quota.period import day_start_ns, local_days, period_at
from forecaster.quota.projection import DayUsage, project

HOUR_NS = 3600 * 10**9
DAYS = 140
HISTORIES = (2, 3, 5, 7, 14, 28, 56)


def household(seed: int) -> list[DayUsage]:
    """``DAYS`` days of bytes by hour."""
    rng = np.random.default_rng(seed)
    hour, day = np.arange(DAYS * 24) % 24, np.arange(DAYS * 24) // 24
    shape = np.where(hour >= 8, 1.0, 0.1) * (1 + 1.5 * ((hour >= 18) & (hour < 23)))
    level = np.zeros(DAYS)
    drift = rng.uniform(0.1, 0.3)
    for k in range(1, DAYS):
        level[k] = 0.9 * level[k - 1] + rng.normal() * drift
    week = np.where(day % 7 >= 5, rng.uniform(0.6, 2.5), 1.0)
    usage = shape * np.exp(level[day]) * week * rng.lognormal(0, 0.8, day.size) * 1e8
    for at in rng.integers(0, day.size - 3, DAYS // 4):
        usage[at : at + 3] += rng.uniform(2e9, 2e10)
    usage[(rng.random(DAYS) < rng.uniform(0, 0.2))[day]] = 0
    first = date(2023, 1, 2)
    return [
        DayUsage(first + timedelta(days=k), tuple(int(v) for v in usage[k * 24 : k * 24 + 24])) for k in range(DAYS)
    ]


def quota_bands(households: int = 60, first_seed: int = 5000) -> dict[str, Any]:
    """Shares held, by whole days of history."""
    held: dict[int, list[tuple[bool, bool, bool]]] = {known: [] for known in HISTORIES}
    for seed in range(first_seed, first_seed + households):
        days = household(seed)
        for place, known in enumerate(HISTORIES):
            held[known].append(_one(days, known, np.random.default_rng([seed, place])))
    table = {
        str(known): {
            name: float(np.mean([one[k] for one in rows])) for k, name in enumerate(("month", "rest_of_today", "date"))
        }
        for known, rows in held.items()
    }
    everything = [one for rows in held.values() for one in rows]
    return {
        "households": households,
        "by_days_of_history": table,
        "all": {
            name: float(np.mean([one[k] for one in everything]))
            for k, name in enumerate(("month", "rest_of_today", "date"))
        },
    }


def _one(days: list[DayUsage], known: int, rng: np.random.Generator) -> tuple[bool, bool, bool]:
    at, hour, start_day = int(rng.integers(57, DAYS - 32)), int(rng.integers(0, 24)), int(rng.integers(1, 32))
    today = days[at]
    now_ns = day_start_ns(today.day, UTC) + hour * HOUR_NS
    period = period_at(now_ns, start_day, UTC)
    coming = tuple(local_days(now_ns, period.stop_ns, UTC))
    begun = (
        sum(1 for _ in local_days(period.start_ns, day_start_ns(today.day, UTC), UTC))
        if (period.start_ns < day_start_ns(today.day, UTC))
        else 0
    )
    used = sum(one.total for one in days[at - begun : at]) + sum(today.slots[:hour])
    later = [today.slots[hour:], *(one.slots for one in days[at + 1 : at + len(coming)])]
    truth = used + sum(sum(slots) for slots in later)
    volume = max(1, int(truth * rng.uniform(0.7, 1.2)))
    found = project(used, volume, now_ns, period=period, coming=coming, history=days[at - known : at], slot_ns=HOUR_NS)
    when, total = np.inf, used
    for k, moved in enumerate(slot for slots in later for slot in slots):
        total += moved
        if total >= volume:
            when = now_ns + (k + 1) * HOUR_NS
            break
    early = found.early_ns if found.early_ns is not None else np.inf
    late = found.late_ns if found.late_ns is not None else np.inf
    rest = sum(today.slots[hour:])
    return (
        found.total.lower <= truth <= found.total.upper,
        found.rest_of_today.lower <= rest <= found.rest_of_today.upper,
        early - HOUR_NS <= when <= late + HOUR_NS if np.isfinite(when) else not np.isfinite(late),
    )
