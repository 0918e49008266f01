"""Plans cover every moment of a read once, from the coarsest resolution that is exact there."""

from hypothesis import given, settings
from hypothesis import strategies as st

from qos.store.sqlite.reading.read_plan import HOUR_NS, MINUTE_NS, ReadPlan, RollupState, Spans, plan_windows

SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8).map(Spans.of)


def members(spans: Spans) -> set[int]:
    return {at for low, high in spans.spans for at in range(low, high)}


@settings(deadline=None)
@given(SPANS, SPANS)
def test_union_and_difference_are_those_of_sets(left: Spans, right: Spans) -> None:
    assert members(left | right) == members(left) | members(right)
    assert members(left - right) == members(left) - members(right)


@settings(deadline=None)
@given(SPANS, SPANS)
def test_intervals_stay_ordered_and_apart(left: Spans, right: Spans) -> None:
    for spans in (left | right, left - right):
        flat = [edge for span in spans.spans for edge in span]
        assert flat == sorted(set(flat))


TIMES = st.integers(0, 6 * 60).map(lambda minute: minute * MINUTE_NS) | st.integers(0, 6 * HOUR_NS)
MINUTES = st.lists(st.integers(0, 6 * 60).map(lambda minute: minute * MINUTE_NS), max_size=6).map(tuple)
HOURS = st.lists(st.integers(0, 6).map(lambda hour: hour * HOUR_NS), max_size=2).map(tuple)
EVERY = st.sampled_from([None, MINUTE_NS // 2, MINUTE_NS, 90 * 10**9, HOUR_NS, 2 * HOUR_NS])


@settings(deadline=None, max_examples=200)
@given(TIMES, TIMES, EVERY, MINUTES, HOURS)
def test_with_nothing_removed_every_moment_is_read_exactly_once(
    start: int, stop: int, every: int | None, minutes: tuple[int, ...], hours: tuple[int, ...]
) -> None:
    plan = plan_windows(start, stop, every, RollupState(dirty_minutes=minutes, dirty_hours=hours))
    spans = [*plan.raw.spans, *plan.minute.spans, *plan.hour.spans]
    assert sum(high - low for low, high in spans) == max(0, stop - start)
    assert Spans.of(spans) == Spans.of([(start, stop)])


@settings(deadline=None, max_examples=200)
@given(TIMES, TIMES, EVERY, MINUTES, HOURS)
def test_a_dirty_window_is_never_read_from_its_rollup(
    start: int, stop: int, every: int | None, minutes: tuple[int, ...], hours: tuple[int, ...]
) -> None:
    plan = plan_windows(start, stop, every, RollupState(dirty_minutes=minutes, dirty_hours=hours))
    dirty = Spans.windows(minutes, MINUTE_NS)
    assert plan.minute - dirty == plan.minute
    assert plan.hour - Spans.windows((*minutes, *hours), HOUR_NS) == plan.hour


def test_a_long_read_uses_hours_inside_minutes_beside_them_and_raw_rows_at_the_edges() -> None:
    second = 10**9
    plan = plan_windows(HOUR_NS - 90 * second, 3 * HOUR_NS + 61 * second, None, RollupState())
    assert plan.hour == Spans.of([(HOUR_NS, 3 * HOUR_NS)])
    assert plan.minute == Spans.of([(HOUR_NS - MINUTE_NS, HOUR_NS), (3 * HOUR_NS, 3 * HOUR_NS + MINUTE_NS)])
    assert plan.raw == Spans.of(
        [(HOUR_NS - 90 * second, HOUR_NS - MINUTE_NS), (3 * HOUR_NS + MINUTE_NS, 3 * HOUR_NS + 61 * second)]
    )


def test_windows_that_no_rollup_divides_are_read_raw() -> None:
    assert plan_windows(0, 9 * HOUR_NS, 7 * 10**9, RollupState()) == ReadPlan(raw=Spans.of([(0, 9 * HOUR_NS)]))


def test_below_the_floors_every_level_is_read_for_what_is_not_folded_yet() -> None:
    rollup_state = RollupState(raw_floor_ns=3 * HOUR_NS, minute_floor_ns=HOUR_NS, dirty_minutes=(MINUTE_NS, HOUR_NS))
    plan = plan_windows(0, 4 * HOUR_NS, HOUR_NS, rollup_state)
    assert plan.hour == Spans.of([(0, HOUR_NS), (2 * HOUR_NS, 4 * HOUR_NS)])
    assert plan.minute == plan.raw == Spans.of([(0, 2 * HOUR_NS)])


def test_windows_smaller_than_what_is_left_show_nothing_rather_than_too_much() -> None:
    plan = plan_windows(0, HOUR_NS, MINUTE_NS, RollupState(raw_floor_ns=HOUR_NS, minute_floor_ns=HOUR_NS))
    assert not plan.hour
