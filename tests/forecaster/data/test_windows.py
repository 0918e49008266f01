"""Windows against plain loops, and nothing in them is newer than the origin."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.windows import (
    DAY_NS,
    ForecastTask,
    calendar,
    lag_windows,
    lags,
    paths,
    season_paths,
    seasons_for,
    usable_origins,
)
from tests.forecaster.samples import HOUR_NS, START_NS, frame_of

SERIES = np.arange(60.0) ** 1.5


@given(st.lists(st.integers(0, 59), min_size=1, max_size=8), st.integers(1, 20))
@settings(deadline=None)
def test_lags_and_paths_equal_plain_loops(origins: list[int], length: int) -> None:
    index = np.array(origins)
    for row, origin in enumerate(origins):
        back = [SERIES[origin - length + 1 + k] if origin - length + 1 + k >= 0 else np.nan for k in range(length)]
        ahead = [SERIES[origin + h] if origin + h < 60 else np.nan for h in range(1, length + 1)]
        np.testing.assert_array_equal(lags(SERIES, index, length)[row], back)
        np.testing.assert_array_equal(paths(SERIES, index, length)[row], ahead)


@given(st.integers(0, 59), st.integers(2, 25), st.integers(1, 12))
@settings(deadline=None)
def test_season_paths_take_the_newest_season_that_is_known(origin: int, period: int, horizon: int) -> None:
    series = SERIES.copy()
    series[::7] = np.nan
    steps = np.arange(1 - horizon, horizon + 1)
    found = season_paths(series, np.array([origin]), period, steps)[0]
    for step, value in zip(steps, found, strict=True):
        known = [origin + step - back * period for back in (1, 2, 3)]
        wanted = [series[i] for i in known if 0 <= i <= origin and not np.isnan(series[i])]
        np.testing.assert_array_equal(value, wanted[0] if wanted else np.nan)


def test_windows_of_several_columns_keep_them_apart() -> None:
    table = np.stack([SERIES, -SERIES], axis=1)
    window = lag_windows(table, np.array([5]), 3)
    np.testing.assert_array_equal(window[0], table[3:6])


def test_calendar_knows_time_of_day_and_weekend() -> None:
    # 2023-11-15 was a Wednesday: the 18th a Saturday.
    rows = np.array([0, 6, 3 * 24 - 1, 3 * 24, 5 * 24])
    table = calendar(START_NS, HOUR_NS, rows)
    np.testing.assert_allclose(table[0, :2], [0, 1], atol=1e-12)
    np.testing.assert_allclose(table[1, :2], [1, 0], atol=1e-12)
    np.testing.assert_array_equal(table[:, 6], [0, 0, 0, 1, 0])


def test_a_season_takes_part_when_the_history_holds_three() -> None:
    assert seasons_for(71, HOUR_NS) == ()
    assert seasons_for(72, HOUR_NS) == (24,)
    assert seasons_for(504, HOUR_NS) == (24, 168)
    assert seasons_for(10**6, 11 * 10**9) == ()
    assert seasons_for(30, DAY_NS) == (7,)


def test_origins_need_a_whole_lookback_and_a_whole_path() -> None:
    frame = frame_of(np.arange(30.0))
    task = ForecastTask(horizon=3, sequence=5, step_ns=HOUR_NS)
    assert usable_origins(frame, task, 0, 30).tolist() == list(range(4, 27))
    assert usable_origins(frame, task, 0, 30, future=False).tolist() == list(range(4, 30))


def test_a_gap_up_to_the_horizon_is_bridged_and_a_longer_one_is_not_crossed() -> None:
    task = ForecastTask(horizon=3, sequence=5, step_ns=HOUR_NS)
    short, long = np.arange(30.0), np.arange(30.0)
    short[10:13] = np.nan
    long[10:14] = np.nan
    # Nothing of the path after row 9 was measured.
    assert usable_origins(frame_of(short), task, 0, 30).tolist() == [*range(4, 9), *range(10, 27)]
    # Row 13 is the fourth missing one; every lookback that holds it is broken.
    assert usable_origins(frame_of(long), task, 0, 30).tolist() == [*range(4, 9), 11, 12, *range(18, 27)]


def test_an_origin_without_any_measured_future_is_not_scored() -> None:
    task = ForecastTask(horizon=3, sequence=2, step_ns=HOUR_NS)
    series = np.arange(20.0)
    series[8:11] = np.nan
    assert 7 not in usable_origins(frame_of(series), task, 0, 20)
    assert 6 in usable_origins(frame_of(series), task, 0, 20)
