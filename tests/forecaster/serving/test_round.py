"""A whole round: what is read, what is written, what is said; against the stores that there are."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from forecaster.data.series import LONG_HORIZON
from forecaster.evaluation.realised import PREFIX
from forecaster.evaluation.task import plan
from forecaster.serving import show
from forecaster.serving.artifact import load, path_of
from forecaster.serving.round import LONG_LEAST, Round, refresh, run_round
from forecaster.training.keras_trainer import KerasTrainer
from qos.contract.config import Config, ForecastConfig, InfluxConfig, parse_config
from qos.contract.errors import StoreUnavailable
from qos.contract.points import Event, Forecast, ForecastScore, HostTraffic
from qos.store import Store
from qos.store.influx import InfluxStore
from qos.store.sqlite.store import SqliteStore
from tests.fakes import FakeClock, MemoryStore
from tests.forecaster.samples import frame_of, seasonal, traffic
from tests.servers import InfluxQL, influxql_server  # noqa: F401 - a fixture

S = 10**9
NOW_NS = 1_700_006_400 * S
STEP_NS = 300 * S


def settings(extra: str = "", models: str = "naive, seasonal_naive, ets, ridge") -> Config:
    return parse_config(f"forecast: {{grid: 5m, sequence: 24, horizon: 6, folds: 3, models: [{models}]}}\n{extra}")


def history(rows: int = 300, **kwargs: Any) -> list[Any]:
    return traffic(seasonal(rows) * 1e4, STEP_NS, NOW_NS, **kwargs)


def a_round(store: Store, folder: Path, config: Config | None = None, now_ns: int = NOW_NS, **kwargs: Any) -> Round:
    return run_round(store, config or settings(), folder, FakeClock(wall=now_ns + S), **kwargs)


def of(store: MemoryStore, kind: type[Any]) -> list[Any]:
    return [point for point in store.points if isinstance(point, kind)]


def test_forecasts_lie_ahead_with_their_band_and_baseline(tmp_path: Path) -> None:
    store = MemoryStore()
    store.write(history(targets=("1.1.1.1",), apps=("mail",)))
    done = a_round(store, tmp_path)
    names = ["host_down", "host_up", "latency:1.1.1.1", "loss:1.1.1.1", "app:mail"]
    assert [outcome.series.name for outcome in done.results] == names
    forecasts = of(store, Forecast)
    assert {point.series for point in forecasts} == set(names)
    for name in names:
        mine = [point for point in forecasts if point.series == name]
        assert [point.time_ns for point in mine] == [NOW_NS + h * STEP_NS for h in range(6)]
        assert all(point.lower <= point.value <= point.upper for point in mine)
        assert all(point.made_at == NOW_NS + S and point.lower >= 0 for point in mine)
    assert done.grids_ns == {"box": STEP_NS}


def test_every_model_is_scored_and_one_of_them_serves(tmp_path: Path) -> None:
    store = MemoryStore()
    store.write(history())
    done = a_round(store, tmp_path, only=["host_down"])
    scores = of(store, ForecastScore)
    # Three hundred steps of five minutes are a day: no three seasons.
    assert {point.model for point in scores} == {"naive", "ets", "ridge"}
    assert [point.model for point in scores if point.published] == [of(store, Forecast)[0].model]
    assert done.results[0].evaluation is not None
    assert "less than three seasons" in done.results[0].evaluation.left_out["seasonal_naive"]
    assert all(point.samples > 100 and point.coverage is not None for point in scores)


def test_measured_data_is_never_touched(tmp_path: Path) -> None:
    store = MemoryStore()
    store.write(history(targets=("1.1.1.1",)))
    before = list(store.points)
    a_round(store, tmp_path)
    assert store.points[: len(before)] == before
    assert {type(point) for point in store.points[len(before) :]} <= {Forecast, ForecastScore, Event}


def test_a_failing_store_and_an_interrupted_round_leave_the_last_forecast(tmp_path: Path) -> None:
    store = MemoryStore()
    store.write(history())
    a_round(store, tmp_path)
    made = show.newest(store, NOW_NS)

    def stop(text: str) -> None:
        if text.startswith("host_up: "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        a_round(store, tmp_path, on_step=stop)
    store.failure = StoreUnavailable("away")
    with pytest.raises(StoreUnavailable):
        a_round(store, tmp_path)
    store.failure = None
    assert [(one.series, one.steps) for one in show.newest(store, NOW_NS)] == [(one.series, one.steps) for one in made]


def test_a_short_history_is_said_once_and_forecast_when_it_has_grown(tmp_path: Path) -> None:
    store = MemoryStore()
    store.write(history(100))
    done = a_round(store, tmp_path, only=["host_down"])
    assert done.results[0].reason == "99 measured steps of 300 s, 120 are needed"
    assert [event.kind for event in done.events] == ["forecast_unavailable"]
    assert a_round(store, tmp_path, only=["host_down"]).events == ()
    store.write(history(300))
    assert a_round(store, tmp_path, only=["host_down"]).results[0].prediction is not None
    store.write([])
    # Said again when it happens again.
    gone = a_round(store, tmp_path, only=["host_down"], now_ns=NOW_NS + 10 * STEP_NS)
    assert [event.message for event in gone.events] == [
        "host_down cannot be forecast: nothing was measured for 2700 s, longer than the horizon"
    ]


def test_a_series_that_vanished_is_said_and_its_last_forecast_stays(tmp_path: Path) -> None:
    store = MemoryStore()
    store.write(history())
    a_round(store, tmp_path)
    made = len(of(store, Forecast))
    done = refresh(store, settings(), tmp_path, FakeClock(wall=NOW_NS + 20 * STEP_NS))
    assert {event.subject for event in done.events} == {"host_down", "host_up"}
    assert len({event.time_ns for event in done.events}) == 2
    assert len(of(store, Forecast)) == made


def test_a_constant_series_is_served_by_naive(tmp_path: Path) -> None:
    store = MemoryStore()
    store.write(traffic(np.full(300, 8e6), STEP_NS, NOW_NS))
    done = a_round(store, tmp_path, only=["host_down"])
    prediction = done.results[0].prediction
    assert prediction is not None
    assert prediction.model == "naive"
    np.testing.assert_allclose(prediction.value, np.full(6, 8e6))
    np.testing.assert_allclose(prediction.upper, prediction.lower)
    assert [score.mase for score in of(store, ForecastScore) if score.model == "naive"] == [None]


def test_saturation_is_an_event_with_the_time_it_is_expected(tmp_path: Path) -> None:
    store = MemoryStore()
    store.write(history())
    done = a_round(store, tmp_path, settings("link: {down: 500kbit, up: 1gbit}"))
    events = [event for event in done.events if event.kind == "saturation_expected"]
    assert [event.subject for event in events] == ["host_down"]
    first = min(p.time_ns for p in of(store, Forecast) if p.series == "host_down" and p.upper > 500_000)
    clock = np.datetime_as_string(np.datetime64(first, "ns"), unit="s").replace("T", " ")
    assert f"exceed 500.0 kbit/s from {clock} UTC" in events[0].message
    assert not a_round(store, tmp_path, settings("link: {down: 1gbit}")).events


def test_what_came_of_a_forecast_is_scored_when_the_future_has_arrived(tmp_path: Path) -> None:
    store = MemoryStore()
    values = seasonal(306) * 1e4
    store.write(traffic(values[:300], STEP_NS, NOW_NS))
    a_round(store, tmp_path, only=["host_down"])
    assert not [score for score in of(store, ForecastScore) if score.model.startswith(PREFIX)]
    forecast = [point for point in of(store, Forecast) if point.series == "host_down"]
    later_ns = NOW_NS + 6 * STEP_NS
    store.write(traffic(values, STEP_NS, later_ns))
    refresh(store, settings(), tmp_path, FakeClock(wall=later_ns + S))
    (score,) = [score for score in of(store, ForecastScore) if score.model.startswith(PREFIX)]
    assert score.model == f"{PREFIX}{forecast[0].model}"
    # The newest step lies beside the end of what was measured, and counts.
    actual = np.floor(values[300:] * 300 / 8) * 8 / 300
    error = np.abs(actual - [point.value for point in forecast])
    assert score.samples == 6
    assert score.mae == pytest.approx(error.mean())
    inside = [point.lower <= y <= point.upper for y, point in zip(actual, forecast, strict=True)]
    assert score.coverage == pytest.approx(np.mean(inside))
    assert score.published == 0


def test_a_gap_longer_than_the_horizon_leaves_naive_until_the_lookback_is_whole(tmp_path: Path) -> None:
    values = seasonal(400) * 1e4
    values[380:390] = np.nan
    store = MemoryStore()
    store.write(traffic(values, STEP_NS, NOW_NS))
    done = a_round(store, tmp_path, only=["host_down"])
    assert done.results[0].prediction is not None
    assert done.results[0].prediction.model == "naive"


def test_a_refresh_forecasts_from_the_models_of_the_last_round(tmp_path: Path) -> None:
    store = MemoryStore()
    values = seasonal(303) * 1e4
    store.write(traffic(values[:300], STEP_NS, NOW_NS))
    a_round(store, tmp_path)
    later_ns = NOW_NS + 3 * STEP_NS
    store.write(traffic(values, STEP_NS, later_ns))
    done = refresh(store, settings(), tmp_path, FakeClock(wall=later_ns + S))
    assert all(outcome.prediction is not None for outcome in done.results)
    (one,) = show.newest(store, later_ns, ["host_down"])
    assert [step.time_ns for step in one.steps] == [later_ns + h * STEP_NS for h in range(6)]
    assert one.made_ns == later_ns + S


def test_models_of_series_not_trained_for_a_week_are_removed(tmp_path: Path) -> None:
    store = MemoryStore()
    store.write(history())
    a_round(store, tmp_path)
    refresh(store, settings(), tmp_path, FakeClock(wall=NOW_NS + 8 * 86_400 * S))
    assert list(tmp_path.glob("*.npz")) == []


def test_every_host_is_forecast(tmp_path: Path) -> None:
    store = MemoryStore()
    store.write(history())
    store.write(history(host="other"))
    a_round(store, tmp_path, only=["host_up"])
    assert [(one.host, one.series) for one in show.newest(store, NOW_NS)] == [("box", "host_up"), ("other", "host_up")]


def test_without_tensorflow_baselines_serve_and_it_is_said(tmp_path: Path) -> None:
    store = MemoryStore()
    store.write(history())
    config = settings(models="naive, ridge, lstm, lstm_hybrid")
    done = a_round(store, tmp_path, config, only=["host_down"], trainer=None)
    evaluation = done.results[0].evaluation
    assert evaluation is not None
    assert set(evaluation.backtests) == {"naive", "ridge"}
    assert set(evaluation.left_out) == {"lstm", "lstm_hybrid"}
    assert done.results[0].prediction is not None


@contextlib.contextmanager
def _sqlite(folder: Path) -> Iterator[Store]:
    with SqliteStore(folder / "autoqos.db") as store:
        yield store


@contextlib.contextmanager
def _influx(server: InfluxQL) -> Iterator[Store]:
    with server.fresh() as database:
        config = InfluxConfig(url=database.url, org=database.org, bucket=database.bucket)
        with InfluxStore.open(config, SecretStr(database.token or "nobody:checks")) as store:
            yield store


@pytest.mark.train
@pytest.mark.timeout(1500)  # networks train in a process that yields to everything else
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("influxdb", marks=pytest.mark.server)])
def test_a_whole_round_with_tensorflow_on_a_real_store(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, trainer: KerasTrainer
) -> None:
    # Louder by day: the hybrid's band has something to learn. Hourly steps, so that there are three days.
    values = seasonal(360) * 1e4
    hour_ns = 3600 * S
    opened = _sqlite(tmp_path) if kind == "sqlite" else _influx(request.getfixturevalue("influxql_server"))
    names = "naive, seasonal_naive, window_quantiles, ets, ridge, lstm_hybrid, combination"
    if kind == "sqlite":  # minutes of training, and it knows nothing of stores: once is enough
        names = names.replace("lstm_hybrid", "lstm, lstm_hybrid")
    config = parse_config(f"forecast: {{grid: 1h, sequence: 24, horizon: 6, folds: 2, models: [{names}]}}")
    with opened as store:
        store.write(traffic(values, hour_ns, NOW_NS))
        steps: list[str] = []
        clock = FakeClock(wall=NOW_NS + S)
        done = run_round(
            store, config, tmp_path / "models", clock, only=["host_down"], trainer=trainer, on_step=steps.append
        )
        evaluation = done.results[0].evaluation
        assert evaluation is not None
        assert set(evaluation.backtests) == set(names.split(", "))
        assert evaluation.left_out == {}
        (one,) = show.newest(store, NOW_NS)
        assert [step.time_ns for step in one.steps] == [NOW_NS + h * hour_ns for h in range(6)]
        found = store.read("forecast_score", ["mae", "published", "coverage"], by=["series", "model"])
        assert sorted(found["model"]) == sorted(evaluation.backtests)
        assert sum(found["published"]) == 1
        served = load(path_of(tmp_path / "models", "box", "host_down"))
        assert served is not None
        assert served.model == evaluation.choice.model
        # On a series with a season something beats both naive models clearly.
        assert served.model not in ("naive", "seasonal_naive")
        count = store.read("host_traffic", ["rx_bytes"], aggregate="count", by=[])
        assert count["rx_bytes"] == [361]
    assert any(step == "host_down: lstm_hybrid" for step in steps)


def test_host_traffic_is_all_that_is_needed(tmp_path: Path) -> None:
    store = MemoryStore()
    store.write([point for point in history() if isinstance(point, HostTraffic)])
    assert len(a_round(store, tmp_path).results) == 2


def test_an_empty_store_is_a_round_of_nothing(tmp_path: Path) -> None:
    assert a_round(MemoryStore(), tmp_path).results == ()


def test_the_next_two_days_are_forecast_in_hours_once_there_is_a_history_of_them(tmp_path: Path) -> None:
    hour_ns = 3600 * S
    store = MemoryStore()
    store.write(traffic(seasonal(400) * 1e4, hour_ns, NOW_NS, targets=("1.1.1.1",)))
    store.write(traffic(seasonal(200) * 1e4, STEP_NS, NOW_NS, targets=("1.1.1.1",)))
    config = parse_config("forecast: {grid: 5m, horizon: 6, folds: 2, models: [naive, seasonal_naive, ridge]}")
    done = a_round(store, tmp_path, config, only=["host_down", "host_down@1h", "latency:1.1.1.1@1h"])
    assert [one.series.name for one in done.results] == ["host_down", "host_down@1h", "latency:1.1.1.1@1h"]
    found = {one.series: one for one in show.newest(store, NOW_NS)}
    long = found["host_down@1h"]
    assert len(long.steps) == 48
    assert long.steps[0].time_ns == NOW_NS
    assert long.steps[-1].time_ns == NOW_NS + 47 * hour_ns
    # The daily pattern is in it: the busiest hour of tomorrow carries several times the quietest.
    values = [step.value for step in long.steps]
    assert max(values) > 2 * min(values)
    assert len(found["host_down"].steps) == 6
    later = refresh(store, config, tmp_path, FakeClock(wall=NOW_NS + S))
    assert {one.series.name for one in later.results if one.prediction} >= {"host_down", "host_down@1h"}


def test_a_young_history_has_no_hours_and_nothing_is_said_of_them(tmp_path: Path) -> None:
    store = MemoryStore()
    store.write(history())
    done = a_round(store, tmp_path)
    assert [one.series.name for one in done.results] == ["host_down", "host_up"]
    assert done.events == ()


def test_the_least_history_of_forecasts_in_hours_can_be_scored() -> None:
    settings = ForecastConfig()
    frame = frame_of(seasonal(LONG_LEAST))
    found = plan(frame, horizon=LONG_HORIZON, sequence=settings.sequence, folds=settings.folds, seed=settings.seed)
    assert len(found.folds) == 1 + settings.folds
