"""Scores against their definitions."""

import numpy as np
import pytest

from forecaster.evaluation.metrics import block_bootstrap, mean_change, origin_errors, pinball, score

RNG = np.random.default_rng(3)


def banded(path: np.ndarray, half: float) -> np.ndarray:
    return np.stack([path - half, path, path + half], axis=2)


def test_scores_equal_their_definitions() -> None:
    actual, path = RNG.normal(50, 9, (40, 6)), RNG.normal(50, 9, (40, 6))
    s = score(actual, banded(path, 5), change=2.0)
    assert s.mae == pytest.approx(np.abs(actual - path).mean())
    assert s.rmse == pytest.approx(np.sqrt(((actual - path) ** 2).mean()))
    assert s.r2 == pytest.approx(1 - ((actual - path) ** 2).sum() / ((actual - actual.mean()) ** 2).sum())
    assert s.mase == pytest.approx(s.mae / 2)
    assert s.coverage == pytest.approx((np.abs(actual - path) <= 5).mean())
    assert s.width == pytest.approx(10)
    assert s.mae_by_step == pytest.approx(np.abs(actual - path).mean(axis=0))
    total = 0.0
    for level, quantile in ((0.1, path - 5), (0.5, path), (0.9, path + 5)):
        for y, q in zip(actual.ravel(), quantile.ravel(), strict=True):
            total += level * (y - q) if y > q else (1 - level) * (q - y)
    assert s.wql == pytest.approx(2 * total / 3 / np.abs(actual).sum())


def test_what_was_not_measured_takes_no_part() -> None:
    actual = np.array([[1.0, np.nan], [3.0, 4.0]])
    s = score(actual, banded(np.zeros((2, 2)), 3.5), change=1.0)
    assert s.samples == 3
    assert s.mae == pytest.approx(8 / 3)
    assert s.coverage == pytest.approx(2 / 3)


def test_a_constant_series_has_no_r2_and_no_mase() -> None:
    s = score(np.full((5, 2), 7.0), banded(np.full((5, 2), 7.0), 0), change=0.0)
    assert (s.mae, s.r2, s.mase, s.coverage) == (0.0, None, None, 1.0)


def test_nothing_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="no measured value"):
        score(np.full((2, 2), np.nan), banded(np.zeros((2, 2)), 1), change=1.0)


def test_pinball_of_the_median_is_half_the_error() -> None:
    loss = pinball(np.array([[10.0]]), banded(np.array([[6.0]]), 1.0))
    np.testing.assert_allclose(loss[0, 0], [0.1 * 5, 0.5 * 4, 0.9 * 3])


def test_mean_change_skips_gaps() -> None:
    assert mean_change(np.array([1.0, 3.0, np.nan, 10.0, 11.0])) == pytest.approx(1.5)
    assert mean_change(np.array([1.0])) == 0.0


def test_bootstrap_interval_holds_the_mean_and_is_wider_for_longer_blocks() -> None:
    errors = np.abs(np.convolve(RNG.normal(size=2000), np.ones(24) / 24, "valid")) + 0.01
    low, high, less_low, less_high = block_bootstrap(errors, errors * 2, 24)
    narrow_low, narrow_high, _, _ = block_bootstrap(errors, errors * 2, 1)
    assert low < errors.mean() < high
    assert high - low > 1.5 * (narrow_high - narrow_low)
    assert less_low == pytest.approx(-high)
    assert less_high == pytest.approx(-low)


def test_bootstrap_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)
    hits = 0
    for trial in range(200):
        errors = rng.exponential(1.0, 300)
        low, high, _, _ = block_bootstrap(errors, errors, 1, draws=300, seed=trial)
        hits += low <= 1.0 <= high
    assert 180 <= hits <= 199


def test_a_reference_that_is_often_never_wrong_bars_nobody() -> None:
    # Ninety zeros in a hundred: many draws hold no error of naive's at all, and a ratio was not a number.
    rng = np.random.default_rng(2)
    naive = np.where(rng.random(300) < 0.03, 1.0, 0.0)
    low, high = block_bootstrap(naive * 0.5, naive, 24)[2:]
    assert low < naive.mean() * -0.5 < high
    assert np.isfinite([low, high]).all()
    np.testing.assert_allclose(block_bootstrap(np.ones(20), np.zeros(20), 3)[2:], [1.0, 1.0])


def test_errors_per_origin_ignore_gaps() -> None:
    errors = origin_errors(np.array([[1.0, np.nan], [np.nan, np.nan]]), np.zeros((2, 2)))
    np.testing.assert_array_equal(errors, [1.0, np.nan])
