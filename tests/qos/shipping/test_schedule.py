"""Whose turn it is, how long to rest, and what the durable cursor may acknowledge."""

import heapq

from hypothesis import given, settings
from hypothesis import strategies as st

from qos.shipping.outcomes import Denied, Retry
from qos.shipping.schedule import (
    LIVE_EVERY_NS,
    REWIND_EVERY_NS,
    SETTLE_NS,
    Lane,
    SendSchedule,
    SentPositions,
    Turn,
    Wait,
)
from qos.system.clock import NS_PER_S


def test_the_live_lane_comes_first_and_then_every_second() -> None:
    schedule = SendSchedule(batch=100, catch_up=1000)
    assert schedule.next(0, backlog=False) == Turn("live", 100)
    schedule.sent("live", 10, 0, 5, more=False)
    assert schedule.next(10, backlog=False) == Wait(LIVE_EVERY_NS)
    assert schedule.next(LIVE_EVERY_NS, backlog=False) == Turn("live", 100)


def test_a_full_live_batch_is_followed_by_another_at_once() -> None:
    schedule = SendSchedule(batch=100, catch_up=1000)
    schedule.sent("live", 100, 0, 5, more=True)
    assert schedule.next(6, backlog=True) == Turn("live", 100)


def test_the_backlog_keeps_to_its_rate() -> None:
    schedule = SendSchedule(batch=100, catch_up=1000, seed=1)
    now, sent = 0, 0
    while now < 30 * NS_PER_S:
        step = schedule.next(now, backlog=True)
        if isinstance(step, Wait):
            assert step.until_ns > now, "a wait that is over is no wait"
            now = step.until_ns
        elif step.lane == "live":
            schedule.sent("live", 0, now, now, more=False)
        else:
            schedule.sent("backlog", step.limit, now, now, more=True)
            sent += step.limit
    assert 29_000 <= sent <= 31_000


@settings(deadline=None)
@given(
    batch=st.integers(1, 5000),
    catch_up=st.integers(100, 50_000),
    takes_ms=st.lists(st.integers(0, 3000), min_size=5, max_size=60),
)
def test_the_live_lane_never_waits_longer_than_one_backlog_batch(
    batch: int, catch_up: int, takes_ms: list[int]
) -> None:
    schedule = SendSchedule(batch=batch, catch_up=catch_up)
    now = last_live = 0
    longest_batch = 0
    for ms in takes_ms:
        while isinstance(step := schedule.next(now, backlog=True), Wait):
            assert step.until_ns > now
            now = step.until_ns
        began, now = now, now + ms * 10**6
        if step.lane == "live":
            assert began - last_live <= LIVE_EVERY_NS + longest_batch
            last_live = began
            longest_batch = 0
            schedule.sent("live", 1, began, began + 1, more=False)
            now = began + 1
        else:
            assert 1 <= step.limit <= batch
            longest_batch = max(longest_batch, now - began)
            schedule.sent("backlog", step.limit, began, now, more=True)


def test_the_live_lane_is_looked_at_once_per_interval_of_the_agent() -> None:
    schedule = SendSchedule(batch=100, catch_up=1000, live_every_ns=10 * NS_PER_S)
    schedule.sent("live", 10, 0, 5, more=False)
    assert schedule.next(NS_PER_S, backlog=False) == Wait(10 * NS_PER_S)
    schedule.idle(10 * NS_PER_S)
    assert schedule.next(11 * NS_PER_S, backlog=False) == Wait(20 * NS_PER_S)


def test_backlog_batches_shrink_while_the_server_is_slow_and_grow_again() -> None:
    schedule = SendSchedule(batch=4000, catch_up=100_000)
    now = 0

    def backlog_turn(took_ns: int) -> int:
        nonlocal now
        while not (isinstance(step := schedule.next(now, backlog=True), Turn) and step.lane == "backlog"):
            if isinstance(step, Turn):
                schedule.sent("live", 0, now, now, more=False)
            else:
                now = step.until_ns
        schedule.sent("backlog", step.limit, now, now + took_ns, more=True)
        now += took_ns
        return step.limit

    assert [backlog_turn(2 * NS_PER_S) for _ in range(7)] == [4000, 2000, 1000, 500, 250, 125, 100]
    assert [backlog_turn(NS_PER_S // 2) for _ in range(2)] == [100, 100]
    assert [backlog_turn(1) for _ in range(7)] == [100, 200, 400, 800, 1600, 3200, 4000]


def test_rests_double_with_jitter_up_to_fifteen_seconds() -> None:
    schedule = SendSchedule(batch=1, catch_up=100, seed=7)
    rests = [schedule.failed(Retry("down"), 0) / NS_PER_S for _ in range(40)]
    for attempt, rest in enumerate(rests):
        whole = min(15.0, 2.0**attempt)
        assert whole / 2 <= rest <= whole
    assert len(set(rests[5:])) > 20, "no jitter"


def test_the_server_decides_how_long_to_rest() -> None:
    schedule = SendSchedule(batch=1, catch_up=100)
    assert schedule.failed(Retry("429", after_s=37.0, lost_contact=False), 0) == 37 * NS_PER_S
    assert schedule.next(36 * NS_PER_S, backlog=True) == Wait(37 * NS_PER_S)
    assert schedule.next(37 * NS_PER_S, backlog=True) == Turn("live", 1)


def test_denied_rests_half_a_minute_at_least() -> None:
    assert 30 * NS_PER_S <= SendSchedule(batch=1, catch_up=100).failed(Denied("401"), 0) <= 60 * NS_PER_S


def test_a_success_ends_the_backing_off() -> None:
    schedule = SendSchedule(batch=1, catch_up=100, seed=3)
    for _ in range(10):
        schedule.failed(Retry("down"), 0)
    schedule.sent("live", 1, 100 * NS_PER_S, 100 * NS_PER_S, more=False)
    assert schedule.failed(Retry("down"), 101 * NS_PER_S) <= NS_PER_S


A = "app_traffic"


def test_a_start_catches_up_from_the_cursor_while_live_rows_go_on() -> None:
    positions = SentPositions({A: 10}, {A: 500})
    assert positions.catching_up
    assert positions.after("backlog") == {A: 10}
    assert positions.until("backlog") == {A: 500}
    assert positions.after("live") == {A: 500}
    assert positions.until("live") is None


def test_the_cursor_follows_the_backlog_and_then_the_live_lane_a_minute_late() -> None:
    positions = SentPositions({A: 0}, {A: 100})
    positions.moved("live", {A: 130}, 0)
    positions.moved("backlog", {A: 60}, 6 * NS_PER_S)
    assert positions.settle(SETTLE_NS - 1) is None
    assert positions.settle(SETTLE_NS) is None, "nothing of the backlog had been sent by then"
    assert positions.settle(SETTLE_NS + 6 * NS_PER_S) == {A: 60}
    positions.moved("backlog", {A: 100}, SETTLE_NS + 7 * NS_PER_S)
    positions.caught_up()
    positions.moved("live", {A: 140}, SETTLE_NS + 20 * NS_PER_S)
    assert positions.settle(2 * SETTLE_NS + 7 * NS_PER_S) == {A: 100}
    assert positions.settle(2 * SETTLE_NS + 20 * NS_PER_S) == {A: 140}


def test_an_overloaded_server_gets_longer_rests_than_its_answers_took() -> None:
    busy = Retry("500 timeout", lost_contact=False)
    schedule = SendSchedule(batch=100, catch_up=1000, seed=3)
    rests = [schedule.failed(busy, 0, took_ns=10 * NS_PER_S) / NS_PER_S for _ in range(8)]
    assert 10 <= rests[0] <= 20
    assert 20 <= rests[1] <= 40
    assert all(60 <= rest <= 120 for rest in rests[4:])
    schedule.sent("live", 1, 0, 1, more=False)
    assert schedule.failed(busy, 0, took_ns=10 * NS_PER_S) <= 20 * NS_PER_S


def test_a_server_that_is_only_gone_is_tried_as_soon_as_before_however_long_the_attempt_took() -> None:
    schedule = SendSchedule(batch=100, catch_up=1000)
    assert schedule.failed(Retry("no route"), 0, took_ns=30 * NS_PER_S) <= NS_PER_S


def test_a_thousand_agents_and_a_server_that_manages_two_thirds_of_their_writes() -> None:
    """One write at a time, 15 ms each; one that would wait 10 s is refused, and done all the same.

    That is InfluxDB 2.9.1 with new series on a busy disk (docs/measurements.md): retries must not keep it there.
    """
    agents = [SendSchedule(batch=5000, catch_up=1000, seed=n, live_every_ns=10 * NS_PER_S) for n in range(1000)]
    due = [(number * 10**6, number) for number in range(1000)]  # all within a second: a power cut is over
    last_success, refused, taken, longest_ns = [0] * 1000, 0, 0, 0
    free_ns = 0
    while due[0][0] < 1200 * NS_PER_S:
        now_ns, number = heapq.heappop(due)
        free_ns = max(free_ns, now_ns) + 15 * 10**6
        done_ns, late = min(free_ns, now_ns + 10 * NS_PER_S), now_ns > 600 * NS_PER_S
        if done_ns == free_ns:
            agents[number].sent("live", 23, now_ns, done_ns, more=False)
            longest_ns = max(longest_ns, done_ns - last_success[number])
            last_success[number] = done_ns
            taken += late
        else:
            agents[number].failed(Retry("500 timeout", lost_contact=False), done_ns, done_ns - now_ns)
            refused += late
        step = agents[number].next(done_ns, backlog=False)
        heapq.heappush(due, (step.until_ns if isinstance(step, Wait) else done_ns, number))
    assert refused < taken / 20
    assert longest_ns < 300 * NS_PER_S


def test_lost_contact_sends_the_last_minute_again() -> None:
    positions = SentPositions({A: 0}, {A: 0})
    positions.caught_up()
    positions.moved("live", {A: 100}, 0)
    assert positions.settle(SETTLE_NS) == {A: 100}
    positions.moved("live", {A: 200}, SETTLE_NS)
    positions.fell_behind({A: 260}, SETTLE_NS + 1, lost_contact=True)
    assert positions.after("backlog") == {A: 100}
    assert positions.until("backlog") == {A: 260}
    assert positions.after("live") == {A: 260}


def test_a_busy_server_is_not_sent_the_last_minute_again() -> None:
    positions = SentPositions({A: 0}, {A: 0})
    positions.caught_up()
    positions.moved("live", {A: 200}, 0)
    positions.fell_behind({A: 260}, 1, lost_contact=False)
    assert positions.after("backlog") == {A: 200}


def test_contact_lost_every_few_seconds_still_gets_on() -> None:
    positions = SentPositions({A: 0}, {A: 1000})
    now = 0
    for turn in range(1, 10):
        positions.moved("backlog", {A: turn * 100}, now)
        positions.fell_behind({A: 1000 + turn}, now + 1, lost_contact=True)
        now += 8 * NS_PER_S
    assert positions.after("backlog") == {A: 900}
    positions.fell_behind({A: 2000}, REWIND_EVERY_NS + 10 * NS_PER_S, lost_contact=True)
    assert positions.after("backlog")[A] < 900


@settings(deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["live", "backlog", "write", "lost", "busy"]), st.integers(1, 50), st.integers(0, 70)
        ),
        max_size=60,
    )
)
def test_the_cursor_never_passes_a_row_that_was_not_sent(steps: list[tuple[str, int, int]]) -> None:
    head, sent, now = 30, set[int](), 0
    positions = SentPositions({A: 0}, {A: head})
    acknowledged = 0
    for what, amount, seconds in steps:
        now += seconds * NS_PER_S
        if what == "write":
            head += amount
        elif what in ("live", "backlog"):
            lane: Lane = "live" if what == "live" else "backlog"
            if lane == "backlog" and not positions.catching_up:
                continue
            until = positions.until(lane)
            start, stop = positions.after(lane)[A], head if until is None else until[A]
            rows = range(start + 1, min(stop, start + amount) + 1)
            if rows:
                sent |= set(rows)
                positions.moved(lane, {A: rows[-1]}, now)
            elif lane == "backlog":
                positions.caught_up()
        else:
            positions.fell_behind({A: head}, now, lost_contact=what == "lost")
        if (settled := positions.settle(now)) is not None:
            assert settled[A] >= acknowledged, "the cursor went back"
            acknowledged = settled[A]
        assert sent >= set(range(1, acknowledged + 1)), "acknowledged but never sent"
        pending = set(range(positions.after("live")[A] + 1, head + 1))
        if positions.catching_up:
            pending |= set(range(positions.after("backlog")[A] + 1, (positions.until("backlog") or {A: 0})[A] + 1))
        assert sent | pending == set(range(1, head + 1)), "a row is neither sent nor pending"
