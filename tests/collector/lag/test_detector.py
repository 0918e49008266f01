"""Incidents on a made-up line: who is named, since when, how soon, and what is no incident at all."""

import time
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.lag.attribution import HIGH
from collector.lag.detector import ADAPT_NS, Incident, LagDetector
from collector.lag.evidence import row, sentence
from collector.lag.samples import KnownCapacity, LagTick, Rates, RoundTrip
from tests.collector.lag.line import MS, Line, Moment, S

CALL = {"zoom": (100_000, 100_000)}


def only(line: Line) -> Incident:
    assert len(line.incidents) == 1, line.incidents
    return line.incidents[0]


@pytest.mark.parametrize("knows", [True, False], ids=["capacity known", "capacity unknown"])
@pytest.mark.parametrize(("rates", "way"), [((24_000_000, 300_000), "down"), ((200_000, 6_000_000), "up")])
def test_an_application_that_fills_a_direction_is_named_with_it(rates: tuple[int, int], way: str, knows: bool) -> None:
    line = Line(knows=knows)
    line.run(40, Moment(CALL))
    began_ns = line.now_ns
    line.run(15, Moment({**CALL, "steam": rates}))
    line.run(15, Moment(CALL))
    incident = only(line)
    assert (incident.diagnosis.cause, incident.diagnosis.app, incident.diagnosis.direction) == (
        "application",
        "steam",
        way,
    )
    assert incident.diagnosis.confidence >= HIGH
    assert abs(incident.onset_ns - began_ns) <= 2 * S
    assert line.told[0][0] - incident.onset_ns <= 3 * S
    assert incident.ended == "calm"
    assert 13 * S <= incident.last_ns - incident.onset_ns <= 18 * S
    assert 200 <= incident.extra_ns / 1e6 <= 320


@pytest.mark.parametrize("knows", [True, False], ids=["capacity known", "capacity unknown"])
def test_somebody_else_s_load_names_no_application_of_this_computer(knows: bool) -> None:
    line = Line(knows=knows)
    busy = {**CALL, "browser": (4_000_000, 100_000)}
    line.run(40, Moment(busy))
    line.run(15, Moment(busy, others_bps=25_000_000))
    line.run(15, Moment(busy))
    assert only(line).diagnosis.cause == "others"
    assert {incident.diagnosis.app for _, incident in line.told} == {None}


def test_a_slow_gateway_is_the_local_network() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(12, Moment(CALL, wifi_ms=120))
    line.run(15, Moment(CALL))
    assert only(line).diagnosis.cause == "local_network"
    assert "gateway answered 1" in sentence(only(line))


def test_a_video_that_is_the_most_ever_seen_did_not_make_the_wifi_slow() -> None:
    line = Line(knows=False, remembers=True)
    line.run(40, Moment(CALL))
    video = {**CALL, "browser": (3_000_000, 50_000)}
    line.run(5, Moment(video))
    line.run(10, Moment(video, wifi_ms=60))
    line.run(15, Moment(CALL))
    assert [(each.diagnosis.cause, each.diagnosis.app) for each in line.incidents] == [("local_network", None)]


def test_one_slow_target_is_that_target() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(12, Moment(CALL, late_ms={"b": 150}))
    line.run(15, Moment(CALL))
    assert (only(line).diagnosis.cause, only(line).target) == ("target", "b")


def test_loss_without_delay_is_an_incident_with_its_ratio() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(20, Moment(CALL, lost=0.3))
    line.run(20, Moment(CALL))
    incident = only(line)
    assert incident.diagnosis.cause == "others"
    assert 0.15 < incident.loss_ratio < 0.5


def test_loss_on_this_side_of_the_gateway_is_told_from_loss_behind_it() -> None:
    wrong = 0
    for seed in range(20):
        for moment, cause in ((Moment(CALL, wifi_lost=0.35), "local_network"), (Moment(CALL, lost=0.35), "others")):
            line = Line(seed=seed)
            line.run(40, Moment(CALL))
            line.run(14, moment)
            line.run(15, Moment(CALL))
            longest = max(line.incidents, key=lambda incident: incident.last_ns - incident.onset_ns)
            if longest.diagnosis.cause != cause:
                wrong += 1
                assert longest.diagnosis.confidence < HIGH
    assert wrong <= 2


def test_when_the_gateway_is_gone_too_it_is_the_local_network() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(12, Moment(CALL, wifi_lost=1.0))
    line.run(15, Moment(CALL))
    assert only(line).diagnosis.cause == "local_network"


def test_nothing_comes_back_is_the_provider() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(12, Moment(CALL, lost=1.0))
    assert only(line).diagnosis.cause == "provider"
    line.run(20, Moment(CALL))
    assert (only(line).diagnosis.cause, only(line).loss_ratio) == ("provider", 1.0)  # also when it is over


def test_short_bursts_of_one_application_are_one_incident() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(24, lambda at: Moment({**CALL, "backup": (0, 9_000_000)} if at % 4 < 2 else CALL))
    line.run(15, Moment(CALL))
    assert (only(line).diagnosis.cause, only(line).diagnosis.app) == ("application", "backup")


def test_lag_that_outlives_an_application_was_not_its_own() -> None:
    line = Line(knows=False)
    line.run(40, Moment(CALL))
    line.run(3, Moment({**CALL, "browser": (15_000_000, 0)}, others_bps=25_000_000))
    line.run(12, Moment(CALL, others_bps=25_000_000))
    line.run(15, Moment(CALL))
    assert only(line).diagnosis.cause == "others"


def test_two_causes_in_a_row_are_two_incidents() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(10, Moment({**CALL, "steam": (24_000_000, 0)}))
    line.run(8, Moment(CALL))
    line.run(10, Moment(CALL, others_bps=26_000_000))
    line.run(15, Moment(CALL))
    assert [incident.diagnosis.cause for incident in line.incidents] == ["application", "others"]


def test_sleep_and_another_network_end_an_incident_where_it_was_last_seen() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(6, Moment(CALL, wifi_ms=120))
    ended = line.detector.interrupt(line.now_ns + 3600 * S, "this computer slept", network=True)
    assert [incident.ended for incident in ended] == ["this computer slept"]
    assert ended[0].last_ns <= line.now_ns
    assert "it is told only up to here: this computer slept" in sentence(ended[0])
    assert line.detector.running is None


def test_half_an_hour_later_the_slow_line_is_the_usual_one() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(ADAPT_NS // S + 120, Moment(CALL, wifi_ms=60))
    assert only(line).ended == "it is usual by now"


def test_a_short_burst_that_ended_before_the_tick_is_found_and_is_not_one_target_s() -> None:
    line = Line(base_ms=50, knows=False)
    line.run(40, Moment(CALL))
    detector, began_ns = line.detector, line.now_ns
    # One second and a half of an upload, as probes met it in the lab: (seconds, milliseconds) of the targets in turn.
    met = (
        (0.43, 47),
        (0.69, 178),
        (0.93, 178),
        (1.43, 111),
        (1.68, 132),
        (1.93, 52),
        (2.43, 51),
        (2.68, 51),
        (2.93, 48),
    )
    trips = [RoundTrip("abc"[n % 3], began_ns + int(at * S), ms * MS) for n, (at, ms) in enumerate(met)]
    found: list[Incident] = []
    for second in range(1, 5):
        upto_ns = began_ns + second * S + S * 4 // 10
        new = tuple(trip for trip in trips if upto_ns - S < trip.sent_ns + (trip.rtt_ns or 0) <= upto_ns)
        steam = {"steam": Rates(0, (10_344_000, 3_144_000, 0, 0)[second - 1])}
        found += detector.feed(LagTick(upto_ns, S, new, steam, steam["steam"]))
    assert {(each.kind, each.target) for each in found} == {("delay", None)}
    assert found[0].onset_ns == began_ns + int(0.69 * S)


BURSTS = (
    (5.23, 8_915, (4.22, 35), (4.56, 140), (4.89, 89)),
    (6.25, 4_947, (5.20, 101), (5.54, 102), (5.87, 37)),
    (7.21, 0, (6.21, 35), (6.54, 36), (6.87, 40)),
    (8.22, 1_368, (7.22, 33), (7.55, 34), (7.88, 36)),
    (9.21, 10_380, (8.21, 121), (8.54, 84), (8.87, 88)),
    (10.21, 2_390, (9.21, 67), (9.54, 33), (9.87, 34)),
    (11.21, 0, (10.20, 34), (10.54, 35), (10.87, 34)),
    (12.25, 3_743, (11.25, 31), (11.58, 32), (11.91, 36)),
    (13.25, 10_132, (12.25, 141), (12.58, 88), (12.91, 106)),
    (14.21, 0, (13.21, 52), (13.54, 32), (13.88, 33)),
    (15.21, 0, (14.21, 33), (14.54, 36), (14.87, 37)),
)
"""Bursts of 1.4 s in the lab, 10.5 Mbit/s the most ever seen: when a tick ended, kbit/s, (second, milliseconds)
of the targets in turn."""


@pytest.mark.parametrize("first", [0, 1], ids=["from the first one", "the first one passed unseen"])
def test_a_burst_is_judged_by_its_own_beginning_and_its_fullest_second(first: int) -> None:
    line = Line(base_ms=32, knows=False)
    line.run(40, Moment(CALL))
    found: dict[int, Incident] = {}
    for end, kbps, *trips in BURSTS[first:]:
        moved = {"steam": Rates(kbps * 1000, 0)}
        sent = (
            RoundTrip(name, line.now_ns + int(at * S), ms * MS) for name, (at, ms) in zip("abc", trips, strict=True)
        )
        now_ns = line.now_ns + int(end * S)
        cap = {"down": KnownCapacity(10_548_000, "seen")}
        tick = LagTick(now_ns, S, tuple(sent), moved, moved["steam"], capacity=cap)  # type: ignore[arg-type] # its keys
        found |= {incident.onset_ns: incident for incident in line.detector.feed(tick)}
    assert {(incident.diagnosis.cause, incident.diagnosis.app) for incident in found.values()} == {
        ("application", "steam")
    }


def test_between_two_ticks_lag_is_seen_and_nothing_is_decided() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    detector, now_ns = line.detector, line.now_ns
    late = [RoundTrip(name, now_ns + at * S // 4, 200 * MS) for at, name in enumerate(("a", "b", "c", "a"))]
    assert detector.glance(now_ns + S // 2, late[:2]) is None
    seen = detector.glance(now_ns + S, late[2:])
    assert seen is not None
    assert (seen.onset_ns, seen.diagnosis.cause, seen.running) == (now_ns, "unknown", True)
    assert 150 * MS < seen.extra_ns < 200 * MS
    assert detector.running is None
    assert line.incidents == []


def test_what_goes_on_is_not_seen_once_more() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(8, Moment(CALL, others_bps=30_000_000))
    late = [RoundTrip(name, line.now_ns + at * S // 4, 200 * MS) for at, name in enumerate(("a", "b", "c"))]
    assert line.detector.running is not None
    assert line.detector.glance(line.now_ns + S, late) is None


def test_a_hiccup_of_this_machine_is_no_lag() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(1, Moment(CALL, wifi_ms=700))
    line.run(20, Moment(CALL))
    line.run(4, Moment(CALL, wifi_ms=700, stalled=True))
    line.run(20, Moment(CALL))
    assert line.incidents == []


@given(seed=st.integers(0, 10**6), noise=st.floats(0, 60), base=st.floats(2, 250), lost=st.floats(0, 0.004))
@example(seed=501, noise=36.0, base=2.0, lost=0.0)  # its first eight answers lie close together
@settings(max_examples=30, deadline=None)
def test_a_noisy_line_on_which_nothing_changes_has_no_incident(
    seed: int, noise: float, base: float, lost: float
) -> None:
    line = Line(seed=seed, noise_ms=noise, base_ms=base)
    line.run(240, Moment({**CALL, "browser": (3_000_000, 50_000)}, lost=lost))
    assert line.incidents == []


@given(
    seed=st.integers(0, 10**6),
    acts=st.lists(
        st.tuples(
            st.integers(1, 25),
            st.integers(0, 40_000_000),
            st.integers(0, 9_000_000),
            st.floats(0, 1),
            st.floats(0, 400),
        ),
        max_size=8,
    ),
)
@example(
    seed=275850, acts=[(1, 0, 0, 0.5, 0.0), (12, 0, 0, 0.0625, 0.0), (11, 0, 0, 0.75, 20.0)]
)  # one target, then all
@settings(max_examples=60, deadline=None)
def test_whatever_happens_rows_stay_sane(seed: int, acts: list[tuple[int, int, int, float, float]]) -> None:
    line = Line(seed=seed)
    line.run(15, Moment(CALL))
    for seconds, down, up, lost, wifi in acts:
        line.run(seconds, Moment({**CALL, "x": (down, up)}, lost=lost, wifi_ms=wifi))
    line.run(40, Moment(CALL))
    ended = line.detector.interrupt(line.now_ns, "stopped")
    for incident in (*line.incidents, *ended):
        made = row(incident, "pc", incident.onset_ns)  # validates every field
        assert 0 <= made.confidence <= 1
        assert 0 <= made.loss_ratio <= 1
        assert incident.onset_ns <= incident.last_ns <= line.now_ns
        assert (made.app is None) == (made.cause != "application")
    spans = sorted((i.onset_ns, i.last_ns) for i in line.incidents)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    assert sum(incident.running for incident in line.rows.values()) <= 1


def test_a_tick_costs_little() -> None:
    line = Line()
    busy = {f"app{n}": (10_000 * n, 1000) for n in range(30)}
    line.run(60, Moment(busy))
    began = time.process_time()
    line.run(200, Moment(busy))
    assert (time.process_time() - began) / 200 < 0.02  # a thousandth of a core is 1 ms; bounds are generous here


def test_without_any_target_nothing_happens() -> None:
    detector = LagDetector()
    assert detector.feed(LagTick(S, S)) == ()
    assert detector.feed(LagTick(2 * S, S, (RoundTrip("a", S, None),))) == ()


def test_an_application_is_still_named_after_many_minutes() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(600, Moment({**CALL, "steam": (24_000_000, 0)}))
    line.run(15, Moment(CALL))
    assert {incident.diagnosis.app for _, incident in line.told} == {"steam"}
    assert only(line).ended == "calm"


def test_an_application_that_comes_back_within_seconds_is_named_for_both_times() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    for _ in range(3):
        line.run(10, Moment({**CALL, "steam": (24_000_000, 0)}))
        line.run(8, Moment(CALL))
    line.run(15, Moment(CALL))
    assert {incident.diagnosis.app for _, incident in line.told} == {"steam"}


@pytest.mark.parametrize("knows", [True, False], ids=["capacity known", "capacity unknown"])
def test_another_device_that_begins_when_an_application_stops_is_an_incident_of_its_own(knows: bool) -> None:
    line = Line(knows=knows)
    line.run(40, Moment(CALL))
    line.run(10, Moment({**CALL, "steam": (24_000_000, 0)}))
    turned_ns = line.now_ns
    line.run(13, Moment(CALL, others_bps=26_000_000))
    line.run(15, Moment(CALL))
    assert [incident.diagnosis.cause for incident in line.incidents] == ["application", "others"]
    assert abs(line.incidents[1].onset_ns - turned_ns) <= 2 * S


def test_an_application_that_begins_when_another_device_stops_is_an_incident_of_its_own() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(12, Moment(CALL, others_bps=26_000_000))
    turned_ns = line.now_ns
    line.run(13, Moment({**CALL, "steam": (24_000_000, 0)}))
    line.run(15, Moment(CALL))
    assert [incident.diagnosis.cause for incident in line.incidents] == ["others", "application"]
    assert abs(line.incidents[1].onset_ns - turned_ns) <= 2 * S


def test_where_nobody_knows_the_capacity_it_is_found_in_hindsight() -> None:
    line = Line(knows=False, remembers=True)
    line.run(40, Moment(CALL))
    line.run(5, Moment({**CALL, "update": (19_000_000, 0)}))  # the line was seen full once, without lag
    line.run(40, Moment(CALL))
    line.run(12, Moment(CALL, others_bps=26_000_000))
    turned_ns = line.now_ns
    line.run(13, Moment({**CALL, "steam": (24_000_000, 0)}))
    assert [incident.diagnosis.app for incident in line.incidents] == [None]
    stopped_ns = line.now_ns
    line.run(15, Moment(CALL))
    first, second = line.incidents
    assert (first.diagnosis.cause, second.diagnosis.app) == ("others", "steam")
    assert abs(second.onset_ns - turned_ns) <= 2 * S
    assert abs(second.last_ns - stopped_ns) <= 2 * S
    assert (first.ended, second.ended) == ("it stayed slow for another reason", "calm")


@pytest.mark.parametrize("seen_bps", [0, 19_000_000], ids=["nothing seen before", "the line was seen full"])
def test_who_stops_together_with_another_device_but_never_filled_the_line_is_innocent(seen_bps: int) -> None:
    for seed in range(5):
        line = Line(knows=False, remembers=True, seed=seed)
        line.run(40, Moment(CALL))
        line.run(5, Moment({**CALL, "update": (seen_bps, 0)}))
        line.run(40, Moment(CALL))
        line.run(12, Moment(CALL, others_bps=26_000_000))
        line.run(20, Moment({**CALL, "browser": (8_000_000, 100_000)}, others_bps=26_000_000))
        line.run(15, Moment(CALL))
        assert {incident.diagnosis.app for _, incident in line.told} == {None}


def test_an_application_after_another_one_is_an_incident_of_its_own() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(12, Moment({**CALL, "steam": (24_000_000, 0)}))
    line.run(12, Moment({**CALL, "backup": (200_000, 8_000_000)}))
    line.run(15, Moment(CALL))
    assert [incident.diagnosis.app for incident in line.incidents] == ["steam", "backup"]


def test_who_joins_while_the_lag_goes_on_is_told_beside_the_one_that_made_it() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(10, Moment({**CALL, "steam": (24_000_000, 0)}))
    line.run(10, Moment({**CALL, "steam": (12_000_000, 0), "backup": (12_000_000, 0)}))
    (incident,) = line.incidents
    assert incident.diagnosis.app == "steam"
    assert "; backup joined 10 s later, with 50%" in sentence(incident)
    line.run(15, Moment(CALL))
    assert [each.diagnosis.app for each in line.incidents] == ["steam"]


def test_what_an_application_always_moved_is_not_blamed_for_somebody_s_later_flood() -> None:
    line = Line()
    usual = {**CALL, "browser": (7_000_000, 100_000)}
    line.run(70, Moment(usual))
    line.run(10, Moment(usual, others_bps=26_000_000))
    line.run(8, Moment({**usual, "torrent": (17_000_000, 100_000)}))
    line.run(15, Moment(CALL))
    assert "browser" not in {incident.diagnosis.app for _, incident in line.told}


@pytest.mark.parametrize("knows", [True, False], ids=["capacity known", "capacity unknown"])
def test_who_moved_as_much_for_seconds_without_lag_is_innocent(knows: bool) -> None:
    for seed in range(4):
        line = Line(knows=knows, seed=seed)
        busy = {**CALL, "steam": (12_000_000, 200_000), "browser": (6_500_000, 100_000)}
        line.run(60, Moment(CALL))
        line.run(16, Moment(busy))
        line.run(12, Moment(busy, others_bps=20_000_000))
        line.run(15, Moment(CALL))
        assert {incident.diagnosis.app for _, incident in line.told} == {None}


def test_a_video_that_begins_while_another_device_fills_the_line_is_innocent() -> None:
    for seed in range(5):
        line = Line(seed=seed)
        line.run(40, Moment(CALL))
        line.run(12, Moment(CALL, others_bps=26_000_000))
        line.run(20, Moment({**CALL, "browser": (8_000_000, 100_000)}, others_bps=26_000_000))
        line.run(15, Moment(CALL))
        assert {incident.diagnosis.app for _, incident in line.told} == {None}


@pytest.mark.parametrize("phase", [0, 1])
def test_a_video_that_began_seconds_before_somebody_elses_lag_is_innocent(phase: int) -> None:
    """A segment in one second, less in the next: it was 91 % of the most that had ever passed there."""

    def video(at: int) -> dict[str, tuple[int, int]]:
        return {**CALL, "browser": (8_000_000 if at % 2 == phase else 4_700_000, 100_000)}

    for seed in range(5):
        line = Line(knows=False, remembers=True, seed=seed)
        line.run(40, Moment(CALL))
        line.run(5, lambda at: Moment(video(at)))
        line.run(12, lambda at: Moment(video(at + 5), late_ms=dict.fromkeys("abc", 140)))
        line.run(15, Moment(CALL))
        assert {incident.diagnosis.app for _, incident in line.told} == {None}


def test_what_seemed_late_and_was_lost_is_told_by_the_gateways_losses() -> None:
    """A lost echo is under way at the next tick: the incident begins as one of delay, and no answer ever is late."""
    wrong = 0
    for seed in range(20):
        line = Line(seed=seed)
        line.run(40, Moment(CALL))
        line.lost_later = True
        line.run(14, Moment(CALL, wifi_lost=0.35))
        line.run(15, Moment(CALL))
        longest = max(line.incidents, key=lambda incident: incident.last_ns - incident.onset_ns)
        wrong += longest.diagnosis.cause != "local_network"
    assert wrong <= 2


def test_who_began_with_the_lag_keeps_it_where_another_device_goes_on_after_it() -> None:
    """Nobody knows the capacity, and more was once seen to pass: that was too little certainty for a turn."""
    line = Line(knows=False, remembers=True)
    line.run(40, Moment(CALL))
    line.run(5, Moment({**CALL, "update": (19_500_000, 0)}))
    line.run(40, Moment(CALL))
    line.run(10, Moment({**CALL, "steam": (17_500_000, 0)}, others_bps=3_500_000))
    line.run(13, Moment(CALL, others_bps=26_000_000))
    line.run(15, Moment(CALL))
    assert [(each.diagnosis.cause, each.diagnosis.app) for each in line.incidents] == [
        ("application", "steam"),
        ("others", None),
    ]
