"""No model knows the future: not through its inputs, not through a scale, a choice or a band."""

import numpy as np
import pytest

from forecaster.evaluation.backtest import Evaluation, evaluate
from forecaster.evaluation.task import plan
from forecaster.models import hybrid, lstm
from forecaster.models.candidates import candidates
from forecaster.training.keras_trainer import KerasTrainer
from qos.system.clock import SYSTEM
from tests.forecaster.samples import frame_of, seasonal

SIMPLE = ("naive", "seasonal_naive", "ets", "ridge")


def run(values: np.ndarray, names: tuple[str, ...], trainer: KerasTrainer | None = None, folds: int = 3) -> Evaluation:
    frame = frame_of(values)
    planned = plan(frame, horizon=6, sequence=24, folds=folds, seed=7)
    chosen, left_out = candidates(names, planned.task, trainer, "not asked for", lstm_every=9, hybrid_every=2)
    assert not left_out
    return evaluate(frame, planned.task, planned.folds, chosen, left_out=left_out, clock=SYSTEM)


def changed_after(values: np.ndarray, row: int) -> np.ndarray:
    result = values.copy()
    result[row + 1 :] = np.random.default_rng(1).exponential(1e4, size=result[row + 1 :].shape)
    return result


def assert_past_is_the_same(one: Evaluation, other: Evaluation, row: int) -> None:
    past = one.origins <= row
    assert 50 < past.sum() < past.size - 20
    for name in one.backtests:
        np.testing.assert_array_equal(one.backtests[name].raw[past], other.backtests[name].raw[past], err_msg=name)
        np.testing.assert_array_equal(
            one.backtests[name].banded[past], other.backtests[name].banded[past], err_msg=name
        )
        # The test itself must be able to fail: the later forecasts are different ones.
        assert not np.array_equal(one.backtests[name].raw[~past], other.backtests[name].raw[~past])


def test_a_changed_future_changes_no_past_forecast_or_band() -> None:
    values = seasonal(600)
    row = 540
    assert_past_is_the_same(run(values, SIMPLE), run(changed_after(values, row), SIMPLE), row)


def test_a_future_that_vanishes_changes_no_past_forecast() -> None:
    values = seasonal(600)
    gone = values.copy()
    gone[545:560] = np.nan
    one, other = run(values, SIMPLE), run(gone, SIMPLE)
    # Where both predict: the gap takes away origins, but none that lie before it with a path before it.
    past = [int(o) for o in other.origins if o <= 538]
    for name in SIMPLE:
        a = one.backtests[name].raw[np.isin(one.origins, past)]
        b = other.backtests[name].raw[np.isin(other.origins, past)]
        np.testing.assert_array_equal(a, b)


def test_a_target_shuffled_in_time_loses_all_skill() -> None:
    values = seasonal(900)
    shuffled = np.random.default_rng(2).permutation(values)
    whole, lost = run(values, SIMPLE), run(shuffled, SIMPLE)
    for name in SIMPLE:
        kept, gone = whole.backtests[name].score.r2, lost.backtests[name].score.r2
        assert kept is not None
        assert gone is not None
        assert gone < 0.03, name
        if name != "naive":
            assert kept > 0.6, name


@pytest.mark.train
@pytest.mark.timeout(900)  # ten trainings: 85 processor seconds took 380 on a machine under load 12
def test_networks_do_not_know_the_future_either(trainer: KerasTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    # Fewer epochs on the same way (a held-out part, stopping early): which rows it is handed does not depend on them.
    monkeypatch.setattr(lstm, "EPOCHS", 40)
    monkeypatch.setattr(lstm, "PATIENCE", 5)
    monkeypatch.setitem(hybrid.COLD, "epochs", 15)
    values = np.stack([seasonal(420), seasonal(420, seed=5)], axis=1)
    names = ("naive", "lstm", "lstm_hybrid")
    row = 385
    one, other = run(values, names, trainer, 2), run(changed_after(values, row), names, trainer, 2)
    assert_past_is_the_same(one, other, row)


@pytest.mark.train
@pytest.mark.timeout(900)
def test_networks_lose_all_skill_on_a_shuffled_target(trainer: KerasTrainer) -> None:
    shuffled = np.random.default_rng(2).permutation(seasonal(420))
    lost = run(shuffled, ("naive", "ridge", "lstm", "lstm_hybrid"), trainer, 2)
    for name in ("lstm", "lstm_hybrid"):
        gone = lost.backtests[name].score.r2
        assert gone is not None
        assert gone < 0.05, name
