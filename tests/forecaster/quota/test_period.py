"""Months from a start day, in local time: short months, leap years, changed clocks."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.quota.period import NS_PER_S, QuotaPeriod, day_start_ns, local_date, local_days, period_at

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["UTC", "Europe/Berlin", "America/Santiago", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Los_Angeles"]
HOUR_NS = 3600 * NS_PER_S


def ns(text: str, zone: ZoneInfo) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * NS_PER_S


def bounds(period: QuotaPeriod, zone: ZoneInfo) -> tuple[str, str]:
    return tuple(
        datetime.fromtimestamp(t // NS_PER_S, zone).isoformat()[:16] for t in (period.start_ns, period.stop_ns)
    )  # type: ignore[return-value] # two


@pytest.mark.parametrize(
    ("now", "start_day", "begin", "end"),
    [
        ("2024-02-29T12:00", 31, "2024-02-29T00:00", "2024-03-31T00:00"),
        ("2024-02-28T23:59", 31, "2024-01-31T00:00", "2024-02-29T00:00"),
        ("2023-02-28T00:00", 31, "2023-02-28T00:00", "2023-03-31T00:00"),
        ("2023-04-30T01:00", 31, "2023-04-30T00:00", "2023-05-31T00:00"),
        ("2023-05-30T01:00", 31, "2023-04-30T00:00", "2023-05-31T00:00"),
        ("2024-02-10T00:00", 29, "2024-01-29T00:00", "2024-02-29T00:00"),
        ("2023-12-31T23:59", 1, "2023-12-01T00:00", "2024-01-01T00:00"),
        ("2024-01-14T08:00", 15, "2023-12-15T00:00", "2024-01-15T00:00"),
        ("2024-01-15T00:00", 15, "2024-01-15T00:00", "2024-02-15T00:00"),
    ],
)
def test_a_start_day_that_a_month_lacks_is_its_last_day(now: str, start_day: int, begin: str, end: str) -> None:
    assert bounds(period_at(ns(now, BERLIN), start_day, BERLIN), BERLIN) == (begin, end)


def test_a_month_with_a_changed_clock_is_an_hour_shorter_or_longer() -> None:
    march = period_at(ns("2024-03-20T00:00", BERLIN), 1, BERLIN)
    october = period_at(ns("2024-10-20T00:00", BERLIN), 1, BERLIN)
    assert march.stop_ns - march.start_ns == (31 * 24 - 1) * HOUR_NS
    assert october.stop_ns - october.start_ns == (31 * 24 + 1) * HOUR_NS
    hours = {
        d.isoformat(): (p.stop_ns - p.start_ns) // HOUR_NS for d, p in local_days(march.start_ns, march.stop_ns, BERLIN)
    }
    assert hours["2024-03-31"] == 23
    assert {hours[f"2024-03-{day:02}"] for day in range(1, 31)} == {24}


moments = st.integers(
    int(datetime(2015, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2035, 1, 1, tzinfo=UTC).timestamp())
).map(lambda s: s * NS_PER_S + 123)


@given(moments, st.integers(1, 31), st.sampled_from(ZONES))
def test_months_tile_time_and_hold_their_moment(now_ns: int, start_day: int, name: str) -> None:
    zone = ZoneInfo(name)
    period = period_at(now_ns, start_day, zone)
    assert period.start_ns <= now_ns < period.stop_ns
    assert period_at(period.start_ns, start_day, zone) == period
    assert period_at(period.stop_ns - 1, start_day, zone) == period
    assert period_at(period.stop_ns, start_day, zone).start_ns == period.stop_ns
    assert period_at(period.start_ns - 1, start_day, zone).stop_ns == period.start_ns
    assert 27 <= (period.stop_ns - period.start_ns) / (24 * HOUR_NS) <= 32


@given(moments, st.integers(0, 40), st.sampled_from(ZONES))
def test_local_days_follow_each_other_without_a_hole(start_ns: int, days: int, name: str) -> None:
    zone = ZoneInfo(name)
    stop_ns = start_ns + days * 24 * HOUR_NS + 1
    found = list(local_days(start_ns, stop_ns, zone))
    assert found[0][1].start_ns <= start_ns
    assert found[-1][1].stop_ns >= stop_ns
    for (day, span), (after, following) in pairwise(found):
        assert span.stop_ns == following.start_ns
        assert after == day + timedelta(days=1)
    for day, span in found:
        assert local_date(span.start_ns, zone) == local_date(span.stop_ns - 1, zone) == day


def test_without_a_zone_it_is_that_of_this_computer() -> None:
    now_ns = 1_700_000_000 * NS_PER_S
    assert day_start_ns(local_date(now_ns)) <= now_ns
    assert isinstance(local_date(now_ns), date)
    assert period_at(now_ns, 1).start_ns <= now_ns
