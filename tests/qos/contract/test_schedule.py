"""Schedules as tables of texts and times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.contract.schedule import DAYS, LocalTime, Schedule, parse_schedule


def at(day: str, clock: str) -> LocalTime:
    return LocalTime(DAYS.index(day), int(clock[:2]) * 60 + int(clock[3:]))


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("weekdays 09:00-18:00", [("mon", "09:00"), ("fri", "17:59")], [("mon", "18:00"), ("sat", "12:00")]),
        ("sat,sun", [("sat", "00:00"), ("sun", "23:59")], [("mon", "00:00"), ("fri", "23:59")]),
        ("daily 22:00-06:00", [("wed", "22:00"), ("thu", "05:59")], [("thu", "06:00"), ("thu", "21:59")]),
        ("fri 22:00-06:00", [("fri", "23:00"), ("sat", "05:00")], [("fri", "05:00"), ("sat", "22:30")]),
        ("sun 22:00-06:00", [("mon", "01:00")], [("sun", "01:00")]),
        ("sat-mon", [("sat", "01:00"), ("sun", "01:00"), ("mon", "01:00")], [("tue", "01:00")]),
        ("WEEKENDS 00:00-24:00", [("sun", "23:59")], [("fri", "23:59")]),
        ("08:30-09:00", [("tue", "08:30")], [("tue", "08:29"), ("tue", "09:00")]),
    ],
)
def test_a_schedule_holds_inside_and_not_outside(
    text: str, inside: list[tuple[str, str]], outside: list[tuple[str, str]]
) -> None:
    schedule = parse_schedule(text)
    assert all(schedule.holds(at(*moment)) for moment in inside)
    assert not any(schedule.holds(at(*moment)) for moment in outside)


@pytest.mark.parametrize(
    "text", ["", "noon", "mon 9:00-17:00", "mon 09:00-09:00", "mon 24:00-01:00", "mon 10:00-25:00", "a b c", "mon,,tue"]
)
def test_what_is_no_schedule_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"schedule|day|time|period"):
        parse_schedule(text)


@given(st.frozensets(st.integers(0, 6), min_size=1), st.integers(0, 1439), st.integers(1, 1440))
def test_a_period_covers_its_own_length_of_every_week(days: frozenset[int], start: int, stop: int) -> None:
    if start == stop:
        return
    schedule = Schedule(days, start, stop)
    length = stop - start if start < stop else 1440 - start + stop
    held = sum(schedule.holds(LocalTime(day, minute)) for day in range(7) for minute in range(1440))
    assert held == length * len(days)
