"""Stored points on a chart's grid: rates that add up, gaps that are no zeros."""

from pathlib import Path

import pytest

from console.page.history import Grid, gaps, latency, step_ns, traffic
from qos.store.sqlite.store import SqliteStore
from tests.console.samples import APPS, S, points

NOW = 1_800_000_000 * S


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    found = SqliteStore(tmp_path / "autoqos.db")
    found.write([*points(NOW - 600 * S, 120), *points(NOW, 120)])
    return found


def test_rates_are_bits_per_second_and_every_named_application_has_a_line(store: SqliteStore) -> None:
    found = traffic(store, Grid.over(NOW - 60 * S, NOW, S))
    lines = {line["app"]: line for line in found["apps"]}
    for app, (rx, _) in APPS.items():
        assert lines[app]["down"] == [rx * 8] * 60
    named = sum(lines[app]["down"][0] for app in APPS)
    assert named + lines["unattributed"]["down"][0] == found["host"]["down"][0]


def test_where_nothing_was_measured_there_is_a_gap_and_no_zero(store: SqliteStore) -> None:
    grid = Grid.over(NOW - 700 * S, NOW, 10 * S)
    found = traffic(store, grid)
    steam = next(line for line in found["apps"] if line["app"] == "steam")["down"]
    assert None in steam
    assert [value is None for value in steam] == [not ran for ran in found["ran"]]
    holes = gaps(found["ran"], grid)
    assert [round((hole["stop_ms"] - hole["start_ms"]) / 1000) for hole in holes] == [480]


def test_an_application_without_traffic_in_a_measured_step_is_zero(store: SqliteStore) -> None:
    found = traffic(store, Grid.over(NOW - 10 * S, NOW, S), app="nobody")
    assert found["apps"] == []
    assert all(found["ran"])


def test_the_rest_is_one_line(store: SqliteStore) -> None:
    found = traffic(store, Grid.over(NOW - 10 * S, NOW, S), most=1)
    lines = {line["app"]: line["down"][0] for line in found["apps"]}
    assert set(lines) == {"steam", "other applications", "unattributed"}
    assert lines["other applications"] == 8 * sum(rx for app, (rx, _) in APPS.items() if app != "steam")


def test_latency_has_nothing_where_no_echo_came_back(store: SqliteStore) -> None:
    found = latency(store, Grid.over(NOW - 4 * S, NOW, S))
    assert found == [{"target": "8.8.8.8", "rtt_ms": [None, 12.5, None, 12.5], "loss_ratio": [0.5] * 4}]


def test_steps_are_round_bounded_and_never_finer_than_measured() -> None:
    assert step_ns(0, 300 * S, 600, S) == S
    assert step_ns(0, 3600 * S, 600, S) == 10 * S
    assert step_ns(0, 3600 * S, 600, 60 * S) == 60 * S
    assert step_ns(0, 20 * 365 * 86400 * S, 600, S) % (86400 * S) == 0


def test_a_last_step_that_has_hardly_begun_is_left_out() -> None:
    assert Grid.over(0, 605 * S, 60 * S).count == 10
    assert Grid.over(0, 605 * S, S).count == 605
