"""The simple models against plain oracles."""

import numpy as np
import pytest

from forecaster.data.windows import ForecastTask, paths, usable_origins
from forecaster.models.baselines import Naive, SeasonalNaive, fit_seasonal_naive
from forecaster.models.ets import _estimate, fit_ets
from forecaster.models.ridge import Features, cross_fitted, fit_ridge, refit
from tests.forecaster.samples import HOUR_NS, frame_of, seasonal

TASK = ForecastTask(horizon=6, sequence=24, step_ns=HOUR_NS, seasons=(24,))


def test_naive_repeats_the_last_value_and_bridges_a_short_gap() -> None:
    series = np.arange(40.0)
    series[30:33] = np.nan
    path = Naive(TASK).predict(frame_of(series), np.array([20, 32]))[:, :, 1]
    np.testing.assert_array_equal(path, [[20.0] * 6, [29.0] * 6])


def test_seasonal_naive_repeats_the_last_season() -> None:
    series = np.arange(100.0)
    path = SeasonalNaive(TASK, 24).predict(frame_of(series), np.array([60]))[0, :, 1]
    np.testing.assert_array_equal(path, [37.0, 38, 39, 40, 41, 42])


def test_seasonal_naive_falls_back_to_an_older_season_then_to_the_last_value() -> None:
    series = np.arange(100.0)
    series[25:45] = np.nan
    path = SeasonalNaive(TASK, 24).predict(frame_of(series), np.array([60]))[0, :, 1]
    # Row 37 is unknown (a gap of twenty), row 13 is not.
    np.testing.assert_array_equal(path, [13.0, 14, 15, 16, 17, 18])
    nothing = np.full(100, np.nan)
    nothing[60] = 5.0
    np.testing.assert_array_equal(
        SeasonalNaive(TASK, 24).predict(frame_of(nothing), np.array([60]))[0, :, 1], [5.0] * 6
    )


def test_the_season_that_did_better_is_taken() -> None:
    weekly = np.tile(np.repeat([1.0, 5, 2, 8, 3, 9, 4], 24), 6)
    task = ForecastTask(horizon=6, sequence=24, step_ns=HOUR_NS, seasons=(24, 168))
    assert fit_seasonal_naive(frame_of(weekly), task).period == 168
    assert fit_seasonal_naive(frame_of(seasonal(1000)), task).period == 24


@pytest.mark.parametrize("model", ["ANA", "AAA", "ZNA", "ANN", "AAN", "MNN"])
def test_ets_equals_statsforecast_at_the_end_and_further_on(model: str) -> None:
    from statsforecast.models import AutoETS

    series = seasonal(300, seed=2)
    period = 24 if model.endswith("A") else 1
    theirs = AutoETS(season_length=period, model=model).fit(series[:240] / 100)
    ours = _estimate(frame_of(series[:240]), TASK, period, model)
    at_end = ours.predict(frame_of(series), np.array([239]))[0, :, 1]
    # The scale differs, and with it a little of what the optimiser finds.
    np.testing.assert_allclose(at_end, theirs.predict(h=6)["mean"] * 100, rtol=0.02)
    further = ours.predict(frame_of(series), np.array([299]))[0, :, 1]
    np.testing.assert_allclose(further, theirs.forward(series / 100, h=6)["mean"] * 100, rtol=0.05)


def test_ets_states_stay_as_they_are_across_a_gap() -> None:
    series = seasonal(300, seed=2)
    gap = np.append(series[:240], np.full(24, np.nan))
    model = _estimate(frame_of(gap), TASK, 24, "ANA")
    one, other = (model.predict(frame_of(gap), np.array([row]))[0, :, 1] for row in (239, 263))
    np.testing.assert_allclose(one, other)


def test_ets_takes_the_season_where_there_is_one() -> None:
    series = seasonal(600, seed=3)
    model = fit_ets(frame_of(series[:500]), TASK)
    assert model.period == 24
    flat = fit_ets(frame_of(series[:500]), ForecastTask(horizon=6, sequence=24, step_ns=HOUR_NS))
    assert flat.period == 1
    origins = np.arange(500, 590)
    actual = paths(series, origins, 6)
    errors = [np.abs(actual - m.predict(frame_of(series), origins)[:, :, 1]).mean() for m in (model, flat)]
    assert errors[0] < 0.7 * errors[1]


@pytest.mark.parametrize("series", [np.full(200, 7.0), np.zeros(200)])
def test_ets_survives_a_constant_series(series: np.ndarray) -> None:
    path = fit_ets(frame_of(series), TASK).predict(frame_of(series), np.array([199]))[0, :, 1]
    np.testing.assert_allclose(path, series[:6], atol=1e-9)


def test_ridge_equals_the_normal_equations() -> None:
    frame = frame_of(seasonal(300))
    features = Features(TASK, (24,))
    origins = usable_origins(frame, TASK, 0, frame.rows)
    model = refit(frame, features, 0.01, origins)
    table = features.table(frame, origins)
    scaled = (table - table.mean(axis=0)) / np.where(table.std(axis=0) > 1e-12, table.std(axis=0), 1)
    goal = paths(frame.target, origins, 6) - frame.target[origins][:, None]
    left = scaled.T @ scaled + 0.01 * origins.size * np.eye(scaled.shape[1])
    weights = np.linalg.solve(left, scaled.T @ (goal - goal.mean(axis=0)))
    wanted = frame.target[origins][:, None] + scaled @ weights + goal.mean(axis=0)
    np.testing.assert_allclose(model.path(frame, origins), wanted, rtol=1e-7)


def test_ridge_beats_naive_by_far_on_a_season() -> None:
    series = seasonal(900, seed=4)
    model = fit_ridge(frame_of(series[:700]), TASK)
    origins = np.arange(700, 890)
    actual = paths(series, origins, 6)
    error = np.abs(actual - model.path(frame_of(series), origins)).mean()
    naive = np.abs(actual - series[origins][:, None]).mean()
    assert error < 0.5 * naive


def test_ridge_without_three_seasons_looks_at_lags_only() -> None:
    task = ForecastTask(horizon=6, sequence=24, step_ns=HOUR_NS)
    assert fit_ridge(frame_of(seasonal(200)), task).features.periods == ()


def test_ridge_refuses_a_history_without_a_window() -> None:
    with pytest.raises(ValueError, match="no whole window"):
        fit_ridge(frame_of(np.arange(10.0)), TASK)


def test_cross_fitted_paths_have_not_seen_their_own_neighbourhood() -> None:
    rng = np.random.default_rng(8)
    # Pure noise: what was fitted on a point predicts it better than what was not.
    frame = frame_of(rng.normal(size=260))
    task = ForecastTask(horizon=2, sequence=40, step_ns=HOUR_NS)
    origins = usable_origins(frame, task, 0, frame.rows)
    model = refit(frame, Features(task, ()), 1e-3, origins)
    actual = paths(frame.target, origins, 2)
    seen = np.abs(actual - model.path(frame, origins)).mean()
    unseen = np.abs(actual - cross_fitted(frame, model, origins)).mean()
    assert unseen > 1.1 * seen
