from hypothesis import given
from hypothesis import strategies as st

from collector.accounting.tick_schedule import GAP_NS, TickSchedule

S = 10**9
HOUR = 3600 * S


def test_ticks_keep_their_distance_and_do_not_drift() -> None:
    schedule = TickSchedule(S, 0, HOUR)
    assert schedule.wait_ns(0) == S
    arrival = schedule.arrive(S + 30_000_000, HOUR + S + 30_000_000)
    assert (arrival.elapsed_ns, arrival.skipped, arrival.gap, arrival.stepped_ns) == (S + 30_000_000, 0, False, 0)
    assert schedule.wait_ns(S + 30_000_000) == S - 30_000_000


def test_a_late_tick_is_run_once_and_the_missed_ones_are_counted() -> None:
    schedule = TickSchedule(S, 0, 0)
    assert schedule.arrive(int(4.5 * S), int(4.5 * S)).skipped == 3
    assert schedule.wait_ns(int(4.5 * S)) == S // 2


def test_a_clock_set_back_an_hour_is_noticed_and_changes_no_due_time() -> None:
    schedule = TickSchedule(S, 0, 10 * HOUR)
    arrival = schedule.arrive(S, 9 * HOUR + S)
    assert (arrival.elapsed_ns, arrival.stepped_ns, arrival.gap, arrival.skipped) == (S, -HOUR, False, 0)
    assert schedule.arrive(2 * S, 9 * HOUR + 2 * S).stepped_ns == 0


def test_sleep_is_a_gap_whether_or_not_the_monotonic_clock_ran() -> None:
    linux, windows = TickSchedule(S, 0, 0), TickSchedule(S, 0, 0)
    assert linux.arrive(S, HOUR).gap
    asleep = windows.arrive(HOUR, HOUR)
    assert asleep.gap
    assert asleep.skipped == 3599


def test_a_stall_of_seconds_is_no_gap() -> None:
    assert not TickSchedule(S, 0, 0).arrive(20 * S, 20 * S).gap
    assert not TickSchedule(60 * S, 0, 0).arrive(60 * S, 60 * S).gap
    assert TickSchedule(60 * S, 0, 0).arrive(60 * S + GAP_NS, 60 * S + GAP_NS).gap


def test_another_interval_counts_from_now() -> None:
    schedule = TickSchedule(60 * S, 0, 0)
    schedule.every(60 * S, 7 * S)
    assert schedule.wait_ns(7 * S) == 53 * S
    schedule.every(S, 7 * S)
    assert schedule.wait_ns(7 * S) == S


@given(st.integers(S // 10, 60 * S), st.lists(st.integers(0, 200 * S), min_size=1, max_size=30))
def test_the_next_tick_is_always_ahead_and_at_most_an_interval_away(interval_ns: int, delays: list[int]) -> None:
    schedule, now_ns, skipped, ticks = TickSchedule(interval_ns, 0, 0), 0, 0, 0
    for delay_ns in delays:
        now_ns += schedule.wait_ns(now_ns) + delay_ns
        skipped += schedule.arrive(now_ns, now_ns).skipped
        ticks += 1
        assert 0 < schedule.wait_ns(now_ns) <= interval_ns
    assert ticks + skipped == now_ns // interval_ns
