"""Models on a logarithmic scale: what varies by factors is learned better, and nothing runs away on the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.data.log_scale import log_scale
from forecaster.data.windows import ForecastTask, paths, usable_origins
from forecaster.models.gradient_boosting import fit_gradient_boosting
from forecaster.models.ridge import Features, fit_ridge, refit
from tests.forecaster.samples import HOUR_NS, frame_of

TASK = ForecastTask(horizon=6, sequence=24, step_ns=HOUR_NS, seasons=(24,))


def multiplicative(rows: int, seed: int) -> np.ndarray:
    """A day's shape and noise that both are factors, with a burst of a hundred times the usual now and then."""
    rng = np.random.default_rng(seed)
    memory = np.zeros(rows)
    for k in range(1, rows):
        memory[k] = 0.8 * memory[k - 1] + 0.4 * rng.normal()
    series = 1e6 * np.exp(1.5 * np.sin(2 * np.pi * np.arange(rows) / 24) + memory)
    series[rng.integers(0, rows, rows // 100)] *= 100
    return np.asarray(series)


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=50))
def test_there_and_back_gives_the_same_values(values: list[float]) -> None:
    series = np.array(values)
    scale = log_scale(series)
    if scale is None:
        assert float((series > 0).mean()) < 0.5 or not float(np.median(series)) > 0
        return
    there = scale.frame(frame_of(series)).target
    np.testing.assert_allclose(scale.back(there, there), series, rtol=1e-6, atol=1e-6 * scale.shift)


@pytest.mark.parametrize("series", [[-1.0, 2, 3], [0.0, 0, 0, 5], [np.nan], [0.0, 0, 0]])
def test_what_is_negative_or_mostly_zero_has_no_such_scale(series: list[float]) -> None:
    assert log_scale(np.array(series)) is None


def test_gaps_stay_gaps_and_the_series_itself_is_not_touched() -> None:
    series = np.array([1.0, np.nan, 3.0])
    frame = frame_of(series)
    scale = log_scale(series)
    assert scale is not None
    np.testing.assert_array_equal(np.isnan(scale.frame(frame).target), [False, True, False])
    np.testing.assert_array_equal(frame.target, series)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_factors_are_learned_better_by_their_logarithm(seed: int) -> None:
    frame = frame_of(multiplicative(1500, seed))
    train = frame.before(1100)
    origins = usable_origins(frame, TASK, 1100, frame.rows)
    actual = paths(frame.target, origins, TASK.horizon)
    chosen = fit_ridge(train, TASK)
    assert chosen.features.scale is not None
    plain = refit(train, Features(TASK, (24,)), chosen.penalty, usable_origins(train, TASK, 0, train.rows))
    error, other = (float(np.abs(actual - model.path(frame, origins)).mean()) for model in (chosen, plain))
    assert error < 0.9 * other


def test_what_adds_up_keeps_the_plain_scale() -> None:
    rng = np.random.default_rng(1)
    rise = np.cumsum(rng.normal(size=1500)) + 200.0
    series = rise + 40 * np.sin(2 * np.pi * np.arange(1500) / 24)
    assert fit_ridge(frame_of(series), TASK).features.scale is None


@pytest.mark.parametrize("fit", [fit_ridge, fit_gradient_boosting])
def test_a_jump_never_seen_before_does_not_run_away(fit: object) -> None:
    assert callable(fit)
    series = multiplicative(1000, 4)
    model = fit(frame_of(series), TASK)
    jumped = np.concatenate([series, np.full(60, 1e4 * series.max())])
    found = model.predict(frame_of(jumped), np.arange(995, 1055))
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert found.max() <= 2.2 * jumped.max()
