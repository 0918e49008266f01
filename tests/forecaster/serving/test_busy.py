"""From the forecast in hours to busy times; and the capacity that it is compared with."""

from pathlib import Path

import numpy as np

from forecaster.data.series import SeriesId
from forecaster.serving.busy import busy_times, keep_busy_times, known_link
from forecaster.serving.round import SeriesResult
from forecaster.serving.serve import Prediction
from qos.contract.config import parse_config
from qos.contract.documents.busy_times import BusyTime, BusyTimes
from qos.contract.documents.link_estimates import LearnedCapacity, LinkEstimates
from qos.store.sqlite.store import SqliteStore
from tests.fakes import MemoryStore

HOUR_NS = 3600 * 10**9
START_NS = 1_700_006_400 * 10**9
MBIT = 10**6


def result(megabits: list[float], name: str = "host_down@1h", model: str = "ridge", host: str = "box") -> SeriesResult:
    value = np.array(megabits) * MBIT
    times = tuple(START_NS + k * HOUR_NS for k in range(value.size))
    return SeriesResult(SeriesId(host, name), prediction=Prediction(model, times, value, value / 2, value * 2, value))


CONFIG = parse_config("host: box\nlink: {down: 100mbit, up: 20mbit}")


def test_hours_that_take_most_of_the_line_are_one_busy_time() -> None:
    found = busy_times([result([10, 60, 80, 59, 10, 90])], "box", CONFIG.link, 5)
    assert found.made_ns == 5
    assert set(found.directions) == {"down"}
    assert found.directions["down"].capacity_bps == 100 * MBIT
    assert found.directions["down"].times == (
        BusyTime(START_NS + HOUR_NS, START_NS + 3 * HOUR_NS, 80 * MBIT),
        BusyTime(START_NS + 5 * HOUR_NS, START_NS + 6 * HOUR_NS, 90 * MBIT),
    )


def test_naive_foresees_nothing_and_other_series_and_hosts_do_not_count() -> None:
    results = [
        result([90] * 3, model="naive"),
        result([90] * 3, name="host_down"),
        result([90] * 3, name="host_up@1h", host="other"),
    ]
    assert busy_times(results, "box", CONFIG.link, 5).directions["down"].times == ()
    assert "up" not in busy_times(results, "box", CONFIG.link, 5).directions


def test_without_a_capacity_nothing_is_busy() -> None:
    assert busy_times([result([90] * 3)], "box", parse_config("host: box").link, 5).directions == {}


def test_what_the_enforcer_learned_stands_in_where_nothing_is_set(tmp_path: Path) -> None:
    config = parse_config("host: box\nlink: {up: 20mbit}")
    with SqliteStore(tmp_path / "autoqos.db") as store:
        assert known_link(store, config) == config.link
        sides = {"down": LearnedCapacity(70 * MBIT, 0.8, 1), "up": LearnedCapacity(9 * MBIT, 0.9, 1)}
        store.set_state(LinkEstimates.KEY, LinkEstimates().with_network("home", sides, ()).dump())
        known = known_link(store, config)
        assert (known.down, known.up) == (70 * MBIT, 20 * MBIT)
        unsure = {"down": LearnedCapacity(70 * MBIT, 0.3, 1)}
        store.set_state(LinkEstimates.KEY, LinkEstimates().with_network("home", unsure, ()).dump())
        assert known_link(store, config).down is None


def test_the_document_is_kept_where_there_is_a_forecast_in_hours(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "autoqos.db") as store:
        keep_busy_times(store, [result([90], name="host_down")], CONFIG, 5)
        assert store.get_state(BusyTimes.KEY) is None
        keep_busy_times(store, [result([10, 90])], CONFIG, 5)
        assert BusyTimes.parse(store.get_state(BusyTimes.KEY)).at("down", START_NS, HOUR_NS) is None
        keep_busy_times(store, [result([90, 10])], CONFIG, START_NS - 5)
        found = BusyTimes.parse(store.get_state(BusyTimes.KEY)).at("down", START_NS, 0)
        assert found == (BusyTime(START_NS, START_NS + HOUR_NS, 90 * MBIT), 100 * MBIT)
    # A store without documents (InfluxDB): nothing is written, and nothing fails.
    keep_busy_times(MemoryStore(), [result([90])], CONFIG, 5)
    assert known_link(MemoryStore(), CONFIG) == CONFIG.link
