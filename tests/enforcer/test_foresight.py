"""A busy time that is forecast holds the lowest level lower, and only that; the reason says so."""

from datetime import UTC
from typing import Any

import pytest

from enforcer.allocation.planner import PlannerInput, Settings, Usage, plan
from enforcer.foresight import LEAD_NS, LOOK_NS, Foresight
from qos.contract.config import Config, parse_config
from qos.contract.documents.busy_times import STALE_NS, BusyDirection, BusyTime, BusyTimes
from qos.contract.errors import StoreUnavailable
from qos.contract.reason import Cause
from qos.policy.policy import Decision
from qos.policy.wording import sentence

S = 10**9
HOUR_NS = 3600 * S
EVENING_NS = 1_700_074_800 * S  # 2023-11-15T19:00:00Z
MBIT = 10**6


class Documents:
    """A store that holds one document."""

    def __init__(self, document: Any) -> None:
        self.document, self.reads, self.broken = document, 0, False

    def get_state(self, key: str) -> Any | None:
        self.reads += 1
        if self.broken:
            raise StoreUnavailable("locked", 1.0)
        return self.document if key == BusyTimes.KEY else None


def forecast(made_ns: int = EVENING_NS - 2 * HOUR_NS) -> Documents:
    span = BusyTime(EVENING_NS, EVENING_NS + 3 * HOUR_NS, 80 * MBIT)
    return Documents(BusyTimes(made_ns, {"down": BusyDirection(100 * MBIT, (span,))}).dump())


def settings(text: str = "") -> Settings:
    config: Config = parse_config(text) if text else Config()
    return Settings(config.link, config.levels)


@pytest.mark.parametrize(
    ("moment_ns", "ceiling"),
    [
        (EVENING_NS - LEAD_NS - 1, None),
        (EVENING_NS - LEAD_NS, 20 * MBIT),
        (EVENING_NS + 3 * HOUR_NS - 1, 20 * MBIT),
        (EVENING_NS + 3 * HOUR_NS, None),
    ],
)
def test_the_lowest_level_is_held_from_shortly_before_to_the_end(moment_ns: int, ceiling: int | None) -> None:
    given = settings()
    found = Foresight(forecast(), UTC).tightened(given, moment_ns, wanted=True)
    assert found.levels[5].down == ceiling
    assert found.levels[5].up is None
    assert {n: level for n, level in found.levels.items() if n != 5} == {
        n: level for n, level in given.levels.items() if n != 5
    }
    assert found.link == given.link


def test_it_is_off_by_default_and_then_nothing_is_read() -> None:
    assert Config().enforcer.foresee is False
    store = forecast()
    assert Foresight(store, UTC).tightened(settings(), EVENING_NS, wanted=False) == settings()
    assert store.reads == 0


def test_a_forecast_of_the_day_before_yesterday_holds_nobody() -> None:
    given = settings()
    assert Foresight(forecast(EVENING_NS - STALE_NS), UTC).tightened(given, EVENING_NS, wanted=True) == given
    # Nor one from the future: a clock was set back.
    assert Foresight(forecast(EVENING_NS + 1), UTC).tightened(given, EVENING_NS, wanted=True) == given


@pytest.mark.parametrize("document", [None, 7, {}, {"directions": {"down": {"times": [3]}}}, {"v": "x"}])
def test_what_is_no_forecast_holds_nobody(document: Any) -> None:
    assert Foresight(Documents(document), UTC).tightened(settings(), EVENING_NS, wanted=True) == settings()


def test_a_stricter_ceiling_that_a_person_set_stays_and_a_floor_is_kept() -> None:
    strict = settings("levels: {5: {name: background, down: 5mbit}}")
    assert Foresight(forecast(), UTC).tightened(strict, EVENING_NS, wanted=True).levels[5].down == 5 * MBIT
    assured = settings("levels: {5: {name: background, floor: 30mbit}}")
    assert Foresight(forecast(), UTC).tightened(assured, EVENING_NS, wanted=True).levels[5].down == 30 * MBIT


def plans(foresight: Foresight, given: Settings, moment_ns: int, **further: Any) -> dict[str, Any]:
    decisions = {
        "backup": Decision("backup", "backup", 5, "rule"),
        "browser": Decision("browser", "browser", 3, "rule"),
    }
    usage = {app: Usage(down_bps=40 * MBIT, up_bps=MBIT) for app in decisions}
    tight = foresight.tightened(given, moment_ns, wanted=True)
    return foresight.explained(plan(tight, PlannerInput(decisions, usage, **further)), given)


def test_background_is_held_and_why_says_what_is_expected() -> None:
    found = plans(Foresight(forecast(), UTC), settings(), EVENING_NS)
    assert found["backup"].down_bps == 20 * MBIT
    assert found["backup"].up_bps is None
    assert found["browser"].down_bps is None
    (reason,) = found["backup"].reasons
    assert reason.cause is Cause.FORESEEN
    assert sentence(reason) == (
        "down at most 20.0 Mbit/s: the line is expected to be busy 19:00-22:00, "
        "level 5 (background) has 20.0 Mbit/s until then"
    )


def test_where_latency_allows_more_the_forecast_is_the_reason_and_where_less_it_is_not() -> None:
    given = settings()
    wide = {"budgets": {"down": 95 * MBIT}, "elastic": {"down": frozenset({"backup"})}, "unheld_bps": {"down": 0}}
    (reason,) = plans(Foresight(forecast(), UTC), given, EVENING_NS, **wide)["backup"].reasons
    assert reason.cause is Cause.FORESEEN
    narrow = wide | {"budgets": {"down": 10 * MBIT}}
    (reason,) = plans(Foresight(forecast(), UTC), given, EVENING_NS, **narrow)["backup"].reasons
    assert reason.cause is Cause.LATENCY_SHARE


def test_its_begin_and_its_end_are_said_once() -> None:
    foresight, given = Foresight(forecast(), UTC), settings()
    said = []
    for minute in range(-30, 200, 2):
        foresight.tightened(given, EVENING_NS + minute * 60 * S, wanted=True)
        said += [(minute, message) for _, _, message in foresight.take_news()]
    assert [minute for minute, _ in said] == [-10, 180]
    assert said[0][1] == (
        "down: a busy time is forecast 19:00-22:00 (up to 80.0 Mbit/s of 100.0 Mbit/s): "
        "background applications are held to 20.0 Mbit/s together"
    )
    assert said[1][1] == "down: the busy time that was forecast is over"


def test_it_reads_seldom_and_a_store_that_fails_leaves_the_last_forecast() -> None:
    store = forecast()
    foresight, given = Foresight(store, UTC), settings()
    for k in range(100):
        foresight.tightened(given, EVENING_NS + k * S // 10, wanted=True)
    assert store.reads == 1
    store.broken = True
    assert foresight.tightened(given, EVENING_NS + LOOK_NS, wanted=True).levels[5].down == 20 * MBIT


def test_the_document_is_read_as_it_was_written() -> None:
    document = BusyTimes(7, {"up": BusyDirection(10, (BusyTime(1, 2, 3), BusyTime(4, 5, 6)))})
    assert BusyTimes.parse(document.dump()) == document
    assert BusyTimes.parse({"made_ns": 7, "directions": {"up": {"capacity_bps": 10, "times": [{"start_ns": 2}]}}}) == (
        BusyTimes(7, {"up": BusyDirection(10, ())})
    )
