"""Whose turn it is, how long to rest, and what the durable cursor may acknowledge."""

from hypothesis import given, settings
from hypothesis import strategies as st

from qos.shipping.outcomes import Denied, Retry
from qos.shipping.schedule import LIVE_EVERY_NS, REWIND_EVERY_NS, SETTLE_NS, Lane, Ledger, Pace, Turn, Wait
from qos.system.clock import NS_PER_S


def test_the_live_lane_comes_first_and_then_every_second() -> None:
    pace = Pace(batch=100, catch_up=1000)
    assert pace.next(0, backlog=False) == Turn("live", 100)
    pace.sent("live", 10, 0, 5, more=False)
    assert pace.next(10, backlog=False) == Wait(LIVE_EVERY_NS)
    assert pace.next(LIVE_EVERY_NS, backlog=False) == Turn("live", 100)


def test_a_full_live_batch_is_followed_by_another_at_once() -> None:
    pace = Pace(batch=100, catch_up=1000)
    pace.sent("live", 100, 0, 5, more=True)
    assert pace.next(6, backlog=True) == Turn("live", 100)


def test_the_backlog_keeps_to_its_rate() -> None:
    pace = Pace(batch=100, catch_up=1000, seed=1)
    now, sent = 0, 0
    while now < 30 * NS_PER_S:
        step = pace.next(now, backlog=True)
        if isinstance(step, Wait):
            assert step.until_ns > now, "a wait that is over is no wait"
            now = step.until_ns
        elif step.lane == "live":
            pace.sent("live", 0, now, now, more=False)
        else:
            pace.sent("backlog", step.limit, now, now, more=True)
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
    pace = Pace(batch=batch, catch_up=catch_up)
    now = last_live = 0
    longest_batch = 0
    for ms in takes_ms:
        while isinstance(step := pace.next(now, backlog=True), Wait):
            assert step.until_ns > now
            now = step.until_ns
        began, now = now, now + ms * 10**6
        if step.lane == "live":
            assert began - last_live <= LIVE_EVERY_NS + longest_batch
            last_live = began
            longest_batch = 0
            pace.sent("live", 1, began, began + 1, more=False)
            now = began + 1
        else:
            assert 1 <= step.limit <= batch
            longest_batch = max(longest_batch, now - began)
            pace.sent("backlog", step.limit, began, now, more=True)


def test_backlog_batches_shrink_while_the_server_is_slow_and_grow_again() -> None:
    pace = Pace(batch=4000, catch_up=100_000)
    now = 0

    def backlog_turn(took_ns: int) -> int:
        nonlocal now
        while not (isinstance(step := pace.next(now, backlog=True), Turn) and step.lane == "backlog"):
            if isinstance(step, Turn):
                pace.sent("live", 0, now, now, more=False)
            else:
                now = step.until_ns
        pace.sent("backlog", step.limit, now, now + took_ns, more=True)
        now += took_ns
        return step.limit

    assert [backlog_turn(2 * NS_PER_S) for _ in range(7)] == [4000, 2000, 1000, 500, 250, 125, 100]
    assert [backlog_turn(NS_PER_S // 2) for _ in range(2)] == [100, 100]
    assert [backlog_turn(1) for _ in range(7)] == [100, 200, 400, 800, 1600, 3200, 4000]


def test_rests_double_with_jitter_up_to_fifteen_seconds() -> None:
    pace = Pace(batch=1, catch_up=100, seed=7)
    rests = [pace.failed(Retry("down"), 0) / NS_PER_S for _ in range(40)]
    for attempt, rest in enumerate(rests):
        whole = min(15.0, 2.0**attempt)
        assert whole / 2 <= rest <= whole
    assert len(set(rests[5:])) > 20, "no jitter"


def test_the_server_decides_how_long_to_rest() -> None:
    pace = Pace(batch=1, catch_up=100)
    assert pace.failed(Retry("429", after_s=37.0, lost_contact=False), 0) == 37 * NS_PER_S
    assert pace.next(36 * NS_PER_S, backlog=True) == Wait(37 * NS_PER_S)
    assert pace.next(37 * NS_PER_S, backlog=True) == Turn("live", 1)


def test_denied_rests_half_a_minute_at_least() -> None:
    assert 30 * NS_PER_S <= Pace(batch=1, catch_up=100).failed(Denied("401"), 0) <= 60 * NS_PER_S


def test_a_success_ends_the_backing_off() -> None:
    pace = Pace(batch=1, catch_up=100, seed=3)
    for _ in range(10):
        pace.failed(Retry("down"), 0)
    assert pace.resting
    pace.sent("live", 1, 100 * NS_PER_S, 100 * NS_PER_S, more=False)
    assert not pace.resting
    assert pace.failed(Retry("down"), 101 * NS_PER_S) <= NS_PER_S


A = "app_traffic"


def test_a_start_catches_up_from_the_cursor_while_live_rows_go_on() -> None:
    ledger = Ledger({A: 10}, {A: 500})
    assert ledger.catching_up
    assert ledger.after("backlog") == {A: 10}
    assert ledger.until("backlog") == {A: 500}
    assert ledger.after("live") == {A: 500}
    assert ledger.until("live") is None


def test_the_cursor_follows_the_backlog_and_then_the_live_lane_a_minute_late() -> None:
    ledger = Ledger({A: 0}, {A: 100})
    ledger.moved("live", {A: 130}, 0)
    ledger.moved("backlog", {A: 60}, 6 * NS_PER_S)
    assert ledger.settle(SETTLE_NS - 1) is None
    assert ledger.settle(SETTLE_NS) is None, "nothing of the backlog had been sent by then"
    assert ledger.settle(SETTLE_NS + 6 * NS_PER_S) == {A: 60}
    ledger.moved("backlog", {A: 100}, SETTLE_NS + 7 * NS_PER_S)
    ledger.caught_up()
    ledger.moved("live", {A: 140}, SETTLE_NS + 20 * NS_PER_S)
    assert ledger.settle(2 * SETTLE_NS + 7 * NS_PER_S) == {A: 100}
    assert ledger.settle(2 * SETTLE_NS + 20 * NS_PER_S) == {A: 140}


def test_lost_contact_sends_the_last_minute_again() -> None:
    ledger = Ledger({A: 0}, {A: 0})
    ledger.caught_up()
    ledger.moved("live", {A: 100}, 0)
    assert ledger.settle(SETTLE_NS) == {A: 100}
    ledger.moved("live", {A: 200}, SETTLE_NS)
    ledger.fell_behind({A: 260}, SETTLE_NS + 1, lost_contact=True)
    assert ledger.after("backlog") == {A: 100}
    assert ledger.until("backlog") == {A: 260}
    assert ledger.after("live") == {A: 260}


def test_a_busy_server_is_not_sent_the_last_minute_again() -> None:
    ledger = Ledger({A: 0}, {A: 0})
    ledger.caught_up()
    ledger.moved("live", {A: 200}, 0)
    ledger.fell_behind({A: 260}, 1, lost_contact=False)
    assert ledger.after("backlog") == {A: 200}


def test_contact_lost_every_few_seconds_still_gets_on() -> None:
    ledger = Ledger({A: 0}, {A: 1000})
    now = 0
    for turn in range(1, 10):
        ledger.moved("backlog", {A: turn * 100}, now)
        ledger.fell_behind({A: 1000 + turn}, now + 1, lost_contact=True)
        now += 8 * NS_PER_S
    assert ledger.after("backlog") == {A: 900}
    ledger.fell_behind({A: 2000}, REWIND_EVERY_NS + 10 * NS_PER_S, lost_contact=True)
    assert ledger.after("backlog")[A] < 900


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
    ledger = Ledger({A: 0}, {A: head})
    acknowledged = 0
    for what, amount, seconds in steps:
        now += seconds * NS_PER_S
        if what == "write":
            head += amount
        elif what in ("live", "backlog"):
            lane: Lane = "live" if what == "live" else "backlog"
            if lane == "backlog" and not ledger.catching_up:
                continue
            until = ledger.until(lane)
            start, stop = ledger.after(lane)[A], head if until is None else until[A]
            rows = range(start + 1, min(stop, start + amount) + 1)
            if rows:
                sent |= set(rows)
                ledger.moved(lane, {A: rows[-1]}, now)
            elif lane == "backlog":
                ledger.caught_up()
        else:
            ledger.fell_behind({A: head}, now, lost_contact=what == "lost")
        if (positions := ledger.settle(now)) is not None:
            assert positions[A] >= acknowledged, "the cursor went back"
            acknowledged = positions[A]
        assert sent >= set(range(1, acknowledged + 1)), "acknowledged but never sent"
        pending = set(range(ledger.after("live")[A] + 1, head + 1))
        if ledger.catching_up:
            pending |= set(range(ledger.after("backlog")[A] + 1, (ledger.until("backlog") or {A: 0})[A] + 1))
        assert sent | pending == set(range(1, head + 1)), "a row is neither sent nor pending"
