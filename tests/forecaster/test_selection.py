"""The rule: simple unless clearly beaten."""

import pytest

from forecaster.selection import Standing, choose


def standing(mae: float, loss: float | None = None, folds: tuple[float, ...] = (), **upper: float) -> Standing:
    loss = mae if loss is None else loss
    return Standing(mae, loss, folds or (loss,) * 5, upper)


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


def test_an_interval_below_one_is_proof_enough() -> None:
    base = {"naive": standing(1.0), "ridge": standing(0.8, 0.4)}
    near = standing(0.8, 0.395, (0.3, 0.3, 0.3, 0.5, 0.5), ridge=0.999)
    assert choose({**base, "lstm_hybrid": near}).model == "lstm_hybrid"
    assert choose({**base, "lstm_hybrid": standing(0.8, 0.395, near.fold_loss, ridge=1.001)}).model == "ridge"


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
