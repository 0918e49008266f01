"""A round with every candidate made to fail in turn: each series still has a forecast, and the reason is shown."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecaster.data.frames import Frame, Ints
from forecaster.data.series import SeriesId
from forecaster.data.windows import ForecastTask
from forecaster.models import candidates as registry
from forecaster.models.candidates import Candidate
from forecaster.models.model import Fitted, TrainingError
from forecaster.serving import update
from forecaster.serving.journal import RoundJournal
from forecaster.serving.round import run_round
from qos.contract.config import parse_config
from qos.contract.points import Forecast
from tests.fakes import FakeClock, MemoryStore
from tests.forecaster.samples import seasonal, traffic
from tests.forecaster.serving.test_round import NOW_NS, S, a_round, history, of, settings

MODELS = "naive, window_quantiles, ets, ridge, lightgbm"


class NotFinite:
    """Trains, and then answers with NaN."""

    def predict(self, frame: Frame, origins: Ints) -> np.ndarray:
        return np.full((origins.size, 6, 3), np.nan)


def nan(train: Frame, task: ForecastTask, before: Fitted | None) -> Fitted:
    return NotFinite()


def raising(error: BaseException) -> Callable[..., Fitted]:
    def fit(train: Frame, task: ForecastTask, before: Fitted | None) -> Fitted:
        raise error

    return fit


FAILURES = {
    "an exception": (raising(ValueError("operands could not be broadcast")), "operands could not be broadcast"),
    "no memory": (raising(MemoryError()), "out of memory"),
    "a killed trainer": (raising(TrainingError("the training process ended with status -9")), "status -9"),
    "NaN": (nan, "not finite numbers"),
}


def broken(names: set[str], fit: Callable[..., Fitted]) -> Callable[..., Any]:
    def found(*args: Any, **kwargs: Any) -> Any:
        chosen, missing = registry.candidates(*args, **kwargs)
        return tuple(Candidate(c.name, fit) if c.name in names else c for c in chosen), missing

    return found


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("model", ["naive", "window_quantiles", "ets", "ridge"])
def test_whatever_one_candidate_does_the_series_has_a_forecast_and_the_reason_is_kept(
    model: str, failure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, words = FAILURES[failure]
    monkeypatch.setattr(update, "candidates", broken({model}, fit))
    store = MemoryStore()
    store.write(history())
    (result,) = a_round(store, tmp_path, settings(models=MODELS), only=["host_down"]).results
    assert result.prediction is not None
    assert result.evaluation is not None
    assert words in result.evaluation.left_out[model]
    assert model not in result.evaluation.backtests
    assert len([point for point in of(store, Forecast) if point.series == "host_down"]) == 6


class NoTrainer:
    """Networks may take part; whatever is asked of it ends as the test says."""

    def train(self, arrays: Any, settings: Any) -> Any:
        raise TrainingError("the training process ended with status -9")


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("model", ["seasonal_naive", "lightgbm", "lstm", "lstm_hybrid"])
def test_the_further_candidates_fail_alone_too(
    model: str, failure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, words = FAILURES[failure]
    monkeypatch.setattr(update, "candidates", broken({model}, fit))
    store = MemoryStore()
    store.write(traffic(seasonal(150) * 1e4, 3600 * S, NOW_NS))
    config = parse_config(
        f"forecast: {{grid: 1h, sequence: 12, horizon: 6, folds: 2, models: [naive, window_quantiles, {model}]}}"
    )
    (result,) = run_round(
        store, config, tmp_path, FakeClock(wall=NOW_NS + S), only=["host_down"], trainer=NoTrainer()
    ).results
    assert result.prediction is not None
    assert result.prediction.model != model
    assert result.evaluation is not None
    assert words in result.evaluation.left_out[model]
    assert len([point for point in of(store, Forecast) if point.series == "host_down"]) == 6


@pytest.mark.parametrize("failure", FAILURES)
def test_when_all_that_is_trained_fails_naive_serves(
    failure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, words = FAILURES[failure]
    monkeypatch.setattr(update, "candidates", broken({"window_quantiles", "ets", "ridge", "lightgbm"}, fit))
    store = MemoryStore()
    store.write(history(600))
    (result,) = a_round(store, tmp_path, settings(models=MODELS), only=["host_down"]).results
    assert result.prediction is not None
    assert result.prediction.model == "naive"
    assert result.evaluation is not None
    assert all(words in result.evaluation.left_out[name] for name in ("window_quantiles", "ets", "ridge", "lightgbm"))


@pytest.mark.parametrize("failure", FAILURES)
def test_a_training_that_fails_later_leaves_the_last_weights(
    failure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    store.write(history())
    a_round(store, tmp_path, settings(models=MODELS), only=["host_down"])
    fit, words = FAILURES[failure]
    monkeypatch.setattr(update, "candidates", broken({"ridge"}, fit))
    (result,) = a_round(store, tmp_path, settings(models=MODELS), only=["host_down"], now_ns=NOW_NS).results
    assert result.prediction is not None
    assert np.isfinite(result.prediction.value).all()
    assert result.evaluation is not None
    # Its last weights go on: only the new training failed, and that is said.
    assert words in result.evaluation.left_out["ridge"]
    assert "ridge" in result.evaluation.backtests
    (later,) = a_round(store, tmp_path, settings(models=MODELS), only=["host_down"], now_ns=NOW_NS).results
    assert later.prediction is not None
    assert np.isfinite(later.prediction.value).all()


def test_a_candidate_that_ended_the_process_twice_is_not_tried_for_a_day(tmp_path: Path) -> None:
    series = SeriesId("box", "host_down")
    for _ in range(2):
        journal = RoundJournal(tmp_path, "round", NOW_NS, resume_ns=3600 * S)
        assert journal.barred(series) == {}
        journal.trying(series, "lightgbm")  # and the process is killed here
    barred = RoundJournal(tmp_path, "round", NOW_NS, resume_ns=3600 * S).barred(series)
    assert "ended the process 2 times" in barred["lightgbm"]
    again = RoundJournal(tmp_path, "round", NOW_NS, resume_ns=3600 * S)
    again.finish()
    assert RoundJournal(tmp_path, "round", NOW_NS + 90_000 * S, resume_ns=3600 * S).barred(series) == {}


def test_a_barred_candidate_takes_no_part_and_it_is_said(tmp_path: Path) -> None:
    store = MemoryStore()
    store.write(history())
    series = SeriesId("box", "host_down")
    for _ in range(2):
        RoundJournal(tmp_path, "networks", NOW_NS, resume_ns=S).trying(series, "ridge")
    (result,) = a_round(store, tmp_path, settings(models=MODELS), only=["host_down"]).results
    assert result.evaluation is not None
    assert "ended the process" in result.evaluation.left_out["ridge"]
    assert result.prediction is not None


def test_an_interrupted_round_goes_on_with_what_is_left(tmp_path: Path) -> None:
    store = MemoryStore()
    store.write(history(targets=("1.1.1.1",), apps=("mail",)))
    seen: list[str] = []

    def stop(text: str) -> None:
        seen.append(text)
        if text.startswith("host_up: "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        a_round(store, tmp_path, on_step=stop)
    # What was done is published already, applications first.
    assert {point.series for point in of(store, Forecast)} == {"app:mail", "host_down"}
    done = a_round(store, tmp_path)
    assert done.resumed == 2
    assert [one.series.name for one in done.results] == ["host_up", "latency:1.1.1.1", "loss:1.1.1.1"]
    assert a_round(store, tmp_path).resumed == 0


def test_a_round_that_would_disturb_waits_and_says_for_whom(tmp_path: Path) -> None:
    store = MemoryStore()
    store.write(history(apps=("mail",)))
    answers = iter([None, "zoom is in use (a game or a call)"])
    done = a_round(store, tmp_path, postpone=lambda: next(answers, "zoom is in use (a game or a call)"))
    assert [one.series.name for one in done.results] == ["app:mail"]
    assert done.postponed == "zoom is in use (a game or a call)"
    rest = a_round(store, tmp_path)
    assert rest.resumed == 1
    assert [one.series.name for one in rest.results] == ["host_down", "host_up"]
