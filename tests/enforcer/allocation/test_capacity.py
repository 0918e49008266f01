"""What the line carries, from what passes while a queue stands; and how a budget looks for more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.allocation.capacity import (
    CapacityEstimate,
    Passed,
    carried_bps,
    drained_bps,
    earlier_bps,
    learn,
    rate_bps,
    sent_through_bps,
    standing_ns,
    with_look,
)
from enforcer.allocation.growth import MOST, PLATEAU, PROBE_NS, drain_ns, drain_ratio, rebased_ns, used_ratio

MS = 10**6
S = 10**9
M = 1_000_000


def looks(*rows: tuple[int, float, int]) -> tuple[Passed, ...]:
    """(ms, megabytes so far, queue in ms)."""
    return tuple(Passed(ms * MS, int(megabytes * M), queue * MS) for ms, megabytes, queue in rows)


def test_towards_us_what_arrives_is_the_capacity_but_only_while_the_queue_stands() -> None:
    before_and_after = looks((0, 0.0, 0), (100, 0.01, 0), (200, 0.26, 20), (300, 0.51, 40))
    assert carried_bps(before_and_after, 300 * MS, "down") == 20 * M


def test_away_from_us_the_queues_growth_is_taken_off() -> None:
    # 30 Mbit/s go in for 0.2 s, the queue grows by 100 ms: 20 come out.
    grows = looks((0, 0.0, 10), (100, 0.375, 60), (200, 0.75, 110))
    assert carried_bps(grows, 300 * MS, "up") == 20 * M
    assert rate_bps(grows, 300 * MS) == 30 * M


def test_counters_that_start_again_are_no_rate() -> None:
    made = with_look(looks((0, 5.0, 0), (100, 6.0, 0)), Passed(200 * MS, 1000, 0))
    assert rate_bps(made, S) == 0


def test_a_moment_is_told_from_a_standing_queue() -> None:
    assert standing_ns(looks((0, 0, 9), (100, 1, 0), (200, 2, 5), (300, 3, 5))) == 100 * MS


def test_near_estimates_are_blended_and_far_ones_replace() -> None:
    first = learn(None, 0, 20 * M)
    near = learn(first, S, 21 * M)
    assert 20 * M < near.bps < 21 * M
    assert near.confidence > first.confidence
    assert learn(near, 2 * S, 8 * M) == CapacityEstimate(8 * M, 0.5, 2 * S)


def test_confidence_fades_with_age() -> None:
    known = CapacityEstimate(20 * M, 0.8, 0)
    assert known.confidence_now(0) == 0.8
    assert known.confidence_now(7 * 86_400 * S) == 0.4


@given(st.integers(0, 10 * S), st.integers(0, 10 * S))
def test_growth_never_goes_back_and_is_bounded(a: int, b: int) -> None:
    low, high = sorted((a, b))
    assert used_ratio(low) <= used_ratio(high) <= MOST


def test_the_plateau_lies_below_the_line_and_twice_of_it_is_reached_a_second_and_a_half_later() -> None:
    assert used_ratio(PROBE_NS) == PLATEAU < 1
    assert used_ratio(PROBE_NS + 1_500 * MS) >= 2


@given(st.integers(PROBE_NS + 400 * MS, PROBE_NS + 1_400 * MS), st.floats(1.05, 1.5))
def test_the_look_for_more_goes_on_as_fast_from_a_new_capacity(grown_ns: int, more: float) -> None:
    rebased, step = rebased_ns(grown_ns, more), 50 * MS
    speed = used_ratio(grown_ns + step) - used_ratio(grown_ns)
    assert more * (used_ratio(rebased + step) - used_ratio(rebased)) == pytest.approx(speed, rel=0.01)
    assert more * used_ratio(rebased) >= used_ratio(grown_ns)


def test_a_rested_budget_stays_where_it_is() -> None:
    assert rebased_ns(PROBE_NS // 2, 1.5) == PROBE_NS // 2
    assert rebased_ns(PROBE_NS + 1, 4.0) == PROBE_NS


@given(st.integers(0, 2 * S))
def test_a_longer_queue_is_drained_with_less(queue_ns: int) -> None:
    assert 0.1 <= drain_ratio(queue_ns) <= 0.85
    assert drain_ns(queue_ns) <= 1.2 * queue_ns * 10


def test_a_queue_that_shows_all_at_once_does_not_make_the_line_look_slow() -> None:
    # 20 Mbit/s arrive for 0.3 s; the echoes say so only at the end.
    late = looks((0, 0.0, 0), (100, 0.25, 0), (200, 0.5, 0), (250, 0.625, 0), (300, 0.75, 200))
    assert carried_bps(late, 300 * MS, "down") == 20 * M
    # Upwards the queue's growth is spread over what is known of it.
    assert carried_bps(late, 300 * MS, "up") >= 12 * M


def test_a_lull_at_the_last_look_is_not_taken_for_the_line() -> None:
    lull = looks((0, 0.0, 0), (100, 0.25, 0), (200, 0.5, 0), (250, 0.5, 30))
    assert carried_bps(lull, 300 * MS, "down") == 20 * M


def test_looks_that_come_seldom_say_what_passed_between_them() -> None:
    """A machine that is busy elsewhere may look twice a second."""
    seldom = looks((0, 0.0, 100), (500, 1.25, 100), (1000, 2.5, 100))
    assert carried_bps(seldom, 300 * MS, "down") == 20 * M


def test_an_uplinks_queue_that_shrinks_tells_what_the_line_takes_even_where_the_buffer_was_full() -> None:
    """0.1 MB are sent in a second in which 0.5 s of queue leave: 0.2 MB in a second."""
    shrinking = looks((0, 0.0, 500), (500, 0.05, 250), (1000, 0.1, 2), (1100, 0.2, 0))
    told = drained_bps(shrinking)
    assert told is not None
    assert abs(told - 1.6 * M) < 0.05 * M
    assert drained_bps(looks((0, 0.0, 20), (500, 0.05, 2))) is None
    assert drained_bps(looks((0, 0.0, 500), (50, 0.05, 400))) is None


def test_what_left_an_uplinks_queue_is_reckoned_from_when_its_echoes_were_sent() -> None:
    """20 Mbit/s were sent into 10 until 0.4 s, then nothing: the queue of 400 ms is seen at 0.8 s, when it is empty."""
    rows = []
    for ms in range(0, 850, 50):
        sent = 2.5 * min(ms, 400) / 1000
        # The echo that comes back at ms was sent at half of it: as much had been queued as time had passed.
        rows.append((ms, sent, min(ms // 2, 400)))
    seen = looks(*rows)
    told = sent_through_bps(seen, 300 * MS)
    assert told is not None
    assert abs(told - 10 * M) < 0.5 * M
    assert sent_through_bps(seen, 2 * S) is None
    assert sent_through_bps((), S) is None


def test_what_passed_a_second_ago() -> None:
    assert earlier_bps(looks((0, 0.0, 0), (500, 0.5, 0), (1500, 5.5, 0)), S) == 8 * M
    assert earlier_bps(looks((0, 0.0, 0), (100, 0.5, 0)), S) == 0
    assert earlier_bps((), S) == 0
