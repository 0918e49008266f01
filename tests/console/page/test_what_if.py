"""What if: rates from the enforcer's own policy and planner over recorded seconds. Literal numbers."""

from hypothesis import given
from hypothesis import strategies as st

from console.page.what_if import Change, Tick, compare
from qos.contract.config import Config, Link, parse_config
from qos.contract.documents.override import Override
from qos.contract.schedule import LocalTime

S = 10**9
MBIT = 10**6
AT = LocalTime(0, 600)
LINK = Link().model_copy(update={"down": 20 * MBIT, "up": 20 * MBIT})
CONFIG: Config = parse_config("mode: enforce\nlink: {down: 20mbit, up: 20mbit}\n", "test")


def ticks(**down: int) -> list[Tick]:
    return [Tick(second * S, {app: (bps, bps // 40) for app, bps in down.items()}) for second in range(12)]


def what_if(past: list[Tick], then: dict[str, Override], link: Link = LINK) -> dict[str, Change]:
    return {change.app: change for change in compare(CONFIG, link=link, ticks=past, now={}, then=then, at=AT)}


def test_background_gives_way_on_a_full_line() -> None:
    found = what_if(ticks(bulk=17 * MBIT, browser=2 * MBIT), {"bulk": Override(priority=5)})
    assert (found["bulk"].priority_before, found["bulk"].priority_after) == (3, 5)
    limit = found["bulk"].down.limit_after_bps
    assert limit is not None
    assert limit < 20 * MBIT
    assert found["bulk"].down.expected_bps <= 17 * MBIT


def test_a_limit_holds_and_what_it_frees_is_there_for_the_others() -> None:
    found = what_if(ticks(bulk=17 * MBIT, browser=2 * MBIT), {"bulk": Override(down_bps=4 * MBIT)})
    assert found["bulk"].down.limit_after_bps == 4 * MBIT
    assert found["bulk"].down.expected_bps == 4 * MBIT
    assert found["browser"].down.freed
    assert not found["bulk"].down.freed


def test_on_an_idle_line_a_priority_changes_no_rate() -> None:
    found = what_if(ticks(bulk=2 * MBIT, browser=1 * MBIT), {"bulk": Override(priority=5)})
    assert found["bulk"].down.expected_bps == 2 * MBIT
    assert not found["browser"].down.freed


def test_without_a_known_capacity_only_limits_hold() -> None:
    found = what_if(ticks(bulk=17 * MBIT), {"bulk": Override(priority=5)}, Link())
    assert found["bulk"].down.limit_after_bps is None


def test_level_0_is_never_limited() -> None:
    found = what_if(ticks(call=3 * MBIT, bulk=16 * MBIT), {"call": Override(priority=0, down_bps=MBIT)})
    assert found["call"].down.limit_after_bps is None


def test_an_application_that_nobody_saw_is_shown_with_no_traffic() -> None:
    found = what_if(ticks(bulk=MBIT), {"ghost": Override(down_bps=MBIT)})
    assert found["ghost"].down.now_bps == 0


@given(
    rates=st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 40 * MBIT), min_size=1),
    level=st.integers(0, 5),
    limit=st.none() | st.integers(64_000, 30 * MBIT),
)
def test_nothing_is_expected_beyond_a_limit_or_beyond_what_it_moves(
    rates: dict[str, int], level: int, limit: int | None
) -> None:
    app = min(rates)
    found = what_if(ticks(**rates), {app: Override(priority=level, down_bps=limit)})
    for change in found.values():
        for side in (change.down, change.up):
            assert 0 <= side.expected_bps <= side.now_bps
            assert side.limit_after_bps is None or side.expected_bps <= side.limit_after_bps
