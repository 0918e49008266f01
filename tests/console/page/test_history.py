"""Stored points on a chart's grid: rates that add up, gaps that are no zeros."""

import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.page.history import Grid, gaps, latency, step_ns, traffic
from qos.contract.points import AppTraffic, HostTraffic
from qos.store.sqlite.store import SqliteStore
from tests.console.samples import APPS, S, points

NOW = 1_800_000_000 * S


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "autoqos.db") as found:
        found.write([*points(NOW - 600 * S, 120), *points(NOW, 120)])
        yield found


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


def host_row(time_ns: int) -> HostTraffic:
    return HostTraffic(
        time_ns=time_ns, host="laptop", iface="eth0", rx_bytes=9, tx_bytes=9, rx_drops=0, tx_drops=0, rx_errors=0,
        tx_errors=0, unattributed_rx_bytes=0, unattributed_tx_bytes=0,
    )  # fmt: skip


def app_row(time_ns: int, app: str, rx: int) -> AppTraffic:
    return AppTraffic(
        time_ns=time_ns, host="laptop", app=app, rx_bytes=rx, tx_bytes=rx // 3, rx_packets=1, tx_packets=1, flows=1,
        processes=1, priority=3,
    )  # fmt: skip


@pytest.mark.parametrize("every_s", [1, 7, 60])
def test_what_is_read_in_slices_is_what_was_written(tmp_path: Path, every_s: int) -> None:
    seed = random.randrange(2**32)
    draw = random.Random(seed)
    start_s, seconds, names = NOW // S - draw.randrange(100, 900), 400, [f"app{number}" for number in range(6)]
    measured = [start_s + at for at in range(seconds) if draw.random() < 0.9]
    rows = [app_row(at * S, name, draw.randrange(1, 10**7)) for at in measured for name in names if draw.random() < 0.5]
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write([*rows, *(host_row(at * S) for at in measured)])
        grid = Grid.over(start_s * S, (start_s + seconds) * S, every_s * S)
        found = traffic(store, grid, most=4)
    assert found["ran"] == [any(index == grid.at(at * S) for at in measured) for index in range(grid.count)], (
        f"seed {seed}"
    )
    expected = {name: [0] * grid.count for name in names}
    for row in rows:
        if grid.at(row.time_ns) < grid.count:
            expected[row.app][grid.at(row.time_ns)] += row.rx_bytes
    lines = {line["app"]: line["down"] for line in found["apps"]}
    rest = [name for name in names if name not in lines]
    assert len(rest) == 2
    expected["other applications"] = [sum(values) for values in zip(*(expected[name] for name in rest), strict=True)]
    for name in {*expected} - {*rest}:
        rates = [
            round(moved * 8 / every_s) if ran else None for moved, ran in zip(expected[name], found["ran"], strict=True)
        ]
        assert lines[name] == rates, f"seed {seed}: {name}"


def test_five_minutes_of_fifty_applications_take_little_memory(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "autoqos.db") as store:
        for at in range(300):
            time_ns = NOW - (300 - at) * S
            store.write([host_row(time_ns), *(app_row(time_ns, f"app{number:02d}", 10**6) for number in range(50))])
        tracemalloc.start()
        try:
            found = traffic(store, Grid.over(NOW - 300 * S, NOW, S), most=24)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert len(found["apps"]) == 26
    assert peak < 2_500_000, f"{peak} bytes at once; all rows at once took 5.2 MB"
