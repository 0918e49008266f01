"""The plan: who is held back at all, and to what; with the meter that feeds it and the records that it leaves."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from enforcer.allocation.meter import Meter
from enforcer.allocation.planner import (
    HEADROOM_BPS,
    HEADROOM_PERCENT,
    AppPlan,
    PlannerInput,
    Settings,
    Usage,
    plan,
)
from enforcer.qdisc.classifier import ClassStats
from enforcer.qdisc.queued_packet import Counts
from enforcer.reports import Records, limits_document
from qos.contract.config import parse_config
from qos.contract.direction import Direction
from qos.contract.documents.engine import EngineReport
from qos.contract.documents.limits import Limits
from qos.contract.points import AppLimit, Event
from qos.contract.reason import Cause, Reason, Subject
from qos.policy.policy import Decision

S = 10**9
M = 1_000_000


def settings(text: str = "") -> Settings:
    config = parse_config(text)
    return Settings(config.link, config.levels)


def decision(app: str, level: int, **limits: int) -> Decision:
    why = Reason(Subject.PRIORITY, Cause.DEFAULT, level)
    return Decision(app, "unknown", level, "default", reasons=(why,), **limits)


def planned(
    decisions: list[Decision], usage: dict[str, Usage], *, text: str = "", down: int | None = None, **rest: Any
) -> dict[str, AppPlan]:
    budgets: dict[Direction, int] = {} if down is None else {"down": down}
    return plan(settings(text), PlannerInput({d.app: d for d in decisions}, usage, budgets, **rest))


def elastic(*apps: str) -> dict[str, Any]:
    return {"elastic": {"down": frozenset(apps)}}


BULK = [decision("a", 2), decision("b", 4), decision("c", 5)]
WAITING = {app: Usage(6 * M, 0, down_waiting=True) for app in "abc"}
ALL = elastic("a", "b", "c")


def test_without_a_budget_or_limit_nobody_is_held() -> None:
    plans = planned(BULK, {app: Usage(10**9, 10**9) for app in "abc"}, **ALL)
    assert not any(plan.limited for plan in plans.values())


def test_an_explicit_limit_holds_before_any_traffic_and_regardless_of_the_link() -> None:
    one = planned([decision("a", 3, down_bps=2 * M)], {})["a"]
    assert (one.down_bps, one.up_bps) == (2 * M, None)


def test_the_elastic_share_the_budget_by_weight_and_all_of_it() -> None:
    busy = planned(BULK, {app: Usage(7 * M, down_waiting=True) for app in "abc"}, down=20 * M, **ALL)
    rates = [busy[app].down_bps or 0 for app in "abc"]
    assert abs(sum(rates) - 20 * M) <= 3
    assert [round(rate / rates[2], 1) for rate in rates] == [6.0, 2.0, 1.0]
    assert all(plan.up_bps is None for plan in busy.values())


def test_who_is_not_elastic_is_left_alone_and_subtracted_with_headroom() -> None:
    decisions = [*BULK, decision("call", 1), decision("critical", 0)]
    usage = {**WAITING, "call": Usage(M), "critical": Usage(4 * M)}
    plans = planned(decisions, usage, down=20 * M, unattributed={"down": M}, **ALL)
    assert not plans["call"].limited
    assert not plans["critical"].limited
    held = sum(plans[app].down_bps or 0 for app in "abc")
    assert abs(held - (20 * M - 6 * M * HEADROOM_PERCENT // 100 - HEADROOM_BPS)) <= 3
    measured = planned(decisions, usage, down=20 * M, unheld_bps={"down": 10 * M}, **ALL)
    held = sum(measured[app].down_bps or 0 for app in "abc")
    assert abs(held - (20 * M - 11 * M - HEADROOM_BPS)) <= 3


def test_what_one_stops_using_is_lent_at_the_next_round_and_claimed_back_at_the_next() -> None:
    gone = planned(BULK, {**WAITING, "a": Usage(0)}, down=20 * M, **ALL)
    assert (gone["b"].down_bps or 0) + (gone["c"].down_bps or 0) >= 19 * M
    back = planned(BULK, WAITING, down=20 * M, **ALL)
    assert (back["a"].down_bps or 0) >= 13 * M


def test_a_level_ceiling_holds_those_of_the_level_that_are_there() -> None:
    text = "levels: {5: {name: background, weight: 5, down: 3mbit}}"
    plans = planned(BULK, {"c": Usage(5 * M, down_waiting=True)}, text=text)
    assert plans["c"].down_bps == 3 * M
    assert not plans["a"].limited
    assert plans["c"].reasons[-1].cause is Cause.CEILING_SHARE


def test_a_reason_says_whether_a_person_or_latency_set_the_budget() -> None:
    learned = planned(BULK, WAITING, down=6 * M, **elastic("b", "c"))
    assert not learned["a"].limited
    assert learned["c"].reasons[-1].cause is Cause.LATENCY_SHARE
    by_hand = planned(BULK, WAITING, text="link: {down: 6mbit}", down=6 * M, **elastic("b", "c"))
    assert by_hand["c"].reasons[-1].cause is Cause.LINK_SHARE


@given(
    budget=st.integers(300_000, 10**9),
    levels=st.lists(st.integers(1, 5), min_size=1, max_size=12),
    call=st.integers(0, 2 * M),
)
def test_the_rates_of_the_elastic_never_exceed_the_budget_but_for_the_floor(
    budget: int, levels: list[int], call: int
) -> None:
    decisions = [decision(f"a{n}", level) for n, level in enumerate(levels)] + [decision("call", 1)]
    usage = {one.app: Usage(M, down_waiting=True) for one in decisions} | {"call": Usage(call)}
    plans = planned(decisions, usage, down=budget, **elastic(*(f"a{n}" for n in range(len(levels)))))
    total = sum(one.down_bps or 0 for one in plans.values())
    room = max(0, budget - call * HEADROOM_PERCENT // 100 - (HEADROOM_BPS if call else 0))
    assert total <= max(room, 64_000 * len(levels)) + len(levels)
    assert plans["call"].down_bps is None


def counts(released: int, delayed: int = 0, dropped: int = 0) -> ClassStats:
    return ClassStats(Counts(released_bytes=released, delayed=delayed, dropped=dropped), 0, 3 * 10**6)


def test_the_meter_measures_classes_and_believes_the_collector_elsewhere() -> None:
    meter, live = Meter(), {"a": Usage(9 * M, 5 * M), "b": Usage(1, 2)}
    first = meter.usage(0, {"a": {"down": counts(0)}}, live)
    assert first["a"] == Usage(9 * M, 5 * M, down_waiting=True)
    later = meter.usage(S, {"a": {"down": counts(250_000, delayed=5)}}, live)
    assert later["a"] == Usage(2 * M, 5 * M, down_waiting=True)
    assert later["b"] == Usage(1, 2)
    idle = meter.usage(2 * S, {"a": {"down": counts(250_000, delayed=5)}}, live)
    assert idle["a"] == Usage(0, 5 * M)


def test_a_call_far_below_its_rate_does_not_look_as_if_it_wanted_the_link() -> None:
    def stats(released: int, delayed: int, backlog: int = 0) -> dict[str, dict[Direction, ClassStats]]:
        return {
            "call": {"down": ClassStats(Counts(released_bytes=released, delayed=delayed), backlog, 0, rate_bps=10 * M)}
        }

    for seconds, delayed, backlog, waiting in (
        (187_500, 5, 0, False),  # 1.5 Mbit/s, a few packets a moment late
        (187_500, 5, 3_000, False),  # two of them wait just now
        (187_500, 5, 20_000, True),  # a queue stands
        (1_100_000, 5, 0, True),  # 8.8 of 10 Mbit/s
        (1_100_000, 0, 0, False),  # but nothing ever waited
    ):
        meter = Meter()
        meter.usage(0, stats(0, 0), {})
        later = meter.usage(S, stats(seconds, delayed, backlog), {})
        assert later["call"].down_waiting is waiting, (seconds, delayed, backlog)


def held(app: str, down: int | None, *why: Reason, explicit: int | None = None) -> AppPlan:
    return AppPlan(Decision(app, "unknown", 3, "default", down_bps=explicit), down, None, 0, 0, why)


def share(rate: int) -> Reason:
    return Reason(Subject.DOWN, Cause.LINK_SHARE, rate, level=3, level_name="normal", of_bps=20 * M)


def sides(**of: ClassStats) -> dict[str, dict[Direction, ClassStats]]:
    return {app: {"down": tally} for app, tally in of.items()}


def test_a_limit_leaves_rows_with_deltas_an_event_and_an_end() -> None:
    records = Records("host", S)
    why = Reason(Subject.DOWN, Cause.HAND, 2 * M)
    plans = {"a": held("a", 2 * M, why, explicit=2 * M)}
    first = records.points(S, plans, sides(a=counts(0, delayed=3)))
    assert [type(point) for point in first] == [Event, AppLimit]
    assert records.points(S + S // 2, plans, sides(a=counts(0, delayed=4))) == []
    (row,) = records.points(2 * S, plans, sides(a=counts(0, delayed=10, dropped=2)))
    assert isinstance(row, AppLimit)
    assert (row.delayed_packets, row.dropped_packets, row.down_bps, row.active) == (7, 2, 2 * M, 1)
    assert (row.reason, row.queue_ms) == ("down at most 2.0 Mbit/s: set by hand", 3.0)
    end, event = records.points(3 * S, {}, {})
    assert isinstance(end, AppLimit)
    assert (end.active, end.down_bps) == (0, None)
    assert isinstance(event, Event)
    assert event.kind == "unlimit"


def test_a_rate_that_wobbles_is_no_decision_and_another_reason_is() -> None:
    records = Records("host", S)
    records.points(1, {"a": held("a", 10 * M, share(10 * M))}, {})
    wobble = {"a": held("a", 10_500_000, share(10_500_000))}
    assert records.points(2, wobble, {}) == []
    moved = records.points(3, {"a": held("a", 5 * M, share(5 * M))}, {})
    assert [type(point) for point in moved] == [AppLimit]
    other = records.points(4, {"a": held("a", 5 * M, Reason(Subject.DOWN, Cause.HAND, 5 * M), explicit=5 * M)}, {})
    assert [type(point) for point in other] == [Event, AppLimit]


def test_a_dry_run_says_what_it_would_do_once() -> None:
    records = Records("host", S)
    (event,) = records.would(1, {"a": held("a", 2 * M)})
    assert isinstance(event, Event)
    assert event.message == "would hold it to down 2.0 Mbit/s"
    assert records.would(2, {"a": held("a", 2 * M)}) == []
    assert len(records.would(3, {})) == 1


def test_the_document_has_what_every_view_reads() -> None:
    plans = {"a": held("a", 2 * M, share(2 * M))}
    document = limits_document(
        7,
        "enforce",
        "enforcing",
        reason="r",
        plans=plans,
        stats=sides(a=counts(1, 2, 3)),
        engine=EngineReport(handles=1),
    )
    assert Limits.parse(document.dump()) == document
    assert (document.time_ns, document.mode, document.state, document.reason) == (7, "enforce", "enforcing", "r")
    assert document.engine.handles == 1
    found = document.apps["a"]
    assert (found.priority, found.category, found.source) == (3, "unknown", "default")
    assert (found.down_bps, found.up_bps, found.reasons) == (2 * M, None, (share(2 * M),))
    assert (found.delayed_packets, found.dropped_packets) == (2, 3)
