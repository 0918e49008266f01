"""The lag detector inside the collector: rows and what the views show, and a row that names the culprit for alerts."""

from collector.accounting.tick import TrafficAccounts
from collector.lag_watch import LagWatch, TickInput
from collector.probes.result import ProbeResult
from qos.contract.documents.lag import RunningLag
from qos.contract.documents.limits import EnforcedApp, Limits
from qos.contract.points import LagIncident, to_line
from qos.contract.reason import Cause, Reason, Subject

S = 10**9
MS = 10**6
WALL_NS = 1_800_000_000 * S


def limits(second: int, queue_ms: float, cause: Cause = Cause.HAND, state: str = "enforcing") -> Limits:
    held = EnforcedApp(
        priority=1, reasons=(Reason(Subject.UP, cause),), up_bps=300_000, queue_ms=queue_ms, delayed_packets=1
    )
    return Limits(WALL_NS + second * S, "enforce", state, apps={"zoom": held, "web": EnforcedApp(priority=3)})


def tick(watch: LagWatch, second: int, said: Limits | None) -> list[LagIncident]:
    now_ns = 1000 * S + second * S
    answer = ProbeResult(WALL_NS + second * S, "9.9.9.9", 12 * MS, "", None, 0.0, sent_ns=now_ns - S // 2)
    accounts = TrafficAccounts("pc", 100)
    return watch.tick(
        TickInput(now_ns, WALL_NS + second * S, S, S, accounts, results=(answer,), limits=said)
    )  # fmt: skip


def test_a_wait_in_our_own_queue_is_shown_with_the_command_that_ends_it() -> None:
    watch = LagWatch(["9.9.9.9"], route=lambda address: None)
    for second in range(20):
        tick(watch, second, limits(second, 3.0))
    assert watch.running is None
    rows = [row for second in range(20, 26) for row in tick(watch, second, limits(second, 400.0))]
    shown = watch.running
    assert shown is not None
    assert (shown.cause, shown.app, shown.extra_ms, shown.advice) == ("own_limit", "", 400.0, "autoqos unlimit zoom")
    assert {row.suffered for row in rows} == {"zoom"}
    ended = [row for second in range(26, 34) for row in tick(watch, second, limits(second, 1.0))]
    assert (ended[-1].running, ended[-1].cause) == (0, "own_limit")
    assert watch.running is None


def test_a_limit_that_nobody_set_by_hand_is_ended_by_a_higher_priority() -> None:
    watch = LagWatch(["9.9.9.9"], route=lambda address: None)
    for second in range(6):
        tick(watch, second, limits(second, 400.0, Cause.LINK_SHARE))
    assert watch.running is not None
    assert watch.running.advice == "autoqos set zoom 0"


def test_what_the_enforcer_said_once_counts_once() -> None:
    watch = LagWatch(["9.9.9.9"], route=lambda address: None)
    said = limits(0, 400.0)
    assert [row for second in range(10) for row in tick(watch, second, said)] == []


def test_an_enforcer_that_only_watches_holds_nobody() -> None:
    watch = LagWatch(["9.9.9.9"], route=lambda address: None)
    assert [row for n in range(10) for row in tick(watch, n, limits(n, 400.0, state="dry_run"))] == []


def test_a_running_incident_is_a_row_a_tick_that_names_who_makes_it() -> None:
    watch = LagWatch(["192.0.2.7"], lambda address: None)
    assert watch.blamed(5, "pc") == []
    watch.running = RunningLag(onset_ns=1, cause="application", app="steam", extra_ms=80.0, confidence=0.9)
    (row,) = watch.blamed(5, "pc")
    assert to_line(row) == (
        "lag_cause,app=steam,cause=application,host=pc extra_ms=80.0,loss_ratio=0.0,confidence=0.9 5"
    )


def test_where_no_application_made_it_the_tag_is_there_and_names_nobody() -> None:
    watch = LagWatch(["192.0.2.7"], lambda address: None)
    watch.running = RunningLag(onset_ns=1, cause="provider", extra_ms=300.0)
    assert [(row.cause, row.app) for row in watch.blamed(5, "pc")] == [("provider", "-")]


def late(now_ns: int) -> ProbeResult:
    return ProbeResult(WALL_NS, "9.9.9.9", 212 * MS, "", None, 0.0, sent_ns=now_ns)


def test_lag_is_shown_between_two_ticks_and_the_next_one_says_who_made_it() -> None:
    watch = LagWatch(["9.9.9.9"], route=lambda address: None)
    for second in range(20):
        tick(watch, second, None)
    now_ns = 1019 * S
    news = [late(now_ns + at) for at in (1, S // 3, S * 2 // 3)]
    assert not watch.glance(now_ns + S // 2, WALL_NS, "pc", news[:2], ())
    assert watch.glance(now_ns + S * 3 // 4, WALL_NS, "pc", news[2:], ())
    shown = watch.running
    assert shown is not None
    assert (shown.cause, shown.app, shown.advice) == ("unknown", "", "")
    assert "has just begun" in shown.evidence
    assert not watch.glance(now_ns + S * 7 // 8, WALL_NS, "pc", [late(now_ns + S * 3 // 4)], ())
    (row,) = tick(watch, 20, None)
    assert (row.time_ns, row.cause, watch.running.cause if watch.running else "") == (
        shown.onset_ns,
        "others",
        "others",
    )
