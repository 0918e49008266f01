"""When networks train: at the quiet hour, once a day, and never while somebody would be disturbed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.training.machine import MachineState
from forecaster.training.quiet import (
    BUSY_CPU,
    DAY_NS,
    DEFAULT_HOUR,
    HOUR_NS,
    OVERDUE_NS,
    next_training_ns,
    quietest_hour,
    why_not_now,
)

DAY = 19_700 * DAY_NS
CALM = MachineState(on_battery=False, cpu_ratio=0.1, urgent_apps=())


def test_the_quiet_hour_is_that_of_the_least_traffic_with_quiet_neighbours() -> None:
    hours = list(range(24)) * 7
    values = [10.0 if 8 <= h < 24 else 1.0 for h in hours]
    # 5 is lowest by itself among the busy ones, but in the middle of the night nobody is near.
    assert quietest_hour(hours, values) in range(1, 7)
    lonely = [0.0 if h == 12 else 5.0 if h in (2, 3, 4) else 100.0 for h in hours]
    assert quietest_hour(hours, lonely) == 3


def test_hours_in_which_the_computer_is_off_are_not_chosen() -> None:
    hours = list(range(24))
    values = [math.nan if h < 8 else 100.0 - h for h in hours]
    assert quietest_hour(hours, values) == 23
    assert quietest_hour([], []) == DEFAULT_HOUR
    assert quietest_hour([4], [math.nan]) == DEFAULT_HOUR


@given(st.integers(0, 10 * DAY_NS), st.integers(0, 23), st.integers(0, int(OVERDUE_NS) - 1))
def test_the_next_training_lies_ahead_within_two_days_and_a_day_after_the_last(
    into: int, hour: int, since: int
) -> None:
    now = DAY + into
    due = next_training_ns(now_ns=now, last_ns=now - since, quiet_hour=hour)
    assert due - (now - since) >= 20 * HOUR_NS
    assert due <= now + 2 * DAY_NS
    if due > now - since + 20 * HOUR_NS:
        assert due // HOUR_NS % 24 == hour


def test_never_trained_or_long_overdue_is_due_at_once() -> None:
    assert next_training_ns(now_ns=DAY, last_ns=None, quiet_hour=3) == DAY
    assert next_training_ns(now_ns=DAY, last_ns=DAY - OVERDUE_NS, quiet_hour=3) == DAY


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (CALM, None),
        (MachineState(None, 0.1, ()), None),
        (MachineState(False, 0.1, ("valorant", "zoom")), "valorant, zoom is in use (a game or a call)"),
        (MachineState(True, 0.1, ()), "the computer runs on battery"),
        (MachineState(False, BUSY_CPU + 0.01, ()), "the processor is busy (61 %)"),
        (MachineState(True, 0.99, ("zoom",)), "zoom is in use"),
    ],
)
def test_who_would_be_disturbed_is_said(state: MachineState, words: str | None) -> None:
    found = why_not_now(state)
    assert (found is None) if words is None else (found is not None and words in found)
