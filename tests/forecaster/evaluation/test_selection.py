"""The rule: simple unless clearly beaten."""

import pytest

from forecaster.evaluation.selection import CandidateScores, choose


def standing(
    mae: float, loss: float | None = None, folds: tuple[float, ...] = (), upper: float = 0.99
) -> CandidateScores:
    """``folds`` are of both error and loss; ``upper`` is the end of every interval."""
    loss = mae if loss is None else loss
    ends = dict.fromkeys(("naive", "seasonal_naive", "ets", "ridge"), upper)
    return CandidateScores(mae, loss, folds or (mae,) * 5, folds or (loss,) * 5, ends, ends)


def test_naive_serves_what_nothing_beats_and_it_is_said() -> None:
    choice = choose({"naive": standing(1.0), "ridge": standing(1.2), "lstm_hybrid": standing(1.1)})
    assert choice.model == "naive"
    assert "nothing beats repeating the last value" in choice.reason


@pytest.mark.parametrize(("mae", "served"), [(0.99, "naive"), (0.98, "ridge"), (0.5, "ridge")])
def test_a_baseline_replaces_a_simpler_one_from_two_percent_on(mae: float, served: str) -> None:
    assert choose({"naive": standing(1.0), "ridge": standing(mae)}).model == served


def test_the_least_error_of_the_baselines_wins() -> None:
    found = choose(
        {"naive": standing(1.0), "seasonal_naive": standing(0.9), "ets": standing(0.5), "ridge": standing(0.7)}
    )
    assert found.model == "ets"
    assert "50 % less error than naive" in found.reason


def test_what_serves_is_never_more_than_two_percent_worse_than_a_naive_model() -> None:
    steps = [0.9, 0.95, 0.985, 1.0, 1.01, 1.2]
    for seasonal in steps:
        for ets in steps:
            for ridge in steps:
                found = {
                    "naive": standing(1.0),
                    "seasonal_naive": standing(seasonal),
                    "ets": standing(ets),
                    "ridge": standing(ridge),
                }
                assert found[choose(found).model].mae <= min(1.0, seasonal) / 0.98


def test_a_learned_model_needs_less_loss_in_four_of_five_folds() -> None:
    base = {"naive": standing(1.0), "ridge": standing(0.8, 0.4)}
    steady = standing(0.8, 0.36, (0.3, 0.3, 0.3, 0.3, 0.6))
    lucky = standing(0.8, 0.36, (0.1, 0.1, 0.1, 0.5, 0.5))
    assert choose({**base, "lstm_hybrid": steady}).model == "lstm_hybrid"
    assert choose({**base, "lstm_hybrid": lucky}).model == "ridge"


def test_a_learned_model_with_a_worse_path_never_serves() -> None:
    base = {"naive": standing(1.0), "ridge": standing(0.8, 0.4)}
    assert choose({**base, "lstm_hybrid": standing(0.81, 0.2)}).model == "ridge"


def test_a_learned_model_needs_an_interval_below_one_too() -> None:
    base = {"naive": standing(1.0), "ridge": standing(0.8, 0.4)}
    assert choose({**base, "lstm_hybrid": standing(0.8, 0.36, upper=0.999)}).model == "lstm_hybrid"
    assert choose({**base, "lstm_hybrid": standing(0.8, 0.36, upper=1.001)}).model == "ridge"


def test_a_baseline_that_was_lucky_in_a_few_folds_does_not_replace_naive() -> None:
    lucky = (0.1, 0.1, 1.1, 1.1, 1.1)
    assert choose({"naive": standing(1.0), "ridge": standing(0.7, 0.7, lucky, upper=1.2)}).model == "naive"
    assert choose({"naive": standing(1.0), "ridge": standing(0.7, 0.7, lucky, upper=0.9)}).model == "ridge"
    assert choose({"naive": standing(1.0), "ridge": standing(0.9, 0.9, (0.9,) * 5, upper=1.2)}).model == "ridge"
    # Proof is asked against naive: a seasonal naive in between does not shield it from a better model.
    between = {"naive": standing(1.0), "seasonal_naive": standing(0.9, 0.9, (0.2, 0.2, 1.3, 1.4, 1.4), upper=1.2)}
    assert choose({**between, "ets": standing(0.8, 0.8, (0.8,) * 5, upper=1.2)}).model == "ets"
    # Between the two naive ones the mean alone decides: that is the promise.
    assert choose({"naive": standing(1.0), "seasonal_naive": standing(0.7, 0.7, lucky, upper=1.2)}).model != "naive"


def test_a_perfect_naive_is_not_beaten_by_another_perfect_model() -> None:
    found = choose({"naive": standing(0.0), "ridge": standing(0.0), "lstm_hybrid": standing(0.0)})
    assert found.model == "naive"


def test_learned_models_alone_serve_and_say_so() -> None:
    assert (
        choose({"lstm": standing(2.0), "lstm_hybrid": standing(1.0)}).reason == "lstm_hybrid: no baseline was asked for"
    )


def test_nothing_to_choose_from_is_refused() -> None:
    with pytest.raises(ValueError, match="no model"):
        choose({})
