"""Irregular samples become a regular grid, and everything odd about them is announced."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.frames import deltas, forward_fill, gaps, regular

S = 10**9


def test_samples_in_one_step_are_averaged_and_missing_steps_are_gaps() -> None:
    frame = regular([0, 4 * S, 10 * S, 30 * S], [[1.0, 3.0, 5.0, 7.0]], ["y"], 10 * S)
    assert frame.rows == 4
    np.testing.assert_array_equal(frame.target, [2.0, 5.0, np.nan, 7.0])
    assert frame.notes == ("1 gaps, 1 of 4 steps, the longest 1",)


def test_grid_is_aligned_to_the_epoch_whatever_the_first_sample_is() -> None:
    frame = regular([17 * S, 23 * S], [[1.0, 2.0]], ["y"], 10 * S)
    assert frame.start_ns == 10 * S
    assert frame.time_ns(1) == 20 * S


def test_the_last_of_duplicate_times_counts_and_it_is_said() -> None:
    frame = regular([0, 0, 10 * S], [[1.0, 9.0, 2.0]], ["y"], 10 * S)
    np.testing.assert_array_equal(frame.target, [9.0, 2.0])
    assert "1 duplicate times: the last of each counts" in frame.notes


def test_a_clock_that_went_back_is_sorted_and_said() -> None:
    frame = regular([0, 20 * S, 10 * S, 30 * S], [[0.0, 2.0, 1.0, 3.0]], ["y"], 10 * S)
    np.testing.assert_array_equal(frame.target, [0.0, 1.0, 2.0, 3.0])
    assert "the clock went back 1 times: samples sorted" in frame.notes


def test_negative_rates_are_missing_not_zero() -> None:
    frame = regular([0, 10 * S, 20 * S], [[5.0, -4e9, 6.0]], ["y"], 10 * S, minimum=0)
    np.testing.assert_array_equal(frame.target, [5.0, np.nan, 6.0])
    assert frame.notes[0] == "1 values below 0 left out (a counter was reset)"


def test_nan_and_infinity_are_missing() -> None:
    frame = regular([0, 10 * S, 20 * S], [[np.nan, np.inf, 6.0]], ["y"], 10 * S)
    np.testing.assert_array_equal(frame.target, [np.nan, np.nan, 6.0])


def test_a_feature_may_be_missing_where_the_target_is_not() -> None:
    frame = regular([0, 10 * S], [[1.0, 2.0], [np.nan, 4.0]], ["y", "x"], 10 * S)
    np.testing.assert_array_equal(frame.values, [[1.0, np.nan], [2.0, 4.0]])
    assert frame.notes == ()


def test_no_samples_give_an_empty_frame() -> None:
    assert regular([], [[]], ["y"], 10 * S).rows == 0


def test_a_fixed_range_keeps_its_empty_ends() -> None:
    frame = regular([20 * S], [[1.0]], ["y"], 10 * S, start_ns=0, stop_ns=40 * S)
    np.testing.assert_array_equal(frame.target, [np.nan, np.nan, 1.0, np.nan])


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 times"):
        regular([0, S], [[1.0, 2.0]], ["y", "x"], S)


def test_a_counter_becomes_deltas_and_a_reset_is_unknown() -> None:
    values, resets = deltas(np.array([100.0, 150.0, 20.0, 30.0]))
    np.testing.assert_array_equal(values, [np.nan, 50.0, np.nan, 10.0])
    assert resets == 1


def test_gaps_are_runs_with_their_place_and_length() -> None:
    found = gaps(np.array([np.nan, 1.0, np.nan, np.nan, 2.0, np.nan]))
    assert [(g.start, g.length) for g in found] == [(0, 1), (2, 2), (5, 1)]


def test_a_gap_is_bridged_by_the_value_before_it_and_only_so_far() -> None:
    filled = forward_fill(np.array([[np.nan], [1.0], [np.nan], [np.nan], [np.nan], [5.0]]), 2)
    np.testing.assert_array_equal(filled[:, 0], [np.nan, 1.0, 1.0, 1.0, np.nan, 5.0])


@given(
    st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=40),
    st.integers(0, 5),
    st.integers(0, 39),
)
@settings(deadline=None)
def test_filling_never_looks_ahead(values: list[float | None], limit: int, cut: int) -> None:
    table = np.array([[np.nan if v is None else v] for v in values])
    whole, part = forward_fill(table, limit), forward_fill(table[: cut + 1], limit)
    np.testing.assert_array_equal(whole[: cut + 1], part)


@given(st.lists(st.tuples(st.integers(0, 10**12), st.floats(0, 1e9)), min_size=1, max_size=60), st.integers(1, 10**11))
@settings(deadline=None)
def test_grid_equals_a_plain_oracle(samples: list[tuple[int, float]], step: int) -> None:
    if max(t for t, _ in samples) // step - min(t for t, _ in samples) // step > 5000:
        step = 10**9
    last = dict(samples)
    groups: dict[int, list[float]] = {}
    for time, value in last.items():
        groups.setdefault(time // step, []).append(value)
    frame = regular([t for t, _ in samples], [[v for _, v in samples]], ["y"], step)
    assert frame.start_ns == min(groups) * step
    assert frame.rows == max(groups) - min(groups) + 1
    for row in range(frame.rows):
        group = groups.get(min(groups) + row)
        if group is None:
            assert np.isnan(frame.target[row])
        else:
            assert frame.target[row] == pytest.approx(sum(group) / len(group), rel=1e-9, abs=1e-6)
