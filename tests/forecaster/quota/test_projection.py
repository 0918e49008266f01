"""How the month may go on: properties that hold for every history, and bands that hold what they say."""

from datetime import UTC, date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.quota.period import QuotaPeriod, day_start_ns, local_days, period_at
from forecaster.quota.projection import CapForecast, DayUsage, project

HOUR_NS = 3600 * 10**9
GB = 10**9


def history(totals: list[int], today: date) -> list[DayUsage]:
    first = today - timedelta(days=len(totals))
    return [DayUsage(first + timedelta(days=k), (total // 24,) * 24) for k, total in enumerate(totals)]


def forecast(
    totals: list[int], *, used: int, volume: int, today: date = date(2024, 3, 11), hour: float = 12, start_day: int = 1
) -> tuple[CapForecast, QuotaPeriod, int]:
    now_ns = day_start_ns(today, UTC) + int(hour * HOUR_NS)
    period = period_at(now_ns, start_day, UTC)
    found = project(
        used, volume, now_ns, period=period, coming=tuple(local_days(now_ns, period.stop_ns, UTC)),
        history=history(totals, today), slot_ns=HOUR_NS,
    )  # fmt: skip
    return found, period, now_ns


@given(
    st.lists(st.integers(0, 500 * GB), min_size=2, max_size=60),
    st.integers(0, 1000 * GB),
    st.integers(1, 2000 * GB),
    st.integers(1, 31),
    st.floats(0, 23.99),
    st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_whatever_the_history_the_band_is_ordered_and_the_cap_lies_ahead(
    totals: list[int], used: int, volume: int, start_day: int, hour: float, day: int
) -> None:
    today = date(2023, 1, 1) + timedelta(days=day)
    found, period, now_ns = forecast(totals, used=used, volume=volume, today=today, hour=hour, start_day=start_day)
    for band in (found.total, found.rest_of_today):
        assert band.lower <= band.value <= band.upper
    assert found.total.lower >= used
    assert found.rest_of_today.lower >= 0
    assert 0 <= found.chance <= 1
    times = [t for t in (found.early_ns, found.reached_ns, found.late_ns) if t is not None]
    assert times == sorted(times)
    assert all(now_ns <= t <= period.stop_ns for t in times)
    # Where a later quantile has a date, so have the earlier ones.
    assert [t is None for t in (found.early_ns, found.reached_ns, found.late_ns)] == sorted(
        t is None for t in (found.early_ns, found.reached_ns, found.late_ns)
    )
    assert (found.reached_ns is not None) == (found.chance >= 0.5) or abs(found.chance - 0.5) < 0.01


def test_even_days_reach_the_cap_when_the_sum_says_so() -> None:
    # 10 GB a day, 105 GB used at noon on the 11th: 300 GB are reached nineteen and a half days later.
    found, period, now_ns = forecast([10 * GB] * 28, used=105 * GB, volume=200 * GB)
    assert found.reached_ns is not None
    assert abs(found.reached_ns - (now_ns + 9.5 * 24 * HOUR_NS)) < 2 * 24 * HOUR_NS
    assert abs(found.rest_of_today.value - 5 * GB) < 1.2 * GB
    assert abs(found.total.value - 310 * GB) < 30 * GB
    assert found.early_ns is not None
    assert found.late_ns is not None
    assert found.late_ns < period.stop_ns


def test_few_days_make_a_wide_band_and_more_a_narrow_one() -> None:
    rng = np.random.default_rng(3)
    totals = (rng.lognormal(0, 0.4, 56) * 10 * GB).astype(int).tolist()
    widths = []
    for known in (2, 7, 28, 56):
        band = forecast(totals[-known:], used=0, volume=10**15, today=date(2024, 3, 1))[0].total
        widths.append(band.upper / max(band.lower, 1))
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 6
    assert widths[-1] < 2.2


def test_a_weekend_is_drawn_from_weekends() -> None:
    today = date(2024, 3, 8)  # a Friday
    days = [today - timedelta(days=k) for k in range(28, 0, -1)]
    totals = [50 * GB if day.weekday() >= 5 else 2 * GB for day in days]
    # Until Sunday night: two days of 50.
    found, *_ = forecast(totals, used=0, volume=80 * GB, today=today, hour=23.9, start_day=11)
    assert abs(found.total.value - 100 * GB) < 25 * GB
    assert found.chance > 0.5


def test_what_is_used_up_now_is_reached_now() -> None:
    found, _, now_ns = forecast([GB] * 10, used=10 * GB, volume=10 * GB)
    assert found.chance == 1
    assert found.reached_ns == now_ns


def test_an_idle_computer_reaches_nothing() -> None:
    found, *_ = forecast([0] * 20, used=5 * GB, volume=10 * GB)
    assert found.chance == 0
    assert (found.early_ns, found.reached_ns, found.late_ns) == (None, None, None)
    assert found.total.upper == 5 * GB


@pytest.mark.parametrize("known", [0, 1])
def test_fewer_than_two_whole_days_say_nothing(known: int) -> None:
    with pytest.raises(ValueError, match=f"{known} whole days of history, 2 are needed"):
        forecast([GB] * known, used=0, volume=GB)


def household(seed: int, days: int = 120) -> list[int]:
    """Days with habits that drift, weekends of their own and a large download now and then."""
    rng = np.random.default_rng(seed)
    level = np.zeros(days)
    for k in range(1, days):
        level[k] = 0.9 * level[k - 1] + rng.normal() * 0.2
    week = np.where(np.arange(days) % 7 >= 5, rng.uniform(0.7, 2), 1.0)
    usage = 5 * GB * np.exp(level) * week * rng.lognormal(0, 0.4, days)
    usage[rng.random(days) < 0.05] += 40 * GB
    return [int(v) for v in usage]


@pytest.mark.parametrize("known", [3, 10, 42])
def test_the_band_of_the_month_holds_about_as_often_as_it_says(known: int) -> None:
    held = []
    for seed in range(60):
        totals = household(1000 + seed)
        at = 50 + seed % 20
        today = date(2024, 1, 1) + timedelta(days=at)
        found, period, now_ns = forecast(
            totals[at - known : at], used=0, volume=10**15, today=today, hour=0, start_day=1 + seed % 28
        )
        left = len(list(local_days(now_ns, period.stop_ns, UTC)))
        truth = sum(totals[at : at + left])
        held.append(found.total.lower <= truth <= found.total.upper)
    # Of 60: a band that holds 80 % does so 40 to 56 times in all but one case of a thousand.
    assert 38 <= sum(held) <= 58
