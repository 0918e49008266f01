"""Series as they come out of a store."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecaster.data.series import HostFrames, SeriesId, choose_grid, default_series, hosts
from qos.contract.points import HostTraffic
from tests.fakes import MemoryStore
from tests.forecaster.samples import START_NS, traffic

S = 10**9
NOW_NS = START_NS + 86_400 * S


def store_with(values: np.ndarray, step_s: int = 10, **kwargs: Any) -> MemoryStore:
    store = MemoryStore()
    store.write(traffic(values, step_s * S, NOW_NS, **kwargs))
    return store


def test_bandwidth_is_bits_per_second_of_all_interfaces() -> None:
    store = store_with(np.full(60, 8000.0))
    other = [p for p in traffic(np.full(60, 16000.0), 10 * S, NOW_NS) if isinstance(p, HostTraffic)]
    store.write([replace(p, iface="wlan0") for p in other])
    frames = HostFrames(store, "box", 10 * S, NOW_NS)
    frame = frames.frame(SeriesId("box", "host_down"))
    np.testing.assert_allclose(frame.target, np.full(frame.rows, 24000.0))
    np.testing.assert_allclose(frames.frame(SeriesId("box", "host_up")).target, np.full(frame.rows, 2400.0))
    assert frame.names == ("host_down", "host_up", "latency", "loss")


def test_the_step_that_is_not_over_and_the_edges_of_a_gap_are_left_out() -> None:
    values = np.full(60, 8000.0)
    values[20:25] = np.nan
    store = store_with(values)
    frame = HostFrames(store, "box", 10 * S, NOW_NS + 7 * S).frame(SeriesId("box", "host_down"))
    # The first of 60 steps was measured in part, and so were those beside the gap.
    assert frame.rows == 59
    assert np.flatnonzero(np.isnan(frame.target)).tolist() == list(range(18, 25))
    assert frame.notes == ("1 gaps, 7 of 59 steps, the longest 7",)


def test_a_step_whose_last_tick_may_be_unwritten_is_not_used(tmp_path: Path) -> None:
    values = np.full(60, 8000.0)
    store = MemoryStore()
    # A second into the new step, and the tick that ends the step before is still on its way.
    store.write(traffic(values, 10 * S, NOW_NS, running=False))
    early = HostFrames(store, "box", 10 * S, NOW_NS + S).frame(SeriesId("box", "host_down"))
    assert early.time_ns(early.rows) == NOW_NS - 10 * S
    store.write(traffic(values, 10 * S, NOW_NS))
    later = HostFrames(store, "box", 10 * S, NOW_NS + S).frame(SeriesId("box", "host_down"))
    assert later.time_ns(later.rows) == NOW_NS


def test_a_coarser_grid_adds_bytes_up() -> None:
    store = store_with(np.full(360, 8000.0))
    frame = HostFrames(store, "box", 60 * S, NOW_NS).frame(SeriesId("box", "host_down"))
    np.testing.assert_allclose(frame.target, np.full(frame.rows, 8000.0))


def test_an_application_without_a_row_was_silent_and_unknown_in_a_gap() -> None:
    values = np.full(60, 8000.0)
    values[30:40] = np.nan
    store = store_with(values, apps=("mail",))
    frame = HostFrames(store, "box", 10 * S, NOW_NS).frame(SeriesId("box", "app:mail"))
    assert set(np.unique(frame.target[~np.isnan(frame.target)]).tolist()) == {0.0, 4008.0}
    assert np.isnan(frame.target).sum() == 12


def test_latency_and_loss_are_per_target_and_failures_are_gaps_of_latency_only() -> None:
    store = store_with(np.full(60, 500.0), targets=("1.1.1.1", "8.8.8.8"))
    frames = HostFrames(store, "box", 10 * S, NOW_NS)
    latency = frames.frame(SeriesId("box", "latency:8.8.8.8"))
    np.testing.assert_allclose(latency.target, np.full(60, 21.0))
    assert "latency" not in latency.names
    np.testing.assert_allclose(frames.frame(SeriesId("box", "loss:1.1.1.1")).target, np.zeros(60))


def test_a_negative_delta_is_a_gap() -> None:
    store = store_with(np.full(60, 8000.0))
    bad = traffic(np.full(60, 8000.0), 10 * S, NOW_NS)[30]
    assert isinstance(bad, HostTraffic)
    store.write([replace(bad, rx_bytes=-(2**40))])
    frame = HostFrames(store, "box", 10 * S, NOW_NS).frame(SeriesId("box", "host_down"))
    assert np.isnan(frame.target).sum() == 3
    assert np.nanmin(frame.target) == pytest.approx(8000.0)


def test_the_five_busiest_applications_take_part() -> None:
    apps = tuple(f"app{k}" for k in range(8))
    store = store_with(np.full(60, 8e6), apps=apps, targets=("1.1.1.1",))
    names = [series.name for series in default_series(store, "box", NOW_NS, 5)]
    assert names == ["host_down", "host_up", "latency:1.1.1.1", "loss:1.1.1.1", *(f"app:app{k}" for k in range(5))]
    assert default_series(store, "box", NOW_NS, 0)[-1].name == "loss:1.1.1.1"


@pytest.mark.parametrize(("hours", "grid_s"), [(0.1, 10), (0.35, 10), (1.05, 30), (2.1, 60), (5, 120), (10.5, 300)])
def test_the_grid_grows_with_the_history(hours: float, grid_s: int) -> None:
    store = store_with(np.full(int(hours * 360), 8000.0))
    assert choose_grid(store, "box", NOW_NS, interval_ns=S, min_history=120) == grid_s * S


def test_the_grid_holds_two_ticks_at_least() -> None:
    store = store_with(np.full(20, 8000.0), step_s=60)
    assert choose_grid(store, "box", NOW_NS, interval_ns=60 * S, min_history=120) == 120 * S


def test_each_host_that_measured_is_found() -> None:
    store = store_with(np.full(5, 1.0))
    store.write(traffic(np.full(5, 1.0), 10 * S, NOW_NS, "other"))
    assert hosts(store, 0, NOW_NS) == ("box", "other")
    assert hosts(MemoryStore(), 0, NOW_NS) == ()
