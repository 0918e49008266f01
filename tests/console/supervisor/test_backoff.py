from hypothesis import given, settings
from hypothesis import strategies as st

from console.supervisor.backoff import Backoff

_S = 10**9


def test_restarts_come_ever_later_up_to_a_minute() -> None:
    backoff = Backoff()
    delays = []
    for _ in range(10):
        backoff.started(0)
        delays.append(backoff.ended(0) / _S)
    assert delays == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_child_that_ran_for_a_minute_is_restarted_quickly_again() -> None:
    backoff = Backoff()
    for _ in range(8):
        backoff.started(0)
        backoff.ended(0)
    backoff.started(100 * _S)
    assert backoff.ended(160 * _S) == 160 * _S + _S // 2
    backoff.started(161 * _S)
    assert backoff.ended(161 * _S) == 162 * _S


@given(st.lists(st.integers(min_value=0, max_value=200 * _S), max_size=200))
@settings(deadline=None)
def test_the_next_start_is_never_in_the_past_and_never_more_than_a_minute_away(lives: list[int]) -> None:
    backoff, now_ns = Backoff(), 0
    for life_ns in lives:
        backoff.started(now_ns)
        now_ns += life_ns
        due_ns = backoff.ended(now_ns)
        assert now_ns < due_ns <= now_ns + 60 * _S
        now_ns = due_ns
