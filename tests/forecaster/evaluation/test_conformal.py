"""Bands hold what they promise, and are made from the past only."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.evaluation import conformal
from forecaster.evaluation.conformal import BandOffsets, calibrate
from forecaster.models.model import point


def coverage(actual: np.ndarray, banded: np.ndarray, first: int) -> float:
    inside = (actual >= banded[:, :, 0]) & (actual <= banded[:, :, 2])
    return float(inside[first:].mean())


@pytest.mark.parametrize("noise", ["normal", "skewed", "heavy"])
def test_realised_coverage_is_near_eighty_percent(noise: str) -> None:
    rng = np.random.default_rng(5)
    size = (3000, 4)
    draws: dict[str, Callable[[], np.ndarray]] = {
        "normal": lambda: rng.normal(size=size),
        "skewed": lambda: rng.exponential(size=size),
        "heavy": lambda: rng.standard_t(2, size),
    }
    actual = draws[noise]()
    banded = calibrate(np.arange(3000), actual, point(np.full((3000, 4), 0.5)), 400, None).banded
    assert 0.78 <= coverage(actual, banded, 500) <= 0.86
    for step in range(4):
        assert 0.76 <= coverage(actual[:, step : step + 1], banded[:, step : step + 1], 500) <= 0.88


def test_a_band_that_is_far_too_narrow_is_widened_to_eighty_percent() -> None:
    rng = np.random.default_rng(6)
    level = np.abs(np.sin(np.arange(3000) / 50)) + 0.1
    actual = (rng.normal(size=3000) * level)[:, None]
    quantiles = np.stack([-0.3 * level, 0 * level, 0.3 * level], axis=1)[:, None, :]
    banded = calibrate(np.arange(3000), actual, quantiles, 500, None).banded
    assert 0.77 <= coverage(actual, banded, 500) <= 0.87


def test_coverage_survives_a_change_of_the_noise() -> None:
    rng = np.random.default_rng(7)
    actual = (rng.normal(size=4000) * np.where(np.arange(4000) < 2000, 1.0, 5.0))[:, None]
    banded = calibrate(np.arange(4000), actual, point(np.zeros((4000, 1))), 400, None).banded
    assert 0.75 <= coverage(actual, banded, 2000) <= 0.88


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(3, 30), st.booleans())
@settings(deadline=None, max_examples=60)
def test_bands_equal_a_plain_oracle(seed: int, horizon: int, window: int, holes: bool) -> None:
    rng = np.random.default_rng(seed)
    origins = np.cumsum(rng.integers(1, 4, size=40))
    actual, path = rng.normal(size=(40, horizon)), rng.normal(size=(40, horizon))
    if holes:
        actual[rng.random(actual.shape) < 0.2] = np.nan
    banded = calibrate(origins, actual, point(path), window, None).banded
    for h in range(horizon):
        for side, sign in ((0, -1), (2, 1)):
            tail, shifts = conformal.TAIL, np.full(40, np.nan)
            done = 0
            for row in range(40):
                while origins[done] + h + 1 <= origins[row]:
                    error = sign * (actual[done, h] - path[done, h])
                    if not np.isnan(error) and not np.isnan(shifts[done]):
                        miss = error > shifts[done]
                        tail = min(
                            max(tail + conformal.PACE * (conformal.TAIL - miss), conformal.WIDEST), conformal.NARROWEST
                        )
                    done += 1
                known = [sign * (actual[k, h] - path[k, h]) for k in range(done) if not np.isnan(actual[k, h])]
                known = sorted(known[-window:])
                if known:
                    rank = int(np.ceil((len(known) + 1) * (1 - tail))) if len(known) >= conformal.LEAST else len(known)
                    shifts[row] = known[min(rank, len(known)) - 1]
            wanted = path[:, h] + sign * shifts
            wanted = np.minimum(wanted, path[:, h]) if side == 0 else np.maximum(wanted, path[:, h])
            np.testing.assert_allclose(banded[:, h, side], wanted, atol=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 38))
@settings(deadline=None, max_examples=40)
def test_what_comes_later_never_changes_an_earlier_band(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    origins, actual, path = np.arange(40), rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
    # Row ``o``, step ``h`` is measured at ``o + h``: everything after ``cut`` is changed.
    later = origins[:, None] + np.arange(1, 4) > cut
    changed = np.where(later, rng.normal(size=actual.shape) * 100, actual)
    one = calibrate(origins, actual, point(path), 10, None).banded
    other = calibrate(origins, changed, point(path), 10, None).banded
    np.testing.assert_array_equal(one[: cut + 1], other[: cut + 1])


def test_the_next_band_is_the_one_the_walk_would_use() -> None:
    rng = np.random.default_rng(9)
    actual, path = rng.normal(size=(50, 2)), np.zeros((50, 2))
    # Far later origins know every error.
    origins = np.append(np.arange(49), 1000)
    whole = calibrate(origins, actual, point(path), 20, None)
    part = calibrate(origins[:49], actual[:49], point(path[:49]), 20, None)
    np.testing.assert_allclose(whole.banded[49, :, 0], part.next.values[:, 0])
    np.testing.assert_allclose(whole.banded[49, :, 2], part.next.values[:, 1])


def test_quantiles_are_sorted_and_never_below_the_floor() -> None:
    shifts = BandOffsets(np.array([[5.0, -5.0], [-50.0, 1.0]]))
    banded = shifts.apply(point(np.array([[10.0, 10.0]])), 0.0)
    np.testing.assert_array_equal(banded[0], [[10.0, 10.0, 10.0], [0.0, 10.0, 11.0]])
