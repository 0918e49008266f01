"""What a training costs against what it may gain: cheap ones every round, networks once a day or a week."""

import pytest

from forecaster.evaluation.worth import HOUR_NS, is_due
from forecaster.models.candidates import COMBINATION, NAMES, cost_of


def due(name: str, hours: float, **kwargs: object) -> bool:
    given = {"serves": False, "loss_ratio": 2.0, "networks": True} | kwargs
    return is_due(name, age_ns=int(hours * HOUR_NS), **given)  # type: ignore[arg-type] # as given


@pytest.mark.parametrize("name", ["naive", "seasonal_naive", "window_quantiles", "ridge"])
def test_what_is_cheap_is_trained_every_round(name: str) -> None:
    assert cost_of(name) == "cheap"
    assert due(name, 0.0, networks=False)


@pytest.mark.parametrize(
    ("name", "serving", "hours"),
    [("ets", True, 2), ("ets", False, 24), ("lightgbm", True, 6), ("lightgbm", False, 24)],
)
def test_what_takes_seconds_is_trained_seldom_and_more_often_where_it_serves(
    name: str, serving: bool, hours: int
) -> None:
    assert not due(name, hours * 0.8, serves=serving, networks=False)
    assert due(name, hours, serves=serving, networks=False)
    # A round that comes a little early still counts.
    assert due(name, hours * 0.95, serves=serving, networks=False)


@pytest.mark.parametrize("name", ["lstm", "lstm_hybrid"])
def test_a_network_waits_for_its_own_job_and_is_trained_weekly_where_it_is_far_behind(name: str) -> None:
    assert not due(name, 1000, serves=True, loss_ratio=1.0, networks=False)
    assert due(name, 24, serves=True, loss_ratio=1.0)
    assert due(name, 24, loss_ratio=1.05)
    assert not due(name, 24, loss_ratio=1.2)
    assert due(name, 7 * 24, loss_ratio=1.2)
    assert not due(name, 12, serves=True, loss_ratio=1.0)


def test_every_name_has_a_cost() -> None:
    assert {name: cost_of(name) for name in NAMES if name != COMBINATION} == {
        "naive": "cheap", "seasonal_naive": "cheap", "window_quantiles": "cheap", "ridge": "cheap",
        "ets": "moderate", "lightgbm": "moderate", "lstm": "network", "lstm_hybrid": "network",
    }  # fmt: skip
