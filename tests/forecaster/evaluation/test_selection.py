"""Which model serves: the rule of decision 0091, case by case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.evaluation.selection import MARGIN, CandidateScores, ModelChoice, choose


def scores(
    loss: float, mae: float | None = None, folds: tuple[float, ...] = (), upper: float = -0.01
) -> CandidateScores:
    """``folds`` are the losses; ``upper`` ends every interval of the difference."""
    against = dict.fromkeys(("naive", "seasonal_naive", "ridge", "lightgbm", "combination"), upper)
    return CandidateScores(loss if mae is None else mae, loss, folds or (loss,) * 5, against)


def test_naive_serves_what_nothing_beats_and_says_what_came_nearest() -> None:
    choice = choose({"naive": scores(1.0), "ridge": scores(1.1), "ets": scores(1.2)})
    assert choice.model == "naive"
    assert choice.reason == (
        "naive: no model has less quantile loss than repeating the last value (ridge comes nearest)"
    )
    assert choose({"naive": scores(1.0)}).reason == "naive: no other model could be scored"


@pytest.mark.parametrize(("loss", "model"), [(0.5, "ridge"), (0.98, "ridge"), (0.99, "naive")])
def test_a_model_replaces_naive_from_two_percent_on(loss: float, model: str) -> None:
    assert choose({"naive": scores(1.0), "ridge": scores(loss)}).model == model


@pytest.mark.parametrize("name", ["seasonal_naive", "window_quantiles", "lstm_hybrid"])
def test_every_model_needs_proof_seasonal_naive_too(name: str) -> None:
    lucky = (0.2, 0.2, 1.1, 1.1, 1.1)
    choice = choose({"naive": scores(1.0), name: scores(0.74, folds=lucky, upper=0.1)})
    assert choice.model == "naive"
    assert "not in four of five folds, and the difference may be chance" in choice.reason
    assert "26 % less quantile loss" in choice.reason
    assert choose({"naive": scores(1.0), name: scores(0.74, folds=lucky, upper=-0.1)}).model == name
    steady = (0.7, 0.7, 0.7, 0.7, 1.1)
    assert choose({"naive": scores(1.0), name: scores(0.74, folds=steady, upper=0.1)}).model == name


@pytest.mark.parametrize(("loss", "model"), [(0.86, "naive"), (0.85, "ridge"), (0.5, "ridge")])
def test_a_large_gain_needs_most_of_the_folds_only(loss: float, model: str) -> None:
    # Three of five, and an interval that holds zero: bursts fall into few folds.
    bursts = (0.2, 0.3, 0.9, 1.01, 1.01)
    assert choose({"naive": scores(1.0), "ridge": scores(loss, folds=bursts, upper=0.1)}).model == model


def test_a_narrower_band_does_not_buy_a_worse_path() -> None:
    choice = choose({"naive": scores(1.0, mae=1.0), "ridge": scores(0.5, mae=1.03)})
    assert choice.model == "naive"
    assert choice.reason == "naive: ridge came nearest with 50 % less quantile loss, but 3 % more error"


def test_the_reason_says_what_decided() -> None:
    found = {"naive": scores(1.0, mae=1.0), "ridge": scores(0.8, mae=0.59), "ets": scores(0.9)}
    assert choose(found) == ModelChoice(
        "ridge",
        "ridge: 20 % less quantile loss and 41 % less error than naive, on data later than its training; "
        "ets comes next with 12 % more loss",
    )


@pytest.mark.parametrize(("loss", "model"), [(0.79, "ridge"), (0.70, "lightgbm")])
def test_the_model_that_serves_stays_until_another_is_clearly_better(loss: float, model: str) -> None:
    found = {"naive": scores(1.0), "ridge": scores(0.8), "lightgbm": scores(loss)}
    assert choose(found).model == "lightgbm"
    choice = choose(found, "ridge")
    assert choice.model == model
    assert ("too little to change over" in choice.reason) == (model == "ridge")


@pytest.mark.parametrize(("loss", "model"), [(0.79, "combination"), (0.775, "ridge")])
def test_the_combination_serves_until_another_is_clearly_better(loss: float, model: str) -> None:
    found = {"naive": scores(1.0), "combination": scores(0.8), "ridge": scores(loss)}
    choice = choose(found)
    assert choice.model == model
    assert ("too little to be more than luck" in choice.reason) == (model == "combination")
    found["combination"] = scores(0.99)
    assert choose(found).model == "ridge"


def test_a_lucky_model_does_not_replace_the_combination() -> None:
    folds = (0.2, 0.9, 0.9, 0.9, 0.9)
    found = {"naive": scores(1.0), "combination": scores(0.8)}
    found["ridge"] = CandidateScores(0.7, 0.7, folds, {"naive": -0.1, "combination": 0.1})
    assert choose(found).model == "combination"
    found["ridge"] = CandidateScores(0.7, 0.7, folds, {"naive": -0.1, "combination": -0.1})
    assert choose(found).model == "ridge"


def test_a_chance_difference_changes_nothing_over() -> None:
    folds = (0.2, 0.9, 0.9, 0.9, 0.9)
    found = {"naive": scores(1.0), "ridge": scores(0.8), "lightgbm": scores(0.7, folds=folds, upper=0.1)}
    found["lightgbm"] = CandidateScores(0.7, 0.7, folds, {"naive": -0.1, "ridge": 0.1})
    assert choose(found, "ridge").model == "ridge"


def test_a_model_that_lost_its_proof_stops_serving() -> None:
    assert choose({"naive": scores(1.0), "ridge": scores(1.05)}, "ridge").model == "naive"


def test_without_naive_the_least_loss_serves() -> None:
    assert choose({"ridge": scores(2.0), "ets": scores(1.0)}).model == "ets"
    with pytest.raises(ValueError, match="no model could be scored"):
        choose({})


@given(
    st.dictionaries(st.sampled_from(["ridge", "ets", "lightgbm", "window_quantiles"]), st.floats(0.01, 10)),
    st.sampled_from([None, "ridge", "ets"]),
)
def test_what_serves_is_never_worse_than_naive(losses: dict[str, float], incumbent: str | None) -> None:
    found = {"naive": scores(1.0)} | {name: scores(loss) for name, loss in losses.items()}
    chosen = found[choose(found, incumbent).model]
    assert chosen.loss <= 1.0
    assert chosen.mae <= 1 + MARGIN
