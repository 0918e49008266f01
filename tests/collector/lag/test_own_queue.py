"""Waits in AutoQoS's own queue: an incident of their own, with the application that waits, and when they are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.lag.evidence import row, sentence
from collector.lag.samples import HeldApp
from tests.collector.lag.line import Line, Moment, S

CALL = {"zoom": (400_000, 400_000)}


def held(ms: float, priority: int = 3) -> dict[str, HeldApp]:
    return {"zoom": HeldApp(priority, ms, up_bps=300_000)}


def test_an_application_that_waits_in_our_queue_suffers_from_our_limit() -> None:
    line = Line()
    line.run(40, Moment(CALL, held=held(4)))
    began_ns = line.now_ns
    line.run(12, Moment(CALL, held=held(450)))
    assert line.detector.running is not None
    line.run(10, Moment(CALL))
    (incident,) = line.incidents
    assert (incident.diagnosis.cause, incident.diagnosis.app, incident.target) == ("own_limit", None, "zoom")
    assert abs(incident.onset_ns - began_ns) <= 2 * S
    assert line.told[0][0] - incident.onset_ns <= 3 * S
    assert incident.ended == "calm"
    assert 10 * S <= incident.last_ns - incident.onset_ns <= 13 * S
    assert incident.extra_ns == 450 * 10**6
    assert "AutoQoS holds zoom to 300.0 kbit/s of upload, and its packets waited 450 ms" in sentence(incident)
    assert row(incident, "pc", 1, suffered="zoom").cause == "own_limit"


@pytest.mark.parametrize(
    "waits",
    [[450.0] + [5.0] * 9, [90.0] * 10, [150.0, 20.0] * 5],
    ids=["once", "below a tenth of a second", "now and then"],
)
def test_a_short_wait_is_no_lag(waits: list[float]) -> None:
    line = Line()
    line.run(40, Moment(CALL, held=held(4)))
    line.run(len(waits), lambda at: Moment(CALL, held=held(waits[at])))
    line.run(10, Moment(CALL, held=held(4)))
    assert line.incidents == []


DOWNLOAD = {"backup": (1_850_000, 60_000)}
"""A download over three connections that was limited to 1.8 Mbit/s in the lab: what the enforcer said each second."""
SLOWS_DOWN_MS = (0, 0, 300, 305, 297, 298, 298, 258, 247, 42, 134, 208, 208, 0)


def of_backup(ms: float) -> dict[str, HeldApp]:
    return {"backup": HeldApp(3, ms, down_bps=1_790_000)}


def test_a_download_that_slows_down_to_its_limit_is_no_lag() -> None:
    line = Line()
    line.run(40, Moment(DOWNLOAD))
    line.run(len(SLOWS_DOWN_MS), lambda at: Moment(DOWNLOAD, held=of_backup(SLOWS_DOWN_MS[at])))
    line.run(10, Moment(DOWNLOAD, held=of_backup(0)))
    assert line.incidents == []


def test_who_goes_on_sending_more_than_it_is_held_to_waits() -> None:
    line = Line()
    line.run(40, Moment(DOWNLOAD))
    line.run(10, Moment({"backup": (2_400_000, 0)}, held=of_backup(300)))
    (incident,) = line.incidents
    assert (incident.diagnosis.cause, incident.target) == ("own_limit", "backup")


def test_who_waits_longer_than_those_that_slow_down_ever_do_waits() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    said = (0, 602, 400, 337, 598, 421, 318, 352, 589, 323, 460, 454)  # a game's upload over its limit, in the lab
    line.run(len(said), lambda at: Moment(CALL, held=held(said[at])))
    assert [incident.diagnosis.cause for incident in line.incidents] == ["own_limit"]


def test_at_a_level_above_normal_every_long_wait_is_lag() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(10, Moment(CALL, held=held(150, priority=1)))
    assert [incident.diagnosis.cause for incident in line.incidents] == ["own_limit"]


def test_what_is_meant_to_wait_may_wait() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(20, Moment(CALL, held=held(800, priority=5)))
    assert line.incidents == []


def test_lag_of_the_line_is_another_incident_than_our_own_limit() -> None:
    line = Line()
    line.run(40, Moment(CALL))
    line.run(10, Moment(CALL, held=held(450)))
    line.run(10, Moment(CALL, held=held(450), others_bps=30_000_000))
    line.run(15, Moment(CALL))
    assert [incident.diagnosis.cause for incident in line.incidents] == ["own_limit", "others"]


def test_somebody_else_makes_the_lag_while_we_hold_one_of_ours_without_a_wait() -> None:
    line = Line()
    line.run(40, Moment(CALL, held=held(6)))
    line.run(12, Moment(CALL, held=held(6), others_bps=30_000_000))
    line.run(15, Moment(CALL, held=held(6)))
    assert [incident.diagnosis.cause for incident in line.incidents] == ["others"]


@given(waits=st.lists(st.floats(0, 3000), min_size=1, max_size=60), seed=st.integers(0, 10**6))
def test_whatever_waits_are_said_incidents_stay_sane(waits: list[float], seed: int) -> None:
    line = Line(seed=seed)
    line.run(12, Moment(CALL))
    line.run(len(waits), lambda at: Moment(CALL, held=held(waits[at])))
    line.run(10, Moment(CALL))
    for incident in line.incidents:
        assert not incident.running
        assert incident.extra_ns >= 100 * 10**6
        assert incident.onset_ns <= incident.last_ns <= line.now_ns
